"""How the Shopify adapter writes: conflicts, lost answers, batches and badges, on the simulated shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from adapters.stores.shopify.writes import badge_json, plan_badges, plan_quantities
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Retryable,
)
from connector.ports.stores import (
    BadgeChange,
    BadgeFacts,
    FrozenRequest,
    ListingRef,
    QuantityChange,
)
from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify import ShopifyServer, SimLocation, gid
from tests.adapters.shopify_support import (
    FLOOR,
    WAREHOUSE,
    connected,
    outcome,
    ref,
    send,
    serve,
    small_shop,
)
from tests.support import ManualClock


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return small_shop(clock)


@pytest.fixture
def server(shop: Shop, dials: Dials) -> Iterator[ShopifyServer]:
    with serve(shop, dials=dials) as server:
        yield server


# ---------------------------------------------------------------- conflicts


@pytest.mark.parametrize("names_stale_items", [False, True], ids=["unnamed", "named"])
def test_stale_items_are_conflicts_and_their_neighbours_wait(
    shop: Shop, dials: Dials, names_stale_items: bool
) -> None:
    with serve(shop, dials=dials, names_stale_items=names_stale_items) as server:
        shop.set_stock(shop.by_sku("B")[0].id, 6, by="shop")
        changes = [
            QuantityChange(ref(shop, "A"), 9, 5),
            QuantityChange(ref(shop, "B"), 9, 7),
            QuantityChange(ref(shop, "C"), 9, None),
        ]
        results = send(connected(server), changes)
        assert outcome(results) == [("retry", None), ("conflict", 6), ("retry", None)]
        assert (
            results[1].reason == "The changeFromQuantity argument no longer matches the persisted quantity."
        )
        assert [shop.by_sku(sku)[0].stock for sku in "ABC"] == [5, 6, 0]
        assert server.calls == {"SetQuantities": 1, "Quantities": 1}


def test_an_item_deleted_or_untracked_meanwhile_is_told_apart_from_a_conflict(
    shop: Shop, server: ShopifyServer
) -> None:
    store = connected(server)
    gift, gone = ref(shop, "GIFT"), ref(shop, "C")
    with shop.lock:
        del shop.items[shop.by_sku("C")[0].id]
    changes = [QuantityChange(ref(shop, "A"), 9, 4), QuantityChange(gift, 1, 0), QuantityChange(gone, 1, 0)]
    results = send(store, changes)
    assert outcome(results) == [("retry", None), ("rejected", None), ("not_found", None)]
    assert results[2].reason == "The specified inventory item could not be found."


def test_a_key_used_up_by_a_failure_reads_back_and_lets_the_rest_go_on(
    shop: Shop, server: ShopifyServer
) -> None:
    store = connected(server)
    shop.set_stock(shop.by_sku("B")[0].id, 6, by="shop")
    changes = [QuantityChange(ref(shop, "A"), 9, 5), QuantityChange(ref(shop, "B"), 9, 7)]
    assert outcome(send(store, changes)) == [("retry", None), ("conflict", 6)]
    assert outcome(send(store, changes)) == [("retry", None), ("conflict", 6)]
    assert outcome(send(store, changes[:1], "another")) == [("done", None)]


def test_a_key_that_belongs_to_another_request_writes_nothing_and_asks_for_a_new_one(
    shop: Shop, server: ShopifyServer
) -> None:
    store = connected(server)
    send(store, [QuantityChange(ref(shop, "A"), 9, 5)])
    assert outcome(send(store, [QuantityChange(ref(shop, "B"), 9, 7)])) == [("retry", None)]
    assert shop.by_sku("B")[0].stock == 7


def test_a_request_still_being_worked_is_an_unknown_outcome(shop: Shop) -> None:
    refused: list[Exception] = []
    changes = [QuantityChange(ref(shop, "A"), 9, 5)]

    def again() -> None:
        try:
            send(connected(server), changes)
        except OutcomeUnknown as exc:
            refused.append(exc)

    with serve(shop, during_write=again) as server:
        assert outcome(send(connected(server), changes)) == [("done", None)]
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("replays_answers", "second"),
    [(True, ("done", None)), (False, ("conflict", 9))],
    ids=["kept", "run again"],
)
def test_after_a_lost_answer_the_same_key_says_that_it_was_done(
    shop: Shop, dials: Dials, replays_answers: bool, second: tuple[str, int | None]
) -> None:
    """Where Shopify runs the repetition again, the conflict holds the very number that was asked for."""
    with serve(shop, dials=dials, replays_answers=replays_answers) as server:
        store = connected(server)
        changes = [QuantityChange(ref(shop, "A"), 9, 5)]
        dials.fail_next = ["timeout_after_success"]
        with pytest.raises(OutcomeUnknown):
            send(store, changes)
        assert outcome(send(store, changes)) == [second]
        assert shop.by_sku("A")[0].stock == 9


def test_a_reading_back_that_fails_says_that_nothing_was_written(
    shop: Shop, server: ShopifyServer, dials: Dials
) -> None:
    store = connected(server)
    shop.set_stock(shop.by_sku("A")[0].id, 4, by="shop")
    dials.fail_next = ["none", "error"]
    with pytest.raises(Retryable):
        send(store, [QuantityChange(ref(shop, "A"), 9, 5)])
    assert shop.by_sku("A")[0].stock == 4


def test_a_location_that_closed_rejects_its_items_with_shopifys_words(shop: Shop) -> None:
    places = (SimLocation(5001, "Warehouse"), SimLocation(5002, "Floor", is_active=False))
    with serve(shop, locations=places) as server:
        changes = [QuantityChange(ref(shop, "A", FLOOR), 1, None), QuantityChange(ref(shop, "B"), 1, 7)]
        results = send(connected(server), changes)
        assert [(one.status, one.reason) for one in results] == [
            ("rejected", "The specified location could not be found."),
            ("retry", "The specified location could not be found."),
        ]


# ---------------------------------------------------------------- planning


def test_an_item_twice_goes_into_two_requests_in_order() -> None:
    one, two = (ListingRef(f"v{n}", "p", f"i{n}", "at") for n in (1, 2))
    changes = [QuantityChange(one, 1, 0), QuantityChange(two, 1, 0), QuantityChange(one, 2, 1)]
    plan = plan_quantities(changes, None)
    assert [[ref.stock_id for ref in request.refs] for request in plan] == [["i1", "i2"], ["i1"]]
    badges = [BadgeChange(ref, BadgeFacts("in_stock")) for ref in (one, two, two)]
    assert [len(request.refs) for request in plan_badges(badges)] == [2, 1]


def test_251_items_are_two_requests_and_a_missing_expectation_is_sent_as_null() -> None:
    refs = [ListingRef(f"v{n}", "p", f"i{n}") for n in range(251)]
    plan = plan_quantities([QuantityChange(ref, 3, None) for ref in refs], WAREHOUSE)
    assert [len(request.refs) for request in plan] == [250, 1]
    assert plan[1].body == {
        "name": "available",
        "reason": "correction",
        "quantities": [
            {"inventoryItemId": "i250", "locationId": WAREHOUSE, "quantity": 3, "changeFromQuantity": None}
        ],
    }


def test_a_change_that_cannot_be_sent_is_refused_while_planning() -> None:
    here = ListingRef("v", "p", "i", "at")
    with pytest.raises(ValueError, match="never negative"):
        plan_quantities([QuantityChange(here, -1, 0)], None)
    with pytest.raises(ValueError, match="apart"):
        plan_quantities([QuantityChange(here, 1, 0, BadgeFacts("in_stock"))], None)
    with pytest.raises(Misconfigured) as caught:
        plan_quantities([QuantityChange(ListingRef("v", "p", "i"), 1, 0)], None)
    assert caught.value.field == "location_id"


# ---------------------------------------------------------------- badges


def test_a_badge_holds_only_what_may_be_shown() -> None:
    assert badge_json(BadgeFacts("in_stock")) == '{"state":"in_stock"}'
    day = date(2026, 12, 1)
    assert badge_json(BadgeFacts("restocking", None, day, day)) == (
        '{"state":"restocking","restock_on":"2026-12-01","restock_until":"2026-12-01"}'
    )


def test_a_badge_for_a_variant_that_is_gone_does_not_hide_its_neighbours(
    shop: Shop, server: ShopifyServer
) -> None:
    store = connected(server)
    gone = ListingRef(gid("ProductVariant", 1), "p", "i")
    wanted = [BadgeChange(one, BadgeFacts("out_of_stock")) for one in (ref(shop, "A"), gone)]
    (request,) = store.plan_badges(wanted)
    assert [(one.status, one.reason) for one in store.send(request, "key")] == [
        ("retry", "Owner does not exist."),
        ("not_found", "Owner does not exist."),
    ]
    assert shop.by_sku("A")[0].meta == {}


def test_an_operation_nobody_planned_is_rejected(server: ShopifyServer) -> None:
    with pytest.raises(Rejected):
        connected(server).send(FrozenRequest("prices", {}, ()), "key")
    assert server.calls == {}


def test_a_write_without_points_is_limited_and_writes_nothing(shop: Shop) -> None:
    with serve(shop, restore_rate=1) as server:
        server.bucket.empty()
        with pytest.raises(RateLimited) as caught:
            send(connected(server), [QuantityChange(ref(shop, "A"), 9, 5)])
        assert 9.0 <= caught.value.retry_after_s <= 10.0
        assert shop.by_sku("A")[0].stock == 5
