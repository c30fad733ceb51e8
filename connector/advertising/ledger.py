"""The ledger of what was done to ads, and of what a pause saved. Append-only."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

_WHY = {
    "pause": "Everything on its landing page is sold out.",
    "resume": "It can be bought again on its landing page.",
}


def record(
    db: sa.Connection,
    merchant_id: int,
    row: Any,
    action: str,
    outcome: str,
    now: datetime,
    *,
    reason: str = "",
    is_dry: bool = False,
) -> None:
    """One line about one ad (a row of `ad_link`: id, daily_spend, paused_by_us_at, out_since, back_since).

    What a pause saved is booked when we end it: days paused × daily spend before it. What would be done
    (a dry run) or was refused is noted once for each time out of stock, not at every look.
    """
    saved = None
    if action == "resume" and outcome == "done" and not is_dry:
        saved = spend_saved(row.daily_spend, row.paused_by_us_at, now)
    is_once = is_dry or outcome == "rejected"
    db.execute(
        _INSERT,
        {
            "m": merchant_id,
            "id": row.id,
            "at": now,
            "action": action,
            "outcome": outcome,
            "reason": reason or _WHY[action],
            "dry": is_dry,
            "saved": saved,
            "once": is_once,
            "since": (row.out_since if action == "pause" else row.back_since) if is_once else None,
        },
    )


def spend_saved(daily_spend: Decimal | None, paused_at: datetime | None, now: datetime) -> Decimal | None:
    """Days paused × daily spend, in the account's currency, to four places; None where either is not
    known. Half a day at 12.5000 saves 6.2500."""
    if not daily_spend or paused_at is None:
        return None
    days = Decimal((now - paused_at) // timedelta(seconds=1)) / Decimal(86_400)
    return (Decimal(daily_spend) * days).quantize(Decimal("0.0001"))


def hold(
    db: sa.Connection, merchant_id: int, connection_id: int, ad_link_id: int, reason: str, now: datetime
) -> None:
    """Note that many pauses wait for an approval: one line an hour for an account, not one a look."""
    db.execute(
        _HOLD,
        {
            "m": merchant_id,
            "c": connection_id,
            "id": ad_link_id,
            "at": now,
            "recent": now - timedelta(hours=1),
            "reason": reason,
        },
    )


_INSERT = sa.text("""
    insert into ad_action (merchant_id, ad_link_id, at, action, outcome, reason, is_dry_run, spend_saved)
    select :m, :id, :at, cast(:action as text), cast(:outcome as text), :reason, :dry, :saved
     where not (:once and exists (
           select 1 from ad_action
            where merchant_id = :m and ad_link_id = :id and action = cast(:action as text)
              and outcome = cast(:outcome as text)
              and is_dry_run = :dry and at >= coalesce(cast(:since as timestamptz), cast(:at as timestamptz))))
""")

_HOLD = sa.text("""
    insert into ad_action (merchant_id, ad_link_id, at, action, outcome, reason)
    select :m, :id, :at, 'hold', 'held', :reason
     where not exists (
           select 1 from ad_action a
             join ad_link l on l.merchant_id = a.merchant_id and l.id = a.ad_link_id
            where a.merchant_id = :m and l.connection_id = :c and a.action = 'hold' and a.at > :recent)
""")
