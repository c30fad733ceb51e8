"""dispo why …: from a store's number back to the supplier's line, or where a code stopped on its way."""

from __future__ import annotations

from typing import Any

import click

from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, plain
from connector.intake.source_line import SourceLine, in_pairs, source_lines
from connector.intake.unsynced import Stop, unsynced
from connector.positions.trace import Write, writes
from connector.positions.why import Explanation, explain

_STOPS = {
    "rejected": "Its row in the file of {where} has a fault (run {run_id}, line {line}): {reason}",
    "held": "Its row of {where} waits for your answer ({reason}, {before} to {after}): dispo runs show {run_id}",
    "ignored": "You said that the item of {where} is not one of yours.",
    "unmatched": "{where} lists it (run {run_id}, line {line}), but no product has this code: dispo match",
    "unsaid": "{where} lists it without a quantity (run {run_id}, line {line}): the store keeps its number.",
    "no_source": "The product is there, but no supplier lists it under this code.",
    "excluded": "You took it out of management in {where}.",
    "gone": "{where} does not show it any more.",
    "yielded": "Another app keeps setting its number in {where}.",
    "problem": "{where} refuses its number: {reason}",
    "paused": "The connection {where} is paused: {reason}",
    "stopped": "Writing to {where} is stopped.",
    "not_approved": "Writing to {where} is not approved yet.",
}


@click.command()
@click.argument("sku")
@merchant_option
@json_option
def why(sku: str, merchant: int | None, as_json: bool) -> None:
    """Why a SKU shows what it shows: supplier's line, match, sales, rule, stores and writes, last movements.

    SKU may also be a barcode or a supplier's code that reaches no store: then it says where that stopped.
    """
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            found = explain(db, owner, sku)
            stops = unsynced(db, owner, sku)
            sent = {one.variant_id: writes(db, owner, one.variant_id) for one in found}
        lines = {one.variant_id: source_lines(rt, owner, one.variant_id) for one in found}
    if not found and not stops:
        raise click.ClickException(
            f"No variant has the SKU {sku!r}, and no supplier lists it. SKUs are compared without case."
        )
    answer: list[dict[str, Any]] = [
        {**plain(one), "lines": lines[one.variant_id], "writes": sent[one.variant_id], "stops": stops}
        for one in found
    ]
    emit(
        answer or [{"stops": stops}],
        as_json,
        lambda: "\n\n".join(
            [_text(one, lines[one.variant_id], sent[one.variant_id]) for one in found] + _stopped(stops)
        ),
    )


def _text(one: Explanation, lines: list[SourceLine], sent: list[Write]) -> str:
    said = one.lines()
    for line in lines:
        said.append(f"  {line.source}, {line.file_name or 'its file'}, line {line.line} (run {line.run_id}):")
        if line.problem:
            said.append(f"    The line cannot be shown ({line.problem.replace('_', ' ')}).")
        else:
            said.append("    " + " | ".join(f"{name}: {cell}" for name, cell in in_pairs(line)))
    for write in sent:
        before = "" if write.expected is None else f"{write.expected} → "
        after = f", after {write.cause} {write.run_id or write.reference}".rstrip() if write.cause else ""
        said.append(
            f"  Written to {write.store} at {write.at:%Y-%m-%d %H:%M:%S}: {before}{write.quantity}"
            f" ({write.status or 'confirmed'}{after})."
        )
    return "\n".join(said)


def _stopped(stops: list[Stop]) -> list[str]:
    if not stops:
        return []
    return [
        "\n".join(["It stops here:", *(f"  {_STOPS[stop.kind].format(**plain(stop))}" for stop in stops)])
    ]
