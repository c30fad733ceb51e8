"""dispo guard …: what holds a supplier's file, and how well it does."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from connector.catalog.keys import sku_key
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.intake import item_bands
from connector.intake.allowing import allowed_at, limits_at, revoke
from connector.intake.evaluating import Day, evaluate, summary
from connector.intake.rules import NAMES
from connector.ports.errors import Misconfigured

_LISTED_ITEMS = 1_000


@click.group()
def guard() -> None:
    """What makes a supplier's file wait."""


@guard.command("evaluate")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--side",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which files are glitches: CSV “file,glitch” or JSON. Default: glitches.csv, labels.json … in DIRECTORY.",
)
@click.option(
    "--missing",
    type=click.Choice(["keep", "zero_after", "zero"]),
    default="keep",
    show_default=True,
    help="What a missing row means at this supplier.",
)
@click.option(
    "--variants-path", default="", help="Each variant there is a row, as variants; -: each product."
)
@json_option
def evaluate_command(
    directory: Path, side: Path | None, missing: str, variants_path: str, as_json: bool
) -> None:
    """Judge a folder of daily files in the order of their names, as if they came one a day.

    Needs no database and keeps nothing. With a side file it also says how many glitches were held and how many
    ordinary days were held for nothing.
    """
    try:
        feeds = evaluate(directory, side, missing_policy=missing, variants_path=variants_path)
    except Misconfigured as error:
        raise click.ClickException(str(error)) from error
    days = [day for feed in feeds for day in feed]
    told = summary(days)
    emit({"days": [asdict(day) for day in days], "summary": told}, as_json, lambda: _text(days, told))


def _text(days: list[Day], told: dict[str, Any]) -> str:
    is_labelled = any(day.glitch is not None for day in days)
    columns: tuple[str, ...] = ("file", "verdict", "rows", "why")
    rows: list[tuple[Any, ...]] = [
        (day.file, day.verdict, day.rows, " ".join(day.reasons)[:160]) for day in days
    ]
    if is_labelled:
        columns = ("file", "is", "verdict", "outcome", "rows", "why")
        rows = [
            (row[0], day.glitch, row[1], day.outcome, *row[2:]) for row, day in zip(rows, days, strict=True)
        ]
    text = [table(columns, rows, "There is no file.")]
    if is_labelled:
        kinds = [(kind, *one.values()) for kind, one in told["by_kind"].items()]
        text.append(
            table(
                ("glitch", "days", "held", "harmless", "missed", "held share"), kinds, "No glitch was judged."
            )
        )
        glitches, normal = told["glitches"], told["normal"]
        text.append(
            f"{glitches['held']} of {glitches['days'] - glitches['harmless']} harmful glitches were held "
            f"({_percent(glitches['held_share'])}), {glitches['harmless']} did no harm; "
            f"{normal['false_holds']} of {normal['days']} ordinary days were held for nothing "
            f"({_percent(normal['false_share'])})."
        )
    return "\n\n".join(text)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


@guard.command("show")
@click.argument("source_id", type=int)
@merchant_option
@json_option
def show(source_id: int, merchant: int | None, as_json: bool) -> None:
    """What is usual at a supplier, and what is let pass for good. SOURCE_ID: see dispo suppliers list."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        try:
            allowed = allowed_at(db, owner, source_id)
        except LookupError as error:
            raise click.ClickException(
                f"There is no supplier {source_id}. See: dispo suppliers list"
            ) from error
        limits, rows = limits_at(db, owner, source_id, rt.now())
        bands = item_bands.bands_at(db, owner, source_id, limit=_LISTED_ITEMS)
    learnt = (
        f"Learnt from {limits.runs} runs."
        if limits.runs
        else "The fixed limits hold: there is too little history yet."
    )
    lines = [learnt]
    if limits.rows:
        lines.append(
            f"Rows expected{' ' + limits.on if limits.on else ''}: {limits.rows[0]:,}–{limits.rows[1]:,}."
        )
    lines += [f"At most {most:,.0f} {NAMES[name]}." for name, most in limits.expected.items()]
    lines.append(
        table(
            ("let pass for good", "up to", "run", "by"),
            [(one.code, f"{one.value:.0%}", one.run_id, one.by) for one in allowed],
            "Nothing is let pass for good.",
        )
    )
    if bands:
        items = [(one.item_key, f"{one.low:,}–{one.high:,}", one.run_id, one.by) for one in bands]
        lines.append(table(("item that may jump", "between", "run", "by"), items, ""))
    told = {
        "learnt_from_runs": limits.runs,
        "rows_before": rows,
        "rows_expected": limits.rows,
        "on": limits.on,
        "at_most": {name: math.floor(most) for name, most in limits.expected.items()},
        "allowed": [asdict(one) for one in allowed],
        "items": [asdict(one) for one in bands],
    }
    emit(told, as_json, "\n".join(lines))


@guard.command("revoke")
@click.argument("source_id", type=int)
@click.argument("code", required=False)
@click.option("--item", help="Instead of a reason: the item whose jumps are asked about again.")
@merchant_option
@json_option
def revoke_command(
    source_id: int, code: str | None, item: str | None, merchant: int | None, as_json: bool
) -> None:
    """Ask again about what was let pass for good at a supplier: the reason CODE, or the jumps of one item."""
    if (code is None) == (item is None):
        raise click.UsageError("Name either a reason or an item with --item.")
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            if item is not None:
                code = sku_key(item)
                done = item_bands.take_back(db, owner, source_id, code, actor="cli", now=rt.now())
            else:
                code = code or ""
                done = revoke(db, owner, source_id, code, actor="cli", now=rt.now())
    if not done:
        raise click.ClickException(
            f"“{code}” is not let pass at supplier {source_id}. See: dispo guard show {source_id}"
        )
    emit({"source_id": source_id, "revoked": code}, as_json, f"“{code}” is asked about again.")


COMMANDS = (guard,)
