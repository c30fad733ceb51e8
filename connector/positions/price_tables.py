"""What is said of prices, and which prices a listing has had."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, json_field, tenant


class PriceRuleRow(SQLModel, table=True):
    """What the merchant says of prices for a level: everything ("merchant", `subject` ""), a supplier ("supplier",
    the source's id), a collection ("collection", its name casefolded) or an item ("sku", the variant's id).

    `says` holds names of `connector.availability.pricing.PriceRule`; decimals are texts. That of the merchant also
    says `tax_included`, `tax_percent` and `cost_currency` (by source).
    """

    __tablename__ = "price_rule"
    __table_args__ = (
        sa.CheckConstraint("level in ('merchant', 'supplier', 'collection', 'sku')", name="level"),
    )
    merchant_id: int = tenant()
    level: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    says: dict[str, Any] = json_field()
    actor: str = ""
    changed_at: datetime


class PriceChange(SQLModel, table=True):
    """A price of a listing and the moment we first saw it; it held until the next one. Append-only."""

    __tablename__ = "price_change"
    merchant_id: int = tenant()
    listing_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    seen_at: datetime = Field(sa_type=sa.DateTime(timezone=True), primary_key=True)
    price_minor: int = Field(sa_type=sa.BigInteger)
