"""What shoppers reach: badge facts, sign-up, and the pages behind the links in messages.

Public and without cookies: nobody is recognised here except by a signed link, so there is nothing that
another site could make a browser do. GET never changes anything but the time of a click, because mail
programs open links to look at them. The browser's cross-origin check is open to every shop ("*"): shops
have several domains, no answer depends on who asks, and posting a form is not held back by it anyway.

Nothing here writes a log line, and no address reaches an error message.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Request, Response, request
from werkzeug.exceptions import HTTPException

from connector.crypto import LinkExpired, LinkInvalid
from connector.db import transaction
from connector.delivery.live import LiveDesk
from connector.i18n import TEMPLATES, best_locale, environment, gettext
from connector.shoppers import clicks, erase, links
from connector.shoppers.addresses import AddressInvalid
from connector.shoppers.badges import badge_facts
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.subscribe import Answer, UnknownListing, confirm, find_place, subscribe
from connector.shoppers.unsubscribe import (
    Person,
    find_person,
    leave_all,
    leave_for_good,
    leave_one,
    own_subscriptions,
    wait_again,
)
from connector.shoppers.words import script_words
from connector.web.sign_up_limits import SignUpLimits

CONSENT_VERSION = "2026-11"
_COUNTRY = re.compile("[A-Z]{2}")
MOST_BYTES = 16_384
# The style is inside the page: behind a shop's own domain no address of ours would find it.
STYLE = environment("en").get_template("storefront/page.css").render()
STYLE_DIGEST = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; img-src data:; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    # The address of these pages is the key to them.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def consent_text(seller: str, locale: str) -> str:
    """What somebody agrees to by signing up, in the current version; the script shows the same words."""
    return script_words(locale)["consent"].replace("{seller}", seller)


def create_storefront(rt: ShopperRuntime, limits: SignUpLimits) -> Flask:
    """An app with nothing but the storefront, for tests and for a machine of its own."""
    app = Flask("dispo-storefront", static_folder=None)
    app.register_blueprint(storefront(rt, limits))
    app.register_error_handler(HTTPException, _http_error)
    return app


def storefront(
    rt: ShopperRuntime, limits: SignUpLimits, live: Callable[[], LiveDesk] | None = None
) -> Blueprint:
    """The routes, for an app that also serves other things (exempt them from CSRF: there is no session)."""
    routes = Blueprint("storefront", __name__)

    @routes.get("/s/notify-me.js")
    def script() -> Response:
        return _file("notify-me.js", "text/javascript; charset=utf-8")

    @routes.get("/s/<public_key>/availability")
    def availability(public_key: str) -> Response:
        ids = [part for part in request.args.get("ids", "").split(",") if part and "\0" not in part]
        country = request.args.get("country", "").upper()
        country = country if _COUNTRY.fullmatch(country) else ""
        # Carts ask for a live answer; pages, which are many, do not.
        desk = live() if live is not None and request.args.get("live") == "1" else None
        with rt.engine.connect() as db:
            items = badge_facts(db, public_key, ids, rt.now(), country, desk)
        if items is None:
            return _cors(_json({"error": "There is no such store."}, 404))
        answer = _json({"items": items})
        answer.headers["Cache-Control"] = "public, max-age=5"
        answer.add_etag()
        answer.make_conditional(request)
        return _cors(answer)

    @routes.route("/s/<public_key>/subscribe", methods=["OPTIONS"])
    def preflight(public_key: str) -> Response:
        answer = Response(status=204)
        answer.headers["Access-Control-Allow-Methods"] = "POST"
        answer.headers["Access-Control-Allow-Headers"] = "Content-Type, Accept"
        answer.headers["Access-Control-Max-Age"] = "86400"
        return _cors(answer)

    @routes.post("/s/<public_key>/subscribe")
    def sign_up(public_key: str) -> Response:
        return _cors(_sign_up(rt, limits, public_key))

    @routes.route("/confirm/<token>", methods=["GET", "POST"])
    def confirm_page(token: str) -> Response:
        person = _person(rt, "confirm", token)
        if isinstance(person, Response):
            return person
        if request.method == "POST":
            if not confirm(rt, person.merchant_id, person.subscription_id):
                return _gone(person.locale)
            return _page("confirmed", person.locale, person=person)
        if person.status == "ended":
            return _gone(person.locale)
        if person.status != "unconfirmed":
            return _page("confirmed", person.locale, person=person)
        return _page("confirm", person.locale, person=person)

    @routes.route("/u/<token>", methods=["GET", "POST"])
    def leave_page(token: str) -> Response:
        person = _person(rt, "leave", token)
        if isinstance(person, Response):
            if request.method == "POST" and person.status_code == 410:
                # Nobody is left to unsubscribe, which is what the mail program asked for.
                person.status_code = 200
            return person
        if request.method == "POST":
            for_good = request.form.get("how") == "for_good"
            (leave_for_good if for_good else leave_all)(rt, person)
            return _page("left", person.locale, person=person, for_good=for_good)
        return _page("leave", person.locale, person=person)

    @routes.route("/c/<token>", methods=["GET", "POST"])
    def click(token: str) -> Response:
        followed = _followed(rt, token)
        if isinstance(followed, Response):
            return followed
        person, is_gone = followed
        url = person.url if _is_web_address(person.url) else ""
        if request.method == "POST":
            wait_again(rt, person)
            return _page("kept_place", person.locale, person=person, url=url)
        if is_gone:
            return _page("gone", person.locale, person=person, url=url)
        if not url:
            return _error("gone", person.locale, 410)
        answer = Response(status=302)
        answer.headers.update(PAGE_HEADERS)
        answer.headers["Location"] = url
        return answer

    @routes.route("/me/<token>", methods=["GET", "POST"])
    def me(token: str) -> Response:
        person = _person(rt, "me", token)
        if isinstance(person, Response):
            return person
        if request.method == "POST":
            return _change_own(rt, person)
        if request.args.get("format") == "json" and person.address:
            with rt.engine.connect() as db:
                kept = erase.export(db, person.merchant_id, person.address)
            answer = _json(kept)
            answer.headers.update(PAGE_HEADERS)
            answer.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
            return answer
        return _own(rt, person, "")

    return routes


def _sign_up(rt: ShopperRuntime, limits: SignUpLimits, public_key: str) -> Response:
    if (request.content_length or 0) > MOST_BYTES:
        return _said("too_large", _locale(request), 413)
    posted: Any = request.get_json(silent=True) if request.is_json else request.form
    if not hasattr(posted, "get"):
        return _said("bad_request", _locale(request), 400)
    fields = {
        name: str(posted.get(name) or "") for name in ("id", "email", "units", "lang", "consent", "website")
    }
    locale = _locale(request, fields["lang"])
    try:
        with rt.engine.connect() as db:
            place = find_place(db, public_key, fields["id"])
    except UnknownListing:
        return _said("unknown_item", locale, 404)
    wait_s = limits.retry_after_s(public_key, request.remote_addr or "")
    if wait_s:
        answer = _said("too_many", locale, 429, back=place.url)
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    if fields["consent"] != CONSENT_VERSION:
        return _said("no_consent", locale, 422, back=place.url)
    units = fields["units"]
    try:
        found: Answer = subscribe(
            rt,
            place,
            address=fields["email"],
            locale=locale,
            wanted_units=int(units) if units.isascii() and units.isdigit() and len(units) < 4 else 1,
            consent_text=consent_text(place.seller, locale),
            consent_version=CONSENT_VERSION,
            honeypot=fields["website"],
        )
    except AddressInvalid:
        return _said("bad_address", locale, 422, back=place.url)
    status = {"check_mail": 200, "in_stock": 409, "discontinued": 410}[found]
    return _said(found, locale, status, back=place.url)


def _person(rt: ShopperRuntime, purpose: links.Purpose, token: str) -> Person | Response:
    """Who a signed link speaks for, or the page that says why it does not work."""
    try:
        merchant_id, subject_id = links.read(rt.keyring, purpose, token)
    except LinkExpired:
        return _error("expired", _locale(request), 410)
    except LinkInvalid:
        return _error("forged", _locale(request), 404)
    with rt.engine.connect() as db:
        person = find_person(db, merchant_id, subject_id)
    return person or _gone(_locale(request))


def _followed(rt: ShopperRuntime, token: str) -> tuple[Person, bool] | Response:
    """Whose message was followed, and whether what it told of is gone; or the page that says why it does not work."""
    try:
        merchant_id, message_id = links.read(rt.keyring, "click", token)
    except LinkExpired:
        return _error("expired", _locale(request), 410)
    except LinkInvalid:
        return _error("forged", _locale(request), 404)
    with transaction(rt.engine) as db:
        # HEAD is somebody's link checker: only a GET counts as a visit.
        found = clicks.follow(db, merchant_id, message_id, rt.now() if request.method == "GET" else None)
        person = find_person(db, merchant_id, found.subscription_id, found.variant_id) if found else None
    if found is None or person is None:
        return _gone(_locale(request))
    return person, found.is_gone


def _change_own(rt: ShopperRuntime, person: Person) -> Response:
    done = ""
    chosen = request.form.get("end", "")
    if request.form.get("erase"):
        with transaction(rt.engine) as db:
            erase.erase_key(db, person.merchant_id, person.address_key, rt.now())
        return _page("erased", person.locale, person=person)
    if chosen == "all":
        leave_all(rt, person)
        done = "ended"
    elif chosen.isascii() and chosen.isdigit() and len(chosen) < 19:
        done = "ended" if leave_one(rt, person, int(chosen)) else ""
    return _own(rt, person, done)


def _own(rt: ShopperRuntime, person: Person, done: str) -> Response:
    with rt.engine.connect() as db:
        own = own_subscriptions(db, person)
    return _page("me", person.locale, person=person, own=own, done=done)


def _said(answer: str, locale: str, status: int, back: str = "") -> Response:
    """One answer to a sign-up: JSON for the script, a plain page for a form without JavaScript."""
    words = _ANSWERS[answer](gettext(locale))
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    if request.is_json or best == "application/json":
        answered = _json({"status": answer, "message": words}, status)
        answered.headers["Cache-Control"] = "no-store"
        return answered
    return _page("answer", locale, status, words=words, back=back if _is_web_address(back) else "")


# Functions rather than texts, so that the words are found by the extractor and said in the reader's language.
_ANSWERS: dict[str, Any] = {
    "check_mail": lambda _: _("Almost done: we have sent you an e-mail. Please open it and confirm."),
    "in_stock": lambda _: _("Good news: this item is in stock now. Please reload the page."),
    "discontinued": lambda _: _("This item is no longer sold, so there is nothing to wait for."),
    "unknown_item": lambda _: _("This shop or item is not known here. Please reload the page and try again."),
    "bad_address": lambda _: _("This does not look like an e-mail address. Please check it."),
    "no_consent": lambda _: _("This form is out of date. Please reload the page and try again."),
    "too_many": lambda _: _("Too many requests at the moment. Please try again in a few minutes."),
    "too_large": lambda _: _("This request is too large."),
    "bad_request": lambda _: _("This request cannot be read. Please reload the page and try again."),
}


def _gone(locale: str) -> Response:
    return _error("gone", locale, 410)


def _error(reason: str, locale: str, status: int) -> Response:
    return _page("error", locale, status, reason=reason)


def _http_error(error: HTTPException) -> Response:
    return _error("not_found" if error.code == 404 else "failed", _locale(request), error.code or 500)


def _page(name: str, locale: str, status: int = 200, **context: Any) -> Response:
    html = environment(locale).get_template(f"storefront/{name}.html").render(**context)
    answer = Response(html, status, content_type="text/html; charset=utf-8")
    answer.headers.update(PAGE_HEADERS)
    answer.headers["Content-Language"] = locale
    return answer


def _json(value: object, status: int = 200) -> Response:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    answer = Response(text, status, content_type="application/json; charset=utf-8")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


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


def _locale(req: Request, wanted: str = "") -> str:
    """The reader's language: what the page or the link said, else what the browser prefers."""
    said = [wanted or req.args.get("lang", "")]
    return best_locale([*said, *(language for language, _ in req.accept_languages)])


def _is_web_address(url: str) -> bool:
    """Only where the shop's own listing points to, and never to a script."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
