"""Rules of items as a CSV file, and changes as they travel through a page that asks before it keeps them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import sqlalchemy as sa

from connector.availability.rules import problem, read_text
from connector.positions.rulings import SKU_FIELDS, Change, RuleRefused, by_sku

HEAD = ("sku", *SKU_FIELDS)
MOST_LINES = 5_000
_MOST_WRONG = 20


def read_csv(db: sa.Connection, merchant_id: int, text: TextIO) -> list[Change]:
    """The rules of a file with a column `sku` and any of SKU_FIELDS. What a line says replaces what its item's rule
    said; an empty cell says nothing, a line of empty cells removes the rule. Raises RuleRefused with every line
    that is wrong (the first twenty): all lines are taken or none."""
    first = text.readline()
    delimiter = max(",;\t", key=first.count)
    head = [cell.strip().casefold() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    unknown = [cell for cell in head if cell not in HEAD]
    if "sku" not in head or unknown or len(set(head)) < len(head):
        named = f" Not known: {', '.join(unknown)}." if unknown else ""
        raise RuleRefused(
            f"The first line names the columns, each once: sku and any of {', '.join(SKU_FIELDS)}.{named}"
        )
    rows: list[tuple[int, str, dict[str, Any]]] = []
    wrong: list[str] = []
    for line, cells in enumerate(csv.reader(text, delimiter=delimiter), 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) >= MOST_LINES:
            raise RuleRefused(f"The file has more than {MOST_LINES} lines. Split it.")
        if len(cells) != len(head):
            wrong.append(f"Line {line}: it has {len(cells)} cells, the first line {len(head)}.")
            continue
        given = dict(zip(head, cells, strict=True))
        # A spreadsheet that was kept from running a code as a formula has a quote before it.
        sku = given.pop("sku").strip().removeprefix("'")
        rows.append(
            (line, sku, {name: read_text(name, cell) for name, cell in given.items() if cell.strip()})
        )
    changes, more = by_sku(db, merchant_id, rows)
    wrong += more
    if wrong:
        rest = f" And {len(wrong) - _MOST_WRONG} more." if len(wrong) > _MOST_WRONG else ""
        raise RuleRefused(" ".join(wrong[:_MOST_WRONG]) + rest)
    if not changes:
        raise RuleRefused("The file has no lines below its first.")
    return changes


def csv_rows(db: sa.Connection, merchant_id: int) -> Iterator[tuple[Any, ...]]:
    """The rules of items, as lines under HEAD."""
    rows = db.execute(
        sa.text("""
            select v.sku, r.says from stock_rule r
              join variant v on v.merchant_id = r.merchant_id
                            and v.id = case r.level when 'sku' then cast(r.subject as bigint) end
             where r.merchant_id = :m and r.level = 'sku' order by v.sku, v.id
        """),
        {"m": merchant_id},
    )
    for row in rows:
        yield (row.sku, *(row.says.get(name) for name in SKU_FIELDS))


def to_json(changes: Sequence[Change]) -> str:
    """Changes as text; `from_json` reads it."""
    return json.dumps([[one.level, one.subject, one.says] for one in changes], separators=(",", ":"))


def from_json(db: sa.Connection, merchant_id: int, text: str) -> list[Change]:
    """The changes of `to_json`, checked as if they came from a stranger. Raises RuleRefused."""
    refused = RuleRefused("These changes cannot be read. Begin again.")
    try:
        changes = [Change(str(level), str(subject), dict(says)) for level, subject, says in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise refused from error
    if not changes or len(changes) > MOST_LINES:
        raise refused
    for one in changes:
        for name, value in one.says.items():
            if said := problem(one.level, name, value):
                raise RuleRefused(said)
    for level, table in (("sku", "variant"), ("supplier", "source")):
        subjects = {one.subject for one in changes if one.level == level}
        if not all(one.isascii() and one.isdigit() and len(one) < 18 for one in subjects):
            raise refused
        known = db.execute(
            sa.text(f"select count(*) from {table} where merchant_id = :m and id = any(:ids)"),  # noqa: S608
            {"m": merchant_id, "ids": [int(one) for one in subjects]},
        ).scalar_one()
        if known != len(subjects):
            raise refused
    if any(one.level not in ("merchant", "collection", "sku", "supplier") for one in changes) or any(
        (one.level == "merchant") != (one.subject == "") or len(one.subject) > 200 for one in changes
    ):
        raise refused
    return changes
