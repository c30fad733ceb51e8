"""From a product's number back to the supplier's line and forth to the writes; and why a code does not sync."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, abort, g, request
from werkzeug.wrappers import Response

from connector.intake.source_line import in_pairs, source_lines
from connector.intake.unsynced import Stop, unsynced
from connector.positions.trace import writes
from connector.web.queries import products
from connector.web.view import chosen_locale, gettext, page, reading, runtime
from connector.web.words import Words

routes = Blueprint("trace", __name__)


@routes.get("/products/<int:variant_id>/trace")
def trace(variant_id: int) -> Response:
    """The supplier's lines and the latest writes, fetched by the product's page: a kept file may be large."""
    with reading() as db:
        is_ours = db.execute(
            sa.text("select 1 from variant where merchant_id = :m and id = :v"),
            {"m": g.merchant_id, "v": variant_id},
        ).first()
        if is_ours is None:
            abort(404)
        sent = writes(db, g.merchant_id, variant_id)
    lines = source_lines(runtime(), g.merchant_id, variant_id)
    return page(
        "_trace",
        lines=[(line, in_pairs(line), _problem(line.problem)) for line in lines],
        writes=sent,
        ended=_ended,
    )


@routes.get("/products/why")
def why() -> Response:
    code = request.args.get("q", "").strip()[:100]
    with reading() as db:
        stops = unsynced(db, g.merchant_id, code) if code else []
        rows = products.listed(db, g.merchant_id, search=code, limit=5) if code else []
    return page("why", code=code, stops=[(stop, *_said(stop)) for stop in stops], rows=rows)


def _problem(code: str) -> str:
    _ = gettext
    if not code:
        return ""
    return {
        "not_kept": _("The file is not kept any more, so its line cannot be shown."),
        "not_found": _("The line is not found in the kept file."),
        "too_large": _("The file is too large to look one line up in. Download it from its run."),
        "too_slow": _("The file is too large to look one line up in. Download it from its run."),
    }.get(code, _("The kept file cannot be read, so its line cannot be shown."))


def _ended(status: str) -> str:
    """How a request to a store ended."""
    _ = gettext
    return {
        "succeeded": _("confirmed by the store"),
        "resolved": _("read back from the store"),
        "failed": _("refused by the store"),
        "sent": _("under way"),
        "unknown": _("no answer yet"),
    }.get(status, _("confirmed by the store"))


def _said(stop: Stop) -> tuple[str, str]:
    """What stopped it, and what helps."""
    _ = gettext
    words = Words(chosen_locale())
    return {
        "rejected": (
            _("Its row in the supplier's file has a fault."),
            _("Ask the supplier to correct the row."),
        ),
        "held": (
            _("Its row waits for your answer: %(why)s.", why=words.held(stop.reason)),
            _("Approve or reject it in the run."),
        ),
        "ignored": (
            _("You said that this supplier's item is not one of yours."),
            _("Take that back under “Items without a product”."),
        ),
        "unmatched": (
            _("The supplier lists it, but no product in your stores has this code."),
            _("Link it to a product under “Items without a product”."),
        ),
        "unsaid": (
            _("The supplier lists it without a quantity."),
            _("Blank means not said, so the store keeps its number. Ask the supplier."),
        ),
        "no_source": (
            _("The product is in your stores, but no supplier lists it under this code."),
            _("Check that a supplier's file holds this SKU or barcode."),
        ),
        "excluded": (
            _("You took this product out of management."),
            _("Take it in again on the store's page."),
        ),
        "gone": (_("The store does not show this product any more."), _("Publish it again in the store.")),
        "yielded": (
            _("Another app keeps setting its number, so Dispo leaves it alone."),
            _("Switch the other app off for it, then let Dispo go on."),
        ),
        "problem": (_("The store refuses its number."), _("See the reason, and mend it in the store.")),
        "paused": (_("The connection to this store is paused."), _("Resume it on the store's page.")),
        "stopped": (_("Writing to this store is stopped."), _("Let it go on, on the store's page.")),
        "not_approved": (
            _("Writing to this store is not approved yet."),
            _("Look at the difference on the store's page and approve it."),
        ),
    }[stop.kind]
