"""A store that is only read is compared with what we would say, and the report holds what is known, no more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.delivery import shadow
from connector.delivery.approval import approve
from connector.delivery.reconcile import reconcile
from connector.delivery.shadow_report import Day, Followed, Found, Hidden, Oversold, report
from tests.builders import NOW, World
from tests.delivery.conftest import Scene
from tests.support import ManualClock


class Watched:
    """A store that somebody else writes, and a supplier; `at` is the minute since watching began."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.world = World(engine)
        self.store_id = self.world.store(writes=False)
        self.source_id = self.world.source(every_s=3600)
        self.at = 0
        self.goods: dict[str, tuple[int, int]] = {}

    def now(self) -> datetime:
        return NOW + timedelta(minutes=self.at)

    def good(self, sku: str, *, store: int, supplier: int, **fields: Any) -> None:
        variant_id = self.world.variant(sku)
        listing_id = self.world.listing(self.store_id, variant_id, store, sku=sku, price_minor=1000, **fields)
        self.goods[sku] = variant_id, listing_id
        self.supplies(sku, supplier)

    def supplies(self, sku: str, units: int) -> None:
        """The supplier was read and says this."""
        variant_id = self.goods[sku][0]
        self.world.observe(self.source_id, variant_id, units)
        self.world.execute("update source set as_of = :at where merchant_id = :m", at=self.now())
        self.world.decide(variant_id, at=self.now())

    def shows(self, sku: str, units: int) -> None:
        """The store was read and shows this."""
        self.world.execute(
            "update listing set believed_available = :u, confirmed_at = :at where merchant_id = :m and id = :l",
            u=units,
            at=self.now(),
            l=self.goods[sku][1],
        )

    def order(self, sku: str, units: int) -> None:
        self.world.execute(
            """
            with o as (insert into store_order (merchant_id, connection_id, external_id, placed_at, updated_at,
                                                holds_stock)
                       values (:m, :c, 'o' || :n, :at, :at, true) returning external_id)
            insert into store_order_line (merchant_id, connection_id, order_id, line_id, variant_id, external_id,
                                          units)
            select :m, :c, o.external_id, '1', :v, (select external_id from listing where id = :l), :u from o
            """,
            c=self.store_id,
            n=str(self.at),
            at=self.now(),
            v=self.goods[sku][0],
            l=self.goods[sku][1],
            u=units,
        )

    def reads_orders(self) -> None:
        self.world.execute("""update connection set cursors = '{"orders": "x"}' where merchant_id = :m""")

    def look(self) -> bool:
        return shadow.look(self, self.world.merchant_id, self.store_id)  # type: ignore[arg-type]

    def pass_minutes(self, minutes: int) -> None:
        """Time goes by, with the regular looks."""
        end = self.at + minutes
        while self.at < end:
            self.at = min(end, self.at + 15)
            self.look()

    def report(self, timezone: str = "UTC") -> Any:
        with self.engine.connect() as db:
            return report(db, self.world.merchant_id, self.store_id, timezone=timezone)

    def spans(self) -> list[Any]:
        with self.engine.connect() as db:
            return list(
                db.execute(
                    sa.text("""
                        select kind, began_by, ended_by,
                               extract(epoch from coalesce(ended_at, began_at) - began_at)::int / 60 as minutes
                          from shadow_span where merchant_id = :m order by id
                    """),
                    {"m": self.world.merchant_id},
                ).all()
            )


@pytest.fixture
def watched(engine: sa.Engine) -> Watched:
    return Watched(engine)


def test_watching_begins_by_itself_when_something_can_be_compared(watched: Watched) -> None:
    assert watched.look() is False
    assert watched.report() is None

    watched.good("A", store=3, supplier=3)

    assert watched.look() is True
    found = watched.report()
    assert (1, 0, False, None) == (found.compared, found.watched_s, found.has_figures, found.agreed)
    assert NOW + timedelta(hours=24) == found.ask_at


def test_how_long_to_watch_may_be_chosen_before_it_begins(watched: Watched) -> None:
    given = (watched.world.merchant_id, watched.store_id)
    with watched.engine.begin() as db:
        assert shadow.ask_again(db, *given, 72, actor="me", now=watched.now())
    watched.good("A", store=3, supplier=3)
    watched.at += 30
    watched.look()

    assert watched.now() + timedelta(hours=72) == watched.report().ask_at


def test_orders_on_what_the_supplier_has_not_are_counted_in_money(watched: Watched) -> None:
    watched.good("A", store=5, supplier=5)
    watched.good("B", store=5, supplier=5)
    watched.reads_orders()
    watched.look()
    watched.pass_minutes(60)
    watched.order("A", 1)  # while both said that it is in stock
    watched.at += 5
    watched.supplies("A", 0)
    watched.pass_minutes(120)
    watched.order("A", 2)
    watched.shows("A", 3)
    watched.pass_minutes(60)
    watched.shows("A", 0)
    watched.pass_minutes(60)

    found = watched.report()

    assert [("out", "ours", "store", 180)] == [tuple(row) for row in watched.spans()]
    assert Oversold(1, 180 * 60, orders=1, units=2, minor=2000) == found.out
    assert Followed(1, 180 * 60, 180 * 60) == found.theirs
    assert Hidden() == found.hidden
    assert 305 * 60 == found.watched_s
    assert round(1 - 180 / 610, 6) == round(found.agreed, 6)


def test_what_the_store_knew_first_is_not_held_against_it(watched: Watched) -> None:
    watched.good("A", store=0, supplier=0)
    watched.look()
    watched.pass_minutes(30)
    watched.shows("A", 4)
    watched.pass_minutes(30)
    assert (1, Oversold()) == (watched.report().unsettled, watched.report().out)

    watched.supplies("A", 4)
    watched.pass_minutes(30)

    found = watched.report()
    assert [("out", "store", "ours", 30)] == [tuple(row) for row in watched.spans()]
    assert (Oversold(), Followed(1, 1800, 1800), 0) == (found.out, found.ours, found.unsettled)


def test_what_outlasts_the_next_reading_of_the_supplier_counts(watched: Watched) -> None:
    watched.good("A", store=0, supplier=0)
    watched.look()
    watched.pass_minutes(15)
    watched.shows("A", 4)
    watched.pass_minutes(90)

    assert Oversold(1, 90 * 60) == watched.report().out


def test_hidden_stock_is_estimated_only_where_enough_was_ordered(watched: Watched) -> None:
    watched.world.execute("update source set every_s = 900 where merchant_id = :m")
    watched.good("A", store=9, supplier=9)
    watched.good("B", store=0, supplier=9)
    watched.reads_orders()
    watched.look()
    watched.pass_minutes(30)
    watched.order("A", 5)
    watched.pass_minutes(30)
    watched.shows("A", 0)
    watched.pass_minutes(60)

    # A sold 5 in 60 minutes and was hidden for as long; nothing is known of B.
    found = watched.report()
    assert Hidden(2, (60 + 120) * 60, estimated=1, lost_units=5, lost_minor=5000) == found.hidden
    assert ["B", "A"] == [one.sku for one in found.worst]


@pytest.mark.parametrize(
    ("store", "state", "is_published", "kind"),
    [
        (4, "out_of_stock", True, "out"),
        (4, "backorder", True, "more"),
        (4, "out_of_stock", False, "more"),
        (-2, "out_of_stock", True, ""),
    ],
    ids=["sells", "may be ordered later", "not published", "below zero"],
)
def test_only_what_can_be_bought_is_a_danger(
    watched: Watched, store: int, state: str, is_published: bool, kind: str
) -> None:
    watched.good("A", store=store, supplier=0, is_published=is_published)
    watched.world.execute("update listing set wanted_state = :s where merchant_id = :m", s=state)
    watched.look()

    assert [kind] * bool(kind) == [row.kind for row in watched.spans()]


def test_another_number_on_both_sides_is_neither_danger_nor_money(watched: Watched) -> None:
    watched.good("A", store=8, supplier=5)
    watched.look()
    watched.pass_minutes(60)

    found = watched.report()
    assert (Found(1, 3600), Oversold(), Hidden()) == (found.differs, found.out, found.hidden)
    assert 0.0 == found.agreed


def test_an_article_that_comes_later_did_not_make_anybody_late(watched: Watched) -> None:
    watched.good("A", store=3, supplier=3)
    watched.look()
    watched.at += 10
    watched.good("B", store=3, supplier=0)
    watched.pass_minutes(15)
    watched.shows("B", 0)
    watched.pass_minutes(15)

    assert [("out", "start", "store", 0)] == [tuple(row) for row in watched.spans()]
    assert Followed() == watched.report().theirs


def test_the_same_look_twice_changes_nothing(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    watched.look()
    watched.pass_minutes(15)
    before = watched.report()
    watched.look()

    assert before == watched.report()
    assert [("out", "start", "", 0)] == [tuple(row) for row in watched.spans()]


def test_time_in_which_nobody_looked_counts_for_nobody(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    watched.pass_minutes(60)
    watched.at += 600
    watched.look()
    watched.pass_minutes(30)

    found = watched.report()
    assert [("out", "start", "gap", 60), ("out", "start", "", 0)] == [tuple(row) for row in watched.spans()]
    assert (90 * 60, 600 * 60, 90 * 60) == (found.watched_s, found.longest_gap_s, found.out.seconds)


def test_a_number_that_is_in_doubt_is_not_judged(watched: Watched) -> None:
    watched.good("A", store=8, supplier=8)
    watched.look()
    watched.supplies("A", 0)
    watched.world.execute("update listing set confirmed_at = null where merchant_id = :m")
    watched.pass_minutes(15)
    assert [] == watched.spans()

    # It fell to 5 without an order: sold, or set by the present tool. Ours is lower because of it until the
    # supplier is read again.
    watched.shows("A", 5)
    watched.world.execute(
        """
        insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin)
        values (:m, :c, :v, :s, 3, :at, 'fall')
        """,
        c=watched.store_id,
        v=watched.goods["A"][0],
        s=watched.source_id,
        at=watched.now(),
    )
    watched.pass_minutes(15)
    assert [] == watched.spans()

    watched.supplies("A", 0)
    watched.pass_minutes(15)
    assert ["out"] == [row.kind for row in watched.spans()]


def test_falls_are_said_to_be_what_they_are(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    watched.pass_minutes(30)
    for units in (2, 6):
        watched.world.execute(
            """
            insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin)
            values (:m, :c, :v, :s, :u, :at, 'fall')
            """,
            c=watched.store_id, v=watched.goods["A"][0], s=watched.source_id, u=units, at=watched.now(),
        )  # fmt: skip
        watched.shows("A", 6 if units == 2 else 0)
        watched.at += 5
        watched.supplies("A", 0)
        watched.pass_minutes(30)

    # The second one is how the present tool set it to zero.
    assert Oversold(1, 65 * 60, fallen_units=2, fallen_minor=2000) == watched.report().out


def test_days_are_those_of_the_merchant(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    watched.pass_minutes(60)
    days = watched.report("Asia/Tokyo").days  # 12:00 UTC is 21:00 there

    assert [Day(NOW.date(), 3600, 0, 0, 0)] == days
    watched.at += 150  # without a look: a gap
    watched.look()
    watched.pass_minutes(15)
    assert [3600, 900] == [day.out_s for day in watched.report("Asia/Tokyo").days]


def test_approval_ends_the_watch_and_keeps_its_report(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    watched.pass_minutes(60)
    with watched.engine.begin() as db:
        approve(db, watched.world.merchant_id, watched.store_id, actor="me", now=watched.now())
    watched.at += 5

    assert watched.look() is False
    found = watched.report()
    assert (False, 3600, 3600) == (found.is_open, found.watched_s, found.out.seconds)
    assert ["stop"] == [row.ended_by for row in watched.spans()]


def test_a_merchant_asks_for_longer_stops_and_starts_anew(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    watched.pass_minutes(30)
    given = (watched.world.merchant_id, watched.store_id)
    with watched.engine.begin() as db:
        assert shadow.ask_again(db, *given, 72, actor="me", now=watched.now())
        with pytest.raises(ValueError, match="1 to 720 hours"):
            shadow.ask_again(db, *given, 0, actor="me", now=watched.now())
        assert not shadow.start(db, *given, actor="me", now=watched.now())
    assert watched.now() + timedelta(hours=72) == watched.report().ask_at

    with watched.engine.begin() as db:
        assert shadow.stop(db, *given, actor="me", now=watched.now())
        assert not shadow.stop(db, *given, actor="me", now=watched.now())
    assert watched.look() is False
    assert 1800 == watched.report().out.seconds

    with watched.engine.begin() as db:
        assert shadow.start(db, *given, actor="me", now=watched.now())
    watched.at += 1
    assert watched.look() is True
    assert (0, Oversold(1)) == (watched.report().watched_s, watched.report().out)


def test_a_stranger_sees_and_stops_nothing(watched: Watched) -> None:
    watched.good("A", store=8, supplier=0)
    watched.look()
    other = World(watched.engine).merchant_id
    with watched.engine.begin() as db:
        assert report(db, other, watched.store_id, timezone="UTC") is None
        assert not shadow.stop(db, other, watched.store_id, actor="me", now=watched.now())
        assert not shadow.ask_again(db, other, watched.store_id, 5, actor="me", now=watched.now())
    assert watched.report().is_open


def test_what_another_tool_writes_is_read_while_we_may_not_write(woo: Scene, clock: ManualClock) -> None:
    woo.world.execute("update connection set writing_approved_at = null where merchant_id = :m")
    woo.supply(A_1=10)
    reconcile(woo.rt, woo.merchant_id, woo.store_id)
    woo.shop.set_stock(woo.shop.by_sku("A-1")[0].id, 25, by="shop")
    clock.advance(minutes=5)
    reconcile(woo.rt, woo.merchant_id, woo.store_id)
    woo.deliver()
    clock.advance(minutes=5)
    reconcile(woo.rt, woo.merchant_id, woo.store_id)

    assert 25 == woo.listing("A-1").believed_available
    assert 25 == woo.stock("A-1"), "nothing was written"
    with woo.rt.engine.connect() as db:
        found = report(db, woo.merchant_id, woo.store_id, timezone="UTC")
    assert found is not None
    assert (600, 300, 1) == (found.watched_s, found.differs.seconds, found.differs.listings)
