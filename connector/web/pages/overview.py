"""The overview: what happens now, and what waits for the merchant's word."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.delivery import approval, live_orders, shadow_report
from connector.positions.prices import count_below
from connector.shoppers.at_risk import listing
from connector.web.queries import connections, overview, runs
from connector.web.queries.kept import Kept
from connector.web.view import digest as mark_of
from connector.web.view import flash, fragment, gettext, page, reading, runtime, start_of_day, today

routes = Blueprint("overview", __name__)

SAMPLES = 6


def kept() -> Kept:
    """This process's answers to slow questions."""
    found: Kept = current_app.extensions.setdefault("kept", Kept())
    return found


@routes.get("/")
def index() -> Response:
    facts = _facts()
    return page("overview", mark=_mark(facts), **facts)


@routes.get("/live/overview")
def live() -> Response:
    """The overview's changing parts, polled; 204 while nothing changed."""
    facts = _facts()
    return fragment("_overview", request.args.get("seen", ""), _said(facts), **facts)


@routes.post("/order-doubts/<int:doubt_id>/done")
def done(doubt_id: int) -> Response:
    """Somebody looks after an order that its supplier cannot serve."""
    rt = runtime()
    with transaction(rt.engine) as db:
        if not live_orders.take_note(db, g.merchant_id, doubt_id, g.account.email, rt.now()):
            abort(404)
        record(db, g.merchant_id, rt.now(), g.account.email, "order_doubt.done", f"doubt {doubt_id}")
    flash(gettext("Noted."))
    return redirect("/", 303)


def _facts() -> dict[str, Any]:
    merchant_id, now = g.merchant_id, runtime().now()
    with reading() as db:
        waiting = overview.waiting(db, merchant_id, now)
        return {
            "numbers": kept().get(
                merchant_id, "numbers", lambda: overview.numbers(db, merchant_id, start_of_day())
            ),
            "movements": overview.movements(db, merchant_id),
            "runs": runs.latest(db, merchant_id, limit=6),
            "health": kept().get(merchant_id, "health", lambda: connections.health(db, merchant_id, now)),
            "waiting": waiting,
            "differences": [_difference(db, store) for store in waiting.stores],
            "watched": shadow_report.asks_at(db, merchant_id) if waiting.stores else {},
            "below": kept().get(merchant_id, "prices", lambda: count_below(db, merchant_id)),
            "risks": kept().get(merchant_id, "risks", lambda: listing.urgent(db, merchant_id, today())),
            "has": overview.has_anything(db, merchant_id),
        }


def _difference(db: sa.Connection, store: Any) -> dict[str, Any]:
    """A store's first difference with its most dangerous rows."""
    merchant_id = g.merchant_id
    counts, samples = kept().get(
        merchant_id,
        f"difference {store.id}",
        lambda: (
            approval.difference(db, merchant_id, store.id),
            approval.samples(db, merchant_id, store.id, SAMPLES),
        ),
    )
    return {"store": store, "counts": counts, "samples": samples}


def _said(facts: dict[str, Any]) -> object:
    """The facts as plain values, to notice a change. Times of "ago" are kept up by the page itself."""
    return repr(sorted(facts.items()))


def _mark(facts: dict[str, Any]) -> str:
    return mark_of(_said(facts))
