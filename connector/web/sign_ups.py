"""Reads a posted sign-up, holds it against the limits, and says what is answered; the storefront renders it.

What a machine fills in, or sends sooner than anybody could type, is answered like a good sign-up and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from connector.i18n import gettext
from connector.shoppers import addresses
from connector.shoppers.addresses import AddressInvalid
from connector.shoppers.offer import (
    CONSENT_WITH_TEXTS,
    MARKETING_VERSION,
    consent_text,
    marketing_text,
    offer_at,
)
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.subscribe import Answer, UnknownListing, find_place, subscribe
from connector.web.sign_up_limits import SignUpLimits

FIELDS = ("id", "email", "units", "lang", "consent", "website", "any", "marketing", "zone", "took")
_STATUS: Mapping[Answer, int] = {"check_mail": 200, "check_phone": 200, "in_stock": 409, "discontinued": 410}


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: its name in ANSWERS, the HTTP status, the item's page in the shop, and when to try again."""

    answer: str
    status: int
    back: str = ""
    retry_after_s: int = 0


def sign_up(
    rt: ShopperRuntime,
    limits: SignUpLimits,
    public_key: str,
    posted: Mapping[str, Any],
    client: str,
    locale: str,
) -> Said:
    """Sign up by the fields of a form or of JSON (names in FIELDS); `client` is the network address it came from."""
    fields = {name: str(posted.get(name) or "") for name in FIELDS}
    try:
        with rt.engine.connect() as db:
            place = find_place(db, public_key, fields["id"])
            offer = offer_at(db, place.merchant_id, place.connection_id, place.product_id, place.policy)
    except UnknownListing:
        return Said("unknown_item", 404)
    wait_s = limits.retry_after_s(public_key, client)
    if wait_s:
        return Said("too_many", 429, place.url, wait_s)
    version = fields["consent"]
    if not offer.allows(version):
        return Said("no_consent", 422, place.url)
    # Who saw a form that speaks of e-mail alone has not agreed to text messages.
    countries = offer.countries if version == CONSENT_WITH_TEXTS else ()
    try:
        reach = addresses.read(fields["email"], countries)
    except AddressInvalid:
        return Said("bad_address" if not countries else "bad_reach", 422, place.url)
    if offer.refuses_disposable and reach.channel == "email" and addresses.is_disposable(reach.key):
        return Said("disposable", 422, place.url)
    wait_s = limits.address_retry_after_s(public_key, reach.key, reach.channel)
    if wait_s:
        return Said("too_many", 429, place.url, wait_s)
    units = fields["units"]
    found = subscribe(
        rt,
        place,
        address=fields["email"],
        locale=locale,
        wanted_units=int(units) if units.isascii() and units.isdigit() and len(units) < 4 else 1,
        consent_text=consent_text(place.seller, locale, version),
        consent_version=version,
        honeypot=fields["website"] or ("hasty" if limits.is_hasty(fields["took"]) else ""),
        offer=offer if countries else replace(offer, countries=()),
        wants_any=fields["any"] == "1",
        marketing_text=(
            marketing_text(place.seller, locale) if fields["marketing"] == MARKETING_VERSION else ""
        ),
        time_zone=fields["zone"],
    )
    return Said(found, _STATUS[found], place.url)


# Functions rather than texts, so that the words are found by the extractor and said in the reader's language.
ANSWERS: dict[str, Any] = {
    "check_mail": lambda _: _("Almost done: we have sent you an e-mail. Please open it and confirm."),
    "check_phone": lambda _: _(
        "Almost done: we have sent you a text message. Please open its link and confirm."
    ),
    "in_stock": lambda _: _("Good news: this item is in stock now. Please reload the page."),
    "discontinued": lambda _: _("This item is no longer sold, so there is nothing to wait for."),
    "unknown_item": lambda _: _("This shop or item is not known here. Please reload the page and try again."),
    "bad_address": lambda _: _("This does not look like an e-mail address. Please check it."),
    "bad_reach": lambda _: _(
        "This is neither an e-mail address nor a mobile number that we can write to. Please check it."
    ),
    "disposable": lambda _: _("This address is thrown away after a while. Please use one that you read."),
    "no_consent": lambda _: _("This form is out of date. Please reload the page and try again."),
    "too_many": lambda _: _("Too many requests at the moment. Please try again in a few minutes."),
    "too_large": lambda _: _("This request is too large."),
    "bad_request": lambda _: _("This request cannot be read. Please reload the page and try again."),
}


def words_of(answer: str, locale: str) -> str:
    """An answer in the reader's language."""
    return str(ANSWERS[answer](gettext(locale)))
