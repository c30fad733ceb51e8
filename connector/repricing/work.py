"""Writes prices into one store and takes them back; remembers what stood there before.

The handler of the topic `store.price`: the floors of the merchant (connection 0), or a look at one store (its
connection). The store is read immediately before anything is written, and a price that somebody else set is left
alone. Before each call stands what it is about to write (`step`): after a crash or a lost answer the next look reads
the store and finishes from there. Prices are absolute, so no request is kept: repeating is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from connector.accounts import audit
from connector.accounts.connections import may_write
from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, enqueue, hold, settle
from connector.ports.errors import NotFound, Rejected, Unsupported
from connector.ports.prices import PriceSet, StorePrice
from connector.ports.stores import ListingRef, Store
from connector.positions.price_history import lowest_30d, note_prices
from connector.positions.prices import read_book
from connector.positions.topics import FLOORS, LOOK, PRICES, RUN
from connector.repricing.facts import minor, plan_of, prices_seen, refs_of, writing_of, written_of
from connector.repricing.floors import look_at_floors
from connector.repricing.policy import Held, Written, digest_of, is_was_over, permitted, was_for, whose
from connector.repricing.run_notes import note_run
from connector.repricing.runtime import RepricingRuntime
from connector.repricing.sql import BEGIN, FORGET, LEAVE, NOTE, SET, STORES_ON

CHUNK = 50
"""Prices read with one call and written before the next are read."""
RETRY_S = 60.0
FLOORS_AFTER_S = 60.0
"""Prices that are about to be lifted over their floor have so long before anything is taken off sale."""

_THEIRS = "Somebody set another price since."
_ON_SALE = "The item is on sale in the store."
_GONE = "The shop has no such item any more."


@dataclass(slots=True)
class Tally:
    """What a look did: prices written, put back, left to somebody else's hand, refused by the shop."""

    written: int = 0
    put_back: int = 0
    left: int = 0
    refused: int = 0
    is_incomplete: bool = False


def work_prices(rt: RepricingRuntime, claim: Claim) -> None:
    """Work one turn: the merchant's floors and which stores to look at, or one store."""
    turn = claim.turn
    outcome: Outcome = Done()
    if turn.connection_id:
        look(rt, turn.merchant_id, turn.connection_id, claim)
        if claim.is_out_of_time():
            outcome = Again(0.0, "more prices wait")
    else:
        subjects = {message.subject for message in claim.messages}
        for subject in sorted(subjects):
            if subject.startswith(RUN):
                note_run(rt.engine, turn.merchant_id, int(subject.removeprefix(RUN)))
        with transaction(rt.engine) as db:
            stores = list(db.execute(STORES_ON, {"m": turn.merchant_id}).scalars())
            if subjects != {FLOORS}:
                enqueue(db, turn.merchant_id, [Intent(PRICES, LOOK, store) for store in stores])
                if stores:
                    enqueue(db, turn.merchant_id, [Intent(PRICES, FLOORS, delay_s=FLOORS_AFTER_S)])
        if not stores or FLOORS in subjects:
            look_at_floors(rt, turn.merchant_id)
    with transaction(rt.engine) as db:
        settle(db, claim, {message.id: outcome for message in claim.messages})


def look(rt: RepricingRuntime, merchant_id: int, connection_id: int, claim: Claim | None = None) -> Tally:
    """Write and take back what is due in one store now. Safe to repeat at any time; `claim` is the store's turn in
    the outbox, None where nobody else can write its prices. Nothing in a store that may not be written. Raises
    LeaseLost when the turn is no longer ours, and the store's PortError; what was done before it stays done."""
    tally = Tally()
    with rt.engine.connect() as db:
        state = writing_of(db, merchant_id, connection_id)
        if state is None or not may_write(db, merchant_id, connection_id):
            return tally
    held: tuple[Held, int] = ("", 0)
    problem = ""
    try:
        hand = _Hand(rt, merchant_id, connection_id, state.shows_was, claim, tally)
        hand.finish_begun()
        hand.put_back()
        if state.status == "on":
            with rt.engine.connect() as db:
                book = read_book(db, merchant_id)
                found = plan_of(db, merchant_id, connection_id, book, hand.refs)
            ready, why, waiting = permitted(found, state.permission, digest_of(book.rules))
            held = why, waiting
            # What sells too low goes first; variants of one product go together.
            order = sorted(
                ready, key=lambda due: (not due.one.is_below, hand.refs[due.one.listing_id].product_id)
            )
            hand.write(
                {
                    due.one.listing_id: minor(due.one.proposal.price or due.one.price, due.one.currency)
                    for due in order
                }
            )
            hand.take_was_away()
    except (Rejected, Unsupported, NotFound) as error:
        # The shop will not have it this way: said to the merchant, and tried again at the next look.
        problem = str(error)
    _note(rt, merchant_id, connection_id, tally, held, problem)
    return tally


class _Hand:
    """One look's hand on one store."""

    def __init__(
        self,
        rt: RepricingRuntime,
        merchant_id: int,
        connection_id: int,
        shows_was: bool,
        claim: Claim | None,
        tally: Tally,
    ) -> None:
        self._rt = rt
        self._m = merchant_id
        self._c = connection_id
        self._shows_was = shows_was
        self._claim = claim
        self._tally = tally
        self._now = rt.now()
        self._store: Store = rt.store(merchant_id, connection_id)
        if not self._store.capabilities.price_batch_size:
            raise Unsupported("dispo", f"store {connection_id}", "Prices cannot be written on this platform.")
        with rt.engine.connect() as db:
            self.refs: dict[int, ListingRef] = refs_of(db, merchant_id, connection_id)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed only while the turn is ours."""
        with transaction(self._rt.engine) as db:
            if self._claim is not None:
                hold(db, self._claim)
            yield db

    def _rows(self, *steps: str) -> dict[int, Written]:
        with self._rt.engine.connect() as db:
            rows = written_of(db, self._m, self._c, steps)
        gone = [listing_id for listing_id in rows if listing_id not in self.refs]
        if gone:
            with self._writing() as db:
                self._forget(db, gone)
        return {listing_id: row for listing_id, row in rows.items() if listing_id in self.refs}

    def _parts(self, ids: Sequence[int]) -> Iterator[tuple[list[int], dict[int, StorePrice]]]:
        """Chunks of listings with what the store shows of them now, until the time is over."""
        for start in range(0, len(ids), CHUNK):
            if self._claim is not None and self._claim.is_out_of_time():
                return
            part = list(ids[start : start + CHUNK])
            present = self._store.read_prices([self.refs[one] for one in part])
            yield (
                part,
                {
                    one: present[self.refs[one].external_id]
                    for one in part
                    if self.refs[one].external_id in present
                },
            )

    def finish_begun(self) -> None:
        """After a crash or a lost answer only the store knows whether a call had its effect."""
        rows = self._rows("writing", "undoing")
        for part, present in self._parts(list(rows)):
            with self._writing() as db:
                for one in part:
                    row, price = rows[one], present.get(one)
                    is_undo = row.step == "undoing"
                    if price is None:
                        self._forget(db, [one])
                    elif price == (row.before if is_undo else row.ours):
                        self._settle_done(db, one, row, is_undo)
                    elif price == (row.ours if is_undo else row.before):
                        # It never arrived: the rules, or the undoing, come to it again.
                        if is_undo:
                            self._set(db, one, "undo")
                        else:
                            self._forget(db, [one])
                    else:
                        self._leave(db, one, price, _THEIRS)

    def put_back(self) -> None:
        """Give these their price of before, where they still have ours."""
        rows = self._rows("undo")
        for part, present in self._parts(list(rows)):
            todo: dict[int, Written] = {}
            with self._writing() as db:
                for one in part:
                    row = rows[one]
                    if present.get(one) == row.ours:
                        # Intent before effect.
                        self._set(db, one, "undoing")
                        todo[one] = row
                    elif one in present:
                        self._leave(db, one, present[one], _THEIRS)
                    else:
                        self._forget(db, [one])
            self._send({one: row.before for one, row in todo.items()}, todo, is_undo=True)

    def write(self, wanted: Mapping[int, int]) -> None:
        """Set these prices (minor units) in the order given."""
        for part, present in self._parts(list(wanted)):
            with self._rt.engine.connect() as db:
                before = self._now + timedelta(seconds=1)
                lowest = lowest_30d(db, self._m, part, before) if self._shows_was else {}
                rows = {k: v for k, v in written_of(db, self._m, self._c).items() if k in part}
            todo: dict[int, Written] = {}
            with self._writing() as db:
                for one in part:
                    price = present.get(one)
                    if price is None:
                        self._forget(db, [one])
                        continue
                    known = lowest.get(one)
                    floor = known.price_minor if known is not None and known.is_complete else None
                    ours = StorePrice(wanted[one], was_for(wanted[one], price, floor, self._shows_was))
                    if price == ours and one in rows:
                        self._set(db, one, "open")
                    elif whose(rows.get(one), price) == "theirs":
                        self._leave(db, one, price, _ON_SALE if one not in rows else _THEIRS)
                    elif one not in rows and not self._is_as_known(db, one, price):
                        # The rules did not know this price: they judge it first.
                        self._tally.is_incomplete = True
                    else:
                        todo[one] = self._begin(db, one, price, ours)
            self._send({one: row.ours for one, row in todo.items()}, todo, is_undo=False)

    def take_was_away(self) -> None:
        """A struck-through price of ours goes once the reduced one is itself the lowest of thirty days."""
        rows = {
            one: row
            for one, row in self._rows("open").items()
            if is_was_over(row, self._shows_was, self._now)
        }
        for part, present in self._parts(list(rows)):
            todo: dict[int, Written] = {}
            with self._writing() as db:
                for one in part:
                    if present.get(one) == rows[one].ours:
                        price = present[one]
                        todo[one] = self._begin(db, one, price, StorePrice(price.price_minor))
                    elif one in present:
                        self._leave(db, one, present[one], _THEIRS)
            self._send({one: row.ours for one, row in todo.items()}, todo, is_undo=False)

    def _send(self, prices: Mapping[int, StorePrice], rows: Mapping[int, Written], *, is_undo: bool) -> None:
        if not prices:
            return
        results = self._store.set_prices([PriceSet(self.refs[one], price) for one, price in prices.items()])
        with self._writing() as db:
            for one, result in zip(prices, results, strict=True):
                if result.status == "done":
                    self._settle_done(db, one, rows[one], is_undo)
                elif result.status == "not_found":
                    self._forget(db, [one])
                elif result.status == "rejected":
                    self._set(db, one, "open" if is_undo else "refused", result.reason)
                    self._tally.refused += 1
                else:
                    # Both prices stand in the row: the next look reads the store and goes on from there.
                    self._tally.is_incomplete = True

    def _settle_done(self, db: sa.Connection, listing_id: int, row: Written, is_undo: bool) -> None:
        price = row.before if is_undo else row.ours
        self._seen(db, listing_id, price)
        if is_undo:
            self._forget(db, [listing_id])
            self._tally.put_back += 1
        else:
            self._set(db, listing_id, "open")
            self._tally.written += 1

    def _seen(self, db: sa.Connection, listing_id: int, price: StorePrice) -> None:
        external_id = self.refs[listing_id].external_id
        prices_seen(db, self._m, self._c, {external_id: price.price_minor})
        note_prices(db, self._m, self._c, [external_id], self._now)

    def _is_as_known(self, db: sa.Connection, listing_id: int, price: StorePrice) -> bool:
        known = db.execute(
            sa.text("select price_minor from listing where merchant_id = :m and id = :l"),
            {"m": self._m, "l": listing_id},
        ).scalar_one()
        if known == price.price_minor:
            return True
        self._seen(db, listing_id, price)
        return False

    def _leave(self, db: sa.Connection, listing_id: int, price: StorePrice, reason: str) -> None:
        """Somebody else's price: known from now on, and left alone until it is handed over."""
        self._seen(db, listing_id, price)
        given = {"m": self._m, "l": listing_id, "c": self._c, "at": self._now, "reason": reason}
        db.execute(LEAVE, {**given, "price": price.price_minor, "was": price.was_minor})
        self._tally.left += 1

    def _begin(self, db: sa.Connection, listing_id: int, before: StorePrice, ours: StorePrice) -> Written:
        db.execute(
            BEGIN,
            {
                "m": self._m,
                "l": listing_id,
                "c": self._c,
                "before": before.price_minor,
                "before_was": before.was_minor,
                "ours": ours.price_minor,
                "ours_was": ours.was_minor,
                "at": self._now,
            },
        )
        return Written(before, ours, "writing", self._now)

    def _set(self, db: sa.Connection, listing_id: int, step: str, reason: str = "") -> None:
        db.execute(SET, {"m": self._m, "l": listing_id, "step": step, "reason": reason[:500]})

    def _forget(self, db: sa.Connection, listing_ids: Sequence[int]) -> None:
        db.execute(FORGET, {"m": self._m, "c": self._c, "ids": list(listing_ids)})


def _note(
    rt: RepricingRuntime,
    merchant_id: int,
    connection_id: int,
    tally: Tally,
    held: tuple[Held, int],
    problem: str,
) -> None:
    why, waiting = held
    with transaction(rt.engine) as db:
        db.execute(
            NOTE,
            {
                "m": merchant_id,
                "c": connection_id,
                "done": tally.written,
                "held": waiting,
                "why": why,
                "problem": problem[:500],
            },
        )
        if tally.written or tally.put_back or tally.refused:
            detail = {
                "written": tally.written,
                "put_back": tally.put_back,
                "left": tally.left,
                "refused": tally.refused,
            }
            subject = f"connection {connection_id}"
            audit.record(db, merchant_id, rt.now(), "dispo", "prices.change", subject, detail)
            enqueue(db, merchant_id, [Intent(PRICES, FLOORS)])
        if tally.is_incomplete:
            enqueue(db, merchant_id, [Intent(PRICES, LOOK, connection_id, delay_s=RETRY_S)])
