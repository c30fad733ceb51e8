"""The page of a store's lists: a rule is chosen, seen, approved, and switched off again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.placement import facts
from tests.web.conftest import Person
from tests.web.shop import Shop


class OneWay:
    """A store whose platform has tags and a sort order; nothing here may ask it anything."""

    place_kinds = ("tag", "last")


@pytest.fixture(autouse=True)
def _store(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rt, "store", lambda merchant_id, connection_id: OneWay())


@pytest.fixture
def store_id(shop: Shop) -> int:
    with shop.engine.connect() as db:
        found = sa.text("select min(id) from connection where merchant_id = :m and kind = 'store'")
        return int(db.execute(found, {"m": shop.merchant_id}).scalar_one())


@pytest.fixture
def sold_out(shop: Shop, store_id: int) -> list[str]:
    """The titles of products that cannot be bought since 40 days; all others can."""
    with shop.engine.begin() as db:
        key = {"m": shop.merchant_id, "c": store_id, "at": shop.now - timedelta(days=40)}
        db.execute(
            sa.text("""
                update position set out_since = :at where merchant_id = :m and available = 0
                   and state not in ('backorder', 'made_to_order', 'preorder')
            """),
            key,
        )
        products = facts.products_of(db, shop.merchant_id, store_id)
    found = [one.product_id for one in products if one.out_since and not one.sellable and not one.unknown]
    assert found
    return found


def rule(shop: Shop, store_id: int) -> Any:
    with shop.engine.connect() as db:
        return facts.rule_of(db, shop.merchant_id, store_id)


def pending(shop: Shop) -> list[str]:
    with shop.engine.connect() as db:
        found = sa.text("select subject from outbox_message where merchant_id = :m and topic = 'store.place'")
        return list(db.execute(found, {"m": shop.merchant_id}).scalars())


GOOD = {"kind": "tag", "tag": "Sold out", "days_out": "30"}


def test_a_rule_is_seen_before_it_does_anything(
    owner: Person, shop: Shop, store_id: int, sold_out: list[str]
) -> None:
    here = f"/connections/{store_id}/lists"
    assert "Give them a tag" in owner.get(here).text
    assert owner.post(here, GOOD).status_code == 303

    page = owner.get(here).text

    assert "What it would move" in page
    many = "products have" if len(sold_out) > 1 else "product has"
    assert f"{len(sold_out)} {many} been sold out for more than 30 days." in page
    assert (rule(shop, store_id).status, pending(shop)) == ("draft", [])


def test_approving_sets_it_to_work_and_switching_off_undoes_it(
    owner: Person, shop: Shop, store_id: int, sold_out: list[str]
) -> None:
    here = f"/connections/{store_id}/lists"
    owner.post(here, GOOD)
    assert owner.post(f"{here}/approve").status_code == 303
    assert (rule(shop, store_id).status, pending(shop)) == ("on", ["look"])
    assert "What it would move" not in owner.get(here).text
    assert "On" in owner.get(f"/connections/{store_id}").text

    assert "put everything back?" in owner.get(f"{here}/off").text
    assert rule(shop, store_id).status == "on"
    assert owner.post(f"{here}/off").status_code == 303
    assert rule(shop, store_id).status == "off"
    # A rule that is off cannot be approved, only chosen anew.
    owner.post(f"{here}/approve")
    assert rule(shop, store_id).status == "off"
    owner.post(here, GOOD)
    assert rule(shop, store_id).status == "draft"


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "search_only"), ("kind", ""), ("tag", "a,b"), ("days_out", "0"), ("days_out", "many")],
)
def test_what_cannot_be_is_said_at_the_field_and_not_kept(
    owner: Person, shop: Shop, store_id: int, field: str, value: str
) -> None:
    answer = owner.post(f"/connections/{store_id}/lists", {**GOOD, field: value})

    assert answer.status_code == 422
    assert "1 field needs your attention" in answer.text
    assert rule(shop, store_id) is None


@pytest.mark.parametrize("what", ["", "/approve", "/off"])
def test_a_stranger_sees_and_changes_nothing(
    owner: Person, stranger: Person, shop: Shop, store_id: int, what: str
) -> None:
    owner.post(f"/connections/{store_id}/lists", GOOD)
    assert stranger.get(f"/connections/{store_id}/lists").status_code == 404
    assert stranger.post(f"/connections/{store_id}/lists{what}", GOOD).status_code == 404
    assert rule(shop, store_id).status == "draft"


def test_a_supplier_has_no_lists(owner: Person, shop: Shop) -> None:
    with shop.engine.connect() as db:
        found = sa.text("select min(id) from connection where merchant_id = :m and kind = 'supplier'")
        supplier = db.execute(found, {"m": shop.merchant_id}).scalar_one()
    assert owner.get(f"/connections/{supplier}/lists").status_code == 404
