"""People who wait, brought along from another tool: a file looked at, taken in, taken back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import connections
from connector.db import transaction
from connector.shoppers import import_sealed, importing
from connector.shoppers.import_columns import (
    DATES,
    EXPORT_HEAD,
    FIELDS,
    Choices,
    ColumnsRefused,
    columns_said,
)
from connector.shoppers.import_file import MOST_BYTES, MOST_COLUMNS, FileRefused, read_table
from connector.shoppers.import_sealed import ImportRefused
from connector.web.pages.overview import kept
from connector.web.view import csv_file, flash, gettext, ngettext, number_arg, page, reading, runtime

routes = Blueprint("shopper_import", __name__)

HOME = "/shoppers/import"
SHOWN = 50


@routes.get(HOME)
def index() -> Response:
    return _page("", 200)


def _page(
    problem: str,
    status: int,
    *,
    typed: tuple[dict[int, str], Choices] | None = None,
    in_stock: int = 0,
) -> Response:
    """The page; `typed` is what somebody chose in vain (the fields by place, and the rest), `in_stock` people whose
    product came back since they were looked at."""
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
    columns: dict[str, Any] = {"columns": []}
    is_picking = False
    if one is not None and one.status == "preview":
        try:
            columns = _columns(one, typed)
            is_picking = not one.mapping or typed is not None or request.args.get("columns") == "1"
        except ImportRefused as gone:
            problem, status = problem or str(gone), 200 if status == 200 else status
    return page(
        "shopper_import",
        status,
        one=one,
        is_picking=is_picking,
        **columns,
        past=past,
        unasked=unasked,
        stores=stores,
        problem=problem,
        shown=SHOWN,
        head=EXPORT_HEAD,
        tools=importing.TOOLS,
        in_stock=in_stock or (one.counts.get("in_stock", 0) if one is not None else 0),
        per_hour=request.form.get("per_hour", "100"),
    )


def _columns(one: Any, typed: tuple[dict[int, str], Choices] | None) -> dict[str, Any]:
    """What the columns of a file are, are proposed to be or were chosen as, with values for example."""
    table, choices = import_sealed.held(runtime(), one)
    field_of = {place: name for name, place in choices.columns.items()}
    if typed is not None:
        field_of, choices = typed
    return {
        "columns": [
            {"place": place, "name": name, "field": field_of.get(place, ""), "examples": examples}
            for place, (name, examples) in enumerate(zip(table.head, table.examples(), strict=True))
        ],
        "choices": choices,
        "all_fields": FIELDS,
        "all_dates": DATES,
    }


def _number(name: str) -> int:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


@routes.post(HOME)
def look() -> Response:
    """Read a file; show what it would do, or ask what its columns are."""
    file = request.files.get("file")
    content = file.stream.read(MOST_BYTES + 1) if file else b""
    rt = runtime()
    try:
        table = read_table(content)
        with transaction(rt.engine) as db:
            number = importing.hold(
                rt,
                db,
                g.merchant_id,
                _number("store"),
                table,
                file_name=(file.filename or "") if file else "",
                says_confirmed=request.form.get("confirmed") == "1",
                actor=g.account.email,
            )
            if table.proposal.is_known:
                importing.look(rt, db, g.merchant_id, number, table.proposal.choices)
    except (FileRefused, ImportRefused) as error:
        return _page(str(error), 422)
    return redirect(f"{HOME}?import={number}", 303)


@routes.post(f"{HOME}/columns")
def choose() -> Response:
    """What the columns of a file are, as the merchant says it."""
    number = _number("import")
    with reading() as db:
        if importing.find(db, g.merchant_id, number) is None:
            abort(404)
    pairs = [
        (name, place)
        for place in range(MOST_COLUMNS)
        if (name := request.form.get(f"column-{place}", "")) in FIELDS
    ]
    said: dict[str, Any] = {
        "sku": request.form.get("sku", "").strip()[:200],
        "dates": dates if (dates := request.form.get("dates", "")) in DATES else "ymd",
        "waiting": tuple(one.strip() for one in request.form.get("waiting", "").split(",") if one.strip()),
    }
    rt = runtime()
    try:
        choices = Choices(columns_said(pairs), **said)
        with transaction(rt.engine) as db:
            importing.look(rt, db, g.merchant_id, number, choices)
    except ColumnsRefused as refused:
        return _page(str(refused), 422, typed=({place: name for name, place in pairs}, Choices(**said)))
    except ImportRefused as refused:
        return _page(str(refused), 409)
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
            chosen = request.form.get("in_stock", "")
            in_stock: importing.InStock = next((one for one in importing.IN_STOCK if one == chosen), "")
            taken = importing.apply(rt, g.merchant_id, number, in_stock=in_stock, **given)
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
    except importing.InStockUndecided as undecided:
        return _page(str(undecided), 422, in_stock=undecided.count)
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
    head, lines = import_sealed.failed(rt, one) if one is not None else ([], [])
    return csv_file("not-taken.csv", head or ("line", "reason"), lines)
