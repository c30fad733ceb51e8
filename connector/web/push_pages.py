"""The page on our own origin where somebody on a list lets this very browser be told as well.

Public and without cookies, as `connector.web.shopper_pages`: the signed link is the key. On our origin, because the
service worker that shows a notification cannot be put into the shops of every platform. Each merchant has a scope, and
with it a browser's subscription, of its own.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from flask import Blueprint, Response, request

from connector.i18n import TEMPLATES, gettext
from connector.shoppers.devices import Browser, add_device, end_device, sender_key
from connector.shoppers.runtime import ShopperRuntime
from connector.web.shopper_pages import STYLE_DIGEST, gone_page, json_answer, page, person_of

CONSENT_VERSION = "2026-11"
MOST_BYTES = 8_192
LONGEST_ENDPOINT, LONGEST_KEY = 2_000, 200
SCRIPT = (TEMPLATES / "storefront" / "push.js").read_text(encoding="utf-8")
_SCRIPT_DIGEST = b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_SCRIPT_DIGEST}'; style-src 'sha256-{STYLE_DIGEST}'; img-src data:;"
    " worker-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_STATUS = {"on": 200, "off": 200, "gone": 410, "refused": 422, "too_many": 409}


def push_pages(rt: ShopperRuntime) -> Blueprint:
    """The routes, for an app that exempts them from CSRF: there is no session."""
    routes = Blueprint("push_pages", __name__)

    @routes.get("/push/sw.js")
    def worker() -> Response:
        body = (TEMPLATES / "storefront" / "push-worker.js").read_bytes()
        answer = Response(body, content_type="text/javascript; charset=utf-8")
        # Asked for again at each visit: a mistake in a worker must not live for a day.
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        # Pictures of products are the shop's own.
        answer.headers["Content-Security-Policy"] = "default-src 'none'; img-src https: http: data:"
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    @routes.get("/push/<token>")
    def show(token: str) -> Response:
        person = person_of(rt, "push", token)
        if isinstance(person, Response):
            return person
        sender = sender_key(rt, person.merchant_id)
        if sender is None or person.status not in ("waiting", "invited"):
            return gone_page(person.locale)
        answer = page(
            "push",
            person.locale,
            person=person,
            script=SCRIPT,
            key=sender[1],
            scope=f"/push/of/{sender[0]}/",
            consent=push_consent(person.seller, person.locale),
            consent_version=CONSENT_VERSION,
        )
        answer.headers["Content-Security-Policy"] = _POLICY
        return answer

    @routes.post("/push/<token>")
    def save(token: str) -> Response:
        person = person_of(rt, "push", token)
        if isinstance(person, Response):
            return person
        if (request.content_length or 0) > MOST_BYTES:
            return _said("too_large", 413)
        posted: Any = request.get_json(silent=True) if request.is_json else None
        if not isinstance(posted, dict):
            return _said("bad_request", 400)
        given = [posted.get(name, "") for name in ("endpoint", "p256dh", "auth")]
        if not all(isinstance(value, str) for value in given) or "\0" in "".join(given):
            return _said("bad_request", 400)
        endpoint, p256dh, auth = given
        if not endpoint or len(endpoint) > LONGEST_ENDPOINT or max(len(p256dh), len(auth)) > LONGEST_KEY:
            return _said("refused", 422)
        if posted.get("end") is True:
            end_device(rt, person.merchant_id, person.subscription_id, endpoint)
            return _said("off", 200)
        if posted.get("consent") != CONSENT_VERSION:
            return _said("no_consent", 422)
        told = add_device(
            rt,
            person.merchant_id,
            person.subscription_id,
            Browser(endpoint, p256dh, auth),
            push_consent(person.seller, person.locale),
            CONSENT_VERSION,
        )
        return _said(told, _STATUS[told])

    return routes


def push_consent(seller: str, locale: str) -> str:
    """What somebody agrees to, in the current version."""
    _ = gettext(locale)
    return _(
        "%(seller)s may show a notification on this device when this item is available again. I can end this at any"
        " time.",
        seller=seller,
    )


def _said(status: str, code: int) -> Response:
    answer = json_answer({"status": status}, code)
    answer.headers["Cache-Control"] = "no-store"
    return answer
