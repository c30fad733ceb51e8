"""Ads by landing page, and the ledger of what we did to them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, tenant


class AdLink(SQLModel, table=True):
    """An ad (or keyword) that leads to a product page of the merchant.

    `paused_by_us_at` is set while the pause is ours, `status_before` what it was; `seen_status` is what
    the platform said last. `out_since` is when everything behind it became unavailable, `back_since`
    since when something can be bought. `daily_spend` is what it cost a day before we paused it.

    `step` is where our own hand is: "pausing" and "resuming" from the moment before the call until its
    effect was read back, "paused" in between; "theirs" where somebody ended our pause or the platform
    refused it, until something behind the page can be bought again; else "".
    """

    __tablename__ = "ad_link"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "connection_id", "external_id"),
        sa.Index("ad_link_page_idx", "merchant_id", "page_key"),
        sa.CheckConstraint("step in ('', 'pausing', 'paused', 'resuming', 'theirs')", name="step"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    external_id: str
    kind: str
    name: str
    campaign: str = ""
    landing_page: str
    page_key: str
    seen_status: str
    seen_at: datetime
    daily_spend: Decimal | None = Field(default=None, max_digits=14, decimal_places=4)
    out_since: datetime | None = None
    back_since: datetime | None = None
    paused_by_us_at: datetime | None = None
    status_before: str = ""
    step: str = ""
    is_gone: bool = False


class AdAction(SQLModel, table=True):
    """One thing we did (or would have done, in a dry run) to an ad, and why. Append-only."""

    __tablename__ = "ad_action"
    __table_args__ = (
        sa.Index("ad_action_recent_idx", "merchant_id", sa.text("id desc")),
        sa.Index("ad_action_ad_idx", "merchant_id", "ad_link_id"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    ad_link_id: int = Field(sa_type=sa.BigInteger)
    at: datetime
    action: str
    outcome: str
    reason: str
    is_dry_run: bool = False
    spend_saved: Decimal | None = Field(default=None, max_digits=14, decimal_places=4)
