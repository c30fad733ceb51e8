"""What the values of a column look like: shares between 0 and 1, taken from sample cells. PURE."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

from connector.intake.dates import Order, read_date, read_lead_time
from connector.intake.lexicon import CURRENCIES
from connector.intake.normalise import CellFault, QuantityRules, read_number, read_quantity
from connector.intake.words import (
    COLOUR_WORDS,
    FLAG_WORDS,
    UNITS_OF_MEASURE,
    UNKNOWN_WORDS,
    fold,
    stock_word,
)

_LETTERS = re.compile(r"[^\W\d_]")
_DATED = re.compile(
    r"\d{4}-\d\d-\d\dT|(?:KW|W|CW)\W?\d|(?:\w{2,9}[.,]? )?\d{1,2}[.\- ] ?[^\W\d_]{3,}|[^\W\d_]{3,}\.?[ \-]\d{1,4}",
    re.I,
)
_PARTED = re.compile(r"\d{8}$|\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\d)|\d{1,2}/\d{4}$|\d{4}[-/]\d\d?$")
_WEEK = re.compile(r"(?:KW|CW|wk|week|semaine|semana|settimana|tydzień)\W{0,2}\d", re.IGNORECASE)
_ANY_DAY = date(2026, 1, 1)
_ORDERS: tuple[Order, ...] = ("dmy", "mdy")
_YEAR_WEEK = re.compile(r"\d{4}[-/ ]?(?:W|KW|wk)\d{1,2}", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d{1,7}(?:[.,]0+)?")
_MONEY = re.compile(r"[€$£¥]|\b(?:eur|usd|gbp|chf|pln)\b|zł", re.IGNORECASE)
_DECIMALS = re.compile(r"[^\d.,]*[\d.,'’ ]*\d[.,]\d{1,4}[^\d.,]*")
_MARKUP = re.compile(r"</?[a-z][a-z0-9]*[ />]", re.IGNORECASE)
_BOUND = re.compile(r"[<>≥≤~+]|\d\s*[-–]\s*\d")


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of the cells that are filled: 0 to 1. `filled` is their share of all rows, `count` how many.

    `distinct` different values ÷ cells; `few` is True for at most three values in ten cells or more;
    `median` of those that are numbers (None where most are not), `day` of those that are dates (days since
    year 1); `length` characters in the middle, `markup` the share with HTML.
    """

    count: int = 0
    filled: float = 0.0
    distinct: float = 0.0
    few: bool = False
    number: float = 0.0
    integer: float = 0.0
    zero: float = 0.0
    decimals: float = 0.0
    money: float = 0.0
    barcode: float = 0.0
    carton: float = 0.0
    date: float = 0.0
    quantity: float = 0.0
    stock_word: float = 0.0
    flag: float = 0.0
    bound: float = 0.0
    days: float = 0.0
    currency: float = 0.0
    unit: float = 0.0
    spaced: float = 0.0
    coded: float = 0.0
    link: float = 0.0
    long: float = 0.0
    leading_zero: float = 0.0
    counted: bool = False
    median: float | None = None
    length: float = 0.0
    markup: float = 0.0
    colour: float = 0.0
    day: int | None = None


def is_gtin(text: str) -> bool:
    """Whether `text` is an 8, 12, 13 or 14 digit barcode number with the right check digit.

    The sum of the digits, weighted 3 and 1 in turns from the right, is a multiple of 10:
    4006381333931 → 1+3·3+9+3·3+3+3·3+1+3·8+3+3·6+0+3·0+4 = 90.
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) in (8, 12, 13, 14)):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits))) % 10 == 0


def profile_of(cells: Sequence[str]) -> Profile:
    """The profile of one column's cells, blanks and "N/A" included."""
    filled = [text for cell in cells if (text := cell.strip()) and fold(text) not in UNKNOWN_WORDS]
    if not filled:
        return Profile()
    folded = [fold(text) for text in filled]
    numbers = [number for text in filled if (number := _number(text)) is not None]
    whole = [text for text in filled if _INTEGER.fullmatch(text)]
    distinct = len(set(folded))

    def share(test: Callable[[str], object], among: Sequence[str] = filled) -> float:
        return sum(1 for one in among if test(one)) / len(filled)

    dated = share(lambda text: _day(text) is not None)
    ordered = sorted(numbers)
    days = sorted(day for text in filled if (day := _day(text)) is not None) if dated > 0.5 else []
    return Profile(
        count=len(filled),
        filled=len(filled) / len(cells),
        distinct=distinct / len(filled),
        few=len(filled) >= 5 and distinct <= max(1, min(6, len(filled) // 4)),
        number=len(numbers) / len(filled),
        integer=len(whole) / len(filled),
        zero=sum(1 for number in numbers if number == 0) / len(filled),
        decimals=share(
            lambda text: (
                number_of(text) is not None and _DECIMALS.fullmatch(text) and not _INTEGER.fullmatch(text)
            )
        ),
        money=share(_MONEY.search),
        barcode=share(is_gtin),
        carton=share(lambda text: len(text) == 14 and is_gtin(text)),
        date=dated,
        quantity=share(_is_quantity),
        stock_word=share(lambda text: stock_word(text) is not None),
        flag=share(lambda text: text in FLAG_WORDS, folded),
        bound=0.0 if dated else share(_BOUND.search),
        days=share(_is_lead_time),
        currency=share(lambda text: text in CURRENCIES, folded),
        unit=share(lambda text: text in UNITS_OF_MEASURE, folded),
        spaced=share(lambda text: " " in text and sum(map(str.isalpha, text)) > 3),
        coded=share(_is_code),
        link=share(lambda text: text.startswith(("http://", "https://", "//", "www.")), folded),
        long=share(lambda text: len(text) > 80),
        leading_zero=share(lambda text: len(text) > 2 and text[0] == "0" and text.isdigit()),
        counted=_counts_up(whole) and len(whole) == len(filled),
        median=ordered[len(ordered) // 2] if len(numbers) * 2 > len(filled) else None,
        length=sorted(map(len, filled))[len(filled) // 2],
        markup=share(_MARKUP.search),
        colour=share(lambda text: text in COLOUR_WORDS, folded),
        day=days[len(days) // 2] if days else None,
    )


def number_of(cell: str) -> float | None:
    """The number in a cell of money, units or a currency beside it, or None."""
    return _number(cell.strip())


def _number(text: str) -> float | None:
    bare = _MONEY.sub("", text).strip()
    if not bare or not (bare[0].isdigit() or bare[0] in "+-.,"):
        return None
    for sign in ("", ","):
        try:
            return float(read_number(bare, sign))
        except CellFault as fault:
            if fault.code != "ambiguous_number":
                return None
    return None


@lru_cache(maxsize=20_000)
def _day(text: str) -> int | None:
    """The day `text` is read as, None when it is no date; the order of day and month does not matter here."""
    # Bare numbers of five digits may be spreadsheet days, and are nearly always something else; a code with
    # letters is no date, and asking the free parser about each is slow.
    if not _WEEK.match(text) and not _YEAR_WEEK.fullmatch(text):
        if sum(map(str.isdigit, text)) < 3 or (text.isdigit() and len(text) != 8) or len(text) > 30:
            return None
        if not (_DATED if _LETTERS.search(text) else _PARTED).match(text):
            return None
    for order in _ORDERS:
        try:
            if (found := read_date(text, order, _ANY_DAY)) is not None:
                return found.toordinal()
        except CellFault:
            continue
    return None


def _is_quantity(text: str) -> bool:
    try:
        read_quantity(text, QuantityRules(decimal=""))
    except CellFault as fault:
        return fault.code in ("ambiguous_number", "number_format")
    return True


def _is_lead_time(text: str) -> bool:
    if not (any(map(str.isalpha, text)) and any(map(str.isdigit, text))):
        return False
    try:
        return read_lead_time(text) is not None
    except CellFault:
        return False


def _is_code(text: str) -> bool:
    """Letters and digits without prose: what a SKU looks like."""
    return " " not in text and any(map(str.isdigit, text)) and any(map(str.isalpha, text)) and len(text) <= 40


def _counts_up(texts: Sequence[str]) -> bool:
    """1001, 1002, 1003 …: a line or record number."""
    if len(texts) < 8:
        return False
    numbers = [int(re.split(r"[.,]", text)[0]) for text in texts]
    return all(after - before == 1 for before, after in pairwise(numbers))
