"""People who wait, brought along from another tool: looked at, taken in, taken back.

Whoever the file says confirmed keeps that date; the others stay unconfirmed and get nothing until the merchant asks
for a confirmation of them. The order among those brought along is that of their sign-ups, after those who wait here
already. Nobody who must not be written to is taken in. The same file twice changes nothing.

Whose product is in stock in the moment they are taken in would be told of it at once, though the other tool may have
done so already: the merchant says whether they are told, wait for the next restock, or are left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.positions.topics import SHOPPERS
from connector.shoppers.import_columns import Choices
from connector.shoppers.import_compare import Newcomer, compare
from connector.shoppers.import_file import Sheet, Table, people_of
from connector.shoppers.import_sealed import ImportRefused, held, seal, seal_failures
from connector.shoppers.import_tables import ShopperImport
from connector.shoppers.messages import write_message
from connector.shoppers.runtime import ShopperRuntime

_IMPORT = ShopperImport.__table__  # type: ignore[attr-defined]

LINES_KEPT = timedelta(days=1)
MOST_ASKED_PER_HOUR = 1_000
ASKED_WITHIN_HOURS = 96
"""Unconfirmed sign-ups leave after seven days: whoever is asked last must have time to answer."""
TOOLS = {
    "dispo": "Dispo",
    "klaviyo": "Klaviyo",
    "swym": "Swym",
    "cwg": "Back In Stock Notifier",
    "woocommerce": "WooCommerce Back In Stock Notifications",
    "other": "another tool",
}
# One open place a person and variant: whoever came meanwhile keeps theirs.
_TAKE_IN = sa.text("""
insert into subscription (merchant_id, variant_id, connection_id, channel, address, address_key, locale, wanted_units,
                          status, confirmed_at, created_at, passes_over, origin, consent_version, consent_text)
select :m, variant_id, :c, channel, address, address_key, locale, wanted_units,
       case when confirmed_at is null then 'unconfirmed' else 'waiting' end, confirmed_at, created_at, passes_over,
       'import', :v, consent_text
  from jsonb_to_recordset(cast(:people as jsonb)) as p(
         variant_id bigint, channel text, address text, address_key text, locale text, wanted_units int,
         confirmed_at timestamptz, created_at timestamptz, passes_over timestamptz, consent_text text)
on conflict do nothing returning id
""")
InStock = Literal["", "tell", "wait", "leave"]
IN_STOCK: tuple[InStock, ...] = ("tell", "wait", "leave")
"""What becomes of those whose product is in stock: told as by any restock, kept for the next one, not taken in."""


class InStockUndecided(ImportRefused):
    """Some of the people wait for what is in stock: the merchant must say what becomes of these `count`."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"The products of {count} people are in stock right now. Say what becomes of them.")


def hold(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    table: Table,
    *,
    file_name: str,
    says_confirmed: bool,
    actor: str,
) -> int:
    """Keep a file's cells, sealed, for a day; the import's number. What they mean is said by `look`. With
    `says_confirmed` the merchant declares that whoever signed up there confirmed it: the day of the sign-up then counts
    as that of the confirmation.

    Raises ImportRefused for what is no store of this merchant."""
    store = db.scalar(
        sa.text(
            "select name from connection where merchant_id = :m and id = :c and kind = 'store' and status <> 'ended'"
        ),
        {"m": merchant_id, "c": connection_id},
    )
    if store is None:
        raise ImportRefused("There is no such store. Connect it first.")
    return int(
        db.execute(
            sa.insert(_IMPORT)
            .values(
                merchant_id=merchant_id,
                connection_id=connection_id,
                file_name=file_name[-120:],
                origin=table.proposal.origin,
                digest=table.digest,
                says_confirmed=says_confirmed,
                made_at=rt.now(),
                actor=actor,
                sealed=seal(rt, table, table.proposal.choices),
            )
            .returning(_IMPORT.c.id)
        ).scalar_one()
    )


def look(rt: ShopperRuntime, db: sa.Connection, merchant_id: int, import_id: int, choices: Choices) -> None:
    """See what the cells kept by `hold` would do when their columns mean this.

    Raises ImportRefused when it was dealt with or is older than a day, ColumnsRefused for columns that cannot be
    meant so."""
    row = find(db, merchant_id, import_id)
    if row is None or row.status != "preview":
        raise ImportRefused("This import was dealt with already, or there is none of this number.")
    table, _ = held(rt, row)
    _note(rt, db, merchant_id, row, people_of(table, choices, rt.now()))


def _note(rt: ShopperRuntime, db: sa.Connection, merchant_id: int, row: Any, sheet: Sheet) -> None:
    found = compare(
        rt, db, merchant_id, row.connection_id, sheet.lines, sheet.faults, says_confirmed=row.says_confirmed
    )
    db.execute(
        sa.update(_IMPORT)
        .where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == row.id)
        .values(
            mapping=sheet.mapping,
            counts=found.counts(sheet.ended),
            faults=[asdict(one) for one in found.faults],
            sealed=seal(rt, sheet.table, sheet.choices),
        )
    )


def propose(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    sheet: Sheet,
    *,
    file_name: str,
    says_confirmed: bool,
    actor: str,
) -> int:
    """Keep a file whose columns are known, and see what it would do; the import's number. As `hold`, then `look`."""
    number = hold(
        rt,
        db,
        merchant_id,
        connection_id,
        sheet.table,
        file_name=file_name,
        says_confirmed=says_confirmed,
        actor=actor,
    )
    _note(rt, db, merchant_id, find(db, merchant_id, number), sheet)
    return number


def find(db: sa.Connection, merchant_id: int, import_id: int) -> Any:
    """An import's row; None where there is none."""
    return db.execute(
        sa.select(_IMPORT).where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == import_id)
    ).one_or_none()


def recent(db: sa.Connection, merchant_id: int, limit: int = 10) -> list[Any]:
    """The imports that were carried out, the latest first."""
    rows = sa.select(_IMPORT).where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.status != "preview")
    return list(db.execute(rows.order_by(_IMPORT.c.id.desc()).limit(limit)))


def apply(rt: ShopperRuntime, merchant_id: int, import_id: int, *, actor: str, in_stock: InStock = "") -> int:
    """Take in who is new; the number of them. `in_stock` says what becomes of those whose product is in stock.

    Raises ImportRefused when it was dealt with, or is older than a day; InStockUndecided when there are such people
    and nothing was said."""
    now = rt.now()
    with transaction(rt.engine) as db:
        row = _turned(db, merchant_id, import_id, "preview", "applied", now)
        if not row.mapping:
            raise ImportRefused("Say first what the columns of the file are.")
        table, choices = held(rt, row)
        sheet = people_of(table, choices, now)
        found = compare(
            rt,
            db,
            merchant_id,
            row.connection_id,
            sheet.lines,
            sheet.faults,
            says_confirmed=row.says_confirmed,
        )
        counts = found.counts(sheet.ended)
        if counts["in_stock"] and not in_stock:
            raise InStockUndecided(counts["in_stock"])
        newcomers = [
            one for one in found.newcomers if in_stock != "leave" or one.variant_id not in found.in_stock
        ]
        passing = found.in_stock if in_stock == "wait" else frozenset()
        taken = _insert(db, merchant_id, row, newcomers, passing, now)
        db.execute(
            sa.update(_IMPORT)
            .where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == import_id)
            .values(
                sealed=seal_failures(rt, table, found),
                counts={**counts, "new": len(taken), "left_out": len(found.newcomers) - len(newcomers)},
                faults=[asdict(one) for one in found.faults],
            )
        )
        ready = sorted({one.variant_id for one in newcomers if one.confirmed_at} - passing)
        enqueue(db, merchant_id, [Intent(SHOPPERS, str(variant_id)) for variant_id in ready])
        detail = {
            "people": len(taken),
            "says_confirmed": row.says_confirmed,
            "from": row.origin,
            "in_stock": in_stock if counts["in_stock"] else "",
        }
        record(db, merchant_id, now, actor, "shoppers.import", f"import {import_id}", detail)
    return len(taken)


def _insert(
    db: sa.Connection,
    merchant_id: int,
    row: Any,
    newcomers: Sequence[Newcomer],
    passing: frozenset[int],
    now: datetime,
) -> list[int]:
    """In the order of their sign-ups: places are given out in that order. `passing`: the variants whose present stock
    is not for them."""
    source = f"imported from {TOOLS[row.origin]}, {row.file_name}"
    locale = db.scalar(sa.text("select locale from merchant where id = :m"), {"m": merchant_id}) or "en"
    given = {"m": merchant_id, "c": row.connection_id, "v": f"import-{row.id}"}
    taken: list[int] = []
    for start in range(0, len(newcomers), 5_000):
        values = [
            {
                "variant_id": one.variant_id,
                "channel": one.channel,
                "address": one.address,
                "address_key": one.key,
                "locale": one.language or locale,
                "wanted_units": one.units,
                "confirmed_at": _text(one.confirmed_at),
                # What nobody confirms leaves seven days after it came here.
                "created_at": _text((one.asked_at or one.confirmed_at) if one.confirmed_at else now),
                "passes_over": _text(now if one.variant_id in passing else None),
                "consent_text": f"{source}{_signed_up(one)}. {one.consent_text}".strip(),
            }
            for one in newcomers[start : start + 5_000]
        ]
        taken += db.scalars(_TAKE_IN, {**given, "people": json.dumps(values)})
    return taken


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _signed_up(one: Newcomer) -> str:
    return f", signed up {one.asked_at.date().isoformat()}" if one.asked_at else ""


def _turned(
    db: sa.Connection, merchant_id: int, import_id: int, was: str, becomes: str, now: datetime
) -> Any:
    db.execute(
        sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("shopper-import", merchant_id)))
    )
    row = db.execute(
        sa.update(_IMPORT)
        .where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == import_id, _IMPORT.c.status == was)
        .values(status=becomes, decided_at=now)
        .returning(_IMPORT)
    ).one_or_none()
    if row is None:
        raise ImportRefused("This import was dealt with already, or there is none of this number.")
    return row


def undo(rt: ShopperRuntime, merchant_id: int, import_id: int, *, actor: str) -> tuple[int, int]:
    """Take back whoever still waits or was never confirmed; (taken back, left because they were told or had left)."""
    now = rt.now()
    with transaction(rt.engine) as db:
        _turned(db, merchant_id, import_id, "applied", "undone", now)
        given = {"m": merchant_id, "v": f"import-{import_id}"}
        gone = list(
            db.scalars(
                sa.text("""
                    delete from subscription s
                     where merchant_id = :m and origin = 'import' and consent_version = :v
                       and status in ('unconfirmed', 'waiting') returning id
                """),
                given,
            )
        )
        db.execute(
            sa.text("delete from message where merchant_id = :m and subscription_id = any(:ids)"),
            {"m": merchant_id, "ids": gone},
        )
        left = db.scalar(
            sa.text(
                "select count(*) from subscription"
                " where merchant_id = :m and origin = 'import' and consent_version = :v"
            ),
            given,
        )
        detail = {"people": len(gone), "left": left or 0}
        record(db, merchant_id, now, actor, "shoppers.import_undo", f"import {import_id}", detail)
    return len(gone), left or 0


def ask(rt: ShopperRuntime, merchant_id: int, import_id: int, per_hour: int, *, actor: str) -> int:
    """Ask those of an import who are not confirmed to confirm, each once, at most `per_hour`; the number of them.

    Raises ImportRefused for a number that is not possible, or by which the last would be asked too late."""
    if not 1 <= per_hour <= MOST_ASKED_PER_HOUR:
        raise ImportRefused(f"At most from 1 to {MOST_ASKED_PER_HOUR} an hour.")
    with transaction(rt.engine) as db:
        row = find(db, merchant_id, import_id)
        if row is None or row.status != "applied":
            raise ImportRefused("This import was dealt with already, or there is none of this number.")
        # Its lock: two clicks must not ask twice.
        db.execute(
            sa.select(_IMPORT.c.id)
            .where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == import_id)
            .with_for_update()
        )
        ids = unasked(db, merchant_id, import_id)
        if len(ids) > per_hour * ASKED_WITHIN_HOURS:
            least = -(-len(ids) // ASKED_WITHIN_HOURS)
            raise ImportRefused(
                f"The last would be asked too late to answer. Allow at least {least} an hour."
            )
        intents = [
            write_message(rt, db, merchant_id, subscription_id, "confirm")._replace(
                delay_s=3600.0 * (place // per_hour)
            )
            for place, subscription_id in enumerate(ids)
        ]
        enqueue(db, merchant_id, intents)
        if ids:
            detail = {"people": len(ids), "per_hour": per_hour}
            record(db, merchant_id, rt.now(), actor, "shoppers.import_ask", f"import {import_id}", detail)
    return len(ids)


def unasked(db: sa.Connection, merchant_id: int, import_id: int) -> list[int]:
    """Who of an import is not confirmed and was never asked, in their order."""
    return list(
        db.scalars(
            sa.text("""
                select id from subscription s
                 where merchant_id = :m and origin = 'import' and consent_version = :v and status = 'unconfirmed'
                   and not exists (select 1 from message g
                                    where g.merchant_id = :m and g.subscription_id = s.id and g.kind = 'confirm')
                 order by id
            """),
            {"m": merchant_id, "v": f"import-{import_id}"},
        )
    )


def forget_lines(db: sa.Connection, merchant_id: int, now: datetime) -> int:
    """Empty what was read more than a day ago; the number of imports it was taken from."""
    return db.execute(
        sa.update(_IMPORT)
        .where(
            _IMPORT.c.merchant_id == merchant_id,
            _IMPORT.c.sealed.is_not(None),
            _IMPORT.c.made_at <= now - LINES_KEPT,
        )
        .values(sealed=None)
    ).rowcount
