"""Shopify's webhooks and tokens through its own library, with the library's defects mended."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stores.shopify import sdk
from adapters.stores.shopify.webhooks import ShopifyWebhooks
from connector.ports.errors import Misconfigured, Rejected, Retryable, Unauthorized
from connector.ports.installs import PrivacyRequest
from connector.ports.stores import StoreHint, StoreOrder, StoreOrderLine
from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify import ShopifyServer
from tests.adapters.shopify_support import ENVIRONMENT, TOKEN

# As long as a real client secret; shorter keys are warned about.
SECRET = "shpss_0123456789abcdef0123456789abcdef"
WEBHOOKS = ShopifyWebhooks()


def signed(body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    digest = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {
        "X-Shopify-Hmac-Sha256": digest,
        "X-Shopify-Topic": "inventory_levels/update",
        "X-Shopify-Shop-Domain": "Demo.myshopify.com",
        "X-Shopify-Webhook-Id": "b1",
        "X-Shopify-Triggered-At": "2026-11-22T10:00:00.123Z",
        **more,
    }


def read(topic: str, body: Any) -> StoreHint:
    return WEBHOOKS.read(topic, json.dumps(body).encode())


def test_a_signed_delivery_says_what_it_is() -> None:
    found = WEBHOOKS.verify(signed(b"{}"), b"{}", [SECRET])
    assert found is not None
    assert (found.delivery_id, found.topic, found.source) == (
        "b1",
        "inventory_levels/update",
        "demo.myshopify.com",
    )
    assert found.triggered_at == datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=UTC)


def test_the_headers_of_events_are_understood_too() -> None:
    headers = {name.replace("X-Shopify-", "Shopify-"): value for name, value in signed(b"{}").items()}
    found = WEBHOOKS.verify(headers, b"{}", [SECRET])
    assert found is not None
    assert (found.delivery_id, found.source) == ("b1", "demo.myshopify.com")


def test_without_an_id_the_same_bytes_are_the_same_delivery() -> None:
    ids = []
    for body in (b"{}", b"{}", b"[]"):
        headers = {k: v for k, v in signed(body).items() if k != "X-Shopify-Webhook-Id"}
        found = WEBHOOKS.verify(headers, body, [SECRET])
        assert found is not None
        ids.append(found.delivery_id)
    assert ids[0] == ids[1] != ids[2]


def test_a_time_that_is_none_is_left_out() -> None:
    found = WEBHOOKS.verify(signed(b"{}", **{"X-Shopify-Triggered-At": "soon"}), b"{}", [SECRET])
    assert found is not None
    assert found.triggered_at is None


def test_a_rotated_secret_holds_and_an_empty_one_never() -> None:
    assert WEBHOOKS.verify(signed(b"{}"), b"{}", ["", "newer", SECRET]) is not None
    with pytest.raises(Unauthorized):
        WEBHOOKS.verify(signed(b"{}", secret=""), b"{}", [""])


@given(body=st.binary(max_size=200), signature=st.text(max_size=60), topic=st.text(max_size=20))
def test_whatever_the_bytes_are_a_forgery_is_only_unauthorized(
    body: bytes, signature: str, topic: str
) -> None:
    headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": topic}
    with pytest.raises(Unauthorized):
        WEBHOOKS.verify(headers, body, [SECRET])


def test_a_level_names_the_inventory_item_and_the_place() -> None:
    body = {"inventory_item_id": 44, "location_id": 7, "available": 3, "updated_at": "2026-11-22T10:00:00Z"}
    item = "gid://shopify/InventoryItem/44"
    assert read("inventory_levels/update", body) == StoreHint(
        "stock", external_ids=(item,), quantities={item: 3}, location_id="gid://shopify/Location/7"
    )
    # Null: the item is no longer tracked there, so the number is not known.
    assert read("inventory_levels/update", {**body, "available": None}).quantities == {}


def test_an_order_is_reduced_to_what_it_holds() -> None:
    body = {
        "id": 9,
        "email": "ada@example.com",
        "created_at": "2026-11-22T10:00:00-05:00",
        "updated_at": "2026-11-22T16:00:00Z",
        "cancelled_at": None,
        "line_items": [
            {"id": 1, "variant_id": 21, "quantity": 3, "current_quantity": 2},
            {"id": 2, "variant_id": 22, "quantity": 1},
            {"id": 3, "variant_id": None, "quantity": 5},
        ],
    }
    hint = read("orders/updated", body)
    assert hint == StoreHint(
        "order",
        order=StoreOrder(
            order_id="gid://shopify/Order/9",
            placed_at=datetime(2026, 11, 22, 15, tzinfo=UTC),
            updated_at=datetime(2026, 11, 22, 16, tzinfo=UTC),
            holds_stock=True,
            lines=(
                StoreOrderLine("gid://shopify/LineItem/1", "gid://shopify/ProductVariant/21", 2, 3),
                StoreOrderLine("gid://shopify/LineItem/2", "gid://shopify/ProductVariant/22", 1, 1),
            ),
        ),
    )
    assert "ada" not in repr(hint)
    cancelled = read("orders/cancelled", {**body, "cancelled_at": "2026-11-22T16:00:00Z"}).order
    assert cancelled is not None
    assert (cancelled.holds_stock, [line.units for line in cancelled.lines]) == (False, [0, 0])


@pytest.mark.parametrize(
    ("topic", "kind", "ids", "detail"),
    [
        ("products/update", "product", ("gid://shopify/Product/5",), ""),
        ("products/delete", "product", ("gid://shopify/Product/5",), ""),
        ("app/uninstalled", "uninstalled", (), ""),
        ("themes/publish", "other", (), "themes/publish"),
    ],
)
def test_other_topics(topic: str, kind: str, ids: tuple[str, ...], detail: str) -> None:
    assert read(topic, {"id": 5}) == StoreHint(kind, external_ids=ids, detail=detail)  # type: ignore[arg-type]


CUSTOMER = {"id": 191167, "email": "ada@example.com", "phone": "555-625-1199"}


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        (
            "customers/data_request",
            {"shop_id": 1, "customer": CUSTOMER, "data_request": {"id": 9999}},
            PrivacyRequest("export", ("ada@example.com", "555-625-1199"), "9999"),
        ),
        (
            "customers/redact",
            {"shop_id": 1, "customer": CUSTOMER},
            PrivacyRequest("erase_person", ("ada@example.com", "555-625-1199"), "191167"),
        ),
        ("customers/redact", {"customer": {"id": 5}}, PrivacyRequest("erase_person", (), "5")),
        ("shop/redact", {"shop_id": 1, "shop_domain": "a.myshopify.com"}, PrivacyRequest("erase_shop")),
    ],
    ids=["data_request", "redact", "a customer without an address", "shop"],
)
def test_a_legal_request_says_what_is_asked_and_about_whom(
    topic: str, body: dict[str, Any], expected: PrivacyRequest
) -> None:
    hint = read(topic, body)
    assert hint == StoreHint("privacy", detail=topic, privacy=expected)
    assert "ada@example.com" not in repr(hint)
    assert "1199" not in repr(hint)


@pytest.mark.parametrize("topic", ["inventory_levels/update", "orders/create", "products/update"])
def test_a_body_without_its_id_is_rejected(topic: str) -> None:
    for body in ({}, [], None, {"id": "x"}, {"id": None, "line_items": 3}):
        with pytest.raises(Rejected):
            read(topic, body)


# ---------------------------------------------------------------- tokens


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def server(dials: Dials) -> Iterator[ShopifyServer]:
    # The library compares with the real time, so the shop keeps it too.
    shop = Shop("Tokens", clock=lambda: datetime.now(UTC))
    with ShopifyServer(
        shop, api_key="client-id", api_secret=SECRET, access_token=TOKEN, dials=dials
    ) as server:
        yield server


def exchange(server: ShopifyServer, token: str, secret: str = SECRET) -> sdk.Tokens:
    return sdk.exchange_id_token(ENVIRONMENT, "client-id", secret, token, server.url)


def refresh(server: ShopifyServer, token: str, secret: str = SECRET) -> sdk.Tokens:
    return sdk.refresh(ENVIRONMENT, "client-id", secret, "demo.myshopify.com", token, server.url)


def test_an_id_token_becomes_a_pair_that_can_be_renewed(server: ShopifyServer) -> None:
    first = exchange(server, server.tokens.id_token())
    assert (first.shop, server.tokens.accepts(first.access_token)) == ("demo.myshopify.com", True)
    expires_at = datetime.fromisoformat(first.expires_at)
    assert timedelta(minutes=59) < expires_at - datetime.now(UTC) <= timedelta(hours=1)
    second = refresh(server, first.refresh_token)
    assert second.access_token != first.access_token
    assert server.tokens.accepts(second.access_token)
    assert first.access_token not in repr(first) + repr(second)
    assert "read_products" in second.scopes


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": 1},
        {"aud": "another-app"},
        {"iss": "https://another.myshopify.com/admin"},
        {"iss": None},
        {"dest": "https://shop.example"},
        {"dest": "https://shop.example", "iss": "https://shop.example/admin"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_app_and_shop_is_refused(
    server: ShopifyServer, claims: dict[str, Any]
) -> None:
    good = jwt.decode(server.tokens.id_token(), SECRET, algorithms=["HS256"], audience="client-id")
    changed = {name: value for name, value in {**good, **claims}.items() if value is not None}
    with pytest.raises(Unauthorized):
        exchange(server, jwt.encode(changed, SECRET, algorithm="HS256"))
    assert exchange(server, jwt.encode(good, SECRET, algorithm="HS256")).access_token != ""


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é"])
def test_what_is_no_token_at_all_is_refused(server: ShopifyServer, token: str) -> None:
    with pytest.raises(Unauthorized):
        exchange(server, token)


def test_a_refresh_token_that_ended_asks_to_connect_again(server: ShopifyServer) -> None:
    with pytest.raises(Unauthorized) as caught:
        refresh(server, "shprt_unknown")
    assert "shprt_unknown" not in str(caught.value)
    assert caught.value.remedy == "Open the app in the Shopify admin, or connect the shop again."


def test_a_wrong_client_secret_is_a_setting(server: ShopifyServer) -> None:
    with pytest.raises(Misconfigured) as caught:
        refresh(server, server.tokens.issue()["refresh_token"], secret="not it")
    assert caught.value.field == "api_secret"
    assert "not it" not in str(caught.value)


def test_a_failed_refresh_is_not_repeated_by_the_library(server: ShopifyServer, dials: Dials) -> None:
    pair = server.tokens.issue()
    dials.fail_next = ["error", "timeout_after_success"]
    for _ in range(2):
        with pytest.raises(Retryable):
            refresh(server, pair["refresh_token"])
    assert dials.fail_next == []
    # The lost answer did no harm: the old refresh token still works.
    assert server.tokens.accepts(refresh(server, pair["refresh_token"]).access_token)
