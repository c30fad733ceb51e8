"""How many are invited: the rules of `connector.shoppers.waves`, example by example and as properties."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.shoppers.waves import (
    INVITATION_LASTS,
    MOST_INVITED_PER_UNIT,
    Market,
    Open,
    Pace,
    Waiting,
    choose,
    expected_claims,
    next_look,
    remaining_rate,
    share_left,
)

FIFTH = Decimal("0.2")

rates = st.integers(1, 100).map(lambda n: Decimal(n) / 100)
paces: st.SearchStrategy[Pace] = st.sampled_from(("fair", "careful"))
markets = st.builds(
    Market,
    rates,
    st.integers(1, 48).map(lambda hours: timedelta(hours=hours)),
    paces,
    st.integers(0, 5).map(Decimal),
)
ages = st.integers(0, 30 * 60).map(lambda minutes: timedelta(minutes=minutes))
queues = st.lists(st.tuples(st.integers(1, 99), st.integers(0, 2)), max_size=60).map(
    lambda people: [Waiting(place, units, group) for place, (units, group) in enumerate(people, 1)]
)
invitations = st.lists(st.builds(Open, rates, st.integers(1, 99), ages), max_size=30)
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
    chosen = choose(queue(waiting), [Open(FIFTH)] * still_open, free, Market(Decimal(rate)))
    assert places(chosen) == list(range(1, invited + 1))


def test_somebody_who_wants_more_than_there_is_does_not_block_the_queue() -> None:
    assert places(choose([Waiting(1, 99), Waiting(2)], [], 3, Market(Decimal("0.5")))) == [1, 2]


def test_a_priority_group_goes_first_and_within_it_who_came_first() -> None:
    people = [Waiting(1), Waiting(2, priority=1), Waiting(3), Waiting(4, priority=1)]
    assert places(choose(people, [], 3, Market(Decimal(1)))) == [2, 4, 1]


@pytest.mark.parametrize("rate", ["0", "-0.1", "1.01"])
def test_an_impossible_claim_rate_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="claim rate"):
        Market(Decimal(rate))


def test_a_typical_delay_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="typical delay"):
        Market(FIFTH, timedelta(0))


def test_who_has_not_bought_yet_buys_less_and_less() -> None:
    after = [Open(FIFTH, 1, timedelta(hours=hours)) for hours in (0, 6, 12, 24)]
    assert [round(remaining_rate(one), 3) for one in after] == [
        Decimal("0.200"),
        Decimal("0.084"),
        Decimal("0.033"),
        Decimal(0),
    ]


def test_the_example_of_the_module_holds() -> None:
    market, still_open = Market(FIFTH), [Open(FIFTH)] * 19
    assert choose(queue(9), still_open, 3, market) == []
    assert next_look(queue(9), still_open, 3, market) == timedelta(hours=2, minutes=13)
    later = [Open(FIFTH, 1, timedelta(hours=2, minutes=13))] * 19
    assert places(choose(queue(9), later, 3, market)) == [1]
    a_day_later = [Open(FIFTH, 1, INVITATION_LASTS)] * 19
    assert len(choose(queue(50), a_day_later, 3, market)) == 15


def test_careful_fills_three_tenths_and_leaves_what_others_are_buying() -> None:
    assert len(choose(queue(99), [], 40, Market(FIFTH, pace="careful"))) == 60
    busy = Market(FIFTH, timedelta(hours=6), "careful", Decimal(1))
    assert len(choose(queue(99), [], 40, busy)) == 30


def test_careful_still_tells_one_at_a_time() -> None:
    busy = Market(FIFTH, timedelta(hours=6), "careful", Decimal(9))
    assert places(choose(queue(9), [], 2, busy)) == [1]
    assert choose(queue(9), [Open(FIFTH)], 2, busy) == []


@given(queues, invitations, units, markets, st.randoms(use_true_random=False))
def test_nobody_later_of_a_group_is_told_before_somebody_earlier(
    waiting, still_open, free, market, dice
) -> None:
    shuffled = dice.sample(waiting, len(waiting))
    chosen = choose(shuffled, still_open, free, market)
    for group in (0, 1, 2):
        told = [p.place for p in chosen if p.priority == group]
        assert told == [p.place for p in waiting if p.priority == group][: len(told)]
    missed = [p.priority for p in waiting if p not in chosen]
    assert not chosen or not missed or max(missed) <= min(p.priority for p in chosen)


@given(queues, invitations, units, markets)
def test_a_wave_never_promises_more_than_is_free(waiting, still_open, free, market) -> None:
    chosen = choose(waiting, still_open, free, market)
    if chosen:
        new = [Open(market.claim_rate, p.wanted_units) for p in chosen]
        assert expected_claims([*still_open, *new], free, market.typical_delay) <= free


@given(queues, units, markets)
def test_the_first_wave_is_never_more_than_five_people_for_a_unit(waiting, free, market) -> None:
    assert len(choose(waiting, [], free, market)) <= max(0, MOST_INVITED_PER_UNIT * free)


@given(queues, invitations, st.integers(-5, 0), markets)
def test_sold_out_means_nobody(waiting, still_open, free, market) -> None:
    assert choose(waiting, still_open, free, market) == []


@given(queues, st.integers(1, 40), markets)
def test_with_stock_and_nothing_open_the_first_is_always_told(waiting, free, market) -> None:
    told = choose([Waiting(p.place, 1, p.priority) for p in waiting], [], free, market)
    assert bool(told) == bool(waiting)


@given(queues, units, markets)
def test_asking_again_at_once_invites_nobody_else(waiting, free, market) -> None:
    chosen = choose(waiting, [], free, market)
    still_open = [Open(market.claim_rate, person.wanted_units) for person in chosen]
    left = [person for person in waiting if person not in chosen]
    assert choose(left, still_open, free, market) == []


@given(queues, units, markets)
def test_a_claim_makes_no_room_for_anybody(waiting, free, market) -> None:
    """One of those invited buys: one unit and one invitation fewer."""
    ones = [Waiting(p.place, 1, p.priority) for p in waiting]
    chosen = choose(ones, [], free, market)
    left = [person for person in ones if person not in chosen]
    if market.pace == "fair" and chosen:
        assert choose(left, [Open(market.claim_rate)] * (len(chosen) - 1), free - 1, market) == []


@given(st.builds(Open, rates, st.just(1), ages), st.integers(1, 48))
def test_a_chance_never_grows_with_time(invitation: Open, hours: int) -> None:
    delay = timedelta(hours=hours)
    older = Open(invitation.claim_rate, 1, invitation.age + timedelta(hours=1))
    assert 0 <= remaining_rate(older, delay) <= remaining_rate(invitation, delay) <= invitation.claim_rate
    assert 0 <= share_left(older.age, delay) <= share_left(invitation.age, delay) <= 1


@given(queues, st.lists(st.builds(Open, rates, st.just(1), ages), min_size=1, max_size=9), markets)
def test_the_next_look_is_never_later_than_the_last_invitation_ends(waiting, still_open, market) -> None:
    wait = next_look(waiting, still_open, 2, market)
    assert timedelta(minutes=1) <= wait <= INVITATION_LASTS
