"""Restock episodes: notices that a variant came back, and invites wave by wave until it is gone again.

The handler reads the present stock whenever it runs, so it may run late, twice or for nothing. An
episode opens when the variant is sold from stock and somebody waits; it closes when it is sold out or
nobody is left. Sales do not call it: the next wave comes when invitations lapse, and when stock crosses
zero again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connector.accounts.tables import Merchant
from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, enqueue, settle
from connector.positions.tables import Position
from connector.positions.topics import SHOPPERS
from connector.shoppers.messages import write_message
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import VariantStock, lock_variant, stock_of, wait_for_store_s
from connector.shoppers.tables import Episode, Invitation, Message, Subscription
from connector.shoppers.waves import INVITATION_LASTS, Open, Waiting, choose

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_POSITION = Position.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_EPISODE = Episode.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

MOST_PER_TRANSACTION = 500
LEAST_CLAIM_RATE = Decimal("0.01")


def work_positions(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of topic "shoppers.position": looks at each variant of the claim."""
    for message in claim.messages:
        outcome: Outcome | None = None
        while outcome is None:
            if claim.is_out_of_time():
                return  # what is left goes back to pending
            outcome = look(rt, claim.turn.merchant_id, int(message.subject))
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def look(rt: ShopperRuntime, merchant_id: int, variant_id: int) -> Outcome | None:
    """Open, go on with or close the episode of one variant, and invite as many as it is time for.

    One transaction of at most 500 invitations; None when there may be more to invite now.
    """
    with transaction(rt.engine) as db:
        return _step(rt, db, merchant_id, variant_id)


def _step(rt: ShopperRuntime, db: sa.Connection, merchant_id: int, variant_id: int) -> Outcome | None:
    now = rt.now()
    lock_variant(db, merchant_id, variant_id)
    episode = db.execute(
        sa.select(_EPISODE).where(
            _EPISODE.c.merchant_id == merchant_id,
            _EPISODE.c.variant_id == variant_id,
            _EPISODE.c.closed_at.is_(None),
        )
    ).one_or_none()
    stock = stock_of(db, merchant_id, variant_id)
    if stock.free_units == 0:
        if episode is not None:
            _close(db, merchant_id, episode.id, "sold out", now)
        return Done()
    merchant = db.execute(
        sa.select(_MERCHANT.c.claim_rate, _MERCHANT.c.is_frozen).where(_MERCHANT.c.id == merchant_id)
    ).one()
    if merchant.is_frozen:
        return Again(60, "Everything is frozen by the merchant.")

    still_open, next_lapse_at = _open_invitations(db, merchant_id, episode, now)
    queue = _queue(db, merchant_id, variant_id, stock)
    if not queue:
        return _nobody_to_invite(db, merchant_id, variant_id, episode, bool(still_open), now)
    if episode is None:
        episode = db.execute(
            sa.insert(_EPISODE)
            .values(
                merchant_id=merchant_id, variant_id=variant_id, opened_at=now, units_at_open=stock.free_units
            )
            .returning(_EPISODE)
        ).one()
    rate = min(max(merchant.claim_rate, LEAST_CLAIM_RATE), Decimal(1))
    chosen = choose(queue, still_open, stock.free_units, rate)
    intents = [_invite(rt, db, merchant_id, variant_id, episode.id, person, rate, now) for person in chosen]
    if len(chosen) < MOST_PER_TRANSACTION:
        # The rest keep their places until the first of the open invitations lapses.
        ends_at = min(next_lapse_at or now + INVITATION_LASTS, now + INVITATION_LASTS)
        wait_s = max(1.0, (ends_at - now).total_seconds())
        intents.append(Intent(SHOPPERS, str(variant_id), delay_s=wait_s))
    enqueue(db, merchant_id, intents)
    return Done() if len(chosen) < MOST_PER_TRANSACTION else None


def _open_invitations(
    db: sa.Connection, merchant_id: int, episode: Any, now: datetime
) -> tuple[list[Open], datetime | None]:
    """Invitations that may still be claimed and when the first lapses; marks those that lapsed now.

    An invitation lives from the moment its message was sent (or may have been), not from the moment it
    was queued: a provider that is down for a day takes nobody's chance.
    """
    if episode is None:
        return [], None
    rows = db.execute(
        sa.select(
            _INVITATION.c.id,
            _INVITATION.c.claim_rate,
            _INVITATION.c.wanted_units,
            _MESSAGE.c.status,
            _MESSAGE.c.settled_at,
        )
        .join_from(
            _INVITATION,
            _MESSAGE,
            (_MESSAGE.c.merchant_id == _INVITATION.c.merchant_id)
            & (_MESSAGE.c.invitation_id == _INVITATION.c.id),
        )
        .where(
            _INVITATION.c.merchant_id == merchant_id,
            _INVITATION.c.episode_id == episode.id,
            _INVITATION.c.lapsed_at.is_(None),
        )
    ).all()
    still_open: list[Open] = []
    lapsed: list[int] = []
    next_lapse_at: datetime | None = None
    for row in rows:
        ends_at = now + INVITATION_LASTS
        if row.status in ("sent", "unknown"):
            ends_at = row.settled_at + INVITATION_LASTS
        if row.status in ("skipped", "failed") or ends_at <= now:
            lapsed.append(row.id)
            continue
        still_open.append(Open(row.claim_rate, row.wanted_units))
        next_lapse_at = min(next_lapse_at or ends_at, ends_at)
    if lapsed:
        db.execute(
            sa.update(_INVITATION)
            .where(_INVITATION.c.merchant_id == merchant_id, _INVITATION.c.id.in_(lapsed))
            .values(lapsed_at=now)
        )
    return still_open, next_lapse_at


def _queue(db: sa.Connection, merchant_id: int, variant_id: int, stock: VariantStock) -> Sequence[Waiting]:
    """The head of the queue: those who wait at a store that shows the stock, earliest first."""
    if not stock.live_connections:
        return []
    rows = db.execute(
        sa.select(_SUBSCRIPTION.c.id, _SUBSCRIPTION.c.wanted_units)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.variant_id == variant_id,
            _SUBSCRIPTION.c.status == "waiting",
            _SUBSCRIPTION.c.connection_id.in_(sorted(stock.live_connections)),
        )
        .order_by(_SUBSCRIPTION.c.id)
        .limit(MOST_PER_TRANSACTION)
        .with_for_update()
    )
    return [Waiting(row.id, row.wanted_units) for row in rows]


def _nobody_to_invite(
    db: sa.Connection, merchant_id: int, variant_id: int, episode: Any, has_open: bool, now: datetime
) -> Outcome:
    waiting_since = db.scalar(
        sa.select(sa.func.max(_SUBSCRIPTION.c.confirmed_at)).where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.variant_id == variant_id,
            _SUBSCRIPTION.c.status == "waiting",
        )
    )
    if waiting_since is not None:
        decided_at = db.scalar(
            sa.select(_POSITION.c.decided_at).where(
                _POSITION.c.merchant_id == merchant_id, _POSITION.c.variant_id == variant_id
            )
        )
        return Again(wait_for_store_s(now - max(decided_at or now, waiting_since)), "No store shows it yet.")
    if episode is not None and not has_open:
        _close(db, merchant_id, episode.id, "everybody was told", now)
    return Done()


def _invite(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    variant_id: int,
    episode_id: int,
    person: Waiting,
    rate: Decimal,
    now: datetime,
) -> Intent:
    invitation_id = db.scalar(
        sa.insert(_INVITATION)
        .values(
            merchant_id=merchant_id,
            subscription_id=person.place,
            episode_id=episode_id,
            variant_id=variant_id,
            claim_rate=rate,
            wanted_units=person.wanted_units,
            created_at=now,
        )
        .returning(_INVITATION.c.id)
    )
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == person.place)
        .values(status="invited")
    )
    return write_message(rt, db, merchant_id, person.place, "back_in_stock", invitation_id)


def _close(db: sa.Connection, merchant_id: int, episode_id: int, by: str, now: datetime) -> None:
    db.execute(
        sa.update(_EPISODE)
        .where(_EPISODE.c.merchant_id == merchant_id, _EPISODE.c.id == episode_id)
        .values(closed_at=now, closed_by=by)
    )
