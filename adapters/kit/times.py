"""Moments as platforms write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# Seconds with more than six digits behind the point, as .NET and Go write them.
_TOO_FINE = re.compile(r"(\.\d{6})\d+")


def moment(text: str, now: datetime) -> datetime:
    """An ISO 8601 time as aware UTC; one without a zone is UTC; `now` for what is none or lies ahead of it.

    >>> moment("2026-01-05T10:00:00.1234567-05:00", datetime(2026, 2, 1, tzinfo=UTC)).isoformat()
    '2026-01-05T15:00:00.123456+00:00'
    """
    try:
        found = datetime.fromisoformat(_TOO_FINE.sub(r"\1", text.strip()))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return now
    return min(found, now)
