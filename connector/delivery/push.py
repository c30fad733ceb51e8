"""Brings one store to what it should say: quantities and badges, the most dangerous difference first.

The handler of the topics `store.quantity` and `store.badge`. It reads the present truth when it runs,
so a stale number cannot be sent. In order: settle writes whose outcome an earlier run left unknown; read
the store where its number is in doubt; plan the differences; where the store cannot compare by itself read
each batch just before it is written; send frozen requests; settle each answer. Nothing is sent that would
change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.reading import read
from connector.delivery.runtime import DeliveryRuntime
from connector.delivery.sending import badges_follow, resume, send_all
from connector.delivery.work import (
    Work,
    is_badge_right,
    is_doubtful,
    is_quantity_right,
    key_of,
    wanted_badge,
)
from connector.outbox.messages import Claim, Done, Outcome
from connector.ports.stores import BadgeChange, FrozenRequest, QuantityChange


def push(rt: DeliveryRuntime, claim: Claim) -> None:
    """Work one claim of `store.quantity` or `store.badge`. Raises the PortError that stops the turn;
    what was not settled by then goes back to pending."""
    store = rt.store(claim.turn.merchant_id, claim.turn.connection_id)
    work = Work(rt, claim, store, {int(message.subject): message for message in claim.messages})
    resume(work)
    work.load(work.messages)
    gone = {i: Done("listing is gone") for i in work.messages if i not in work.rows}
    if gone:
        with transaction(rt.engine) as db:
            work.settle(db, gone)
    compares = store.capabilities.compare_and_set != "read_then_write"
    if work.is_quantity:
        # Where the store cannot compare by itself every write is preceded by a reading anyway; a store that is
        # only read has no write.
        doubtful = [row for row in work.open_rows() if row.is_ours and is_doubtful(row)]
        read(work, [row for row in doubtful if compares or not row.may_write])
    _skip(work)
    _take_along(work)
    for rows, requests in _bundles(work):
        if work.is_quantity and not compares:
            read(work, rows)
            _skip(work)
            requests = _plan(work, [work.rows[row.id] for row in rows if _is_open(work, row.id)])
        if not send_all(work, requests):
            return


def _is_open(work: Work, listing_id: int) -> bool:
    return listing_id in work.rows and listing_id not in work.settled


def _skip(work: Work) -> None:
    """Settle what needs no call: already so, not ours, or the store must not be written."""
    outcomes: dict[int, Outcome] = {}
    for row in work.open_rows():
        if not row.is_ours or row.wanted_available is None:
            outcomes[row.id] = Done("not under management")
        elif not row.may_write:
            outcomes[row.id] = Done("writing is not allowed")
        elif _is_right(work, row):
            outcomes[row.id] = Done("nothing to do")
    if outcomes:
        with transaction(work.rt.engine) as db:
            if work.is_quantity and not work.carries_badge:
                wrong = [work.rows[i] for i in outcomes]
                badges_follow(work, db, [row.id for row in wrong if _lacks_badge(row)])
            work.settle(db, outcomes)


def _is_right(work: Work, row: Any) -> bool:
    if not work.is_quantity:
        return is_badge_right(row)
    is_right = is_quantity_right(row) and not is_doubtful(row)
    return is_right and (is_badge_right(row) or not work.carries_badge)


def _lacks_badge(row: Any) -> bool:
    return bool(
        row.is_ours and row.may_write and row.wanted_available is not None and not is_badge_right(row)
    )


# Only what is due: somebody may have asked for a listing to be left alone until later.
_WAITING = """
    select cast(subject as bigint) from outbox_message
     where status = 'pending' and merchant_id = :m and topic = :topic and connection_id = :c
       and lane between 1 and 5 and due_at <= statement_timestamp() and {which}
     order by lane, group_key, id limit :n
"""
_SIBLINGS = sa.text(_WAITING.format(which="group_key = any(cast(:groups as text[]))"))
_FILLERS = sa.text(_WAITING.format(which="(not :alone or group_key = '')"))
# Messages of listings that rode along before are still there: only what really differs counts.
_GROUPS = sa.text("""
    select o.group_key, count(*) as size
      from outbox_message o
      join listing l on l.merchant_id = o.merchant_id and l.id = cast(o.subject as bigint)
     where o.status = 'pending' and o.merchant_id = :m and o.topic = :topic and o.connection_id = :c
       and o.lane between 1 and 5 and o.due_at <= statement_timestamp() and o.group_key > ''
       and o.group_key <> all(cast(:groups as text[]))
       and l.believed_available is distinct from l.wanted_available
     group by o.group_key order by min(o.lane), o.group_key limit :n
""")


def _take_along(work: Work) -> None:
    """Fill batches that have room with differences that are still waiting: calls are what is scarce.

    They ride without being claimed. Nobody else can write them meanwhile, because one worker at a time
    serves this turn; their own messages are settled by a later claim that finds nothing to do.
    """
    rows = work.open_rows()
    if not rows or not work.is_quantity:
        return
    facts = work.store.capabilities
    by_product = facts.batches_by_product
    alone = [row for row in rows if row.product_id == row.external_id or not by_product]
    room = -len(alone) % facts.quantity_batch_size
    groups = sorted({row.product_id for row in rows if row.product_id != row.external_id})
    given = {"m": work.merchant_id, "c": work.connection_id, "topic": work.claim.turn.topic}
    found: list[int] = []
    with work.rt.engine.connect() as db:
        if by_product and groups:
            found += db.execute(_SIBLINGS, {**given, "groups": groups, "n": 1000}).scalars()
            if facts.compare_and_set == "read_then_write":
                # Products are written one by one, but read together: whole ones fill the last reading.
                present = len({row.id for row in rows if row.product_id != row.external_id}.union(found))
                others = _fitting(db, given, groups, -present % facts.read_batch_size)
                if others:
                    found += db.execute(_SIBLINGS, {**given, "groups": others, "n": 1000}).scalars()
        if alone and room:
            found += db.execute(_FILLERS, {**given, "alone": by_product, "n": room}).scalars()
    riders = [i for i in found if i not in work.messages]
    if riders:
        work.load(riders)
        for listing_id in riders:
            row = work.rows.get(listing_id)
            if row is None or not row.is_ours or not row.may_write or row.wanted_available is None:
                continue
            if _is_right(work, row) or (is_doubtful(row) and facts.compare_and_set != "read_then_write"):
                continue
            work.riders[listing_id] = None


def _fitting(db: sa.Connection, given: dict[str, Any], groups: list[str], room: int) -> list[str]:
    """Waiting products beside `groups`, the most dangerous first, whose listings all fit into `room`."""
    chosen = []
    for row in db.execute(_GROUPS, {**given, "groups": groups, "n": room}):
        if row.size <= room:
            chosen.append(row.group_key)
            room -= row.size
    return chosen


def _plan(work: Work, rows: Sequence[Any]) -> list[FrozenRequest]:
    if not work.is_quantity:
        return work.store.plan_badges([BadgeChange(work.refs[row.id], wanted_badge(row)) for row in rows])
    return work.store.plan_quantities(
        [
            QuantityChange(
                work.refs[row.id],
                row.wanted_available,
                row.believed_available,
                wanted_badge(row) if work.carries_badge else None,
            )
            for row in rows
        ]
    )


def _bundles(work: Work) -> Iterator[tuple[list[Any], list[FrozenRequest]]]:
    """The requests in the order of danger, with their listings; together as many as one reading takes,
    where each batch must be read first."""
    rows = work.open_rows()
    by_key = {key_of(work.refs[row.id]): row for row in rows}
    planned = [(request, [by_key[key_of(ref)] for ref in request.refs]) for request in _plan(work, rows)]
    planned.sort(key=lambda one: min(work.lane(row.id) for row in one[1]))
    facts = work.store.capabilities
    if not work.is_quantity or facts.compare_and_set != "read_then_write":
        yield [row for _, found in planned for row in found], [request for request, _ in planned]
        return
    # Variations are read together and so are other products: a bundle has one kind. A later request
    # joins the last bundle of its kind while there is room.
    bundles: list[tuple[list[Any], list[FrozenRequest]]] = []
    last: dict[bool, int] = {}
    for request, found in planned:
        is_grouped = found[0].product_id != found[0].external_id
        at = last.get(is_grouped)
        if at is None or len(bundles[at][0]) + len(found) > facts.read_batch_size:
            bundles.append(([], []))
            last[is_grouped] = at = len(bundles) - 1
        bundles[at][0].extend(found)
        bundles[at][1].append(request)
    yield from bundles
