"""Runs: the list, one of them, what it changed, what it held and which rows it rejected."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

PAGE = 50

_COLUMNS = """r.id, r.source_id, s.name, r.trigger, r.status, r.stage, r.started_at, r.finished_at, r.as_of,
           r.file_name, r.size_bytes, r.rows_read, r.rows_changed, r.rows_new, r.rows_missing, r.rows_rejected,
           r.rows_held, r.variants_decided, r.variants_changed, r.error_code, r.error"""
_LIST = f"""
    select {_COLUMNS}
      from run r join source s on s.merchant_id = r.merchant_id and s.id = r.source_id
     where r.merchant_id = :m and r.status <> 'preview'
       and (:before = 0 or r.id < :before) and (:source = 0 or r.source_id = :source)
       and (:status = '' or r.status = :status)
     order by r.id desc limit :n
"""  # noqa: S608 - constants of this module, no input


def latest(
    db: sa.Connection,
    merchant_id: int,
    *,
    limit: int = PAGE,
    before: int = 0,
    source_id: int = 0,
    status: str = "",
) -> list[sa.Row[Any]]:
    """Runs, newest first; `before` is the id of the last one of the page before."""
    return list(
        db.execute(
            sa.text(_LIST),
            {"m": merchant_id, "before": before, "source": source_id, "status": status, "n": limit},
        )
    )


EXPORT = sa.text(f"""
    select {_COLUMNS}
      from run r join source s on s.merchant_id = r.merchant_id and s.id = r.source_id
     where r.merchant_id = :m and r.status <> 'preview' order by r.id desc
""")  # noqa: S608 - a constant of this module, no input


def one(db: sa.Connection, merchant_id: int, run_id: int) -> sa.Row[Any] | None:
    """One run of this merchant, None when there is none. `is_latest`: no later run of its source took
    anything over."""
    return db.execute(
        sa.text(f"""
            select {_COLUMNS}, r.shape, r.feed_path, s.connection_id,
                   not exists (select 1 from run n where n.merchant_id = r.merchant_id
                                  and n.source_id = r.source_id and n.id > r.id
                                  and n.status in ('applied', 'partly_held')) as is_latest
              from run r join source s on s.merchant_id = r.merchant_id and s.id = r.source_id
             where r.merchant_id = :m and r.id = :r
        """),  # noqa: S608 - a constant of this module, no input
        {"m": merchant_id, "r": run_id},
    ).one_or_none()


def sources(db: sa.Connection, merchant_id: int) -> list[sa.Row[Any]]:
    """The merchant's sources, for a filter."""
    return list(
        db.execute(
            sa.text("select id, name from source where merchant_id = :m order by name, id"),
            {"m": merchant_id},
        )
    )


def movements(
    db: sa.Connection, merchant_id: int, run_id: int, *, limit: int = PAGE, before: int = 0
) -> list[sa.Row[Any]]:
    """What a run changed, newest first."""
    return list(
        db.execute(
            sa.text(f"{_MOVED} and (:before = 0 or t.id < :before) order by t.id desc limit :n"),
            {"m": merchant_id, "r": run_id, "before": before, "n": limit},
        )
    )


_MOVED = """
    select t.id, t.at, t.cause, t.run_id, t.reference, t.available_before, t.available_after,
           t.state_before, t.state_after, t.variant_id, v.sku, v.title
      from movement t join variant v on v.merchant_id = t.merchant_id and v.id = t.variant_id
     where t.merchant_id = :m and t.run_id = :r
"""
MOVED_EXPORT = sa.text(f"{_MOVED} order by t.id")


def issues(
    db: sa.Connection, merchant_id: int, run_id: int, *, limit: int = PAGE, after: int = 0
) -> list[sa.Row[Any]]:
    """The rejected rows of a run in the order of the file; `after` is the id of the last one shown."""
    return list(
        db.execute(
            sa.text("""
                select id, line, "column", code, reason, cells from run_issue
                 where merchant_id = :m and run_id = :r and id > :after order by id limit :n
            """),
            {"m": merchant_id, "r": run_id, "after": after, "n": limit},
        )
    )


ISSUES_EXPORT = sa.text("""
    select line, "column", code, reason, cells from run_issue where merchant_id = :m and run_id = :r
     order by id
""")


def held(
    db: sa.Connection,
    merchant_id: int,
    run_id: int,
    *,
    limit: int = PAGE,
    after: int = 0,
    danger: str = "",
    search: str = "",
) -> list[sa.Row[Any]]:
    """The rows a run held, the most dangerous first, with the variants they are bought as; `after` so many.
    `danger` is one of DANGERS, `search` a part of the item's code, the SKU or the title; both may be empty."""
    more = f"{_FITS} order by danger, id offset :after limit :n"
    given = {**_fits(merchant_id, run_id, danger, search), "after": after, "n": limit}
    return list(db.execute(sa.text(_HELD.format(danger=_DANGER, more=more)), given))


def waiting(
    db: sa.Connection, merchant_id: int, run_id: int, *, danger: str = "", search: str = ""
) -> list[int]:
    """The ids of the rows that still wait and fit, as in `held`."""
    return list(db.execute(_WAITING, _fits(merchant_id, run_id, danger, search)).scalars())


def _fits(merchant_id: int, run_id: int, danger: str, search: str) -> dict[str, Any]:
    text = search.strip()
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    place = DANGERS.index(danger) if danger in DANGERS else -1
    return {"m": merchant_id, "r": run_id, "danger": place, "q": text, "like": f"%{escaped}%"}


_DANGER = """case when quantity_before > 0 and coalesce(quantity_after, 0) <= 0 then 0
                 when quantity_before is null then 4
                 when quantity_after < quantity_before then 1
                 when quantity_after = quantity_before then 5
                 when quantity_before <= 0 then 2 else 3 end"""
_FITS = f"""and (cast(:danger as integer) < 0 or {_DANGER} = cast(:danger as integer))
                 and (:q = '' or h.item_key ilike :like or exists (
                      select 1 from supplier_item i
                        join variant x on x.merchant_id = i.merchant_id and x.id = i.variant_id
                       where i.merchant_id = h.merchant_id and i.source_id = h.source_id
                         and i.item_key = h.item_key and (x.sku ilike :like or x.title ilike :like)))
"""  # noqa: S608 - constants of this module, no input
_WAITING = sa.text(
    f"select id from held_change h where merchant_id = :m and run_id = :r and status = 'held' {_FITS}"  # noqa: S608
)
_HELD = """
    select h.id, h.item_key, h.status, h.reason, h.quantity_before, h.quantity_after, v.variant_id, v.sku, v.title
      from (select *, {danger} as danger from held_change h where merchant_id = :m and run_id = :r {more}) h
      left join lateral (
           select i.variant_id, x.sku, x.title from supplier_item i
             join variant x on x.merchant_id = i.merchant_id and x.id = i.variant_id
            where i.merchant_id = h.merchant_id and i.source_id = h.source_id and i.item_key = h.item_key
            order by i.variant_id limit 1) v on true
     order by h.danger, h.id
"""
HELD_EXPORT = sa.text(_HELD.format(danger=_DANGER, more=""))

DANGERS = ("to_zero", "down", "back", "up", "new", "same")
"""What would become of a held row, the most dangerous first."""


def held_dangers(db: sa.Connection, merchant_id: int, run_id: int) -> dict[str, int]:
    """How many held rows would sell out, go down, come back, go up, are new or stay, whatever was answered."""
    rows = db.execute(
        sa.text(
            f"select {_DANGER} as danger, count(*) from held_change"  # noqa: S608 - constants of this module
            " where merchant_id = :m and run_id = :r group by 1"
        ),
        {"m": merchant_id, "r": run_id},
    )
    found = {row[0]: row[1] for row in rows}
    return {name: found.get(place, 0) for place, name in enumerate(DANGERS)}


def held_count(db: sa.Connection, merchant_id: int, run_id: int, status: str = "held") -> int:
    """How many rows of this run still wait, or ended as `status`."""
    return int(
        db.execute(
            sa.text(
                "select count(*) from held_change where merchant_id = :m and run_id = :r and status = :status"
            ),
            {"m": merchant_id, "r": run_id, "status": status},
        ).scalar_one()
    )
