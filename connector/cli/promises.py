"""dispo promises: whether the restock dates shown were kept."""

from __future__ import annotations

import dataclasses

import click

from connector.availability.lateness import TARGET
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.positions.kept import MEASURED_FROM, Record, records


@click.command()
@merchant_option
@json_option
def promises(merchant: int | None, as_json: bool) -> None:
    """Whether restock dates were kept, and how late each supplier and store is."""
    with open_runtime() as rt, rt.engine.connect() as db:
        found = records(db, merchant_id(rt, merchant))
    emit(
        [
            {
                **dataclasses.asdict(one),
                "share": one.share,
                "verdict": one.verdict,
                "target": TARGET,
            }
            for one in found
        ],
        as_json,
        lambda: _text(found),
    )


def _text(found: list[Record]) -> str:
    rows = [
        (
            one.connection_id,
            one.name or "before they were told apart",
            one.known,
            one.kept,
            _rate(one),
            one.slipped,
            one.still_open,
            *(_late(late) for late in (one.stated, one.shipment, one.restock)),
        )
        for one in found
    ]
    head = ("id", "named by", "known", "kept", "rate", "slipped", "open", "stated", "shipment", "restock")
    listed = table(head, rows, "No restock date was shown yet.")
    if not found:
        return listed
    return (
        f"{listed}\n\nThe target is {TARGET:.0%}. It is called a rate once {MEASURED_FROM} dates are known to be"
        " kept or missed. stated, shipment: days added to a date; restock: days from sold out to back."
    )


def _rate(one: Record) -> str:
    if not one.is_measured or one.share is None:
        return "not measured"
    return f"{one.share:.1%} ({one.low:.0%}–{one.high:.0%})"


def _late(one: object) -> str:
    days = getattr(one, "days", None)
    if one is None:
        return ""
    return "no date" if days is None else f"{days} d"


COMMANDS = (promises,)
