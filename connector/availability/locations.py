"""Spreads what may be sold over the locations of one store. Pure.

Each written location is fed by the sources the merchant named for it, and no source feeds two. What its sources may
give is the most it ever shows. Where less may be sold than all of them give (a buffer, a cap), the fullest locations
show less first, so that a buffer never empties one place while another has units to spare.

Worked example: a warehouse with 8 and a wholesaler with 5 feed two locations, and 2 are kept back:

    >>> fed = Feeds(("here", "there"), {2: "there"})
    >>> split({1: 8, 2: 5}, fed, available=11, buffer_units=2).shown
    {'here': 6, 'there': 5}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Feeds:
    """How one store is fed. `places` are the locations Dispo writes, the default one first. `chosen` maps a source
    to the location it feeds, None: to none of this store; one that is not named feeds the default location.
    `counted_there` are sources that are read from a location of this very store, which sells them by itself: for
    them `chosen` names that location."""

    places: tuple[str, ...]
    chosen: Mapping[int, str | None] = field(default_factory=dict)
    counted_there: frozenset[int] = frozenset()

    def place_of(self, source_id: int) -> str | None:
        """The written location this source feeds; None where it feeds none here."""
        return self.chosen.get(source_id, self.places[0])

    def knows(self, place: str) -> bool:
        """Whether this location is written, or a source is read from it."""
        return place in self.places or place in self.chosen.values()


@dataclass(frozen=True, slots=True)
class Split:
    """What one store may sell of one variant. `fed` is what the sources of each written location give, `shown` what
    is written there (≤ `fed`). `there` units the store counts by itself, at locations we never write."""

    fed: Mapping[str, int]
    shown: Mapping[str, int]
    there: int

    @property
    def total(self) -> int:
        """What may be bought in this store."""
        return sum(self.shown.values()) + self.there


def split(units: Mapping[int, int], feeds: Feeds, *, available: int, buffer_units: int) -> Split:
    """Spread the `units` of each source that sells over the store's locations.

    `available` is what may be sold of the variant at all, `buffer_units` what is kept back of it. With T the units
    of this store's sources, S those the store counts by itself, the sum shown is
    max(0, min(T + S − buffer, available) − S); where the store's own part alone is more, nothing is added to it.
    """
    fed = dict.fromkeys(feeds.places, 0)
    there = 0
    for source_id, count in units.items():
        place = feeds.place_of(source_id)
        if source_id in feeds.counted_there:
            there += count
        elif place in fed:
            fed[place] += count
    return spread(fed, there, available=available, buffer_units=buffer_units)


def split_bundle(parts: Sequence[tuple[Split, int]], *, available: int, buffer_units: int) -> Split:
    """The split of a bundle whose parts are (split of the component, its units in one bundle).

    A bundle is packed at one location, so each has as many as its scarcest component there allows. What the store
    itself holds of the components it also packs itself.
    """
    places = list(parts[0][0].shown)
    fed = {place: min(part.shown.get(place, 0) // units for part, units in parts) for place in places}
    there = min(part.there // units for part, units in parts)
    return spread(fed, there, available=available, buffer_units=buffer_units)


def spread(fed: Mapping[str, int], there: int, *, available: int, buffer_units: int) -> Split:
    """As `split`, of what each location is fed."""
    target = max(0, min(sum(fed.values()) + there - buffer_units, available) - there)
    return Split(dict(fed), levelled(fed, target), there)


def levelled(fed: Mapping[str, int], target: int) -> dict[str, int]:
    """The numbers of `fed` lowered to the sum `target`, the fullest first; of equal ones the later gives first.

    >>> levelled({"a": 9, "b": 4, "c": 9}, 12)
    {'a': 4, 'b': 4, 'c': 4}
    >>> levelled({"a": 3, "b": 3}, 5)
    {'a': 3, 'b': 2}
    """
    if sum(fed.values()) <= target:
        return dict(fed)
    low, high = 0, max(fed.values())
    while low < high:
        # The lowest level at which the capped sum still reaches the target.
        level = (low + high) // 2
        if sum(min(units, level) for units in fed.values()) >= target:
            high = level
        else:
            low = level + 1
    shown = {place: min(units, low) for place, units in fed.items()}
    over = sum(shown.values()) - target
    for place in reversed(shown):
        if over and shown[place] == low:
            shown[place] -= 1
            over -= 1
    return shown


@dataclass(frozen=True, slots=True)
class Badge:
    """What shoppers of one store are told: as `connector.availability.facts.Decision` names it."""

    state: str
    shown_count: int | None
    restock_on: date | None
    restock_until: date | None


def badge_of(badge: Badge, found: Split, *, available: int, threshold: int) -> Badge:
    """What this store tells, where `badge` is what holds of the variant everywhere. It is only ever toned down: a
    store none of whose locations has any tells "out of stock", and a count is named only where it is all there is.
    """
    if available == 0 or found.total >= available:
        return badge
    if found.total == 0:
        return Badge("out_of_stock", None, None, None)
    is_low = badge.state == "in_stock" and found.total <= threshold
    return Badge("low_stock" if is_low else badge.state, None, badge.restock_on, badge.restock_until)
