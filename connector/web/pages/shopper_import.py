"""People who wait, brought along from another tool: a file looked at, taken in, taken back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import connections
from connector.db import transaction
from connector.shoppers import importing
from connector.shoppers.import_file import EXPORT_HEAD, MOST_BYTES, FileRefused, read_waiting
from connector.shoppers.importing import ImportRefused
from connector.web.pages.overview import kept
from connector.web.view import csv_file, flash, gettext, ngettext, number_arg, page, reading, runtime

routes = Blueprint("shopper_import", __name__)

HOME = "/shoppers/import"
SHOWN = 50


@routes.get(HOME)
def index() -> Response:
    return _page("", 200)


def _page(problem: str, status: int) -> Response:
    number = number_arg("import") or _number("import")
    with reading() as db:
        one = importing.find(db, g.merchant_id, number) if number else None
        past = importing.recent(db, g.merchant_id)
        unasked = len(importing.unasked(db, g.merchant_id, one.id)) if one and one.status == "applied" else 0
        stores = [
            row for row in connections(db, g.merchant_id) if row.kind == "store" and row.status != "ended"
        ]
    if number and one is None:
        abort(404)
    return page(
        "shopper_import",
        status,
        one=one,
        past=past,
        unasked=unasked,
        stores=stores,
        problem=problem,
        shown=SHOWN,
        head=EXPORT_HEAD,
        tools=importing.TOOLS,
        per_hour=request.form.get("per_hour", "100"),
    )


def _number(name: str) -> int:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


@routes.post(HOME)
def look() -> Response:
    """Read a file and show what it would do. The file is not kept."""
    file = request.files.get("file")
    content = file.stream.read(MOST_BYTES + 1) if file else b""
    rt = runtime()
    try:
        sheet = read_waiting(content, rt.now())
        with transaction(rt.engine) as db:
            number = importing.propose(
                rt,
                db,
                g.merchant_id,
                _number("store"),
                sheet,
                file_name=(file.filename or "") if file else "",
                says_confirmed=request.form.get("confirmed") == "1",
                actor=g.account.email,
            )
    except (FileRefused, ImportRefused) as error:
        return _page(str(error), 422)
    return redirect(f"{HOME}?import={number}", 303)


@routes.post(f"{HOME}/<any(apply, undo, ask):what>")
def turn(what: str) -> Response:
    """Take in what was looked at, take it back, or ask the unconfirmed to confirm."""
    number = _number("import")
    with reading() as db:
        if importing.find(db, g.merchant_id, number) is None:
            abort(404)
    rt = runtime()
    given: dict[str, Any] = {"actor": g.account.email}
    try:
        if what == "apply":
            taken = importing.apply(rt, g.merchant_id, number, **given)
            flash(ngettext("%(num)s shopper was taken in.", "%(num)s shoppers were taken in.", taken))
        elif what == "undo":
            gone, left = importing.undo(rt, g.merchant_id, number, **given)
            said = ngettext("%(num)s shopper was taken back.", "%(num)s shoppers were taken back.", gone)
            if left:
                said += " " + gettext("Left, because they were told or have ended it: %(count)s.", count=left)
            flash(said)
        else:
            asked = importing.ask(rt, g.merchant_id, number, _number("per_hour"), **given)
            flash(
                ngettext(
                    "%(num)s shopper is asked to confirm.", "%(num)s shoppers are asked to confirm.", asked
                )
            )
    except ImportRefused as error:
        return _page(str(error), 409)
    kept().forget(g.merchant_id)
    return redirect(f"{HOME}?import={number}", 303)


@routes.get(f"{HOME}/failed.csv")
def failed() -> Response:
    """The lines that were not taken, with their reasons; for a day."""
    number = number_arg("import")
    rt = runtime()
    with reading() as db:
        one = importing.find(db, g.merchant_id, number) if number else None
    head, lines = importing.failed(rt, one) if one is not None else ([], [])
    return csv_file("not-taken.csv", head or ("line", "reason"), lines)
