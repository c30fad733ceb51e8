"""What alerts are worth: sums, products, one product with its queue and its restocks; all of it as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, request
from werkzeug.wrappers import Response

from connector.i18n import money
from connector.shoppers import claims, worth
from connector.shoppers.policy import policy_of
from connector.web.pages.overview import kept
from connector.web.view import chosen_locale, csv_file, gettext, number_arg, page, reading, runtime, stream

routes = Blueprint("worth", __name__)

PERIODS = (30, 90, 365)
DEFAULT_DAYS = 90
SHOWN_DAYS = 45


def period() -> int:
    """The days looked back, of the address; the usual ones where it says none we offer."""
    asked = number_arg("days")
    return asked if asked in PERIODS else DEFAULT_DAYS


def since(days: int) -> datetime:
    """The moment so many days ago."""
    return runtime().now() - timedelta(days=days)


def summary(db: sa.Connection, merchant_id: int, days: int) -> worth.Worth:
    """The sums, which many looks share for a while."""
    found: worth.Worth = kept().get(
        merchant_id, f"worth {days}", lambda: worth.worth(db, merchant_id, since(days))
    )
    return found


def sums(revenue: Mapping[str, int] | Sequence[tuple[str, int]] | None) -> list[str]:
    """Revenue in the reader's language, one text a currency, the largest first; empty for none."""
    rows = revenue.items() if isinstance(revenue, Mapping) else revenue or ()
    largest = sorted(rows, key=lambda one: (-one[1], one[0]))
    return [money(int(minor), currency, chosen_locale()) for currency, minor in largest]


def closed_words(by: str) -> str:
    """Why a restock is over."""
    _ = gettext
    return {"sold out": _("Sold out again"), "everybody was told": _("Everybody was told")}.get(by, by)


@routes.get("/shoppers/worth")
def index() -> Response:
    days, skip = period(), number_arg("skip") or 0
    with reading() as db:
        rows = kept().get(
            g.merchant_id,
            f"products {days} {skip}",
            lambda: worth.products(db, g.merchant_id, since(days), skip=skip, limit=worth.PAGE + 1),
        )
        shown = rows[: worth.PAGE]
        learned = _learned(db, [row.variant_id for row in shown])
        found = summary(db, g.merchant_id, days)
    return page(
        "worth",
        found=found,
        rows=[(row, worth.funnel_of(row), learned[row.variant_id]) for row in shown],
        most=max((row.people for row in rows), default=0),
        setting=_setting(),
        next_skip=skip + worth.PAGE if len(rows) > worth.PAGE else None,
        days=days,
        periods=PERIODS,
        sums=sums,
    )


@routes.get("/shoppers/worth.csv")
def export() -> Response:
    head = ("sku", "title", "people_waiting", "units_waiting", "oldest", "told", "clicked", "clicked_in_vain",
            "ordered", "units_ordered", "revenue_minor", "currency")  # fmt: skip
    # Opened here: while the answer is sent there is no request any more.
    rows = stream(worth.PRODUCTS_EXPORT, {"m": g.merchant_id, "since": since(period())})
    return csv_file("worth.csv", head, (line for row in rows for line in _lines(row)))


def _lines(row: Any) -> Iterator[tuple[Any, ...]]:
    """One line for each currency; what was counted stands on the first only, so that columns add up."""
    counts = (row.people, int(row.units), row.oldest_at, row.told, row.clicked, row.in_vain, row.ordered,
              int(row.units_ordered))  # fmt: skip
    for place, (currency, minor) in enumerate((row.revenue or {"": ""}).items()):
        yield (row.sku, row.title, *(("",) * len(counts) if place else counts), minor, currency)


@routes.get("/shoppers/products/<int:variant_id>")
def product(variant_id: int) -> Response:
    days = period()
    with reading() as db:
        row = worth.product(db, g.merchant_id, variant_id, since(days))
        if row is None:
            abort(404)
        # Of a product that a crowd waits for, these are tens of thousands of rows.
        by_day, episodes, messages = kept().get(
            g.merchant_id,
            f"product {variant_id} {days} {g.account.timezone}",
            lambda: (
                worth.days(db, g.merchant_id, variant_id, since(days), g.account.timezone, limit=SHOWN_DAYS),
                worth.episodes(db, g.merchant_id, variant_id),
                worth.messages(db, g.merchant_id, variant_id),
            ),
        )
        learned = _learned(db, [variant_id])[variant_id]
        counts_interest = policy_of(db, g.merchant_id).counts_interest
    return page(
        "worth_product",
        row=row,
        funnel=worth.funnel_of(row),
        learned=learned,
        setting=_setting(),
        by_day=by_day,
        most=max((max(one.joined, one.told) for one in by_day), default=0),
        most_looks=max((one.sold_out + one.available for one in by_day), default=0),
        counts_interest=counts_interest,
        episodes=[(one, worth.funnel_of(one)) for one in episodes],
        messages=messages,
        days=days,
        periods=PERIODS,
        sums=sums,
        closed=closed_words,
    )


@routes.get("/shoppers/products/<int:variant_id>.csv")
def product_export(variant_id: int) -> Response:
    with reading() as db:
        if worth.product(db, g.merchant_id, variant_id, since(1)) is None:
            abort(404)
    return _invitations(f"invitations-{variant_id}.csv", variant_id)


@routes.get("/shoppers/invitations.csv")
def invitations_export() -> Response:
    return _invitations("invitations.csv", 0)


def _invitations(name: str, variant_id: int) -> Response:
    days = 36_500 if request.args.get("days") == "all" else period()
    given = {"m": g.merchant_id, "v": variant_id, "since": since(days)}
    return csv_file(name, worth.INVITATIONS_HEAD, stream(worth.INVITATIONS_EXPORT, given))


def _setting() -> Any:
    with reading() as db:
        return db.scalar(sa.text("select claim_rate from merchant where id = :m"), {"m": g.merchant_id})


def _learned(db: sa.Connection, variant_ids: Sequence[int]) -> dict[int, claims.Learned]:
    """What is known of each; it is reckoned from all invitations of a year, so many looks share it for a while."""
    setting = db.scalar(sa.text("select claim_rate from merchant where id = :m"), {"m": g.merchant_id})
    found: dict[int, claims.Learned] = kept().get(
        g.merchant_id,
        f"learned {setting} {','.join(map(str, variant_ids))}",
        lambda: claims.learned_of_each(db, g.merchant_id, variant_ids, setting, runtime().now()),
    )
    return found
