"""Connecting a supplier's file where it lies: one form for each way, with that way's fields only. Besides, what
a connected one may need: a token for files that are sent in, and the acceptance of a server's new key."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.intake import pins, push, sources
from connector.ports.errors import Misconfigured, PortError
from connector.registry import Manifest, manifest
from connector.web.pages.overview import kept
from connector.web.pages.plan import may_start
from connector.web.pages.supplier_terms import MISSING, terms_of
from connector.web.place_words import place_words
from connector.web.view import confirm, flash, gettext, page, reading, runtime

routes = Blueprint("file_places", __name__)

EVERY_S = 900
LONGEST = 2_000
LONGEST_KEY = 20_000
_FILES = "file_feed"
_OWN_PAGE = ("upload",)
"""Ways with a page of their own."""


def places() -> dict[str, str]:
    """The ways a file may be reached, each with its title in English."""
    return {name: title for name, title in _of().places.items() if name not in _OWN_PAGE}


def _of() -> Manifest:
    return manifest("suppliers", _FILES)


@routes.get("/suppliers/file")
def choose() -> Response:
    return page("supplier_places", places=places(), field_words=place_words(gettext))


@routes.get("/suppliers/file/<place>")
def new(place: str) -> Response:
    may_start("suppliers")
    return _form(place, {}, {}, "", 200)


@routes.post("/suppliers/file/<place>")
def add(place: str) -> Response:
    """Look whether the file can be reached, and connect the supplier; its first reading begins at once."""
    may_start("suppliers")
    if place not in places():
        abort(404)
    _, rt = gettext, runtime()
    typed = {name: value.strip() for name, value in request.form.items()}
    terms = terms_of(typed)
    name, errors = terms.name, dict(terms.errors)
    fields = [field for field in _of().fields if not field.places or place in field.places]
    for field in fields:
        if len(typed.get(f"s-{field.name}", "")) > (LONGEST_KEY if field.is_long else LONGEST):
            errors[field.name] = _("This is too long.")
    if errors:
        return _form(place, typed, errors, "", 422)
    given = {field.name: typed.get(f"s-{field.name}", "") for field in fields}
    secret = {field.name for field in fields if field.is_secret}
    config = {key: value for key, value in given.items() if value and key not in secret} | {"place": place}
    secrets = {key: value for key, value in given.items() if value and key in secret}
    try:
        source_id = sources.connect_file(rt, g.merchant_id, name, config, secrets, EVERY_S, terms.rules)
    except Misconfigured as error:
        said = f"{error.cause} {error.remedy}".strip()
        if error.field in given:
            return _form(place, typed, {error.field: said}, "", 422)
        return _form(place, typed, {}, said, 422)
    except PortError as error:
        return _form(place, typed, {}, f"{error.cause} {error.remedy}".strip(), 422)
    with transaction(rt.engine) as db:
        record(db, g.merchant_id, rt.now(), g.account.email, "supplier.connect", f"source {source_id}")
        connection_id = db.execute(
            sa.text("select connection_id from source where merchant_id = :m and id = :s"),
            {"m": g.merchant_id, "s": source_id},
        ).scalar_one()
    kept().forget(g.merchant_id)
    if place == "push":
        flash(_("%(name)s is connected. Make a token and give it to the supplier.", name=name))
        return redirect(f"/connections/{connection_id}#push-title", 303)
    flash(_("%(name)s is connected. Its first reading begins in a moment.", name=name))
    return redirect(f"/runs?source={source_id}", 303)


@routes.post("/connections/<int:connection_id>/push-token")
def push_token(connection_id: int) -> Response:
    """A new token, shown this once."""
    row, rt = _supplier(connection_id), runtime()
    with transaction(rt.engine) as db:
        token = push.issue(db, g.merchant_id, row.id, actor=g.account.email, now=rt.now())
    return page("supplier_token", row=row, token=token, address=address_of(row))


@routes.get("/connections/<int:connection_id>/accept-key")
def ask_key(connection_id: int) -> Response:
    row = _supplier(connection_id)
    with reading() as db:
        waiting = pins.alarm(db, g.merchant_id, row.id)
    if waiting is None:
        abort(404)
    _ = gettext
    return confirm(
        title=_("Accept the server's new key?"),
        lead=_("Only if the supplier says that the key was renewed: else somebody may stand in between."),
        points=[
            _("Before: %(key)s", key=waiting.pinned),
            _("Now: %(key)s", key=waiting.presented),
            _("Nothing was sent to the server so far."),
        ],
        action=f"/connections/{row.id}/accept-key?key={quote(waiting.presented, safe='')}",
        submit=_("Accept this key"),
        back=f"/connections/{row.id}",
        is_danger=True,
    )


@routes.post("/connections/<int:connection_id>/accept-key")
def accept_key(connection_id: int) -> Response:
    row, rt = _supplier(connection_id), runtime()
    with transaction(rt.engine) as db:
        is_done = pins.accept(
            db, g.merchant_id, row.id, request.args.get("key", ""), actor=g.account.email, now=rt.now()
        )
    kept().forget(g.merchant_id)
    if is_done:
        flash(gettext("The new key is accepted. %(name)s is read in a moment.", name=row.name))
    else:
        flash(gettext("The server showed yet another key since: look at it again."))
    return redirect(f"/connections/{row.id}", 303)


def address_of(row: ConnectionRow) -> str:
    """Where this supplier sends its files."""
    return f"{runtime().base_url}/feeds/{row.public_key}/"


def _supplier(connection_id: int) -> ConnectionRow:
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "supplier" or row.adapter != _FILES or row.status == "ended":
        abort(404)
    return row


def _form(place: str, values: Any, errors: dict[str, str], refused: str, status: int) -> Response:
    of = _of()
    if place not in places():
        abort(404)
    own = [field for field in of.fields if place in field.places]
    rare = [field for field in own if field.is_rare]
    # What the setting of the place says already is not asked.
    format_fields = [field for field in of.fields if not field.places and field.name != "place"]
    more = [*rare, *format_fields]
    return page(
        "supplier_place",
        status,
        place=place,
        title=of.places[place],
        field_words=place_words(gettext),
        values=values,
        errors=errors,
        refused=refused,
        missing=MISSING,
        main=[field for field in own if not field.is_rare],
        more=more,
        opens=any(field.name in errors or values.get(f"s-{field.name}") for field in more),
    )


def access_of(db: sa.Connection, row: ConnectionRow) -> dict[str, Any] | None:
    """What the page of a supplier of files shows besides: its alarm, and how files are sent in."""
    if row.kind != "supplier" or row.adapter != _FILES:
        return None
    return {
        "alarm": pins.alarm(db, row.merchant_id, row.id),
        "address": address_of(row),
        "token_at": push.issued_at(row),
        "is_push": row.config.get("place") == "push",
    }
