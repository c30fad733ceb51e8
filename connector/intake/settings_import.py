"""Settings that a merchant brings along: looked at, written, taken back.

A file is first compared with what holds now and kept as a proposal of single settings, each with its value before
and after. Writing takes only those whose value is still the one that was shown; taking back only those that still
are as they were written. Both say what they left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.catalog.keys import sku_key
from connector.intake import settings_facts
from connector.intake.settings_file import Fault, Line, Sheet
from connector.positions import rulings

MOST_CHANGES = 20_000


class ImportRefused(ValueError):
    """What cannot be done with an import; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a product ("rule"), of its supplier's item ("pack") or of the supplier ("lead"): `name` with
    its value `before` (None: nothing said) and `after`. `subject` is the variant's or the source's id; of a pack
    `source_id` is its supplier."""

    line: int
    kind: str
    subject: int
    sku: str
    name: str
    before: Any
    after: Any
    source_id: int = 0
    supplier: str = ""


@dataclass(slots=True)
class Done:
    """What became of an import: settings written, those left alone because somebody changed them since, and the
    variants to decide again."""

    written: int = 0
    left: int = 0
    variant_ids: set[int] = field(default_factory=set)


def propose(
    db: sa.Connection, merchant_id: int, sheet: Sheet, *, file_name: str, actor: str, now: datetime
) -> int:
    """Compare a file with what holds and keep the proposal; its id. Raises ImportRefused for too many changes."""
    settings, faults = _compared(db, merchant_id, sheet)
    if len(settings) > MOST_CHANGES:
        raise ImportRefused(
            f"The file would change {len(settings):,} settings, at most {MOST_CHANGES:,} at once. Split it."
        )
    return int(
        db.execute(
            sa.text("""
                insert into settings_import (merchant_id, file_name, origin, made_at, actor, rows_read, changes,
                                             faults)
                values (:m, :f, :o, :now, :a, :n, cast(:changes as jsonb), cast(:faults as jsonb)) returning id
            """),
            {
                "m": merchant_id,
                "f": file_name[-120:],
                "o": sheet.origin,
                "now": now,
                "a": actor,
                "n": len(sheet.lines) + len({one.line for one in sheet.faults}) + sheet.skipped,
                "changes": json.dumps([asdict(one) for one in settings]),
                "faults": json.dumps([asdict(one) for one in sorted(faults, key=lambda one: one.line)]),
            },
        ).scalar_one()
    )


@dataclass(frozen=True, slots=True)
class Proposal:
    """An import as it is kept; `status` is preview, applied or undone."""

    id: int
    status: str
    file_name: str
    origin: str
    made_at: datetime
    decided_at: datetime | None
    rows_read: int
    settings: list[Setting]
    faults: list[Fault]


def proposal(db: sa.Connection, merchant_id: int, import_id: int) -> Proposal | None:
    """An import; None where there is none."""
    row = db.execute(
        sa.text("select * from settings_import where merchant_id = :m and id = :i"),
        {"m": merchant_id, "i": import_id},
    ).first()
    return None if row is None else _proposal(row)


def recent(db: sa.Connection, merchant_id: int, limit: int = 10) -> list[Proposal]:
    """The imports that were written, the latest first."""
    rows = db.execute(
        sa.text("""
            select * from settings_import where merchant_id = :m and status <> 'preview' order by id desc limit :n
        """),
        {"m": merchant_id, "n": limit},
    )
    return [_proposal(row) for row in rows]


def _proposal(row: Any) -> Proposal:
    return Proposal(
        row.id,
        row.status,
        row.file_name,
        row.origin,
        row.made_at,
        row.decided_at,
        row.rows_read,
        [Setting(**one) for one in row.changes],
        [Fault(**one) for one in row.faults],
    )


def apply(db: sa.Connection, merchant_id: int, import_id: int, *, actor: str, now: datetime) -> Done:
    """Write a proposal. The caller decides `variant_ids` again. Raises ImportRefused when it was written before."""
    return _turn(db, merchant_id, import_id, "preview", "applied", actor=actor, now=now)


def undo(db: sa.Connection, merchant_id: int, import_id: int, *, actor: str, now: datetime) -> Done:
    """Take a written import back. The caller decides `variant_ids` again. Raises ImportRefused when it is not
    written."""
    return _turn(db, merchant_id, import_id, "applied", "undone", actor=actor, now=now)


def _turn(
    db: sa.Connection, merchant_id: int, import_id: int, was: str, becomes: str, *, actor: str, now: datetime
) -> Done:
    row = db.execute(
        sa.text("""
            update settings_import set status = :to, decided_at = :now
             where merchant_id = :m and id = :i and status = :was returning *
        """),
        {"m": merchant_id, "i": import_id, "to": becomes, "was": was, "now": now},
    ).first()
    if row is None:
        raise ImportRefused("This import was dealt with already, or there is none of this number.")
    settings = _proposal(row).settings
    done = Done()
    wanted = [(one, one.before, one.after) for one in settings]
    if becomes == "undone":
        wanted = [(one, one.after, one.before) for one in settings]
    _write_rules(db, merchant_id, [w for w in wanted if w[0].kind == "rule"], done, actor=actor, now=now)
    for one, old, new in wanted:
        if one.kind != "rule":
            _write_supplier(db, merchant_id, one, old, new, done)
    action = "settings.import" if becomes == "applied" else "settings.import_undo"
    record(db, merchant_id, now, actor, action, f"import {import_id}, {done.written} settings")
    return done


def _write_rules(
    db: sa.Connection,
    merchant_id: int,
    wanted: list[tuple[Setting, Any, Any]],
    done: Done,
    *,
    actor: str,
    now: datetime,
) -> None:
    """The one place that writes what an import says of products: rules of the level "sku"."""
    says = settings_facts.rules_of(db, merchant_id, {one.subject for one, _, _ in wanted})
    after = {variant_id: dict(rule) for variant_id, rule in says.items()}
    for one, old, new in wanted:
        rule = after.setdefault(one.subject, {})
        if rule.get(one.name) != old:
            done.left += 1
            continue
        if new is None:
            rule.pop(one.name, None)
        else:
            rule[one.name] = new
        done.written += 1
        done.variant_ids.add(one.subject)
    changes = [
        rulings.Change("sku", str(variant_id), after[variant_id]) for variant_id in sorted(done.variant_ids)
    ]
    rulings.save(db, merchant_id, changes, actor=actor, now=now)


def _write_supplier(
    db: sa.Connection, merchant_id: int, one: Setting, old: Any, new: Any, done: Done
) -> None:
    if one.kind == "pack":
        statement = """
            update supplier_item set units_per_variant = :new
             where merchant_id = :m and source_id = :s and variant_id = :v and units_per_variant = :old
            returning variant_id
        """
    else:
        statement = """
            update source set lead_time_days = :new
             where merchant_id = :m and id = :v and lead_time_days is not distinct from :old returning null
        """
    given = {"m": merchant_id, "s": one.source_id, "v": one.subject, "old": old, "new": new}
    rows = db.execute(sa.text(statement), given).all()
    if not rows:
        done.left += 1
        return
    done.written += 1
    if one.kind == "pack":
        done.variant_ids.add(one.subject)
        return
    done.variant_ids |= set(
        db.execute(
            sa.text(
                "select distinct variant_id from supplier_item where merchant_id = :m and source_id = :v"
            ),
            {"m": merchant_id, "v": one.subject},
        ).scalars()
    )


def _compared(db: sa.Connection, merchant_id: int, sheet: Sheet) -> tuple[list[Setting], list[Fault]]:
    faults = list(sheet.faults)
    known = settings_facts.variants_of(db, merchant_id, [one.sku for one in sheet.lines])
    found: dict[int, tuple[Line, int]] = {}
    told: dict[tuple[int, str], int] = {}
    for one in sheet.lines:
        ids = known.get(sku_key(one.sku), [])
        # Several suppliers of one product are several lines; each setting may be said once.
        key = (ids[0] if ids else 0, one.supplier.casefold() if not one.says else "")
        if len(ids) != 1:
            said = "No product has" if not ids else "Several products have"
            faults.append(Fault(one.line, "sku", f"{said} the SKU {one.sku!r}."))
        elif key in told:
            faults.append(
                Fault(one.line, "sku", f"The SKU {one.sku!r} was named before, in line {told[key]}.")
            )
        else:
            told[key] = one.line
            found[one.line] = (one, ids[0])
    variant_ids = {variant_id for _, variant_id in found.values()}
    rules = settings_facts.rules_of(db, merchant_id, variant_ids)
    columns = settings_facts.columns_of(db, merchant_id, variant_ids)
    default = settings_facts.defaults(db, merchant_id)
    settings: list[Setting] = []
    for line, variant_id in found.values():
        rule = rules.get(variant_id, {})
        for name, value in line.says.items():
            before = rule.get(name)
            holds = before if before is not None else columns.get(variant_id, {}).get(name)
            if value != (holds if holds is not None else default.get(name)):
                settings.append(Setting(line.line, "rule", variant_id, line.sku, name, before, value))
    _compare_suppliers(db, merchant_id, found, settings, faults)
    return settings, faults


def _compare_suppliers(
    db: sa.Connection,
    merchant_id: int,
    found: Mapping[int, tuple[Line, int]],
    settings: list[Setting],
    faults: list[Fault],
) -> None:
    sources: dict[str, list[Any]] = {}
    for row in db.execute(
        sa.text("select id, name, lead_time_days from source where merchant_id = :m"), {"m": merchant_id}
    ):
        sources.setdefault(row.name.strip().casefold(), []).append(row)
    packs = {
        (row.source_id, row.variant_id): row
        for row in db.execute(
            sa.text("""
                select source_id, variant_id, min(units_per_variant) as units, count(*) as items from supplier_item
                 where merchant_id = :m and variant_id = any(:v) group by source_id, variant_id
            """),
            {"m": merchant_id, "v": [variant_id for _, variant_id in found.values()]},
        )
    }
    leads: dict[int, tuple[int, int]] = {}
    for line, variant_id in found.values():
        if line.pack_units is None and line.lead_time_days is None:
            continue
        named = sources.get(line.supplier.casefold(), [])
        if len(named) != 1:
            said = "There is no supplier" if not named else "There are several suppliers"
            faults.append(Fault(line.line, "supplier", f"{said} called {line.supplier!r}."))
            continue
        source = named[0]
        pack = packs.get((source.id, variant_id))
        if line.pack_units is not None and (pack is None or pack.items != 1):
            said = "no item" if pack is None else f"{pack.items} items"
            faults.append(
                Fault(
                    line.line,
                    "pack_units",
                    f"{source.name} has {said} matched to {line.sku!r}. Match one first.",
                )
            )
        elif pack is not None and line.pack_units not in (None, pack.units):
            settings.append(
                Setting(line.line, "pack", variant_id, line.sku, "pack_units", pack.units, line.pack_units,
                        source.id, source.name)
            )  # fmt: skip
        days = line.lead_time_days
        if days is None:
            continue
        if source.id in leads and leads[source.id][0] != days:
            reason = f"{source.name} has one lead time; line {leads[source.id][1]} says {leads[source.id][0]} days."
            faults.append(Fault(line.line, "lead_time_days", reason))
        elif source.id not in leads:
            leads[source.id] = (days, line.line)
            if days != source.lead_time_days:
                settings.append(
                    Setting(line.line, "lead", source.id, "", "lead_time_days", source.lead_time_days, days,
                            source.id, source.name)
                )  # fmt: skip
