"""The plan of a merchant stops only what is new, and is kept with what it was."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts import entitlements
from connector.accounts.entitlements import OverPlan, require
from connector.accounts.install_tables import Installation
from connector.accounts.plan_tables import StorePlan
from connector.catalog.management import manage
from connector.db import transaction
from connector.delivery.plans import take_waiting
from connector.plans import Catalogue, parse_catalogue
from connector.ports.entitlements import Subscription
from tests.builders import NOW, World

FILE = """
without_plan = "free"
[plans.free]
name = "Free"
suppliers = 1
[plans.pro]
name = "Pro"
suppliers = 2
"""


class Billed(World):
    """A merchant whose first store installed us and is billed by its platform."""

    def __init__(self, engine: sa.Engine, **limits: int) -> None:
        super().__init__(engine)
        self.store_id = self.install("first.example", limits)

    def install(self, shop: str, limits: dict[str, int] | None = None) -> int:
        connection_id = self.store(adapter="shopify")
        key: dict[str, Any] = {"merchant_id": self.merchant_id, "connection_id": connection_id}
        self._insert(
            Installation, **key, adapter="shopify", shop=f"{self.merchant_id}.{shop}", installed_at=NOW
        )
        given = {"state": "active", "plan": "pro", "allows": "Pro", "limits": limits or {}, "since": NOW}
        with transaction(self.engine) as db:
            db.execute(sa.insert(StorePlan.__table__).values(**key, **given))  # type: ignore[attr-defined]
        return connection_id

    def limit(self, **limits: int) -> None:
        self.execute(
            "update store_plan set limits = cast(:l as jsonb) where merchant_id = :m", l=json.dumps(limits)
        )

    def may(self, feature: Any, count: int = 1) -> bool:
        with transaction(self.engine) as db:
            try:
                require(db, self.merchant_id, feature, count)
            except OverPlan:
                return False
        return True

    def hear(self, catalogue: Catalogue | None, plan: str = "pro", at: datetime = NOW, **said: Any) -> bool:
        state = said.pop("state", "active")
        heard = Subscription(state, at, plan=plan, **said)
        with transaction(self.engine) as db:
            return entitlements.note_read(db, self.merchant_id, self.store_id, heard, catalogue)

    def plans(self) -> list[entitlements.PlanRow]:
        with self.engine.connect() as db:
            return entitlements.current(db, self.merchant_id)


def test_without_an_installed_shop_everything_is_allowed(engine: sa.Engine) -> None:
    world = World(engine)
    with transaction(engine) as db:
        require(db, world.merchant_id, "suppliers", 1_000)
        assert {} == entitlements.limits_of(db, world.merchant_id)
        assert entitlements.room(db, world.merchant_id, "listings") is None


def test_a_limit_counts_what_is_in_use_and_not_what_ended(engine: sa.Engine) -> None:
    world = Billed(engine, suppliers=2)
    assert (True, False) == (world.may("suppliers", 2), world.may("suppliers", 3))
    world.source()
    world.source()
    assert (False, True) == (world.may("suppliers"), world.may("stores", 50))
    world.execute(
        "update connection set status = 'ended' where merchant_id = :m and kind = 'supplier' and id ="
        " (select min(id) from connection where merchant_id = :m and kind = 'supplier')"
    )
    assert world.may("suppliers")


def test_of_several_shops_the_plan_that_allows_more_counts(engine: sa.Engine) -> None:
    world = Billed(engine, suppliers=0, stores=2)
    assert not world.may("suppliers")
    second = world.install("second.example", {"suppliers": 3})
    assert (True, False, True) == (
        world.may("suppliers", 3),
        world.may("suppliers", 4),
        world.may("stores", 9),
    )
    # A shop that left brings its plan along no more, nor does its going take anything from others.
    ended = "update installation set ended_at = now() where merchant_id = :m and connection_id = :c"
    world.execute(ended, c=second)
    assert not world.may("suppliers")


def test_the_limits_of_one_merchant_are_nobody_elses(engine: sa.Engine) -> None:
    limited, other = Billed(engine, suppliers=0), Billed(engine)
    assert (False, True) == (limited.may("suppliers"), other.may("suppliers"))
    with transaction(engine) as db:
        assert 0 == entitlements.seen(db, other.merchant_id, 10**9, NOW)
        assert [] == entitlements.history(db, other.merchant_id)


def test_two_at_the_same_time_do_not_take_the_last_place_together(engine: sa.Engine) -> None:
    world = Billed(engine, suppliers=1)
    outcomes: list[bool] = []
    first = engine.connect()
    begun = first.begin()
    require(first, world.merchant_id, "suppliers")
    other = threading.Thread(target=lambda: outcomes.append(world.may("suppliers")))
    other.start()
    first.execute(
        sa.text("""
            insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
            values (:m, 'supplier', 'file_feed', 'the last one', :key, now())
        """),
        {"m": world.merchant_id, "key": f"last-{world.merchant_id}"},
    )
    begun.commit()
    first.close()
    other.join(timeout=10)
    assert [False] == outcomes


def test_listings_wait_for_room_and_are_taken_in_order_when_there_is_some(engine: sa.Engine) -> None:
    world = Billed(engine, listings=2)
    source = world.source()
    variants = []
    for number in range(4):
        variant = world.variant(f"A-{number}")
        world.listing(world.store_id, variant, 5, is_managed=False, external_id=f"x{number}")
        world.observe(source, variant, 3)
        variants.append(variant)
    with transaction(engine) as db:
        assert set(variants[1:3]) == manage(db, world.merchant_id, variants[1:])
        assert set() == manage(db, world.merchant_id)
        assert 2 == entitlements.waiting_listings(db, world.merchant_id)
    world.limit(listings=3)

    class Running:
        """What `take_waiting` needs of an installation."""

        def __init__(self) -> None:
            self.engine = engine

        def now(self) -> datetime:
            return NOW

    assert 1 == take_waiting(Running(), world.merchant_id)  # type: ignore[arg-type]
    with engine.connect() as db:
        assert {"stores": 1, "suppliers": 1, "listings": 3} == entitlements.usage(db, world.merchant_id)
        # Smaller again: what is under management stays so.
        world.limit(listings=1)
        assert 0 == take_waiting(Running(), world.merchant_id)  # type: ignore[arg-type]
        assert 3 == entitlements.usage(db, world.merchant_id)["listings"]


def test_only_what_a_merchant_would_notice_is_a_change(engine: sa.Engine) -> None:
    world, file = Billed(engine), parse_catalogue(FILE)
    assert world.hear(file, price=Decimal("9.90"), currency="USD")
    later = NOW + timedelta(days=30)
    assert not world.hear(file, price=Decimal("9.9"), currency="USD", at=later, period_ends_at=later)
    (row,) = world.plans()
    assert (later, later, NOW) == (row.read_at, row.period_ends_at, row.since)
    assert world.hear(file, price=Decimal("9.90"), currency="USD", at=later, is_ending=True)
    with engine.connect() as db:
        assert 2 == len(entitlements.history(db, world.merchant_id))


def test_an_answer_that_came_late_is_dropped(engine: sa.Engine) -> None:
    world, file = Billed(engine), parse_catalogue(FILE)
    world.hear(file, at=NOW)
    assert not world.hear(file, "free", at=NOW - timedelta(seconds=1))
    assert ["pro"] == [row.plan for row in world.plans()]


@pytest.mark.parametrize(
    ("state", "plan", "allows", "limits"),
    [
        ("active", "PRO", "Pro", {"suppliers": 2}),
        ("trial", "pro", "Pro", {"suppliers": 2}),
        ("frozen", "pro", "Pro", {"suppliers": 2}),
        ("cancelled", "pro", "Free", {"suppliers": 1}),
        ("none", "", "Free", {"suppliers": 1}),
        ("active", "private-deal", "", {}),
    ],
)
def test_what_a_plan_allows_is_the_files_word(
    engine: sa.Engine, state: str, plan: str, allows: str, limits: dict[str, int]
) -> None:
    world = Billed(engine)
    world.hear(parse_catalogue(FILE), plan, state=state, at=datetime(2026, 12, 1, tzinfo=UTC))
    (row,) = world.plans()
    assert (allows, limits) == (row.allows, row.limits)


def test_a_changed_file_takes_nothing_away_unseen(engine: sa.Engine) -> None:
    world = Billed(engine)
    world.hear(parse_catalogue(FILE))
    smaller = parse_catalogue(FILE.replace("suppliers = 2", "suppliers = 0"))
    world.source()
    with engine.connect() as db:
        before = entitlements.unseen(db, world.merchant_id)
    assert 1 == entitlements.apply(engine, smaller, [], NOW)
    with transaction(engine) as db:
        assert before + 1 == entitlements.unseen(db, world.merchant_id)
        newest = entitlements.history(db, world.merchant_id)[0]
        assert {"stores": 1, "suppliers": 1, "listings": 0} == newest.used
        assert before + 1 == entitlements.seen(db, world.merchant_id, newest.id, NOW)
        assert 0 == entitlements.unseen(db, world.merchant_id)
