"""The changed records of one run beside what is known, in temporary tables of one transaction.

`staged_rows`: one line per item of the file that had to be read (state 0 usable, 1 faulty, 2 held).
`known`: those of them that were observed before, with what was observed. `missing`: observed items that
the file does not have. Nothing here writes a permanent table, so a preview can end with a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from connector.intake.guard import UNKNOWN, Evidence, goes_to_zero
from connector.intake.reading import Issue, RowReader
from connector.ports.suppliers import Digests, Table

NO_DIGESTS: Digests = np.empty(0, dtype=np.uint64)

_CREATE = """
create temp table staged_rows (
    item_key text not null, sku text not null, gtin text not null, supplier_sku text not null,
    quantity integer, is_at_least boolean not null, is_word boolean not null,
    restock_on date, lead_time_days integer, cost numeric(14, 4),
    line integer not null, digest bigint not null, state smallint not null
) on commit drop
"""

VALUES = "sku, gtin, supplier_sku, quantity, is_at_least, is_word, restock_on, lead_time_days, cost"
"""What an observation says: two rows equal in these say the same."""


def values_of(alias: str) -> str:
    """`VALUES` of one table as a row expression."""
    return "(" + ", ".join(f"{alias}.{name.strip()}" for name in VALUES.split(",")) + ")"


def units_of(alias: str) -> str:
    """The units an observation stands for: "in stock" without a number counts as `in_stock_units`."""
    return f"coalesce({alias}.quantity, case when {alias}.is_word then cast(:in_stock as integer) end)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works: merchant, source, and the units that "in stock" stands for there."""

    merchant_id: int
    source_id: int
    in_stock_units: int

    @property
    def given(self) -> dict[str, Any]:
        return {"merchant": self.merchant_id, "source": self.source_id, "in_stock": self.in_stock_units}


def driver(db: sa.Connection) -> Any:
    """The psycopg connection underneath, for COPY and for reading many rows as plain tuples."""
    return db.connection.driver_connection


def create(db: sa.Connection) -> None:
    """Make the empty `staged_rows` table of this transaction."""
    db.exec_driver_sql("drop table if exists pg_temp.staged_rows, pg_temp.known, pg_temp.missing")
    db.exec_driver_sql(_CREATE)


def load(
    db: sa.Connection, table: Table, reader: RowReader, known: Digests, tell: Callable[[int], None]
) -> None:
    """Read the records whose digest is not in `known` (sorted) into `staged_rows`; `tell` gets the number
    read so far every 50,000."""
    with driver(db).cursor() as cursor, cursor.copy("copy staged_rows from stdin") as copy:
        for block in _blocks(table, reader, known, tell):
            copy.write(block)


def _blocks(table: Table, reader: RowReader, known: Digests, tell: Callable[[int], None]) -> Iterator[str]:
    lines: list[str] = []
    for row in table.rows(known if len(known) else None):
        line = reader.line(row)
        if line is not None:
            lines.append(line)
            if len(lines) == 2_000:
                yield "".join(lines)
                lines.clear()
        if reader.rows % 50_000 == 0:
            tell(reader.rows)
    if lines:
        yield "".join(lines)


def compare(db: sa.Connection, place: Place) -> None:
    """Fill `known` from `staged_rows` and the observations of this source."""
    db.exec_driver_sql("drop table if exists pg_temp.known")
    db.exec_driver_sql("analyze pg_temp.staged_rows")
    db.execute(
        sa.text(f"""
            create temp table known on commit drop as
            select cast(row_number() over () as integer) as n, i.item_key, i.state, i.digest, i.line,
                   o.line_digest as digest_before, o.run_id as run_before,
                   {units_of("o")} as units_before, {units_of("i")} as units_after,
                   (o.as_of is not null or o.missed_runs > 0) as was_unconfirmed,
                   (i.state = 0 and (i.sku, i.gtin, i.supplier_sku)
                       is distinct from (o.sku, o.gtin, o.supplier_sku)) as is_renamed,
                   (i.state = 0 and {values_of("i")} is distinct from {values_of("o")}) as differs
              from staged_rows i
              join observation o on o.merchant_id = :merchant and o.source_id = :source
                                and o.item_key = i.item_key
        """),  # noqa: S608 - column names of this module
        place.given,
    )
    db.exec_driver_sql("analyze pg_temp.known")


@dataclass(slots=True)
class Known:
    """`known` as arrays in the order of its n = 1, 2, …; units are UNKNOWN where not said."""

    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]
    digest_before: Digests
    digest: Digests
    is_usable: npt.NDArray[np.bool_]


def read_known(db: sa.Connection) -> Known:
    """The comparison as arrays, streamed in one pass."""
    dtype = np.dtype([("b", "i8"), ("a", "i8"), ("db", "i8"), ("d", "i8"), ("u", "?")])
    parts = []
    with driver(db).cursor() as cursor:
        cursor.execute(
            "select coalesce(units_before, -1), coalesce(units_after, -1), digest_before, digest, state = 0"
            " from known order by n"
        )
        while rows := cursor.fetchmany(50_000):
            parts.append(np.array(rows, dtype=dtype))
    found = np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
    return Known(
        found["b"].copy(),
        found["a"].copy(),
        found["db"].copy().view(np.uint64),
        found["d"].copy().view(np.uint64),
        found["u"].copy(),
    )


def is_in(values: Digests, ordered: Digests) -> npt.NDArray[np.bool_]:
    """Which of `values` occur in `ordered` (sorted ascending)."""
    if not len(ordered):
        return np.zeros(len(values), dtype=bool)
    places = np.searchsorted(ordered, values)
    places[places == len(ordered)] = 0
    found: npt.NDArray[np.bool_] = ordered[places] == values
    return found


def distinct(ordered: Digests) -> Digests:
    """`ordered` (sorted) without repetitions. numpy.unique hashes and takes a hundred times as long."""
    if len(ordered) < 2:
        return ordered
    first = np.empty(len(ordered), dtype=bool)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


_DUPLICATE_KEYS = """
    select item_key, count(*) as lines,
           array_agg(line order by line) as numbers,
           array_agg(coalesce(quantity::text, '?') order by line) as quantities,
           bool_and(state = 0) and count(distinct (quantity, is_at_least, is_word)) = 1 as is_agreed
      from staged_rows group by item_key having count(*) > 1
"""


def resolve_duplicates(db: sa.Connection, policy: str, column: str) -> tuple[list[tuple[Issue, int]], int]:
    """Leave one line per item in `staged_rows`, as `policy` says (hold, last, sum, max). Returns the issues with
    their numbers of lines, and how many items disagree.

    Lines that agree in quantity are no fault under any policy but "sum". Under "hold" items whose lines
    disagree become faulty; the answer has one issue for each, naming the lines, with the number of lines.
    A line made of several different records gets digest 0: they are read again next time, together.
    """
    db.exec_driver_sql(f"create temp table twice on commit drop as {_DUPLICATE_KEYS}")
    issues = []
    disagreeing = db.exec_driver_sql("select count(*) from twice where not is_agreed").scalar_one()
    if policy == "hold":
        for key, count, numbers, quantities in db.exec_driver_sql(
            "select item_key, lines, numbers[:20], quantities[:20] from twice where not is_agreed"
            " order by numbers[1]"
        ):
            reason = (
                f"“{key}” is on lines {_list(numbers)} with the quantities {_list(quantities)}: "
                "say whether the last counts, the largest, or their sum."
            )
            issues.append((Issue(numbers[0], column, "duplicate_sku", reason, [key]), count))
    if policy in ("sum", "max"):
        choose = f"{policy}(quantity) filter (where state = 0)"
    else:
        choose = "(array_agg(quantity order by state, line desc))[1]"
    db.exec_driver_sql(f"""
        create temp table one on commit drop as
        select i.item_key,
               (array_agg(i.sku order by i.line desc))[1] as sku,
               (array_agg(i.gtin order by i.line desc))[1] as gtin,
               (array_agg(i.supplier_sku order by i.line desc))[1] as supplier_sku,
               least({choose}, 10000000) as quantity,
               bool_or(i.is_at_least) as is_at_least, bool_and(i.is_word) as is_word,
               min(i.restock_on) as restock_on, max(i.lead_time_days) as lead_time_days, max(i.cost) as cost,
               max(i.line) as line,
               case when count(distinct i.digest) = 1 and '{policy}' <> 'sum' then min(i.digest) else 0 end
                    as digest,
               case when t.is_agreed or '{policy}' <> 'hold' then min(i.state) else 1 end as state
          from staged_rows i join twice t using (item_key)
         group by i.item_key, t.is_agreed
    """)  # noqa: S608 - policy is one of four words of the mapping, checked by the caller
    db.exec_driver_sql("delete from staged_rows i using twice t where i.item_key = t.item_key")
    db.exec_driver_sql("insert into staged_rows select * from one")
    db.exec_driver_sql("drop table twice, one")
    return issues, int(disagreeing)


def _list(values: list[Any]) -> str:
    texts = [str(value) for value in values]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def refuse_quarantined(db: sa.Connection, quarantined: frozenset[str]) -> list[tuple[int, str]]:
    """Make the records faulty that the merchant rejected before; returns their (line, item key)."""
    rows = [int(entry[4:]) for entry in quarantined if entry.startswith("row:")]
    if not rows:
        return []
    signed = np.array(rows, dtype=np.uint64).view(np.int64).tolist()
    found = db.execute(
        sa.text(
            "update staged_rows set state = 1 where digest = any(cast(:digests as bigint[])) and state = 0"
            " returning line, item_key"
        ),
        {"digests": signed},
    )
    return sorted((row[0], row[1]) for row in found)


def find_missing(db: sa.Connection, place: Place, gone: Digests | None) -> int:
    """Fill `missing` with the observed items that are not in the file; returns how many *newly* are.

    `gone`: digests that were applied and that the file no longer has, without those of items that it
    has with another record; None means the whole file was read, so every item not in it is missing.
    """
    if gone is None:
        which, more = "", {}
    else:
        which = "and o.line_digest = 0"
        if len(gone):
            which = "and (o.line_digest = 0 or o.line_digest = any(cast(:gone as bigint[])))"
        more = {"gone": gone.view(np.int64).tolist()} if len(gone) else {}
    db.execute(
        sa.text(f"""
            create temp table missing on commit drop as
            select o.item_key, o.missed_runs, o.line, {units_of("o")} as units_before, false as goes_to_zero
              from observation o
             where o.merchant_id = :merchant and o.source_id = :source {which}
               and not exists (select 1 from staged_rows i where i.item_key = o.item_key)
        """),  # noqa: S608 - constants of this module
        {**place.given, **more},
    )
    newly = db.exec_driver_sql("select count(*) from missing where missed_runs = 0").scalar_one()
    return int(newly)


def mark_missing_to_zero(db: sa.Connection, policy: str, after: int) -> int:
    """Decide which missing items go to zero now; returns how many of them had stock."""
    needed = {"keep": None, "zero": 1, "zero_after": max(1, after)}[policy]
    if needed is None:
        return 0
    db.execute(
        sa.text(
            "update missing set goes_to_zero = true"
            " where missed_runs + 1 >= :needed and coalesce(units_before, -1) <> 0"
        ),
        {"needed": needed},
    )
    return int(
        db.exec_driver_sql(
            "select count(*) from missing where goes_to_zero and units_before > 0"
        ).scalar_one()
    )


def evidence(db: sa.Connection, place: Place, found: Known, base: Evidence, limit: int) -> Evidence:
    """`base` completed by what needs a look at all observations, asked only where it can matter."""
    stocked = 0
    if base.rows_before is not None and goes_to_zero(base) > limit:
        stocked = db.execute(
            sa.text(
                f"select count(*) from observation o where o.merchant_id = :merchant"  # noqa: S608
                f" and o.source_id = :source and {units_of('o')} > 0"
            ),
            place.given,
        ).scalar_one()
    single = None
    usable = found.after[found.is_usable]
    if base.rows_before is not None and len(usable) and usable[0] != UNKNOWN and (usable == usable[0]).all():
        single = _single_quantity(db, place, int(usable[0]))
    return replace(base, stocked_before=int(stocked), single_quantity=single)


def _single_quantity(db: sa.Connection, place: Place, units: int) -> int | None:
    """`units` when every row of the file has them now and not all had before, else None."""
    given = {**place.given, "units": units}
    others = sa.text(f"""
        select exists (select 1 from staged_rows i where i.state = 0 and {units_of("i")} is distinct from :units)
            or exists (select 1 from observation o
                        where o.merchant_id = :merchant and o.source_id = :source and o.line_digest <> 0
                          and {units_of("o")} is distinct from :units
                          and not exists (select 1 from staged_rows i where i.item_key = o.item_key)
                          and not exists (select 1 from missing m where m.item_key = o.item_key))
    """)  # noqa: S608 - constants of this module
    if db.execute(others, given).scalar_one():
        return None
    several = sa.text(f"""
        select count(*) > 1 from (select distinct {units_of("o")} from observation o
         where o.merchant_id = :merchant and o.source_id = :source limit 2) as d
    """)  # noqa: S608 - constants of this module
    return units if db.execute(several, given).scalar_one() else None


def hold_rows(db: sa.Connection, flagged: npt.NDArray[np.bool_]) -> None:
    """Put the known rows flagged (in `read_known` order) into state held."""
    numbers = (np.flatnonzero(flagged) + 1).tolist()
    db.execute(
        sa.text(
            "with which as (update known set state = 2, differs = false"
            "                where n = any(cast(:numbers as int[])) returning item_key)"
            " update staged_rows i set state = 2 from which w where w.item_key = i.item_key"
        ),
        {"numbers": numbers},
    )
