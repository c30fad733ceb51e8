"""Products sold out for long go to the end of a store's lists and come back, on every platform."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.installs import leave
from connector.outbox import messages
from connector.outbox.messages import Turn
from connector.placement import facts, rules, work
from connector.placement.policy import Rule
from connector.ports.errors import Misconfigured, OutcomeUnknown
from connector.positions.topics import PLACES
from tests.conformance.places import kept
from tests.delivery.conftest import Scene
from tests.support import ManualClock

DAYS = 14


def product(scene: Scene, sku: str) -> Any:
    return scene.shop.products[scene.shop.by_sku(sku)[0].product_id]


def place(scene: Scene, sku: str) -> dict[str, Any]:
    """What the shop's own database holds of the product's place; empty as it was delivered."""
    return kept(product(scene, sku))


def choose(scene: Scene, kind: str = "", *, days: int = DAYS, approve: bool = True) -> Rule:
    store = scene.rt.store(scene.merchant_id, scene.store_id)
    rule = rules.checked(store.place_kinds, kind or store.place_kinds[0], "Sold out", days)
    now = scene.rt.now()
    with transaction(scene.rt.engine) as db:
        rules.choose(db, scene.merchant_id, scene.store_id, rule, actor="test", now=now)
        if approve:
            assert rules.approve(db, scene.merchant_id, scene.store_id, actor="test", now=now)
    return rule


def switch_off(scene: Scene) -> bool:
    with transaction(scene.rt.engine) as db:
        return rules.switch_off(db, scene.merchant_id, scene.store_id, actor="test", now=scene.rt.now())


def look(scene: Scene) -> None:
    work.look(scene.rt, scene.merchant_id, scene.store_id)


def steps(scene: Scene) -> dict[str, int]:
    with scene.rt.engine.connect() as db:
        return facts.moved(db, scene.merchant_id, scene.store_id, 50)[0]


def changes(scene: Scene) -> list[dict[str, int]]:
    """What the audit log says was done, in order."""
    with scene.rt.engine.connect() as db:
        return list(
            db.execute(
                sa.text(
                    "select detail from audit_event where merchant_id = :m and action = 'places.change' order by id"
                ),
                {"m": scene.merchant_id},
            ).scalars()
        )


@pytest.fixture
def sold_out(scene: Scene, clock: ManualClock) -> Scene:
    """A-1 and the shirt are sold out since 15 days, A-2 since 5, A-3 sells."""
    scene.supply(A_1=10, A_2=10, V_S=10, V_L=10)
    scene.supply(A_1=0, A_3=4, V_S=0, V_L=0)
    scene.deliver()
    clock.advance(days=10)
    scene.supply(A_2=0)
    scene.deliver()
    clock.advance(days=5)
    return scene


def test_what_is_sold_out_for_long_goes_to_the_end_and_comes_back_when_it_sells(
    sold_out: Scene, clock: ManualClock
) -> None:
    scene = sold_out
    choose(scene)
    assert scene.deliver() == []
    assert {sku: bool(place(scene, sku)) for sku in ("A-1", "A-2", "A-3", "A-4", "V-S")} == {
        "A-1": True,
        "A-2": False,
        "A-3": False,
        "A-4": False,
        "V-S": True,
    }

    scene.supply(V_L=3)
    assert scene.deliver() == []

    # One variant is enough, and the others wait for their own.
    assert (place(scene, "V-S"), bool(place(scene, "A-1"))) == ({}, True)
    assert steps(scene) == {"placed": 1}

    clock.advance(days=10)
    look(scene)
    assert (bool(place(scene, "A-1")), bool(place(scene, "A-2"))) == (True, True)
    assert [(one["moved"], one["put_back"]) for one in changes(scene)] == [(2, 0), (0, 1), (1, 0)]


def test_every_kind_of_the_platform_comes_back_to_what_it_was(sold_out: Scene) -> None:
    scene = sold_out
    ours = product(scene, "A-1").platform
    ours.update(tags=["Gift"], menu_order=7, sort_order=-3, catalog_visibility="catalog")
    before = {name: ours[name] for name in ("tags", "menu_order", "sort_order", "catalog_visibility")}
    for kind in scene.rt.store(scene.merchant_id, scene.store_id).place_kinds:
        choose(scene, kind)
        scene.deliver()
        assert {name: ours[name] for name in before} != before

        assert switch_off(scene)
        scene.deliver()

        assert {name: ours[name] for name in before} == before
        assert steps(scene) == {}


def test_a_draft_changes_nothing_and_says_what_it_would(sold_out: Scene) -> None:
    scene = sold_out
    rule = choose(scene, approve=False)
    look(scene)
    with scene.rt.engine.connect() as db:
        count, shown = facts.preview(db, scene.merchant_id, scene.store_id, rule, scene.rt.now(), 10)
    assert (count, sorted((one.title.split(" ")[0], one.variants) for one in shown)) == (
        2,
        [("Shirt", 2), ("Vase", 1)],
    )
    assert {(scene.rt.now() - one.out_since).days for one in shown if one.out_since} == {15}
    assert [place(scene, sku) for sku in ("A-1", "V-S")] == [{}, {}]
    assert changes(scene) == []


def test_what_the_merchant_changed_since_stays_as_the_merchant_left_it(sold_out: Scene) -> None:
    scene = sold_out
    rule = choose(scene)
    scene.deliver()
    ours = product(scene, "A-1").platform
    by_hand = {
        "tag": ("tags", []),
        "last": ("menu_order", 5),
        "search_only": ("catalog_visibility", "hidden"),
    }
    name, value = by_hand[rule.kind]
    name = "sort_order" if "sort_order" in ours else name
    ours[name] = value

    scene.supply(A_1=6, V_S=6)
    scene.deliver()

    assert (ours[name], place(scene, "V-S")) == (value, {})
    assert changes(scene)[-1] == {"moved": 0, "put_back": 1, "left": 1, "refused": 0}


def test_what_stood_at_the_end_already_is_not_ours(sold_out: Scene) -> None:
    scene = sold_out
    kind = scene.rt.store(scene.merchant_id, scene.store_id).place_kinds[0]
    ours = product(scene, "A-1").platform
    ours.update(tags=["sold OUT"], sort_order=2_000_000, catalog_visibility="hidden")
    before = dict(ours)

    choose(scene, kind)
    scene.deliver()
    switch_off(scene)
    scene.deliver()

    assert dict(ours) == before


def test_a_lost_answer_is_finished_by_the_next_look(sold_out: Scene) -> None:
    scene = sold_out
    choose(scene)
    store: Any = scene.rt.store(scene.merchant_id, scene.store_id)
    real = store.set_places

    def lost(*given: Any) -> Any:
        real(*given)
        raise OutcomeUnknown("test", "the write", "No answer came.")

    store.set_places = lost
    assert "OutcomeUnknown" in scene.deliver(rounds=1)
    assert steps(scene) == {"placing": 2}
    store.set_places = real

    scene.wake()
    assert scene.deliver() == []

    assert steps(scene) == {"placed": 2}
    switch_off(scene)
    store.set_places = lost
    assert "OutcomeUnknown" in scene.deliver(rounds=1)
    assert steps(scene) == {"returning": 2}
    store.set_places = real
    scene.wake()
    assert scene.deliver() == []
    assert (steps(scene), place(scene, "A-1"), place(scene, "V-S")) == ({}, {}, {})


def test_a_death_before_the_call_moves_nothing_twice(sold_out: Scene) -> None:
    scene = sold_out
    choose(scene)
    store: Any = scene.rt.store(scene.merchant_id, scene.store_id)
    real = store.set_places

    def died(*given: Any) -> Any:
        raise KeyboardInterrupt

    store.set_places = died
    with pytest.raises(KeyboardInterrupt):
        scene.deliver(rounds=1)
    assert (steps(scene), place(scene, "A-1")) == ({"placing": 2}, {})
    store.set_places = real

    look(scene)

    assert (steps(scene), bool(place(scene, "A-1"))) == ({"placed": 2}, True)


def test_a_worker_stopped_for_longer_than_its_lease_moves_nothing(sold_out: Scene) -> None:
    scene = sold_out
    choose(scene)
    turn = Turn(scene.merchant_id, PLACES, scene.store_id)
    claimed = messages.claim(scene.rt.engine, turn, 10)
    assert claimed is not None
    with transaction(scene.rt.engine) as db:
        db.execute(sa.text("update outbox_turn set lease_until = clock_timestamp() - interval '1 second'"))
    asked = dict(scene.server.calls)

    with pytest.raises(messages.LeaseLost):
        work.work_places(scene.rt, claimed)

    assert ({}, {}, asked) == (steps(scene), place(scene, "A-1"), dict(scene.server.calls))


@pytest.mark.parametrize(
    "switch",
    [
        "update connection set is_writing_stopped = true where merchant_id = :m",
        "update connection set writing_approved_at = null where merchant_id = :m",
        "update connection set status = 'paused' where merchant_id = :m",
        "update merchant set is_frozen = true where id = :m",
    ],
)
def test_a_store_that_may_not_be_written_is_left_alone(woo: Scene, clock: ManualClock, switch: str) -> None:
    woo.supply(A_1=0)
    woo.deliver()
    clock.advance(days=DAYS + 1)
    choose(woo)
    woo.world.execute(switch)
    before = sum(woo.server.calls.values())

    look(woo)

    assert (place(woo, "A-1"), sum(woo.server.calls.values())) == ({}, before)


def test_many_at_once_wait_for_another_approval(
    woo: Scene, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_AT_ONCE", 1)
    woo.supply(A_1=5, A_2=5, V_S=5, V_L=5)
    choose(woo)
    woo.deliver()
    woo.supply(A_1=0, A_2=0)
    clock.advance(days=DAYS + 1)

    look(woo)

    with woo.rt.engine.connect() as db:
        found = facts.rule_of(db, woo.merchant_id, woo.store_id)
    assert found is not None
    assert (found.held, place(woo, "A-1")) == (2, {})

    with transaction(woo.rt.engine) as db:
        rules.approve(db, woo.merchant_id, woo.store_id, actor="test", now=woo.rt.now())
    woo.deliver()
    assert (bool(place(woo, "A-1")), bool(place(woo, "A-2"))) == (True, True)


def test_before_a_store_is_left_everything_is_put_back(sold_out: Scene) -> None:
    scene = sold_out
    choose(scene)
    scene.deliver()
    assert steps(scene) == {"placed": 2}

    assert work.put_all_back(scene.rt, scene.merchant_id, scene.store_id) == 2
    assert (place(scene, "A-1"), place(scene, "V-S"), steps(scene)) == ({}, {}, {})
    # Twice is once.
    assert work.put_all_back(scene.rt, scene.merchant_id, scene.store_id) == 0


def test_a_tag_the_key_may_not_make_is_told_and_pauses_nothing(woo: Scene, clock: ManualClock) -> None:
    woo.supply(A_1=0)
    woo.deliver()
    clock.advance(days=DAYS + 1)
    woo.server.tags.may_make = False
    choose(woo, "tag")

    assert woo.deliver() == []

    with woo.rt.engine.connect() as db:
        found = facts.rule_of(db, woo.merchant_id, woo.store_id)
        status = db.execute(
            sa.text("select status from connection where id = :c"), {"c": woo.store_id}
        ).scalar()
    assert found is not None
    assert "Make the tag yourself" in found.problem
    assert (status, place(woo, "A-1")) == ("active", {})

    # Somebody made it: the next look goes on by itself.
    woo.server.tags.names.add("Sold out")
    look(woo)
    assert place(woo, "A-1") == {"tags": ["Sold out"]}


def test_nothing_is_asked_of_a_store_where_nothing_stands_moved(woo: Scene) -> None:
    woo.supply(A_1=0)
    woo.world.forget_intents()
    woo.supply(A_1=5)
    assert "store.place" not in {topic for topic, _, _ in woo.world.pending()}


@pytest.mark.parametrize(
    ("kind", "tag", "days", "field"),
    [
        ("last", "", 14, "kind"),
        ("tag", "", 14, "tag"),
        ("tag", "a,b", 14, "tag"),
        ("tag", "<b>", 14, "tag"),
        ("tag", "x" * 61, 14, "tag"),
        ("tag", "Sold out", 0, "days_out"),
        ("tag", "Sold out", 731, "days_out"),
    ],
)
def test_an_impossible_rule_names_its_field(kind: str, tag: str, days: int, field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        rules.checked(("tag",), kind, tag, days)
    assert caught.value.field == field


def test_a_store_that_is_disconnected_gets_its_lists_back(sold_out: Scene) -> None:
    scene = sold_out
    choose(scene)
    scene.deliver()
    now = scene.rt.now()
    with transaction(scene.rt.engine) as db:
        assert leave.remains(db, scene.merchant_id, scene.store_id).products_moved == 2
        assert leave.disconnect(db, scene.merchant_id, scene.store_id, actor="owner", now=now)

    leave.left_behind(scene.rt, scene.merchant_id, scene.store_id, is_ours=True, tries=1)

    assert (place(scene, "A-1"), place(scene, "V-S"), steps(scene)) == ({}, {}, {})


def test_a_store_that_keeps_us_out_is_left_as_it_is_and_counted(woo: Scene, clock: ManualClock) -> None:
    woo.supply(A_1=10)
    woo.supply(A_1=0)
    woo.deliver()
    clock.advance(days=DAYS + 1)
    choose(woo)
    woo.deliver()
    woo.server.keyring.keys.clear()
    with transaction(woo.rt.engine) as db:
        leave.disconnect(db, woo.merchant_id, woo.store_id, actor="owner", now=woo.rt.now())

    leave.left_behind(woo.rt, woo.merchant_id, woo.store_id, is_ours=True, tries=1)

    with woo.rt.engine.connect() as db:
        told = db.execute(
            sa.text("select detail from audit_event where merchant_id = :m and action = 'store.left'"),
            {"m": woo.merchant_id},
        ).scalar_one()
    assert (told["products_moved"], bool(place(woo, "A-1"))) == (1, True)
