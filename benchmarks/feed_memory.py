"""What reading a supplier's file of two million rows takes in each format, without a database.

Each measurement runs in a process of its own: fetch from a directory, open, digests, and every row. `value`
is that process's peak memory in MB, of its children the largest counted apart (`child_mb`: the reader of
workbooks), `reference` the aim. A workbook holds at most 1,048,576 rows; there 500,000 are read. In the nested ones a
quarter of a million products list a million variants, each of which is a row (200 MB and more). `python -m
benchmarks.feed_memory` prints one JSON line for each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from connector.ports.suppliers import Feed, ReadOptions
from connector.registry import Environment, manifest

ROWS = 2_000_000
WORKBOOK_ROWS = 500_000
NESTED_ROWS = 1_000_000
VARIANTS_EACH = 4
AIM_MB = 400


def _rows(count: int) -> Iterator[tuple[str, str, str, str]]:
    for n in range(count):
        # Scattered, so that rows pack as a real list does.
        yield (
            f"SKU-{n * 7_919 % 10_000_019:08d}",
            str(n * 31 % 500),
            f"{n % 9_000 / 100:.2f}",
            f"2026-12-{n % 28 + 1:02d}",
        )


def _write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("sku,quantity,cost,eta\n")
        file.writelines(",".join(row) + "\n" for row in _rows(count))


def _write_jsonl(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for sku, quantity, cost, eta in _rows(count):
            file.write(f'{{"sku":"{sku}","quantity":{quantity},"cost":{cost},"eta":"{eta}"}}\n')


def _write_json(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('{"data":[')
        for at, (sku, quantity, cost, eta) in enumerate(_rows(count)):
            comma = "," if at else ""
            file.write(f'{comma}{{"sku":"{sku}","quantity":{quantity},"cost":{cost},"eta":"{eta}"}}')
        file.write("]}")


def _write_xml(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<items>\n')
        for sku, quantity, cost, eta in _rows(count):
            file.write(
                f'<item><sku>{sku}</sku><stock quantity="{quantity}"/><cost>{cost}</cost><eta>{eta}</eta></item>\n'
            )
        file.write("</items>\n")


def _products(count: int) -> Iterator[tuple[dict[str, str], list[tuple[str, str, str, str]]]]:
    """Products with what is said of them once, and their variants."""
    rows = _rows(count)
    for n in range(-(-count // VARIANTS_EACH)):
        said = {
            "title": f"Bench “Aurora” {n}",
            "brand": "Nordlicht",
            "category": "Garden > Furniture > Benches",
            "description": f"Solid teak, oiled, {n % 40 + 80} cm. " * 13,
        }
        yield said, list(islice(rows, VARIANTS_EACH))


def _nested(said: dict[str, str], variants: list[tuple[str, str, str, str]]) -> str:
    names = ("sku", "quantity", "cost", "eta")
    listed = [dict(zip(names, row, strict=True)) for row in variants]
    return json.dumps({**said, "variants": listed}, ensure_ascii=False)


def _write_nested_jsonl(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_nested(*one) + "\n" for one in _products(count))


def _write_nested_json(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('{"products":[')
        for at, one in enumerate(_products(count)):
            file.write(("," if at else "") + _nested(*one))
        file.write("]}")


def _write_nested_xml(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<products>\n')
        for said, variants in _products(count):
            file.write("<product>")
            file.writelines(f"<{name}>{escape(text)}</{name}>" for name, text in said.items())
            file.write("<variants>")
            for sku, quantity, cost, eta in variants:
                stock = f'<stock quantity="{quantity}"/>'
                file.write(f"<variant><sku>{sku}</sku>{stock}<cost>{cost}</cost><eta>{eta}</eta></variant>")
            file.write("</variants></product>\n")
        file.write("</products>\n")


def _write_x12(path: Path, count: int) -> None:
    with path.open("w", encoding="ascii") as file:
        isa = "ISA*00*{0:10}*00*{0:10}*ZZ*{1:15}*ZZ*{2:15}*261122*0400*U*00401*000000001*0*P*>".format(
            "", "ACME", "SHOP"
        )
        file.write(f"{isa}~GS*IB*ACME*SHOP*20261122*0400*1*X*004010~ST*846*0001~BIA*00*DD*STOCK*20261122~")
        for sku, quantity, _cost, eta in _rows(count):
            file.write(f"LIN**SK*{sku}~QTY*33*{quantity}*EA~DTM*018*{eta.replace('-', '')}~")
        file.write(f"SE*{count * 3 + 3}*0001~GE*1*1~IEA*1*000000001~")


def _write_xlsx(path: Path, count: int) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        page = book.add_worksheet("Stock")
        page.write_row(0, 0, ["sku", "quantity", "cost", "eta"])
        for line, (sku, quantity, cost, eta) in enumerate(_rows(count), 1):
            page.write_row(line, 0, [sku, int(quantity), float(cost), eta])


def _gzipped(write: Callable[[Path, int], None]) -> Callable[[Path, int], None]:
    def write_packed(path: Path, count: int) -> None:
        plain = path.with_suffix(".plain")
        write(plain, count)
        with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(source, packed, 1 << 20)
        plain.unlink()

    return write_packed


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "csv": _write_csv,
    "csv_gz": _gzipped(_write_csv),
    "jsonl": _write_jsonl,
    "jsonl_gz": _gzipped(_write_jsonl),
    "json": _write_json,
    "xml": _write_xml,
    "xml_gz": _gzipped(_write_xml),
    "x12": _write_x12,
    "nested_json": _write_nested_json,
    "nested_jsonl": _write_nested_jsonl,
    "nested_xml": _write_nested_xml,
    "xlsx": _write_xlsx,
}


def _child(path: Path, inbox: Path) -> None:
    """Read the file as a run does and print what it took."""
    environment = Environment(feed_directories=(path.parent,), max_feed_bytes=4_000_000_000)
    supplier = manifest("suppliers", "file_feed").build({"path": str(path)}, {}, environment)
    before_mb = _peak_mb(resource.RUSAGE_SELF)
    start, cpu = time.perf_counter(), time.process_time()
    feed = supplier.fetch(None, inbox)
    assert isinstance(feed, Feed)
    table = supplier.open(feed, ReadOptions())
    digests = table.digests()
    opened = time.perf_counter() - start
    rows = sum(1 for _ in table.rows())
    answer = {
        "peak_mb": _peak_mb(resource.RUSAGE_SELF),
        "child_mb": _peak_mb(resource.RUSAGE_CHILDREN),
        "before_mb": before_mb,
        "opened_s": round(opened, 2),
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "rows": rows,
        "digests": len(digests),
        "columns": len(table.shape.columns),
    }
    print(json.dumps(answer))


def _peak_mb(who: int) -> int:
    return round(resource.getrusage(who).ru_maxrss / 1024)


def feed_memory(kind: str, rows: int = ROWS) -> dict[str, Any]:
    """Peak memory of reading one format."""
    most = {"xlsx": WORKBOOK_ROWS}.get(kind, NESTED_ROWS if kind.startswith("nested") else rows)
    count = min(rows, most)
    with tempfile.TemporaryDirectory(prefix="dispo-feed-") as name:
        path, inbox = Path(name) / "feeds" / "stock.dat", Path(name) / "inbox"
        path.parent.mkdir()
        inbox.mkdir()
        WRITERS[kind](path, count)
        size_mb = path.stat().st_size / 1e6
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.feed_memory", "--child", str(path), str(inbox)],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    value = max(found["peak_mb"], found["child_mb"])
    return {
        "name": f"feed_memory_{kind}",
        "format": kind,
        "value": value,
        "unit": "MB",
        "reference": AIM_MB,
        "ratio": round(value / AIM_MB, 2),
        "aim": 1.0,
        "ok": value <= AIM_MB and found["rows"] == found["digests"] == count,
        "size_mb": round(size_mb),
        **found,
    }


def main(rows: int, kinds: list[str]) -> list[dict[str, Any]]:
    """All formats, one after the other."""
    results = []
    for kind in kinds or list(WRITERS):
        results.append(feed_memory(kind, rows))
        print(json.dumps(results[-1]), flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *WRITERS])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--child", nargs=2, metavar=("FILE", "DIRECTORY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(Path(given.child[0]), Path(given.child[1]))
    else:
        sys.exit(0 if all(one["ok"] for one in main(given.rows, given.kinds)) else 1)
