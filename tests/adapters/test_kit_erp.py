"""What sources that are business systems share: keys that only the server can sort, days, numbers, settings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.kit.erp import day, number, open_line, unknown
from adapters.kit.paging import by_server_key
from adapters.kit.settings import Settings
from adapters.suppliers.sap_s4hana.client import moment
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.incoming import SupplierIncoming


def pages(*lists: list[str]) -> Any:
    left = list(lists)
    return lambda last: left.pop(0) if left else []


def test_keys_are_read_in_the_servers_own_order() -> None:
    read = pages(["apple", "Bear"], ["cake", "Zoo"])
    assert list(by_server_key(read, str, adapter="x", subject="items")) == ["apple", "Bear", "cake", "Zoo"]


@pytest.mark.parametrize("again", [["Bear", "cake"], ["apple"], [""]])
def test_a_server_that_ignores_the_key_is_a_fault(again: list[str]) -> None:
    with pytest.raises(FileFault) as caught:
        list(by_server_key(pages(["apple", "Bear"], again), str, adapter="x", subject="items"))
    assert caught.value.code == "paging"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-03", date(2026, 12, 3)),
        ("2026-12-03T23:59:59Z", date(2026, 12, 3)),
        ("0001-01-01", None),
        ("3.12.2026", None),
        ("", None),
        (None, None),
    ],
)
def test_a_day_is_its_noon(text: str | None, expected: date | None) -> None:
    noon = datetime(expected.year, expected.month, expected.day, 12, tzinfo=UTC) if expected else None
    assert day(text) == noon


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (6.9999999999, "7"),
        ("12.500", "12.5"),
        (0, "0"),
        ("NaN", None),
        ("", None),
        (True, None),
        (None, None),
    ],
)
def test_a_number_is_without_noise_and_nothing_is_not_zero(value: Any, expected: str | None) -> None:
    assert number(value) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/Date(1796256000000)/", datetime(2026, 12, 3, 12, tzinfo=UTC)),
        ("/Date(1796256000000+0000)/", datetime(2026, 12, 3, 12, tzinfo=UTC)),
        ("/Date(999999999999999)/", None),
        ("2026-12-03", None),
        (None, None),
    ],
)
def test_saps_days_are_understood(value: str | None, expected: datetime | None) -> None:
    assert moment(value) == expected


def test_what_is_left_of_a_line_is_whole_units_of_something() -> None:
    assert open_line("1", "PO", "LAMP", Decimal("2.9"), None) == [
        SupplierIncoming("1", "PO", "LAMP", 2, None)
    ]
    assert open_line("1", "PO", "LAMP", Decimal("0.9"), None) == []
    assert open_line("1", "PO", "", Decimal(5), None) == []


def test_a_choice_that_is_not_there_lists_those_that_are() -> None:
    assert unknown("x", "the shop", "places", "North", ["West", "East"]).remedy == "Use one of: East, West."
    assert "grant" in unknown("x", "the shop", "places", "North", []).remedy


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/app/home?x=1", "https://shop.example"),
        ("http://10.0.0.1:8000", "http://10.0.0.1:8000"),
        ("shop.example", None),
        ("https://user:pass@shop.example", None),
        ("https://[broken", None),
    ],
)
def test_an_address_is_scheme_and_host(url: str, expected: str | None) -> None:
    settings = Settings("x", "the settings", {"url": url}, {})
    if expected:
        assert settings.address("url", "https://…") == expected
        return
    with pytest.raises(Misconfigured) as caught:
        settings.address("url", "https://…")
    assert (caught.value.field, "pass" in str(caught.value)) == ("url", False)
