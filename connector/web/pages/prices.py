"""Prices: rules for margin, floor and rounding, what sells below its floor, and what each price should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.availability.pricing import NAMES, ROUNDINGS
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.ports.errors import Misconfigured
from connector.positions.price_history import lowest_30d
from connector.positions.prices import (
    LEVELS,
    Judged,
    PriceBook,
    checked_says,
    judged,
    read_book,
    save_rule,
    subject_of,
    summary,
)
from connector.repricing.floors import follow, stop_state
from connector.web.pages.overview import kept
from connector.web.view import csv_file, flash, gettext, page, reading, runtime

routes = Blueprint("prices", __name__)

HEAD = (
    "sku", "title", "store", "currency", "price", "cost", "cost_of", "run", "margin", "margin_percent", "floor",
    "below_floor", "proposal", "change_percent", "state", "was_price_30_days", "problem",
)  # fmt: skip
CHUNK = 1_000
_STORES = sa.text("""
    select c.id, c.name, coalesce(w.status, 'off') as status, coalesce(w.held, 0) as held
      from connection c
      left join price_writing w on w.merchant_id = c.merchant_id and w.connection_id = c.id
     where c.merchant_id = :m and c.kind = 'store' and c.status <> 'ended' order by c.name, c.id
""")


@routes.get("/prices")
def index() -> Response:
    with reading() as db:
        book = read_book(db, g.merchant_id)
        return _page(db, book, _texts(book.merchant), {}, 200)


@routes.post("/prices")
def save() -> Response:
    """Keep one rule, or with `preview` only show what it would change."""
    rt, form = runtime(), {name: value[:200] for name, value in request.form.items()}
    level = form.get("level", "merchant") if form.get("level") in LEVELS else "merchant"
    with reading() as db:
        book, sources = read_book(db, g.merchant_id), _sources(db, g.merchant_id)
        try:
            subject = subject_of(db, g.merchant_id, level, form.get("subject", ""))
            says = checked_says(level, form, [row.id for row in sources])
        except Misconfigured as error:
            return _page(db, book, form, {error.field: _in_words(error)}, 422, level=level)
        if "preview" in form:
            return _page(db, book.with_rule(level, subject, says), form, {}, 200, level=level, is_draft=True)
    with transaction(rt.engine) as db:
        save_rule(db, g.merchant_id, level, subject, says, g.account.email, rt.now())
        follow(db, g.merchant_id)
        detail = {"level": level, "subject": subject, "removed": not says}
        record(db, g.merchant_id, rt.now(), g.account.email, "price_rule.save", "price rule", detail)
    kept().forget(g.merchant_id)
    flash(gettext("Saved. No price in your stores is changed by it before you approve it there."))
    return redirect("/prices", 303)


@routes.post("/prices/remove")
def remove() -> Response:
    rt = runtime()
    level, subject = request.form.get("level", ""), request.form.get("subject", "")[:200]
    with transaction(rt.engine) as db:
        save_rule(db, g.merchant_id, level, subject, {}, g.account.email, rt.now())
        follow(db, g.merchant_id)
        detail = {"level": level, "subject": subject, "removed": True}
        record(db, g.merchant_id, rt.now(), g.account.email, "price_rule.save", "price rule", detail)
    kept().forget(g.merchant_id)
    flash(gettext("The rule is removed."))
    return redirect("/prices", 303)


@routes.get("/prices.csv")
def export() -> Response:
    """Every priced listing: margin, floor and proposal; with `only=below` those below their floor."""
    return csv_file("prices.csv", HEAD, _lines(runtime(), g.merchant_id, request.args.get("only", "")))


def _lines(rt: Runtime, merchant_id: int, only: str) -> Iterator[tuple[Any, ...]]:
    with rt.engine.connect() as db:
        book = read_book(db, merchant_id)
        names = {row.id: row.name for row in _sources(db, merchant_id)}
        wanted = (one for one in judged(db, merchant_id, book) if only != "below" or one.is_below)
        while chunk := list(islice(wanted, CHUNK)):
            lowest = lowest_30d(
                db, merchant_id, [one.listing_id for one in chunk], rt.now() + timedelta(seconds=1)
            )
            for one in chunk:
                yield _line(one, names, lowest.get(one.listing_id))


def _line(one: Judged, names: Mapping[int, str], lowest: Any) -> tuple[Any, ...]:
    price = one.proposal.price
    # A price before a reduction may be shown only where it is the lowest of thirty days that are all known.
    was: Decimal | None = None
    if lowest is not None and lowest.is_complete and price is not None and price < one.price:
        digits = -int(one.price.as_tuple().exponent)
        was = Decimal(lowest.price_minor).scaleb(-digits)
        was = was if price < was else None
    found = one.margin
    return (
        one.sku, one.title, one.store, one.currency, one.price, one.cost, names.get(one.source_id, ""),
        one.run_id or None,
        round(found.amount, 4) if found else None,
        round(found.percent, 2) if found and found.percent is not None else None,
        one.floor, one.is_below, price if one.proposal.state in ("change", "held") else None,
        round(one.proposal.change_percent, 2) if one.proposal.change_percent is not None else None,
        one.proposal.state, was, one.problem,
    )  # fmt: skip


def _page(
    db: sa.Connection,
    book: PriceBook,
    values: Mapping[str, str],
    errors: dict[str, str],
    status: int,
    *,
    level: str = "merchant",
    is_draft: bool = False,
) -> Response:
    sources = _sources(db, g.merchant_id)
    names = {str(row.id): row.name for row in sources}
    skus = {
        row.id: row.sku
        for row in db.execute(
            sa.text(
                "select cast(id as text) as id, sku from variant where merchant_id = :m and id = any(:ids)"
            ),
            {"m": g.merchant_id, "ids": [int(s) for (kind, s) in book.rules if kind == "sku"]},
        )
    }
    rules = [
        (kind, subject, {"supplier": names, "sku": skus}.get(kind, {}).get(subject, subject), _texts(says))
        for (kind, subject), says in sorted(book.rules.items())
        if kind != "merchant"
    ]
    return page(
        "prices",
        status,
        values=values,
        merchant_values=values if level == "merchant" else _texts(book.merchant),
        errors=errors,
        level=level,
        is_draft=is_draft,
        rules=rules,
        sources=sources,
        roundings=["none", *ROUNDINGS],
        names=NAMES,
        found=summary(db, g.merchant_id, book),
        stops=stop_state(db, g.merchant_id),
        stores=db.execute(_STORES, {"m": g.merchant_id}).all(),
    )


def _texts(says: Mapping[str, Any]) -> dict[str, str]:
    """A rule as the form's texts."""
    found = {name: str(says[name]) for name in (*NAMES, "tax_percent") if says.get(name) is not None}
    found["tax_included"] = "1" if says.get("tax_included") else ""
    found |= {f"cost_currency{source}": code for source, code in (says.get("cost_currency") or {}).items()}
    return found


def _sources(db: sa.Connection, merchant_id: int) -> list[Any]:
    query = sa.text("select id, name from source where merchant_id = :m order by name, id")
    return list(db.execute(query, {"m": merchant_id}))


def _in_words(error: Misconfigured) -> str:
    _ = gettext
    if error.field == "subject":
        return _("There is none of this name, or more than one.")
    if error.field.startswith("cost_currency"):
        return _("Enter a code like EUR.")
    return {
        "floor_percent": _("Enter a number from 0 to 99."),
        "tax_percent": _("Enter a number from 0 to 100."),
        "rounding": _("Choose one of the values."),
        "below_floor": _("Choose one of the values."),
    }.get(error.field, _("Enter a number."))
