"""Which lines a supplier cannot serve: the oldest sale is served first."""

from __future__ import annotations

import pytest

from connector.availability.order_check import Ordered, short


@pytest.mark.parametrize(
    ("units", "said", "missing"),
    [
        pytest.param([2, 2], 4, {}, id="enough for all"),
        pytest.param([2, 2], 3, {1: 1}, id="the later line lacks one"),
        pytest.param([2, 2], 0, {0: 2, 1: 2}, id="none is left"),
        pytest.param([5, 1], 4, {0: 1, 1: 1}, id="what is left goes to the oldest, in part"),
        pytest.param([], 0, {}, id="nothing on order"),
        pytest.param([1], -3, {0: 1}, id="less than none is none"),
    ],
)
def test_the_oldest_sale_is_served_first(units: list[int], said: int, missing: dict[int, int]) -> None:
    assert missing == short([Ordered(line, one) for line, one in enumerate(units)], said)


def test_two_parts_of_one_line_are_added_up() -> None:
    assert {"a": 3} == short([Ordered("a", 2), Ordered("a", 2)], 1)
