"""What holds for every table: it reads as the csv module reads it, whatever the cells and the blocks."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapters.suppliers.file_feed import records
from adapters.suppliers.file_feed.delimiters import split_cells
from adapters.suppliers.file_feed.records import Splitter

CELL = st.text(alphabet=st.sampled_from(list("ab1 ;,|\t\"\n\r'é日x")), max_size=8)
ROWS = st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=30)
# The csv module writes a lone CR without quotes when it quotes only what it must.
QUOTING = st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
RAW = st.lists(
    st.sampled_from([b"a", b"b;", b";", b'"', b'""', b"\n", b"\r\n", b"\r", "é".encode()]), max_size=60
)


def read(content: bytes, delimiter: str, block_bytes: int) -> list[tuple[int, bytes, list[str]]]:
    """Every record as (line, raw bytes, cells)."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "feed"
        path.write_bytes(content)
        before = records.BLOCK_BYTES
        records.BLOCK_BYTES = block_bytes
        try:
            for block in Splitter(path, delimiter, has_quotes=b'"' in content).blocks():
                parsed = split_cells([one.decode() for one in block.records], delimiter, block.strays)
                found += list(zip(block.lines, block.records, parsed, strict=True))
        finally:
            records.BLOCK_BYTES = before
    return found


@given(
    ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    QUOTING,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 80),
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[list[str]], delimiter: str, quoting: int, end: str, block_bytes: int
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)  # type: ignore[arg-type]
    assert [cells for _, _, cells in read(buffer.getvalue().encode(), delimiter, block_bytes)] == rows


@given(RAW, st.integers(1, 40))
def test_whatever_the_bytes_nothing_is_lost_and_blocks_do_not_matter(
    parts: list[bytes], block_bytes: int
) -> None:
    content = b"".join(parts)
    whole = read(content, ";", 1 << 20)
    assert read(content, ";", block_bytes) == whole
    kept = b"".join(raw for _, raw, _ in whole)
    assert kept.replace(b"\r", b"").replace(b"\n", b"") == content.replace(b"\r", b"").replace(b"\n", b"")
    assert [line for line, _, _ in whole] == sorted({line for line, _, _ in whole})


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_membership_is_that_of_a_set(values: list[int], known: list[int]) -> None:
    asked = np.array([*values, *known[:5]], dtype=np.uint64)
    held = np.array(sorted(known), dtype=np.uint64)
    assert records.is_known(asked, held).tolist() == [value in set(known) for value in asked.tolist()]
