"""What shoppers reach: badge facts, sign-up, and the pages behind the links in messages.

Public and without cookies: nobody is recognised here except by a signed link, so there is nothing that
another site could make a browser do. GET never changes anything but the time of a click, because mail
programs open links to look at them. The browser's cross-origin check is open to every shop ("*"): shops
have several domains, no answer depends on who asks, and posting a form is not held back by it anyway.

Nothing here writes a log line, and no address reaches an error message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from babel.numbers import get_currency_precision
from cachetools import TTLCache
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from connector.crypto import LinkExpired, LinkInvalid
from connector.db import transaction
from connector.delivery.live import LiveDesk
from connector.i18n import TEMPLATES
from connector.shoppers import clicks, erase, links, still
from connector.shoppers.alternatives import Item, alternatives, store_currency
from connector.shoppers.badges import badge_facts
from connector.shoppers.devices import sender_key
from connector.shoppers.interest import InterestCounter
from connector.shoppers.marks import marked, marks
from connector.shoppers.offer import CONSENT_VERSION as CONSENT_VERSION
from connector.shoppers.offer import form_facts, offer_at
from connector.shoppers.policy import policy_of
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.subscribe import UnknownListing, confirm, find_place
from connector.shoppers.unsubscribe import (
    Person,
    change_units,
    end_marketing,
    find_person,
    leave_all,
    leave_for_good,
    leave_one,
    own_subscriptions,
    wait_again,
)
from connector.web.shopper_pages import (
    PAGE_HEADERS,
    error_page,
    gone_page,
    http_error,
    is_web_address,
    json_answer,
    locale_of,
    page,
    person_of,
)
from connector.web.sign_up_limits import SignUpLimits
from connector.web.sign_ups import Said, sign_up, words_of

OFFERS_LAST_S = 60
"""Similar products are looked for so often at most: their page is public, and many stand on it at once."""
ASKS = ("restocking", "out_of_stock")
"""States in which a product page shows its form."""
_COUNTRY = re.compile("[A-Z]{2}")
MOST_BYTES = 16_384
_OWN_MACHINE = ("localhost", "127.0.0.1")


def create_storefront(rt: ShopperRuntime, limits: SignUpLimits) -> Flask:
    """An app with nothing but the storefront, for tests and for a machine of its own."""
    app = Flask("dispo-storefront", static_folder=None)
    app.register_blueprint(storefront(rt, limits))
    app.register_error_handler(HTTPException, http_error)
    return app


def storefront(
    rt: ShopperRuntime, limits: SignUpLimits, live: Callable[[], LiveDesk] | None = None
) -> Blueprint:
    """The routes, for an app that also serves other things (exempt them from CSRF: there is no session)."""
    routes = Blueprint("storefront", __name__)
    interest = InterestCounter(lambda: rt.engine)

    @routes.get("/s/notify-me.js")
    def script() -> Response:
        return _file("notify-me.min.js", "text/javascript; charset=utf-8")

    @routes.get("/s/<public_key>/similar.js")
    def similar_script(public_key: str) -> Response:
        return _file("similar.min.js", "text/javascript; charset=utf-8")

    @routes.get("/s/<public_key>/availability")
    def availability(public_key: str) -> Response:
        ids = [part for part in request.args.get("ids", "").split(",") if part and "\0" not in part]
        country = request.args.get("country", "").upper()
        country = country if _COUNTRY.fullmatch(country) else ""
        # Carts ask for a live answer; pages, which are many, do not.
        desk = live() if live is not None and request.args.get("live") == "1" else None
        with rt.engine.connect() as db:
            items = badge_facts(db, public_key, ids, rt.now(), country, desk)
            if items and desk is None and len(ids) == 1:
                interest.looked(public_key, items, request.user_agent.string, rt.now())
            if items and len(items) == 1 and "lang" in request.args:
                _add_form(db, public_key, items)
        if items is None:
            return _cors(json_answer({"error": "There is no such store."}, 404))
        answer = json_answer({"items": items})
        answer.headers["Cache-Control"] = "public, max-age=5"
        answer.add_etag()
        answer.make_conditional(request)
        return _cors(answer)

    offers: TTLCache[tuple[int, int, int], list[dict[str, Any]]] = TTLCache(4_096, OFFERS_LAST_S)
    offers_lock = Lock()

    @routes.get("/s/<public_key>/alternatives")
    def similar(public_key: str) -> Response:
        try:
            with rt.engine.connect() as db:
                place = find_place(db, public_key, request.args.get("id", ""))
                at = (place.merchant_id, place.connection_id, place.variant_id)
                with offers_lock:
                    items = offers.get(at)
                if items is None:
                    items = _offers(db, *at, place.url, rt.now())
                    with offers_lock:
                        offers[at] = items
        except UnknownListing:
            return _cors(json_answer({"error": "There is no such store or item."}, 404))
        answer = json_answer({"items": items})
        answer.headers["Cache-Control"] = f"public, max-age={OFFERS_LAST_S}"
        return _cors(answer)

    @routes.route("/s/<public_key>/subscribe", methods=["OPTIONS"])
    def preflight(public_key: str) -> Response:
        answer = Response(status=204)
        answer.headers["Access-Control-Allow-Methods"] = "POST"
        answer.headers["Access-Control-Allow-Headers"] = "Content-Type, Accept"
        answer.headers["Access-Control-Max-Age"] = "86400"
        return _cors(answer)

    @routes.post("/s/<public_key>/subscribe")
    def subscribe(public_key: str) -> Response:
        return _cors(_sign_up(rt, limits, interest, public_key))

    @routes.route("/confirm/<token>", methods=["GET", "POST"])
    def confirm_page(token: str) -> Response:
        person = person_of(rt, "confirm", token)
        if isinstance(person, Response):
            return person
        if request.method == "POST":
            if request.form.get("marketing") == "no":
                end_marketing(rt, person)
            if not confirm(rt, person.merchant_id, person.subscription_id):
                return gone_page(person.locale)
            return _confirmed(rt, person)
        if person.status == "ended":
            return gone_page(person.locale)
        if person.status != "unconfirmed":
            return _confirmed(rt, person)
        return page("confirm", person.locale, person=person)

    @routes.route("/still/<token>", methods=["GET", "POST"])
    def still_page(token: str) -> Response:
        person = person_of(rt, "still", token)
        if isinstance(person, Response):
            return person
        if person.status == "ended" or (
            request.method == "POST" and not still.answer(rt, person.merchant_id, person.subscription_id)
        ):
            return gone_page(person.locale)
        return page("still", person.locale, person=person, done=request.method == "POST")

    @routes.route("/u/<token>", methods=["GET", "POST"])
    def leave_page(token: str) -> Response:
        person = person_of(rt, "leave", token)
        if isinstance(person, Response):
            if request.method == "POST" and person.status_code == 410:
                # Nobody is left to unsubscribe, which is what the mail program asked for.
                person.status_code = 200
            return person
        if request.method == "POST":
            if request.form.get("how") == "only_one":
                done = "ended" if leave_one(rt, person, person.subscription_id) else ""
                return _own(rt, person, done)
            for_good = request.form.get("how") == "for_good"
            (leave_for_good if for_good else leave_all)(rt, person)
            return page("left", person.locale, person=person, for_good=for_good)
        return page("leave", person.locale, person=person, only_one=request.args.get("only") == "1")

    @routes.route("/c/<token>", methods=["GET", "POST"])
    def click(token: str) -> Response:
        followed = _followed(rt, token)
        if isinstance(followed, Response):
            return followed
        person, found = followed
        url = person.url if is_web_address(person.url) else ""
        if request.method == "POST":
            wait_again(rt, person)
            return page("kept_place", person.locale, person=person, url=url)
        if found.is_gone:
            with rt.engine.connect() as db:
                instead, currency = _instead(db, person, found, rt.now())
            return page("gone", person.locale, person=person, url=url, similar=instead, currency=currency)
        if not url:
            return error_page("gone", person.locale, 410)
        answer = Response(status=302)
        answer.headers.update(PAGE_HEADERS)
        answer.headers["Location"] = url
        return answer

    @routes.route("/me/<token>", methods=["GET", "POST"])
    def me(token: str) -> Response:
        person = person_of(rt, "me", token)
        if isinstance(person, Response):
            return person
        if request.method == "POST":
            return _change_own(rt, person)
        if request.args.get("format") == "json" and person.address:
            with rt.engine.connect() as db:
                kept = erase.export_key(db, person.merchant_id, person.address_key)
            answer = json_answer(kept)
            answer.headers.update(PAGE_HEADERS)
            answer.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
            return answer
        return _own(rt, person, "")

    return routes


def _add_form(db: sa.Connection, public_key: str, items: dict[str, dict[str, Any]]) -> None:
    """Tell a product page that asks by its language what its form may offer, where there is a form."""
    for external_id, facts in items.items():
        if facts["state"] not in ASKS:
            continue
        try:
            place = find_place(db, public_key, external_id)
        except UnknownListing:
            continue  # it was taken off this moment
        offer = offer_at(db, place.merchant_id, place.connection_id, place.product_id, place.policy)
        form = form_facts(offer, place.seller, locale_of(request))
        if form:
            facts["form"] = form


def _sign_up(
    rt: ShopperRuntime, limits: SignUpLimits, interest: InterestCounter, public_key: str
) -> Response:
    if (request.content_length or 0) > MOST_BYTES:
        return _said(Said("too_large", 413), locale_of(request))
    posted: Any = request.get_json(silent=True) if request.is_json else request.form
    if not hasattr(posted, "get"):
        return _said(Said("bad_request", 400), locale_of(request))
    locale = locale_of(request, str(posted.get("lang") or ""))
    said = sign_up(rt, limits, public_key, posted, request.remote_addr or "", locale)
    if said.status == 200 and not posted.get("website"):
        interest.signed_up(public_key, str(posted.get("id") or ""), rt.now())
    return _said(said, locale)


def _offers(
    db: sa.Connection, merchant_id: int, connection_id: int, variant_id: int, page: str, now: datetime
) -> list[dict[str, Any]]:
    """Similar products in stock, as the storefront's script reads them, at the host of `page` (the product's own);
    prices in minor units and as a decimal number."""
    currency = store_currency(db, merchant_id, connection_id)
    places = get_currency_precision(currency)
    return [
        {
            "id": one.external_id,
            "title": one.title,
            "url": one.url,
            "image": one.image_url,
            "price_minor": one.price_minor,
            "price": None if one.price_minor is None else f"{Decimal(one.price_minor).scaleb(-places):f}",
            "currency": currency,
        }
        for one in alternatives(db, merchant_id, connection_id, variant_id, now)
        if is_web_address(one.url) and (not page or urlsplit(one.url).netloc == urlsplit(page).netloc)
    ]


def _instead(db: sa.Connection, person: Person, found: clicks.Click, now: datetime) -> tuple[list[Item], str]:
    """What to offer somebody who came in vain, and the currency of its prices."""
    items = alternatives(db, person.merchant_id, found.connection_id, found.variant_id, now)
    currency = store_currency(db, person.merchant_id, found.connection_id)
    return [one for one in items if is_web_address(one.url)], currency


def _followed(rt: ShopperRuntime, token: str) -> tuple[Person, clicks.Click] | Response:
    """Whose message was followed and where it leads; or the page that says why it does not work."""
    try:
        merchant_id, message_id = links.read(rt.keyring, "click", token)
    except LinkExpired:
        return error_page("expired", locale_of(request), 410)
    except LinkInvalid:
        return error_page("forged", locale_of(request), 404)
    with transaction(rt.engine) as db:
        # HEAD is somebody's link checker: only a GET counts as a visit.
        found = clicks.follow(db, merchant_id, message_id, rt.now() if request.method == "GET" else None)
        person = find_person(db, merchant_id, found.subscription_id, found.variant_id) if found else None
        is_marked = found is not None and bool(found.invitation_id) and policy_of(db, merchant_id).marks_links
    if found is None or person is None:
        return gone_page(locale_of(request))
    if is_marked and found.invitation_id and is_web_address(person.url):
        mark = marks(rt.keyring, merchant_id, found.invitation_id)[0]
        person = replace(person, url=marked(person.url, mark))
    return person, found


def _change_own(rt: ShopperRuntime, person: Person) -> Response:
    done = ""
    chosen = request.form.get("end", "")
    if request.form.get("erase"):
        with transaction(rt.engine) as db:
            erase.erase_key(db, person.merchant_id, person.address_key, rt.now())
        return page("erased", person.locale, person=person)
    units, changed = request.form.get("units", ""), request.form.get("change", "")
    if _is_number(changed) and _is_number(units):
        done = "changed" if change_units(rt, person, int(changed), int(units)) else ""
    elif request.form.get("marketing") == "end":
        end_marketing(rt, person)
        done = "marketing"
    elif chosen == "all":
        leave_all(rt, person)
        done = "ended"
    elif _is_number(chosen):
        done = "ended" if leave_one(rt, person, int(chosen)) else ""
    return _own(rt, person, done)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _own(rt: ShopperRuntime, person: Person, done: str) -> Response:
    with rt.engine.connect() as db:
        own = own_subscriptions(db, person)
    return page("me", person.locale, person=person, own=own, done=done)


def _said(said: Said, locale: str) -> Response:
    """One answer to a sign-up: JSON for the script, a plain page for a form without JavaScript."""
    words = words_of(said.answer, locale)
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    if request.is_json or best == "application/json":
        answer = json_answer({"status": said.answer, "message": words}, said.status)
        answer.headers["Cache-Control"] = "no-store"
    else:
        back = said.back if is_web_address(said.back) else ""
        answer = page("answer", locale, said.status, words=words, back=back)
    if said.retry_after_s:
        answer.headers["Retry-After"] = str(said.retry_after_s)
    return answer


def _confirmed(rt: ShopperRuntime, person: Person) -> Response:
    """That they are on the list; where the merchant sends notifications, with the way to have them here."""
    # Browsers give service workers to secure origins only.
    is_secure = rt.base_url.startswith("https://") or urlsplit(rt.base_url).hostname in _OWN_MACHINE
    push_url = ""
    if is_secure and person.status != "fulfilled" and sender_key(rt, person.merchant_id) is not None:
        given = (person.merchant_id, person.subscription_id, person.locale)
        push_url = links.link(rt.keyring, rt.base_url, "push", *given)
    return page("confirmed", person.locale, person=person, push_url=push_url)


def _cors(answer: Response) -> Response:
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def _file(name: str, content_type: str) -> Response:
    body, tag = _read(name)
    answer = Response(body, content_type=content_type)
    answer.headers["Cache-Control"] = "public, max-age=300"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.set_etag(tag)
    answer.make_conditional(request)
    return _cors(answer)


@cache
def _read(name: str) -> tuple[bytes, str]:
    body = (TEMPLATES / "storefront" / name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:32]
