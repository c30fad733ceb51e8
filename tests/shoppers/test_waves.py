"""How many are invited: the rules of `connector.shoppers.waves`, example by example and as properties."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.shoppers.waves import MOST_INVITED_PER_UNIT, Open, Waiting, choose, expected_claims

FIFTH = Decimal("0.2")

rates = st.integers(1, 100).map(lambda n: Decimal(n) / 100)
queues = st.lists(st.integers(1, 99), max_size=60).map(
    lambda wanted: [Waiting(place, units) for place, units in enumerate(wanted, 1)]
)
invitations = st.lists(st.builds(Open, rates, st.integers(1, 99)), max_size=30)
units = st.integers(-5, 40)


def queue(count: int, wanted: int = 1) -> list[Waiting]:
    return [Waiting(place, wanted) for place in range(1, count + 1)]


def places(chosen: list[Waiting]) -> list[int]:
    return [person.place for person in chosen]


@pytest.mark.parametrize(
    ("waiting", "still_open", "free", "rate", "invited"),
    [
        pytest.param(100, 0, 4, "0.2", 20, id="units divided by the claim rate"),
        pytest.param(100, 0, 4, "0.05", 20, id="at most five times the units"),
        pytest.param(100, 0, 4, "1", 4, id="one each when everybody buys"),
        pytest.param(3, 0, 4, "0.2", 3, id="no more than there are"),
        pytest.param(100, 0, 0, "0.2", 0, id="sold out"),
        pytest.param(100, 0, -2, "0.2", 0, id="oversold"),
        pytest.param(100, 20, 3, "0.2", 0, id="a sale starts no wave while invitations are open"),
        pytest.param(100, 10, 4, "0.2", 10, id="open invitations count"),
    ],
)
def test_the_size_of_a_wave(waiting: int, still_open: int, free: int, rate: str, invited: int) -> None:
    chosen = choose(queue(waiting), [Open(FIFTH)] * still_open, free, Decimal(rate))
    assert places(chosen) == list(range(1, invited + 1))


def test_somebody_who_wants_more_than_there_is_does_not_block_the_queue() -> None:
    assert places(choose([Waiting(1, 99), Waiting(2)], [], 3, Decimal("0.5"))) == [1, 2]


@pytest.mark.parametrize("rate", ["0", "-0.1", "1.01"])
def test_an_impossible_claim_rate_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="claim rate"):
        choose(queue(1), [], 1, Decimal(rate))


@given(queues, invitations, units, rates, st.randoms(use_true_random=False))
def test_nobody_later_is_told_before_somebody_earlier(waiting, still_open, free, rate, dice) -> None:
    shuffled = dice.sample(waiting, len(waiting))
    chosen = choose(shuffled, still_open, free, rate)
    assert chosen == waiting[: len(chosen)]


@given(queues, invitations, units, rates)
def test_a_wave_never_promises_more_than_is_free(waiting, still_open, free, rate) -> None:
    chosen = choose(waiting, still_open, free, rate)
    if chosen:
        claims = expected_claims([*still_open, *(Open(rate, p.wanted_units) for p in chosen)], free)
        assert claims <= free


@given(queues, invitations, units, rates)
def test_never_more_than_five_open_invitations_for_a_unit(waiting, still_open, free, rate) -> None:
    chosen = choose(waiting, still_open, free, rate)
    assert not chosen or len(chosen) + len(still_open) <= MOST_INVITED_PER_UNIT * free


@given(queues, invitations, st.integers(-5, 0), rates)
def test_sold_out_means_nobody(waiting, still_open, free, rate) -> None:
    assert choose(waiting, still_open, free, rate) == []


@given(queues, st.integers(1, 40), rates)
def test_with_stock_and_nothing_open_the_first_is_always_told(waiting, free, rate) -> None:
    assert places(choose(waiting, [], free, rate))[:1] == [person.place for person in waiting[:1]]


@given(queues, units, rates)
def test_asking_again_at_once_invites_nobody_else(waiting, free, rate) -> None:
    chosen = choose(waiting, [], free, rate)
    still_open = [Open(rate, person.wanted_units) for person in chosen]
    assert choose(waiting[len(chosen) :], still_open, free, rate) == []
