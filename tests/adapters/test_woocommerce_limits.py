"""A host that turns one worker away turns all of them away; a shop in maintenance does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.stores.woocommerce.client import LONGEST_CLOSED_S, Client
from connector.ports.errors import RateLimited, Retryable
from connector.registry import Environment
from connector.shared import LocalValues
from simulator.server import ServerThread

KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40


class Host:
    """Answers every call with `status`; counts them."""

    def __init__(self) -> None:
        self.status, self.wait = "429 Too Many Requests", "7"
        self.calls = 0

    def __call__(self, environ: object, start_response: object) -> list[bytes]:
        self.calls += 1
        headers = [("Content-Type", "application/json"), ("Retry-After", self.wait)]
        start_response(self.status, headers)  # type: ignore[operator]
        return [b'{"code":"busy","message":"Too many"}']


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


def workers(url: str, now: list[float]) -> tuple[Client, Client]:
    shared = LocalValues(lambda: now[0])
    environment = replace(Environment(allowed_private_hosts=frozenset({"127.0.0.1"})), shared=shared)
    return Client(url, KEY, SECRET, environment), Client(url, KEY, SECRET, environment)


def test_what_one_worker_was_told_all_of_them_keep_to(now: list[float]) -> None:
    host = Host()
    with ServerThread(host) as server:
        one, other = workers(server.url, now)
        with pytest.raises(RateLimited):
            one.get("products")
        with pytest.raises(RateLimited) as told:
            other.write("POST", "products/batch", {})
        assert (host.calls, told.value.retry_after_s) == (1, 7.0)
        now[0] += 7
        with pytest.raises(RateLimited):
            other.get("products")
        assert host.calls == 2


def test_no_host_keeps_everybody_away_for_a_day(now: list[float]) -> None:
    host = Host()
    host.wait = "86400"
    with ServerThread(host) as server:
        one, other = workers(server.url, now)
        with pytest.raises(RateLimited):
            one.get("products")
        now[0] += LONGEST_CLOSED_S
        with pytest.raises(RateLimited):
            other.get("products")
    assert host.calls == 2


def test_a_shop_in_maintenance_is_asked_again_by_whoever_wants_to(now: list[float]) -> None:
    host = Host()
    host.status = "503 Service Unavailable"
    with ServerThread(host) as server:
        one, other = workers(server.url, now)
        for client in (one, other):
            with pytest.raises(Retryable):
                client.get("products")
    assert host.calls == 2
