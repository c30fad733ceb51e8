"""How a merchant ships: the settings, checked, kept with the moment from which they hold, and put to use.

Settings are JSON of the shape of `DeliveryRule`; the form and the command line both write that.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connector.availability.delivering import WEEKDAYS, Carrier, Days, Shipping
from connector.availability.facts import BookedIn
from connector.ports.errors import Misconfigured
from connector.positions.calendars import closed, known_places

MOST_HANDLING_DAYS = 60
MOST_CARRIER_DAYS = 90
MOST_SUPPLY_DAYS = 250
MOST_ZONES = 12
MOST_CLOSED = 366

Weekday = Annotated[int, Field(ge=0, le=6)]
Supply = Annotated[int, Field(ge=0, le=MOST_SUPPLY_DAYS)]
CarrierDays = Annotated[int, Field(ge=0, le=MOST_CARRIER_DAYS)]
Place = Annotated[str, Field(pattern=r"^([A-Z]{2})?$")]


class Zone(BaseModel):
    """Where a carrier goes, and how long it takes in its own working days. `countries` empty: everywhere that no
    other zone names. `holidays`: the country whose public holidays the carrier keeps, "" for none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=60)]
    countries: tuple[Annotated[str, Field(pattern="^[A-Z]{2}$")], ...] = ()
    least_days: CarrierDays
    most_days: CarrierDays
    weekdays: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(range(6))
    holidays: Place = ""

    @model_validator(mode="after")
    def _is_known(self) -> Zone:
        if self.least_days > self.most_days:
            raise ValueError("least_days is more than most_days")
        if self.holidays and self.holidays not in known_places():
            raise ValueError(f"no holidays are known for {self.holidays}")
        return self


class SourceCalendar(BaseModel):
    """On which days a supplier works. `country`: the one whose public holidays it keeps, "" for none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    weekdays: Annotated[frozenset[Weekday], Field(min_length=1)] = WEEKDAYS
    country: Place = ""
    closed_on: Annotated[tuple[date, ...], Field(max_length=MOST_CLOSED)] = ()

    @model_validator(mode="after")
    def _is_known(self) -> SourceCalendar:
        if self.country and self.country not in known_places():
            raise ValueError(f"no holidays are known for {self.country}")
        return self


class DeliveryRule(BaseModel):
    """How the merchant ships. `weekdays` are counted from Monday, 0. `making_days` is how long goods made to order
    take, None where nothing is promised for them. `source_days` are working days until goods of a source can be
    handled, by the source's id; a source without an entry needs none. The first zone is the one shown where nobody
    said where the parcel goes.

    `moves_restock_dates`: restock dates keep this calendar too, and that of their source where `source_calendars` has
    one, whether or not delivery dates are shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    is_on: bool = True
    handling_days: Annotated[int, Field(ge=0, le=MOST_HANDLING_DAYS)] = 1
    cut_off: time = time(14)
    weekdays: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(range(5))
    country: Place = ""
    subdivision: Annotated[str, Field(max_length=20)] = ""
    closed_on: Annotated[tuple[date, ...], Field(max_length=MOST_CLOSED)] = ()
    making_days: Supply | None = None
    source_days: dict[int, Supply] = Field(default_factory=dict)
    source_calendars: dict[int, SourceCalendar] = Field(default_factory=dict)
    moves_restock_dates: bool = True
    zones: Annotated[tuple[Zone, ...], Field(min_length=1, max_length=MOST_ZONES)]

    @model_validator(mode="after")
    def _is_known(self) -> DeliveryRule:
        places = known_places()
        if self.country and self.country not in places:
            raise ValueError(f"no holidays are known for {self.country}")
        if self.subdivision and self.subdivision not in places.get(self.country, ()):
            raise ValueError(f"{self.country or 'no country'} has no part {self.subdivision}")
        return self

    def zone(self, country: str = "") -> Zone | None:
        """The zone of a country; without one the first; None where nobody delivers."""
        if not country:
            return self.zones[0]
        named = (zone for zone in self.zones if country in zone.countries)
        return next(named, next((zone for zone in self.zones if not zone.countries), None))

    def shipping(self, place: ZoneInfo) -> Shipping:
        """The merchant's side of the arithmetic, at its place."""
        return Shipping(self.days(), self.handling_days, self.cut_off, place)

    def days(self) -> Days:
        """The days on which the merchant works."""
        return Days(self.weekdays, closed(self.country, self.subdivision, self.closed_on))

    def booked_in(self) -> BookedIn | None:
        """The calendar that restock dates keep; None where every day counts."""
        if not self.moves_restock_dates:
            return None
        return BookedIn(
            self.days(),
            {
                source: Days(one.weekdays, closed(one.country, own=one.closed_on))
                for source, one in self.source_calendars.items()
            },
        )

    @staticmethod
    def carrier(zone: Zone) -> Carrier:
        """The carrier's side."""
        return Carrier(Days(zone.weekdays, closed(zone.holidays)), zone.least_days, zone.most_days)


def checked(given: Any) -> DeliveryRule:
    """The settings given as JSON; raises Misconfigured that names the first field that is wrong."""
    try:
        return DeliveryRule.model_validate(given)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "rule"
        raise Misconfigured(
            "delivery",
            f"delivery settings, {where}",
            str(first["msg"]),
            field=where,
            remedy="Correct that field.",
        ) from exc


def rule_at(db: sa.Connection, merchant_id: int, at: datetime) -> DeliveryRule | None:
    """The settings in force at a moment; None where there were none, or they were switched off."""
    found = db.execute(
        sa.text("""
            select rule from delivery_rule where merchant_id = :m and valid_from <= :at
             order by valid_from desc limit 1
        """),
        {"m": merchant_id, "at": at},
    ).scalar_one_or_none()
    rule = DeliveryRule.model_validate(found) if found else None
    return rule if rule and rule.is_on else None


def kept_rule(db: sa.Connection, merchant_id: int) -> DeliveryRule | None:
    """The settings saved last, whether switched on or not; None without any."""
    found = db.execute(
        sa.text("select rule from delivery_rule where merchant_id = :m order by valid_from desc limit 1"),
        {"m": merchant_id},
    ).scalar_one_or_none()
    return DeliveryRule.model_validate(found) if found else None


def save_rule(db: sa.Connection, merchant_id: int, rule: DeliveryRule, *, actor: str, now: datetime) -> bool:
    """Keep these settings from `now` on; False where they are the present ones. Raises Misconfigured where
    `source_days` or `source_calendars` names a source that is not this merchant's."""
    if kept_rule(db, merchant_id) == rule:
        return False
    own = set(db.scalars(sa.text("select id from source where merchant_id = :m"), {"m": merchant_id}))
    for name in ("source_days", "source_calendars"):
        strange = sorted(set(getattr(rule, name)) - own)
        if not strange:
            continue
        raise Misconfigured(
            "delivery",
            f"delivery settings, {name}",
            f"there is no source {strange[0]}",
            field=name,
            remedy="Name sources by their ids, as `dispo delivery show` lists them.",
        )
    db.execute(
        sa.text("""
            insert into delivery_rule (merchant_id, valid_from, rule, actor)
            values (:m, :at, cast(:rule as jsonb), :actor)
                on conflict (merchant_id, valid_from) do update set rule = excluded.rule, actor = excluded.actor
        """),
        {"m": merchant_id, "at": now, "rule": json.dumps(rule.model_dump(mode="json")), "actor": actor},
    )
    return True
