"""Dispo inside the BigCommerce control panel: the four addresses it calls, and the page in its frame.

The page lives in a frame of another site, where cookies do not work. BigCommerce proves once who opens it, by
a signed payload in the address; the page then carries a proof of ours, good for some hours, for this person
and this store, and its requests carry that. Nothing here reads or writes a session but the way out, a ticket.
"""

from __future__ import annotations

from datetime import timedelta
from functools import wraps
from typing import Any, cast

import sqlalchemy as sa
import structlog
from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

from connector.accounts.audit import record
from connector.accounts.installations import InstallationRow, by_shop
from connector.crypto import LinkInvalid
from connector.db import transaction
from connector.delivery.webhooks import end_store
from connector.installs.arrive import Arrived, arrive, arrive_with
from connector.ports.errors import Misconfigured, PortError, RateLimited, Retryable, Unauthorized
from connector.ports.installs import CodeApp
from connector.web.auth import enter
from connector.web.embedded_actions import add_actions, as_json, facts
from connector.web.view import nonce, page, runtime

log = structlog.get_logger()

ADAPTER = "bigcommerce"
ROOT = "/bigcommerce"
PROOF_LASTS_S = 8 * 3600
_PROOF = "page in the control panel of bigcommerce"

routes = Blueprint("bigcommerce_app", __name__)


def _app() -> CodeApp:
    return cast(CodeApp, runtime().app(ADAPTER))


# --- what BigCommerce opens -------------------------------------------------------------------------


@routes.get(f"{ROOT}/auth")
def auth() -> BaseResponse:
    """A store installs us, again or for the first time; the code in the address is good once."""
    rt = runtime()
    try:
        visitor, grant = _app().installed(request.args.to_dict(), f"{rt.base_url}{ROOT}/auth")
        arrived = arrive_with(rt, ADAPTER, visitor, grant, request.accept_languages.best or "")
    except PortError as error:
        # Whose store it is was not proven: nobody's page may show this one.
        return _trouble((), error)
    return _page(visitor.shop, arrived)


@routes.get(f"{ROOT}/load")
def load() -> BaseResponse:
    """Somebody of a store opens our page."""
    try:
        app = _app()
        visitor = app.visitor(request.args.get("signed_payload_jwt", ""))
    except PortError as error:
        return _trouble((), error)
    try:
        arrived = arrive(runtime(), ADAPTER, visitor, request.accept_languages.best or "")
    except PortError as error:
        return _trouble(app.page_ancestors(visitor.shop), error)
    return _page(visitor.shop, arrived)


@routes.get(f"{ROOT}/uninstall")
def uninstall() -> Response:
    """The store removed us.

    A payload of /load looks the same and any of the store's people has one in their browser: so it is only
    believed from the owner, or where the store refuses our access by now. One from before the present
    installation ends nothing.
    """
    rt = runtime()
    try:
        leaver = _app().leaver(request.args.get("signed_payload_jwt", ""))
    except PortError:
        return as_json({"error": "not signed"}, 401)
    with rt.engine.connect() as db:
        row = by_shop(db, ADAPTER, leaver.shop)
    if row is None or row.ended_at is not None:
        return as_json({"outcome": "nothing is kept"})
    # Said in whole seconds: it was before the end of that one.
    said_at = leaver.said_at + timedelta(seconds=1)
    if not leaver.is_owner:
        if not _is_shut_out(row):
            return _not_believed(row)
        said_at = rt.now()
    with transaction(rt.engine) as db:
        outcome = end_store(db, row.merchant_id, row.connection_id, said_at, rt.now())
    return as_json({"outcome": outcome})


def _not_believed(row: InstallationRow) -> Response:
    log.warning("a removal was not believed", adapter=ADAPTER, connection=row.connection_id)
    return as_json({"outcome": "the store still lets us in"})


def _is_shut_out(row: InstallationRow) -> bool:
    try:
        runtime().store(row.merchant_id, row.connection_id).check()
    except Unauthorized:
        return True
    except PortError:
        return False
    return False


@routes.get(f"{ROOT}/remove-user")
@routes.get(f"{ROOT}/remove_user", endpoint="remove_user_too")
def remove_user() -> Response:
    """Somebody may not use us any more: they are forgotten, and their sessions end."""
    rt = runtime()
    try:
        leaver = _app().leaver(request.args.get("signed_payload_jwt", ""))
    except PortError:
        return as_json({"error": "not signed"}, 401)
    with rt.engine.connect() as db:
        row = by_shop(db, ADAPTER, leaver.shop)
    if row is None:
        return as_json({"outcome": "nothing is kept"})
    with transaction(rt.engine) as db:
        gone = db.execute(
            sa.text("delete from app_user where merchant_id = :m and email = :e"),
            {"m": row.merchant_id, "e": f"{leaver.user_id}@{row.shop}"},
        ).rowcount
        if gone:
            record(db, row.merchant_id, rt.now(), "platform", "user.remove", f"user {leaver.user_id}")
    return as_json({"outcome": "removed" if gone else "nothing is kept"})


# --- the page ---------------------------------------------------------------------------------------


def _page(shop: str, arrived: Arrived) -> Response:
    rt = runtime()
    enter(arrived.merchant_id, arrived.user_id)
    proof = rt.keyring.sign(_PROOF, [shop, arrived.merchant_id, arrived.connection_id, arrived.user_id])
    answer = page(
        "embedded", proof=proof, home=f"{ROOT}/app", **facts(arrived.merchant_id, arrived.connection_id)
    )
    return _framed(answer, _app().page_ancestors(shop))


def _trouble(ancestors: tuple[str, ...], error: PortError) -> Response:
    if isinstance(error, Misconfigured | Retryable | RateLimited):
        status = 503
    else:
        status = 401 if isinstance(error, Unauthorized) else 502
    answer = page("embedded_trouble", status, cause=error.cause, remedy=error.remedy)
    return _framed(answer, ancestors)


def _framed(answer: Response, ancestors: tuple[str, ...]) -> Response:
    """Only this store's control panel may show it, and its scripts are ours alone."""
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce()}'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(ancestors) or chr(39) + 'none' + chr(39)}"
    )
    # The address holds a code or a payload: it goes nowhere, and nobody keeps the page.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _proven(view: Any) -> Any:
    """For requests of the page: only with its proof, for a person and a store that are still there."""

    @wraps(view)
    def checked(**values: Any) -> BaseResponse:
        rt = runtime()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            value = rt.keyring.verify(_PROOF, token if scheme == "Bearer" else "", PROOF_LASTS_S)
        except LinkInvalid:
            value = None
        if not (isinstance(value, list) and len(value) == 4):
            return as_json({"error": "open Dispo again"}, 401)
        shop, merchant_id, connection_id, user_id = value
        with rt.engine.connect() as db:
            row = by_shop(db, ADAPTER, str(shop))
            is_known = db.execute(
                sa.text("select 1 from app_user where merchant_id = :m and id = :u"),
                {"m": merchant_id, "u": user_id},
            ).scalar()
        if not is_known:
            return as_json({"error": "open Dispo again"}, 401)
        if row is None or row.ended_at is not None or row.connection_id != connection_id:
            return as_json({"error": "reload"}, 409)
        enter(row.merchant_id, int(user_id), request.args.get("locale", ""))
        answer: BaseResponse = view(row.merchant_id, row.connection_id, **values)
        return answer

    return checked


add_actions(routes, ROOT, _proven)
