"""How often products are looked at and signed up for: sums by variant and day, only where the merchant chose it.

Nothing of a visitor is read but whether the program says that it is a robot; no identifier, no address and no order of
visits is kept, so that nobody can be recognised or messaged for having looked. Counts wait in memory for a minute and
are added to the day's sums; those of a process that ends before are lost, which is allowed.

A look is one question for one variant, as a product page asks it when it is opened or another variant is chosen. Lists
(collections, carts) say nothing of a single product and are not counted. A page that a shopper leaves open or that
a browser keeps for some seconds asks less or more often: these are measures of size, not of people.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any, Literal

import sqlalchemy as sa
import structlog

from connector.db import transaction
from connector.shoppers.stock import BUYABLE

log = structlog.get_logger()

Kind = Literal["sold_out", "available", "sign_up"]

KEPT = timedelta(days=730)
EVERY_S = 60.0
MOST_KEYS = 20_000
"""Beyond so many different counts within a minute further ones are not taken."""

_ROBOT = re.compile(
    r"bot|crawl|spider|slurp|preview|scan|monitor|headless|lighthouse|pagespeed|archiv|facebookexternalhit"
    r"|curl|wget|python|java/|go-http|okhttp|libwww|httpclient|axios|node-fetch|phantom",
    re.IGNORECASE,
)

_ADD = sa.text("""
insert into interest_day (merchant_id, variant_id, day, kind, count)
select c.merchant_id, l.variant_id, n.day, n.kind, cast(sum(n.count) as integer)
  from unnest(cast(:keys as text[]), cast(:items as text[]), cast(:days as date[]), cast(:kinds as text[]),
              cast(:counts as int[])) as n(key, item, day, kind, count)
  join connection c on c.public_key = n.key and c.status <> 'ended'
  join lateral (select variant_id from listing
                 where merchant_id = c.merchant_id and connection_id = c.id and external_id = n.item
                   and variant_id is not null
                 order by id limit 1) l on true
 group by 1, 2, 3, 4
 -- Two processes that add at once take the rows in one order.
 order by 1, 2, 3, 4
    on conflict (merchant_id, variant_id, day, kind) do update set count = interest_day.count + excluded.count
""")
_COUNTING = sa.text("""
select c.public_key from shopper_rules r
  join connection c on c.merchant_id = r.merchant_id and c.kind = 'store' and c.status <> 'ended'
 where (r.says ->> 'counts_interest') = 'true'
""")


def is_robot(agent: str) -> bool:
    """Whether a program calls itself a robot, a preview or a library, or nothing at all."""
    return not agent.strip() or _ROBOT.search(agent) is not None


class InterestCounter:
    """The counts of one process. Thread-safe; writes at most once in `every_s`, in a thread of its own."""

    def __init__(
        self,
        engine: Callable[[], sa.Engine],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._engine = engine
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, date, Kind]] = Counter()
        self._counting: frozenset[str] = frozenset()
        self._asked_at: float | None = None

    def looked(
        self,
        public_key: str,
        items: Mapping[str, Mapping[str, Any]],
        agent: str,
        now: datetime,
    ) -> None:
        """Somebody's page was told `items` (external id → facts, as the availability answer has them)."""
        if len(items) != 1 or is_robot(agent) or not self._is_counted(public_key):
            return
        ((external_id, facts),) = items.items()
        if facts["state"] != "discontinued":
            self._count(
                public_key, external_id, now, "available" if facts["state"] in BUYABLE else "sold_out"
            )

    def signed_up(self, public_key: str, external_id: str, now: datetime) -> None:
        """Somebody left an address for one item."""
        if self._is_counted(public_key):
            self._count(public_key, external_id, now, "sign_up")

    def flush(self) -> int:
        """Add what was counted to the sums of its days; the number of different counts. What cannot be written is
        dropped: a later minute counts again."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        rows = [(*key, count) for key, count in counts.items()]
        if not rows:
            return 0
        keys, items, days, kinds, sums = (list(column) for column in zip(*rows, strict=True))
        given = {"keys": keys, "items": items, "days": days, "kinds": kinds, "counts": sums}
        try:
            with transaction(self._engine()) as db:
                db.execute(_ADD, given)
        except sa.exc.SQLAlchemyError as error:
            # Of whatever kind: losing a minute of sums is better than a thread that ends with a trace.
            log.warning("counts of interest are lost", counts=len(rows), error=type(error).__name__)
        return len(rows)

    def _is_counted(self, public_key: str) -> bool:
        """Whether that store's merchant wants it; known anew every minute, for all stores at once."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at >= self._every_s:
            self._asked_at = now
            with self._engine().connect() as db:
                self._counting = frozenset(db.execute(_COUNTING).scalars())
        return public_key in self._counting

    def _count(self, public_key: str, external_id: str, now: datetime, kind: Kind) -> None:
        key = (public_key, external_id, now.date(), kind)
        with self._lock:
            is_first = not self._counts
            if key in self._counts or len(self._counts) < MOST_KEYS:
                self._counts[key] += 1
        if is_first:
            timer = threading.Timer(self._every_s, self.flush)
            timer.daemon = True
            timer.start()


def prune(db: sa.Connection, now: datetime) -> int:
    """Delete sums older than two years, of every merchant; the number of them."""
    return db.execute(
        sa.text("delete from interest_day where day < :day"), {"day": (now - KEPT).date()}
    ).rowcount
