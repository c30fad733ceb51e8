"""A supplier's server dies and comes back: what the shop says meanwhile, on a clock that the test moves."""

from __future__ import annotations

import contextlib
import json

import sqlalchemy as sa

from connector.intake import runs, sources
from connector.ports.errors import PortError
from connector.positions.recheck import recheck
from simulator.supplier import FeedFaults, SupplierServer
from tests.delivery.conftest import Scene
from tests.support import ManualClock, forget_budgets

RULES = {"lead_time_days": None, "handover_hours": 0, "max_age_hours": None, "missing_policy": "keep"}


class Trade:
    """A shop that sells A-1 from `north` (3 there) while `south` (8 there) stands by; both are read every hour."""

    def __init__(
        self, scene: Scene, server: SupplierServer, clock: ManualClock, *, with_backup: bool = True
    ) -> None:
        self.scene, self.server, self.clock = scene, server, clock
        for name, quantity in (("north", 3), ("south", 8)):
            server.put(f"{name}.csv", f"SKU,Quantity\nA-1,{quantity}\n".encode())
        self.names = ("north", "south") if with_backup else ("north",)
        self.ids = [
            sources.connect_file(
                scene.rt, scene.merchant_id, name, {"url": server.address(f"{name}.csv")}, {}, 3600, RULES
            )
            for name in self.names
        ]
        scene.world.execute(
            "insert into stock_rule (merchant_id, level, subject, says, changed_at)"
            " values (:m, 'merchant', '', cast(:says as jsonb), now())",
            says=json.dumps({"strategy": "priority"}),
        )
        self.hour()

    def hour(self, count: int = 1) -> list[int | None]:
        """Hours go by; after each the suppliers are read and positions looked at. What the shop says each time."""
        seen = []
        for _ in range(count):
            self.clock.advance(hours=1)
            forget_budgets(self.scene.rt.settings.redis_url)
            for source_id in self.ids:
                with contextlib.suppress(PortError):
                    runs.run(self.scene.rt, self.scene.merchant_id, source_id, trigger="test")
            recheck(self.scene.rt.engine, self.scene.merchant_id, now=self.clock.now())
            self.scene.deliver()
            seen.append(self.scene.stock("A-1"))
        return seen

    def movements(self) -> list[tuple[int, int]]:
        with self.scene.rt.engine.connect() as db:
            rows = db.execute(
                sa.text(
                    "select available_before, available_after from movement where merchant_id = :m order by id"
                ),
                {"m": self.scene.merchant_id},
            )
            return [(row[0], row[1]) for row in rows]


def test_the_backup_takes_over_in_the_shop_and_hands_back_after_a_stable_day(
    woo: Scene, clock: ManualClock
) -> None:
    with SupplierServer() as server:
        trade = Trade(woo, server, clock)
        assert 3 == woo.stock("A-1")
        before = len(trade.movements())

        server.feeds["north.csv"].faults = FeedFaults(status=503)
        assert [3, 3, 8] == trade.hour(3)

        server.feeds["north.csv"].faults = FeedFaults()
        back = trade.hour()
        clock.advance(hours=22)
        back += trade.hour(3)

        # It answered again in the first of these hours; more than 24 hours later it sells again, and keeps selling.
        assert [8, 8, 8, 3] == back
        assert [(3, 8), (8, 3)] == trade.movements()[before:]


def test_a_dead_supplier_empties_no_shop_without_a_backup(woo: Scene, clock: ManualClock) -> None:
    with SupplierServer() as server:
        trade = Trade(woo, server, clock, with_backup=False)
        server.feeds["north.csv"].faults = FeedFaults(status=503)

        assert [3] * 4 == trade.hour(4)
