"""The simulated BigCommerce enforces the rules that BigCommerce documents."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.hooks import STOCK_CHANGED
from simulator.bigcommerce.model import MOST, variant_id
from simulator.dials import Dials
from simulator.shop import Shop
from tests.conformance.stores import Mailbox
from tests.support import ManualClock, eventually

SECRET, TOKEN = "sim-client-secret", "sim-token"


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    shop = Shop("Corner Shop", currency="EUR", clock=clock)
    shop.add_product("Mug", [{"sku": "MUG", "price_minor": 950, "stock": 3}])
    shop.add_product(
        "Tee", [{"title": s, "sku": f"TEE-{s}", "price_minor": 1999, "stock": 5} for s in ("S", "M")]
    )
    shop.add_product("Card", [{"sku": "CARD", "price_minor": 100, "stock": None, "tracked": False}])
    return shop


@pytest.fixture
def server(shop: Shop, dials: Dials) -> Iterator[BigCommerceServer]:
    with BigCommerceServer(shop, client_secret=SECRET, access_token=TOKEN, dials=dials) as server:
        yield server


@pytest.fixture
def api(server: BigCommerceServer) -> Iterator[httpx2.Client]:
    base = f"{server.url}/stores/{server.store_hash}"
    with httpx2.Client(base_url=base, headers={"X-Auth-Token": TOKEN}, trust_env=False) as client:
        yield client


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


def adjust(api: httpx2.Client, *items: dict[str, Any]) -> httpx2.Response:
    return api.put("/v3/inventory/adjustments/absolute", json={"reason": "test", "items": list(items)})


def numbers(shop: Shop, sku: str) -> tuple[int, int]:
    """(variant id, product id)"""
    item = shop.by_sku(sku)[0]
    return variant_id(item), item.product_id


# ---------------------------------------------------------------- tokens, scopes, limits


def test_every_call_needs_the_token_and_its_scope(server: BigCommerceServer, api: httpx2.Client) -> None:
    assert api.get("/v2/store", headers={"X-Auth-Token": "other"}).status_code == 401
    assert api.get("/v2/store").json()["name"] == "Corner Shop"
    server.app.scopes = ("store_inventory_read_only",)
    assert api.get("/v3/inventory/items").status_code == 200
    for answer in (api.get("/v2/orders"), adjust(api, {"location_id": 1, "variant_id": 1, "quantity": 1})):
        assert (answer.status_code, answer.json()["status"]) == (403, 403)


def test_the_window_is_told_and_shared(server: BigCommerceServer, api: httpx2.Client) -> None:
    first = api.get("/v2/store").headers
    assert (first["X-Rate-Limit-Requests-Left"], first["X-Rate-Limit-Requests-Quota"]) == ("149", "150")
    assert first["X-Rate-Limit-Time-Window-Ms"] == "30000"
    server.window.spend(148)  # other apps
    assert api.get("/v2/store").headers["X-Rate-Limit-Requests-Left"] == "0"
    refused = api.get("/v2/store")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["X-Rate-Limit-Time-Reset-Ms"]) <= 30_000


def test_a_page_holds_at_most_what_is_documented(api: httpx2.Client) -> None:
    assert api.get("/v3/catalog/products", params={"limit": "250"}).status_code == 200
    assert api.get("/v3/catalog/products", params={"limit": "251"}).status_code == 413
    assert api.get("/v3/inventory/items", params={"limit": "1001"}).status_code == 413
    assert api.get("/v2/orders", params={"limit": "251"}).status_code == 400
    page = api.get("/v3/catalog/products", params={"limit": "2", "page": "2"}).json()
    assert [row["name"] for row in page["data"]] == ["Card"]
    assert page["meta"]["pagination"]["total_pages"] == 2


# ---------------------------------------------------------------- inventory


def test_an_adjustment_names_the_object_that_is_tracked(shop: Shop, api: httpx2.Client) -> None:
    mug, mug_product = numbers(shop, "MUG")
    small, tee = numbers(shop, "TEE-S")
    for item, title in (
        (
            {"variant_id": mug},
            f"[Item with variant_id {mug} is tracked by product, please update stock by product id]",
        ),
        (
            {"product_id": tee},
            f"[Item with product_id {tee} is tracked by variant, please update stock by variant id]",
        ),
    ):
        answer = adjust(api, {"location_id": 1, "quantity": 9, **item})
        assert (answer.status_code, answer.json()["title"]) == (422, title)
    accepted = adjust(
        api,
        {"location_id": 1, "product_id": mug_product, "quantity": 9},
        {"location_id": 1, "variant_id": small, "quantity": 8},
    )
    assert list(accepted.json()) == ["transaction_id"]
    assert (shop.by_sku("MUG")[0].stock, shop.by_sku("TEE-S")[0].stock) == (9, 8)


def test_one_refused_item_fails_them_all(shop: Shop, api: httpx2.Client) -> None:
    small, _ = numbers(shop, "TEE-S")
    card, _ = numbers(shop, "CARD")
    good = {"location_id": 1, "variant_id": small, "quantity": 8}
    for bad in (
        {"location_id": 1, "variant_id": card, "quantity": 1},
        {"location_id": 1, "variant_id": 5, "quantity": 1},
        {"location_id": 2, "variant_id": small, "quantity": 1},
        {"location_id": 1, "variant_id": small, "quantity": -1},
        {"location_id": 1, "quantity": 1},
    ):
        assert adjust(api, good, bad).status_code == 422
    assert adjust(api, *[good] * 2001).status_code == 422
    assert adjust(api).status_code == 422
    assert shop.by_sku("TEE-S")[0].stock == 5


def test_reads_follow_an_adjustment_later(
    shop: Shop, api: httpx2.Client, clock: ManualClock, server: BigCommerceServer
) -> None:
    small, _ = numbers(shop, "TEE-S")

    def shown() -> int:
        query = {"variant_id:in": str(small)}
        (row,) = api.get("/v3/inventory/locations/1/items", params=query).json()["data"]
        return int(row["total_inventory_onhand"])

    adjust(api, {"location_id": 1, "variant_id": small, "quantity": 8})
    assert (shop.by_sku("TEE-S")[0].stock, shown()) == (8, 5)
    clock.advance(seconds=server.levels.lag_s)
    assert shown() == 8
    shop.set_stock(shop.by_sku("TEE-S")[0].id, 7, by="shop")
    assert shown() == 7, "only adjustments are late"


def test_a_number_above_the_limit_is_accepted_and_lost(
    shop: Shop, api: httpx2.Client, server: BigCommerceServer
) -> None:
    small, _ = numbers(shop, "TEE-S")
    assert adjust(api, {"location_id": 1, "variant_id": small, "quantity": MOST + 1}).status_code == 200
    assert (shop.by_sku("TEE-S")[0].stock, server.inventory.counts["over_limit"]) == (5, 1)


def test_two_adjustments_at_once_are_one_too_many(
    shop: Shop, api: httpx2.Client, server: BigCommerceServer
) -> None:
    small, _ = numbers(shop, "TEE-S")
    server.inventory.takes_s = 0.2
    answers: list[httpx2.Response] = []

    def write(units: int) -> None:
        answers.append(adjust(api, {"location_id": 1, "variant_id": small, "quantity": units}))

    threads = [threading.Thread(target=write, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
    assert sorted(one.status_code for one in answers) == [200, 429]
    refused = next(one for one in answers if one.status_code == 429)
    assert "X-Rate-Limit-Requests-Left" not in refused.headers


def test_what_is_not_tracked_has_no_inventory(shop: Shop, api: httpx2.Client) -> None:
    rows = api.get("/v3/inventory/items").json()["data"]
    assert [row["identity"]["sku"] for row in rows] == ["MUG", "TEE-S", "TEE-M"]
    assert api.get("/v3/inventory/locations/9/items").status_code == 404


# ---------------------------------------------------------------- metafields


def field(number: int, **more: Any) -> dict[str, Any]:
    base = {
        "namespace": "dispo",
        "key": "availability",
        "value": "{}",
        "permission_set": "read_and_sf_access",
    }
    return {"resource_id": number, **base, **more}


def test_a_batch_of_metafields_may_succeed_in_part(shop: Shop, api: httpx2.Client) -> None:
    path = "/v3/catalog/variants/metafields"
    small, medium = numbers(shop, "TEE-S")[0], numbers(shop, "TEE-M")[0]
    assert api.post(path, json=[field(small)]).status_code == 200
    again = api.post(path, json=[field(small), field(medium), field(5)])
    assert again.status_code == 422
    assert [row["resource_id"] for row in again.json()["data"]] == [medium]
    assert set(again.json()["errors"][0]["errors"]) == {"0", "2"}
    assert again.json()["meta"] == {"total": 3, "success": 1, "failed": 2}
    assert api.post(path, json=[field(small)] * 51).status_code == 413
    assert api.post(path, json=[field(small, key="", value="x")]).status_code == 422


# ---------------------------------------------------------------- webhooks


def subscribe(api: httpx2.Client, scope: str, destination: str) -> httpx2.Response:
    return api.post("/v3/hooks", json={"scope": scope, "destination": destination, "is_active": True})


def test_a_webhook_goes_to_https_on_port_443_once_per_scope(api: httpx2.Client) -> None:
    scope = "store/order/created"
    assert subscribe(api, scope, "http://dispo.example/hook").status_code == 422
    assert subscribe(api, scope, "https://dispo.example:8443/hook").status_code == 422
    assert subscribe(api, "order/created", "https://dispo.example/hook").status_code == 422
    made = subscribe(api, scope, "https://dispo.example/hook")
    assert made.json()["data"]["is_active"] is True
    assert subscribe(api, scope, "https://dispo.example/hook").status_code == 409
    for n in range(9):
        assert subscribe(api, scope, f"https://dispo.example/{n}").status_code == 200
    assert subscribe(api, scope, "https://dispo.example/eleventh").status_code == 422


def test_a_sale_is_delivered_signed_with_ids_only(
    shop: Shop, api: httpx2.Client, server: BigCommerceServer, mailbox: Mailbox
) -> None:
    for scope in (STOCK_CHANGED, "store/order/*"):
        subscribe(api, scope, mailbox.address)
    order = shop.buy({shop.by_sku("TEE-S")[0].id: 2})
    assert server.webhooks.drain()
    bodies = {json.loads(one.body)["scope"]: json.loads(one.body) for one in mailbox.received}
    small, tee = numbers(shop, "TEE-S")
    assert bodies[STOCK_CHANGED]["data"] == {"variant_id": small, "product_id": tee, "location_id": 1}
    assert bodies["store/order/created"]["data"] == {"type": "order", "id": order.id}
    assert bodies[STOCK_CHANGED]["producer"] == f"stores/{server.store_hash}"
    for one in mailbox.received:
        headers = {name.lower(): value for name, value in one.headers.items()}
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + one.body
        expected = base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


def test_duplicates_share_their_hash_and_drops_are_counted(
    shop: Shop, api: httpx2.Client, server: BigCommerceServer, mailbox: Mailbox, dials: Dials
) -> None:
    subscribe(api, STOCK_CHANGED, mailbox.address)
    dials.webhook_duplicate_rate = 1.0
    for ids in (1, 2):
        mailbox.received.clear()
        shop.set_stock(shop.by_sku("MUG")[0].id, 8, by="shop")
        assert server.webhooks.drain()
        assert len({json.loads(one.body)["hash"] for one in mailbox.received}) == 1
        assert [len({one.headers["Webhook-Id"] for one in mailbox.received}), len(mailbox.received)] == [
            ids,
            2,
        ]
    dials.webhook_drop_rate = 1.0
    shop.set_stock(shop.by_sku("MUG")[0].id, 9, by="shop")
    assert server.webhooks.drain()
    assert (len(mailbox.received), server.webhooks.dropped) == (2, 1)


def test_a_webhook_that_keeps_failing_is_switched_off(
    shop: Shop, api: httpx2.Client, server: BigCommerceServer
) -> None:
    server.webhooks.speed = 0.0
    subscribe(api, STOCK_CHANGED, "http://127.0.0.1:1/nobody")
    shop.set_stock(shop.by_sku("MUG")[0].id, 8, by="shop")
    (hook,) = server.webhooks.hooks.values()
    eventually(lambda: not hook.is_active, "the webhook is switched off")
    assert [one.attempts for one in server.webhooks.failed] == [12]
    shop.set_stock(shop.by_sku("MUG")[0].id, 9, by="shop")
    assert server.webhooks.drain()
    assert len(server.webhooks.failed) == 1, "a webhook that is off hears nothing"
    answer = api.put(f"/v3/hooks/{hook.id}", json={"is_active": True})
    assert answer.json()["data"]["is_active"] is True


def test_a_destination_that_fails_too_often_is_left_alone_for_a_while(
    shop: Shop, api: httpx2.Client, server: BigCommerceServer
) -> None:
    server.webhooks.speed, server.webhooks.block_after = 0.0, 3
    subscribe(api, STOCK_CHANGED, "http://127.0.0.1:1/nobody")
    shop.set_stock(shop.by_sku("MUG")[0].id, 8, by="shop")
    eventually(lambda: server.webhooks.failed, "the delivery is given up")
    assert server.webhooks._tally["127.0.0.1:1"] == [0, 0], "blocked after three, nothing was sent since"


# ---------------------------------------------------------------- scripts


def script(**more: Any) -> dict[str, Any]:
    return {
        "name": "Dispo",
        "kind": "src",
        "src": "https://dispo.example/a.js",
        "location": "footer",
        "visibility": "storefront",
        "load_method": "defer",
        "consent_category": "essential",
        "auto_uninstall": True,
        **more,
    }


def test_scripts_are_checked_counted_and_shown_by_consent(
    api: httpx2.Client, server: BigCommerceServer
) -> None:
    path = "/v3/content/scripts"
    assert api.post(path, json=script(consent_category="marketing")).status_code == 422
    assert api.post(path, json=script(kind="script_tag", html="<p>")).status_code == 422
    made = api.post(path, json=script()).json()["data"]
    assert api.post(path, json=script(channel_id=2)).status_code == 422, "there is no such storefront"
    server.channels.append({"id": 2, "type": "storefront", "status": "active"})
    inline = script(kind="script_tag", html="<script>1</script>", consent_category="functional", channel_id=2)
    api.post(path, json=inline)
    assert server.scripts.tags(1, "footer") == '<script src="https://dispo.example/a.js" defer></script>'
    assert server.scripts.tags(2, "footer") == "<script>1</script>"
    assert server.scripts.tags(2, "footer", accepted=frozenset()) == ""
    assert [row["channel_id"] for row in api.get(path, params={"channel_id:in": "2"}).json()["data"]] == [2]
    assert api.put(f"{path}/{made['uuid']}", json={"enabled": False}).status_code == 200
    assert server.scripts.tags(1, "footer") == ""
    for _ in range(8):
        assert api.post(path, json=script()).status_code == 200
    assert api.post(path, json=script()).status_code == 422
    assert api.delete(f"{path}/{made['uuid']}").status_code == 204
    assert api.delete(f"{path}/{made['uuid']}").status_code == 404


def test_removing_the_app_ends_its_token_webhooks_and_scripts(
    api: httpx2.Client, server: BigCommerceServer, mailbox: Mailbox
) -> None:
    subscribe(api, "store/app/uninstalled", mailbox.address)
    api.post("/v3/content/scripts", json=script())
    token = server.uninstall()
    assert token.count(".") == 2
    assert [json.loads(one.body)["scope"] for one in mailbox.received] == ["store/app/uninstalled"]
    assert (server.scripts.kept, server.webhooks.hooks) == ({}, {})
    assert api.get("/v2/store").status_code == 401
