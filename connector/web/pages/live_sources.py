"""Connecting a supplier, or a system of the merchant's own, that is read by its API: a form made of what its
adapter asks for. Secrets that somebody types are never shown again, whatever happens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.intake import sources
from connector.ports.errors import Misconfigured, PortError
from connector.registry import Manifest
from connector.web.pages.overview import kept
from connector.web.pages.plan import may_start
from connector.web.pages.supplier_terms import MISSING, terms_of
from connector.web.pages.suppliers import live_sources
from connector.web.source_words import source_words
from connector.web.view import flash, gettext, page, runtime

routes = Blueprint("live_sources", __name__)

EVERY_S = 900
LONGEST, LONGEST_KEY = 2_000, 20_000
"""Characters of a setting, and of a secret of several lines."""


def _source(name: str) -> Manifest:
    found = next((one for one in live_sources() if one.name == name), None)
    if found is None:
        abort(404)
    return found


@routes.get("/suppliers/new/<adapter>")
def new(adapter: str) -> Response:
    may_start("suppliers")
    return _form(_source(adapter), {}, {}, "", 200)


@routes.post("/suppliers/new/<adapter>")
def add(adapter: str) -> Response:
    """Look whether the source answers, and connect it; its first reading begins at once."""
    may_start("suppliers")
    _, of, rt = gettext, _source(adapter), runtime()
    typed = {name: value.strip() for name, value in request.form.items()}
    terms = terms_of(typed)
    name, errors = terms.name, dict(terms.errors)
    for field in of.fields:
        value = typed.get(f"s-{field.name}", "")
        if field.is_required and not value:
            errors[field.name] = _("This is needed.")
        elif len(value) > (LONGEST_KEY if field.is_long else LONGEST):
            errors[field.name] = _("This is too long.")
    if errors:
        return _form(of, typed, errors, "", 422)
    given = {field.name: typed.get(f"s-{field.name}", "") for field in of.fields}
    secrets = {field.name for field in of.fields if field.is_secret}
    try:
        source_id = sources.connect(
            rt,
            g.merchant_id,
            of.name,
            name,
            {key: value for key, value in given.items() if value and key not in secrets},
            {key: value for key, value in given.items() if value and key in secrets},
            EVERY_S,
            terms.rules,
        )
    except Misconfigured as error:
        said = f"{error.cause} {error.remedy}".strip()
        if error.field in given:
            return _form(of, typed, {error.field: said}, "", 422)
        return _form(of, typed, {}, said, 422)
    except PortError as error:
        return _form(of, typed, {}, f"{error.cause} {error.remedy}".strip(), 422)
    with transaction(rt.engine) as db:
        record(db, g.merchant_id, rt.now(), g.account.email, "supplier.connect", f"source {source_id}")
    kept().forget(g.merchant_id)
    flash(_("%(name)s is connected. Its first reading begins in a moment.", name=name))
    return redirect(f"/runs?source={source_id}", 303)


def _form(of: Manifest, values: Any, errors: dict[str, str], refused: str, status: int) -> Response:
    field_words = source_words(gettext)
    return page(
        "supplier_live",
        status,
        source=of,
        field_words=field_words,
        values=values,
        errors=errors,
        refused=refused,
        missing=MISSING,
        # First what everybody needs; the rest may stay as it is.
        needed=[field for field in of.fields if field.is_required],
        optional=[field for field in of.fields if not field.is_required],
        opens=any(field.name in errors or values.get(f"s-{field.name}") for field in of.fields
                  if not field.is_required),
    )  # fmt: skip
