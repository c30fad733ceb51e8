"""The conformance suite of stores against the simulated WooCommerce."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from adapters.stores.woocommerce import MANIFEST
from connector.ports.stores import BadgeFacts, Store, StoreWebhooks
from connector.registry import Environment
from simulator.dials import Dials
from simulator.shop import Item, Shop
from simulator.woocommerce import WooCommerceServer
from tests.conformance.stores import StoreConformance

KEY, SECRET_KEY = "ck_conformance", "cs_conformance"


def connect(server: WooCommerceServer, secret: str = SECRET_KEY) -> Store:
    store: Store = MANIFEST.build(
        {"url": server.url},
        {"consumer_key": KEY, "consumer_secret": secret},
        Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0),
    )
    return store


class TestWooCommerce(StoreConformance):
    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[WooCommerceServer]:
        with WooCommerceServer(shop, key=KEY, secret=SECRET_KEY, dials=dials) as server:
            yield server

    @pytest.fixture
    def store(self, server: WooCommerceServer) -> Store:
        return connect(server)

    @pytest.fixture
    def stranger(self, server: WooCommerceServer) -> Store:
        return connect(server, "cs_wrong-secret")

    @pytest.fixture
    def webhooks(self) -> StoreWebhooks:
        assert MANIFEST.webhooks is not None
        found: StoreWebhooks = MANIFEST.webhooks()
        return found

    def badge_shown(self, shop: Shop, item: Item) -> BadgeFacts | None:
        meta = item.meta
        if "_dispo_state" not in meta:
            return None

        def day(key: str) -> date | None:
            return date.fromisoformat(meta[key]) if meta[key] else None

        return BadgeFacts(
            meta["_dispo_state"],
            int(meta["_dispo_count"]) if meta["_dispo_count"] else None,
            day("_dispo_restock_on"),
            day("_dispo_restock_until"),
        )

    def subscriptions(self, server: Any) -> list[tuple[str, str, bool]]:
        return [(h.topic, h.delivery_url, h.status == "active") for h in server.webhooks.hooks.values()]

    def answer_html(self, server: Any) -> None:
        server.is_plain_permalinks = True

    def disable_subscriptions(self, server: Any) -> None:
        for hook in server.webhooks.hooks.values():
            hook.status = "disabled"

    def credentials(self) -> list[str]:
        return [KEY, SECRET_KEY, "oauth_signature"]


class TestWooCommerceBefore103(TestWooCommerce):
    """Versions without GET /variations: the same promises, at the price of a call per variable product."""

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[WooCommerceServer]:
        with WooCommerceServer(shop, key=KEY, secret=SECRET_KEY, dials=dials, version="9.9.5") as server:
            yield server


class TestWooCommerceWithPlugin(TestWooCommerce):
    """With Dispo's companion plugin in the shop: the same promises, and the shop compares before it sets."""

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[WooCommerceServer]:
        with WooCommerceServer(shop, key=KEY, secret=SECRET_KEY, dials=dials, has_plugin=True) as server:
            yield server

    @pytest.fixture
    def store(self, server: WooCommerceServer) -> Store:
        store = connect(server)
        # As the delivery does before it plans; the question is part of neither reading nor writing.
        assert store.capabilities.compare_and_set == "plugin"
        return store
