"""How many webhooks a second the web server takes in: verified, stored durably, work asked for, answered.

`python -m benchmarks.webhooks` prints one JSON line. The reference is an empty Flask route behind the same
server with the same settings, so that a busy machine slows both. The load comes from a process of its own
over kept-alive connections; each request is a delivery of its own, signed as WooCommerce signs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import selectors
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import sqlalchemy as sa
from flask import Flask

from benchmarks.bench import installation, result
from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.web import server

AIM = 0.15
STORES = 16
CONNECTIONS = 32
ROUNDS = 3
ROUND_S = 3.0
BODY = json.dumps({"id": 17, "manage_stock": True, "stock_quantity": 3, "description": "x" * 900}).encode()


def main() -> int:
    """Measure and print."""
    with installation() as rt:
        stores = [_store(rt, number) for number in range(STORES)]
        with _server("real", rt) as real, _server("empty", rt) as empty:
            every = _requests(stores)
            one = _requests(stores[:1])
            nothing = [("/empty", "", "")]
            for port, requests in ((real, every), (empty, nothing)):
                _load(port, requests, 1.0)
            rounds = [
                (_load(real, every, ROUND_S), _load(empty, nothing, ROUND_S), _load(real, one, ROUND_S))
                for _ in range(ROUNDS)
            ]
        with rt.engine.connect() as db:
            stored = db.execute(sa.text("select count(*) from webhook_receipt")).scalar_one()
    value, reference, single = (median(column) for column in zip(*rounds, strict=True))
    line = result(
        "webhook_accept",
        value,
        "webhooks/s",
        reference,
        AIM,
        ok=value / reference >= AIM,
        one_store=round(single, 1),
        stored=stored,
    )
    print(json.dumps(line))
    return 0


def empty_app() -> Flask:
    """A Flask application that does nothing, and says so."""
    app = Flask("empty")
    app.add_url_rule("/empty", view_func=lambda: "recorded", methods=["POST"])
    return app


def _store(rt: Runtime, number: int) -> tuple[str, str]:
    """A store of its own; the end of its webhook address and the secret it signs with."""
    with transaction(rt.engine) as db:
        connection_id = add_connection(
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
        row = db.execute(
            sa.text("select public_key, sealed from connection where id = :c"), {"c": connection_id}
        ).one()
    return row.public_key, rt.keyring.unseal(row.sealed)["webhook_secret"]


def _requests(stores: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """(path, signature, topic) for each store."""
    return [
        (
            f"/webhooks/woocommerce/{key}",
            base64.b64encode(hmac.new(secret.encode(), BODY, hashlib.sha256).digest()).decode(),
            "product.updated",
        )
        for key, secret in stores
    ]


@contextlib.contextmanager
def _server(what: str, rt: Runtime) -> Iterator[int]:
    """A web server as `dispo web` starts it; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "DATABASE_URL": rt.settings.database_url.replace("+psycopg", ""),
        "REDIS_URL": rt.settings.redis_url,
        "DISPO_DATA_DIR": str(rt.settings.data_dir),
        "DISPO_SECRET_KEYS": ",".join(rt.settings.secret_keys),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.webhooks", "serve", what, str(port)], env=environment
    )
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return
        except urllib.error.HTTPError:
            return  # the empty application has no such page, and answers
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def serve(what: str, port: int) -> None:
    """The server of one round, with the settings of `dispo web`."""
    target = {"real": "connector.web.wsgi:app", "empty": "benchmarks.webhooks:empty_app"}[what]
    server.serve("127.0.0.1", port, target=target, is_factory=what == "empty")


def _load(port: int, requests: Sequence[tuple[str, str, str]], seconds: float) -> float:
    """Answers a second, measured by a process of its own."""
    argv = [sys.executable, "-m", "benchmarks.webhooks", "load", str(port), str(seconds)]
    done = subprocess.run(
        argv, input=json.dumps(list(requests)), capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout)


class Client:
    """One kept-alive connection with one request under way at a time."""

    def __init__(self, port: int, heads: Sequence[bytes], number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heads, self._turn, self._prefix, self._sent = heads, number, f"{os.getpid()}-{number}-", 0

    def send(self) -> None:
        head = self._heads[self._turn % len(self._heads)]
        self._turn += CONNECTIONS
        self._sent += 1
        self.socket.sendall(head + f"{self._prefix}{self._sent}\r\n\r\n".encode() + BODY)

    def receive(self) -> None:
        """The answer; raises RuntimeError for any status but 200."""
        answer = self.socket.recv(65_536)
        while b"\r\n\r\n" not in answer or not answer.endswith(b"recorded"):
            more = self.socket.recv(65_536)
            answer += more
            if not more or len(answer) > 65_536:
                break
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"not taken: {answer[:200]!r}")


def load(port: int, seconds: float, requests: Sequence[Sequence[str]]) -> float:
    """Keep every connection busy for `seconds`; answers a second."""
    heads = [
        (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(BODY)}\r\nX-WC-Webhook-Signature: {signature}\r\n"
            f"X-WC-Webhook-Topic: {topic}\r\nX-WC-Webhook-Delivery-ID: "
        ).encode()
        for path, signature, topic in requests
    ]
    ready = selectors.DefaultSelector()
    for number in range(CONNECTIONS):
        client = Client(port, heads, number)
        ready.register(client.socket, selectors.EVENT_READ, client)
        client.send()
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for key, _ in ready.select(1.0):
            waiting: Any = key.data
            waiting.receive()
            count += 1
            waiting.send()
    return count / passed


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["load"]:
        print(load(int(sys.argv[2]), float(sys.argv[3]), json.load(sys.stdin)))
    else:
        sys.exit(main())
