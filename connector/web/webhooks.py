"""Where stores send their webhooks: verified on the raw bytes, recorded, answered; nothing is worked here.

Answers: 200 recorded, repeated or ping; 401 not signed with this store's secret (nothing is recorded);
404 no such address; 413 too large; 503 the database is away, send it again. Bodies are never logged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from cachetools import TTLCache
from flask import Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from connector.accounts.connections import by_public_key
from connector.bootstrap import Runtime
from connector.crypto import SealBroken
from connector.delivery.webhooks import Received
from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.stores import StoreWebhooks
from connector.web.collector import Collector

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

MOST_BYTES = 5_000_000
KEPT_S = 10.0
RETRY_AFTER_S = 30
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
    read_at: float


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
        found = Receiver(
            row.merchant_id,
            row.id,
            self._rt.store_webhooks(adapter),
            tuple(opened[name] for name in _SECRETS if opened.get(name)),
            time.monotonic(),
        )
        with self._lock:
            self._kept[(adapter, public_key)] = found
        return found


def create_receiver(rt: Runtime) -> Flask:
    """An application with nothing but the route: no session, no form, no limit on the way to it, because
    a store in a sale sends thousands a minute and platforms give up on those who answer late."""
    app = Flask("dispo-webhooks", static_folder=None, template_folder=None)
    receivers = Receivers(rt)
    collector = Collector(rt)

    @app.post("/webhooks/<adapter>/<public_key>")
    def take(adapter: str, public_key: str) -> Response:
        request.max_content_length = MOST_BYTES
        try:
            body = request.get_data(cache=False, parse_form_data=False)
        except RequestEntityTooLarge:
            return _answer("too large", 413)
        try:
            return _take(receivers, collector, adapter, public_key, body)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            log.warning("a webhook was not recorded", adapter=adapter, error=type(error).__name__)
            return _answer("try again", 503, {"Retry-After": str(RETRY_AFTER_S)})
        except (SealBroken, Misconfigured) as error:
            log.error("a webhook cannot be verified", adapter=adapter, error=str(error))
            return _answer("try again", 503, {"Retry-After": str(RETRY_AFTER_S)})

    return app


class Mounted:
    """The webhooks' application before another one: what begins with /webhooks/ goes to it."""

    def __init__(self, webhooks: WSGIApplication, others: WSGIApplication) -> None:
        self._webhooks = webhooks
        self._others = others

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_ours = str(environ.get("PATH_INFO", "")).startswith("/webhooks/")
        return (self._webhooks if is_ours else self._others)(environ, start_response)


def _take(receivers: Receivers, collector: Collector, adapter: str, public_key: str, body: bytes) -> Response:
    found = receivers.get(adapter, public_key)
    if found is None:
        return _answer("unknown address", 404)
    headers = dict(request.headers)
    try:
        delivery = found.verifier.verify(headers, body, found.secrets)
    except Unauthorized:
        newer = receivers.newer(adapter, public_key, found)
        try:
            if newer is None or newer.secrets == found.secrets:
                raise
            delivery = newer.verifier.verify(headers, body, newer.secrets)
        except Unauthorized:
            log.warning("a webhook was not signed", adapter=adapter, connection=found.connection_id)
            return _answer("not signed", 401)
    if delivery is None:
        return _answer("ping", 200)
    receipt = collector.record(Received(found.merchant_id, found.connection_id, delivery, body))
    return _answer(receipt.outcome, 200)


def _answer(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    answer = Response(text, status, headers=dict(headers or {}), content_type="text/plain; charset=utf-8")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
