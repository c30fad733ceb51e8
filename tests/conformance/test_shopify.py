"""Shopify keeps the promises of a store, checked against the simulated shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from adapters.stores.shopify.incoming import SCOPES as INCOMING_SCOPES
from adapters.stores.shopify.webhooks import ShopifyWebhooks
from connector.ports.errors import OutcomeUnknown, Retryable
from connector.ports.stores import BadgeFacts, Store, StoreListing, StoreWebhooks
from simulator.dials import Dials
from simulator.shop import Item, Shop
from simulator.shopify import ShopifyServer
from simulator.shopify.model import DEFAULT_SCOPES
from simulator.shopify.transfers import SimShipment
from simulator.shopify.webhooks import header_topic
from tests.adapters.shopify_support import TOKEN, badge_of, connected
from tests.conformance.stores import SECRET, StoreConformance

SCOPES = (*DEFAULT_SCOPES, *INCOMING_SCOPES)


class TestShopify(StoreConformance):
    """The whole suite, with the shop's only online location and orders granted."""

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[ShopifyServer]:
        server = ShopifyServer(
            shop,
            api_key="client-id",
            api_secret=SECRET,
            access_token=TOKEN,
            dials=dials,
            bucket=100_000,  # throttling has its own tests
            scopes=SCOPES,
        )
        with server:
            yield server

    @pytest.fixture
    def store(self, server: ShopifyServer) -> Store:
        return connected(server, scopes=SCOPES)

    @pytest.fixture
    def stranger(self, server: ShopifyServer) -> Store:
        return connected(server, "wrong-secret")

    @pytest.fixture
    def webhooks(self) -> StoreWebhooks:
        return ShopifyWebhooks()

    def badge_shown(self, shop: Shop, item: Item) -> BadgeFacts | None:
        return badge_of(item.meta.get("$app.availability"))

    def subscriptions(self, server: ShopifyServer) -> list[tuple[str, str, bool]]:
        return [(header_topic(one.topic), one.uri, True) for one in server.webhooks.subscriptions()]

    def ship(self, server: ShopifyServer, units: dict[str, int], arrives_at: datetime | None) -> SimShipment:
        items = {server.shop.by_sku(sku)[0].id: count for sku, count in units.items()}
        return server.transfers.ship(items, arrives_at)

    def receive(self, server: ShopifyServer, shipment: SimShipment, units: int) -> None:
        server.transfers.receive(shipment, units)

    def call_off(self, server: ShopifyServer, shipment: SimShipment) -> None:
        server.transfers.cancel(server.transfers.all[shipment.transfer_id])

    def credentials(self) -> list[str]:
        return [TOKEN, SECRET]

    def test_maintenance_is_retryable_and_writes_nothing(
        self, shop: Shop, store: Store, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        # A gateway's 503 does not say whether Shopify behind it did the write, so it counts as unknown;
        # the key makes repeating it harmless.
        send = self.one_write(store, listings)
        dials.maintenance = True
        with pytest.raises(OutcomeUnknown):
            send()
        with pytest.raises(Retryable):
            store.read_quantities([listings["MUG-040"].ref])
        assert self.stock(shop, "MUG-040") == 40
