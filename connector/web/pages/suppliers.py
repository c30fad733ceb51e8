"""Suppliers whose files a person hands over: connecting one, and handing a file over to any."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import connection
from connector.db import transaction
from connector.intake import sources, uploads
from connector.intake.settings_file import MOST_BYTES as MOST_SETTINGS_BYTES
from connector.ports.errors import Misconfigured
from connector.registry import ADAPTERS, Manifest, manifest
from connector.shoppers.import_file import MOST_BYTES as MOST_WAITING_BYTES
from connector.web.pages.matching import MOST_FILE_BYTES
from connector.web.pages.overview import kept
from connector.web.pages.plan import may_start
from connector.web.pages.supplier_terms import MISSING, terms_of
from connector.web.view import flash, gettext, page, reading, runtime

routes = Blueprint("suppliers", __name__)

_FORM_BYTES = 100_000
_FILES = "file_feed"


def allow_files() -> None:
    """Let the requests that carry a file be larger than others; for people who have signed in only."""
    if request.endpoint in ("suppliers.add", "suppliers.hand_over"):
        request.max_content_length = uploads.MOST_BYTES + _FORM_BYTES
    elif request.endpoint == "matching.declare":
        request.max_content_length = MOST_FILE_BYTES + _FORM_BYTES
    elif request.endpoint == "brought.look":
        request.max_content_length = MOST_SETTINGS_BYTES + _FORM_BYTES
    elif request.endpoint == "shopper_import.look":
        request.max_content_length = MOST_WAITING_BYTES + _FORM_BYTES


@routes.get("/suppliers/new")
def new() -> Response:
    may_start("suppliers")
    return _form({}, {}, 200)


@routes.post("/suppliers/new")
def add() -> Response:
    """Connect a supplier and take its first file in."""
    may_start("suppliers")
    _ = gettext
    terms, file = terms_of(request.form), request.files.get("file")
    errors = dict(terms.errors)
    if not file or not file.filename:
        errors["file"] = _("Choose the supplier's file.")
    if errors or file is None:
        return _form(request.form, errors, 422)
    rt = runtime()
    # The file first: a supplier without one is of no use to anybody.
    problem = _problem(file)
    if problem:
        return _form(request.form, {"file": problem}, 422)
    source_id = sources.connect_file(
        rt, g.merchant_id, terms.name, sources.BY_HAND, {}, sources.UPLOAD_EVERY_S, terms.rules
    )
    with transaction(rt.engine) as db:
        record(db, g.merchant_id, rt.now(), g.account.email, "supplier.connect", f"source {source_id}")
    return _take(source_id, file)


@routes.post("/connections/<int:connection_id>/file")
def hand_over(connection_id: int) -> Response:
    """A file for a supplier that is connected, whatever way its files come otherwise."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
        source_id = db.execute(
            sa.text("select id from source where merchant_id = :m and connection_id = :c"),
            {"m": g.merchant_id, "c": connection_id},
        ).scalar()
    if row.kind != "supplier" or row.status == "ended" or source_id is None:
        abort(404)
    file = request.files.get("file")
    here = f"/connections/{connection_id}"
    if not file or not file.filename:
        flash(gettext("Choose the supplier's file."))
        return redirect(here, 303)
    problem = _problem(file)
    if problem:
        flash(problem)
        return redirect(here, 303)
    return _take(int(source_id), file)


def _problem(file: FileStorage) -> str:
    """Why this file cannot be taken, in words; empty where it can."""
    size_bytes = file.stream.seek(0, 2)
    file.stream.seek(0)
    if size_bytes == 0:
        return gettext("The file is empty. Export it again and choose it anew.")
    if size_bytes > uploads.MOST_BYTES:
        most = uploads.MOST_BYTES // 1_000_000
        return gettext(
            "The file is larger than %(most)s MB. Put it behind an address and connect that.", most=most
        )
    return ""


def _take(source_id: int, file: FileStorage) -> Response:
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            given = {"actor": g.account.email, "now": rt.now()}
            uploads.accept(db, g.merchant_id, source_id, file.filename or "", file.stream, **given)
            schedule.ensure(db, g.merchant_id, "supplier.upload", source_id, sources.UPLOAD_EVERY_S)
            schedule.run_now(db, g.merchant_id, "supplier.upload", source_id)
            record(
                db,
                g.merchant_id,
                rt.now(),
                g.account.email,
                "supplier.upload",
                f"source {source_id}",
                {"file": uploads.safe_name(file.filename or "")},
            )
    except Misconfigured as error:
        flash(f"{error.cause} {error.remedy}")
        return redirect("/connections", 303)
    kept().forget(g.merchant_id)
    flash(gettext("%(file)s is read in a moment.", file=uploads.safe_name(file.filename or "")))
    return redirect(f"/runs?source={source_id}", 303)


def _form(values: Any, errors: dict[str, str], status: int) -> Response:
    most = uploads.MOST_BYTES // 1_000_000
    return page(
        "supplier_new",
        status,
        values=values,
        errors=errors,
        most_mb=most,
        missing=MISSING,
        live=live_sources(),
    )


def live_sources() -> list[Manifest]:
    """The sources that are read by an API, by title."""
    found = [manifest("suppliers", name) for name in ADAPTERS["suppliers"] if name != _FILES]
    return sorted(found, key=lambda one: one.title)
