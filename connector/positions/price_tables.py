"""What is said of prices, which prices a listing has had, which we wrote, and what is not sold below its floor."""

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


class PriceWriting(SQLModel, table=True):
    """Whether prices are written into a store, as the merchant approved it after a preview.

    `status` "on" or "off". `rules_digest` is of the price rules that were approved: under other rules nothing is
    written until they are approved, too. `allowed` is how many changes that approval still covers, beyond what may
    be written unseen; `allows_far` whether those that the rules hold as too far are among them. `held` changes
    wait for another approval because of `held_why` ("rules", "many", "far"). `shows_was`: a reduced price stands
    beside the lowest of the thirty days before.
    """

    __tablename__ = "price_writing"
    __table_args__ = (sa.CheckConstraint("status in ('on', 'off')", name="status"),)
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    status: str = "off"
    shows_was: bool = False
    rules_digest: str = ""
    allowed: int = 0
    allows_far: bool = False
    held: int = 0
    held_why: str = ""
    problem: str = ""
    actor: str = ""
    approved_at: datetime | None = None


class PriceWrite(SQLModel, table=True):
    """The last price that we wrote for a listing, or are about to, with the one before it (minor units). `first_minor`
    stood there before the first of ours, and is what undoing gives back.

    `before_was`, `first_was` and `ours_was` are the struck-through prices beside them, None for none. `step`:
    "writing" (before the call, or its answer was lost), "open" (the store confirmed), "undo" (to be put back),
    "undoing", "theirs" (somebody else set another price, or has the item on sale: left alone until the merchant
    hands it over), "refused" by the store with the `reason`. `written_at` is the moment of the look that wrote it.
    """

    __tablename__ = "price_write"
    __table_args__ = (
        sa.Index("price_write_store_idx", "merchant_id", "connection_id", "step"),
        sa.CheckConstraint(
            "step in ('writing', 'open', 'undo', 'undoing', 'theirs', 'refused')", name="step"
        ),
    )
    merchant_id: int = tenant()
    listing_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    connection_id: int = Field(sa_type=sa.BigInteger)
    before_minor: int = Field(sa_type=sa.BigInteger)
    before_was: int | None = Field(default=None, sa_type=sa.BigInteger)
    first_minor: int = Field(sa_type=sa.BigInteger)
    first_was: int | None = Field(default=None, sa_type=sa.BigInteger)
    ours_minor: int = Field(sa_type=sa.BigInteger)
    ours_was: int | None = Field(default=None, sa_type=sa.BigInteger)
    step: str = "writing"
    reason: str = ""
    written_at: datetime


class PriceStop(SQLModel, table=True):
    """A variant that is not sold because it would sell below its floor: `says` price, floor, cost (texts),
    currency, store and source as they were when it was stopped."""

    __tablename__ = "price_stop"
    merchant_id: int = tenant()
    variant_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    since: datetime
    says: dict[str, Any] = json_field()


class PriceStopGuard(SQLModel, table=True):
    """How many variants may be stopped (`allowed`, as the merchant approved), and how many more wait (`held`)."""

    __tablename__ = "price_stop_guard"
    merchant_id: int = tenant()
    allowed: int = 0
    held: int = 0
    actor: str = ""
    changed_at: datetime | None = None


class PriceRunNote(SQLModel, table=True):
    """A listing that the costs of a run put under its floor. Sums are texts in whole units of `currency`."""

    __tablename__ = "price_run_note"
    merchant_id: int = tenant()
    run_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    listing_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    says: dict[str, Any] = json_field()
