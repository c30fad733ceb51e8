"""Which messages may leave this moment, and what they say: every rule is asked again before a provider is.

Several are looked at in one transaction, because to ask of each alone costs more than to send it. What is found
holds for the moment: `connector.shoppers.sending` asks for the core of it once more when it says "sending".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.outbox.messages import Again, Done, Intent, Outcome, Unknown, enqueue
from connector.positions.topics import SHOPPERS
from connector.shoppers import addresses, compensation, meanwhile
from connector.shoppers.compose import Letter, Person, Seller, Shown, facts_of, shown_of
from connector.shoppers.fates import LOST_NOTE
from connector.shoppers.hours import may_go_at, warm_up_limit, zone_of
from connector.shoppers.messages import close_subscription
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.render import ALERTS
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import VariantStock, lock_variant, stock_of, wait_for_store_s
from connector.shoppers.tables import Episode, Message, Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_EPISODE = Episode.__table__  # type: ignore[attr-defined]

_BRIEF = sa.text("""
select g.id, coalesce(nullif(g.variant_id, 0), s.variant_id) as variant_id, s.address_key
  from message g join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
 where g.merchant_id = :m and g.id = any(:ids)
""")
_LOOK = sa.text("""
select g.merchant_id, g.id, g.kind, g.channel, g.status, g.message_id, g.created_at, g.not_before, g.context, g.tries,
       g.subscription_id, coalesce(nullif(g.variant_id, 0), s.variant_id) as variant_id,
       s.status as person_status, s.address, s.address_key, s.locale, s.connection_id, s.created_at as asked_at,
       (select w.public_key from connection w where w.merchant_id = :m and w.id = :way) as way_key,
       s.time_zone, s.push_keys, s.wants_marketing, s.shown_on,
       m.name, m.sender_name, m.reply_to, m.privacy_url, m.currency, m.timezone, m.is_frozen,
       c.status as store_status, c.config->>'currency' as store_currency, r.says,
       (select count(*) from subscription b
          join message a on a.merchant_id = b.merchant_id and a.subscription_id = b.id
         where b.merchant_id = :m and b.address_key = s.address_key and a.kind <> 'confirm'
           and a.status in ('sent', 'unknown') and a.settled_at > :day_ago) as told_today
  from message g
  join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
  join merchant m on m.id = g.merchant_id
  left join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
  left join shopper_rules r on r.merchant_id = g.merchant_id
 where g.merchant_id = :m and g.id = any(:ids)
 order by g.id
   for update of g, s
""")
_SUPPRESSED = sa.text("""
select address_digest from suppression where merchant_id = :m and address_digest = any(:digests)
""")
_LEFT_SINCE = sa.text("""
select count(*) from message
 where merchant_id = :m and kind <> 'confirm' and status in ('sent', 'unknown', 'sending') and sending_at > :since
""")

_AHEAD = sa.text("""
select count(*) from message where merchant_id = :m and status = 'waiting' and kind <> 'confirm' and id < :id
""")
LONGEST_WAIT = timedelta(hours=2)
"""Whoever waits for a limit is looked at again within this time, so that a limit that was raised is noticed."""

StillTrue = Callable[[ShopperRuntime, sa.Connection, Any], str]
"""Whether what a message says still holds: "" or why it is not sent any more (its row, as `_LOOK` reads it)."""
STILL_TRUE: Mapping[str, StillTrue] = {
    "date_slipped": meanwhile.why_no_slip,
    "alternatives": meanwhile.why_no_alternatives,
    "still_waiting": lambda rt, db, row: "" if row.person_status == "waiting" else "They no longer wait.",
}


@dataclass
class _Room:
    """What the messages of one look share: each thing is read once, and the limits count those found ready."""

    rt: ShopperRuntime
    db: sa.Connection
    merchant_id: int
    now: datetime
    suppressed: frozenset[str]
    stocks: dict[int, VariantStock] = field(default_factory=dict)
    shown: dict[tuple[int, int], Shown] = field(default_factory=dict)
    left: dict[timedelta, int] = field(default_factory=dict)
    policy: ShopperPolicy | None = None
    told: Counter[str] = field(default_factory=Counter)
    ahead: tuple[int, int] | None = None

    def stock(self, variant_id: int) -> VariantStock:
        if variant_id not in self.stocks:
            self.stocks[variant_id] = stock_of(self.db, self.merchant_id, variant_id)
        return self.stocks[variant_id]

    def listing(self, connection_id: int, variant_id: int) -> Shown:
        at = (connection_id, variant_id)
        if at not in self.shown:
            self.shown[at] = shown_of(self.db, self.merchant_id, connection_id, variant_id)
        return self.shown[at]

    def left_within(self, span: timedelta) -> int:
        """How many alerts of this merchant left within `span`, those found ready now included."""
        if span not in self.left:
            since = self.now - span
            self.left[span] = self.db.scalar(_LEFT_SINCE, {"m": self.merchant_id, "since": since}) or 0
        return self.left[span] + self.told.total()

    def ahead_of(self, message_id: int) -> int:
        """How many alerts of this merchant wait before that one."""
        if self.ahead is None:
            self.ahead = message_id, self.db.scalar(_AHEAD, {"m": self.merchant_id, "id": message_id}) or 0
        first, ahead = self.ahead
        return ahead + max(0, message_id - first)

    def rules(self, row: Any) -> ShopperPolicy:
        if self.policy is None:
            self.policy = ShopperPolicy.model_validate(row.says or {})
        return self.policy


def look(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    message_ids: Sequence[int],
    channel: Any,
    way: int = 0,
) -> dict[int, Letter | compensation.Planned | Outcome]:
    """For each message what to do now: hand it over, have its code made first, or the end of its intent.

    `way` is the connection that hands it over, 0 the installation's own mail. Opens and commits transactions of
    its own on `db`, and calls nobody. What is not sent is written into its row here ("skipped", "unknown", a note).
    """
    with db.begin():
        briefs = {
            row.id: row for row in db.execute(_BRIEF, {"m": merchant_id, "ids": list(message_ids)}).all()
        }
    digests = {
        row.id: frozenset(rt.keyring.digests("suppression", row.address_key)) for row in briefs.values()
    }
    # Expired or erased: there is nobody to write to.
    found: dict[int, Letter | compensation.Planned | Outcome] = {id: Done() for id in message_ids}
    if not briefs:
        return found
    now = rt.now()
    with db.begin():
        for variant_id in sorted({row.variant_id for row in briefs.values()}):
            lock_variant(db, merchant_id, variant_id)
        rows = db.execute(
            _LOOK,
            {"m": merchant_id, "ids": list(briefs), "day_ago": now - timedelta(hours=24), "way": way},
        ).all()
        asked = list(frozenset().union(*digests.values()))
        suppressed = frozenset(db.scalars(_SUPPRESSED, {"m": merchant_id, "digests": asked}))
        room = _Room(rt, db, merchant_id, now, suppressed)
        intents: list[Intent] = []
        for row in rows:
            found[row.id] = _one(room, row, digests[row.id], channel, intents)
        enqueue(db, merchant_id, list(dict.fromkeys(intents)))
    return found


def _one(
    room: _Room, row: Any, digests: frozenset[str], channel: Any, intents: list[Intent]
) -> Letter | compensation.Planned | Outcome:
    db, merchant_id, now = room.db, room.merchant_id, room.now
    its_key = (_MESSAGE.c.merchant_id == merchant_id) & (_MESSAGE.c.id == row.id)
    if row.status == "sending":
        db.execute(
            sa.update(_MESSAGE).where(its_key).values(status="unknown", settled_at=now, note=LOST_NOTE)
        )
        if row.kind == "back_in_stock":
            close_subscription(db, merchant_id, row.subscription_id)
        return Unknown(LOST_NOTE)
    if row.status != "waiting":
        return Done()
    instead = _instead(room, row, its_key, not digests.isdisjoint(room.suppressed), intents)
    if instead is not None:
        return instead
    code = compensation.NO_CODE
    if row.kind == "back_in_stock":
        made = compensation.code_for(room.rt, db, row, intents)
        if isinstance(made, compensation.Planned):
            return made
        code = made
    if row.kind in ALERTS:
        room.told[row.address_key] += 1
    person = Person(
        merchant_id=merchant_id,
        subscription_id=row.subscription_id,
        connection_id=row.connection_id,
        channel=row.channel,
        address=row.address,
        locale=row.locale,
        asked_at=row.asked_at,
        push_keys=row.push_keys,
        status=row.person_status,
    )
    seller = Seller(
        name=row.sender_name or row.name,
        reply_to=row.reply_to,
        privacy_url=row.privacy_url,
        currency=row.store_currency or row.currency,
    )
    listing = room.listing(row.connection_id, row.variant_id)
    facts = facts_of(
        room.rt, db, seller, person, row.kind, row.id, row.variant_id, row.context, listing=listing
    )
    facts = replace(facts, shown_on=row.shown_on if row.kind == "confirm" else None, code=code.said)
    if row.channel == "sms":
        facts = replace(facts, takes_answers=getattr(channel, "takes_answers", True))
    return Letter(
        id=row.id,
        message_id=row.message_id,
        kind=row.kind,
        variant_id=row.variant_id,
        created_at=row.created_at,
        person=person,
        seller=seller,
        facts=facts,
        context=row.context,
        way_key=row.way_key or "",
        wants_marketing=row.wants_marketing,
        note=code.note,
    )


def _instead(
    room: _Room, row: Any, its_key: sa.ColumnElement[bool], is_suppressed: bool, intents: list[Intent]
) -> Outcome | None:
    """Why this message is not sent now, or None: it is."""
    db, merchant_id, now = room.db, room.merchant_id, room.now
    if row.person_status == "ended" or not row.address:
        return _skip(db, its_key, "The shopper left before it was sent.", now)
    if is_suppressed:
        db.execute(
            sa.update(_SUBSCRIPTION)
            .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == row.subscription_id)
            .values(status="ended", ended_at=now, ended_by="suppressed")
        )
        return _skip(db, its_key, "This address must not be written to.", now)
    if row.store_status == "ended":
        _wait_on(db, merchant_id, row.subscription_id)
        return _skip(db, its_key, "The store left before it was sent; the place is kept.", now)
    if row.kind == "confirm" and row.person_status != "unconfirmed":
        return _skip(db, its_key, "Already confirmed.", now)
    if row.kind == "back_in_stock":
        stock = room.stock(row.variant_id)
        if stock.free_units == 0:
            _skip(db, its_key, "Sold out again before it was sent; the place is kept.", now)
            _put_back(db, merchant_id, row, now)
            intents.append(Intent(SHOPPERS, str(row.variant_id)))
            return Done()
        if row.is_frozen:
            return Again(
                max(60.0, wait_for_store_s(now - row.created_at)), "Everything is frozen by the merchant."
            )
        if not stock.is_live_at(row.connection_id):
            return Again(wait_for_store_s(now - row.created_at), "The store does not show it yet.")
    elif row.kind in STILL_TRUE:
        untrue = STILL_TRUE[row.kind](room.rt, db, row)
        if untrue:
            return _skip(db, its_key, untrue, now)
    if row.kind in ALERTS:
        if row.is_frozen:
            return Again(
                max(60.0, wait_for_store_s(now - row.created_at)), "Everything is frozen by the merchant."
            )
        return _too_early(room, row, its_key)
    return None


def _too_early(room: _Room, row: Any, its_key: sa.ColumnElement[bool]) -> Outcome | None:
    db, now, policy = room.db, room.now, room.rules(row)
    zone = zone_of(row.time_zone, row.timezone)
    country = addresses.country_of(row.address) if row.channel == "sms" else ""
    at = may_go_at(max(now, row.not_before or now), zone, row.channel, policy, country)
    if at > now:
        return _later(db, its_key, at - now, "It waits for the hours in which alerts are sent.")
    if row.told_today + room.told[row.address_key] >= policy.most_per_day:
        return _later(db, its_key, timedelta(hours=1), "This person was told of enough within a day.")
    for most, span in (
        (policy.most_per_hour, timedelta(hours=1)),
        (warm_up_limit(now.date(), policy), timedelta(hours=24)),
    ):
        if most is not None and room.left_within(span) >= most:
            # Nobody is looked at every few minutes who has hours to wait: so many are before them.
            wait = min(LONGEST_WAIT, span * room.ahead_of(row.id) / most)
            note = "As many as allowed have left for now."
            return _later(db, its_key, max(timedelta(minutes=5), wait), note)
    return None


def _later(db: sa.Connection, its_key: sa.ColumnElement[bool], wait: timedelta, note: str) -> Outcome:
    db.execute(sa.update(_MESSAGE).where(its_key).values(note=note))
    return Again(max(1.0, wait.total_seconds()), note)


def _skip(db: sa.Connection, its_key: sa.ColumnElement[bool], note: str, now: datetime) -> Outcome:
    db.execute(sa.update(_MESSAGE).where(its_key).values(status="skipped", settled_at=now, note=note))
    return Done()


def _wait_on(db: sa.Connection, merchant_id: int, subscription_id: int) -> None:
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.id == subscription_id,
            _SUBSCRIPTION.c.status == "invited",
        )
        .values(status="waiting")
    )


def _put_back(db: sa.Connection, merchant_id: int, row: Any, now: datetime) -> None:
    """The units are gone: this person waits again in the old place, and the episode is over, so that
    the next restock invites them anew."""
    _wait_on(db, merchant_id, row.subscription_id)
    db.execute(
        sa.update(_EPISODE)
        .where(
            _EPISODE.c.merchant_id == merchant_id,
            _EPISODE.c.variant_id == row.variant_id,
            _EPISODE.c.closed_at.is_(None),
        )
        .values(closed_at=now, closed_by="sold out")
    )
