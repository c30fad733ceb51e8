"""The pure decision which ads to pause and to resume."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.advertising.policy import AdFacts, Plan, plan

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DWELL = timedelta(seconds=60)


def ad(**fields: Any) -> AdFacts:
    """An enabled ad whose page sold out a minute ago, unless told otherwise."""
    given = {
        "ad_link_id": 1,
        "status": "enabled",
        "sellable": 0,
        "unsellable": 2,
        "out_since": NOON - DWELL,
        "back_since": None,
        "is_ours": False,
    }
    return AdFacts(**{**given, **fields})


def ours(**fields: Any) -> AdFacts:
    """An ad we paused whose page came back a minute ago, unless told otherwise."""
    return ad(
        **{
            "status": "paused",
            "is_ours": True,
            "sellable": 1,
            "unsellable": 1,
            "out_since": None,
            "back_since": NOON - DWELL,
            **fields,
        }
    )


SECOND = timedelta(seconds=1)
NOTHING = Plan((), (), (), None)
PAUSE = Plan((1,), (), (), None)
RESUME = Plan((), (1,), (), None)
RELEASE = Plan((), (), (1,), None)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(ad(), PAUSE, id="everything out for the dwell"),
        pytest.param(
            ad(out_since=NOON - DWELL + SECOND),
            Plan((), (), (), NOON + SECOND),
            id="out for a second less: looked at again when the dwell ends",
        ),
        pytest.param(ad(out_since=None), Plan((), (), (), NOON + DWELL), id="out just now"),
        pytest.param(ad(sellable=1), NOTHING, id="one variant can be bought"),
        pytest.param(ad(sellable=0, unsellable=0), NOTHING, id="the page is none of ours"),
        pytest.param(ad(status="paused"), NOTHING, id="paused by the merchant"),
        pytest.param(ad(status="removed"), NOTHING, id="removed"),
        pytest.param(ad(is_left_alone=True), NOTHING, id="somebody ended our pause during this time out"),
        pytest.param(ours(), RESUME, id="something back for the dwell"),
        pytest.param(
            ours(back_since=NOON), Plan((), (), (), NOON + DWELL), id="back just now: dwell before resuming"
        ),
        pytest.param(ours(back_since=None), Plan((), (), (), NOON + DWELL), id="back, first seen now"),
        pytest.param(ours(sellable=0), NOTHING, id="ours and still out"),
        pytest.param(ours(sellable=0, unsellable=0), NOTHING, id="ours and the page is gone: stays paused"),
        pytest.param(ours(is_ours=False), NOTHING, id="paused by the merchant, page back"),
        pytest.param(ours(status="enabled"), RELEASE, id="enabled by somebody since we paused it"),
        pytest.param(ours(status="removed"), RELEASE, id="removed by somebody since we paused it"),
        pytest.param(ours(status="enabled", sellable=0), RELEASE, id="enabled by hand although out"),
    ],
)
def test_what_is_done_about_one_ad(facts: AdFacts, expected: Plan) -> None:
    assert expected == plan([facts], now=NOON, dwell=DWELL)


def test_a_dwell_of_zero_acts_at_once() -> None:
    found = plan([ad(out_since=NOON), ours(ad_link_id=2, back_since=NOON)], now=NOON, dwell=timedelta(0))
    assert Plan((1,), (2,), (), None) == found


def test_the_next_look_is_the_end_of_the_nearest_dwell() -> None:
    ads = [
        ad(ad_link_id=1, out_since=NOON - 10 * SECOND),
        ours(ad_link_id=2, back_since=NOON - 40 * SECOND),
        ad(ad_link_id=3, out_since=NOON - 30 * SECOND),
    ]
    assert Plan((), (), (), NOON + 20 * SECOND) == plan(ads, now=NOON, dwell=DWELL)


_MOMENTS = st.none() | st.integers(-300, 0).map(lambda s: NOON + s * SECOND)
_ADS = st.lists(
    st.builds(
        AdFacts,
        ad_link_id=st.integers(1, 10**6),
        status=st.sampled_from(["enabled", "paused", "removed"]),
        sellable=st.integers(0, 2),
        unsellable=st.integers(0, 2),
        out_since=_MOMENTS,
        back_since=_MOMENTS,
        is_ours=st.booleans(),
        is_left_alone=st.booleans(),
    ),
    max_size=20,
    unique_by=lambda facts: facts.ad_link_id,
)


@given(_ADS, st.integers(0, 300))
def test_nothing_is_done_that_the_rules_forbid(ads: list[AdFacts], dwell_s: int) -> None:
    found = plan(ads, now=NOON, dwell=dwell_s * SECOND)
    known = {facts.ad_link_id: facts for facts in ads}
    done = [*found.pause, *found.resume, *found.released]
    assert len(done) == len(set(done))
    for facts in map(known.__getitem__, found.pause):
        assert (facts.status, facts.is_ours, facts.is_left_alone, facts.sellable) == (
            "enabled",
            False,
            False,
            0,
        )
        assert facts.unsellable > 0
        assert NOON - (facts.out_since or NOON) >= dwell_s * SECOND
    for facts in map(known.__getitem__, found.resume):
        assert (facts.status, facts.is_ours) == ("paused", True)
        assert facts.sellable > 0
        assert NOON - (facts.back_since or NOON) >= dwell_s * SECOND
    for facts in map(known.__getitem__, found.released):
        assert (facts.is_ours, facts.status != "paused") == (True, True)
    assert found.look_again_at is None or NOON < found.look_again_at <= NOON + dwell_s * SECOND


@given(_ADS, st.integers(0, 300))
def test_one_ad_never_changes_what_is_done_about_another(ads: list[AdFacts], dwell_s: int) -> None:
    together = plan(ads, now=NOON, dwell=dwell_s * SECOND)
    alone = [plan([facts], now=NOON, dwell=dwell_s * SECOND) for facts in ads]
    assert together.pause == tuple(i for one in alone for i in one.pause)
    assert together.resume == tuple(i for one in alone for i in one.resume)
    assert together.released == tuple(i for one in alone for i in one.released)
