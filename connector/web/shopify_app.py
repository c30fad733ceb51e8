"""Dispo inside the Shopify admin: the page a merchant lands on, its few buttons, and the way out to the whole app.

The page lives in a frame of another site, where cookies do not work: each request carries the ID token that
App Bridge gives out for a minute. The first one installs. Nothing here reads or writes a session, so there
is nothing another site could make a browser do. The way to all other pages is a ticket for a window of its
own, where an ordinary session begins.
"""

from __future__ import annotations

import json
from functools import wraps
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, abort, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from connector.accounts import privacy
from connector.accounts.audit import record
from connector.accounts.connections import choose_setting, connection
from connector.accounts.installations import by_shop, issue_ticket, redeem_ticket
from connector.accounts.merchants import platform_user
from connector.accounts.schedule import run_now
from connector.crypto import LinkInvalid
from connector.db import transaction
from connector.delivery import approval
from connector.i18n import best_locale
from connector.installs.arrive import arrive
from connector.installs.privacy import export
from connector.ports.errors import Misconfigured, PortError, RateLimited, Retryable, Unauthorized
from connector.ports.installs import App, Visitor
from connector.web.auth import begin_session_of, enter
from connector.web.queries import embedded
from connector.web.view import nonce, page, reading, runtime

ADAPTER = "shopify"
HOME = "/shopify/app"
SAMPLES = 5

routes = Blueprint("shopify_app", __name__)


# --- the page ---------------------------------------------------------------------------------------


@routes.get(HOME)
def home() -> BaseResponse:
    """The page in the admin. Without a good ID token App Bridge is asked for one, once."""
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
    except PortError as error:
        status = 503 if isinstance(error, Retryable | RateLimited) else 502
        return _trouble(ancestors, error, status)
    enter(arrived.merchant_id, arrived.user_id, request.args.get("locale", ""))
    answer = page("embedded", client_id=app.client_id, **_state(arrived.merchant_id, arrived.connection_id))
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
            return _json({"error": "reload"}, 409)
        enter(row.merchant_id, _user(row.merchant_id, visitor), request.args.get("locale", ""))
        answer: BaseResponse = view(row.merchant_id, row.connection_id, **values)
        return answer

    return checked


def _user(merchant_id: int, visitor: Visitor) -> int:
    rt = runtime()
    locale = best_locale([request.args.get("locale", "")])
    with transaction(rt.engine) as db:
        return platform_user(db, merchant_id, visitor.shop, visitor.user_id, now=rt.now(), locale=locale)


@routes.get(f"{HOME}/state")
@_proven
def state(merchant_id: int, connection_id: int) -> Response:
    """The part of the page that changes, as it is now."""
    return page("_embedded", **_state(merchant_id, connection_id))


@routes.post(f"{HOME}/approve")
@_proven
def approve(merchant_id: int, connection_id: int) -> Response:
    """Allow writing to the store, as the button that shows the difference says."""
    rt = runtime()
    with transaction(rt.engine) as db:
        approval.approve(db, merchant_id, connection_id, actor=g.account.email, now=rt.now())
    return page("_embedded", **_state(merchant_id, connection_id))


@routes.post(f"{HOME}/location")
@_proven
def choose_location(merchant_id: int, connection_id: int) -> Response:
    """Choose the one place Dispo writes, where the store has several; then the store is read again."""
    rt = runtime()
    chosen = str((request.get_json(silent=True) or {}).get("location_id", ""))
    writable = [one for one in rt.store(merchant_id, connection_id).locations() if one.writable]
    if chosen not in {one.location_id for one in writable}:
        abort(404)
    with transaction(rt.engine) as db:
        choose_setting(db, merchant_id, connection_id, "location_id", chosen)
        run_now(db, merchant_id, "store.full", connection_id)
        subject = f"connection {connection_id}"
        record(db, merchant_id, rt.now(), g.account.email, "store.location", subject, {"location": chosen})
    return page("_embedded", **_state(merchant_id, connection_id))


@routes.post(f"{HOME}/open")
@_proven
def open_whole(merchant_id: int, connection_id: int) -> Response:
    """The address that opens the whole app in a window of its own, once, within a minute."""
    rt = runtime()
    with transaction(rt.engine) as db:
        ticket = issue_ticket(db, rt.keyring, merchant_id, connection_id, g.account.user_id)
    return _json({"url": f"/shopify/open/{ticket}"})


@routes.get("/shopify/open/<ticket>")
def opened(ticket: str) -> BaseResponse:
    """Begin a session for the person a ticket was given to.

    Only where our own page led here: a link that somebody else sends would sign its reader in as them.
    """
    rt = runtime()
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return page("embedded_outside", 403)
    try:
        with transaction(rt.engine) as db:
            found = redeem_ticket(db, rt.keyring, ticket)
    except LinkInvalid:
        found = None
    if found is None or not begin_session_of(*found):
        return page("embedded_outside", 410)
    return redirect("/", 303)


@routes.get(f"{HOME}/privacy/<int:request_id>")
@_proven
def privacy_file(merchant_id: int, connection_id: int, request_id: int) -> Response:
    """What is kept about the person of a data request, for the merchant to hand over."""
    rt = runtime()
    with reading() as db:
        asked = privacy.find(db, merchant_id, request_id)
        if asked is None or asked.kind != "export" or asked.status != "ready":
            abort(404)
        kept = export(db, privacy.addresses(db, rt.keyring, merchant_id, request_id), merchant_id)
    with transaction(rt.engine) as db:
        record(db, merchant_id, rt.now(), g.account.email, "privacy.fetch", f"privacy request {request_id}")
    answer = _json(kept)
    answer.headers["Content-Disposition"] = f'attachment; filename="data-request-{request_id}.json"'
    return answer


@routes.post(f"{HOME}/privacy/<int:request_id>")
@_proven
def privacy_done(merchant_id: int, connection_id: int, request_id: int) -> Response:
    """The merchant says that the data was handed over."""
    rt = runtime()
    with transaction(rt.engine) as db:
        asked = privacy.find(db, merchant_id, request_id, for_update=True)
        if asked is None or asked.kind != "export" or asked.status != "ready":
            abort(404)
        said = "The merchant handed the data over."
        privacy.done(db, merchant_id, request_id, outcome=said, actor=g.account.email, now=rt.now())
    return page("_embedded", **_state(merchant_id, connection_id))


def _state(merchant_id: int, connection_id: int) -> dict[str, Any]:
    """What the page shows: the connection, how far its import is, and what to do next."""
    rt = runtime()
    with reading() as db:
        row = connection(db, merchant_id, connection_id)
        seen = embedded.facts(db, merchant_id, connection_id)
        counts = approval.difference(db, merchant_id, connection_id) if seen.read_at else None
        needs_approval = row.writing_approved_at is None and bool(counts and counts.total + counts.same)
        samples = approval.samples(db, merchant_id, connection_id, SAMPLES) if needs_approval else []
        requests = privacy.requests(db, merchant_id, is_open=True)
    places = []
    if embedded.asks_for_place(seen):
        try:
            places = [one for one in rt.store(merchant_id, connection_id).locations() if one.writable]
        except PortError:
            places = []  # the page says what is wrong with the connection already
    return {
        "row": row,
        "seen": seen,
        "one": {"counts": counts, "samples": samples} if needs_approval else None,
        "places": places,
        "requests": requests,
        "step": embedded.next_step(row, seen, has_places=bool(places), needs_approval=needs_approval),
    }


def _json(value: object, status: int = 200) -> Response:
    answer = Response(json.dumps(value), status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
