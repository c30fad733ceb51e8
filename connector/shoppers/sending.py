"""Sends messages to people: checks once more, commits "sending", hands over, says what became of it.

The life of a message: waiting → sending → sent, failed or unknown; or waiting → skipped. "sending" is
committed alone, immediately before the provider is called. A process that dies after that leaves the
row in "sending", and whoever finds it there makes it "unknown": it is not repeated, the merchant sees
it and may `messages.resend` it. A definite refusal of the moment (mailbox busy, provider down) puts it back to
"waiting" with its note, as often as it takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from connector.outbox.messages import Again, Claim, Done, Failed, Intent, Outcome, Unknown, enqueue, settle
from connector.ports.channels import OutgoingText
from connector.ports.errors import (
    Gone,
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)
from connector.positions.topics import SHOPPERS
from connector.shoppers import addresses, compensation, meanwhile
from connector.shoppers.compose import Outgoing, Person, Seller, compose, facts_of, promised, subject_of
from connector.shoppers.hours import may_go_at, warm_up_limit, zone_of
from connector.shoppers.media import EVENT, ways
from connector.shoppers.messages import LOST_NOTE, close_subscription
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.render import ALERTS
from connector.shoppers.reports import give_up, report_url
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import lock_variant, stock_of, wait_for_store_s
from connector.shoppers.tables import Episode, Message, Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_EPISODE = Episode.__table__  # type: ignore[attr-defined]

REPEATED_FOR = timedelta(hours=20)
"""How long a message is handed over again whose provider knows it by its key; within the day that ports promise."""

_BRIEF = sa.text("""
select g.id, coalesce(nullif(g.variant_id, 0), s.variant_id) as variant_id, s.address_key
  from message g join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
 where g.merchant_id = :m and g.id = any(:ids)
""")
_LOOK = sa.text("""
select g.merchant_id, g.id, g.kind, g.channel, g.status, g.message_id, g.created_at, g.not_before, g.context, g.tries,
       g.subscription_id, coalesce(nullif(g.variant_id, 0), s.variant_id) as variant_id,
       s.status as person_status, s.address, s.locale, s.connection_id, s.created_at as asked_at,
       (select w.public_key from connection w where w.merchant_id = :m and w.id = :way) as way_key,
       s.time_zone, s.push_keys, s.wants_marketing, s.shown_on,
       m.name, m.sender_name, m.reply_to, m.privacy_url, m.currency, m.timezone, m.is_frozen,
       c.status as store_status, c.config->>'currency' as store_currency, r.says,
       exists (select 1 from suppression x where x.merchant_id = :m and x.address_digest = any(:digests))
         as is_suppressed,
       (select count(*) from subscription b
          join message a on a.merchant_id = b.merchant_id and a.subscription_id = b.id
         where b.merchant_id = :m and b.address_key = s.address_key and a.kind <> 'confirm'
           and a.status in ('sent', 'unknown') and a.settled_at > :day_ago) as told_today
  from message g
  join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
  join merchant m on m.id = g.merchant_id
  left join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
  left join shopper_rules r on r.merchant_id = g.merchant_id
 where g.merchant_id = :m and g.id = :id
   for update of g, s
""")
_SENDING = sa.text("""
update message set status = 'sending', sending_at = :now, sent_by = :way, tries = tries + 1, subject = :subject,
       note = '', context = cast(:context as jsonb)
 where merchant_id = :m and id = :id
""")
# Somebody may have taken us for dead and said "unknown": we know better now.
_RECORD = sa.text("""
with told as (
  update message
     set status = cast(:status as text), note = :note,
         sending_at = case when cast(:status as text) = 'waiting' then null else sending_at end,
         settled_at = case when cast(:status as text) = 'waiting' then settled_at else :now end,
         provider_id = case when cast(:status as text) = 'waiting' then provider_id else :provider_id end,
         segments = case when cast(:status as text) = 'waiting' then segments else :segments end
   where merchant_id = :m and id = :id and status in ('sending', 'unknown')
  returning subscription_id, tries, kind
), closed as (
  update subscription s set status = 'fulfilled' from told
   where s.merchant_id = :m and s.id = told.subscription_id and s.status = 'invited'
     and told.kind = 'back_in_stock' and cast(:status as text) in ('sent', 'unknown')
)
select subscription_id, tries, kind from told
""")
_LEFT_SINCE = sa.text("""
select count(*) from message
 where merchant_id = :m and kind <> 'confirm' and status in ('sent', 'unknown', 'sending') and sending_at > :since
""")


@dataclass(frozen=True, slots=True)
class _Brief:
    """`way` is the connection it is handed to, 0: the installation's own mail."""

    variant_id: int
    digests: tuple[str, ...]
    way: int = 0


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is handed over, with its row set to "sending"."""

    outgoing: Outgoing
    wants_marketing: bool
    kind: str
    created_at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of it: the row's new status ("" for none: it was settled before), and the outbox's outcome."""

    status: Literal["sent", "failed", "unknown", "waiting", ""]
    outcome: Outcome
    note: str = ""
    provider_id: str = ""
    segments: int = 0
    gone: str = ""
    has_event: bool = False


StillTrue = Callable[[ShopperRuntime, sa.Connection, Any], str]
"""Whether what a message says still holds: "" or why it is not sent any more (its row, as `_LOOK` reads it)."""
STILL_TRUE: Mapping[str, StillTrue] = {
    "date_slipped": meanwhile.why_no_slip,
    "alternatives": meanwhile.why_no_alternatives,
    "still_waiting": lambda rt, db, row: "" if row.person_status == "waiting" else "They no longer wait.",
}


def work_messages(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of the topics "message.…": sends the messages of the claim one by one."""
    merchant_id = claim.turn.merchant_id
    channel = rt.channel(merchant_id, claim.turn.connection_id)
    ids = [int(message.subject) for message in claim.messages]
    # One connection for all of them: to check one out costs as much as a question. No transaction is open while
    # a provider is called.
    with rt.engine.connect() as db:
        briefs = _briefs(rt, db, merchant_id, ids, claim.turn.connection_id)
        for message in claim.messages:
            if claim.is_out_of_time():
                return  # what is left goes back to pending
            message_id = int(message.subject)
            refused: PortError | None = None
            try:
                result = _attempt(rt, db, channel, merchant_id, message_id, briefs.get(message_id))
            except (Unauthorized, Misconfigured) as exc:
                refused, result = exc, _Result("waiting", Done(), f"{exc.cause} {exc.remedy}".strip())
            with db.begin():
                result = _record(rt, db, merchant_id, message_id, result)
                if refused is None:
                    settle(db, claim, {message.id: result.outcome})
            if refused is not None:
                raise refused


def deliver(rt: ShopperRuntime, channel: Any, merchant_id: int, message_id: int) -> Outcome:
    """Check, commit "sending", send, commit the result; what the outbox shall do with its intent.

    Raises Unauthorized or Misconfigured when the channel is at fault, not this person: the message
    waits on, and so does everybody behind it until the connection is mended.
    """
    with rt.engine.connect() as db:
        brief = _briefs(rt, db, merchant_id, [message_id]).get(message_id)
        try:
            result = _attempt(rt, db, channel, merchant_id, message_id, brief)
        except (Unauthorized, Misconfigured) as exc:
            with db.begin():
                note = f"{exc.cause} {exc.remedy}".strip()
                _record(rt, db, merchant_id, message_id, _Result("waiting", Done(), note))
            raise
        with db.begin():
            return _record(rt, db, merchant_id, message_id, result).outcome


def _briefs(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, ids: Sequence[int], way: int = 0
) -> dict[int, _Brief]:
    with db.begin():
        rows = db.execute(_BRIEF, {"m": merchant_id, "ids": list(ids)}).all()
    return {
        row.id: _Brief(row.variant_id, tuple(rt.keyring.digests("suppression", row.address_key)), way)
        for row in rows
    }


def _attempt(
    rt: ShopperRuntime,
    db: sa.Connection,
    channel: Any,
    merchant_id: int,
    message_id: int,
    brief: _Brief | None,
) -> _Result:
    if brief is None:
        return _Result("", Done())  # expired or erased: there is nobody to write to
    with db.begin():
        ready = _prepare(rt, db, merchant_id, message_id, brief, channel)
    if isinstance(ready, compensation.Planned):
        # The store is asked outside of any transaction; then everything is checked once more.
        wait = compensation.make(rt, ready)
        if wait is not None:
            return _Result("", wait)
        with db.begin():
            ready = _prepare(rt, db, merchant_id, message_id, brief, channel)
    if isinstance(ready, compensation.Planned):
        return _Result("", Again(1, "Its code is made first."))
    if not isinstance(ready, _Ready):
        return _Result("", ready)
    try:
        accepted = channel.send(ready.outgoing)
    except OutcomeUnknown as exc:
        if exc.is_repeatable and rt.now() - ready.created_at < REPEATED_FOR:
            return _Result("waiting", Again(60, exc.cause), exc.cause)
        note = f"{exc.cause} It may have arrived and is not repeated."
        return _Result("unknown", Unknown(note), note)
    except RateLimited as exc:
        return _Result("waiting", Again(exc.retry_after_s, exc.cause), exc.cause)
    except Retryable as exc:
        return _Result("waiting", Again(-1, exc.cause), exc.cause)
    except (Unauthorized, Misconfigured):
        raise
    except Gone as exc:
        return _Result("failed", Failed(exc.cause), exc.cause, gone=exc.why)
    except PortError as exc:
        return _Result("failed", Failed(exc.cause), exc.cause)
    return _Result(
        "sent",
        Done(),
        ready.note,
        provider_id=accepted.provider_id,
        segments=accepted.segments,
        has_event=ready.wants_marketing and ready.kind == "back_in_stock",
    )


def _prepare(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, message_id: int, brief: _Brief, channel: Any
) -> _Ready | compensation.Planned | Outcome:
    """The finished message with its row set to "sending", or what to do instead."""
    now = rt.now()
    lock_variant(db, merchant_id, brief.variant_id)
    row = db.execute(
        _LOOK,
        {
            "m": merchant_id,
            "id": message_id,
            "digests": list(brief.digests),
            "day_ago": now - timedelta(hours=24),
            "way": brief.way,
        },
    ).one_or_none()
    if row is None:
        return Done()
    its_key = (_MESSAGE.c.merchant_id == merchant_id) & (_MESSAGE.c.id == message_id)
    if row.status == "sending":
        db.execute(
            sa.update(_MESSAGE).where(its_key).values(status="unknown", settled_at=now, note=LOST_NOTE)
        )
        if row.kind == "back_in_stock":
            close_subscription(db, merchant_id, row.subscription_id)
        return Unknown(LOST_NOTE)
    if row.status != "waiting":
        return Done()
    instead = _instead(rt, db, merchant_id, row, its_key, now)
    if instead is not None:
        return instead
    code = compensation.code_for(rt, db, row) if row.kind == "back_in_stock" else compensation.NO_CODE
    if isinstance(code, compensation.Planned):
        return code
    person = Person(
        merchant_id=merchant_id,
        subscription_id=row.subscription_id,
        connection_id=row.connection_id,
        channel=row.channel,
        address=row.address,
        locale=row.locale,
        asked_at=row.asked_at,
        push_keys=row.push_keys,
    )
    seller = Seller(
        name=row.sender_name or row.name,
        reply_to=row.reply_to,
        privacy_url=row.privacy_url,
        currency=row.store_currency or row.currency,
    )
    facts = facts_of(rt, db, seller, person, row.kind, row.id, row.variant_id, row.context)
    facts = replace(facts, shown_on=row.shown_on if row.kind == "confirm" else None, code=code.said)
    if row.channel == "sms":
        facts = replace(facts, takes_answers=getattr(channel, "takes_answers", True))
    outgoing = compose(row.channel, row.kind, row.message_id, person, seller, facts)
    if isinstance(outgoing, OutgoingText) and row.way_key:
        outgoing = replace(outgoing, report_url=report_url(rt.base_url, row.way_key, row.message_id))
    db.execute(
        _SENDING,
        {
            "m": merchant_id,
            "id": message_id,
            "now": now,
            "way": brief.way,
            "subject": subject_of(outgoing),
            "context": json.dumps({**row.context, **promised(facts)}),
        },
    )
    return _Ready(outgoing, row.wants_marketing, row.kind, row.created_at, code.note)


def _instead(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, row: Any, its_key: Any, now: datetime
) -> Outcome | None:
    """Why this message is not sent now, or None: it is."""
    if row.person_status == "ended" or not row.address:
        return _skip(db, its_key, "The shopper left before it was sent.", now)
    if row.is_suppressed:
        end_subscription(db, merchant_id, row.subscription_id, "suppressed", now)
        return _skip(db, its_key, "This address must not be written to.", now)
    if row.store_status == "ended":
        _wait_on(db, merchant_id, row.subscription_id)
        return _skip(db, its_key, "The store left before it was sent; the place is kept.", now)
    if row.kind == "confirm" and row.person_status != "unconfirmed":
        return _skip(db, its_key, "Already confirmed.", now)
    if row.kind == "back_in_stock":
        stock = stock_of(db, merchant_id, row.variant_id)
        if stock.free_units == 0:
            _skip(db, its_key, "Sold out again before it was sent; the place is kept.", now)
            _put_back(db, merchant_id, row, now)
            return Done()
        if row.is_frozen:
            return Again(60, "Everything is frozen by the merchant.")
        if not stock.is_live_at(row.connection_id):
            return Again(wait_for_store_s(now - row.created_at), "The store does not show it yet.")
    elif row.kind in STILL_TRUE:
        untrue = STILL_TRUE[row.kind](rt, db, row)
        if untrue:
            return _skip(db, its_key, untrue, now)
    if row.kind in ALERTS:
        if row.is_frozen:
            return Again(60, "Everything is frozen by the merchant.")
        return _too_early(db, merchant_id, row, its_key, now)
    return None


def _too_early(db: sa.Connection, merchant_id: int, row: Any, its_key: Any, now: datetime) -> Outcome | None:
    policy = ShopperPolicy.model_validate(row.says or {})
    zone = zone_of(row.time_zone, row.timezone)
    country = addresses.country_of(row.address) if row.channel == "sms" else ""
    at = may_go_at(max(now, row.not_before or now), zone, row.channel, policy, country)
    if at > now:
        return _later(db, its_key, at - now, "It waits for the hours in which alerts are sent.")
    if row.told_today >= policy.most_per_day:
        return _later(db, its_key, timedelta(hours=1), "This person was told of enough within a day.")
    for most, since in (
        (policy.most_per_hour, now - timedelta(hours=1)),
        (warm_up_limit(now.date(), policy), now - timedelta(hours=24)),
    ):
        if most is not None:
            left = db.scalar(_LEFT_SINCE, {"m": merchant_id, "since": since}) or 0
            if left >= most:
                return _later(db, its_key, timedelta(minutes=5), "As many as allowed have left for now.")
    return None


def _later(db: sa.Connection, its_key: Any, wait: timedelta, note: str) -> Outcome:
    db.execute(sa.update(_MESSAGE).where(its_key).values(note=note))
    return Again(max(1.0, wait.total_seconds()), note)


def _record(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, message_id: int, result: _Result
) -> _Result:
    """Commit what became of it, in the caller's transaction; the result with its wait filled in."""
    if not result.status:
        return result
    row = db.execute(
        _RECORD,
        {
            "m": merchant_id,
            "id": message_id,
            "status": result.status,
            "note": result.note,
            "now": rt.now(),
            "provider_id": result.provider_id[:200],
            "segments": result.segments,
        },
    ).one_or_none()
    if row is None:
        return result
    if result.has_event:
        own = ways(db, merchant_id, "event")
        enqueue(db, merchant_id, [Intent(EVENT, str(message_id), connection_id) for connection_id in own])
    if result.gone:
        _end_gone(rt, db, merchant_id, row.subscription_id, result.gone)
    if isinstance(result.outcome, Again) and result.outcome.delay_s < 0:
        wait_s = min(30.0 * 2.0 ** min(row.tries - 1, 10), 21_600.0)
        return replace(result, outcome=Again(wait_s, result.note))
    return result


def _end_gone(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, subscription_id: int, why: str
) -> None:
    """This address takes nothing any more: end what waits for it. A mailbox or number is not written to again."""
    person = db.execute(
        sa.select(_SUBSCRIPTION.c.channel, _SUBSCRIPTION.c.address_key).where(
            _SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id
        )
    ).one()
    reason = {"stopped": "stopped", "complained": "complaint"}.get(why, "refused")
    give_up(db, rt.keyring, merchant_id, person.channel, person.address_key, reason, rt.now())


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
    enqueue(db, merchant_id, [Intent(SHOPPERS, str(row.variant_id))])


def end_subscription(
    db: sa.Connection, merchant_id: int, subscription_id: int, by: str, now: datetime
) -> None:
    """End one subscription, whatever its state; `by` is one word."""
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id)
        .values(status="ended", ended_at=now, ended_by=by)
    )
