"""Codes and titles that change in a store reach the variant, and what they name is matched anew."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.web.queries import products
from tests.delivery.test_catalog import Scene, item, supplied
from tests.support import ManualClock


@pytest.fixture
def scene(engine: sa.Engine, clock: ManualClock) -> Scene:
    return Scene(engine, clock)


def variants(scene: Scene) -> list[tuple[Any, ...]]:
    return scene.rows("sku, sku_key, gtin, title", table="variant")


def links(scene: Scene) -> list[tuple[Any, ...]]:
    """(SKU of the variant, item) of every link."""
    with scene.rt.engine.connect() as db:
        found = db.execute(
            sa.text("""
                select v.sku, i.item_key from supplier_item i
                  join variant v on v.merchant_id = i.merchant_id and v.id = i.variant_id
                 where i.merchant_id = :m order by 1, 2
            """),
            {"m": scene.world.merchant_id},
        )
        return [tuple(row) for row in found]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param("4 006381-333931", "4006381333931", id="blanks and dashes"),
        pytest.param("0036000291452", "36000291452", id="leading zeros"),
        pytest.param("see invoice", "", id="no barcode"),
    ],
)
def test_a_barcode_is_kept_as_it_is_compared(scene: Scene, written: str, kept: str) -> None:
    scene.read([item(1, gtin=written)])
    assert [("SKU-1", "sku-1", kept, "Vase 1")] == variants(scene)

    scene.read([item(2, sku="B", gtin="")])
    scene.read([item(2, sku="B", gtin=written)], changed_since=scene.clock.now())
    assert ("B", "b", kept, "Vase 2") in variants(scene)


@pytest.mark.parametrize("asked", ["0036000291452", "36000 291452", "36000291452"])
def test_a_barcode_is_found_however_it_is_spelt(scene: Scene, asked: str) -> None:
    scene.read([item(1, gtin="0036000291452"), item(2)])
    with scene.rt.engine.connect() as db:
        found = products.listed(db, scene.world.merchant_id, search=asked)
    assert ["SKU-1"] == [row.sku for row in found]


def test_a_barcode_with_dashes_finds_its_supplier_item(scene: Scene) -> None:
    source = scene.world.source(mapping={"columns": {"supplier_sku": "code", "gtin": "ean"}})
    scene.world.execute(
        """
        insert into observation (merchant_id, source_id, item_key, sku, gtin, quantity, run_id)
        values (:m, :s, 'x-9', '', '4006381333931', 4, 1)
        """,
        s=source,
    )
    scene.read([item(1, gtin="4006381-333931")])
    assert [("SKU-1", "x-9")] == links(scene)
    assert [(True, 4)] == scene.rows("is_managed, wanted_available")


def test_what_changed_in_its_only_store_reaches_the_variant(scene: Scene) -> None:
    scene.read([item(1), item(2)])
    scene.read(
        [item(1, sku="NEW-1", gtin="4006381333931", product_title="Jug")], changed_since=scene.clock.now()
    )
    assert [
        ("NEW-1", "new-1", "4006381333931", "Jug"),
        ("SKU-2", "sku-2", "", "Vase 2"),
    ] == variants(scene)


def test_two_stores_that_disagree_change_nothing(scene: Scene) -> None:
    scene.read([item(1)])
    other = scene.world.store()
    scene.read([item(7, sku="SKU-1")], store=other)
    scene.read([item(7, sku="OTHER")], store=other)
    assert [("SKU-1", "sku-1", "", "Vase 1")] == variants(scene)

    scene.read([item(2)])  # the first store sells it no more: the other one alone speaks for it
    scene.read([item(7, sku="OTHER")], store=other)
    assert ("OTHER", "other", "", "Vase 7") in variants(scene)


def test_one_item_at_two_places_speaks_with_one_voice(scene: Scene) -> None:
    scene.read([item(1, place="paris"), item(1, place="lyon")])
    scene.read([item(1, sku="NEW", place="paris"), item(1, sku="NEW", place="lyon")])
    assert [("NEW", "new", "", "Vase 1")] == variants(scene)


def test_a_new_sku_is_matched_and_delivered(scene: Scene) -> None:
    supplied(scene, "RIGHT")
    scene.read([item(1, sku="WRNOG")])
    assert [] == links(scene)
    scene.read([item(1, sku="RIGHT")])
    assert [("RIGHT", "RIGHT")] == links(scene)
    assert [(True, 4)] == scene.rows("is_managed, wanted_available")


def test_a_sku_that_names_another_item_takes_it(scene: Scene) -> None:
    supplied(scene, "A", "B")
    scene.world.execute("update observation set quantity = 9 where item_key = 'B'")
    scene.read([item(1, sku="A")])
    assert [("A", "A")] == links(scene)
    scene.read([item(1, sku="B")])
    assert [("B", "B")] == links(scene)
    assert [(True, 9)] == scene.rows("is_managed, wanted_available")


def test_two_variants_change_places(scene: Scene) -> None:
    supplied(scene, "A", "B")
    scene.read([item(1, sku="A"), item(2, sku="B")])
    scene.read([item(1, sku="B"), item(2, sku="A")])
    assert [("A", "A"), ("B", "B")] == links(scene)
    assert [("e1", "B"), ("e2", "A")] == scene.rows("external_id, sku")


def test_a_sku_that_names_nothing_keeps_its_item_and_pack(scene: Scene) -> None:
    supplied(scene, "A")
    scene.read([item(1, sku="A")])
    scene.world.execute("update supplier_item set units_per_variant = 2 where merchant_id = :m")
    scene.read([item(1, sku="shop-A")])
    assert [("shop-A", "A")] == links(scene)
    assert [(2, "sku")] == scene.rows("units_per_variant, how", order="item_key", table="supplier_item")
    assert [(True, 2)] == scene.rows("is_managed, wanted_available")


def test_a_link_made_by_hand_stays(scene: Scene) -> None:
    supplied(scene, "A", "B")
    scene.read([item(1, sku="A")])
    scene.world.execute("update supplier_item set how = 'hand' where merchant_id = :m")
    scene.read([item(1, sku="B")])
    assert [("B", "A")] == links(scene)


def test_the_same_catalogue_again_matches_nothing_anew(scene: Scene) -> None:
    supplied(scene, "A")
    shown = item(1, sku="A", gtin="00 4006381-333931", product_title="Jug", variant_title="Blue")
    scene.read([shown])
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    sa.event.listen(scene.rt.engine, "before_cursor_execute", note)
    try:
        found = scene.read([shown])
    finally:
        sa.event.remove(scene.rt.engine, "before_cursor_execute", note)
    assert set() == found.renamed_ids == found.variant_ids
    assert [True, False] == [
        any(what in text for text in statements) for what in ("update variant v", "link_before")
    ]
