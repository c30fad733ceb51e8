"""One person: what is kept about an address, and forgetting it. The address is never part of a page's address."""

from __future__ import annotations

from flask import Blueprint, g, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.shoppers import addresses, erase
from connector.web.pages.overview import kept
from connector.web.queries import people
from connector.web.view import gettext, ngettext, page, reading, runtime

routes = Blueprint("shopper_person", __name__)

HOME = "/shoppers/person"


def _key(typed: str) -> str:
    """The address as it is compared: a mailbox, or a number in E.164. Raises AddressInvalid."""
    if "@" not in typed:
        return addresses.normalise_phone(typed)
    try:
        return addresses.normalise(typed)[1]
    except addresses.AddressInvalid:
        # What was kept by other rules than today's must be found, too.
        return typed.casefold()


@routes.get(HOME)
def index() -> Response:
    return page("shopper_person", typed="", rows=None, problem="", done="")


@routes.post(HOME)
def look() -> Response:
    """What is kept about an address."""
    typed = request.form.get("address", "").strip()[:320]
    try:
        key = _key(typed)
    except addresses.AddressInvalid:
        said = gettext("Enter an e-mail address, or a telephone number with + and its country.")
        return page("shopper_person", 422, typed=typed, rows=None, problem=said, done="")
    with reading() as db:
        rows = people.of_address(db, g.merchant_id, key)
        is_suppressed = addresses.is_suppressed(db, runtime().keyring, g.merchant_id, key)
    return page("shopper_person", typed=typed, rows=rows, is_suppressed=is_suppressed, problem="", done="")


@routes.post(f"{HOME}/erase")
def forget() -> Response:
    """Forget an address; with `never`, see to it that it is not written to again."""
    rt = runtime()
    try:
        key = _key(request.form.get("address", "").strip()[:320])
    except addresses.AddressInvalid:
        return look()
    now = rt.now()
    with transaction(rt.engine) as db:
        count = erase.erase_key(db, g.merchant_id, key, now)
        if request.form.get("never") == "1":
            addresses.suppress(db, rt.keyring, g.merchant_id, key, "asked", now)
        record(
            db,
            g.merchant_id,
            now,
            g.account.email,
            "privacy.erase_person",
            "shopper",
            {"subscriptions": count},
        )
    kept().forget(g.merchant_id)
    said = ngettext(
        "Erased: the address is gone from %(num)s alert.",
        "Erased: the address is gone from %(num)s alerts.",
        count,
    )
    return page("shopper_person", typed="", rows=None, problem="", done=said)
