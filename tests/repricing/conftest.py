"""A merchant with one store whose prices are kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.store_hand import Tally
from connector.ports.errors import OutcomeUnknown
from connector.ports.prices import PriceResult, PriceSet, StorePrice
from connector.ports.stores import ListingRef
from connector.positions.prices import checked_says, read_book, save_rule
from connector.repricing import choices, facts, work
from tests.builders import NOW, World


@dataclass
class FakeStore:
    """Prices by external id; `refuses` names items that are turned away, `loses` how many answers get lost."""

    prices: dict[str, StorePrice] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    loses: int = 0
    calls: list[list[tuple[str, int, int | None]]] = field(default_factory=list)
    capabilities: Any = field(default_factory=lambda: SimpleNamespace(price_batch_size=100))

    def read_prices(self, refs: Sequence[ListingRef]) -> Mapping[str, StorePrice]:
        return {
            one.external_id: self.prices[one.external_id] for one in refs if one.external_id in self.prices
        }

    def set_prices(self, changes: Sequence[PriceSet]) -> list[PriceResult]:
        self.calls.append(
            [(one.ref.external_id, one.price.price_minor, one.price.was_minor) for one in changes]
        )
        results = []
        for one in changes:
            if one.ref.external_id in self.refuses:
                results.append(PriceResult(one.ref, "rejected", "The shop says no."))
                continue
            self.prices[one.ref.external_id] = one.price
            results.append(PriceResult(one.ref, "done"))
        if self.loses:
            self.loses -= 1
            raise OutcomeUnknown("fake", "prices", "The answer did not come.")
        return results


class Scene:
    """`rt` is what the room needs of the running installation."""

    def __init__(self, engine: sa.Engine) -> None:
        self.world = World(engine)
        self.store_id = self.world.store()
        self.shop = FakeStore()
        self.at = NOW
        self.engine = engine
        self.m = self.world.merchant_id

    def now(self) -> datetime:
        return self.at

    def store(self, merchant_id: int, connection_id: int) -> Any:
        return self.shop

    def item(self, sku: str, price: int, cost: str, **fields: Any) -> int:
        """A managed listing of one variant with 5 in stock; returns the variant."""
        world = self.world
        variant, source = world.variant(sku), world.source()
        world.observe(source, variant, 5, cost=Decimal(cost))
        listing = world.listing(
            self.store_id, variant, 5, price_minor=price, is_managed=True, external_id=sku, **fields
        )
        self.shop.prices[sku] = StorePrice(price)
        world.decide(variant)
        assert listing
        return variant

    def rule(self, **given: str) -> None:
        with transaction(self.engine) as db:
            save_rule(db, self.m, "merchant", "", checked_says("merchant", given), "test", NOW)

    def plan(self) -> Any:
        with self.engine.connect() as db:
            return facts.plan_of(db, self.m, self.store_id, read_book(db, self.m))

    def approve(self, *, far: bool = False, was: bool = False) -> bool:
        seen = self.plan().digest
        with transaction(self.engine) as db:
            return choices.approve(
                db, self.m, self.store_id, seen, allows_far=far, shows_was=was, actor="test", now=self.at
            )

    def look(self) -> Tally:
        return work.look(self, self.m, self.store_id)  # type: ignore[arg-type]

    def steps(self) -> dict[str, int]:
        with self.engine.connect() as db:
            return facts.counts_of(db, self.m, self.store_id)

    def state(self) -> Any:
        with self.engine.connect() as db:
            return facts.writing_of(db, self.m, self.store_id)

    def paid(self) -> dict[str, int]:
        return {sku: price.price_minor for sku, price in self.shop.prices.items()}


@pytest.fixture
def scene(engine: sa.Engine) -> Scene:
    return Scene(engine)
