"""One claim of a store being worked: its listings as they stand, and what became of its messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from connector.delivery.runtime import DeliveryRuntime
from connector.outbox.messages import Again, Claim, Failed, LeaseLost, Message, Outcome, literal, settle
from connector.ports.stores import BadgeFacts, ListingRef, Store
from connector.positions.topics import BADGES, QUANTITY

_LOAD = sa.text("""
    select l.id, l.variant_id, l.external_id, l.product_id, l.stock_id, l.location_id, l.sku,
           l.wanted_available, l.wanted_state, l.wanted_count, l.wanted_restock_on, l.wanted_restock_until,
           l.believed_available, l.doubted_units, l.believed_state, l.believed_count, l.believed_restock_on,
           l.believed_restock_until, l.confirmed_at,
           (l.is_managed and not l.is_excluded and not l.is_gone and l.problem = '' and l.yielded_at is null)
           as is_ours,
           (c.status = 'active' and c.writing_approved_at is not null and not c.is_writing_stopped
            and not m.is_frozen) as may_write
      from listing l
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id
      join merchant m on m.id = l.merchant_id
     where l.merchant_id = :m and l.connection_id = :c and l.id = any(cast(:ids as bigint[]))
""")


TRIES_AT_ONCE = 5


@dataclass(slots=True)
class Work:
    """One claim: `messages` by listing id in the claim's order (the most dangerous first), `rows` the
    listings as last loaded. `riders` are listings without a claimed message that travel along in a batch
    with room; theirs is settled when it is claimed."""

    rt: DeliveryRuntime
    claim: Claim
    store: Store
    messages: dict[int, Message]
    rows: dict[int, Any] = field(default_factory=dict)
    refs: dict[int, ListingRef] = field(default_factory=dict)
    riders: dict[int, None] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)

    @property
    def merchant_id(self) -> int:
        return self.claim.turn.merchant_id

    @property
    def connection_id(self) -> int:
        return self.claim.turn.connection_id

    @property
    def is_quantity(self) -> bool:
        return self.claim.turn.topic == QUANTITY

    @property
    def carries_badge(self) -> bool:
        """Do this claim's requests set badges, alone or together with the number?"""
        return not self.is_quantity or self.store.capabilities.badge_with_quantity

    def load(self, listing_ids: Iterable[int]) -> None:
        """Read these listings again; those that are gone leave `rows`."""
        wanted = list(listing_ids)
        for listing_id in wanted:
            self.rows.pop(listing_id, None)
        for row in self.look_up(wanted):
            self.rows[row.id] = row
            self.refs[row.id] = ref_of(row)

    def look_up(self, listing_ids: Iterable[int]) -> list[Any]:
        """These listings as they stand, not kept."""
        with self.rt.engine.connect() as db:
            given = {"m": self.merchant_id, "c": self.connection_id, "ids": literal(listing_ids)}
            return list(db.execute(_LOAD, given).all())

    def open_rows(self) -> list[Any]:
        """The listings still to do, in the order of the claim, then the riders."""
        order = (*self.messages, *(i for i in self.riders if i not in self.messages))
        return [self.rows[i] for i in order if i in self.rows and i not in self.settled]

    def lane(self, listing_id: int) -> int:
        """How dangerous the difference is; a rider is never the reason to hurry."""
        message = self.messages.get(listing_id)
        return message.lane if message else BADGES

    def settle(self, db: sa.Connection, outcomes: Mapping[int, Outcome]) -> None:
        """Give the messages of these listings their outcome. Raises LeaseLost when another worker has
        one of them: then nothing of the caller's transaction may be committed."""
        given = {self.messages[i].id: o for i, o in outcomes.items() if i in self.messages}
        if len(settle(db, self.claim, given)) < len(given):
            raise LeaseLost(f"{self.claim.turn} is served by another worker now.")
        # What comes again is worked by a later claim: its message is no longer this worker's.
        self.settled |= outcomes.keys()

    def mark_problems(self, db: sa.Connection, problems: Mapping[int, str]) -> None:
        """These listings cannot be written, for a reason the merchant must see."""
        if not problems:
            return
        db.execute(
            sa.text("""
                update listing l set problem = n.problem
                  from unnest(cast(:ids as bigint[]), cast(:problems as text[])) as n(id, problem)
                 where l.merchant_id = :m and l.id = n.id
            """),
            {"m": self.merchant_id, "ids": list(problems), "problems": list(problems.values())},
        )
        self.settle(db, {listing_id: Failed(problem) for listing_id, problem in problems.items()})

    def again(self, db: sa.Connection, listing_ids: Iterable[int], note: str) -> None:
        self.settle(db, {listing_id: Again(self.pause_s(listing_id), note) for listing_id in listing_ids})

    def pause_s(self, listing_id: int) -> float:
        """Seconds before a listing that was not written is tried again: at once for some tries (somebody bought, a
        neighbour was refused), then 2, 4, 8 … 900. A store that answers so every time is not asked for ever at full
        speed; what is decided meanwhile is sent at once all the same."""
        message = self.messages.get(listing_id)
        beyond = message.tries - TRIES_AT_ONCE if message else 0
        return min(900.0, 2.0 ** min(beyond, 10)) if beyond > 0 else 0.0


def is_quantity_right(row: Any) -> bool:
    return bool(row.believed_available == row.wanted_available)


def is_doubtful(row: Any) -> bool:
    """Must the store be asked for this number before anything is said about it?"""
    return bool(row.believed_available is None or row.confirmed_at is None or row.doubted_units)


def is_badge_right(row: Any) -> bool:
    return bool(
        (row.believed_state, row.believed_count, row.believed_restock_on, row.believed_restock_until)
        == (row.wanted_state, row.wanted_count, row.wanted_restock_on, row.wanted_restock_until)
    )


def wanted_badge(row: Any) -> BadgeFacts:
    return BadgeFacts(row.wanted_state, row.wanted_count, row.wanted_restock_on, row.wanted_restock_until)


def ref_of(row: Any) -> ListingRef:
    return ListingRef(row.external_id, row.product_id, row.stock_id, row.location_id, row.sku)


def key_of(ref: ListingRef) -> tuple[str, str | None]:
    """What tells two listings of one store apart."""
    return ref.external_id, ref.location_id
