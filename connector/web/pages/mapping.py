"""Which column of a supplier's file is what: the guess with its reasons, the merchant's correction, stock words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.accounts.connections import connection
from connector.db import transaction
from connector.intake import remembering
from connector.intake.preview import PREVIEW_ROWS
from connector.intake.scores import FIELDS
from connector.ports.errors import PortError
from connector.web.view import flash, gettext, page, reading, runtime

routes = Blueprint("mapping", __name__)

_MOST_COLUMNS = 200
_LONGEST_PATH = 200
_LEAST_CHOSEN = 0.5
"""Below this confidence nothing is chosen beforehand: the merchant picks."""


@routes.get("/connections/<int:connection_id>/mapping")
def index(connection_id: int) -> Response:
    return _page(connection_id, None, {}, 200, request.args.get("rows", ""))


@routes.post("/connections/<int:connection_id>/mapping")
def keep(connection_id: int) -> Response:
    """Remember which column is what, what the supplier's own words mean, and what a row is."""
    source_id = _source(connection_id)
    chosen: dict[str, str] = {}
    twice: list[str] = []
    for number in range(_MOST_COLUMNS):
        field, column = (
            request.form.get(f"field-{number}", ""),
            request.form.get(f"column-{number}", "")[:255],
        )
        if field not in FIELDS or not column:
            continue
        if field in chosen:
            twice.append(field)
        chosen[field] = column
    words, wrong = _words()
    rows = request.form.get("rows", "")
    problem = ""
    if twice:
        problem = gettext("Two columns were chosen for the same thing. Choose one of them.")
    elif wrong:
        problem = gettext("Enter whole numbers for the words, or nothing.")
    else:
        try:
            with transaction(runtime().engine) as db:
                remembering.remember(db, g.merchant_id, source_id, chosen, words, rows)
                record(
                    db,
                    g.merchant_id,
                    runtime().now(),
                    g.account.email,
                    "supplier.mapping",
                    f"source {source_id}",
                )
        except remembering.MappingRefused:
            problem = gettext("Choose a column for the item's code and one for the quantity, each once.")
    if problem:
        return _page(connection_id, chosen, {"problem": problem}, 422, rows)
    flash(gettext("Kept. The next file is read this way; read it now, or hand it over again."))
    return redirect(f"/connections/{connection_id}", 303)


def _words() -> tuple[dict[str, int], bool]:
    words: dict[str, int] = {}
    wrong = False
    for number in range(_MOST_COLUMNS):
        word = request.form.get(f"word-{number}", "")[:60]
        units = request.form.get(f"units-{number}", "").strip()
        if not word or not units:
            continue
        if units.isascii() and units.isdigit() and len(units) < 8:
            words[word] = int(units)
        else:
            wrong = True
    return words, wrong


def _source(connection_id: int) -> int:
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
        source_id = db.execute(
            sa.text("select id from source where merchant_id = :m and connection_id = :c"),
            {"m": g.merchant_id, "c": connection_id},
        ).scalar()
    if row.kind != "supplier" or row.status == "ended" or source_id is None:
        abort(404)
    return int(source_id)


def _page(
    connection_id: int, chosen: dict[str, str] | None, given: dict[str, Any], status: int, rows: str
) -> Response:
    source_id = _source(connection_id)
    looked, fault = None, ""
    try:
        looked = remembering.look(runtime(), g.merchant_id, source_id, rows[:_LONGEST_PATH])
    except PortError as error:
        fault = f"{error.cause} {error.remedy}"
    with reading() as db:
        name = connection(db, g.merchant_id, connection_id).name
    remembered = chosen if chosen is not None else (dict(looked.mapping.columns) if looked else {})
    fields: dict[int, str] = {}
    if looked:
        shape = looked.judged.shape.columns
        by_column = {column: field for field, column in remembered.items()}
        for one in looked.judged.columns:
            guessed = "" if one.is_asked and one.confidence < _LEAST_CHOSEN else one.field
            own = by_column.get(one.column, by_column.get(shape[one.index], ""))
            fields[one.index] = own if remembered else guessed
    return page(
        "mapping",
        status,
        connection_id=connection_id,
        name=name,
        looked=looked,
        fault=fault,
        fields=fields,
        is_remembered=bool(remembered),
        all_fields=FIELDS,
        sample=looked.judged.sample[:PREVIEW_ROWS] if looked else (),
        **{"problem": "", **given},
    )
