"""The table of statuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.kit.errors import Row, retry_after_s, translate
from connector.ports.errors import (
    Conflict,
    FileFault,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "is_read", "expected"),
    [
        (301, True, Misconfigured),
        (400, True, Rejected),
        (401, True, Unauthorized),
        (403, True, Unauthorized),
        (404, True, NotFound),
        (409, False, Conflict),
        (410, True, NotFound),
        (422, False, Rejected),
        (429, False, RateLimited),
        (500, True, Retryable),
        (500, False, OutcomeUnknown),
        (503, False, Retryable),
        (504, True, Retryable),
        (504, False, OutcomeUnknown),
        (599, False, OutcomeUnknown),
    ],
)
def test_a_status_means_one_error(status: int, is_read: bool, expected: type[PortError]) -> None:
    assert type(translate(status, adapter="a", subject="s", is_read=is_read)) is expected


def test_the_adapters_rows_are_asked_first() -> None:
    rows = (
        Row(404, FileFault, "The file is gone.", "Ask for it.", code="gone"),
        Row(402, Unauthorized, "Unpaid."),
    )
    error = translate(404, rows, adapter="feed", subject="stock.csv")
    assert isinstance(error, FileFault)
    assert (str(error), error.code) == ("feed: stock.csv: The file is gone. (HTTP 404) Ask for it.", "gone")
    assert type(translate(402, rows, adapter="feed", subject="s")) is Unauthorized


def test_a_wait_that_is_named_is_kept() -> None:
    error = translate(503, adapter="a", subject="s", headers={"retry-after": "30"})
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 30.0


def test_a_wait_that_is_not_named_is_the_rows() -> None:
    error = translate(429, (Row(429, RateLimited, "Slow.", retry_after_s=2.5),), adapter="a", subject="s")
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 2.5


def test_a_good_status_is_the_callers_bug() -> None:
    with pytest.raises(ValueError, match="status 200 is not an error"):
        translate(200, adapter="a", subject="s")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("2.0", 2.0),
        ("-5", 0.0),
        ("nan", None),
        ("inf", None),
        ("tomorrow", None),
        ("1e9", 86_400.0),
        ("Sat, 21 Nov 2026 12:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, NOW) == expected
