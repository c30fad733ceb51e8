"""What the benchmarks of delivery share: an installation of its own, and stores filled in bulk."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from cryptography.fernet import Fernet

from benchmarks.shops import ShopProcess, ids_of
from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.db import migrate, transaction
from connector.embedded import start_postgres
from connector.outbox.messages import Intent, enqueue
from connector.positions.topics import QUANTITY, lane_of
from connector.settings import Settings


class Item(NamedTuple):
    """A listing to deliver: its number in the simulated shop, its parent's (None: a simple product), what
    the store is believed to hold and what it should."""

    number: int
    parent: int | None
    sku: str
    believed: int
    wanted: int


@contextmanager
def installation() -> Iterator[Runtime]:
    """A Runtime on a durable PostgreSQL of its own, with one merchant (id 1). Nothing is left behind."""
    with tempfile.TemporaryDirectory(prefix="dispo-bench-") as name:
        directory = Path(name)
        with start_postgres(directory / "postgres") as server:
            migrate(server.url)
            rt = Runtime(
                Settings(
                    data_dir=directory,
                    database_url=server.url,
                    redis_url="unix:///nowhere",
                    secret_keys=(Fernet.generate_key().decode(),),
                    allowed_private_hosts=frozenset({"127.0.0.1"}),
                )
            )
            with transaction(rt.engine) as db:
                db.execute(sa.text("insert into merchant (name, created_at) values ('Bench', now())"))
            yield rt
            rt.engine.dispose()


def connect(rt: Runtime, shop: ShopProcess, *, merchant_id: int = 1) -> int:
    """A connection to `shop`, approved for writing. Returns its id."""
    address = "url" if shop.plan.platform == "woocommerce" else "base_url"
    with transaction(rt.engine) as db:
        store_id = add_connection(
            db,
            rt.keyring,
            merchant_id,
            kind="store",
            adapter=shop.plan.platform,
            name=f"{shop.plan.platform} {shop.url}",
            config={**shop.plan.config, address: shop.url},
            secrets=shop.plan.secrets,
            now=datetime.now(UTC),
        )
        db.execute(
            sa.text("update connection set writing_approved_at = now() where merchant_id = :m and id = :c"),
            {"m": merchant_id, "c": store_id},
        )
    return store_id


_FILL = sa.text("""
    with sold as (
      insert into variant (merchant_id, sku, sku_key, title)
      select :m, i.sku, lower(i.sku), i.sku from unnest(cast(:skus as text[])) as i(sku)
      returning id, sku
    )
    insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id,
                         location_id, sku, is_managed, wanted_available, wanted_state, believed_available,
                         believed_state, confirmed_available, confirmed_at, seen_at)
    select :m, :c, sold.id, i.external_id, i.product_id, i.stock_id, i.location_id, i.sku, true, i.wanted,
           'in_stock', i.believed, 'in_stock', i.believed, now(), now()
      from unnest(cast(:externals as text[]), cast(:products as text[]), cast(:stocks as text[]),
                  cast(:locations as text[]), cast(:skus as text[]), cast(:wanteds as int[]),
                  cast(:believeds as int[]))
           as i(external_id, product_id, stock_id, location_id, sku, wanted, believed)
      join sold on sold.sku = i.sku
    returning id, sku
""")


def fill(rt: Runtime, store_id: int, platform: str, items: Sequence[Item], *, merchant_id: int = 1) -> None:
    """Store `items` as managed listings whose badges are right, and enqueue their numbers in this order."""
    for start in range(0, len(items), 10_000):
        part = items[start : start + 10_000]
        ids = [ids_of(platform, item.number, item.parent) for item in part]
        with transaction(rt.engine) as db:
            rows = db.execute(
                _FILL,
                {
                    "m": merchant_id,
                    "c": store_id,
                    "externals": [i[0] for i in ids],
                    "products": [i[1] for i in ids],
                    "stocks": [i[2] for i in ids],
                    "locations": [i[3] for i in ids],
                    "skus": [item.sku for item in part],
                    "wanteds": [item.wanted for item in part],
                    "believeds": [item.believed for item in part],
                },
            ).all()
            listing_of = {row.sku: row.id for row in rows}
            enqueue(
                db,
                merchant_id,
                [
                    Intent(
                        QUANTITY,
                        str(listing_of[item.sku]),
                        store_id,
                        lane_of(item.believed, item.wanted),
                        "" if external == product else product,
                    )
                    for item, (external, product, _, _) in zip(part, ids, strict=True)
                ],
            )
    with rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(sa.text("vacuum analyze"))


def result(
    name: str, value: float, unit: str, reference: float, aim: float, ok: bool | None = None, **detail: Any
) -> dict[str, Any]:
    """One line: `ratio` is value over reference, `ok` whether it is within `aim` unless told otherwise."""
    ratio = value / reference if reference else math.inf if value else 1.0
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "reference": round(reference, 3),
        "ratio": round(ratio, 4) if math.isfinite(ratio) else None,
        "aim": aim,
        "ok": ratio <= aim + 1e-9 if ok is None else ok,
        **detail,
    }
