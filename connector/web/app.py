"""The web application: what every request has in common, and the blueprints put together."""

from __future__ import annotations

import hashlib
import traceback

import sqlalchemy as sa
import structlog
from flask import Flask, Response, current_app, g, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as BaseResponse

from connector.accounts.entitlements import OverPlan
from connector.bootstrap import Runtime
from connector.ports.errors import NotFound, PortError
from connector.web import auth, bigcommerce_app, handover, health, shopify_app, webhooks
from connector.web.assets import static_files
from connector.web.channel_hooks import channel_hooks
from connector.web.feeds import feeds
from connector.web.order_answers import order_answers
from connector.web.pages import (
    ads,
    at_risk,
    brought,
    channels,
    connections,
    file_places,
    guard,
    live_sources,
    locations,
    mapping,
    matching,
    message_previews,
    notices,
    overview,
    people,
    places,
    plan,
    prices,
    products,
    rates,
    replay,
    runs,
    scripts,
    search,
    settings,
    shadow,
    shipping,
    shopper_import,
    shopper_person,
    shopper_settings,
    stock_rules,
    store_prices,
    stores,
    suppliers,
    trace,
    worth,
)
from connector.web.people import people as people_of_shop
from connector.web.push_pages import push_pages
from connector.web.relay import Relayed
from connector.web.sign_up_limits import QUICKEST_MS, SignUpLimits
from connector.web.storefront import storefront
from connector.web.view import is_htmx, nonce, page

log = structlog.get_logger()

MOST_BYTES = 1_000_000
"""The largest request a page takes; webhooks and the storefront have limits of their own."""

SESSION_DAYS = 14


def create_app(rt: Runtime) -> Flask:
    """The application for one runtime. Makes no connection: the first request does."""
    app = Flask("connector.web", static_folder=None, template_folder=None)
    app.wsgi_app = webhooks.Mounted(webhooks.Hooks(rt), Relayed(rt, app.wsgi_app))  # type: ignore[method-assign]
    proxies = rt.settings.trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    is_https = rt.base_url.startswith("https://")
    keys = [_session_key(key) for key in rt.settings.secret_keys]
    app.config.update(
        RUNTIME=rt,
        SECRET_KEY=keys[0],
        SECRET_KEY_FALLBACKS=keys[1:],
        # With this prefix browsers take the cookie only from this very host, over TLS.
        SESSION_COOKIE_NAME="__Host-dispo" if is_https else "dispo",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_DAYS * 86_400,
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_PARTS=200,
        # A page may stay open for as long as its session.
        WTF_CSRF_TIME_LIMIT=None,
        RATELIMIT_HEADERS_ENABLED=False,
    )
    csrf = CSRFProtect()
    limits_url = rt.settings.redis_url.replace("unix://", "redis+unix://") or "memory://"
    shop = storefront(rt, SignUpLimits(limits_url, rt.keyring, quickest_ms=QUICKEST_MS), lambda: rt.live)
    csrf.exempt(shop)
    # Customers come by a signed link, without a cookie.
    of_orders = order_answers(rt)
    csrf.exempt(of_orders)
    # Signed by the shop, and no cookie.
    of_shop = people_of_shop(rt)
    csrf.exempt(of_shop)
    # Its requests carry a proof of their own, and no cookie.
    csrf.exempt(shopify_app.routes)
    csrf.exempt(bigcommerce_app.routes)
    # A shop posts there by itself; its state is the proof.
    csrf.exempt(handover.routes)
    # The guard comes first: a stranger is sent to sign in, not told that a token is missing.
    limiter = auth.make_limiter(app, rt.settings.redis_url)
    auth.install(app, limiter)
    # Providers sign what they tell, and send no cookie.
    of_channels = channel_hooks(rt)
    csrf.exempt(of_channels)
    # Whoever holds the signed link; no cookie.
    of_browsers = push_pages(rt)
    csrf.exempt(of_browsers)
    # Suppliers send a token of their own, and no cookie.
    of_suppliers = feeds(rt, limiter)
    csrf.exempt(of_suppliers)
    # Before the token is looked for in the form, which reads the request.
    app.before_request(suppliers.allow_files)
    csrf.init_app(app)
    for blueprint in (
        shop,
        of_orders,
        of_shop,
        health.checks(rt),
        static_files(),
        shopify_app.routes,
        bigcommerce_app.routes,
        handover.routes,
        of_suppliers,
        of_channels,
        of_browsers,
    ):
        app.register_blueprint(blueprint)
    for room in (
        overview,
        products,
        trace,
        runs,
        replay,
        people,
        message_previews,
        at_risk,
        notices,
        channels,
        ads,
        connections,
        file_places,
        guard,
        live_sources,
        locations,
        mapping,
        matching,
        places,
        plan,
        scripts,
        search,
        shadow,
        shopper_import,
        shopper_person,
        shopper_settings,
        stock_rules,
        store_prices,
        stores,
        suppliers,
        settings,
        brought,
        shipping,
        prices,
        rates,
        worth,
    ):
        app.register_blueprint(room.routes)
    app.after_request(_protect)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(NotFound, _missing)
    app.register_error_handler(PortError, _refused)
    app.register_error_handler(OverPlan, plan.over_plan)
    app.register_error_handler(HTTPException, _http_error)
    for error in (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
        app.register_error_handler(error, _database_away)
    app.register_error_handler(Exception, _bug)
    return app


def _session_key(key: str) -> bytes:
    # Derived, so that a leaked cookie signature never helps to open a sealed secret.
    return hashlib.sha256(b"dispo-sessions:" + key.encode()).digest()


def _protect(answer: Response) -> Response:
    """Headers of every answer; those a blueprint set itself stay."""
    headers = answer.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if request.blueprint == "storefront":
        return answer
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; "
        f"script-src 'nonce-{nonce()}'; style-src 'self'; connect-src 'self'; font-src 'self'; frame-src 'self'; "
        # Pictures of products are the shop's own; shops on plain HTTP exist.
        "img-src 'self' data: https: http:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    if request.blueprint not in ("static_files", "health"):
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("X-Robots-Tag", "noindex")
    if current_app.config["SESSION_COOKIE_SECURE"]:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return answer


def _error(reason: str, status: int, headers: dict[str, str] | None = None) -> BaseResponse:
    if is_htmx():
        return Response(status=status, headers=headers)
    return page("error", status, headers=headers, reason=reason)


def _stale_form(_: CSRFError) -> BaseResponse:
    return _error("stale", 400)


def _missing(_: NotFound) -> BaseResponse:
    return _error("not_found", 404)


def _refused(error: PortError) -> BaseResponse:
    """Something outside refused what a button asked for: its cause and remedy."""
    return page("error", 502, reason="refused", cause=error.cause, remedy=error.remedy)


def _http_error(error: HTTPException) -> BaseResponse:
    code = error.code or 500
    if code == 429:
        return auth.too_many()
    if code < 400:
        return error.get_response()
    reason = {404: "not_found", 405: "not_found", 413: "too_large"}.get(code, "failed")
    return _error(reason, code)


def _database_away(error: sa.exc.SQLAlchemyError) -> BaseResponse:
    log.warning("the database cannot be asked", error=type(error).__name__)
    # What the request began to know may be wrong now; the page must need nothing of it.
    g.pop("account", None)
    return _error("away", 503, {"Retry-After": "10"})


def _bug(error: Exception) -> BaseResponse:
    """An error nobody expected: the log has it, the person gets a page and no details."""
    # As text: a traceback with the values of its variables would put people's addresses into the log.
    log.error("unexpected error", path=request.path, traceback="".join(traceback.format_exception(error)))
    g.pop("account", None)
    return _error("failed", 500)
