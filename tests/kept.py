"""Worlds that many tests begin with: built row by row once for each worker, then put back in one statement."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from tests.builders import World

W = TypeVar("W", bound=World)

_COLUMNS = """
    SELECT c.relname, array_agg(a.attname ORDER BY a.attnum), array_agg(a.atttypid = 'timestamptz'::regtype
           ORDER BY a.attnum)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
       AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND pg_relation_size(c.oid) > 0
     GROUP BY c.relname
"""


class KeptWorld:
    """One world as rows. `put` gives what `build` would: the same rows and ids, every time of day moved by
    as much as the present has moved since; what the tests change afterwards stays theirs."""

    def __init__(self, build: Callable[[sa.Engine, datetime], W]) -> None:
        self._build = build
        self._kept: dict[str, _Rows] = {}

    def put(self, engine: sa.Engine, now: datetime) -> Any:
        """The world in `engine`'s database. In one that gave out ids before, it is built row by row, as the
        kept ids would not be those it gives out next."""
        with engine.begin() as db:
            used = db.exec_driver_sql("SELECT is_called FROM merchant_id_seq").scalar_one()
            if not used and (rows := self._kept.get(str(engine.url))):
                return rows.put(db, engine, now)
        world = self._build(engine, now)
        if not used:
            self._kept[str(engine.url)] = _Rows(engine, world)
        return world


class _Rows:
    def __init__(self, engine: sa.Engine, world: World) -> None:
        self._type, self._now = type(world), world.now
        self._state = copy.deepcopy({k: v for k, v in vars(world).items() if k not in ("engine", "now")})
        self._values: dict[str, str] = {}
        parts = []
        with engine.begin() as db:
            for table, columns, are_times in db.exec_driver_sql(_COLUMNS).all():
                rows = db.exec_driver_sql(f'SELECT json_agg(t)::text FROM "{table}" t').scalar_one()
                if rows is None:
                    continue
                self._values[table] = rows
                names = ", ".join(f'"{name}"' for name in columns)
                taken = ", ".join(
                    f'"{name}" + %(moved)s::interval' if is_time else f'"{name}"'
                    for name, is_time in zip(columns, are_times, strict=True)
                )
                parts.append(
                    f'"put_{table}" AS (INSERT INTO "{table}" ({names}) OVERRIDING SYSTEM VALUE'
                    f' SELECT {taken} FROM json_populate_recordset(NULL::"{table}", %({table})s::json))'
                )
            given_out = db.exec_driver_sql(
                "SELECT quote_ident(sequencename), last_value FROM pg_sequences"
                " WHERE schemaname = 'public' AND last_value IS NOT NULL"
            )
            numbers = ", ".join(f"setval('{name}', {last})" for name, last in given_out)
        self._statement = f"WITH {', '.join(parts)} SELECT {numbers}"

    def put(self, db: sa.Connection, engine: sa.Engine, now: datetime) -> World:
        # No trigger runs: what triggers did when the rows were made is among the rows.
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db.exec_driver_sql(self._statement, {**self._values, "moved": now - self._now})
        world = self._type.__new__(self._type)
        vars(world).update(copy.deepcopy(self._state), engine=engine, now=now)
        return world
