"""Tells that costs or prices changed, to whoever writes prices and minds their floors."""

from __future__ import annotations

import sqlalchemy as sa

from connector.outbox.messages import Intent, enqueue
from connector.positions.topics import LOOK, PRICES, RUN

_ANY_RULE = sa.text("select exists (select 1 from price_rule where merchant_id = :m)")


def tell_prices(db: sa.Connection, merchant_id: int, run_id: int | None = None) -> bool:
    """Costs may have changed, by a run, or prices. Nothing is told for a merchant without price rules; returns
    whether it was."""
    if not db.execute(_ANY_RULE, {"m": merchant_id}).scalar_one():
        return False
    enqueue(db, merchant_id, [Intent(PRICES, LOOK if run_id is None else f"{RUN}{run_id}")])
    return True
