"""A location of a store keeps the promises of merchants' own stock, on each platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from adapters.stores.woocommerce import MANIFEST as WOOCOMMERCE
from connector.ports.stores import Store
from connector.registry import Environment
from simulator.bigcommerce.model import SimLocation as BigCommerceLocation
from simulator.shop import Shop
from simulator.shopify import SimLocation, gid
from simulator.woocommerce import WooCommerceServer
from tests.adapters import bigcommerce_support as bigcommerce
from tests.adapters import shopify_support as shopify
from tests.conformance.store_locations import Far, StoreLocationConformance
from tests.support import ManualClock


@dataclass
class _Far:
    """See `Far`."""

    shop: Shop
    store: Store
    stranger: Store
    main: str = ""
    other: str = ""
    other_name: str = ""
    other_sells: bool = True
    to_other: Callable[[str, int], None] = lambda sku, units: None
    at_other: Callable[[], Mapping[str, int | None]] = dict

    def put(self, sku: str, units: int) -> None:
        self.to_other(sku, units)

    def levels(self) -> Mapping[str, int | None]:
        return self.at_other()


class TestShopify(StoreLocationConformance):
    @pytest.fixture
    def far(self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
        monkeypatch.setattr("adapters.stores.shopify.catalogue.BULK_POLL_S", (0.01,))
        shop = shopify.small_shop(clock)
        places = (SimLocation(5001, "Warehouse"), SimLocation(5002, "Shop floor", sells_online=False))

        def put(sku: str, units: int) -> None:
            shop.by_sku(sku)[0].platform.setdefault("levels", {})["5002"] = units

        def levels() -> dict[str, int | None]:
            return {item.sku: item.platform.get("levels", {}).get("5002") for item in shop.items.values()}

        with shopify.serve(shop, locations=places) as server:
            yield _Far(
                shop,
                shopify.connected(server),
                shopify.connected(server, "wrong-secret"),
                gid("Location", 5001),
                gid("Location", 5002),
                "Shop floor",
                other_sells=False,
                to_other=put,
                at_other=levels,
            )


class TestBigCommerce(StoreLocationConformance):
    @pytest.fixture
    def far(self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
        ticker = bigcommerce.Ticker(clock)
        shop = shopify.small_shop(clock)
        places = (
            BigCommerceLocation(1, "BC-LOCATION-1", "Main", is_default=True),
            BigCommerceLocation(2, "CELLAR", "Cellar"),
        )
        with bigcommerce.serve(shop, ticker, locations=places) as server:

            def put(sku: str, units: int) -> None:
                server.levels.set(shop.by_sku(sku)[0], 2, units, lambda item, place: None)

            store = bigcommerce.connected(server, ticker)
            monkeypatch.setattr(bigcommerce, "TOKEN", "wrong-secret")
            yield _Far(
                shop,
                store,
                bigcommerce.connected(server, ticker),
                "1",
                "2",
                "Cellar",
                to_other=put,
                at_other=lambda: {item.sku: server.levels.get(item, 2) for item in shop.items.values()},
            )


class TestWooCommerce(StoreLocationConformance):
    @pytest.fixture
    def far(self, clock: ManualClock) -> Iterator[Far]:
        shop = shopify.small_shop(clock)
        with WooCommerceServer(shop, key="ck_k", secret="cs_s") as server:
            environment = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)
            stores = [
                WOOCOMMERCE.build(
                    {"url": server.url}, {"consumer_key": "ck_k", "consumer_secret": secret}, environment
                )
                for secret in ("cs_s", "cs_wrong-secret")
            ]
            yield _Far(shop, *stores)
