"""Runs: what came in, what it changed, what was wrong with it, and the merchant's decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.intake import archive, held, undo
from connector.intake.allowing import can_allow
from connector.intake.runtime import NotPossible, SourceBusy
from connector.repricing import run_notes
from connector.web.pages.overview import kept
from connector.web.queries import runs
from connector.web.view import (
    confirm,
    csv_file,
    digest,
    flash,
    fragment,
    gettext,
    number_arg,
    page,
    query,
    reading,
    runtime,
    stream,
)
from connector.web.work import briefly

routes = Blueprint("runs", __name__)

STATUSES = ("held", "partly_held", "failed", "applied", "unchanged", "rejected", "undone")
SHOWN = 25
BELOW_SHOWN = 10


@routes.get("/runs")
def index() -> Response:
    before, source_id = number_arg("before"), number_arg("source")
    status = request.args.get("status", "")
    with reading() as db:
        rows = runs.latest(
            db,
            g.merchant_id,
            limit=runs.PAGE + 1,
            before=before or 0,
            source_id=source_id or 0,
            status=status,
        )
        sources = runs.sources(db, g.merchant_id)
    facts: dict[str, Any] = {
        "rows": rows[: runs.PAGE],
        "sources": sources,
        "statuses": STATUSES,
        "status": status,
        "source_id": source_id,
        "before": before,
        "next_before": rows[runs.PAGE - 1].id if len(rows) > runs.PAGE else None,
    }
    if "seen" in request.args:
        return fragment("_runs", request.args["seen"], repr(rows), **facts)
    return page("runs", mark=digest(repr(rows)), **facts)


@routes.get("/runs.csv")
def export() -> Response:
    return csv_file(
        "runs.csv",
        ("run", "supplier", "trigger", "status", "started_at", "finished_at", "as_of", "file", "size_bytes",
         "rows_read", "rows_changed", "rows_new", "rows_missing", "rows_rejected", "rows_held",
         "variants_changed", "error_code", "error"),
        (
            (row.id, row.name, row.trigger, row.status, row.started_at, row.finished_at, row.as_of, row.file_name,
             row.size_bytes, row.rows_read, row.rows_changed, row.rows_new, row.rows_missing, row.rows_rejected,
             row.rows_held, row.variants_changed, row.error_code, row.error)
            for row in stream(runs.EXPORT, {"m": g.merchant_id})
        ),
    )  # fmt: skip


def of_merchant(run_id: int) -> Any:
    """The run when it is this merchant's, else 404."""
    return _run(run_id)


def _run(run_id: int) -> Any:
    with reading() as db:
        row = runs.one(db, g.merchant_id, run_id)
    if row is None:
        abort(404)
    return row


@routes.get("/runs/<int:run_id>")
def run(run_id: int) -> Response:
    row = _run(run_id)
    moved, issued, waits = number_arg("moved"), number_arg("issued"), number_arg("waits")
    danger, search = request.args.get("danger", ""), request.args.get("q", "")[:100]
    with reading() as db:
        movements = runs.movements(db, g.merchant_id, run_id, limit=SHOWN + 1, before=moved or 0)
        issues = runs.issues(db, g.merchant_id, run_id, limit=SHOWN + 1, after=issued or 0)
        rows = runs.held(
            db, g.merchant_id, run_id, limit=SHOWN + 1, after=waits or 0, danger=danger, search=search
        )
        matching = len(runs.waiting(db, g.merchant_id, run_id, danger=danger, search=search))
        waiting = runs.held_count(db, g.merchant_id, run_id)
        superseded = runs.held_count(db, g.merchant_id, run_id, "superseded")
        dangers = runs.held_dangers(db, g.merchant_id, run_id)
        below = run_notes.count_of(db, g.merchant_id, run_id)
        lowest = list(run_notes.listed(db, g.merchant_id, run_id, BELOW_SHOWN)) if below else []
    return page(
        "run",
        run=row,
        mark="",
        movements=movements[:SHOWN],
        next_moved=movements[SHOWN - 1].id if len(movements) > SHOWN else None,
        issues=issues[:SHOWN],
        next_issued=issues[SHOWN - 1].id if len(issues) > SHOWN else None,
        rows=rows[:SHOWN],
        next_waits=(waits or 0) + SHOWN if len(rows) > SHOWN else None,
        dangers=dangers,
        danger=danger if danger in runs.DANGERS else "",
        search=search,
        matching=matching,
        can_allow=row.status == "held" and bool(can_allow((row.shape or {}).get("holds", []))),
        waiting=waiting,
        superseded=superseded,
        below=below,
        lowest=lowest,
        is_kept=archive.is_kept(runtime().data_dir, row.feed_path),
        holds=(row.shape or {}).get("holds", []),
    )


@routes.get("/runs/<int:run_id>/live")
def live(run_id: int) -> Response:
    """A running run's progress; the whole page again once it ended."""
    row = _run(run_id)
    if row.status != "running":
        return Response(status=204, headers={"HX-Refresh": "true"})
    return fragment("_run", request.args.get("seen", ""), (row.stage, row.rows_read), run=row)


@routes.get("/runs/<int:run_id>/changes.csv")
def changes_export(run_id: int) -> Response:
    _run(run_id)
    return csv_file(
        f"run-{run_id}-changes.csv",
        ("sku", "title", "before", "after", "state_before", "state_after", "at"),
        (
            (row.sku, row.title, row.available_before, row.available_after, row.state_before, row.state_after, row.at)
            for row in stream(runs.MOVED_EXPORT, {"m": g.merchant_id, "r": run_id})
        ),
    )  # fmt: skip


@routes.get("/runs/<int:run_id>/below-floor.csv")
def below_floor_export(run_id: int) -> Response:
    """The prices that the costs of this run put under their floor."""
    _run(run_id)
    with reading() as db:
        found = list(run_notes.listed(db, g.merchant_id, run_id))
    names = ("sku", "title", "store", "currency", "price", "floor", "cost_before", "cost")
    rows = (tuple(one[name] for name in names) for one in found)
    return csv_file(f"run-{run_id}-below-floor.csv", names, rows)


@routes.get("/runs/<int:run_id>/faults.csv")
def faults_export(run_id: int) -> Response:
    _run(run_id)
    return csv_file(
        f"run-{run_id}-rejected-rows.csv",
        ("line", "column", "code", "reason", "cells"),
        (
            (row.line or None, row.column, row.code, row.reason, *row.cells)
            for row in stream(runs.ISSUES_EXPORT, {"m": g.merchant_id, "r": run_id})
        ),
    )


@routes.get("/runs/<int:run_id>/held.csv")
def held_export(run_id: int) -> Response:
    _run(run_id)
    return csv_file(
        f"run-{run_id}-held.csv",
        ("item", "sku", "title", "status", "reason", "quantity_before", "quantity_after"),
        (
            (
                row.item_key,
                row.sku,
                row.title,
                row.status,
                row.reason,
                row.quantity_before,
                row.quantity_after,
            )
            for row in stream(runs.HELD_EXPORT, {"m": g.merchant_id, "r": run_id})
        ),
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing a merchant may do to a run: from which statuses, and the work."""

    statuses: frozenset[str]
    work: Callable[[Any, int, int], object]
    is_danger: bool = False


DECISIONS: Mapping[str, Decision] = {
    "approve": Decision(frozenset({"held", "partly_held"}), held.approve),
    "reject": Decision(frozenset({"held", "partly_held"}), held.reject),
    "undo": Decision(frozenset({"applied", "partly_held"}), undo.undo, is_danger=True),
}


@routes.get("/runs/<int:run_id>/<any(approve, reject, undo):what>")
def ask(run_id: int, what: str) -> Response:
    row = _run(run_id)
    if row.status not in DECISIONS[what].statuses:
        flash(gettext("Nothing is left to decide about this run."), "note")
        return redirect(f"/runs/{run_id}", 303)
    with reading() as db:
        waiting = runs.held_count(db, g.merchant_id, run_id)
    title, lead, points, submit = _question(what, row, waiting)
    return confirm(
        title=title,
        lead=lead,
        points=points,
        action=f"/runs/{run_id}/{what}",
        submit=submit,
        back=f"/runs/{run_id}",
        is_danger=DECISIONS[what].is_danger,
    )


@routes.post("/runs/<int:run_id>/<any(approve, reject, undo):what>")
def act(run_id: int, what: str) -> Response:
    _run(run_id)
    rt, merchant_id, here = runtime(), g.merchant_id, f"/runs/{run_id}"
    try:
        is_done = briefly(lambda: DECISIONS[what].work(rt, merchant_id, run_id))
    except NotPossible:
        flash(gettext("Nothing is left to decide about this run."), "note")
        return redirect(here, 303)
    except SourceBusy:
        flash(gettext("This supplier is being read just now. Please try again in a moment."), "note")
        return redirect(here, 303)
    with transaction(rt.engine) as db:
        record(db, merchant_id, rt.now(), g.account.email, f"run.{what}", f"run {run_id}")
    kept().forget(merchant_id)
    if not is_done:
        flash(gettext("It is being done; this page shows how far it is."), "note")
    else:
        flash(_done(what))
    return redirect(here, 303)


@routes.post("/runs/<int:run_id>/rows")
def answer_rows(run_id: int) -> Response:
    """Approve or reject some of the rows a run holds: those ticked, or all that fit the filter."""
    _run(run_id)
    _ = gettext
    form = request.form
    what, danger, search = form.get("what", ""), form.get("danger", ""), form.get("q", "")[:100]
    here = f"{query(f'/runs/{run_id}', danger=danger, q=search)}#held"
    if what not in ("approve", "reject"):
        abort(400)
    rows = chosen_rows(run_id)
    if not rows:
        flash(_("Nothing was ticked, so nothing was changed."), "note")
        return redirect(here, 303)
    return answer(run_id, what, rows, here)


def chosen_rows(run_id: int) -> list[int]:
    """The ids of the held rows that the form names: those ticked, or all that wait and fit its filter."""
    form = request.form
    if form.get("all"):
        with reading() as db:
            return runs.waiting(
                db, g.merchant_id, run_id, danger=form.get("danger", ""), search=form.get("q", "")[:100]
            )
    return [int(row) for row in form.getlist("row") if row.isascii() and row.isdigit() and len(row) < 19]


def answer(run_id: int, what: str, rows: list[int], here: str) -> Response:
    """Approve or reject these rows of a run, and go back to `here`."""
    _ = gettext
    rt, merchant_id = runtime(), g.merchant_id
    work = held.approve if what == "approve" else held.reject
    try:
        is_done = briefly(lambda: work(rt, merchant_id, run_id, rows=rows))
    except NotPossible:
        flash(_("These rows do not wait any more."), "note")
        return redirect(here, 303)
    except SourceBusy:
        flash(_("This supplier is being read just now. Please try again in a moment."), "note")
        return redirect(here, 303)
    with transaction(rt.engine) as db:
        record(
            db,
            merchant_id,
            rt.now(),
            g.account.email,
            f"run.{what}_rows",
            f"run {run_id}",
            {"rows": len(rows)},
        )
    kept().forget(merchant_id)
    if not is_done:
        flash(_("It is being done; this page shows how far it is."), "note")
    elif what == "approve":
        flash(_("The ticked rows are applied, and the stores follow. The rest goes on waiting."))
    else:
        flash(_("The ticked rows are rejected: the earlier numbers stay. The rest goes on waiting."))
    return redirect(here, 303)


def _done(what: str) -> str:
    _ = gettext
    return {
        "approve": _("Approved. What was held is applied, and the stores follow."),
        "reject": _("Rejected. The earlier numbers stay."),
        "undo": _("Undone. What was known before counts again, and the stores follow."),
    }[what]


def _question(what: str, row: Any, waiting: int) -> tuple[str, str, list[str], str]:
    _ = gettext
    if what == "approve":
        return (
            _("Approve run %(id)s?", id=row.id),
            _("What this run holds is applied as if nothing unusual had been found."),
            [
                _("%(count)s rows of %(name)s are taken over.", count=waiting, name=row.name),
                _("The products are decided again and the stores follow within moments."),
                _("You can undo the run afterwards."),
            ],
            _("Approve and apply"),
        )
    if what == "reject":
        return (
            _("Reject run %(id)s?", id=row.id),
            _("What this run holds is dropped. Nothing changes in your stores."),
            [
                _("The earlier numbers of %(name)s stay until a newer file comes.", name=row.name),
                _("The very same file is not taken again."),
            ],
            _("Reject"),
        )
    return (
        _("Undo run %(id)s?", id=row.id),
        _("What was known of %(name)s before this run counts again.", name=row.name),
        [
            _("Sales made since stay counted: no old number is written to a store."),
            _("Items this run brought for the first time leave management and keep their number."),
            _("Rows that a newer run replaced stay as the newer run said."),
            _("The very same file is not taken again."),
        ],
        _("Undo this run"),
    )
