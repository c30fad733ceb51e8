"""dispo orders at-risk: the orders that cannot be delivered by their date."""

from __future__ import annotations

import click

from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.shoppers.at_risk import listing
from connector.shoppers.at_risk.looking import today_of
from connector.shoppers.at_risk.wording import number_of


@click.group()
def orders() -> None:
    """Orders of the stores."""


@orders.command("at-risk")
@click.option("--settled", is_flag=True, help="Those that are over instead of the open ones.")
@merchant_option
@json_option
def at_risk(merchant: int | None, settled: bool, as_json: bool) -> None:
    """Orders that cannot be delivered by their date, the most urgent first."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        today = today_of(db, owner, rt.now())
        found = listing.rows(db, owner, show=listing.CLOSED if settled else listing.OPEN, limit=1000)
        clocks = [listing.clock_of(row, today) for row in found]
    value = [
        {
            **row._asdict(),
            "refund_day": None if one is None else one.day,
            "refund_due_on": None if one is None else one.until_on,
        }
        for row, one in zip(found, clocks, strict=True)
    ]
    shown = [
        (
            row.id,
            number_of(row.order_id),
            row.store,
            row.sku,
            row.units,
            row.due_on,
            row.reason,
            row.expected_on or "",
            row.closed_by or row.choice or row.message_status or row.status,
            "" if one is None else f"{one.day} of 14{' (overdue)' if one.level == 'overdue' else ''}",
        )
        for row, one in zip(found, clocks, strict=True)
    ]
    head = ("id", "order", "store", "sku", "units", "deadline", "why", "expected", "done", "refund day")
    emit(value, as_json, table(head, shown, "No order is at risk."))


COMMANDS = (orders,)
