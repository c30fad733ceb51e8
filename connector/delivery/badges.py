"""Looks whether a store can keep and show badges, has it made ready, and remembers why it cannot."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.ports.badges import BadgeSetup


def look_at_badges(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> str:
    """Why product pages of this store cannot show badges, "" when they can or when the platform needs nothing
    beforehand. Stored with the connection; harmless to repeat. Raises the store's PortError."""
    store = rt.store(merchant_id, connection_id)
    if not store.capabilities.sets_up_badges:
        return ""
    problem = cast(BadgeSetup, store).ready_badges()
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update connection
                   set cursors = case when :p = '' then cursors - 'badges_problem'
                                      else cursors || jsonb_build_object('badges_problem', cast(:p as text)) end
                 where merchant_id = :m and id = :c
                   and coalesce(cursors ->> 'badges_problem', '') <> :p
            """),
            {"m": merchant_id, "c": connection_id, "p": problem},
        )
    return problem


def badges_problem(db: sa.Connection, merchant_id: int, connection_id: int) -> str:
    """Why its product pages cannot show badges, as found last; "" when they can."""
    found = db.execute(
        sa.text("select cursors ->> 'badges_problem' from connection where merchant_id = :m and id = :c"),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    return str(found or "")
