"""/wc-auth/v1/: the page on which a shop's owner lets an app have a REST key, and the hand-over of that key.

As WooCommerce does it: who is not signed in is sent to sign in; the page names the callback's host; on
approval a key is made and posted to the callback as JSON, without a signature; at any answer but 200 the key
is deleted again and the owner sees an error.
"""

from __future__ import annotations

import hmac
import html
import itertools
import json
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from werkzeug.wrappers import Request, Response

from simulator.woocommerce.auth import ApiKey, KeyRing

_ROOT = "/wc-auth/v1"
_NEEDED = ("app_name", "user_id", "return_url", "callback_url", "scope")
_SCOPES = ("read", "write", "read_write")
_MAY = {
    "read": "View coupons, customers, orders and products",
    "write": "Create webhooks, coupons, customers, orders and products",
    "read_write": "Create webhooks; view and manage coupons, customers, orders and products",
}
_PORTS = (80, 443, 8080)

Post = Callable[[str, bytes, Mapping[str, str]], int]
"""Sends one POST (address, body, headers) and gives the status; 0 when nothing answered."""


class Grants:
    """The pages below /wc-auth/v1/. `is_signed_in`: whether the browser's person is; `post` sends the key
    on (a test's seam); `calls_any_port` lets callbacks lie on other ports than WordPress calls."""

    def __init__(self, keyring: KeyRing, shop_name: str) -> None:
        self.is_signed_in = True
        self.calls_any_port = False
        self.post: Post = _post
        self.statuses: list[int] = []
        self._keyring = keyring
        self._shop_name = shop_name
        self._nonce = secrets.token_hex(5)
        self._ids = itertools.count(2)

    def answer(self, request: Request) -> Response:
        """What the shop answers to a browser at this address."""
        step = request.path.removeprefix(_ROOT).strip("/")
        if step == "login" and request.path.startswith(_ROOT):
            return self._login(request)
        if step not in ("authorize", "access_granted") or not request.path.startswith(_ROOT):
            return _page(404, "Page not found", "")
        problem = _problem(request.args)
        if problem:
            return _page(401, "Error", f"<p>Error: {html.escape(problem)}.</p>")
        if step == "authorize":
            if not self.is_signed_in:
                return _redirect(f"{_ROOT}/login/?{urlencode(request.args)}")
            return self._ask(request.args)
        return self._granted(request.args)

    def _login(self, request: Request) -> Response:
        if request.method == "POST":
            self.is_signed_in = True
            return _redirect(f"{_ROOT}/authorize?{urlencode(request.args)}")
        action = html.escape(f"{_ROOT}/login/?{urlencode(request.args)}")
        form = f'<form method="post" action="{action}"><button>Login</button></form>'
        return _page(200, "Application authentication request", f"<h1>{self._title()}</h1>{form}")

    def _title(self) -> str:
        return html.escape(self._shop_name)

    def _ask(self, asked: Mapping[str, str]) -> Response:
        app, host = (
            html.escape(asked["app_name"]),
            html.escape(urlsplit(asked["callback_url"]).hostname or ""),
        )
        approve = f"{_ROOT}/access_granted/?{urlencode({**asked, 'wc_auth_nonce': self._nonce})}"
        deny = _with(asked["return_url"], success="0", user_id=asked["user_id"])
        return _page(
            200,
            "Application authentication request",
            f"<h1>{app} would like to connect to your store</h1>"
            f"<p>This will give “{app}” {asked['scope']} access which will allow it to: {_MAY[asked['scope']]}</p>"
            f"<p>Approving will share credentials with {host}. Do not proceed if this looks suspicious.</p>"
            f'<p><a class="wc-auth-approve" href="{html.escape(approve)}">Approve</a> '
            f'<a class="wc-auth-deny" href="{html.escape(deny)}">Deny</a></p>',
        )

    def _granted(self, asked: Mapping[str, str]) -> Response:
        if not self.is_signed_in or not hmac.compare_digest(
            asked.get("wc_auth_nonce", "").encode(), self._nonce.encode()
        ):
            return _page(401, "Error", "<p>Error: Invalid nonce verification.</p>")
        key = ApiKey(f"ck_{secrets.token_hex(20)}", f"cs_{secrets.token_hex(20)}", asked["scope"])  # type: ignore[arg-type]
        self._keyring.keys.append(key)
        status = self._hand_over(asked, key)
        self.statuses.append(status)
        if status != 200:
            self._keyring.keys.remove(key)
            text = "An error occurred in the request and at the time were unable to send the consumer data"
            return _page(401, "Error", f"<p>Error: {text}.</p>")
        return _redirect(_with(asked["return_url"], success="1", user_id=asked["user_id"]))

    def _hand_over(self, asked: Mapping[str, str], key: ApiKey) -> int:
        if not self.calls_any_port and (urlsplit(asked["callback_url"]).port or 443) not in _PORTS:
            return 0
        body = {
            "key_id": next(self._ids),
            "user_id": asked["user_id"],
            "consumer_key": key.key,
            "consumer_secret": key.secret,
            "key_permissions": key.permissions,
        }
        headers = {"Content-Type": "application/json;charset=UTF-8"}
        return self.post(asked["callback_url"], json.dumps(body, separators=(",", ":")).encode(), headers)


def _problem(asked: Mapping[str, str]) -> str:
    for name in _NEEDED:
        if not asked.get(name):
            return f"Missing parameter {name}"
    if asked["scope"] not in _SCOPES:
        return f"Invalid scope {asked['scope']}"
    for name in ("return_url", "callback_url"):
        if not urlsplit(asked[name]).hostname:
            return f"The {name} is not a valid URL"
    if urlsplit(asked["callback_url"]).scheme != "https":
        return "The callback_url needs to be over SSL"
    return ""


def _post(address: str, body: bytes, headers: Mapping[str, str]) -> int:
    try:
        answer = requests.post(address, data=body, headers=dict(headers), timeout=60, allow_redirects=False)
    except requests.RequestException:
        return 0
    return answer.status_code


def _with(address: str, **values: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **values})))


def _redirect(target: str) -> Response:
    return Response(status=302, headers={"Location": target})


def _page(status: int, title: str, body: str) -> Response:
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title></head><body>{body}</body></html>"
    )
    return Response(text, status, content_type="text/html; charset=UTF-8")
