"""Why a code does not reach the stores: where it stopped on its way from the supplier's row to a listing."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from connector.catalog.keys import KeyRules, gtin_key, sku_key

MOST = 50
RUNS = 10
"""So many of each supplier's latest runs are searched for rejected rows."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One place where it stopped. `kind`: rejected (its row has a fault), held (waits for the merchant), ignored
    (the merchant said it is not his), unmatched (no product has the code), no_source (a product, and no supplier
    that lists it), unsaid (the supplier named no quantity), excluded, gone, yielded, problem, not_approved,
    stopped, paused (of a store's listing). `where` is the supplier or the store; `reason` the fault's own
    sentence."""

    kind: str
    where: str
    run_id: int | None = None
    line: int | None = None
    reason: str = ""
    before: int | None = None
    after: int | None = None
    variant_id: int | None = None
    connection_id: int | None = None


def unsynced(db: sa.Connection, merchant_id: int, code: str) -> list[Stop]:
    """Where this SKU, barcode or supplier's code stopped, nearest to the supplier first; empty when nothing is
    known of it, or when nothing stops it."""
    given = {"m": merchant_id, "n": MOST, "runs": RUNS}
    plain = sku_key(code)
    if not plain:
        return []
    sources = db.execute(_SOURCES, given).all()
    keys = {plain, _barcode(code)} - {""}
    for source in sources:
        rules = KeyRules.from_json((source.mapping or {}).get("keys"))
        keys.add(f"{sku_key(rules.prefix)}{plain}{sku_key(rules.suffix)}")
    asked = {**given, "keys": sorted(keys)}
    return [
        Stop(*row)
        for statement in (_REJECTED, _HELD, _ITEMS, _LISTINGS)
        for row in db.execute(statement, asked)
    ]


def _barcode(code: str) -> str:
    try:
        return gtin_key(code)
    except ValueError:
        return ""


_SOURCES = sa.text("select id, mapping from source where merchant_id = :m order by id limit :n")

_REJECTED = sa.text("""
    select 'rejected' as kind, s.name, i.run_id, i.line, i.reason, null as before, null as after,
           null as variant_id, s.connection_id
      from source s
      join lateral (select r.id from run r where r.merchant_id = :m and r.source_id = s.id and r.rows_rejected > 0
                     order by r.id desc limit :runs) r on true
      join run_issue i on i.merchant_id = :m and i.run_id = r.id and i.code not like 'note:%'
     where s.merchant_id = :m
       and exists (select 1 from jsonb_array_elements_text(i.cells) c
                    where lower(trim(c)) = any(cast(:keys as text[])))
     order by i.run_id desc, i.line limit :n
""")
_HELD = sa.text("""
    select 'held', s.name, h.run_id, null, h.reason, h.quantity_before, h.quantity_after, null, s.connection_id
      from held_change h join source s on s.merchant_id = h.merchant_id and s.id = h.source_id
     where h.merchant_id = :m and h.status = 'held' and h.item_key = any(cast(:keys as text[]))
     order by h.id desc limit :n
""")
_ITEMS = sa.text("""
    select case when x.choice = 'ignore' then 'ignored' when l.variant_id is null then 'unmatched'
                else 'unsaid' end,
           s.name, o.run_id, o.line, '', null, o.quantity, l.variant_id, s.connection_id
      from source s
      join observation o on o.merchant_id = :m and o.source_id = s.id and o.item_key = any(cast(:keys as text[]))
      left join supplier_item l on l.merchant_id = :m and l.source_id = s.id and l.item_key = o.item_key
      left join match_choice x on x.merchant_id = :m and x.source_id = s.id and x.item_key = o.item_key
     where s.merchant_id = :m and (l.variant_id is null or (o.quantity is null and not o.is_word))
     order by s.name limit :n
""")
_LISTINGS = sa.text("""
    select w.kind, w.name, null, null, w.reason, w.before, w.after, w.variant_id, w.connection_id
      from (select v.id as variant_id, 0 as connection_id, '' as name, 'no_source' as kind, '' as reason,
                   null as before, null as after
              from variant v
             where v.merchant_id = :m and (v.sku_key = any(cast(:keys as text[]))
                   or (v.gtin <> '' and v.gtin = any(cast(:keys as text[]))))
               and not exists (select 1 from supplier_item i where i.merchant_id = :m and i.variant_id = v.id)
               and not exists (select 1 from bundle_component b where b.merchant_id = :m and b.variant_id = v.id)
             union all
            select v.id, c.id, c.name,
                   case when l.is_gone then 'gone' when l.is_excluded then 'excluded'
                        when l.problem <> '' then 'problem' when l.yielded_at is not null then 'yielded'
                        when c.status <> 'active' then 'paused' when c.is_writing_stopped then 'stopped'
                        when c.writing_approved_at is null then 'not_approved' end,
                   case when l.problem <> '' then l.problem else c.status_reason end,
                   l.believed_available, l.wanted_available
              from variant v
              join listing l on l.merchant_id = :m and l.variant_id = v.id
              join connection c on c.merchant_id = :m and c.id = l.connection_id
             where v.merchant_id = :m and (v.sku_key = any(cast(:keys as text[]))
                   or (v.gtin <> '' and v.gtin = any(cast(:keys as text[]))))) w
     where w.kind is not null order by w.variant_id, w.connection_id limit :n
""")
