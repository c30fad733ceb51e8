"""The one file that touches the `woocommerce` library, and the one place where what a shop answers
becomes an error of `connector.ports.errors`.

The library calls `requests.request` and takes no session, so its name for it is replaced once by a
function that sends through the guarded session handed along with each call. The `Link` header of an
answer repeats keys and signatures and is neither read nor logged here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import woocommerce.api as library

from adapters.kit.budget import Budget
from adapters.kit.errors import Row, translate
from adapters.kit.http import requests_session, safe_url
from connector.ports.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

ADAPTER = "woocommerce"
PLUGIN = "wc-dispo/v1"
"""Where our companion plugin answers; WooCommerce's keys count only below "wc/" and "wc-"."""
_NEW_KEY = "Create a key under WooCommerce > Settings > Advanced > REST API and enter it here."
_READ_WRITE = "Give the key the permission Read/Write under WooCommerce > Settings > Advanced > REST API."
_PERMALINKS = (
    "In WordPress choose any permalink structure but Plain under Settings > Permalinks, and check the "
    "address."
)
_ROWS = (
    Row(403, Unauthorized, "The key's user or a firewall refuses this call.", "Create the key for an "
        "administrator or shop manager, and let the shop's firewall or security plugin pass /wp-json/."),
    Row(413, Misconfigured, "The web server in front of the shop refuses requests of this size.",
        "Ask the shop's host to allow request bodies of 1 MB (nginx: client_max_body_size)."),
    Row(414, Misconfigured, "The web server in front of the shop refuses addresses of this length.",
        "Ask the shop's host to allow addresses of 8 kB (nginx: large_client_header_buffers)."),
    # WordPress itself answers maintenance as JSON; a page may come from a proxy whose wait ran out.
    Row(503, Retryable, "The shop is unavailable for now.", write_error=OutcomeUnknown),
)  # fmt: skip
_MAINTENANCE = (Row(503, Retryable, "The shop is in maintenance.", retry_after_s=600.0),)


def _request(method: str, url: str, *, session: requests.Session | None = None, **kwargs: Any) -> Any:
    """Stands where the library expects `requests.request`; passes through what is not ours."""
    if session is None:
        return requests.request(method, url, **kwargs)  # noqa: S113 - the library always sets one
    if "oauth_signature=" in url:
        # Over plain http the library has put the parameters into the address already and would send
        # them twice, which doubles an address that hosts limit to 8 kB.
        kwargs["params"] = None
    # The guarded session decides what certificates it trusts.
    kwargs.pop("verify", None)
    return session.request(method, url, **kwargs)


library.request = _request


WRITE_PATIENCE = 3
"""A loaded shop needed 24 s for a batch of a hundred: a write is waited for this many times as long as a
read, because one whose answer is not waited for must be read back."""

LONGEST_CLOSED_S = 300.0
"""No worker calls a shop for so long at the most because one of them was told to stay away."""


class NoRoute(Exception):
    """This shop's WooCommerce is too old for the route (JSON code rest_no_route). Never leaves the adapter."""


class Answer:
    """Parsed JSON and the two headers that count pages; `total` and `pages` are None when absent."""

    def __init__(self, data: Any, headers: Mapping[str, str]) -> None:
        self.data = data
        self.total = _count(headers.get("X-WP-Total"))
        self.pages = _count(headers.get("X-WP-TotalPages"))


class Client:
    """Calls to one shop's REST API. Construction does no network.

    `url` is the shop's address, with or without a path. Raises Misconfigured(field=…) for an address or
    key that cannot work.
    """

    def __init__(self, url: str, key: str, secret: str, environment: Environment) -> None:
        self.url = _shop_url(url)
        self._secrets = tuple(
            _credential(name, value) for name, value in (("consumer_key", key), ("consumer_secret", secret))
        )
        self._session = requests_session(environment, ADAPTER)
        # WooCommerce has no limit of its own; hosts and firewalls have, and say how long to stay away.
        self._budget = Budget(environment, f"{ADAPTER}:{self.url}")
        self._api, self._write_api, self._plugin_api = (
            library.API(
                self.url,
                *self._secrets,
                version=version,
                timeout=environment.timeout_s * patience,
                user_agent=environment.user_agent,
            )
            for version, patience in (("wc/v3", 1), ("wc/v3", WRITE_PATIENCE), (PLUGIN, WRITE_PATIENCE))
        )

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, may_be_missing: bool = False
    ) -> Answer:
        """GET below wc/v3. With `may_be_missing` NoRoute is raised where the shop has no such route."""
        self._stay_away("GET", path)
        # The library signs and sends strings; a list would break the signature over plain http.
        answer = self._api.get(path, params=dict(params or {}), session=self._session)
        return self._parsed("GET", path, answer, is_read=True, may_be_missing=may_be_missing)

    def ask_plugin(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """GET, or with a body POST, below our companion plugin's wc-dispo/v1. Raises NoRoute where the shop
        has no such plugin, OutcomeUnknown as `write` does."""
        method, is_read = ("GET", True) if body is None else ("POST", False)
        self._stay_away(method, path)
        if body is None:
            answer = self._plugin_api.get(path, session=self._session)
        else:
            answer = self._plugin_api.post(path, body, session=self._session)
        return self._parsed(method, f"{PLUGIN}/{path}", answer, is_read=is_read, may_be_missing=True)

    def write(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        """POST or PUT below wc/v3. Raises OutcomeUnknown when it may have been done without an answer."""
        self._stay_away(method, path)
        send = self._write_api.post if method == "POST" else self._write_api.put
        return self._parsed(method, path, send(path, body, session=self._session), is_read=False)

    def delete(self, path: str, params: Mapping[str, str]) -> Answer:
        """DELETE below wc/v3. Raises OutcomeUnknown as `write` does, NotFound for what is not there."""
        self._stay_away("DELETE", path)
        answer = self._write_api.delete(path, params=dict(params), session=self._session)
        return self._parsed("DELETE", path, answer, is_read=False)

    def index(self) -> dict[str, Any]:
        """What the shop says of itself to anybody (/wp-json/)."""
        fields = "name,home,gmt_offset,timezone_string,namespaces"
        # Maintenance is told as a page to whoever does not ask for JSON.
        headers = {"Accept": "application/json"}
        answer = self._session.get(f"{self.url}/wp-json/", params={"_fields": fields}, headers=headers)
        data = self._parsed("GET", "/wp-json/", answer, is_read=True).data
        return data if isinstance(data, dict) else {}

    def _stay_away(self, method: str, path: str) -> None:
        """Raise RateLimited while the shop's host wants no calls, whichever worker it told so."""
        wait_s = self._budget.wait_s(1)
        if wait_s > 0:
            raise RateLimited(
                ADAPTER,
                f"{method} {path}",
                "The shop's host takes no more requests for the moment.",
                retry_after_s=wait_s,
            )

    def _parsed(
        self,
        method: str,
        path: str,
        answer: requests.Response,
        *,
        is_read: bool,
        may_be_missing: bool = False,
    ) -> Answer:
        subject = f"{method} {path}"
        data = _json(answer)
        status = answer.status_code
        if 200 <= status < 300 and data is not None:
            return Answer(data, answer.headers)
        if 200 <= status < 300:
            raise self._not_json(subject, answer, is_read=is_read)
        if 300 <= status < 400:
            raise self._redirected(subject, answer)
        code, message = self._words(data)
        if status == 401:
            raise self._refused(subject, code, message, is_read=is_read)
        if status == 404:
            if code == "rest_no_route" and may_be_missing:
                raise NoRoute(path)
            if code == "rest_no_route":
                raise Misconfigured(
                    ADAPTER,
                    subject,
                    "This WordPress site has no WooCommerce REST API.",
                    "Check that WooCommerce is active and that no security plugin disables its REST API.",
                    field="url",
                )
            if data is None:
                raise Misconfigured(
                    ADAPTER,
                    subject,
                    "There is no WordPress REST API at this address.",
                    _PERMALINKS,
                    field="url",
                )
            raise NotFound(ADAPTER, subject, message or "It does not exist in the shop.")
        if code == "woocommerce_rest_cannot_create_order_refund":
            # WooCommerce's 500 for a gateway that did not pay: it has taken the refund back by then.
            raise Rejected(ADAPTER, subject, message)
        if status == 413 and data is not None:
            raise Rejected(ADAPTER, subject, message)
        rows = _MAINTENANCE if status == 503 and code == "wp_die" else _ROWS
        error = translate(
            status,
            rows,
            adapter=ADAPTER,
            subject=subject,
            detail=message,
            headers=answer.headers,
            is_read=is_read,
        )
        # Not so for a shop in maintenance: that ends when somebody ends it.
        if status == 429 and isinstance(error, RateLimited):
            self._budget.close(min(error.retry_after_s, LONGEST_CLOSED_S))
        raise error

    def _words(self, data: Any) -> tuple[str, str]:
        """WordPress's code and message, without markup and without our keys."""
        if not isinstance(data, dict):
            return "", ""
        return str(data.get("code", "")), self.plain(data.get("message", ""))

    def plain(self, message: object) -> str:
        """A message of the shop as plain text of at most 200 characters, without our keys."""
        text = html.unescape(re.sub(r"<[^>]*>", "", str(message)))[:200]
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def _refused(self, subject: str, code: str, message: str, *, is_read: bool) -> PortError:
        words = message.lower()
        if "nonce" in words:
            # The shop has seen this very request: something in between sent it twice.
            kind = Retryable if is_read else OutcomeUnknown
            return kind(ADAPTER, subject, "A proxy repeated the request, and the shop refused the second.")
        if "permissions" in words:
            return Unauthorized(ADAPTER, subject, f"The key is too weak: {message}", _READ_WRITE)
        if "timestamp" in words:
            return Unauthorized(
                ADAPTER,
                subject,
                "The clocks of the shop and of this server differ by more than 15 minutes.",
                "Ask the shop's host to set its clock, or use the shop's https address.",
            )
        if "secret is invalid" in words or "signature" in words:
            return Unauthorized(ADAPTER, subject, "The consumer secret does not belong to the key.", _NEW_KEY)
        if "key is invalid" in words:
            # Only said of a signed request, so nothing was dropped on the way.
            return Unauthorized(ADAPTER, subject, "The shop does not know the key.", _NEW_KEY)
        hint = (
            "If the key is right, the web server drops the Authorization header: ask the shop's host to "
            "pass it on."
        )
        cause = "The shop does not know the key, or its user may not do this."
        return Unauthorized(ADAPTER, subject, f"{cause} ({code or 'HTTP 401'})", f"{_NEW_KEY} {hint}")

    def _redirected(self, subject: str, answer: requests.Response) -> PortError:
        here, there = urlsplit(answer.url), urlsplit(answer.headers.get("Location", ""))
        same_host = there.hostname in (None, here.hostname) and there.scheme in ("", here.scheme)
        if same_host and there.path.rstrip("/") == here.path.rstrip("/"):
            return Misconfigured(
                ADAPTER, subject, "The shop answers API calls with web pages.", _PERMALINKS, field="url"
            )
        # Only scheme and host: the rest of the address holds keys over plain http.
        target = safe_url(f"{there.scheme or here.scheme}://{there.netloc or here.netloc}")
        return Misconfigured(
            ADAPTER,
            subject,
            f"The shop redirects to {target}{there.path.partition('/wp-json')[0]}.",
            "Enter that address instead.",
            field="url",
        )

    def _not_json(self, subject: str, answer: requests.Response, *, is_read: bool) -> PortError:
        start = answer.content[:200].lstrip().lower()
        if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")) or is_read:
            return Misconfigured(
                ADAPTER, subject, "The shop answered with a web page instead of data.", _PERMALINKS,
                field="url",
            )  # fmt: skip
        # PHP warnings printed before the JSON, or an answer that was cut: WooCommerce did run.
        return OutcomeUnknown(
            ADAPTER,
            subject,
            "The shop's answer to a write cannot be read.",
            "Switch off the display of PHP errors (WP_DEBUG_DISPLAY) in the shop.",
        )


def _json(answer: requests.Response) -> Any:
    """The parsed body, or None when it is not JSON (null is not an answer either)."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def _count(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdecimal() else None


def _shop_url(url: str) -> str:
    """The address before /wp-json, without a slash at its end."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.password:
        raise Misconfigured(
            ADAPTER,
            "shop address",
            "It is not the address of a shop.",
            "Enter it like https://shop.example, without a user name.",
            field="url",
        )
    path = re.split(r"/(?:wp-json|wp-admin|index\.php)(?:/|$)", parts.path)[0].rstrip("/")
    if ":" in host:
        host = f"[{host}]"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"


def _credential(name: str, value: str) -> str:
    text = value.strip()
    other = "cs_" if name == "consumer_key" else "ck_"
    if not text or not text.isascii() or not text.isprintable() or " " in text or text.startswith(other):
        raise Misconfigured(
            ADAPTER, name.replace("_", " "), "It is missing or is not one.", _NEW_KEY, field=name
        )
    return text
