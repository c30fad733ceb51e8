"""Taking a run back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from connector.db import make_engine
from connector.intake.held import approve
from connector.intake.interrupted import sweep
from connector.intake.runtime import Cause, Decided, NotPossible, SourceBusy, decide
from connector.intake.undo import undo
from tests.intake.conftest import MERCHANT, Shop

FIRST = "SKU,Stock,Cost\nA-1,5,1.50\nB-2,7,2.00\nC-3,>100,3.00\n"


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    for sku in ("A-1", "B-2", "C-3"):
        shop.add_variant(sku)
    shop.run(FIRST)
    return shop


def test_undo_restores_what_was_observed_and_decides_again(stocked: Shop) -> None:
    before = stocked.all(
        "select item_key, sku, quantity, is_at_least, is_word, cost, line, run_id from observation order by 1"
    )
    available = stocked.available()
    stocked.run("SKU,Stock,Cost\nA-1,2,1.60\nB-2,7,2.00\nC-3,in stock,3.00\n")

    outcome = undo(stocked.rt, MERCHANT, 2)

    assert (outcome.status, outcome.variants_changed) == ("undone", 2)
    assert before == stocked.all(
        "select item_key, sku, quantity, is_at_least, is_word, cost, line, run_id from observation order by 1"
    )
    assert stocked.available() == available
    assert stocked.all("select distinct cause from movement where run_id = 2 order by 1") == [
        ("run",),
        ("undo",),
    ]


def test_the_undone_file_is_not_taken_again_and_the_next_one_is_read_for_those_items(stocked: Shop) -> None:
    second = FIRST.replace("A-1,5", "A-1,2")
    stocked.run(second)
    undo(stocked.rt, MERCHANT, 2)

    assert stocked.run(second).error_code == "quarantined"
    assert stocked.observed()["a-1"] == 5
    outcome = stocked.run(second.replace("B-2,7", "B-2,6"))
    assert (outcome.status, outcome.rows_changed) == ("applied", 2)
    assert stocked.observed() == {"a-1": 2, "b-2": 6, "c-3": 100}


def test_rows_replaced_since_stay(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,2").replace("B-2,7", "B-2,1"))
    stocked.run(FIRST.replace("A-1,5", "A-1,3").replace("B-2,7", "B-2,1"))

    undo(stocked.rt, MERCHANT, 2)

    assert stocked.observed() == {"a-1": 3, "b-2": 7, "c-3": 100}


def test_sales_made_since_stay_deducted(stocked: Shop) -> None:
    first = stocked.all("select as_of from source")
    stocked.run(FIRST.replace("A-1,5", "A-1,4"))
    variant = stocked.all("select id from variant where sku = 'A-1'")[0][0]
    stocked.all(
        "insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin)"
        " values (1, 1, :variant, 1, 2, :at, 'order') returning id",
        variant=variant,
        at=stocked.rt.clock() - timedelta(minutes=10),
    )

    undo(stocked.rt, MERCHANT, 2)

    assert stocked.all("select as_of from source") == first
    assert stocked.available()["A-1"] == 3


def test_items_the_run_brought_are_forgotten_and_their_listings_left_alone(stocked: Shop) -> None:
    stocked.add_variant("D-4")
    stocked.run(FIRST + "D-4,9,1.00\n")
    assert stocked.available()["D-4"] == 9
    assert stocked.all("select is_managed from listing where sku = 'D-4'") == [(True,)]

    undo(stocked.rt, MERCHANT, 2)

    assert "d-4" not in stocked.observed()
    assert stocked.all("select count(*) from supplier_item where item_key = 'd-4'") == [(0,)]
    assert stocked.all("select is_managed, wanted_available from listing where sku = 'D-4'") == [(False, 9)]
    assert stocked.all("select is_managed from listing where sku = 'A-1'") == [(True,)]


def test_undoing_the_very_first_run_writes_no_zero_anywhere(stocked: Shop) -> None:
    undo(stocked.rt, MERCHANT, 1)

    assert stocked.observed() == {}
    assert stocked.available() == {"A-1": 5, "B-2": 7, "C-3": 100}
    assert stocked.all("select count(*) from listing where is_managed") == [(0,)]
    assert stocked.all("select as_of from source") == [(None,)]
    assert stocked.run(FIRST.replace("5", "6")).status == "applied"
    assert stocked.observed() == {"a-1": 6, "b-2": 7, "c-3": 100}
    assert stocked.all("select count(*) from listing where is_managed") == [(3,)]


def test_zeroed_missing_items_come_back(stocked: Shop) -> None:
    stocked.source(missing_policy="zero")
    stocked.run(FIRST.replace("B-2,7,2.00\n", ""))
    assert stocked.available()["B-2"] == 0

    undo(stocked.rt, MERCHANT, 2)

    assert stocked.available()["B-2"] == 7
    assert stocked.all("select missed_runs from observation where item_key = 'b-2'") == [(0,)]


def test_an_approved_run_can_be_undone(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,9000"))
    approve(stocked.rt, MERCHANT, 2)
    assert stocked.available()["A-1"] == 9000

    undo(stocked.rt, MERCHANT, 2)

    assert stocked.available()["A-1"] == 5


def test_undo_rejects_what_the_run_still_holds(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,9000").replace("B-2,7", "B-2,6"))

    undo(stocked.rt, MERCHANT, 2)

    assert stocked.all("select status from held_change") == [("rejected",)]
    assert stocked.observed() == {"a-1": 5, "b-2": 7, "c-3": 100}


@pytest.mark.parametrize("status", ["undone", "failed", "unchanged"])
def test_a_run_that_applied_nothing_cannot_be_undone(stocked: Shop, status: str) -> None:
    stocked.all("update run set status = :status returning id", status=status)

    with pytest.raises(NotPossible, match=f"Run 1 cannot be undone: it is {status}"):
        undo(stocked.rt, MERCHANT, 1)

    assert stocked.observed() == {"a-1": 5, "b-2": 7, "c-3": 100}


def test_another_merchants_run_does_not_exist(stocked: Shop) -> None:
    with pytest.raises(LookupError):
        undo(stocked.rt, 2, 1)


def test_two_runs_are_taken_back_in_either_order(stocked: Shop) -> None:
    second = FIRST.replace("A-1,5", "A-1,2")
    stocked.run(second)
    stocked.run(second.replace("A-1,2", "A-1,3"))

    undo(stocked.rt, MERCHANT, 2)
    assert stocked.observed()["a-1"] == 3
    undo(stocked.rt, MERCHANT, 3)

    assert stocked.observed() == {"a-1": 5, "b-2": 7, "c-3": 100}
    assert stocked.available()["A-1"] == 5


def test_the_newer_run_first_then_the_older(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,2"))
    stocked.run(FIRST.replace("A-1,5", "A-1,3"))

    undo(stocked.rt, MERCHANT, 3)
    undo(stocked.rt, MERCHANT, 2)

    assert stocked.observed() == {"a-1": 5, "b-2": 7, "c-3": 100}


def test_an_item_that_only_undone_runs_knew_is_forgotten(stocked: Shop) -> None:
    stocked.run(FIRST + "D-4,9,1.00\n")
    stocked.run(FIRST + "D-4,8,1.00\n")

    undo(stocked.rt, MERCHANT, 2)
    assert stocked.observed()["d-4"] == 8
    undo(stocked.rt, MERCHANT, 3)

    assert "d-4" not in stocked.observed()


def test_a_number_that_is_not_kept_any_more_is_not_known_and_the_store_keeps_its_own(stocked: Shop) -> None:
    for units in (4, 3, 2):
        stocked.run(FIRST.replace("A-1,5", f"A-1,{units}"))

    for run_id in (4, 3, 2):
        undo(stocked.rt, MERCHANT, run_id)

    assert stocked.observed() == {"a-1": None, "b-2": 7, "c-3": 100}
    assert stocked.all("select count(*) from supplier_item where item_key = 'a-1'") == [(1,)]
    assert stocked.all("select is_managed, wanted_available from listing where sku = 'A-1'") == [(True, None)]


class Killed(BaseException):
    """The worker is gone."""


def killed(*_given: object, **_more: object) -> Decided:
    raise Killed


def test_an_undo_that_was_killed_is_completed_without_another_look_at_the_supplier(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,2"))
    with pytest.raises(Killed):
        undo(stocked.rt, MERCHANT, 2, decide=killed)
    assert stocked.available()["A-1"] == 2

    assert sweep(stocked.rt, MERCHANT) == [1]

    assert stocked.available()["A-1"] == 5
    assert stocked.all("select status, stage from run where id = 2") == [("undone", "done")]
    assert stocked.all("select cause from movement order by id desc limit 1") == [("undo",)]
    assert sweep(stocked.rt, MERCHANT) == []


def test_a_run_that_is_at_work_is_neither_swept_nor_undone_beside(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,2"))
    met: list[object] = []

    def meanwhile(
        engine: sa.Engine, merchant_id: int, variant_ids: Sequence[int], *, now: datetime, cause: Cause
    ) -> Decided:
        met.append(sweep(stocked.rt, MERCHANT))
        with pytest.raises(SourceBusy, match="run 3"):
            undo(stocked.rt, MERCHANT, 2)
        return decide(engine, merchant_id, variant_ids, now=now, cause=cause)

    assert stocked.run(FIRST.replace("A-1,5", "A-1,3"), decide=meanwhile).status == "applied"
    assert (met, stocked.available()["A-1"]) == ([[]], 3)


def test_a_second_press_finds_it_being_done(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,2"))
    met: list[str] = []

    def meanwhile(
        engine: sa.Engine, merchant_id: int, variant_ids: Sequence[int], *, now: datetime, cause: Cause
    ) -> Decided:
        with pytest.raises(NotPossible, match="it is running"):
            undo(stocked.rt, MERCHANT, 2)
        met.append(cause.kind)
        return decide(engine, merchant_id, variant_ids, now=now, cause=cause)

    undo(stocked.rt, MERCHANT, 2, decide=meanwhile)

    assert met == ["undo"]
    with pytest.raises(NotPossible, match="it is undone"):
        undo(stocked.rt, MERCHANT, 2)


def test_an_undo_whose_process_is_killed_is_completed_by_the_clock(stocked: Shop) -> None:
    stocked.run(FIRST.replace("A-1,5", "A-1,2"))
    child = os.fork()
    if not child:
        own = replace(
            stocked.rt, engine=make_engine(stocked.engine.url.render_as_string(hide_password=False))
        )
        undo(own, MERCHANT, 2, decide=lambda *_a, **_b: os.kill(os.getpid(), signal.SIGKILL))  # type: ignore[arg-type]
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert stocked.all("select status, stage from run where id = 2") == [("running", "decide")]

    # The server lets the dead session's lock go as soon as it sees the closed connection.
    end = time.monotonic() + 10
    while not (swept := sweep(stocked.rt, MERCHANT)) and time.monotonic() < end:
        time.sleep(0.01)

    assert swept == [1]
    assert stocked.available()["A-1"] == 5
    assert stocked.all("select status from run where id = 2") == [("undone",)]


def test_an_undone_file_in_another_currency_leaves_the_costs_in_theirs(shop: Shop) -> None:
    shop.add_variant("A-1")
    shop.run("SKU,Stock,Cost\nA-1,5,2.00 €\n")
    run = shop.run("SKU,Stock,Cost\nA-1,5,2.50 USD\n")
    assert [("USD",)] == shop.all("select cost_currency from source")

    undo(shop.rt, MERCHANT, run.run_id)

    assert [("EUR", Decimal("2.0000"))] == shop.all(
        "select s.cost_currency, o.cost from source s join observation o on o.source_id = s.id"
    )
