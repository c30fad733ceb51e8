"""What the plans of this installation allow: a file of the operator's own, read once at the start. Pure.

    without_plan = "free"        # what holds for a shop that has chosen no plan

    [plans.free]                 # the handle of the plan, as in the platform's dashboard
    name = "Free"                # what merchants read; the handle when it is left out
    suppliers = 1                # a limit that is left out is none
    listings = 500

    [plans.pro]
    name = "Pro"

Plans limit only what a merchant may *start*. No limit is ever asked for by what protects: see `caps`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Feature = Literal["stores", "suppliers", "listings"]
FEATURES: tuple[Feature, ...] = get_args(Feature)
Limits = Mapping[Feature, int]
"""Feature → how many; a feature that is missing has no limit."""

STARTS: Mapping[str, Feature] = {
    "store.connect": "stores",
    "supplier.connect": "suppliers",
    "listing.manage": "listings",
}
"""The only acts that a plan may stop, and the limit each is held against."""

MOST = 1_000_000_000


class PlansError(ValueError):
    """A catalogue that cannot be used: the `problem`, and what would do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem} {remedy}")


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan: its `handle` on the platform, its `name` for people, and its `limits`."""

    handle: str
    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The operator's plans by handle. `without` holds for a shop that has chosen none."""

    plans: Mapping[str, Plan]
    without: Plan

    def plan(self, handle: str) -> Plan | None:
        """The plan with this handle, whatever its case; None for one that the file does not know."""
        return self.plans.get(handle.strip().casefold())


def caps(act: str) -> Feature | None:
    """The limit that may stop an act, None for one that no plan ever stops.

    Whatever is no start of something new is never stopped: lowering a number, pausing an advertisement,
    resuming it, a webhook, a comparison, an unsubscription, an erasure.

    >>> caps("store.connect"), caps("store.quantity")
    ('stores', None)
    """
    return STARTS.get(act)


def room(limits: Limits, feature: Feature, used: int) -> int | None:
    """How many more may be started, never below 0; None: any number.

    >>> room({"suppliers": 3}, "suppliers", 2), room({"suppliers": 3}, "suppliers", 9), room({}, "stores", 9)
    (1, 0, None)
    """
    limit = limits.get(feature)
    return None if limit is None else max(0, limit - used)


def excess(limits: Limits, feature: Feature, used: int) -> int:
    """How many run beyond the limit; they go on.

    >>> excess({"suppliers": 1}, "suppliers", 4), excess({}, "suppliers", 4)
    (3, 0)
    """
    limit = limits.get(feature)
    return 0 if limit is None else max(0, used - limit)


def most_generous(each: list[Limits]) -> Limits:
    """For each feature the highest limit among several; none where one of them has none. `[]` limits nothing.

    >>> most_generous([{"stores": 1, "suppliers": 2}, {"stores": 3}])
    {'stores': 3}
    """
    found: dict[Feature, int] = {}
    for feature in FEATURES:
        values = [limits.get(feature) for limits in each]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            found[feature] = max(known)
    return found


def read_catalogue(path: Path) -> Catalogue:
    """The plans in a TOML file; raises PlansError that names what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PlansError(
            f"The file {str(path)!r} cannot be read ({type(exc).__name__}).",
            "Name a TOML file as docs/plans.md shows, or leave the setting empty.",
        ) from exc
    return parse_catalogue(text)


def parse_catalogue(text: str) -> Catalogue:
    """The plans in the text of such a file; raises PlansError."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise PlansError(f"It is not TOML: {exc}.", "Write it as docs/plans.md shows.") from exc
    _known("the file", said, ("without_plan", "plans"))
    tables = said.get("plans")
    if not isinstance(tables, dict) or not tables:
        raise PlansError("It names no plan.", "Add a table for each plan, such as [plans.free].")
    plans: dict[str, Plan] = {}
    for handle, table in tables.items():
        if handle.casefold() in plans:
            raise PlansError(f"The plan {handle!r} stands there twice.", "Handles differ by more than case.")
        plans[handle.casefold()] = _plan(handle, table)
    without = said.get("without_plan")
    if not isinstance(without, str) or without.casefold() not in plans:
        raise PlansError(
            f"without_plan is {without!r}, which is none of its plans."
            if without
            else "without_plan is missing.",
            f"Name what holds for a shop that has chosen no plan: one of {', '.join(tables)}.",
        )
    return Catalogue(plans, plans[without.casefold()])


def _plan(handle: str, table: Any) -> Plan:
    where = f"the plan {handle!r}"
    if not isinstance(table, dict):
        raise PlansError(f"{where.capitalize()} is no table.", f"Write it as [plans.{handle}].")
    _known(where, table, ("name", *FEATURES))
    name = table.get("name", handle)
    if not isinstance(name, str) or not name.strip() or len(name) > 80:
        raise PlansError(f"The name of {where} is not a text of 1 to 80 characters.", 'As in name = "Pro".')
    limits: dict[Feature, int] = {}
    for feature in FEATURES:
        if feature not in table:
            continue
        limit = table[feature]
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= MOST:
            raise PlansError(
                f"{feature} of {where} is {limit!r}, not a whole number from 0 to {MOST:,}.",
                "Leave it out where there shall be no limit.",
            )
        limits[feature] = limit
    return Plan(handle, name.strip(), limits)


def _known(where: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in table:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(names)}."
            raise PlansError(f"There is no {name!r} in {where}.", remedy)
