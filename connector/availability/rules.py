"""The merchant's rules at every level, and which of them holds for one variant. Pure.

The nearest level that says something wins, field by field: the item itself, then its collections, then its
suppliers, then the merchant. Where an item is in several collections, or bought from several suppliers, that
disagree, the more careful one wins: the larger buffer and threshold, the smaller cap, the stricter way with silent
stock. Of several collections all must allow a backorder; of several suppliers one that delivers later is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from connector.availability.sourcing import STALE_POLICIES, STRATEGIES, Policy

Level = Literal["merchant", "supplier", "collection", "sku"]
LEVELS: tuple[Level, ...] = ("sku", "collection", "supplier", "merchant")
"""The nearest first."""

MOST_UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class RuleField:
    """One thing a rule may say. `kind` is "units", "number", "yes" or "choice"; `least` and `most` bound numbers.
    `default` holds where nobody says anything. `levels` are those at which it makes sense."""

    name: str
    kind: str
    default: Any
    least: int = 0
    most: int = MOST_UNITS
    choices: tuple[str, ...] = ()
    levels: tuple[Level, ...] = LEVELS


_NEAR: tuple[Level, ...] = ("sku", "collection", "merchant")
FIELDS: Mapping[str, RuleField] = {
    one.name: one
    for one in (
        RuleField("buffer_units", "units", 0),
        RuleField("cap_units", "units", None),
        RuleField("low_stock_threshold", "units", 3),
        RuleField("allows_backorder", "yes", False),
        RuleField("strategy", "choice", "sum", choices=STRATEGIES, levels=_NEAR),
        RuleField("adds_own", "yes", True, levels=_NEAR),
        RuleField("stable_hours", "number", 24, 1, 720, levels=_NEAR),
        RuleField("cheaper_percent", "number", 3, 0, 90, levels=_NEAR),
        RuleField("stale", "choice", "hide_date", choices=STALE_POLICIES),
        RuleField("shrink_percent", "number", 10, 1, 100),
        RuleField("is_own", "yes", None, levels=("supplier",)),
        RuleField("priority", "number", None, 1, 999, levels=("supplier",)),
        RuleField("score", "number", None, 0, 100, levels=("supplier",)),
    )
}
IN_MERCHANT = ("buffer_units", "cap_units", "low_stock_threshold", "allows_backorder")
"""What the merchant's own settings page keeps; the merchant's rule says the other fields."""

Says = Mapping[str, Any]

# Which of several values that disagree is the more careful one. Choices are listed with the careful last.
_CAREFUL: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "buffer_units": max,
    "cap_units": min,
    "low_stock_threshold": max,
    "allows_backorder": all,
    "strategy": lambda said: min(said, key=("priority", "best_score", "fastest", "cheapest", "sum").index),
    "adds_own": all,
    "stable_hours": max,
    "cheaper_percent": max,
    "stale": lambda said: max(said, key=STALE_POLICIES.index),
    "shrink_percent": max,
}


_ONE_BY_ONE = ("stale", "shrink_percent")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value of each field for one variant, and which level said it ("default" where nobody did)."""

    values: Says
    levels: Mapping[str, str]


def resolve(sku: Says, collections: Sequence[Says], suppliers: Sequence[Says], merchant: Says) -> Resolved:
    """What holds for a variant under the rules of each level ({} where a level says nothing).

    Worked example: the merchant keeps back 1, a supplier 4, two collections 2 and 3: 3 are kept back, because the
    collections are nearer and the more careful of them counts.
    """
    values: dict[str, Any] = {}
    levels: dict[str, str] = {}
    for name, one in FIELDS.items():
        if name not in _CAREFUL:
            continue
        values[name], levels[name] = one.default, "default"
        for level, rules in (
            ("sku", (sku,)),
            ("collection", collections),
            ("supplier", suppliers),
            ("merchant", (merchant,)),
        ):
            if level == "supplier" and name in _ONE_BY_ONE:
                continue
            said = [rule[name] for rule in rules if rule.get(name) is not None]
            if said:
                careful = any if (name, level) == ("allows_backorder", "supplier") else _CAREFUL[name]
                values[name], levels[name] = careful(said), level
                break
    return Resolved(values, levels)


def stale_policy(resolved: Resolved, supplier: Says) -> tuple[str, int]:
    """What becomes of one supplier's stock past its limit, and the share per day in percent. Suppliers are judged
    one by one here: its own rule counts where nothing nearer says something."""
    values = [
        said
        if (said := supplier.get(name)) is not None and resolved.levels[name] not in ("sku", "collection")
        else resolved.values[name]
        for name in ("stale", "shrink_percent")
    ]
    return values[0], values[1]


def policy_of(resolved: Resolved) -> Policy:
    """The strategy in force."""
    said = resolved.values
    return Policy(
        said["strategy"], said["adds_own"], timedelta(hours=said["stable_hours"]), said["cheaper_percent"]
    )


def problem(level: str, name: str, value: Any) -> str:
    """Why a rule of `level` may not say this, in words; "" where it may."""
    one = FIELDS.get(name)
    if one is None:
        return f"There is no rule called {name!r}; there are {', '.join(FIELDS)}."
    if level not in one.levels:
        return f"{name} cannot be said of a {level}, only of a {' or '.join(one.levels)}."
    if level == "merchant" and name in IN_MERCHANT:
        return f"{name} for everything is kept in the settings, not in a rule."
    if one.kind == "yes":
        return "" if isinstance(value, bool) else f"{name} is yes or no, not {value!r}."
    if one.kind == "choice":
        return "" if value in one.choices else f"{name} is one of {', '.join(one.choices)}, not {value!r}."
    if isinstance(value, bool) or not isinstance(value, int) or not one.least <= value <= one.most:
        return f"{name} is a whole number from {one.least} to {one.most}, not {value!r}."
    return ""


def read_text(name: str, text: str) -> Any:
    """The value that `text` (of a form, a command line, a CSV cell) stands for; the text itself where it stands for
    none, which `problem` then refuses."""
    one, said = FIELDS.get(name), text.strip()
    if one is None or one.kind == "choice":
        return said
    if one.kind == "yes":
        return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(
            said.casefold(), said
        )
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else said
