"""Which supplier sells: worked examples and the properties no sequence of events may break."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.decide import decide, units_from
from connector.availability.facts import Rule, SourceFacts, VariantFacts
from connector.availability.sourcing import STRATEGIES, Candidate, Choice, Policy, Sourcing, choose, shrunk

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

A = Candidate(1, 10, cost=Decimal("4.20"), lead_time_days=5, score=70, priority=2)
B = Candidate(2, 20, cost=Decimal("4.00"), lead_time_days=9, score=90, priority=3)
C = Candidate(3, 30, cost=Decimal("9.00"), lead_time_days=2, score=50, priority=1)
OWN = Candidate(9, 4, is_own=True)


def first(strategy: str, *candidates: Candidate, **fields: object) -> Choice:
    return choose(candidates, Policy(strategy, **fields), Sourcing(), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "counted"),
    [("sum", {1, 2, 3}), ("priority", {3}), ("cheapest", {2}), ("fastest", {3}), ("best_score", {2})],
)
def test_each_strategy_chooses_by_its_own_measure(strategy: str, counted: set[int]) -> None:
    assert counted == first(strategy, A, B, C).counted


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_what_is_equal_goes_to_the_one_connected_first(strategy: str) -> None:
    assert {4} == first(strategy, Candidate(5, 1), Candidate(4, 1)).counted


def test_one_without_the_measure_comes_after_those_that_have_it() -> None:
    assert {1} == first("cheapest", replace(B, cost=None), A).counted


def test_own_stock_is_sold_with_the_supplier_or_before_it() -> None:
    assert {9, 2} == first("cheapest", OWN, A, B).counted
    assert {9} == first("cheapest", OWN, A, B, adds_own=False).counted
    assert {9, 2} == first("cheapest", replace(OWN, units=0), A, B, adds_own=False).counted
    assert {9} == first("sum", OWN, A, B, adds_own=False).counted


def test_a_supplier_with_no_more_than_the_buffer_is_out() -> None:
    choice = choose((replace(A, units=2), B), Policy("fastest"), Sourcing(), NOW, buffer_units=2)

    assert ({2}, {1: "out"}) == (set(choice.counted), dict(choice.reasons))


@pytest.mark.parametrize(
    ("trouble", "word"),
    [
        ({"units": 0}, "out"),
        ({"units": None}, "unknown"),
        ({"is_stale": True}, "stale"),
        ({"is_failing": True}, "failing"),
    ],
)
def test_the_next_takes_over_at_once_and_hands_back_after_the_stable_period(
    trouble: dict[str, object], word: str
) -> None:
    policy = Policy("priority")
    down, stable = replace(C, **trouble), NOW + 7 * HOUR  # type: ignore[arg-type]
    at_first = choose((A, C), policy, Sourcing(), NOW - DAY)
    over = choose((A, down), policy, at_first.kept, NOW)
    back = choose((A, C), policy, over.kept, stable)
    early = choose((A, C), policy, back.kept, stable + DAY - HOUR)
    handed = choose((A, C), policy, early.kept, stable + DAY)

    assert [{3}, {1}, {1}, {1}, {3}] == [one.counted for one in (at_first, over, back, early, handed)]
    assert {3: word} == over.reasons
    assert ({3: "waiting"}, stable + DAY) == (back.reasons, back.recheck_at)
    assert stable + DAY == early.recheck_at
    assert handed.recheck_at is None


def test_a_break_begins_the_stable_period_anew() -> None:
    policy, down = Policy("priority"), replace(C, is_failing=True)
    kept = choose((A, C), policy, Sourcing(), NOW).kept
    for hours, one in ((1, down), (2, C), (20, down), (21, C)):
        kept = choose((A, one), policy, kept, NOW + hours * HOUR).kept

    assert {1} == choose((A, C), policy, kept, NOW + 44 * HOUR).counted
    assert {3} == choose((A, C), policy, kept, NOW + 45 * HOUR).counted


def test_a_slightly_cheaper_supplier_does_not_take_over() -> None:
    policy = Policy("cheapest", cheaper_percent=3)
    kept = choose((A,), policy, Sourcing(), NOW).kept
    kept = choose((A, B), policy, kept, NOW + HOUR).kept
    later = NOW + 5 * DAY

    assert {1} == choose((A, replace(B, cost=Decimal("4.08"))), policy, kept, later).counted
    assert {2} == choose((A, replace(B, cost=Decimal("4.07"))), policy, kept, later).counted


def test_without_any_usable_supplier_the_last_one_goes_on_selling() -> None:
    policy = Policy("priority")
    kept = choose((A, C), policy, Sourcing(), NOW).kept
    silent = (replace(A, is_stale=True), replace(C, is_stale=True))

    assert {3} == choose(silent, policy, kept, NOW + DAY).counted
    assert {1} == choose((silent[0], replace(silent[1], units=0)), policy, kept, NOW + DAY).counted


def test_another_strategy_chooses_anew_at_once() -> None:
    kept = choose((A, B, C), Policy("priority"), Sourcing(), NOW).kept

    assert {2} == choose((A, B, C), Policy("cheapest"), kept, NOW + HOUR).counted


def test_what_is_remembered_survives_being_stored() -> None:
    kept = choose((A, B, C), Policy("priority"), Sourcing(), NOW).kept

    assert kept == Sourcing.from_json(kept.to_json())
    assert Sourcing() == Sourcing.from_json(Sourcing().to_json())


@pytest.mark.parametrize(
    ("units", "past", "least", "left", "falls_in"),
    [
        pytest.param(40, timedelta(), 1, 36, DAY, id="the first day begins at the limit"),
        pytest.param(40, 2 * DAY + HOUR, 1, 28, 3 * DAY, id="three days are begun"),
        pytest.param(40, 30 * DAY, 3, 3, None, id="never below what keeps it sellable"),
        pytest.param(2, 30 * DAY, 3, 2, None, id="never more than there is"),
        pytest.param(0, DAY, 1, 0, None, id="nothing stays nothing"),
    ],
)
def test_silent_stock_shrinks_by_a_share_a_day(
    units: int, past: timedelta, least: int, left: int, falls_in: timedelta | None
) -> None:
    expected = (left, None if falls_in is None else NOW + falls_in)

    assert expected == shrunk(units, NOW, NOW + past, 10, least)


_candidate = st.builds(
    Candidate,
    source_id=st.just(0),
    units=st.none() | st.integers(0, 6),
    is_own=st.just(False),
    is_stale=st.booleans(),
    is_failing=st.booleans(),
    cost=st.none() | st.integers(1, 5).map(Decimal),
    lead_time_days=st.none() | st.integers(1, 5),
    score=st.none() | st.integers(0, 100),
    priority=st.none() | st.integers(1, 3),
)
_world = st.lists(_candidate, min_size=1, max_size=4).map(
    lambda found: tuple(replace(one, source_id=n + 1) for n, one in enumerate(found))
)
_steps = st.lists(st.tuples(st.integers(1, 40), _world), min_size=2, max_size=12)


def _usable(candidates: tuple[Candidate, ...], buffer_units: int) -> set[int]:
    return {
        one.source_id
        for one in candidates
        if not one.is_stale and not one.is_failing and one.units is not None and one.units > buffer_units
    }


@settings(max_examples=50, deadline=None)
@given(_steps, st.sampled_from(STRATEGIES[1:]), st.integers(0, 2))
def test_no_sequence_of_events_makes_it_flap_or_sell_what_cannot_be_had(
    steps: list[tuple[int, tuple[Candidate, ...]]], strategy: str, buffer_units: int
) -> None:
    policy, kept, now = Policy(strategy), Sourcing(), NOW
    changed_at: datetime | None = None
    for hours, candidates in steps:
        now += hours * HOUR
        before, usable = kept.current, _usable(candidates, buffer_units)
        choice = choose(candidates, policy, kept, now, buffer_units)
        kept = Sourcing.from_json(choice.kept.to_json())

        assert 1 == len(choice.counted)
        if usable:
            assert choice.counted <= usable
        # Silence and failure empty no shop: who has enough sells, if need be on its last word.
        enough = {one.source_id for one in candidates if (one.units or 0) > buffer_units}
        assert not enough or choice.counted <= enough
        if kept.current != before:
            assert (
                before is None
                or before not in usable
                or changed_at is None
                or now - changed_at >= policy.stable
            )
            changed_at = now
        assert choice.recheck_at is None or choice.recheck_at > now


@settings(max_examples=30, deadline=None)
@given(_world, st.sampled_from(STRATEGIES), st.randoms(use_true_random=False))
def test_the_order_in_which_sources_are_read_does_not_matter(
    candidates: tuple[Candidate, ...], strategy: str, random: object
) -> None:
    mixed = list(candidates)
    random.shuffle(mixed)  # type: ignore[attr-defined]

    assert first(strategy, *candidates) == first(strategy, *mixed)


def test_the_decision_sells_the_chosen_supplier_s_number_and_names_the_others() -> None:
    sources = (
        SourceFacts(1, 60, 6, 2, cost=Decimal("20"), max_age_hours=1, as_of=NOW - DAY),
        SourceFacts(2, 7, cost=Decimal("100")),
        SourceFacts(3, 3, is_own=True),
    )
    rule = Rule(buffer_units=1, policy=Policy("cheapest"))
    decision = decide(VariantFacts(7, sources, rule, NOW, NOW.date()))
    roles = [(one["source"], one["role"], one.get("cost"), one["units"]) for one in decision.why["sources"]]

    assert (9, 2) == (decision.available, decision.sourcing.current)
    assert [(1, "stale", "120", 8), (2, "sells", "100", 7), (3, "sells", None, 3)] == roles


def test_a_backup_s_stock_forbids_to_say_that_few_are_left() -> None:
    rule = Rule(low_stock_threshold=5, shows_count=True, policy=Policy("priority"))

    def count(backup: int) -> int | None:
        facts = VariantFacts(7, (SourceFacts(1, 3), SourceFacts(2, backup)), rule, NOW, NOW.date())
        return decide(facts).shown_count

    assert [3, None] == [count(0), count(40)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4), st.integers(0, 9), st.booleans()), max_size=4),
    st.sampled_from(STRATEGIES),
    st.integers(0, 5),
    st.booleans(),
)
def test_never_more_is_sold_than_the_chosen_sources_have(
    found: list[tuple[int, int, int, bool]], strategy: str, buffer_units: int, adds_own: bool
) -> None:
    sources = tuple(
        SourceFacts(n, seen, per, sold, is_own=own, stale="shrink", max_age_hours=1, as_of=NOW - n * DAY)
        for n, (seen, per, sold, own) in enumerate(found)
    )
    rule = Rule(buffer_units=buffer_units, policy=Policy(strategy, adds_own))
    decision = decide(VariantFacts(7, sources, rule, NOW, NOW.date()))
    sells = [one["source"] for one in decision.why["sources"] if one.get("role", "sells") == "sells"]
    there = sum(units_from(source) for source in sources if source.source_id in sells)

    assert 0 <= decision.available <= max(0, there - buffer_units)


def test_with_one_supplier_there_is_nothing_to_choose_or_to_remember() -> None:
    rule = Rule(policy=Policy("cheapest"))
    sources = (SourceFacts(1, 3), SourceFacts(9, 2, is_own=True))
    decision = decide(VariantFacts(7, sources, rule, NOW, NOW.date()))

    assert (5, {}) == (decision.available, decision.sourcing.to_json())


class TestABufferOfASupplier:
    """A (preferred) has a buffer of 4 of its own, B has none; the merchant keeps back 1 of everything else."""

    RULE = Rule(
        buffer_units=4,
        supplier_buffers={1: 4},
        other_buffer=1,
        policy=Policy("priority", stable=timedelta(hours=24)),
    )

    def decide(self, a: int, b: int, **rule: object) -> tuple[int, int]:
        """What may be sold, and the buffer that was taken off."""
        sources = (SourceFacts(1, a, priority=1), SourceFacts(2, b, priority=2))
        found = decide(VariantFacts(7, sources, replace(self.RULE, **rule), NOW, NOW.date()))  # type: ignore[arg-type]
        return found.available, found.why["buffer"]

    def test_holds_while_it_sells(self) -> None:
        assert (6, 4) == self.decide(10, 3)

    def test_does_not_hold_while_another_sells(self) -> None:
        assert (2, 1) == self.decide(4, 3)

    def test_another_that_has_less_than_it_may_take_over(self) -> None:
        # Three are fewer than the buffer of A, which is out: they are for sale all the same.
        assert (2, 1) == self.decide(0, 3)

    def test_counts_for_all_where_all_sell_together(self) -> None:
        assert (9, 4) == self.decide(10, 3, policy=Policy("sum"))

    def test_gives_way_to_what_is_said_nearer(self) -> None:
        assert (7, 3) == self.decide(10, 3, buffer_units=3, supplier_buffers={})
        assert (1, 3) == self.decide(0, 4, buffer_units=3, supplier_buffers={})
