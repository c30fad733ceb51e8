"""dispo why …: from a store's number back to the supplier's line, or where a code stopped on its way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import click

from connector import i18n
from connector.cli.frame import (
    emit,
    json_option,
    lang_option,
    merchant_id,
    merchant_option,
    open_runtime,
    plain,
    sayer,
)
from connector.intake.source_line import SourceLine, in_pairs, source_lines
from connector.intake.unsynced import Stop, unsynced
from connector.positions.trace import Write, writes
from connector.positions.why import Explanation, explain
from connector.web.words import Words

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
@lang_option
@json_option
def why(sku: str, merchant: int | None, lang: str, as_json: bool) -> None:
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
            [
                _text(_in_words(one, lang), lines[one.variant_id], sent[one.variant_id], sayer(lang))
                for one in found
            ]
            + _stopped(stops, sayer(lang))
        ),
    )


def _in_words(one: Explanation, lang: str) -> Explanation:
    """With states and causes as people say them; in English they are the codes that --json gives."""
    if lang == i18n.SOURCE_LOCALE:
        return one
    words = Words(lang)
    return dataclasses.replace(
        one,
        state=words.state(one.state),
        restock_basis=words.basis(one.restock_basis),
        movements=[
            {**moved, "cause": words.cause(moved["cause"], moved["run"], moved["reference"]), "reference": ""}
            for moved in one.movements
        ],
    )


def _text(one: Explanation, lines: list[SourceLine], sent: list[Write], say: Callable[[str], str]) -> str:
    told = [say(line) for line in one.lines()]
    for line in lines:
        if line.file_name:
            head = f"  {line.source}, {line.file_name}, line {line.line} (run {line.run_id}):"
        else:
            head = f"  {line.source}, line {line.line} of its file (run {line.run_id}):"
        told.append(say(head))
        if line.problem:
            told.append(say(f"    The line cannot be shown ({line.problem.replace('_', ' ')})."))
        else:
            told.append("    " + " | ".join(f"{name}: {cell}" for name, cell in in_pairs(line)))
    for write in sent:
        number = str(write.quantity) if write.expected is None else f"{write.expected} → {write.quantity}"
        ended = write.status or "confirmed"
        if write.run_id or write.reference:
            ended = f"{ended}, after {write.cause} {write.run_id or write.reference}"
        elif write.cause:
            ended = f"{ended}, after {write.cause}"
        told.append(say(f"  Written to {write.store} at {write.at:%Y-%m-%d %H:%M:%S}: {number} ({ended})."))
    return "\n".join(told)


def _stopped(stops: list[Stop], say: Callable[[str], str]) -> list[str]:
    if not stops:
        return []
    told = [say(f"  {_STOPS[stop.kind].format(**plain(stop))}") for stop in stops]
    return ["\n".join([say("It stops here:"), *told])]
