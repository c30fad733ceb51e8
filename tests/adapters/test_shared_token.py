"""One token for all workers: who fetches, who waits, and what a stranger can do with what is shared."""

from __future__ import annotations

import threading

import pytest

from adapters.kit.shared_token import FETCHING_S, Fetched, SharedToken
from connector.ports.errors import Retryable
from connector.registry import Environment
from connector.shared import LocalValues


class World:
    """Workers that share their values and a clock that passes only by waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.asked = 0
        self.lives_s = 3600.0
        self.environment = Environment(shared=LocalValues(lambda: self.now))
        monkeypatch.setattr("adapters.kit.api.pause", self.wait)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def fetch(self) -> Fetched:
        self.asked += 1
        return Fetched(f"token-{self.asked}", self.lives_s)

    def worker(self, secret: str = "secret", every_s: float = 0.0) -> SharedToken:
        return SharedToken(self.environment, "hub", secret, self.fetch, every_s=every_s)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_worker_waits_for_the_one_that_fetches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Fetched:
        begun.set()
        assert go_on.wait(5)
        return world.fetch()

    def wait(seconds: float) -> None:
        world.now += seconds
        go_on.set()
        first.join(5)

    slow = SharedToken(world.environment, "hub", "secret", slowly)
    first = threading.Thread(target=slow)
    monkeypatch.setattr("adapters.kit.api.pause", wait)
    first.start()
    assert begun.wait(5)

    assert world.worker()() == "token-1"
    assert world.asked == 1


def test_one_that_died_while_it_fetched_holds_nobody_up_for_good(world: World) -> None:
    def dies() -> Fetched:
        raise KeyboardInterrupt

    lost = SharedToken(world.environment, "hub", "secret", dies)
    with pytest.raises(KeyboardInterrupt):
        lost()
    assert world.worker()() == "token-1"

    gone = world.worker("other secret")
    gone._values.change(gone._key, lambda value, now: ({"asked_at": now, "fetching": True}, None))
    with pytest.raises(Retryable):
        world.worker("other secret")()
    world.wait(FETCHING_S)
    assert world.worker("other secret")() == "token-2"


def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    assert world.worker()() == "token-1"
    world.wait(3600 - 301)
    assert world.worker()() == "token-1"
    world.wait(2)
    assert world.worker()() == "token-2"


def test_a_refused_token_is_not_refused_again_for_those_who_have_the_new_one(world: World) -> None:
    one, other = world.worker(), world.worker()
    assert (one(), other()) == ("token-1", "token-1")

    assert (one(True), other(True)) == ("token-2", "token-2")
    assert world.asked == 2


def test_what_a_stranger_wrote_is_not_taken_for_a_token(world: World) -> None:
    worker = world.worker()
    forged = {"sealed": "token-forged", "mark": "x", "ends_at": 1e9, "asked_at": 0.0}
    worker._values.change(worker._key, lambda value, now: (forged, None))

    assert worker() == "token-1"


def test_accounts_do_not_share(world: World) -> None:
    assert (world.worker("a")(), world.worker("b")()) == ("token-1", "token-2")
