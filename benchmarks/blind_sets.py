"""Files of suppliers, each lot judged before anyone looked at what fails in it.

`data/mapping_blind.json.gz` holds three lots: "a" of 60 files, written by someone who had not seen the words that
headers are read by, "b" of 40 and "c" of 24, written after the lot before was mended. Each set has its headers, what
each column truly is and up to ten made-up rows. Only a lot's first run (in README.md) says how a stranger's file is
read; run now, they guard against getting worse. They were judged as CSV, XLSX, JSON and XML; here all are tables.
"""

from __future__ import annotations

import gzip
import json

from benchmarks.header_sets import DATA, HeaderSet


def read_blind(lots: str = "abc") -> list[HeaderSet]:
    """The sets of the named lots. A field is "price/cost" where two answers are defensible, "" where the column
    is to be left alone."""
    raw = json.loads(gzip.decompress((DATA / "mapping_blind.json.gz").read_bytes()))
    return [
        HeaderSet(
            language=one["language"],
            name=f"{one['lot']}_{one['name']}",
            columns=tuple(one["columns"]),
            fields=tuple(one["fields"]),
            rows=tuple(tuple(row) for row in one["rows"]),
            delimiter=";",
            has_header=one["has_header"],
        )
        for one in raw
        if one["lot"] in lots
    ]
