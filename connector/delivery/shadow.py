"""Watches a store that is only read: when and for how long it says something else than we would.

Each regular reading of the store is followed by one look, which asks the store nothing: it compares the numbers
known by then and keeps a row only where the comparison changed (`ShadowSpan`). A look may be repeated or lost:
a second one at the same moment changes nothing, and what lies between two looks too far apart counts for nobody.

The moments are as exact as can be known: ours is when we decided, the store's is when it was first read to say
so. Which side was right is not decided here but in `shadow_report`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.db import transaction
from connector.delivery.approval import MANAGED
from connector.delivery.runtime import DeliveryRuntime

FIRST = timedelta(hours=24)
"""After so long the merchant is asked what to do, where nothing else was chosen."""
LONGEST = timedelta(days=30)
GAP = timedelta(minutes=30)
"""Looks further apart than this have not seen what was between them. The store is read every five minutes."""


def look(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> bool:
    """Compare the store with what we would say, after it was read. Begins the watch of a store whose first
    difference is not approved yet, and ends it when it is. False where nothing is watched."""
    with transaction(rt.engine) as db:
        watch = _watch(db, merchant_id, connection_id, rt.now())
        if watch is None:
            return False
        if watch.writing_approved_at is not None:
            _end(db, merchant_id, connection_id, rt.now())
            return False
        given = {"m": merchant_id, "c": connection_id, "now": rt.now(), "seen": watch.seen_at}
        if watch.is_new:
            db.execute(_BEGIN, {**given, "by": "start"})
            return True
        if given["now"] <= watch.seen_at:
            return True
        has_seen = given["now"] - watch.seen_at <= GAP
        if has_seen:
            db.execute(_CLOSE, given)
        else:
            db.execute(_STOP, {**given, "by": "gap"})
        db.execute(_BEGIN, {**given, "by": "" if has_seen else "start"})
        db.execute(_COUNT, {**given, "has_seen": has_seen})
        return True


def ask_again(
    db: sa.Connection, merchant_id: int, connection_id: int, hours: int, *, actor: str, now: datetime
) -> bool:
    """Watch for `hours` (1 to 720) from now before asking the merchant; where watching has not begun, from its
    beginning. Raises ValueError for another number. False where it ended, or writing is approved."""
    if not timedelta(hours=1) <= timedelta(hours=hours) <= LONGEST:
        most = int(LONGEST.total_seconds() // 3600)
        raise ValueError(f"A store is watched for 1 to {most} hours before you are asked, not {hours}.")
    done = db.execute(
        sa.text("""
            update shadow_watch set ask_at = :at
             where merchant_id = :m and connection_id = :c and ended_at is null
        """),
        {"m": merchant_id, "c": connection_id, "at": now + timedelta(hours=hours)},
    ).rowcount
    done = done or db.execute(_CHOOSE, {"m": merchant_id, "c": connection_id, "h": hours}).rowcount
    if done:
        record(db, merchant_id, now, actor, "store.watch", f"connection {connection_id}, {hours} hours")
    return done > 0


def stop(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """Watch no longer; the report stays. False where nothing is watched."""
    done = _end(db, merchant_id, connection_id, now)
    if done:
        record(db, merchant_id, now, actor, "store.watch_end", f"connection {connection_id}")
    return done


def start(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """Watch anew from the next reading; what was found before is forgotten. False where writing is approved,
    where it is watched already, and for what is no store."""
    done = db.execute(
        sa.text("""
            delete from shadow_watch w using connection c
             where w.merchant_id = :m and w.connection_id = :c and w.ended_at is not null
               and c.merchant_id = :m and c.id = :c and c.writing_approved_at is null
        """),
        {"m": merchant_id, "c": connection_id},
    ).rowcount
    if done:
        db.execute(
            sa.text("delete from shadow_span where merchant_id = :m and connection_id = :c"),
            {"m": merchant_id, "c": connection_id},
        )
        record(db, merchant_id, now, actor, "store.watch", f"connection {connection_id}")
    return done > 0


def prune(db: sa.Connection, keep: timedelta) -> int:
    """Delete the times of watches that ended longer than `keep` ago. Returns how many."""
    return db.execute(
        sa.text("""
            delete from shadow_span s using shadow_watch w
             where w.merchant_id = s.merchant_id and w.connection_id = s.connection_id
               and w.ended_at < now() - :keep
        """),
        {"keep": keep},
    ).rowcount


_CHOOSE = sa.text("""
    update connection c set config = c.config || jsonb_build_object('watch_hours', cast(:h as int))
     where c.merchant_id = :m and c.id = :c and c.kind = 'store' and c.status = 'active'
       and c.writing_approved_at is null
       and not exists (select 1 from shadow_watch w where w.merchant_id = :m and w.connection_id = :c)
""")


def _watch(db: sa.Connection, merchant_id: int, connection_id: int, now: datetime) -> Any:
    """The open watch, locked; begun where the store is to be watched and anything can be compared."""
    given = {"m": merchant_id, "c": connection_id, "now": now, "ask": now + FIRST}
    row = db.execute(_OPEN, given).first()
    if row is None and db.execute(_START, given).first() is not None:
        return db.execute(_OPEN, given).first()
    return row if row is None or row.ended_at is None else None


def _end(db: sa.Connection, merchant_id: int, connection_id: int, now: datetime) -> bool:
    given = {"m": merchant_id, "c": connection_id, "now": now}
    seen = db.execute(
        sa.text("""
            update shadow_watch set ended_at = :now
             where merchant_id = :m and connection_id = :c and ended_at is null returning seen_at
        """),
        given,
    ).scalar()
    if seen is None:
        return False
    # Nobody looked since: what is counted ends with the last look.
    db.execute(_STOP, {**given, "seen": seen, "by": "stop"})
    return True


_OPEN = sa.text("""
    select w.seen_at, w.ended_at, c.writing_approved_at, w.looks = 1 and w.began_at = :now as is_new
      from shadow_watch w join connection c on c.merchant_id = w.merchant_id and c.id = w.connection_id
     where w.merchant_id = :m and w.connection_id = :c
       for update of w
""")

# What each listing would say differently. Its number is not known while the store is to be asked for it, and ours
# not while it counts units as sold only because the store's number fell: that may be the present tool's doing.
_NOW = f"""
    select l.id, l.variant_id, l.wanted_available as ours, l.believed_available as theirs, l.confirmed_at,
           (l.confirmed_at is null or l.doubted_units > 0
             or exists (select 1 from allocation a
                          left join source s on s.merchant_id = a.merchant_id and s.id = a.source_id
                         where a.merchant_id = l.merchant_id and a.variant_id = l.variant_id
                           and a.connection_id = l.connection_id and a.origin = 'fall' and a.units > 0
                           and case when s.as_of is null
                                    then a.sold_at > cast(:now as timestamptz) - interval '1 day'
                                    else a.sold_at + make_interval(hours => s.handover_hours, secs => 1)
                                         > s.as_of end)) as is_unknown,
           case when l.wanted_available = l.believed_available
                  or (l.wanted_available = 0 and l.believed_available < 0) then ''
                when l.believed_available > 0 and l.wanted_available = 0 and l.is_published
                 and l.wanted_state not in ('backorder', 'preorder', 'made_to_order') then 'out'
                when l.believed_available <= 0 and l.wanted_available > 0 and l.is_published then 'hidden'
                when l.believed_available > l.wanted_available then 'more' else 'fewer' end as kind
      from listing l
     where l.merchant_id = :m and l.connection_id = :c and {MANAGED}
       and l.wanted_available is not null and l.believed_available is not null
"""  # noqa: S608 - constants, no input

_START = sa.text(f"""
    insert into shadow_watch (merchant_id, connection_id, began_at, ask_at, seen_at, compared)
    select :m, :c, :now, coalesce(cast(:now as timestamptz)
                                  + make_interval(hours => cast(c.config ->> 'watch_hours' as int)), :ask),
           :now, n.many
      from (select count(*) as many from ({_NOW}) l where not l.is_unknown) n
      join connection c on c.merchant_id = :m and c.id = :c
     where n.many > 0 and c.kind = 'store' and c.status = 'active' and c.writing_approved_at is null
        on conflict do nothing
    returning connection_id
""")  # noqa: S608 - constants, no input

# Whose number changed since the last look: ours where we decided another one since, or where the store was not read
# since. A decision may be committed a little after the moment it bears. The first decision of all changed nothing.
_MOVED = """
    left join lateral (
      select max(v.at) as at, bool_or(v.state_before = '') as is_first from movement v
       where v.merchant_id = :m and v.variant_id = n.variant_id
         and (v.available_before <> v.available_after or v.state_before = '')
         and v.at > cast(:seen as timestamptz) - interval '2 minutes') moved on true
   cross join lateral (
      select n.confirmed_at < :seen or coalesce(moved.at > :seen, false) as is_ours,
             least(coalesce(moved.at, :seen), :now) as ours_at,
             least(greatest(n.confirmed_at, :seen), :now) as store_at) whose
"""

# Where one side is at zero it is certain who crossed; else it was us if we decided since.
_CLOSE = sa.text(f"""
    update shadow_span s
       set ended_by = e.by,
           ended_at = greatest(s.began_at, case e.by when 'ours' then e.ours_at when 'store' then e.store_at
                                                     else cast(:now as timestamptz) end)
      from (select o.id, whose.ours_at, whose.store_at,
                   case when n.id is null then 'left'
                        when o.kind = 'out' and n.ours > 0 then 'ours'
                        when o.kind = 'hidden' and n.ours = 0 then 'ours'
                        when o.kind in ('more', 'fewer') and whose.is_ours then 'ours'
                        else 'store' end as by
              from shadow_span o
              left join ({_NOW}) n on n.id = o.listing_id
              {_MOVED}
             where o.merchant_id = :m and o.connection_id = :c and o.ended_at is null
               and (n.id is null or (not n.is_unknown and n.kind <> o.kind))) e
     where s.merchant_id = :m and s.id = e.id
""")  # noqa: S608 - constants, no input

_BEGIN = sa.text(f"""
    insert into shadow_span (merchant_id, connection_id, listing_id, kind, began_at, began_by, store_units,
                             our_units)
    select :m, :c, n.id, n.kind,
           case b.by when 'ours' then whose.ours_at when 'store' then whose.store_at else :now end,
           b.by, n.theirs, n.ours
      from ({_NOW}) n
      {_MOVED}
     cross join lateral (select case when cast(:by as text) <> '' then cast(:by as text)
                                     when moved.is_first then 'start'
                                     when whose.is_ours then 'ours' else 'store' end as by) b
     where n.kind <> '' and not n.is_unknown
       and not exists (select 1 from shadow_span o
                        where o.merchant_id = :m and o.connection_id = :c and o.listing_id = n.id
                          and o.ended_at is null)
     order by n.id
""")  # noqa: S608 - constants, no input

_STOP = sa.text("""
    update shadow_span set ended_at = greatest(began_at, cast(:seen as timestamptz)), ended_by = :by
     where merchant_id = :m and connection_id = :c and ended_at is null
""")

_COUNT = sa.text(f"""
    update shadow_watch w
       set seen_at = :now, looks = w.looks + 1, compared = n.many,
           watched_s = w.watched_s + case when :has_seen then n.seconds else 0 end,
           compared_s = w.compared_s + case when :has_seen then n.seconds * w.compared else 0 end,
           longest_gap_s = greatest(w.longest_gap_s, case when :has_seen then 0 else n.seconds end)
      from (select count(*) filter (where not l.is_unknown) as many,
                   cast(round(extract(epoch from cast(:now as timestamptz) - cast(:seen as timestamptz)))
                        as bigint) as seconds
              from ({_NOW}) l) n
     where w.merchant_id = :m and w.connection_id = :c
""")  # noqa: S608 - constants, no input
