"""Builds small worlds in the database for tests: a merchant, stores, sources, variants, listings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.tables import Connection, Merchant
from connector.catalog.tables import Listing, SupplierItem, Variant
from connector.outbox.tables import OutboxMessage
from connector.positions.decide import Cause, decide
from connector.positions.tables import Allocation, Observation, Position, Source

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class World:
    """One merchant in `engine`. Every method commits; ids are the database's."""

    def __init__(self, engine: sa.Engine, *, now: datetime = NOW, **rules: Any) -> None:
        self.engine = engine
        self.now = now
        self.merchant_id = self._insert(Merchant, name="Vase & Co", created_at=now, **rules)
        self._numbers = 0

    def store(self, *, writes: bool = True, adapter: str = "woocommerce", **fields: Any) -> int:
        """A store connection; approved for writing unless told otherwise."""
        self._numbers += 1
        return self._insert(
            Connection,
            merchant_id=self.merchant_id,
            kind="store",
            adapter=adapter,
            name=fields.pop("name", f"shop {self._numbers}"),
            public_key=f"key-{self.merchant_id}-{self._numbers}",
            writing_approved_at=self.now if writes else None,
            created_at=self.now,
            **fields,
        )

    def source(self, *, as_of: datetime | None = None, **fields: Any) -> int:
        """A supplier's source with a connection of its own."""
        self._numbers += 1
        connection_id = self._insert(
            Connection,
            merchant_id=self.merchant_id,
            kind="supplier",
            adapter="file_feed",
            name=f"supplier {self._numbers}",
            public_key=f"key-{self.merchant_id}-{self._numbers}",
            created_at=self.now,
        )
        return self._insert(
            Source,
            merchant_id=self.merchant_id,
            connection_id=connection_id,
            name=f"supplier {self._numbers}",
            as_of=as_of or self.now,
            **fields,
        )

    def variant(self, sku: str, **fields: Any) -> int:
        return self._insert(
            Variant,
            merchant_id=self.merchant_id,
            sku=sku,
            sku_key=sku.casefold(),
            title=fields.pop("title", sku),
            **fields,
        )

    def listing(self, store_id: int, variant_id: int, shown: int | None, **fields: Any) -> int:
        """A managed listing whose store shows `shown`, as we know."""
        external_id = fields.pop("external_id", f"{1000 + variant_id}")
        return self._insert(
            Listing,
            merchant_id=self.merchant_id,
            connection_id=store_id,
            variant_id=variant_id,
            external_id=external_id,
            product_id=fields.pop("product_id", external_id),
            stock_id=fields.pop("stock_id", external_id),
            is_managed=fields.pop("is_managed", True),
            believed_available=shown,
            confirmed_available=shown,
            confirmed_at=self.now,
            seen_at=self.now,
            **fields,
        )

    def observe(
        self, source_id: int, variant_id: int, quantity: int | None, *, per_variant: int = 1, **fields: Any
    ) -> None:
        """What the source says of the item that sells this variant (linked on first use)."""
        key = fields.pop("item_key", f"item-{variant_id}")
        self.execute(
            """
            insert into supplier_item (merchant_id, source_id, item_key, variant_id, units_per_variant)
            values (:m, :s, :k, :v, :u) on conflict do nothing
            """,
            s=source_id,
            k=key,
            v=variant_id,
            u=per_variant,
        )
        with self.engine.begin() as db:
            db.execute(
                sa.text(
                    "delete from observation where merchant_id = :m and source_id = :s and item_key = :k"
                ),
                {"m": self.merchant_id, "s": source_id, "k": key},
            )
            db.execute(
                sa.insert(Observation.__table__).values(  # type: ignore[attr-defined]
                    merchant_id=self.merchant_id,
                    source_id=source_id,
                    item_key=key,
                    sku=key,
                    quantity=quantity,
                    run_id=1,
                    **fields,
                )
            )

    def sellable(self, sku: str, quantity: int, *, stores: list[int] | None = None) -> int:
        """A variant with one source of `quantity`, listed in `stores` and decided. Returns its id."""
        variant_id = self.variant(sku)
        source_id = self.source()
        self.observe(source_id, variant_id, quantity)
        for store_id in stores or []:
            self.listing(store_id, variant_id, quantity, sku=sku)
        self.decide(variant_id)
        return variant_id

    def decide(self, *variant_ids: int, at: datetime | None = None, kind: str = "run") -> Any:
        return decide(self.engine, self.merchant_id, variant_ids, now=at or self.now, cause=Cause(kind))

    def position(self, variant_id: int) -> Any:
        return self.one(Position, Position.variant_id == variant_id)  # type: ignore[arg-type]

    def listing_row(self, listing_id: int) -> Any:
        return self.one(Listing, Listing.id == listing_id)  # type: ignore[arg-type]

    def pending(self) -> list[tuple[str, str, int]]:
        """Pending intents as (topic, subject, lane), in the order they would be claimed."""
        with self.engine.connect() as db:
            table = OutboxMessage.__table__  # type: ignore[attr-defined]
            rows = db.execute(
                sa.select(table.c.topic, table.c.subject, table.c.lane)
                .where(table.c.merchant_id == self.merchant_id, table.c.status == "pending")
                .order_by(table.c.lane, table.c.id)
            )
            return [(row.topic, row.subject, row.lane) for row in rows]

    def forget_intents(self) -> None:
        self.execute("delete from outbox_message where merchant_id = :m")

    def allocated(self, variant_id: int) -> dict[str, int]:
        """Units deducted per origin."""
        with self.engine.connect() as db:
            table = Allocation.__table__  # type: ignore[attr-defined]
            rows = db.execute(
                sa.select(table.c.origin, sa.func.sum(table.c.units))
                .where(table.c.merchant_id == self.merchant_id, table.c.variant_id == variant_id)
                .group_by(table.c.origin)
            )
            return {row[0]: int(row[1]) for row in rows if row[1]}

    def one(self, model: Any, *where: Any) -> Any:
        with self.engine.connect() as db:
            return db.execute(
                sa.select(model.__table__).where(model.merchant_id == self.merchant_id, *where)
            ).one()

    def execute(self, statement: str, **given: Any) -> None:
        with self.engine.begin() as db:
            db.execute(sa.text(statement), {"m": self.merchant_id, **given})

    def _insert(self, model: Any, **fields: Any) -> int:
        with self.engine.begin() as db:
            return int(
                db.execute(
                    sa.insert(model.__table__).values(**fields).returning(model.__table__.c.id)
                ).scalar_one()
            )


__all__ = ["NOW", "SupplierItem", "World", "date"]
