"""What the ideas of a header say for and against each field. PURE: numbers only.

Scores are log-odds: +2.2 is "nine times as likely", 0 says nothing. They were set on the tuning sets of
`benchmarks/mapping_guess.py`, which measures them on sets kept apart.
"""

from __future__ import annotations

from functools import lru_cache

from connector.intake.headers import HEADERS
from connector.intake.lexicon import header_words, ideas_of

FIELDS = (
    "sku",
    "gtin",
    "supplier_sku",
    "quantity",
    "restock_on",
    "lead_time",
    "cost",
    "price",
    "moq",
    "pack_size",
    "location",
    "name",
    "currency",
    "unit",
    "availability",
    "discontinued",
)
"""What a column can be. The first three identify an item; quantity is required."""

READ_FIELDS = FIELDS[:11]
"""Those that reading a file uses; the others tell the merchant what the rest of his file is."""

Rule = tuple[float, str, str]
"""(score, ideas that must be there, ideas that must not), ideas separated by spaces. The first that fits counts."""

_NOT_CODE = (
    "QTY STOCK PRICE COST RETAIL DATE PACK MOQ MIN MAX OTHER CURRENCY LEAD RESTOCK UNIT "
    "LOCATION BIN STATUS ORDER TAX PAST MEASURE"
)

_RULES: dict[str, tuple[Rule, ...]] = {
    "sku": (
        (-3.0, "PARENT", ""),
        (-4.0, "GTIN", "SKU"),
        (1.5, "SUPPLIER SKU", _NOT_CODE),
        (-1.0, "SUPPLIER", ""),
        (-1.0, "MAKER", ""),
        (5.2, "SKU OURS", ""),
        (5.0, "SKU", _NOT_CODE),
        (4.8, "ITEM NUM OURS", _NOT_CODE),
        (4.6, "NUM OURS", _NOT_CODE),
        (4.4, "OURS", _NOT_CODE + " NAME LOCATION"),
        (4.6, "ITEM NUM", _NOT_CODE),
        (3.9, "STYLE NUM", _NOT_CODE),
        (3.6, "STOCK NUM", "QTY PRICE COST LOCATION MIN MAX RESERVED INCOMING OTHER STATUS"),
        (3.9, "NUM", _NOT_CODE + " NAME LOCATION"),
        (2.4, "ITEM ID", _NOT_CODE),
        (2.2, "ITEM", _NOT_CODE + " NAME LOCATION"),
        (2.0, "STYLE", _NOT_CODE + " NAME"),
        (1.6, "ID", _NOT_CODE),
        # Codes under a header that names something else are something else's codes.
        *(
            (-3.0, idea, "NUM SKU ITEM ID")
            for idea in ("NAME", "OTHER", "PAST", "LOCATION", "BIN", "CURRENCY")
        ),
    ),
    "supplier_sku": (
        (-4.0, "GTIN", ""),
        (5.0, "MAKER NUM", "OTHER PRICE QTY"),
        (4.8, "MAKER SKU", ""),
        (4.8, "SUPPLIER SKU", ""),
        (4.8, "SUPPLIER NUM", "OTHER PRICE QTY DATE"),
        (4.2, "SUPPLIER STYLE", "OTHER PRICE QTY DATE NAME"),
        (4.2, "SUPPLIER ITEM", "OTHER PRICE QTY DATE NAME"),
        (3.0, "MAKER", "NAME OTHER"),
        (1.0, "SUPPLIER", "NAME OTHER"),
    ),
    "gtin": (
        (-1.0, "GTIN PACK", "UNIT"),
        (1.0, "GTIN PACK", ""),
        (4.6, "GTIN", ""),
    ),
    "quantity": (
        (-6.0, "QTY ORDER", "AVAIL"),
        *(
            (-6.0, idea, "")
            for idea in ("RESERVED", "INCOMING", "ALERT", "MOQ", "PER", "OLD", "OTHER", "GTIN", "TAX", "PAST")
        ),
        (-6.0, "MEASURE", "STOCK AVAIL"),
        (-6.0, "DELIVERY QTY", "AVAIL"),
        (-5.0, "LEAD", ""),
        (-5.0, "TIME", "STOCK AVAIL"),
        (-5.0, "MIN", ""),
        (-5.0, "MAX", ""),
        (-4.0, "PRICE", ""),
        (-4.0, "COST", ""),
        (-4.0, "RESTOCK", ""),
        (-4.0, "DATE", ""),
        (-4.0, "DISCONTINUED", ""),
        (-4.0, "NUM STOCK", ""),
        (4.0, "PACK AVAIL", ""),
        (4.0, "PACK STOCK", ""),
        (-4.0, "PACK", ""),
        (5.6, "STOCK AVAIL", ""),
        (5.6, "QTY AVAIL", ""),
        (5.4, "STOCK FREE", ""),
        (5.4, "QTY FREE", ""),
        (5.2, "AVAIL HAND", ""),
        (3.0, "STOCK HAND", ""),
        (2.8, "HAND", ""),
        (-1.0, "LOCATION NUM", ""),
        (2.0, "AVAIL FROM", ""),
        (4.9, "AVAIL", ""),
        (4.7, "STOCK QTY", ""),
        (4.5, "STOCK STATUS", ""),
        (4.2, "STOCK LOCATION", ""),
        (4.6, "STOCK", "NAME"),
        (2.6, "FREE", ""),
        (4.4, "QTY", ""),
        (2.6, "STATUS", ""),
        (1.5, "UNIT", ""),
    ),
    "restock_on": (
        (-4.0, "OTHER", ""),
        (-4.0, "PAST", ""),
        (-5.0, "QTY", ""),
        (-3.0, "STOCK", "RESTOCK DATE"),
        (4.6, "RESTOCK DATE", ""),
        (4.6, "AVAIL DATE", ""),
        (4.4, "AVAIL FROM", ""),
        (4.4, "DELIVERY FROM", ""),
        (4.2, "DELIVERY DATE", ""),
        (4.4, "INCOMING DATE", ""),
        (4.2, "RESTOCK DELIVERY", ""),
        (4.4, "RESTOCK AVAIL", ""),
        (3.8, "RESTOCK", "PRICE COST"),
        (2.0, "INCOMING", ""),
        # "Delivery week": its values tell a day from a time.
        (3.0, "DELIVERY TIME", ""),
        (3.0, "AVAIL TIME", ""),
        (1.6, "DELIVERY", ""),
        (0.8, "DATE", ""),
    ),
    "lead_time": (
        (-4.0, "OTHER", ""),
        (4.6, "LEAD", "QTY"),
        (4.4, "DELIVERY TIME", ""),
        (2.0, "DELIVERY", "DATE"),
        (1.2, "TIME", ""),
    ),
    "cost": (
        (-4.0, "OLD", ""),
        # "Price/pc" is the price of one; a bare count beside a cost word is none.
        (-4.0, "QTY", "PRICE"),
        (-4.0, "STOCK", ""),
        (-5.0, "DELIVERY", "PRICE"),
        (-5.0, "PACK", "PRICE COST"),
        (-5.0, "MEASURE", "PRICE COST"),
        (-5.0, "OTHER", "PRICE COST"),
        (-5.0, "TAX", "PRICE COST NET"),
        (-2.0, "COST RETAIL GROSS", ""),
        (4.8, "COST PRICE", "RETAIL"),
        (3.6, "COST PRICE RETAIL", ""),
        (4.6, "COST", "NUM OTHER SKU STYLE NAME"),
        (-2.0, "RETAIL", ""),
        (-1.0, "GROSS", ""),
        (3.6, "PRICE NET", ""),
        (3.2, "PRICE SUPPLIER", ""),
        (2.9, "NET", "OTHER"),
        (1.6, "PRICE", ""),
    ),
    "price": (
        (-4.0, "OLD", ""),
        (-4.0, "QTY", "PRICE"),
        (-4.0, "STOCK", ""),
        (-5.0, "DELIVERY", "PRICE"),
        (-5.0, "PACK", "PRICE"),
        (-5.0, "MEASURE", "PRICE RETAIL"),
        (-5.0, "OTHER", "PRICE RETAIL"),
        (-5.0, "TAX", "PRICE RETAIL GROSS"),
        (4.8, "RETAIL PRICE", "COST"),
        (0.5, "RETAIL COST", ""),
        (4.6, "RETAIL", "COST ORDER QTY RESERVED NAME"),
        (4.4, "PRICE GROSS", ""),
        (-2.0, "COST", ""),
        (3.4, "GROSS", ""),
        (2.2, "PRICE NET", ""),
        (0.2, "PRICE SUPPLIER", ""),
        (3.4, "PRICE", ""),
    ),
    "moq": (
        (5.0, "MOQ", ""),
        (-4.0, "MIN STOCK", "ORDER"),
        (-4.0, "ALERT", ""),
        (5.0, "MIN ORDER", ""),
        (4.8, "MIN QTY", ""),
        (-4.0, "MIN PRICE", ""),
        (2.8, "MIN", ""),
        (0.6, "ORDER UNIT", ""),
    ),
    "pack_size": (
        (-5.0, "GTIN", ""),
        (-5.0, "PRICE", ""),
        (-5.0, "COST", ""),
        (-5.0, "STOCK", "UNIT"),
        (-5.0, "AVAIL", ""),
        (-3.0, "MIN", ""),
        (4.8, "PACK QTY", ""),
        (4.8, "PACK PER", ""),
        (4.8, "PACK UNIT", ""),
        (4.4, "PACK", "OTHER NUM ORDER"),
        (3.8, "PACK OTHER", ""),
        (2.6, "QTY PER", ""),
    ),
    "location": (
        (-3.0, "QTY", ""),
        (-3.0, "AVAIL", ""),
        (-3.0, "HAND", ""),
        (-3.0, "INCOMING", ""),
        (-3.0, "RESERVED", ""),
        (-3.0, "DATE", ""),
        (-2.0, "STATUS", ""),
        (4.4, "LOCATION", "PRICE COST RETAIL"),
        (0.0, "BIN", ""),
    ),
    "name": (
        (-4.0, "OTHER", "NAME ITEM"),
        (-3.0, "SUPPLIER", ""),
        (-3.0, "MAKER", ""),
        (-3.0, "LOCATION", ""),
        (-3.0, "PARENT", ""),
        (4.6, "NAME ITEM", ""),
        (4.4, "NAME", "NUM PRICE CURRENCY"),
        (2.2, "ITEM", "NUM ID SKU QTY STOCK PRICE COST RETAIL STATUS GTIN"),
        (1.0, "STYLE", "NUM SKU"),
        (0.0, "OTHER", ""),
    ),
    "currency": ((4.8, "CURRENCY", "PRICE COST RETAIL"), (3.4, "CURRENCY", "")),
    "unit": (
        (-4.0, "GTIN", ""),
        (-2.0, "PACK", ""),
        (-4.0, "PRICE", ""),
        (-4.0, "COST", ""),
        (-4.0, "QTY", "UNIT"),
        (4.6, "UNIT", "STOCK ORDER AVAIL PER"),
    ),
    "availability": (
        (-4.0, "DISCONTINUED", ""),
        (2.4, "AVAIL", "DATE FROM"),
        (2.4, "STOCK STATUS", ""),
        (1.6, "STATUS", ""),
    ),
    "discontinued": ((5.2, "DISCONTINUED", "DATE"),),
}

_PARSED: dict[str, tuple[tuple[float, frozenset[str], frozenset[str]], ...]] = {
    name: tuple((score, frozenset(yes.split()), frozenset(no.split())) for score, yes, no in rules)
    for name, rules in _RULES.items()
}


_LISTED = 3.8
"""A header that is listed whole in `headers`, where its words say nothing."""


@lru_cache(maxsize=50_000)
def header_score(name: str, header: str) -> float:
    """What a header says for field `name`: below 0 where it names something else, 0 when nothing."""
    ideas, _ = ideas_of(header)
    for score, needed, refused in _PARSED[name]:
        if needed <= ideas and not refused & ideas:
            return score
    return _LISTED if header_words(header) in HEADERS.get(name, ()) else 0.0
