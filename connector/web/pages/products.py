"""Products: what may be sold of each, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, request
from werkzeug.wrappers import Response

from connector.i18n import day
from connector.positions import kept as kept_dates
from connector.positions.price_stops import stops_of
from connector.web.pages.overview import kept
from connector.web.queries import products
from connector.web.queries.overview import SELLABLE_STATES
from connector.web.rule_words import RuleWords
from connector.web.view import (
    chosen_locale,
    csv_file,
    gettext,
    moment,
    number_arg,
    page,
    reading,
    stream,
)
from connector.web.words import Words

routes = Blueprint("products", __name__)


@routes.get("/products")
def index() -> Response:
    search, state, after = request.args.get("q", "")[:100], request.args.get("state", ""), number_arg("after")
    with reading() as db:
        rows = products.listed(
            db, g.merchant_id, search=search, state=state, after=after or 0, limit=products.PAGE + 1
        )
        counts = kept().get(g.merchant_id, "states", lambda: products.states(db, g.merchant_id))
    has_more = len(rows) > products.PAGE
    rows = rows[: products.PAGE]
    return page(
        "products",
        rows=rows,
        search=search,
        state=state,
        filters=[
            name for name in products.FILTERS if name == "sellable" or counts.get(name) or name == state
        ],
        counts={**counts, "sellable": sum(counts.get(name, 0) for name in SELLABLE_STATES)},
        total=sum(counts.values()),
        after=after,
        next_after=rows[-1].id if has_more else None,
    )


@routes.get("/products.csv")
def export() -> Response:
    words = Words(chosen_locale())
    given = products.arguments(g.merchant_id, request.args.get("q", "")[:100], request.args.get("state", ""))
    return csv_file(
        "products.csv",
        ("sku", "title", "gtin", "state", "state_in_words", "available", "restock_on", "restock_until",
         "shoppers_waiting", "decided_at"),
        (
            (row.sku, row.title, row.gtin, row.state, words.state(row.state), row.available, row.restock_on,
             row.restock_until, row.waiting, row.decided_at)
            for row in stream(products.EXPORT, given)
        ),
    )  # fmt: skip


@routes.get("/products/<int:variant_id>")
def product(variant_id: int) -> Response:
    with reading() as db:
        found = products.explained(db, g.merchant_id, variant_id)
        if found is None:
            abort(404)
        row, why = found
        names = products.source_names(db, g.merchant_id)
        moves = products.movements(db, g.merchant_id, variant_id=variant_id, limit=20)
        named_by = products.connection_name(db, g.merchant_id, row)
        stopped = stops_of(db, g.merchant_id, [variant_id]).get(variant_id)
    arithmetic = row.why or {}
    return page(
        "product",
        row=row,
        why=why,
        parts=_parts(arithmetic, why.sources, names),
        rule=arithmetic,
        moves=moves,
        shown_days=_days(row),
        promise=arithmetic.get("promise"),
        named_by=named_by,
        stopped=stopped,
        sourcing=arithmetic.get("sourcing"),
        rule_words=RuleWords(gettext),
        at=lambda text: moment(datetime.fromisoformat(text), chosen_locale()),
    )


@routes.get("/promises.csv")
def promises_export() -> Response:
    return csv_file(
        "promises.csv",
        ("sku", "title", "named_by", "basis", "evidence_on", "first_shown_on", "shown_at", "latest_shown_on",
         "slips", "slipped_at", "withdrawn_at", "restocked_at", "outcome", "known_at"),
        stream(kept_dates.EXPORT, {"m": g.merchant_id}),
    )  # fmt: skip


@routes.get("/movements")
def movements() -> Response:
    before = number_arg("before")
    with reading() as db:
        rows = products.movements(db, g.merchant_id, before=before or 0, limit=products.PAGE + 1)
    return page(
        "movements",
        rows=rows[: products.PAGE],
        before=before,
        next_before=rows[products.PAGE - 1].id if len(rows) > products.PAGE else None,
    )


@routes.get("/movements.csv")
def movements_export() -> Response:
    return csv_file(
        "changes.csv",
        ("at", "sku", "title", "before", "after", "state_before", "state_after", "cause", "run", "reference"),
        (
            (row.at, row.sku, row.title, row.available_before, row.available_after, row.state_before,
             row.state_after, row.cause, row.run_id, row.reference)
            for row in stream(products.MOVED_EXPORT, {"m": g.merchant_id})
        ),
    )  # fmt: skip


def _parts(
    arithmetic: dict[str, Any], sources: list[dict[str, Any]], names: dict[int, str]
) -> list[dict[str, Any]]:
    """The sum's lines, one a source: what the decision counted, joined with the row it came from."""
    counted = list(arithmetic.get("sources", []))
    lines = []
    for source in sources:
        fits = (part for part in counted if names.get(part["source"]) == source["source"])
        part = next(fits, None)
        if part is not None:
            counted.remove(part)
        lines.append(
            {
                **source,
                "name": source["source"],
                "as_of": datetime.fromisoformat(source["as_of"]) if source["as_of"] else None,
                "units": part["units"] if part else None,
                "stale": bool(part and part.get("stale")),
            }
        )
    return lines


def _days(row: Any) -> str:
    """The date that shoppers see, or the first and the last day of their window."""
    days = dict.fromkeys(one for one in (row.restock_on, row.restock_until) if one)
    return " – ".join(day(one, chosen_locale()) for one in days)
