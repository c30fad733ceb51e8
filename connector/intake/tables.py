"""Runs: what came in, what was wrong with it, what waits for the merchant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class Run(SQLModel, table=True):
    """One look at a supplier. Counts are rows unless they say otherwise.

    Status: running, unchanged, applied, partly_held, held, rejected, undone, failed.
    `stage` and `rows_read` are the progress a page can show while it runs.
    """

    __tablename__ = "run"
    __table_args__ = (
        sa.Index("run_recent_idx", "merchant_id", "source_id", sa.text("id desc")),
        sa.Index(
            "run_running_idx", "merchant_id", "source_id", postgresql_where=sa.text("status = 'running'")
        ),
        sa.CheckConstraint(
            "status in ('running', 'unchanged', 'applied', 'partly_held', 'held', 'rejected', 'undone',"
            " 'failed', 'preview')",
            name="status",
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    source_id: int = Field(sa_type=sa.BigInteger)
    trigger: str = "schedule"
    status: str = "running"
    stage: str = "fetch"
    started_at: datetime
    finished_at: datetime | None = None
    as_of: datetime | None = None
    sha256: str = ""
    file_name: str = ""
    size_bytes: int = Field(default=0, sa_type=sa.BigInteger)
    rows_read: int = 0
    rows_changed: int = 0
    rows_new: int = 0
    rows_missing: int = 0
    rows_rejected: int = 0
    rows_held: int = 0
    variants_decided: int = 0
    variants_changed: int = 0
    error_code: str = ""
    error: str = ""
    feed_path: str = ""
    shape: dict[str, Any] = json_field()


class RunIssue(SQLModel, table=True):
    """Something wrong with one row: where, which column, why. Never silent, never stops the run."""

    __tablename__ = "run_issue"
    merchant_id: int = tenant()
    id: int | None = identity()
    run_id: int = Field(sa_type=sa.BigInteger, index=True)
    line: int
    column: str = ""
    code: str
    reason: str
    cells: list[Any] = json_field("[]")


class HeldChange(SQLModel, table=True):
    """A row that waits: what it would change and why it was held. Superseded by a newer accepted row."""

    __tablename__ = "held_change"
    __table_args__ = (
        sa.Index("held_change_run_idx", "merchant_id", "run_id"),
        sa.Index(
            "held_change_open_idx",
            "merchant_id",
            "source_id",
            "item_key",
            postgresql_where=sa.text("status = 'held'"),
        ),
        sa.CheckConstraint("status in ('held', 'approved', 'rejected', 'superseded')", name="status"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    run_id: int = Field(sa_type=sa.BigInteger)
    source_id: int = Field(sa_type=sa.BigInteger)
    item_key: str
    status: str = "held"
    reason: str
    quantity_before: int | None = None
    quantity_after: int | None = None
    row: list[Any] = json_field("[]")


class ItemBand(SQLModel, table=True):
    """Between which quantities one item of a source may jump without being held; see `item_bands`."""

    __tablename__ = "item_band"
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    item_key: str = Field(primary_key=True)
    low: int
    high: int
    run_id: int = Field(sa_type=sa.BigInteger)
    given_by: str
    given_at: datetime


class Snapshot(SQLModel, table=True):
    """The digests of the raw records applied so far, per source: what need not be parsed again.

    `digests` is a sorted array of little-endian uint64. `version` names the hash and the mapping it
    was made under: another version means everything is parsed again.
    """

    __tablename__ = "snapshot"
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    version: str
    row_count: int
    digests: bytes
    quarantined: list[Any] = json_field("[]")


class Upload(SQLModel, table=True):
    """A file that was handed over or sent in, gzip-compressed, until a worker has read it. `sha256` is of its
    bytes; `run_id` the run that was promised to whoever sent it, None where nobody asked for one; `tries` counts
    runs of it that ended in an accident."""

    __tablename__ = "upload"
    __table_args__ = (sa.Index("upload_waiting_idx", "merchant_id", "source_id", "id"),)
    merchant_id: int = tenant()
    id: int | None = identity()
    source_id: int = Field(sa_type=sa.BigInteger)
    name: str
    size_bytes: int = Field(sa_type=sa.BigInteger)
    packed: bytes
    sha256: str = ""
    run_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    actor: str
    received_at: datetime
    tries: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
