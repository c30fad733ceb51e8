"""Presets: what is known of the files that hubs without an open API hand out.

Each is a file beside this one. A preset is no adapter: its files come by any way of `file_feed`. What nobody
has published is not made up: such a preset names no columns, and they are found by their headers as in any file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

DOCUMENTED, EXAMPLE, GUESSED = "documented", "from a public example", "guessed by headers"
_KEYS = {"title", "basis", "source", "format", "delimiter", "columns", "words"}


@dataclass(frozen=True, slots=True)
class Preset:
    """What a hub's file is like. `basis` says how that is known (`DOCUMENTED`, `EXAMPLE`, `GUESSED`), `source`
    where it is written, "" where it is guessed. `columns` field of intake → column, empty where it is guessed;
    `words` stock word → units; `format` and `delimiter` "" where they are detected."""

    name: str
    title: str
    basis: str
    source: str = ""
    format: str = ""
    delimiter: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """A sentence for whoever connects such a file."""
        if not self.columns:
            return (
                f"{self.title} publishes no description of its file: the columns are found by their headers; "
                "look at them once."
            )
        named = ", ".join(f"“{column}” is {name}" for name, column in self.columns.items())
        return f"As {self.title}'s file is {self.basis}: {named}."

    def fits(self, columns: Sequence[str]) -> bool:
        """Whether a file with these columns is one that the preset describes."""
        there = {column.strip().casefold() for column in columns}
        return bool(self.columns) and {one.casefold() for one in self.columns.values()} <= there


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name. Raises ValueError for a file that says something impossible; a test reads them all."""
    found = {}
    for path in sorted(files(__package__).iterdir(), key=lambda one: one.name):
        if path.name.endswith(".toml"):
            name = path.name.removesuffix(".toml")
            found[name] = read(name, tomllib.loads(path.read_text(encoding="utf-8")))
    return found


def read(name: str, document: Mapping[str, Any]) -> Preset:
    """One preset from its document. Raises ValueError, naming the preset and what is wrong."""
    unknown = set(document) - _KEYS
    if unknown:
        raise ValueError(f"preset {name}: there is no {sorted(unknown)[0]!r}")
    preset = Preset(name, **document)
    if preset.basis not in (DOCUMENTED, EXAMPLE, GUESSED):
        raise ValueError(
            f"preset {name}: basis is none of documented, from a public example, guessed by headers"
        )
    if preset.basis == GUESSED:
        if preset.columns or preset.source:
            raise ValueError(f"preset {name}: what is guessed names no columns and no source")
        return preset
    if not preset.source.startswith("https://"):
        raise ValueError(f"preset {name}: it must say where its columns are written")
    if "quantity" not in preset.columns or not {"sku", "gtin", "supplier_sku"} & set(preset.columns):
        raise ValueError(f"preset {name}: it needs a column for the item and one for the quantity")
    if len(set(preset.columns.values())) < len(preset.columns):
        raise ValueError(f"preset {name}: one column is named twice")
    if any(not isinstance(units, int) or units < 0 for units in preset.words.values()):
        raise ValueError(f"preset {name}: a stock word stands for units, 0 or more")
    return preset
