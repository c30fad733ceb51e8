"""BigCommerce's webhooks: Standard Webhooks signatures, and hints made of ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.stores.bigcommerce.adapter import STOCK_CHANGED
from adapters.stores.bigcommerce.webhooks import BigCommerceWebhooks
from connector.ports.errors import Rejected, Unauthorized
from connector.ports.stores import StoreHint
from simulator.bigcommerce.hooks import signature

SECRET = "the-app's-client-secret"
WEBHOOKS = BigCommerceWebhooks()


def body(scope: str, data: Any) -> bytes:
    found = {"producer": "stores/z4zn3wo", "hash": "h", "created_at": 1_767_603_600, "store_id": "1"}
    return json.dumps({**found, "scope": scope, "data": data}).encode()


def signed(sent: bytes, secret: str = SECRET, message_id: str = "msg_1") -> dict[str, str]:
    stamp = "1767603600"
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": signature(secret, message_id, stamp, sent),
    }


def test_the_signature_is_that_of_the_specification() -> None:
    # base64(HMAC-SHA256("plain", "msg_1.1614265330.{}")), by another implementation (openssl).
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,U+Z67bohkmo+icxyuijFIXBrEGJmqKLy4Cj72hy/rs8=",
    }
    found = WEBHOOKS.verify(headers, b"{}", ["plain"])
    assert found is not None
    assert (found.delivery_id, found.topic) == ("msg_1", "")


def test_a_delivery_says_what_it_is_in_its_signed_body() -> None:
    sent = body(STOCK_CHANGED, {"variant_id": 74, "product_id": 111, "location_id": 1})
    found = WEBHOOKS.verify(signed(sent), sent, ["old", SECRET])
    assert found is not None
    assert (found.delivery_id, found.topic, found.source) == ("msg_1", STOCK_CHANGED, "z4zn3wo")
    assert found.triggered_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def test_one_good_signature_among_several_is_enough() -> None:
    sent = body("store/order/created", {"type": "order", "id": 250})
    headers = signed(sent)
    headers["Webhook-Signature"] = f"v1,AAAA v1a,BBBB {headers['Webhook-Signature']}"
    assert WEBHOOKS.verify(headers, sent, [SECRET]) is not None


def other(name: str, value: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {**headers, name: value}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(other("Webhook-Id", "msg_2"), id="another id"),
        pytest.param(other("Webhook-Timestamp", "1767603601"), id="another time"),
        pytest.param(other("Webhook-Id", ""), id="no id"),
        pytest.param(other("Webhook-Timestamp", ""), id="no time"),
        pytest.param(other("Webhook-Signature", "v1,"), id="an empty signature"),
        pytest.param(other("Webhook-Signature", "v1"), id="only a version"),
        pytest.param(lambda h: other("Webhook-Signature", h["Webhook-Signature"][3:])(h), id="no version"),
        pytest.param(
            lambda h: other("Webhook-Signature", " ".join(["v1,A"] * 10 + [h["Webhook-Signature"]]))(h),
            id="the eleventh of many",
        ),
    ],
)
def test_what_was_not_signed_is_refused(spoil: Callable[[dict[str, str]], dict[str, str]]) -> None:
    sent = body("store/order/created", {"type": "order", "id": 250})
    with pytest.raises(Unauthorized):
        WEBHOOKS.verify(spoil(signed(sent)), sent, [SECRET])


def test_an_empty_secret_lets_nobody_sign() -> None:
    sent = body("store/order/created", {"type": "order", "id": 250})
    with pytest.raises(Unauthorized):
        WEBHOOKS.verify(signed(sent, ""), sent, ["", SECRET])


def test_a_signed_body_that_is_no_event_is_still_verified() -> None:
    for sent in (b"", b"[]", b"\xff", b"[" * 50_000, b'{"scope": 7, "producer": null}'):
        found = WEBHOOKS.verify(signed(sent), sent, [SECRET])
        assert found is not None
        assert found.source == ""


@pytest.mark.parametrize(
    ("scope", "data", "expected"),
    [
        (
            STOCK_CHANGED,
            {"variant_id": 127, "product_id": 113, "location_id": 2},
            StoreHint("stock", ("127",), location_id="2"),
        ),
        (
            STOCK_CHANGED,
            {"variant_id": None, "product_id": 113, "location_id": 2},
            StoreHint("stock", ("product:113",), location_id="2"),
        ),
        ("store/order/created", {"type": "order", "id": 250}, StoreHint("order", ("250",), detail="created")),
        ("store/order/updated", {"type": "order", "id": 250}, StoreHint("order", ("250",), detail="updated")),
        (
            "store/product/updated",
            {"type": "product", "id": 205},
            StoreHint("product", ("205",), detail="updated"),
        ),
        (
            "store/product/deleted",
            {"type": "product", "id": 205},
            StoreHint("product", ("205",), detail="deleted"),
        ),
        (
            "store/sku/updated",
            {"type": "sku", "id": 461, "sku": {"product_id": 206, "variant_id": 509}},
            StoreHint("product", ("206",), detail="updated"),
        ),
        ("store/app/uninstalled", {}, StoreHint("uninstalled")),
        ("store/cart/created", {"id": "x"}, StoreHint("other", detail="store/cart/created")),
        (
            "store/product/metafield/created",
            {"id": 1},
            StoreHint("other", detail="store/product/metafield/created"),
        ),
    ],
)
def test_a_body_becomes_a_hint(scope: str, data: dict[str, Any], expected: StoreHint) -> None:
    assert WEBHOOKS.read(scope, body(scope, data)) == expected


@pytest.mark.parametrize(
    ("scope", "data"),
    [
        (STOCK_CHANGED, {"variant_id": 127, "product_id": 113}),
        (STOCK_CHANGED, {"variant_id": "127; drop", "product_id": 113, "location_id": 2}),
        ("store/order/created", {"id": True}),
        ("store/order/created", {"id": -1}),
        ("store/order/created", None),
        ("store/sku/updated", {"id": 461}),
        ("store/app/uninstalled", None),
    ],
)
def test_a_body_that_is_not_what_its_scope_says_is_rejected(scope: str, data: Any) -> None:
    with pytest.raises(Rejected):
        WEBHOOKS.read(scope, body(scope, data))
