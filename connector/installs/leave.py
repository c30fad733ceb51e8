"""A shop removed us: ads that we paused are resumed, messages stop, numbers stay as they are.

Told by the platform when it is mostly too late to ask the shop anything: our script is taken out of its pages
if it still lets us, and then its access is thrown away. What can still be done is done where we are let in,
which is the ad accounts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
import structlog

from connector.accounts import installations
from connector.accounts.access import change_secrets
from connector.accounts.audit import record
from connector.accounts.connections import connection, connections
from connector.advertising.pausing import resume_ours
from connector.advertising.switches import stop_account
from connector.db import transaction
from connector.delivery.notes import give_back
from connector.delivery.scripts import note_left, script_in, taken_out
from connector.installs.runtime import InstallsRuntime
from connector.outbox.messages import Claim, Done, Intent, enqueue, settle
from connector.placement.work import put_all_back
from connector.ports.errors import OutcomeUnknown, PortError, Retryable

log = structlog.get_logger()

DISCONNECTED = "disconnected"
"""The subject of "installs.ended" for a store that the merchant disconnected with us."""
MOST_TRIES = 8
"""So often a store that left is asked to let our script out of its pages: for about ten minutes."""

_GONE_TOKENS = {"access_token": "", "refresh_token": "", "access_expires_at": "", "refresh_expires_at": ""}


@dataclass(frozen=True, slots=True)
class Remains:
    """What a store leaves behind, to be said before it is disconnected. `ads_paused` run again; they are
    counted only where it is the last store. `shoppers_waiting` keep their place and are told nothing.
    `products_moved` stand at the end of its lists and are put back if the store still lets us.
    `script_in` names the storefronts with our script, which is taken out if the store still lets us."""

    managed: int
    ads_paused: int
    shoppers_waiting: int
    script_in: tuple[str, ...] = ()
    products_moved: int = 0


def remains(db: sa.Connection, merchant_id: int, connection_id: int) -> Remains:
    """What would be left behind if this store were disconnected now."""
    row = db.execute(
        sa.text("""
            select (select count(*) from listing
                     where merchant_id = :m and connection_id = :c and is_managed and not is_gone) as managed,
                   case when exists (select 1 from connection where merchant_id = :m and kind = 'store'
                                        and id <> :c and status <> 'ended') then 0
                        else (select count(*) from ad_link
                               where merchant_id = :m and paused_by_us_at is not null) end as ads_paused,
                   (select count(*) from subscription
                     where merchant_id = :m and connection_id = :c and status in ('waiting', 'invited'))
                   as shoppers_waiting,
                   (select count(*) from place
                     where merchant_id = :m and connection_id = :c
                       and step in ('placing', 'placed', 'returning')) as products_moved
        """),
        {"m": merchant_id, "c": connection_id},
    ).one()
    return Remains(
        row.managed,
        row.ads_paused,
        row.shoppers_waiting,
        script_in(db, merchant_id, connection_id),
        row.products_moved,
    )


def disconnect(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """End a store, in the caller's transaction: nothing is read from it or written to it any more, its
    numbers stay as they are, and the outbox tidies up. False for what is no store or has ended already."""
    ended = db.execute(
        sa.text("""
            update connection set status = 'ended', status_reason = 'Disconnected by you.'
             where merchant_id = :m and id = :c and kind = 'store' and status <> 'ended'
        """),
        {"m": merchant_id, "c": connection_id},
    ).rowcount
    if not ended:
        return False
    installations.end(db, merchant_id, connection_id, now)
    found = remains(db, merchant_id, connection_id)
    record(db, merchant_id, now, actor, "store.disconnect", f"connection {connection_id}", asdict(found))
    enqueue(db, merchant_id, [Intent(installations.ENDED, DISCONNECTED, connection_id)])
    return True


def work_ended(rt: InstallsRuntime, claim: Claim) -> None:
    """The handler of topic "installs.ended": its turn's connection is the store that left."""
    tries = max(message.tries for message in claim.messages)
    is_ours = any(message.subject == DISCONNECTED for message in claim.messages)
    left_behind(rt, claim.turn.merchant_id, claim.turn.connection_id, is_ours=is_ours, tries=tries)
    with transaction(rt.engine) as db:
        settle(db, claim, {message.id: Done() for message in claim.messages})


def left_behind(
    rt: InstallsRuntime,
    merchant_id: int,
    connection_id: int,
    *,
    is_ours: bool = False,
    tries: int = MOST_TRIES,
) -> int:
    """Tidy up after a store that left; returns how many ads were resumed. Harmless to repeat, and nothing
    when the store has come back meanwhile. `is_ours`: the merchant disconnected it with us, so that our script
    goes from its pages only if we take it out. `tries` counts this one; after MOST_TRIES a store that does not
    answer is left as it is. Raises Retryable while an ad account, or the store before that, cannot be asked.
    """
    waiting_for: PortError | None = None
    try:
        _take_out(rt, merchant_id, connection_id, is_ours=is_ours)
    except (Retryable, OutcomeUnknown) as error:
        waiting_for = error if tries < MOST_TRIES else None
        if waiting_for is None:
            _leave_in(rt, merchant_id, connection_id)
    try:
        _put_back(rt, merchant_id, connection_id)
    except (Retryable, OutcomeUnknown) as error:
        # What is not put back by then is counted below, and stays where it is.
        waiting_for = error if tries < MOST_TRIES else waiting_for
    with transaction(rt.engine) as db:
        status = db.execute(
            sa.text("select status from connection where merchant_id = :m and id = :c for update"),
            {"m": merchant_id, "c": connection_id},
        ).scalar()
        if status != "ended":
            return 0
        if waiting_for is None:
            change_secrets(db, rt.keyring, merchant_id, connection_id, _GONE_TOKENS)
        has_store = bool(connections(db, merchant_id, "store"))
        accounts = [] if has_store else connections(db, merchant_id, "ads")
        # Stopped first: nothing may pause again what is resumed here, for numbers nobody keeps any more.
        for account in accounts:
            if not account.is_writing_stopped:
                stop_account(db, merchant_id, account.id, is_stopped=True, actor="dispo", now=rt.now())
    resumed, kept_out = 0, []
    for account in accounts:
        try:
            resumed += resume_ours(rt, merchant_id, account.id)
        except Retryable:
            raise
        except PortError as error:
            # Refused for good: the others still have theirs, and the merchant is told which remain.
            log.warning("ads stay paused", merchant=merchant_id, connection=account.id, error=str(error))
            kept_out.append(account.id)
    if waiting_for is not None:
        raise waiting_for
    with transaction(rt.engine) as db:
        remaining = db.execute(
            sa.text("select count(*) from ad_link where merchant_id = :m and paused_by_us_at is not null"),
            {"m": merchant_id},
        ).scalar_one()
        waiting = db.execute(
            sa.text("""
                select count(*) from subscription
                 where merchant_id = :m and connection_id = :c and status in ('waiting', 'invited')
            """),
            {"m": merchant_id, "c": connection_id},
        ).scalar_one()
        detail = {
            "ads_resumed": resumed,
            "ads_still_paused": 0 if has_store else int(remaining),
            "ad_accounts_not_reached": kept_out,
            "shoppers_waiting": int(waiting),
            "products_moved": remains(db, merchant_id, connection_id).products_moved,
        }
        record(db, merchant_id, rt.now(), "platform", "store.left", f"connection {connection_id}", detail)
    return resumed


def _take_out(rt: InstallsRuntime, merchant_id: int, connection_id: int, *, is_ours: bool) -> None:
    """Our script leaves the pages of a store that left. Raises Retryable, OutcomeUnknown."""
    with rt.engine.connect() as db:
        if connection(db, merchant_id, connection_id).status != "ended":
            return
    stays_in = taken_out(rt, merchant_id, connection_id)
    if stays_in is None:
        return
    with transaction(rt.engine) as db:
        # A platform that removes us takes out what is ours itself, and lets us in no more to look.
        note_left(db, merchant_id, connection_id, stays_in if is_ours else (), rt.now())


def _put_back(rt: InstallsRuntime, merchant_id: int, connection_id: int) -> None:
    """Products that we moved in the lists of a store that left go back to where they were, and what we wrote
    about their availability gives way to what stood there. Raises Retryable, OutcomeUnknown; a store that keeps
    us out stays as it is."""
    with rt.engine.connect() as db:
        if connection(db, merchant_id, connection_id).status != "ended":
            return
    try:
        give_back(rt, merchant_id, connection_id)
        put_all_back(rt, merchant_id, connection_id)
    except (Retryable, OutcomeUnknown):
        raise
    except PortError as error:
        log.warning("products stay moved", merchant=merchant_id, connection=connection_id, error=str(error))


def _leave_in(rt: InstallsRuntime, merchant_id: int, connection_id: int) -> None:
    """The store does not answer: the merchant takes the script out."""
    with transaction(rt.engine) as db:
        stays_in = script_in(db, merchant_id, connection_id)
        note_left(db, merchant_id, connection_id, stays_in, rt.now())
