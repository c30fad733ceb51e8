"""Search connections are made and ended: nothing of them stays at the engine, so nothing is to be undone there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import add_connection, connections
from connector.crypto import Keyring
from connector.db import transaction
from connector.ports.errors import Misconfigured
from connector.ports.search import Search, SearchCheck
from connector.registry import Environment, manifest
from connector.search.runtime import LOOK_EVERY_S, SCHEDULE, SearchRuntime


class ConnectRuntime(SearchRuntime, Protocol):
    """What connecting needs besides."""

    @property
    def keyring(self) -> Keyring: ...

    @property
    def environment(self) -> Environment: ...


def connect(
    rt: ConnectRuntime,
    merchant_id: int,
    adapter: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    name: str = "",
    actor: str,
) -> tuple[int, SearchCheck]:
    """Check an account and keep it; its first look is due at once. Returns the connection and what was found.

    Raises a PortError naming the field when the account cannot be used; nothing is kept then.
    """
    given = {key: value for key, value in secrets.items() if value}
    search: Search = manifest("search", adapter).build(config, given, rt.environment)
    found = search.check()
    with transaction(rt.engine) as db:
        now = rt.now()
        # Two of the same would count every click twice.
        for row in connections(db, merchant_id, "search"):
            if (row.adapter, row.config.get("site")) == (adapter, found.site):
                raise Misconfigured(
                    adapter,
                    found.site,
                    "This site is connected already.",
                    "Name another one, or disconnect it first.",
                    field="site",
                )
        connection_id = add_connection(
            db,
            rt.keyring,
            merchant_id,
            kind="search",
            adapter=adapter,
            name=name or found.site,
            # The site as the engine spells it, also where it was the only one and left out.
            config={**config, "site": found.site},
            secrets=given,
            now=now,
        )
        schedule.ensure(db, merchant_id, SCHEDULE, connection_id, LOOK_EVERY_S)
        record(
            db, merchant_id, now, actor, "search.connect", f"connection {connection_id}", {"site": found.site}
        )
    return connection_id, found


def disconnect(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """End it, in the caller's transaction: its secrets, pages and findings are gone. False for what is no
    search connection of this merchant or has ended already."""
    key = {"m": merchant_id, "c": connection_id}
    ended = db.execute(
        sa.text("""
            update connection
               set status = 'ended', status_reason = 'Disconnected by you.', sealed = '', cursors = '{}'
             where merchant_id = :m and id = :c and kind = 'search' and status <> 'ended'
        """),
        key,
    ).rowcount
    if not ended:
        return False
    for table in ("search_finding", "search_page"):
        db.execute(sa.text(f"delete from {table} where merchant_id = :m and connection_id = :c"), key)  # noqa: S608
    schedule.remove(db, merchant_id, SCHEDULE, connection_id)
    record(db, merchant_id, now, actor, "search.disconnect", f"connection {connection_id}")
    return True
