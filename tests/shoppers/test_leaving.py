"""Leaving, being forgotten, and seeing what is kept."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.shoppers import erase
from connector.shoppers.addresses import AddressInvalid
from connector.shoppers.unsubscribe import Person, find_person, leave_all, leave_one, own_subscriptions
from tests.shoppers.world import World
from tests.support import ManualClock


def person_of(world: World, subscription_id: int) -> Person:
    with world.engine.connect() as db:
        found = find_person(db, world.merchant_id, subscription_id)
    assert found is not None
    return found


def test_leaving_ends_all_of_ones_own_and_nobody_elses(world: World) -> None:
    world.add_variant("502", "Green mug")
    world.waiting("ann@example.com")
    world.waiting("Ann@Example.com", external_id="502")
    world.waiting("bob@example.com")
    assert leave_all(world, person_of(world, 1)) == 2
    assert leave_all(world, person_of(world, 1)) == 0
    assert world.statuses() == ["ended", "ended", "waiting"]


def test_one_cannot_end_somebody_elses(world: World) -> None:
    world.waiting("ann@example.com", "bob@example.com")
    assert leave_one(world, person_of(world, 1), 2) == 0
    assert world.statuses() == ["waiting", "waiting"]


def test_the_same_address_at_another_merchant_is_not_touched(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com")
    stranger = World(world.engine, clock).seed()
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into subscription (merchant_id, variant_id, connection_id, address, address_key,
                                          status, created_at)
                values (:m, :v, :c, 'ann@example.com', 'ann@example.com', 'waiting', now())
            """),
            {"m": stranger.merchant_id, "v": stranger.variant_id, "c": stranger.connection_id},
        )
        assert erase.erase(db, world.merchant_id, "ANN@example.com", clock.now()) == 1
    rows = [
        tuple(row) for row in world.rows("select merchant_id, address, status from subscription order by id")
    ]
    assert rows == [(1, "", "ended"), (stranger.merchant_id, "ann@example.com", "waiting")]
    with world.engine.connect() as db:
        assert find_person(db, stranger.merchant_id, 1) is None


def test_erasing_takes_who_and_keeps_how_many(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com")
    world.set_stock(1)
    world.run()
    with world.engine.begin() as db:
        assert erase.erase(db, world.merchant_id, "ann@example.com", clock.now()) == 1
        assert erase.erase(db, world.merchant_id, "ann@example.com", clock.now()) == 0
    tables = ["subscription", "message", "invitation", "outbox_message", "suppression", "audit_event"]
    with world.engine.connect() as db:
        text = " ".join(str(db.execute(sa.text(f"select * from {name}")).all()) for name in tables)
    assert "ann" not in text.lower().replace("cannot", "")
    assert world.row("select count(*) as n from invitation").n == 1
    assert own_subscriptions_of(world) == []


def own_subscriptions_of(world: World) -> list[object]:
    with world.engine.connect() as db:
        person = find_person(db, world.merchant_id, 1)
        assert person is not None
        return list(own_subscriptions(db, person))


def test_erasing_stops_a_message_on_its_way(world: World, clock: ManualClock) -> None:
    from connector.shoppers import episodes

    world.waiting("ann@example.com")
    world.set_stock(1)
    episodes.look(world, world.merchant_id, world.variant_id)
    with world.engine.begin() as db:
        erase.erase(db, world.merchant_id, "ann@example.com", clock.now())
    world.run()
    assert world.told() == []


def test_export_holds_everything_kept_about_an_address(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com", "bob@example.com")
    with world.engine.connect() as db:
        kept = erase.export(db, world.merchant_id, "ann@example.com")
        assert erase.export(db, world.merchant_id + 1, "ann@example.com") == {
            "subscriptions": [],
            "messages": [],
        }
    (subscription,) = kept["subscriptions"]
    assert subscription["address"] == "ann@example.com"
    assert subscription["created_at"] == clock.now().isoformat()
    assert [message["kind"] for message in kept["messages"]] == ["confirm"]


@pytest.mark.parametrize("address", ["", "nonsense"])
def test_what_is_no_address_erases_nothing(world: World, clock: ManualClock, address: str) -> None:
    world.waiting("ann@example.com")
    with world.engine.begin() as db, pytest.raises(AddressInvalid):
        erase.erase(db, world.merchant_id, address, clock.now())
    assert world.statuses() == ["waiting"]


def test_a_year_after_the_answer_nobody_knows_who_it_was(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com", "bob@example.com")
    leave_all(world, person_of(world, 2))
    clock.advance(days=30)
    world.set_stock(1)
    world.run()
    clock.advance(days=335)
    with world.engine.begin() as db:
        assert erase.expire_closed(db, world.merchant_id, clock.now()) == 1
    clock.advance(days=30)
    with world.engine.begin() as db:
        assert erase.expire_closed(db, world.merchant_id, clock.now()) == 1
        assert erase.expire_closed(db, world.merchant_id, clock.now()) == 0
    assert [tuple(row) for row in world.rows("select status, address from subscription order by id")] == [
        ("fulfilled", ""),
        ("ended", ""),
    ]
