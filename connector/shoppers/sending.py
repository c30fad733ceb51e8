"""Sends messages to people: commits "sending", hands over, says what became of it.

The life of a message: waiting → sending → sent, failed or unknown; or waiting → skipped. "sending" is
committed for one message alone, immediately before the provider is called, and only if what was found ready
(`connector.shoppers.ready`) still holds. A process that dies after that leaves the row in "sending", and whoever
finds it there makes it "unknown": it is not repeated, the merchant sees it and may `messages.resend` it. A definite
refusal of the moment (mailbox busy, provider down) puts it back to "waiting" with its note, as often as it takes.

Messages of one claim are looked at some at a time, and handed over side by side where the channel takes several:
then so many can be left in "sending" by a process that dies, and no more.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import psycopg
import sqlalchemy as sa

from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, enqueue, settle
from connector.ports.errors import Gone, OutcomeUnknown, PortError, Retryable
from connector.shoppers import compensation, ready
from connector.shoppers.compose import Letter, Outgoing, compose, promised, subject_of
from connector.shoppers.fates import busy_wait_s, fate_of
from connector.shoppers.media import EVENT, ways
from connector.shoppers.reports import give_up
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import FROM_STOCK
from connector.shoppers.tables import Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]

REPEATED_FOR = timedelta(hours=20)
"""How long a message is handed over again whose provider knows it by its key; within the day that ports promise."""
LOOKED_AT = 16
"""So many are looked at in one go."""
FRESH_S = 2.0
"""What was found ready is looked at again when it has not left by then."""
LOOKS = 3
"""How often one message is looked at within a claim, when it changes each time before it leaves."""

_SENDING = sa.text("""
update message g set status = 'sending', sending_at = :now, sent_by = :way, tries = tries + 1, subject = :subject,
       note = '', context = cast(:context as jsonb)
  from subscription s
 where g.merchant_id = :m and g.id = :id and g.status = 'waiting'
   and s.merchant_id = :m and s.id = g.subscription_id and s.status = :person_status and s.address = :address
   and (g.kind <> 'back_in_stock' or exists (
         select 1 from position p where p.merchant_id = :m and p.variant_id = :variant_id
            and p.available > 0 and p.state = any(:from_stock)))
returning g.id
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


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a message that was handed over: its row's new status, and the outbox's outcome (None: its
    intent goes back to where it came from)."""

    status: Literal["sent", "failed", "unknown", "waiting"]
    outcome: Outcome | None
    note: str = ""
    provider_id: str = ""
    segments: int = 0
    gone: str = ""
    has_event: bool = False
    waits_by_tries: bool = False

    @property
    def is_plain(self) -> bool:
        """Nothing but its row has to be written."""
        return self.status == "sent" and not self.has_event


def work_messages(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of the topics "message.…": sends the messages of the claim, in their order.

    Raises Unauthorized or Misconfigured when the channel is at fault, not a person: the message waits on, and so
    does everybody behind it until the connection is mended.
    """
    merchant_id, way = claim.turn.merchant_id, claim.turn.connection_id
    channel = rt.channel(merchant_id, way)
    waiting = deque((message.id, int(message.subject)) for message in claim.messages)
    looks: Counter[int] = Counter()
    most = getattr(channel, "at_once", 1)
    # One connection for all of them: to check one out costs as much as a question. No transaction is open while
    # a provider is called.
    with rt.engine.connect() as db:
        while waiting and not claim.is_out_of_time():  # what is left goes back to pending
            chunk = [waiting.popleft() for _ in range(min(LOOKED_AT, len(waiting)))]
            found = ready.look(rt, db, merchant_id, [id for _, id in chunk], channel, way)
            outcomes: dict[int, Outcome] = {}
            flight = _Flight(rt, claim, channel, most)
            again = []
            for intent_id, message_id in chunk:
                now = found[message_id]
                looks[message_id] += 1
                if isinstance(now, compensation.Planned):
                    # The store is asked outside of any transaction; then everything is looked at once more.
                    wait = compensation.make(rt, now)
                    if wait is not None:
                        outcomes[intent_id] = wait
                    elif looks[message_id] < LOOKS:
                        again.append((intent_id, message_id))
                    else:
                        outcomes[intent_id] = Again(1, "Its code is made first.")
                elif isinstance(now, Letter):
                    flight.letters.append(now)
                else:
                    outcomes[intent_id] = now
            try:
                flight.go(db)
            finally:
                for intent_id, message_id in chunk:
                    if message_id in flight.outcomes:
                        outcomes[intent_id] = flight.outcomes[message_id]
                    elif message_id in flight.left:
                        if looks[message_id] < LOOKS or message_id in flight.stale:
                            again.append((intent_id, message_id))
                        else:
                            outcomes[intent_id] = Again(1, "It changed while it was about to leave.")
                if outcomes:
                    with db.begin():
                        settle(db, claim, outcomes)
            if flight.refused is not None:
                raise flight.refused
            if flight.is_narrow:
                most = 1
            waiting.extendleft(reversed(again))


@dataclass
class _Flight:
    """Letters that were found ready together, on their way out by one channel."""

    rt: ShopperRuntime
    claim: Claim
    channel: Any
    most: int
    """So many are on their way at a time."""
    letters: deque[Letter] = field(default_factory=deque)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    """Not handed over: to be looked at again."""
    stale: set[int] = field(default_factory=set)
    """Those of `left` for which there was no time."""
    refused: PortError | None = None
    is_narrow: bool = False
    """The provider asked for patience: perhaps it takes no second connection, so the rest goes one by one."""
    _began: float = field(default_factory=time.monotonic)
    _is_over: bool = False

    def go(self, db: sa.Connection) -> None:
        """Hand over all letters, `most` side by side; one by one from when the provider asks for patience."""
        others = min(self.most, len(self.letters)) - 1
        if others > 0:
            with ThreadPoolExecutor(others, "sending") as threads:
                tasks = [threads.submit(self._carry_beside) for _ in range(others)]
                self._carry(db, is_beside=True)
            for task in tasks:
                task.result()
        self._carry(db)

    def _carry_beside(self) -> None:
        with self.rt.engine.connect() as db:
            self._carry(db, is_beside=True)

    def _carry(self, db: sa.Connection, *, is_beside: bool = False) -> None:
        sent: tuple[Letter, _Result] | None = None
        try:
            while not (is_beside and self.is_narrow) and (letter := self._next()) is not None:
                outgoing = compose(self.rt, letter)
                is_marked = self._say_sending(db, letter, outgoing, sent)
                sent = None
                if not is_marked:
                    self.left.add(letter.id)
                    continue
                result = self._hand_over(letter, outgoing)
                if result.is_plain:
                    # Written down with the next one's "sending", which is the very next thing: one commit for both.
                    sent, outcome = (letter, result), result.outcome
                else:
                    outcome = self._write_down(db, letter, result)
                if outcome is not None:
                    self.outcomes[letter.id] = outcome
        except BaseException:
            self._is_over = True
            raise
        finally:
            if sent is not None:
                self._write_down(db, *sent)

    def _next(self) -> Letter | None:
        while True:
            try:
                letter = self.letters.popleft()
            except IndexError:
                return None
            is_stale = time.monotonic() - self._began > FRESH_S
            if not (self._is_over or is_stale or self.claim.is_out_of_time()):
                return letter
            self.left.add(letter.id)
            self.stale.add(letter.id)

    def _say_sending(
        self, db: sa.Connection, letter: Letter, outgoing: Outgoing, last: tuple[Letter, _Result] | None
    ) -> bool:
        """Commit "sending", and with it what became of the last one; False when what was found holds no more."""
        try:
            with db.begin():
                if last is not None:
                    _record(self.rt, db, *last)
                return self._mark(db, letter, outgoing)
        except sa.exc.OperationalError as exc:
            is_circle = isinstance(
                exc.orig, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure
            )
            if last is None or not is_circle:
                raise
        # The database undid both, because somebody held one of two rows and waited for the other.
        self._write_down(db, *last)
        with db.begin():
            return self._mark(db, letter, outgoing)

    def _mark(self, db: sa.Connection, letter: Letter, outgoing: Outgoing) -> bool:
        given = {
            "m": letter.person.merchant_id,
            "id": letter.id,
            "now": self.rt.now(),
            "way": self.claim.turn.connection_id,
            "subject": subject_of(outgoing),
            "context": json.dumps({**letter.context, **promised(letter.facts)}),
            "person_status": letter.person.status,
            "address": letter.person.address,
            "variant_id": letter.variant_id,
            "from_stock": list(FROM_STOCK),
        }
        return db.execute(_SENDING, given).one_or_none() is not None

    def _hand_over(self, letter: Letter, outgoing: Outgoing) -> _Result:
        try:
            accepted = self.channel.send(outgoing)
        except PortError as exc:
            if isinstance(exc, OutcomeUnknown) and exc.is_repeatable and self._may_be_repeated(letter):
                return _Result("waiting", Again(60, exc.cause), exc.cause)
            fate = fate_of(exc)
            if fate.outcome is None:
                self.refused, self._is_over = exc, True
            self.is_narrow |= isinstance(exc, Retryable)
            return _Result(
                fate.status,
                fate.outcome,
                fate.note,
                gone=exc.why if isinstance(exc, Gone) else "",
                waits_by_tries=fate.waits_by_tries,
            )
        return _Result(
            "sent",
            Done(),
            letter.note,
            provider_id=accepted.provider_id,
            segments=accepted.segments,
            has_event=letter.wants_marketing and letter.kind == "back_in_stock",
        )

    def _may_be_repeated(self, letter: Letter) -> bool:
        return self.rt.now() - letter.created_at < REPEATED_FOR

    def _write_down(self, db: sa.Connection, letter: Letter, result: _Result) -> Outcome | None:
        with db.begin():
            return _record(self.rt, db, letter, result)


def _record(rt: ShopperRuntime, db: sa.Connection, letter: Letter, result: _Result) -> Outcome | None:
    """Write what became of it, in the caller's transaction; the outbox's outcome with its wait filled in."""
    merchant_id = letter.person.merchant_id
    row = db.execute(
        _RECORD,
        {
            "m": merchant_id,
            "id": letter.id,
            "status": result.status,
            "note": result.note,
            "now": rt.now(),
            "provider_id": result.provider_id[:200],
            "segments": result.segments,
        },
    ).one_or_none()
    if row is None:
        return result.outcome
    if result.has_event:
        own = ways(db, merchant_id, "event")
        enqueue(db, merchant_id, [Intent(EVENT, str(letter.id), connection_id) for connection_id in own])
    if result.gone:
        _end_gone(rt, db, letter, result.gone)
    if result.waits_by_tries:
        return Again(busy_wait_s(row.tries), result.note)
    return result.outcome


def _end_gone(rt: ShopperRuntime, db: sa.Connection, letter: Letter, why: str) -> None:
    """This address takes nothing any more: end what waits for it. A mailbox or number is not written to again."""
    merchant_id = letter.person.merchant_id
    person = db.execute(
        sa.select(_SUBSCRIPTION.c.channel, _SUBSCRIPTION.c.address_key).where(
            _SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == letter.person.subscription_id
        )
    ).one()
    reason = {"stopped": "stopped", "complained": "complaint"}.get(why, "refused")
    give_up(db, rt.keyring, merchant_id, person.channel, person.address_key, reason, rt.now())
