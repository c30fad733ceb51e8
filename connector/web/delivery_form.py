"""Reads the form of delivery settings: each field checked, each problem said beside its field. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from connector.ports.errors import Misconfigured
from connector.positions import shipping
from connector.positions.calendars import known_places
from connector.positions.shipping import DeliveryRule, Zone, checked

Say = Callable[..., str]

WEEKS: Mapping[str, frozenset[int]] = {
    "0-4": frozenset(range(5)),
    "0-5": frozenset(range(6)),
    "0-6": frozenset(range(7)),
}
"""The carrier's weeks that the form offers; another one is kept as it is (set by the command line)."""


@dataclass(slots=True)
class ReadDelivery:
    """The settings, or None and what is wrong in words, by field."""

    rule: DeliveryRule | None = None
    errors: dict[str, str] = field(default_factory=dict)


def shown(rule: DeliveryRule | None, country: str, name: str) -> dict[str, str]:
    """The form's fields for these settings; without any, what is usual in `country`, nothing promised yet."""
    rule = rule or DeliveryRule(
        is_on=False,
        country=country,
        zones=(Zone(name=name, least_days=1, most_days=3, holidays=country),),
    )
    found = {
        "is_on": "1" if rule.is_on else "",
        "handling_days": str(rule.handling_days),
        "cut_off": rule.cut_off.strftime("%H:%M"),
        "country": rule.country,
        "subdivision": rule.subdivision,
        "closed_on": "\n".join(day.isoformat() for day in sorted(rule.closed_on)),
        "making_days": "" if rule.making_days is None else str(rule.making_days),
    }
    found |= {f"day{day}": "1" for day in rule.weekdays}
    found["moves_restock_dates"] = "1" if rule.moves_restock_dates else ""
    found |= {f"source{source}": str(days) for source, days in rule.source_days.items()}
    for source, calendar in rule.source_calendars.items():
        found |= {
            f"source{source}_week": _week(calendar.weekdays),
            f"source{source}_country": calendar.country,
            f"source{source}_closed": " ".join(day.isoformat() for day in sorted(calendar.closed_on)),
        }
    for number, zone in enumerate(rule.zones):
        found |= {
            f"zone{number}_name": zone.name,
            f"zone{number}_countries": ", ".join(zone.countries),
            f"zone{number}_least": str(zone.least_days),
            f"zone{number}_most": str(zone.most_days),
            f"zone{number}_week": _week(zone.weekdays),
            f"zone{number}_holidays": zone.holidays,
        }
    return found


def zone_rows(values: Mapping[str, str]) -> range:
    """The rows of zones to offer: those with something in them, and an empty one."""
    used = [
        n for n in range(shipping.MOST_ZONES) if values.get(f"zone{n}_name") or values.get(f"zone{n}_least")
    ]
    return range(min(shipping.MOST_ZONES, (used[-1] + 2) if used else 1))


def read_delivery(form: Mapping[str, str], source_ids: Iterable[int], say: Say) -> ReadDelivery:
    """The settings of a posted form. `say` translates. A zone without a name is left out."""
    _, found = say, ReadDelivery()
    given: dict[str, Any] = {
        "is_on": form.get("is_on") == "1",
        "moves_restock_dates": form.get("moves_restock_dates") == "1",
        "weekdays": [day for day in range(7) if form.get(f"day{day}") == "1"],
        "handling_days": _whole(found, form, "handling_days", shipping.MOST_HANDLING_DAYS, _),
    }
    if not given["weekdays"]:
        found.errors["weekdays"] = _("Choose at least one day.")
    try:
        given["cut_off"] = time.fromisoformat(form.get("cut_off", "").strip()[:5])
    except ValueError:
        found.errors["cut_off"] = _("Enter a time like 14:00.")
    given["country"] = _country(found, form, "country", _)
    part = form.get("subdivision", "").strip()[:20]
    parts = known_places().get(given["country"], ())
    if part and part not in parts:
        known = ", ".join(parts) or _("none")
        found.errors["subdivision"] = _("This country has no such part. It has: %(parts)s.", parts=known)
    given["subdivision"] = part
    given["closed_on"] = _closed(found, form, "closed_on", _)
    given["making_days"] = (
        _whole(found, form, "making_days", shipping.MOST_SUPPLY_DAYS, _)
        if form.get("making_days", "").strip()
        else None
    )
    source_ids = list(source_ids)
    given["source_calendars"] = {
        source: calendar
        for source in source_ids
        if (calendar := _calendar(found, form, f"source{source}", _)) is not None
    }
    given["source_days"] = {
        source: days
        for source in source_ids
        if form.get(f"source{source}", "").strip()
        and (days := _whole(found, form, f"source{source}", shipping.MOST_SUPPLY_DAYS, _))
    }
    given["zones"] = [
        zone for number in range(shipping.MOST_ZONES) if (zone := _zone(found, form, number, _)) is not None
    ]
    if not given["zones"] and not found.errors:
        found.errors["zone0_name"] = _("Name at least one place you deliver to.")
    if not found.errors:
        try:
            found.rule = checked(given)
        except Misconfigured as error:  # a rule about several fields at once
            found.errors[error.field] = error.cause
    return found


def _zone(found: ReadDelivery, form: Mapping[str, str], number: int, _: Say) -> dict[str, Any] | None:
    name = " ".join(form.get(f"zone{number}_name", "").split())[:60]
    if not name:
        return None
    least = _whole(found, form, f"zone{number}_least", shipping.MOST_CARRIER_DAYS, _)
    most = _whole(found, form, f"zone{number}_most", shipping.MOST_CARRIER_DAYS, _)
    if least is not None and most is not None and least > most:
        found.errors[f"zone{number}_most"] = _("This is less than the quickest.")
    countries = form.get(f"zone{number}_countries", "").upper().replace(",", " ").split()
    if any(len(code) != 2 or not code.isascii() or not code.isalpha() for code in countries):
        found.errors[f"zone{number}_countries"] = _("Enter codes of two letters, like FR, BE, LU.")
    weekdays = _weekdays(form.get(f"zone{number}_week", "0-5"))
    return {
        "name": name,
        "countries": countries,
        "least_days": least,
        "most_days": most,
        "weekdays": sorted(weekdays or WEEKS["0-5"]),
        "holidays": _country(found, form, f"zone{number}_holidays", _),
    }


def _calendar(found: ReadDelivery, form: Mapping[str, str], name: str, _: Say) -> dict[str, Any] | None:
    """A supplier's calendar; None where its days are not known."""
    weekdays = _weekdays(form.get(f"{name}_week", ""))
    country, closed = _country(found, form, f"{name}_country", _), _closed(found, form, f"{name}_closed", _)
    if not weekdays and not country and not closed:
        return None
    if not weekdays:
        found.errors[f"{name}_week"] = _("Choose the days it works, or clear its holidays.")
        return None
    return {"weekdays": sorted(weekdays), "country": country, "closed_on": closed}


def _weekdays(week: str) -> frozenset[int]:
    return WEEKS[week] if week in WEEKS else frozenset(int(day) for day in week if day in "0123456")


def _week(weekdays: frozenset[int]) -> str:
    named = next((name for name, days in WEEKS.items() if days == weekdays), "")
    return named or " ".join(str(day) for day in sorted(weekdays))


def _whole(found: ReadDelivery, form: Mapping[str, str], name: str, most: int, _: Say) -> int | None:
    text = form.get(name, "").strip()
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most:
        return int(text)
    found.errors[name] = _("Enter a whole number from %(least)s to %(most)s.", least=0, most=most)
    return None


def _country(found: ReadDelivery, form: Mapping[str, str], name: str, _: Say) -> str:
    code = form.get(name, "").strip()
    if code and code not in known_places():
        found.errors[name] = _("Choose a place from the list.")
        return ""
    return code


def _closed(found: ReadDelivery, form: Mapping[str, str], name: str, _: Say) -> list[date]:
    days = []
    for word in form.get(name, "").replace(",", " ").split():
        try:
            days.append(date.fromisoformat(word))
        except ValueError:
            found.errors[name] = _(
                "“%(word)s” is no date. Write days like 2026-12-24, one a line.", word=word[:30]
            )
            return []
    if len(days) > shipping.MOST_CLOSED:
        found.errors[name] = _("At most %(most)s days.", most=shipping.MOST_CLOSED)
    return sorted(set(days))
