"""What a store's own fields should say of a product, and whose a field is."""

from __future__ import annotations

from datetime import date

import pytest

from connector.delivery.note_rules import Kept, Note, VariantFacts, note_of, step_of

EARLY, LATE = date(2026, 12, 12), date(2026, 12, 20)


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        pytest.param([], None, id="no variants"),
        pytest.param([VariantFacts("in_stock"), VariantFacts("restocking", EARLY)], None, id="one sells"),
        pytest.param([VariantFacts("made_to_order")], None, id="made to order"),
        pytest.param([VariantFacts("out_of_stock"), VariantFacts(None, sells=True)], None, id="the store sells one"),
        pytest.param([VariantFacts(None)], None, id="none of ours"),
        pytest.param([VariantFacts("out_of_stock"), VariantFacts(None)], Note("out_of_stock"), id="all out"),
        pytest.param(
            [VariantFacts("restocking", LATE), VariantFacts("out_of_stock"), VariantFacts("restocking", EARLY, LATE)],
            Note("restocking", EARLY, LATE),
            id="the earliest day",
        ),
        pytest.param(
            [VariantFacts("restocking", EARLY), VariantFacts("backorder", LATE)],
            Note("backorder", LATE),
            id="what can be bought goes before",
        ),
        pytest.param([VariantFacts("discontinued"), VariantFacts("restocking")], Note("restocking"), id="no day"),
    ],
)  # fmt: skip
def test_a_product_says_the_best_of_its_variants(variants: list[VariantFacts], expected: Note | None) -> None:
    assert note_of(variants) == expected


def test_only_what_is_sold_ahead_has_a_release_day() -> None:
    assert [Note(state, EARLY).preorder_on for state in ("preorder", "backorder", "restocking")] == [
        EARLY,
        EARLY,
        None,
    ]
    assert Note("backorder").preorder_on is None


KEPT = Kept("In 24 hours", "Back soon", "Back on 12 Dec")


@pytest.mark.parametrize(
    ("kept", "present", "wanted", "expected"),
    [
        pytest.param(None, "In 24 hours", None, "forget", id="nothing to say"),
        pytest.param(None, "In 24 hours", "Back soon", "write", id="the first time"),
        pytest.param(None, "Back soon", "Back soon", "forget", id="it says so already"),
        pytest.param(KEPT, "Back on 12 Dec", "Back on 12 Dec", "keep", id="as it should be"),
        pytest.param(KEPT, "Back on 12 Dec", "Back on 20 Dec", "write", id="another day"),
        pytest.param(KEPT, "Back soon", "Back on 12 Dec", "write", id="the call was lost before it"),
        pytest.param(KEPT, "Back on 12 Dec", None, "write", id="in stock: put back"),
        pytest.param(KEPT, "In 24 hours", None, "forget", id="it is back already"),
        pytest.param(KEPT, "Ask us!", None, "theirs", id="changed by hand, in stock"),
        pytest.param(KEPT, "Ask us!", "Back on 20 Dec", "theirs", id="changed by hand, another day"),
        pytest.param(KEPT, "", "Back on 12 Dec", "theirs", id="emptied by hand"),
    ],
)
def test_a_field_is_ours_only_while_it_says_what_we_wrote(
    kept: Kept | None, present: str, wanted: str | None, expected: str
) -> None:
    assert step_of(kept, present, wanted) == expected
