"""Imports of people who wait: what each was, and for a day the lines that were read, sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class ShopperImport(SQLModel, table=True):
    """One file. Status: preview, applied, undone.

    `sealed` holds its cells until it is applied, then the lines that failed; a day after `made_at` it is emptied.
    `mapping` is empty until it is known what the columns are: our fields and the file's names for them. `faults` name
    lines and reasons and never an address; `counts` are what the page says.
    The subscriptions of an import bear its number in `consent_version` ("import-7").
    """

    __tablename__ = "shopper_import"
    __table_args__ = (
        sa.Index("shopper_import_recent_idx", "merchant_id", sa.text("id desc")),
        sa.CheckConstraint("status in ('preview', 'applied', 'undone')", name="status"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    file_name: str
    origin: str
    digest: str = ""
    says_confirmed: bool = False
    status: str = "preview"
    made_at: datetime
    decided_at: datetime | None = None
    actor: str = ""
    mapping: dict[str, Any] = json_field()
    counts: dict[str, Any] = json_field()
    faults: list[Any] = json_field("[]")
    sealed: bytes | None = None
