"""When an alert may reach somebody (pure): quiet hours, the hours and days of SMS, and how many a day.

Times are the shopper's own where their zone is known, else the merchant's. Only alerts wait; a confirmation that
somebody just asked for and messages about an order do not.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from connector.shoppers.policy import ShopperPolicy

_SUNDAY = 6
FIRST_DAY_LIMIT = 200
"""Alerts of a new sender's first day; each day twice as many."""


def zone_of(*names: str) -> ZoneInfo:
    """The first of these zones that exists, else UTC."""
    for name in names:
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")


def may_go_at(
    now: datetime, zone: ZoneInfo, channel: str, policy: ShopperPolicy, country: str = ""
) -> datetime:
    """The earliest moment from `now` (aware) at which an alert may be handed over; `now` itself where it may be.

    SMS and push only inside their hours, SMS besides not on Sundays nor on a public holiday of `country` (two
    letters; "" or unknown: no holiday is known). Mail waits for the end of the quiet hours where there are any.
    """
    local = now.astimezone(zone)
    if channel == "email":
        start, end = policy.quiet_from, policy.quiet_until
        if start is None or end is None or start == end or not _is_within(local.time(), start, end):
            return now
        return _at(local.date() if local.time() < end else local.date() + timedelta(days=1), end, zone, now)
    day = local.date()
    if local.time() >= policy.sms_until:
        day += timedelta(days=1)
    while channel == "sms" and (day.weekday() == _SUNDAY or _is_holiday(day, country)):
        day += timedelta(days=1)
    if day == local.date() and local.time() >= policy.sms_from:
        return now
    return _at(day, policy.sms_from, zone, now)


def warm_up_limit(today: date, policy: ShopperPolicy) -> int | None:
    """How many alerts may leave today while a new sender's name is made; None: no limit (any more)."""
    if policy.warms_up_from is None:
        return None
    days = (today - policy.warms_up_from).days
    return FIRST_DAY_LIMIT * 2 ** max(0, days) if days < 14 else None


def _is_within(moment: time, start: time, end: time) -> bool:
    return start <= moment < end if start < end else moment >= start or moment < end


def _at(day: date, moment: time, zone: ZoneInfo, now: datetime) -> datetime:
    return max(now, datetime.combine(day, moment, zone).astimezone(now.tzinfo))


def _is_holiday(day: date, country: str) -> bool:
    return bool(country) and day in _holidays(country)


@cache
def _holidays(country: str) -> holidays.HolidayBase:
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return holidays.HolidayBase()
