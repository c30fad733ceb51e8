"""What our own tables know of the pages of one search connection, together with what was seen of them."""

from __future__ import annotations

import sqlalchemy as sa

from connector.ports.search import Inspection, Look, MarkupIssue
from connector.search.rules import PageFacts


def facts_of(db: sa.Connection, merchant_id: int, connection_id: int) -> list[PageFacts]:
    """Every page of the connection whose product we keep or kept. Others are left out: of a page whose
    listings are no longer known, or not under management, nothing can be said."""
    return [_facts(row) for row in db.execute(_FACTS, {"m": merchant_id, "c": connection_id})]


def _facts(row: sa.Row[tuple[object, ...]]) -> PageFacts:
    values = row._mapping
    inspection = look = None
    if values["inspected_at"] is not None and not values["problem"]:
        inspection = Inspection(
            values["is_indexed"],
            values["fault"],
            values["crawled_at"],
            values["canonical"],
            values["coverage"],
            tuple(MarkupIssue(*issue) for issue in values["issues"]),
            values["report_url"],
        )
    if values["look_status"] is not None:
        look = Look(values["look_status"], values["look_location"], values["is_noindex"], values["offered"])
    return PageFacts(
        page_key=values["page_key"],
        clicks=values["clicks"],
        impressions=values["impressions"],
        is_deleted=not values["is_there"],
        is_hidden=values["is_there"] and not values["is_published"],
        sellable=values["sellable"],
        unsellable=values["unsellable"],
        unknown=values["unknown"],
        out_since=values["out_since"],
        restock_on=values["restock_on"],
        is_discontinued=values["is_discontinued"],
        changed_at=values["changed_at"],
        inspection=inspection,
        inspected_at=values["inspected_at"],
        look=look,
        looked_at=values["looked_at"],
    )


# The listings with the page they are on, or were on when their store last named an address for them.
LISTED = """
    listed as (
      select l.*, coalesce(nullif(l.page_key, ''), known.page_key) as page
        from listing l
        join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id and c.status <> 'ended'
        left join (
          select distinct on (s.store_id, s.product_id) s.store_id, s.product_id, s.page_key
            from search_page s
           where s.merchant_id = :m and s.connection_id = :c and s.product_id <> ''
           order by s.store_id, s.product_id, s.page_key) known
          on l.page_key = '' and known.store_id = l.connection_id and known.product_id = l.product_id
       where l.merchant_id = :m and (l.page_key <> '' or known.page_key is not null))
"""

# What we keep true counts by its position; what else stands on the page counts as sellable while the store
# itself sells it. Only a page that says something of its offers needs to know since when that holds.
_FACTS = sa.text(f"""
    with {LISTED},
    item as (
      select l.page as page_key, l.connection_id, l.external_id, min(l.variant_id) as variant_id,
             bool_or(not l.is_gone) as is_there, bool_or(l.is_published and not l.is_gone) as is_published,
             bool_or(l.is_managed and not l.is_excluded) as is_ours,
             bool_or(case when l.is_gone then null
                          when l.is_managed and not l.is_excluded and l.problem = ''
                          then p.available > 0 or p.state in ('backorder', 'made_to_order', 'preorder')
                          when l.is_published and coalesce(l.believed_available, 1) > 0 then true end) as sells,
             bool_or(l.is_managed and not l.is_excluded and l.problem = '' and not l.is_gone) as is_decided,
             max(p.out_since) as out_since, min(p.restock_on) as restock_on,
             bool_and(p.state = 'discontinued') as is_discontinued
        from listed l
        left join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
       group by l.page, l.connection_id, l.external_id),
    page as (
      select page_key, bool_or(is_there) as is_there, bool_or(is_published) as is_published,
             count(*) filter (where sells) as sellable, count(*) filter (where not sells) as unsellable,
             count(*) filter (where sells is null and is_decided) as unknown,
             case when bool_or(not sells and out_since is null) then null
                  else max(out_since) filter (where not sells) end as out_since,
             min(restock_on) filter (where not sells) as restock_on,
             coalesce(bool_and(is_discontinued) filter (where not sells), false) as is_discontinued,
             array_agg(variant_id) as variants
        from item group by page_key having bool_or(is_ours))
    select s.*, page.is_there, page.is_published, page.sellable, page.unsellable, page.unknown,
           page.out_since, page.restock_on, page.is_discontinued, moved.at as changed_at
      from search_page s
      join page on page.page_key = s.page_key
      left join lateral (
        select max(m.at) as at from movement m
         where s.offered <> '' and m.merchant_id = :m and m.variant_id = any(page.variants)
           and (m.available_before > 0) <> (m.available_after > 0)) moved on true
     where s.merchant_id = :m and s.connection_id = :c
     order by s.page_key
""")  # noqa: S608 - a constant of this module, no input
