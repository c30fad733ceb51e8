"""How long a bad night takes to put right: a run of 100,000 rows undone, through to the store's numbers.

Shopify's limits (Standard, or as given) as the simulator enforces them, in another process; a real, durable
PostgreSQL; the loop of the workers delivering while the undo still decides. Some variants were sold in between:
those sales stay. From pressing undo to the last number right, each as the good file said less what was sold.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from benchmarks.bench import Item, connect, fill, installation, result
from benchmarks.deliver import BATCH, CALLS, READS, drain
from benchmarks.shops import FIRST_ID, Plan, ShopProcess
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.intake import sources, uploads
from connector.intake.held import approve
from connector.intake.records import Outcome
from connector.intake.runs import run
from connector.intake.undo import undo
from connector.outbox.messages import Turn
from connector.positions.topics import QUANTITY

ROWS, SOLD, STOCK, LIMIT_S = 100_000, 500, 10, 600.0


def replay_undo(rows: int = ROWS, item_cost: float = 0.2, plan: str = "standard") -> dict[str, Any]:
    """One bad file of `rows` rows undone; the line for the report."""
    wanted = _good(rows)
    with (
        ShopProcess(
            Plan("shopify", rows, stock=STOCK, server={"plan": plan, "item_cost": item_cost})
        ) as shop,
        installation() as rt,
    ):
        store_id = connect(rt, shop)
        fill(rt, store_id, "shopify", [Item(FIRST_ID + n, None, f"A-{n}", STOCK, STOCK) for n in range(rows)])
        _forget_messages(rt)
        bad = _bad_night(rt, store_id, wanted)
        for sku in _sell(rt, rows):
            wanted[sku] = max(0, wanted[sku] - 1)
        rt.store(1, store_id)
        shop.ask("reset")
        before_mb = _rss_mb()
        started, cpu = time.monotonic(), time.process_time()
        undone, until_decided, errors = _undo(rt, bad, store_id)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        figures, stocks = shop.ask("figures"), shop.ask("stocks")
    wrong = sum(stocks[sku] != units for sku, units in wanted.items())
    written = sum(units != STOCK for units in wanted.values())
    fewest = math.ceil(written / BATCH)
    return result(
        "replay_undo_100k",
        seconds,
        "s",
        figures["minimum_s"],
        1.3,
        ok=wrong == 0 and undone.status == "undone" and seconds <= LIMIT_S,
        rows=rows,
        limit_s=LIMIT_S,
        until_decided_s=round(until_decided, 1),
        variants_changed=undone.variants_changed,
        calls=figures["calls"].get(CALLS, 0),
        fewest_calls=fewest,
        reads=figures["calls"].get(READS, 0),
        points_a_call=10 + item_cost * BATCH,
        wrong=wrong,
        errors=errors,
        throttled=figures["throttled"],
        cpu_s=round(cpu, 1),
        rss_before_mb=round(before_mb),
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    )


def _good(rows: int) -> dict[str, int]:
    random = Random(3)
    return {f"A-{n}": random.choice([0, 1, 5, 9, 11, 20, 50]) for n in range(rows)}


def _bad_night(rt: Runtime, store_id: int, good: dict[str, int]) -> int:
    """Yesterday's file, and a bad one that says STOCK of everything, approved by mistake; its run's id. The
    store says what the bad file said."""
    _let_write(rt, store_id, is_let=False)
    rules = {"lead_time_days": None, "handover_hours": 0, "max_age_hours": None, "missing_policy": "keep"}
    source_id = sources.connect_file(rt, 1, "Bench", sources.BY_HAND, {}, 86_400, rules)
    _take(rt, source_id, good)
    held = _take(rt, source_id, dict.fromkeys(good, STOCK))
    if held.status != "held":
        raise RuntimeError(f"The bad file should have been held, but it is {held.status}.")
    approve(rt, 1, held.run_id)
    _forget_messages(rt)
    _let_write(rt, store_id, is_let=True)
    with rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(sa.text("vacuum analyze"))
    return held.run_id


def _take(rt: Runtime, source_id: int, units: dict[str, int]) -> Outcome:
    path = Path(rt.data_dir) / "stock.csv"
    path.write_text("SKU,Stock\n" + "".join(f"{sku},{n}\n" for sku, n in units.items()), encoding="utf-8")
    return run(rt, 1, source_id, trigger="upload", feed=uploads.from_disk(path))


def _let_write(rt: Runtime, store_id: int, *, is_let: bool) -> None:
    with transaction(rt.engine) as db:
        db.execute(
            sa.text(
                "update connection set writing_approved_at = case when :is_let then now() end where id = :c"
            ),
            {"c": store_id, "is_let": is_let},
        )


def _forget_messages(rt: Runtime) -> None:
    with transaction(rt.engine) as db:
        db.execute(sa.text("truncate outbox_message, outbox_turn"))


def _sell(rt: Runtime, rows: int) -> list[str]:
    """Sales learnt after the bad file: one unit each of some variants."""
    skus = [f"A-{n}" for n in range(0, rows, max(1, rows // SOLD))]
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin,
                                        reference)
                select 1, 1, v.id, (select min(id) from source), 1, now(), 'order', v.sku
                  from variant v where v.sku = any(cast(:skus as text[]))
            """),
            {"skus": skus},
        )
    return skus


def _undo(rt: Runtime, run_id: int, store_id: int) -> tuple[Outcome, float, dict[str, int]]:
    """Undo and deliver side by side, as web and worker do. How it ended, seconds until all was decided, and the
    errors of turns."""
    is_decided = threading.Event()
    errors: dict[str, int] = {}

    def deliver() -> None:
        while True:
            is_last = is_decided.is_set()
            for kind, count in drain(rt, [Turn(1, QUANTITY, store_id)]).items():
                errors[kind] = errors.get(kind, 0) + count
            if is_last:
                return
            time.sleep(0.2)

    worker = threading.Thread(target=deliver)
    worker.start()
    started = time.monotonic()
    try:
        outcome = undo(rt, 1, run_id)
    finally:
        seconds = time.monotonic() - started
        is_decided.set()
        worker.join()
    return outcome, seconds, errors


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure and print a JSON line for each reading of what a mutation costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--item-cost", type=float, action="append", help="points an item; 0 and 0.2")
    given = parser.parse_args()
    for cost in given.item_cost or (0.0, 0.2):
        print(json.dumps(replay_undo(given.rows, cost)), flush=True)


if __name__ == "__main__":
    main()
