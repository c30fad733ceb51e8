"""Which shop of which platform installed us, and the connection that it is."""

from __future__ import annotations

import secrets as random_secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.crypto import Keyring

ENDED = "installs.ended"
"""The topic of the outbox that tidies up after a shop that left."""


@dataclass(frozen=True, slots=True)
class InstallationRow:
    """An installation with the state of its connection. `public_key` is that of the connection."""

    merchant_id: int
    id: int
    adapter: str
    shop: str
    connection_id: int
    installed_at: datetime
    ended_at: datetime | None
    is_refused: bool
    status: str
    public_key: str


def by_shop(db: sa.Connection, adapter: str, shop: str) -> InstallationRow | None:
    """The installation of a shop, ended or not; None when it never installed us or was erased. Without a
    merchant, as `by_public_key`: the shop, proven by the platform's signature, is what names the merchant."""
    row = db.execute(
        sa.text("""
            select i.merchant_id, i.id, i.adapter, i.shop, i.connection_id, i.installed_at, i.ended_at,
                   i.is_refused, c.status, c.public_key
              from installation i
              join connection c on c.merchant_id = i.merchant_id and c.id = i.connection_id
             where i.adapter = :a and i.shop = :s
        """),
        {"a": adapter, "s": shop},
    ).first()
    return InstallationRow(*row) if row else None


def lock_shop(db: sa.Connection, adapter: str, shop: str) -> None:
    """Let one transaction at a time decide who a shop is."""
    db.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended(:k, 4020261123))"), {"k": f"{adapter}:{shop}"}
    )


def end(db: sa.Connection, merchant_id: int, connection_id: int, now: datetime) -> bool:
    """The shop removed us. False when this connection is no installation or had ended already."""
    return (
        db.execute(
            sa.text("""
                update installation set ended_at = :now
                 where merchant_id = :m and connection_id = :c and ended_at is null
            """),
            {"m": merchant_id, "c": connection_id, "now": now},
        ).rowcount
        > 0
    )


TICKET_LASTS_S = 60
_TICKET = "open the whole app"


def issue_ticket(
    db: sa.Connection, keyring: Keyring, merchant_id: int, connection_id: int, user_id: int
) -> str:
    """A signed word that signs this user in once, within TICKET_LASTS_S seconds, in a window where the
    platform's proof cannot be had. A newer one takes its place."""
    nonce = random_secrets.token_urlsafe(18)
    db.execute(
        sa.text("update installation set ticket = :t where merchant_id = :m and connection_id = :c"),
        {"t": keyring.digests(_TICKET, nonce)[0], "m": merchant_id, "c": connection_id},
    )
    return keyring.sign(_TICKET, [merchant_id, connection_id, user_id, nonce])


def redeem_ticket(db: sa.Connection, keyring: Keyring, ticket: str) -> tuple[int, int] | None:
    """The merchant and the user of a ticket, once; None for one that was used, replaced, or whose shop has
    left. Raises LinkInvalid for one that is forged or too old."""
    value = keyring.verify(_TICKET, ticket, TICKET_LASTS_S)
    if not (isinstance(value, list) and len(value) == 4):
        return None
    merchant_id, connection_id, user_id, nonce = value
    used = db.execute(
        sa.text("""
            update installation set ticket = ''
             where merchant_id = :m and connection_id = :c and ticket = any(:t) and ended_at is null
        """),
        {"m": merchant_id, "c": connection_id, "t": keyring.digests(_TICKET, str(nonce))},
    ).rowcount
    return (int(merchant_id), int(user_id)) if used else None
