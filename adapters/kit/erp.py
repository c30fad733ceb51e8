"""What sources that are business systems share: choices they have not, numbers, days and open order lines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from connector.ports.errors import Misconfigured
from connector.ports.incoming import SupplierIncoming


def unknown(adapter: str, subject: str, field: str, wanted: str, known: Iterable[str]) -> Misconfigured:
    """A choice that the far side has not, with the first twenty it has."""
    have = ", ".join(sorted(known)[:20])
    return Misconfigured(
        adapter,
        subject,
        f"There is no “{wanted}” there.",
        f"Use one of: {have}." if have else "The credentials see none at all: grant the right to read them.",
        field=field,
    )


def number(value: Any) -> Decimal | None:
    """A quantity without the noise of binary fractions (6.999999999 counts as 7); None for what is none.

    >>> number("12.50000"), number(None), number("n/a")
    (Decimal('12.500000'), None, None)
    """
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value).strip())
        return found.quantize(Decimal("0.000001")) if found.is_finite() else None
    except InvalidOperation:
        return None


def day(value: Any) -> datetime | None:
    """Noon UTC of a day written as YYYY-MM-DD (what follows is left out), None for none.

    These systems know days and no hours. Noon is on that very day for merchants between UTC-12 and UTC+11.
    Year 1 is how some of them write "no date".

    >>> day("2026-12-03"), day("0001-01-01"), day("")
    (datetime.datetime(2026, 12, 3, 12, 0, tzinfo=datetime.timezone.utc), None, None)
    """
    try:
        found = date.fromisoformat(str(value or "")[:10])
    except ValueError:
        return None
    return datetime.combine(found, time(12), UTC) if found.year > 1 else None


def open_line(
    reference: str, name: str, item: str, left: Decimal, at: datetime | None, location: str = ""
) -> list[SupplierIncoming]:
    """The line as the port wants it; nothing where less than a whole unit is left or the item has no code."""
    units = int(left.to_integral_value(ROUND_FLOOR))
    return [SupplierIncoming(reference, name, item, units, at, location)] if units >= 1 and item else []
