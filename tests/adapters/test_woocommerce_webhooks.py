"""WooCommerce's webhooks: recorded deliveries of real servers, byte for byte, and forgeries of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stores.woocommerce.webhooks import WooCommerceWebhooks
from connector.ports.errors import Rejected, Unauthorized
from connector.ports.stores import StoreHint

RECORDED = Path(__file__).parent.parent / "recorded" / "woocommerce" / "webhooks"
SIGNED = sorted(
    path.stem
    for path in RECORDED.glob("*.json")
    if not path.name.endswith(".headers.json") and json.loads(path.read_text())["signed"]
)
HOOKS = WooCommerceWebhooks()


def delivery(name: str) -> tuple[dict[str, str], bytes, dict[str, Any]]:
    headers = json.loads((RECORDED / f"{name}.headers.json").read_text())
    return (
        headers,
        (RECORDED / f"{name}.body").read_bytes(),
        json.loads((RECORDED / f"{name}.json").read_text()),
    )


def hint(name: str) -> StoreHint:
    headers, body, about = delivery(name)
    verified = HOOKS.verify(headers, body, [about["secret"]])
    assert verified is not None
    return HOOKS.read(verified.topic, body)


def test_there_are_recordings() -> None:
    assert len(SIGNED) == 30


@pytest.mark.parametrize("name", SIGNED)
def test_a_recorded_delivery_verifies(name: str) -> None:
    headers, body, about = delivery(name)
    verified = HOOKS.verify(headers, body, ["another", about["secret"]])
    assert verified is not None
    assert (verified.topic, verified.source, verified.delivery_id) == (
        about["topic"],
        "https://woo.example/",
        headers["X-WC-Webhook-Delivery-ID"],
    )


@pytest.mark.parametrize("name", SIGNED)
def test_a_recorded_delivery_that_was_parsed_and_written_again_does_not(name: str) -> None:
    headers, body, about = delivery(name)
    again = json.dumps(json.loads(body)).encode()
    assert again != body
    with pytest.raises(Unauthorized):
        HOOKS.verify(headers, again, [about["secret"]])


def test_the_ping_of_a_new_webhook_asks_for_nothing() -> None:
    headers, body, _ = delivery("ping_on_creation")
    assert HOOKS.verify(headers, body, ["secret"]) is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b"webhook_id=1&topic=order.created", id="more than a ping"),
        pytest.param({}, b"webhook_id=", id="no number"),
        pytest.param({}, b"webhook_id=1\n", id="a line break"),
        pytest.param({"X-WC-Webhook-Topic": "order.created"}, b"webhook_id=1", id="with a topic"),
        pytest.param({"X-WC-Webhook-Signature": ""}, b"webhook_id=1", id="an empty signature"),
    ],
)
def test_what_only_looks_like_a_ping_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unauthorized):
        HOOKS.verify(headers, body, ["secret"])


def test_an_empty_secret_signs_nothing() -> None:
    import base64
    import hashlib
    import hmac

    body = b'{"id":1}'
    forged = base64.b64encode(hmac.new(b"", body, hashlib.sha256).digest()).decode()
    with pytest.raises(Unauthorized):
        HOOKS.verify({"X-WC-Webhook-Signature": forged, "X-WC-Webhook-Topic": "x"}, body, [""])


@given(
    headers=st.dictionaries(
        st.one_of(st.text(), st.sampled_from(["x-wc-webhook-signature", "X-WC-Webhook-Topic"])), st.text()
    ),
    body=st.binary(),
    secrets=st.lists(st.text()),
)
def test_whatever_comes_is_refused_and_nothing_else(
    headers: dict[str, str], body: bytes, secrets: list[str]
) -> None:
    with pytest.raises(Unauthorized):
        HOOKS.verify(headers, body, secrets)


@given(topic=st.sampled_from(["product.updated", "product.deleted", "order.created", "order.updated"]),
       body=st.one_of(st.binary(), st.recursive(
           st.none() | st.booleans() | st.floats() | st.text(),
           lambda inner: st.lists(inner) | st.dictionaries(
               st.sampled_from(["id", "line_items", "quantity", "meta_data", "date_created_gmt", "status",
                                "variations", "manage_stock", "stock_quantity"]) | st.text(), inner),
       ).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_any_body_is_a_hint_or_rejected(topic: str, body: bytes) -> None:
    try:
        assert isinstance(HOOKS.read(topic, body), StoreHint)
    except Rejected as exc:
        assert topic in exc.subject


# ------------------------------------------------------------------ hints


def test_an_own_write_and_a_sale_look_alike() -> None:
    assert hint("product_updated_rest_write") == StoreHint("stock", ("12",), {"12": 21})
    own, sale = hint("product_updated_rest_write_unchanged"), hint("product_updated_shopper_sale")
    assert (own.kind, sale.kind) == ("stock", "stock")
    assert sale.external_ids == ("17",)


def test_a_variation_is_told_by_itself() -> None:
    assert hint("product_updated_variation_rest_write") == StoreHint("stock", ("213",), {"213": 17})


@pytest.mark.parametrize("name", ["wc89_product_updated_rest_write", "wc99_product_updated_rest_write"])
def test_older_versions_tell_the_same(name: str) -> None:
    found = hint(name)
    assert found.kind == "stock"
    assert list(found.quantities) == list(found.external_ids)


def test_a_shoppers_order_holds_its_lines() -> None:
    order = hint("order_created_shopper").order
    assert order is not None
    assert order.holds_stock is True
    assert [(line.external_id, line.units) for line in order.lines] == [("17", 2), ("213", 1)]


def test_a_cancelled_order_holds_nothing() -> None:
    order = hint("order_updated_cancelled").order
    assert order is not None
    assert order.holds_stock is False


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("product_deleted", StoreHint("product", ("267",), detail="deleted")),
        ("product_created", StoreHint("product", ("267",), detail="created")),
        ("product_restored", StoreHint("product", ("267",), detail="restored")),
        ("order_deleted", StoreHint("other", detail="order.deleted")),
        ("action_set_stock_status", StoreHint("other", detail="action.woocommerce_product_set_stock_status")),
    ],
)
def test_other_topics_ask_for_little(name: str, expected: StoreHint) -> None:
    assert hint(name) == expected


def test_a_variation_that_is_not_tracked_is_read_again_with_its_product() -> None:
    _, body, _ = delivery("product_updated_variation_rest_write")
    data = {**json.loads(body), "manage_stock": "parent"}
    assert HOOKS.read("product.updated", json.dumps(data).encode()) == StoreHint(
        "product", ("211",), detail="updated"
    )


def test_a_variable_product_is_read_again() -> None:
    body = b'{"id":211,"type":"variable","parent_id":0,"manage_stock":true,"stock_quantity":3}'
    assert HOOKS.read("product.updated", body) == StoreHint("product", ("211",), detail="updated")
