"""What a store says is on its way reaches the badge as a date, changes with it and leaves with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.stores.shopify.incoming import SCOPES
from connector.accounts import schedule
from connector.delivery.grants import look_at_grants
from connector.delivery.incoming import EVERY_S, KIND, follow_incoming, read_incoming
from connector.delivery.webhooks import _apply
from connector.ports.errors import PortError
from connector.ports.stores import StoreHint
from simulator.shopify.transfers import SimShipment
from tests.delivery.conftest import Scene


@pytest.fixture
def scene(shopify: Scene) -> Scene:
    """A shop that grants what is on its way, and sold A-1 out."""
    shopify.server.grant(*SCOPES)
    look_at_grants(shopify.rt, shopify.merchant_id, shopify.store_id)
    shopify.supply(A_1=0)
    shopify.deliver()
    return shopify


def ship(scene: Scene, sku: str, units: int, arrives_at: datetime | None) -> SimShipment:
    shipment: SimShipment = scene.server.transfers.ship({scene.shop.by_sku(sku)[0].id: units}, arrives_at)
    return shipment


def read(scene: Scene) -> int:
    return read_incoming(scene.rt, scene.merchant_id, scene.store_id)


def badge(scene: Scene, sku: str) -> dict[str, Any]:
    found: dict[str, Any] = scene.shop.by_sku(sku)[0].meta["$app.availability"]
    return found


def scheduled(scene: Scene) -> list[int]:
    with scene.rt.engine.connect() as db:
        return list(
            db.execute(
                sa.text("select every_s from schedule where kind = :k and subject_id = :c"),
                {"k": KIND, "c": scene.store_id},
            ).scalars()
        )


def test_a_shipment_dates_the_badge_until_it_is_called_off(scene: Scene) -> None:
    assert badge(scene, "A-1") == {"state": "out_of_stock"}
    day = scene.rt.now() + timedelta(days=4)
    shipment = ship(scene, "A-1", 20, day)

    assert read(scene) == 1
    scene.deliver()
    on = day.date().isoformat()
    assert badge(scene, "A-1") == {"state": "restocking", "restock_on": on, "restock_until": on}

    later = day + timedelta(days=3)
    scene.server.transfers.expect(shipment, later)
    read(scene)
    scene.deliver()
    assert badge(scene, "A-1")["restock_on"] == later.date().isoformat()

    scene.server.transfers.cancel(scene.server.transfers.all[shipment.transfer_id])
    assert read(scene) == 0
    scene.deliver()
    assert badge(scene, "A-1") == {"state": "out_of_stock"}


def test_what_does_not_reach_the_buffer_is_no_restock(scene: Scene) -> None:
    scene.world.execute("update merchant set buffer_units = 5 where id = :m")
    ship(scene, "A-1", 5, scene.rt.now() + timedelta(days=4))
    read(scene)
    scene.deliver()
    assert badge(scene, "A-1") == {"state": "out_of_stock"}


def test_reading_again_without_news_writes_nothing(scene: Scene) -> None:
    ship(scene, "A-1", 20, scene.rt.now() + timedelta(days=4))
    read(scene)
    scene.deliver()
    written = scene.server.metafields_written
    read(scene)
    assert scene.deliver() == []
    assert scene.server.metafields_written == written


def test_a_permission_that_is_withdrawn_takes_the_dates_along(scene: Scene) -> None:
    """Found out by the reading itself, before anybody told us."""
    ship(scene, "A-1", 20, scene.rt.now() + timedelta(days=4))
    read(scene)
    scene.deliver()
    scene.server.withdraw(SCOPES[0])

    assert read(scene) == 0
    scene.deliver()
    assert badge(scene, "A-1") == {"state": "out_of_stock"}


def test_a_store_that_does_not_answer_keeps_its_dates_for_now(scene: Scene) -> None:
    ship(scene, "A-1", 20, scene.rt.now() + timedelta(days=4))
    read(scene)
    scene.server.dials.maintenance = True
    with pytest.raises(PortError):
        read(scene)
    scene.server.dials.maintenance = False
    scene.deliver()
    assert badge(scene, "A-1")["state"] == "restocking"


def test_it_is_read_regularly_where_the_store_tells_it_and_nowhere_else(scene: Scene) -> None:
    given = (scene.rt, scene.merchant_id, scene.store_id)
    assert (follow_incoming(*given), scheduled(scene)) == (True, [EVERY_S])
    ship(scene, "A-1", 20, scene.rt.now() + timedelta(days=4))
    read(scene)
    scene.server.withdraw(*SCOPES)
    look_at_grants(*given)
    assert (follow_incoming(*given), scheduled(scene)) == (False, [])
    scene.deliver()
    assert badge(scene, "A-1") == {"state": "out_of_stock"}


def test_other_platforms_are_not_asked(woo: Scene) -> None:
    given = (woo.rt, woo.merchant_id, woo.store_id)
    before = sum(woo.server.calls.values())
    assert look_at_grants(*given) is False
    assert sum(woo.server.calls.values()) == before
    assert (follow_incoming(*given), read_incoming(*given), scheduled(woo)) == (False, 0, [])


def test_a_notice_brings_the_reading_forward(scene: Scene) -> None:
    follow_incoming(scene.rt, scene.merchant_id, scene.store_id)
    with scene.rt.engine.begin() as db:
        (due,) = schedule.due(db, [KIND], 10)
    run = schedule.claim(scene.rt.engine, scene.merchant_id, due.schedule_id, 60)
    assert run is not None
    schedule.record(scene.rt.engine, run)
    with scene.rt.engine.begin() as db:
        assert schedule.due(db, [KIND], 10) == []
        said = _apply(db, scene.merchant_id, scene.store_id, StoreHint("incoming"), set(), set())
        assert said == "incoming: shipments are read"
        assert [one.kind for one in schedule.due(db, [KIND], 10)] == [KIND]
