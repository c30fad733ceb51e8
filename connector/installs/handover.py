"""A shop hands us keys of its own: asked for, taken once, checked, and only then used.

Nothing signs what the shop posts. The state does: a word that nobody can guess, known by its digest, bound to
a merchant, a person and the shop's address, good once and for a while. The keys are then tried at that very
address, so that another shop's keys lead nowhere. A shop that cannot be asked at that moment is asked again
by a job; until then the keys lie sealed beside the state, and no connection uses them.
"""

from __future__ import annotations

import json
import secrets as random_secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.access import access_of, alone, change_secrets
from connector.accounts.audit import record
from connector.accounts.connections import (
    PAUSED_BY_PERSON,
    ConnectionRow,
    add_connection,
    connection,
    resume,
)
from connector.accounts.installations import lock_shop
from connector.db import transaction
from connector.installs.arrive import MERCHANT_EVERY_S, begin_reading
from connector.installs.runtime import InstallsRuntime
from connector.outbox.upkeep import wake
from connector.ports.errors import Conflict, OutcomeUnknown, PortError, Retryable, Unauthorized
from connector.ports.installs import KeyHandover
from connector.ports.stores import Store, StoreCheck
from connector.positions.decide import enqueue_store
from connector.registry import manifest

LASTS = timedelta(minutes=30)
TRIED_FOR = timedelta(hours=1)
"""How long keys are kept of a shop that cannot be asked whether they work."""

KEPT = timedelta(days=30)
FINISH = "handover.finish"
FINISH_EVERY_S = 60
# The shop's own page waits for us while its keys are tried: not for longer than this a call.
CHECK_TIMEOUT_S = 10.0
_STATE = "state of a key handover"

Status = Literal["open", "checking", "done", "failed"]


class HandoverRuntime(InstallsRuntime, Protocol):
    """As installs', our public address, and how shops hand out keys."""

    @property
    def base_url(self) -> str: ...

    def handover(self, adapter: str) -> KeyHandover:
        """Raises Misconfigured where shops of this platform hand out none."""


@dataclass(frozen=True, slots=True)
class HandoverRow:
    """A hand-over as stored; `connection_id` is None until there is one."""

    merchant_id: int
    id: int
    user_id: int
    adapter: str
    address: str
    name: str
    is_renewal: bool
    connection_id: int | None
    created_at: datetime
    expires_at: datetime
    status: Status
    problem: str

    def is_open(self, now: datetime) -> bool:
        """Whether the shop's answer would still be taken."""
        return self.status == "open" and now < self.expires_at


_COLUMNS = (
    "merchant_id, id, user_id, adapter, address, name, is_renewal, connection_id, created_at, expires_at,"
    " status, problem"
)


def find(db: sa.Connection, merchant_id: int, handover_id: int) -> HandoverRow | None:
    """A hand-over of this merchant; None for another's and for one that is forgotten."""
    row = db.execute(
        sa.text(f"select {_COLUMNS} from handover where merchant_id = :m and id = :h"),  # noqa: S608
        {"m": merchant_id, "h": handover_id},
    ).first()
    return HandoverRow(*row) if row else None


def same_shop(db: sa.Connection, merchant_id: int, adapter: str, config: Mapping[str, Any]) -> int | None:
    """The merchant's connection of the shop with these settings, None when there is none."""
    return db.execute(
        sa.text("""
            select id from connection
             where merchant_id = :m and kind = 'store' and adapter = :a and status <> 'ended'
               and config @> cast(:config as jsonb)
             order by id limit 1
        """),
        {"m": merchant_id, "a": adapter, "config": json.dumps(dict(config))},
    ).scalar()


def begin(
    rt: HandoverRuntime,
    merchant_id: int,
    user_id: int,
    adapter: str,
    address: str,
    *,
    name: str = "",
    renews: int | None = None,
) -> tuple[int, str]:
    """Ask for keys of the shop at `address` (as `KeyHandover.look` gave it): the id of the hand-over, and the
    page of the shop to send the browser to. `renews` is the connection that shall use them."""
    now, state = rt.now(), random_secrets.token_urlsafe(32)
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("delete from handover where merchant_id = :m and created_at < :before"),
            {"m": merchant_id, "before": now - KEPT},
        )
        handover_id = int(
            db.execute(
                sa.text("""
                    insert into handover (merchant_id, user_id, adapter, address, name, digest, is_renewal,
                                          connection_id, created_at, expires_at)
                    values (:m, :u, :a, :address, :name, :digest, :renewal, :c, :now, :expires) returning id
                """),
                {
                    "m": merchant_id,
                    "u": user_id,
                    "a": adapter,
                    "address": address,
                    "name": name,
                    "digest": rt.keyring.digests(_STATE, state)[0],
                    "renewal": renews is not None,
                    "c": renews,
                    "now": now,
                    "expires": now + LASTS,
                },
            ).scalar_one()
        )
    page = rt.handover(adapter).authorize_url(
        address,
        state=state,
        return_url=f"{rt.base_url}/stores/handovers/{handover_id}",
        callback_url=f"{rt.base_url}/handover/{adapter}",
    )
    return handover_id, page


def take(rt: HandoverRuntime, adapter: str, body: bytes) -> Status:
    """Take what a shop posted; "done", or "checking" when the shop could not be asked yet.

    Raises Rejected for what are no keys, Unauthorized for a state that is unknown, used or too old or whose
    person is gone, and the PortError of keys that do not work at the address they were asked for.
    """
    handed = rt.handover(adapter).read(body)
    now = rt.now()
    with transaction(rt.engine) as db:
        # Without a merchant: the state names the merchant. One update, so that it is good once.
        row = db.execute(
            sa.text("""
                update handover h set status = 'checking', sealed = :sealed
                 where h.digest = any(:digests) and h.adapter = :a and h.status = 'open'
                   and h.expires_at > :now
                   and exists (select 1 from app_user u
                                where u.merchant_id = h.merchant_id and u.id = h.user_id)
                returning h.merchant_id, h.id
            """),
            {
                "sealed": rt.keyring.seal(dict(handed.secrets)),
                "digests": rt.keyring.digests(_STATE, handed.state),
                "a": adapter,
                "now": now,
            },
        ).one_or_none()
        if row is None:
            raise Unauthorized(
                adapter,
                "keys of a shop",
                "Nobody waits for them: they were asked for too long ago, or were handed over before.",
                "Connect the shop again.",
            )
        first_at = now + timedelta(seconds=FINISH_EVERY_S)
        schedule.ensure(db, row.merchant_id, FINISH, row.id, FINISH_EVERY_S, first_at)
    try:
        return finish(rt, row.merchant_id, row.id, timeout_s=CHECK_TIMEOUT_S)
    except Retryable:
        return "checking"


def finish(rt: HandoverRuntime, merchant_id: int, handover_id: int, *, timeout_s: float = 0.0) -> Status:
    """Try the keys of a hand-over and have them used; its status then. Harmless to repeat.

    Raises Retryable while the shop cannot be asked, and the PortError of keys that do not work; the keys are
    forgotten then.
    """
    with rt.engine.connect() as db:
        row = find(db, merchant_id, handover_id)
        sealed = db.execute(
            sa.text("select sealed from handover where merchant_id = :m and id = :h"),
            {"m": merchant_id, "h": handover_id},
        ).scalar()
    if row is None or row.status != "checking":
        with transaction(rt.engine) as db:
            schedule.remove(db, merchant_id, FINISH, handover_id)
        return row.status if row else "failed"
    secrets = rt.keyring.unseal(bytes(sealed or b""))
    try:
        checked = check(rt, row.adapter, rt.handover(row.adapter).config(row.address), secrets, timeout_s)
        if row.is_renewal:
            _renew(rt, row, secrets)
        else:
            _connect(rt, row, secrets, checked)
    except Retryable as error:
        if rt.now() < row.expires_at + TRIED_FOR:
            raise
        _fail(rt, row, error)
        raise
    except PortError as error:
        _fail(rt, row, error)
        raise
    return "done"


def check(
    rt: HandoverRuntime,
    adapter: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    timeout_s: float = 0,
) -> StoreCheck:
    """Whether these keys work at this shop. Raises Retryable while it cannot be said, else the PortError."""
    environment = replace(rt.environment, timeout_s=timeout_s) if timeout_s else rt.environment
    store: Store = manifest("stores", adapter).build(config, secrets, environment)
    try:
        return store.check()
    except OutcomeUnknown as error:
        # The check writes nothing, so an answer that was lost is asked for again.
        raise Retryable(error.adapter, error.subject, error.cause, error.remedy) from error


def connect(
    rt: HandoverRuntime, merchant_id: int, actor: str, adapter: str, address: str, secrets: Mapping[str, str]
) -> int:
    """Connect a shop with keys made by hand; the connection's id. Raises the PortError of keys that do not
    work, Conflict for a shop that is connected already; nothing is stored then."""
    config = rt.handover(adapter).config(address)
    checked = check(rt, adapter, config, secrets)
    with transaction(rt.engine) as db:
        return _add(rt, db, merchant_id, actor, adapter, address, config, secrets, checked)


def renew(rt: HandoverRuntime, row: ConnectionRow, actor: str, secrets: Mapping[str, str]) -> None:
    """Swap a connection's keys for ones made by hand. Raises the PortError of keys that do not work; the
    present ones stay then."""
    check(rt, row.adapter, row.config, secrets)
    with alone(rt.engine, access_of(row.merchant_id, row.id)), transaction(rt.engine) as db:
        _swap(rt, db, row.merchant_id, row.id, actor, secrets)


def _connect(rt: HandoverRuntime, row: HandoverRow, secrets: Mapping[str, str], checked: StoreCheck) -> None:
    config = rt.handover(row.adapter).config(row.address)
    with transaction(rt.engine) as db:
        if _is_settled(db, row):
            return
        actor = _actor(db, row)
        connection_id = _add(
            rt, db, row.merchant_id, actor, row.adapter, row.address, config, secrets, checked
        )
        _settle(db, row, "done", connection_id=connection_id)


def _renew(rt: HandoverRuntime, row: HandoverRow, secrets: Mapping[str, str]) -> None:
    connection_id = int(row.connection_id or 0)
    with alone(rt.engine, access_of(row.merchant_id, connection_id)), transaction(rt.engine) as db:
        if _is_settled(db, row):
            return
        if connection(db, row.merchant_id, connection_id).status == "ended":
            raise Conflict(
                row.adapter, row.address, "The connection was ended meanwhile.", "Connect it anew."
            )
        _swap(rt, db, row.merchant_id, connection_id, _actor(db, row), secrets)
        _settle(db, row, "done", connection_id=connection_id)


def _add(
    rt: HandoverRuntime,
    db: sa.Connection,
    merchant_id: int,
    actor: str,
    adapter: str,
    address: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    checked: StoreCheck,
) -> int:
    lock_shop(db, f"{merchant_id}:{adapter}", address)
    if same_shop(db, merchant_id, adapter, config) is not None:
        raise Conflict(
            adapter, address, "This shop is connected already.", "Open its connection and renew its access."
        )
    connection_id = add_connection(
        db,
        rt.keyring,
        merchant_id,
        kind="store",
        adapter=adapter,
        name=checked.name.strip() or address.partition("://")[2],
        config={**config, "currency": checked.currency, "home": checked.url},
        secrets=secrets,
        now=rt.now(),
    )
    for kind, every_s in MERCHANT_EVERY_S.items():
        schedule.ensure(db, merchant_id, kind, 0, every_s)
    begin_reading(rt, db, merchant_id, connection_id)
    record(
        db, merchant_id, rt.now(), actor, "store.connect", f"connection {connection_id}", {"shop": address}
    )
    return connection_id


def _swap(
    rt: HandoverRuntime,
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    actor: str,
    secrets: Mapping[str, str],
) -> None:
    change_secrets(db, rt.keyring, merchant_id, connection_id, secrets)
    row = connection(db, merchant_id, connection_id)
    if row.status == "paused" and row.status_reason != PAUSED_BY_PERSON:
        # What stopped it was the access. What a person paused stays so.
        resume(db, merchant_id, connection_id)
        wake(db, merchant_id, connection_id)
        enqueue_store(db, merchant_id, connection_id)
    for kind in ("store.webhooks", "store.catalog", "store.orders"):
        schedule.run_now(db, merchant_id, kind, connection_id)
    record(db, merchant_id, rt.now(), actor, "store.access_renewed", f"connection {connection_id}")


def _is_settled(db: sa.Connection, row: HandoverRow) -> bool:
    """Whether another worker was faster; locks the row."""
    status = db.execute(
        sa.text("select status from handover where merchant_id = :m and id = :h for update"),
        {"m": row.merchant_id, "h": row.id},
    ).scalar()
    return status != "checking"


def _actor(db: sa.Connection, row: HandoverRow) -> str:
    email = db.execute(
        sa.text("select email from app_user where merchant_id = :m and id = :u"),
        {"m": row.merchant_id, "u": row.user_id},
    ).scalar()
    return str(email or f"user {row.user_id}")


def _settle(
    db: sa.Connection,
    row: HandoverRow,
    status: Status,
    *,
    problem: str = "",
    connection_id: int | None = None,
) -> None:
    db.execute(
        sa.text("""
            update handover set status = :status, sealed = '', problem = :problem,
                   connection_id = coalesce(:c, connection_id)
             where merchant_id = :m and id = :h and status = 'checking'
        """),
        {
            "m": row.merchant_id,
            "h": row.id,
            "status": status,
            "problem": problem.replace("\x00", "")[:500],
            "c": connection_id,
        },
    )
    schedule.remove(db, row.merchant_id, FINISH, row.id)


def _fail(rt: HandoverRuntime, row: HandoverRow, error: PortError) -> None:
    with transaction(rt.engine) as db:
        _settle(db, row, "failed", problem=f"{error.cause} {error.remedy}".strip())
