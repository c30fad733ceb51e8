"""Restock episodes: notices that a variant came back, and invites wave by wave until it is gone again.

The handler reads the present stock whenever it runs, so it may run late, twice or for nothing. An
episode opens when the variant is sold from stock, enough of it (`min_units`) has stood for long enough (`settle_s`)
and somebody waits; it closes when it is sold out or nobody is left. Sales do not call it: the next are told when the
chances of those invited have faded, and when stock crosses zero again. Invitations of an episode that ended stay open
for their 24 hours: stock that flickers invites nobody in their stead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from connector.accounts.tables import Merchant
from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, enqueue, settle
from connector.positions.tables import Position
from connector.positions.topics import SHOPPERS
from connector.shoppers import meanwhile
from connector.shoppers.claims import learned
from connector.shoppers.devices import stands_alone, waiting_with
from connector.shoppers.messages import write_message
from connector.shoppers.policy import ShopperPolicy, policy_of
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import (
    VariantStock,
    let_them_in,
    lock_variant,
    stock_of,
    wait_for_store_s,
    waits_for,
)
from connector.shoppers.tables import Episode, Invitation, Message, Subscription
from connector.shoppers.waves import INVITATION_LASTS, Market, Open, Waiting, choose, next_look

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_POSITION = Position.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_EPISODE = Episode.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

MOST_PER_TRANSACTION = 500
LOOKS_EVERY = timedelta(minutes=30)
"""While somebody waits for more than there is: deliveries and sales on top of present stock are no news."""

_CROSSED = sa.text("""
select min(at) from movement
 where merchant_id = :m and variant_id = :v and id > coalesce(
   (select max(id) from movement where merchant_id = :m and variant_id = :v and available_after < :least), 0)
""")
# Units that left since the episode opened, but for those of invited people.
_SOLD_TO_OTHERS = sa.text("""
select greatest(0, coalesce(
           (select sum(available_before - available_after) from movement
             where merchant_id = :m and variant_id = :v and at >= :since and cause in ('order', 'fall')), 0)
       - coalesce((select sum(order_units) from invitation
                    where merchant_id = :m and variant_id = :v and ordered_at >= :since), 0))
""")


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
    """Open, go on with or close the episode of one variant, and invite as many as it is time for; while it is sold
    out, tell those who wait what `connector.shoppers.meanwhile` has to tell.

    One transaction of at most 500 messages of a kind; None when there may be more to write now.
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
        let_them_in(db, merchant_id, variant_id)
        intents, has_more = meanwhile.tell(rt, db, merchant_id, variant_id, now)
        enqueue(db, merchant_id, intents)
        return None if has_more else Done()
    merchant = db.execute(
        sa.select(_MERCHANT.c.claim_rate, _MERCHANT.c.is_frozen).where(_MERCHANT.c.id == merchant_id)
    ).one()
    if merchant.is_frozen:
        return Again(60, "Everything is frozen by the merchant.")
    policy = policy_of(db, merchant_id)
    if episode is None:
        not_yet = _settling(db, merchant_id, variant_id, stock, policy, now)
        if not_yet is not None:
            return not_yet

    known = learned(db, merchant_id, variant_id, merchant.claim_rate, now)
    still_open = _open_invitations(db, merchant_id, variant_id, now)
    queue = _queue(db, merchant_id, variant_id, stock, episode.id if episode else 0)
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
    market = Market(
        known.claim_rate,
        known.typical_delay,
        policy.pace,
        _sold_to_others(db, merchant_id, variant_id, episode.opened_at, now)
        if policy.pace == "careful"
        else Decimal(0),
    )
    chosen = choose(queue, still_open, stock.free_units, market)
    devices = waiting_with(db, merchant_id, [person.place for person in chosen])
    intents = [
        intent
        for person in chosen
        for intent in _invite(
            rt,
            db,
            merchant_id,
            variant_id,
            episode.id,
            person,
            devices.get(person.place, ()),
            known.claim_rate,
            now,
        )
    ]
    if len(chosen) < MOST_PER_TRANSACTION:
        # The rest keep their places until the chances of those invited have faded.
        still_open += [Open(known.claim_rate, person.wanted_units) for person in chosen]
        rest = queue[len(chosen) :] if len(queue) > len(chosen) else [Waiting(0)]
        wait = min(next_look(rest, still_open, stock.free_units, market), LOOKS_EVERY)
        intents.append(Intent(SHOPPERS, str(variant_id), delay_s=wait.total_seconds()))
    enqueue(db, merchant_id, intents)
    return Done() if len(chosen) < MOST_PER_TRANSACTION else None


def _settling(
    db: sa.Connection,
    merchant_id: int,
    variant_id: int,
    stock: VariantStock,
    policy: ShopperPolicy,
    now: datetime,
) -> Outcome | None:
    """What to do while there are too few units, or they have not stood long enough; None when all is well."""
    if stock.free_units < policy.min_units:
        # Only crossing zero is news; a further delivery is found by looking.
        return Again(LOOKS_EVERY.total_seconds(), "There are too few units to tell anybody.")
    if not policy.settle_s:
        return None
    crossed_at = db.scalar(_CROSSED, {"m": merchant_id, "v": variant_id, "least": policy.min_units})
    wait_s = policy.settle_s - (now - (crossed_at or now)).total_seconds() if crossed_at else 0.0
    return Again(max(1.0, wait_s), "It came back just now: waiting whether it stays.") if wait_s > 0 else None


def _sold_to_others(
    db: sa.Connection, merchant_id: int, variant_id: int, since: datetime, now: datetime
) -> Decimal:
    """Units an hour that people who were not invited bought since then; the first hours count as two."""
    units = db.scalar(_SOLD_TO_OTHERS, {"m": merchant_id, "v": variant_id, "since": since}) or 0
    hours = max(Decimal(2), Decimal(str((now - since).total_seconds())) / 3600)
    return Decimal(units) / hours


def _open_invitations(db: sa.Connection, merchant_id: int, variant_id: int, now: datetime) -> list[Open]:
    """Invitations that may still be claimed, of whatever episode; marks those that lapsed now.

    An invitation lives from the moment its message was sent (or may have been), not from the moment it
    was queued: a provider that is down for a day takes nobody's chance. After that day those who cannot be reached
    hold nobody else up, and have all of their chance when their message leaves. One that was claimed is not open.
    """
    rows = db.execute(
        sa.select(
            _INVITATION.c.id,
            _INVITATION.c.claim_rate,
            _INVITATION.c.wanted_units,
            _INVITATION.c.created_at,
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
            _INVITATION.c.variant_id == variant_id,
            _INVITATION.c.lapsed_at.is_(None),
            _INVITATION.c.ordered_at.is_(None),
        )
    ).all()
    still_open: list[Open] = []
    lapsed: list[int] = []
    for row in rows:
        is_told = row.status in ("sent", "unknown")
        age = now - row.settled_at if is_told else timedelta(0)
        if row.status in ("skipped", "failed") or age >= INVITATION_LASTS:
            lapsed.append(row.id)
        elif is_told or now - row.created_at < INVITATION_LASTS:
            still_open.append(Open(row.claim_rate, row.wanted_units, age))
    if lapsed:
        db.execute(
            sa.update(_INVITATION)
            .where(
                _INVITATION.c.merchant_id == merchant_id,
                # As one array: no statement takes 65,536 ids one by one.
                _INVITATION.c.id == sa.any_(sa.literal(lapsed, ARRAY(sa.BigInteger))),
            )
            .values(lapsed_at=now)
        )
    return still_open


def _queue(
    db: sa.Connection, merchant_id: int, variant_id: int, stock: VariantStock, episode_id: int
) -> Sequence[Waiting]:
    """The head of the queue: those who wait at a store that shows the stock, for this variant or for any of its
    product, by priority and then earliest first. Nobody is told twice in one episode."""
    if not stock.live_connections:
        return []
    rows = db.execute(
        sa.select(_SUBSCRIPTION.c.id, _SUBSCRIPTION.c.wanted_units, _SUBSCRIPTION.c.priority)
        .where(
            waits_for(merchant_id, variant_id),
            stands_alone(),
            _SUBSCRIPTION.c.connection_id.in_(stock.live_connections),
            sa.not_(
                sa.exists().where(
                    _INVITATION.c.merchant_id == merchant_id,
                    _INVITATION.c.subscription_id == _SUBSCRIPTION.c.id,
                    _INVITATION.c.episode_id == episode_id,
                )
            ),
        )
        .order_by(_SUBSCRIPTION.c.priority.desc(), _SUBSCRIPTION.c.id)
        .limit(MOST_PER_TRANSACTION)
        .with_for_update()
    )
    return [Waiting(row.id, row.wanted_units, row.priority) for row in rows]


def _nobody_to_invite(
    db: sa.Connection, merchant_id: int, variant_id: int, episode: Any, has_open: bool, now: datetime
) -> Outcome:
    waiting_since = db.scalar(
        sa.select(sa.func.max(_SUBSCRIPTION.c.confirmed_at)).where(
            waits_for(merchant_id, variant_id), stands_alone()
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
    devices: Sequence[int],
    rate: Decimal,
    now: datetime,
) -> list[Intent]:
    """Tell one person, by their devices as well; one invitation, whichever of the messages is followed."""
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
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.id.in_([person.place, *devices]),
        )
        .values(status="invited")
    )
    intents = [
        write_message(
            rt, db, merchant_id, person.place, "back_in_stock", invitation_id, variant_id=variant_id
        )
    ]
    for device in devices:
        along = {"invitation": invitation_id}
        intents.append(
            write_message(rt, db, merchant_id, device, "back_in_stock", variant_id=variant_id, context=along)
        )
    return intents


def _close(db: sa.Connection, merchant_id: int, episode_id: int, by: str, now: datetime) -> None:
    db.execute(
        sa.update(_EPISODE)
        .where(_EPISODE.c.merchant_id == merchant_id, _EPISODE.c.id == episode_id)
        .values(closed_at=now, closed_by=by)
    )
