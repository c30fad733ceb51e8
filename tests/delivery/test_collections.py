"""The collections of products are followed, and decided again where a rule is about collections."""

from __future__ import annotations

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.shelves import CatalogRead, store_page
from connector.ports.stores import ListingRef, StoreListing
from tests.builders import NOW, World


def shown(*collections: str) -> StoreListing:
    return StoreListing(
        ref=ListingRef("1", "1", "1"),
        sku="LAMP",
        gtin="",
        product_title="Lamp",
        variant_title="",
        url="",
        image_url="",
        price_minor=None,
        available=3,
        is_tracked=True,
        is_published=True,
        collections=collections,
    )


def test_a_product_that_changes_its_collection_is_decided_where_collections_have_rules(
    engine: sa.Engine,
) -> None:
    world = World(engine)
    store = world.store()

    def read(*collections: str) -> set[int]:
        total = CatalogRead()
        with transaction(engine) as db:
            store_page(db, world.merchant_id, store, [shown(*collections)], NOW, total)
            # What is not matched yet is looked at with every reading; this is about what is.
            db.execute(sa.text("update listing set is_managed = true, wanted_available = 3"))
        return total.variant_ids

    def kept() -> object:
        with engine.connect() as db:
            return db.execute(sa.text("select collections from variant")).scalar_one()

    (variant,) = read("Lamps", "New")
    assert ["Lamps", "New"] == kept()
    assert (set(), ["Lamps"]) == (read("Lamps"), kept())
    world.execute(
        "insert into stock_rule (merchant_id, level, subject, says, changed_at)"
        " values (:m, 'collection', 'lamps', '{}', now())"
    )
    assert ({variant}, []) == (read(), kept())
    assert set() == read()
