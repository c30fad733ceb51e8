"""What suppliers said when they were asked live: how often, for which items, and which orders they cannot serve."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, tenant


class LiveCheckDay(SQLModel, table=True):
    """One source on one day (UTC): items `asked` of it, `unknown` ones (too late, in error, not known there: the sale
    went on by what we knew), and those of which it said that none is left."""

    __tablename__ = "live_check_day"
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    on_date: date = Field(primary_key=True)
    asked: int = 0
    unknown: int = 0
    none_left: int = 0


class LiveNumber(SQLModel, table=True):
    """What a supplier said of one item after an order, in its own units. It counts in place of the observation until
    the supplier is read again (`connector.positions.live_numbers`)."""

    __tablename__ = "live_number"
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    item_key: str = Field(primary_key=True)
    quantity: int
    heard_at: datetime = Field(sa_type=sa.DateTime(timezone=True))


class OrderDoubt(SQLModel, table=True):
    """A line of an order that its supplier cannot serve by its own word.

    `connection_id` is the store's. `units` of the variant were ordered from `source_id`, `missing_units` of them are
    not there: when asked, `said_units` were left for all that is on order. `done_at` is when the merchant took note.
    """

    __tablename__ = "order_doubt"
    __table_args__ = (
        sa.Index(
            "order_doubt_line_idx",
            "merchant_id",
            "connection_id",
            "order_id",
            "line_id",
            "variant_id",
            "source_id",
            unique=True,
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    order_id: str
    line_id: str
    variant_id: int = Field(sa_type=sa.BigInteger)
    source_id: int = Field(sa_type=sa.BigInteger)
    units: int
    said_units: int
    missing_units: int
    heard_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    done_at: datetime | None = Field(default=None, sa_type=sa.DateTime(timezone=True))
    done_by: str = ""
