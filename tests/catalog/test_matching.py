"""Supplier items ↔ variants, on real PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from connector.catalog.keys import gtin_key, sku_key
from connector.catalog.matching import (
    Ambiguity,
    Unmatched,
    ambiguities,
    match_items,
    match_source,
    unlink,
    unmatched,
)


@dataclass
class Catalog:
    """Merchant 1 with source 1; everything is written at once and committed."""

    engine: sa.Engine

    def sql(self, statement: str, **given: Any) -> list[Any]:
        with self.engine.begin() as db:
            return [tuple(row) for row in db.execute(sa.text(statement), given)]

    def variant(self, sku: str, gtin: str = "", merchant: int = 1, excluded: bool = False) -> int:
        row = self.sql(
            "insert into variant (merchant_id, sku, sku_key, gtin, title)"
            " values (:m, :sku, :key, :gtin, :sku) returning id",
            m=merchant,
            sku=sku,
            key=sku_key(sku),
            gtin=gtin_key(gtin),
        )
        variant: int = row[0][0]
        self.sql(
            "insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id,"
            " is_excluded, seen_at) values (:m, 1, :v, :x, :x, :x, :e, now()) returning id",
            m=merchant,
            v=variant,
            x=str(variant),
            e=excluded,
        )
        return variant

    def item(
        self, sku: str = "", gtin: str = "", supplier_sku: str = "", source: int = 1, key: str = ""
    ) -> str:
        item_key = key or sku_key(supplier_sku or sku or gtin)
        self.sql(
            "insert into observation (merchant_id, source_id, item_key, sku, gtin, supplier_sku, quantity, run_id)"
            " values (1, :s, :key, :sku, :gtin, :other, 5, 1) returning 1",
            s=source,
            key=item_key,
            sku=sku,
            gtin=gtin_key(gtin),
            other=supplier_sku,
        )
        return item_key

    def source(self, name: str = "Acme", **mapping: Any) -> int:
        row = self.sql(
            "insert into source (merchant_id, connection_id, name, mapping)"
            " values (1, 2, :name, cast(:mapping as jsonb)) returning id",
            name=name,
            mapping=json.dumps(mapping),
        )
        found: int = row[0][0]
        return found

    def match(self, source: int = 1, **more: Any) -> set[int]:
        with self.engine.begin() as db:
            return match_source(db, 1, source, **more)

    def links(self) -> list[tuple[Any, ...]]:
        return self.sql("select source_id, item_key, variant_id, how from supplier_item order by 1, 2, 3")

    def ambiguities(self) -> list[Ambiguity]:
        with self.engine.begin() as db:
            return ambiguities(db, 1)


SKU_ONLY = {"columns": {"sku": "SKU", "quantity": "Stock"}}
ALL = {"columns": {"sku": "SKU", "gtin": "EAN", "supplier_sku": "Ref", "quantity": "Stock"}}


@pytest.fixture
def catalog(engine: sa.Engine) -> Catalog:
    return Catalog(engine)


@pytest.mark.parametrize("mapping", [SKU_ONLY, ALL], ids=["compared in the database", "computed"])
def test_a_sku_matches_whatever_its_case_and_spaces(catalog: Catalog, mapping: dict[str, Any]) -> None:
    catalog.source(**mapping)
    variant = catalog.variant("AB  12")
    catalog.variant("AB12")
    catalog.item(sku=" ab 12 ")

    assert catalog.match() == {variant}
    assert catalog.links() == [(1, "ab 12", variant, "sku")]


def test_a_gtin_matches_in_all_its_spellings(catalog: Catalog) -> None:
    catalog.source(columns={"sku": "SKU", "gtin": "EAN", "quantity": "Stock"})
    variant = catalog.variant("A-1", gtin="036000291452")
    catalog.item(sku="other", gtin="00036000291452")

    assert catalog.match() == {variant}
    assert catalog.links() == [(1, "other", variant, "gtin")]


def test_a_gtin_that_the_store_writes_with_zeros_in_front_matches(catalog: Catalog) -> None:
    catalog.source(columns={"sku": "SKU", "gtin": "EAN", "quantity": "Stock"})
    variant = catalog.variant("A-1")
    catalog.sql("update variant set gtin = '0036000291452' returning id")
    catalog.item(sku="other", gtin="036000291452")

    assert catalog.match(variant_ids=[variant]) == {variant}


def test_the_suppliers_own_code_matches_a_sku(catalog: Catalog) -> None:
    catalog.source(**ALL)
    variant = catalog.variant("REF-9")
    catalog.item(sku="unknown", supplier_sku="ref-9")

    assert catalog.match() == {variant}
    assert catalog.links() == [(1, "ref-9", variant, "supplier_sku")]


def test_declared_prefix_suffix_and_zeros_are_taken_off(catalog: Catalog) -> None:
    catalog.source(**SKU_ONLY, keys={"prefix": "ACME-", "suffix": "/EU", "leading_zeros": True})
    one, two = catalog.variant("123"), catalog.variant("0456")
    catalog.item(sku="ACME-00123/eu")
    catalog.item(sku="456")

    assert catalog.match() == {one, two}


class TestWhatIsNeverGuessed:
    def test_variants_that_differ_only_in_case(self, catalog: Catalog) -> None:
        catalog.source(**SKU_ONLY)
        one, two = catalog.variant("ABC"), catalog.variant("abc")
        catalog.item(sku="ABC")

        assert catalog.match() == set()
        assert catalog.links() == []
        assert catalog.ambiguities() == [Ambiguity(1, "abc", "several_variants", (one, two))]

    def test_codes_that_name_different_variants(self, catalog: Catalog) -> None:
        catalog.source(**ALL)
        one, two = catalog.variant("A-1"), catalog.variant("B-2", gtin="4006381333931")
        catalog.item(sku="A-1", gtin="4006381333931")

        assert catalog.match() == set()
        assert catalog.ambiguities() == [Ambiguity(1, "a-1", "codes_disagree", (one, two))]

    def test_two_items_of_one_source_with_the_same_barcode(self, catalog: Catalog) -> None:
        catalog.source(**ALL)
        variant = catalog.variant("A-1", gtin="4006381333931")
        catalog.item(sku="x", gtin="4006381333931")
        catalog.item(sku="y", gtin="4006381333931")

        assert catalog.match() == set()
        assert catalog.ambiguities() == [
            Ambiguity(1, "x", "several_items", (variant,), ("y",)),
            Ambiguity(1, "y", "several_items", (variant,), ("x",)),
        ]

    def test_a_second_item_for_a_variant_that_has_one(self, catalog: Catalog) -> None:
        catalog.source(**ALL)
        variant = catalog.variant("A-1", gtin="4006381333931")
        catalog.item(sku="A-1")
        catalog.item(sku="y", gtin="4006381333931")

        assert catalog.match() == {variant}
        assert catalog.links() == [(1, "a-1", variant, "sku")]
        assert catalog.ambiguities() == [Ambiguity(1, "y", "several_items", (variant,), ("a-1",))]
        assert catalog.match() == set()

    def test_blank_codes_match_nothing(self, catalog: Catalog) -> None:
        catalog.source(**ALL)
        catalog.sql(
            "insert into variant (merchant_id, sku, sku_key, gtin, title) values (1, '', '', '', 't') returning id"
        )
        catalog.item(sku="", gtin="", supplier_sku="", key="k")

        assert catalog.match() == set()

    def test_another_merchants_variant(self, catalog: Catalog) -> None:
        catalog.source(**SKU_ONLY)
        catalog.variant("A-1", merchant=2)
        catalog.item(sku="A-1")

        assert catalog.match() == set()


def test_one_variant_may_be_bought_from_several_suppliers(catalog: Catalog) -> None:
    first, second = catalog.source("One", **SKU_ONLY), catalog.source("Two", **SKU_ONLY)
    variant = catalog.variant("A-1")
    catalog.item(sku="A-1", source=first)
    catalog.item(sku="a-1", source=second)

    assert catalog.match(first) == {variant}
    assert catalog.match(second) == {variant}
    assert [link[0] for link in catalog.links()] == [first, second]
    assert catalog.ambiguities() == []


def test_links_made_by_hand_are_left_alone(catalog: Catalog) -> None:
    catalog.source(**SKU_ONLY)
    variant, other = catalog.variant("A-1"), catalog.variant("B-2")
    catalog.item(sku="A-1")
    catalog.sql(
        "insert into supplier_item (merchant_id, source_id, item_key, variant_id, units_per_variant, how)"
        " values (1, 1, 'a-1', :v, 6, 'hand') returning 1",
        v=other,
    )

    assert catalog.match() == set()
    assert catalog.links() == [(1, "a-1", other, "hand")]
    with catalog.engine.begin() as db:
        assert unlink(db, 1, 1, ["a-1"]) == set()
    assert variant not in {link[2] for link in catalog.links()}


def test_a_grown_catalogue_links_what_waited(catalog: Catalog) -> None:
    catalog.source(**SKU_ONLY)
    catalog.item(sku="A-1")
    catalog.item(sku="B-2")
    assert catalog.match() == set()
    first, second = catalog.variant("A-1"), catalog.variant("B-2")

    assert catalog.match(variant_ids=[first]) == {first}
    assert catalog.match(variant_ids=[]) == set()
    assert catalog.match() == {second}


def test_chosen_items_only(catalog: Catalog) -> None:
    catalog.source(**SKU_ONLY)
    first, second = catalog.variant("A-1"), catalog.variant("B-2")
    catalog.item(sku="A-1")
    catalog.item(sku="B-2")

    with catalog.engine.begin() as db:
        assert match_items(db, 1, 1, ["a-1"]) == {first}
        assert match_items(db, 1, 1, ["a-1", "b-2"]) == {second}


def test_matched_listings_come_under_management_unless_excluded(catalog: Catalog) -> None:
    catalog.source(**SKU_ONLY)
    first, second, third = (
        catalog.variant("A-1"),
        catalog.variant("B-2", excluded=True),
        catalog.variant("C-3"),
    )
    catalog.item(sku="A-1")
    catalog.item(sku="B-2")

    catalog.match()

    assert catalog.sql("select variant_id, is_managed from listing order by 1") == [
        (first, True),
        (second, False),
        (third, False),
    ]


def test_unlinked_listings_leave_management_only_without_another_supplier(catalog: Catalog) -> None:
    one, two = catalog.source("One", **SKU_ONLY), catalog.source("Two", **SKU_ONLY)
    first, second = catalog.variant("A-1"), catalog.variant("B-2")
    for sku, source in (("A-1", one), ("B-2", one), ("B-2", two)):
        catalog.item(sku=sku, source=source)
    catalog.match(one)
    catalog.match(two)

    with catalog.engine.begin() as db:
        assert unlink(db, 1, one, ["a-1", "b-2"]) == {first, second}

    assert catalog.sql("select variant_id, is_managed from listing order by 1") == [
        (first, False),
        (second, True),
    ]


def test_unmatched_items_are_listed_in_order(catalog: Catalog) -> None:
    catalog.source(**SKU_ONLY)
    catalog.variant("A-1")
    for sku in ("C-3", "A-1", "B-2"):
        catalog.item(sku=sku)
    catalog.match()

    with catalog.engine.begin() as db:
        assert unmatched(db, 1, 1) == [Unmatched("b-2", "B-2", "", "", 5), Unmatched("c-3", "C-3", "", "", 5)]
        assert unmatched(db, 1, 1, limit=1) == [Unmatched("b-2", "B-2", "", "", 5)]
        assert unmatched(db, 2, 1) == []
