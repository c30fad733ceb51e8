"""Disconnecting a store: what remains is said first, then it is gone from the pages."""

from __future__ import annotations

import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop


def store_of(shop: Shop) -> int:
    with shop.engine.connect() as db:
        found = sa.text("select min(id) from connection where merchant_id = :m and kind = 'store'")
        return int(db.execute(found, {"m": shop.merchant_id}).scalar_one())


def status(shop: Shop, connection_id: int) -> str:
    with shop.engine.connect() as db:
        found = sa.text("select status from connection where merchant_id = :m and id = :c")
        return str(db.execute(found, {"m": shop.merchant_id, "c": connection_id}).scalar_one())


def test_a_store_is_disconnected_after_it_was_said_what_remains(owner: Person, shop: Shop) -> None:
    store = store_of(shop)

    asked = owner.get(f"/connections/{store}/disconnect").text
    assert "keep the numbers they show now" in asked
    assert "active" == status(shop, store)

    answer = owner.post(f"/connections/{store}/disconnect")

    assert (303, "ended") == (answer.status_code, status(shop, store))
    assert 404 == owner.get(f"/connections/{store}").status_code
    # Twice is once.
    assert 404 == owner.post(f"/connections/{store}/disconnect").status_code


def test_a_stranger_disconnects_nothing(stranger: Person, shop: Shop) -> None:
    store = store_of(shop)

    assert 404 == stranger.post(f"/connections/{store}/disconnect").status_code
    assert "active" == status(shop, store)


def test_only_a_store_is_disconnected_here(owner: Person, shop: Shop) -> None:
    with shop.engine.connect() as db:
        found = sa.text("select min(id) from connection where merchant_id = :m and kind = 'supplier'")
        supplier = db.execute(found, {"m": shop.merchant_id}).scalar_one()

    assert 404 == owner.get(f"/connections/{supplier}/disconnect").status_code
    assert 404 == owner.post(f"/connections/{supplier}/disconnect").status_code
