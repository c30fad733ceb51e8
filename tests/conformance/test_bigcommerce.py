"""BigCommerce keeps the promises of a store, checked against the simulated store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from adapters.stores.bigcommerce import MANIFEST
from connector.ports.stores import BadgeFacts, Store, StoreHint, StoreListing, StoreWebhooks
from connector.registry import Environment
from simulator.bigcommerce import BigCommerceServer
from simulator.dials import Dials
from simulator.shop import Item, Shop
from tests.conformance.stores import SECRET, Received, StoreConformance

TOKEN = "conformance-access-token"


def connect(server: BigCommerceServer, token: str = TOKEN) -> Store:
    store: Store = MANIFEST.build(
        {"store_hash": server.store_hash, "base_url": server.url},
        {"access_token": token, "api_secret": SECRET},
        Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0),
    )
    return store


class TestBigCommerce(StoreConformance):
    """The whole suite with one location, orders granted and a store that names what it refuses."""

    names_bad_items = True

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[BigCommerceServer]:
        server = BigCommerceServer(
            shop,
            client_secret=SECRET,
            access_token=TOKEN,
            dials=dials,
            quota=10_000,  # the rate window and late reads have their own tests
            lag_s=0.0,
        )
        server.inventory.names_bad_items = self.names_bad_items
        with server:
            yield server

    @pytest.fixture
    def store(self, server: BigCommerceServer) -> Store:
        return connect(server)

    @pytest.fixture
    def stranger(self, server: BigCommerceServer) -> Store:
        return connect(server, "wrong-secret")

    @pytest.fixture
    def webhooks(self) -> StoreWebhooks:
        assert MANIFEST.webhooks is not None
        found: StoreWebhooks = MANIFEST.webhooks()
        return found

    def badge_shown(self, shop: Shop, item: Item) -> BadgeFacts | None:
        value = item.meta.get("dispo.availability")
        if value is None:
            return None
        facts = json.loads(value)

        def day(key: str) -> date | None:
            return date.fromisoformat(facts[key]) if key in facts else None

        return BadgeFacts(facts["state"], facts.get("count"), day("restock_on"), day("restock_until"))

    def subscriptions(self, server: Any) -> list[tuple[str, str, bool]]:
        return [(h.scope, h.destination, h.is_active) for h in server.webhooks.hooks.values()]

    def calls(self, server: Any) -> int:
        # A number counts as written when a read shows it: each adjustment is followed by one look.
        looks = server.calls["PUT v3/inventory/adjustments/absolute"]
        return int(sum(server.calls.values()) - looks)

    def answer_html(self, server: Any) -> None:
        server.serves_html = True

    def disable_subscriptions(self, server: Any) -> None:
        for hook in server.webhooks.hooks.values():
            hook.is_active = False

    def credentials(self) -> list[str]:
        return [TOKEN, SECRET]

    def test_a_sale_is_told_by_webhooks(
        self, sale: list[tuple[Received, str, StoreHint]], listings: dict[str, StoreListing], shop: Shop
    ) -> None:
        # BigCommerce tells ids only: which order came, and whose number moved where.
        (order_id,) = shop.orders
        orders = [hint for _, _, hint in sale if hint.kind == "order"]
        assert [(hint.order, hint.external_ids) for hint in orders] == [(None, (str(order_id),))]
        moved = [(hint.external_ids, hint.location_id) for _, _, hint in sale if hint.kind == "stock"]
        assert sorted(moved) == sorted(
            ((listings[sku].ref.external_id,), "1") for sku in ("MUG-080", "TEE-L")
        )


class TestBigCommerceThatNamesNobody(TestBigCommerce):
    """A refusal that does not say which item is meant: the same promises, at the price of calls."""

    names_bad_items = False
