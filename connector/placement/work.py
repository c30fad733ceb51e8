"""Moves products to the end of a store's lists and puts them back; remembers what stood there before.

The handler of the topic `store.place`: something can be bought again (connection 0), or a look at one store
(its connection). How a look reads, writes and finishes what was begun is `connector.delivery.store_hand`'s.

One thing cannot be told apart: we died before the call, and the merchant gave the product the very same value
by hand before the next look. It then counts as ours, since that is what we were about to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.connections import may_write
from connector.db import transaction
from connector.delivery.store_hand import RETRY_S, Change, Hand, Tally, note_change
from connector.outbox.messages import Claim, Intent, enqueue
from connector.outbox.turns import work_turn
from connector.placement.facts import places_of, products_of, rule_of
from connector.placement.policy import Plan, Rule, plan
from connector.placement.runtime import LOOK, SCHEDULE, PlacementRuntime
from connector.ports.places import PlaceChange, PlaceKind, PlaceResult
from connector.ports.stores import Store
from connector.positions.topics import PLACES

APPROVAL_LASTS = timedelta(hours=1)
MOST_AT_ONCE = 50
MOST_SHARE = 4
"""More products than this, and than one in four of the store's, are moved only after another approval."""

_GONE = "The shop has no such product any more."
_THERE = "It stood there already."
_BY_HAND = "Somebody changed it since."
_NOTHING = Plan((), (), ())


def work_places(rt: PlacementRuntime, claim: Claim) -> None:
    """Work one turn: the stores where what came back stands moved, or one store."""
    merchant_id = claim.turn.merchant_id
    work_turn(
        rt.engine,
        claim,
        look=lambda connection_id: look(rt, merchant_id, connection_id, claim),
        spread=lambda: _spread(rt, merchant_id, [int(message.subject) for message in claim.messages]),
        waiting="more products wait",
    )


def _spread(rt: PlacementRuntime, merchant_id: int, variants: list[int]) -> None:
    """The stores are looked at where products of these variants stand moved."""
    with transaction(rt.engine) as db:
        stores = db.execute(_STORES_OF, {"m": merchant_id, "variants": variants}).scalars()
        enqueue(db, merchant_id, [Intent(PLACES, LOOK, store) for store in stores])


def look(
    rt: PlacementRuntime,
    merchant_id: int,
    connection_id: int,
    claim: Claim | None = None,
) -> Plan:
    """Move and put back what is due in one store now. Safe to repeat at any time; `claim` is the store's turn in
    the outbox, None where nobody else can work on its lists. Nothing in a store that may not be written.
    Raises LeaseLost when the turn is no longer ours: then nothing more is asked of the store."""
    now = rt.now()
    with rt.engine.connect() as db:
        is_allowed = may_write(db, merchant_id, connection_id)
        row = rule_of(db, merchant_id, connection_id)
    if row is None or not is_allowed:
        return _NOTHING
    rule, is_draft = (None if row.status == "off" else row.rule), row.status == "draft"
    todo, tally, held = _NOTHING, Tally(), 0
    with tally.noting_refusal():
        places = _Places(rt, merchant_id, connection_id, claim, tally, now)
        places.finish_begun()
        with places.hand.writing() as db:
            products = products_of(db, merchant_id, connection_id)
            todo = plan(products, places_of(db, merchant_id, connection_id), rule, now=now, is_draft=is_draft)
            _forget(db, merchant_id, todo.forget, now)
        places.put_back(todo.put_back)
        if rule is not None:
            is_many = len(todo.move) > max(MOST_AT_ONCE, len(products) // MOST_SHARE)
            if is_many and not _is_recent(row.approved_at, now):
                held = len(todo.move)
            else:
                places.move(rule, todo.move)
    _note(rt, merchant_id, connection_id, tally, held, now)
    is_done = not (tally.is_incomplete or tally.problem or (claim and claim.is_out_of_time()))
    if rule is None and is_done:
        with transaction(rt.engine) as db:
            schedule.remove(db, merchant_id, SCHEDULE, connection_id)
    return todo


def put_all_back(rt: PlacementRuntime, merchant_id: int, connection_id: int) -> int:
    """Before a store is left: put back everything that we moved and nobody touched since. Returns how many;
    raises a PortError when the store does not let us in (any more)."""
    with rt.engine.connect() as db:
        is_any = db.execute(_ANY, {"m": merchant_id, "c": connection_id}).scalar_one()
    if not is_any:
        return 0
    tally = Tally()
    places = _Places(rt, merchant_id, connection_id, None, tally, rt.now())
    places.finish_begun()
    with rt.engine.connect() as db:
        todo = plan([], places_of(db, merchant_id, connection_id), None, now=rt.now())
    places.put_back(todo.put_back)
    return tally.put_back


def ask(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """Have the store's lists looked at soon."""
    enqueue(db, merchant_id, [Intent(PLACES, LOOK, connection_id)])


class _Places:
    """The places of one store that are ours: what one look does with them."""

    def __init__(
        self,
        rt: PlacementRuntime,
        merchant_id: int,
        connection_id: int,
        claim: Claim | None,
        tally: Tally,
        now: datetime,
    ) -> None:
        self._engine = rt.engine
        self._key = {"m": merchant_id, "c": connection_id}
        self._now = now
        self._store: Store = rt.store(merchant_id, connection_id)
        size = max(1, self._store.capabilities.place_batch_size)
        self.hand = Hand(rt.engine, claim, size, tally)

    def finish_begun(self) -> None:
        """See `Hand.finish_begun`."""
        for book, rows in self._grouped("step in ('placing', 'returning')", None):
            begun = {row.id: Change(row.before, row.ours, is_undo=row.step == "returning") for row in rows}
            self.hand.finish_begun(book, begun)

    def put_back(self, place_ids: Sequence[int]) -> None:
        """See `Hand.put_back`."""
        for book, rows in self._grouped("step = 'placed' and id = any(:ids)", list(place_ids)):
            changes = {row.id: Change(row.before, row.ours, is_undo=True) for row in rows}
            self.hand.put_back(book, changes)

    def move(self, rule: Rule, product_ids: Sequence[str]) -> None:
        """Move these products to the end."""
        kind = rule.kind
        for part in self.hand.parts(product_ids):
            present = self._store.read_places(kind, rule.tag, part)
            wanted = {one: self._store.place_when_out(kind, value) for one, value in present.items()}
            book = _Book(self._store, kind, rule.tag, {}, self._key["m"], self._now)
            todo: dict[int, Change[str]] = {}
            with self.hand.writing() as db:
                for one in part:
                    if one in present and wanted[one] != present[one]:
                        # Intent before effect: should we die after the call, it is known whose change it was.
                        place_id = self._begin(db, one, rule, present[one], wanted[one], "placing", "")
                        book.products[place_id] = one
                        todo[place_id] = Change(present[one], wanted[one])
                    else:
                        value = present.get(one, "")
                        reason = _THERE if one in present else _GONE
                        self._begin(db, one, rule, value, value, "theirs", reason)
                        self.hand.tally.left += one in present
            self.hand.send(book, todo)

    def _grouped(self, condition: str, ids: list[int] | None) -> Iterable[tuple[_Book, list[Any]]]:
        with self._engine.connect() as db:
            rows = db.execute(
                sa.text(f"""
                    select id, product_id, kind, tag, before, ours, step from place
                     where merchant_id = :m and connection_id = :c and {condition}
                     order by kind, tag, id
                """),  # noqa: S608 - conditions of this module
                {**self._key, **({} if ids is None else {"ids": ids})},
            ).all()
        for (kind, tag), group in groupby(rows, lambda row: (row.kind, row.tag)):
            found = list(group)
            products = {row.id: row.product_id for row in found}
            yield (
                _Book(self._store, cast(PlaceKind, kind), tag, products, self._key["m"], self._now),
                found,
            )

    def _begin(
        self, db: sa.Connection, product_id: str, rule: Rule, before: str, ours: str, step: str, reason: str
    ) -> int:
        return int(
            db.execute(
                _BEGIN,
                {
                    **self._key,
                    "product": product_id,
                    "kind": rule.kind,
                    "tag": rule.tag,
                    "before": before,
                    "ours": ours,
                    "step": step,
                    "reason": reason,
                    "at": self._now,
                },
            ).scalar_one()
        )


class _Book:
    """Places of one kind in one store, by their ids: see `connector.delivery.store_hand.Book`."""

    def __init__(
        self,
        store: Store,
        kind: PlaceKind,
        tag: str,
        products: dict[int, str],
        merchant_id: int,
        now: datetime,
    ) -> None:
        self.products = products
        """The product of each place."""
        self._store, self._kind, self._tag = store, kind, tag
        self._m, self._now = merchant_id, now

    def read(self, ids: Sequence[int]) -> dict[int, str]:
        """See `Book.read`."""
        present = self._store.read_places(self._kind, self._tag, [self.products[one] for one in ids])
        return {one: present[self.products[one]] for one in ids if self.products[one] in present}

    def write(self, values: Mapping[int, str]) -> list[PlaceResult]:
        """See `Book.write`."""
        changes = [PlaceChange(self.products[one], value) for one, value in values.items()]
        return self._store.set_places(self._kind, self._tag, changes)

    def begin_undo(self, db: sa.Connection, one: int, change: Change[str]) -> None:
        """See `Book.begin_undo`."""
        self._set(db, one, "returning")

    def done(self, db: sa.Connection, one: int, change: Change[str]) -> None:
        """See `Book.done`."""
        self._set(db, one, "" if change.is_undo else "placed")

    def never(self, db: sa.Connection, one: int, change: Change[str]) -> None:
        """See `Book.never`."""
        self._set(db, one, "placed" if change.is_undo else "")

    def gone(self, db: sa.Connection, one: int, reason: str) -> None:
        """See `Book.gone`."""
        self._set(db, one, "", reason or _GONE)

    def theirs(self, db: sa.Connection, one: int, change: Change[str], present: str) -> None:
        """See `Book.theirs`."""
        self._set(db, one, "" if change.is_undo else "theirs", _BY_HAND)

    def refused(self, db: sa.Connection, one: int, change: Change[str], reason: str) -> bool:
        """See `Book.refused`: what is not taken back is tried again."""
        self._set(db, one, "placed" if change.is_undo else "refused", reason)
        return change.is_undo

    def unanswered(self, db: sa.Connection, one: int, change: Change[str], reason: str) -> None:
        """See `Book.unanswered`: as if it had not begun."""
        self._set(db, one, "placed" if change.is_undo else "", reason)

    def _set(self, db: sa.Connection, place_id: int, step: str, reason: str = "") -> None:
        db.execute(
            _SET, {"m": self._m, "id": place_id, "step": step, "reason": reason[:500], "at": self._now}
        )


def _note(
    rt: PlacementRuntime, merchant_id: int, connection_id: int, tally: Tally, held: int, now: datetime
) -> None:
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update place_rule set held = :held, problem = :problem
                 where merchant_id = :m and connection_id = :c and (held, problem) <> (:held, :problem)
            """),
            {"m": merchant_id, "c": connection_id, "held": held, "problem": tally.problem[:500]},
        )
        again = Intent(PLACES, LOOK, connection_id, delay_s=RETRY_S)
        note_change(
            db,
            merchant_id,
            connection_id,
            tally,
            action="places.change",
            written_as="moved",
            again=again,
            now=now,
        )


def _forget(db: sa.Connection, merchant_id: int, place_ids: Sequence[int], now: datetime) -> None:
    if place_ids:
        db.execute(
            sa.text("""
                update place set step = '', changed_at = :at
                 where merchant_id = :m and id = any(:ids) and step in ('theirs', 'refused')
            """),
            {"m": merchant_id, "ids": list(place_ids), "at": now},
        )


def _is_recent(approved_at: datetime | None, now: datetime) -> bool:
    return approved_at is not None and now - approved_at < APPROVAL_LASTS


_STORES_OF = sa.text("""
    select distinct p.connection_id from place p
      join listing l on l.merchant_id = p.merchant_id and l.connection_id = p.connection_id
                    and l.product_id = p.product_id
     where p.merchant_id = :m and p.step <> '' and l.variant_id = any(cast(:variants as bigint[]))
     order by p.connection_id
""")

_ANY = sa.text("""
    select exists (select 1 from place where merchant_id = :m and connection_id = :c
                      and step in ('placing', 'placed', 'returning'))
""")

_SET = sa.text("""
    update place set step = :step, reason = :reason, changed_at = :at where merchant_id = :m and id = :id
""")

_BEGIN = sa.text("""
    insert into place (merchant_id, connection_id, product_id, kind, tag, before, ours, step, reason, changed_at)
    values (:m, :c, :product, :kind, :tag, :before, :ours, :step, :reason, :at)
        on conflict (merchant_id, connection_id, product_id, kind, tag) do update
       set before = excluded.before, ours = excluded.ours, step = excluded.step, reason = excluded.reason,
           changed_at = excluded.changed_at
    returning id
""")
