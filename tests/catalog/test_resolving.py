"""What the merchant decides about items that could not be matched, on real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.catalog import matching, resolving
from connector.catalog.keys import KeyRules
from connector.catalog.resolving import ChoiceRefused
from tests.builders import NOW, World


class _Shop:
    def __init__(self, engine: sa.Engine) -> None:
        self.world = World(engine)
        self.merchant = self.world.merchant_id
        self.source = self.world.source(mapping={"columns": {"sku": "SKU", "quantity": "Qty"}})
        self.store = self.world.store()

    def variant(self, sku: str, **fields: Any) -> int:
        variant_id = self.world.variant(sku, **fields)
        self.world.listing(self.store, variant_id, 1, is_managed=False)
        return variant_id

    def item(self, sku: str, gtin: str = "") -> None:
        self.world.execute(
            "insert into observation (merchant_id, source_id, item_key, sku, gtin, quantity, run_id)"
            " values (:m, :s, :k, :sku, :g, 5, 1)",
            s=self.source, k=sku.lower(), sku=sku, g=gtin,
        )  # fmt: skip

    def match(self) -> set[int]:
        with self.world.engine.begin() as db:
            return matching.match_source(db, self.merchant, self.source)

    def links(self) -> set[tuple[str, int]]:
        with self.world.engine.connect() as db:
            rows = db.execute(
                sa.text("select item_key, variant_id from supplier_item where merchant_id = :m"),
                {"m": self.merchant},
            )
            return {(row[0], row[1]) for row in rows}

    def link(self, item: str, variant: int, units: int = 1) -> set[int]:
        with self.world.engine.begin() as db:
            return resolving.link(
                db, self.merchant, self.source, item, variant, units=units, actor="ann@example.com", now=NOW
            )

    def undo(self, item: str) -> set[int]:
        with self.world.engine.begin() as db:
            return resolving.undo(db, self.merchant, self.source, [item])

    def open(self) -> list[str]:
        with self.world.engine.connect() as db:
            return [one.item_key for one in resolving.open_items(db, self.merchant)]

    def ambiguous(self) -> list[str]:
        with self.world.engine.begin() as db:
            return [one.item_key for one in matching.ambiguities(db, self.merchant)]


@pytest.fixture
def shop(engine: sa.Engine) -> _Shop:
    return _Shop(engine)


def test_several_variants_that_share_a_code_are_settled_by_one_choice_and_undone(shop: _Shop) -> None:
    one, two = shop.variant("A-1"), shop.variant("a-1")
    shop.item("A-1")
    assert (shop.match(), shop.ambiguous()) == (set(), ["a-1"])

    assert shop.link("a-1", two, units=6) == {two}
    assert (shop.links(), shop.ambiguous(), shop.match()) == ({("a-1", two)}, [], set())

    assert shop.undo("a-1") == {two}
    assert (shop.links(), shop.ambiguous()) == (set(), ["a-1"])
    assert one != two


def test_the_item_chosen_for_a_variant_takes_it_from_the_one_matching_found(shop: _Shop) -> None:
    variant = shop.variant("B-1")
    shop.item("B-1")
    shop.match()
    shop.item("OLD-B")

    assert shop.link("old-b", variant) == {variant}
    assert (shop.links(), shop.match(), shop.ambiguous()) == ({("old-b", variant)}, set(), [])

    assert shop.undo("old-b") == {variant}
    assert shop.links() == {("b-1", variant)}


def test_an_ignored_item_is_not_asked_about_nor_matched_until_it_is_undone(shop: _Shop) -> None:
    shop.item("NOT-MINE")
    with shop.world.engine.begin() as db:
        assert (
            resolving.ignore(db, shop.merchant, shop.source, ["not-mine", "absent"], actor="a", now=NOW) == 1
        )
    variant = shop.variant("NOT-MINE")

    assert (shop.open(), shop.match()) == ([], set())

    shop.undo("not-mine")
    assert (shop.open(), shop.match()) == (["not-mine"], {variant})


def test_a_linked_variants_listings_are_managed_and_left_again(shop: _Shop) -> None:
    variant = shop.variant("C-1")
    shop.item("X")

    def managed() -> Any:
        with shop.world.engine.connect() as db:
            return db.execute(
                sa.text("select is_managed from listing where variant_id = :v"), {"v": variant}
            ).scalar()

    shop.link("x", variant)
    assert managed() is True
    shop.undo("x")
    assert managed() is False


def test_a_proposed_rule_matches_what_it_says(shop: _Shop) -> None:
    variants = {shop.variant(f"{n}K{n}") for n in range(100, 104)}
    for n in range(100, 104):
        shop.item(f"ACME-{n}K{n}")
    with shop.world.engine.begin() as db:
        proposed = resolving.proposals(db, shop.merchant, shop.source)
        assert (proposed[0].rules, proposed[0].matches) == (KeyRules(prefix="acme-"), 4)
        assert resolving.would_match(db, shop.merchant, shop.source, proposed[0].rules) == 4
        assert resolving.set_rules(db, shop.merchant, shop.source, proposed[0].rules) == variants
        assert resolving.rules_of(db, shop.merchant, shop.source) == KeyRules(prefix="acme-")


def test_the_nearest_variants_are_named_and_another_merchants_are_not(shop: _Shop) -> None:
    variant = shop.variant("LAMP-001", title="Desk lamp")
    stranger = World(shop.world.engine)
    stranger.variant("LAMP-001X")
    shop.item("LAMP 001-X")
    with shop.world.engine.connect() as db:
        items = resolving.open_items(db, shop.merchant)
        found = resolving.candidates(db, shop.merchant, items)

    assert [one.variant_id for one in found[shop.source, "lamp 001-x"]] == [variant]


def test_what_is_not_there_cannot_be_chosen(shop: _Shop) -> None:
    stranger = World(shop.world.engine).variant("Z")
    shop.item("Q")
    mine = shop.variant("Q-1")
    for item, variant, units, cause in (
        ("q", stranger, 1, "no variant"),
        ("absent", mine, 1, "no item"),
        ("q", mine, 0, "0 units"),
    ):
        with pytest.raises(ChoiceRefused, match=cause):
            shop.link(item, variant, units)
    assert shop.links() == set()
