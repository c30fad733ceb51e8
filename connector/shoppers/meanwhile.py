"""What people hear while it is not back yet: that the date they were shown moved, and what else there is.

`tell` writes the messages when a variant is looked at; the functions of `connector.shoppers.ready.STILL_TRUE` look
once more in the moment of sending. Nothing is told of here that the person was never promised: whoever was shown no
date hears of no other, and similar products go to those who consented to marketing.

**A slip.** The day told last (on the page when they signed up, or in the message before) is compared with the day that
is promised now. A later one by `slip_days` or more is told once; the message waits an hour, because files are often
corrected, and says the day that is promised when it leaves. A further slip is told when `slip_pause_days` have passed
since the message before.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.outbox.messages import Intent
from connector.positions.topics import SHOPPERS
from connector.shoppers.alternatives import alternatives
from connector.shoppers.messages import write_message
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import stock_of

SETTLES = timedelta(hours=1)
MOST_PER_TRANSACTION = 500

_SITUATION = sa.text("""
select r.says, p.restock_until, p.state = 'discontinued' as is_discontinued
  from (select 1) as one
  left join shopper_rules r on r.merchant_id = :m
  left join position p on p.merchant_id = :m and p.variant_id = :v
 where exists (select 1 from subscription s
                where s.merchant_id = :m and s.variant_id = :v and s.status = 'waiting')
""")
# Who signed up while this promise was shown, with the day they were told last and when.
_SHOWN = """
  from subscription s
  join promise p on p.merchant_id = s.merchant_id and p.variant_id = s.variant_id
                and p.restocked_at is null and p.shown_at <= s.created_at
  left join lateral (
       select cast(g.context ->> 'new_on' as date) as new_on, g.created_at from message g
        where g.merchant_id = s.merchant_id and g.subscription_id = s.id and g.kind = 'date_slipped'
          and g.status <> 'skipped' and g.created_at >= p.shown_at
        order by g.id desc limit 1) told on true
 where s.merchant_id = :m and s.variant_id = :v and s.status = 'waiting' and s.shown_on is not null
   and cast(:new_on as date) - coalesce(told.new_on, s.shown_on) >= :days
"""
_SLIPPED = sa.text(f"""
select s.id, coalesce(told.new_on, s.shown_on) as old_on {_SHOWN}
   and (told.created_at is null or told.created_at <= :since)
 order by s.id limit :n for update of s
""")
_PAUSED = sa.text(f"select min(told.created_at) {_SHOWN} and told.created_at > :since")

_UNSUGGESTED = """
  from subscription s
 where s.merchant_id = :m and s.variant_id = :v and s.status = 'waiting' and s.wants_marketing
   and not exists (select 1 from message g
                    where g.merchant_id = s.merchant_id and g.subscription_id = s.id and g.kind = 'alternatives'
                      and g.status <> 'skipped')
"""
_STORES = sa.text(f"""
select distinct s.connection_id {_UNSUGGESTED} and (:everybody or s.confirmed_at <= :before) order by 1
""")
_SUGGEST = sa.text(f"""
select s.id {_UNSUGGESTED} and s.connection_id = any(:stores)
   and (:everybody or s.confirmed_at <= :before) order by s.id limit :n for update of s
""")
_ON_THEIR_WAY = sa.text("""
select exists (select 1 from subscription s
                 join message g on g.merchant_id = s.merchant_id and g.subscription_id = s.id
                where s.merchant_id = :m and s.variant_id = :v and s.status = 'waiting' and s.wants_marketing
                  and g.kind = 'alternatives' and g.status in ('waiting', 'sending'))
""")
_NEXT_TO_SUGGEST = sa.text(f"select min(s.confirmed_at) {_UNSUGGESTED} and s.confirmed_at > :before")
_STATE = sa.text("select state from position where merchant_id = :m and variant_id = :v")
_PROMISED = sa.text("select restock_until from position where merchant_id = :m and variant_id = :v")


def tell(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, variant_id: int, now: datetime
) -> tuple[list[Intent], bool]:
    """Write what those who wait for a variant that is not back should hear now; the intents for `enqueue` at the
    transaction's end, and whether there is more to write. The caller holds `lock_variant`."""
    found = db.execute(_SITUATION, {"m": merchant_id, "v": variant_id}).one_or_none()
    if found is None:
        return [], False
    policy = ShopperPolicy.model_validate(found.says or {})
    intents: list[Intent] = []
    looks: list[datetime] = []
    has_more = False
    if policy.tells_slips and found.restock_until is not None:
        written, next_at = _tell_slip(rt, db, merchant_id, variant_id, found.restock_until, policy, now)
        intents += written
        has_more = len(written) == MOST_PER_TRANSACTION
        looks += [next_at] if next_at else []
    if policy.suggests_after_days is not None:
        written, next_at = _suggest(
            rt, db, merchant_id, variant_id, policy.suggests_after_days, bool(found.is_discontinued), now
        )
        intents += written
        has_more = has_more or len(written) == MOST_PER_TRANSACTION
        looks += [next_at] if next_at else []
    if looks:
        delay_s = max(60.0, (min(looks) - now).total_seconds())
        intents.append(Intent(SHOPPERS, str(variant_id), delay_s=delay_s))
    return intents, has_more


def _tell_slip(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    variant_id: int,
    new_on: date,
    policy: ShopperPolicy,
    now: datetime,
) -> tuple[list[Intent], datetime | None]:
    pause = timedelta(days=policy.slip_pause_days)
    given = {"m": merchant_id, "v": variant_id, "new_on": new_on, "days": policy.slip_days}
    given |= {"since": now - pause, "n": MOST_PER_TRANSACTION}
    intents = []
    for row in db.execute(_SLIPPED, given).all():
        dates = {"old_on": row.old_on.isoformat(), "new_on": new_on.isoformat()}
        intent = write_message(
            rt,
            db,
            merchant_id,
            row.id,
            "date_slipped",
            variant_id=variant_id,
            context=dates,
            not_before=now + SETTLES,
        )
        intents.append(intent._replace(delay_s=SETTLES.total_seconds()))
    last = db.scalar(_PAUSED, given)
    return intents, last + pause if last else None


def _suggest(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    variant_id: int,
    after_days: int,
    is_discontinued: bool,
    now: datetime,
) -> tuple[list[Intent], datetime | None]:
    wait = timedelta(days=after_days)
    given = {"m": merchant_id, "v": variant_id, "everybody": is_discontinued, "before": now - wait}
    asked = list(db.scalars(_STORES, given))
    stores = [one for one in asked if alternatives(db, merchant_id, one, variant_id, now)]
    rows = db.scalars(_SUGGEST, {**given, "stores": stores, "n": MOST_PER_TRANSACTION}) if stores else ()
    intents = [
        write_message(rt, db, merchant_id, one, "alternatives", variant_id=variant_id) for one in list(rows)
    ]
    # Where there is nothing to offer today, or nothing any more when a message would leave, there may be tomorrow.
    is_unsettled = len(stores) < len(asked) or db.scalar(_ON_THEIR_WAY, given)
    looks = [now + timedelta(days=1)] if is_unsettled else []
    next_at = db.scalar(_NEXT_TO_SUGGEST, given)
    looks += [next_at + wait] if next_at else []
    return intents, min(looks, default=None)


def promised_on(db: sa.Connection, merchant_id: int, variant_id: int) -> date | None:
    """The day by which it is back, as the page says now; None: it names none."""
    found: date | None = db.scalar(_PROMISED, {"m": merchant_id, "v": variant_id})
    return found


def is_discontinued(db: sa.Connection, merchant_id: int, variant_id: int) -> bool:
    """Whether it will not come back."""
    return bool(db.scalar(_STATE, {"m": merchant_id, "v": variant_id}) == "discontinued")


def why_no_slip(rt: ShopperRuntime, db: sa.Connection, row: Any) -> str:
    """Why a message of a later date is not true any more; "" where it is. `row` as `ready` reads it."""
    if row.person_status != "waiting":
        return "They were told that it is back."
    if stock_of(db, row.merchant_id, row.variant_id).free_units:
        return "It is back."
    new_on = promised_on(db, row.merchant_id, row.variant_id)
    if new_on is None:
        return "No date is shown any more."
    policy = ShopperPolicy.model_validate(row.says or {})
    if (new_on - date.fromisoformat(row.context["old_on"])).days < policy.slip_days:
        return "The date moved back to what they were told."
    return "" if policy.tells_slips else "Switched off before it was sent."


def why_no_alternatives(rt: ShopperRuntime, db: sa.Connection, row: Any) -> str:
    """Why similar products are not named any more; "" where they are. `row` as `ready` reads it."""
    if row.person_status != "waiting":
        return "They do not wait any more."
    if not row.wants_marketing:
        return "They did not consent to marketing."
    if ShopperPolicy.model_validate(row.says or {}).suggests_after_days is None:
        return "Switched off before it was sent."
    if not alternatives(db, row.merchant_id, row.connection_id, row.variant_id, rt.now()):
        return "Nothing similar is in stock."
    return ""
