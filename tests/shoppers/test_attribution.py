"""Which orders came of an invitation, and which are nobody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from connector.crypto import Keyring
from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.sales import record_orders
from connector.shoppers import attribution
from connector.shoppers.attribution import Bought, bought_of, matches, settle
from connector.shoppers.clicks import follow
from connector.shoppers.marks import marked, marks
from tests.shoppers.world import FERNET, World
from tests.support import ManualClock

RING = Keyring([FERNET])
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANN = "ann@example.com"


def order(number: str = "900", units: int = 2, **said: Any) -> StoreOrder:
    """An order of the mug (external id 501) for 19.99 each, by nobody we know."""
    line = StoreOrderLine("1", "501", units, value_minor=1999 * units)
    given = {"placed_at": NOW, "updated_at": NOW, "holds_stock": True, "currency": "EUR"}
    return StoreOrder(order_id=number, lines=(line,), **{**given, **said})


def invitation(number: int = 7, **said: Any) -> Any:
    given = {"variant_id": 1, "created_at": NOW - timedelta(hours=1), "order_id": ""}
    return SimpleNamespace(id=number, **{**given, "channel": "email", "address_key": ANN, **said})


def claimed_by(one: StoreOrder, *invited: Any) -> list[int]:
    return [change.invitation_id for change in matches(RING, 1, bought_of(one, {"501": 1}).values(), invited)]


@pytest.mark.parametrize(
    ("said", "invited", "expected"),
    [
        pytest.param({"contact": "Ann@EXAMPLE.com"}, {}, [7], id="the invited address, typed otherwise"),
        pytest.param({"contact": "bob@example.com"}, {}, [], id="somebody else's address"),
        pytest.param({"contact": "not an address"}, {}, [], id="no address"),
        pytest.param({"contact": ANN}, {"channel": "sms", "address_key": "+33612345678"}, [], id="another channel"),
        pytest.param({"contact": ANN}, {"variant_id": 2}, [], id="invited for another variant"),
        pytest.param({"contact": ANN}, {"created_at": NOW - timedelta(days=15)}, [], id="too long ago"),
        pytest.param({"contact": ANN}, {"created_at": NOW + timedelta(hours=1)}, [], id="ordered before"),
        pytest.param({"contact": ANN}, {"order_id": "899"}, [], id="claimed by another order"),
        pytest.param({"click_mark": marks(RING, 1, 7)[0]}, {"channel": "sms"}, [7], id="the mark of its link"),
        pytest.param({"click_mark": marks(RING, 2, 7)[0]}, {}, [], id="another merchant's mark"),
        pytest.param({"click_mark": "00112233445566aa"}, {}, [], id="a made up mark"),
        pytest.param({}, {}, [], id="neither"),
    ],
)  # fmt: skip
def test_an_order_is_tied_by_mark_or_address_or_not_at_all(
    said: dict[str, Any], invited: dict[str, Any], expected: list[int]
) -> None:
    assert expected == claimed_by(order(**said), invitation(**invited))


def test_the_newest_invitation_is_the_one_and_one_order_claims_it() -> None:
    newest_first = [invitation(9), invitation(7)]
    assert [9] == claimed_by(order(contact=ANN), *newest_first)
    both = [
        one for number in ("900", "901") for one in bought_of(order(number, contact=ANN), {"501": 1}).values()
    ]
    assert [(9, "900")] == [
        (change.invitation_id, change.bought.order.order_id)
        for change in matches(RING, 1, both, newest_first)
    ]


def test_lines_of_one_variant_count_together_and_unpaid_ones_not() -> None:
    lines = (
        StoreOrderLine("1", "501", 1, value_minor=1999),
        StoreOrderLine("2", "501", 2, value_minor=3000),
        StoreOrderLine("3", "777", 5, value_minor=100),
    )
    paid = replace(order(), lines=lines)
    assert {1: Bought(paid, 1, 3, 4999)} == bought_of(paid, {"501": 1})
    unpaid = replace(paid, holds_stock=False)
    assert {1: Bought(unpaid, 1, 0, 0)} == bought_of(unpaid, {"501": 1})


def test_the_address_of_an_order_is_in_no_text_of_it() -> None:
    assert ANN not in repr(order(contact=ANN))


def test_a_mark_keeps_the_query_and_the_fragment() -> None:
    ours = "utm_source=dispo&utm_medium=alert&utm_campaign=00112233445566aa"
    assert "https://shop.test/m?a=1&b=%20#x".replace("#", f"&{ours}#") == marked(
        "https://shop.test/m?a=1&b=%20#x", "00112233445566aa"
    )
    assert f"https://shop.test/m/?{ours}" == marked("https://shop.test/m/", "00112233445566aa")


def clicked(world: World, invitation_id: int) -> None:
    """Whoever has the mark followed the link of the message."""
    (message,) = world.rows("select id from message where invitation_id = :i", i=invitation_id)
    with world.engine.begin() as db:
        assert follow(db, world.merchant_id, message.id, world.now())


def heard(world: World, *orders: StoreOrder) -> int:
    """Record these orders and tell the shoppers' room of them."""
    with world.engine.begin() as db:
        record_orders(db, world.merchant_id, world.connection_id, orders)
        return settle(db, world.keyring, world.merchant_id, world.connection_id, orders)


def test_a_claim_is_made_once_follows_edits_and_is_taken_back(world: World, clock: ManualClock) -> None:
    world.waiting(ANN, "bob@example.com")
    world.set_stock(100)
    world.run()
    clock.advance(hours=1)
    now = clock.now()

    def said() -> list[tuple[Any, ...]]:
        rows = world.rows(
            "select order_id, ordered_at, order_units, order_minor, order_currency from invitation order by id"
        )
        return [tuple(row) for row in rows]

    nobody = ("", None, 0, 0, "")
    bought = order("w-1", contact=ANN, placed_at=now, updated_at=now)
    assert heard(world, bought) == 1
    assert said() == [("w-1", now, 2, 3998, "EUR"), nobody]
    # The same again; and without the address, which the store no longer tells.
    assert heard(world, bought, replace(bought, contact="")) == 0

    one_left = (StoreOrderLine("1", "501", 1, value_minor=1999),)
    edited = replace(bought, lines=one_left, updated_at=now + timedelta(minutes=1))
    assert heard(world, edited) == 1
    assert said()[0] == ("w-1", now, 1, 1999, "EUR")
    with world.engine.begin() as db:
        # An older version that comes late says nothing.
        assert settle(db, world.keyring, world.merchant_id, world.connection_id, [bought]) == 0
    assert said()[0] == ("w-1", now, 1, 1999, "EUR")

    gone = replace(edited, holds_stock=False, updated_at=now + timedelta(minutes=2))
    assert heard(world, gone) == 1
    assert said() == [("", None, 0, 0, "EUR"), nobody]
    # Another order of hers, by the link in the message this time.
    clicked(world, 1)
    again = order("w-2", click_mark=marks(world.keyring, 1, 1)[0], placed_at=now, updated_at=now)
    assert heard(world, again) == 1
    assert said() == [("w-2", now, 2, 3998, "EUR"), nobody]
    # Nothing of the order's address is kept with it.
    kept = world.row("select string_agg(t::text, ' ') as text from store_order t").text
    assert "example.com" not in kept


def test_of_a_crowd_only_those_are_looked_at_whom_an_order_can_mean(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.waiting(*(f"p{number:02}@example.com" for number in range(20)))
    world.set_stock(100)
    world.run()
    clicked(world, 5)
    looked_at: list[list[int]] = []

    def seen(keyring: Any, merchant_id: int, bought: Any, invited: Any) -> Any:
        looked_at.append([row.id for row in invited])
        return matches(keyring, merchant_id, bought, invited)

    monkeypatch.setattr(attribution, "matches", seen)
    at: dict[str, Any] = {"placed_at": clock.now(), "updated_at": clock.now()}
    assert heard(world, order("a", contact="P07@example.com", **at)) == 1
    assert heard(world, order("b", click_mark=marks(world.keyring, 1, 5)[0], **at)) == 1
    assert heard(world, order("c", contact="nobody@example.com", **at)) == 0
    assert looked_at == [[8], [5], []]
