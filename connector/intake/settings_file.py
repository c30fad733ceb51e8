"""Reads the settings that a merchant brings along in a file: ours, or a store platform's own product export. Pure.

Only formats whose columns are documented are known by name. The tools that sync stock do not say that they export
their rules; a file of ours, filled in from their screens, is the way from them.

  dispo        sku and any rule of a product; supplier with pack_units and lead_time_days
  woocommerce  Products → Export of WooCommerce: SKU, "Low stock amount", "Backorders allowed?" (0, 1, notify)
  shopify      Products → Export of Shopify, and Matrixify: "Variant SKU", "Variant Inventory Policy" (deny, continue)
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.availability.rules import FIELDS, problem, read_text

MOST_BYTES = 20_000_000
MOST_LINES = 100_000
RULES = tuple(name for name, one in FIELDS.items() if "sku" in one.levels)
SUPPLIER_COLUMNS = ("supplier", "pack_units", "lead_time_days")
HEAD = ("sku", *RULES, *SUPPLIER_COLUMNS)
"""The columns of our own file."""
MOST_PACK = 10_000
MOST_DAYS = 730


class FileRefused(ValueError):
    """A file that cannot be read at all; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says of a SKU: rules by name; with a supplier, the units of its pack and its days of lead time
    (None: not said)."""

    line: int
    sku: str
    says: Mapping[str, Any]
    supplier: str = ""
    pack_units: int | None = None
    lead_time_days: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is not taken: its number, the column ("" for the whole line) and the reason."""

    line: int
    column: str
    reason: str


@dataclass(slots=True)
class Sheet:
    """A file as read. `skipped` lines say nothing that is ours: pictures, parents without a SKU, empty cells."""

    origin: str
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    skipped: int = 0


def read_settings(content: bytes) -> Sheet:
    """The settings of a file: UTF-8, separated by commas, semicolons or tabs. A line that is wrong is a fault and
    the rest is taken. Raises FileRefused for what is no such file."""
    if len(content) > MOST_BYTES:
        raise FileRefused(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not UTF-8 text. Save it as “CSV UTF-8”.") from error
    first = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        head = [cell.strip() for cell in next(rows, [])]
        origin, read = _origin(head)
        sheet = Sheet(origin)
        names = [cell.casefold() for cell in head]
        for cells in rows:
            if rows.line_num > MOST_LINES:
                raise FileRefused(f"The file has more than {MOST_LINES:,} lines. Split it.")
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(head):
                sheet.faults.append(
                    Fault(rows.line_num, "", f"It has {len(cells)} cells, the first line {len(head)}.")
                )
                continue
            read(sheet, rows.line_num, dict(zip(names, (cell.strip() for cell in cells), strict=False)))
    except csv.Error as error:
        raise FileRefused(f"The file is no CSV: {error}. Save it as “CSV UTF-8”.") from error
    return sheet


_Read = Callable[[Sheet, int, Mapping[str, str]], None]


def _origin(head: list[str]) -> tuple[str, _Read]:
    names = [cell.casefold() for cell in head]
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if "variant sku" in names and "variant inventory policy" in names:
        return "shopify", _read_shopify
    if "sku" in names and ("backorders allowed?" in names or "low stock amount" in names):
        return "woocommerce", _read_woocommerce
    if "sku" not in names:
        raise FileRefused(
            f"The first line names the columns: sku and any of {', '.join(HEAD[1:])}. There is no column sku. An"
            " export of WooCommerce is known by its English column names."
        )
    unknown = [cell for cell in head if cell.casefold() not in HEAD]
    if unknown:
        raise FileRefused(f"Not known: {', '.join(unknown)}. There are: {', '.join(HEAD)}.")
    if doubled:
        raise FileRefused(f"A column is there twice: {', '.join(doubled)}.")
    return "dispo", _read_own


def _read_own(sheet: Sheet, line: int, cells: Mapping[str, str]) -> None:
    # A spreadsheet that was kept from running a code as a formula has a quote before it.
    sku = cells["sku"].removeprefix("'")
    faults = [] if sku else [Fault(line, "sku", "It has no SKU.")]
    says: dict[str, Any] = {}
    for name in RULES:
        if cells.get(name, ""):
            says[name] = read_text(name, cells[name])
            if reason := problem("sku", name, says[name]):
                faults.append(Fault(line, name, reason))
    supplier = cells.get("supplier", "")
    numbers: dict[str, int | None] = {}
    for name, least, most in (("pack_units", 1, MOST_PACK), ("lead_time_days", 0, MOST_DAYS)):
        text = cells.get(name, "")
        numbers[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
        value = numbers[name]
        if text and (value is None or not least <= value <= most):
            faults.append(
                Fault(line, name, f"{name} is a whole number from {least} to {most}, not {text!r}.")
            )
        elif text and not supplier:
            faults.append(Fault(line, "supplier", f"{name} is a supplier's: name it in the column supplier."))
    if faults:
        sheet.faults += faults
    elif says or any(value is not None for value in numbers.values()):
        sheet.lines.append(Line(line, sku, says, supplier, numbers["pack_units"], numbers["lead_time_days"]))
    else:
        sheet.skipped += 1


def _read_woocommerce(sheet: Sheet, line: int, cells: Mapping[str, str]) -> None:
    says: dict[str, Any] = {}
    low = cells.get("low stock amount", "")
    backorders = cells.get("backorders allowed?", "").casefold()
    if low:
        says["low_stock_threshold"] = read_text("low_stock_threshold", low.removesuffix(".00"))
        if reason := problem("sku", "low_stock_threshold", says["low_stock_threshold"]):
            sheet.faults.append(Fault(line, "Low stock amount", reason))
            return
    if backorders in ("0", "1", "notify"):
        says["allows_backorder"] = backorders != "0"
    elif backorders:
        reason = f"It is 0, 1 or notify, not {backorders!r}."
        sheet.faults.append(Fault(line, "Backorders allowed?", reason))
        return
    _take(sheet, line, cells.get("sku", ""), says)


def _read_shopify(sheet: Sheet, line: int, cells: Mapping[str, str]) -> None:
    policy = cells.get("variant inventory policy", "").casefold()
    if policy not in ("", "deny", "continue"):
        reason = f"It is deny or continue, not {policy!r}."
        sheet.faults.append(Fault(line, "Variant Inventory Policy", reason))
        return
    sku = cells.get("variant sku", "").removeprefix("'")
    _take(sheet, line, sku, {"allows_backorder": policy == "continue"} if policy else {})


def _take(sheet: Sheet, line: int, sku: str, says: dict[str, Any]) -> None:
    if sku and says:
        sheet.lines.append(Line(line, sku, says))
    else:
        sheet.skipped += 1
