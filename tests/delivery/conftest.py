"""Stores of the delivery tests: real adapters against simulated platforms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.settings import Settings
from simulator.bigcommerce import BigCommerceServer
from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify import ShopifyServer
from simulator.woocommerce import WooCommerceServer
from tests.builders import World
from tests.support import ManualClock, forget_budgets

KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40


class Scene:
    """A merchant with one simulated store, its catalogue imported, and a supplier we can speak for."""

    def __init__(self, rt: Runtime, world: World, shop: Shop, server: Any) -> None:
        self.rt = rt
        self.world = world
        self.shop = shop
        self.server = server
        self.store_id = 0
        self.source_id = world.source()

    @property
    def merchant_id(self) -> int:
        return self.world.merchant_id

    def stock(self, sku: str) -> int | None:
        return self.shop.by_sku(sku)[0].stock

    def sell(self, sku: str, units: int = 1) -> None:
        self.shop.buy({self.shop.by_sku(sku)[0].id: units})

    def variant(self, sku: str) -> int:
        with self.rt.engine.connect() as db:
            return int(
                db.execute(
                    sa.text("select id from variant where merchant_id = :m and sku = :s"),
                    {"m": self.merchant_id, "s": sku},
                ).scalar_one()
            )

    def listing(self, sku: str) -> Any:
        with self.rt.engine.connect() as db:
            return db.execute(
                sa.text("select * from listing where merchant_id = :m and connection_id = :c and sku = :s"),
                {"m": self.merchant_id, "c": self.store_id, "s": sku},
            ).one()

    def supply(self, **quantities: int) -> None:
        """What the supplier says now; links each SKU on first use, decides. Underscores stand for dashes."""
        ids = []
        for name, quantity in quantities.items():
            variant = self.variant(name.replace("_", "-"))
            self.world.observe(self.source_id, variant, quantity)
            self.world.execute("update listing set is_managed = true where variant_id = :v", v=variant)
            ids.append(variant)
        self.world.decide(*ids, at=self.rt.now())

    def deliver(self, rounds: int = 5) -> list[str]:
        """Serve what is due of numbers, badges, lists and webhooks until nothing is; the errors that turns ended
        with."""
        from connector.delivery.webhooks import RECEIPTS
        from connector.outbox.messages import due_turns
        from connector.positions.topics import BADGE, PLACES, QUANTITY

        errors = []
        for _ in range(rounds):
            with self.rt.engine.connect() as db:
                turns = due_turns(db, [QUANTITY, BADGE, PLACES, RECEIPTS], 50)
            if not turns:
                break
            for turn in turns:
                served = self.rt.serve(turn)
                if served is not None and served.error is not None:
                    errors.append(type(served.error).__name__)
        return errors

    def wake(self) -> None:
        """Let turns that wait after an error be served at once, and platforms that wanted no calls be asked."""
        forget_budgets(self.rt.settings.redis_url)
        self.world.execute(
            "update outbox_turn set next_try_at = now() - interval '1 second' where merchant_id = :m"
        )
        self.world.execute("update outbox_message set due_at = now() where merchant_id = :m")

    def attempts(self) -> list[str]:
        with self.rt.engine.connect() as db:
            return list(
                db.execute(
                    sa.text("select status from delivery_attempt where merchant_id = :m order by id"),
                    {"m": self.merchant_id},
                ).scalars()
            )


def fill(shop: Shop) -> None:
    """Simple products A-1 … A-5 with ten each and one product with the variants V-S and V-L."""
    for number in range(1, 6):
        shop.add_product(
            f"Vase {number}", [{"sku": f"A-{number}", "title": "", "price_minor": 1000, "stock": 10}]
        )
    shop.add_product(
        "Shirt",
        [
            {"sku": "V-S", "title": "Small", "price_minor": 2000, "stock": 10},
            {"sku": "V-L", "title": "Large", "price_minor": 2000, "stock": 10},
        ],
    )


@pytest.fixture
def runtime(engine: sa.Engine, settings: Settings, clock: ManualClock) -> Runtime:
    rt = Runtime(replace(settings, allowed_private_hosts=frozenset({"127.0.0.1"})), clock=clock.now)
    rt.__dict__["engine"] = engine
    return rt


@pytest.fixture
def woo(runtime: Runtime, clock: ManualClock) -> Iterator[Scene]:
    shop = Shop("Vase & Co", clock=clock.now)
    fill(shop)
    with WooCommerceServer(shop, key=KEY, secret=SECRET, dials=Dials(), deliver_webhooks=False) as server:
        scene = Scene(runtime, World(runtime.engine, now=clock.now()), shop, server)
        _connect(
            scene,
            "woocommerce",
            {"url": server.url},
            {"consumer_key": KEY, "consumer_secret": SECRET},
        )
        yield scene


@pytest.fixture
def shopify(runtime: Runtime, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    # The simulator has a bulk result ready at the second look; how long lies between is the adapter's test.
    monkeypatch.setattr("adapters.stores.shopify.catalogue.BULK_POLL_S", (0.02,))
    shop = Shop("Vase & Co", clock=clock.now)
    fill(shop)
    with ShopifyServer(
        shop, api_key="key", api_secret="shh", access_token="shpat_token", dials=Dials()
    ) as server:
        scene = Scene(runtime, World(runtime.engine, now=clock.now()), shop, server)
        _connect(
            scene,
            "shopify",
            {"shop": "demo.myshopify.com", "base_url": server.url},
            {"access_token": "shpat_token", "api_secret": "shh"},
        )
        yield scene


@pytest.fixture
def bigcommerce(runtime: Runtime, clock: ManualClock) -> Iterator[Scene]:
    shop = Shop("Vase & Co", clock=clock.now)
    fill(shop)
    # Late reads have tests of their own; this clock stands still.
    with BigCommerceServer(
        shop, client_secret="shh", access_token="token", dials=Dials(), quota=10_000, lag_s=0.0
    ) as server:
        server.window.window_s = 0.5
        scene = Scene(runtime, World(runtime.engine, now=clock.now()), shop, server)
        _connect(
            scene,
            "bigcommerce",
            {"store_hash": server.store_hash, "base_url": server.url},
            {"access_token": "token", "api_secret": "shh"},
        )
        yield scene


@pytest.fixture(params=["woo", "shopify", "bigcommerce"])
def scene(request: pytest.FixtureRequest) -> Scene:
    """The same test on every platform."""
    found: Scene = request.getfixturevalue(request.param)
    return found


def _connect(scene: Scene, adapter: str, config: dict[str, str], secrets: dict[str, str]) -> None:
    from connector.accounts.connections import add_connection
    from connector.db import transaction
    from connector.delivery import approval, reconcile
    from connector.delivery.scripts import SCRIPT
    from connector.outbox.messages import Turn

    with transaction(scene.rt.engine) as db:
        scene.store_id = add_connection(
            db,
            scene.rt.keyring,
            scene.merchant_id,
            kind="store",
            adapter=adapter,
            name=adapter,
            config=config,
            secrets=secrets,
            now=scene.rt.now(),
        )
    reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)
    reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
    with transaction(scene.rt.engine) as db:
        approval.approve(db, scene.merchant_id, scene.store_id, actor="test", now=scene.rt.now())
    # What an approval has put into the store's pages is a matter of its own.
    scene.rt.serve(Turn(scene.merchant_id, SCRIPT, scene.store_id))
