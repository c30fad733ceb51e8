"""The nearest variants of items that match nothing, and patterns that would match many."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.catalog.keys import KeyRules
from connector.catalog.nearest import Known, Nearest, Pattern, matches_under, patterns

_SHOP = [
    Known(1, "LAMP-001", "Desk lamp oak", "4006381333931"),
    Known(2, "LAMP-002", "Desk lamp walnut", ""),
    Known(3, "CHR-77", "Chair Oslo", "96385074"),
]


def _ids(sku: str, gtin: str = "", title: str = "") -> list[int]:
    return [one.variant_id for one in Nearest(_SHOP).find(sku, gtin, title)]


def test_other_signs_and_a_letter_too_many_are_near() -> None:
    assert _ids("lamp 001")[0] == 1
    assert _ids("LAMP-0022")[0] == 2
    assert _ids("ACME-CHR-77") == [3]


def test_a_barcode_with_one_wrong_digit_is_near() -> None:
    assert [(c.variant_id, c.why) for c in Nearest(_SHOP).find("zzz", "4006381333937")] == [(1, "gtin")]


def test_a_title_finds_what_its_code_does_not() -> None:
    assert _ids("99-1", title="Oslo chair") == [3]


def test_nothing_near_is_nothing() -> None:
    assert _ids("XQ-9410") == []
    assert Nearest([]).find("LAMP-001") == []


def test_a_prefix_that_would_match_many_is_found_whole() -> None:
    ours = {f"{n}x{n}" for n in range(100, 140)}
    items = [f"acme-{code}" for code in sorted(ours)] + ["other-1", "other-2"]

    assert patterns(items, ours)[0] == Pattern(KeyRules(prefix="acme-"), 40)
    assert patterns(["acme-1", "acme-2"], {"1", "2"}) == []


def test_zeros_in_front_and_a_suffix_are_patterns_too() -> None:
    ours = {f"{n}" for n in range(1000, 1010)}

    assert patterns([f"00{n}" for n in ours], ours)[0].rules == KeyRules(leading_zeros=True)
    assert patterns([f"{n}-eu" for n in ours], ours)[0] == Pattern(KeyRules(suffix="-eu"), 10)


def test_matches_under_rules_count_only_what_is_certain() -> None:
    rules = KeyRules(prefix="a-", leading_zeros=True)

    assert matches_under(rules, ["a-1", "a-01", "a-2", "a-3", "9"], ["1", "02", "3", "03"]) == 1


@settings(max_examples=60, deadline=None)
@given(st.text("ABCD0123-_ ", min_size=4, max_size=12))
def test_a_variant_is_the_nearest_to_its_own_code(code: str) -> None:
    found = Nearest([*_SHOP, Known(9, code)]).find(code.lower())

    assert not any(char.isalnum() and char != "0" for char in code) or found[0].variant_id == 9


def test_eight_thousand_variants_are_searched_in_a_moment() -> None:
    index = Nearest([Known(n, f"SKU-{n * 7919 % 1_000_003:07d}", f"Thing {n}") for n in range(8_000)])

    before = time.process_time()
    for n in range(0, 8_000, 100):
        index.find(f"X{n * 7919 % 1_000_003:07d}")
    assert time.process_time() - before < 1.5
