"""Margins, floors and price proposals. Pure; all sums are `Decimal` in whole units of one currency.

    net    = price / (1 + tax)     where prices include tax, else the price
    margin = net − cost;           margin in percent = margin / net · 100
    floor  = the least price whose margin reaches the floor:
             max(cost / (1 − percent / 100), cost + amount), with tax where prices include it
    wanted = cost · (1 + markup / 100) + amount, with tax; never below the floor; then rounded, and where that
             would fall below the floor, rounded up

Worked example: cost 10.00, 20 % tax included, markup 80 %, endings of .95: 10 · 1.8 · 1.2 = 21.60, which becomes
21.95; its margin is 21.95 / 1.2 − 10 = 8.29, or 45.3 % of the net price.

    >>> rule = PriceRule(markup_percent=Decimal(80), rounding="0.95")
    >>> tax = Tax(is_included=True, percent=Decimal(20))
    >>> propose(Decimal("19.95"), Decimal(10), rule, tax, 2).price
    Decimal('21.95')
    >>> margin(Decimal("21.95"), Decimal(10), tax).percent.quantize(Decimal("0.1"))
    Decimal('45.3')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any, Literal

Rounding = Literal["none", "0.05", "0.95", "0.99", "1"]
ROUNDINGS: Mapping[str, tuple[Decimal, Decimal]] = {
    "0.05": (Decimal("0.05"), Decimal(0)),
    "0.95": (Decimal(1), Decimal("0.95")),
    "0.99": (Decimal(1), Decimal("0.99")),
    "1": (Decimal(1), Decimal(0)),
}
"""The step from one allowed price to the next, and the first of them."""
MOST_PERCENT = Decimal(10_000)

State = Literal["same", "change", "held", "no_rule"]
BelowFloor = Literal["alert", "stop"]
BELOW_FLOOR: tuple[BelowFloor, ...] = ("alert", "stop")
"""What is done with a product that sells below its floor: said, or also not sold until its margin is back."""
TOO_FAR_PERCENT = Decimal(50)
"""A change beyond this is never written unseen where no rule says how far is too far."""


@dataclass(frozen=True, slots=True)
class Tax:
    """Whether shop prices include tax, and how much. Costs never do."""

    is_included: bool = False
    percent: Decimal = Decimal(0)

    @property
    def factor(self) -> Decimal:
        """What a net price is multiplied with to be the shop's."""
        return 1 + self.percent / 100 if self.is_included else Decimal(1)


@dataclass(frozen=True, slots=True)
class PriceRule:
    """What is said of a price; None where nothing is. A markup is a percentage of the cost and an amount, either
    or both; a floor a margin in percent of the net price (below 100) and an amount, of which the higher counts.
    A change of more than `most_change_percent` of the present price is held. `below_floor` None: "alert"."""

    markup_percent: Decimal | None = None
    markup_amount: Decimal | None = None
    floor_percent: Decimal | None = None
    floor_amount: Decimal | None = None
    rounding: Rounding | None = None
    most_change_percent: Decimal | None = None
    below_floor: BelowFloor | None = None

    @property
    def has_markup(self) -> bool:
        """Whether a price is proposed at all."""
        return self.markup_percent is not None or self.markup_amount is not None

    @property
    def has_floor(self) -> bool:
        """Whether selling too low can be told."""
        return self.floor_percent is not None or self.floor_amount is not None


NAMES = tuple(one.name for one in fields(PriceRule))
TEXTS: Mapping[str, tuple[str, ...]] = {"rounding": ("none", *ROUNDINGS), "below_floor": BELOW_FLOOR}
"""What of a rule is no number, with its values."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What is left of a price: `amount`, and `percent` of the net price (None for a price of 0)."""

    amount: Decimal
    percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a price should be. "same": as it is; "change": another; "held": another, and too far from the present
    one to be changed unseen; "no_rule": nothing says how. `change_percent` is of the present price, None without."""

    state: State
    price: Decimal | None = None
    change_percent: Decimal | None = None


def margin(price: Decimal, cost: Decimal, tax: Tax) -> Margin:
    """The margin of this price at this cost."""
    net = price / tax.factor
    return Margin(net - cost, (net - cost) / net * 100 if net else None)


def floor_price(cost: Decimal, rule: PriceRule, tax: Tax, digits: int) -> Decimal | None:
    """The least price that keeps the floor, rounded up to the currency's `digits`; None without a floor."""
    if not rule.has_floor:
        return None
    nets = [cost]
    if rule.floor_percent is not None:
        nets.append(cost / (1 - rule.floor_percent / 100))
    if rule.floor_amount is not None:
        nets.append(cost + rule.floor_amount)
    return (max(nets) * tax.factor).quantize(Decimal(1).scaleb(-digits), ROUND_CEILING)


def round_price(price: Decimal, rounding: Rounding | None, least: Decimal, digits: int) -> Decimal:
    """The nearest allowed price, upwards at equal distance, that is not below `least` and above 0. An ending that
    the currency's `digits` cannot write is left out."""
    step, first = ROUNDINGS.get(rounding or "none", (Decimal(1).scaleb(-digits), Decimal(0)))
    smallest = Decimal(1).scaleb(-digits)
    if step % smallest or first % smallest:
        step, first = smallest, Decimal(0)
    below = ((price - first) / step).to_integral_value(ROUND_FLOOR) * step + first
    found = below if price - below < below + step - price else below + step
    if found < least or found <= 0:
        most = max(least, smallest)
        found = ((most - first) / step).to_integral_value(ROUND_CEILING) * step + first
    return found.quantize(smallest, ROUND_HALF_UP)


def propose(present: Decimal | None, cost: Decimal, rule: PriceRule, tax: Tax, digits: int) -> Proposal:
    """What the price should be by this rule. Without a markup only a price below the floor is lifted to it."""
    floor = floor_price(cost, rule, tax, digits)
    if rule.has_markup:
        wanted = cost * (1 + (rule.markup_percent or Decimal(0)) / 100) + (rule.markup_amount or Decimal(0))
        price = max(wanted * tax.factor, floor or Decimal(0))
    elif floor is not None and present is not None and present < floor:
        price = floor
    else:
        return Proposal("no_rule" if floor is None else "same", present)
    price = round_price(price, rule.rounding, floor or Decimal(0), digits)
    if present is None or not present:
        return Proposal("change", price)
    change = (price - present) / present * 100
    if price == present:
        return Proposal("same", price, Decimal(0))
    is_far = rule.most_change_percent is not None and abs(change) > rule.most_change_percent
    return Proposal("held" if is_far else "change", price, change)


def is_too_far(proposal: Proposal, rule: PriceRule) -> bool:
    """Whether a proposed price is too far from the present one to be written without being seen: beyond what the
    rule says, else beyond TOO_FAR_PERCENT, and always where there is no present price."""
    if proposal.state == "held" or proposal.change_percent is None:
        return True
    return rule.most_change_percent is None and abs(proposal.change_percent) > TOO_FAR_PERCENT


def nearest(levels: Sequence[Mapping[str, Any]]) -> PriceRule:
    """The rule that `levels` say, from the nearest (a product) to the farthest (everything): each value is the
    first one said. Markup and floor are each taken whole from one level: 50 % here and 2.00 there are not added."""
    said: dict[str, Any] = {}
    for names in (
        ("markup_percent", "markup_amount"),
        ("floor_percent", "floor_amount"),
        ("rounding",),
        ("most_change_percent",),
        ("below_floor",),
    ):
        for level in levels:
            if any(level.get(name) is not None for name in names):
                said |= {name: level.get(name) for name in names}
                break
    return PriceRule(**{name: _value(name, value) for name, value in said.items()})


def _value(name: str, value: Any) -> Any:
    return value if name in TEXTS or value is None else Decimal(str(value))
