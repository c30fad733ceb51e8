"""Reading a store of 50,000 variants: the first import, and what it takes to put it right again.

The real adapters against the simulators in a process of their own, a real, durable PostgreSQL, and the
reading in a process of its own, so that its peak memory is its own. `python -m benchmarks.catalogs import`
or `reconcile` prints one JSON line for each platform and case. BigCommerce's and Shopify's limits a second
are lifted here, so that the time is ours: `least_s` is what the platform's own limit makes of the calls.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import sqlalchemy as sa

from benchmarks.bench import connect, installation, result
from benchmarks.deliver import drain
from benchmarks.shops import Plan, ShopProcess
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.delivery import reconcile
from connector.outbox.messages import Turn
from connector.positions.decide import Cause
from connector.positions.recheck import decide_all
from connector.positions.topics import QUANTITY
from connector.settings import Settings

PLATFORMS = ("shopify", "woocommerce", "bigcommerce")
VARIANTS = 50_000
CHILDREN = 5
SMALL = 5_000
AIM_CALLS = 1.05
# Beyond what an import of a tenth of the size takes, this much may come on top.
AIM_MEMORY = 1.25
# A second: plus at 1,000 points and 10 a call, a quiet WordPress, 450 in 30 s.
_CALLS_A_SECOND = {"shopify": 100.0, "woocommerce": 0.0, "bigcommerce": 15.0}
_SERVERS: dict[str, dict[str, Any]] = {
    "shopify": {"plan": "plus", "restore_rate": 1_000_000.0, "bucket": 1_000_000.0},
    "woocommerce": {"deliver_webhooks": False},
    "bigcommerce": {"quota": 1_000_000, "lag_s": 0.0},
}


def plan_of(platform: str, variants: int) -> Plan:
    """A shop of this many variants, a tenth of them in fives under a parent."""
    parents = variants // 10 // CHILDREN
    return Plan(platform, variants - parents * CHILDREN, parents, CHILDREN, server=_SERVERS[platform])


def fewest_calls(plan: Plan) -> int:
    """The calls without which the platform does not give its whole catalogue with its numbers."""
    products = plan.simple + plan.parents
    children = plan.parents * plan.children
    if plan.platform == "shopify":
        # The shop, its locations, the bulk query, one look at it; its file is no call of the API.
        return 4
    if plan.platform == "woocommerce":
        # The currency, products and variations by the hundred.
        return 1 + _up(products, 100) + _up(children, 100)
    # The store, its locations, its categories; products by 250, and the numbers of each such page's variants.
    return 3 + _up(products, 250) + _up(plan.simple + children, 250)


def _calls(figures: dict[str, Any]) -> tuple[int, int]:
    """The calls, and how often beyond the first a bulk query was looked at that was still running: how many
    those are is the platform's doing."""
    looks = max(0, figures["calls"].get("BulkPoll", 0) - 1)
    return sum(figures["calls"].values()) - looks, looks


def _up(count: int, size: int) -> int:
    return -(-count // size)


class _Reader:
    """A process that reads a store and tells its seconds and its peak memory."""

    def __init__(self, rt: Runtime, store_id: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_read, args=(rt.settings, store_id, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def read(self, *, is_full: bool) -> dict[str, Any]:
        """Reconcile and deliver what follows from it."""
        self._pipe.send(is_full)
        answer: dict[str, Any] = self._pipe.recv()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.join()


def _read(settings: Settings, store_id: int, pipe: Connection) -> None:
    rt = Runtime(settings)
    rt.store(1, store_id)  # its modules are loaded before the memory is looked at
    pipe.send("ready")
    while True:
        try:
            is_full = pipe.recv()
        except EOFError:
            return
        began, cpu, before_kb = time.monotonic(), time.process_time(), _peak_kb()
        try:
            found = reconcile.reconcile(rt, 1, store_id, is_full=is_full)
            read_s = time.monotonic() - began
            errors = drain(rt, [Turn(1, QUANTITY, store_id)])
        except Exception as exc:  # whatever it is belongs to the one who asked
            pipe.send({"error": repr(exc)})
            continue
        pipe.send(
            {
                "read_s": read_s,
                "seconds": time.monotonic() - began,
                "cpu_s": time.process_time() - cpu,
                "listings": found.listings,
                "doubted": found.doubted,
                "before_mb": before_kb / 1024,
                "peak_mb": _peak_kb() / 1024,
                "errors": errors,
            }
        )


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def _imported(platform: str, variants: int) -> Iterator[tuple[Runtime, ShopProcess, int, _Reader, Any]]:
    """A shop whose catalogue was just imported; the last is what its reader said."""
    with ShopProcess(plan_of(platform, variants)) as shop, installation() as rt:
        store_id = connect(rt, shop)
        with _Reader(rt, store_id) as reader:
            shop.ask("reset")
            yield rt, shop, store_id, reader, reader.read(is_full=True)


def importing(platform: str, variants: int = VARIANTS) -> list[dict[str, Any]]:
    """The first reading: calls against the fewest, variants a second, memory beside a small shop's."""
    with _imported(platform, min(SMALL, variants)) as (_, _, _, _, small):
        pass
    with _imported(platform, variants) as (rt, shop, _, _, done):
        figures = shop.ask("figures")
        calls, looks = _calls(figures)
        with rt.engine.connect() as db:
            stored = db.execute(sa.text("select count(*) from variant where merchant_id = 1")).scalar_one()
    fewest = fewest_calls(plan_of(platform, variants))
    return [
        result(
            "import_50k",
            calls,
            "calls",
            fewest,
            AIM_CALLS,
            ok=calls <= fewest * AIM_CALLS
            and stored == variants
            and done["peak_mb"] <= small["peak_mb"] * AIM_MEMORY,
            platform=platform,
            variants=stored,
            variants_a_second=round(variants / done["seconds"]),
            seconds=round(done["seconds"], 1),
            cpu_s=round(done["cpu_s"], 1),
            shop_cpu_s=round(figures["cpu_s"], 1),
            looks_while_waiting=looks,
            peak_mb=round(done["peak_mb"], 1),
            before_mb=round(done["before_mb"], 1),
            peak_mb_of_5k=round(small["peak_mb"], 1),
            least_s=_least_s(platform, calls),
        )
    ]


def reconciling(platform: str, variants: int = VARIANTS) -> list[dict[str, Any]]:
    """Calls and seconds until the store is right again, when nothing, a hundredth and all of it drifted."""
    lines = []
    with _imported(platform, variants) as (rt, shop, store_id, reader, _):
        _supply(rt, store_id)
        shop.ask("age", days=30)
        # Long after the import: the reading that looks back a little finds nothing of it.
        _forget_times(rt, store_id)
        for case, every in (("0", 0), ("whole", 0), ("1%", 100), ("100%", 1)):
            drifted = shop.ask("drift", every=every, units=5) if every else 0
            shop.ask("reset")
            done = reader.read(is_full=case == "whole")
            figures = shop.ask("figures")
            wrong = sum(stock != 10 for stock in shop.ask("stocks").values())
            calls, looks = _calls(figures)
            fewest = _fewest_repair(plan_of(platform, variants), case, drifted)
            lines.append(
                result(
                    "reconcile_50k",
                    calls,
                    "calls",
                    fewest,
                    AIM_CALLS,
                    ok=wrong == 0 and done["doubted"] == drifted and calls <= fewest * AIM_CALLS,
                    platform=platform,
                    drifted=case,
                    listings_read=done["listings"],
                    doubted=done["doubted"],
                    wrong=wrong,
                    seconds=round(done["seconds"], 1),
                    read_s=round(done["read_s"], 1),
                    cpu_s=round(done["cpu_s"], 1),
                    shop_cpu_s=round(figures["cpu_s"], 1),
                    peak_mb=round(done["peak_mb"], 1),
                    errors=done["errors"],
                    by_call=figures["calls"],
                    looks_while_waiting=looks,
                    least_s=_least_s(platform, calls),
                )
            )
            shop.ask("age", days=30)
            _forget_times(rt, store_id)
    return lines


def _fewest_repair(plan: Plan, case: str, drifted: int) -> int:
    """The calls of a reading (of what changed, or of all of it) and of the writes that repair `drifted`
    numbers, each read again just before it is written."""
    if case == "whole" or drifted == plan.simple + plan.parents * plan.children:
        reading = fewest_calls(plan)
    else:
        reading = _fewest_changed(plan, drifted)
    # Every so many-th item: of each parent one child, if any.
    children = (
        0
        if not drifted
        else drifted - _up(plan.simple, (plan.simple + plan.parents * plan.children) // drifted)
    )
    if plan.platform == "shopify":
        return reading + 2 * _up(drifted, 250)
    if plan.platform == "woocommerce":
        return reading + _up(drifted, 100) + _up(drifted - children, 100) + min(children, plan.parents)
    return reading + _up(drifted, 250) + _up(drifted, 2000)


def _fewest_changed(plan: Plan, drifted: int) -> int:
    if plan.platform == "shopify":
        # Products and variants by their stamps, both by the 250. A product's stamp moves for anything of it
        # (https://shopify.dev/docs/api/admin-graphql/latest/objects/Product: "the inventory adjustment is
        # counted as an update"), its variants' for their own things only, so that Shopify does not tell
        # whether only one variant changed or the title of all of them: each variant of it is to be read. One
        # query may ask for 1,000 points: 9 a product with its picture and five collections, 4 a variant.
        points = sum(9 + 4 * size for size in _changed_sizes(plan, drifted))
        return 2 * max(1, _up(drifted, 250)) + _up(points, 1000)
    if plan.platform == "woocommerce":
        return 2 + max(0, _up(drifted, 100) - 1)
    return 3 + max(1, 2 * _up(drifted, 250))


def _changed_sizes(plan: Plan, drifted: int) -> list[int]:
    """How many variants each product has of which one drifted: every so many-th item did."""
    if not drifted:
        return []
    every = (plan.simple + plan.parents * plan.children) // drifted
    simple = _up(plan.simple, every)
    return [1] * simple + [plan.children] * min(drifted - simple, plan.parents)


def _least_s(platform: str, calls: int) -> float | None:
    rate = _CALLS_A_SECOND[platform]
    return round(calls / rate, 1) if rate else None


def _supply(rt: Runtime, store_id: int) -> None:
    """One supplier who has ten of everything, which is what the shop shows."""
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                with source as (
                  insert into source (merchant_id, connection_id, name, as_of) values (1, :c, 'Bench', now())
                  returning id),
                items as (
                  insert into supplier_item (merchant_id, source_id, item_key, variant_id)
                  select 1, source.id, v.sku_key, v.id from variant v, source where v.merchant_id = 1
                  returning source_id, item_key)
                insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)
                select 1, source_id, item_key, item_key, 10, 1 from items
            """),
            {"c": store_id},
        )
        db.execute(sa.text("update listing set is_managed = true, believed_state = 'in_stock'"))
    with rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(sa.text("vacuum analyze"))
    decide_all(rt.engine, 1, now=rt.now(), cause=Cause("rule"))
    with transaction(rt.engine) as db:
        # What badges say beside the number is measured elsewhere.
        db.execute(
            sa.text("""
                update listing set believed_state = wanted_state, believed_count = wanted_count,
                       believed_restock_on = wanted_restock_on, believed_restock_until = wanted_restock_until
            """)
        )
        db.execute(sa.text("delete from outbox_message"))


def _forget_times(rt: Runtime, store_id: int) -> None:
    with transaction(rt.engine) as db:
        db.execute(sa.text("update listing set written_at = null where connection_id = :c"), {"c": store_id})
        db.execute(
            sa.text("""
                update connection set cursors = cursors || jsonb_build_object('catalog', cast(:at as text))
                 where id = :c
            """),
            {"c": store_id, "at": rt.now().isoformat()},
        )


def main() -> None:
    """Run one part for all platforms or one, and print a JSON line for each figure."""
    parts: dict[str, Callable[..., list[dict[str, Any]]]] = {"import": importing, "reconcile": reconciling}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("platform", nargs="?", choices=PLATFORMS)
    parser.add_argument("--size", type=int, default=VARIANTS, help="fewer variants, for a quick look")
    given = parser.parse_args()
    for platform in [given.platform] if given.platform else PLATFORMS:
        for line in parts[given.part](platform, given.size):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
