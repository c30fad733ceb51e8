"""What became of the restock dates that shoppers were shown: kept, slipped, withdrawn, broken.

One promise lasts from the first date shown in a time out of stock until it is sellable again. It is measured
against that first date, whatever was shown later: a later date is a miss at once, a date taken down still counts,
and a first date that passes is a miss the next morning at the merchant's place. A promise does not follow what a
run said that was undone: what that run kept is open again.

A slip is news of the variant (`connector.positions.topics.SHOPPERS`); its handler finds `slipped_at` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.availability.facts import Decision
from connector.outbox.messages import literal
from connector.positions import evidence
from connector.positions.facts import PositionRow

Pair = tuple[PositionRow, Decision]


def keep_promises(
    db: sa.Connection,
    merchant_id: int,
    changed: Sequence[Pair],
    *,
    now: datetime,
    run_id: int | None,
    is_undo: bool,
) -> None:
    """Record what these changes of positions (before, after) make of promises, in the caller's transaction.

    `run_id` is the run that caused them; with `is_undo` it is one taken back.
    """
    shown = [after for _, after in changed if after.restock_until is not None]
    # A date that was to last beyond today was taken down; one that passed is not withdrawn but broken.
    gone = [
        before
        for before, after in changed
        if before.restock_on is not None and after.restock_on is None and after.available == 0
    ]
    back = [after.variant_id for before, after in changed if before.available == 0 and after.available > 0]
    lost = [before.variant_id for before, after in changed if before.available > 0 and after.available == 0]
    if not (shown or gone or back or (lost and is_undo)):
        return
    today = today_of(db, merchant_id, now)
    given = {"merchant": merchant_id, "now": now, "today": today}
    if lost and is_undo:
        db.execute(_REOPEN, {**given, "variants": literal(lost), "run": run_id})
    if shown:
        db.execute(
            _SHOW,
            {
                **given,
                "variants": [one.variant_id for one in shown],
                "days": [one.restock_until for one in shown],
                "evidence": [one.evidence_on for one in shown],
                "connections": [one.connection_id for one in shown],
                "bases": [one.basis for one in shown],
            },
        )
    withdrawn = [one.variant_id for one in gone if (one.restock_until or one.restock_on) >= today]
    if withdrawn:
        db.execute(_WITHDRAW, {**given, "variants": literal(withdrawn)})
    if back:
        db.execute(_END, {**given, "variants": literal(back), "run": run_id})
        evidence.record_sellable(db, merchant_id, back, today=today)


def settle_due(db: sa.Connection, merchant_id: int, *, now: datetime) -> int:
    """Mark the promises whose first date has passed without the variant being sellable; how many."""
    today = today_of(db, merchant_id, now)
    return int(db.execute(_DUE, {"merchant": merchant_id, "now": now, "today": today}).rowcount)


def today_of(db: sa.Connection, merchant_id: int, now: datetime) -> date:
    """The date at the merchant's place."""
    place = db.execute(
        sa.text("select timezone from merchant where id = :m"), {"m": merchant_id}
    ).scalar_one()
    return now.astimezone(ZoneInfo(place)).date()


_SHOW = sa.text("""
    insert into promise as p (merchant_id, variant_id, shown_at, first_shown_on, latest_shown_on, basis,
                              evidence_on, connection_id)
    select :merchant, n.variant_id, :now, n.day, n.day, n.basis, n.evidence_on, n.connection_id
      from unnest(cast(:variants as bigint[]), cast(:days as date[]), cast(:evidence as date[]),
                  cast(:connections as bigint[]), cast(:bases as text[]))
           as n(variant_id, day, evidence_on, connection_id, basis)
        on conflict (merchant_id, variant_id) where restocked_at is null
        do update set latest_shown_on = excluded.latest_shown_on,
           slips = p.slips + cast(excluded.latest_shown_on > p.latest_shown_on as int),
           slipped_at = case when excluded.latest_shown_on > p.latest_shown_on then :now else p.slipped_at end,
           is_kept = case when excluded.latest_shown_on > p.first_shown_on then false else p.is_kept end,
           known_at = case when excluded.latest_shown_on > p.first_shown_on and p.is_kept is null then :now
                           else p.known_at end
     where p.latest_shown_on <> excluded.latest_shown_on
""")

_WITHDRAW = sa.text("""
    update promise set withdrawn_at = :now
     where merchant_id = :merchant and variant_id = any(cast(:variants as bigint[])) and restocked_at is null
""")

_END = sa.text("""
    update promise
       set restocked_at = :now, restocked_run_id = cast(:run as bigint),
           is_kept = coalesce(is_kept, first_shown_on >= :today), known_at = coalesce(known_at, :now)
     where merchant_id = :merchant and variant_id = any(cast(:variants as bigint[])) and restocked_at is null
""")

_REOPEN = sa.text("""
    update promise p
       set restocked_at = null, restocked_run_id = null,
           is_kept = case when is_kept then null else is_kept end,
           known_at = case when is_kept then null else known_at end
     where p.merchant_id = :merchant and p.variant_id = any(cast(:variants as bigint[]))
       and p.restocked_run_id = cast(:run as bigint)
       and p.id = (select max(n.id) from promise n
                    where n.merchant_id = p.merchant_id and n.variant_id = p.variant_id)
""")

# Whoever decides holds promises in an order of its own: what it works on is left for the next look.
_DUE = sa.text("""
    update promise set is_kept = false, known_at = :now
     where merchant_id = :merchant and id in (
           select id from promise
            where merchant_id = :merchant and is_kept is null and first_shown_on < :today
              for update skip locked)
""")
