"""A supplier's file of a million rows, from fetch to committed decisions, on a durable PostgreSQL.

The reference is the standard csv reader alone on the same file, measured just before. Each measurement
runs in a process of its own, so that its peak memory is its own; the time is that of `runs.run`, start
of the interpreter and imports left out. `cpu_s` and `server_cpu_s` are the processor time of that process
and of PostgreSQL: on a machine with other work they tell more than the clock. `python -m
benchmarks.intake` prints one JSON line for each.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from connector.db import make_engine, migrate
from connector.embedded import start_postgres
from connector.intake.runs import run
from connector.registry import Environment, manifest

ROWS = 1_000_000
VARIANTS = 10_000
CHANGED = 10_000
COME_AND_GONE = 1_000


@dataclass(frozen=True)
class Lab:
    """A database with one shop and a directory with its supplier's file."""

    url: str
    directory: Path

    @property
    def feed(self) -> Path:
        return self.directory / "feeds-in" / "stock.csv"


class _Runtime:
    """The installation as intake sees it: the real adapter on a directory."""

    def __init__(self, lab: Lab) -> None:
        self.engine = make_engine(lab.url)
        self.data_dir = lab.directory / "data"
        self._lab = lab

    def clock(self) -> datetime:
        return datetime.now(UTC)

    def supplier(self, merchant_id: int, connection_id: int) -> Any:
        environment = Environment(feed_directories=(self._lab.feed.parent,))
        return manifest("suppliers", "file_feed").build({"path": str(self._lab.feed)}, {}, environment)


@contextmanager
def laboratory(rows: int = ROWS) -> Iterator[Lab]:
    """A migrated PostgreSQL of its own, a shop of 10,000 variants and a first file of `rows` rows."""
    with tempfile.TemporaryDirectory(prefix="dispo-bench-") as name:
        directory = Path(name)
        with start_postgres(directory / "postgres") as server:
            migrate(server.url)
            lab = Lab(server.url, directory)
            lab.feed.parent.mkdir()
            _make_shop(lab)
            _write(lab.feed, _first_rows(rows))
            yield lab


def _make_shop(lab: Lab) -> None:
    engine = make_engine(lab.url)
    with engine.begin() as db:
        db.exec_driver_sql("insert into merchant (name, created_at) values ('Bench', now())")
        for kind in ("store", "supplier"):
            db.exec_driver_sql(
                "insert into connection (merchant_id, kind, adapter, name, public_key, created_at,"
                " writing_approved_at) values (1, %s, 'x', %s, %s, now(), now())",
                (kind, kind, kind),
            )
        db.exec_driver_sql("insert into source (merchant_id, connection_id, name) values (1, 2, 'Bench')")
        db.execute(
            sa.text(
                "insert into variant (merchant_id, sku, sku_key, title)"
                " select 1, 'SKU-' || lpad(n::text, 7, '0'), 'sku-' || lpad(n::text, 7, '0'), 'T'"
                "   from generate_series(0, :last) n"
            ),
            {"last": VARIANTS - 1},
        )
        db.exec_driver_sql(
            "insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id,"
            " sku, believed_available, seen_at) select 1, 1, id, id, id, id, sku, 1, now() from variant"
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("vacuum analyze")
    engine.dispose()


def _first_rows(rows: int) -> list[list[str]]:
    random = Random(7)
    table = [
        [
            f"SKU-{n:07d}",
            str(random.randrange(0, 500)),
            f"{random.randrange(100, 99999) / 100:.2f}",
            "2026-12-24",
        ]
        for n in range(rows)
    ]
    random.shuffle(table)
    return table


def _next_rows(table: list[list[str]], day: int) -> list[list[str]]:
    """The file a day later: shuffled again, every item of the shop changed, some gone, some new."""
    random = Random(7 + day)
    rows = len(table)
    gone = {f"SKU-{n:07d}" for n in range(rows - day * COME_AND_GONE, rows - (day - 1) * COME_AND_GONE)}
    later = []
    for sku, stock, *rest in table:
        if sku.startswith("SKU-") and int(sku[4:]) < CHANGED:
            stock = str(int(stock) + 1 + random.randrange(9))
        if sku not in gone:
            later.append([sku, stock, *rest])
    later += [[f"NEW-{day}-{n:05d}", "5", "9.90", ""] for n in range(COME_AND_GONE)]
    random.shuffle(later)
    return later


def _write(path: Path, table: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["SKU", "Stock", "Cost", "ETA"])
        writer.writerows(table)


@dataclass(frozen=True)
class Reference:
    """A plain csv.reader over the file: seconds by the clock and of the processor, the best of three."""

    seconds: float
    cpu_s: float


def csv_reader(path: Path) -> Reference:
    """Measure the reference on this file."""
    tries = []
    for _ in range(3):
        start, cpu = time.perf_counter(), time.process_time()
        with path.open(encoding="utf-8", newline="") as file:
            for _row in csv.reader(file):
                pass
        tries.append((time.perf_counter() - start, time.process_time() - cpu))
    return Reference(min(wall for wall, _ in tries), min(cpu for _, cpu in tries))


def _server_cpu_s(lab: Lab) -> float:
    """Processor time of PostgreSQL so far: the postmaster, its children, and those that have ended."""
    pid_file = next((lab.directory / "postgres").rglob("postmaster.pid"))
    postmaster = pid_file.read_text(encoding="ascii").splitlines()[0]
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile and is counted by its parent
        if stat.parent.name == postmaster:
            ticks += sum(int(each) for each in fields[11:15])
        elif fields[1] == postmaster:
            ticks += sum(int(each) for each in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _measure(lab: Lab) -> dict[str, Any]:
    """One run in a process of its own: seconds, peak memory in MB, and how the run ended."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.intake", "--child", lab.url, str(lab.directory)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _child(lab: Lab) -> None:
    rt = _Runtime(lab)
    manifest("suppliers", "file_feed")
    with rt.engine.connect():
        pass
    server_cpu = _server_cpu_s(lab)
    start, cpu = time.perf_counter(), time.process_time()
    outcome = run(rt, 1, 1, trigger="bench")
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    server_cpu_s = _server_cpu_s(lab) - server_cpu
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = int(status.split("VmHWM:")[1].split()[0])
    with rt.engine.connect() as db:
        pending = db.exec_driver_sql("select count(*) from outbox_message where status = 'pending'").scalar()
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_s": round(cpu_s, 2),
                "server_cpu_s": round(server_cpu_s, 2),
                "peak_mb": peak_kb / 1024,
                "status": outcome.status,
                "rows_changed": outcome.rows_changed,
                "rows_new": outcome.rows_new,
                "rows_missing": outcome.rows_missing,
                "variants_changed": outcome.variants_changed,
                "outbox_pending": pending,
            }
        )
    )


def _result(
    name: str, found: dict[str, Any], reference: Reference, aim: float, is_right: bool
) -> dict[str, Any]:
    ratio = found["seconds"] / reference.seconds
    return {
        "name": name,
        "value": round(found["seconds"], 3),
        "unit": "s",
        "reference": round(reference.seconds, 3),
        "reference_cpu_s": round(reference.cpu_s, 3),
        "ratio": round(ratio, 2),
        "aim": aim,
        "ok": is_right and ratio <= aim,
        **{key: value for key, value in found.items() if key != "seconds"},
        "peak_mb": round(found["peak_mb"]),
    }


def intake_first(lab: Lab) -> dict[str, Any]:
    """The first import of a source: every row read, observed and matched; 10,000 variants decided."""
    reference = csv_reader(lab.feed)
    found = _measure(lab)
    is_right = (found["status"], found["variants_changed"]) == ("applied", VARIANTS)
    return _result("intake_first", found, reference, 40, is_right)


def intake_unchanged(lab: Lab) -> dict[str, Any]:
    """The same bytes again under a new file time, after `intake_first`; the best of three."""
    reference = csv_reader(lab.feed)
    tries = []
    for _ in range(3):
        os.utime(lab.feed)
        tries.append(_measure(lab))
    found = min(tries, key=lambda each: float(each["seconds"]))
    return _result("intake_unchanged", found, reference, 0.5, found["status"] == "unchanged")


def intake_1pct(lab: Lab, rows: int = ROWS) -> dict[str, Any]:
    """Three more days, each a file shuffled anew with 1 % of its rows changed, after `intake_first`:
    10,000 decisions and their outbox rows are committed within the time; the best of three, as of the
    reference. Peak memory at most 400 MB."""
    table = _first_rows(rows)
    tries = []
    for day in (1, 2, 3):
        table = _next_rows(table, day)
        _write(lab.feed, table)
        _all_delivered(lab)
        reference = csv_reader(lab.feed)
        tries.append((_measure(lab), reference))
    found, reference = min(tries, key=lambda each: float(each[0]["seconds"]) / each[1].seconds)
    is_right = all(
        found["status"] == "applied"
        and found["rows_changed"] == CHANGED
        and found["rows_new"] == COME_AND_GONE
        and found["rows_missing"] == COME_AND_GONE
        and found["variants_changed"] == VARIANTS
        and found["outbox_pending"] >= VARIANTS
        and found["peak_mb"] <= 400
        for found, _ in tries
    )
    return _result("intake_1pct", found, reference, 5, is_right)


def _all_delivered(lab: Lab) -> None:
    """What was asked for before has been delivered meanwhile."""
    engine = make_engine(lab.url)
    with engine.begin() as db:
        db.exec_driver_sql("update outbox_message set status = 'done', settled_at = now()")
        db.exec_driver_sql(
            "update listing set believed_available = wanted_available, believed_state = wanted_state"
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("vacuum analyze")
        db.exec_driver_sql("checkpoint")
    engine.dispose()


def main(rows: int = ROWS) -> list[dict[str, Any]]:
    """All three on one laboratory, in the order they build on each other."""
    with laboratory(rows) as lab:
        results = [intake_first(lab), intake_unchanged(lab), intake_1pct(lab, rows)]
    for result in results:
        print(json.dumps(result))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--child", nargs=2, metavar=("URL", "DIRECTORY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(Lab(given.child[0], Path(given.child[1])))
    else:
        sys.exit(0 if all(result["ok"] for result in main(given.rows)) else 1)
