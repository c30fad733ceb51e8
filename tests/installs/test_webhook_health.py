"""Webhooks that a platform switched off or dropped are found, switched on again, and owned up to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.delivery.subscribe import mended, subscribe_webhooks
from connector.settings import Settings
from connector.web.app import create_app
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from simulator.shopify import ShopifyServer
from simulator.woocommerce import WooCommerceServer
from tests.support import ManualClock
from tests.web.conftest import Person, add_person
from tests.web.shop import Shop as Merchant

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def make_shop() -> Shop:
    shop = Shop("Vase & Co", currency="EUR", clock=lambda: datetime.now(UTC))
    shop.add_product("Vase", [{"sku": "A-1", "price_minor": 1000, "stock": 10}])
    return shop


@dataclass
class Platform:
    """One platform: how it is connected, what switches webhooks off, and which are on."""

    adapter: str
    config: dict[str, str]
    secrets: dict[str, str]
    server: Any
    break_one: Callable[[], str]
    active: Callable[[], int]


def woocommerce() -> Iterator[Platform]:
    with WooCommerceServer(make_shop(), key="ck_1", secret="cs_1") as server:

        def break_one() -> str:
            """Seven deliveries in a row fail: nothing listens at Dispo's address."""
            (item,) = server.shop.items.values()
            for number in range(7):
                server.shop.set_stock(item.id, 20 + number, by="shop")
                assert server.webhooks.wait_idle()
            (off,) = [one for one in server.webhooks.hooks.values() if one.status == "disabled"]
            return off.topic

        yield Platform(
            "woocommerce",
            {"url": server.url},
            {"consumer_key": "ck_1", "consumer_secret": "cs_1"},
            server,
            break_one,
            lambda: sum(one.status == "active" for one in server.webhooks.hooks.values()),
        )


def bigcommerce() -> Iterator[Platform]:
    with BigCommerceServer(make_shop(), access_token="token", client_secret="secret") as server:

        def break_one() -> str:
            server.webhooks.speed = 0.0
            server.webhooks.emit("store/order/created", {"type": "order", "id": 1})
            assert server.webhooks.drain(20)
            (off,) = [one for one in server.webhooks.hooks.values() if not one.is_active]
            return off.scope

        yield Platform(
            "bigcommerce",
            {"store_hash": server.store_hash, "base_url": server.url},
            {"access_token": "token", "api_secret": "secret"},
            server,
            break_one,
            lambda: sum(one.is_active for one in server.webhooks.hooks.values()),
        )


def shopify() -> Iterator[Platform]:
    with ShopifyServer(make_shop(), api_key="key", api_secret="secret", access_token="token") as server:

        def break_one() -> str:
            """A subscription whose deliveries failed for hours is gone."""
            server.webhooks.retry_s = 0.0
            server.webhooks.emit("PRODUCTS_UPDATE", {"id": 1})
            assert server.webhooks.drain(20)
            return "products/update"

        yield Platform(
            "shopify",
            {"shop": server.domain, "base_url": server.url, "client_id": "c"},
            {"access_token": "token", "api_secret": "secret"},
            server,
            break_one,
            lambda: len(server.webhooks.subscriptions()),
        )


@pytest.fixture(params=[woocommerce, bigcommerce, shopify], ids=lambda one: one.__name__)
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    yield from request.param()


class Scene:
    def __init__(self, rt: Runtime, clock: ManualClock, merchant: Merchant, platform: Platform) -> None:
        self.rt, self.clock, self.merchant, self.platform = rt, clock, merchant, platform
        with transaction(rt.engine) as db:
            self.connection_id = add_connection(
                db, rt.keyring, merchant.merchant_id, kind="store", adapter=platform.adapter, name="Vase & Co",
                config=platform.config, secrets=platform.secrets, now=rt.now(),
            )  # fmt: skip

    def look(self) -> list[str]:
        return subscribe_webhooks(self.rt, self.merchant.merchant_id, self.connection_id)

    def mended(self) -> tuple[datetime, datetime, int] | None:
        with self.rt.engine.connect() as db:
            found = mended(db, self.merchant.merchant_id, self.connection_id)
        return (found.since, found.at, found.count) if found else None

    def noted(self) -> list[Any]:
        with self.rt.engine.connect() as db:
            return list(
                db.execute(
                    sa.text("select detail from audit_event where action = 'store.webhooks_mended'")
                ).scalars()
            )


@pytest.fixture
def scene(settings: Settings, engine: sa.Engine, platform: Platform) -> Scene:
    clock = ManualClock(START)
    rt = Runtime(
        replace(settings, base_url="http://127.0.0.1:9", allowed_private_hosts=frozenset({"127.0.0.1"})),
        clock=clock,
    )
    rt.__dict__["engine"] = engine
    merchant = Merchant(engine, START, is_empty=True)
    add_person(merchant, "owner@shop.test", "en")
    return Scene(rt, clock, merchant, platform)


def test_setting_them_and_looking_again_is_no_mending(scene: Scene) -> None:
    topics = scene.look()
    assert scene.platform.active() == len(topics) > 1
    assert scene.look() == topics
    assert (scene.mended(), scene.noted()) == (None, [])


def test_what_was_switched_off_is_switched_on_again_and_told(scene: Scene) -> None:
    topics = scene.look()
    off = scene.platform.break_one()
    assert (off in topics, scene.platform.active()) == (True, len(topics) - 1)
    scene.clock.advance(hours=1)
    scene.look()
    assert scene.platform.active() == len(topics)
    assert scene.mended() == (START, scene.rt.now(), 1)
    (noted,) = scene.noted()
    assert noted["topics"] == [off]
    scene.clock.advance(hours=1)
    scene.look()
    assert len(scene.noted()) == 1
    person = Person(create_app(scene.rt).test_client())
    person.sign_in()
    page = person.get(f"/connections/{scene.connection_id}").text
    assert "at the earliest since 22 Nov, 09:00, and were switched on again on 22 Nov, 10:00" in page
