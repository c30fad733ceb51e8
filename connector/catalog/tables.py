"""What is sold (variants), where it is listed (listings) and which supplier items it is bought as."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class Variant(SQLModel, table=True):
    """A sellable item of the merchant. `sku_key` is the SKU as it is compared (see `matching`). `collections` are
    those it is in, as its store names them; `collection` is the first of them when it was first seen."""

    __tablename__ = "variant"
    __table_args__ = (
        sa.Index("variant_sku_key_idx", "merchant_id", "sku_key"),
        sa.Index("variant_gtin_idx", "merchant_id", "gtin", postgresql_where=sa.text("gtin <> ''")),
        sa.Index(
            "variant_collections_idx",
            "collections",
            postgresql_using="gin",
            postgresql_ops={"collections": "jsonb_path_ops"},
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    sku: str
    sku_key: str
    gtin: str = ""
    title: str
    collection: str = ""
    collections: list[str] = json_field("[]")
    is_discontinued: bool = False
    buffer_units: int | None = None
    cap_units: int | None = None
    low_stock_threshold: int | None = None
    allows_backorder: bool | None = None


class Listing(SQLModel, table=True):
    """A variant in one store (and location): what it should say, what we believe it says, what it said.

    `wanted_*` is decided; `believed_*` is what the store holds as far as we know (our writes plus the
    sales we learnt); `confirmed_*` is what the store itself last told us. None in `believed_available`
    means "not known": the next write reads first. `doubted_units` widens it: the store holds something
    between `believed_available` and that much more (an order or a cancel whose moment lies so close to
    our own look that nobody can say whether the number had it already); it is read before it is written.
    None in `confirmed_at` asks for that too. Only `is_managed` listings are ever written. `page_key`
    is the product page as landing pages are compared (host and path). From `yielded_at` on it is left to
    somebody else who keeps setting its number.
    """

    __tablename__ = "listing"
    __table_args__ = (
        sa.Index(
            "listing_place_idx",
            "merchant_id",
            "connection_id",
            "external_id",
            sa.text("coalesce(location_id, '')"),
            unique=True,
        ),
        sa.Index("listing_variant_idx", "merchant_id", "variant_id"),
        sa.Index("listing_stock_idx", "merchant_id", "connection_id", "stock_id"),
        sa.Index("listing_page_idx", "merchant_id", "page_key"),
        sa.Index(
            "listing_yielded_idx",
            "merchant_id",
            "connection_id",
            postgresql_where=sa.text("yielded_at is not null"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    variant_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    external_id: str
    product_id: str
    stock_id: str
    location_id: str | None = None
    sku: str = ""
    title: str = ""
    url: str = ""
    page_key: str = ""
    image_url: str = ""
    price_minor: int | None = Field(default=None, sa_type=sa.BigInteger)
    is_published: bool = True
    is_managed: bool = False
    is_excluded: bool = False
    is_gone: bool = False
    problem: str = ""
    wanted_available: int | None = None
    wanted_state: str = ""
    wanted_count: int | None = None
    wanted_restock_on: date | None = None
    wanted_restock_until: date | None = None
    believed_available: int | None = None
    doubted_units: int = 0
    believed_state: str = ""
    believed_count: int | None = None
    believed_restock_on: date | None = None
    believed_restock_until: date | None = None
    confirmed_available: int | None = None
    confirmed_at: datetime | None = None
    written_at: datetime | None = None
    yielded_at: datetime | None = None
    seen_at: datetime


class SupplierItem(SQLModel, table=True):
    """The link "this item of that source is bought to sell this variant".

    One variant unit takes `units_per_variant` units of the supplier's item (a pack of six: 6).
    `how` tells how it was matched: sku, gtin, supplier_sku or by hand.
    """

    __tablename__ = "supplier_item"
    __table_args__ = (sa.Index("supplier_item_variant_idx", "merchant_id", "variant_id"),)
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    item_key: str = Field(primary_key=True)
    variant_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    units_per_variant: int = 1
    how: str = "sku"


class BundleComponent(SQLModel, table=True):
    """One bundle (`variant_id`) takes `units` of the variant `component_id`. No bundle contains itself."""

    __tablename__ = "bundle_component"
    __table_args__ = (
        sa.Index("bundle_component_component_idx", "merchant_id", "component_id"),
        sa.CheckConstraint("units between 1 and 10000", name="units"),
        sa.CheckConstraint("variant_id <> component_id", name="other"),
    )
    merchant_id: int = tenant()
    variant_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    component_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    units: int = 1


class MatchChoice(SQLModel, table=True):
    """What the merchant decided about an item that matching could not link: its variant (`variant_id`), or that
    it is not his ("ignore", None). `undo` are the links it took away, to be put back."""

    __tablename__ = "match_choice"
    __table_args__ = (sa.CheckConstraint("choice in ('link', 'ignore')", name="choice"),)
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    item_key: str = Field(primary_key=True)
    choice: str
    variant_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    undo: dict[str, Any] = json_field()
    actor: str = ""
    decided_at: datetime


class PlaceRule(SQLModel, table=True):
    """What is done in one store's lists with products that have been sold out for more than `days_out` days.

    `kind` and `tag` are those of `connector.ports.places`. A "draft" does nothing until the merchant approved
    what it would change; switched "off" it puts everything back. `held` products wait for another approval,
    because they are many at once (0: none). `problem` is why the last look could not do its work.
    """

    __tablename__ = "place_rule"
    __table_args__ = (
        sa.CheckConstraint("status in ('draft', 'on', 'off')", name="status"),
        sa.CheckConstraint("kind in ('tag', 'last', 'search_only')", name="kind"),
        sa.CheckConstraint("days_out between 1 and 730", name="days_out"),
    )
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    kind: str
    tag: str = ""
    days_out: int
    status: str = "draft"
    approved_at: datetime | None = None
    held: int = 0
    problem: str = ""


class Place(SQLModel, table=True):
    """A product that we moved in one store's lists: the value it had `before` and the one that is `ours`.

    `step` is where our own hand is: "placing" and "returning" from the moment before the call until it is
    known what became of it, "placed" in between; "theirs" where it stood there already or somebody changed
    it since, "refused" where the shop would not take it, both until it can be bought again; else "".
    """

    __tablename__ = "place"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "connection_id", "product_id", "kind", "tag"),
        sa.Index("place_open_idx", "merchant_id", "connection_id", postgresql_where=sa.text("step <> ''")),
        sa.CheckConstraint(
            "step in ('', 'placing', 'placed', 'returning', 'theirs', 'refused')", name="step"
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    product_id: str
    kind: str
    tag: str = ""
    before: str
    ours: str
    step: str = ""
    reason: str = ""
    changed_at: datetime
