"""Limits learnt from accepted runs, on a database: what is kept, what teaches, what a silent supplier does."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.intake import held, undo
from connector.intake.allowing import allow, allowed_at, limits_at, revoke
from connector.intake.learning import read_history
from connector.intake.runtime import NotPossible
from connector.ports.errors import Retryable
from connector.positions.decide import Cause
from connector.positions.recheck import decide_all, recheck
from tests.intake.conftest import MERCHANT, SOURCE, Shop


def _file(rows: int, *, day: int = 0, first: int = 0) -> str:
    """`rows` items, of which a few change each day."""
    lines = (f"A-{n},{20 + n % 7 + (day if n % 10 == 0 else 0)}" for n in range(first, first + rows))
    return "SKU,Stock\n" + "\n".join(lines) + "\n"


def _days(shop: Shop, days: int, rows: int = 200) -> None:
    for day in range(days):
        assert shop.run(_file(rows, day=day), minutes=1440).status == "applied"


def _history(shop: Shop) -> int:
    with shop.engine.connect() as db:
        return len(read_history(db, MERCHANT, SOURCE))


def test_limits_are_learnt_from_applied_runs_and_named_in_the_hold(shop: Shop) -> None:
    _days(shop, 7)

    # 15 % of the items from the middle: fixed limits would let this pass.
    text = _file(200, day=8).splitlines()
    outcome = shop.run("\n".join([*text[:50], *text[80:]]) + "\n", minutes=1440)

    assert ("held", "rows_vanished") == (outcome.status, outcome.error_code)
    assert "Expected 187–213 rows; the file has 170 (learnt from 6 runs)." == outcome.error
    assert 7 == _history(shop), "what is held teaches nothing"


def test_an_undone_run_teaches_nothing_and_an_approved_one_does(shop: Shop) -> None:
    _days(shop, 3)
    outcome = shop.run(_file(200, day=3), minutes=1440)
    undo.undo(shop.rt, MERCHANT, outcome.run_id)
    assert 3 == _history(shop)

    outcome = shop.run(_file(60, day=4), minutes=1440)
    assert "held" == outcome.status
    held.approve(shop.rt, MERCHANT, outcome.run_id)

    with shop.engine.connect() as db:
        newest = read_history(db, MERCHANT, SOURCE)[-1]
    assert ("rows_vanished",) == newest.approved


@pytest.mark.parametrize("policy", ["zero", "zero_after"])
def test_a_supplier_who_falls_silent_for_a_week_does_not_empty_the_shop(shop: Shop, policy: str) -> None:
    for n in range(0, 200, 40):
        shop.add_variant(f"A-{n}")
    shop.source(missing_policy=policy, missing_after=2)
    _days(shop, 6)
    before, observed = shop.available(), shop.observed()

    statuses = [
        shop.run("SKU,Stock\n", minutes=1440).status,  # a header and nothing else
        *(shop.run(_file(rows), minutes=1440).status for rows in (1, 3, 8, 20, 60)),
    ]

    assert ["failed", *["held"] * 5] == statuses
    assert before == shop.available()
    assert observed == shop.observed()


@pytest.mark.parametrize("stale_after_hours", [None, 24])
def test_a_supplier_nobody_reaches_for_a_week_does_not_empty_the_shop(
    shop: Shop, stale_after_hours: int | None
) -> None:
    for n in range(0, 200, 40):
        shop.add_variant(f"A-{n}")
    shop.source(missing_policy="zero", max_age_hours=stale_after_hours)
    _days(shop, 6)
    before, observed = shop.available(), shop.observed()
    assert sum(before.values()) > 0
    shop.supplier.fails = Retryable("fake", "https://acme.example", "It answers 502.", "Try again later.")

    for _ in range(7):
        with pytest.raises(Retryable):
            shop.run(minutes=1440)
        recheck(shop.engine, MERCHANT, now=shop.rt.clock())
    decide_all(shop.engine, MERCHANT, now=shop.rt.clock(), cause=Cause("time"))

    assert before == shop.available()
    assert observed == shop.observed()


def test_a_list_that_shrinks_day_by_day_is_held_before_it_is_empty(shop: Shop) -> None:
    shop.source(missing_policy="zero")
    _days(shop, 6, rows=100)

    statuses = [shop.run(_file(rows, day=9), minutes=1440).status for rows in range(97, 25, -3)]

    assert "held" in statuses
    kept = sum(1 for units in shop.observed().values() if units)
    assert kept >= 60


def test_a_reason_allowed_for_good_passes_as_far_as_it_was_given_and_no_further(shop: Shop) -> None:
    _days(shop, 2)
    outcome = shop.run(_file(90, day=3), minutes=1440)
    assert "held" == outcome.status
    with shop.engine.begin() as db:
        assert ["rows_vanished"] == allow(db, MERCHANT, outcome.run_id, actor="a@b.test", now=shop.rt.clock())
    held.approve(shop.rt, MERCHANT, outcome.run_id)
    assert "applied" == shop.run(_file(200, day=4), minutes=1440).status

    within = shop.run(_file(88, day=5), minutes=1440)
    assert "applied" == within.status
    assert (
        "You allowed this for good" in shop.all("select reason from run_issue order by id desc limit 1")[0][0]
    )
    assert "applied" == shop.run(_file(200, day=6), minutes=1440).status
    assert "held" == shop.run(_file(20, day=7), minutes=1440).status

    with shop.engine.begin() as db:
        assert [0.605] == [one.value for one in allowed_at(db, MERCHANT, SOURCE)]
        assert revoke(db, MERCHANT, SOURCE, "rows_vanished", actor="a@b.test", now=shop.rt.clock())
        assert not revoke(db, MERCHANT, SOURCE, "rows_vanished", actor="a@b.test", now=shop.rt.clock())
    assert "held" == shop.run(_file(89, day=8), minutes=1440).status


def test_all_zero_is_asked_about_every_time(shop: Shop) -> None:
    _days(shop, 2)
    zero = "SKU,Stock\n" + "".join(f"A-{n},0\n" for n in range(200))
    outcome = shop.run(zero, minutes=1440)

    with shop.engine.begin() as db, pytest.raises(NotPossible, match="asked about every time"):
        allow(db, MERCHANT, outcome.run_id, actor="a@b.test", now=shop.rt.clock())
    with shop.engine.begin() as db:
        db.execute(
            sa.text("update source set allowed = cast(:a as jsonb)"),
            {"a": '{"all_equal": {"value": 9}, "many_to_zero": {"value": 9}}'},
        )
    assert "held" == shop.run(zero.replace("A-1,0", "A-1,1"), minutes=1440).status


def test_an_old_file_sent_again_is_held_and_columns_in_another_order_are_noted(shop: Shop) -> None:
    _days(shop, 4)
    assert "stale_file" == shop.run(_file(200, day=1), minutes=1440).error_code

    moved = "Stock,SKU\n" + "".join(
        f"{line.split(',')[1]},{line.split(',')[0]}\n" for line in _file(200, day=4).splitlines()[1:]
    )
    outcome = shop.run(moved, minutes=1440)

    assert "applied" == outcome.status
    assert [("note:columns_moved",)] == shop.all(
        "select code from run_issue where run_id = :r", r=outcome.run_id
    )


def test_the_supplier_page_tells_fixed_limits_from_learnt_ones(shop: Shop) -> None:
    with shop.engine.connect() as db:
        assert (0, None) == (
            limits_at(db, MERCHANT, SOURCE, shop.rt.clock())[0].runs,
            limits_at(db, MERCHANT, SOURCE, shop.rt.clock())[1],
        )
    _days(shop, 7, rows=50)
    with shop.engine.connect() as db:
        limits, rows = limits_at(db, MERCHANT, SOURCE, shop.rt.clock())
    assert (6, 50) == (limits.runs, rows)
