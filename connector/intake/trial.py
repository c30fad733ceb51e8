"""A supplier's files one after the other through reading and guard, in memory: no database, nothing kept.

Reading, mapping and judging are those of a run; only the staging tables are dictionaries here. It answers
"what would the guard have said?" for files that belong to nobody yet.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from connector.intake.evidence import Evidence, Limits, Verdict
from connector.intake.examine import UNREADABLE, SourceRow, mapping_for
from connector.intake.guard import UNKNOWN, judge
from connector.intake.history import Entry, content_of, entry_of, garbled_before, learn, seen_on
from connector.intake.mapping import Mapping
from connector.intake.reading import RowReader
from connector.intake.signs import moves_of
from connector.intake.staging import Place
from connector.ports.suppliers import Table


@dataclass(slots=True)
class Known:
    """What was last accepted of one item: its units (UNKNOWN where not said), its line, its misses."""

    units: int
    line: int
    missed: int = 0


@dataclass(slots=True)
class Look:
    """One file as it was read and judged, not yet accepted. `items` are key → (units, line) of the usable
    rows, `faulty` the keys whose row cannot be used, `to_zero` the missing ones that would go to zero,
    `held` the keys whose row waits."""

    mapping: Mapping
    evidence: Evidence
    limits: Limits
    verdict: Verdict
    entry: Entry
    items: dict[str, tuple[int, int]]
    faulty: set[str]
    to_zero: list[str]
    held: set[str]


@dataclass(slots=True)
class Trial:
    """One supplier. `missing_policy`, `missing_after` and `in_stock_units` are those of a source."""

    name: str = "supplier"
    missing_policy: str = "keep"
    missing_after: int = 3
    in_stock_units: int = 5
    mapping: Mapping = field(default_factory=Mapping)
    known: dict[str, Known] = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)
    rows: int | None = None
    file_as_of: datetime | None = None
    allowed: MappingOf[str, float] = field(default_factory=dict)

    def look(self, table: Table, at: datetime, file_as_of: datetime | None = None) -> Look:
        """Read and judge a file of the moment `at`; nothing of it is taken. Raises FileFault as a run does."""
        mapping, reader, items, faulty, duplicates = self._read(table, at)
        file = np.sort(table.digests())
        lost = [key for key in self.known if key not in items and key not in faulty]
        newly = [key for key in lost if self.known[key].missed == 0]
        to_zero = [key for key in lost if self._goes_to_zero(self.known[key])]
        both = [key for key in items if key in self.known]
        before = np.array([self.known[key].units for key in both], dtype=np.int64)
        after = np.array([items[key][0] for key in both], dtype=np.int64)
        content = content_of(file)
        has_before = self.rows is not None
        evidence = Evidence(
            rows=len(file),
            rows_before=self.rows,
            before=before,
            after=after,
            unreadable=sum(reader.issues.faults[code] for code in UNREADABLE),
            lost=len(newly),
            missing_to_zero=sum(self.known[key].units > 0 for key in to_zero),
            stocked_before=sum(one.units > 0 for one in self.known.values()),
            single_quantity=self._single(items) if has_before else None,
            file_as_of=file_as_of,
            last_file_as_of=self.file_as_of,
            new=len(items) - len(both),
            tail=self._tail(newly, items, faulty),
            read=reader.rows,
            fractions=reader.issues.notes["fraction_floored"],
            duplicates=duplicates,
            garbled=reader.garbled,
            garbled_before=garbled_before(self.history),
            ends_short=reader.ends_short,
            content=content,
            seen_on=seen_on(self.history, content),
            columns=table.shape.columns,
            columns_before=self.history[-1].columns if self.history else (),
            has_header=table.shape.has_names,
        )
        limits = learn(self.history, at, self.rows)
        verdict = judge(evidence, limits, self.allowed)
        held = {key for key, waits in zip(both, verdict.rows.tolist(), strict=True) if waits}
        entry = entry_of(evidence, moves_of(before, after), at)
        return Look(mapping, evidence, limits, verdict, entry, items, faulty, to_zero, held)

    def accept(self, look: Look, *, approved: bool = False) -> None:
        """Take a file over, but the rows that wait; with `approved` those too, and its holds teach."""
        codes = tuple(hold.code for hold in look.verdict.file) if approved else ()
        for key, one in self.known.items():
            if key not in look.items and key not in look.faulty:
                one.missed += 1
        for key in look.to_zero:
            self.known[key].units = 0
        for key, (units, line) in look.items.items():
            if approved or key not in look.held:
                self.known[key] = Known(units, line)
        self.history.append(replace(look.entry, approved=codes))
        self.mapping = look.mapping
        self.rows = look.evidence.rows
        self.file_as_of = look.evidence.file_as_of or self.file_as_of

    def _read(
        self, table: Table, at: datetime
    ) -> tuple[Mapping, RowReader, dict[str, tuple[int, int]], set[str], int]:
        source = SourceRow(
            place=Place(0, 0, self.in_stock_units),
            connection_id=0,
            name=self.name,
            as_of=None,
            confirms_unchanged=True,
            missing_policy=self.missing_policy,
            missing_after=self.missing_after,
            mapping=self.mapping,
            read_options={},
            mark={},
        )
        mapping = mapping_for(source, table)
        for _ in range(3):
            reader = RowReader(mapping, table.shape.columns, at.date())
            lines = [line for row in table.rows() if (line := reader.line(row)) is not None]
            learnt = reader.learnt()
            if learnt is None:
                break
            mapping = learnt
        said: dict[str, list[tuple[int, str]]] = {}
        for line in lines:
            key, _, _, _, quantity, at_least, is_word, _, _, _, number, _, state = line.split("\t")
            said.setdefault(key, []).append((int(number), f"{quantity} {at_least} {is_word} {state.strip()}"))
        items: dict[str, tuple[int, int]] = {}
        faulty: set[str] = set()
        duplicates = 0
        for key, rows in said.items():
            is_agreed = len({text for _, text in rows}) == 1
            duplicates += len(rows) > 1 and not is_agreed
            units = self._units(mapping, [text for _, text in rows])
            if units is None or (mapping.duplicate_policy == "hold" and not is_agreed):
                faulty.add(key)
            else:
                items[key] = (units, rows[-1][0])
        return mapping, reader, items, faulty, duplicates

    def _units(self, mapping: Mapping, texts: list[str]) -> int | None:
        """The units that an item's rows stand for, UNKNOWN where none says; None when none can be used."""
        usable = [text.split(" ") for text in texts if text.endswith(" 0")]
        if not usable:
            return None
        units = [
            (self.in_stock_units if is_word == "t" else UNKNOWN) if quantity == "\\N" else int(quantity)
            for quantity, _, is_word, _ in usable
        ]
        if mapping.duplicate_policy == "sum":
            return sum(units)
        return max(units) if mapping.duplicate_policy == "max" else units[-1]

    def _goes_to_zero(self, one: Known) -> bool:
        needed = {"keep": None, "zero": 1, "zero_after": max(1, self.missing_after)}[self.missing_policy]
        return needed is not None and one.missed + 1 >= needed and one.units != 0

    def _tail(self, lost: list[str], items: MappingOf[str, object], faulty: set[str]) -> int:
        stays = [
            one.line for key, one in self.known.items() if not one.missed and (key in items or key in faulty)
        ]
        last = max(stays, default=0)
        return sum(self.known[key].line > last for key in lost) if stays else 0

    def _single(self, items: MappingOf[str, tuple[int, int]]) -> int | None:
        now = {units for units, _ in items.values()}
        if len(now) != 1 or now == {UNKNOWN}:
            return None
        several = len({one.units for one in self.known.values()}) > 1
        return next(iter(now)) if several else None
