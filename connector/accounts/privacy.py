"""Legal requests that a platform passes on: noted at once, worked by a job, shown with the day they are due.

What must be done for a person is in `connector.installs.privacy`; here is only what is known of a request.
Addresses are sealed, and gone once it is done: the row that stays proves when what was done, not for whom.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.crypto import Keyring
from connector.ports.installs import PrivacyRequest

REQUESTS = "installs.privacy"
"""The topic of the outbox that works requests; its subjects are their ids."""

DUE_AFTER = timedelta(days=30)
SHOP_KEPT = timedelta(hours=48)
"""Everything of a shop is erased this long after it left, not earlier: it may come back."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a merchant sees it. `outcome` is a sentence once it is done."""

    id: int
    connection_id: int
    kind: str
    reference: str
    received_at: datetime
    not_before: datetime
    due_at: datetime
    status: str
    done_at: datetime | None
    outcome: str


_COLUMNS = "id, connection_id, kind, reference, received_at, not_before, due_at, status, done_at, outcome"


def note(
    db: sa.Connection,
    keyring: Keyring,
    merchant_id: int,
    connection_id: int,
    delivery_id: str,
    request: PrivacyRequest,
    now: datetime,
) -> tuple[int, float] | None:
    """Note a request in the caller's transaction: its id, and the seconds until it may be worked. None when
    this delivery was noted before."""
    ended_at = db.execute(
        sa.text("select ended_at from installation where merchant_id = :m and connection_id = :c"),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    not_before = max(now, (ended_at or now) + SHOP_KEPT) if request.kind == "erase_shop" else now
    created = db.execute(
        sa.text("""
            insert into privacy_request (merchant_id, connection_id, delivery_id, kind, reference, sealed,
                                         received_at, not_before, due_at)
            values (:m, :c, :d, :kind, :ref, :sealed, :now, :before, :due)
            on conflict (merchant_id, connection_id, delivery_id) do nothing returning id
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "d": delivery_id,
            "kind": request.kind,
            "ref": request.reference,
            "sealed": keyring.seal({"addresses": json.dumps(request.addresses)}),
            "now": now,
            "before": not_before,
            "due": now + DUE_AFTER,
        },
    ).scalar()
    if created is None:
        return None
    record(db, merchant_id, now, "platform", f"privacy.{request.kind}", f"privacy request {created}")
    return int(created), (not_before - now).total_seconds()


def requests(db: sa.Connection, merchant_id: int, *, is_open: bool = False) -> list[Request]:
    """This merchant's requests, those that are due first first; `is_open` leaves out what is done."""
    rows = db.execute(
        sa.text(f"""
            select {_COLUMNS} from privacy_request
             where merchant_id = :m and (status <> 'done' or not :open) order by due_at, id limit 500
        """),  # noqa: S608 - a constant of this module, no input
        {"m": merchant_id, "open": is_open},
    )
    return [Request(*row) for row in rows]


def find(db: sa.Connection, merchant_id: int, request_id: int, *, for_update: bool = False) -> Request | None:
    """One request of this merchant, None when there is none; locked with `for_update`."""
    row = db.execute(
        sa.text(f"""
            select {_COLUMNS} from privacy_request where merchant_id = :m and id = :i
            {"for update" if for_update else ""}
        """),  # noqa: S608 - constants of this module, no input
        {"m": merchant_id, "i": request_id},
    ).first()
    return Request(*row) if row else None


def addresses(db: sa.Connection, keyring: Keyring, merchant_id: int, request_id: int) -> list[str]:
    """The addresses that a request is about; none once it is done."""
    sealed = db.execute(
        sa.text("select sealed from privacy_request where merchant_id = :m and id = :i"),
        {"m": merchant_id, "i": request_id},
    ).scalar()
    found: list[str] = json.loads(keyring.unseal(bytes(sealed))["addresses"]) if sealed else []
    return found


def ready(db: sa.Connection, merchant_id: int, request_id: int, outcome: str) -> None:
    """An export can be fetched by the merchant from now on."""
    db.execute(
        sa.text("""
            update privacy_request set status = 'ready', outcome = :o
             where merchant_id = :m and id = :i and status = 'waiting'
        """),
        {"m": merchant_id, "i": request_id, "o": outcome},
    )


def done(
    db: sa.Connection, merchant_id: int, request_id: int, *, outcome: str, actor: str, now: datetime
) -> bool:
    """It is done: the addresses leave. False when it was before. Without an `actor` no log is written."""
    changed = db.execute(
        sa.text("""
            update privacy_request set status = 'done', done_at = :now, outcome = :o, sealed = ''
             where merchant_id = :m and id = :i and status <> 'done'
        """),
        {"m": merchant_id, "i": request_id, "o": outcome, "now": now},
    ).rowcount
    if changed and actor:
        record(db, merchant_id, now, actor, "privacy.done", f"privacy request {request_id}")
    return bool(changed)
