"""Links supplier items to variants by SKU, GTIN or supplier SKU, and never guesses.

An item is linked when all that matches it is one variant, and that variant has no other item of the same
source. Everything else is listed: `unmatched` and `ambiguities`. Listings of linked variants come under
management unless the merchant excluded them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from connector.catalog.keys import KEY_FIELDS, NO_RULES, KeyRules, gtin_key, sku_key
from connector.catalog.management import manage

__all__ = [
    "Ambiguity",
    "KeyRules",
    "Unmatched",
    "ambiguities",
    "gtin_key",
    "match_items",
    "match_source",
    "sku_key",
    "unlink",
    "unmatched",
]

_BATCH = 20_000

_OBSERVED = "(select * from observation where merchant_id = %(merchant)s and source_id = %(source)s)"


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A supplier item that no variant matches."""

    item_key: str
    sku: str
    gtin: str
    supplier_sku: str
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """An item that is not linked because it could be linked in more than one way.

    `reason`: several_variants (they share a code, perhaps but for case), codes_disagree (its SKU names
    one variant and its GTIN another) or several_items (other items of this source match the variant too).
    """

    source_id: int
    item_key: str
    reason: str
    variant_ids: tuple[int, ...]
    other_items: tuple[str, ...] = ()


def match_items(db: sa.Connection, merchant_id: int, source_id: int, item_keys: Iterable[str]) -> set[int]:
    """Link those of these observed items that are not linked yet; returns the variants newly linked."""
    db.exec_driver_sql("create temp table chosen_item (item_key text) on commit drop")
    with _driver(db).cursor() as cursor, cursor.copy("copy chosen_item from stdin") as copy:
        for key in item_keys:
            copy.write_row((key,))
    items = (
        "(select o.* from observation o join chosen_item c on c.item_key = o.item_key"
        " where o.merchant_id = %(merchant)s and o.source_id = %(source)s)"
    )
    linked = match_source(db, merchant_id, source_id, items=items)
    db.exec_driver_sql("drop table chosen_item")
    return linked


def match_source(
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    *,
    variant_ids: Sequence[int] | None = None,
    items: str = _OBSERVED,
) -> set[int]:
    """Link the items of a source that are not linked yet; returns the variants newly linked.

    `variant_ids`: link these variants only (the catalogue grew by them). `items`: SQL of the caller, a
    relation with item_key, sku, gtin and supplier_sku of the observed items to consider.
    """
    if variant_ids is not None and not variant_ids:
        return set()
    codes = _codes_of(db, merchant_id, source_id)
    _fill_candidates(db, merchant_id, source_id, items, codes, variant_ids)
    given: dict[str, Any] = {"merchant": merchant_id, "source": source_id}
    among = ""
    if variant_ids is not None:
        among = "where variant_id = any(cast(:variants as bigint[]))"
        given["variants"] = list(variant_ids)
    rows = db.execute(
        sa.text(f"""
            with {_hits(codes.rules)}, {_CHOSEN}
            insert into supplier_item (merchant_id, source_id, item_key, variant_id, how)
            select :merchant, :source, c.item_key, c.variant_id,
                   case c.rank when 1 then 'sku' when 2 then 'gtin' else 'supplier_sku' end
              from chosen c {among}
                on conflict do nothing
            returning variant_id
        """),  # noqa: S608 - constants of this module
        given,
    )
    linked = {row[0] for row in rows}
    db.exec_driver_sql("drop table candidate")
    manage(db, merchant_id, linked)
    return linked


def match_staged(
    db: sa.Connection, merchant_id: int, source_id: int, relation: str, mapping: Mapping[str, Any]
) -> None:
    """Fill the temporary table `matched (item_key, variant_id, units_per_variant)` with the links that the
    items of `relation` have or would get under `mapping` (as a source stores it); nothing is linked.
    `relation` is a temporary table of this transaction with item_key, sku, gtin and supplier_sku."""
    codes = Codes.of(mapping)
    _fill_candidates(db, merchant_id, source_id, relation, codes)
    db.execute(
        sa.text(f"""
            create temp table matched on commit drop as
            with {_hits(codes.rules)}, {_CHOSEN}
            select item_key, variant_id, 1 as units_per_variant from chosen
            union all
            select l.item_key, l.variant_id, l.units_per_variant from supplier_item l
              join {relation} r on r.item_key = l.item_key
             where l.merchant_id = :merchant and l.source_id = :source
        """),  # noqa: S608 - constants of this module and a table's name
        {"merchant": merchant_id, "source": source_id},
    )
    db.exec_driver_sql("drop table candidate")


def unlink(db: sa.Connection, merchant_id: int, source_id: int, item_keys: Sequence[str]) -> set[int]:
    """Remove the links of these items that were found by matching (those made by hand stay); returns the
    variants concerned. Listings of variants left without any supplier item leave management: nothing is
    known of them any more, and not knowing is no reason to write a zero."""
    given = {"merchant": merchant_id, "source": source_id, "keys": list(item_keys)}
    rows = db.execute(
        sa.text("""
            delete from supplier_item where merchant_id = :merchant and source_id = :source
               and item_key = any(cast(:keys as text[])) and how <> 'hand' returning variant_id
        """),
        given,
    )
    variants = {row[0] for row in rows}
    release(db, merchant_id, variants)
    return variants


def release(db: sa.Connection, merchant_id: int, variants: set[int]) -> None:
    """Listings of those of these variants that no supplier item and no bundle is left for leave management."""
    if variants:
        db.execute(
            sa.text("""
                with orphan as (
                    select l.id from listing l
                     where l.merchant_id = :merchant and l.variant_id = any(cast(:variants as bigint[]))
                       and l.is_managed
                       and not exists (select 1 from supplier_item i
                                        where i.merchant_id = l.merchant_id and i.variant_id = l.variant_id)
                       and not exists (select 1 from bundle_component b
                                        where b.merchant_id = l.merchant_id and b.variant_id = l.variant_id)
                     order by l.id for update)
                update listing l set is_managed = false from orphan o
                 where l.merchant_id = :merchant and l.id = o.id
            """),
            {"merchant": merchant_id, "variants": list(variants)},
        )


def unmatched(db: sa.Connection, merchant_id: int, source_id: int, limit: int = 100) -> list[Unmatched]:
    """Items of a source without a variant, in the order of their codes."""
    rows = db.execute(
        sa.text("""
            select o.item_key, o.sku, o.gtin, o.supplier_sku, o.quantity
              from observation o
             where o.merchant_id = :merchant and o.source_id = :source
               and not exists (select 1 from supplier_item l where l.merchant_id = o.merchant_id
                                  and l.source_id = o.source_id and l.item_key = o.item_key)
             order by o.item_key limit :limit
        """),
        {"merchant": merchant_id, "source": source_id, "limit": limit},
    )
    return [Unmatched(*row) for row in rows]


def ambiguities(db: sa.Connection, merchant_id: int, limit: int = 100) -> list[Ambiguity]:
    """Items of any source that wait for the merchant because they match more than one way."""
    answer: list[Ambiguity] = []
    sources = db.execute(
        sa.text("select id from source where merchant_id = :merchant order by id"), {"merchant": merchant_id}
    ).scalars()
    for source_id in list(sources):
        if len(answer) < limit:
            answer += _ambiguities_of(db, merchant_id, source_id, limit - len(answer))
    return answer


def _ambiguities_of(db: sa.Connection, merchant_id: int, source_id: int, limit: int) -> list[Ambiguity]:
    codes = _codes_of(db, merchant_id, source_id)
    _fill_candidates(db, merchant_id, source_id, _OBSERVED, codes)
    rows = db.execute(
        sa.text(f"""
            with {_hits(codes.rules)},
            per as (select item_key, count(distinct variant_id) as variants,
                           array_agg(distinct variant_id) as variant_ids,
                           bool_or(n > 1) as is_shared
                      from (select h.*, count(*) over (partition by item_key, rank) as n from hit h) h
                     group by item_key),
            wanted as (select variant_id, array_agg(item_key order by item_key) as items
                         from (select variant_ids[1] as variant_id, item_key from per where variants = 1
                               union
                               select l.variant_id, l.item_key from supplier_item l
                                where l.merchant_id = :merchant and l.source_id = :source) w
                        group by variant_id)
            select p.item_key, p.variant_ids, p.variants, p.is_shared,
                   array_remove(w.items, p.item_key) as others
              from per p left join wanted w on p.variants = 1 and w.variant_id = p.variant_ids[1]
             where (p.variants > 1 or cardinality(w.items) > 1)
               and not (p.variants = 1 and exists (
                        select 1 from match_choice c
                         where c.merchant_id = :merchant and c.source_id = :source and c.choice = 'link'
                           and c.variant_id = p.variant_ids[1]))
             order by p.item_key limit :limit
        """),  # noqa: S608 - constants of this module
        {"merchant": merchant_id, "source": source_id, "limit": limit},
    ).all()
    db.exec_driver_sql("drop table candidate")
    answer = []
    for row in rows:
        if row.variants == 1:
            reason, others = "several_items", tuple(row.others[:20])
        else:
            reason, others = ("several_variants" if row.is_shared else "codes_disagree"), ()
        answer.append(Ambiguity(source_id, row.item_key, reason, tuple(row.variant_ids), others))
    return answer


# Only what is certain: all codes of the item name one variant, no other item names that variant by a code
# as good, and none of this source is linked to it already.
_CHOSEN = """
        sure as (select item_key, min(variant_id) as variant_id, min(rank) as rank
                   from hit group by item_key having count(distinct variant_id) = 1),
        ranked as (select s.*, rank() over (partition by variant_id order by rank) as place,
                          count(*) over (partition by variant_id, rank) as equals from sure s),
        chosen as (select item_key, variant_id, rank from ranked r
                    where place = 1 and equals = 1
                      and not exists (select 1 from supplier_item l
                                       where l.merchant_id = :merchant and l.source_id = :source
                                         and l.variant_id = r.variant_id))"""


def _hits(rules: KeyRules) -> str:
    """SQL of `hit (item_key, variant_id, rank)`: every variant that a code of a candidate names."""
    ours = "ltrim(v.sku_key, '0')" if rules.leading_zeros else "v.sku_key"
    theirs = "ltrim(c.{0}, '0')" if rules.leading_zeros else "c.{0}"
    by_sku, by_supplier = theirs.format("sku_key"), theirs.format("supplier_key")
    return f"""
        hit as (
            select c.item_key, v.id as variant_id, 1 as rank
              from candidate c join variant v on v.merchant_id = :merchant and {ours} = {by_sku}
             where c.sku_key <> ''
            union
            select c.item_key, v.id, 2
              from candidate c
              join variant v on v.merchant_id = :merchant and v.gtin <> '' and ltrim(v.gtin, '0') = c.gtin
             where c.gtin <> ''
            union
            select c.item_key, v.id, 3
              from candidate c join variant v on v.merchant_id = :merchant and {ours} = {by_supplier}
             where c.supplier_key <> ''
        )"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class Codes:
    """What of a source's mapping decides how its items are compared."""

    rules: KeyRules
    key_field: str
    has_gtin: bool

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Codes:
        columns = mapping.get("columns") or {}
        key_field = next((name for name in KEY_FIELDS if name in columns), "")
        return cls(KeyRules.from_json(mapping.get("keys")), key_field, "gtin" in columns)


def _codes_of(db: sa.Connection, merchant_id: int, source_id: int) -> Codes:
    mapping = db.execute(
        sa.text("select mapping from source where merchant_id = :merchant and id = :source"),
        {"merchant": merchant_id, "source": source_id},
    ).scalar_one()
    return Codes.of(mapping)


def _fill_candidates(
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    items: str,
    codes: Codes,
    variant_ids: Sequence[int] | None = None,
) -> None:
    """Put those of `items` that are not linked and share a code with some variant (of `variant_ids`), with
    their keys, into the temporary table `candidate`. Candidates that match nothing do no harm."""
    db.exec_driver_sql(
        "create temp table candidate (item_key text, sku_key text, gtin text, supplier_key text) on commit drop"
    )
    given = {"merchant": merchant_id, "source": source_id}
    unlinked = f"""
          from {items} o
         where not exists (select 1 from supplier_item l where l.merchant_id = %(merchant)s
                              and l.source_id = %(source)s and l.item_key = o.item_key)
           and not exists (select 1 from match_choice c where c.merchant_id = %(merchant)s
                              and c.source_id = %(source)s and c.item_key = o.item_key)
    """  # noqa: S608 - SQL of the caller, never input
    if codes.rules == NO_RULES and codes.key_field == "sku":
        # The item's own key already is its SKU as compared, so that of a million items only those few
        # are looked at that a variant's code names.
        among = "and v.id = any(%(variants)s)" if variant_ids is not None else ""
        named = f"exists (select 1 from variant v where v.merchant_id = %(merchant)s {among} and {{}})"  # noqa: S608
        wanted = [named.format("v.sku_key = o.item_key")]
        if codes.has_gtin:
            wanted.append("o.gtin <> '' and " + named.format("v.gtin <> '' and ltrim(v.gtin, '0') = o.gtin"))
        found = " union ".join(
            f"select o.item_key, o.item_key, o.gtin, '' {unlinked} and {which}" for which in wanted
        )
        db.exec_driver_sql(f"insert into candidate {found}", {**given, "variants": list(variant_ids or ())})
    else:
        _compute_candidates(db, unlinked, given, codes.rules)
    db.exec_driver_sql("analyze pg_temp.candidate")


def _compute_candidates(db: sa.Connection, unlinked: str, given: dict[str, int], rules: KeyRules) -> None:
    with _driver(db).cursor(name="unlinked_items") as reading, _driver(db).cursor() as writing:
        reading.execute(f"select o.item_key, o.sku, o.gtin, o.supplier_sku {unlinked}", given)
        while rows := reading.fetchmany(_BATCH):
            with writing.copy("copy candidate from stdin") as copy:
                for item, sku, gtin, supplier_sku in rows:
                    copy.write_row((item, sku_key(sku, rules), gtin, sku_key(supplier_sku, rules)))


def _driver(db: sa.Connection) -> Any:
    return db.connection.driver_connection
