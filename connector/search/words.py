"""What a finding is, why, and what helps, in words: for the pages of the app and for the command line.

`say` is a `connector.i18n.gettext`; causes that a later release knows come back as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from babel.dates import format_date

Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Words:
    """`cause` in one sentence, `remedy` in one or two."""

    cause: str
    remedy: str


def title(say: Say, kind: str) -> str:
    """A kind of finding, as a heading or a filter."""
    _ = say
    return {
        "sold_out": _("Sold out for long"),
        "error": _("In error"),
        "redirect": _("Leads elsewhere"),
        "noindex": _("Hidden from search"),
        "blocked": _("Blocked by robots.txt"),
        "deleted": _("Deleted, still clicked"),
        "hidden": _("Unpublished, still clicked"),
        "markup": _("Says otherwise than your stock"),
        "rich_result": _("Faulty structured data"),
    }.get(kind, kind)


def words(say: Say, locale: str, kind: str, cause: str, detail: Mapping[str, Any]) -> Words:
    """The words for one finding."""
    _ = say
    back = _("Ask the search engine to look again: its visit is older than the page as it is now.")
    if kind == "sold_out":
        return _sold_out(say, locale, cause, detail)
    if kind == "error":
        return _error(say, cause, detail, back)
    if kind == "redirect":
        return _redirect(say, cause, detail, back)
    if kind == "noindex":
        if cause == "noindex_before":
            return Words(
                _("It asked engines not to show it when they last came; now it no longer does."), back
            )
        return Words(
            _("It can be bought, but the page asks engines not to show it (“noindex”)."),
            _("Take the rule out of the theme or the product's search settings."),
        )
    found = {
        ("blocked", ""): Words(
            _("Your robots.txt forbids engines to read it."),
            _("Allow the address in robots.txt; a page that may not be read shows neither stock nor price."),
        ),
        ("deleted", ""): Words(
            _("Your store no longer has the product, and its address answers with an error."),
            _("Redirect the address for good (301) to an alternative, so that its visitors are not lost."),
        ),
        ("deleted", "answers"): Words(
            _("Your store no longer has the product, but its page still answers."),
            _("Redirect the address for good (301) to an alternative, or remove the page."),
        ),
        ("hidden", ""): Words(
            _("The product is not published any more, and its address answers with an error."),
            _("Publish it again as sold out if it comes back; else redirect its address to an alternative."),
        ),
        ("hidden", "answers"): Words(
            _("The product is not published any more, but its page still answers."),
            _("Publish it again as sold out if it comes back; else redirect its address to an alternative."),
        ),
        ("markup", "in_stock"): Words(
            _("Its structured data say that it can be bought, but it is sold out."),
            _("Switch on Dispo's structured data and take out the theme's own, or clear the page cache."),
        ),
        ("markup", "sold_out"): Words(
            _("Its structured data say that it is sold out, but it can be bought."),
            _("Switch on Dispo's structured data and take out the theme's own, or clear the page cache."),
        ),
        ("rich_result", ""): Words(
            _("Price and availability are not shown in the results: %(issues)s.",
              issues="; ".join(detail.get("issues", ()))),
            _("Complete the product's data in your store, or mend the theme's structured data."),
        ),
    }  # fmt: skip
    return found.get((kind, cause), Words(cause, ""))


def _sold_out(say: Say, locale: str, cause: str, detail: Mapping[str, Any]) -> Words:
    _ = say
    if cause == "discontinued":
        return Words(
            _("Nothing on it can be bought, and it will not come back."),
            _("Redirect the address for good (301) to an alternative."),
        )
    if cause == "dated":
        on = format_date(date.fromisoformat(detail["restock_on"]), "d MMMM", locale=locale)
        return Words(
            _("Nothing on it can be bought; it is expected on %(day)s.", day=on),
            _("Keep the page: it shows the date, and visitors can ask to be notified."),
        )
    return Words(
        _("Nothing on it can be bought, and no date is known."),
        _("Order it, or show alternatives on the page. If it never comes back, redirect the address (301)."),
    )


def _error(say: Say, cause: str, detail: Mapping[str, Any], back: str) -> Words:
    _ = say
    if cause.endswith("_before"):
        return Words(_("It was in error when the search engine last came; now it answers well."), back)
    status = detail.get("status")
    known = {
        "not_found": Words(
            _("The address does not exist (%(status)s).", status=status)
            if status
            else _("The search engine found no page at the address."),
            _("Publish the product again, or redirect the address for good (301) to where it is now."),
        ),
        "server_error": Words(
            _("Your shop fails at this address (%(status)s).", status=status)
            if status
            else _("Your shop failed when the search engine came."),
            _("Open the page. If it fails for you too, look at recent changes of theme and apps."),
        ),
        "denied": Words(
            _("Your shop refuses to show the page (%(status)s).", status=status)
            if status
            else _("Your shop refused to show the page to the search engine."),
            _("Take the password off the shop, and let search engines pass your firewall."),
        ),
        "soft_404": Words(
            _("It answers, but looks like an error page to the search engine (“soft 404”)."),
            _("Give the page its own text and a picture, then ask the search engine to look again."),
        ),
        "soft_404_out": Words(
            _("Sold out, it looks like an error page to the search engine (“soft 404”)."),
            _("Keep the whole product page while it is sold out: text, picture, restock date and the form."),
        ),
        "redirect_error": Words(
            _("Its redirect leads in circles or nowhere."),
            _("Correct the redirect of this address in your store."),
        ),
    }
    return known.get(cause, Words(cause, ""))


def _redirect(say: Say, cause: str, detail: Mapping[str, Any], back: str) -> Words:
    _ = say
    if cause == "redirect_before":
        return Words(_("It led elsewhere when the search engine last came; now it does not."), back)
    where = (
        _("It leads to %(address)s.", address=detail["location"])
        if detail.get("location")
        else _("It leads to another page.")
    )
    if cause == "out":
        return Words(
            where, _("It is sold out: take the redirect off when it is back, or make it final (301).")
        )
    return Words(
        where, _("Its product can be bought: take the redirect off, or nobody who searches for it finds it.")
    )
