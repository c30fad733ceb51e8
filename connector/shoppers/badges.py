"""What live product pages may say now, as data; the page chooses the words and may only downgrade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.tables import Connection
from connector.availability.delivering import Window
from connector.catalog.tables import Listing
from connector.delivery.live import LiveDesk
from connector.positions.tables import Position
from connector.positions.windows import windows
from connector.shoppers.stock import BUYABLE, FROM_STOCK

_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_LISTING = Listing.__table__  # type: ignore[attr-defined]
_POSITION = Position.__table__  # type: ignore[attr-defined]

MOST_IDS = 100


def badge_facts(
    db: sa.Connection,
    public_key: str,
    external_ids: Sequence[str],
    now: datetime,
    country: str = "",
    live: LiveDesk | None = None,
) -> dict[str, dict[str, Any]] | None:
    """For each known item of a store: state, and count, restock_on, restock_until where they may be
    shown; `delivery`, the first and the last day an order placed now may reach `country` (two letters; "": the
    merchant's first zone), where it can be bought and the merchant promises it. At most 100 ids are answered;
    unknown ones are left out. None: there is no such store. With `live` suppliers that can be asked are asked now;
    of what they do not say in time, nothing is made worse.

    Where the store's own number says that nothing is left, the answer is out_of_stock whatever we
    believe, and a count is never above the store's own.
    """
    if "\0" in public_key:  # PostgreSQL has no such text
        return None
    store = db.execute(
        sa.select(_CONNECTION.c.merchant_id, _CONNECTION.c.id).where(
            _CONNECTION.c.public_key == public_key, _CONNECTION.c.status != "ended"
        )
    ).one_or_none()
    if store is None:
        return None
    rows = db.execute(
        sa.select(
            _LISTING.c.external_id,
            _POSITION.c.variant_id,
            sa.func.max(_LISTING.c.confirmed_available).label("confirmed"),
            _POSITION.c.state,
            _POSITION.c.available,
            _POSITION.c.shown_count,
            _POSITION.c.restock_on,
            _POSITION.c.restock_until,
        )
        .join_from(
            _LISTING,
            _POSITION,
            (_POSITION.c.merchant_id == _LISTING.c.merchant_id)
            & (_POSITION.c.variant_id == _LISTING.c.variant_id),
        )
        .where(
            _LISTING.c.merchant_id == store.merchant_id,
            _LISTING.c.connection_id == store.id,
            _LISTING.c.external_id.in_(list(external_ids)[:MOST_IDS]),
            sa.not_(_LISTING.c.is_gone),
        )
        .group_by(_LISTING.c.external_id, *_POSITION.c)
        .order_by(_LISTING.c.external_id)
    )
    found = rows.all()
    due = windows(db, store.merchant_id, [row.variant_id for row in found], now, country)
    facts = {row.external_id: _facts(row) for row in found}
    if live is not None:
        _check(live, store.merchant_id, found, facts, now)
    for row in found:
        window = due.get(row.variant_id)
        if isinstance(window, Window) and facts[row.external_id]["state"] in BUYABLE:
            facts[row.external_id]["delivery"] = [window.on.isoformat(), window.until.isoformat()]
    return facts


def _check(
    live: LiveDesk, merchant_id: int, rows: Sequence[Any], facts: dict[str, dict[str, Any]], now: datetime
) -> None:
    """Make worse what suppliers say is less than we thought."""
    sold = [row for row in rows if facts[row.external_id]["state"] in FROM_STOCK]
    units = live.units_of(merchant_id, [row.variant_id for row in sold], now)
    for row in sold:
        left = units.get(row.variant_id)
        said = facts[row.external_id]
        if left == 0:
            facts[row.external_id] = {"state": "out_of_stock"}
        elif left is not None and left < min(said.get("count", row.available), row.available):
            facts[row.external_id] = {**said, "state": "low_stock", "count": left}


def _facts(row: Any) -> dict[str, Any]:
    state, count = row.state, row.shown_count
    if state in FROM_STOCK and row.confirmed is not None and row.confirmed <= 0:
        return {"state": "out_of_stock"}
    facts: dict[str, Any] = {"state": state}
    if count is not None:
        facts["count"] = count if row.confirmed is None else min(count, row.confirmed)
    if row.restock_on is not None:
        facts["restock_on"] = row.restock_on.isoformat()
        facts["restock_until"] = (row.restock_until or row.restock_on).isoformat()
    return facts
