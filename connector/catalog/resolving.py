"""What the merchant decides about items that matching could not link: it is this variant, or it is not mine.

A decision is remembered (the next file does not ask again) and can be taken back, which also puts back the links
it took away. In the caller's transaction, as everything here; the variants returned are to be decided again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.catalog.keys import KeyRules, sku_key
from connector.catalog.management import manage
from connector.catalog.matching import match_source, release
from connector.catalog.nearest import Candidate, Known, Nearest, Pattern, matches_under, patterns

MOST_UNITS = 10_000


class ChoiceRefused(ValueError):
    """A decision that cannot be taken: the message names the item, the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An item of a source that no variant is linked to."""

    source_id: int
    source: str
    item_key: str
    sku: str
    gtin: str
    supplier_sku: str
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A decision that was taken, with what it names."""

    source_id: int
    source: str
    item_key: str
    choice: str
    variant_id: int | None
    sku: str
    title: str
    actor: str
    decided_at: datetime


_OPEN = """
      from observation o join source s on s.merchant_id = o.merchant_id and s.id = o.source_id
     where o.merchant_id = :m and (cast(:s as bigint) is null or o.source_id = :s)
       and not exists (select 1 from supplier_item l where l.merchant_id = o.merchant_id
                          and l.source_id = o.source_id and l.item_key = o.item_key)
       and not exists (select 1 from match_choice c where c.merchant_id = o.merchant_id
                          and c.source_id = o.source_id and c.item_key = o.item_key)
       and (:like = '' or o.item_key like :like or o.gtin like :like or lower(o.sku) like :like)
"""


def open_items(
    db: sa.Connection,
    merchant_id: int,
    source_id: int | None = None,
    *,
    search: str = "",
    after: tuple[int, str] | None = None,
    limit: int = 50,
) -> list[OpenItem]:
    """Items without a variant and without a decision, by source and code, those behind `after`."""
    rows = db.execute(
        sa.text(f"""
            select o.source_id, s.name, o.item_key, o.sku, o.gtin, o.supplier_sku, o.quantity {_OPEN}
               and (cast(:as as bigint) is null or (o.source_id, o.item_key) > (:as, :ak))
             order by o.source_id, o.item_key limit :limit
        """),
        {
            "m": merchant_id,
            "s": source_id,
            "like": _like(search),
            "as": after[0] if after else None,
            "ak": after[1] if after else "",
            "limit": limit,
        },
    )
    return [OpenItem(*row) for row in rows]


def count_open(db: sa.Connection, merchant_id: int, source_id: int | None = None, search: str = "") -> int:
    """How many `open_items` there are."""
    given = {"m": merchant_id, "s": source_id, "like": _like(search)}
    return int(db.execute(sa.text(f"select count(*) {_OPEN}"), given).scalar_one())


def _like(search: str) -> str:
    text = search.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{text}%" if text else ""


def candidates(
    db: sa.Connection, merchant_id: int, items: Sequence[OpenItem], limit: int = 3
) -> dict[tuple[int, str], list[Candidate]]:
    """(source, item) → the nearest variants. Reads the whole catalogue once."""
    if not items:
        return {}
    index = Nearest(_variants(db, merchant_id))
    return {
        (one.source_id, one.item_key): index.find(
            one.sku or one.supplier_sku or one.item_key, one.gtin, limit=limit
        )
        for one in items
    }


def _variants(db: sa.Connection, merchant_id: int) -> list[Known]:
    rows = db.execute(
        sa.text("select id, sku, title, ltrim(gtin, '0') from variant where merchant_id = :m order by id"),
        {"m": merchant_id},
    )
    return [Known(*row) for row in rows]


def link(
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    item_key: str,
    variant_id: int,
    *,
    units: int = 1,
    actor: str,
    now: datetime,
) -> set[int]:
    """The item is this variant (one variant takes `units` of it). Links found by matching that contradict it are
    taken away and remembered for `undo`. Raises ChoiceRefused for what is not this merchant's."""
    if not 1 <= units <= MOST_UNITS:
        raise ChoiceRefused(f"{units} units of “{item_key}” for one variant: enter 1 to {MOST_UNITS:,}.")
    _check(db, merchant_id, source_id, item_key)
    given = {"m": merchant_id, "s": source_id, "k": item_key, "v": variant_id}
    if db.execute(sa.text("select 1 from variant where merchant_id = :m and id = :v"), given).first() is None:
        raise ChoiceRefused(f"There is no variant {variant_id}. Look it up in the product list.")
    touched = undo(db, merchant_id, source_id, [item_key])
    removed = db.execute(
        sa.text("""
            delete from supplier_item where merchant_id = :m and source_id = :s and how <> 'hand'
               and (item_key = :k or variant_id = :v)
            returning item_key, variant_id, units_per_variant, how
        """),
        given,
    ).all()
    db.execute(
        sa.text("""
            insert into supplier_item (merchant_id, source_id, item_key, variant_id, units_per_variant, how)
            values (:m, :s, :k, :v, :u, 'hand')
                on conflict (merchant_id, source_id, item_key, variant_id)
                do update set how = 'hand', units_per_variant = excluded.units_per_variant
        """),
        {**given, "u": units},
    )
    manage(db, merchant_id, {variant_id})
    lost = {row.variant_id for row in removed} - {variant_id}
    release(db, merchant_id, lost)
    _remember(db, {**given, "choice": "link", "actor": actor, "now": now}, [list(row) for row in removed])
    return touched | lost | {variant_id}


def ignore(
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    item_keys: Sequence[str],
    *,
    actor: str,
    now: datetime,
) -> int:
    """These items are not the merchant's: matching leaves them alone and nobody is asked again. Returns how many;
    items that are linked stay linked and do not count."""
    rows = db.execute(
        sa.text("""
            insert into match_choice (merchant_id, source_id, item_key, choice, actor, decided_at)
            select :m, :s, o.item_key, 'ignore', :actor, :now from observation o
             where o.merchant_id = :m and o.source_id = :s and o.item_key = any(:keys)
               and not exists (select 1 from supplier_item l where l.merchant_id = :m and l.source_id = :s
                                  and l.item_key = o.item_key)
                on conflict do nothing returning 1
        """),
        {"m": merchant_id, "s": source_id, "keys": list(item_keys), "actor": actor, "now": now},
    ).all()
    return len(rows)


def undo(db: sa.Connection, merchant_id: int, source_id: int, item_keys: Sequence[str]) -> set[int]:
    """Take decisions back: links they made go, links they took away return. Returns the variants concerned."""
    given = {"m": merchant_id, "s": source_id, "keys": list(item_keys)}
    rows = db.execute(
        sa.text("""
            delete from match_choice where merchant_id = :m and source_id = :s and item_key = any(:keys)
            returning item_key, choice, variant_id, undo
        """),
        given,
    ).all()
    touched: set[int] = set()
    back: set[int] = set()
    for row in rows:
        if row.choice != "link":
            continue
        touched.add(row.variant_id)
        db.execute(
            sa.text("""
                delete from supplier_item where merchant_id = :m and source_id = :s and item_key = :k
                   and variant_id = :v and how = 'hand'
            """),
            {"m": merchant_id, "s": source_id, "k": row.item_key, "v": row.variant_id},
        )
        for item_key, variant_id, units, how in row.undo.get("links", []):
            db.execute(
                sa.text("""
                    insert into supplier_item (merchant_id, source_id, item_key, variant_id, units_per_variant, how)
                    values (:m, :s, :k, :v, :u, :how) on conflict do nothing
                """),
                {"m": merchant_id, "s": source_id, "k": item_key, "v": variant_id, "u": units, "how": how},
            )
            back.add(variant_id)
    manage(db, merchant_id, back)
    release(db, merchant_id, touched - back)
    return touched | back


def chosen(
    db: sa.Connection, merchant_id: int, *, after: tuple[int, str] | None = None, limit: int = 50
) -> list[Chosen]:
    """The decisions taken, by source and code."""
    rows = db.execute(
        sa.text("""
            select c.source_id, s.name, c.item_key, c.choice, c.variant_id, coalesce(v.sku, ''),
                   coalesce(v.title, ''), c.actor, c.decided_at
              from match_choice c join source s on s.merchant_id = c.merchant_id and s.id = c.source_id
              left join variant v on v.merchant_id = c.merchant_id and v.id = c.variant_id
             where c.merchant_id = :m
               and (cast(:as as bigint) is null or (c.source_id, c.item_key) > (:as, :ak))
             order by c.source_id, c.item_key limit :limit
        """),
        {
            "m": merchant_id,
            "as": after[0] if after else None,
            "ak": after[1] if after else "",
            "limit": limit,
        },
    )
    return [Chosen(*row) for row in rows]


def rules_of(db: sa.Connection, merchant_id: int, source_id: int) -> KeyRules:
    """How this source's codes are compared. Raises LookupError for a source that is not this merchant's."""
    mapping = db.execute(
        sa.text("select mapping from source where merchant_id = :m and id = :s"),
        {"m": merchant_id, "s": source_id},
    ).scalar()
    if mapping is None:
        raise LookupError(source_id)
    return KeyRules.from_json(mapping.get("keys"))


def proposals(db: sa.Connection, merchant_id: int, source_id: int) -> list[Pattern]:
    """Rules that would match many items at once ("412 would match if the prefix ACME- is removed")."""
    return patterns(_codes(db, merchant_id, source_id), _sku_keys(db, merchant_id))


def would_match(db: sa.Connection, merchant_id: int, source_id: int, rules: KeyRules) -> int:
    """How many items without a variant would name exactly one by their code under `rules`."""
    return matches_under(rules, _codes(db, merchant_id, source_id), _sku_keys(db, merchant_id))


def set_rules(db: sa.Connection, merchant_id: int, source_id: int, rules: KeyRules) -> set[int]:
    """Compare this source's codes under `rules` from now on, and link what they match. Returns the variants newly
    linked; links that exist stay."""
    db.execute(
        sa.text("""
            update source set mapping = jsonb_set(mapping, '{keys}', cast(:keys as jsonb))
             where merchant_id = :m and id = :s
        """),
        {"m": merchant_id, "s": source_id, "keys": json.dumps(rules.to_json())},
    )
    return match_source(db, merchant_id, source_id)


def _codes(db: sa.Connection, merchant_id: int, source_id: int) -> list[str]:
    rows = db.execute(
        sa.text(f"select coalesce(nullif(o.sku, ''), nullif(o.supplier_sku, ''), o.item_key) {_OPEN}"),
        {"m": merchant_id, "s": source_id, "like": ""},
    )
    return [sku_key(row[0]) for row in rows]


def _sku_keys(db: sa.Connection, merchant_id: int) -> list[str]:
    found = sa.text("select sku_key from variant where merchant_id = :m and sku_key <> ''")
    return list(db.execute(found, {"m": merchant_id}).scalars())


def _check(db: sa.Connection, merchant_id: int, source_id: int, item_key: str) -> None:
    row = db.execute(
        sa.text("select 1 from observation where merchant_id = :m and source_id = :s and item_key = :k"),
        {"m": merchant_id, "s": source_id, "k": item_key},
    ).first()
    if row is None:
        raise ChoiceRefused(f"Supplier {source_id} has no item “{item_key}”. Look it up: dispo match open.")


def _remember(db: sa.Connection, given: dict[str, Any], links: list[list[Any]]) -> None:
    db.execute(
        sa.text("""
            insert into match_choice (merchant_id, source_id, item_key, choice, variant_id, undo, actor, decided_at)
            values (:m, :s, :k, :choice, :v, cast(:undo as jsonb), :actor, :now)
        """),
        {**given, "undo": json.dumps({"links": links})},
    )
