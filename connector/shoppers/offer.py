"""What a shop's form offers beside an e-mail address, and the texts somebody agrees to there.

The form of a page knows an address and a consent; what a merchant switched on besides (text messages, any variant of
the product, offers and news) is told to the script with the badge facts. The consent's version says which words were
shown, so that what is kept as proof is what was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from babel.core import get_global

from connector.accounts.tables import Merchant
from connector.catalog.tables import Listing
from connector.i18n import gettext
from connector.shoppers.media import ways
from connector.shoppers.policy import ShopperPolicy, policy_of
from connector.shoppers.words import script_words

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_LISTING = Listing.__table__  # type: ignore[attr-defined]

CONSENT_VERSION = "2026-11"
CONSENT_WITH_TEXTS = "2026-11-sms"
MARKETING_VERSION = "2026-11"


@dataclass(frozen=True, slots=True)
class Offer:
    """`countries`: whose mobile numbers are taken, first the one where a number without "+" belongs; empty: no text
    messages. `any_of`: the product of which any variant may be asked for, "" where that is not offered.
    `has_alternatives`: similar products may be named below the form."""

    countries: tuple[str, ...] = ()
    any_of: str = ""
    has_marketing: bool = False
    refuses_disposable: bool = False
    has_alternatives: bool = False

    def allows(self, consent_version: str) -> bool:
        """Whether a form with that consent is one of today's."""
        return consent_version == CONSENT_VERSION or (
            consent_version == CONSENT_WITH_TEXTS and bool(self.countries)
        )


def offer_at(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    product_id: str,
    policy: ShopperPolicy | None = None,
) -> Offer:
    """What is offered for a product of a store now.

    Text messages: where the merchant chose them, has a way to send them, and it is known whose numbers are taken
    (`sms_countries`, else the merchant's own country): numbers from anywhere would be an invitation to make the
    merchant pay for expensive ones. Any variant: where the merchant offers it and the product has several.
    """
    policy = policy or policy_of(db, merchant_id)
    countries: tuple[str, ...] = ()
    if "sms" in policy.channels and ways(db, merchant_id, "sms"):
        home = policy.country or _country_of(db, merchant_id)
        others = [code for code in policy.sms_countries if code != home]
        is_home_taken = bool(home) and (not policy.sms_countries or home in policy.sms_countries)
        countries = (*((home,) if is_home_taken else ()), *others)
    any_of = ""
    if (
        policy.offers_any_variant
        and product_id
        and len(variants_of(db, merchant_id, connection_id, product_id)) > 1
    ):
        any_of = product_id
    return Offer(
        countries, any_of, policy.offers_marketing, policy.refuses_disposable, policy.offers_alternatives
    )


def variants_of(db: sa.Connection, merchant_id: int, connection_id: int, product_id: str) -> list[int]:
    """The variants of a product that a store shows, by id."""
    return list(
        db.scalars(
            sa.select(_LISTING.c.variant_id)
            .where(
                _LISTING.c.merchant_id == merchant_id,
                _LISTING.c.connection_id == connection_id,
                _LISTING.c.product_id == product_id,
                _LISTING.c.variant_id.is_not(None),
                sa.not_(_LISTING.c.is_gone),
            )
            .distinct()
            .order_by(_LISTING.c.variant_id)
        )
    )


def _country_of(db: sa.Connection, merchant_id: int) -> str:
    """The country of the merchant's time zone; "" for a zone of no country, such as UTC."""
    zone = db.scalar(sa.select(_MERCHANT.c.timezone).where(_MERCHANT.c.id == merchant_id))
    code = str(get_global("zone_territories").get(zone or "", ""))
    return code if code.isalpha() else ""


def consent_text(seller: str, locale: str, version: str = CONSENT_VERSION) -> str:
    """What somebody agrees to by signing up with a form of that version; the form shows the same words."""
    if version == CONSENT_WITH_TEXTS:
        _ = gettext(locale)
        words = _(
            "{seller} may write to me once, by e-mail or text message, when this item is available again."
            " I can end this at any time."
        )
    else:
        words = script_words(locale)["consent"]
    return words.replace("{seller}", seller)


def marketing_text(seller: str, locale: str) -> str:
    """What somebody agrees to who ticks the choice of offers and news, with its version before it."""
    return f"{MARKETING_VERSION}: {_marketing(seller, locale)}"


def _marketing(seller: str, locale: str) -> str:
    _ = gettext(locale)
    return _("{seller} may also send me offers and news. I can end this at any time.").replace(
        "{seller}", seller
    )


def form_facts(offer: Offer, seller: str, locale: str) -> dict[str, Any] | None:
    """What the script adds to the form, in the page's language; None where there is nothing to add.

    `label` and `note` stand in place of the form's own where text messages are offered, `consent` is then the
    version of what was shown; `ticks` are choices nobody has made yet: name, value and words of each. `similar` is the
    heading of similar products where they may be named; which there are is read from /alternatives.
    """
    _ = gettext(locale)
    facts: dict[str, Any] = {}
    if offer.countries:
        facts["label"] = _("E-mail address or mobile number")
        facts["note"] = f"{consent_text(seller, locale, CONSENT_WITH_TEXTS)} {script_words(locale)['keep']}"
        facts["consent"] = CONSENT_WITH_TEXTS
    ticks: list[list[str]] = []
    if offer.any_of:
        ticks.append(["any", "1", _("Any variant of this product will do")])
    if offer.has_marketing:
        ticks.append(["marketing", MARKETING_VERSION, _marketing(seller, locale)])
    if ticks:
        facts["ticks"] = ticks
    if offer.has_alternatives:
        facts["similar"] = _("Similar, and in stock now")
    return facts or None
