"""A store's lists: the rule for products sold out for long, what it would move, what it moved, and undoing it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.placement import facts, rules
from connector.ports.errors import Misconfigured, PortError
from connector.ports.places import PlaceKind
from connector.web.view import confirm, flash, gettext, page, reading, runtime

routes = Blueprint("places", __name__)

SAMPLES = 50
DAYS = 30
"""The days a form begins with."""


def _row(connection_id: int) -> ConnectionRow:
    """The store of this merchant; 404 for everything else."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "store" or row.status == "ended":
        abort(404)
    return row


def _kinds(row: ConnectionRow) -> tuple[PlaceKind, ...]:
    """The ways of the store's platform; asks nobody. None while its settings are wrong."""
    try:
        return runtime().store(g.merchant_id, row.id).place_kinds
    except PortError:
        return ()


@routes.get("/connections/<int:connection_id>/lists")
def index(connection_id: int) -> Response:
    return _page(_row(connection_id), {}, {}, 200)


def _page(row: ConnectionRow, values: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    now = runtime().now()
    with reading() as db:
        found = facts.rule_of(db, g.merchant_id, row.id)
        counts, moved = facts.moved(db, g.merchant_id, row.id, SAMPLES)
        waits = found is not None and (found.status == "draft" or found.held)
        due, samples = (
            facts.preview(db, g.merchant_id, row.id, found.rule, now, SAMPLES) if found and waits else (0, [])
        )
    kinds = _kinds(row)
    shown = {
        "kind": found.rule.kind if found else (kinds[0] if kinds else ""),
        "tag": (found.rule.tag if found else "") or gettext("Sold out"),
        "days_out": found.rule.days_out if found else DAYS,
    }
    return page(
        "places",
        status,
        row=row,
        kinds=kinds,
        rule=found,
        counts=counts,
        moved=moved,
        waits=waits,
        due=due,
        samples=samples,
        values={**shown, **values},
        errors=errors,
        most_days=rules.MOST_DAYS,
        now=now,
    )


@routes.post("/connections/<int:connection_id>/lists")
def choose(connection_id: int) -> Response:
    """Keep a rule as a draft and show what it would move."""
    row = _row(connection_id)
    given = {name: request.form.get(name, "")[:200].strip() for name in ("kind", "tag", "days_out")}
    days = int(given["days_out"]) if given["days_out"].isdecimal() and len(given["days_out"]) < 6 else 0
    try:
        rule = rules.checked(_kinds(row), given["kind"], given["tag"], days)
    except Misconfigured as error:
        said = {
            "kind": gettext("Choose one of these."),
            "tag": gettext("Use letters, digits, blanks, dots, colons and hyphens, at most 60 of them."),
            "days_out": gettext("Enter a whole number from 1 to %(most)s.", most=rules.MOST_DAYS),
        }
        return _page(row, given, {error.field: said[error.field]}, 422)
    rt = runtime()
    with transaction(rt.engine) as db:
        rules.choose(db, g.merchant_id, connection_id, rule, actor=g.account.email, now=rt.now())
    return redirect(f"/connections/{connection_id}/lists#waits", 303)


@routes.post("/connections/<int:connection_id>/lists/approve")
def approve(connection_id: int) -> Response:
    row, rt = _row(connection_id), runtime()
    with transaction(rt.engine) as db:
        done = rules.approve(db, g.merchant_id, connection_id, actor=g.account.email, now=rt.now())
    if done:
        flash(gettext("Approved. The lists of %(name)s follow in a moment.", name=row.name))
    return redirect(f"/connections/{connection_id}/lists", 303)


@routes.get("/connections/<int:connection_id>/lists/off")
def ask_off(connection_id: int) -> Response:
    row = _row(connection_id)
    here = f"/connections/{connection_id}/lists"
    with reading() as db:
        counts, _samples = facts.moved(db, g.merchant_id, connection_id, 0)
    _ = gettext
    return confirm(
        title=_("Switch it off and put everything back?"),
        lead=_("%(count)s products go back to where they were in the lists of %(name)s.",
               count=counts.get("placed", 0) + counts.get("placing", 0), name=row.name),
        points=[
            _("What you changed yourself since stays as you left it."),
            _("You can switch it on again at any time."),
        ],
        action=f"{here}/off",
        submit=_("Switch off"),
        back=here,
    )  # fmt: skip


@routes.post("/connections/<int:connection_id>/lists/off")
def off(connection_id: int) -> Response:
    row, rt = _row(connection_id), runtime()
    with transaction(rt.engine) as db:
        done = rules.switch_off(db, g.merchant_id, connection_id, actor=g.account.email, now=rt.now())
    if done:
        flash(gettext("Switched off. Everything goes back to where it was at %(name)s.", name=row.name))
    return redirect(f"/connections/{connection_id}/lists", 303)
