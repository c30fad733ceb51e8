"""How codes are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalog.keys import KeyRules, gtin_key, sku_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ABC-1", "abc-1"),
        ("  AB  12 ", "ab 12"),
        ("A\u00a0B", "a b"),
        ("Straße", "strasse"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("00123", "00123"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_case_and_spaces_do_not_count(text: str, key: str) -> None:
    assert sku_key(text) == key


@pytest.mark.parametrize(
    ("rules", "text", "key"),
    [
        (KeyRules(prefix="ACME-"), "acme-12", "12"),
        (KeyRules(prefix="ACME-"), "12", "12"),
        (KeyRules(prefix="ACME-"), "ACME-", "acme-"),
        (KeyRules(suffix="/EU"), "12/eu", "12"),
        (KeyRules(leading_zeros=True), "00123", "123"),
        (KeyRules(leading_zeros=True), "000", "0"),
        (KeyRules("acme-", "", True), "ACME-007", "7"),
    ],
)
def test_declared_rules_are_taken_off(rules: KeyRules, text: str, key: str) -> None:
    assert sku_key(text, rules) == key
    assert KeyRules.from_json(rules.to_json()) == rules


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("4006381333931", "4006381333931"),
        ("04006381333931", "4006381333931"),
        ("036000291452", "36000291452"),
        ("0036000291452", "36000291452"),
        ("4 006381-333931", "4006381333931"),
        ("4006381333931.0", "4006381333931"),
        ("", ""),
        ("0000000000000", ""),
    ],
)
def test_a_barcode_is_one_number_however_it_is_written(text: str, key: str) -> None:
    assert gtin_key(text) == key


@pytest.mark.parametrize("text", ["4.00638E+12", "abc", "123", "123456789012345"])
def test_what_is_no_barcode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a barcode number"):
        gtin_key(text)


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str) -> None:
    assert sku_key(sku_key(text)) == sku_key(text)
