"""How long a sign-up takes while many arrive: `python -m benchmarks.sign_ups` prints one JSON line.

Eight kept-alive connections post as fast as they are answered, each time an address of its own at one of 64 stores
(a store's own limit would stop fewer). Everything of a real sign-up is in it: limits in Redis, the row, its
confirmation and the work to send it, committed. The reference is the script, which the same server sends from memory
to as many connections. A request that is not answered "check_mail" ends the run.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import sqlalchemy as sa

from benchmarks.bench import installation, result
from benchmarks.webhooks import _server
from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.embedded import start_redis
from connector.shoppers.offer import CONSENT_VERSION

AIM = 12.0
STORES = 64
CONNECTIONS = 8
ROUNDS = 3
ROUND_S = 3.0


def main() -> int:
    """Measure and print."""
    with installation() as rt, start_redis(rt.settings.data_dir / "redis") as redis:
        rt.settings = replace(rt.settings, redis_url=redis.url)
        stores = [_store(rt, number) for number in range(STORES)]
        with _server("real", rt) as port:
            _load(port, stores, 1.0)
            rounds = [(_load(port, stores, ROUND_S), _load(port, [], ROUND_S)) for _ in range(ROUNDS)]
        with rt.engine.connect() as db:
            rows, people, messages = db.execute(
                sa.text(
                    "select count(*), count(distinct address_key), (select count(*) from message) from subscription"
                )
            ).one()
    signed, static = ([pair[which] for pair in rounds] for which in (0, 1))
    value, reference = median(one["p99_ms"] for one in signed), median(one["p99_ms"] for one in static)
    print(
        json.dumps(
            result(
                "subscribe_p99",
                value,
                "ms",
                reference,
                AIM,
                ok=value / reference <= AIM and rows == people == messages,
                a_second=round(median(one["a_second"] for one in signed), 1),
                script_a_second=round(median(one["a_second"] for one in static), 1),
                p50_ms=round(median(one["p50_ms"] for one in signed), 2),
                rows=rows,
                messages=messages,
                load=round(os.getloadavg()[0], 1),
            )
        )
    )
    return 0


def _store(rt: Runtime, number: int) -> str:
    """A store with one sold-out item, "501"; its public key."""
    with transaction(rt.engine) as db:
        store = add_connection(
            db,
            rt.keyring,
            1,
            kind="store",
            adapter="woocommerce",
            name=f"shop {number}",
            config={"url": "https://shop.test"},
            secrets={"consumer_key": "ck_1", "consumer_secret": "cs_1"},
            now=rt.now(),
        )
        db.execute(
            sa.text("""
            with sold as (
              insert into variant (merchant_id, sku, sku_key, title) values (1, :sku, :sku, 'Mug') returning id
            ), shown as (
              insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id, sku,
                                   title, is_managed, confirmed_available, seen_at)
              select 1, :store, id, '501', '501', '501', :sku, 'Mug', true, 0, now() from sold
            )
            insert into position (merchant_id, variant_id, available, state, decided_at, why)
            select 1, id, 0, 'out_of_stock', now(), '{}' from sold
            """),
            {"sku": f"mug {number}", "store": store},
        )
        key = db.execute(
            sa.text("select public_key from connection where id = :c"), {"c": store}
        ).scalar_one()
    return str(key)


def _load(port: int, stores: Sequence[str], seconds: float) -> dict[str, float]:
    """Answers a second and their times, measured by a process of its own; no stores: the script is asked for."""
    argv = [sys.executable, "-m", "benchmarks.sign_ups", "load", str(port), str(seconds)]
    done = subprocess.run(argv, input=json.dumps(list(stores)), capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


class Client:
    """One kept-alive connection with one request under way at a time."""

    def __init__(self, port: int, stores: Sequence[str], number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stores, self._number, self._sent, self._began = stores, number, 0, 0.0

    def send(self) -> None:
        self._sent += 1
        self._began = time.perf_counter()
        if not self._stores:
            self.socket.sendall(b"GET /s/notify-me.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return
        store = self._stores[(self._number + self._sent * CONNECTIONS) % len(self._stores)]
        address = f"p{os.getpid()}-{self._number}-{self._sent}@example.com"
        body = (
            f"id=501&email={address}&lang=en&consent={CONSENT_VERSION}&website=&took=9000&zone=Europe/Paris"
        )
        self.socket.sendall(
            f"POST /s/{store}/subscribe HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def receive(self) -> float:
        """Read the answer to its end; the seconds it took. Raises RuntimeError for any other than a good one."""
        answer = b""
        while True:
            head, end, body = answer.partition(b"\r\n\r\n")
            if end:
                length = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"
                )
                if len(body) >= length:
                    break
            more = self.socket.recv(65_536)
            if not more:
                raise RuntimeError("the server hung up")
            answer += more
        if not head.startswith(b"HTTP/1.1 200") or (self._stores and b"check_mail" not in body):
            raise RuntimeError(f"not taken: {answer[:300]!r}")
        return time.perf_counter() - self._began


def load(port: int, seconds: float, stores: Sequence[str]) -> dict[str, float]:
    """Keep every connection busy for `seconds`."""
    ready = selectors.DefaultSelector()
    for number in range(CONNECTIONS):
        client = Client(port, stores, number)
        ready.register(client.socket, selectors.EVENT_READ, client)
        client.send()
    times: list[float] = []
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for key, _ in ready.select(1.0):
            waiting: Any = key.data
            times.append(waiting.receive())
            waiting.send()
    times.sort()
    return {
        "a_second": len(times) / passed,
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[int(len(times) * 0.99)],
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        print(json.dumps(load(int(sys.argv[2]), float(sys.argv[3]), json.load(sys.stdin))))
    else:
        sys.exit(main())
