"""Does what a platform's legal requests ask for: export, forget a person, forget a whole shop."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connector.accounts import privacy
from connector.db import transaction
from connector.installs.runtime import InstallsRuntime
from connector.outbox.messages import Again, Claim, Done, Outcome, settle
from connector.shoppers import erase
from connector.shoppers.addresses import AddressInvalid


def work_requests(rt: InstallsRuntime, claim: Claim) -> None:
    """The handler of topic "installs.privacy": works the requests of the claim, each in one transaction."""
    for message in claim.messages:
        if claim.is_out_of_time():
            return  # what is left goes back to pending
        outcome = work(rt, claim.turn.merchant_id, int(message.subject))
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def work(rt: InstallsRuntime, merchant_id: int, request_id: int) -> Outcome:
    """Do what one request asks for; harmless to repeat."""
    now = rt.now()
    with transaction(rt.engine) as db:
        request = privacy.find(db, merchant_id, request_id, for_update=True)
        if request is None or request.status != "waiting":
            return Done()
        if now < request.not_before:
            return Again((request.not_before - now).total_seconds(), "It is not to be done before.")
        if request.kind == "erase_shop":
            said = _erase_shop(db, merchant_id, request.connection_id)
            # A log of a merchant who is gone would be a row that nobody ever erases.
            actor = "" if said is MERCHANT_ERASED else "dispo"
            privacy.done(db, merchant_id, request_id, outcome=said, actor=actor, now=now)
            return Done()
        addresses = privacy.addresses(db, rt.keyring, merchant_id, request_id)
        if request.kind == "erase_person":
            count = sum(_forget(db, merchant_id, address, now) for address in addresses)
            said = f"{count} subscriptions were made anonymous."
            privacy.done(db, merchant_id, request_id, outcome=said, actor="dispo", now=now)
            return Done()
        kept = export(db, addresses, merchant_id)
        count = len(kept["subscriptions"])
        if count == 0:
            said = "Nothing is kept about this person; nothing is to be handed over."
            privacy.done(db, merchant_id, request_id, outcome=said, actor="dispo", now=now)
        else:
            said = f"{count} subscriptions are kept: download them and give them to the person."
            privacy.ready(db, merchant_id, request_id, said)
    return Done()


def export(db: sa.Connection, addresses: list[str], merchant_id: int) -> dict[str, Any]:
    """Everything kept about these addresses at this merchant, ready for JSON."""
    kept: dict[str, Any] = {"subscriptions": [], "messages": []}
    for address in addresses:
        try:
            found = erase.export(db, merchant_id, address)
        except AddressInvalid:
            continue  # nobody could sign up with it
        for name in kept:
            kept[name] += found[name]
    return kept


def _forget(db: sa.Connection, merchant_id: int, address: str, now: Any) -> int:
    try:
        return erase.erase(db, merchant_id, address, now)
    except AddressInvalid:
        return 0  # nobody could sign up with it


MERCHANT_ERASED = "Everything of this shop and its merchant was erased."

_TENANT_TABLES = sa.text("""
    select c.relname from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'merchant_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
       and c.relname <> all(:kept)
       and (not :of_connections
            or exists (select 1 from pg_attribute b
                        where b.attrelid = c.oid and b.attname = 'connection_id' and not b.attisdropped))
     order by c.relname
""")

# What stays when a merchant is erased: the proof, and the outbox's own rows of this very work.
_KEPT = frozenset({"privacy_request", "outbox_message", "outbox_turn"})

# A shop of a merchant with other stores: what names its connection only by something else. All tables that name it
# themselves follow, by the database's own list.
_BY_CONNECTION = (
    "message where subscription_id in (select id from subscription s where s.merchant_id = :m"
    " and s.connection_id = :c)",
    "invitation where subscription_id in (select id from subscription s where s.merchant_id = :m"
    " and s.connection_id = :c)",
    "order_message where risk_id in (select id from order_risk r where r.merchant_id = :m"
    " and r.connection_id = :c)",
    "schedule where subject_id = :c and kind like 'store.%'",
    "app_user where email like '%@' || (select shop from installation i where i.merchant_id = :m"
    " and i.connection_id = :c)",
)
# Where goods come from, and what was promised of it: the merchant's other stores go on by it.
_OF_SOURCES = frozenset({"source", "promise"})
_BY_VARIANT = ("promise", "movement", "episode", "position", "supplier_item", "variant")


def _erase_shop(db: sa.Connection, merchant_id: int, connection_id: int) -> str:
    """Everything of a shop that left, and the merchant with it when it was their only store. What a shop
    that came back meanwhile has stays."""
    status = db.execute(
        sa.text("select status from connection where merchant_id = :m and id = :c for update"),
        {"m": merchant_id, "c": connection_id},
    ).scalar()
    if status is not None and status != "ended":
        return "The shop has installed Dispo again; nothing was erased."
    others = db.execute(
        sa.text("""
            select count(*) from connection
             where merchant_id = :m and kind = 'store' and id <> :c and status <> 'ended'
        """),
        {"m": merchant_id, "c": connection_id},
    ).scalar_one()
    if others:
        _erase_connection(db, merchant_id, connection_id)
        return "Everything of this shop was erased; the merchant's other stores stay."
    # By the database's own list: a table that a newer release brought, or that this process has no use for,
    # is not forgotten. No table refers to another by a foreign key, so their order does not matter.
    for table in _tables(db):
        db.execute(sa.text(f'delete from "{table}" where merchant_id = :m'), {"m": merchant_id})  # noqa: S608
    for table_name in ("outbox_message", "outbox_turn"):
        db.execute(
            sa.text(f"delete from {table_name} where merchant_id = :m and topic <> :own"),  # noqa: S608
            {"m": merchant_id, "own": privacy.REQUESTS},
        )
    db.execute(sa.text("delete from merchant where id = :m"), {"m": merchant_id})
    return MERCHANT_ERASED


def _erase_connection(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    key = {"m": merchant_id, "c": connection_id}
    for what in _BY_CONNECTION:
        table, _, condition = what.partition(" where ")
        db.execute(sa.text(f"delete from {table} where merchant_id = :m and ({condition})"), key)  # noqa: S608
    sold_here = db.execute(
        sa.text("""
            select l.variant_id from listing l
             where l.merchant_id = :m and l.connection_id = :c and l.variant_id is not null
               and not exists (select 1 from listing o where o.merchant_id = :m
                                and o.variant_id = l.variant_id and o.connection_id <> :c)
        """),
        key,
    ).scalars()
    only_here = sorted(set(sold_here))
    for table in _tables(db, of_connections=True):
        db.execute(sa.text(f'delete from "{table}" where merchant_id = :m and connection_id = :c'), key)  # noqa: S608
    for table in _BY_VARIANT:
        column = "id" if table == "variant" else "variant_id"
        db.execute(
            sa.text(f"delete from {table} where merchant_id = :m and {column} = any(:ids)"),  # noqa: S608
            {"m": merchant_id, "ids": only_here},
        )
    db.execute(sa.text("delete from connection where merchant_id = :m and id = :c"), key)


def _tables(db: sa.Connection, *, of_connections: bool = False) -> list[str]:
    """The tables that hold rows of merchants, or those of them that name a connection."""
    kept = _KEPT | _OF_SOURCES if of_connections else _KEPT
    given = {"kept": sorted(kept), "of_connections": of_connections}
    return list(db.execute(_TENANT_TABLES, given).scalars())
