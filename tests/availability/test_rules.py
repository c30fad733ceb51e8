"""The nearest level that says something wins, field by field."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.availability.rules import FIELDS, policy_of, problem, read_text, resolve, stale_policy
from connector.availability.sourcing import Policy

MERCHANT = {"buffer_units": 1, "strategy": "cheapest", "stable_hours": 6}


@pytest.mark.parametrize(
    ("sku", "collections", "suppliers", "buffer_units", "level"),
    [
        ({}, [], [], 1, "merchant"),
        ({}, [], [{"buffer_units": 4}, {}], 4, "supplier"),
        ({}, [{"buffer_units": 2}, {"buffer_units": 3}], [{"buffer_units": 4}], 3, "collection"),
        ({"buffer_units": 0}, [{"buffer_units": 2}], [{"buffer_units": 4}], 0, "sku"),
        ({"cap_units": 9}, [{"buffer_units": 2}], [], 2, "collection"),
    ],
)
def test_the_nearest_wins(
    sku: dict[str, int],
    collections: list[dict[str, int]],
    suppliers: list[dict[str, int]],
    buffer_units: int,
    level: str,
) -> None:
    found = resolve(sku, collections, suppliers, MERCHANT)

    assert (buffer_units, level) == (found.values["buffer_units"], found.levels["buffer_units"])


def test_what_nobody_says_is_the_default() -> None:
    found = resolve({}, [], [], {})

    assert {name: FIELDS[name].default for name in found.values} == found.values
    assert {"default"} == set(found.levels.values())
    assert Policy() == policy_of(found)


def test_of_collections_that_disagree_the_more_careful_wins() -> None:
    loose = {"buffer_units": 1, "cap_units": 50, "allows_backorder": True, "stale": "keep", "strategy": "sum"}
    strict = {
        "buffer_units": 3,
        "cap_units": 5,
        "allows_backorder": False,
        "stale": "shrink",
        "strategy": "priority",
    }

    assert {**resolve({}, [], [], {}).values, **strict} == resolve({}, [loose, strict], [], {}).values


def test_one_supplier_that_delivers_later_is_enough_for_a_backorder() -> None:
    found = resolve({}, [], [{"allows_backorder": True}, {"allows_backorder": False}], {})

    assert found.values["allows_backorder"] is True


def test_the_strategy_comes_from_the_nearest_level_too() -> None:
    found = resolve({}, [{"strategy": "fastest"}], [], MERCHANT)

    assert Policy("fastest", True, timedelta(hours=6), 3) == policy_of(found)


def test_silent_stock_is_judged_supplier_by_supplier() -> None:
    mine, merchant = {"stale": "shrink", "shrink_percent": 25}, {"stale": "keep"}

    assert ("shrink", 25) == stale_policy(resolve({}, [], [mine, {}], merchant), mine)
    assert ("keep", 10) == stale_policy(resolve({}, [], [mine, {}], merchant), {})
    assert ("hide_date", 25) == stale_policy(resolve({"stale": "hide_date"}, [], [mine], merchant), mine)


@pytest.mark.parametrize(
    ("level", "name", "text", "part"),
    [
        ("sku", "buffer_units", "2", ""),
        ("sku", "allows_backorder", "No", ""),
        ("collection", "strategy", "cheapest", ""),
        ("supplier", "priority", "1", ""),
        ("sku", "buffer", "2", "There is no rule called 'buffer'"),
        ("sku", "buffer_units", "-1", "a whole number from 0 to 1000000, not '-1'"),
        ("sku", "allows_backorder", "maybe", "yes or no, not 'maybe'"),
        ("sku", "strategy", "dearest", "one of sum, priority, cheapest, fastest, best_score, not 'dearest'"),
        ("sku", "priority", "1", "cannot be said of a sku, only of a supplier"),
        ("supplier", "strategy", "sum", "cannot be said of a supplier"),
        ("merchant", "buffer_units", "2", "kept in the settings"),
    ],
)
def test_what_a_rule_may_say_is_checked(level: str, name: str, text: str, part: str) -> None:
    said = problem(level, name, read_text(name, text))

    assert part in said
    assert (part == "") == (said == "")
