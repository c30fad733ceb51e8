"""The words of badge and form on product pages, from the catalogues.

`templates/storefront/notify-me.js` carries the same words for the languages of the first version (a test
compares them); a shop in a further language hands them over in the attribute `data-words`.
"""

from __future__ import annotations

from connector.i18n import gettext


def script_words(locale: str) -> dict[str, str]:
    """Badge and form words by the names the script uses. "{n}" is a count, "{date}" a day, "{from}" and
    "{to}" a window of days, "{days}" the same as the browser writes it, "{seller}" the shop's name."""
    _ = gettext(locale)
    return {
        "in_stock": _("In stock"),
        "low_stock": _("Low stock"),
        "low_stock_n": _("Only {n} left"),
        "restocking": _("Back soon"),
        "restocking_on": _("Back on {date}"),
        "restocking_between": _("Back between {from} and {to}"),
        "preorder": _("Pre-order"),
        "backorder": _("Available to order, delivered later"),
        "made_to_order": _("Made to order"),
        "out_of_stock": _("Out of stock"),
        "discontinued": _("No longer sold"),
        "delivery": _("Delivery {days}"),
        "title": _("Tell me when it is back"),
        "email": _("E-mail address"),
        "units": _("How many"),
        "send": _("Notify me"),
        "sending": _("Sending…"),
        "consent": _(
            "{seller} may e-mail me once when this item is available again. I can end this at any time."
        ),
        "keep": _("We keep your address until you are told, at most 12 months."),
        "privacy": _("Privacy notice"),
        "bad_address": _("This does not look like an e-mail address. Please check it."),
        "down": _("We cannot save this just now. Your address stays here and we try again."),
        "failed": _("That did not work. Please reload the page and try again."),
    }
