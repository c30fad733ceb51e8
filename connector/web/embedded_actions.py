"""What the page inside a platform's admin asks for, the same on every platform that has one.

Each platform proves in its own way who asks: `proven` wraps a view and calls it with merchant and connection.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, abort, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from connector.accounts import entitlements, privacy
from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, choose_setting, connection
from connector.accounts.installations import issue_ticket, redeem_ticket
from connector.accounts.schedule import run_now
from connector.crypto import LinkInvalid
from connector.db import transaction
from connector.delivery import approval, grants
from connector.delivery.badges import badges_problem
from connector.delivery.incoming import follow_incoming
from connector.delivery.plans import read_plan
from connector.installs.privacy import export
from connector.ports.errors import Misconfigured, PortError
from connector.ports.installs import Block
from connector.web.auth import begin_session_of
from connector.web.pages.plan import plan_facts
from connector.web.queries import embedded
from connector.web.view import page, reading, runtime

SAMPLES = 5
PAGES = {"supplier": "/suppliers/new", "plan": "/plan"}
"""Pages of the whole app that a button inside the platform's admin leads to."""
Proven = Callable[[Any], Any]


def add_actions(routes: Blueprint, root: str, proven: Proven) -> None:
    """Add the routes below <root>/app/ and the way out to the whole app, <root>/open/."""
    home = f"{root}/app"

    @routes.get(f"{home}/state")
    @proven
    def state(merchant_id: int, connection_id: int) -> Response:
        """The part of the page that changes, as it is now."""
        return page("_embedded", **facts(merchant_id, connection_id))

    @routes.post(f"{home}/approve")
    @proven
    def approve(merchant_id: int, connection_id: int) -> Response:
        """Allow writing to the store, as the button that shows the difference says."""
        rt = runtime()
        with transaction(rt.engine) as db:
            approval.approve(db, merchant_id, connection_id, actor=g.account.email, now=rt.now())
        return page("_embedded", **facts(merchant_id, connection_id))

    @routes.post(f"{home}/location")
    @proven
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
            record(
                db, merchant_id, rt.now(), g.account.email, "store.location", subject, {"location": chosen}
            )
        return page("_embedded", **facts(merchant_id, connection_id))

    @routes.post(f"{home}/grants")
    @proven
    def look_again(merchant_id: int, connection_id: int) -> Response:
        """Somebody allowed something, or did not: the store says what."""
        rt = runtime()
        try:
            grants.look_at_grants(rt, merchant_id, connection_id, g.account.email)
            follow_incoming(rt, merchant_id, connection_id)
        except PortError as error:
            return as_json({"error": error.cause}, 503)
        with transaction(rt.engine) as db:
            # Its notices of what may be read now are set by the workers.
            run_now(db, merchant_id, "store.webhooks", connection_id)
        return page("_embedded", **facts(merchant_id, connection_id))

    @routes.post(f"{home}/plan")
    @proven
    def read_plan_again(merchant_id: int, connection_id: int) -> Response:
        """Ask the platform for the plan now; what cannot be asked is said on the page."""
        with contextlib.suppress(PortError):  # it is stored with the plan, which stays
            read_plan(runtime(), merchant_id, connection_id, g.account.email)
        return page("_embedded", **facts(merchant_id, connection_id))

    @routes.post(f"{home}/open")
    @proven
    def open_whole(merchant_id: int, connection_id: int) -> Response:
        """The address that opens the whole app in a window of its own, once, within a minute."""
        rt = runtime()
        with transaction(rt.engine) as db:
            ticket = issue_ticket(db, rt.keyring, merchant_id, connection_id, g.account.user_id)
        to = str((request.get_json(silent=True) or {}).get("to", ""))
        return as_json({"url": f"{root}/open/{ticket}" + (f"?to={to}" if to in PAGES else "")})

    @routes.get(f"{root}/open/<ticket>")
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
        return redirect(PAGES.get(request.args.get("to", ""), "/"), 303)

    @routes.get(f"{home}/privacy/<int:request_id>")
    @proven
    def privacy_file(merchant_id: int, connection_id: int, request_id: int) -> Response:
        """What is kept about the person of a data request, for the merchant to hand over."""
        rt = runtime()
        with reading() as db:
            asked = privacy.find(db, merchant_id, request_id)
            if asked is None or asked.kind != "export" or asked.status != "ready":
                abort(404)
            kept = export(db, privacy.addresses(db, rt.keyring, merchant_id, request_id), merchant_id)
        with transaction(rt.engine) as db:
            subject = f"privacy request {request_id}"
            record(db, merchant_id, rt.now(), g.account.email, "privacy.fetch", subject)
        answer = as_json(kept)
        answer.headers["Content-Disposition"] = f'attachment; filename="data-request-{request_id}.json"'
        return answer

    @routes.post(f"{home}/privacy/<int:request_id>")
    @proven
    def privacy_done(merchant_id: int, connection_id: int, request_id: int) -> Response:
        """The merchant says that the data was handed over."""
        rt = runtime()
        with transaction(rt.engine) as db:
            asked = privacy.find(db, merchant_id, request_id, for_update=True)
            if asked is None or asked.kind != "export" or asked.status != "ready":
                abort(404)
            said = "The merchant handed the data over."
            privacy.done(db, merchant_id, request_id, outcome=said, actor=g.account.email, now=rt.now())
        return page("_embedded", **facts(merchant_id, connection_id))


def facts(merchant_id: int, connection_id: int) -> dict[str, Any]:
    """What the page shows: the connection, how far its import is, and what to do next."""
    rt = runtime()
    with reading() as db:
        row = connection(db, merchant_id, connection_id)
        seen = embedded.facts(db, merchant_id, connection_id)
        counts = approval.difference(db, merchant_id, connection_id) if seen.read_at else None
        needs_approval = row.writing_approved_at is None and bool(counts and counts.total + counts.same)
        samples = approval.samples(db, merchant_id, connection_id, SAMPLES) if needs_approval else []
        requests = privacy.requests(db, merchant_id, is_open=True)
        problem = badges_problem(db, merchant_id, connection_id)
        plan = {**plan_facts(db, merchant_id), "plan_changes": entitlements.unseen(db, merchant_id)}
    places = []
    if embedded.asks_for_place(seen):
        try:
            places = [one for one in rt.store(merchant_id, connection_id).locations() if one.writable]
        except PortError:
            places = []  # the page says what is wrong with the connection already
    return {
        **plan,
        "row": row,
        "seen": seen,
        "one": {"counts": counts, "samples": samples} if needs_approval else None,
        "places": places,
        "features": grants.features(row, own_client_id(row.adapter)),
        "requests": requests,
        "badges_problem": problem,
        "blocks": _block_pages(row) if row.writing_approved_at is not None else {},
        "step": embedded.next_step(row, seen, has_places=bool(places), needs_approval=needs_approval),
    }


def _block_pages(row: ConnectionRow) -> Mapping[Block, str]:
    try:
        return runtime().app(row.adapter).block_pages(str(row.config.get("shop", "")))
    except Misconfigured:
        return {}  # the operator has no app there any more


def own_client_id(adapter: str) -> str:
    """The client ID of the operator's app on a platform, "" where there is none."""
    keys = runtime().settings.apps.get(adapter)
    return keys.client_id if keys else ""


def as_json(value: object, status: int = 200) -> Response:
    """`value` as JSON that nobody keeps."""
    answer = Response(json.dumps(value), status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
