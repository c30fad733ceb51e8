"""Moves products to the end of a store's lists and puts them back; remembers what stood there before.

The handler of the topic `store.place`: something can be bought again (connection 0), or a look at one store
(its connection). The store is read immediately before anything is changed. Before each call stands what it is
about to do (`step`): after a crash or a lost answer the next look reads the store and finishes from there.

One thing cannot be told apart: we died before the call, and the merchant gave the product the very same value
by hand before the next look. It then counts as ours, since that is what we were about to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

import sqlalchemy as sa

from connector.accounts import audit, schedule
from connector.accounts.connections import may_write
from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, enqueue, hold, settle
from connector.placement.facts import places_of, products_of, rule_of
from connector.placement.policy import Plan, Rule, plan
from connector.placement.runtime import LOOK, SCHEDULE, PlacementRuntime
from connector.ports.errors import NotFound, Rejected, Unsupported
from connector.ports.places import PlaceChange, PlaceKind
from connector.ports.stores import Store
from connector.positions.topics import PLACES

RETRY_S = 60.0
APPROVAL_LASTS = timedelta(hours=1)
MOST_AT_ONCE = 50
MOST_SHARE = 4
"""More products than this, and than one in four of the store's, are moved only after another approval."""

_GONE = "The shop has no such product any more."
_THERE = "It stood there already."
_BY_HAND = "Somebody changed it since."
_NOTHING = Plan((), (), ())


@dataclass(slots=True)
class Tally:
    """What a look did: products moved, put back, left to somebody else's hand, refused by the shop."""

    moved: int = 0
    put_back: int = 0
    left: int = 0
    refused: int = 0
    is_incomplete: bool = False


def work_places(rt: PlacementRuntime, claim: Claim) -> None:
    """Work one turn: the stores where what came back stands moved, or one store."""
    turn = claim.turn
    outcome: Outcome = Done()
    if turn.connection_id:
        look(rt, turn.merchant_id, turn.connection_id, claim)
        if claim.is_out_of_time():
            outcome = Again(0.0, "more products wait")
    else:
        variants = [int(message.subject) for message in claim.messages]
        with transaction(rt.engine) as db:
            stores = db.execute(_STORES_OF, {"m": turn.merchant_id, "variants": variants}).scalars()
            enqueue(db, turn.merchant_id, [Intent(PLACES, LOOK, store) for store in stores])
    with transaction(rt.engine) as db:
        settle(db, claim, {message.id: outcome for message in claim.messages})


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
    problem = ""
    todo, tally, held = _NOTHING, Tally(), 0
    try:
        hand = _Hand(rt, merchant_id, connection_id, now, claim, tally)
        hand.finish_begun()
        with hand.writing() as db:
            products = products_of(db, merchant_id, connection_id)
            places = places_of(db, merchant_id, connection_id)
            todo = plan(products, places, rule, now=now, is_draft=is_draft)
            _forget(db, merchant_id, todo.forget, now)
        hand.put_back(todo.put_back)
        if rule is not None:
            is_many = len(todo.move) > max(MOST_AT_ONCE, len(products) // MOST_SHARE)
            if is_many and not _is_recent(row.approved_at, now):
                held = len(todo.move)
            else:
                hand.move(rule, todo.move)
    except (Rejected, Unsupported, NotFound) as error:
        # The shop will not have it this way: said to the merchant, and tried again at the next look.
        problem = str(error)
    _note(rt, merchant_id, connection_id, tally, held, problem, now)
    if rule is None and not tally.is_incomplete and not problem and not (claim and claim.is_out_of_time()):
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
    hand = _Hand(rt, merchant_id, connection_id, rt.now(), None, tally)
    hand.finish_begun()
    with rt.engine.connect() as db:
        todo = plan([], places_of(db, merchant_id, connection_id), None, now=rt.now())
    hand.put_back(todo.put_back)
    return tally.put_back


def ask(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """Have the store's lists looked at soon."""
    enqueue(db, merchant_id, [Intent(PLACES, LOOK, connection_id)])


class _Hand:
    """One look's hand on one store."""

    def __init__(
        self,
        rt: PlacementRuntime,
        merchant_id: int,
        connection_id: int,
        now: datetime,
        claim: Claim | None,
        tally: Tally,
    ) -> None:
        self._rt = rt
        self._m = merchant_id
        self._c = connection_id
        self._now = now
        self._claim = claim
        self._tally = tally
        self._store: Store = rt.store(merchant_id, connection_id)
        self._size = max(1, self._store.capabilities.place_batch_size)

    def _is_out_of_time(self) -> bool:
        return self._claim is not None and self._claim.is_out_of_time()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed only while the turn is ours. Whoever was stopped for longer than its
        lease neither calls the store nor speaks about places that the next worker has looked up since."""
        with transaction(self._rt.engine) as db:
            if self._claim is not None:
                hold(db, self._claim)
            yield db

    def finish_begun(self) -> None:
        """After a crash or a lost answer only the store knows whether a call had its effect."""
        for kind, tag, rows in self._grouped("step in ('placing', 'returning')", None):
            present = self._store.read_places(kind, tag, [row.product_id for row in rows])
            with self.writing() as db:
                for row in rows:
                    value = present.get(row.product_id)
                    if value is None:
                        self._set(db, row.id, "", _GONE)
                    elif value == row.ours and value != row.before:
                        self._set(db, row.id, "placed")
                        self._tally.moved += row.step == "placing"
                    elif value == row.before:
                        self._set(db, row.id, "")
                        self._tally.put_back += row.step == "returning"
                    else:
                        self._set(db, row.id, "theirs" if row.step == "placing" else "", _BY_HAND)
                        self._tally.left += 1

    def put_back(self, place_ids: Sequence[int]) -> None:
        """Give these their value of before, where they still have ours."""
        for kind, tag, rows in self._grouped("step = 'placed' and id = any(:ids)", list(place_ids)):
            for start in range(0, len(rows), self._size):
                if self._is_out_of_time():
                    return
                self._put_back(kind, tag, rows[start : start + self._size])

    def _put_back(self, kind: PlaceKind, tag: str, rows: Sequence[Any]) -> None:
        present = self._store.read_places(kind, tag, [row.product_id for row in rows])
        ours = [row for row in rows if present.get(row.product_id) == row.ours]
        with self.writing() as db:
            for row in rows:
                if row not in ours:
                    is_gone = row.product_id not in present
                    self._set(db, row.id, "", _GONE if is_gone else _BY_HAND)
                    self._tally.left += not is_gone
            # Intent before effect.
            for row in ours:
                self._set(db, row.id, "returning")
        if not ours:
            return
        changes = [PlaceChange(row.product_id, row.before) for row in ours]
        results = self._store.set_places(kind, tag, changes)
        with self.writing() as db:
            for row, result in zip(ours, results, strict=True):
                if result.status == "done":
                    self._set(db, row.id, "")
                    self._tally.put_back += 1
                elif result.status == "not_found":
                    self._set(db, row.id, "", result.reason or _GONE)
                else:
                    self._set(db, row.id, "placed", result.reason)
                    self._tally.refused += result.status == "rejected"
                    self._tally.is_incomplete = True

    def move(self, rule: Rule, product_ids: Sequence[str]) -> None:
        """Move these products to the end."""
        for start in range(0, len(product_ids), self._size):
            if self._is_out_of_time():
                return
            self._move(rule, product_ids[start : start + self._size])

    def _move(self, rule: Rule, product_ids: Sequence[str]) -> None:
        kind, tag = rule.kind, rule.tag
        present = self._store.read_places(kind, tag, product_ids)
        wanted = {one: self._store.place_when_out(kind, value) for one, value in present.items()}
        todo = [one for one in product_ids if one in present and wanted[one] != present[one]]
        with self.writing() as db:
            for one in product_ids:
                if one not in todo:
                    value = present.get(one, "")
                    self._begin(db, one, rule, value, value, "theirs", _THERE if one in present else _GONE)
                    self._tally.left += one in present
            # Intent before effect: should we die after the call, it is known whose change it was.
            ids = {one: self._begin(db, one, rule, present[one], wanted[one], "placing", "") for one in todo}
        if not todo:
            return
        results = self._store.set_places(kind, tag, [PlaceChange(one, wanted[one]) for one in todo])
        with self.writing() as db:
            for result in results:
                place_id = ids[result.product_id]
                if result.status == "done":
                    self._set(db, place_id, "placed")
                    self._tally.moved += 1
                elif result.status == "retry":
                    self._set(db, place_id, "", result.reason)
                    self._tally.is_incomplete = True
                else:
                    step = "refused" if result.status == "rejected" else "theirs"
                    self._set(db, place_id, step, result.reason)
                    self._tally.refused += step == "refused"

    def _grouped(self, condition: str, ids: list[int] | None) -> Iterable[tuple[PlaceKind, str, list[Any]]]:
        with self._rt.engine.connect() as db:
            rows = db.execute(
                sa.text(f"""
                    select id, product_id, kind, tag, before, ours, step from place
                     where merchant_id = :m and connection_id = :c and {condition}
                     order by kind, tag, id
                """),  # noqa: S608 - conditions of this module
                {"m": self._m, "c": self._c, **({} if ids is None else {"ids": ids})},
            ).all()
        for (kind, tag), group in groupby(rows, lambda row: (row.kind, row.tag)):
            yield cast(PlaceKind, kind), tag, list(group)

    def _set(self, db: sa.Connection, place_id: int, step: str, reason: str = "") -> None:
        db.execute(
            _SET, {"m": self._m, "id": place_id, "step": step, "reason": reason[:500], "at": self._now}
        )

    def _begin(
        self, db: sa.Connection, product_id: str, rule: Rule, before: str, ours: str, step: str, reason: str
    ) -> int:
        return int(
            db.execute(
                _BEGIN,
                {
                    "m": self._m,
                    "c": self._c,
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


def _note(
    rt: PlacementRuntime,
    merchant_id: int,
    connection_id: int,
    tally: Tally,
    held: int,
    problem: str,
    now: datetime,
) -> None:
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update place_rule set held = :held, problem = :problem
                 where merchant_id = :m and connection_id = :c and (held, problem) <> (:held, :problem)
            """),
            {"m": merchant_id, "c": connection_id, "held": held, "problem": problem[:500]},
        )
        if tally.moved or tally.put_back or tally.refused:
            detail = {
                "moved": tally.moved,
                "put_back": tally.put_back,
                "left": tally.left,
                "refused": tally.refused,
            }
            audit.record(
                db, merchant_id, now, "dispo", "places.change", f"connection {connection_id}", detail
            )
        if tally.is_incomplete:
            enqueue(db, merchant_id, [Intent(PLACES, LOOK, connection_id, delay_s=RETRY_S)])


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
