"""Which prices are written, and whose a price is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connector.availability.pricing import PriceRule, Proposal
from connector.ports.prices import StorePrice
from connector.positions.prices import Judged
from connector.repricing.facts import minor
from connector.repricing.floors import most_at_once
from connector.repricing.policy import (
    Permission,
    Written,
    digest_of,
    is_was_over,
    permitted,
    plan,
    was_for,
    whose,
)  # fmt: skip
from tests.builders import NOW

D = Decimal


def judged(listing_id: int, price: str, wanted: str | None, **fields: Any) -> Judged:
    now, new = D(price), None if wanted is None else D(wanted)
    proposal = Proposal("no_rule")
    if new is not None:
        proposal = Proposal("change", new, (new - now) / now * 100)
    one = Judged(listing_id, listing_id, f"SKU-{listing_id}", "", "Shop", "EUR", now, proposal=proposal)
    return replace(one, **fields)


@pytest.mark.parametrize(
    ("step", "present", "expected"),
    [
        ("open", StorePrice(2000), "ours"),
        ("open", StorePrice(1500), "theirs"),
        ("open", StorePrice(1900), "theirs"),
        ("open", StorePrice(2000, 2500), "theirs"),
        ("writing", StorePrice(1900), "before"),
        ("writing", StorePrice(2000), "ours"),
        ("writing", StorePrice(1), "theirs"),
        ("refused", StorePrice(1900), "before"),
        (None, StorePrice(1900), "before"),
        (None, StorePrice(1900, 2200), "theirs"),
    ],
)
def test_whose_a_price_is(step: str | None, present: StorePrice, expected: str) -> None:
    written = None if step is None else Written(StorePrice(1900), StorePrice(2000), step)
    assert expected == whose(written, present)


def test_the_largest_change_comes_first_and_of_equals_the_cut() -> None:
    found = plan(
        [
            judged(1, "10.00", "11.00"), judged(2, "10.00", "20.00"), judged(3, "20.00", "10.00"),
            judged(4, "10.00", None), judged(5, "10.00", "9.00"),
        ],
        {}, minor,
    )  # fmt: skip
    assert [3, 2, 5, 1] == [due.one.listing_id for due in found.due]
    assert (5, 2, 1) == (found.listings, found.cuts, found.far)


def test_what_is_theirs_or_was_refused_is_left_alone_until_another_price_is_wanted() -> None:
    written = {
        1: Written(StorePrice(1000), StorePrice(1000), "theirs"),
        2: Written(StorePrice(1000), StorePrice(1100), "refused"),
        3: Written(StorePrice(1000), StorePrice(1200), "refused"),
    }
    found = plan([judged(n, "10.00", "11.00") for n in (1, 2, 3)], written, minor)
    assert ([3], 1, 1) == ([due.one.listing_id for due in found.due], found.theirs, found.refused)


def test_a_change_beyond_the_rule_or_half_the_price_is_never_written_unseen() -> None:
    wide = PriceRule(most_change_percent=D(80))
    found = plan(
        [
            judged(1, "10.00", "15.01"), judged(2, "10.00", "15.00"), judged(3, "10.00", "17.00", rule=wide),
            judged(4, "10.00", "11.00", proposal=Proposal("held", D(11), D(10))),
        ],
        {}, minor,
    )  # fmt: skip
    assert {1: True, 2: False, 3: False, 4: True} == {due.one.listing_id: due.is_far for due in found.due}
    ready, why, waiting = permitted(found, Permission("r", 0, False), "r")
    assert ({2, 3}, "far", 2) == ({due.one.listing_id for due in ready}, why, waiting)
    assert 4 == len(permitted(found, Permission("r", 4, True), "r")[0])
    assert 2 == len(permitted(found, Permission("r", 1, True), "r")[0])


def test_other_rules_than_those_approved_and_a_mass_of_changes_wait() -> None:
    few = plan([judged(n, "10.00", "11.00") for n in range(50)], {}, minor)
    many = plan([judged(n, "10.00", "11.00") for n in range(51)], {}, minor)
    of_large = plan([judged(n, "10.00", "11.00" if n < 60 else None) for n in range(400)], {}, minor)
    permission = Permission("r", 0, False)
    assert ((), "rules", 50) == permitted(few, permission, "other")
    assert 50 == len(permitted(few, permission, "r")[0])
    assert ((), "many", 51) == permitted(many, permission, "r")
    assert 51 == len(permitted(many, replace(permission, allowed=51), "r")[0])
    assert 60 == len(permitted(of_large, permission, "r")[0])
    assert ((), "", 0) == permitted(plan([], {}, minor), permission, "other")


def test_what_was_seen_has_another_name_when_a_price_differs() -> None:
    seen = plan([judged(1, "10.00", "11.00"), judged(2, "5.00", "6.00")], {}, minor).digest
    assert seen == plan([judged(2, "5.00", "6.00"), judged(1, "10.00", "11.00")], {}, minor).digest
    assert seen != plan([judged(1, "10.00", "11.01"), judged(2, "5.00", "6.00")], {}, minor).digest
    rules = {("merchant", ""): {"markup_percent": "80"}, ("sku", "7"): {"markup_percent": "10"}}
    assert digest_of(rules) == digest_of(dict(reversed(rules.items())))
    assert digest_of(rules) != digest_of({("merchant", ""): {"markup_percent": "81"}})


@pytest.mark.parametrize(
    ("new", "lowest", "shows_was", "expected"),
    [
        (800, 950, True, 950),
        (800, None, True, None),
        (800, 800, True, None),
        (800, 950, False, None),
        (1000, 1200, True, None),
    ],
)
def test_a_price_before_a_reduction_is_the_lowest_of_thirty_days_or_none(
    new: int, lowest: int | None, shows_was: bool, expected: int | None
) -> None:
    assert expected == was_for(new, StorePrice(1000), lowest, shows_was)


def test_a_price_before_a_reduction_goes_after_thirty_days() -> None:
    row = Written(StorePrice(1000), StorePrice(800, 1000), "open", NOW)
    assert not is_was_over(row, True, NOW + timedelta(days=29, hours=23))
    assert is_was_over(row, True, NOW + timedelta(days=30))
    assert is_was_over(row, False, NOW)
    assert not is_was_over(replace(row, ours=StorePrice(800)), False, NOW)


def test_as_many_may_be_stopped_unseen_as_a_file_may_let_sell_out() -> None:
    assert [10, 10, 11, 2_000] == [most_at_once(n) for n in (1, 50, 55, 10_000)]
