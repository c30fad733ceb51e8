"""Which prices are written, in which order, and whose a price is. Pure.

>>> ours = Written(StorePrice(1900), StorePrice(2195), "open")
>>> whose(ours, StorePrice(2195)), whose(ours, StorePrice(1999))
('ours', 'theirs')
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from connector.availability.pricing import is_too_far
from connector.ports.prices import StorePrice
from connector.positions.price_history import DAYS
from connector.positions.prices import Judged

MOST_AT_ONCE = 50
MOST_SHARE = 4
"""More changes than this, and than one in four of a store's prices, are written only after another approval."""

Whose = Literal["ours", "before", "theirs"]


@dataclass(frozen=True, slots=True)
class Written:
    """What we wrote for a listing, or were about to, over what stood there; `first` stood there before anything of
    ours (None: `before`). `step` as in `connector.positions.price_tables.PriceWrite`."""

    before: StorePrice
    ours: StorePrice
    step: str
    written_at: datetime | None = None
    first: StorePrice | None = None


def whose(written: Written | None, present: StorePrice) -> Whose:
    """Whose price a store shows: ours, the one from before us, or somebody else's since. Before we wrote anything
    a price is the merchant's to have changed by us, except while they have the item on sale."""
    if written is None:
        return "theirs" if present.was_minor is not None else "before"
    if present == written.ours:
        return "ours"
    # A call that was lost, or refused, may have left what was there.
    is_open = written.step in ("writing", "undoing", "refused")
    return "before" if is_open and present == written.before else "theirs"


@dataclass(frozen=True, slots=True)
class Due:
    """A price that the rules want otherwise. `is_far`: too far from the present one to be written unseen."""

    one: Judged
    is_far: bool

    @property
    def danger(self) -> tuple[Decimal, int]:
        """The larger the change, the more dangerous; of equals a cut before a rise."""
        old, new = self.one.price, self.one.proposal.price or Decimal(0)
        if not old or not new:
            return Decimal("Infinity"), 0
        return max(old / new, new / old), int(new < old)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written into one store now: `due`, the most dangerous first, of `listings` prices that we may
    write. `theirs` and `refused` are left alone."""

    due: tuple[Due, ...]
    listings: int
    theirs: int = 0
    refused: int = 0

    @property
    def far(self) -> int:
        """How many go too far to be written unseen."""
        return sum(one.is_far for one in self.due)

    @property
    def cuts(self) -> int:
        """How many become cheaper."""
        return sum((one.one.proposal.price or 0) < one.one.price for one in self.due)

    @property
    def digest(self) -> str:
        """What was seen: approving it holds for these listings and prices and no others."""
        said = sorted(f"{one.one.listing_id} {one.one.price} {one.one.proposal.price}" for one in self.due)
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:32]


def plan(
    judged: Iterable[Judged], written: Mapping[int, Written], minor: Callable[[Decimal, str], int]
) -> Plan:
    """What the rules want of these listings. `minor` turns an amount of a currency into minor units."""
    due, theirs, refused, listings = [], 0, 0, 0
    for one in judged:
        listings += 1
        row = written.get(one.listing_id)
        if row is not None and row.step == "theirs":
            theirs += 1
            continue
        if one.proposal.state not in ("change", "held") or one.proposal.price is None:
            continue
        wanted = minor(one.proposal.price, one.currency)
        if row is not None and row.step == "refused" and row.ours.price_minor == wanted:
            # Asked for again only once another price is wanted.
            refused += 1
            continue
        due.append(Due(one, is_too_far(one.proposal, one.rule)))
    due.sort(key=lambda found: (*(-value for value in found.danger), found.one.listing_id))
    return Plan(tuple(due), listings, theirs, refused)


Held = Literal["", "rules", "many", "far"]


@dataclass(frozen=True, slots=True)
class Permission:
    """What an approval still covers: the rules it was given for, so many changes, and whether far ones."""

    rules_digest: str
    allowed: int
    allows_far: bool


def permitted(found: Plan, permission: Permission, rules_digest: str) -> tuple[Sequence[Due], Held, int]:
    """What of a plan may be written now; else why the rest waits, and how many it is.

    Other rules than those approved hold everything. A mass of changes holds everything that it is beyond the
    approval; single far ones wait by themselves.
    """
    if not found.due:
        return (), "", 0
    if permission.rules_digest != rules_digest:
        return (), "rules", len(found.due)
    # What an approval covers is used up by what was written since.
    may_go_far = permission.allows_far and found.far <= permission.allowed
    ready = [one for one in found.due if may_go_far or not one.is_far]
    if len(ready) > max(MOST_AT_ONCE, found.listings // MOST_SHARE, permission.allowed):
        return (), "many", len(found.due)
    waiting = len(found.due) - len(ready)
    return ready, "far" if waiting else "", waiting


def was_for(new: int, present: StorePrice, lowest: int | None, shows_was: bool) -> int | None:
    """The price beside a reduced one: the lowest of thirty days that are all known, where that is higher."""
    if not shows_was or lowest is None or new >= present.price_minor or lowest <= new:
        return None
    return lowest


def is_was_over(written: Written, shows_was: bool, now: datetime) -> bool:
    """Whether a struck-through price of ours has to go: not wanted any more, or thirty days old, when the reduced
    price is itself the lowest of thirty days."""
    if written.step != "open" or written.ours.was_minor is None or written.written_at is None:
        return False
    return not shows_was or now - written.written_at >= timedelta(days=DAYS)


def digest_of(rules: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """A name for price rules as they are: other rules have another one."""
    said = sorted([level, subject, dict(says)] for (level, subject), says in rules.items())
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]
