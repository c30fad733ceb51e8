"""dispo shoppers list|worth|export: who waits for what, what alerts came to, and every invitation as a file."""

from __future__ import annotations

import csv
import io
import sys
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import click
import sqlalchemy as sa

from connector.cli.frame import (
    emit,
    emit_rows,
    json_option,
    merchant_id,
    merchant_option,
    open_runtime,
    table,
)
from connector.cli.shoppers import shoppers
from connector.shoppers import worth as sums
from connector.shoppers.claims import learned_of_each

_days = click.option(
    "--days", default=90, show_default=True, type=click.IntRange(1, 3650), help="How far to look back."
)

_LIST = sa.text("""
select s.id, s.address, s.channel, v.sku, s.wanted_units, s.status, s.priority, s.created_at
  from subscription s join variant v on v.merchant_id = s.merchant_id and v.id = s.variant_id
 where s.merchant_id = :m and (:status = '' or s.status = :status) and (:sku = '' or v.sku_key = lower(:sku))
 order by s.priority desc, s.id limit :n
""")


@shoppers.command("list")
@click.option("--sku", default="", help="Of one product only.")
@click.option("--status", default="waiting", show_default=True, help="Of this status only; '' for all.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@merchant_option
@json_option
def list_people(sku: str, status: str, limit: int, merchant: int | None, as_json: bool) -> None:
    """Who waits, in the order in which they are told."""
    with open_runtime() as rt, rt.engine.connect() as db:
        given = {"m": merchant_id(rt, merchant), "status": status, "sku": sku, "n": limit + 1}
        found = db.execution_options(stream_results=True, max_row_buffer=2000).execute(_LIST, given)
        shown = islice(found, limit)
        if as_json:
            emit_rows(shown)
        else:
            head = ("id", "address", "channel", "sku", "units", "status", "priority", "asked")
            click.echo(table(head, [_plain(row) for row in shown], "Nobody waits."))
        if found.fetchone() is not None:
            click.echo(f"Only the first {limit:,} are shown; --limit shows more.", err=True)


@shoppers.command()
@_days
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000), help="Products.")
@merchant_option
@json_option
def worth(days: int, limit: int, merchant: int | None, as_json: bool) -> None:
    """What alerts came to: told, clicked, ordered, revenue; by product, with the share that buys."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner, since = merchant_id(rt, merchant), rt.now() - timedelta(days=days)
        found = sums.worth(db, owner, since)
        all_rows = sums.products(db, owner, since, limit=limit + 1)
        rows = all_rows[:limit]
        setting = db.scalar(sa.text("select claim_rate from merchant where id = :m"), {"m": owner})
        learned = learned_of_each(db, owner, [row.variant_id for row in rows], setting, rt.now())
    lines = [
        (row.sku, row.people, row.units, row.told, row.clicked, row.in_vain, row.ordered,
         _money(row.revenue or {}), learned[row.variant_id].claim_rate)
        for row in rows
    ]  # fmt: skip
    head = ("sku", "waiting", "units", "told", "clicked", "in vain", "ordered", "revenue", "buys")

    def text() -> str:
        f = found.funnel
        return "\n".join(
            [
                f"{found.people} wait for {found.units} units of {found.products} products.",
                f"In {days} days {f.told} were told, {f.clicked} clicked ({f.in_vain} in vain), {f.ordered} ordered "
                f"{f.units_ordered} units for {_money(dict(found.revenue)) or 'nothing'}.",
                "Alerts: " + ", ".join(f"{count} {name}" for name, count in found.messages.items()) + ".",
                "",
                table(head, lines, "Nobody waits, and nobody was told."),
            ]
        )

    value = {
        "sums": found,
        "products": [
            {**row._asdict(), "claim_rate": learned[row.variant_id].claim_rate,
             "is_learned": learned[row.variant_id].is_learned}
            for row in rows
        ],
        "claim_rate_setting": setting,
    }  # fmt: skip
    emit(value, as_json, text)
    if len(all_rows) > limit:
        click.echo(f"Only the first {limit:,} products are shown; --limit shows more.", err=True)


@shoppers.command()
@_days
@merchant_option
def export(days: int, merchant: int | None) -> None:
    """Print every invitation as CSV: whom, when, whether they clicked and what they ordered."""
    out = sys.stdout
    with open_runtime() as rt, rt.engine.connect() as db:
        given = {"m": merchant_id(rt, merchant), "v": 0, "since": rt.now() - timedelta(days=days)}
        rows = db.execution_options(stream_results=True).execute(sums.INVITATIONS_EXPORT, given)
        out.write(_line(sums.INVITATIONS_HEAD))
        for found in rows:
            out.write(_line(tuple(found)))


def _line(values: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(
        [value.isoformat() if isinstance(value, datetime) else value for value in values]
    )
    return buffer.getvalue()


def _plain(row: sa.Row[Any]) -> list[Any]:
    return [one.isoformat(timespec="minutes") if isinstance(one, datetime) else one for one in row]


def _money(revenue: dict[str, int]) -> str:
    """Minor units, named as such: "3998 EUR (minor units)"."""
    return " + ".join(f"{minor} {currency}" for currency, minor in revenue.items()) + (
        " (minor units)" if revenue else ""
    )
