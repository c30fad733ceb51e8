"""How a dry run is told on the command line."""

from __future__ import annotations

from typing import Any

from connector.cli.frame import table
from connector.intake.preview import Preview
from connector.intake.whatif import DANGERS, Effect


def preview_json(found: Preview) -> dict[str, Any]:
    """A dry run for programs."""
    return {
        "shape": found.shape,
        "guesses": found.guesses,
        "problem": found.problem,
        "rows": found.total_rows,
        "items": found.items,
        "matched": found.matched,
        "new": found.new,
        "missing": found.missing,
        "rejected": found.rejected,
        "observed": found.observed,
        "stores": found.stores,
        "holds": [str(hold) for hold in found.holds],
        "held_rows": found.held_rows,
        "effect": found.effect,
        "sample": found.rows,
    }


def preview_text(found: Preview) -> str:
    """A dry run in sentences: how the file is read, what would change, the most dangerous first."""
    shape = found.shape
    lines = [
        f"{shape.format}, {shape.encoding or 'no'} encoding, delimiter {shape.delimiter!r}, "
        f"header in line {shape.header_line}."
    ]
    lines += [f"Note: {note.reason}" for note in shape.notes]
    lines += [
        f"  {guess.column!r} is {guess.field or 'not used'} ({guess.confidence:.0%})"
        for guess in found.guesses
    ]
    lines.append(
        table(
            ("line", "item", "quantity", "cells"),
            [
                (row.line, row.item_key or "rejected", "" if row.quantity is None else row.quantity,
                 " | ".join(row.cells)[:60])
                for row in found.rows
            ],
            "The file has no rows.",
        )
    )  # fmt: skip
    if found.problem:
        return "\n".join([*lines, f"Not readable yet: {found.problem}"])
    change = found.stores
    lines.append(
        f"{found.items} items, {found.matched} matched ({found.match_rate:.0%}), {found.rejected} rejected. "
        f"In the stores: {change.to_zero} to zero, {change.down} down, {change.back} back, {change.up} up, "
        f"{change.same} the same."
    )
    lines += [f"Would be held: {hold}" for hold in found.holds]
    if found.held_rows:
        lines.append(f"{found.held_rows} rows would wait for you.")
    return "\n".join([*lines, *_effect_lines(found.effect)])


_SAID = {"to_zero": "sold out", "down": "fewer", "back": "back", "up": "more", "words": "date or words"}


def _effect_lines(effect: Effect) -> list[str]:
    """What the stores would say in the end, with buffers, caps, packs, bundles and sales counted."""
    counts = ", ".join(f"{effect.counts.get(danger, 0)} {_SAID[danger]}" for danger in DANGERS)
    lines = [f"Products whose number in the stores would change: {counts}."]
    if effect.decided < effect.concerned:
        lines.append(
            f"Worked out for {effect.decided:,} of {effect.concerned:,} products, the riskiest first."
        )
    if effect.at_stake_minor:
        lines.append(f"Value of the units that would go, in small coins: {effect.at_stake_minor:,}.")
    if effect.first:
        lines.append(
            table(
                ("SKU", "before", "after", "", "stores"),
                [
                    (
                        one.sku,
                        "" if one.before is None else one.before,
                        one.after,
                        _SAID[one.danger],
                        one.stores,
                    )
                    for one in effect.first[:20]
                ],
                "",
            )
        )
    return lines
