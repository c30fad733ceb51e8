"""Ten thousand webhooks at once: a fifth of them twice, all out of order, through the real web server.

`python -m benchmarks.storm_in` prints one JSON line: the 99th percentile of the answers' time against the
second a platform is promised, and whether every delivery was recorded once and the right end came of it:
each order as its newest version says, each number as the store shows it, nothing left open.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import multiprocessing
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa

from benchmarks import webhooks
from benchmarks.bench import connect, installation, result
from benchmarks.deliver import drain
from benchmarks.shops import FIRST_ID, Plan, ShopProcess
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.delivery import reconcile
from connector.delivery.webhooks import RECEIPTS
from connector.outbox.messages import Turn
from connector.positions.decide import Cause
from connector.positions.recheck import decide_all
from connector.positions.topics import QUANTITY

DELIVERIES = 10_000
PROMISED_S = 1.0
CONNECTIONS = 32
STOCK = 50
STOCKS_PER_ORDER = 2

Letter = tuple[str, str, bytes]
"""Delivery id, topic, body."""


def letters(deliveries: int, variants: int) -> tuple[list[Letter], dict[int, int]]:
    """The deliveries, shuffled, and the units each variant's orders hold in the end."""
    random = Random(5)
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    held: Counter[int] = Counter()
    found: list[Letter] = []
    orders = deliveries * 4 // 5 // (2 + STOCKS_PER_ORDER)
    for number in range(orders):
        item = FIRST_ID + random.randrange(variants)
        placed = now + timedelta(seconds=number % 600)
        is_cancelled = random.random() < 0.25
        for step, status in enumerate(("processing", "cancelled" if is_cancelled else "completed")):
            changed = placed + timedelta(seconds=60 * step)
            body = {
                "id": 900_000 + number,
                "status": status,
                "date_created_gmt": placed.strftime("%Y-%m-%dT%H:%M:%S"),
                "date_modified_gmt": changed.strftime("%Y-%m-%dT%H:%M:%S"),
                "line_items": [{"id": 1, "product_id": item, "variation_id": 0, "quantity": 1}],
            }
            topic = "order.updated" if step else "order.created"
            found.append((f"o-{number}-{step}", topic, json.dumps(body).encode()))
        held[item] += not is_cancelled
        for step in range(STOCKS_PER_ORDER):
            # Somewhere between the first number and the last: what of it is old, nobody can tell.
            said = {"id": item, "manage_stock": True, "stock_quantity": STOCK - random.randrange(3)}
            found.append((f"s-{number}-{step}", "product.updated", json.dumps(said).encode()))
    found += random.sample(found, deliveries - len(found))
    random.shuffle(found)
    return found, dict(held)


def storm(deliveries: int = DELIVERIES, variants: int = 1_000) -> dict[str, Any]:
    """Send it, work what came of it, and look."""
    sent, held = letters(deliveries, variants)
    plan = Plan("woocommerce", variants, stock=STOCK, server={"deliver_webhooks": False})
    with ShopProcess(plan) as shop, installation() as rt:
        store_id = connect(rt, shop)
        reconcile.reconcile(rt, 1, store_id, is_full=True)
        _supply(rt, store_id)
        with transaction(rt.engine) as db:
            row = db.execute(
                sa.text("select public_key, sealed from connection where id = :c"), {"c": store_id}
            ).one()
        shop.ask("take", units=held)
        secret = rt.keyring.unseal(row.sealed)["webhook_secret"]
        with webhooks._server("real", rt) as port:
            times, statuses, seconds = _send(port, f"/webhooks/woocommerce/{row.public_key}", secret, sent)
        began = time.monotonic()
        errors = drain(rt, [Turn(1, RECEIPTS, store_id), Turn(1, QUANTITY, store_id)])
        reconcile.reconcile(rt, 1, store_id, is_full=True)
        errors |= drain(rt, [Turn(1, RECEIPTS, store_id), Turn(1, QUANTITY, store_id)])
        worked_s = time.monotonic() - began
        stocks = shop.ask("stocks")
        wrong = _wrong(rt, stocks, held)
        with rt.engine.connect() as db:
            recorded, unworked = db.execute(
                sa.text("select count(*), count(*) filter (where worked_at is null) from webhook_receipt")
            ).one()
            left = db.execute(
                sa.text(
                    "select count(*) from outbox_message where status in ('pending', 'claimed')"
                    " and topic in ('store.receipts', 'store.quantity')"
                )
            ).scalar_one()
    unique = len({letter[0] for letter in sent})
    p99_s = sorted(times)[int(len(times) * 0.99)]
    return result(
        "webhook_storm",
        p99_s,
        "s",
        PROMISED_S,
        1.0,
        ok=p99_s <= PROMISED_S
        and statuses == {"200": len(sent)}
        and recorded == unique
        and (unworked, left, wrong) == (0, 0, 0),
        deliveries=len(sent),
        different=unique,
        recorded=recorded,
        statuses=statuses,
        longest_s=round(max(times), 3),
        a_second=round(len(sent) / seconds),
        worked_a_second=round(unique / worked_s),
        left=left + unworked,
        wrong=wrong,
        errors=errors,
    )


def _supply(rt: Runtime, store_id: int) -> None:
    with transaction(rt.engine) as db:
        source = db.execute(
            sa.text("""
                insert into source (merchant_id, connection_id, name, as_of)
                values (1, :c, 'Bench', now() - interval '2 hours') returning id
            """),
            {"c": store_id},
        ).scalar_one()
        for statement in (
            "insert into supplier_item (merchant_id, source_id, item_key, variant_id)"
            " select 1, :s, sku_key, id from variant",
            "insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)"
            f" select 1, :s, sku_key, sku_key, {STOCK}, 1 from variant",
        ):
            db.execute(sa.text(statement), {"s": source})
        db.execute(sa.text("update listing set is_managed = true"))
    decide_all(rt.engine, 1, now=rt.now(), cause=Cause("rule"))
    drain(rt, [Turn(1, QUANTITY, store_id)])
    with transaction(rt.engine) as db:
        # What was sold since, the numbers of the first reading do not have.
        db.execute(sa.text("update listing set confirmed_at = now() - interval '1 hour'"))


def _wrong(rt: Runtime, stocks: dict[str, int], held: dict[int, int]) -> int:
    """Listings that do not say what the supplier has minus what the orders hold, there or here."""
    wrong = 0
    with rt.engine.connect() as db:
        rows = db.execute(
            sa.text("""
                select l.external_id, l.sku, l.believed_available, p.available,
                       coalesce((select sum(o.units) from store_order_line o
                                  where o.merchant_id = 1 and o.external_id = l.external_id), 0) as ordered
                  from listing l join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
            """)
        ).all()
    for row in rows:
        units = held.get(int(row.external_id), 0)
        expected = STOCK - units
        said = (row.ordered, row.believed_available, row.available, stocks[row.sku])
        wrong += said != (units, expected, expected, expected)
    return wrong


def _send(
    port: int, path: str, secret: str, sent: Sequence[Letter]
) -> tuple[list[float], dict[str, int], float]:
    """Each answer's time, how often each status came, and the whole time; from a process of its own."""
    requests = []
    for delivery_id, topic, body in sent:
        signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-WC-Webhook-Signature: {signature}\r\n"
            f"X-WC-Webhook-Topic: {topic}\r\nX-WC-Webhook-Delivery-ID: {delivery_id}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_post_all, (port, requests))


def _post_all(port: int, requests: list[bytes]) -> tuple[list[float], dict[str, int], float]:
    ready = selectors.DefaultSelector()
    times: list[float] = []
    statuses: Counter[str] = Counter()
    waiting: dict[socket.socket, float] = {}
    began = time.perf_counter()

    def send(one: socket.socket) -> None:
        if requests:
            waiting[one] = time.perf_counter()
            one.sendall(requests.pop())

    for _ in range(CONNECTIONS):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.register(one, selectors.EVENT_READ)
        send(one)
    while waiting:
        for key, _ in ready.select(30.0):
            answered: Any = key.fileobj
            answer = answered.recv(65_536)
            if answered not in waiting or b"\r\n\r\n" not in answer:
                raise RuntimeError(f"no answer: {answer[:100]!r}")
            times.append(time.perf_counter() - waiting.pop(answered))
            statuses[answer.split(b" ", 2)[1].decode()] += 1
            send(answered)
    return times, dict(statuses), time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=DELIVERIES, help="fewer deliveries, for a quick look")
    given = parser.parse_args()
    print(json.dumps(storm(given.size, max(100, given.size // 10))), flush=True)


if __name__ == "__main__":
    main()
