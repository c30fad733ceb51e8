"""A shop with a store, a supplier and some variants, and a way to run the supplier's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.catalog.keys import gtin_key, sku_key
from connector.intake.records import Outcome
from connector.intake.runs import run
from tests.intake.fakes import FakeRuntime, FakeSupplier
from tests.support import ManualClock

MERCHANT, STORE, SUPPLIER, SOURCE = 1, 1, 2, 1


@dataclass
class Shop:
    """Merchant 1 with store connection 1 and supplier connection 2, whose source is 1."""

    rt: FakeRuntime
    supplier: FakeSupplier
    engine: sa.Engine

    def run(
        self, text: str | None = None, *, trigger: str = "test", minutes: float = 60, **more: Any
    ) -> Outcome:
        """Run the source once, an hour later than before, with `text` as its file."""
        if text is not None:
            self.supplier.text = text
        self.rt.manual_clock.advance(minutes=minutes)
        return run(self.rt, MERCHANT, SOURCE, trigger=trigger, **more)

    def source(self, **columns: Any) -> None:
        """Change the source."""
        values = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in columns.items()}
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        with self.engine.begin() as db:
            db.execute(sa.text(f"update source set {sets} where merchant_id = 1 and id = 1"), values)

    def add_variant(self, sku: str, *, gtin: str = "", managed: bool = False, excluded: bool = False) -> int:
        """A variant with one listing that the store says has 7."""
        with self.engine.begin() as db:
            variant: int = db.execute(
                sa.text(
                    "insert into variant (merchant_id, sku, sku_key, gtin, title)"
                    " values (1, :sku, :key, :gtin, :sku) returning id"
                ),
                {"sku": sku, "key": sku_key(sku), "gtin": gtin_key(gtin)},
            ).scalar_one()
            db.execute(
                sa.text(
                    "insert into listing (merchant_id, connection_id, variant_id, external_id, product_id,"
                    " stock_id, sku, believed_available, is_managed, is_excluded, seen_at)"
                    " values (1, 1, :variant, :x, :x, :x, :sku, 7, :managed, :excluded, now())"
                ),
                {
                    "variant": variant,
                    "x": f"p{variant}",
                    "sku": sku,
                    "managed": managed,
                    "excluded": excluded,
                },
            )
        return variant

    def all(self, statement: str, **given: Any) -> list[tuple[Any, ...]]:
        with self.engine.begin() as db:
            return [tuple(row) for row in db.execute(sa.text(statement), given)]

    def observed(self) -> dict[str, int | None]:
        """Item key → observed quantity."""
        return dict(self.all("select item_key, quantity from observation where source_id = 1 order by 1"))

    def available(self) -> dict[str, int]:
        """SKU → decided units."""
        return dict(
            self.all(
                "select v.sku, p.available from position p join variant v on v.id = p.variant_id order by 1"
            )
        )

    def issues(self) -> list[tuple[Any, ...]]:
        return self.all('select line, "column", code from run_issue order by run_id, line, code')


@pytest.fixture
def make_shop(engine: sa.Engine, tmp_path: Path, clock: ManualClock) -> Callable[[], Shop]:
    def make() -> Shop:
        with engine.begin() as db:
            db.exec_driver_sql("insert into merchant (name, created_at) values ('Shop', now())")
            for kind, adapter in (("store", "shopify"), ("supplier", "file_feed")):
                db.exec_driver_sql(
                    "insert into connection (merchant_id, kind, adapter, name, public_key, created_at,"
                    " writing_approved_at) values (1, %s, %s, %s, %s, now(), now())",
                    (kind, adapter, kind, f"key-{kind}"),
                )
            db.exec_driver_sql("insert into source (merchant_id, connection_id, name) values (1, 2, 'Acme')")
        supplier = FakeSupplier()
        return Shop(FakeRuntime(engine, tmp_path, clock, {SUPPLIER: supplier}), supplier, engine)

    return make


@pytest.fixture
def shop(make_shop: Callable[[], Shop]) -> Shop:
    return make_shop()
