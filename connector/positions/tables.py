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
    of misses in `missing_after`) or zero. `kind` "own": the merchant's own stock, else "supplier".
    `out_because` is why it does not count as usable since `out_since` (paused, failing, stale), "" while it does,
    as `connector.positions.outages` last found it. `allowed`: what the guard lets pass for good, hold's
    code → value (how far), run, by, at. `cost_currency`: the currency that the last list which named one gave its
    costs in (ISO 4217), "" where none did.
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
    allowed: dict[str, Any] = json_field()
    every_s: int = 3600
    out_because: str = ""
    out_since: datetime | None = None
    cost_currency: str = ""


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
    """`units` of one listing that an order holds now (0 after a cancel). `location_id` is where the store takes them
    from, None where it does not tell. `shipped_units` of them were handed over, as far as the store tells."""

    __tablename__ = "store_order_line"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    order_id: str = Field(primary_key=True)
    line_id: str = Field(primary_key=True)
    variant_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    external_id: str
    units: int
    location_id: str | None = None
    shipped_units: int = 0


class StoreLocation(SQLModel, table=True):
    """A location of a store that Dispo writes. `position` 0 is the default one. A store without a row has one,
    that of its settings or the platform's default, which every source feeds."""

    __tablename__ = "store_location"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    location_id: str = Field(primary_key=True)
    name: str = ""
    position: int = Field(default=0, sa_type=sa.SmallInteger)


class StoreLocationSource(SQLModel, table=True):
    """Which written location of a store a source feeds: one, as the key says, or none (`location_id` None). A
    source without a row feeds the default one. `is_counted_there`: it is read from `location_id`, a location of
    this store that sells by itself, so that the store counts its units already."""

    __tablename__ = "store_location_source"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    location_id: str | None = None
    is_counted_there: bool = False


_STANDS, _SINCE = sa.text("units > 0"), ("source_id", "sold_at")


class Allocation(SQLModel, table=True):
    """Units sold and taken from a source, deducted from what was observed there until the source's
    own number knows of them.

    `origin` "order" (an order line, named by `reference`) or "fall" (the store's number fell below what
    we last knew; an order that comes later explains it and takes its units over). Most are of the past and not
    deducted any more, so its indexes have the time of the sale.
    """

    __tablename__ = "allocation"
    __table_args__ = (
        sa.Index("allocation_sold_idx", "merchant_id", "variant_id", *_SINCE, postgresql_where=_STANDS),
        sa.Index("allocation_source_idx", "merchant_id", *_SINCE, postgresql_where=_STANDS),
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
    when time alone may change the answer. `why` is the arithmetic, for the merchant. `restock_until` is the day
    promised; it rests on `evidence_on`, the day that `evidence_connection_id` named. `sourcing` remembers which
    supplier sells (`connector.availability.sourcing.Sourcing`), {} where all are summed.
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
    evidence_on: date | None = None
    evidence_connection_id: int = Field(default=0, sa_type=sa.BigInteger)
    version: int = 0
    out_since: datetime | None = None
    recheck_at: datetime | None = None
    decided_at: datetime
    why: dict[str, Any] = json_field()
    sourcing: dict[str, Any] = json_field()


class StockRule(SQLModel, table=True):
    """What the merchant says of a level: everything (`level` "merchant", `subject` ""), a supplier ("supplier", the
    source's id), a collection ("collection", its name casefolded) or an item ("sku", the variant's id).

    `says` maps names of `connector.availability.rules.FIELDS` to values; what is not there is not said. The nearest
    level that says something wins.
    """

    __tablename__ = "stock_rule"
    __table_args__ = (
        sa.CheckConstraint("level in ('merchant', 'supplier', 'collection', 'sku')", name="level"),
    )
    merchant_id: int = tenant()
    level: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    says: dict[str, Any] = json_field()
    actor: str = ""
    changed_at: datetime


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

    `first_shown_on` is the first day promised (the end of the first window shown) and what is measured;
    `evidence_on` the day it rested on and `connection_id` whose word that was. `slips` counts how often a later
    day took its place, `slipped_at` the last time; `withdrawn_at` when a day still ahead was taken down.
    `restocked_at` is when it was sellable again, by the run `restocked_run_id` where one brought it.

    `is_kept` is known at `known_at`: sellable on or before `first_shown_on`, at the merchant's place, or not. A
    slip is a miss at once; a day that passes is one the next morning. What is missed stays so.
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
        sa.Index(
            "promise_due_idx",
            "merchant_id",
            "first_shown_on",
            postgresql_where=sa.text("is_kept is null"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    variant_id: int = Field(sa_type=sa.BigInteger)
    shown_at: datetime
    first_shown_on: date
    latest_shown_on: date
    basis: str
    evidence_on: date | None = None
    connection_id: int = Field(default=0, sa_type=sa.BigInteger)
    slips: int = Field(default=0, sa_type=sa.SmallInteger)
    slipped_at: datetime | None = None
    withdrawn_at: datetime | None = None
    restocked_at: datetime | None = None
    restocked_run_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    is_kept: bool | None = None
    known_at: datetime | None = None


class LeadTimeEvidence(SQLModel, table=True):
    """When something was expected, and when it truly came: what lateness is learnt from.

    `kind` "stated" (a supplier named `expected_on` for an item that was at zero), "shipment" (a line on its way
    to a place that sells) or "restock" (an item fell to zero: `expected_on` is that day, and there is no
    expectation). `reference` is the item's key or the line's name; `variant_id` 0 for items.

    `began_on` is the day we learnt of it, `latest_expected_on` the day named last. It ends by `arrived_on`, or by
    `stopped_on` where nobody tells any more (the date or the line is gone, and it did not come): then it is only
    known to have taken longer. `opened_run_id` and `closed_run_id` let an undone run take back what it brought.
    """

    __tablename__ = "lead_time_evidence"
    __table_args__ = (
        sa.Index(
            "lead_time_evidence_open_idx",
            "merchant_id",
            "connection_id",
            "kind",
            "reference",
            "variant_id",
            unique=True,
            postgresql_where=sa.text("arrived_on is null and stopped_on is null"),
        ),
        sa.CheckConstraint("kind in ('stated', 'shipment', 'restock')", name="kind"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    kind: str
    reference: str
    variant_id: int = Field(default=0, sa_type=sa.BigInteger)
    began_on: date
    expected_on: date
    latest_expected_on: date
    arrived_on: date | None = None
    stopped_on: date | None = None
    opened_run_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    closed_run_id: int | None = Field(default=None, sa_type=sa.BigInteger)


class LatenessRow(SQLModel, table=True):
    """What the evidence says of one supplier's or store's next date, learnt once a day: the fields of
    `connector.availability.facts.Correction`. `own_typical_days` is the middle of this one's own delays."""

    __tablename__ = "lateness"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    kind: str = Field(primary_key=True)
    days: int | None = None
    level: float
    ended: int
    still_open: int
    own: int
    is_reached: bool
    is_pooled: bool
    typical_days: int | None = None
    own_typical_days: int | None = None
    learnt_at: datetime


class SettingsImport(SQLModel, table=True):
    """A file of settings that a merchant brought along: looked at ("preview"), written ("applied") or taken back
    ("undone"). `changes` are the single settings, each with the value before and after; `faults` the lines that
    were not taken, with their reason."""

    __tablename__ = "settings_import"
    __table_args__ = (sa.CheckConstraint("status in ('preview', 'applied', 'undone')", name="status"),)
    merchant_id: int = tenant()
    id: int | None = identity()
    status: str = "preview"
    file_name: str = ""
    origin: str = ""
    made_at: datetime
    decided_at: datetime | None = None
    actor: str = ""
    rows_read: int = 0
    changes: list[Any] = json_field("[]")
    faults: list[Any] = json_field("[]")
