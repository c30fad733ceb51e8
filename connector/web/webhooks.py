"""Where stores send their webhooks: verified on the raw bytes, recorded, answered; nothing is worked here.

Answers: 200 recorded, repeated or ping; 401 not signed with this store's secret (nothing is recorded);
404 no such address; 413 too large; 503 the database is away, send it again. Bodies are never logged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from cachetools import TTLCache
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from connector.accounts.connections import by_public_key
from connector.bootstrap import Runtime
from connector.crypto import SealBroken
from connector.db import transaction
from connector.delivery.webhooks import receive
from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.stores import StoreWebhooks

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


def receiver(rt: Runtime) -> Blueprint:
    """The route. Exempt it from CSRF: a signature takes its place."""
    routes = Blueprint("webhooks", __name__)
    receivers = Receivers(rt)

    @routes.post("/webhooks/<adapter>/<public_key>")
    def take(adapter: str, public_key: str) -> Response:
        request.max_content_length = MOST_BYTES
        try:
            body = request.get_data(cache=False, parse_form_data=False)
        except RequestEntityTooLarge:
            return _answer("too large", 413)
        try:
            return _take(rt, receivers, adapter, public_key, body)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            log.warning("a webhook was not recorded", adapter=adapter, error=type(error).__name__)
            return _answer("try again", 503, {"Retry-After": str(RETRY_AFTER_S)})
        except (SealBroken, Misconfigured) as error:
            log.error("a webhook cannot be verified", adapter=adapter, error=str(error))
            return _answer("try again", 503, {"Retry-After": str(RETRY_AFTER_S)})

    return routes


def _take(rt: Runtime, receivers: Receivers, adapter: str, public_key: str, body: bytes) -> Response:
    found = receivers.get(adapter, public_key)
    if found is None:
        return _answer("unknown address", 404)
    headers = dict(request.headers)
    try:
        return _record(rt, found, headers, body)
    except Unauthorized:
        newer = receivers.newer(adapter, public_key, found)
        if newer is not None and newer.secrets != found.secrets:
            try:
                return _record(rt, newer, headers, body)
            except Unauthorized:
                pass  # the answer is the same for the old secret and the new one
    log.warning("a webhook was not signed", adapter=adapter, connection=found.connection_id)
    return _answer("not signed", 401)


def _record(rt: Runtime, to: Receiver, headers: Mapping[str, str], body: bytes) -> Response:
    with transaction(rt.engine) as db:
        receipt = receive(db, to.merchant_id, to.connection_id, to.verifier, headers, body, to.secrets)
    return _answer(receipt.outcome, 200)


def _answer(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, status, headers=dict(headers or {}), content_type="text/plain; charset=utf-8")
