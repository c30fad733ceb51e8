"""A merchant's own ways to reach people: connected, changed, paused and removed, always asked before they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from connector.accounts import connections, schedule
from connector.accounts.audit import record
from connector.crypto import Keyring
from connector.db import transaction
from connector.outbox.messages import Claim, Intent, enqueue
from connector.outbox.upkeep import wake, withdraw
from connector.ports.errors import Misconfigured
from connector.registry import Environment, Manifest, manifest
from connector.shoppers import sending
from connector.shoppers.media import ALL_TOPICS, TOPICS, ways
from connector.shoppers.reports import MAILBOX, MAILBOX_EVERY_S
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.tables import Message

_MESSAGE = Message.__table__  # type: ignore[attr-defined]

_STRANDED = sa.text("""
select c.id, c.adapter from connection c
 where c.merchant_id = :m and c.kind = 'channel' and c.status = 'ended'
   and exists (select 1 from outbox_message o
                where o.merchant_id = :m and o.connection_id = c.id and o.topic = any(:topics)
                  and o.status = 'pending')
 order by c.id
""").bindparams(topics=[topic for topics in ALL_TOPICS.values() for topic in topics])

REMOVED_NOTE = "The way to send it was removed, and there is no other."


class ChannelRuntime(Protocol):
    """What connecting needs of the running installation."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def environment(self) -> Environment: ...

    def now(self) -> datetime: ...


def connect(
    rt: ChannelRuntime,
    merchant_id: int,
    adapter: str,
    name: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    actor: str,
) -> tuple[int, str]:
    """Check a way and keep it; its connection and a sentence on what was found. Nothing is sent but what waits for
    want of a way.

    Secrets that nobody gives out but we ourselves are made where none is given. Raises a PortError when it cannot be
    used; nothing is kept then.
    """
    found = manifest("channels", adapter)
    made = found.new_secrets() if found.new_secrets else {}
    kept = {**made, **{key: value for key, value in secrets.items() if value}}
    says = _checked(found, config, kept, rt.environment)
    with transaction(rt.engine) as db:
        connection_id = connections.add_connection(
            db,
            rt.keyring,
            merchant_id,
            kind="channel",
            adapter=adapter,
            name=name,
            config=config,
            secrets=kept,
            now=rt.now(),
        )
        _look_after(db, found, merchant_id, connection_id, config, kept, rt.environment)
        record(db, merchant_id, rt.now(), actor, "channel.connect", f"connection {connection_id}")
        _take_over(db, merchant_id, found.medium or "", connection_id)
    return connection_id, says


def change(
    rt: ChannelRuntime,
    merchant_id: int,
    connection_id: int,
    name: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    actor: str,
) -> str:
    """Check other settings of a way and keep them; an empty secret stays as it is. As `connect`."""
    with rt.engine.connect() as db:
        row = connections.connection(db, merchant_id, connection_id)
    found = manifest("channels", row.adapter)
    before = rt.keyring.unseal(row.sealed) if row.sealed else {}
    kept = {**before, **{key: value for key, value in secrets.items() if value}}
    says = _checked(found, config, kept, rt.environment)
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update connection set name = :name, config = cast(:config as jsonb), sealed = :sealed
                 where merchant_id = :m and id = :c and status <> 'ended'
            """),
            {
                "m": merchant_id,
                "c": connection_id,
                "name": name,
                "config": json.dumps(dict(config)),
                "sealed": rt.keyring.seal(kept),
            },
        )
        _look_after(db, found, merchant_id, connection_id, config, kept, rt.environment)
        record(db, merchant_id, rt.now(), actor, "channel.change", f"connection {connection_id}")
    return says


def remove(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """End a way in the caller's transaction; its secrets are gone. What waits for it goes by the merchant's next way of
    the same medium, or by the installation's mail; where there is none, it failed and says so. False for what is no
    way of this merchant or has ended already."""
    row = db.execute(
        sa.text("""
            update connection
               set status = 'ended', status_reason = 'Removed by you.', sealed = '', cursors = '{}'
             where merchant_id = :m and id = :c and kind = 'channel' and status <> 'ended'
         returning adapter
        """),
        {"m": merchant_id, "c": connection_id},
    ).one_or_none()
    if row is None:
        return False
    schedule.remove(db, merchant_id, MAILBOX, connection_id)
    record(db, merchant_id, now, actor, "channel.remove", f"connection {connection_id}")
    pass_on(db, merchant_id, _medium(row.adapter), connection_id, now)
    return True


def work_by_own_way(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of texts and notifications: `sending.work_messages`, by a way of the merchant's own.

    The installation has none for them but its mail. What was written while the merchant's ways were paused waits until
    one is resumed or connected, which takes it over."""
    if not claim.turn.connection_id:
        raise Misconfigured(
            "dispo",
            claim.turn.topic,
            "The merchant has no way to send these that is not paused.",
            "Connect one, or resume it.",
            field="connection",
        )
    sending.work_messages(rt, claim)


def resume(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """Use a paused way again, also for what found no way meanwhile."""
    connections.resume(db, merchant_id, connection_id)
    wake(db, merchant_id, connection_id)
    row = connections.connection(db, merchant_id, connection_id)
    _take_over(db, merchant_id, _medium(row.adapter), connection_id)


def pass_on(db: sa.Connection, merchant_id: int, medium: str, connection_id: int, now: datetime) -> int:
    """Give what waits for a way that is no more to the merchant's next one, as `remove` says; the number of messages.
    An event is dropped: it is about its own system alone."""
    waiting = _withdrawn(db, merchant_id, medium, connection_id)
    others = ways(db, merchant_id, medium)
    if medium == "event":
        return 0
    if others or medium == "email":
        new = others[0] if others else 0
        enqueue(db, merchant_id, [one._replace(connection_id=new) for one in waiting])
    else:
        ids = [int(one.subject) for one in waiting]
        db.execute(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                # As one array: no statement takes 65,536 ids one by one.
                _MESSAGE.c.id == sa.any_(sa.literal(ids, ARRAY(sa.BigInteger))),
                _MESSAGE.c.status == "waiting",
            )
            .values(status="failed", settled_at=now, note=REMOVED_NOTE)
        )
    return len(waiting)


def find_stranded(rt: ChannelRuntime, merchant_id: int) -> int:
    """Pass on what was in somebody's hands while its way was removed, and came back to it, and what waits for the
    installation's way though the merchant has one; the number of messages."""
    with rt.engine.connect() as db:
        ended = db.execute(_STRANDED, {"m": merchant_id}).all()
    count = 0
    for row in ended:
        with transaction(rt.engine) as db:
            count += pass_on(db, merchant_id, _medium(row.adapter), row.id, rt.now())
    for medium in TOPICS:
        with transaction(rt.engine) as db:
            own = ways(db, merchant_id, medium)
            count += _take_over(db, merchant_id, medium, own[0]) if own else 0
    return count


def _take_over(db: sa.Connection, merchant_id: int, medium: str, connection_id: int) -> int:
    """What waits for the installation's own way, which may have none, goes by the merchant's; the number."""
    waiting = _withdrawn(db, merchant_id, medium, 0) if medium != "event" else []
    enqueue(db, merchant_id, [one._replace(connection_id=connection_id) for one in waiting])
    return len(waiting)


def _withdrawn(db: sa.Connection, merchant_id: int, medium: str, connection_id: int) -> list[Intent]:
    return [
        Intent(topic, one.subject, connection_id, one.lane, group_key=one.group_key)
        for topic in ALL_TOPICS[medium]
        for one in withdraw(db, merchant_id, topic, connection_id)
    ]


def _medium(adapter: str) -> str:
    return manifest("channels", adapter).medium or ""


def _checked(
    found: Manifest, config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> str:
    """What was found by signing in; raises a PortError."""
    for field in found.fields:
        given = secrets.get(field.name) if field.is_secret else config.get(field.name)
        if field.is_required and not given:
            raise Misconfigured(
                found.name, found.title, f"{field.label} is missing.", field.help, field=field.name
            )
    says = str(found.build(config, secrets, environment).check())
    mailbox = found.report_mailbox(config, secrets, environment) if found.report_mailbox else None
    return f"{says} {mailbox.check()}" if mailbox is not None else says


def _look_after(
    db: sa.Connection,
    found: Manifest,
    merchant_id: int,
    connection_id: int,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    environment: Environment,
) -> None:
    """Have the mailbox of bounces read, where the settings name one."""
    if found.report_mailbox is not None and found.report_mailbox(config, secrets, environment) is not None:
        schedule.ensure(db, merchant_id, MAILBOX, connection_id, MAILBOX_EVERY_S)
    else:
        schedule.remove(db, merchant_id, MAILBOX, connection_id)
