"""Keeps a store's webhooks pointing at us: set at connect, looked after ever since (platforms disable
those that failed for a while)."""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

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
    """Make the store send its webhooks; returns the topics. Harmless to repeat."""
    with rt.engine.connect() as db:
        row = connection(db, merchant_id, connection_id)
    store = rt.store(merchant_id, connection_id)
    topics = store.subscribe(webhook_address(rt.base_url, row), rt.secrets(row)["webhook_secret"])
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update connection set cursors = cursors || jsonb_build_object('webhooks', cast(:n as int))
                 where merchant_id = :m and id = :c
            """),
            {"m": merchant_id, "c": connection_id, "n": len(topics)},
        )
    return topics
