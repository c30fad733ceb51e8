"""Products: the list with search and filter, one product, and everything as a file."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connector.catalog.keys import gtin_key
from connector.positions.why import Explanation, explain_row
from connector.web.queries.overview import SELLABLE_STATES

PAGE = 50
FILTERS = ("sellable", "in_stock", "low_stock", "restocking", "backorder", "out_of_stock", "discontinued")

_ROWS = """
    select v.id, v.sku, v.title, v.gtin, p.available, coalesce(p.state, '') as state, p.restock_on,
           p.restock_until, p.decided_at, l.image_url, l.price_minor,
           coalesce(w.waiting, 0) as waiting
      from variant v
      left join position p on p.merchant_id = v.merchant_id and p.variant_id = v.id and p.version > 0
      left join lateral (select i.image_url, i.price_minor from listing i
                          where i.merchant_id = v.merchant_id and i.variant_id = v.id
                          order by (i.image_url = ''), i.id limit 1) l on true
      left join lateral (select count(*) as waiting from subscription s
                          where s.merchant_id = v.merchant_id and s.variant_id = v.id
                            and s.status = 'waiting') w on true
     where v.merchant_id = :m
       and (:has_states = false or p.state = any(cast(:states as text[])))
       and (:q = '' or v.sku_key like :prefix or v.title ilike :contains or v.gtin in (:q, :gtin))
"""
_PAGE = sa.text(f"""{_ROWS}
       and (:after = 0 or (v.sku_key, v.id) > (select a.sku_key, a.id from variant a
                                                where a.merchant_id = :m and a.id = :after))
     order by v.sku_key, v.id limit :n
""")  # noqa: S608 - constants of this module, no input
EXPORT = sa.text(f"{_ROWS} order by v.sku_key, v.id")


def arguments(merchant_id: int, search: str, state: str) -> dict[str, Any]:
    """What the statements above need. `state` is one of FILTERS or empty; what is no filter finds
    nothing. Search looks at the beginning of the SKU, anywhere in the title, and the exact barcode."""
    text = search.strip()
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {
        "m": merchant_id,
        "q": text,
        "gtin": _barcode(text),
        "prefix": f"{escaped.casefold()}%",
        "contains": f"%{escaped}%",
        "has_states": bool(state),
        "states": list(SELLABLE_STATES) if state == "sellable" else [state],
    }


def _barcode(text: str) -> str:
    """The barcode as variants keep it; the text itself when it is none."""
    try:
        return gtin_key(text) or text
    except ValueError:
        return text


def listed(
    db: sa.Connection,
    merchant_id: int,
    *,
    search: str = "",
    state: str = "",
    after: int = 0,
    limit: int = PAGE,
) -> list[sa.Row[Any]]:
    """Products by SKU; `after` is the id of the last one of the page before."""
    given = {**arguments(merchant_id, search, state), "after": after, "n": limit}
    return list(db.execute(_PAGE, given))


def states(db: sa.Connection, merchant_id: int) -> dict[str, int]:
    """How many variants are in each state."""
    rows = db.execute(
        sa.text("select state, count(*) from position where merchant_id = :m and version > 0 group by state"),
        {"m": merchant_id},
    )
    return {row[0]: int(row[1]) for row in rows}


def explained(db: sa.Connection, merchant_id: int, variant_id: int) -> tuple[sa.Row[Any], Explanation] | None:
    """One product and why it is as it is; None when this merchant has none with that id."""
    row = db.execute(
        sa.text("""
            select v.id, v.sku, v.title, v.gtin, v.collection, p.available, p.state, p.restock_on,
                   p.restock_until, p.restock_basis, p.shown_count, p.decided_at, p.out_since, p.recheck_at,
                   p.why, l.image_url, l.price_minor,
                   (select count(*) from subscription s where s.merchant_id = v.merchant_id
                       and s.variant_id = v.id and s.status = 'waiting') as waiting
              from variant v
              left join position p on p.merchant_id = v.merchant_id and p.variant_id = v.id and p.version > 0
              left join lateral (select i.image_url, i.price_minor from listing i
                                  where i.merchant_id = v.merchant_id and i.variant_id = v.id
                                  order by (i.image_url = ''), i.id limit 1) l on true
             where v.merchant_id = :m and v.id = :v
        """),
        {"m": merchant_id, "v": variant_id},
    ).one_or_none()
    if row is None:
        return None
    return row, explain_row(db, merchant_id, row)


def source_names(db: sa.Connection, merchant_id: int) -> dict[int, str]:
    """Names of the merchant's sources by id."""
    rows = db.execute(sa.text("select id, name from source where merchant_id = :m"), {"m": merchant_id})
    return {row[0]: row[1] for row in rows}


def connection_name(db: sa.Connection, merchant_id: int, row: sa.Row[Any]) -> str:
    """Who named the day that a product's restock date rests on; empty where it has none."""
    promise = (row.why or {}).get("promise") or {}
    return str(
        db.execute(
            sa.text("select name from connection where merchant_id = :m and id = :c"),
            {"m": merchant_id, "c": promise.get("connection", 0)},
        ).scalar()
        or ""
    )


def movements(
    db: sa.Connection, merchant_id: int, *, variant_id: int = 0, before: int = 0, limit: int = PAGE
) -> list[sa.Row[Any]]:
    """Changes of what may be sold, newest first; of one product or of all."""
    return list(
        db.execute(
            sa.text(
                f"{_MOVED} and (:before = 0 or t.id < :before) and (:v = 0 or t.variant_id = :v)"
                " order by t.id desc limit :n"
            ),
            {"m": merchant_id, "v": variant_id, "before": before, "n": limit},
        )
    )


_MOVED = """
    select t.id, t.at, t.cause, t.run_id, t.reference, t.available_before, t.available_after,
           t.state_before, t.state_after, t.variant_id, v.sku, v.title
      from movement t join variant v on v.merchant_id = t.merchant_id and v.id = t.variant_id
     where t.merchant_id = :m
"""
MOVED_EXPORT = sa.text(f"{_MOVED} order by t.id desc")
