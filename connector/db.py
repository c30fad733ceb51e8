"""PostgreSQL: the engine, migrations and the column helpers every room's tables use.

Every table carries the merchant first in its primary key, so that one merchant's rows lie together and
the database can be split by merchant. Hot paths use SQLAlchemy Core with arrays; SQLModel describes the
tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

__all__ = ["SQLModel", "identity", "json_field", "make_engine", "migrate", "tenant", "transaction"]

SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


def tenant() -> Any:
    """The merchant's id: first column of every primary key."""
    return Field(sa_type=sa.BigInteger, primary_key=True)


def identity() -> Any:
    """A number the database gives out; unique on its own, part of the key together with the merchant."""
    return Field(
        default=None,
        sa_type=sa.BigInteger,
        primary_key=True,
        sa_column_args=(sa.Identity(),),
    )


def json_field(default: str = "{}") -> Any:
    """A JSONB column. Replace the value as a whole: a change in place is not noticed."""
    return Field(
        default_factory=dict if default == "{}" else list,
        sa_type=JSONB,
        sa_column_kwargs={"nullable": False, "server_default": sa.text(f"'{default}'::jsonb")},
    )


def make_engine(url: str, *, pool_size: int = 10) -> sa.Engine:
    """An engine for `postgresql+psycopg://…` with UTC sessions and connections checked before use."""
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        # An error's text may reach a log, and parameters may be somebody's address.
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC", "application_name": "dispo"},
    )


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: commits at the end, rolls back on any error. Call nobody outside from within."""
    with engine.begin() as connection:
        yield connection


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest revision. Safe to run by several processes at once, and
    quick when there is nothing to do."""
    if _is_current(url):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def _is_current(url: str) -> bool:
    """Whether the database has the newest revision of this release already."""
    newest = max(path.name for path in Path(__file__).with_name("migrations").glob("versions/[0-9]*.py"))
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if connection.scalar(sa.text("select to_regclass('alembic_version')")) is None:
            return False
        found = connection.scalar(sa.text("select version_num from alembic_version"))
    return found is not None and newest.startswith(f"{found}_")
