"""A location of the merchant's own store, read as their own stock and never written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.suppliers.store_location.stock import StoreLocation
from connector.delivery import reconcile
from connector.intake import runs, sources
from connector.ports.errors import Misconfigured
from connector.ports.stores import ListingRef, Location, StoreListing
from simulator.shopify import SimLocation, gid
from tests.delivery.conftest import Scene

MAIN, COUNTER = gid("Location", 5001), gid("Location", 5002)
RULES = {
    "lead_time_days": None,
    "max_age_hours": None,
    "handover_hours": 0,
    "missing_policy": "keep",
}


class _Store:
    """A store as far as this adapter asks it."""

    class capabilities:
        has_locations = True

    def locations(self) -> list[Location]:
        return [Location("a", "Main", True), Location("b", "Counter", True, sells_online=False)]

    def catalog(self, changed_since: object, location_ids: tuple[str, ...]) -> list[list[StoreListing]]:
        assert location_ids == ("b",)
        return [
            [_listing("1", 4), _listing("2", -1), _listing("3", None), _listing("4", None, tracked=False)]
        ]


def _listing(external_id: str, available: int | None, *, tracked: bool = True) -> StoreListing:
    ref = ListingRef(external_id, external_id, external_id, "b")
    return StoreListing(
        ref, f"SKU-{external_id}", "", "Vase", "", "", "", None, available, tracked, is_published=True
    )


def test_what_is_there_counts_what_is_not_stocked_is_none_and_what_is_not_tracked_is_not_known() -> None:
    api = StoreLocation(_Store, "7", "b")  # type: ignore[arg-type]

    found = [json.loads(row.line()) for row in api.rows()]

    assert [(one["supplier_sku"], one["sku"], one["quantity"]) for one in found] == [
        ("1", "SKU-1", "4"),
        ("2", "SKU-2", "0"),
        ("3", "SKU-3", "0"),
        ("4", "SKU-4", ""),
    ]


def test_it_learns_whether_the_store_sells_what_is_there() -> None:
    api = StoreLocation(_Store, "7", "b")  # type: ignore[arg-type]
    assert (api.learnt(), api.check()) == ({}, "The store has the location “Counter”.")
    assert api.learnt() == {"sells_online": "no", "location_name": "Counter"}

    with pytest.raises(Misconfigured, match=r"It has: Main \(a\), Counter \(b\)") as caught:
        StoreLocation(_Store, "7", "c").check()  # type: ignore[arg-type]
    assert caught.value.field == "reads_location"


def _connect(scene: Scene, place: str) -> int:
    return sources.connect(
        scene.rt,
        scene.merchant_id,
        "store_location",
        "Our counter",
        {"reads_store": str(scene.store_id), "reads_location": place},
        {},
        3600,
        RULES,
    )


def test_own_stock_at_a_location_that_sells_is_sold_once(
    shopify: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = shopify
    scene.server.levels.locations[5002] = SimLocation(5002, "Counter")
    scene.world.execute(
        "update connection set config = config || jsonb_build_object('location_id', cast(:l as text))"
        " where id = :c",
        l=MAIN,
        c=scene.store_id,
    )
    item = scene.shop.by_sku("A-1")[0]
    item.platform["levels"] = {"5002": 4}
    scene.supply(A_1=10)
    scene.deliver()
    assert item.stock == 10

    # What Dispo writes itself is nobody's own stock.
    with pytest.raises(Misconfigured, match="would read its own numbers"):
        _connect(scene, MAIN)

    source = _connect(scene, COUNTER)
    ended = runs.run(scene.rt, scene.merchant_id, source, trigger="hand")

    assert ended.status == "applied"
    position = scene.world.position(scene.variant("A-1"))
    assert position.available == 14
    scene.deliver()
    # The store adds its own four: ten more are written, not fourteen.
    assert (item.stock, scene.server.levels.get(item, 5002)) == (10, 4)
    with scene.rt.engine.connect() as db:
        kind, row = db.execute(
            sa.text("""
                select s.kind, (l.location_id, l.is_counted_there)::text
                  from source s join store_location_source l on l.source_id = s.id
            """)
        ).one()
    assert (kind, row) == ("own", f"({COUNTER},t)")

    # Sold out at the supplier: nothing is written, and the badge stays true to what the store has.
    scene.supply(A_1=0)
    scene.deliver()
    assert (item.stock, scene.listing("A-1").wanted_state) == (0, "in_stock")
    reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)
    assert scene.listing("A-1").wanted_available == 0
