"""Somebody floods the form: `python -m benchmarks.flood` prints one JSON line and ends with 1 when something broke.

Ten thousand posts of one address, each from a network of its own, to a real server with its limits; the same past all
limits, straight into the database by many threads at once; ten thousand addresses from one network; ten thousand
addresses from as many networks. The first two must leave one row and one message, the third as many rows as one
network may make, the last as many as a store takes in the minutes that it lasted.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlencode

import sqlalchemy as sa

from benchmarks.bench import installation
from benchmarks.sign_ups import _store
from benchmarks.webhooks import _server
from connector.bootstrap import Runtime
from connector.embedded import start_redis
from connector.shoppers.offer import CONSENT_VERSION
from connector.shoppers.subscribe import find_place, subscribe
from connector.web.sign_up_limits import PER_NETWORK, PER_STORE

POSTS = 10_000
THREADS = 8
_ONE = "somebody@example.com"


def main() -> int:
    """Run all four and print what came of them."""
    os.environ["DISPO_TRUSTED_PROXIES"] = "1"
    with installation() as rt, start_redis(rt.settings.data_dir / "redis") as redis:
        rt.settings = replace(rt.settings, redis_url=redis.url)
        stores = [_store(rt, number) for number in range(4)]
        with _server("real", rt) as port:
            one = _flood(port, stores[0], lambda n: (_ONE, _network(n)))
            network = _flood(port, stores[1], lambda n: (f"n{n}@example.com", f"203.0.113.{n % 256}"))
            many = _flood(port, stores[2], lambda n: (f"m{n}@example.com", _network(n)))
        began = time.perf_counter()
        _past_the_limits(rt, stores[3])
        direct_s = time.perf_counter() - began
        rows = [_rows(rt, store) for store in stores]
    broken = [
        *_check("one address", one, rows[0], lambda found: found == (1, 1)),
        *_check("one network", network, rows[1], lambda found: found[0] <= PER_NETWORK[0].amount),
        *_check("one store", many, rows[2], lambda found: found[0] <= _most(many.seconds)),
        *_check("past the limits", None, rows[3], lambda found: found == (1, 1)),
    ]
    line = {
        "name": "flood",
        "value": len(broken),
        "unit": "broken invariants",
        "reference": 0,
        "ratio": None,
        "aim": 0,
        "ok": not broken,
        "posts": POSTS,
    }
    for name, flood, found in (
        ("one_address", one, rows[0]),
        ("one_network", network, rows[1]),
        ("one_store", many, rows[2]),
    ):
        line[name] = {
            "answers": dict(sorted(flood.answers.items())),
            "rows": found[0],
            "messages": found[1],
            "seconds": round(flood.seconds, 1),
        }
    line["past_the_limits"] = {"rows": rows[3][0], "messages": rows[3][1], "seconds": round(direct_s, 1)}
    print(json.dumps(line), flush=True)
    for text in broken:
        print(text, file=sys.stderr)
    return 0 if not broken else 1


class _Flood:
    """What a flood was answered, by status, and how long it took."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.seconds = 0.0


def _network(number: int) -> str:
    """An address in a network of its own; none of them private."""
    return f"{100 + number // 65_536}.{128 + number // 256 % 128}.{number % 256}.9"


def _most(seconds: float) -> int:
    """How many sign-ups a store takes in so long, wherever in a minute that begins."""
    return PER_STORE[0].amount * (int(seconds // 60) + 2)


def _check(
    name: str, flood: _Flood | None, found: tuple[int, int], holds: Callable[[tuple[int, int]], bool]
) -> Iterator[str]:
    if not holds(found):
        yield f"{name}: {found[0]} rows and {found[1]} messages."
    if flood is None:
        return
    strange = set(flood.answers) - {200, 429}
    if strange or flood.answers.total() != POSTS or not flood.answers[200]:
        yield f"{name}: answered {dict(flood.answers)}."


def _flood(port: int, store: str, who: Callable[[int], tuple[str, str]]) -> _Flood:
    """Post `POSTS` sign-ups over `THREADS` kept connections; `who` gives address and network of each."""
    flood, numbers, lock = _Flood(), iter(range(POSTS)), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        answers: Counter[int] = Counter()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            address, network = who(number)
            fields = {"id": "501", "email": address, "consent": CONSENT_VERSION, "took": "9000"}
            headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": network}
            connection.request("POST", f"/s/{store}/subscribe", urlencode(fields), headers)
            answer = connection.getresponse()
            answer.read()
            answers[answer.status] += 1
        connection.close()
        with lock:
            flood.answers.update(answers)

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        for task in [threads.submit(work) for _ in range(THREADS)]:
            task.result()
    flood.seconds = time.perf_counter() - began
    return flood


def _past_the_limits(rt: Runtime, store: str) -> None:
    """The same address `POSTS` times where no limit looks, by `THREADS` threads at once."""
    with rt.engine.connect() as db:
        place = find_place(db, store, "501")

    def work(share: int) -> None:
        for _ in range(share):
            subscribe(
                rt, place, address=_ONE, locale="en", consent_text="agreed", consent_version=CONSENT_VERSION
            )

    with ThreadPoolExecutor(THREADS) as threads:
        for task in [threads.submit(work, POSTS // THREADS) for _ in range(THREADS)]:
            task.result()


def _rows(rt: Runtime, store: str) -> tuple[int, int]:
    """Subscriptions of a store, and the messages that were written for them."""
    with rt.engine.connect() as db:
        found = db.execute(
            sa.text("""
                select count(distinct s.id), count(g.id) from subscription s
                  join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
                  left join message g on g.merchant_id = s.merchant_id and g.subscription_id = s.id
                 where c.public_key = :key
            """),
            {"key": store},
        ).one()
    return int(found[0]), int(found[1])


if __name__ == "__main__":
    sys.exit(main())
