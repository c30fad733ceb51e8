"""What the columns of one file say about each other, before each is given a field. PURE.

A header alone is often true of two columns ("Stock" and "Free stock", two price lists, two dates). Which one is
meant shows in the others: what may be sold is never more than what is there, the merchant pays less than his
shopper, a date of return stands where nothing is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from connector.intake.profile import Profile
from connector.intake.scores import FIELDS

_PLACE = {name: index for index, name in enumerate(FIELDS)}
_COST, _PRICE, _QUANTITY, _NAME = (_PLACE[name] for name in ("cost", "price", "quantity", "name"))
_MARKED = frozenset({"COST", "RETAIL", "GROSS", "OLD"})
_LIST_NUMBER = re.compile(r"^(.*?\D)\W?0?(\d)$")

Table = list[list[float]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One column as it was read: what its header means, and what its cells look like, row by row."""

    header: str
    ideas: frozenset[str]
    unknown: int
    profile: Profile
    numbers: tuple[float | None, ...]
    is_filled: tuple[bool, ...]


def weigh_together(seen: Sequence[Seen], table: Table) -> None:
    """Change the scores (one row a column, one place a field of FIELDS) by what the other columns say."""
    if not seen:
        return
    _weigh_words(seen, table)
    _weigh_units(seen, table)
    _weigh_codes(seen, table)
    _weigh_stocks(seen, table)
    _weigh_dates(seen, table)
    _weigh_names(seen, table)
    _weigh_prices(seen, table)


def _weigh_words(seen: Sequence[Seen], table: Table) -> None:
    """Stock words beside a column of numbers only repeat it; on their own they are the quantity."""
    availability = _PLACE["availability"]
    numeric = [c for c, one in enumerate(seen) if one.profile.integer > 0.6 and table[c][_QUANTITY] > 0.5]
    for c, one in enumerate(seen):
        profile, scores = one.profile, table[c]
        others = any(n != c for n in numeric)
        if profile.flag > 0.9 and not one.ideas & {"STOCK", "AVAIL", "QTY"}:
            # "Yes" and "no" answer the question of the header; a header that asks no such one is not ours.
            scores[_QUANTITY] -= 4
            scores[availability] -= 3
        elif profile.integer < 0.6 and profile.stock_word > 0.6 and scores[_QUANTITY] > -1 and numeric:
            scores[availability] = max(scores[availability], scores[_QUANTITY])
            scores[_QUANTITY] -= 4
        elif profile.flag > 0.9 and one.ideas & {"STOCK", "AVAIL"} and "OTHER" not in one.ideas and others:
            if profile.few and profile.distinct * profile.count <= 2:
                scores[availability] = max(scores[availability], 2.0)
                scores[_QUANTITY] -= 4
        elif not numeric and profile.few:
            scores[availability] -= 6


def _weigh_units(seen: Sequence[Seen], table: Table) -> None:
    """A few units of measure and nothing else are the unit, whatever else the header says beside it."""
    unit = _PLACE["unit"]
    if not any(scores[unit] > 0 for scores in table):
        for c, one in enumerate(seen):
            if one.profile.unit > 0.9 and one.profile.few and one.ideas & {"UNIT", "QTY", "PACK"}:
                table[c][unit] = 1.4


def _weigh_codes(seen: Sequence[Seen], table: Table) -> None:
    """A supplier's own number is the item's code where there is no other; so is a bare "Article" whose
    values are codes beside a column of names."""
    sku, supplier_sku = _PLACE["sku"], _PLACE["supplier_sku"]
    for c, one in enumerate(seen):
        is_bare = "ITEM" in one.ideas and not one.ideas - {"ITEM", "STYLE"} and not one.unknown
        is_code = one.profile.distinct > 0.9 and one.profile.spaced == 0 and one.profile.count > 2
        if is_bare and is_code and any("NAME" in o.ideas and table[n][_NAME] > 0 for n, o in enumerate(seen)):
            table[c][sku] += 1.0
    if not any(scores[sku] > max(0.0, scores[supplier_sku]) for scores in table if scores[sku] > 0.8):
        for c, one in enumerate(seen):
            # Product feeds call the item's code "id"; a bare number would be the row of a database.
            if one.ideas == {"ID"} and one.profile.coded > 0.8 and one.profile.distinct > 0.9:
                table[c][sku] += 0.7
    if not any(scores[sku] > max(0.0, scores[supplier_sku]) for scores in table):
        for c, one in enumerate(seen):
            if table[c][supplier_sku] > 0 and "MAKER" not in one.ideas:
                table[c][sku] = table[c][supplier_sku] + 1.0
                table[c][supplier_sku] -= 1.0


def _weigh_stocks(seen: Sequence[Seen], table: Table) -> None:
    """What may be sold goes before what is there: where one column says "free" or "available" and is never
    more than another, the other is the physical stock."""
    likely = [c for c in range(len(seen)) if table[c][_QUANTITY] > 0 and seen[c].profile.integer > 0.6]
    free = [c for c in likely if seen[c].ideas & {"AVAIL", "FREE"}]
    for c in likely:
        if c not in free and any(_is_never_above(seen[f], seen[c]) for f in free):
            table[c][_QUANTITY] -= 1.5


def _weigh_dates(seen: Sequence[Seen], table: Table) -> None:
    """A date that stands mostly where nothing is left is the date of return; of two dates the earlier one
    by far is when something was bought or changed."""
    restock = _PLACE["restock_on"]
    dates = [c for c, one in enumerate(seen) if one.profile.date > 0.8]
    stocks = [c for c in range(len(seen)) if table[c][_QUANTITY] > 1 and seen[c].profile.number > 0.6]
    stock = max(stocks, key=lambda c: table[c][_QUANTITY], default=None)
    for c in dates:
        if stock is not None and _stands_at_zero(seen[c], seen[stock]):
            table[c][restock] += 2.0
        elif stock is not None and table[c][restock] < 0.5 and _stands_at_stock(seen[c], seen[stock]):
            # Who writes a date beside what he has says when it came, or changed.
            table[c][restock] -= 1.0
        day = seen[c].profile.day
        later = [d for d in dates if day is not None and (seen[d].profile.day or 0) > day + 30]
        if later:
            table[c][restock] -= 1.5


def _stands_at_zero(date: Seen, stock: Seen) -> bool:
    empty = [f for f, n in zip(date.is_filled, stock.numbers, strict=True) if n is not None and n <= 0]
    rest = [f for f, n in zip(date.is_filled, stock.numbers, strict=True) if n is not None and n > 0]
    if len(empty) < 2 or len(rest) < 3:
        return False
    return sum(empty) >= 0.6 * len(empty) and sum(rest) <= 0.35 * len(rest)


def _stands_at_stock(date: Seen, stock: Seen) -> bool:
    rest = [f for f, n in zip(date.is_filled, stock.numbers, strict=True) if n is not None and n > 0]
    return len(rest) >= 3 and sum(rest) > 0.9 * len(rest)


def _weigh_names(seen: Sequence[Seen], table: Table) -> None:
    """The name is the short text and not the description; of several as short (one a language) the first."""
    likely = [c for c in range(len(seen)) if table[c][_NAME] > 0 and seen[c].profile.count]
    if not likely:
        return
    shortest = min(seen[c].profile.length for c in likely)
    best = max(table[c][_NAME] for c in likely)
    near = [c for c in likely if seen[c].profile.length <= 1.5 * shortest and table[c][_NAME] > best - 1.5]
    if not near:
        return
    for c in likely:
        if c != near[0] and len(likely) > 1:
            table[c][_NAME] -= 1.5
    if len(likely) == 1 and "NAME" not in seen[likely[0]].ideas and not seen[likely[0]].ideas:
        # Nothing else in the file reads like a name.
        table[likely[0]][_NAME] += 0.6


def _weigh_prices(seen: Sequence[Seen], table: Table) -> None:
    """A bare "price" beside a retail price is what the merchant pays, beside a cost what his shopper pays;
    and whoever pays, the cost is not above the price."""
    likely = [c for c in range(len(seen)) if max(table[c][_COST], table[c][_PRICE]) > -0.7]
    plain = [c for c in likely if not seen[c].ideas & _MARKED]
    for c in plain:
        others = [o for o in likely if o != c]
        is_retail = any("RETAIL" in seen[o].ideas or "GROSS" in seen[o].ideas for o in others)
        is_cost = any("COST" in seen[o].ideas for o in others)
        if is_retail and not is_cost and any(_is_below(seen[c], seen[o]) for o in others):
            table[c][_COST] += 3.5
            table[c][_PRICE] -= 2.0
        elif is_cost and not is_retail:
            table[c][_PRICE] += 1.0
            table[c][_COST] -= 1.5
    if len(likely) == len(plain) == 2:
        for low, high in (plain, plain[::-1]):
            if _is_below(seen[low], seen[high]):
                table[low][_COST] += 1.2
                table[low][_PRICE] -= 1.2
                table[high][_PRICE] += 0.4
    for a in likely:
        # Sale prices are blank for most items, the price is not.
        filled = seen[a].profile.filled
        if seen[a].profile.count and filled < 0.7 and len(likely) > 1:
            table[a][_PRICE] -= 1.5 * (1 - filled)
        for b in likely:
            if a != b and table[a][_COST] > 0 and table[b][_PRICE] > 0 and _is_below(seen[b], seen[a]):
                table[a][_COST] -= 1.0
                table[b][_PRICE] -= 1.0
    _prefer_the_first_list(seen, table, likely)


def _prefer_the_first_list(seen: Sequence[Seen], table: Table, likely: Iterable[int]) -> None:
    """Of price lists told apart by a number only ("VK1", "VK2") the lowest is the ordinary one."""
    lists: dict[str, list[tuple[int, int]]] = {}
    for c in likely:
        if found := _LIST_NUMBER.match(seen[c].header.strip()):
            lists.setdefault(found[1].casefold().strip(), []).append((int(found[2]), c))
    for members in lists.values():
        for _, c in sorted(members)[1:]:
            table[c][_PRICE] -= 1.5
            table[c][_COST] -= 1.5


def _is_below(low: Seen, high: Seen) -> bool:
    return _hold(low, high, lambda a, b: a < b)


def _is_never_above(low: Seen, high: Seen) -> bool:
    return _hold(low, high, lambda a, b: a <= b)


def _hold(low: Seen, high: Seen, test: Callable[[float, float], bool]) -> bool:
    """Whether nine in ten rows with both numbers (three at least) stand the test."""
    pairs = [
        (a, b) for a, b in zip(low.numbers, high.numbers, strict=True) if a is not None and b is not None
    ]
    return len(pairs) >= 3 and sum(test(a, b) for a, b in pairs) >= 0.9 * len(pairs)
