"""Writes prices into one store and takes them back; remembers what stood there before.

The handler of the topic `store.price`: the floors of the merchant (connection 0), or a look at one store (its
connection). How a look reads, writes and finishes what was begun is `connector.delivery.store_hand`'s. Prices are
absolute, so no request is kept: repeating is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa

from connector.accounts.connections import may_write
from connector.db import transaction
from connector.delivery.store_hand import RETRY_S, Change, Hand, Tally, note_change
from connector.outbox.messages import Claim, Intent, enqueue
from connector.outbox.turns import work_turn
from connector.ports.errors import Unsupported
from connector.ports.prices import PriceResult, PriceSet, StorePrice
from connector.ports.stores import ListingRef, Store
from connector.positions.price_history import lowest_30d, note_prices
from connector.positions.prices import read_book
from connector.positions.topics import FLOORS, LOOK, PRICES, RUN
from connector.repricing.facts import minor, plan_of, prices_seen, refs_of, writing_of, written_of
from connector.repricing.floors import look_at_floors
from connector.repricing.policy import Held, Written, digest_of, is_was_over, permitted, was_for, whose
from connector.repricing.run_notes import note_run
from connector.repricing.runtime import RepricingRuntime
from connector.repricing.sql import BEGIN, CALLED, FORGET, IS_ON, LEAVE, NEVER, NOTE, SET, STORES_ON

CHUNK = 50
"""Prices read with one call and written before the next are read."""
FLOORS_AFTER_S = 60.0
"""Prices that are about to be lifted over their floor have so long before anything is taken off sale."""

_THEIRS = "Somebody set another price since."
_ON_SALE = "The item is on sale in the store."


def work_prices(rt: RepricingRuntime, claim: Claim) -> None:
    """Work one turn: the merchant's floors and which stores to look at, or one store."""
    merchant_id = claim.turn.merchant_id
    work_turn(
        rt.engine,
        claim,
        look=lambda connection_id: look(rt, merchant_id, connection_id, claim),
        spread=lambda: _spread(rt, merchant_id, {message.subject for message in claim.messages}),
        waiting="more prices wait",
    )


def _spread(rt: RepricingRuntime, merchant_id: int, subjects: set[str]) -> None:
    """What runs did to prices is noted, the stores are looked at, and the floors once they have been."""
    for subject in sorted(subjects):
        if subject.startswith(RUN):
            note_run(rt.engine, merchant_id, int(subject.removeprefix(RUN)))
    with transaction(rt.engine) as db:
        stores = list(db.execute(STORES_ON, {"m": merchant_id}).scalars())
        if subjects != {FLOORS}:
            enqueue(db, merchant_id, [Intent(PRICES, LOOK, store) for store in stores])
            if stores:
                enqueue(db, merchant_id, [Intent(PRICES, FLOORS, delay_s=FLOORS_AFTER_S)])
    if not stores or FLOORS in subjects:
        look_at_floors(rt, merchant_id)


def look(rt: RepricingRuntime, merchant_id: int, connection_id: int, claim: Claim | None = None) -> Tally:
    """Write and take back what is due in one store now. Safe to repeat at any time; `claim` is the store's turn in
    the outbox, None where nobody else can write its prices. Nothing in a store that may not be written. Raises
    LeaseLost when the turn is no longer ours, and the store's PortError; what was done before it stays done."""
    with rt.engine.connect() as db:
        state = writing_of(db, merchant_id, connection_id)
        if state is None or not may_write(db, merchant_id, connection_id):
            return Tally()
    held: tuple[Held, int] = ("", 0)
    hand = Hand(rt.engine, claim, CHUNK)
    with hand.tally.noting_refusal():
        prices = _Prices(rt, merchant_id, connection_id, hand, state.shows_was)
        hand.finish_begun(prices, prices.changes("writing", "undoing"))
        hand.put_back(prices, prices.changes("undo"))
        if state.status == "on":
            with rt.engine.connect() as db:
                book = read_book(db, merchant_id)
                found = plan_of(db, merchant_id, connection_id, book, prices.refs)
            ready, why, waiting = permitted(found, state.permission, digest_of(book.rules))
            held = why, waiting
            # What sells too low goes first; variants of one product go together.
            order = sorted(
                ready, key=lambda due: (not due.one.is_below, prices.refs[due.one.listing_id].product_id)
            )
            prices.set_to(
                {
                    due.one.listing_id: minor(due.one.proposal.price or due.one.price, due.one.currency)
                    for due in order
                }
            )
            prices.take_was_away()
    _note(rt, merchant_id, connection_id, hand.tally, held)
    return hand.tally


class _Prices:
    """The prices of one store that are ours, by listing: the `Book` of one look, and what it writes."""

    def __init__(
        self, rt: RepricingRuntime, merchant_id: int, connection_id: int, hand: Hand, shows_was: bool
    ) -> None:
        self._rt = rt
        self._m = merchant_id
        self._c = connection_id
        self._hand = hand
        self._shows_was = shows_was
        self._now = rt.now()
        self._store: Store = rt.store(merchant_id, connection_id)
        if not self._store.capabilities.price_batch_size:
            raise Unsupported("dispo", f"store {connection_id}", "Prices cannot be written on this platform.")
        with rt.engine.connect() as db:
            self.refs: dict[int, ListingRef] = refs_of(db, merchant_id, connection_id)

    def changes(self, *steps: str) -> dict[int, Change[StorePrice]]:
        """What stands at these steps."""
        return {
            one: Change(row.first or row.before, row.ours, is_undo=True)
            if row.step in ("undo", "undoing")
            else Change(row.before, row.ours)
            for one, row in self._rows(*steps).items()
        }

    def _rows(self, *steps: str) -> dict[int, Written]:
        """What we wrote, of listings that are still there; the rest is forgotten."""
        with self._rt.engine.connect() as db:
            rows = written_of(db, self._m, self._c, steps)
        gone = [listing_id for listing_id in rows if listing_id not in self.refs]
        if gone:
            with self._hand.writing() as db:
                self._forget(db, gone)
        return {one: row for one, row in rows.items() if one in self.refs}

    def set_to(self, wanted: Mapping[int, int]) -> None:
        """Set these prices (minor units) in the order given, until somebody switches it off or undoes."""
        for part in self._hand.parts(list(wanted)):
            present = self.read(part)
            with self._rt.engine.connect() as db:
                before = self._now + timedelta(seconds=1)
                lowest = lowest_30d(db, self._m, part, before) if self._shows_was else {}
            todo: dict[int, Change[StorePrice]] = {}
            with self._hand.writing() as db:
                if not self._is_on(db):
                    return
                rows = written_of(db, self._m, self._c, listing_ids=part)
                for one in part:
                    price = present.get(one)
                    if price is None or (one in rows and rows[one].step in ("undo", "undoing")):
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
                        self._hand.tally.is_incomplete = True
                    else:
                        todo[one] = self._begin(db, one, price, ours)
            self._hand.send(self, todo)

    def take_was_away(self) -> None:
        """A struck-through price of ours goes once the reduced one is itself the lowest of thirty days."""
        rows = {
            one: row
            for one, row in self._rows("open").items()
            if is_was_over(row, self._shows_was, self._now)
        }
        for part in self._hand.parts(list(rows)):
            present = self.read(part)
            todo: dict[int, Change[StorePrice]] = {}
            with self._hand.writing() as db:
                if not self._is_on(db):
                    return
                still_open = written_of(db, self._m, self._c, ("open",), part)
                for one in part:
                    if one not in still_open:
                        continue
                    if present.get(one) == rows[one].ours:
                        price = present[one]
                        todo[one] = self._begin(db, one, price, StorePrice(price.price_minor))
                    elif one in present:
                        self._leave(db, one, present[one], _THEIRS)
            self._hand.send(self, todo)

    def read(self, ids: Sequence[int]) -> dict[int, StorePrice]:
        """See `Book.read`."""
        present = self._store.read_prices([self.refs[one] for one in ids])
        return {
            one: present[self.refs[one].external_id] for one in ids if self.refs[one].external_id in present
        }

    def write(self, values: Mapping[int, StorePrice]) -> list[PriceResult]:
        """See `Book.write`."""
        return self._store.set_prices([PriceSet(self.refs[one], price) for one, price in values.items()])

    def begin_undo(self, db: sa.Connection, one: int, change: Change[StorePrice]) -> None:
        """See `Book.begin_undo`."""
        self._set(db, one, "undoing")

    def done(self, db: sa.Connection, one: int, change: Change[StorePrice]) -> None:
        """See `Book.done`."""
        self._seen(db, one, change.wanted)
        if change.is_undo:
            self._forget(db, [one])
        else:
            self._called(db, one, "open")

    def never(self, db: sa.Connection, one: int, change: Change[StorePrice]) -> None:
        """See `Book.never`: the rules, or the undoing, come to it again."""
        if change.is_undo:
            self._set(db, one, "undo")
        else:
            db.execute(NEVER, {"m": self._m, "l": one})

    def gone(self, db: sa.Connection, one: int, reason: str) -> None:
        """See `Book.gone`. That an answer lacks it is no word on it: its row keeps the price of before until the
        catalogue says that the item is gone."""
        if reason:
            self._forget(db, [one])

    def theirs(self, db: sa.Connection, one: int, change: Change[StorePrice], present: StorePrice) -> None:
        """See `Book.theirs`: known from now on, and left alone until it is handed over. Nothing of ours is left where
        the first price stands there already, as after a call that never arrived."""
        if change.is_undo and present == change.wanted:
            self._seen(db, one, present)
            self._forget(db, [one])
        else:
            self._keep_theirs(db, one, present, _THEIRS)

    def refused(self, db: sa.Connection, one: int, change: Change[StorePrice], reason: str) -> bool:
        """See `Book.refused`."""
        if change.is_undo:
            self._set(db, one, "open", reason)
        else:
            self._called(db, one, "refused", reason)
        return False

    def unanswered(self, db: sa.Connection, one: int, change: Change[StorePrice], reason: str) -> None:
        """See `Book.unanswered`: both prices stand in the row, so the next look goes on from the store's."""

    def _leave(self, db: sa.Connection, one: int, price: StorePrice, reason: str) -> None:
        self._keep_theirs(db, one, price, reason)
        self._hand.tally.left += 1

    def _keep_theirs(self, db: sa.Connection, one: int, price: StorePrice, reason: str) -> None:
        self._seen(db, one, price)
        given = {"m": self._m, "l": one, "c": self._c, "at": self._now, "reason": reason}
        db.execute(LEAVE, {**given, "price": price.price_minor, "was": price.was_minor})

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

    def _begin(
        self, db: sa.Connection, listing_id: int, before: StorePrice, ours: StorePrice
    ) -> Change[StorePrice]:
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
        return Change(before, ours)

    def _is_on(self, db: sa.Connection) -> bool:
        return bool(db.execute(IS_ON, {"m": self._m, "c": self._c}).scalar_one_or_none())

    def _called(self, db: sa.Connection, listing_id: int, step: str, reason: str = "") -> None:
        db.execute(CALLED, {"m": self._m, "l": listing_id, "step": step, "reason": reason[:500]})

    def _set(self, db: sa.Connection, listing_id: int, step: str, reason: str = "") -> None:
        db.execute(SET, {"m": self._m, "l": listing_id, "step": step, "reason": reason[:500]})

    def _forget(self, db: sa.Connection, listing_ids: Sequence[int]) -> None:
        db.execute(FORGET, {"m": self._m, "c": self._c, "ids": list(listing_ids)})


def _note(
    rt: RepricingRuntime, merchant_id: int, connection_id: int, tally: Tally, held: tuple[Held, int]
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
                "problem": tally.problem[:500],
            },
        )
        again = Intent(PRICES, LOOK, connection_id, delay_s=RETRY_S)
        is_changed = note_change(
            db, merchant_id, connection_id, tally, action="prices.change", written_as="written", again=again,
            now=rt.now(),
        )  # fmt: skip
        if is_changed:
            enqueue(db, merchant_id, [Intent(PRICES, FLOORS)])
