"""Which products to move to the end of a store's lists, and which to put back. Pure.

A product is moved when everything of it has been sold out for more than the rule's days. It is put back when
something of it can be bought again, when the rule is switched off, and when the rule became another one.
What stood there already, or was changed by somebody since, is left alone until it can be bought again.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    >>> rule = Rule("last", "", days_out=14)
    >>> mug = ProductFacts("17", 0, 2, 0, noon - timedelta(days=15))
    >>> plan([mug], [], rule, now=noon).move
    ('17',)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.ports.places import PlaceKind


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with products sold out for more than `days_out` days (≥ 1)."""

    kind: PlaceKind
    tag: str
    days_out: int


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """A product of the store with what it is made of.

    `sellable`, `unsellable` and `unknown` count its variants: what can be bought now, what cannot, and what
    nobody here knows of. `out_since` is since when the last of them cannot be bought, None where one of them
    never could.
    """

    product_id: str
    sellable: int
    unsellable: int
    unknown: int
    out_since: datetime | None


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """A product we moved, or leave alone. `step` as in `connector.catalog.tables.Place`, never "placing" or
    "returning": those are looked up in the store first."""

    place_id: int
    product_id: str
    kind: str
    tag: str
    step: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Products to move now (their ids, the longest sold out first), places to put back and places to think
    no more of (both by place id)."""

    move: tuple[str, ...]
    put_back: tuple[int, ...]
    forget: tuple[int, ...]


def plan(
    products: Sequence[ProductFacts],
    places: Sequence[PlaceFacts],
    rule: Rule | None,
    *,
    now: datetime,
    is_draft: bool = False,
) -> Plan:
    """What to do now; `rule` None puts everything back. A draft moves nothing, and what an earlier rule moved
    is put back as that one would. Deciding does nothing."""
    out = {one.product_id for one in products if one.sellable == 0}
    put_back, forget, taken = [], [], set()
    for place in places:
        is_rules = rule is not None and (is_draft or (place.kind, place.tag) == (rule.kind, rule.tag))
        # A product that is gone, or that nobody can see any more, has no place to keep.
        is_over = not is_rules or place.product_id not in out
        if is_over and place.step == "placed":
            put_back.append(place.place_id)
        elif is_over:
            forget.append(place.place_id)
        if is_rules:
            taken.add(place.product_id)
    if rule is None or is_draft:
        return Plan((), tuple(put_back), tuple(forget))
    due = [
        (one.out_since, one.product_id)
        for one in products
        if one.product_id not in taken and one.out_since is not None and is_due(one, rule, now)
    ]
    return Plan(tuple(product_id for _, product_id in sorted(due)), tuple(put_back), tuple(forget))


def is_due(product: ProductFacts, rule: Rule, now: datetime) -> bool:
    """Whether all of the product is known to be sold out for more than the rule's days."""
    return (
        product.sellable == 0
        and product.unknown == 0
        and product.unsellable > 0
        and product.out_since is not None
        and now - product.out_since > timedelta(days=rule.days_out)
    )
