"""Settings brought along from another tool: a file looked at, written, taken back; and all of ours to leave with."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.db import transaction
from connector.intake import settings_facts, settings_import
from connector.intake.settings_file import HEAD, MOST_BYTES, FileRefused, read_settings
from connector.intake.settings_import import Done, ImportRefused
from connector.positions.decide import Cause, decide
from connector.web.pages.overview import kept
from connector.web.view import csv_file, flash, gettext, number_arg, page, reading, runtime

routes = Blueprint("brought", __name__)

SHOWN = 100
DECIDED_HERE = 500
"""So many products are decided while the person waits; more are left to the workers."""
_WEEK_S = 7 * 86_400


@routes.get("/settings/bring")
def index() -> Response:
    return _page("", 200)


def _page(problem: str, status: int) -> Response:
    number = number_arg("import")
    with reading() as db:
        one = settings_import.proposal(db, g.merchant_id, number) if number else None
        past = settings_import.recent(db, g.merchant_id)
    if number and one is None:
        abort(404)
    return page("brought", status, one=one, past=past, problem=problem, shown=SHOWN, head=HEAD)


@routes.post("/settings/bring")
def look() -> Response:
    """Read a file and show what it would change."""
    file = request.files.get("file")
    content = file.stream.read(MOST_BYTES + 1) if file else b""
    rt = runtime()
    try:
        sheet = read_settings(content)
        with transaction(rt.engine) as db:
            number = settings_import.propose(
                db,
                g.merchant_id,
                sheet,
                file_name=(file.filename or "") if file else "",
                actor=g.account.email,
                now=rt.now(),
            )
    except (FileRefused, ImportRefused) as error:
        return _page(str(error), 422)
    return redirect(f"/settings/bring?import={number}", 303)


@routes.post("/settings/bring/<any(apply, undo):what>")
def turn(what: str) -> Response:
    """Write what was looked at, or take it back."""
    text = request.form.get("import", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
    rt = runtime()
    given: dict[str, Any] = {"actor": g.account.email, "now": rt.now()}
    with reading() as db:
        if settings_import.proposal(db, g.merchant_id, number) is None:
            abort(404)
    try:
        with transaction(rt.engine) as db:
            turned = settings_import.apply if what == "apply" else settings_import.undo
            done = turned(db, g.merchant_id, number, **given)
            if len(done.variant_ids) > DECIDED_HERE:
                schedule.ensure(db, g.merchant_id, "positions.all", 0, _WEEK_S)
                schedule.run_now(db, g.merchant_id, "positions.all", 0)
    except ImportRefused as error:
        return _page(str(error), 409)
    if len(done.variant_ids) <= DECIDED_HERE:
        decide(rt.engine, g.merchant_id, sorted(done.variant_ids), now=rt.now(), cause=Cause("rule"))
    kept().forget(g.merchant_id)
    _say(what, done)
    return redirect("/settings/bring", 303)


def _say(what: str, done: Done) -> None:
    _ = gettext
    said = (
        _("Settings written: %(count)s.", count=done.written)
        if what == "apply"
        else _("Settings as they were before: %(count)s.", count=done.written)
    )
    if done.left:
        said += " " + _("Changed since and left alone: %(count)s.", count=done.left)
    flash(said)


@routes.get("/settings/bring.csv")
def export() -> Response:
    """All settings of products and their suppliers, to leave with or to fill in."""
    with reading() as db:
        rows = list(settings_facts.export(db, g.merchant_id))
    return csv_file("settings.csv", HEAD, rows)
