"""The cells of a file that waits for a decision, and the lines that were not taken: sealed, and for a day."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict
from typing import Any

from connector.shoppers.import_columns import Choices, propose_columns
from connector.shoppers.import_compare import Look
from connector.shoppers.import_file import Table
from connector.shoppers.runtime import ShopperRuntime


class ImportRefused(ValueError):
    """What cannot be done with an import; the message says why and what to do."""


def seal(rt: ShopperRuntime, table: Table, choices: Choices) -> bytes:
    """A table and what its columns mean, for `held`."""
    cells = json.dumps({"digest": table.digest, "head": table.head, "rows": table.rows}, ensure_ascii=False)
    packed = base64.b64encode(zlib.compress(cells.encode(), 6)).decode()
    return rt.keyring.seal({"table": packed, "choices": json.dumps(asdict(choices))})


def held(rt: ShopperRuntime, row: Any) -> tuple[Table, Choices]:
    """The cells of an import that waits for a decision, and what its columns mean (or are proposed to mean).

    Raises ImportRefused when they are gone."""
    said = rt.keyring.unseal(row.sealed) if row.sealed is not None else {}
    if "table" not in said:
        raise ImportRefused("The lines were kept for a day. Choose the file again.")
    cells = json.loads(zlib.decompress(base64.b64decode(said["table"])))
    head = tuple(cells["head"])
    rows = tuple((number, line) for number, line in cells["rows"])
    meant = json.loads(said["choices"])
    choices = Choices(**{**meant, "waiting": tuple(meant["waiting"])})
    return Table(cells["digest"], head, rows, propose_columns(head)), choices


def failed(rt: ShopperRuntime, row: Any) -> tuple[list[str], list[list[str]]]:
    """The head and the lines that were not taken, each with its reason; nothing once the day is over."""
    if row.sealed is None:
        return [], []
    said = rt.keyring.unseal(row.sealed)
    if "table" in said:
        table, _ = held(rt, row)
        head, cells = table.head, {str(number): line for number, line in table.rows}
    else:
        head, cells = tuple(json.loads(said["head"])), json.loads(said["failed"])
    reasons: dict[str, list[str]] = {}
    for one in row.faults:
        reasons.setdefault(str(one["line"]), []).append(one["reason"])
    return ["line", "reason", *head], [
        [line, " ".join(dict.fromkeys(why)), *cells.get(line, [])] for line, why in reasons.items()
    ]


def seal_failures(rt: ShopperRuntime, table: Table, found: Look) -> bytes:
    """The lines with a fault, for `failed`."""
    wrong = {one.line for one in found.faults}
    cells = {number: line for number, line in table.rows if number in wrong}
    return rt.keyring.seal({"head": json.dumps(table.head), "failed": json.dumps(cells)})
