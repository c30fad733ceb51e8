"""What Dispo keeps in a store's pages: the storefront script, and the store's own fields about availability."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.delivery import notes, scripts
from connector.web.view import confirm, flash, gettext, reading, runtime

routes = Blueprint("scripts", __name__)


def _row(connection_id: int) -> ConnectionRow:
    """The store of this merchant whose pages take our script; 404 for everything else."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "store" or row.status == "ended" or not scripts.has_scripts(row.adapter):
        abort(404)
    return row


@routes.get("/connections/<int:connection_id>/script/off")
def ask_off(connection_id: int) -> Response:
    row = _row(connection_id)
    here = f"/connections/{connection_id}"
    _ = gettext
    return confirm(
        title=_("Take badge and form out of the pages of %(name)s?", name=row.name),
        lead=_("Shoppers see neither the badge nor the restock date, and cannot ask to be told."),
        points=[
            _("Numbers go on following your stock."),
            _("Shoppers who wait already keep their place."),
            _("You can switch it on again at any time."),
        ],
        action=f"{here}/script",
        submit=_("Take out"),
        back=here,
        is_danger=True,
    )


@routes.post("/connections/<int:connection_id>/script")
def switch(connection_id: int) -> Response:
    """On with `on` or a `consent` category, else off."""
    row = _row(connection_id)
    consent = next((one for one in scripts.CONSENTS if one == request.form.get("consent")), None)
    if consent is None and request.form.get("consent"):
        abort(400)
    is_on = consent is not None or "on" in request.form
    with transaction(runtime().engine) as db:
        scripts.choose(
            db,
            g.merchant_id,
            connection_id,
            is_on=is_on,
            consent=consent,
            actor=g.account.email,
            now=runtime().now(),
        )
    if consent is not None:
        flash(gettext("Saved. The pages of %(name)s follow in a moment.", name=row.name))
    elif is_on:
        flash(gettext("Badge and form are put into the pages of %(name)s.", name=row.name))
    else:
        flash(gettext("Badge and form are taken out of the pages of %(name)s.", name=row.name))
    return redirect(f"/connections/{connection_id}", 303)


@routes.post("/connections/<int:connection_id>/notes")
def choose_notes(connection_id: int) -> Response:
    """What the store's own fields say of availability; 404 where its platform has none."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "store" or row.status == "ended" or not notes.has_notes(row.adapter):
        abort(404)
    mode = next((one for one in notes.MODES if one == request.form.get("mode")), None)
    if mode is None:
        abort(400)
    rt = runtime()
    with transaction(rt.engine) as db:
        notes.choose(db, g.merchant_id, connection_id, mode, actor=g.account.email, now=rt.now())
    flash(gettext("Saved. The products of %(name)s follow in a moment.", name=row.name))
    return redirect(f"/connections/{connection_id}#notes", 303)
