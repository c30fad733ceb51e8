"""Product pages as a search engine has them, and what was found about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class SearchPage(SQLModel, table=True):
    """A product page of the site of one search connection. `page_key` is the listings' own. `product_id` of the
    store connection `store_id` is the product it shows: a store that unpublishes one may name no address for
    it any more, while people still find the page.

    `clicks` and `impressions` are of the last 28 final days. `turn` is its place among those to be inspected
    next, None outside of the plan. What follows `inspected_at` is what the engine has of the page, what
    follows `looked_at` what the page itself answered, both in the words of `connector.ports.search`;
    `look_status` None: never looked at, 0: no answer. `problem` is why it could not be inspected.
    """

    __tablename__ = "search_page"
    __table_args__ = (
        sa.Index(
            "search_page_turn_idx",
            "merchant_id",
            "connection_id",
            "turn",
            postgresql_where=sa.text("turn is not null"),
        ),
    )
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    page_key: str = Field(primary_key=True)
    url: str
    store_id: int = Field(default=0, sa_type=sa.BigInteger)
    product_id: str = ""
    clicks: int = 0
    impressions: int = 0
    turn: int | None = None
    inspected_at: datetime | None = None
    is_indexed: bool = False
    fault: str = ""
    crawled_at: datetime | None = None
    canonical: str = ""
    coverage: str = ""
    issues: list[Any] = json_field("[]")
    report_url: str = ""
    problem: str = ""
    looked_at: datetime | None = None
    look_status: int | None = None
    look_location: str = ""
    is_noindex: bool = False
    offered: str = ""


class SearchFinding(SQLModel, table=True):
    """Something about a page that needs somebody. `kind` and `cause` are words of `connector.search.rules`,
    `since` when it began where that is known, `detail` what the words for it need.

    It is open until `closed_at`; `dismissed_at` hides it from the list until then. Open ones are unique.
    """

    __tablename__ = "search_finding"
    __table_args__ = (
        sa.Index(
            "search_finding_open_idx",
            "merchant_id",
            "connection_id",
            "page_key",
            "kind",
            unique=True,
            postgresql_where=sa.text("closed_at is null"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    page_key: str
    kind: str
    cause: str
    since: datetime | None = None
    detail: dict[str, Any] = json_field()
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None = None
    dismissed_at: datetime | None = None
