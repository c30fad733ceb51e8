"""What cells mean: numbers, quantities, costs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.intake.lexicon import CURRENCIES
from connector.intake.normalise import (
    ABSURD_UNITS,
    CellFault,
    DecimalSign,
    Quantity,
    QuantityRules,
    Sign,
    read_cost,
    read_number,
    read_quantity,
)

PLAIN = QuantityRules()


def _code(text: str, rules: QuantityRules = PLAIN) -> str:
    with pytest.raises(CellFault) as caught:
        read_quantity(text, rules)
    return caught.value.code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", Quantity(12)),
        (" 007 ", Quantity(7)),
        ("12,0", Quantity(12)),
        ("1,234,567", Quantity(1_234_567)),
        ("1.234,0", Quantity(1234)),
        ("1 234", Quantity(1234)),
        ("1\u202f234", Quantity(1234)),
        ("1'234", Quantity(1234)),
        ("1,00,000", Quantity(100_000)),
        ("12.7", Quantity(12, note="fraction_floored")),
        ("0.500", Quantity(0, note="fraction_floored")),
        (">100", Quantity(100, is_at_least=True)),
        ("> 100 pcs", Quantity(100, is_at_least=True)),
        ("10+", Quantity(10, is_at_least=True)),
        ("plus de 20", Quantity(20, is_at_least=True)),
        ("mehr als 20", Quantity(20, is_at_least=True)),
        ("5-10", Quantity(5, is_at_least=True)),
        ("5 bis 10 Stk", Quantity(5, is_at_least=True)),
        ("<5", Quantity(1, note="upper_bound")),
        ("less than 5", Quantity(1, note="upper_bound")),
        ("<1", Quantity(0, note="upper_bound")),
        ("≤1", Quantity(1, note="upper_bound")),
        ("up to 3", Quantity(1, note="upper_bound")),
        ("ca. 10", Quantity(10, note="approximate")),
        ("12 Stück", Quantity(12)),
        ("In stock (12)", Quantity(12)),
        ("12 in stock", Quantity(12)),
        ("Bestand: 12", Quantity(12)),
        ("-3", Quantity(0, note="negative_as_zero")),
        ("3-", Quantity(0, note="negative_as_zero")),
        ("(3)", Quantity(0, note="negative_as_zero")),
        ("−3", Quantity(0, note="negative_as_zero")),
        ("", Quantity(None)),
        ("  ", Quantity(None)),
        ("N/A", Quantity(None)),
        ("-", Quantity(None)),
        ("nan", Quantity(None)),
        ("auf Anfrage", Quantity(None)),
        ("１２", Quantity(12)),
    ],
)
def test_a_quantity_is_read(text: str, expected: Quantity) -> None:
    assert read_quantity(text, PLAIN) == expected


@pytest.mark.parametrize(
    ("language", "inside", "low", "outside"),
    [
        ("en", "In stock", "Low stock", "Sold out"),
        ("fr", "En stock", "Stock limité", "Épuisé"),
        ("de", "auf Lager", "Restposten", "Ausverkauft"),
        ("es", "Disponible", "Pocas unidades", "Agotado"),
        ("it", "Disponibile", "Ultimi pezzi", "Esaurito"),
        ("nl", "Op voorraad", "Beperkte voorraad", "Uitverkocht"),
        ("pt", "Em estoque", "Últimas unidades", "Esgotado"),
        ("pl", "Dostępny", "Ostatnie sztuki", "Brak"),
    ],
)
def test_stock_words_are_known_in_eight_languages(language: str, inside: str, low: str, outside: str) -> None:
    assert read_quantity(inside, PLAIN) == Quantity(None, is_word=True)
    assert read_quantity(low.upper(), PLAIN) == Quantity(1, is_word=True)
    assert read_quantity(f" {outside}. ", PLAIN) == Quantity(0, is_word=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in_stock", Quantity(None, is_word=True)),
        ("InStock", Quantity(None, is_word=True)),
        ("OUT_OF_STOCK", Quantity(0, is_word=True)),
        ("https://schema.org/OutOfStock", Quantity(0, is_word=True)),
        ("limited_availability", Quantity(1, is_word=True)),
        ("sì", Quantity(None, is_word=True)),
    ],
)
def test_stock_words_are_known_as_product_feeds_spell_them(text: str, expected: Quantity) -> None:
    assert expected == read_quantity(text, QuantityRules())


def test_the_merchants_own_words_count_first() -> None:
    rules = QuantityRules(words={"in stock": 40, "bald": 0})

    assert read_quantity("In Stock", rules) == Quantity(40, is_word=True)
    assert read_quantity("bald", rules) == Quantity(0, is_word=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.234", "ambiguous_number"),
        ("1,234", "ambiguous_number"),
        (">1.000", "ambiguous_number"),
        ("1.23.4", "bad_number"),
        ("1,2.3,4", "bad_number"),
        ("12 34", "bad_number"),
        ("10000001", "absurd_quantity"),
        ("4006381333931", "absurd_quantity"),
        ("-99999999", "absurd_quantity"),
        ("purple", "unknown_quantity"),
        ("12/12", "unknown_quantity"),
        ("out of stock until 12", "unknown_quantity"),
        ("1e5", "unknown_quantity"),
    ],
)
def test_what_cannot_be_told_is_a_fault(text: str, code: str) -> None:
    assert _code(text) == code


def test_a_declared_sign_settles_what_is_ambiguous_and_contradictions_are_faults() -> None:
    assert read_quantity("1.234", QuantityRules(decimal=",")) == Quantity(1234)
    assert read_quantity("1.234", QuantityRules(decimal=".")) == Quantity(1, note="fraction_floored")
    assert _code("12,5", QuantityRules(decimal=".")) == "number_format"


def test_below_zero_is_a_fault_where_the_policy_says_so() -> None:
    assert _code("-1", QuantityRules(negative="fault")) == "negative_quantity"


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["12", "1.234"], ""),
        (["1.234", "12.5"], "."),
        (["1.234", "0,5"], ","),
        (["1.234.567"], ","),
        (["1.234,5"], ","),
        (["0.000", "12.000"], "."),
        (["12.5", "12,5"], ""),
        ([">1.234", "10,5 kg"], ","),
    ],
)
def test_a_column_tells_its_decimal_sign_only_where_all_proofs_agree(cells: list[str], sign: Sign) -> None:
    proofs = DecimalSign()
    for cell in cells:
        proofs.add(cell)

    assert proofs.sign == sign
    assert proofs.is_contradictory == (len(proofs.proved) == 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.50", Decimal("12.5000")),
        ("€ 1.234,56", Decimal("1234.5600")),
        ("12,5 EUR", Decimal("12.5000")),
        ("19,90 zł", Decimal("19.9000")),
        ("0.00005", Decimal("0.0001")),
        ("", None),
        ("n/a", None),
    ],
)
def test_a_cost_is_read(text: str, expected: Decimal | None) -> None:
    assert read_cost(text) == expected


@pytest.mark.parametrize(
    ("text", "code"), [("-1.00", "bad_cost"), ("1.234", "ambiguous_number"), ("x", "bad_number")]
)
def test_a_cost_that_cannot_be_told_is_a_fault(text: str, code: str) -> None:
    with pytest.raises(CellFault) as caught:
        read_cost(text)
    assert caught.value.code == code


@given(st.integers(0, ABSURD_UNITS), st.sampled_from([".", ","]))
def test_a_grouped_number_reads_back_under_its_sign(units: int, decimal: Sign) -> None:
    group = "," if decimal == "." else "."
    written = f"{units:,}".replace(",", group)

    assert read_number(written, decimal) == units


@given(st.integers(0, 9_999_999), st.integers(0, 99))
def test_two_decimals_are_never_mistaken_for_thousands(whole: int, cents: int) -> None:
    value = Decimal(whole) + Decimal(cents) / 100

    assert read_number(f"{whole}.{cents:02d}") == value
    assert read_number(f"{whole},{cents:02d}") == value


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_a_fault_with_words(text: str) -> None:
    try:
        read = read_quantity(text, PLAIN)
    except CellFault as fault:
        assert fault.code
        assert fault.reason
    else:
        assert read.units is None or 0 <= read.units <= ABSURD_UNITS


@given(
    st.integers(0, ABSURD_UNITS), st.sampled_from(["{}", ">{}", "{}+", "{} pcs", "{}-99999999", "~{}", "<{}"])
)
def test_no_form_promises_more_than_it_says(units: int, form: str) -> None:
    read = read_quantity(form.format(units), PLAIN)

    assert read.units is not None
    assert read.units <= units


@pytest.mark.parametrize(
    "text",
    [
        "1200 SEK",
        "SEK 1200.00",
        "1 200 Kč",
        "₹ 1,200.00",
        "1200 kr.",
        "US$ 1200",
        "1200.00USD",
        "CHF1200.00",
        "Fr. 1’200.00",
    ],
)
def test_every_currency_that_a_list_may_name_is_no_part_of_the_number(text: str) -> None:
    assert Decimal(1200) == read_cost(text)


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_a_cost_is_read_in_each_currency_that_is_recognised(code: str) -> None:
    assert Decimal("12.5") == read_cost(f"12.50 {code.upper()}") == read_cost(f"{code.upper()}12.50")


def test_a_word_that_only_begins_like_a_currency_is_no_number() -> None:
    with pytest.raises(CellFault, match="is not a number"):
        read_cost("seks 12")
