"""Reads the settings form: each field checked, each problem said beside its field. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from connector.accounts.merchants import AccountError, normal_address
from connector.i18n import locales

Say = Callable[..., str]

MOST_UNITS = 1_000_000


@dataclass(slots=True)
class Read:
    """The values that are fine, and for the others what is wrong in words, by field."""

    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def read_rules(form: Mapping[str, str], say: Say) -> Read:
    """The rules of a posted form. `say` translates."""
    _ = say
    found = Read()
    _whole(found, form, "buffer_units", 0, MOST_UNITS, _)
    _whole(found, form, "low_stock_threshold", 0, MOST_UNITS, _)
    _whole(found, form, "ads_dwell_s", 0, 86_400, _)
    _whole(found, form, "ads_blast_limit", 1, 100_000, _)
    if form.get("cap_units", "").strip():
        _whole(found, form, "cap_units", 0, MOST_UNITS, _)
    else:
        found.values["cap_units"] = None
    for name in ("shows_count", "allows_backorder"):
        found.values[name] = form.get(name) == "1"
    _claim_rate(found, form, _)
    _choice(found, form, "locale", frozenset(locales()), _("Choose one of the languages."))
    _choice(found, form, "timezone", frozenset(available_timezones()), _("Choose a place from the list."))
    _texts(found, form, _)
    return found


def _whole(found: Read, form: Mapping[str, str], name: str, least: int, most: int, _: Say) -> None:
    text = form.get(name, "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most:
        found.values[name] = int(text)
    else:
        found.errors[name] = _("Enter a whole number from %(least)s to %(most)s.", least=least, most=most)


def _claim_rate(found: Read, form: Mapping[str, str], _: Say) -> None:
    text = form.get("claim_rate", "").strip().removesuffix("%").strip()
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 100:
        found.values["claim_rate"] = (Decimal(int(text)) / 100).quantize(Decimal("0.0001"))
    else:
        found.errors["claim_rate"] = _("Enter a whole number from %(least)s to %(most)s.", least=1, most=100)


def _choice(found: Read, form: Mapping[str, str], name: str, known: frozenset[str], problem: str) -> None:
    value = form.get(name, "")
    if value in known:
        found.values[name] = value
    else:
        found.errors[name] = problem


def _texts(found: Read, form: Mapping[str, str], _: Say) -> None:
    sender = " ".join(form.get("sender_name", "").split())
    if len(sender) > 100:
        found.errors["sender_name"] = _("At most 100 characters.")
    else:
        found.values["sender_name"] = sender
    reply_to = form.get("reply_to", "").strip()
    try:
        found.values["reply_to"] = normal_address(reply_to) if reply_to else ""
    except AccountError:
        found.errors["reply_to"] = _("This does not look like an e-mail address. Please check it.")
    address = form.get("privacy_url", "").strip()
    if not address or _is_web_address(address):
        found.values["privacy_url"] = address
    else:
        found.errors["privacy_url"] = _("Enter a web address that begins with https://")


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:  # an address in brackets that is none
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and address.isprintable()
