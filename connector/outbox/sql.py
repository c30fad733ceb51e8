"""The statements of the outbox, so that the verbs beside them can be read in one go.

`statement_timestamp()` rather than `now()` wherever a time is compared: it is stable, so an index serves
it, and it does not stand still in a long transaction. Leases end by `clock_timestamp()`.

`status = 'pending'` and `status = 'claimed'` are written out, never bound: the planner must see that the
partial indexes apply.
"""

from __future__ import annotations

import sqlalchemy as sa

# The order of the rows is the order of their locks (see messages.py). The subject comes first because it
# tells rows apart at once: sorting by the topic first takes four times as long.
# A pending message that an enqueue joins is locked even where the WHERE after DO UPDATE leaves it as it
# is. That lock matters: a worker that claimed it before this transaction commits would read the old truth
# and settle the only intent for the new one. Not rewriting the row saves the five index entries.
ENQUEUE = sa.text("""
with put as (
  insert into outbox_message as m
         (merchant_id, topic, connection_id, subject, lane, group_key, status, enqueued_at, due_at)
  select :merchant, i.topic, i.connection_id, i.subject, min(i.lane), max(i.group_key), 'pending', now(),
         now() + min(i.delay_s) * interval '1 second'
    from unnest(cast(:topics as text[]), cast(:connections as bigint[]), cast(:subjects as text[]),
                cast(:lanes as smallint[]), cast(:groups as text[]), cast(:delays as float8[]))
         as i(topic, connection_id, subject, lane, group_key, delay_s)
   group by i.subject, i.topic, i.connection_id
   order by i.subject, i.topic, i.connection_id
  on conflict (merchant_id, topic, connection_id, subject) where status = 'pending'
  do update set lane = least(m.lane, excluded.lane), due_at = least(m.due_at, excluded.due_at),
                group_key = excluded.group_key
   where excluded.lane < m.lane or excluded.due_at < m.due_at or excluded.group_key <> m.group_key
  returning xmax = 0 as is_new
)
select count(*) filter (where is_new) from put
""")

ENSURE_TURNS = sa.text("""
insert into outbox_turn (merchant_id, topic, connection_id, served_at, next_try_at)
select :merchant, t.topic, t.connection_id, now(), now()
  from unnest(cast(:topics as text[]), cast(:connections as bigint[])) as t(topic, connection_id)
    on conflict do nothing
""")

# The recursion jumps from one turn to the next along outbox_message_due_idx: the first entry of a turn
# is its earliest due time. A GROUP BY would read every pending message, 100,000 after an outage.
DUE_TURNS = sa.text("""
with recursive work as (
    select first.*
      from unnest(cast(:topics as text[])) as t(topic)
     cross join lateral (
           select m.topic, m.merchant_id, m.connection_id, m.due_at
             from outbox_message m
            where m.status = 'pending' and m.topic = t.topic
            order by m.merchant_id, m.connection_id, m.due_at
            limit 1) as first
  union all
    select next.*
      from work w
     cross join lateral (
           select m.topic, m.merchant_id, m.connection_id, m.due_at
             from outbox_message m
            where m.status = 'pending' and m.topic = w.topic
              and (m.merchant_id, m.connection_id) > (w.merchant_id, w.connection_id)
            order by m.merchant_id, m.connection_id, m.due_at
            limit 1) as next
), busy as (
    select merchant_id, count(*) as turns
      from outbox_turn
     where lease_until > statement_timestamp() and topic = any(cast(:topics as text[]))
     group by merchant_id
), ready as (
    select t.merchant_id, t.topic, t.connection_id, t.served_at,
           coalesce(b.turns, 0) + row_number() over (
             partition by t.merchant_id order by t.served_at, t.topic, t.connection_id) as place
      from work w
      join outbox_turn t on (t.merchant_id, t.topic, t.connection_id)
                          = (w.merchant_id, w.topic, w.connection_id)
      left join busy b on b.merchant_id = t.merchant_id
     where w.due_at <= statement_timestamp() and t.next_try_at <= statement_timestamp()
       and (t.lease_until is null or t.lease_until <= statement_timestamp())
)
select merchant_id, topic, connection_id
  from ready
 where place <= coalesce(cast(:per_merchant as bigint), place)
 order by place, served_at, merchant_id, topic, connection_id
 limit :limit
""")

TAKE_TURN = sa.text("""
with free as (
  select merchant_id, topic, connection_id from outbox_turn
   where merchant_id = :merchant and topic = :topic and connection_id = :connection
     and next_try_at <= statement_timestamp()
     and (lease_until is null or lease_until <= statement_timestamp())
     for update skip locked
)
update outbox_turn t
   set lease_token = :token, claims = t.claims + 1,
       lease_until = clock_timestamp() + cast(:lease_s as float8) * interval '1 second'
  from free
 where t.merchant_id = free.merchant_id and t.topic = free.topic
   and t.connection_id = free.connection_id
returning t.lease_until, t.claims, t.failures
""")

RENEW_TURN = sa.text("""
update outbox_turn
   set lease_until = clock_timestamp() + cast(:lease_s as float8) * interval '1 second'
 where merchant_id = :merchant and topic = :topic and connection_id = :connection
   and lease_token = :token and lease_until > clock_timestamp()
""")

# The lock makes TAKE_TURN skip the row and CLEAR_EXPIRED_TURNS too, until the holder's transaction ends.
HOLD_TURN = sa.text("""
select 1 from outbox_turn
 where merchant_id = :merchant and topic = :topic and connection_id = :connection
   and lease_token = :token and lease_until > clock_timestamp()
   for share
""")

LEAVE_TURN = sa.text("""
update outbox_turn
   set lease_token = null, lease_until = null, claims = claims - 1, served_at = clock_timestamp()
 where merchant_id = :merchant and topic = :topic and connection_id = :connection
   and lease_token = :token
""")

RELEASE_TURN = sa.text("""
update outbox_turn
   set lease_token = null, lease_until = null, served_at = clock_timestamp(), last_error = :reason,
       failures = case when :failed then failures + 1 else 0 end,
       next_try_at = clock_timestamp() + cast(:wait_s as float8) * interval '1 second'
 where merchant_id = :merchant and topic = :topic and connection_id = :connection
   and lease_token = :token
""")


def _take(condition: str, order: str) -> sa.TextClause:
    return sa.text(f"""
with picked as (
  select m.merchant_id, m.id
    from outbox_message m
   where m.status = 'pending' and m.merchant_id = :merchant and m.topic = :topic
     and m.connection_id = :connection and {condition}
     and not exists (
         select 1 from outbox_message c
          where c.status = 'claimed' and c.merchant_id = m.merchant_id and c.topic = m.topic
            and c.connection_id = m.connection_id and c.subject = m.subject)
   order by {order}
   limit :limit
     for update of m skip locked
)
update outbox_message m
   set status = 'claimed', tries = m.tries + 1, lease_token = :token, lease_until = :lease_until
  from picked
 where m.merchant_id = picked.merchant_id and m.id = picked.id
returning m.id, m.subject, m.lane, m.group_key, m.tries
""")  # noqa: S608 (both fragments are constants of this file)


TAKE_BY_LANE = _take("m.due_at <= statement_timestamp()", "m.lane, m.group_key, m.id")
# Waiting counts from the moment a message was due, so the index that finds turns serves this order too.
TAKE_OLDEST = _take(
    "m.due_at <= statement_timestamp() - cast(:old_after_s as float8) * interval '1 second'", "m.due_at"
)

CLOSE = sa.text("""
update outbox_message m
   set status = :status, note = :note, settled_at = clock_timestamp(), lease_token = null,
       lease_until = null
  from unnest(cast(:ids as bigint[])) as o(id)
 where m.merchant_id = :merchant and m.id = o.id and m.status = 'claimed' and m.lease_token = :token
returning m.id
""")


# Along the index of claimed messages, which is short; a probe for each message of the claim is not.
STILL_CLAIMED = sa.text("""
select id from outbox_message
 where status = 'claimed' and merchant_id = :merchant and topic = :topic and connection_id = :connection
   and lease_token = :token
""")


# Back to pending is a delete and an insert under the same id, not an update of the status: an update
# cannot say ON CONFLICT, and one sibling enqueued in the same moment would abort the whole batch. As an
# insert it waits for that transaction, then joins its message exactly as an enqueue does.
def _put_back(picked: str) -> sa.TextClause:
    return sa.text(f"""
with picked as materialized ({picked}),
back as (
  delete from outbox_message m using picked p
   where m.merchant_id = p.merchant_id and m.id = p.id and m.status = 'claimed'
     and m.lease_token = p.lease_token
  returning m.merchant_id, m.id, m.topic, m.connection_id, m.subject, m.lane, m.group_key, m.enqueued_at,
            m.tries - p.untried as tries, p.delay_s, p.note
), put as (
  insert into outbox_message as m
         (merchant_id, id, topic, connection_id, subject, lane, group_key, status, enqueued_at, due_at,
          tries, note)
  select merchant_id, id, topic, connection_id, subject, lane, group_key, 'pending', enqueued_at,
         clock_timestamp() + delay_s * interval '1 second', tries, note
    from back
   order by merchant_id, subject, topic, connection_id
  on conflict (merchant_id, topic, connection_id, subject) where status = 'pending'
  do update set lane = least(m.lane, excluded.lane), due_at = least(m.due_at, excluded.due_at),
                tries = greatest(m.tries, excluded.tries)
  returning m.merchant_id, m.id
), closed as (
  insert into outbox_message
         (merchant_id, id, topic, connection_id, subject, lane, group_key, status, enqueued_at, due_at,
          tries, note, settled_at)
  select merchant_id, id, topic, connection_id, subject, lane, group_key, 'superseded', enqueued_at,
         enqueued_at, tries, note, clock_timestamp()
    from back
   where (merchant_id, id) not in (select merchant_id, id from put)
)
select back.merchant_id, back.id, put.id is not null as is_pending
  from back left join put on put.merchant_id = back.merchant_id and put.id = back.id
""")  # noqa: S608 (the fragments are constants of this file)


PUT_BACK = _put_back("""
  select cast(:merchant as bigint) as merchant_id, i.id, cast(:token as uuid) as lease_token, i.delay_s,
         i.note, cast(:untried as integer) as untried
    from unnest(cast(:ids as bigint[]), cast(:delays as float8[]), cast(:notes as text[]))
         as i(id, delay_s, note)
""")

# A message is its worker's for the time of one lease, and then as long as that worker renews its turn.
# Rows a worker is settling at this moment are locked: leave them to it.
PUT_BACK_EXPIRED = _put_back("""
  select m.merchant_id, m.id, m.lease_token, cast(0 as float8) as delay_s,
         'The worker did not come back within its lease.' as note, 0 as untried
    from outbox_message m
   where m.status = 'claimed' and m.lease_until <= statement_timestamp()
     and not exists (
         select 1 from outbox_turn t
          where t.merchant_id = m.merchant_id and t.topic = m.topic and t.connection_id = m.connection_id
            and t.lease_token = m.lease_token and t.lease_until > statement_timestamp())
   order by m.lease_until
   limit :limit
     for update of m skip locked
""")

# A message that kills its worker would otherwise be tried again at full speed for ever. The first crash
# waits 0 seconds, then 1, 3, 7 … up to five minutes.
CLEAR_EXPIRED_TURNS = sa.text("""
with expired as (
  select merchant_id, topic, connection_id from outbox_turn
   where lease_until <= statement_timestamp()
     for update skip locked
)
update outbox_turn t
   set lease_token = null, lease_until = null, failures = t.failures + 1,
       last_error = 'The worker did not come back within its lease.',
       next_try_at = clock_timestamp()
                   + least(300, power(2, least(t.failures, 20)) - 1) * interval '1 second'
  from expired e
 where t.merchant_id = e.merchant_id and t.topic = e.topic and t.connection_id = e.connection_id
""")

WITHDRAW = sa.text("""
with gone as (
  delete from outbox_message
   where merchant_id = :merchant and topic = :topic and connection_id = :connection and status = 'pending'
  returning id, subject, lane, group_key
)
select subject, lane, group_key from gone order by id
""")

WAKE = sa.text("""
update outbox_turn set next_try_at = clock_timestamp(), failures = 0
 where merchant_id = :merchant and connection_id = :connection and next_try_at > clock_timestamp()
""")

PENDING_COUNTS = sa.text("""
select t.topic, t.connection_id, n.pending, n.claimed, n.oldest_due_at, t.next_try_at, t.failures,
       t.last_error
  from (select topic, connection_id, count(*) filter (where status = 'pending') as pending,
               count(*) filter (where status = 'claimed') as claimed,
               min(due_at) filter (where status = 'pending') as oldest_due_at
          from outbox_message
         where merchant_id = :merchant and status in ('pending', 'claimed')
         group by topic, connection_id) n
  join outbox_turn t on t.merchant_id = :merchant and t.topic = n.topic
                    and t.connection_id = n.connection_id
 order by t.topic, t.connection_id
""")

PRUNE = sa.text("""
with old as (
  select merchant_id, id from outbox_message
   where settled_at < statement_timestamp() - cast(:older_s as float8) * interval '1 second'
   order by settled_at
   limit :limit
     for update skip locked
)
delete from outbox_message m using old where m.merchant_id = old.merchant_id and m.id = old.id
""")
