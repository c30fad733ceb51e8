"""Reads who waits from the file of another tool, or our own export. Pure, but for a workbook's temporary copy.

The columns are found by their names. Of the other tools only those marked "documented" below are in their own
documentation or source; no tool documents the columns of this export as a whole, so the rest is guessed and the
mapping is shown before anything is taken.

  klaviyo  "Email" (documented for its CSV files); VariantId, ProductID and the date are guessed
  swym     epi, empi and mediumvalue (documented for its programming interface); the export's names are guessed
  cwg      Back In Stock Notifier for WooCommerce: cwginstock_subscriber_email, cwginstock_product_id,
           cwginstock_variation_id and the status cwg_subscribed (its source); the export's titles are guessed
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from connector.intake.sources import BY_HAND
from connector.ports.errors import PortError
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Supplier
from connector.registry import Environment, manifest

MOST_BYTES = 10_000_000
MOST_LINES = 50_000
MOST_UNITS = 99

EXPORT_HEAD = (
    *("address", "channel", "language", "sku", "title", "store", "units", "status", "asked_at"),
    *("confirmed_at", "ended_at", "ended_by", "consent_version", "consent_text"),
)
"""The columns of our own export; it can be brought back as it is."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "address": (
        *("address", "email", "emailaddress", "mediumvalue", "cwginstocksubscriberemail", "subscriberemail"),
        *("customeremail", "useremail", "customer", "subscriber"),
    ),
    "phone": ("phone", "phonenumber", "mobile"),
    "channel": ("channel", "medium"),
    "item": (
        *(
            "item",
            "variantid",
            "productvariantid",
            "epi",
            "cwginstockvariationid",
            "variationid",
            "variation",
        ),
        "variant",
    ),
    "product": ("productid", "empi", "cwginstockproductid", "product"),
    "sku": ("sku", "variantsku", "productvariantsku", "productsku"),
    "units": ("units", "quantity", "wantedunits"),
    "language": ("language", "locale", "lang"),
    "asked_at": (
        *("askedat", "createdat", "created", "date", "subscribedat", "subscribedon", "subscribeddate"),
        *("signupdate", "timestamp", "eventtime", "subscribeddateandtime", "dateadded"),
    ),
    "confirmed_at": (
        "confirmedat",
        "confirmedon",
        "optinat",
        "consentdate",
        "emailmarketingconsenttimestamp",
    ),
    "status": ("status", "poststatus", "state", "notified"),
    "consent_text": ("consenttext", "consent"),
}
_ENDED = frozenset(
    "ended fulfilled told notified sent mailsent cwgmailsent unsubscribed cwgunsubscribed converted purchased cancelled"
    " completed delivered deleted yes true 1".split()
)
_MARKS = {
    "cwg": ("cwginstocksubscriberemail", "cwginstockproductid", "variationid", "subscriberemail"),
    "swym": ("epi", "empi", "mediumvalue"),
    "klaviyo": ("emailmarketingconsenttimestamp", "klaviyoid", "eventtime", "metric", "profileid"),
}


class FileRefused(ValueError):
    """A file that cannot be read at all; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One person and what they wait for. `item` is the store's own id of a variant, `product` that of a product;
    `sku` counts where neither is known. Times are aware; `confirmed_at` None: the file does not say so."""

    line: int
    address: str
    channel: str
    item: str
    product: str
    sku: str
    units: int
    language: str
    asked_at: datetime | None
    confirmed_at: datetime | None
    consent_text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is not taken: its number, the column ("" for the whole line) and the reason, without an address."""

    line: int
    column: str
    reason: str


@dataclass(slots=True)
class Sheet:
    """A file as read. `mapping`: our fields and the file's columns; `ended`: lines of people who wait no more;
    `cells` are the lines that failed, to be handed back."""

    origin: str
    digest: str
    head: tuple[str, ...]
    mapping: dict[str, str]
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    cells: dict[int, list[str]] = field(default_factory=dict)
    ended: int = 0


def read_waiting(content: bytes, now: datetime) -> Sheet:
    """Who waits by this file: CSV (comma, semicolon, tab) in UTF-8, or a workbook. A line that is wrong is a fault and
    the rest is taken. Raises FileRefused."""
    if not content.strip():
        raise FileRefused("The file is empty.")
    if len(content) > MOST_BYTES:
        raise FileRefused(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.")
    is_workbook = content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
    head, rows = _workbook(content) if is_workbook else _text(content)
    names = [re.sub(r"[^a-z0-9]", "", cell.casefold()) for cell in head]
    places = {
        ours: next((names.index(known) for known in theirs if known in names), None)
        for ours, theirs in COLUMNS.items()
    }
    if places["address"] is None and places["phone"] is None:
        raise FileRefused("There is no column with addresses: call it email.")
    if all(places[one] is None for one in ("item", "product", "sku")):
        raise FileRefused("There is no column that names the product: call it sku, variant_id or product_id.")
    found = {ours: place for ours, place in places.items() if place is not None}
    sheet = Sheet(
        _origin(names),
        hashlib.sha256(content).hexdigest(),
        tuple(head),
        {ours: head[place] for ours, place in found.items()},
    )
    for number, cells in rows:
        if number > MOST_LINES:
            raise FileRefused(f"The file has more than {MOST_LINES:,} lines. Split it.")
        if any(cell.strip() for cell in cells):
            _take(sheet, number, cells, found, now)
    return sheet


def _text(content: bytes) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not UTF-8 text. Save it as “CSV UTF-8”.") from error
    if "\0" in text:
        raise FileRefused("The file is no CSV and no workbook.")
    first = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))

    def numbered() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in rows:
                yield rows.line_num, cells
        except csv.Error as error:
            raise FileRefused(f"The file is no CSV: {error}. Save it as “CSV UTF-8”.") from error

    lines = numbered()
    return [cell.strip() for cell in next(lines)[1]], lines


def _workbook(content: bytes) -> tuple[list[str], Iterable[tuple[int, list[str]]]]:
    """By the reader that suppliers' workbooks have; its copy of the file is gone when this returns."""
    reader: Supplier = manifest("suppliers", "file_feed").build(BY_HAND, {}, Environment())
    with tempfile.TemporaryDirectory(prefix="dispo-waiting-") as directory:
        path = Path(directory) / "waiting.xlsx"
        path.write_bytes(content)
        mark = FetchMark(sha256=hashlib.sha256(content).hexdigest())
        try:
            table = reader.open(Feed(path, path.name, len(content), mark, None), ReadOptions())
            rows = [(row.line, row.cells) for row in table.rows()]
        except PortError as error:
            raise FileRefused(f"{error.cause} {error.remedy}".strip()) from error
    return list(table.shape.columns), rows


def _origin(names: Sequence[str]) -> str:
    if {"address", "asked_at".replace("_", ""), "consentversion"} <= set(names):
        return "dispo"
    return next((origin for origin, marks in _MARKS.items() if set(marks) & set(names)), "other")


def _take(sheet: Sheet, number: int, cells: list[str], places: dict[str, int], now: datetime) -> None:
    # A spreadsheet that was kept from running a cell as a formula has a quote before it.
    said = {
        ours: cells[place].strip().removeprefix("'") if place < len(cells) else ""
        for ours, place in places.items()
    }
    if re.sub(r"[^a-z0-9]", "", said.get("status", "").casefold()) in _ENDED:
        sheet.ended += 1
        return
    faults = []
    channel = said.get("channel", "").casefold() or (
        "sms" if not said.get("address") and said.get("phone") else "email"
    )
    if channel not in ("email", "sms"):
        faults.append(
            Fault(number, sheet.mapping["channel"], "People can be brought along by e-mail and SMS only.")
        )
    address = said.get("address", "") or said.get("phone", "")
    if not address:
        faults.append(Fault(number, sheet.mapping.get("address", ""), "It has no address."))
    if not (said.get("item") or said.get("product") or said.get("sku")):
        faults.append(Fault(number, "", "It names no product."))
    units = said.get("units", "") or "1"
    if not (units.isascii() and units.isdigit() and 1 <= int(units[:9]) <= MOST_UNITS):
        faults.append(
            Fault(number, sheet.mapping["units"], f"The units are a whole number from 1 to {MOST_UNITS}.")
        )
    times: dict[str, datetime | None] = {}
    for name in ("asked_at", "confirmed_at"):
        times[name] = None
        if text := said.get(name, ""):
            times[name] = when(text)
            if times[name] is None:
                faults.append(
                    Fault(
                        number, sheet.mapping[name], "The date is written as 2026-11-22 or 2026-11-22 14:30."
                    )
                )
            elif times[name] > now:  # type: ignore[operator]
                faults.append(Fault(number, sheet.mapping[name], "The date is in the future."))
    if faults:
        sheet.faults += faults
        sheet.cells[number] = cells
        return
    sheet.lines.append(
        Line(
            number,
            address,
            channel,
            _number(said.get("item", "")),
            _number(said.get("product", "")),
            said.get("sku", ""),
            int(units),
            said.get("language", "")[:2].casefold(),
            times["asked_at"] or times["confirmed_at"],
            times["confirmed_at"],
            said.get("consent_text", "")[:1000],
        )
    )
    # Should it fail later, it is handed back as it was.
    sheet.cells[number] = cells


def _number(text: str) -> str:
    """An id as the store says it: of a GraphQL address its end, of a spreadsheet's decimal the whole number; the 0 by
    which WooCommerce says that there is no variation is none."""
    text = text.rsplit("/", 1)[-1].removesuffix(".0")
    return "" if text == "0" else text


def when(text: str) -> datetime | None:
    """A moment: ISO 8601, "2026/11/22 14:30", or seconds (or milliseconds) since 1970; without a zone in UTC. None for
    anything else: whether 04/05 is in April or in May is not guessed."""
    if re.fullmatch(r"\d{10}|\d{13}", text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    text = re.sub(r"\s*(UTC|GMT)$", "+00:00", text.replace("/", "-"))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
