"""Single items that may jump from now on: named, bounded, and asked about again when that is taken back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector.intake.held import approve
from connector.intake.item_bands import Band, band_around, bands_at, give, proposed, take_back
from connector.intake.runtime import NotPossible
from tests.intake.conftest import MERCHANT, SOURCE, Shop

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
STOCK = {f"S{n}": 9 + n for n in range(40)}


def _file(**units: int) -> str:
    return "SKU,Stock\n" + "".join(f"{sku},{value}\n" for sku, value in {**STOCK, **units}.items())


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """A shop of 40 variants whose supplier has stock of each."""
    for sku in STOCK:
        shop.add_variant(sku)
    shop.run(_file())
    return shop


def _rows(shop: Shop) -> list[int]:
    return [row[0] for row in shop.all("select id from held_change where status = 'held' order by id")]


def _give(shop: Shop, run_id: int) -> None:
    with shop.engine.begin() as db:
        rows = give(db, MERCHANT, run_id, _rows(shop), actor="ana@shop.example", now=NOW)
    approve(shop.rt, MERCHANT, run_id, rows=rows)


@pytest.mark.parametrize(
    ("before", "after", "band"),
    [(10, 9_000, (9, 9_900)), (9_000, 10, (9, 9_900)), (1, 700, (0, 770)), (600, 1_300, (540, 1_430))],
)
def test_a_band_is_what_was_approved_and_a_tenth_beyond(
    before: int, after: int, band: tuple[int, int]
) -> None:
    assert band == band_around(before, after)


def test_an_item_jumps_within_its_band_without_being_held_and_its_run_says_so(stocked: Shop) -> None:
    assert stocked.run(_file(S1=9_000)).status == "partly_held"
    _give(stocked, 2)
    assert stocked.available()["S1"] == 9_000

    assert stocked.run(_file(S1=10)).status == "applied"
    outcome = stocked.run(_file(S1=9_500, S2=12))

    assert (outcome.status, outcome.rows_held, stocked.available()["S1"]) == ("applied", 0, 9_500)
    note = "select code, reason from run_issue where run_id = 4"
    assert stocked.all(note) == [
        (
            "note:item_may_jump",
            "“s1” goes from 10 to 9,500: you let it move between 9 and 9,900 (run 2).",
        )
    ]


def test_a_jump_beyond_the_band_and_those_of_other_items_wait(stocked: Shop) -> None:
    stocked.run(_file(S1=9_000))
    _give(stocked, 2)
    stocked.run(_file(S1=10))

    outcome = stocked.run(_file(S1=9_901, S2=9_000))

    assert (outcome.status, outcome.rows_held) == ("partly_held", 2)
    assert (stocked.available()["S1"], stocked.available()["S2"]) == (10, 11)


def test_a_file_that_is_held_as_a_whole_is_not_let_pass(stocked: Shop) -> None:
    stocked.run(_file(S1=9_000))
    _give(stocked, 2)

    outcome = stocked.run(_file(S1=10, **{f"S{n}": 0 for n in range(2, 32)}))

    assert (outcome.status, stocked.available()["S1"]) == ("held", 9_000)


def test_a_second_approval_widens_the_band_and_it_can_be_taken_back(stocked: Shop) -> None:
    stocked.run(_file(S1=9_000))
    _give(stocked, 2)
    stocked.run(_file(S1=10))
    stocked.run(_file(S1=50_000))
    _give(stocked, 4)

    with stocked.engine.begin() as db:
        assert [Band("s1", 9, 55_000, 4, "ana@shop.example", NOW)] == bands_at(db, MERCHANT, SOURCE, limit=9)
        assert [] == bands_at(db, MERCHANT + 1, SOURCE, limit=9)
        assert not take_back(db, MERCHANT + 1, SOURCE, "s1", actor="eve", now=NOW)
        assert take_back(db, MERCHANT, SOURCE, "s1", actor="ana@shop.example", now=NOW)
        assert not take_back(db, MERCHANT, SOURCE, "s1", actor="ana@shop.example", now=NOW)

    assert stocked.run(_file(S1=10)).status == "partly_held"


def test_only_jumps_between_known_quantities_get_a_band(stocked: Shop) -> None:
    stocked.run(_file(**{f"S{n}": 0 for n in range(30)}))
    with stocked.engine.begin() as db:
        assert ({}, 30) == proposed(db, MERCHANT, 2, _rows(stocked))
        with pytest.raises(NotPossible, match="None of these rows of run 2 is a jump"):
            give(db, MERCHANT, 2, _rows(stocked), actor="ana", now=NOW)
        with pytest.raises(LookupError):
            give(db, MERCHANT + 1, 2, _rows(stocked), actor="eve", now=NOW)
