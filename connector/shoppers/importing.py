"""People who wait, brought along from another tool: looked at, taken in, taken back.

Whoever the file says confirmed keeps that date; the others stay unconfirmed and get nothing until the merchant asks
for a confirmation of them. The order among those brought along is that of their sign-ups, after those who wait here
already. Nobody who must not be written to is taken in. The same file twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connector.accounts.audit import record
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.positions.topics import SHOPPERS
from connector.shoppers.import_compare import Newcomer, compare
from connector.shoppers.import_file import Fault, Line, Sheet
from connector.shoppers.import_tables import ShopperImport
from connector.shoppers.messages import write_message
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.tables import Subscription

_IMPORT = ShopperImport.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]

LINES_KEPT = timedelta(days=1)
MOST_ASKED_PER_HOUR = 1_000
ASKED_WITHIN_HOURS = 96
"""Unconfirmed sign-ups leave after seven days: whoever is asked last must have time to answer."""
TOOLS = {
    "dispo": "Dispo",
    "klaviyo": "Klaviyo",
    "swym": "Swym",
    "cwg": "Back In Stock Notifier",
    "other": "another tool",
}


class ImportRefused(ValueError):
    """What cannot be done with an import; the message says why and what to do."""


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
    """Look at a file and keep what was read, sealed, for a day; the import's number. With `says_confirmed` the merchant
    declares that whoever signed up there confirmed it: the day of the sign-up then counts as that of the confirmation.

    Raises ImportRefused for what is no store of this merchant."""
    store = db.scalar(
        sa.text(
            "select name from connection where merchant_id = :m and id = :c and kind = 'store' and status <> 'ended'"
        ),
        {"m": merchant_id, "c": connection_id},
    )
    if store is None:
        raise ImportRefused("There is no such store. Connect it first.")
    look = compare(rt, db, merchant_id, connection_id, sheet.lines, sheet.faults, says_confirmed)
    lines = [
        {**asdict(one), "asked_at": _text(one.asked_at), "confirmed_at": _text(one.confirmed_at)}
        for one in sheet.lines
    ]
    return int(
        db.execute(
            sa.insert(_IMPORT)
            .values(
                merchant_id=merchant_id,
                connection_id=connection_id,
                file_name=file_name[-120:],
                origin=sheet.origin,
                digest=sheet.digest,
                says_confirmed=says_confirmed,
                made_at=rt.now(),
                actor=actor,
                mapping=sheet.mapping,
                counts=look.counts(sheet.ended),
                faults=[asdict(one) for one in look.faults],
                sealed=_seal(rt, lines, sheet, look.faults),
            )
            .returning(_IMPORT.c.id)
        ).scalar_one()
    )


def _seal(rt: ShopperRuntime, lines: Sequence[Any], sheet: Sheet, faults: Sequence[Fault]) -> bytes:
    failed = {one.line for one in faults}
    said = {
        "lines": json.dumps(lines),
        "first": json.dumps([asdict(one) for one in sheet.faults]),
        "head": json.dumps(sheet.head),
        "failed": json.dumps({line: cells for line, cells in sheet.cells.items() if line in failed}),
        "ended": str(sheet.ended),
    }
    return rt.keyring.seal(said)


def _text(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def find(db: sa.Connection, merchant_id: int, import_id: int) -> Any:
    """An import's row; None where there is none."""
    return db.execute(
        sa.select(_IMPORT).where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == import_id)
    ).one_or_none()


def recent(db: sa.Connection, merchant_id: int, limit: int = 10) -> list[Any]:
    """The imports that were carried out, the latest first."""
    rows = sa.select(_IMPORT).where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.status != "preview")
    return list(db.execute(rows.order_by(_IMPORT.c.id.desc()).limit(limit)))


def failed(rt: ShopperRuntime, row: Any) -> tuple[list[str], list[list[str]]]:
    """The head and the lines that were not taken, each with its reason; nothing once the day is over."""
    if row.sealed is None:
        return [], []
    said = rt.keyring.unseal(row.sealed)
    cells = json.loads(said["failed"])
    reasons: dict[str, list[str]] = {}
    for one in row.faults:
        reasons.setdefault(str(one["line"]), []).append(one["reason"])
    head = ["line", "reason", *json.loads(said["head"])]
    return head, [[line, " ".join(why), *cells.get(line, [])] for line, why in reasons.items()]


def apply(rt: ShopperRuntime, merchant_id: int, import_id: int, *, actor: str) -> int:
    """Take in who is new; the number of them. Raises ImportRefused when it was dealt with, or is older than a day."""
    now = rt.now()
    with transaction(rt.engine) as db:
        row = _turned(db, merchant_id, import_id, "preview", "applied", now)
        if row.sealed is None:
            raise ImportRefused("The lines were kept for a day. Choose the file again.")
        said = rt.keyring.unseal(row.sealed)
        lines = [
            Line(**{**one, "asked_at": _time(one["asked_at"]), "confirmed_at": _time(one["confirmed_at"])})
            for one in json.loads(said["lines"])
        ]
        first = [Fault(**one) for one in json.loads(said["first"])]
        look = compare(rt, db, merchant_id, row.connection_id, lines, first, row.says_confirmed)
        taken = _insert(db, merchant_id, row, look.newcomers, now)
        said["lines"] = "[]"
        db.execute(
            sa.update(_IMPORT)
            .where(_IMPORT.c.merchant_id == merchant_id, _IMPORT.c.id == import_id)
            .values(
                sealed=rt.keyring.seal(said),
                counts={**look.counts(int(said["ended"])), "new": len(taken)},
                faults=[asdict(one) for one in look.faults],
            )
        )
        ready = sorted({one.variant_id for one in look.newcomers if one.confirmed_at})
        enqueue(db, merchant_id, [Intent(SHOPPERS, str(variant_id)) for variant_id in ready])
        detail = {"people": len(taken), "says_confirmed": row.says_confirmed, "from": row.origin}
        record(db, merchant_id, now, actor, "shoppers.import", f"import {import_id}", detail)
    return len(taken)


def _insert(
    db: sa.Connection, merchant_id: int, row: Any, newcomers: Sequence[Newcomer], now: datetime
) -> list[int]:
    """In the order of their sign-ups: places are given out in that order."""
    source = f"imported from {TOOLS[row.origin]}, {row.file_name}"
    locale = db.scalar(sa.text("select locale from merchant where id = :m"), {"m": merchant_id}) or "en"
    taken: list[int] = []
    for start in range(0, len(newcomers), 500):
        values = [
            {
                "merchant_id": merchant_id,
                "variant_id": one.variant_id,
                "connection_id": row.connection_id,
                "channel": one.channel,
                "address": one.address,
                "address_key": one.key,
                "locale": one.language or locale,
                "wanted_units": one.units,
                "status": "waiting" if one.confirmed_at else "unconfirmed",
                "confirmed_at": one.confirmed_at,
                # What nobody confirms leaves seven days after it came here.
                "created_at": (one.asked_at or one.confirmed_at) if one.confirmed_at else now,
                "origin": "import",
                "consent_version": f"import-{row.id}",
                "consent_text": f"{source}{_signed_up(one)}. {one.consent_text}".strip(),
            }
            for one in newcomers[start : start + 500]
        ]
        # One open place a person and variant: whoever came meanwhile keeps theirs.
        taken += db.scalars(
            insert(_SUBSCRIPTION).values(values).on_conflict_do_nothing().returning(_SUBSCRIPTION.c.id)
        )
    return taken


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
