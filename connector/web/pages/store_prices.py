"""Prices of one store: what the rules would write there, the approval, what was written, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import ConnectionRow, connection
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.positions.prices import read_book
from connector.repricing import choices, facts
from connector.repricing.floors import approve_stops
from connector.web.view import confirm, csv_file, flash, gettext, ngettext, page, reading, runtime

routes = Blueprint("store_prices", __name__)

SAMPLES = 25
HEAD = ("sku", "title", "currency", "cost", "price", "new_price", "change_percent", "too_far", "below_floor")


def _row(connection_id: int) -> ConnectionRow:
    """The store of this merchant; 404 for everything else."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "store" or row.status == "ended":
        abort(404)
    return row


@routes.get("/connections/<int:connection_id>/prices")
def index(connection_id: int) -> Response:
    row = _row(connection_id)
    with reading() as db:
        plan = facts.plan_of(db, g.merchant_id, connection_id, read_book(db, g.merchant_id))
        return page(
            "store_prices",
            row=row,
            plan=plan,
            samples=plan.due[:SAMPLES],
            state=facts.writing_of(db, g.merchant_id, connection_id),
            counts=facts.counts_of(db, g.merchant_id, connection_id),
            latest=facts.latest(db, g.merchant_id, connection_id, SAMPLES),
            looks=facts.looks(db, g.merchant_id, connection_id),
        )


@routes.get("/connections/<int:connection_id>/prices.csv")
def export(connection_id: int) -> Response:
    """Every price that would be written, the most dangerous first."""
    _row(connection_id)
    return csv_file("prices-to-write.csv", HEAD, _lines(runtime(), g.merchant_id, connection_id))


def _lines(rt: Runtime, merchant_id: int, connection_id: int) -> Iterator[tuple[Any, ...]]:
    with rt.engine.connect() as db:
        plan = facts.plan_of(db, merchant_id, connection_id, read_book(db, merchant_id))
    for due in plan.due:
        one, change = due.one, due.one.proposal.change_percent
        yield (
            one.sku, one.title, one.currency, one.cost, one.price, one.proposal.price,
            None if change is None else round(change, 2), due.is_far, one.is_below,
        )  # fmt: skip


@routes.post("/connections/<int:connection_id>/prices/approve")
def approve(connection_id: int) -> Response:
    row, rt = _row(connection_id), runtime()
    with transaction(rt.engine) as db:
        done = choices.approve(
            db,
            g.merchant_id,
            connection_id,
            request.form.get("seen", "")[:64],
            allows_far=request.form.get("allows_far") == "1",
            shows_was=request.form.get("shows_was") == "1",
            actor=g.account.email,
            now=rt.now(),
        )
    if done:
        flash(gettext("Approved. The prices of %(name)s follow in a moment.", name=row.name))
    else:
        flash(gettext("Prices or costs changed since you looked. Nothing was approved: look once more."))
    return redirect(f"/connections/{connection_id}/prices", 303)


@routes.post("/connections/<int:connection_id>/prices/off")
def off(connection_id: int) -> Response:
    row, rt = _row(connection_id), runtime()
    with transaction(rt.engine) as db:
        choices.switch_off(db, g.merchant_id, connection_id, actor=g.account.email, now=rt.now())
    flash(gettext("Switched off. The prices of %(name)s stay as they are.", name=row.name))
    return redirect(f"/connections/{connection_id}/prices", 303)


@routes.post("/connections/<int:connection_id>/prices/hand-over")
def hand_over(connection_id: int) -> Response:
    _row(connection_id)
    rt = runtime()
    with transaction(rt.engine) as db:
        count = choices.hand_over(db, g.merchant_id, connection_id, actor=g.account.email, now=rt.now())
    flash(
        ngettext("%(num)s price follows your rules again.", "%(num)s prices follow your rules again.", count)
    )
    return redirect(f"/connections/{connection_id}/prices", 303)


@routes.get("/connections/<int:connection_id>/prices/undo")
def ask_undo(connection_id: int) -> Response:
    row, at = _row(connection_id), _moment()
    with reading() as db:
        looks = facts.looks(db, g.merchant_id, connection_id, 1_000)
    count = sum(one.prices for one in looks if at is None or one.written_at == at)
    here = f"/connections/{connection_id}/prices"
    _ = gettext
    return confirm(
        title=_("Put the prices of before back?"),
        lead=ngettext(
            "%(num)s price of %(name)s becomes again what it was before Dispo wrote it.",
            "%(num)s prices of %(name)s become again what they were before Dispo wrote them.",
            count,
            name=row.name,
        ),
        points=[
            _("What you changed yourself since stays as you left it."),
            _("Writing prices is switched off, or your rules would write the same prices again."),
        ],
        action=f"{here}/undo" + (f"?at={at.isoformat()}" if at else "").replace("+", "%2B"),
        submit=_("Put them back"),
        back=here,
    )


@routes.post("/connections/<int:connection_id>/prices/undo")
def undo(connection_id: int) -> Response:
    _row(connection_id)
    rt, at = runtime(), _moment()
    with transaction(rt.engine) as db:
        count = choices.undo(
            db, g.merchant_id, connection_id, written_at=at, actor=g.account.email, now=rt.now()
        )
    flash(
        ngettext("%(num)s price is put back in a moment.", "%(num)s prices are put back in a moment.", count)
    )
    return redirect(f"/connections/{connection_id}/prices", 303)


@routes.post("/prices/stops/approve")
def stops() -> Response:
    """Let what waits below its floor be taken off sale."""
    rt = runtime()
    with transaction(rt.engine) as db:
        count = approve_stops(db, g.merchant_id, actor=g.account.email, now=rt.now())
    flash(
        ngettext(
            "%(num)s product goes off sale in a moment.", "%(num)s products go off sale in a moment.", count
        )
    )
    return redirect("/prices", 303)


def _moment() -> datetime | None:
    """The look that is meant, None for all; 404 for what is no moment."""
    text = request.args.get("at", "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        abort(404)
    if at.tzinfo is None:
        abort(404)
    return at
