"""What the recordings cannot show: OAuth at its edges, webhook deliveries, faults, and speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response
from woocommerce import API
from woocommerce.oauth import OAuth

from simulator.dials import Dials
from simulator.server import ServerThread
from simulator.shop import Shop
from simulator.woocommerce import WooCommerceServer
from simulator.woocommerce.auth import ApiKey
from simulator.woocommerce.hooks import sign
from tests.support import ManualClock

KEY, SECRET = "ck_sim", "cs_sim"
HOOK_SECRET = "hook secret & <é>"


@dataclass(frozen=True)
class Delivered:
    headers: dict[str, str]
    body: bytes

    @property
    def topic(self) -> str:
        return self.headers.get("X-Wc-Webhook-Topic", "ping")


class Receiver:
    """Keeps what it receives and answers `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[Delivered] = []
        self._server = ServerThread(self)
        self.address = f"{self._server.url}/hook"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        self.got.append(Delivered(dict(request.headers), request.get_data()))
        return Response(b"", self.status)(environ, start_response)

    def topics(self) -> list[str]:
        return sorted(one.topic for one in self.got)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver._server:
        yield receiver


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    shop = Shop("Sim", clock=clock)
    for n in range(1, 121):
        shop.add_product(f"Cup {n}", [{"sku": f"CUP-{n}", "price_minor": 100, "stock": 5}])
    shop.add_product("Tee", [{"title": s, "sku": f"TEE-{s}", "price_minor": 100, "stock": 5} for s in "SM"])
    return shop


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def server(shop: Shop, dials: Dials) -> Iterator[WooCommerceServer]:
    with WooCommerceServer(shop, key=KEY, secret=SECRET, dials=dials) as server:
        yield server


@pytest.fixture
def api(server: WooCommerceServer) -> API:
    return API(server.url, KEY, SECRET)


def signed(server: WooCommerceServer, path: str = "products", *, at: int | None = None) -> str:
    address: str = OAuth(
        url=f"{server.url}/wp-json/wc/v3/{path}",
        consumer_key=KEY,
        consumer_secret=SECRET,
        version="wc/v3",
        method="GET",
        oauth_timestamp=int(time.time()) if at is None else at,
    ).get_oauth_url()
    return address


def message(answer: requests.Response) -> tuple[int, str, str]:
    data = answer.json()
    return answer.status_code, data["code"], data["message"]


# ------------------------------------------------------------------ keys


def test_a_nonce_is_good_for_one_request(server: WooCommerceServer) -> None:
    address = signed(server)
    assert requests.get(address, timeout=5).status_code == 200
    assert message(requests.get(address, timeout=5)) == (
        401,
        "woocommerce_rest_authentication_error",
        "Invalid nonce - nonce has already been used.",
    )


@pytest.mark.parametrize(("skew_s", "status"), [(-800, 200), (800, 200), (-1000, 401), (1000, 401)])
def test_the_clock_may_be_wrong_by_a_quarter_of_an_hour(
    server: WooCommerceServer, skew_s: int, status: int
) -> None:
    answer = requests.get(signed(server, at=int(time.time()) + skew_s), timeout=5)
    assert answer.status_code == status
    if status == 401:
        assert message(answer)[2] == "Invalid timestamp."


def test_a_changed_parameter_breaks_the_signature(server: WooCommerceServer) -> None:
    answer = requests.get(signed(server, "products?per_page=5") + "&order=asc", timeout=5)
    assert message(answer)[2] == "Invalid signature - provided signature does not match."


def test_an_unknown_oauth_key_and_a_missing_parameter_are_told_apart(server: WooCommerceServer) -> None:
    unknown = API(server.url, "ck_nobody", SECRET).get("products")
    assert message(unknown)[2] == "Consumer key is invalid."
    partial = requests.get(f"{server.url}/wp-json/wc/v3/products?oauth_consumer_key={KEY}", timeout=5)
    assert message(partial)[1:] == (
        "woocommerce_rest_authentication_missing_parameter",
        "Missing OAuth parameters oauth_timestamp, oauth_nonce, oauth_signature, oauth_signature_method",
    )


def test_a_read_key_may_not_write(server: WooCommerceServer, shop: Shop) -> None:
    server.keyring.keys.append(ApiKey("ck_read", "cs_read", "read"))
    api = API(server.url, "ck_read", "cs_read")
    assert api.get("products").status_code == 200
    number = shop.by_sku("CUP-1")[0].id
    answer = api.put(f"products/{number}", {"stock_quantity": 1})
    assert message(answer)[2] == "The API key provided does not have write permissions."
    assert shop.items[number].stock == 5


def test_the_index_is_open_to_everybody(server: WooCommerceServer) -> None:
    answer = requests.get(f"{server.url}/wp-json/", timeout=5)
    assert (answer.status_code, answer.json()["name"]) == (200, "Sim")


def test_the_link_header_echoes_the_signature(api: API) -> None:
    # The reason why nobody may log it.
    assert "oauth_signature=" in api.get("products", params={"per_page": 5}).headers["Link"]


# ------------------------------------------------------------------ webhooks


def subscribe(api: API, receiver: Receiver, *topics: str) -> None:
    for topic in topics:
        body = {"name": topic, "topic": topic, "delivery_url": receiver.address, "secret": HOOK_SECRET}
        assert api.post("webhooks", body).status_code == 201


def test_a_new_webhook_pings_without_a_signature(
    api: API, server: WooCommerceServer, receiver: Receiver
) -> None:
    subscribe(api, receiver, "product.updated")
    assert server.webhooks.wait_idle()
    (ping,) = receiver.got
    assert ping.body == b"webhook_id=1"
    assert not [name for name in ping.headers if name.startswith("X-Wc")]


def test_a_sale_is_told_as_an_order_and_by_product(
    api: API, server: WooCommerceServer, receiver: Receiver, shop: Shop
) -> None:
    subscribe(api, receiver, "product.updated", "order.created", "order.updated")
    server.webhooks.wait_idle()
    receiver.got.clear()
    shop.buy({shop.by_sku("CUP-1")[0].id: 2, shop.by_sku("TEE-M")[0].id: 1})
    assert server.webhooks.wait_idle()
    assert receiver.topics() == ["order.created", "order.updated", "product.updated", "product.updated"]
    for one in receiver.got:
        assert one.headers["X-Wc-Webhook-Signature"] == sign(HOOK_SECRET, one.body)
        assert one.body.isascii()


def test_an_own_write_is_told_like_any_other_and_a_variation_without_its_parent(
    api: API, server: WooCommerceServer, receiver: Receiver, shop: Shop
) -> None:
    subscribe(api, receiver, "product.updated")
    server.webhooks.wait_idle()
    receiver.got.clear()
    tee = shop.by_sku("TEE-S")[0]
    api.put(f"products/{tee.product_id}/variations/{tee.id}", {"stock_quantity": 5})
    assert server.webhooks.wait_idle()
    (one,) = receiver.got
    assert one.body.startswith(b'{"id":%d,' % tee.id)
    assert b'"type":"variation"' in one.body


def test_updates_that_wait_together_are_one_delivery_with_the_latest_number(
    api: API, server: WooCommerceServer, receiver: Receiver, shop: Shop, dials: Dials
) -> None:
    subscribe(api, receiver, "product.updated")
    server.webhooks.wait_idle()
    receiver.got.clear()
    dials.webhook_delay_s = 0.2
    number = shop.by_sku("CUP-3")[0].id
    for stock in (9, 8, 7):
        shop.set_stock(number, stock, by="shop")
    assert server.webhooks.wait_idle()
    (one,) = receiver.got
    assert b'"stock_quantity":7' in one.body


def test_seven_failures_in_a_row_switch_a_webhook_off(
    api: API, server: WooCommerceServer, receiver: Receiver, shop: Shop
) -> None:
    subscribe(api, receiver, "product.updated")
    server.webhooks.wait_idle()
    receiver.status = 500
    for n in range(1, 9):
        assert server.webhooks.hooks[1].status == ("active" if n <= 7 else "disabled")
        shop.set_stock(shop.by_sku(f"CUP-{n}")[0].id, 1, by="shop")
        server.webhooks.wait_idle()
    assert [one.status for one in server.webhooks.deliveries] == [500] * 7
    assert api.get("webhooks", params={"status": "disabled"}).json()[0]["status"] == "disabled"
    receiver.status = 200
    api.put("webhooks/1", {"status": "active"})
    shop.set_stock(shop.by_sku("CUP-9")[0].id, 1, by="shop")
    server.webhooks.wait_idle()
    assert server.webhooks.deliveries[-1].status == 200


def test_one_success_forgives_the_failures_before_it(
    api: API, server: WooCommerceServer, receiver: Receiver, shop: Shop
) -> None:
    subscribe(api, receiver, "product.updated")
    for n in range(1, 13):
        server.webhooks.wait_idle()
        receiver.status = 200 if n == 6 else 500
        shop.set_stock(shop.by_sku(f"CUP-{n}")[0].id, 1, by="shop")
    server.webhooks.wait_idle()
    assert server.webhooks.hooks[1].status == "active"


@pytest.mark.parametrize(("rate", "times"), [("webhook_duplicate_rate", 2), ("webhook_drop_rate", 0)])
def test_deliveries_come_twice_or_never_when_the_dials_say_so(
    api: API,
    server: WooCommerceServer,
    receiver: Receiver,
    shop: Shop,
    dials: Dials,
    rate: str,
    times: int,
) -> None:
    subscribe(api, receiver, "product.updated")
    server.webhooks.wait_idle()
    receiver.got.clear()
    setattr(dials, rate, 1.0)
    shop.set_stock(shop.by_sku("CUP-1")[0].id, 1, by="shop")
    assert server.webhooks.wait_idle()
    assert len(receiver.got) == times
    assert len({one.headers["X-Wc-Webhook-Delivery-Id"] for one in receiver.got}) == min(times, 1)


def test_a_product_in_the_trash_is_told_and_one_deleted_for_good_is_not(
    api: API, server: WooCommerceServer, receiver: Receiver, shop: Shop
) -> None:
    subscribe(api, receiver, "product.deleted")
    server.webhooks.wait_idle()
    receiver.got.clear()
    first, second = shop.by_sku("CUP-1")[0].id, shop.by_sku("CUP-2")[0].id
    api.delete(f"products/{first}")
    api.delete(f"products/{second}", params={"force": "true"})
    assert server.webhooks.wait_idle()
    assert [one.body for one in receiver.got] == [b'{"id":%d}' % first]


def test_a_server_that_delivers_nothing_still_keeps_webhooks(shop: Shop, receiver: Receiver) -> None:
    with WooCommerceServer(shop, key=KEY, secret=SECRET, deliver_webhooks=False) as server:
        subscribe(API(server.url, KEY, SECRET), receiver, "product.updated")
        shop.set_stock(shop.by_sku("CUP-1")[0].id, 1, by="shop")
        assert server.webhooks.wait_idle()
        assert receiver.got == []
        assert len(server.webhooks.hooks) == 1


# ------------------------------------------------------------------ rules and faults


def test_the_shop_wide_switch_keeps_every_number_as_it_is(api: API, shop: Shop) -> None:
    number = shop.by_sku("CUP-1")[0].id
    api.put("settings/products/woocommerce_manage_stock", {"value": "no"})
    answer = api.post("products/batch", {"update": [{"id": number, "stock_quantity": 50}]}).json()
    assert (answer["update"][0]["manage_stock"], answer["update"][0]["stock_quantity"]) == (False, 5)
    assert shop.items[number].stock == 5


def test_a_read_of_many_skus_is_answered_while_nothing_pages(api: API) -> None:
    skus = ",".join(f"CUP-{n}" for n in range(1, 101))
    answer = api.get("products", params={"sku": skus, "per_page": 100, "_fields": "id,sku"})
    assert (answer.status_code, len(answer.json())) == (200, 100)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        pytest.param("CUP-X", "cup-x", id="case"),
        pytest.param("Ü-ß", "u-ss", id="accents"),
        pytest.param("CUP-X", " CUP-X ", id="outer blanks"),
        pytest.param("CUP-X", "CUP-1 ,CUP-X", id="blanks at an end"),
        pytest.param("A,B", "A,B", id="a comma"),
    ],
)
def test_a_sku_is_found_as_the_database_compares(api: API, shop: Shop, kept: str, asked: str) -> None:
    item = shop.by_sku("CUP-9")[0]
    item.sku = kept
    found = [row["id"] for row in api.get("products", params={"sku": asked, "_fields": "id"}).json()]
    assert item.id in found


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        pytest.param("A<B", "A<B", id="taken for a tag"),
        pytest.param("CUP-X", "CUP-1, CUP-X", id="a blank before"),
        pytest.param("00123", "123", id="zeros before"),
    ],
)
def test_a_sku_that_the_database_does_not_find(api: API, shop: Shop, kept: str, asked: str) -> None:
    item = shop.by_sku("CUP-9")[0]
    item.sku = kept
    found = [row["id"] for row in api.get("products", params={"sku": asked, "_fields": "id"}).json()]
    assert item.id not in found


def test_an_unknown_parent_has_no_variations_and_is_no_error(api: API, shop: Shop) -> None:
    for parent in (shop.by_sku("CUP-1")[0].id, 999_999):
        answer = api.get(f"products/{parent}/variations")
        assert (answer.status_code, answer.json()) == (200, [])


def test_the_trash_is_listed_nowhere_and_written_by_a_batch(api: API, shop: Shop) -> None:
    tee = shop.by_sku("TEE-S")[0]
    assert api.delete(f"products/{tee.product_id}").status_code == 200
    lists = ("variations", f"products/{tee.product_id}/variations")
    assert [api.get(path, params={"include": str(tee.id)}).json() for path in lists] == [[], []]
    assert api.get("products", params={"sku": "TEE-S"}).json() == []
    path = f"products/{tee.product_id}/variations/batch"
    (row,) = api.post(path, {"update": [{"id": tee.id, "stock_quantity": 8}]}).json()["update"]
    assert (row["status"], row["stock_quantity"], tee.stock) == ("trash", 8, 8)


def test_an_empty_batch_is_answered_by_an_empty_list(api: API) -> None:
    answer = api.post("products/batch", {"update": []})
    assert (answer.status_code, answer.json()) == (200, [])


def test_without_pretty_permalinks_only_reads_are_redirected(server: WooCommerceServer) -> None:
    server.is_plain_permalinks = True
    address = f"{server.url}/wp-json/wc/v3/products"
    answers = [requests.request(m, address, allow_redirects=False, timeout=5) for m in ("GET", "POST")]
    assert [one.status_code for one in answers] == [301, 200]


def test_maintenance_is_a_page_to_whoever_does_not_ask_for_json(
    server: WooCommerceServer, dials: Dials
) -> None:
    dials.maintenance = True
    kinds = []
    for accept in ("*/*", "application/json"):
        answer = requests.get(f"{server.url}/wp-json/", headers={"Accept": accept}, timeout=5)
        kinds.append((answer.status_code, answer.headers["Retry-After"], answer.headers["Content-Type"]))
    assert kinds == [(503, "600", "text/html"), (503, "600", "application/json; charset=UTF-8")]


def test_the_calls_are_counted_by_route(api: API, server: WooCommerceServer, shop: Shop) -> None:
    tee = shop.by_sku("TEE-S")[0]
    api.get("products")
    api.get(f"products/{tee.id}")
    api.post("products/batch", {"update": []})
    api.post(f"products/{tee.product_id}/variations/batch", {"update": []})
    api.get("variations")
    assert dict(server.calls) == {
        "GET products": 1,
        "GET products/<id>": 1,
        "POST products/batch": 1,
        "POST products/<id>/variations/batch": 1,
        "GET variations": 1,
    }


def test_a_batch_is_done_although_its_answer_is_lost(api: API, shop: Shop, dials: Dials) -> None:
    number = shop.by_sku("CUP-1")[0].id
    body = {"update": [{"id": number, "stock_quantity": 77}]}
    dials.fail_next.append("timeout_after_success")
    assert api.post("products/batch", body).status_code == 504
    assert shop.items[number].stock == 77
    dials.fail_next.append("cut_after_success")
    with pytest.raises(requests.ConnectionError):
        api.post("products/batch", {"update": [{"id": number, "stock_quantity": 78}]})
    assert shop.items[number].stock == 78


def test_nothing_is_done_by_a_request_that_was_cut_or_refused(api: API, shop: Shop, dials: Dials) -> None:
    number = shop.by_sku("CUP-1")[0].id
    body = {"update": [{"id": number, "stock_quantity": 77}]}
    dials.fail_next += ["error", "throttle"]
    assert [api.post("products/batch", body).status_code for _ in range(2)] == [502, 429]
    dials.fail_next.append("cut_before")
    with pytest.raises(requests.ConnectionError):
        api.post("products/batch", body)
    assert shop.items[number].stock == 5


def test_a_batch_of_100_is_carried_out_whole(server: WooCommerceServer, shop: Shop) -> None:
    from werkzeug.test import Client

    ids = sorted(shop.products)[:100]
    body = {"update": [{"id": number, "stock_quantity": 3} for number in ids]}
    answer = Client(server).post(
        "/wp-json/wc/v3/products/batch", json=body, base_url="https://sim.example", auth=(KEY, SECRET)
    )
    assert answer.status_code == 200
    assert [(one["id"], one["stock_quantity"]) for one in answer.get_json()["update"]] == [
        (number, 3) for number in ids
    ]
