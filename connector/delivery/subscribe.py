"""Keeps a store's webhooks pointing at us: set at connect, looked after ever since (platforms disable
those that failed for a while)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime


class WebhookRuntime(DeliveryRuntime, Protocol):
    """As delivery's, and our public address and the connection's secrets."""

    @property
    def base_url(self) -> str: ...

    def secrets(self, row: ConnectionRow) -> dict[str, str]: ...


def webhook_address(base_url: str, row: ConnectionRow) -> str:
    """The address this store's webhooks go to."""
    return f"{base_url}/webhooks/{row.adapter}/{row.public_key}"


def subscribe_webhooks(rt: WebhookRuntime, merchant_id: int, connection_id: int) -> list[str]:
    """Make the store send its webhooks; returns the topics. Harmless to repeat.

    Those that were set once and are off by now are noted as mended, with the time they were last seen on,
    if they are on afterwards. Nothing was missed meanwhile: the store is read regularly besides.
    """
    with rt.engine.connect() as db:
        row = connection(db, merchant_id, connection_id)
        known = _known(db, merchant_id, connection_id)
    store, address = rt.store(merchant_id, connection_id), webhook_address(rt.base_url, row)
    # Only what was on before can have been switched off: a new store has none, and some are never granted.
    lost = set(known.topics) & set(store.webhooks_off(address)) if known.topics else set()
    topics = store.subscribe(address, rt.secrets(row)["webhook_secret"])
    if lost:
        # What a platform does not show us is still off here, and was not switched on by this.
        lost -= set(store.webhooks_off(address))
    now = rt.now()
    mended = {"since": known.seen_at, "at": now.isoformat(), "topics": sorted(lost)} if lost else None
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update connection
                   set cursors = cursors || jsonb_strip_nulls(jsonb_build_object(
                         'webhooks', cast(:n as int), 'webhook_topics', cast(:topics as jsonb),
                         'webhooks_seen_at', cast(:now as text), 'webhooks_mended', cast(:mended as jsonb)))
                 where merchant_id = :m and id = :c
            """),
            {
                "m": merchant_id,
                "c": connection_id,
                "n": len(topics),
                "topics": json.dumps(topics),
                "now": now.isoformat(),
                "mended": json.dumps(mended) if mended else None,
            },
        )
        if mended:
            subject = f"connection {connection_id}"
            record(db, merchant_id, now, "dispo", "store.webhooks_mended", subject, mended)
    return topics


@dataclass(frozen=True, slots=True)
class _Known:
    topics: list[str]
    seen_at: str


def _known(db: sa.Connection, merchant_id: int, connection_id: int) -> _Known:
    """The topics that were set when they were last looked at, and when that was (ISO 8601, "" if never)."""
    cursors = _cursors(db, merchant_id, connection_id)
    return _Known(list(cursors.get("webhook_topics") or ()), str(cursors.get("webhooks_seen_at") or ""))


@dataclass(frozen=True, slots=True)
class Mended:
    """Webhooks that were found off and switched on `at`; they were last seen on at `since`."""

    since: datetime
    at: datetime
    count: int


def mended(db: sa.Connection, merchant_id: int, connection_id: int) -> Mended | None:
    """The last time that webhooks had to be switched on again; None when they never had to be."""
    found = _cursors(db, merchant_id, connection_id).get("webhooks_mended")
    if not found:
        return None
    at = datetime.fromisoformat(found["at"])
    since = datetime.fromisoformat(found["since"]) if found.get("since") else at
    return Mended(since, at, len(found["topics"]))


def _cursors(db: sa.Connection, merchant_id: int, connection_id: int) -> dict[str, Any]:
    found = db.execute(
        sa.text("select cursors from connection where merchant_id = :m and id = :c"),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    return dict(found or {})
