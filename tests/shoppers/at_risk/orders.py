"""Orders of the shop in tests, told as a store would tell them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.sales import record_orders
from tests.shoppers.world import World


def order(world: World, order_id: str, placed_at: datetime, units: int = 1, **rest: Any) -> None:
    """An order of mugs, as it is now: `shipped` units of it handed over, `holds` stock or not."""
    line = StoreOrderLine(f"{order_id}-1", "501", units, shipped=rest.get("shipped", 0))
    told = StoreOrder(
        order_id, placed_at, rest.get("updated_at", world.now()), rest.get("holds", True), (line,)
    )
    with world.engine.begin() as db:
        record_orders(db, world.merchant_id, world.connection_id, [told])


def promise(world: World, order_id: str, until_on: date, basis: str = "restock") -> None:
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into order_promise (merchant_id, connection_id, order_id, line_id, variant_id, from_on,
                                           until_on, basis, shown_at)
                values (:m, :c, :o, :l, :v, :on, :on, :b, :now)
            """),
            {"m": world.merchant_id, "c": world.connection_id, "o": order_id, "l": f"{order_id}-1",
             "v": world.variant_id, "on": until_on, "b": basis, "now": world.now()},
        )  # fmt: skip


def position(
    world: World, *, observed: int = 0, state: str = "restocking", restock_on: date | None = None
) -> None:
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                update position set state = :s, restock_on = :on, restock_until = :on,
                       why = jsonb_build_object('sources', jsonb_build_array(jsonb_build_object(
                           'source', 1, 'observed', cast(:n as int), 'per_variant', 1, 'units', cast(:n as int))))
                 where merchant_id = :m and variant_id = :v
            """),
            {"m": world.merchant_id, "v": world.variant_id, "s": state, "on": restock_on, "n": observed},
        )


def risks(world: World) -> list[Any]:
    with world.engine.connect() as db:
        return list(
            db.execute(
                sa.text("select * from order_risk where merchant_id = :m order by id"),
                {"m": world.merchant_id},
            )
        )
