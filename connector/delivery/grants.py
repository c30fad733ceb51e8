"""What a store lets Dispo do beyond the necessary, asked of the store itself and believed from then on.

A merchant may grant and withdraw at any time, on the platform's own pages. Notices of it are hints; what counts
is what the store answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.ports.errors import Misconfigured
from connector.registry import Manifest, manifest


@dataclass(frozen=True, slots=True)
class Feature:
    """Something a merchant may grant: its stable `name` ("orders", "incoming"), the platform's own words for
    it, whether it `is_granted`, and the platform's page that asks the merchant, "" where there is none (a
    shop that was connected by hand: its own app says what it grants)."""

    name: str
    scopes: tuple[str, ...]
    is_granted: bool
    url: str


def features(row: ConnectionRow, client_id: str) -> list[Feature]:
    """What may be granted to Dispo in this store; none where its platform grants all or nothing. `client_id`
    is that of the operator's own app on the platform: only for that is there a page that asks."""
    try:
        offered = manifest(row.port, row.adapter)
    except Misconfigured:
        return []
    granted = _granted(offered, row.config)
    asks = offered.grant_url if client_id and row.config.get("client_id") == client_id else None
    return [
        Feature(
            name,
            scopes,
            name in granted,
            asks(row.config, scopes) if asks else "",
        )
        for name, scopes in offered.grants.items()
    ]


def look_at_grants(rt: DeliveryRuntime, merchant_id: int, connection_id: int, actor: str = "dispo") -> bool:
    """Ask the store what it grants and store it with its settings; whether a feature came or went. Harmless
    to repeat.

    Raises the PortError of a store that cannot be asked; nothing is believed anew then.
    """
    with rt.engine.connect() as db:
        asked = connection(db, merchant_id, connection_id)
    if not manifest(asked.port, asked.adapter).grants:
        return False  # all or nothing on this platform: there is nothing to ask, and asking costs the shop
    said = rt.store(merchant_id, connection_id).check().settings
    with transaction(rt.engine) as db:
        row = connection(db, merchant_id, connection_id)
        if all(row.config.get(name) == value for name, value in said.items()):
            return False
        db.execute(
            sa.text("""
                update connection set config = config || cast(:said as jsonb)
                 where merchant_id = :m and id = :c
            """),
            {"m": merchant_id, "c": connection_id, "said": json.dumps(dict(said))},
        )
        offered = manifest(row.port, row.adapter)
        before, after = _granted(offered, row.config), _granted(offered, {**row.config, **said})
        if "orders" in after - before:
            schedule.run_now(db, merchant_id, "store.orders", connection_id)
        if "orders" in before - after:
            # Granted again one day, orders are read from then on: those before are in the store's numbers.
            db.execute(
                sa.text(
                    "update connection set cursors = cursors - 'orders' where merchant_id = :m and id = :c"
                ),
                {"m": merchant_id, "c": connection_id},
            )
        if before != after and row.config.get("scopes"):
            subject = f"connection {connection_id}"
            detail = {"granted": sorted(after - before), "withdrawn": sorted(before - after)}
            record(db, merchant_id, rt.now(), actor, "store.grants", subject, detail)
    return before != after


def _granted(offered: Manifest, config: Mapping[str, Any]) -> set[str]:
    """The features for which the settings name every scope."""
    named = set(re.split(r"[\s,]+", str(config.get("scopes") or "")))
    return {name for name, scopes in offered.grants.items() if named.issuperset(scopes)}
