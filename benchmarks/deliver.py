"""How few calls and how little time it takes to bring a store to what it should say.

The real adapters against the simulators, which enforce the platforms' limits and run in another process;
a real, durable PostgreSQL; the loop of the workers (`serve` until nothing is left).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.bench import Item, connect, fill, installation, result
from benchmarks.shops import FIRST_ID, Plan, ShopProcess
from connector.bootstrap import Runtime
from connector.outbox.messages import Turn
from connector.positions.topics import QUANTITY

QUANTITIES, BATCH = 100_000, 250
CALLS, READS = "SetQuantities", "Quantities"


@dataclass(frozen=True)
class Delivered:
    """One delivery: `seconds` from its start to the last settled message, our CPU seconds, errors that
    turns ended with, what the shop counted, and items whose number is not the wanted one (none may)."""

    seconds: float
    cpu_s: float
    errors: dict[str, int]
    shop: dict[str, Any]
    wrong: int
    started_at: float


def deliver(plan: Plan, items: Sequence[Item]) -> Delivered:
    """Fill a shop and a database with `items`, then serve until the store says what it should."""
    with ShopProcess(plan) as shop, installation() as rt:
        store_id = connect(rt, shop)
        fill(rt, store_id, plan.platform, items)
        rt.store(1, store_id)  # the adapter's modules are loaded once per process, not per delivery
        shop.ask("reset")
        started, cpu = time.monotonic(), time.process_time()
        errors = drain(rt, [Turn(1, QUANTITY, store_id)])
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        figures = shop.ask("figures")
        stocks = shop.ask("stocks")
    wrong = sum(stocks[item.sku] != item.wanted for item in items)
    return Delivered(seconds, cpu, errors, figures, wrong, started)


def drain(rt: Runtime, turns: Sequence[Turn]) -> dict[str, int]:
    """Serve these turns until they have nothing left, as a worker does; waits where a turn must wait.
    Returns how often each error ended a claim."""
    errors: dict[str, int] = {}
    for turn in turns:
        while (served := rt.serve(turn)) is not None:
            if served.error is not None:
                kind = type(served.error).__name__
                errors[kind] = errors.get(kind, 0) + 1
                time.sleep(served.finished.wait_s)
    return errors


def simple_items(count: int, seed: int = 1) -> Iterator[Item]:
    """Simple products whose number changes: a tenth to zero, some down, the rest up."""
    random = Random(seed)
    for n in range(count):
        wanted = 0 if random.random() < 0.1 else random.choice([1, 5, 9, 11, 20, 50])
        yield Item(FIRST_ID + n, None, f"A-{n}", 10, wanted)


def shopify(quantities: int = QUANTITIES) -> list[dict[str, Any]]:
    """Calls and time under Standard limits, at both readings of what a mutation costs."""
    results = []
    for item_cost in (0.0, 0.2):
        done = deliver(
            Plan("shopify", quantities, server={"plan": "standard", "item_cost": item_cost}),
            list(simple_items(quantities)),
        )
        detail = {
            "points_a_call": 10 + item_cost * BATCH,
            "wrong": done.wrong,
            "errors": done.errors,
            "throttled": done.shop["throttled"],
            "cpu_s": round(done.cpu_s, 1),
            "shop_cpu_s": round(done.shop["cpu_s"], 1),
        }
        fewest = math.ceil(quantities / BATCH)
        calls = done.shop["calls"].get(CALLS, 0)
        reads = done.shop["calls"].get(READS, 0)
        results.append(result("deliver_shopify_calls", calls, "calls", fewest, 1.02, reads=reads, **detail))
        results.append(
            result("deliver_shopify_time", done.seconds, "s", done.shop["minimum_s"], 1.15, **detail)
        )
    return results


def woocommerce(simple: int = 5000, parents: int = 200, children: int = 5) -> list[dict[str, Any]]:
    """Calls for simple products and variations, whose batches WooCommerce takes per parent only."""
    random = Random(2)
    items = list(simple_items(simple))
    number = FIRST_ID + simple
    for p in range(parents):
        parent = number
        for n in range(children):
            number += 1
            wanted = random.choice([0, 1, 5, 9, 11, 20])
            items.append(Item(number, parent, f"V-{p}-{n}", 10, wanted))
        number += 1
    random.shuffle(items)
    done = deliver(Plan("woocommerce", simple, parents, children), items)
    calls = done.shop["calls"]
    writes = sum(count for route, count in calls.items() if route.startswith("POST"))
    asked = {route: count for route, count in calls.items() if route.startswith("GET")}
    # Once in a process the shop is asked what it is and can.
    reads = sum(count for route, count in asked.items() if route.startswith("GET products"))
    fewest_writes = math.ceil(simple / 100) + parents * math.ceil(children / 100)
    fewest_reads = math.ceil(len(items) / 100)
    return [
        result(
            "deliver_woocommerce",
            writes,
            "calls",
            fewest_writes,
            1.0,
            ok=writes <= fewest_writes and reads <= fewest_reads and done.wrong == 0,
            reads=reads,
            fewest_reads=fewest_reads,
            other_reads=sum(asked.values()) - reads,
            wrong=done.wrong,
            errors=done.errors,
            seconds=round(done.seconds, 1),
            cpu_s=round(done.cpu_s, 1),
            shop_cpu_s=round(done.shop["cpu_s"], 1),
        )
    ]


def zero_first(listings: int = 20_000, zeros: int = 2_000) -> list[dict[str, Any]]:
    """When the last "to zero", enqueued behind everything else, is in the store: its share of the whole
    time, which may be a tenth more than its share of the backlog."""
    items = [
        Item(FIRST_ID + n, None, f"A-{n}", 10, 0 if n >= listings - zeros else 20) for n in range(listings)
    ]
    # The limiter, not this machine, decides how long it takes: 60 points a call from an empty bucket.
    plan = Plan("shopify", listings, server={"restore_rate": 100.0, "bucket": 100.0, "item_cost": 0.2})
    done = deliver(plan, items)
    until_zero = done.shop["last_zero_at"] - done.started_at
    whole = done.shop["last_write_at"] - done.started_at
    share = zeros / listings
    return [
        result(
            "zero_first",
            until_zero,
            "s",
            whole,
            round(share * 1.1, 4),
            wrong=done.wrong,
            errors=done.errors,
            calls=done.shop["calls"].get(CALLS, 0),
        )
    ]


def main() -> None:
    """Run one of them, or all, and print a JSON line for each figure."""
    parts: dict[str, Callable[..., list[dict[str, Any]]]] = {
        "shopify": shopify,
        "woocommerce": woocommerce,
        "zero_first": zero_first,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=[*parts, "all"], default="all")
    parser.add_argument("--size", type=int, help="fewer listings, for a quick look")
    given = parser.parse_args()
    for name, part in parts.items():
        if given.part in (name, "all"):
            for line in part(given.size) if given.size else part():
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
