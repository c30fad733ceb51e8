"""Which currency a list gives its costs in, as far as it says so. PURE.

It says so in a column of its own, or beside the number. A sign that several countries use ("$") says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from connector.intake.lexicon import CURRENCIES, header_words

UNCLEAR = "XXX"
"""ISO 4217's code for no currency: a list that names several."""

_HEADERS = frozenset(
    """currency,currency code,cost currency,price currency,iso currency,devise,code devise,monnaie,wahrung
wahrungscode,moneda,divisa,valuta,codice valuta,moeda,waluta""".replace("\n", ",").split(",")
)
_SIGNS = {"€": "EUR", "£": "GBP", "zł": "PLN", "Kč": "CZK", "₹": "INR"}
_WORD = re.compile(r"[A-Za-z]{3}")


def currency_column(columns: Sequence[str]) -> int:
    """The place of the column that names currencies; -1 where there is none, or more than one."""
    found = [place for place, name in enumerate(columns) if header_words(name) in _HEADERS]
    return found[0] if len(found) == 1 else -1


def code_of(text: str) -> str:
    """The currency that a cell names, "" where it names none for sure."""
    codes = {code for sign, code in _SIGNS.items() if sign in text}
    codes |= {word.upper() for word in _WORD.findall(text) if word.lower() in CURRENCIES}
    return codes.pop() if len(codes) == 1 else ""


def told(seen: Collection[str], before: str, is_whole: bool) -> str:
    """The currency of a source's costs after a list that named `seen`; `before` is what was known. `is_whole`: every
    line was read; else only those that changed were, and the others still are in `before`."""
    if not seen:
        return before
    if len(seen) > 1:
        return UNCLEAR
    code = next(iter(seen))
    return code if is_whole or before in ("", code) else UNCLEAR
