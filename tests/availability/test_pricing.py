"""Margins, floors and rounding: exact sums, endings, and what is held."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.pricing import (
    PriceRule,
    Proposal,
    Tax,
    floor_price,
    margin,
    nearest,
    propose,
    round_price,
)

D = Decimal
NET, GROSS = Tax(), Tax(True, D(20))


@pytest.mark.parametrize(
    ("price", "rounding", "digits", "expected"),
    [
        pytest.param("21.60", "0.95", 2, "21.95", id="nearest ending"),
        pytest.param("21.40", "0.95", 2, "20.95", id="the one below"),
        pytest.param("21.45", "0.95", 2, "21.95", id="at equal distance upwards"),
        pytest.param("21.60", "0.99", 2, "21.99", id="99"),
        pytest.param("21.62", "0.05", 2, "21.60", id="swiss"),
        pytest.param("21.63", "0.05", 2, "21.65", id="swiss up"),
        pytest.param("21.60", "1", 2, "22.00", id="whole"),
        pytest.param("21.604", None, 2, "21.60", id="as it is"),
        pytest.param("0.20", "0.99", 2, "0.99", id="never below zero"),
        pytest.param("2160.4", "0.99", 0, "2160", id="a currency without small units"),
    ],
)
def test_prices_are_rounded_to_their_endings(price: str, rounding: Any, digits: int, expected: str) -> None:
    assert D(expected) == round_price(D(price), rounding, D(0), digits)


def test_a_rounding_never_goes_below_the_floor() -> None:
    assert D("22.95") == round_price(D("22.10"), "0.95", D("22.00"), 2)


@pytest.mark.parametrize(
    ("rule", "tax", "expected"),
    [
        pytest.param(PriceRule(floor_percent=D(20)), NET, "12.50", id="percent of the net price"),
        pytest.param(PriceRule(floor_amount=D(3)), NET, "13.00", id="amount"),
        pytest.param(PriceRule(floor_percent=D(20), floor_amount=D(3)), NET, "13.00", id="the higher"),
        pytest.param(PriceRule(floor_percent=D(20)), GROSS, "15.00", id="with tax"),
        pytest.param(PriceRule(floor_percent=D(30)), NET, "14.29", id="rounded up"),
        pytest.param(PriceRule(floor_percent=D(0)), NET, "10.00", id="never at a loss"),
    ],
)
def test_the_floor_is_the_least_price_that_keeps_the_margin(rule: PriceRule, tax: Tax, expected: str) -> None:
    assert D(expected) == floor_price(D(10), rule, tax, 2)


def test_margins_are_of_the_net_price() -> None:
    found = margin(D("24.00"), D(10), GROSS)
    assert (D(10), D(50)) == (found.amount, found.percent)
    assert margin(D(0), D(10), GROSS).percent is None


@pytest.mark.parametrize(
    ("present", "rule", "expected"),
    [
        pytest.param("15.00", PriceRule(), Proposal("no_rule", D("15.00")), id="nothing said"),
        pytest.param(
            "15.00", PriceRule(markup_percent=D(50)), Proposal("same", D("15.00"), D(0)), id="right"
        ),
        pytest.param(
            "12.00", PriceRule(markup_percent=D(50)), Proposal("change", D("15.00"), D(25)), id="too low"
        ),
        pytest.param(
            "12.00",
            PriceRule(markup_percent=D(50), most_change_percent=D(20)),
            Proposal("held", D("15.00"), D(25)),
            id="too far",
        ),
        pytest.param(
            "12.00",
            PriceRule(markup_percent=D(50), most_change_percent=D(25)),
            Proposal("change", D("15.00"), D(25)),
            id="just as far as allowed",
        ),
        pytest.param(
            "10.00",
            PriceRule(floor_amount=D(2)),
            Proposal("change", D("12.00"), D(20)),
            id="lifted to the floor",
        ),
        pytest.param(
            "14.00", PriceRule(floor_amount=D(2)), Proposal("same", D("14.00")), id="above the floor"
        ),
        pytest.param(
            "12.00",
            PriceRule(markup_percent=D(10), floor_amount=D(2)),
            Proposal("same", D("12.00"), D(0)),
            id="the floor goes before the markup",
        ),
        pytest.param(None, PriceRule(markup_percent=D(50)), Proposal("change", D("15.00")), id="unpriced"),
    ],
)
def test_a_price_is_proposed(present: str | None, rule: PriceRule, expected: Proposal) -> None:
    assert expected == propose(D(present) if present else None, D(10), rule, NET, 2)


def test_the_nearest_level_says_markup_and_floor_each_as_a_whole() -> None:
    everything = {"markup_percent": "50", "markup_amount": "2", "floor_percent": "10", "rounding": "0.99"}
    supplier = {"markup_percent": "80"}
    item = {"rounding": "0.95"}
    assert nearest([item, {}, supplier, everything]) == PriceRule(
        markup_percent=D(80), floor_percent=D(10), rounding="0.95"
    )


@settings(max_examples=80, deadline=None)
@given(
    st.decimals("0.01", "9999", places=4),
    st.decimals("0", "300", places=2),
    st.decimals("0", "95", places=2),
    st.sampled_from([None, "none", "0.05", "0.95", "0.99", "1"]),
    st.sampled_from([NET, GROSS]),
    st.sampled_from([0, 2, 3]),
)
def test_no_proposal_is_below_its_floor(
    cost: Decimal, markup: Decimal, floor: Decimal, rounding: Any, tax: Tax, digits: int
) -> None:
    rule = PriceRule(markup_percent=markup, floor_percent=floor, rounding=rounding)
    price = propose(None, cost, rule, tax, digits).price
    least = floor_price(cost, rule, tax, digits)
    assert price is not None
    assert least is not None
    assert price >= least > 0
    assert price == round(price, digits)
    found = margin(price, cost, tax).percent
    assert found is not None
    assert found >= floor - D("0.0001")
