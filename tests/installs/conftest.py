"""A simulated shop on Shopify and an installation of Dispo whose app it may install."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.settings import AppKeys, Settings
from connector.web.app import create_app
from simulator.shopify import ShopifyServer
from tests.installs.scene import CLIENT_ID, SECRET, Admin, make_shop, serve


@pytest.fixture
def server() -> Iterator[ShopifyServer]:
    with serve(make_shop()) as running:
        yield running


@pytest.fixture
def admin(settings: Settings, engine: sa.Engine, server: ShopifyServer) -> Admin:
    keys = AppKeys(CLIENT_ID, SECRET, "", server.url)
    rt = Runtime(
        replace(settings, apps={"shopify": keys}, allowed_private_hosts=frozenset({"127.0.0.1"}),
                base_url="https://dispo.test")
    )  # fmt: skip
    rt.__dict__["engine"] = engine
    return Admin(rt, create_app(rt).test_client(), server)
