"""Public holidays by country, from the `holidays` library, and the days somebody is closed on top of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache


@cache
def known_places() -> dict[str, tuple[str, ...]]:
    """The countries (ISO 3166, two letters) whose public holidays are known, each with its subdivisions."""
    import holidays  # takes a moment to load, and most processes never ask

    found = holidays.list_supported_countries(include_aliases=False)
    return {code: tuple(parts) for code, parts in sorted(found.items())}


@lru_cache(maxsize=2048)
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """The public holidays of one year; raises KeyError for a country or subdivision that is not known."""
    import holidays

    if subdivision and subdivision not in known_places()[country]:
        raise KeyError(subdivision)
    known_places()[country]
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))


@dataclass(frozen=True, slots=True)
class Closed:
    """A container of days: the public holidays of a place (`country` "": none) and `own` days."""

    country: str = ""
    subdivision: str = ""
    own: frozenset[date] = frozenset()

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        if day in self.own:
            return True
        return bool(self.country) and day in public_holidays(self.country, self.subdivision, day.year)


def closed(country: str = "", subdivision: str = "", own: Iterable[date] = ()) -> Closed:
    """The days somebody at this place does not work, weekends aside."""
    return Closed(country, subdivision, frozenset(own))
