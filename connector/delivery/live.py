"""Asks suppliers whether what is in a cart is still there while somebody waits, and after an order whether they can
serve it (`connector.delivery.live_orders`).

A strict deadline, answers shared for half a minute, and a breaker for each source. Whatever goes wrong, the answer is
"nobody knows": the sale goes on by what was known, a line is logged and a count kept for the merchant. Only a supplier
that itself says "none" takes something off sale.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from connector.db import transaction
from connector.outbox.messages import literal
from connector.ports.errors import PortError
from connector.ports.live_check import LiveCheck
from connector.ports.shared import SharedValues, Value

log = structlog.get_logger()

DEADLINE_S = 0.7
KEPT_S = 30.0
FAILURES = 3
"""So many in a row open a source's breaker."""
OPEN_S = 60.0
MOST_ITEMS = 20
"""Variants of one cart; a larger one is checked in part."""
ITEMS_A_MINUTE = 60
"""So many of one source are asked for after orders; the rest wait for the next minute."""
CALLS = 8
"""So many at once in one process; what finds no room is unknown."""

_ITEMS = sa.text("""
    select i.variant_id, i.source_id, s.connection_id, i.units_per_variant, i.item_key,
           coalesce(nullif(o.supplier_sku, ''), nullif(o.sku, ''), o.gtin) as item
      from supplier_item i
      join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
      join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id and c.status = 'active'
      join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id and o.item_key = i.item_key
     where i.merchant_id = :m and i.variant_id = any(cast(:variants as bigint[])) and c.adapter = any(:adapters)
       and (cast(:connection as bigint) = 0 or s.connection_id = :connection)
     order by i.source_id, i.variant_id, i.item_key
""")

_WHY = sa.text("""
    select variant_id, why from position
     where merchant_id = :m and variant_id = any(cast(:variants as bigint[]))
""")

_COUNT = sa.text("""
    insert into live_check_day (merchant_id, source_id, on_date, asked, unknown, none_left)
    values (:m, :s, :day, :asked, :unknown, :none)
        on conflict (merchant_id, source_id, on_date)
        do update set asked = live_check_day.asked + excluded.asked,
                      unknown = live_check_day.unknown + excluded.unknown,
                      none_left = live_check_day.none_left + excluded.none_left
""")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one source said; `cause` is why it said nothing at all, else ""."""

    numbers: Mapping[str, int | None]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ItemHeard:
    """What a source said of one item: `number` in its own units (≥ 0), None where nobody knows. One variant unit takes
    `per_variant` of them."""

    variant_id: int
    source_id: int
    item_key: str
    per_variant: int
    number: int | None


class LiveDesk:
    """Asks and remembers for one process. `part(merchant, connection)` gives what answers, None where nothing does;
    `adapters` are those that may have one: for merchants without any, asking costs one query."""

    def __init__(
        self,
        engine: sa.Engine,
        part: Callable[[int, int], LiveCheck | None],
        shared: SharedValues,
        adapters: Sequence[str],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._engine, self._part, self._shared, self.adapters = engine, part, shared, list(adapters)
        self._deadline_s = deadline_s
        self._pool = ThreadPoolExecutor(CALLS, "live")
        self._room = threading.BoundedSemaphore(CALLS)

    def units_of(self, merchant_id: int, variant_ids: Sequence[int], now: datetime) -> dict[int, int | None]:
        """Sellable units of each variant that a supplier can be asked for, with its live number in place of the
        one last read; None where none of its suppliers answered in time. Variants nobody can be asked for are
        left out. Never raises for what happens at a supplier."""
        if not variant_ids:
            return {}
        given = {
            "m": merchant_id,
            "variants": literal(sorted(set(variant_ids))[:MOST_ITEMS]),
            "adapters": self.adapters,
            "connection": 0,
        }
        with self._engine.connect() as db:
            rows = db.execute(_ITEMS, given).all()
            why = {row.variant_id: row.why for row in db.execute(_WHY, given)} if rows else {}
        by_source: dict[tuple[int, int], list[Any]] = {}
        for row in rows:
            by_source.setdefault((row.source_id, row.connection_id), []).append(row)
        live: dict[tuple[int, int], int | None] = {}
        for source_id, numbers in self._ask_all(merchant_id, by_source).items():
            mine = [row for row in rows if row.source_id == source_id]
            known = [row for row in mine if numbers.get(row.item) is not None]
            for row in mine:
                number = numbers.get(row.item)
                key = (row.variant_id, source_id)
                before = live.get(key, 0)
                # Of several items of one source all must be known: half a sum would look like "sold out".
                if number is None or before is None:
                    live[key] = None
                else:
                    live[key] = before + max(0, number) // row.units_per_variant
            none_left = sum(numbers[row.item] == 0 for row in known)
            self._count(merchant_id, source_id, now, len(mine), len(mine) - len(known), none_left)
        return {
            variant_id: _sellable(
                why.get(variant_id) or {}, {s: n for (v, s), n in live.items() if v == variant_id}
            )
            for variant_id in sorted({variant_id for variant_id, _ in live})
        }

    def heard(
        self, merchant_id: int, connection_id: int, variant_ids: Sequence[int], now: datetime
    ) -> list[ItemHeard]:
        """What the sources of one connection say now of the items of at most MOST_ITEMS variants, each asked once and
        not for more than ITEMS_A_MINUTE; number None where nobody knows. Nothing where they cannot be asked at all.
        Never raises for what happens at a supplier."""
        with self._engine.connect() as db:
            given = {"variants": literal(sorted(set(variant_ids))), "adapters": self.adapters}
            rows = db.execute(_ITEMS, {"m": merchant_id, "connection": connection_id, **given}).all()
        by_source: dict[tuple[int, int], list[Any]] = {}
        for row in rows:
            by_source.setdefault((row.source_id, connection_id), []).append(row)
        numbers: dict[int, Mapping[str, int | None]] = {}
        for key, items in list(by_source.items()):
            if not self._may_ask(merchant_id, key[0], len({row.item for row in items})):
                self._unknown(merchant_id, key[0], "asked often enough this minute")
                numbers[key[0]] = {}
                del by_source[key]
        numbers |= self._ask_all(merchant_id, by_source)
        found = [
            ItemHeard(
                row.variant_id,
                row.source_id,
                row.item_key,
                row.units_per_variant,
                numbers[row.source_id].get(row.item),
            )
            for row in rows
            if row.source_id in numbers
        ]
        for source_id in numbers:
            mine = [one.number for one in found if one.source_id == source_id]
            known = [number for number in mine if number is not None]
            self._count(merchant_id, source_id, now, len(mine), len(mine) - len(known), known.count(0))
        return found

    def _may_ask(self, merchant_id: int, source_id: int, items: int) -> bool:
        """Whether there is room for so many items in this source's minute; takes it."""

        def take(value: Value | None, at: float) -> tuple[Value | None, bool]:
            value = value if value and at - value["from"] < 60 else {"from": at, "items": 0}
            if value["items"] and value["items"] + items > ITEMS_A_MINUTE:
                return None, False
            return {**value, "items": value["items"] + items}, True

        return self._shared.change(f"live-orders:{merchant_id}:{source_id}", take)

    def _ask_all(
        self, merchant_id: int, by_source: Mapping[tuple[int, int], list[Any]]
    ) -> dict[int, Mapping[str, int | None]]:
        """Every source's numbers, all asked side by side until the deadline."""
        until = time.monotonic() + self._deadline_s
        answers: dict[int, Mapping[str, int | None]] = {}
        asked: dict[Future[Heard], tuple[int, list[str]]] = {}
        for (source_id, connection_id), rows in by_source.items():
            items = sorted({row.item for row in rows})
            try:
                part = self._part(merchant_id, connection_id)
            except PortError as error:
                self._unknown(merchant_id, source_id, str(error))
                answers[source_id] = {}
                continue
            if part is None:
                continue
            kept, is_open = self._kept(merchant_id, source_id, items)
            if kept is not None:
                answers[source_id] = kept
            elif is_open or not self._room.acquire(blocking=False):
                self._unknown(merchant_id, source_id, "breaker open" if is_open else "too many at once")
                answers[source_id] = {}
            else:
                asked[self._pool.submit(self._ask, part, items)] = (source_id, items)
        done, late = wait(asked, timeout=max(0.0, until - time.monotonic()))
        for call in done:
            source_id, items = asked[call]
            heard = call.result()
            self._keep(merchant_id, source_id, items, heard)
            if heard.cause:
                self._unknown(merchant_id, source_id, heard.cause)
            answers[source_id] = heard.numbers
        for call in late:
            source_id, items = asked[call]
            self._keep(merchant_id, source_id, items, Heard({}, "too late"))
            self._unknown(merchant_id, source_id, f"no answer within {self._deadline_s:g} s")
            answers[source_id] = {}
        return answers

    def _ask(self, part: LiveCheck, items: Sequence[str]) -> Heard:
        try:
            return Heard(part.stock_of(items, self._deadline_s))
        except PortError as error:
            return Heard({}, str(error))
        finally:
            self._room.release()

    def _kept(
        self, merchant_id: int, source_id: int, items: Sequence[str]
    ) -> tuple[Mapping[str, int | None] | None, bool]:
        """Numbers heard a moment ago of all these items, and whether the breaker is open."""

        def look(
            value: Value | None, at: float
        ) -> tuple[Value | None, tuple[Mapping[str, int | None] | None, bool]]:
            value = value or {}
            heard = value.get("heard", {})
            fresh = {item: heard[item][0] for item in items if item in heard and at - heard[item][1] < KEPT_S}
            return None, (fresh if len(fresh) == len(items) else None, at < value.get("open_until", 0))

        return self._shared.change(f"live:{merchant_id}:{source_id}", look)

    def _keep(self, merchant_id: int, source_id: int, items: Sequence[str], heard: Heard) -> None:
        """Remember what was heard; failures in a row open the breaker."""

        def note(value: Value | None, at: float) -> tuple[Value | None, None]:
            value = value or {}
            if heard.cause:
                failures = value.get("failures", 0) + 1
                opened = (
                    {"open_until": at + OPEN_S, "failures": 0}
                    if failures >= FAILURES
                    else {"failures": failures}
                )
                return {**value, **opened}, None
            kept = {item: one for item, one in value.get("heard", {}).items() if at - one[1] < KEPT_S}
            kept |= {item: [heard.numbers.get(item), at] for item in items}
            return {"heard": kept, "failures": 0, "open_until": 0}, None

        self._shared.change(f"live:{merchant_id}:{source_id}", note)

    def _unknown(self, merchant_id: int, source_id: int, cause: str) -> None:
        log.warning("stock was not checked live", merchant=merchant_id, source=source_id, cause=cause)

    def _count(
        self, merchant_id: int, source_id: int, now: datetime, asked: int, unknown: int, none_left: int
    ) -> None:
        given = {"asked": asked, "unknown": unknown, "none": none_left}
        with transaction(self._engine) as db:
            db.execute(_COUNT, {"m": merchant_id, "s": source_id, "day": now.date(), **given})


@dataclass(frozen=True, slots=True)
class Counted:
    """How often a source was asked for an item in the last seven days, how often nobody knew in time, and how often
    it said that none is left."""

    asked: int
    unknown: int
    none_left: int


def counted(db: sa.Connection, merchant_id: int, source_id: int, now: datetime) -> Counted | None:
    """The last seven days of one source; None where it was never asked."""
    row = db.execute(
        sa.text("""
            select sum(asked) as asked, sum(unknown) as unknown, sum(none_left) as none_left from live_check_day
             where merchant_id = :m and source_id = :s and on_date > :since
        """),
        {"m": merchant_id, "s": source_id, "since": now.date() - timedelta(days=7)},
    ).one()
    return Counted(int(row.asked), int(row.unknown), int(row.none_left)) if row.asked else None


def _sellable(why: Mapping[str, Any], live: Mapping[int, int | None]) -> int | None:
    """Units to sell with live numbers in place of those last read. None where no source that sells answered."""
    total, is_known = 0, False
    seen = set()
    for part in why.get("sources", ()):
        if part.get("role", "sells") != "sells":
            continue
        number = live.get(int(part["source"]))
        if number is None:
            total += part["units"]
        elif part["source"] not in seen:
            # One live number stands for all lines of its source. What is deducted for orders under way is the
            # supplier's to know by now: doubt never takes anything off sale.
            total += number
            is_known = True
        seen.add(part["source"])
    return max(0, total - (why.get("buffer") or 0)) if is_known else None
