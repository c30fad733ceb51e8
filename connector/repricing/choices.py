"""The merchant lets prices be written into a store, takes them back, or hands prices of their own over again."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.outbox.messages import Intent, enqueue
from connector.positions.prices import read_book
from connector.positions.topics import LOOK, PRICES
from connector.repricing.facts import plan_of
from connector.repricing.policy import digest_of
from connector.repricing.runtime import LOOK_EVERY_S, SCHEDULE


def approve(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    seen: str,
    *,
    allows_far: bool,
    shows_was: bool,
    actor: str,
    now: datetime,
) -> bool:
    """Write what was seen (`Plan.digest`), and from now on what the same rules want. False where the rules want
    something else by now: then nothing is switched on."""
    book = read_book(db, merchant_id)
    found = plan_of(db, merchant_id, connection_id, book)
    if found.digest != seen:
        return False
    allowed = len(found.due) - (0 if allows_far else found.far)
    db.execute(
        sa.text("""
            insert into price_writing as w (merchant_id, connection_id, status, shows_was, rules_digest, allowed,
                                            allows_far, actor, approved_at)
            values (:m, :c, 'on', :was, :digest, :allowed, :far, :actor, :now)
                on conflict (merchant_id, connection_id) do update
               set status = 'on', shows_was = :was, rules_digest = :digest, allowed = :allowed, allows_far = :far,
                   held = 0, held_why = '', problem = '', actor = :actor, approved_at = :now
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "was": shows_was,
            "digest": digest_of(book.rules),
            "allowed": allowed,
            "far": allows_far,
            "actor": actor,
            "now": now,
        },
    )
    detail = {"prices": allowed, "allows_far": allows_far, "shows_was": shows_was}
    record(db, merchant_id, now, actor, "prices.approve", f"connection {connection_id}", detail)
    schedule.ensure(db, merchant_id, SCHEDULE, connection_id, LOOK_EVERY_S)
    enqueue(db, merchant_id, [Intent(PRICES, LOOK, connection_id)])
    return True


def switch_off(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """Write no price more; what is written stays. False where it is off already."""
    if not _off(db, merchant_id, connection_id):
        return False
    record(db, merchant_id, now, actor, "prices.off", f"connection {connection_id}")
    return True


def undo(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    *,
    written_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> int:
    """Put the price back that stood before the first of ours, for the prices of one look or for all. Prices that
    somebody changed since stay. Writing is switched off, or the rules would write the same again. Returns how many
    are put back."""
    db.execute(
        sa.text("select 1 from price_writing where merchant_id = :m and connection_id = :c for update"),
        {"m": merchant_id, "c": connection_id},
    )
    # What is being written at this moment as well: its call ends, and then it is put back. Where the store refused a
    # further price, an earlier one of ours stands there.
    done = db.execute(
        sa.text("""
            update price_write
               set step = 'undo', ours_minor = case when step = 'refused' then before_minor else ours_minor end,
                   ours_was = case when step = 'refused' then before_was else ours_was end
             where merchant_id = :m and connection_id = :c
               and (step in ('open', 'writing') or (step = 'refused'
                    and (before_minor, before_was) is distinct from (first_minor, first_was)))
               and (cast(:at as timestamptz) is null or written_at = cast(:at as timestamptz))
        """),
        {"m": merchant_id, "c": connection_id, "at": written_at},
    ).rowcount
    if done:
        _off(db, merchant_id, connection_id)
        record(db, merchant_id, now, actor, "prices.undo", f"connection {connection_id}", {"prices": done})
        enqueue(db, merchant_id, [Intent(PRICES, LOOK, connection_id)])
    return int(done)


def hand_over(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> int:
    """Prices that the merchant changed themselves, or that the store refused, follow the rules again. Returns how
    many."""
    done = db.execute(
        sa.text("""
            delete from price_write
             where merchant_id = :m and connection_id = :c and step in ('theirs', 'refused')
        """),
        {"m": merchant_id, "c": connection_id},
    ).rowcount
    if done:
        detail = {"prices": done}
        record(db, merchant_id, now, actor, "prices.hand_over", f"connection {connection_id}", detail)
        enqueue(db, merchant_id, [Intent(PRICES, LOOK, connection_id)])
    return int(done)


def _off(db: sa.Connection, merchant_id: int, connection_id: int) -> bool:
    done = db.execute(
        sa.text("""
            update price_writing set status = 'off', allowed = 0, allows_far = false, held = 0, held_why = ''
             where merchant_id = :m and connection_id = :c and status = 'on'
        """),
        {"m": merchant_id, "c": connection_id},
    ).rowcount
    schedule.remove(db, merchant_id, SCHEDULE, connection_id)
    return bool(done)
