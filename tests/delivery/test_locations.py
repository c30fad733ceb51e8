"""Choosing the written locations of a store: what is refused, what it would do, and the numbers that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from connector.availability.locations import Feeds
from connector.db import transaction
from connector.delivery import locations, reconcile
from connector.delivery.locations import LocationsRefused, Plan, Present, Reader
from connector.ports.stores import Location
from connector.positions.decide import Cause, decide
from simulator.shopify import gid
from tests.delivery.conftest import Scene

KNOWN = [
    Location("a", "Main", True),
    Location("b", "Shop floor", True),
    Location("c", "Courier's depot", False),
    Location("d", "Counter", True),
]
NOW = Present(Feeds(("a",)), False, {}, {1: "Warehouse", 2: "Wholesaler", 3: "Counter's stock"}, readers={})
READ = replace(NOW, readers={3: Reader(3, "d", sells_online=True)})


def test_a_choice_names_only_what_differs_from_the_default() -> None:
    made = locations.plan(NOW, KNOWN, ["a", "b"], [(1, "a"), (2, "b"), (3, None)])

    assert made == Plan((("a", "Main"), ("b", "Shop floor")), Feeds(("a", "b"), {2: "b", 3: None}))


@pytest.mark.parametrize(
    ("now", "written", "pairs", "code", "words"),
    [
        pytest.param(NOW, [], [], "none", "at least one", id="no location"),
        pytest.param(NOW, ["x"], [], "unknown", "no location x", id="a location the store does not have"),
        pytest.param(NOW, ["c"], [], "closed", "“Courier's depot” is closed", id="a closed one"),
        pytest.param(NOW, ["a"], [(9, "a")], "source", "no source 9", id="a stranger's source"),
        pytest.param(
            NOW, ["a"], [(1, "b")], "target", "cannot feed “Shop floor”, which is not", id="not written"
        ),
        pytest.param(
            NOW,
            ["a", "b"],
            [(2, "a"), (2, "b")],
            "twice",
            "“Wholesaler” cannot feed both “Main” and “Shop floor”",
            id="fed to two",
        ),
        pytest.param(
            READ, ["a", "d"], [], "read", "“Counter” is where “Counter's stock”", id="read and written"
        ),
        pytest.param(READ, ["a"], [(3, "a")], "counted", "it would be sold twice", id="counted twice"),
    ],
)
def test_a_choice_that_would_lie_is_refused_with_its_reason(
    now: Present, written: list[str], pairs: list[tuple[int, str | None]], code: str, words: str
) -> None:
    with pytest.raises(LocationsRefused) as caught:
        locations.plan(now, KNOWN, written, pairs)
    assert (caught.value.code, words in str(caught.value)) == (code, True)


def test_what_the_store_sells_by_itself_feeds_none_of_its_locations() -> None:
    made = locations.plan(READ, KNOWN, ["a"], [(3, None)])

    assert made.feeds == Feeds(("a",), {3: "d"}, frozenset({3}))


MAIN, FLOOR = gid("Location", 5001), gid("Location", 5002)
SCOPES = ("read_merchant_managed_fulfillment_orders",)


def _choose(scene: Scene, places: list[str], feeds: dict[int, str | None], *, leaves: bool = False) -> None:
    rt = scene.rt
    store = rt.store(scene.merchant_id, scene.store_id)
    with transaction(rt.engine) as db:
        now = locations.present(db, scene.merchant_id, scene.store_id)
        wanted = locations.plan(now, store.locations(), places, feeds.items())
        ids = locations.keep(
            db,
            scene.merchant_id,
            scene.store_id,
            wanted,
            leaves_numbers=leaves,
            actor="test",
            now=rt.now(),
        )
    decide(rt.engine, scene.merchant_id, ids, now=rt.now(), cause=Cause("rule"))


def _converge(scene: Scene) -> list[str]:
    reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
    reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
    return scene.deliver()


def _levels(scene: Scene, sku: str) -> tuple[int, int]:
    item = scene.shop.by_sku(sku)[0]
    return scene.server.levels.get(item, 5001), scene.server.levels.get(item, 5002)


def test_two_locations_converge_follow_their_orders_and_are_given_up(shopify: Scene) -> None:
    scene, world = shopify, shopify.world
    scene.server.scopes = (*scene.server.scopes, *SCOPES)
    world.execute(
        'update connection set config = config || \'{"scopes": "' + ",".join(scene.server.scopes) + "\"}'"
        " where id = :c",
        c=scene.store_id,
    )
    item = scene.shop.by_sku("A-1")[0]
    item.platform["levels"] = {"5002": 3}
    scene.supply(A_1=8)
    wholesaler = world.source()
    variant = scene.variant("A-1")
    world.observe(wholesaler, variant, 5)
    world.decide(variant, at=scene.rt.now())
    _converge(scene)
    assert _levels(scene, "A-1") == (13, 3)

    # What it would do: the second location is not read yet.
    with scene.rt.engine.connect() as db:
        now = locations.present(db, scene.merchant_id, scene.store_id)
        known = scene.rt.store(scene.merchant_id, scene.store_id).locations()
        wanted = locations.plan(now, known, [MAIN, FLOOR], [(wholesaler, FLOOR)])
        seen = locations.preview(db, scene.merchant_id, scene.store_id, now, wanted)
    assert [(one.name, one.step, one.now_units, one.then_units, one.changed) for one in seen.places] == [
        ("Warehouse", "kept", 13, 8, 1),
        ("Shop floor", "new", None, 5, 1),
    ]

    _choose(scene, [MAIN, FLOOR], {wholesaler: FLOOR})
    assert _converge(scene) == []
    assert _levels(scene, "A-1") == (8, 5)
    # An item that is not stocked there is left alone, and its merchant told.
    with scene.rt.engine.connect() as db:
        problems = db.execute(
            sa.text(
                "select count(*) from listing where location_id = :f and problem like 'It is not stocked%'"
            ),
            {"f": FLOOR},
        ).scalar_one()
    assert problems == 6

    # A sale at the default location, then the parcel is sent from the other one.
    order = scene.shop.buy({item.id: 2})
    _converge(scene)
    assert _levels(scene, "A-1") == (6, 5)
    scene.server.fulfilment.move(order, order.lines[0], 5002)
    assert _levels(scene, "A-1") == (8, 3)
    _converge(scene)
    assert _levels(scene, "A-1") == (8, 3)
    assert world.position(variant).available == 11

    # Deactivated in the store: its items wait with a reason, the others go on.
    scene.server.levels.locations[5002] = replace(scene.server.levels.locations[5002], is_active=False)
    world.observe(scene.source_id, variant, 6)
    world.observe(wholesaler, variant, 4)
    world.decide(variant, at=scene.rt.now())
    scene.deliver()
    scene.wake()
    scene.deliver()
    assert _levels(scene, "A-1") == (6, 3)
    scene.server.levels.locations[5002] = replace(scene.server.levels.locations[5002], is_active=True)
    reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)
    scene.wake()
    scene.deliver()
    assert _levels(scene, "A-1") == (6, 2)

    # Given up while something stands there: refused, until nothing feeds it or the merchant says so.
    with pytest.raises(LocationsRefused, match="At “Shop floor” 2 units still stand"):
        _choose(scene, [MAIN], {})
    _choose(scene, [MAIN, FLOOR], {})
    _converge(scene)
    assert _levels(scene, "A-1") == (8, 0)
    _choose(scene, [MAIN], {})
    _converge(scene)
    assert _levels(scene, "A-1") == (8, 0)
    with scene.rt.engine.connect() as db:
        assert locations.present(db, scene.merchant_id, scene.store_id).is_chosen is False
        assert db.execute(sa.text("select count(*) from store_location")).scalar_one() == 0
