"""Below its floor a product is not sold where the merchant chose that, and no wrong cost empties a shop."""

from __future__ import annotations

import pytest

from connector.db import transaction
from connector.outbox.messages import Claim, Turn, claim
from connector.positions.price_news import tell_prices
from connector.positions.topics import FLOORS, LOOK, PRICES
from connector.positions.why import explain
from connector.repricing import run_notes
from connector.repricing.floors import Floors, approve_stops, follow, look_at_floors, stop_state
from connector.repricing.work import work_prices
from tests.repricing.conftest import Scene


def floors(scene: Scene) -> Floors:
    return look_at_floors(scene, scene.m)  # type: ignore[arg-type]


def position(scene: Scene, variant: int) -> tuple[int, str]:
    row = scene.world.position(variant)
    return row.available, row.state


def test_a_product_below_its_floor_is_off_sale_until_its_margin_is_back(scene: Scene) -> None:
    good, bad = scene.item("A-1", 3000, "10.00"), scene.item("A-2", 1100, "10.00")
    scene.rule(floor_percent="20", below_floor="stop")

    assert Floors(stopped=1) == floors(scene)

    assert ((5, "in_stock"), (0, "out_of_stock")) == (position(scene, good), position(scene, bad))
    said = scene.world.position(bad).why["stopped"]
    assert ("11.00", "12.50", "10.0000") == (said["price"], said["floor"], said["cost"])
    assert Floors() == floors(scene)
    # What a supplier says meanwhile does not let it sell.
    scene.world.decide(bad)
    assert (0, "out_of_stock") == position(scene, bad)

    scene.world.execute("update observation set cost = 8 where merchant_id = :m")
    assert Floors(lifted=1) == floors(scene)
    assert (5, "in_stock") == position(scene, bad)
    assert "stopped" not in scene.world.position(bad).why


@pytest.mark.parametrize("said", [{}, {"below_floor": "alert"}])
def test_nothing_is_stopped_that_the_merchant_did_not_choose(scene: Scene, said: dict[str, str]) -> None:
    bad = scene.item("A-2", 1100, "10.00")
    scene.rule(floor_percent="20", **said)
    assert Floors() == floors(scene)
    assert (5, "in_stock") == position(scene, bad)


def test_a_rule_taken_back_lets_everything_sell(scene: Scene) -> None:
    bad = scene.item("A-2", 1100, "10.00")
    scene.rule(floor_percent="20", below_floor="stop")
    floors(scene)
    scene.rule(floor_percent="20")
    assert Floors(lifted=1) == floors(scene)
    assert (5, "in_stock") == position(scene, bad)


def test_a_wrong_cost_column_waits_for_the_merchant(scene: Scene) -> None:
    variants = [scene.item(f"A-{n}", 2000, "10.00") for n in range(12)]
    scene.rule(floor_percent="20", below_floor="stop")
    scene.world.execute("update observation set cost = 1000 where merchant_id = :m")

    assert Floors(held=12) == floors(scene)

    assert {(5, "in_stock")} == {position(scene, one) for one in variants}
    with transaction(scene.engine) as db:
        assert 12 == stop_state(db, scene.m).held
        assert 12 == approve_stops(db, scene.m, actor="test", now=scene.at)
        assert 0 == approve_stops(db, scene.m, actor="test", now=scene.at)
    assert Floors(stopped=12) == floors(scene)
    assert {(0, "out_of_stock")} == {position(scene, one) for one in variants}


def test_why_says_that_a_product_is_stopped_and_why(scene: Scene) -> None:
    scene.item("A-2", 1100, "10.00")
    scene.rule(floor_percent="20", below_floor="stop")
    floors(scene)
    with scene.engine.connect() as db:
        (found,) = explain(db, scene.m, "A-2")
    assert any("below its floor of 12.50" in line for line in found.lines())


def claimed(scene: Scene, connection_id: int = 0) -> Claim:
    found = claim(scene.engine, Turn(scene.m, PRICES, connection_id), 50, lease_s=240)
    assert found is not None
    return found


def pending(scene: Scene) -> set[tuple[str, int]]:
    with scene.engine.connect() as db:
        rows = db.exec_driver_sql(
            "select subject, connection_id from outbox_message where topic = 'store.price' and status = 'pending'"
        )
        return {(row.subject, row.connection_id) for row in rows}


def test_changed_costs_first_reach_the_stores_and_then_the_floors(scene: Scene) -> None:
    bad = scene.item("A-2", 1100, "10.00")
    with transaction(scene.engine) as db:
        assert not tell_prices(db, scene.m)
    scene.rule(floor_percent="20", below_floor="stop")
    scene.approve()
    scene.world.execute("delete from outbox_message where merchant_id = :m")
    with transaction(scene.engine) as db:
        assert tell_prices(db, scene.m)

    work_prices(scene, claimed(scene))  # type: ignore[arg-type]

    # The price may be lifted over its floor yet: nothing is off sale.
    assert {(LOOK, scene.store_id), (FLOORS, 0)} == pending(scene)
    assert (5, "in_stock") == position(scene, bad)
    work_prices(scene, claimed(scene, scene.store_id))  # type: ignore[arg-type]
    assert {"A-2": 1250} == scene.paid()
    assert Floors() == floors(scene)


def test_following_a_rule_looks_at_the_floors_and_every_hour(scene: Scene) -> None:
    scene.item("A-2", 1100, "10.00")
    scene.rule(floor_percent="20", below_floor="stop")
    with transaction(scene.engine) as db:
        follow(db, scene.m)
    assert {(FLOORS, 0)} == pending(scene)
    with scene.engine.connect() as db:
        kinds = db.exec_driver_sql("select kind, every_s from schedule where kind = 'positions.prices'").all()
    assert [("positions.prices", 3600)] == [tuple(row) for row in kinds]


def test_a_run_is_told_which_prices_its_costs_put_under_their_floor(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.item("A-2", 1100, "10.00")  # below before already
    scene.item("A-3", 3000, "10.00")
    scene.rule(floor_percent="20")
    scene.world.execute(
        "update observation set previous = jsonb_build_array('', '', '', 5, false, false, null, null, cost, 0, 0, 0,"
        " null, null), cost = 14, run_id = 77 where merchant_id = :m"
    )
    scene.world.execute(
        "insert into run (merchant_id, id, source_id, status, started_at) overriding system value"
        " select :m, 77, min(source_id), 'applied', now() from observation where merchant_id = :m"
    )
    scene.world.execute(
        "update supplier_item set source_id = (select source_id from run where id = 77 and merchant_id = :m)"
        " where merchant_id = :m"
    )
    scene.world.execute(
        "update observation set source_id = (select source_id from run where id = 77 and merchant_id = :m)"
        " where merchant_id = :m"
    )

    assert 1 == run_notes.note_run(scene.engine, scene.m, 77)
    assert 1 == run_notes.note_run(scene.engine, scene.m, 77)

    with scene.engine.connect() as db:
        assert (1, 0) == (run_notes.count_of(db, scene.m, 77), run_notes.count_of(db, scene.m, 78))
        (one,) = run_notes.listed(db, scene.m, 77)
    assert ("A-1", "15.00", "17.50", "14.0000", "10") == (
        one["sku"], one["price"], one["floor"], one["cost"], one["cost_before"]
    )  # fmt: skip
