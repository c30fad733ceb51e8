"""The simulated Shopify's webhooks, bulk queries and tokens behave as Shopify's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from werkzeug.wrappers import Request, Response

from simulator.dials import Dials
from simulator.server import ServerThread
from simulator.shop import Shop
from simulator.shopify import gid
from simulator.shopify.webhooks import ATTEMPTS, header_topic
from tests.simulator.shopify_api import SECRET, SHOP_FLOOR, Api, inventory_item, running, small_shop
from tests.support import ManualClock, eventually


class Receiver:
    """Keeps every POST; answers the statuses queued in `answers`, else 200."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.server = ServerThread(self)
        self.address = f"{self.server.url}/hooks"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        self.received.append((dict(request.headers), request.get_data()))
        status = self.answers.pop(0) if self.answers else 200
        return Response(b"", status)(environ, start_response)

    def bodies(self, topic: str) -> list[Any]:
        return [json.loads(body) for headers, body in self.received if headers["X-Shopify-Topic"] == topic]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.server:
        yield receiver


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return small_shop(clock)


SUBSCRIBE = """mutation ($topic: WebhookSubscriptionTopic!, $wanted: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $wanted) {
    webhookSubscription { id } userErrors { message } } }"""


def subscribe(api: Api, topic: str, address: str, *fields: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {"uri": address}
    if fields:
        wanted["includeFields"] = list(fields)
    payload: dict[str, Any] = api.data(SUBSCRIBE, topic=topic, wanted=wanted)["webhookSubscriptionCreate"]
    return payload


@pytest.mark.parametrize(
    ("topic", "header"),
    [
        ("INVENTORY_LEVELS_UPDATE", "inventory_levels/update"),
        ("ORDERS_CREATE", "orders/create"),
        ("APP_UNINSTALLED", "app/uninstalled"),
        ("VARIANTS_OUT_OF_STOCK", "variants/out_of_stock"),
        ("VARIANTS_IN_STOCK", "variants/in_stock"),
    ],
)
def test_a_topic_is_spelt_as_in_the_header(topic: str, header: str) -> None:
    assert header_topic(topic) == header


def test_a_write_is_told_signed(shop: Shop, receiver: Receiver, clock: ManualClock) -> None:
    with running(shop) as api:
        subscribe(api, "INVENTORY_LEVELS_UPDATE", receiver.address)
        assert api.set(api.change("A", 9, 5), api.change("A", 2, 0, SHOP_FLOOR))["userErrors"] == []
        assert api.server.webhooks.drain()
    number = int(inventory_item(shop.by_sku("A")[0]).rsplit("/", 1)[1])
    assert [
        (one["inventory_item_id"], one["location_id"], one["available"], one["updated_at"])
        for one in receiver.bodies("inventory_levels/update")
    ] == [(number, 5001, 9, "2026-01-05T09:00:00Z"), (number, 5002, 2, "2026-01-05T09:00:00Z")]
    headers, body = receiver.received[0]
    expected = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    assert headers["X-Shopify-Hmac-Sha256"] == expected
    assert headers["X-Shopify-Shop-Domain"] == "demo.myshopify.com"
    assert headers["X-Shopify-Triggered-At"] == "2026-01-05T09:00:00Z"
    assert headers["X-Shopify-Webhook-Id"] != receiver.received[1][0]["X-Shopify-Webhook-Id"]


def test_a_sale_and_its_cancellation_are_told(shop: Shop, receiver: Receiver) -> None:
    with running(shop) as api:
        for topic in ("ORDERS_CREATE", "ORDERS_UPDATED"):
            subscribe(api, topic, receiver.address)
        order = shop.buy({shop.by_sku("A")[0].id: 2})
        shop.cancel(order.id)
        assert api.server.webhooks.drain()
    created, updated = receiver.bodies("orders/create")[0], receiver.bodies("orders/updated")[0]
    assert (created["id"], created["cancelled_at"], updated["cancelled_at"]) == (
        order.id,
        None,
        "2026-01-05T09:00:00Z",
    )
    assert [(line["quantity"], line["current_quantity"]) for line in created["line_items"]] == [(2, 2)]
    assert [(line["quantity"], line["current_quantity"]) for line in updated["line_items"]] == [(2, 0)]


def test_only_the_fields_asked_for_are_sent(shop: Shop, receiver: Receiver) -> None:
    with running(shop) as api:
        subscribe(api, "ORDERS_CREATE", receiver.address, "id", "cancelled_at")
        order = shop.buy({shop.by_sku("A")[0].id: 1})
        assert api.server.webhooks.drain()
    assert receiver.bodies("orders/create") == [{"id": order.id, "cancelled_at": None}]


def test_a_failed_delivery_is_repeated_with_the_same_id(shop: Shop, receiver: Receiver) -> None:
    with running(shop) as api:
        api.server.webhooks.retry_s = 0.01
        subscribe(api, "ORDERS_CREATE", receiver.address)
        receiver.answers = [500, 302]
        shop.buy({shop.by_sku("A")[0].id: 1})
        eventually(lambda: api.server.webhooks.delivered, "the third attempt succeeds")
    assert len(receiver.received) == 3
    assert len({headers["X-Shopify-Webhook-Id"] for headers, _ in receiver.received}) == 1


def test_an_address_that_never_answers_loses_its_subscription(shop: Shop, receiver: Receiver) -> None:
    with running(shop) as api:
        api.server.webhooks.retry_s = 0.001
        subscribe(api, "ORDERS_CREATE", receiver.address)
        receiver.answers = [500] * ATTEMPTS
        shop.buy({shop.by_sku("A")[0].id: 1})
        eventually(lambda: api.server.webhooks.failed, "the delivery is given up")
        eventually(lambda: not api.server.webhooks.subscriptions(), "the subscription goes")
    assert len(receiver.received) == ATTEMPTS


@pytest.mark.parametrize(("dial", "received"), [("duplicate", 2), ("drop", 0)])
def test_dials_repeat_and_drop_deliveries(shop: Shop, receiver: Receiver, dial: str, received: int) -> None:
    dials = Dials(**{f"webhook_{dial}_rate": 1.0})
    with running(shop, dials=dials) as api:
        subscribe(api, "ORDERS_CREATE", receiver.address)
        shop.buy({shop.by_sku("A")[0].id: 1})
        assert api.server.webhooks.drain()
    assert len(receiver.received) == received
    assert len({headers["X-Shopify-Webhook-Id"] for headers, _ in receiver.received}) == min(1, received)


def test_the_reorder_dial_lets_a_later_delivery_overtake(shop: Shop, receiver: Receiver) -> None:
    dials = Dials(webhook_reorder_rate=1.0)
    with running(shop, dials=dials) as api:
        subscribe(api, "INVENTORY_LEVELS_UPDATE", receiver.address)
        shop.set_stock(shop.by_sku("A")[0].id, 4, by="shop")
        dials.webhook_reorder_rate = 0.0
        shop.set_stock(shop.by_sku("A")[0].id, 3, by="shop")
        assert api.server.webhooks.drain()
    assert [one["available"] for one in receiver.bodies("inventory_levels/update")] == [3, 4]


def test_an_address_is_subscribed_once_and_by_https(shop: Shop, receiver: Receiver) -> None:
    with running(shop) as api:
        assert subscribe(api, "ORDERS_CREATE", receiver.address)["userErrors"] == []
        again = subscribe(api, "ORDERS_CREATE", receiver.address)
        assert again["userErrors"] == [{"message": "Address for this topic has already been taken"}]
        plain = subscribe(api, "ORDERS_CREATE", "http://shop.example/hooks")
        assert plain["userErrors"] == [{"message": "Address protocol http:// is not supported"}]
        (one,) = api.server.webhooks.subscriptions()
        query = (
            "mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) "
            "{ deletedWebhookSubscriptionId userErrors { message } } }"
        )
        wanted = gid("WebhookSubscription", one.id)
        deleted = api.data(query, id=wanted)["webhookSubscriptionDelete"]
        assert deleted == {"deletedWebhookSubscriptionId": wanted, "userErrors": []}
        assert api.server.webhooks.subscriptions() == []


def test_uninstalling_is_told_and_ends_the_tokens(shop: Shop, receiver: Receiver) -> None:
    with running(shop) as api:
        subscribe(api, "APP_UNINSTALLED", receiver.address)
        api.server.uninstall()
        assert api.server.webhooks.drain()
        api.send("{ shop { name } }")
        assert (api.last.status_code, len(receiver.bodies("app/uninstalled"))) == (401, 1)


# ---------------------------------------------------------------- bulk queries

BULK = """mutation ($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: true) {
  bulkOperation { id status } userErrors { code } } }"""
POLL = "query ($id: ID!) { bulkOperation(id: $id) { status objectCount url } }"


def bulk_result(api: Api, query: str) -> tuple[dict[str, Any], list[Any]]:
    started = api.data(BULK, query=query)["bulkOperationRunQuery"]
    assert started["bulkOperation"]["status"] == "CREATED"
    number = started["bulkOperation"]["id"]
    seen: list[dict[str, Any]] = []

    def is_done() -> bool:
        seen.append(api.data(POLL, id=number)["bulkOperation"])
        return bool(seen[-1]["status"] != "RUNNING")

    eventually(is_done, "the bulk query is done")
    assert seen[0]["status"] == "RUNNING"
    url = seen[-1]["url"]
    lines = httpx2.get(url, trust_env=False).text.splitlines() if url else []
    return seen[-1], [json.loads(line) for line in lines]


def test_a_bulk_query_leaves_its_objects_as_lines(clock: ManualClock) -> None:
    shop = Shop("Bulk", clock=clock)
    shop.add_product(
        "Tee", [{"title": t, "sku": t, "price_minor": 1, "stock": 1} for t in "SM"], collections=("Summer",)
    )
    query = (
        "{ products { edges { node { id title collections { edges { node { id title } } } "
        "variants { edges { node { id sku } } } } } } }"
    )
    with running(shop) as api:
        end, lines = bulk_result(api, query)
    (product,) = shop.products
    parent = gid("Product", product)
    first, second = (gid("ProductVariant", item) for item in sorted(shop.items))
    assert (end["status"], end["objectCount"]) == ("COMPLETED", "4")
    assert lines[0] == {"id": parent, "title": "Tee"}
    assert lines[2:] == [
        {"id": first, "sku": "S", "__parentId": parent},
        {"id": second, "sku": "M", "__parentId": parent},
    ]
    assert (lines[1]["title"], lines[1]["__parentId"]) == ("Summer", parent)


def test_a_bulk_query_of_nothing_has_no_address(clock: ManualClock) -> None:
    with running(Shop("Empty", clock=clock)) as api:
        end, lines = bulk_result(api, "{ products { edges { node { id } } } }")
    assert (end["status"], end["url"], lines) == ("COMPLETED", None, [])


@pytest.mark.parametrize("query", ["{ shop { name } }", "{ products { edges { node { colour } } } }", "{"])
def test_a_bulk_query_without_connection_or_sense_is_refused(shop: Shop, query: str) -> None:
    with running(shop) as api:
        payload = api.data(BULK, query=query)["bulkOperationRunQuery"]
        assert payload == {"bulkOperation": None, "userErrors": [{"code": "INVALID"}]}


# ---------------------------------------------------------------- tokens


def token_call(api: Api, **body: Any) -> httpx2.Response:
    asked = {"client_id": "client-id", "client_secret": SECRET, **body}
    return httpx2.post(f"{api.server.url}/admin/oauth/access_token", json=asked, trust_env=False)


def test_a_refreshed_token_lives_an_hour_and_the_old_refresh_token_ends_when_the_new_is_used(
    shop: Shop, clock: ManualClock
) -> None:
    with running(shop) as api:
        first = api.server.tokens.issue()
        mine = Api(api.server, first["access_token"])
        assert mine.data("{ shop { name } }") == {"shop": {"name": "Small shop"}}
        clock.advance(seconds=3600)
        mine.send("{ shop { name } }")
        assert mine.last.status_code == 401
        old = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = token_call(api, **old).json()
        third = token_call(api, **old).json()
        # One app has one token on a shop: each new one ends the one before.
        assert "data" not in Api(api.server, second["access_token"]).send("{ shop { name } }")
        assert Api(api.server, third["access_token"]).send("{ shop { name } }")["data"] is not None
        assert third["refresh_token"] != second["refresh_token"]
        newer = {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]}
        assert token_call(api, **newer).status_code == 200
        refused = token_call(api, **old)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


def test_tokens_are_for_the_app_alone(shop: Shop) -> None:
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    with running(shop) as api:
        good = api.server.tokens.id_token()
        wrong = token_call(api, client_secret="guess", grant_type=exchange, subject_token=good)
        assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})
        forged = token_call(api, grant_type=exchange, subject_token=good[:-3] + "AAA")
        assert forged.json() == {"error": "invalid_subject_token"}
        granted = token_call(api, grant_type=exchange, subject_token=good).json()
        assert granted["expires_in"] == 3600
        assert api.server.tokens.accepts(granted["access_token"])
