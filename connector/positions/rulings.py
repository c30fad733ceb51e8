"""Changes the merchant's rules: what a change would do, the change, and taking it back.

A rule is stored here and its variants are decided again by the caller (`named`), in chunks, as after any other
cause. Every change is kept in the log with what was said before, which is what taking it back restores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.availability.decide import decide as decide_one
from connector.availability.decide import is_known
from connector.availability.rules import FIELDS, Says, problem
from connector.catalog.keys import sku_key
from connector.positions.bundles import decide_bundles, with_bundles
from connector.positions.facts import lock_and_read
from connector.positions.price_stops import stops_of, with_stops
from connector.positions.rules import key_of

LOOKED_AT = 2_000
"""A preview decides so many variants at most: it is asked for by a person who waits."""
SAMPLES = 20
ACTION = "stock_rule.save"


class RuleRefused(ValueError):
    """A rule that cannot be kept; the message names it, the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A rule as it is kept. `name` is what its subject is called, `variants` how many it may hold for."""

    level: str
    subject: str
    name: str
    says: Says
    actor: str
    changed_at: datetime
    variants: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one variant: its number and state before and after."""

    variant_id: int
    sku: str
    title: str
    before: int
    after: int
    state_before: str
    state_after: str


@dataclass(frozen=True, slots=True)
class RulePreview:
    """What a change would do: of `named` variants that it may hold for, `looked_at` were decided for trial and
    `changed` come out otherwise, `to_zero` of them at nothing. `effects` are the first of them, the most dangerous
    first."""

    named: int
    looked_at: int
    changed: int
    to_zero: int
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One rule to be kept: `says` replaces all that it said; {} removes it."""

    level: str
    subject: str
    says: Says


def checked(db: sa.Connection, merchant_id: int, level: str, subject: str, says: Says) -> Change:
    """The change, its subject resolved: a SKU or `#variant id`, a collection's name, a supplier's id, "" for the
    merchant. Raises RuleRefused."""
    if level not in ("merchant", "supplier", "collection", "sku"):
        raise RuleRefused(
            f"There is no level {level!r}. A rule is of a merchant, supplier, collection or sku."
        )
    for name, value in says.items():
        said = problem(level, name, value)
        if said:
            raise RuleRefused(said)
    return Change(level, _subject(db, merchant_id, level, subject), dict(says))


def _subject(db: sa.Connection, merchant_id: int, level: str, subject: str) -> str:
    if level == "merchant":
        return ""
    if level == "collection":
        name = key_of(subject)
        if not name or len(name) > 200:
            raise RuleRefused("A collection has a name of 1 to 200 characters.")
        return name
    if level == "supplier":
        known = subject.isascii() and subject.isdigit() and len(subject) < 18
        if not known or not _exists(db, "source", merchant_id, int(subject)):
            raise RuleRefused(f"There is no supplier {subject}. The list of suppliers has their numbers.")
        return str(int(subject))
    if subject.startswith("#") and subject[1:].isdigit() and len(subject) < 18:
        if not _exists(db, "variant", merchant_id, int(subject[1:])):
            raise RuleRefused(f"There is no product {subject}.")
        return str(int(subject[1:]))
    ids = _by_sku(db, merchant_id, [subject]).get(sku_key(subject), [])
    if len(ids) != 1:
        found = "no product" if not ids else f"{len(ids)} products"
        raise RuleRefused(
            f"There is {found} with the SKU {subject!r}. " + ("Check it." if not ids else "Name it by #id.")
        )
    return str(ids[0])


def _exists(db: sa.Connection, table: str, merchant_id: int, row_id: int) -> bool:
    statement = sa.text(f"select exists (select 1 from {table} where merchant_id = :m and id = :i)")  # noqa: S608
    return bool(db.execute(statement, {"m": merchant_id, "i": row_id}).scalar_one())


def _by_sku(db: sa.Connection, merchant_id: int, skus: Sequence[str]) -> dict[str, list[int]]:
    rows = db.execute(
        sa.text("select sku_key, array_agg(id order by id) from variant where merchant_id = :m"
                " and sku_key = any(cast(:keys as text[])) group by sku_key"),
        {"m": merchant_id, "keys": sorted({sku_key(sku) for sku in skus} - {""})},
    )  # fmt: skip
    return {row[0]: list(row[1]) for row in rows}


def says_of(db: sa.Connection, merchant_id: int, level: str, subject: str) -> dict[str, Any]:
    """What this rule says now; {} where there is none."""
    found = db.execute(
        sa.text("select says from stock_rule where merchant_id = :m and level = :l and subject = :s"),
        {"m": merchant_id, "l": level, "s": subject},
    ).scalar()
    return dict(found or {})


def save(
    db: sa.Connection, merchant_id: int, changes: Sequence[Change], *, actor: str, now: datetime
) -> int | None:
    """Keep these rules in the caller's transaction, as one change in the log; its number there, None where nothing
    is different from before."""
    done = []
    for one in sorted(changes, key=lambda change: (change.level, change.subject)):
        before = says_of(db, merchant_id, one.level, one.subject)
        if before == one.says:
            continue
        given = {"m": merchant_id, "l": one.level, "s": one.subject}
        if one.says:
            db.execute(_PUT, {**given, "says": json.dumps(one.says), "actor": actor, "now": now})
        else:
            db.execute(
                sa.text("delete from stock_rule where merchant_id = :m and level = :l and subject = :s"),
                given,
            )
        done.append({"level": one.level, "subject": one.subject, "before": before, "after": dict(one.says)})
    if not done:
        return None
    record(db, merchant_id, now, actor, ACTION, f"{len(done)} rules", {"changes": done})
    return int(
        db.execute(
            sa.text("select max(id) from audit_event where merchant_id = :m and action = :a"),
            {"m": merchant_id, "a": ACTION},
        ).scalar_one()
    )


def taken_back(db: sa.Connection, merchant_id: int, change_id: int) -> list[Change]:
    """The changes that take a change of the log back. Raises RuleRefused where there is none, or where one of its
    rules was changed again since: then nobody can say what is wanted."""
    detail = db.execute(
        sa.text("select detail from audit_event where merchant_id = :m and id = :i and action = :a"),
        {"m": merchant_id, "i": change_id, "a": ACTION},
    ).scalar()
    if detail is None:
        raise RuleRefused(f"There is no change {change_id} of rules. The log names them.")
    for one in detail["changes"]:
        if says_of(db, merchant_id, one["level"], one["subject"]) != one["after"]:
            raise RuleRefused("The rule was changed again since. Change it by hand.")
    return [Change(one["level"], one["subject"], one["before"]) for one in detail["changes"]]


def named(
    db: sa.Connection, merchant_id: int, changes: Sequence[Change], limit: int | None = None
) -> list[int]:
    """The variants these rules may hold for, in id order; at most `limit`."""
    parts: list[str] = []
    given: dict[str, Any] = {"m": merchant_id, "n": limit}
    for level in {one.level for one in changes}:
        subjects = {one.subject for one in changes if one.level == level}
        if level == "collection":
            # As the stores spell them: the database folds other letters than we do.
            subjects = {name for name, _ in _names(db, merchant_id) if key_of(name) in subjects}
        given[level] = sorted(subjects)
        parts.append(_NAMED[level])
    if not parts:
        return []
    statement = sa.text(f"select distinct id from ({' union all '.join(parts)}) f order by id limit :n")  # noqa: S608
    return list(db.execute(statement, given).scalars())


def preview(
    engine: sa.Engine,
    merchant_id: int,
    changes: Sequence[Change],
    *,
    now: datetime,
    most: int | None = LOOKED_AT,
    until: Callable[[], bool] = lambda: False,
) -> RulePreview:
    """What these changes would do, by deciding for trial; nothing is kept. At most `most` variants are tried (None:
    all that they may hold for), and no more once `until` says so; `looked_at` tells how many were."""
    with engine.connect() as db:
        everything = named(db, merchant_id, changes)
        ids = everything[:most]
        tried = 0
        changed: list[Effect] = []
        try:
            save(db, merchant_id, changes, actor="", now=now)
            for start in range(0, len(ids), 500):
                if start and until():
                    break
                # Taken back chunk by chunk, its locks with it: who decides in earnest is never waited for while
                # others are held, so nobody deadlocks.
                trial = db.begin_nested()
                changed += _effects(db, merchant_id, ids[start : start + 500], now)
                trial.rollback()
                tried = min(start + 500, len(ids))
        finally:
            db.rollback()
    changed.sort(key=lambda one: (one.after > 0 or one.before == 0, one.after - one.before, one.sku))
    return RulePreview(
        named=len(everything),
        looked_at=tried,
        changed=len(changed),
        to_zero=sum(1 for one in changed if one.after == 0 and one.before > 0),
        effects=tuple(changed[:SAMPLES]),
    )


def _effects(db: sa.Connection, merchant_id: int, ids: Sequence[int], now: datetime) -> list[Effect]:
    rows = lock_and_read(db, merchant_id, with_bundles(db, merchant_id, ids), now)
    pairs = [(before, decide_one(facts)) for before, facts in rows if is_known(facts)]
    stops = stops_of(db, merchant_id, [before.variant_id for before, _ in rows])
    pairs = with_stops(decide_bundles(db, merchant_id, rows, with_stops(pairs, stops)), stops)
    found = [(b, a) for b, a in pairs if b.version > 0 and (b.available, b.state) != (a.available, a.state)]
    names = {
        row.id: row
        for row in db.execute(
            sa.text("select id, sku, title from variant where merchant_id = :m and id = any(:v)"),
            {"m": merchant_id, "v": [b.variant_id for b, _ in found]},
        )
    }
    return [
        Effect(
            b.variant_id,
            names[b.variant_id].sku,
            names[b.variant_id].title,
            b.available,
            a.available,
            b.state,
            a.state,
        )
        for b, a in found
    ]


def listed(db: sa.Connection, merchant_id: int, level: str = "", limit: int = 500) -> list[Stored]:
    """The rules of a level (all levels: ""), the nearest level first, with what they may hold for. A collection is
    called as the store spells it, while anything is in it."""
    rows = db.execute(_LISTED, {"m": merchant_id, "l": level, "n": limit}).all()
    found = [Stored(*row) for row in rows]
    if not any(one.level == "collection" for one in found):
        return found
    known = {key_of(name): (name, count) for name, count in collections(db, merchant_id)}
    return [
        replace(one, name=known[one.subject][0], variants=known[one.subject][1])
        if one.level == "collection" and one.subject in known
        else one
        for one in found
    ]


def collections(db: sa.Connection, merchant_id: int) -> list[tuple[str, int]]:
    """The collections that products are in, as the store spells them most, with how many; the largest first."""
    found: dict[str, tuple[str, int]] = {}
    for name, count in _names(db, merchant_id):
        spelt, before = found.get(key_of(name), (" ".join(name.split()), 0))
        found[key_of(name)] = (spelt, before + count)
    return sorted(found.values(), key=lambda one: (-one[1], one[0]))


def _names(db: sa.Connection, merchant_id: int) -> list[tuple[str, int]]:
    rows = [(row[0], int(row[1])) for row in db.execute(_COLLECTIONS, {"m": merchant_id})]
    return sorted(rows, key=lambda one: (-one[1], one[0].strip()))


def suppliers(db: sa.Connection, merchant_id: int) -> list[tuple[str, str]]:
    """(id, name) of the suppliers, by name."""
    rows = db.execute(
        sa.text("select cast(id as text), name from source where merchant_id = :m order by name, id"),
        {"m": merchant_id},
    )
    return [(row[0], row[1]) for row in rows]


def sku_of(db: sa.Connection, merchant_id: int, variant_id: int) -> str:
    """The SKU of a variant, its title where it has none, "" where there is no such variant."""
    found = db.execute(
        sa.text("select coalesce(nullif(sku, ''), title) from variant where merchant_id = :m and id = :v"),
        {"m": merchant_id, "v": variant_id},
    ).scalar()
    return str(found or "")


def by_sku(
    db: sa.Connection, merchant_id: int, rows: Sequence[tuple[int, str, Mapping[str, Any]]]
) -> tuple[list[Change], list[str]]:
    """Rules of items as (line, SKU, what is said): the changes, and what is wrong in words. An item that is named
    twice is wrong: nobody can say which line counts."""
    known = _by_sku(db, merchant_id, [sku for _, sku, _ in rows])
    changes: dict[str, Change] = {}
    wrong: list[str] = []
    for line, sku, says in rows:
        ids = known.get(sku_key(sku), [])
        problems = [said for name, value in says.items() if (said := problem("sku", name, value))]
        if len(ids) != 1:
            problems.append(f"{'No product has' if not ids else 'Several products have'} the SKU {sku!r}.")
        elif str(ids[0]) in changes:
            problems.append(f"The SKU {sku!r} was named before.")
        if problems:
            wrong += [f"Line {line}: {said}" for said in problems]
        else:
            changes[str(ids[0])] = Change("sku", str(ids[0]), dict(says))
    return list(changes.values()), wrong


SKU_FIELDS = tuple(name for name, one in FIELDS.items() if "sku" in one.levels)

_PUT = sa.text("""
    insert into stock_rule (merchant_id, level, subject, says, actor, changed_at)
    values (:m, :l, :s, cast(:says as jsonb), :actor, :now)
        on conflict (merchant_id, level, subject)
        do update set says = excluded.says, actor = excluded.actor, changed_at = excluded.changed_at
""")

_NAMED = {
    "merchant": "select id from variant where merchant_id = :m and cast(:merchant as text[]) is not null",
    "supplier": """
        select variant_id as id from supplier_item
         where merchant_id = :m and source_id = any(cast(cast(:supplier as text[]) as bigint[]))
    """,
    "collection": """
        select id from variant where merchant_id = :m and collections ?| cast(:collection as text[])
    """,
    "sku": """
        select id from variant
         where merchant_id = :m and id = any(cast(cast(:sku as text[]) as bigint[]))
    """,
}

# Only a CASE is sure to keep a collection's name from being read as a number, whatever plan is chosen.
_LISTED = sa.text("""
    select r.level, r.subject,
           case r.level when 'supplier' then s.name when 'sku' then v.sku else r.subject end as name,
           r.says, r.actor, r.changed_at,
           case r.level
             when 'supplier' then (select count(distinct i.variant_id) from supplier_item i
                                    where i.merchant_id = r.merchant_id and i.source_id = s.id)
             when 'collection' then 0
             when 'sku' then 1
             else (select count(*) from variant w where w.merchant_id = r.merchant_id) end as variants
      from stock_rule r
      left join source s on r.level = 'supplier' and s.merchant_id = r.merchant_id
                        and s.id = case r.level when 'supplier' then cast(r.subject as bigint) end
      left join variant v on r.level = 'sku' and v.merchant_id = r.merchant_id
                         and v.id = case r.level when 'sku' then cast(r.subject as bigint) end
     where r.merchant_id = :m and (:l = '' or r.level = :l)
     order by array_position(array['sku', 'collection', 'supplier', 'merchant'], r.level), name, r.subject
     limit :n
""")

_COLLECTIONS = sa.text("""
    select n.name, count(*) from variant v, jsonb_array_elements_text(v.collections) as n(name)
     where v.merchant_id = :m and v.collections <> '[]' group by n.name
""")
