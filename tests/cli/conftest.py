"""`dispo` run in this process against a database of the tests, with simulated shop and supplier."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.cli import main
from connector.settings import Settings
from simulator.shop import Shop
from simulator.supplier import SupplierServer
from simulator.woocommerce import WooCommerceServer

KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40


class Ran:
    """What a command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Dispo:
    """Runs commands as an operator would: `dispo("store", "list")`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, **environ: str) -> Ran:
        import io
        import sys

        out, err = io.StringIO(), io.StringIO()
        code = 0
        with self._monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["dispo", *arguments])
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                except SystemExit as ended:
                    code = int(ended.code or 0)
        return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture
def dispo(engine: sa.Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dispo:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    monkeypatch.setenv("DISPO_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DISPO_SECRET_KEYS", ",".join(settings.secret_keys))
    monkeypatch.setenv("DISPO_ALLOWED_PRIVATE_HOSTS", "127.0.0.1,localhost")
    monkeypatch.setenv("DISPO_FEED_DIRECTORIES", str(tmp_path))
    return Dispo(monkeypatch)


@pytest.fixture
def merchant(dispo: Dispo) -> int:
    ran = dispo(
        "merchant", "add", "--name", "Vase & Co", "--email", "you@shop.example", "--json",
        DISPO_PASSWORD="a long password",
    )  # fmt: skip
    assert 0 == ran.code, ran.err
    return int(ran.json["merchant_id"])


@pytest.fixture
def shop() -> Shop:
    shop = Shop("Vase & Co")
    for number in range(1, 13):
        shop.add_product(
            f"Vase {number}", [{"sku": f"VASE-{number}", "title": "", "price_minor": 900, "stock": 5}]
        )
    return shop


@pytest.fixture
def woo(shop: Shop) -> Iterator[WooCommerceServer]:
    with WooCommerceServer(shop, key=KEY, secret=SECRET, deliver_webhooks=False) as server:
        yield server


@pytest.fixture
def supplier() -> Iterator[SupplierServer]:
    with SupplierServer() as server:
        yield server


@pytest.fixture
def connected(dispo: Dispo, merchant: int, woo: WooCommerceServer) -> int:
    """The id of the connected store."""
    ran = connect_woo(dispo, woo.url)
    assert 0 == ran.code, ran.err
    return int(ran.json["connection_id"])


def connect_woo(dispo: Dispo, url: str, key: str = KEY, secret: str = SECRET) -> Ran:
    return dispo(
        "store", "connect", "woocommerce", "--set", f"url={url}", "--no-webhooks", "--json",
        DISPO_SECRET_CONSUMER_KEY=key, DISPO_SECRET_CONSUMER_SECRET=secret,
    )  # fmt: skip
