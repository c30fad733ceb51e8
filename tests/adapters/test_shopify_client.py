"""The Shopify client counts points, waits asleep, and translates every error once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from adapters.stores.shopify.client import READ_WAIT_S, AccessDenied, ShopifyClient
from adapters.stores.shopify.documents import quantities_document
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.shared import LocalValues
from simulator.server import ServerThread
from simulator.shop import Shop
from simulator.shopify import ShopifyServer
from simulator.shopify.model import INVENTORY_ITEM_OFFSET
from tests.adapters.shopify_support import ENVIRONMENT, SECRET, TOKEN
from tests.support import ManualClock


class Time:
    """A clock for both sides: sleeping moves it, and is written down."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Scripted:
    """Answers each POST with the next (status, body); bodies that are not bytes become JSON."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.headers: dict[str, str] = {}
        self.asked: list[Any] = []
        self.server = ServerThread(self)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        self.asked.append(
            (request.path, request.headers.get("X-Shopify-Access-Token"), request.get_json(silent=True))
        )
        status, body = self.answers.pop(0)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(data, status, headers=self.headers)(environ, start_response)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    scripted = Scripted()
    with scripted.server:
        yield scripted


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(scripted: Scripted, time: Time) -> ShopifyClient:
    return ShopifyClient(
        ENVIRONMENT, "demo.myshopify.com", TOKEN, scripted.server.url, monotonic=time, sleep=time.sleep
    )


@pytest.fixture
def limited(clock: ManualClock, time: Time) -> Iterator[ShopifyServer]:
    """A real limiter: 100 points a second, a bucket of 2,000, on the same clock as the client."""
    server = ShopifyServer(
        Shop("S", clock=clock), api_key="k", api_secret=SECRET, access_token=TOKEN, monotonic=time
    )
    with server:
        yield server


def read(client: ShopifyClient) -> dict[str, Any]:
    return client.query("ShopContext", {})


def write(client: ShopifyClient) -> dict[str, Any]:
    return client.mutate("SetBadges", {"metafields": []})


def refusal(code: str, message: str = "No.", **cost: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"errors": [{"message": message, "extensions": {"code": code}}]}
    if cost:
        found["extensions"] = {"cost": cost}
    return found


def status(available: float, rate: float = 100, maximum: float = 2000) -> dict[str, float]:
    return {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}


def test_sends_one_operation_to_the_pinned_version(client: ShopifyClient, scripted: Scripted) -> None:
    scripted.answers = [(200, {"data": {"shop": {}}})]
    assert read(client) == {"shop": {}}
    path, token, body = scripted.asked[0]
    assert (path, token) == ("/admin/api/2026-10/graphql.json", TOKEN)
    assert body["operationName"] == "ShopContext"
    assert body["query"].startswith("query ShopContext {")
    assert "SetQuantities" not in body["query"]


@pytest.mark.parametrize(
    ("answer", "act", "error"),
    [
        ((401, {"errors": "[API] Invalid API key"}), read, Unauthorized),
        ((403, {}), write, Unauthorized),
        ((402, {"errors": "Unavailable Shop"}), read, Misconfigured),
        ((423, {"errors": "Locked"}), write, Misconfigured),
        ((404, {}), read, Misconfigured),
        ((301, b""), read, Misconfigured),
        ((429, {}), write, RateLimited),
        ((430, {}), write, RateLimited),
        ((500, b""), read, Retryable),
        ((500, b""), write, OutcomeUnknown),
        ((503, b"<html>"), write, OutcomeUnknown),
        ((504, b"<html>"), write, OutcomeUnknown),
        ((200, b"<html>"), read, Retryable),
        ((200, b"<html>"), write, OutcomeUnknown),
        ((200, b"[]"), write, OutcomeUnknown),
        ((200, {"data": None}), write, OutcomeUnknown),
        ((200, refusal("ACCESS_DENIED")), read, AccessDenied),
        ((200, refusal("INTERNAL_SERVER_ERROR")), read, Retryable),
        ((200, refusal("INTERNAL_SERVER_ERROR")), write, OutcomeUnknown),
        ((200, refusal("SHOP_INACTIVE")), read, Misconfigured),
        ((200, refusal("undefinedField")), write, Rejected),
        ((200, {"errors": "in words"}), read, Rejected),
    ],
)
def test_each_answer_becomes_the_error_that_decides(
    client: ShopifyClient,
    scripted: Scripted,
    answer: tuple[int, Any],
    act: Callable[[ShopifyClient], Any],
    error: type[PortError],
) -> None:
    # A read that is only limited waits and asks again, so the last answer is given again and again.
    scripted.answers = [answer] * 3
    with pytest.raises(error) as caught:
        act(client)
    assert type(caught.value) is error
    assert "demo.myshopify.com" in caught.value.subject
    assert TOKEN not in str(caught.value)
    assert len(scripted.asked) == 1


@pytest.mark.parametrize("code", [402, 404, 423])
def test_a_shop_that_is_frozen_locked_or_gone_names_the_field_and_the_remedy(
    client: ShopifyClient, scripted: Scripted, code: int
) -> None:
    scripted.answers = [(code, {})]
    with pytest.raises(Misconfigured) as caught:
        read(client)
    assert (caught.value.field, caught.value.remedy != "") == ("shop", True)


def test_a_throttled_write_says_the_seconds_until_its_points_are_back(
    client: ShopifyClient, scripted: Scripted, time: Time
) -> None:
    scripted.answers = [
        (200, refusal("THROTTLED", requestedQueryCost=510, actualQueryCost=None, throttleStatus=status(80)))
    ]
    with pytest.raises(RateLimited) as caught:
        write(client)
    assert (caught.value.retry_after_s, time.slept) == (4.3, [])


def test_a_throttled_read_sleeps_until_its_points_are_back_and_asks_again(
    client: ShopifyClient, scripted: Scripted, time: Time
) -> None:
    throttled = refusal("THROTTLED", requestedQueryCost=800, actualQueryCost=None, throttleStatus=status(50))
    scripted.answers = [(200, throttled), (200, {"data": {"shop": {}}})]
    assert read(client) == {"shop": {}}
    # 800 points and those that reads leave to writes, of which 50 are there: 8.7 s at 100 a second.
    assert time.slept == [8.7]


def test_a_read_gives_up_when_the_points_do_not_come_back(
    client: ShopifyClient, scripted: Scripted, time: Time
) -> None:
    throttled = refusal(
        "THROTTLED", requestedQueryCost=900, actualQueryCost=None, throttleStatus=status(0, 25)
    )
    scripted.answers = [(200, throttled)] * 9
    with pytest.raises(RateLimited):
        read(client)
    # 40.8 s, and then as long again would pass the limit.
    assert time.slept == [40.8]
    assert sum(time.slept) <= READ_WAIT_S


def test_a_write_that_would_be_throttled_is_not_sent(
    client: ShopifyClient, scripted: Scripted, time: Time
) -> None:
    scripted.answers = [
        (
            200,
            {
                "data": {"metafieldsSet": {}},
                "extensions": {
                    "cost": {"requestedQueryCost": 310, "actualQueryCost": 310, "throttleStatus": status(60)}
                },
            },
        )
    ] * 2
    write(client)
    with pytest.raises(RateLimited) as caught:
        write(client)
    assert (caught.value.retry_after_s, len(scripted.asked)) == (2.5, 1)
    time.now += 0.6
    write(client)
    assert (len(scripted.asked), [round(one, 6) for one in time.slept]) == (2, [1.9])


def test_reads_faster_than_the_plan_wait_exactly_as_long_as_the_bucket_needs(
    limited: ShopifyServer, time: Time
) -> None:
    for n in range(250):
        limited.shop.add_product(f"P{n}", [{"sku": f"S{n}", "price_minor": 1, "stock": 1}])
    client = ShopifyClient(ENVIRONMENT, limited.domain, TOKEN, limited.url, monotonic=time, sleep=time.sleep)
    ids = [f"gid://shopify/InventoryItem/{item + INVENTORY_ITEM_OFFSET}" for item in limited.shop.items]
    asked = {"ids0": ids, "location0": "gid://shopify/Location/5001"}
    started = time.now
    for _ in range(10):
        client.query("Quantities", asked, quantities_document(1))
    assert (limited.bucket.points_used, limited.bucket.throttled) == (7500, 0)
    # 2,000 points are there at once, the other 5,500 come at 100 a second, and 120 are left to writes.
    assert time.now - started == pytest.approx(56.2, abs=0.1)


def test_a_bucket_emptied_by_another_worker_costs_one_refusal(limited: ShopifyServer, time: Time) -> None:
    client = ShopifyClient(ENVIRONMENT, limited.domain, TOKEN, limited.url, monotonic=time, sleep=time.sleep)
    asked = {"first": 250, "after": None}
    client.query("Webhooks", asked)
    limited.bucket.empty()
    client.query("Webhooks", asked)
    assert (limited.bucket.throttled, time.slept) == (1, [3.7])


def test_workers_that_share_what_they_know_are_never_refused(limited: ShopifyServer, time: Time) -> None:
    environment = replace(ENVIRONMENT, shared=LocalValues(time))
    clients = [
        ShopifyClient(environment, limited.domain, TOKEN, limited.url, monotonic=time, sleep=time.sleep)
        for _ in range(3)
    ]
    asked = {"first": 250, "after": None}
    for client in clients:
        client.query("Webhooks", asked)
    limited.bucket.empty()
    clients[0].query("Webhooks", asked)
    assert limited.bucket.throttled == 1
    for client in clients * 5:
        client.query("Webhooks", asked)
    # Only the one who found the bucket empty was told so; the others heard it from him.
    assert limited.bucket.throttled == 1


def test_an_unfinished_line_of_a_bulk_result_is_retryable(client: ShopifyClient, scripted: Scripted) -> None:
    scripted.answers = [(200, b'{"id":"1"}\n\n{"id":')]
    lines = client.download(f"{scripted.server.url}/result")
    with pytest.raises(Retryable):
        list(lines)
