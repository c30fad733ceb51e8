"""The restock date shown: examples and what must always hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.facts import Correction, IncomingFacts, Rule, Shown, SourceFacts, VariantFacts
from connector.availability.promising import FARTHEST_DAYS, promise, promise_rechecks

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
SUPPLIER = 4


def on(days: int) -> date:
    return TODAY + timedelta(days=days)


def late_by(days: int | None, *, ended: int = 40, own: int = 40, typical: int | None = 2) -> Correction:
    return Correction(days, 0.95, ended, 0, own=own, typical_days=typical)


def facts(
    *sources: SourceFacts,
    lateness: dict[tuple[int, str], Correction] | None = None,
    shown: Shown | None = None,
    incoming: tuple[IncomingFacts, ...] = (),
    out_since_on: date | None = None,
    rule: Rule | None = None,
) -> VariantFacts:
    return VariantFacts(
        7, sources, rule or Rule(), NOW, TODAY, out_since_on, UTC, incoming, shown, lateness or {}
    )


def stated(days: int, **fields: object) -> SourceFacts:
    return SourceFacts(1, 0, restock_on=on(days), connection_id=SUPPLIER, **fields)  # type: ignore[arg-type]


def shipment(days: int, units: int = 5) -> IncomingFacts:
    return IncomingFacts(units, on(days), NOW, SUPPLIER)


def window(given: VariantFacts) -> tuple[date, date, str] | None:
    answer, _ = promise(given, 0)
    return (answer.on, answer.until, answer.basis) if answer else None


@pytest.mark.parametrize(
    ("late", "shown"),
    [
        pytest.param(9, (11, 11), id="stated for the 3rd, up to 9 days late: the 12th"),
        pytest.param(5, (2, 7), id="up to 5 days late: the 3rd to the 8th"),
        pytest.param(0, (2, 2), id="on time"),
        pytest.param(-4, (2, 2), id="early: never before the evidence"),
    ],
)
def test_a_stated_date_is_corrected_by_how_late_the_supplier_is(late: int, shown: tuple[int, int]) -> None:
    assert (on(shown[0]), on(shown[1]), "stated") == window(
        facts(stated(2), lateness={(SUPPLIER, "stated"): late_by(late)})
    )


def test_without_any_history_a_date_is_shown_as_stated() -> None:
    assert (on(2), on(2), "stated") == window(facts(stated(2)))


def test_another_suppliers_lateness_is_not_held_against_this_one() -> None:
    assert (on(2), on(2), "stated") == window(facts(stated(2), lateness={(9, "stated"): late_by(9)}))


def test_where_too_many_never_came_no_date_is_shown() -> None:
    assert window(facts(stated(2), lateness={(SUPPLIER, "stated"): late_by(None)})) is None


def test_a_supplier_that_fell_silent_shows_no_date() -> None:
    silent = stated(2, as_of=NOW - timedelta(hours=5), max_age_hours=4)

    assert window(facts(silent, shown=Shown(on(2), on(2), "stated", on(2), SUPPLIER))) is None


def test_a_day_that_was_past_when_it_was_first_named_is_no_evidence() -> None:
    assert window(facts(stated(-1), lateness={(SUPPLIER, "stated"): late_by(9)})) is None


def test_a_date_far_away_is_none() -> None:
    assert window(facts(stated(FARTHEST_DAYS + 1))) is None
    assert window(facts(stated(FARTHEST_DAYS))) is not None


class TestADateThatIsShown:
    SHOWN = Shown(on(2), on(7), "stated", on(2), SUPPLIER)

    def test_stays_while_its_evidence_does_whatever_is_learnt(self) -> None:
        later = facts(stated(2), shown=self.SHOWN, lateness={(SUPPLIER, "stated"): late_by(60)})
        earlier = facts(stated(2), shown=self.SHOWN)

        assert (on(2), on(7), "stated") == window(later) == window(earlier)

    def test_gives_way_to_a_later_one_when_the_evidence_moves(self) -> None:
        moved = facts(stated(4), shown=self.SHOWN, lateness={(SUPPLIER, "stated"): late_by(5)})

        assert (on(4), on(9), "stated") == window(moved)

    def test_does_not_move_forward_on_evidence_of_the_same_kind(self) -> None:
        answer, arithmetic = promise(facts(stated(1), shown=self.SHOWN), 0)

        assert answer == self.SHOWN
        assert arithmetic["is_held"] is True

    def test_moves_forward_on_better_evidence(self) -> None:
        assert (on(3), on(3), "shipment") == window(
            facts(stated(2), shown=self.SHOWN, incoming=(shipment(3),))
        )

    def test_stands_alone_once_the_stated_day_has_passed(self) -> None:
        passed = Shown(on(-1), on(4), "stated", on(-1), SUPPLIER)

        assert (on(4), on(4), "stated") == window(facts(stated(-1), shown=passed))

    def test_is_gone_when_it_has_passed(self) -> None:
        assert window(facts(stated(-5), shown=Shown(on(-5), on(-1), "stated", on(-5), SUPPLIER))) is None

    def test_is_gone_when_nothing_supports_it_any_more(self) -> None:
        assert window(facts(SourceFacts(1, 0, connection_id=SUPPLIER), shown=self.SHOWN)) is None


def test_a_shipment_that_is_late_keeps_the_date_promised_for_it() -> None:
    shown = Shown(on(-2), on(3), "shipment", on(-2), SUPPLIER)

    assert (on(3), on(3), "shipment") == window(facts(shown=shown, incoming=(shipment(-2),)))
    assert window(facts(incoming=(shipment(-2),))) is None


def test_shipments_add_up_by_the_days_promised_for_them() -> None:
    slow = {(SUPPLIER, "shipment"): late_by(3)}
    coming = (shipment(8, 5), shipment(2, 2))

    assert (on(8), on(11), "shipment") == window(
        facts(incoming=coming, lateness=slow, rule=Rule(buffer_units=2))
    )


class TestLeadTimes:
    def test_one_that_was_entered_is_corrected_once_enough_restocks_are_known(self) -> None:
        source = SourceFacts(1, 0, lead_time_days=10, connection_id=SUPPLIER)
        enough = {(SUPPLIER, "restock"): late_by(14)}
        few = {(SUPPLIER, "restock"): late_by(14, own=19)}

        assert (on(10), on(14), "lead_time") == window(facts(source, out_since_on=TODAY, lateness=enough))
        assert (on(10), on(10), "lead_time") == window(facts(source, out_since_on=TODAY, lateness=few))

    def test_one_that_was_not_entered_is_read_from_the_suppliers_own_restocks(self) -> None:
        source = SourceFacts(1, 0, connection_id=SUPPLIER)
        enough = {(SUPPLIER, "restock"): late_by(30, typical=12)}
        few = {(SUPPLIER, "restock"): late_by(30, own=19, typical=12)}

        assert (on(30), on(30), "lead_time") == window(facts(source, out_since_on=TODAY, lateness=enough))
        assert window(facts(source, out_since_on=TODAY, lateness=few)) is None

    def test_a_stated_date_goes_before_even_where_it_is_later(self) -> None:
        source = stated(20, lead_time_days=3)

        assert (on(20), on(20), "stated") == window(facts(source, out_since_on=TODAY))


def test_it_is_looked_at_again_when_each_named_day_is_over() -> None:
    given = facts(stated(2))

    assert [
        datetime(2026, 1, 4, tzinfo=UTC),
        datetime(2026, 1, 9, tzinfo=UTC),
    ] == sorted(promise_rechecks(given, Shown(on(2), on(7), "stated", on(2), SUPPLIER)))


DAYS = st.integers(-30, 60)
SOURCES = st.lists(
    st.builds(
        lambda days, lead: SourceFacts(
            1, 0, restock_on=None if days is None else on(days), lead_time_days=lead, connection_id=SUPPLIER
        ),
        st.none() | DAYS,
        st.none() | st.integers(1, 40),
    ),
    max_size=3,
).map(tuple)
LATENESS = st.dictionaries(
    st.sampled_from([(SUPPLIER, kind) for kind in ("stated", "shipment", "restock")]),
    st.builds(late_by, st.none() | st.integers(-10, 90), own=st.integers(0, 60)),
)
SHOWN = st.none() | st.builds(
    lambda basis, start, width: Shown(on(start), on(start + width), basis, on(start), SUPPLIER),
    st.sampled_from(["stated", "shipment", "lead_time"]),
    DAYS,
    st.integers(0, 20),
)


@settings(max_examples=80, deadline=None)
@given(
    sources=SOURCES,
    lateness=LATENESS,
    shown=SHOWN,
    lines=st.lists(st.builds(shipment, DAYS, st.integers(1, 9)), max_size=3).map(tuple),
    out=st.none() | DAYS.map(on),
)
def test_no_date_is_past_before_its_evidence_or_earlier_than_shown_without_better_evidence(
    sources: tuple[SourceFacts, ...],
    lateness: dict[tuple[int, str], Correction],
    shown: Shown | None,
    lines: tuple[IncomingFacts, ...],
    out: date | None,
) -> None:
    given_facts = facts(*sources, lateness=lateness, shown=shown, incoming=lines, out_since_on=out)
    answer, _ = promise(given_facts, 0)
    if answer is None:
        return
    rank = {"lead_time": 1, "stated": 2, "shipment": 3}
    assert TODAY <= answer.on <= answer.until
    assert answer.until >= answer.evidence_on
    if shown is not None and shown.until >= TODAY and answer.until < shown.until:
        assert rank[answer.basis] > rank[shown.basis]
    # What was decided is shown now: deciding again with it changes nothing.
    assert answer == promise(replace(given_facts, shown=answer), 0)[0]
