"""What we may sell and why: sources and what was observed there, sales taken since, positions, movements."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class Source(SQLModel, table=True):
    """A place stock is bought or kept, with one moment (`as_of`) for all that was observed there.

    `as_of` moves forward once per accepted run, so unchanged rows cost no write. `handover_hours` is how
    long after a sale the supplier learns of it: a sale is deducted from what was observed until then.
    `confirms_unchanged`: a "not modified" answer means the stock still is what it was. `lead_time_days`
    is the plain lead time used where no date is stated. `missing_policy`: keep, zero_after (the number
    of misses in `missing_after`) or zero.
    """

    __tablename__ = "source"
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    name: str
    kind: str = "supplier"
    as_of: datetime | None = None
    max_age_hours: int | None = None
    handover_hours: int = 0
    confirms_unchanged: bool = True
    lead_time_days: int | None = None
    in_stock_units: int = 5
    buffer_units: int | None = None
    cap_units: int | None = None
    low_stock_threshold: int | None = None
    allows_backorder: bool | None = None
    missing_policy: str = "keep"
    missing_after: int = 3
    mapping: dict[str, Any] = json_field()
    read_options: dict[str, Any] = json_field()
    mark: dict[str, Any] = json_field()
    every_s: int = 3600


class Observation(SQLModel, table=True):
    """The latest accepted row of one supplier item, and the one before it (for undo).

    `quantity` in the supplier's own units; None means the supplier did not say. `is_at_least` marks
    ">100"; `is_word` a stock word without a number. `line_digest` identifies the raw record it came
    from; 0 where that record is not in the snapshot, so that it is read again when it comes. `as_of` is
    None while the row holds as of its source's `as_of`, else the older moment it was last confirmed for
    (its newer record was held, rejected or missing). `previous` is the row before `run_id`, None when
    there was none.
    """

    __tablename__ = "observation"
    __table_args__ = (
        sa.Index(
            "observation_loose_idx",
            "merchant_id",
            "source_id",
            "item_key",
            postgresql_where=sa.text("line_digest = 0"),
        ),
    )
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    item_key: str = Field(primary_key=True)
    sku: str
    gtin: str = ""
    supplier_sku: str = ""
    quantity: int | None = None
    is_at_least: bool = False
    is_word: bool = False
    restock_on: date | None = None
    lead_time_days: int | None = None
    cost: Decimal | None = Field(default=None, max_digits=14, decimal_places=4)
    line: int = 0
    line_digest: int = Field(default=0, sa_type=sa.BigInteger)
    run_id: int = Field(sa_type=sa.BigInteger)
    previous: list[Any] | None = Field(
        default=None, sa_type=sa.dialects.postgresql.JSONB, sa_column_kwargs={"nullable": True}
    )
    missed_runs: int = Field(default=0, sa_type=sa.SmallInteger)
    as_of: datetime | None = None


class Order(SQLModel, table=True):
    """An order of a store as far as stock goes. Holds nobody's name."""

    __tablename__ = "store_order"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    external_id: str = Field(primary_key=True)
    placed_at: datetime
    updated_at: datetime
    holds_stock: bool


class OrderLine(SQLModel, table=True):
    """`units` of one listing that an order holds now (0 after a cancel)."""

    __tablename__ = "store_order_line"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    order_id: str = Field(primary_key=True)
    line_id: str = Field(primary_key=True)
    variant_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    external_id: str
    units: int


class Allocation(SQLModel, table=True):
    """Units sold and taken from a source, deducted from what was observed there until the source's
    own number knows of them.

    `origin` "order" (an order line, named by `reference`) or "fall" (the store's number fell below what
    we last knew; an order that comes later explains it and takes its units over).
    """

    __tablename__ = "allocation"
    __table_args__ = (
        sa.Index("allocation_variant_idx", "merchant_id", "variant_id"),
        sa.Index(
            "allocation_fall_idx",
            "merchant_id",
            "connection_id",
            "variant_id",
            postgresql_where=sa.text("origin = 'fall' and units > 0"),
        ),
        sa.Index("allocation_reference_idx", "merchant_id", "connection_id", "reference"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    variant_id: int = Field(sa_type=sa.BigInteger)
    source_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    units: int
    sold_at: datetime
    origin: str
    reference: str = ""


class Position(SQLModel, table=True):
    """What may be sold of one variant now, and what the shopper is told.

    `version` rises with every change. `out_since` is when `available` last became 0. `recheck_at` is
    when time alone may change the answer. `why` is the arithmetic, for the merchant.
    """

    __tablename__ = "position"
    __table_args__ = (
        sa.Index("position_recheck_idx", "recheck_at", postgresql_where=sa.text("recheck_at is not null")),
    )
    merchant_id: int = tenant()
    variant_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    available: int = 0
    state: str = "out_of_stock"
    shown_count: int | None = None
    restock_on: date | None = None
    restock_until: date | None = None
    restock_basis: str = ""
    version: int = 0
    out_since: datetime | None = None
    recheck_at: datetime | None = None
    decided_at: datetime
    why: dict[str, Any] = json_field()


class Movement(SQLModel, table=True):
    """One change of a position, append-only: from, to and the cause (run, order, fall, undo, time)."""

    __tablename__ = "movement"
    __table_args__ = (
        sa.Index("movement_variant_idx", "merchant_id", "variant_id", sa.text("id desc")),
        sa.Index("movement_run_idx", "merchant_id", "run_id", postgresql_where=sa.text("run_id is not null")),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    variant_id: int = Field(sa_type=sa.BigInteger)
    at: datetime
    cause: str
    run_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    reference: str = ""
    available_before: int
    available_after: int
    state_before: str
    state_after: str


class Incoming(SQLModel, table=True):
    """Units of a variant on their way to a store's own shelves, as the store said when it was last asked
    (`cursors.incoming` of the connection). `reference` names one line of the shipment called `name`;
    `arrives_at` is None where the store has no date for it."""

    __tablename__ = "incoming"
    __table_args__ = (sa.Index("incoming_variant_idx", "merchant_id", "variant_id"),)
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    reference: str = Field(primary_key=True)
    variant_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    name: str = ""
    units: int
    arrives_at: datetime | None = None


class Promise(SQLModel, table=True):
    """A restock date shown to shoppers during one time out of stock, and whether it was kept.

    `first_shown_on` is the first date shown and what is measured; `restocked_at` when it was sellable
    again.
    """

    __tablename__ = "promise"
    __table_args__ = (
        sa.Index(
            "promise_one_open_idx",
            "merchant_id",
            "variant_id",
            unique=True,
            postgresql_where=sa.text("restocked_at is null"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    variant_id: int = Field(sa_type=sa.BigInteger)
    shown_at: datetime
    first_shown_on: date
    latest_shown_on: date
    basis: str
    restocked_at: datetime | None = None
    is_kept: bool | None = None
