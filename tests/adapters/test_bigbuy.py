"""BigBuy: what counts, what an hour allows, and its unusual errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.suppliers.bigbuy import MANIFEST
from connector.ports.errors import FileFault, Misconfigured, RateLimited, Retryable
from connector.ports.suppliers import Feed, ReadOptions
from simulator.bigbuy import KEY, BigBuyServer
from simulator.hub import Answer
from tests.conformance.hubs import here


def item(id_: int, sku: str, *stocks: tuple[int, int], category: int = 1) -> dict[str, Any]:
    """An item with stocks of (units, longest handling days)."""
    lines = [
        {"quantity": units, "minHandlingDays": 0, "maxHandlingDays": days, "warehouse": number}
        for number, (units, days) in enumerate(stocks)
    ]
    return {"id": id_, "sku": sku, "stocks": lines, "category": category}


@pytest.fixture(scope="module")
def served() -> Iterator[BigBuyServer]:
    with BigBuyServer() as server:
        yield server


@pytest.fixture
def server(served: BigBuyServer, monkeypatch: pytest.MonkeyPatch) -> BigBuyServer:
    served.products, served.variations, served.soft_error = [], [], b""
    served.an_hour = 1000
    monkeypatch.setattr("adapters.suppliers.bigbuy.client.API_URL", served.url)
    monkeypatch.setattr("adapters.kit.api.pause", lambda _: None)
    return served


def source(**config: str) -> Any:
    return MANIFEST.build(config, {"api_key": KEY}, here())


def read(supplier: Any, directory: Path) -> dict[str, str]:
    feed = supplier.fetch(None, directory)
    assert isinstance(feed, Feed)
    table = supplier.open(feed, ReadOptions())
    at = table.shape.columns.index("sku"), table.shape.columns.index("quantity")
    return {row.cells[at[0]]: row.cells[at[1]] for row in table.rows()}


def test_products_and_variations_are_added_up_over_their_warehouses(
    server: BigBuyServer, tmp_path: Path
) -> None:
    server.products = [item(7, "S100", (3, 1), (4, 5)), item(8, "S200", (0, 1))]
    server.variations = [item(7, "S100-RED", (2, 1)), item(9, "S100-BLUE")]

    assert read(source(), tmp_path) == {"S100": "7", "S200": "0", "S100-RED": "2", "S100-BLUE": "0"}


def test_stock_that_takes_too_long_does_not_count(server: BigBuyServer, tmp_path: Path) -> None:
    server.products = [item(7, "S100", (3, 1), (4, 5))]

    assert read(source(handling_days="2"), tmp_path) == {"S100": "3"}


def test_an_eleventh_reading_within_an_hour_waits_without_asking(
    server: BigBuyServer, tmp_path: Path
) -> None:
    server.products = [item(7, "S100", (3, 1))]
    supplier = source()
    for _ in range(10):
        supplier.fetch(None, tmp_path)
    asked = len(server.asked)

    with pytest.raises(RateLimited) as caught:
        supplier.fetch(None, tmp_path)

    assert caught.value.retry_after_s == pytest.approx(360, abs=5)
    assert len(server.asked) == asked


def test_the_schedule_is_told_when_a_reading_would_be_too_early(server: BigBuyServer, tmp_path: Path) -> None:
    server.products = [item(7, "S100", (3, 1))]
    supplier = source(categories="1, 2, 3")
    assert supplier.early_s() == 0
    for _ in range(3):
        supplier.fetch(None, tmp_path)

    assert supplier.early_s() == pytest.approx(720, abs=10)


def test_room_is_taken_for_all_categories_or_for_none(server: BigBuyServer, tmp_path: Path) -> None:
    server.products = [item(7, "S100", (3, 1))]
    supplier = source(categories="1, 2, 3")
    for _ in range(3):
        supplier.fetch(None, tmp_path)
    asked = len(server.asked)

    with pytest.raises(RateLimited) as caught:
        supplier.fetch(None, tmp_path)

    # One of ten is left, two more come back in 720 seconds.
    assert caught.value.retry_after_s == pytest.approx(720, abs=10)
    assert len(server.asked) == asked


def test_what_bigbuy_counts_itself_is_believed(server: BigBuyServer, tmp_path: Path) -> None:
    server.products = [item(7, "S100", (3, 1))]
    server.forget()
    server.an_hour = 1
    source().fetch(None, tmp_path)

    with pytest.raises(RateLimited) as caught:
        source().fetch(None, tmp_path)

    assert caught.value.retry_after_s == pytest.approx(3600, abs=10)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"code": 500, "message": "Something went wrong"}', Retryable),
        (b"HTTP/1.0 503 Service Unavailable\r\nCache-Control: no-cache\r\n\r\n{}", Retryable),
        (b"", FileFault),
        (b'{"products": []}', FileFault),
        (b'[{"id": 7, "sku": "S100", "stocks": [{"quantity": "many"}]}]', FileFault),
    ],
    ids=["an error as 200", "an answer within an answer", "nothing", "no list", "no number"],
)
def test_an_error_in_an_answer_of_200_is_no_list(
    server: BigBuyServer,
    tmp_path: Path,
    content: bytes,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.products = [item(7, "S100", (3, 1))]
    # It is asked again for what may pass: the same each time.
    answer: Answer = (200, content, {})
    monkeypatch.setattr(server, "route", lambda *_: answer)

    with pytest.raises(kind):
        source().fetch(None, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_category_that_is_none_is_named_with_those_there_are(server: BigBuyServer) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(categories="1, 99").check()

    assert caught.value.field == "categories"
    assert "99" in caught.value.cause
    assert "2 (Kitchen)" in caught.value.remedy
    assert source(categories="1, 3").check() == "BigBuy accepts the key. Read are: Home, Garden."


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({}, {}, "api_key"),
        ({}, {"api_key": "käse"}, "api_key"),
        ({"categories": "Home"}, {"api_key": KEY}, "categories"),
        ({"categories": ",".join(map(str, range(11)))}, {"api_key": KEY}, "categories"),
        ({"handling_days": "soon"}, {"api_key": KEY}, "handling_days"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, secrets, here())

    assert caught.value.field == field
