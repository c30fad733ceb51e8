"""Settings brought along are compared, written and taken back, and leave as a file that changes nothing."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import sqlalchemy as sa

from connector.intake import settings_facts, settings_import
from connector.intake.settings_file import HEAD, read_settings
from connector.intake.settings_import import ImportRefused
from connector.positions.rulings import says_of
from tests.builders import NOW, World


class Brought:
    """A merchant with two products of one supplier."""

    def __init__(self, engine: sa.Engine) -> None:
        self.world = World(engine)
        self.engine = engine
        self.m = self.world.merchant_id
        self.source_id = self.world.source(lead_time_days=10)
        self.world.execute("update source set name = 'Midi' where merchant_id = :m")
        self.a, self.b = self.world.variant("A-1", buffer_units=1), self.world.variant("B-1")
        for variant_id in (self.a, self.b):
            self.world.observe(self.source_id, variant_id, 60)

    def bring(self, text: str) -> Any:
        with self.engine.begin() as db:
            number = settings_import.propose(
                db, self.m, read_settings(text.encode()), file_name="x.csv", actor="me", now=NOW
            )
            return settings_import.proposal(db, self.m, number)

    def apply(self, number: int, merchant_id: int = 0) -> Any:
        with self.engine.begin() as db:
            return settings_import.apply(db, merchant_id or self.m, number, actor="me", now=NOW)

    def undo(self, number: int) -> Any:
        with self.engine.begin() as db:
            return settings_import.undo(db, self.m, number, actor="me", now=NOW)

    def says(self, variant_id: int) -> dict[str, Any]:
        with self.engine.connect() as db:
            return says_of(db, self.m, "sku", str(variant_id))

    def supplier(self) -> tuple[int, int]:
        """The pack of A-1 and the lead time."""
        with self.engine.connect() as db:
            return tuple(
                db.execute(
                    sa.text("""
                        select i.units_per_variant, s.lead_time_days from source s
                          join supplier_item i on i.source_id = s.id and i.variant_id = :v where s.merchant_id = :m
                    """),
                    {"m": self.m, "v": self.a},
                ).one()
            )


@pytest.fixture
def brought(engine: sa.Engine) -> Brought:
    return Brought(engine)


FILE = (
    "sku,buffer_units,allows_backorder,supplier,pack_units,lead_time_days\na-1,4,yes,midi,6,14\nB-1,0,no,,,\n"
)


def test_only_what_is_different_is_proposed(brought: Brought) -> None:
    found = brought.bring(FILE)

    # B-1 keeps back nothing and takes no backorder already, by the merchant's settings.
    assert [
        ("rule", "buffer_units", None, 4),
        ("rule", "allows_backorder", None, True),
        ("pack", "pack_units", 1, 6),
        ("lead", "lead_time_days", 10, 14),
    ] == [(one.kind, one.name, one.before, one.after) for one in found.settings]
    assert ([], "preview", {}) == (found.faults, found.status, brought.says(brought.a))


def test_it_is_written_once_and_taken_back(brought: Brought) -> None:
    number = brought.bring(FILE).id
    done = brought.apply(number)

    assert (4, 0, {brought.a, brought.b}) == (done.written, done.left, done.variant_ids)
    assert {"buffer_units": 4, "allows_backorder": True} == brought.says(brought.a)
    assert (6, 14) == brought.supplier()
    with pytest.raises(ImportRefused, match="dealt with already"):
        brought.apply(number)

    assert (4, 0) == ((done := brought.undo(number)).written, done.left)
    assert ({}, (1, 10)) == (brought.says(brought.a), brought.supplier())


def test_what_somebody_changed_since_is_left_alone(brought: Brought) -> None:
    number = brought.bring(FILE).id
    brought.apply(number)
    brought.apply(brought.bring("sku,buffer_units\nA-1,9\n").id)
    brought.world.execute("update source set lead_time_days = 3 where merchant_id = :m")
    done = brought.undo(number)

    assert (2, 2) == (done.written, done.left)
    assert ({"buffer_units": 9}, (1, 3)) == (brought.says(brought.a), brought.supplier())


def test_what_cannot_be_placed_is_a_fault_of_its_line(brought: Brought) -> None:
    brought.world.variant("twin")
    brought.world.variant("TWIN")
    found = brought.bring(
        "sku,buffer_units,supplier,pack_units,lead_time_days\n"
        "none,1,,,\nTwin,1,,,\nA-1,2,,,\nA-1,3,,,\nB-1,,Nord,6,\nB-1,,Midi,,11\nB-1,5,Midi,,12\n"
    )

    assert [
        (2, "No product has the SKU 'none'."),
        (3, "Several products have the SKU 'Twin'."),
        (5, "The SKU 'A-1' was named before, in line 4."),
        (6, "There is no supplier called 'Nord'."),
        (8, "Midi has one lead time; line 7 says 11 days."),
    ] == [(one.line, one.reason) for one in found.faults]
    assert [(4, 2), (7, 11), (8, 5)] == sorted((one.line, one.after) for one in found.settings)


def test_where_a_supplier_may_say_otherwise_a_file_that_says_the_default_is_written(brought: Brought) -> None:
    brought.world.execute("update source set buffer_units = 5 where merchant_id = :m")

    assert [("B-1", 0)] == [
        (one.sku, one.after) for one in brought.bring("sku,buffer_units\nB-1,0\n").settings
    ]


def test_the_file_to_leave_with_changes_nothing_when_it_comes_back(brought: Brought) -> None:
    brought.apply(brought.bring(FILE).id)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    with brought.engine.connect() as db:
        for row in settings_facts.export(db, brought.m):
            writer.writerow(["yes" if one is True else "no" if one is False else one for one in row])

    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [("A-1", "4", "yes", "Midi", "6", "14"), ("B-1", "", "", "Midi", "1", "14")] == [
        tuple(row[name] for name in ("sku", "buffer_units", "allows_backorder", *HEAD[-3:])) for row in rows
    ]
    back = brought.bring(out.getvalue())
    assert ([], []) == (back.settings, back.faults)


def test_a_stranger_writes_nothing(brought: Brought) -> None:
    number = brought.bring(FILE).id
    other = World(brought.engine).merchant_id
    with pytest.raises(ImportRefused):
        brought.apply(number, other)
    with brought.engine.connect() as db:
        assert settings_import.proposal(db, other, number) is None
        assert [] == settings_import.recent(db, other)
    assert {} == brought.says(brought.a)
