"""Printful: regions, techniques, hidden and unlinked variants, kinds of stores, and its leaky bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.suppliers.printful import MANIFEST
from connector.ports.errors import Misconfigured, Rejected, Unauthorized
from connector.ports.suppliers import Feed, ReadOptions
from connector.shared import LocalValues
from simulator.printful import TOKEN, PrintfulServer
from tests.conformance.hubs import here


@pytest.fixture(scope="module")
def served() -> Iterator[PrintfulServer]:
    with PrintfulServer() as server:
        yield server


@pytest.fixture
def server(served: PrintfulServer, monkeypatch: pytest.MonkeyPatch) -> PrintfulServer:
    served.products, served.blanks, served.ignored = {}, {}, set()
    served.kind, served.store, served.bucket = "store", "", 0
    served.asked.clear()
    monkeypatch.setattr("adapters.suppliers.printful.client.API_URL", served.url)
    return served


def variant(id_: int, sku: str, blank: int | None, **also: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "sku": sku,
        "variant_id": blank,
        "product": {"product_id": 71},
        "is_ignored": False,
        **also,
    }


def blank(id_: int, **techniques: dict[str, str]) -> dict[str, Any]:
    """A blank's stock: technique → region → word."""
    return {
        "catalog_variant_id": id_,
        "techniques": [
            {
                "technique": name,
                "selling_regions": [{"name": r, "availability": w} for r, w in regions.items()],
            }
            for name, regions in techniques.items()
        ],
    }


def source(**config: str) -> Any:
    return MANIFEST.build(config, {"token": TOKEN}, here())


def read(supplier: Any, directory: Path) -> dict[str, tuple[str, str]]:
    """SKU → (quantity, made to order)."""
    feed = supplier.fetch(None, directory)
    assert isinstance(feed, Feed)
    table = supplier.open(feed, ReadOptions())
    at = [table.shape.columns.index(name) for name in ("sku", "quantity", "made_to_order")]
    return {row.cells[at[0]]: (row.cells[at[1]], row.cells[at[2]]) for row in table.rows()}


def shirts(server: PrintfulServer) -> None:
    server.products = {1: [variant(11, "TEE-S", 101), variant(12, "TEE-M", 102), variant(13, "TEE-L", 103)]}
    server.blanks = {
        71: [
            blank(
                101, dtg={"worldwide": "out of stock", "europe": "in stock"}, embroidery={"europe": "unknown"}
            ),
            blank(102, dtg={"worldwide": "not fulfillable", "europe": "out of stock"}),
            blank(103, dtg={"worldwide": "unknown", "europe": "unknown"}),
        ]
    }


def test_what_is_sellable_depends_on_the_region(server: PrintfulServer, tmp_path: Path) -> None:
    shirts(server)

    assert read(source(), tmp_path) == {
        "TEE-S": ("out of stock", "yes"),
        "TEE-M": ("out of stock", "yes"),
        "TEE-L": ("", "yes"),
    }
    assert read(source(regions="Europe, uk"), tmp_path)["TEE-S"] == ("in stock", "yes")
    assert read(source(regions="japan"), tmp_path)["TEE-S"] == ("", "yes")


def test_one_technique_in_stock_is_enough(server: PrintfulServer, tmp_path: Path) -> None:
    server.products = {1: [variant(11, "TEE-S", 101)]}
    server.blanks = {71: [blank(101, dtg={"worldwide": "out of stock"}, uv={"worldwide": "in stock"})]}

    assert read(source(), tmp_path) == {"TEE-S": ("in stock", "yes")}


def test_hidden_ones_are_left_out_and_unlinked_ones_are_not_known(
    server: PrintfulServer, tmp_path: Path
) -> None:
    shirts(server)
    server.products[1] += [
        variant(14, "HIDDEN", 101, is_ignored=True),
        variant(15, "UNLINKED", None, product=None),
        variant(16, "GONE", 999),
    ]
    server.products[2] = [variant(21, "OLD", 101)]
    server.ignored = {2}

    found = read(source(regions="europe"), tmp_path)

    assert sorted(found) == ["GONE", "TEE-L", "TEE-M", "TEE-S", "UNLINKED"]
    assert (found["UNLINKED"][0], found["GONE"][0]) == ("", "out of stock")


def test_a_blank_is_asked_for_once_however_many_products_use_it(
    server: PrintfulServer, tmp_path: Path
) -> None:
    shirts(server)
    server.products[2] = [variant(21, "HOODIE", 103)]
    read(source(), tmp_path)

    assert [path for _, path, _ in server.asked].count("/v2/catalog-products/71/availability") == 1


@pytest.mark.parametrize("kind", ["store", "sync"])
def test_both_kinds_of_stores_are_read(server: PrintfulServer, tmp_path: Path, kind: str) -> None:
    shirts(server)
    server.kind = kind

    assert sorted(read(source(), tmp_path)) == ["TEE-L", "TEE-M", "TEE-S"]


def test_a_store_that_is_neither_is_refused_with_printfuls_words(
    server: PrintfulServer, tmp_path: Path
) -> None:
    server.kind = "other"

    with pytest.raises(Rejected) as caught:
        source().fetch(None, tmp_path)

    assert "other types of stores" in caught.value.cause


def test_the_token_of_an_account_needs_the_stores_number(server: PrintfulServer, tmp_path: Path) -> None:
    shirts(server)
    server.store = "77"

    with pytest.raises(Unauthorized) as caught:
        source().check()
    assert "store" in caught.value.remedy
    assert source(store="77").check() == "Printful accepts the token. The store has 1 products."


def test_calls_are_spaced_so_that_the_bucket_never_overflows(
    server: PrintfulServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("adapters.kit.api.pause", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(server, "_clock", lambda: now[0])
    server.bucket = 120
    server.products = {id_: [variant(id_, f"S{id_}", 101)] for id_ in range(1, 151)}
    server.blanks = {71: [blank(101, dtg={"worldwide": "in stock"})]}
    supplier = MANIFEST.build({}, {"token": TOKEN}, here(shared=LocalValues(lambda: now[0])))

    assert len(read(supplier, tmp_path)) == 150
    # 2 pages, 150 products and one blank: 120 at once, the others two a second. None was refused.
    assert len(server.asked) == 153
    assert now[0] - 1000 == pytest.approx(16.5)


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({}, {}, "token"),
        ({"regions": "moon"}, {"token": TOKEN}, "regions"),
        ({"store": "mine"}, {"token": TOKEN}, "store"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, secrets, here())

    assert caught.value.field == field
