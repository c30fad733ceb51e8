"""Rules as they are kept: what a change would do, the change itself, and taking it back."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.positions import rulings
from connector.positions.rulings import Change, RuleRefused
from tests.builders import NOW, World


@pytest.fixture
def shop(engine: sa.Engine) -> World:
    """Four products: two in "Lamps", of which one has 2; all from one supplier."""
    world = World(engine)
    source = world.source()
    for sku, quantity, names in (
        ("A", 2, ["Lamps"]),
        ("B", 9, [" lamps ", "New"]),
        ("C", 9, ["New"]),
        ("D", 9, []),
    ):
        variant = world.variant(sku, collections=names)
        world.observe(source, variant, quantity)
        world.decide(variant)
    return world


def checked(shop: World, level: str, subject: str, **says: Any) -> Change:
    with transaction(shop.engine) as db:
        return rulings.checked(db, shop.merchant_id, level, subject, says)


def save(shop: World, *changes: Change) -> int | None:
    with transaction(shop.engine) as db:
        return rulings.save(db, shop.merchant_id, changes, actor="me", now=NOW)


def named(shop: World, *changes: Change) -> list[str]:
    with transaction(shop.engine) as db:
        ids = rulings.named(db, shop.merchant_id, changes)
        rows = db.execute(sa.text("select sku from variant where id = any(:ids) order by sku"), {"ids": ids})
        return list(rows.scalars())


def supplier(shop: World) -> str:
    with transaction(shop.engine) as db:
        return rulings.suppliers(db, shop.merchant_id)[0][0]


def test_each_level_names_the_products_it_may_hold_for(shop: World) -> None:
    assert ["A", "B"] == named(shop, checked(shop, "collection", "LAMPS", buffer_units=1))
    assert ["C"] == named(shop, checked(shop, "sku", "c", buffer_units=1))
    assert ["A", "B", "C", "D"] == named(shop, checked(shop, "supplier", supplier(shop), buffer_units=1))
    assert ["A", "B", "C", "D"] == named(shop, checked(shop, "merchant", "", strategy="priority"))
    assert [] == named(shop)


@pytest.mark.parametrize(
    ("level", "subject", "says", "part"),
    [
        ("sku", "nothing", {"buffer_units": 1}, "There is no product with the SKU 'nothing'."),
        ("sku", "#999999999", {"buffer_units": 1}, "There is no product #999999999."),
        ("supplier", "77777", {"buffer_units": 1}, "There is no supplier 77777."),
        ("collection", "  ", {"buffer_units": 1}, "A collection has a name"),
        ("shop", "", {}, "There is no level 'shop'."),
        ("sku", "A", {"buffer_units": -1}, "a whole number from 0"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    shop: World, level: str, subject: str, says: dict[str, Any], part: str
) -> None:
    with pytest.raises(RuleRefused, match=part.replace(".", r"\.")):
        checked(shop, level, subject, **says)


def test_a_preview_says_what_would_become_of_them_and_keeps_nothing(shop: World) -> None:
    change = checked(shop, "collection", "lamps", buffer_units=3)
    found = rulings.preview(shop.engine, shop.merchant_id, [change], now=NOW)

    assert (2, 2, 2, 1) == (found.named, found.looked_at, found.changed, found.to_zero)
    part = rulings.preview(shop.engine, shop.merchant_id, [change], now=NOW, most=1)
    assert (2, 1) == (part.named, part.looked_at)
    everything = rulings.preview(
        shop.engine, shop.merchant_id, [change], now=NOW, most=None, until=lambda: True
    )
    # Whoever asks gets the first chunk at least.
    assert found == everything
    assert [("A", 2, 0, "out_of_stock"), ("B", 9, 6, "in_stock")] == [
        (one.sku, one.before, one.after, one.state_after) for one in found.effects
    ]
    with transaction(shop.engine) as db:
        assert [] == rulings.listed(db, shop.merchant_id)


def test_a_change_is_kept_listed_and_taken_back(shop: World) -> None:
    lamps, item = checked(shop, "collection", "Lamps", cap_units=5), checked(shop, "sku", "D", stale="keep")
    number = save(shop, lamps, item)
    assert save(shop, lamps, item) is None
    with transaction(shop.engine) as db:
        kept = [(one.level, one.name, one.says, one.variants) for one in rulings.listed(db, shop.merchant_id)]
    assert [("sku", "D", {"stale": "keep"}, 1), ("collection", "Lamps", {"cap_units": 5}, 2)] == kept
    assert number is not None
    with transaction(shop.engine) as db:
        back = rulings.taken_back(db, shop.merchant_id, number)
    save(shop, *back)
    with transaction(shop.engine) as db:
        assert [] == rulings.listed(db, shop.merchant_id)
        with pytest.raises(RuleRefused, match="changed again since"):
            rulings.taken_back(db, shop.merchant_id, number)
        with pytest.raises(RuleRefused, match="There is no change 0"):
            rulings.taken_back(db, shop.merchant_id, 0)


def test_rules_of_many_items_name_each_wrong_line(shop: World) -> None:
    rows: list[tuple[int, str, dict[str, Any]]] = [
        (2, "a", {"buffer_units": 1}),
        (3, "Z", {}),
        (4, "A", {"cap_units": 2}),
        (5, "B", {"cap_units": "x"}),
    ]
    with transaction(shop.engine) as db:
        changes, wrong = rulings.by_sku(db, shop.merchant_id, rows)

    assert [{"buffer_units": 1}] == [one.says for one in changes]
    assert [
        "Line 3: No product has the SKU 'Z'.",
        "Line 4: The SKU 'A' was named before.",
        "Line 5: cap_units is a whole number from 0 to 1000000, not 'x'.",
    ] == wrong


def test_collections_are_counted_however_they_are_spelt(shop: World) -> None:
    with transaction(shop.engine) as db:
        assert {("Lamps", 2), ("New", 2)} == {
            (name.strip().capitalize(), count) for name, count in rulings.collections(db, shop.merchant_id)
        }
