"""Dispo inside the Shopify admin: the page a merchant lands on, its few buttons, and the way out to the whole app.

The page lives in a frame of another site, where cookies do not work: each request carries the ID token that
App Bridge gives out for a minute. The first one installs. Nothing here reads or writes a session, so there
is nothing another site could make a browser do. The way to all other pages is a ticket for a window of its
own, where an ordinary session begins.
"""

from __future__ import annotations

from functools import wraps
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from connector.accounts.installations import by_shop
from connector.accounts.merchants import platform_user
from connector.db import transaction
from connector.i18n import best_locale
from connector.installs.arrive import arrive
from connector.installs.join import ConnectedByHand, invite
from connector.ports.errors import Misconfigured, PortError, RateLimited, Retryable, Unauthorized
from connector.ports.installs import App, Visitor
from connector.web.auth import enter
from connector.web.embedded_actions import add_actions, as_json, facts
from connector.web.view import nonce, page, runtime

ADAPTER = "shopify"
HOME = "/shopify/app"

routes = Blueprint("shopify_app", __name__)


# --- the page ---------------------------------------------------------------------------------------


@routes.get(HOME)
def home() -> BaseResponse:
    """The page in the admin. Without a good ID token App Bridge is asked for one, once."""
    # What is said before anybody is known is said in the admin's language, too.
    g.asked_locale = request.args.get("locale", "")
    try:
        app = runtime().app(ADAPTER)
    except Misconfigured as error:
        return _trouble((), error, 503)
    shop = request.args.get("shop", "").lower()
    try:
        visitor = app.visitor(request.args.get("id_token", ""))
    except Unauthorized as error:
        ancestors = app.page_ancestors(shop)
        if not ancestors:
            return _outside()
        if request.args.get("tried"):
            return _trouble(ancestors, error, 401)
        return _ask_for_token(shop)
    ancestors = app.page_ancestors(visitor.shop)
    try:
        arrived = arrive(runtime(), ADAPTER, visitor, request.args.get("locale", ""))
    except ConnectedByHand:
        return _by_hand(ancestors, visitor)
    except PortError as error:
        status = 503 if isinstance(error, Retryable | RateLimited) else 502
        return _trouble(ancestors, error, status)
    enter(arrived.merchant_id, arrived.user_id, request.args.get("locale", ""))
    answer = page(
        "embedded", client_id=app.client_id, proof="", **facts(arrived.merchant_id, arrived.connection_id)
    )
    return _framed(answer, ancestors)


def _ask_for_token(shop: str) -> BaseResponse:
    kept = {name: value for name, value in request.args.items() if name not in ("id_token", "tried")}
    again = f"{HOME}?{urlencode({**kept, 'tried': '1'})}"
    target = f"/shopify/session-token?shop={quote(shop)}&shopify-reload={quote(again, safe='')}"
    return redirect(target, 302)


@routes.get("/shopify/session-token")
def session_token() -> BaseResponse:
    """A page with nothing but App Bridge, which goes to `shopify-reload` with a new ID token."""
    try:
        app = runtime().app(ADAPTER)
    except Misconfigured as error:
        return _trouble((), error, 503)
    ancestors = app.page_ancestors(request.args.get("shop", "").lower())
    if not ancestors or not request.args.get("shopify-reload", "").startswith(f"{HOME}?"):
        return _outside()
    return _framed(page("embedded_token", client_id=app.client_id), ancestors)


def _outside() -> Response:
    """Somebody came without a shop: the way in is the store's own admin, there is no field to type one."""
    return page("embedded_outside", 400)


def _by_hand(ancestors: tuple[str, ...], visitor: Visitor) -> Response:
    """An account has this shop by hand: what it would mean to bring the two together, and the way there."""
    kept = {
        name: value for name, value in request.args.items() if name in ("shop", "host", "embedded", "locale")
    }
    word = invite(runtime().keyring, ADAPTER, visitor)
    answer = page(
        "embedded_by_hand",
        409,
        shop=visitor.shop,
        join=f"/stores/join/{word}",
        again=f"{HOME}?{urlencode(kept)}",
    )
    return _framed(answer, ancestors)


def _trouble(ancestors: tuple[str, ...], error: PortError, status: int) -> Response:
    answer = page("embedded_trouble", status, cause=error.cause, remedy=error.remedy)
    if status == 503:
        answer.headers["Retry-After"] = "5"
    return _framed(answer, ancestors)


def _framed(answer: Response, ancestors: tuple[str, ...]) -> Response:
    """Only this shop's admin may show it; scripts are ours and App Bridge, which Shopify serves itself."""
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; "
        f"script-src 'nonce-{nonce()}' https://cdn.shopify.com; style-src 'self'; img-src 'self'; "
        "connect-src 'self' https://*.shopify.com; "
        "base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(ancestors) or chr(39) + 'none' + chr(39)}"
    )
    # The address holds an ID token: it goes nowhere, and nobody keeps the page.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


# --- what the page asks for -------------------------------------------------------------------------


def _proven(view: Any) -> Any:
    """For requests of the page: only with an ID token, only for a shop that is installed."""

    @wraps(view)
    def checked(**values: Any) -> BaseResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            app: App = runtime().app(ADAPTER)
            visitor = app.visitor(token if scheme == "Bearer" else "")
        except (Unauthorized, Misconfigured):
            # With this header App Bridge asks for a new token and tries once more.
            return Response(status=401, headers={"X-Shopify-Retry-Invalid-Session-Request": "1"})
        with runtime().engine.connect() as db:
            row = by_shop(db, ADAPTER, visitor.shop)
        if row is None or row.ended_at is not None:
            return as_json({"error": "reload"}, 409)
        enter(row.merchant_id, _user(row.merchant_id, visitor), request.args.get("locale", ""))
        answer: BaseResponse = view(row.merchant_id, row.connection_id, **values)
        return answer

    return checked


def _user(merchant_id: int, visitor: Visitor) -> int:
    rt = runtime()
    locale = best_locale([request.args.get("locale", "")])
    with transaction(rt.engine) as db:
        return platform_user(db, merchant_id, visitor.shop, visitor.user_id, now=rt.now(), locale=locale)


add_actions(routes, "/shopify", _proven)
