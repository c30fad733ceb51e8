"""Prices against the database: whose cost counts, which rule, what sells below its floor, the lowest of 30 days."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from connector.ports.errors import Misconfigured
from connector.positions.price_history import Lowest, lowest_30d, note_prices
from connector.positions.prices import checked_says, count_below, judged, read_book, save_rule, summary
from tests.builders import NOW, World

D = Decimal


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def rule(world: World, level: str = "merchant", subject: str = "", **given: str) -> None:
    with world.engine.begin() as db:
        save_rule(db, world.merchant_id, level, subject, checked_says(level, given, [7]), "test", NOW)


def item(world: World, sku: str, store: int, price: int, *costs: str, **fields: Any) -> tuple[int, list[int]]:
    """A listed variant with one source for each cost, all of them in stock."""
    variant = world.variant(sku, **fields)
    sources = []
    for cost in costs:
        source = world.source()
        world.observe(source, variant, 5, cost=D(cost))
        sources.append(source)
    world.listing(store, variant, 5, price_minor=price)
    world.decide(variant)
    return variant, sources


def all_of(world: World) -> list[Any]:
    with world.engine.connect() as db:
        return list(judged(db, world.merchant_id, read_book(db, world.merchant_id)))


def test_margin_and_floor_follow_the_dearest_cost_that_sells(world: World) -> None:
    store = world.store()
    _, sources = item(world, "A-1", store, 2400, "9.00", "10.00")
    rule(world, tax_included="1", tax_percent="20", floor_percent="55")

    (one,) = all_of(world)

    assert (one.price, one.cost, one.source_id) == (D("24.00"), D(10), sources[1])
    assert (one.margin.amount, one.margin.percent) == (D(10), D(50))
    assert (one.floor, one.is_below) == (D("26.67"), True)
    with world.engine.connect() as db:
        assert 1 == count_below(db, world.merchant_id)
    # A changed cost is a changed margin, without anything else being done.
    world.execute("update observation set cost = 6 where merchant_id = :m and source_id = :s", s=sources[1])
    (one,) = all_of(world)
    assert (one.cost, one.is_below) == (D("9.0000"), False)


def test_a_pack_costs_as_much_as_its_pieces(world: World) -> None:
    variant, source = world.variant("A-1"), world.source()
    world.observe(source, variant, 30, per_variant=6, cost=D("1.50"))
    world.listing(world.store(), variant, 5, price_minor=2000)
    world.decide(variant)
    (one,) = all_of(world)
    assert one.cost == D(9)


def test_the_nearest_rule_wins(world: World) -> None:
    store = world.store()
    by_sku, _ = item(world, "A-1", store, 1000, "10.00", collections=["Lamps"])
    by_collection, _ = item(world, "A-2", store, 1000, "10.00", collections=["Vases", "Lamps"])
    by_supplier, (source,) = item(world, "A-3", store, 1000, "10.00")
    by_default, _ = item(world, "A-4", store, 1000, "10.00")
    rule(world, markup_percent="10", rounding="0.99")
    rule(world, "supplier", str(source), markup_percent="20")
    rule(world, "collection", "lamps", markup_percent="30")
    rule(world, "sku", str(by_sku), markup_percent="40", rounding="none")

    assert {
        by_sku: D("14.00"),
        by_collection: D("12.99"),
        by_supplier: D("11.99"),
        by_default: D("10.99"),
    } == {one.variant_id: one.proposal.price for one in all_of(world)}


def test_what_cannot_be_worked_out_is_said(world: World) -> None:
    item(world, "A-1", world.store(config={"currency": "CHF"}), 1000, "5.00")
    item(world, "A-2", world.store(), 1000)
    rule(world, floor_percent="90")

    assert ["currency", "no_cost"] == [one.problem for one in all_of(world)]
    assert [None, None] == [one.margin for one in all_of(world)]
    with world.engine.connect() as db:
        found = summary(db, world.merchant_id, read_book(db, world.merchant_id))
    assert (found.listings, found.below, found.currency, found.no_cost) == (2, 0, 1, 1)


def test_a_cost_in_another_currency_counts_at_the_rate_of_today(world: World) -> None:
    item(world, "A-1", world.store(config={"currency": "CHF"}), 1000, "5.00")
    rule(world, floor_percent="50")
    with world.engine.begin() as db:
        db.execute(
            sa.text("""insert into exchange_rate (merchant_id, base, currency, rate, valid_from, actor, changed_at)
                       values (:m, 'EUR', 'CHF', 0.8, current_date - 1, 'me', now()),
                              (:m, 'EUR', 'CHF', 2, current_date + 1, 'me', now())"""),
            {"m": world.merchant_id},
        )
    (found,) = all_of(world)
    # 5 euros are 6.25 francs, and half of the price is to be margin.
    assert (found.problem, found.cost, found.floor, found.rate) == (
        "",
        Decimal("6.25"),
        Decimal("12.50"),
        Decimal("1.25"),
    )
    assert found.is_below


@pytest.mark.parametrize("place", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_day_of_a_rate_is_that_of_the_merchants_place(world: World, place: str) -> None:
    # At any hour one of the two places has another day than the database's clock.
    item(world, "A-1", world.store(config={"currency": "CHF"}), 1000, "5.00")
    world.execute("update merchant set timezone = :tz where id = :m", tz=place)
    world.execute(
        "insert into exchange_rate (merchant_id, base, currency, rate, valid_from, actor, changed_at)"
        " select :m, 'EUR', 'CHF', n.rate, cast(now() at time zone :tz as date) + n.days, 'me', now()"
        " from (values (4, -1), (2, 0), (1, 1)) as n(rate, days)",
        tz=place,
    )
    assert [D("2.5")] == [one.cost for one in all_of(world)]


def test_a_preview_counts_and_shows_the_largest_changes_first(world: World) -> None:
    store = world.store()
    for number, price in enumerate((1500, 1400, 1000)):
        item(world, f"A-{number}", store, price, "10.00")
    with world.engine.connect() as db:
        book = read_book(db, world.merchant_id)
        draft = book.with_rule("merchant", "", {"markup_percent": "50", "most_change_percent": "20"})
        found = summary(db, world.merchant_id, draft)
    assert (found.listings, found.changes, found.held) == (3, 2, 1)
    assert [("A-2", "held"), ("A-1", "change")] == [(one.sku, one.proposal.state) for one in found.largest]


@pytest.mark.parametrize(
    ("level", "given", "field"),
    [
        pytest.param("merchant", {"floor_percent": "100"}, "floor_percent", id="no price has this margin"),
        pytest.param("sku", {"markup_percent": "a lot"}, "markup_percent", id="no number"),
        pytest.param("sku", {"rounding": "0.37"}, "rounding", id="no rounding"),
        pytest.param("sku", {"floor_amount": "-1"}, "floor_amount", id="negative"),
        pytest.param("sku", {"markup_amount": "NaN"}, "markup_amount", id="not a number"),
        pytest.param("merchant", {"tax_percent": "101"}, "tax_percent", id="tax"),
        pytest.param("merchant", {"cost_currency7": "EURO"}, "cost_currency7", id="currency"),
    ],
)
def test_wrong_rules_are_refused_by_name(level: str, given: dict[str, str], field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        checked_says(level, given, [7])
    assert field == caught.value.field


def test_the_lowest_of_thirty_days_counts_the_price_they_began_with(world: World) -> None:
    store = world.store()
    variant = world.variant("A-1")
    listing = world.listing(store, variant, 1, price_minor=1500, external_id="9")

    def seen(price: int, days_ago: float) -> int:
        world.execute("update listing set price_minor = :p where merchant_id = :m", p=price)
        with world.engine.begin() as db:
            return note_prices(db, world.merchant_id, store, ["9"], NOW - timedelta(days=days_ago))

    def lowest(days_ago: float = 0) -> Any:
        with world.engine.connect() as db:
            return lowest_30d(db, world.merchant_id, [listing], NOW - timedelta(days=days_ago)).get(listing)

    assert [seen(1100, 60), seen(1100, 50), seen(1300, 40), seen(1500, 20), seen(1400, 10)] == [1, 0, 1, 1, 1]

    # 1,300 still held when the thirty days began; 1,100 was over by then.
    assert Lowest(1300, True) == lowest()
    assert Lowest(1100, True) == lowest(15)
    # Twenty days after the first price was seen nobody knows the thirty before.
    assert Lowest(1100, False) == lowest(40)
    assert lowest(61) is None
