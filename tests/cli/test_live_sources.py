"""A system of the merchant's own: connected, looked at, brought in, with the restock date of its orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from simulator.odoo import OdooServer
from simulator.odoo.server import KEY
from tests.adapters.odoo_support import world
from tests.cli.conftest import Dispo


def test_an_odoo_is_connected_and_brought_in(dispo: Dispo, merchant: int, engine: sa.Engine) -> None:
    arrives = (datetime.now(UTC) + timedelta(days=9)).replace(hour=12, microsecond=0)
    with engine.begin() as db:
        db.execute(
            sa.text(
                "insert into variant (merchant_id, sku, sku_key, title)"
                " values (:m, 'SKU-009', 'sku-009', 'Bowl'), (:m, 'SKU-001', 'sku-001', 'Lamp')"
            ),
            {"m": merchant},
        )
    with OdooServer(world()) as odoo:
        stamp = arrives.strftime("%Y-%m-%d %H:%M:%S")
        odoo.database.put("stock.move", 11, date=stamp, date_deadline=stamp)
        connected = dispo(
            "supplier", "connect", "odoo", f"{odoo.url}/odoo", "--name", "Our Odoo", "--set", "database=dispo",
            "--json", DISPO_SECRET_API_KEY=KEY,
        )  # fmt: skip
        assert 0 == connected.code, connected.err
        looked = dispo("supplier", "preview", str(connected.json["supplier"]), "--json")
        assert "sku" in [guess["field"] for guess in looked.json["guesses"]]
        assert (looked.json["problem"], looked.json["items"], looked.json["matched"]) == ("", 27, 2)
        ran = dispo("sync", "--json")
        again = dispo("sync", "--json")
        odoo.database.tick()
        odoo.database.put("stock.quant", 1, quantity=9.0)
        sold = dispo("sync", "--json")

    assert 0 == ran.code, ran.err
    assert ["applied"] == [run["status"] for run in ran.json["runs"]]
    assert [("unchanged", 0)] == [(run["status"], run["rows_read"]) for run in again.json["runs"]]
    assert [("applied", 28, 1)] == [
        (run["status"], run["rows_read"], run["rows_changed"]) for run in sold.json["runs"]
    ]
    with engine.connect() as db:
        found = db.execute(
            sa.text(
                "select v.sku, p.available, p.restock_on, p.restock_basis from position p"
                "  join variant v on v.id = p.variant_id order by 1"
            )
        ).all()
        kept = db.execute(
            sa.text("select adapter, config::text from connection where kind = 'supplier'")
        ).all()
    assert [tuple(row) for row in found] == [
        ("SKU-001", 13, None, ""),
        ("SKU-009", 0, arrives.date(), "shipment"),
    ]
    assert [("odoo", False)] == [(row[0], KEY in row[1]) for row in kept]


def test_a_refused_key_connects_nothing(dispo: Dispo, merchant: int, engine: sa.Engine) -> None:
    with OdooServer(world()) as odoo:
        ran = dispo(
            "supplier", "connect", "odoo", odoo.url, "--set", "database=dispo", DISPO_SECRET_API_KEY="wrong"
        )

    assert 0 != ran.code
    assert "Odoo refused the API key." in ran.err
    with engine.connect() as db:
        assert 0 == db.execute(sa.text("select count(*) from connection")).scalar()
