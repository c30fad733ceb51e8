"""Several at once decide the same variants while facts change: nobody waits in a circle, the last facts win."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from random import Random

import sqlalchemy as sa

from connector.db import transaction
from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.decide import Cause, decide
from connector.positions.readings import NumberRead
from connector.positions.sales import record_numbers, record_orders
from tests.builders import NOW, World

ROUNDS = 50
VARIANTS = 8


class Town:
    """Eight variants with two suppliers each, listed in two stores."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.world = World(engine)
        self.stores = [self.world.store(), self.world.store()]
        self.sources = [self.world.source(), self.world.source()]
        self.variants = [self.world.variant(f"V-{n}") for n in range(VARIANTS)]
        self.listings: dict[int, list[int]] = {store: [] for store in self.stores}
        # Listings are made in the opposite order of their variants: whoever locks them by variant meets
        # somebody who locks them by id.
        for variant in reversed(self.variants):
            for store in self.stores:
                self.listings[store].append(
                    self.world.listing(store, variant, 100, external_id=f"e{variant}")
                )
        for variant in self.variants:
            for source in self.sources:
                self.world.observe(source, variant, 50)
        self.world.decide(*self.variants)

    def some(self, random: Random, among: list[int]) -> list[int]:
        return random.sample(among, random.randint(1, len(among)))

    def decide(self, variant_ids: list[int], kind: str) -> int:
        return decide(self.engine, self.world.merchant_id, variant_ids, now=NOW, cause=Cause(kind)).changed

    def supply(self, random: Random, _: int) -> None:
        """A supplier's file: other quantities, then decided."""
        chosen = self.some(random, self.variants)
        with transaction(self.engine) as db:
            db.execute(
                sa.text("""
                    update observation o set quantity = n.units
                      from unnest(cast(:keys as text[]), cast(:units as int[])) as n(key, units)
                     where o.merchant_id = :m and o.source_id = :s and o.item_key = n.key
                """),
                {
                    "m": self.world.merchant_id,
                    "s": random.choice(self.sources),
                    "keys": [f"item-{variant}" for variant in sorted(chosen)],
                    "units": [random.randint(0, 60) for _ in chosen],
                },
            )
        self.decide(chosen, "run")

    def order(self, random: Random, number: int) -> None:
        """A page of orders, the same one now and then."""
        store = random.choice(self.stores)
        page = [self._order(random, number % 20 + n) for n in range(3)]
        with transaction(self.engine) as db:
            touched = record_orders(db, self.world.merchant_id, store, page)
        self.decide(sorted(touched), "order")

    def look(self, random: Random, _: int) -> None:
        """The store's own numbers, some lower than we believed."""
        store = random.choice(self.stores)
        reads = [
            NumberRead(listing, random.randint(80, 100))
            for listing in self.some(random, self.listings[store])
        ]
        with transaction(self.engine) as db:
            learnt = record_numbers(db, self.world.merchant_id, store, reads, NOW)
        self.decide(sorted(learnt.variant_ids), "fall")

    def rule(self, random: Random, _: int) -> None:
        """The merchant's own rule for everything."""
        self.world.execute("update merchant set buffer_units = :b where id = :m", b=random.randint(0, 9))
        self.decide(self.variants, "rule")

    def _order(self, random: Random, number: int) -> StoreOrder:
        chosen = self.some(random, self.variants)
        return StoreOrder(
            order_id=f"o{number}",
            placed_at=NOW,
            updated_at=NOW + timedelta(seconds=random.randint(0, 60)),
            holds_stock=random.random() < 0.8,
            lines=tuple(StoreOrderLine(f"l{v}", f"e{v}", random.randint(1, 3)) for v in chosen),
        )


def test_many_deciders_end_on_the_last_facts_without_a_deadlock(engine: sa.Engine) -> None:
    town = Town(engine)
    errors: list[BaseException] = []

    def repeat(what: Callable[[Random, int], None], seed: int) -> None:
        random = Random(seed)
        try:
            for number in range(ROUNDS):
                what(random, number)
        except BaseException as error:  # whatever it is fails the test below
            errors.append(error)

    acts = [town.supply, town.supply, town.order, town.order, town.look, town.rule]
    threads = [threading.Thread(target=repeat, args=(act, seed)) for seed, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    # Whoever committed a fact last decided after it: deciding everything once more finds nothing to change.
    assert town.decide(town.variants, "repair") == 0
    with engine.connect() as db:
        apart = db.execute(
            sa.text("""
                select count(*) from listing l
                  join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
                 where l.wanted_available <> p.available or l.wanted_state <> p.state
            """)
        ).scalar_one()
        broken = db.execute(
            sa.text("""
                select count(*) from (
                    select available_before,
                           lag(available_after) over (partition by variant_id order by id) as before
                      from movement where merchant_id = :m) m
                 where before is not null and before <> available_before
            """),
            {"m": town.world.merchant_id},
        ).scalar_one()
    assert (apart, broken) == (0, 0)
