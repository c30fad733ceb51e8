"""Where stores send their webhooks: verified on the raw bytes, recorded, answered; nothing is worked here.

A platform with an app store sends some of them to one address for all shops: verified with the app's own
secret, and given to the shop that the delivery names.

Answers: 200 recorded, repeated, ping, or about a shop of which nothing is kept; 401 not signed with this
store's secret (nothing is recorded); 404 no such address; 413 too large; 503 the database is away, send it
again. Bodies are never logged.
"""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from cachetools import TTLCache

from connector.accounts.connections import by_public_key
from connector.accounts.installations import by_shop
from connector.bootstrap import Runtime
from connector.crypto import SealBroken
from connector.delivery.webhooks import Received
from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.stores import StoreWebhooks, VerifiedDelivery
from connector.web.collector import Collector

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

Answer = tuple[str, str, tuple[tuple[str, str], ...]]
"""A status line, a word for a person who reads the platform's log of deliveries, and further headers."""

MOST_BYTES = 5_000_000
KEPT_S = 10.0
RETRY_AFTER_S = 30
UNKNOWN: Answer = ("404 Not Found", "unknown address", ())
NOTHING_KEPT: Answer = ("200 OK", "nothing is kept of this shop", ())
NOT_POSTED: Answer = ("405 Method Not Allowed", "only POST", (("Allow", "POST"),))
NOT_SIGNED: Answer = ("401 Unauthorized", "not signed", ())
TOO_LARGE: Answer = ("413 Content Too Large", "too large", ())
TRY_AGAIN: Answer = ("503 Service Unavailable", "try again", (("Retry-After", str(RETRY_AFTER_S)),))
FAILED: Answer = ("500 Internal Server Error", "failed", ())
_PLACE = re.compile(r"/webhooks/(?P<adapter>[a-z0-9_]{1,40})(?:/(?P<key>[A-Za-z0-9_-]{1,80}))?")
_SECRETS = ("webhook_secret", "api_secret")
"""Which secrets of a connection sign webhooks: the one we chose for this store, and the app's own on
platforms that sign with that."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A store's webhooks: whose they are and how they are verified."""

    merchant_id: int
    connection_id: int
    verifier: StoreWebhooks
    secrets: tuple[str, ...]
    shop: str
    read_at: float

    def verify(self, headers: Mapping[str, str], body: bytes) -> VerifiedDelivery | None:
        """As the platform's verifier; also Unauthorized when the delivery names another shop than this."""
        delivery = self.verifier.verify(headers, body, self.secrets)
        if delivery is not None and self.shop and delivery.source not in ("", self.shop):
            raise Unauthorized("dispo", "a webhook", "It is another shop's.")
        return delivery


class Receivers:
    """The receivers by address, kept for some seconds: a stream of webhooks opens its secrets once."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._kept: TTLCache[tuple[str, str], Receiver] = TTLCache(2000, KEPT_S)
        self._lock = threading.Lock()

    def get(self, adapter: str, public_key: str) -> Receiver | None:
        """The receiver at this address, None when there is none. Strangers' guesses are not kept."""
        with self._lock:
            kept = self._kept.get((adapter, public_key))
        return kept or self._read(adapter, public_key)

    def newer(self, adapter: str, public_key: str, than: Receiver) -> Receiver | None:
        """The receiver read again, because `than` refused a signature: its secret may just have been
        changed. None within a second, so that forgeries cannot make us read without end."""
        if time.monotonic() - than.read_at < 1.0:
            return None
        return self._read(adapter, public_key)

    def _read(self, adapter: str, public_key: str) -> Receiver | None:
        with self._rt.engine.connect() as db:
            row = by_public_key(db, public_key)
        if row is None or row.kind != "store" or row.adapter != adapter:
            return None
        opened = self._rt.secrets(row)
        keys = self._rt.settings.apps.get(adapter)
        own = tuple(opened[name] for name in _SECRETS if opened.get(name))
        found = Receiver(
            row.merchant_id,
            row.id,
            self._rt.store_webhooks(adapter),
            # A shop that installed the app has no secret of its own for what the app's secret signs.
            own if "api_secret" in opened or keys is None else (*own, *keys.secrets),
            str(row.config.get("shop") or ""),
            time.monotonic(),
        )
        with self._lock:
            self._kept[(adapter, public_key)] = found
        return found


class Hooks:
    """The WSGI application of the routes /webhooks/<adapter>/<public key> and, for an app, /webhooks/<adapter>.

    Plain WSGI instead of Flask: a store in a sale sends thousands a minute, platforms give up on those who
    answer late, and nothing of a session, a form or a page is needed on the way (measured: a quarter of
    the processor time of a request).
    """

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._receivers = Receivers(rt)
        self._collector = Collector(rt)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, text, extra = self._answer(environ)
        body = text.encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            *extra,
        ]
        start_response(status, headers)
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        place = _PLACE.fullmatch(environ.get("PATH_INFO", ""))
        if place is None:
            return UNKNOWN
        if environ["REQUEST_METHOD"] != "POST":
            return NOT_POSTED
        body = _body(environ)
        if body is None:
            return TOO_LARGE
        try:
            if place["key"] is None:
                return self._take_for_app(place["adapter"], _headers(environ), body)
            return self._take(place["adapter"], place["key"], _headers(environ), body)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            log.warning("a webhook was not recorded", adapter=place["adapter"], error=type(error).__name__)
            return TRY_AGAIN
        except (SealBroken, Misconfigured) as error:
            log.error("a webhook cannot be verified", adapter=place["adapter"], error=str(error))
            return TRY_AGAIN
        except Exception as error:  # a bug must be an answer and a line in the log, without the body
            text = "".join(traceback.format_exception(error))
            log.error("a webhook met an unexpected error", adapter=place["adapter"], traceback=text)
            return FAILED

    def _take(self, adapter: str, public_key: str, headers: Mapping[str, str], body: bytes) -> Answer:
        found = self._receivers.get(adapter, public_key)
        if found is None:
            return UNKNOWN
        try:
            delivery = found.verify(headers, body)
        except Unauthorized:
            newer = self._receivers.newer(adapter, public_key, found)
            try:
                if newer is None or newer.secrets == found.secrets:
                    raise
                delivery = newer.verify(headers, body)
            except Unauthorized:
                log.warning("a webhook was not signed", adapter=adapter, connection=found.connection_id)
                return NOT_SIGNED
        if delivery is None:
            return "200 OK", "ping", ()
        receipt = self._collector.record(Received(found.merchant_id, found.connection_id, delivery, body))
        return "200 OK", receipt.outcome, ()

    def _take_for_app(self, adapter: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What comes for all shops of our app. Of a shop that we do not know nothing is kept: there is
        nothing to do, and the platform must not ask again."""
        keys = self._rt.settings.apps.get(adapter)
        if keys is None:
            return UNKNOWN
        try:
            delivery = self._rt.store_webhooks(adapter).verify(headers, body, keys.secrets)
        except Unauthorized:
            log.warning("a webhook was not signed", adapter=adapter)
            return NOT_SIGNED
        if delivery is None:
            return "200 OK", "ping", ()
        with self._rt.engine.connect() as db:
            row = by_shop(db, adapter, delivery.source)
        if row is None:
            log.info("a webhook of a shop that is not known", adapter=adapter, topic=delivery.topic)
            return NOTHING_KEPT
        receipt = self._collector.record(Received(row.merchant_id, row.connection_id, delivery, body))
        return "200 OK", receipt.outcome, ()


class Mounted:
    """The webhooks before another application: what begins with /webhooks/ goes to them."""

    def __init__(self, webhooks: WSGIApplication, others: WSGIApplication) -> None:
        self._webhooks = webhooks
        self._others = others

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_ours = str(environ.get("PATH_INFO", "")).startswith("/webhooks/")
        return (self._webhooks if is_ours else self._others)(environ, start_response)


def _body(environ: WSGIEnvironment) -> bytes | None:
    """The raw body, None when it is larger than MOST_BYTES. Without a length (sent in chunks) it is read
    as far as that."""
    stated = environ.get("CONTENT_LENGTH") or ""
    if stated:
        if not stated.isdigit() or int(stated) > MOST_BYTES:
            return None
        return bytes(environ["wsgi.input"].read(int(stated)))
    if environ.get("HTTP_TRANSFER_ENCODING") is None and not environ.get("wsgi.input_terminated"):
        return b""
    body = bytes(environ["wsgi.input"].read(MOST_BYTES + 1))
    return body if len(body) <= MOST_BYTES else None


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """The request's headers with names in lower case."""
    return {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
