"""What a cell means: text → number, quantity, cost. PURE: standard library only, no clock, no database.

Nothing is guessed where two readings are possible: "1.234" is 1234 or 1.234 depending on the column's
decimal sign, and without one it is a `CellFault`. The column's sign comes from the merchant or from
other cells of the same column that allow one reading only (`DecimalSign`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Literal

from connector.intake.lexicon import CURRENCIES
from connector.intake.words import STOCK_NOUNS, STOCK_WORDS, UNKNOWN_WORDS, Meaning, fold, stock_word

Sign = Literal["", ".", ","]

ABSURD_UNITS = 10_000_000
"""More than this many units of one item is a wrong cell (a barcode, a date), not stock."""


class CellFault(ValueError):
    """A cell that cannot be used: `code` is a stable word, `reason` a sentence with the cell's text."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


# Digits with at most one group sign after each: what people type for a number. Apostrophes and the
# various spaces group thousands in Switzerland, France and Poland and never mark decimals.
_GROUP_SPACES = "'’\u00a0\u202f "
_NUMBER = re.compile(r"[+-]?(?:\d[\d.," + _GROUP_SPACES + r"]*\d|\d|[.,]\d+)")
_SPACED = re.compile(r"\d{1,3}(?:[" + _GROUP_SPACES + r"]\d{3})+(?:[.,]\d+)?")
_GROUPS = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}")


def _split(text: str) -> tuple[str, Sign]:
    """(digits with "." for decimals, the decimal sign this text proves) of an unsigned number.

    The sign is "" when there is no separator at all. Raises CellFault "ambiguous_number" for one
    separator before exactly three digits, "bad_number" for impossible grouping.
    """
    bare = text
    if any(space in bare for space in _GROUP_SPACES):
        if not _SPACED.fullmatch(bare):
            raise CellFault("bad_number", f"“{text}” is not a number.")
        for space in _GROUP_SPACES:
            bare = bare.replace(space, "")
        # Grouped by spaces: a separator that remains can only be the decimal sign.
        if "." in bare:
            return bare, "."
        return bare.replace(",", "."), "," if "," in bare else ""
    dots, commas = bare.count("."), bare.count(",")
    if not dots and not commas:
        return bare, ""
    if dots and commas:
        sign: Sign = "." if bare.rfind(".") > bare.rfind(",") else ","
        other = "," if sign == "." else "."
        whole, _, fraction = bare.rpartition(sign)
        if sign in whole or not _GROUPS.fullmatch(whole.replace(other, ",")):
            raise CellFault("bad_number", f"“{text}” is not a number.")
        return f"{whole.replace(other, '')}.{fraction}", sign
    mark: Sign = "." if dots else ","
    if dots + commas > 1:
        if not _GROUPS.fullmatch(bare.replace(mark, ",")):
            raise CellFault("bad_number", f"“{text}” is not a number.")
        return bare.replace(mark, ""), "," if mark == "." else "."
    whole, _, fraction = bare.partition(mark)
    if len(fraction) == 3 and 0 < len(whole) <= 3 and not whole.startswith("0"):
        raise CellFault(
            "ambiguous_number",
            f"“{text}” may be {whole}{fraction} or {whole}.{fraction}: say which sign marks decimals.",
        )
    return f"{whole or '0'}.{fraction}", mark


def read_number(text: str, decimal: Sign = "") -> Decimal:
    """The number written in `text`, under the column's decimal sign ("" where it is not known).

    read_number("1.234,5") == Decimal("1234.5"); read_number("1.234", ",") == Decimal(1234).
    Raises CellFault: ambiguous_number, number_format (contradicts the column's sign), bad_number.
    """
    bare = text.strip().replace("\u2212", "-")
    negative = bare.startswith("-")
    unsigned = bare[1:].strip() if bare[:1] in "+-" else bare
    if not unsigned or not _NUMBER.fullmatch(unsigned):
        raise CellFault("bad_number", f"“{text}” is not a number.")
    try:
        digits, proved = _split(unsigned)
    except CellFault as fault:
        if fault.code != "ambiguous_number" or not decimal:
            raise
        other = "," if decimal == "." else "."
        digits, proved = unsigned.replace(other, "").replace(decimal, "."), decimal
    if decimal and proved and proved != decimal:
        raise CellFault(
            "number_format", f"“{text}” does not fit the column, where “{decimal}” marks decimals."
        )
    value = Decimal(digits)
    return -value if negative else value


@dataclass(slots=True)
class DecimalSign:
    """Collects what the cells of one column prove about its decimal sign.

    `sign` is "." or "," when all proofs agree, else ""; `is_contradictory` when they do not.
    """

    proved: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Learn from one cell; text that is no number or is ambiguous teaches nothing."""
        if "." not in text and "," not in text:
            return
        for found in _NUMBER.findall(unicodedata.normalize("NFKC", text)):
            try:
                _, sign = _split(found.lstrip("+-"))
            except CellFault:
                continue
            if sign:
                self.proved.add(sign)

    @property
    def sign(self) -> Sign:
        if len(self.proved) != 1:
            return ""
        return "." if "." in self.proved else ","

    @property
    def is_contradictory(self) -> bool:
        return len(self.proved) > 1


@dataclass(frozen=True, slots=True)
class QuantityRules:
    """How one source's quantity cells are read.

    `low_stock_units` stands for "few left". `negative` "zero" (recorded as a note) or "fault". `words`
    are the merchant's own stock words, folded, each with the units it stands for.
    """

    decimal: Sign = ""
    low_stock_units: int = 1
    negative: Literal["zero", "fault"] = "zero"
    words: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`units` of the supplier's own unit, None when he does not say a number. With `is_word` and None he
    said "in stock"; the source's `in_stock_units` stands for it when deciding. `note` is a code worth
    recording although the row is used: negative_as_zero, fraction_floored, upper_bound, approximate."""

    units: int | None
    is_at_least: bool = False
    is_word: bool = False
    note: str = ""


_N = r"(?P<n>[+-]?\d[\d.,'’ ]*)"
_UNIT = (
    r"(?:pcs?\.?|pieces?|stk\.?|stück|stuck|st\.?|units?|u\.?|ea\.?|each|items?|pz\.?|pezzi|pzs?|pièces?|"
    r"unités?|unidades?|uds?\.?|ud|un\.?|szt\.?|sztuk|stuks?)"
)
_AT_LEAST = re.compile(
    r"(?:>=?|≥|über|ueber|over|more than|mehr als|plus de|más de|mas de|più di|oltre|meer dan|mais de|ponad|"
    r"więcej niż|min\.?|at least|mindestens|au moins)\s*" + _N + rf"\s*{_UNIT}?"
)
_PLUS = re.compile(
    _N
    + rf"\s*{_UNIT}?\s*(?:\+|and more|or more|und mehr|oder mehr|et plus|ou plus|y más|o más|e più|of meer|ou mais|"
    r"i więcej)\s*" + rf"{_UNIT}?"
)
_UP_TO = re.compile(
    r"(?P<sign><=?|≤|unter|under|less than|fewer than|weniger als|moins de|menos de|meno di|minder dan|mniej niż|"
    r"poniżej|max\.?|up to|bis zu|jusqu'à|hasta|fino a|tot|até|do)\s*" + _N + rf"\s*{_UNIT}?"
)
_STRICTLY_BELOW = frozenset(
    {"<", "unter", "under", "less than", "fewer than", "weniger als", "moins de", "menos de", "meno di"}
    | {"minder dan", "mniej niż", "poniżej"}
)
_RANGE = re.compile(_N + r"\s*(?:-|–|—|to|bis|à|a|tot|até|do)\s*\d[\d.,'’ ]*" + rf"\s*{_UNIT}?")
_ABOUT = re.compile(
    r"(?:~|≈|ca\.?|circa|env\.?|environ|approx\.?|about|około|ok\.?)\s*" + _N + rf"\s*{_UNIT}?"
)
_PLAIN = re.compile(_N + rf"\s*{_UNIT}?")
_TRAILING_MINUS = re.compile(r"(\d[\d.,'’ ]*)-|\((\d[\d.,'’ ]*)\)")
_WORDED = re.compile(r"(?P<before>[^\d<>~()\[\]:+-]*)[\s:(\[]*" + _N + r"[\s)\]]*(?P<after>[^\d<>~+-]*)")


def read_quantity(text: str, rules: QuantityRules) -> Quantity:
    """The quantity a cell states, rounded so that we never promise more than it does.

    Blank and "N/A" are unknown (None), never zero. ">100", "10+" and "5-10" give the lower bound with
    `is_at_least`. "<5" and "up to 5" give 1: a supplier who has none writes 0 ("<1" gives 0). Fractions
    are floored. Worked: read_quantity("10+", QuantityRules()) == Quantity(10, is_at_least=True).
    Raises CellFault: unknown_quantity, ambiguous_number, number_format, bad_number, negative_quantity,
    absurd_quantity.
    """
    if text.isascii() and text.isdigit():
        return _finish(Decimal(text), text, rules)
    folded = fold(text)
    if not folded or folded in UNKNOWN_WORDS:
        return Quantity(None)
    if folded in rules.words:
        return Quantity(rules.words[folded], is_word=True)
    if (meaning := STOCK_WORDS.get(folded)) is not None:
        return _said(meaning, rules)
    if (found := _PLAIN.fullmatch(folded)) is not None:
        return _finish(_number(found["n"], rules), text, rules)
    if (found := _TRAILING_MINUS.fullmatch(folded)) is not None:
        return _finish(-_number(found[1] or found[2], rules), text, rules)
    if (
        found := _AT_LEAST.fullmatch(folded) or _PLUS.fullmatch(folded) or _RANGE.fullmatch(folded)
    ) is not None:
        return _finish(_number(found["n"], rules), text, rules, is_at_least=True)
    if (found := _UP_TO.fullmatch(folded)) is not None:
        most = _number(found["n"], rules) - (1 if found["sign"] in _STRICTLY_BELOW else 0)
        return Quantity(1 if most >= 1 else 0, note="upper_bound")
    if (found := _ABOUT.fullmatch(folded)) is not None:
        return _finish(_number(found["n"], rules), text, rules, note="approximate")
    if (found := _WORDED.fullmatch(folded)) is not None:
        words = {word.strip(" .,!:") for word in (found["before"], found["after"])} - {""}
        if all(STOCK_WORDS.get(w) in ("in", "low") or w in STOCK_NOUNS for w in words):
            return _finish(_number(found["n"], rules), text, rules)
    if (meaning := stock_word(text)) is not None:
        return _said(meaning, rules)
    raise CellFault("unknown_quantity", f"“{_short(text)}” is neither a number nor a known stock word.")


def _said(meaning: Meaning, rules: QuantityRules) -> Quantity:
    return Quantity({"in": None, "low": rules.low_stock_units, "out": 0}[meaning], is_word=True)


def _number(text: str, rules: QuantityRules) -> Decimal:
    return read_number(text.strip(), rules.decimal)


def _finish(
    value: Decimal, text: str, rules: QuantityRules, *, is_at_least: bool = False, note: str = ""
) -> Quantity:
    if abs(value) > ABSURD_UNITS:
        raise CellFault(
            "absurd_quantity", f"“{_short(text)}” is more than {ABSURD_UNITS:,} units: is it another column?"
        )
    if value < 0:
        if rules.negative == "fault":
            raise CellFault("negative_quantity", f"“{_short(text)}” is below zero.")
        return Quantity(0, note="negative_as_zero")
    units = int(value.to_integral_value(ROUND_FLOOR))
    return Quantity(units, is_at_least, note="fraction_floored" if units != value else note)


_LETTER = r"[^\W\d_]"
_MONEY_NOISE = re.compile(
    # A code, or what people write for it, beside the number or right at it; "us$" and its kind with their sign.
    rf"(?<!{_LETTER})(?:{'|'.join(sorted(CURRENCIES))}|zł|kč|kr|ft|lei|fr|(?:us|ca?|au?|nz|hk|s|mx|r)\$)\.?(?!{_LETTER})"
    r"|[€$£¥₹]"
)
_CENT = Decimal("0.0001")


def read_cost(text: str, decimal: Sign = "") -> Decimal | None:
    """A price or cost with up to four decimals; None when blank. Currency signs and codes are dropped.

    Raises CellFault: the number's faults, and bad_cost when negative or above 9,999,999,999.
    """
    folded = fold(text)
    if not folded or folded in UNKNOWN_WORDS:
        return None
    value = read_number(_MONEY_NOISE.sub("", folded).strip(), decimal)
    if value < 0 or value > 9_999_999_999:
        raise CellFault("bad_cost", f"“{_short(text)}” is not a cost.")
    return value.quantize(_CENT, ROUND_HALF_UP)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
