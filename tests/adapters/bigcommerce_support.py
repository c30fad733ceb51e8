"""A simulated BigCommerce store and the adapter connected to it, on clocks that only the test moves."""

from __future__ import annotations

from typing import Any

from adapters.stores.bigcommerce.adapter import BigCommerceStore
from adapters.stores.bigcommerce.client import BigCommerceClient
from connector.ports.stores import ListingRef, QuantityChange, StoreListing
from connector.registry import Environment
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from tests.support import ManualClock

TOKEN, SECRET = "adapter-access-token", "adapter-client-secret-of-forty-characters"
ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)


class Ticker:
    """A monotonic clock, its sleep, and the shop's clock, all moved together."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.at = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        self.clock.advance(seconds=seconds)


def corner_shop(clock: ManualClock, mugs: int = 5) -> Shop:
    """`mugs` plain products MUG-1… holding as many as their number, and TEE in S (4), M (0) and L (9)."""
    shop = Shop("Corner Shop", currency="EUR", timezone="Europe/Berlin", clock=clock)
    for n in range(1, mugs + 1):
        shop.add_product(f"Mug {n}", [{"sku": f"MUG-{n}", "price_minor": 950, "stock": n}])
    shop.add_product(
        "Tee",
        [
            {"title": size, "sku": f"TEE-{size}", "price_minor": 1999, "stock": stock}
            for size, stock in (("S", 4), ("M", 0), ("L", 9))
        ],
        collections=("Clothes",),
    )
    return shop


def serve(shop: Shop, ticker: Ticker, **options: Any) -> BigCommerceServer:
    return BigCommerceServer(
        shop,
        client_secret=SECRET,
        access_token=TOKEN,
        monotonic=ticker.monotonic,
        **{"lag_s": 0.0, **options},
    )


def connected(
    server: BigCommerceServer,
    ticker: Ticker,
    location_id: str | None = None,
    scopes: frozenset[str] = frozenset(),
) -> BigCommerceStore:
    client = BigCommerceClient(
        ENVIRONMENT,
        server.store_hash,
        TOKEN,
        server.url,
        monotonic=ticker.monotonic,
        sleep=ticker.sleep,
    )
    return BigCommerceStore(client, location_id, scopes)


def catalogue(store: BigCommerceStore) -> dict[str, StoreListing]:
    return {one.sku: one for page in store.catalog() for one in page}


def change(listing: StoreListing, quantity: int) -> QuantityChange:
    return QuantityChange(listing.ref, quantity, listing.available)


def ref(n: int, kind: str = "variant") -> ListingRef:
    return ListingRef(str(n), str(n), f"{kind}:{n}", "1")
