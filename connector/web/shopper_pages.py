"""What the public pages of shoppers and customers share: their look, headers and language, and who a link speaks for.

These pages are without cookies: nobody is recognised here except by a signed link. Nothing here writes a log line,
and no address reaches an error message.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

from flask import Request, Response, request
from werkzeug.exceptions import HTTPException

from connector.crypto import LinkExpired, LinkInvalid
from connector.i18n import best_locale, environment
from connector.shoppers import links
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.unsubscribe import Person, find_person

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


def page(name: str, locale: str, status: int = 200, **context: Any) -> Response:
    """The page "storefront/<name>.html" in `locale`, with the headers of these pages."""
    html = environment(locale).get_template(f"storefront/{name}.html").render(**context)
    answer = Response(html, status, content_type="text/html; charset=utf-8")
    answer.headers.update(PAGE_HEADERS)
    answer.headers["Content-Language"] = locale
    return answer


def error_page(reason: str, locale: str, status: int) -> Response:
    """The page that says why there is nothing: `reason` "expired", "forged", "gone", "not_found" or "failed"."""
    return page("error", locale, status, reason=reason)


def gone_page(locale: str) -> Response:
    """What the link was about is not there any more."""
    return error_page("gone", locale, 410)


def http_error(error: HTTPException) -> Response:
    """An error handler for an app that serves nothing but these pages."""
    return error_page("not_found" if error.code == 404 else "failed", locale_of(request), error.code or 500)


def json_answer(value: object, status: int = 200) -> Response:
    """`value` as JSON, the same bytes for the same value."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    answer = Response(text, status, content_type="application/json; charset=utf-8")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def locale_of(asked: Request, wanted: str = "") -> str:
    """The reader's language: what the page or the link said, else what the browser prefers."""
    said = [wanted or asked.args.get("lang", "")]
    return best_locale([*said, *(language for language, _ in asked.accept_languages)])


def person_of(rt: ShopperRuntime, purpose: links.Purpose, token: str) -> Person | Response:
    """Who a signed link speaks for, or the page that says why it does not work."""
    try:
        merchant_id, subject_id = links.read(rt.keyring, purpose, token)
    except LinkExpired:
        return error_page("expired", locale_of(request), 410)
    except LinkInvalid:
        return error_page("forged", locale_of(request), 404)
    with rt.engine.connect() as db:
        person = find_person(db, merchant_id, subject_id)
    return person or gone_page(locale_of(request))


def is_web_address(url: str) -> bool:
    """Only where the shop's own listing points to, and never to a script."""
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
