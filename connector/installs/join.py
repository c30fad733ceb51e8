"""A shop that was connected by hand installs our app: its account and the installation are brought together.

Both sides prove themselves, and one person shows both proofs (docs/decisions): the platform's signed word that
they may open the app in that shop, and a session of the account that has the shop by hand. Neither alone is
enough. The word alone would let the staff of one shop into an account that may have others; the account alone,
which may once have been given a key of the shop, would get the shop's installation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.crypto import Keyring
from connector.db import transaction
from connector.installs.runtime import InstallsRuntime
from connector.ports.errors import Conflict, Misconfigured, Unauthorized
from connector.ports.installs import Visitor

LASTS = timedelta(minutes=15)
_INVITATION = "bring a shop and its account together"


class ConnectedByHand(Conflict):
    """The shop installs our app and is connected by hand in an account that has not agreed yet."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A connection of a shop that is no installation. `agreed` is the person of the shop's admin for whom
    somebody of the account agreed, "" for none or when that is too long ago."""

    merchant_id: int
    connection_id: int
    agreed: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who of which shop asks to be brought together with its account."""

    adapter: str
    shop: str
    person: str


def find(db: sa.Connection, adapter: str, shop: str, now: datetime, merchant_id: int = 0) -> list[ByHand]:
    """The connections of a shop that were made by hand, of one merchant or (0) of all: as `by_shop`, the shop
    is what names the merchant, and only the platform's signature proves it."""
    rows = db.execute(_FIND, {"a": adapter, "s": shop.lower(), "m": merchant_id, "now": now})
    return [ByHand(*row) for row in rows]


# The setting is as somebody typed it; the adapter reads it in the same way.
_FIND = sa.text("""
    select c.merchant_id, c.id,
           case when cast(c.cursors #>> '{join,until}' as timestamptz) > :now
                then c.cursors #>> '{join,person}' else '' end
      from connection c
     where c.kind = 'store' and c.adapter = :a and c.status <> 'ended'
       and (:m = 0 or c.merchant_id = :m)
       and regexp_replace(lower(trim(c.config ->> 'shop')), '^https://|/+$', '', 'g') = :s
       and not exists (select 1 from installation i
                        where i.merchant_id = c.merchant_id and i.connection_id = c.id)
     order by c.merchant_id, c.id
""")


def admit(rt: InstallsRuntime, adapter: str, visitor: Visitor) -> ByHand | None:
    """What the visitor's shop is to be brought together with; None: nothing stands in the way of a new
    account.

    Raises ConnectedByHand where an account has the shop by hand and nobody of it agreed. A key that the shop
    has withdrawn stands in nobody's way, so that a shop is never kept out by somebody who once had one.
    Raises the PortError of a shop that cannot be asked just now.
    """
    with rt.engine.connect() as db:
        found = find(db, adapter, visitor.shop, rt.now())
    for one in found:
        if one.agreed and one.agreed == visitor.user_id:
            return one
    for one in found:
        if _has_access(rt, one):
            raise ConnectedByHand(
                adapter,
                visitor.shop,
                "This store is connected by hand in an account of Dispo already.",
                "Bring the two together, or disconnect it there first.",
            )
    return None


def _has_access(rt: InstallsRuntime, one: ByHand) -> bool:
    """Whether the shop still lets this connection in."""
    try:
        rt.store(one.merchant_id, one.connection_id).check()
    except Unauthorized:
        return False
    except Misconfigured:
        return True  # not asked, so not refused: only people can settle it
    return True


def invite(keyring: Keyring, adapter: str, visitor: Visitor) -> str:
    """The word that leads this visitor to the page where their account agrees; good for LASTS."""
    return keyring.sign(_INVITATION, [adapter, visitor.shop, visitor.user_id])


def invited(keyring: Keyring, word: str) -> Invitation:
    """Raises LinkInvalid for a word that is not ours or too old."""
    value = keyring.verify(_INVITATION, word, int(LASTS.total_seconds()))
    assert isinstance(value, list)  # signed by `invite`
    return Invitation(*(str(part) for part in value))


def agree(
    rt: InstallsRuntime, merchant_id: int, connection_id: int, invitation: Invitation, actor: str
) -> bool:
    """Somebody signed in to the account agrees: the shop's person may bring the two together for LASTS. False
    when this merchant has the shop by hand no more."""
    now = rt.now()
    with transaction(rt.engine) as db:
        known = find(db, invitation.adapter, invitation.shop, now, merchant_id)
        if connection_id not in {one.connection_id for one in known}:
            return False
        agreed = {"person": invitation.person, "until": (now + LASTS).isoformat()}
        db.execute(
            sa.text("""
                update connection set cursors = cursors || jsonb_build_object('join', cast(:j as jsonb))
                 where merchant_id = :m and id = :c
            """),
            {"m": merchant_id, "c": connection_id, "j": json.dumps(agreed)},
        )
        subject = f"connection {connection_id}"
        detail = {"shop": invitation.shop, "person": invitation.person}
        record(db, merchant_id, now, actor, "store.join_agreed", subject, detail)
    return True
