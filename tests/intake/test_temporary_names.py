"""Temporary tables have names of their own: one that shadows a permanent table would be read in its place."""

from __future__ import annotations

import re
from pathlib import Path

import connector.tables

ROOT = Path(connector.tables.__file__).parent


def test_no_temporary_table_is_made_under_the_name_of_a_permanent_one() -> None:
    made = {
        name
        for path in ROOT.rglob("*.py")
        for name in re.findall(
            r"create temp(?:orary)? table (?:if not exists )?(\w+)", path.read_text("utf-8")
        )
    }
    assert {"staged_rows", "known", "missing"} <= made
    assert set() == made & set(connector.tables.metadata.tables)
