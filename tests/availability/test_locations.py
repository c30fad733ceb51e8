"""How the units of sources are spread over the locations of a store."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.locations import (
    Badge,
    Feeds,
    Split,
    badge_of,
    levelled,
    split,
    split_bundle,
)

UNITS = st.dictionaries(st.integers(1, 6), st.integers(0, 2_000_000), max_size=6)
CHOSEN = st.dictionaries(st.integers(1, 6), st.sampled_from(["a", "b", "c", "closed", None]), max_size=6)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[dict[int, int], Feeds, int, int]:
    units = draw(UNITS)
    chosen = draw(CHOSEN)
    there = frozenset(draw(st.sets(st.integers(1, 6), max_size=2)))
    buffer_units = draw(st.integers(0, 50))
    total = max(0, sum(units.values()) - buffer_units)
    available = draw(st.integers(0, total))
    return units, Feeds(("a", "b", "c"), chosen, there), available, buffer_units


@settings(max_examples=30)
@given(_cases())
def test_the_sum_over_locations_never_exceeds_what_their_sources_give_or_what_may_be_sold(
    case: tuple[dict[int, int], Feeds, int, int],
) -> None:
    units, feeds, available, buffer_units = case

    found = split(units, feeds, available=available, buffer_units=buffer_units)

    assert set(found.shown) == {"a", "b", "c"}
    assert all(0 <= found.shown[place] <= found.fed[place] for place in found.shown)
    assert sum(found.fed.values()) + found.there <= sum(units.values())
    assert sum(found.shown.values()) <= max(0, available - found.there)
    assert found.total <= max(available, found.there)


@settings(max_examples=30)
@given(_cases())
def test_a_source_feeds_one_location_at_most(case: tuple[dict[int, int], Feeds, int, int]) -> None:
    units, feeds, *_ = case
    whole = split(units, feeds, available=10**9, buffer_units=0)

    for source, count in units.items():
        without = split({**units, source: 0}, feeds, available=10**9, buffer_units=0)
        less = [place for place in whole.fed if whole.fed[place] != without.fed[place]]
        given_here = sum(whole.fed.values()) - sum(without.fed.values()) + whole.there - without.there
        assert len(less) <= 1
        assert given_here in (0, count)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**6), min_size=1), st.integers(0, 10**7))
def test_levelling_hits_the_target_and_takes_from_the_fullest(fed: dict[str, int], target: int) -> None:
    shown = levelled(fed, target)

    assert sum(shown.values()) == min(target, sum(fed.values()))
    assert list(shown) == list(fed)
    lowered = [place for place in fed if shown[place] < fed[place]]
    if lowered:
        # Nobody keeps more than a unit above what those who gave are left with.
        assert max(shown.values()) <= min(shown[place] for place in lowered) + 1


def test_a_source_that_is_not_named_feeds_the_default_location() -> None:
    found = split({1: 8, 2: 5}, Feeds(("main", "shop"), {2: "shop"}), available=13, buffer_units=0)

    assert found.shown == {"main": 8, "shop": 5}


def test_a_source_that_feeds_nothing_here_is_not_sold_here() -> None:
    found = split({1: 8, 2: 5}, Feeds(("main",), {2: None}), available=13, buffer_units=0)

    assert (found.shown, found.total) == ({"main": 8}, 8)


def test_what_the_store_counts_by_itself_is_not_written_again() -> None:
    feeds = Feeds(("main",), {1: None}, frozenset({1}))

    found = split({1: 2, 2: 10}, feeds, available=11, buffer_units=1)

    assert (found.shown, found.there, found.total) == ({"main": 9}, 2, 11)


def test_a_cap_holds_for_the_store_as_a_whole() -> None:
    feeds = Feeds(("main", "shop"), {1: None, 3: "shop"}, frozenset({1}))

    assert split({1: 2, 2: 10, 3: 10}, feeds, available=5, buffer_units=0).shown == {"main": 2, "shop": 1}
    assert split({1: 9, 2: 10, 3: 10}, feeds, available=5, buffer_units=0).shown == {"main": 0, "shop": 0}


def test_a_buffer_is_kept_back_where_there_is_most() -> None:
    feeds = Feeds(("main", "shop"), {2: "shop"})

    assert split({1: 10, 2: 1}, feeds, available=8, buffer_units=3).shown == {"main": 7, "shop": 1}


def test_a_bundle_is_packed_at_one_location() -> None:
    pans = Split({}, {"main": 5, "shop": 1}, there=4)
    plates = Split({}, {"main": 3, "shop": 8}, there=3)

    found = split_bundle([(pans, 1), (plates, 2)], available=9, buffer_units=0)

    assert (found.shown, found.there) == ({"main": 1, "shop": 1}, 1)


SAID = Badge("in_stock", None, None, None)
LOW = Badge("low_stock", 3, None, None)


@pytest.mark.parametrize(
    ("said", "shown", "there", "available", "expected"),
    [
        pytest.param(SAID, 9, 0, 9, SAID, id="all of it is here"),
        pytest.param(SAID, 4, 5, 9, SAID, id="the store has the rest"),
        pytest.param(SAID, 0, 0, 9, Badge("out_of_stock", None, None, None), id="none is here"),
        pytest.param(SAID, 2, 0, 9, Badge("low_stock", None, None, None), id="little is here"),
        pytest.param(SAID, 5, 0, 9, SAID, id="enough is here"),
        pytest.param(LOW, 1, 0, 3, Badge("low_stock", None, None, None), id="no count of a part"),
        pytest.param(
            Badge("restocking", None, date(2026, 12, 1), date(2026, 12, 1)), 0, 0, 0,
            Badge("restocking", None, date(2026, 12, 1), date(2026, 12, 1)), id="out everywhere",
        ),
    ],
)  # fmt: skip
def test_a_store_tells_no_more_than_it_has(
    said: Badge, shown: int, there: int, available: int, expected: Badge
) -> None:
    found = Split({}, {"main": shown}, there)

    assert badge_of(said, found, available=available, threshold=3) == expected
