"""What runs teach about dates stated and restocks come true, and that an undone run takes it back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.intake.undo import undo
from tests.intake.conftest import MERCHANT, Shop

DAY = 24 * 60
FOUND = """
    select kind, reference, expected_on, latest_expected_on, arrived_on, stopped_on from lead_time_evidence
     order by kind desc, id
"""


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """A-1 is matched to a variant and there; B-2 is nobody's."""
    shop.add_variant("A-1", managed=True)
    shop.run("SKU,Stock,Restock date\nA-1,5,\nB-2,5,\n")
    return shop


def test_a_run_teaches_when_goods_were_said_to_come_and_when_they_came(stocked: Shop) -> None:
    today = stocked.rt.clock().date()
    said = today + timedelta(days=5)

    stocked.run(f"SKU,Stock,Restock date\nA-1,0,{said}\nB-2,0,{said}\n", minutes=DAY)
    came = stocked.run("SKU,Stock,Restock date\nA-1,4,\nB-2,4,\n", minutes=7 * DAY)

    sold_out_on, came_on = today + timedelta(days=1), today + timedelta(days=8)
    assert [
        ("stated", "a-1", said, said, came_on, None),
        ("restock", "a-1", sold_out_on, sold_out_on, came_on, None),
    ] == stocked.all(FOUND)

    undo(stocked.rt, MERCHANT, came.run_id)

    assert [
        ("stated", "a-1", said, said, None, None),
        ("restock", "a-1", sold_out_on, sold_out_on, None, None),
    ] == stocked.all(FOUND)


def test_an_undone_run_forgets_what_it_began(stocked: Shop) -> None:
    said = stocked.rt.clock().date() + timedelta(days=5)
    run = stocked.run(f"SKU,Stock,Restock date\nA-1,0,{said}\nB-2,5,\n", minutes=DAY)
    assert 2 == len(stocked.all(FOUND))

    undo(stocked.rt, MERCHANT, run.run_id)

    assert [] == stocked.all(FOUND)


def test_an_item_that_is_missing_has_not_arrived(stocked: Shop) -> None:
    stocked.source(missing_policy="keep")
    said = stocked.rt.clock().date() + timedelta(days=5)
    stocked.run(f"SKU,Stock,Restock date\nA-1,0,{said}\nB-2,5,\n", minutes=DAY)

    stocked.run("SKU,Stock,Restock date\nB-2,5,\n", minutes=DAY)

    assert {(None, None)} == {row[4:] for row in stocked.all(FOUND)}
