"""The statements by which a look at a store keeps what it does."""

from __future__ import annotations

import sqlalchemy as sa

STORES_ON = sa.text("""
    select connection_id from price_writing where merchant_id = :m and status = 'on' order by connection_id
""")

# What an approval allows beyond the usual is used up by what is written; nothing left to write ends it.
NOTE = sa.text("""
    update price_writing
       set allowed = case when :held = 0 and :done = 0 then 0 else greatest(0, allowed - :done) end,
           held = :held, held_why = :why, problem = :problem
     where merchant_id = :m and connection_id = :c
       and (:done > 0 or :held > 0 or allowed > 0 or (held, held_why, problem) <> (:held, :why, :problem))
""")

BEGIN = sa.text("""
    insert into price_write as w (merchant_id, listing_id, connection_id, before_minor, before_was, first_minor,
                                  first_was, ours_minor, ours_was, step, reason, written_at)
    values (:m, :l, :c, :before, :before_was, :before, :before_was, :ours, :ours_was, 'writing', '', :at)
        on conflict (merchant_id, listing_id) do update
       set before_minor = excluded.before_minor, before_was = excluded.before_was,
           first_minor = case when w.step = 'theirs' then excluded.first_minor else w.first_minor end,
           first_was = case when w.step = 'theirs' then excluded.first_was else w.first_was end,
           ours_minor = excluded.ours_minor, ours_was = excluded.ours_was, step = 'writing', reason = '',
           written_at = excluded.written_at
""")

LEAVE = sa.text("""
    insert into price_write (merchant_id, listing_id, connection_id, before_minor, before_was, first_minor, first_was,
                             ours_minor, ours_was, step, reason, written_at)
    values (:m, :l, :c, :price, :was, :price, :was, :price, :was, 'theirs', :reason, :at)
        on conflict (merchant_id, listing_id) do update
       set before_minor = excluded.before_minor, before_was = excluded.before_was,
           first_minor = excluded.first_minor, first_was = excluded.first_was, step = 'theirs',
           reason = excluded.reason, written_at = excluded.written_at
""")

# Undone while the call was under way, it stays to be undone.
CALLED = sa.text("""
    update price_write set step = :step, reason = :reason
     where merchant_id = :m and listing_id = :l and step = 'writing'
""")

# A call that never arrived left what was there: the merchant's own price, or an earlier one of ours.
NEVER = sa.text("""
    with own as (
      delete from price_write
       where merchant_id = :m and listing_id = :l
         and (before_minor, before_was) is not distinct from (first_minor, first_was)
    )
    update price_write set ours_minor = before_minor, ours_was = before_was, step = 'open'
     where merchant_id = :m and listing_id = :l and step = 'writing'
       and (before_minor, before_was) is distinct from (first_minor, first_was)
""")

# Whoever switches writing off, or undoes, waits until what is about to be called is noted, and nothing more begins.
IS_ON = sa.text("""
    select status = 'on' from price_writing where merchant_id = :m and connection_id = :c for share
""")

SET = sa.text("""
    update price_write set step = :step, reason = :reason where merchant_id = :m and listing_id = :l
""")

FORGET = sa.text("""
    delete from price_write where merchant_id = :m and connection_id = :c and listing_id = any(:ids)
""")
