"""Who is signed in, and for which merchant: the only place that sets `g.merchant_id`.

The session is a signed cookie that holds the user, the merchant and the session version. Each request
looks the version up again, so a changed password ends every session at once. Everything is closed unless
its blueprint is named in PUBLIC.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, g, redirect, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from connector.accounts.audit import record
from connector.accounts.merchants import SignedIn, sign_in
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.i18n import best_locale
from connector.web.demo import demo_facts
from connector.web.view import is_htmx, page, runtime, safe_target

PUBLIC = frozenset(
    {
        "auth",
        "bigcommerce_app",
        "channel_hooks",
        "feeds",
        "handover",
        "health",
        "order_answers",
        "people_of_shop",
        "push_pages",
        "shopify_app",
        "static_files",
        "storefront",
    }
)
"""Blueprints that need nobody signed in. Those inside a platform's admin ask for its proof instead of a
session, and then call `enter`."""

PER_CLIENT = "20 per 5 minutes"
PER_ACCOUNT = "10 per 15 minutes"


@dataclass(frozen=True, slots=True)
class Account:
    """The person of this request and the merchant they work for."""

    merchant_id: int
    user_id: int
    email: str
    locale: str
    merchant_name: str
    timezone: str
    currency: str
    is_frozen: bool


_ACCOUNT = sa.text("""
    select u.merchant_id, u.id, u.email, u.locale, m.name, m.timezone, m.currency, m.is_frozen
      from app_user u join merchant m on m.id = u.merchant_id
     where u.merchant_id = :m and u.id = :u and u.session_version = :v
""")


_USER = sa.text("""
    select u.merchant_id, u.id, u.email, u.locale, m.name, m.timezone, m.currency, m.is_frozen,
           u.session_version
      from app_user u join merchant m on m.id = u.merchant_id
     where u.merchant_id = :m and u.id = :u
""")


def install(app: Flask, limiter: Limiter) -> None:
    """Guard the app: every request that is not public needs a session."""
    app.before_request(_guard)
    app.register_blueprint(_routes(limiter))


def _guard() -> BaseResponse | None:
    if request.blueprint in PUBLIC and request.blueprint != "auth":
        return None
    account = _account()
    if account is not None:
        g.account = account
        g.merchant_id = account.merchant_id
    if account is not None or request.blueprint == "auth":
        return None
    if request.endpoint is None:
        return None  # an address that does not exist says so to everybody
    session.pop("user", None)
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": "/sign-in"})
    return redirect(_sign_in_address() if request.method == "GET" else "/sign-in", 303)


def _sign_in_address() -> str:
    path = request.full_path.rstrip("?")
    return "/sign-in" if path == "/" else f"/sign-in?next={quote(path)}"


def _account() -> Account | None:
    kept = session.get("user")
    if not (isinstance(kept, list) and len(kept) == 3 and all(type(part) is int for part in kept)):
        return None
    with runtime().engine.connect() as db:
        row = db.execute(_ACCOUNT, {"m": kept[0], "u": kept[1], "v": kept[2]}).one_or_none()
    return Account(*row) if row else None


def enter(merchant_id: int, user_id: int, locale: str = "") -> None:
    """Let this request, and no other, act for a user whose identity was proven without a session.
    `locale`: the language they have chosen where they come from; theirs if it is empty or not offered."""
    with runtime().engine.connect() as db:
        row = db.execute(_USER, {"m": merchant_id, "u": user_id}).one()
    account = Account(*row[:8])
    chosen = best_locale([locale], account.locale or "en") if locale else account.locale
    g.account = replace(account, locale=chosen)
    g.merchant_id = account.merchant_id


def begin_session_of(merchant_id: int, user_id: int) -> bool:
    """Sign in a user whose identity was proven by a ticket. False when there is no such user any more."""
    with runtime().engine.connect() as db:
        row = db.execute(_USER, {"m": merchant_id, "u": user_id}).one_or_none()
    if row is None:
        return False
    begin_session(SignedIn(row.merchant_id, row.id, row.email, row.locale, row.session_version))
    return True


def begin_session(user: SignedIn) -> None:
    """Sign `user` in: a new session, nothing of the old one stays."""
    session.clear()
    session.permanent = True
    session["user"] = [user.merchant_id, user.user_id, user.session_version]


def _account_key() -> str:
    """The address somebody tries, as a digest: limits must not become a list of addresses."""
    tried = request.form.get("email", "").strip().casefold()[:320]
    return "account:" + hashlib.sha256(tried.encode()).hexdigest()[:32]


def is_loopback() -> bool:
    """Did the request come from this machine itself? The real peer counts; a header can only deny it."""
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False
    try:
        peer = ipaddress.ip_address(request.environ.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return bool((mapped or peer).is_loopback)


def _routes(limiter: Limiter) -> Blueprint:
    routes = Blueprint("auth", __name__)

    def failed(response: Any) -> bool:
        return bool(response.status_code == 401)

    @routes.get("/sign-in")
    def sign_in_page() -> BaseResponse:
        if "account" in g:
            return redirect("/")
        return _sign_in_form(200)

    @routes.post("/sign-in")
    @limiter.limit(PER_CLIENT, deduct_when=failed)
    @limiter.limit(PER_ACCOUNT, key_func=_account_key, deduct_when=failed)
    def sign_in_action() -> BaseResponse:
        rt = runtime()
        with transaction(rt.engine) as db:
            user = sign_in(db, request.form.get("email", ""), request.form.get("password", "")[:1000])
            if user is not None:
                record(db, user.merchant_id, rt.now(), user.email, "user.sign_in", f"user {user.user_id}")
        if user is None:
            return _sign_in_form(401, error="wrong")
        target = safe_target(request.args.get("next", ""))
        begin_session(user)
        return redirect(target, 303)

    @routes.post("/sign-out")
    def sign_out() -> BaseResponse:
        chosen = session.get("locale")
        session.clear()
        if chosen:
            session["locale"] = chosen
        return redirect("/sign-in", 303)

    @routes.post("/language")
    def language() -> BaseResponse:
        chosen = best_locale([request.form.get("locale", "")])
        session["locale"] = chosen
        if "account" in g:
            rt = runtime()
            with transaction(rt.engine) as db:
                db.execute(
                    sa.text("update app_user set locale = :l where merchant_id = :m and id = :u"),
                    {"l": chosen, "m": g.merchant_id, "u": g.account.user_id},
                )
        return redirect(safe_target(request.form.get("next", "")), 303)

    @routes.get("/demo")
    def demo() -> BaseResponse:
        rt = runtime()
        if not rt.settings.is_demo or not is_loopback():
            raise NotFound
        user = _demo_user(rt)
        if user is None:
            return page("starting", 503, headers={"Retry-After": "2", "Refresh": "2"})
        begin_session(user)
        return redirect("/", 303)

    return routes


def _sign_in_form(status: int, error: str = "") -> BaseResponse:
    return page(
        "sign_in",
        status,
        error=error,
        email=request.form.get("email", "")[:320],
        next=request.args.get("next", ""),
        has_demo=runtime().settings.is_demo and is_loopback(),
    )


def too_many() -> BaseResponse:
    """The answer to too many failed sign-ins."""
    answer = _sign_in_form(429, error="too_many")
    answer.headers["Retry-After"] = "300"
    return answer


def _demo_user(rt: Runtime) -> SignedIn | None:
    """The demonstration's person: the one `demo.json` names, else the first there is."""
    wanted = str(demo_facts(rt).get("email", ""))
    with rt.engine.connect() as db:
        row = db.execute(
            sa.text("""
                select merchant_id, id, email, locale, session_version from app_user
                 where :e = '' or email = :e order by merchant_id, id limit 1
            """),
            {"e": wanted},
        ).one_or_none()
    return SignedIn(*row) if row else None


def make_limiter(app: Flask, redis_url: str) -> Limiter:
    """Counts in Redis; when Redis is away this process counts alone."""
    url = redis_url.replace("unix://", "redis+unix://") if redis_url else "memory://"
    options: dict[str, str | int] = {"socket_connect_timeout": 1, "socket_timeout": 1} if redis_url else {}
    return Limiter(
        get_remote_address,
        app=app,
        storage_uri=url,
        storage_options=options,
        in_memory_fallback_enabled=True,
        key_prefix="dispo-web",
        strategy="fixed-window",
    )
