"""A store that is only watched, beside the tool that writes it: what was found, and how long to go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.delivery import approval, shadow
from connector.delivery.shadow_report import articles, report
from connector.web.pages.overview import kept
from connector.web.view import csv_file, flash, gettext, page, reading, runtime

routes = Blueprint("shadow", __name__)

WORST = 20
DAYS = 31
SAMPLES = 6
HOURS = (24, 72, 168, 336)
CSV_HEAD = (
    "sku",
    "title",
    "hours_sold_out_at_supplier_but_on_sale",
    "hours_in_stock_but_hidden",
    "hours_with_another_number",
    "units_ordered_while_sold_out",
    "worth",
    "currency",
    "store_says_now",
    "dispo_would_say_now",
)


def _row(connection_id: int) -> ConnectionRow:
    """The store of this merchant; 404 for everything else."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "store" or row.status == "ended":
        abort(404)
    return row


@routes.get("/connections/<int:connection_id>/shadow")
def index(connection_id: int) -> Response:
    row = _row(connection_id)
    with reading() as db:
        found = report(db, g.merchant_id, connection_id, timezone=g.account.timezone, worst=WORST)
        is_new = row.writing_approved_at is None
        difference = {
            "counts": approval.difference(db, g.merchant_id, connection_id),
            "samples": approval.samples(db, g.merchant_id, connection_id, SAMPLES),
        }
    days = found.days[-DAYS:] if found else []
    most = max((day.out_s + day.hidden_s for day in days), default=0)
    return page(
        "shadow",
        row=row,
        found=found,
        is_new=is_new,
        difference=difference,
        days=[(day, _share(day.out_s, most), _share(day.hidden_s, most)) for day in days],
        hours=HOURS,
        now=runtime().now(),
    )


def _share(seconds: int, most: int) -> float:
    """The length of a bar, 0 … 100; what is there is seen."""
    return max(1.0, round(100 * seconds / most, 1)) if seconds else 0.0


@routes.get("/connections/<int:connection_id>/shadow.csv")
def export(connection_id: int) -> Response:
    _row(connection_id)
    with reading() as db:
        found = report(db, g.merchant_id, connection_id, timezone="UTC", worst=0)
        rows = list(articles(db, g.merchant_id, connection_id)) if found else []
    return csv_file("shadow.csv", CSV_HEAD, _lines(rows, found.currency if found else ""))


def _lines(rows: Iterable[Any], currency: str) -> Iterator[tuple[Any, ...]]:
    for one in rows:
        yield (
            one.sku,
            one.title,
            *(round(seconds / 3600, 2) for seconds in (one.out_s, one.hidden_s, one.differs_s)),
            one.units,
            Decimal(one.minor).scaleb(-get_currency_precision(currency)),
            currency,
            one.store_units,
            one.our_units,
        )


@routes.post("/connections/<int:connection_id>/shadow")
def ask_later(connection_id: int) -> Response:
    """Watch for so many hours from now before asking."""
    _row(connection_id)
    hours = request.form.get("hours", "")
    if hours not in {str(one) for one in HOURS}:
        abort(400)
    rt = runtime()
    with transaction(rt.engine) as db:
        done = shadow.ask_again(
            db, g.merchant_id, connection_id, int(hours), actor=g.account.email, now=rt.now()
        )
    return _back(connection_id, gettext("It is watched for so long, then you are asked.") if done else "")


@routes.post("/connections/<int:connection_id>/shadow/<any(stop, start):what>")
def switch(connection_id: int, what: str) -> Response:
    _row(connection_id)
    rt = runtime()
    given: dict[str, Any] = {"actor": g.account.email, "now": rt.now()}
    with transaction(rt.engine) as db:
        if what == "stop":
            done = shadow.stop(db, g.merchant_id, connection_id, **given)
            said = gettext("It is watched no longer. What was found stays here.")
        else:
            done = shadow.start(db, g.merchant_id, connection_id, **given)
            said = gettext("Watching begins anew with the next reading of the store.")
    return _back(connection_id, said if done else "")


def _back(connection_id: int, said: str) -> Response:
    kept().forget(g.merchant_id)
    if said:
        flash(said)
    return redirect(f"/connections/{connection_id}/shadow", 303)
