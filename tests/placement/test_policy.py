"""Which products go to the end of a store's lists, and which are put back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.placement.policy import PlaceFacts, Plan, ProductFacts, Rule, plan

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RULE = Rule("last", "", days_out=14)


def out(product_id: str = "17", *, days: float = 15, unsellable: int = 1, **counts: int) -> ProductFacts:
    return ProductFacts(
        product_id,
        counts.get("sellable", 0),
        unsellable,
        counts.get("unknown", 0),
        NOW - timedelta(days=days),
    )


def back(product_id: str = "17") -> ProductFacts:
    return ProductFacts(product_id, 1, 3, 0, NOW - timedelta(days=90))


def placed(place_id: int = 1, product_id: str = "17", step: str = "placed", kind: str = "last") -> PlaceFacts:
    return PlaceFacts(place_id, product_id, kind, "", step)


@pytest.mark.parametrize(
    ("product", "is_moved"),
    [
        pytest.param(out(days=15), True, id="long enough"),
        pytest.param(out(days=14), False, id="exactly the days is not more than them"),
        pytest.param(out(days=14.01), True, id="a moment more"),
        pytest.param(out(days=15, sellable=1), False, id="one variant sells"),
        pytest.param(out(days=15, unknown=1), False, id="one variant nobody knows of"),
        pytest.param(ProductFacts("17", 0, 1, 0, None), False, id="never known to sell"),
        pytest.param(ProductFacts("17", 0, 0, 2, NOW), False, id="nothing known of it"),
    ],
)
def test_only_what_is_known_to_be_sold_out_for_longer_is_moved(product: ProductFacts, is_moved: bool) -> None:
    assert plan([product], [], RULE, now=NOW) == Plan(("17",) if is_moved else (), (), ())


def test_the_longest_sold_out_goes_first() -> None:
    products = [out("a", days=20), out("b", days=40), out("c", days=30)]
    assert plan(products, [], RULE, now=NOW).move == ("b", "c", "a")


def test_what_stands_at_the_end_is_not_moved_again_and_put_back_when_it_sells() -> None:
    assert plan([out()], [placed()], RULE, now=NOW) == Plan((), (), ())
    assert plan([back()], [placed()], RULE, now=NOW) == Plan((), (1,), ())


@pytest.mark.parametrize("step", ["theirs", "refused"])
def test_what_somebody_changed_is_left_alone_until_it_can_be_bought_again(step: str) -> None:
    assert plan([out()], [placed(step=step)], RULE, now=NOW) == Plan((), (), ())
    assert plan([back()], [placed(step=step)], RULE, now=NOW) == Plan((), (), (1,))


def test_a_product_that_is_gone_is_put_back_if_it_can_be() -> None:
    assert plan([], [placed()], RULE, now=NOW) == Plan((), (1,), ())


def test_switching_off_puts_everything_back_and_moves_nothing() -> None:
    places = [placed(1, "a"), placed(2, "b", step="theirs"), placed(3, "c", kind="tag")]
    assert plan([out("a"), out("d")], places, None, now=NOW) == Plan((), (1, 3), (2,))


def test_another_rule_puts_back_what_the_first_one_moved_and_moves_it_its_own_way() -> None:
    assert plan([out()], [placed(kind="tag")], RULE, now=NOW) == Plan(("17",), (1,), ())


def test_a_draft_moves_nothing_and_still_puts_back_what_sells() -> None:
    products, places = (
        [out("a"), out("b"), back("c")],
        [placed(1, "b", kind="tag"), placed(2, "c", kind="tag")],
    )
    assert plan(products, places, RULE, now=NOW, is_draft=True) == Plan((), (2,), ())


STEPS = st.sampled_from(["placed", "theirs", "refused"])
PRODUCTS = st.lists(
    st.builds(
        ProductFacts,
        st.sampled_from("abcdef"),
        st.integers(0, 1),
        st.integers(0, 2),
        st.integers(0, 1),
        st.none() | st.integers(0, 60).map(lambda days: NOW - timedelta(days=days)),
    ),
    unique_by=lambda one: one.product_id,
)
PLACES = st.lists(
    st.builds(
        PlaceFacts,
        st.integers(1, 99),
        st.sampled_from("abcdef"),
        st.sampled_from(["last", "tag"]),
        st.just(""),
        STEPS,
    ),
    unique_by=(lambda one: one.place_id, lambda one: (one.product_id, one.kind)),
)


@given(PRODUCTS, PLACES, st.sampled_from([RULE, None]), st.booleans())
def test_only_ours_is_put_back_and_only_what_is_out_and_free_is_moved(
    products: list[ProductFacts], places: list[PlaceFacts], rule: Rule | None, is_draft: bool
) -> None:
    found = plan(products, places, rule, now=NOW, is_draft=is_draft)
    by_id = {one.place_id: one for one in places}
    out = {one.product_id for one in products if one.sellable == 0}

    assert {by_id[one].step for one in found.put_back} <= {"placed"}
    assert not {by_id[one].step for one in found.forget} & {"placed"}
    # What can be bought again is always put back, and nothing of ours stays when the rule is gone.
    stays = {one.place_id for one in places if one.step == "placed"} - set(found.put_back)
    assert {by_id[one].product_id for one in stays} <= (out if rule is not None else set())
    taken = {one.product_id for one in places if rule is not None and one.kind == rule.kind}
    assert set(found.move) <= out - taken
    assert len(set(found.move)) == len(found.move)
    assert not (found.move and (rule is None or is_draft))
    for product in products:
        if product.product_id in found.move:
            assert product.out_since is not None
            assert (product.unknown, NOW - product.out_since > timedelta(days=14)) == (0, True)
