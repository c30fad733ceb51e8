"""The hourly look: traffic once a day, then some of the planned inspections, then what follows from all that.

Safe to repeat and to kill at any moment. The plan stands in the pages (`turn`) and a page leaves it only when
its inspection is stored; the day's allowance is counted before each call, so that a crash spends one too many
rather than one too few. The engine's allowance and its days are capabilities of the adapter.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.catalog.pages import page_key
from connector.db import transaction
from connector.ports.errors import Misconfigured, Rejected, Retryable
from connector.ports.search import Inspection, Look, Search
from connector.search.facts import LISTED, facts_of
from connector.search.findings import Concluded, conclude
from connector.search.rules import turns
from connector.search.runtime import SearchRuntime

DAYS = 28
LONGEST_S = 600.0
"""One look takes no longer; what is left waits for the next."""
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look did: pages with traffic among ours (None: today's were read already), pages inspected,
    pages that wait for their turn, and the findings."""

    with_traffic: int | None
    inspected: int
    waiting: int
    findings: Concluded


def look(
    rt: SearchRuntime,
    merchant_id: int,
    connection_id: int,
    *,
    most: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Looked:
    """Look at one connection now. `most` inspections (None: the share of this hour). Raises a PortError when
    the engine refuses; whatever was read before that is kept and counts."""
    ends = clock() + LONGEST_S
    search = rt.search(merchant_id, connection_id)
    today = rt.now().astimezone(ZoneInfo(search.capabilities.time_zone)).date()
    with_traffic = None
    state = _state(rt, merchant_id, connection_id)
    if state.get("traffic_on") != today.isoformat():
        with_traffic = _read_traffic(rt, search, merchant_id, connection_id, today)
        _plan(rt, search, merchant_id, connection_id, today)
        _remember(rt, merchant_id, connection_id, traffic_on=today.isoformat())
    stopped: Retryable | None = None
    inspected = 0
    count = _share(rt, search, merchant_id, connection_id, today) if most is None else most
    try:
        while (
            inspected < count
            and clock() < ends
            and _inspect_next(rt, search, merchant_id, connection_id, today)
        ):
            inspected += 1
    except Retryable as error:
        # The page keeps its turn. What is known by now is still worth its findings.
        stopped = error
    with transaction(rt.engine) as db:
        found = conclude(db, merchant_id, connection_id, rt.now())
    if stopped is not None:
        raise stopped
    return Looked(with_traffic, inspected, _waiting(rt, merchant_id, connection_id), found)


def allowance(search: Search) -> int:
    """Inspections a day that are ours: three quarters of the engine's, the rest is the merchant's own."""
    return search.capabilities.inspections_a_day * 3 // 4


def _read_traffic(
    rt: SearchRuntime, search: Search, merchant_id: int, connection_id: int, today: date
) -> int:
    """The pages of our products, old and new, with the traffic of the last days. Returns those with any."""
    last = today - timedelta(days=search.capabilities.lag_days)
    seen: dict[str, tuple[int, int, str]] = {}
    for portion in search.traffic(last - timedelta(days=DAYS - 1), last):
        for row in portion:
            key = page_key(row.url)
            clicks, impressions, url = seen.get(key, (0, 0, _bare(row.url)))
            # The first is the most clicked: that spelling is the one the engine knows best.
            seen[key] = (clicks + row.clicks, impressions + row.impressions, url)
    with rt.engine.connect() as db:
        ours = db.execute(_OURS, {"m": merchant_id, "c": connection_id}).all()
    pages = []
    for mine in ours:
        clicks, impressions, url = seen.get(mine.page_key, (0, 0, _bare(mine.url)))
        if "/" in mine.page_key and search.covers(url):
            pages.append((mine.page_key, url, clicks, impressions, mine.store_id, mine.product_id))
    for start in range(0, len(pages), CHUNK):
        names = ("keys", "urls", "clicks", "shown", "stores", "products")
        columns = zip(*pages[start : start + CHUNK], strict=True)
        given = {name: list(column) for name, column in zip(names, columns, strict=True)}
        with transaction(rt.engine) as db:
            db.execute(_STORE_PAGES, {"m": merchant_id, "c": connection_id, **given})
    with transaction(rt.engine) as db:
        kept = {"m": merchant_id, "c": connection_id, "keys": [page[0] for page in pages]}
        # What belongs to no product of ours any more: its findings close with the next conclusion.
        db.execute(_FORGET_PAGES, kept)
    return sum(1 for page in pages if page[2] or page[3])


def _bare(url: str) -> str:
    """The address without variant, tracking and fragment."""
    parts = urlsplit(url)
    return parts._replace(query="", fragment="").geturl()


def _plan(rt: SearchRuntime, search: Search, merchant_id: int, connection_id: int, today: date) -> None:
    """What is inspected next, in its order: as much as the day allows."""
    used = int(_state(rt, merchant_id, connection_id).get("used", {}).get(today.isoformat(), 0))
    with transaction(rt.engine) as db:
        chosen = turns(facts_of(db, merchant_id, connection_id), max(0, allowance(search) - used), rt.now())
        db.execute(_PLAN, {"m": merchant_id, "c": connection_id, "keys": chosen})


def _share(rt: SearchRuntime, search: Search, merchant_id: int, connection_id: int, today: date) -> int:
    """This hour's part of what waits, so that the day's work spreads over what is left of the day."""
    zone = ZoneInfo(search.capabilities.time_zone)
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), zone)
    hours = max(1.0, (midnight - rt.now()) / timedelta(hours=1))
    return math.ceil(_waiting(rt, merchant_id, connection_id) / hours)


def _waiting(rt: SearchRuntime, merchant_id: int, connection_id: int) -> int:
    with rt.engine.connect() as db:
        return int(db.execute(_WAITING, {"m": merchant_id, "c": connection_id}).scalar_one())


def _inspect_next(
    rt: SearchRuntime, search: Search, merchant_id: int, connection_id: int, today: date
) -> bool:
    """Inspect the page whose turn it is. False when none waits or the day is used up."""
    key = {"m": merchant_id, "c": connection_id}
    with rt.engine.connect() as db:
        row = db.execute(_NEXT, key).one_or_none()
    if row is None or not _spend(rt, merchant_id, connection_id, today, allowance(search)):
        return False
    inspection, problem = None, ""
    try:
        inspection = search.inspect(row.url)
    except Rejected as error:
        problem = str(error)
    try:
        looked = search.look(row.url)
    except (Rejected, Misconfigured) as error:
        # An address that may not be asked (a private host) concerns this page only.
        looked, problem = None, problem or str(error)
    with transaction(rt.engine) as db:
        db.execute(
            _STORE, {**key, "key": row.page_key, "at": rt.now(), **_values(inspection, looked, problem)}
        )
    return True


def _values(inspection: Inspection | None, looked: Look | None, problem: str) -> dict[str, object]:
    one = inspection or Inspection(False, "", None)
    seen = looked or Look(0)
    return {
        "is_indexed": one.is_indexed,
        "fault": one.fault,
        "crawled": one.crawled_at,
        "canonical": one.canonical,
        "coverage": one.coverage,
        "issues": json.dumps([[issue.kind, issue.message, issue.is_error] for issue in one.issues]),
        "report": one.report_url,
        "problem": problem[:500] if inspection is None else "",
        "status": None if looked is None else seen.status,
        "location": seen.location,
        "noindex": seen.is_noindex,
        "offered": seen.offered,
    }


def _state(rt: SearchRuntime, merchant_id: int, connection_id: int) -> dict[str, Any]:
    """What is remembered of this connection: `traffic_on`, and `used` inspections by day."""
    with rt.engine.connect() as db:
        found = db.execute(
            sa.text("select cursors -> 'search' from connection where merchant_id = :m and id = :c"),
            {"m": merchant_id, "c": connection_id},
        ).scalar()
    return dict(found or {})


def _remember(rt: SearchRuntime, merchant_id: int, connection_id: int, **values: Any) -> None:
    with transaction(rt.engine) as db:
        db.execute(_REMEMBER, {"m": merchant_id, "c": connection_id, "values": json.dumps(values)})


def _spend(rt: SearchRuntime, merchant_id: int, connection_id: int, today: date, most: int) -> bool:
    """Count one inspection of today's before it is made. False when none is left."""
    with transaction(rt.engine) as db:
        given = {"m": merchant_id, "c": connection_id, "day": today.isoformat(), "most": most}
        return db.execute(_SPEND, given).rowcount > 0


_REMEMBER = sa.text("""
    update connection
       set cursors = cursors || jsonb_build_object(
             'search', coalesce(cursors -> 'search', '{}'::jsonb) || cast(:values as jsonb))
     where merchant_id = :m and id = :c
""")

# Only today's count is kept: yesterday's allowance concerns nobody any more.
_SPEND = sa.text("""
    update connection
       set cursors = cursors || jsonb_build_object(
             'search', coalesce(cursors -> 'search', '{}'::jsonb) || jsonb_build_object(
               'used', jsonb_build_object(cast(:day as text),
                 coalesce((cursors -> 'search' -> 'used' ->> cast(:day as text))::int, 0) + 1)))
     where merchant_id = :m and id = :c
       and coalesce((cursors -> 'search' -> 'used' ->> cast(:day as text))::int, 0) < :most
""")

_OURS = sa.text(f"""
    with {LISTED}
    select l.page as page_key, coalesce(min(nullif(l.url, '')), min(s.url)) as url,
           (array_agg(l.connection_id order by l.id))[1] as store_id,
           (array_agg(l.product_id order by l.id))[1] as product_id
      from listed l
      left join search_page s on s.merchant_id = :m and s.connection_id = :c and s.page_key = l.page
     group by l.page
    having bool_or(l.is_managed and not l.is_excluded) and coalesce(min(nullif(l.url, '')), min(s.url)) <> ''
     order by l.page
""")  # noqa: S608 - a constant of the room, no input

_STORE_PAGES = sa.text("""
    insert into search_page as s (merchant_id, connection_id, page_key, url, clicks, impressions, store_id,
                                  product_id)
    select :m, :c, n.key, n.url, n.clicks, n.shown, n.store, n.product
      from unnest(cast(:keys as text[]), cast(:urls as text[]), cast(:clicks as int[]), cast(:shown as int[]),
                  cast(:stores as bigint[]), cast(:products as text[]))
           as n(key, url, clicks, shown, store, product)
     order by n.key
        on conflict (merchant_id, connection_id, page_key) do update
       set url = excluded.url, clicks = excluded.clicks, impressions = excluded.impressions,
           store_id = excluded.store_id, product_id = excluded.product_id
""")

_FORGET_PAGES = sa.text("""
    delete from search_page
     where merchant_id = :m and connection_id = :c and page_key <> all(cast(:keys as text[]))
""")

_PLAN = sa.text("""
    update search_page s set turn = n.place
      from (select p.page_key, k.place from search_page p
              left join unnest(cast(:keys as text[])) with ordinality as k(key, place) on k.key = p.page_key
             where p.merchant_id = :m and p.connection_id = :c) n
     where s.merchant_id = :m and s.connection_id = :c and s.page_key = n.page_key
       and s.turn is distinct from n.place
""")

_WAITING = sa.text("""
    select count(*) from search_page where merchant_id = :m and connection_id = :c and turn is not null
""")

_NEXT = sa.text("""
    select page_key, url from search_page
     where merchant_id = :m and connection_id = :c and turn is not null order by turn limit 1
""")

_STORE = sa.text("""
    update search_page
       set turn = null, inspected_at = :at, is_indexed = :is_indexed, fault = :fault, crawled_at = :crawled,
           canonical = :canonical, coverage = :coverage, issues = cast(:issues as jsonb), report_url = :report,
           problem = :problem, looked_at = :at, look_status = :status, look_location = :location,
           is_noindex = :noindex, offered = :offered
     where merchant_id = :m and connection_id = :c and page_key = :key
""")
