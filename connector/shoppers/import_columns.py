"""Which column of another tool's file means what: known names, and what a person said. Pure.

Nothing is guessed in silence. A file whose columns are all known is looked at at once, and the look names what each
was taken for; of any other the names are only a proposal until somebody says so.

What is known of other tools' exports, and from where:

  woocommerce  "Back In Stock Notifications" by WooCommerce, from its source (WC_BIS_Notification_CSV_Exporter): ID,
               Product ID (a variation's own where there is one), Product title, Product name, User ID, User e-mail,
               User firstname, User lastname, Sign-up date, Activation date, Notified date, Status (on, off); days as
               2026-11-22 14:30:00 in the site's time, 0 for none. The activation is no confirmation: without
               double opt-in it is the moment of the sign-up. WooCommerce's own notifications (10.2 and later,
               src/Internal/StockNotifications) have no export.
  waitlist     "WooCommerce Waitlist", from its source (generate_csv_ajax): a line a product with its id, its name and
               all addresses in one cell, then all that were told, without days.
  yith         "YITH WooCommerce Waiting List", from its source (YITH_WCWTL_Exporter): a file a product, with the
               columns eMail and Is Customer; the product must be said.
  cwg          "Back In Stock Notifier": its fields cwginstock_subscriber_email, cwginstock_product_id,
               cwginstock_variation_id and states cwg_subscribed, cwg_mailsent, cwg_mailnotsent, cwg_unsubscribed and
               cwg_converted, from its source; its export is a paid addition whose titles are not documented.
  swym         epi (variant), empi (product) and mediumvalue (address), of its programming interface; its report is not
               documented.
  klaviyo      "Email" of its CSV files, and VariantId and ProductID of the event "Subscribed to Back in Stock"; it
               documents no export of those who wait at a back-in-stock delay.
  states       STOQ: pending, notified, unsubscribed, blocked (docs.stoqapp.com/v2, "Signups"); XFlow: pending, queued,
               delivered, engaged, converted, completed, cancelled (docs.foxecom.com, "Subscriptions").
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

EXPORT_HEAD = (
    *("address", "channel", "language", "sku", "title", "store", "units", "status", "asked_at"),
    *("confirmed_at", "ended_at", "ended_by", "consent_version", "consent_text"),
)
"""The columns of our own export; it can be brought back as it is."""

NAMES: dict[str, tuple[str, ...]] = {
    "address": (
        *("address", "email", "emailaddress", "useremail", "mediumvalue", "cwginstocksubscriberemail"),
        *("subscriberemail", "customeremail", "customer", "subscriber", "mail", "courriel", "adresse"),
    ),
    "phone": ("phone", "phonenumber", "mobile", "telephone", "portable"),
    "channel": ("channel", "medium", "canal"),
    "item": (
        *("item", "variantid", "productvariantid", "epi", "cwginstockvariationid", "variationid"),
        *("variation", "variant", "declinaison"),
    ),
    "product": ("productid", "empi", "cwginstockproductid", "product", "produit"),
    "sku": ("sku", "variantsku", "productvariantsku", "productsku", "reference", "ref", "ugs"),
    "units": ("units", "quantity", "wantedunits", "quantite"),
    "language": ("language", "locale", "lang", "langue"),
    "asked_at": (
        *("askedat", "createdat", "created", "date", "subscribedat", "subscribedon", "subscribeddate"),
        *("signupdate", "timestamp", "eventtime", "subscribeddateandtime", "dateadded"),
        *("inscritle", "dateinscription", "datedinscription"),
    ),
    "confirmed_at": (
        *("confirmedat", "confirmedon", "optinat", "consentdate", "emailmarketingconsenttimestamp"),
    ),
    "status": ("status", "poststatus", "state", "notified", "statut", "etat"),
    "consent_text": ("consenttext", "consent", "consentement"),
}
"""Our fields, and the names by which they are found, the surest first; letters and digits only."""
FIELDS = tuple(NAMES)
DATES = ("ymd", "dmy", "mdy")
"""How days are written: 2026-11-22, 22/11/2026 or 11/22/2026."""
Dates = Literal["ymd", "dmy", "mdy"]

_OURS = frozenset(
    "address email phone channel variantid productid sku units language createdat confirmedat status consent"
    " consenttext".split()
)
"""Names that our documentation asks for: a file that has only these leaves nothing to guess."""
_MARKS = {
    "woocommerce": (frozenset(("productid", "useremail", "signupdate", "activationdate", "notifieddate")),),
    "cwg": tuple(
        frozenset((one,))
        for one in ("cwginstocksubscriberemail", "cwginstockproductid", "variationid", "subscriberemail")
    ),
    "swym": tuple(frozenset((one,)) for one in ("epi", "empi", "mediumvalue")),
    "klaviyo": tuple(
        frozenset((one,))
        for one in ("emailmarketingconsenttimestamp", "klaviyoid", "eventtime", "metric", "profileid")
    ),
}
_WAITS = frozenset(
    "waiting unconfirmed invited subscribed cwgsubscribed active pending queued open on no false 0 enattente abonne"
    " inscrit".split()
)
_ENDED = frozenset(
    "ended fulfilled told notified sent mailsent cwgmailsent unsubscribed cwgunsubscribed converted cwgconverted"
    " purchased cancelled canceled completed delivered engaged deleted inactive off yes true 1 envoye notifie"
    " desabonne desinscrit annule termine".split()
)


class ColumnsRefused(ValueError):
    """Columns that cannot be meant so; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a file's cells mean. `columns`: our fields and the places of the file's columns, from 0; `sku`: what every
    line is for where no column says it; `waiting`: the words of the status by which somebody still waits, () for
    those that are known."""

    columns: dict[str, int] = field(default_factory=dict)
    sku: str = ""
    dates: Dates = "ymd"
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a head was understood as. `is_known`: every column that is needed is there, under a name that leaves no
    doubt; else somebody must say what the columns are."""

    origin: str
    choices: Choices
    is_known: bool


def plain(text: str) -> str:
    """A name or word as it is compared: without case, accents and signs. "User e-mail" → "useremail"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[^a-z0-9]", "", decomposed)


def propose_columns(head: Sequence[str]) -> Proposal:
    """What the columns of this head are by their names."""
    names = [plain(cell) for cell in head]
    found = {}
    for ours, theirs in NAMES.items():
        place = next((names.index(known) for known in theirs if known in names), None)
        if place is not None:
            found[ours] = place
    origin = _origin(names)
    is_enough = bool({"address", "phone"} & set(found)) and bool({"item", "product", "sku"} & set(found))
    return Proposal(origin, Choices(found), is_enough and _leaves_no_doubt(names, origin))


def _origin(names: Sequence[str]) -> str:
    if {"address", "askedat", "consentversion"} <= set(names):
        return "dispo"
    return next(
        (origin for origin, marks in _MARKS.items() if any(mark <= set(names) for mark in marks)), "other"
    )


def _leaves_no_doubt(names: Sequence[str], origin: str) -> bool:
    if origin in ("dispo", "woocommerce"):
        return True
    claimed = Counter(ours for name in names for ours, theirs in NAMES.items() if name in theirs)
    is_clear = max(claimed.values(), default=0) <= 1
    return is_clear and (origin != "other" or set(names) <= _OURS)


def columns_said(pairs: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Our fields and places, of (field, place) as somebody chose them. Raises ColumnsRefused for a field said twice."""
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise ColumnsRefused("Two columns cannot both be the same. Choose one of them.")
    return dict(pairs)


def check_columns(choices: Choices, width: int) -> None:
    """Raises ColumnsRefused for what no file of so many columns can mean."""
    for name, place in choices.columns.items():
        if name not in NAMES or not 0 <= place < width:
            raise ColumnsRefused("There is no such column. Choose the columns again.")
    if len(set(choices.columns.values())) < len(choices.columns):
        raise ColumnsRefused("One column cannot mean two things. Choose again.")
    if not {"address", "phone"} & set(choices.columns):
        raise ColumnsRefused("Say which column holds the addresses or telephone numbers.")
    names_product = {"item", "product", "sku"} & set(choices.columns)
    if not names_product and not choices.sku:
        raise ColumnsRefused("Say which column names the product, or for which SKU the whole file is.")
    if names_product and choices.sku:
        raise ColumnsRefused("The lines name their products: leave the SKU of the whole file empty.")
    if choices.waiting and "status" not in choices.columns:
        raise ColumnsRefused("Say which column holds the status, or leave the words of those who wait empty.")


def still_waits(text: str, waiting: Sequence[str]) -> bool | None:
    """Whether somebody with this status still waits; None for a word that nobody knows. No status: they wait."""
    word = plain(text)
    if not text:
        return True
    if waiting:
        return word in {plain(one) for one in waiting}
    return True if word in _WAITS else False if word in _ENDED else None
