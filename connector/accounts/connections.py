"""Connections to the outside: added with sealed secrets, read, paused, resumed."""

from __future__ import annotations

import json
import secrets as random_secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.entitlements import require
from connector.crypto import Keyring
from connector.plans import STARTS, Feature
from connector.ports.errors import Misconfigured, NotFound
from connector.registry import Kind, manifest

PAUSED_BY_PERSON = "Paused by you."

_KINDS: Mapping[str, Kind] = {
    "store": "stores",
    "supplier": "suppliers",
    "ads": "ads",
    "channel": "channels",
    "search": "search",
}

_LIMITED: Mapping[str, Feature] = {"store": STARTS["store.connect"], "supplier": STARTS["supplier.connect"]}
"""What a plan may limit. A shop that installs us is a merchant's first, or theirs already."""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection as stored, its secrets still sealed."""

    merchant_id: int
    id: int
    kind: str
    adapter: str
    name: str
    config: dict[str, Any]
    sealed: bytes
    public_key: str
    status: str
    status_reason: str
    writing_approved_at: datetime | None
    is_writing_stopped: bool

    @property
    def port(self) -> Kind:
        return _KINDS[self.kind]


_COLUMNS = (
    "merchant_id, id, kind, adapter, name, config, sealed, public_key, status, status_reason,"
    " writing_approved_at, is_writing_stopped"
)


def add_connection(
    db: sa.Connection,
    keyring: Keyring,
    merchant_id: int,
    *,
    kind: str,
    adapter: str,
    name: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    now: datetime,
    is_installation: bool = False,
) -> int:
    """Store a connection; returns its id. Raises Misconfigured when a required field is missing, OverPlan when the plan
    has no room for one more. `config`
    may hold more than the adapter's fields (what the check of the account learnt). `is_installation`: it came
    from a platform's app store, so that what the operator's app has is not asked for."""
    fields = {field.name: field for field in manifest(_KINDS[kind], adapter).fields}
    for field in fields.values():
        given = secrets.get(field.name) if field.is_secret else config.get(field.name)
        if field.is_required and not given and not (is_installation and field.is_from_app):
            raise Misconfigured(adapter, name, f"{field.label} is missing.", field.help, field=field.name)
    if kind in _LIMITED and not is_installation:
        require(db, merchant_id, _LIMITED[kind])
    # A generated secret signs this store's webhooks where the platform lets us choose one.
    sealed = keyring.seal({"webhook_secret": random_secrets.token_urlsafe(32), **secrets})
    return int(
        db.execute(
            sa.text("""
                insert into connection (merchant_id, kind, adapter, name, config, sealed, public_key, created_at)
                values (:m, :kind, :adapter, :name, cast(:config as jsonb), :sealed, :key, :now) returning id
            """),
            {
                "m": merchant_id,
                "kind": kind,
                "adapter": adapter,
                "name": name,
                "config": json.dumps(dict(config)),
                "sealed": sealed,
                "key": random_secrets.token_urlsafe(18),
                "now": now,
            },
        ).scalar_one()
    )


def connection(db: sa.Connection, merchant_id: int, connection_id: int) -> ConnectionRow:
    """One connection of this merchant; raises NotFound (also for another merchant's)."""
    row = db.execute(
        sa.text(f"select {_COLUMNS} from connection where merchant_id = :m and id = :c"),  # noqa: S608
        {"m": merchant_id, "c": connection_id},
    ).first()
    if row is None:
        raise NotFound("dispo", f"connection {connection_id}", "There is no such connection.")
    return ConnectionRow(*row)


def connections(db: sa.Connection, merchant_id: int, kind: str = "") -> list[ConnectionRow]:
    """The connections of this merchant, of one kind or all, oldest first."""
    rows = db.execute(
        sa.text(f"""
            select {_COLUMNS} from connection
             where merchant_id = :m and (:kind = '' or kind = :kind) and status <> 'ended' order by id
        """),  # noqa: S608 - a constant of this module, no input
        {"m": merchant_id, "kind": kind},
    )
    return [ConnectionRow(*row) for row in rows]


def by_public_key(db: sa.Connection, public_key: str) -> ConnectionRow | None:
    """The connection behind a public address, None when there is none: the only look-up without a
    merchant, because the address is what names the merchant."""
    if "\0" in public_key:  # PostgreSQL has no such text
        return None
    row = db.execute(
        sa.text(f"select {_COLUMNS} from connection where public_key = :k"),  # noqa: S608
        {"k": public_key},
    ).first()
    return ConnectionRow(*row) if row else None


def reseal(db: sa.Connection, keyring: Keyring) -> int:
    """Seal the secrets of every connection of the installation with the newest key, so that older keys may
    be taken off the ring. Returns how many; raises SealBroken, and nothing is to be committed then, when
    one cannot be opened."""
    rows = db.execute(
        sa.text(
            "select merchant_id, id, sealed from connection where sealed <> '' order by merchant_id, id for update"
        )
    ).all()
    for row in rows:
        db.execute(
            sa.text("update connection set sealed = :s where merchant_id = :m and id = :c"),
            {"s": keyring.rotate(bytes(row.sealed)), "m": row.merchant_id, "c": row.id},
        )
    return len(rows)


def choose_setting(db: sa.Connection, merchant_id: int, connection_id: int, name: str, value: str) -> None:
    """Set one setting of a connection that is no secret."""
    db.execute(
        sa.text("""
            update connection set config = config || jsonb_build_object(cast(:n as text), cast(:v as text))
             where merchant_id = :m and id = :c
        """),
        {"m": merchant_id, "c": connection_id, "n": name, "v": value},
    )


def may_write(db: sa.Connection, merchant_id: int, connection_id: int) -> bool:
    """Whether anything in this store may be changed now: it is in use, its first difference was approved, and
    neither its writing is stopped nor the merchant frozen."""
    found = db.execute(
        sa.text("""
            select c.status = 'active' and c.writing_approved_at is not null and not c.is_writing_stopped
                   and not m.is_frozen
              from connection c join merchant m on m.id = c.merchant_id
             where c.merchant_id = :m and c.id = :c
        """),
        {"m": merchant_id, "c": connection_id},
    )
    return bool(found.scalar())


def pause(db: sa.Connection, merchant_id: int, connection_id: int, reason: str) -> None:
    """Stop using a connection until somebody mends it; `reason` is shown to the merchant."""
    db.execute(
        sa.text("""
            update connection set status = 'paused', status_reason = :r
             where merchant_id = :m and id = :c and status = 'active'
        """),
        {"m": merchant_id, "c": connection_id, "r": reason[:500]},
    )


def resume(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """Use a paused connection again."""
    db.execute(
        sa.text("""
            update connection set status = 'active', status_reason = ''
             where merchant_id = :m and id = :c and status = 'paused'
        """),
        {"m": merchant_id, "c": connection_id},
    )
