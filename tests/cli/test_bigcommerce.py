"""A BigCommerce store connected from the command line: secrets from the environment or from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from tests.cli.conftest import Dispo

TOKEN, SECRET = "access-token-of-the-store", "client-secret-of-the-account"


@pytest.fixture
def server(shop: Shop) -> Iterator[BigCommerceServer]:
    with BigCommerceServer(shop, client_secret=SECRET, access_token=TOKEN) as server:
        yield server


def test_a_store_is_connected_with_what_people_paste(
    dispo: Dispo, merchant: int, server: BigCommerceServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    ran = dispo(
        "store", "connect", "bigcommerce", "--set", "store_hash=https://store-z4zn3wo.mybigcommerce.com/manage",
        "--set", f"base_url={server.url}", "--secret-file", f"access_token={token}", "--no-webhooks", "--json",
        DISPO_SECRET_API_SECRET=SECRET,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = ran.json
    assert (found["name"], found["version"], found["listings"]) == ("Vase & Co", "API v3, plan Standard", 12)
    assert found["warnings"] == []
    assert server.inventory.counts["written"] == 0, "a new connection writes nothing"
    (listed,) = dispo("store", "list", "--json").json
    assert (listed["adapter"], listed["writes"]) == ("bigcommerce", "not approved")


def test_a_refused_token_connects_nothing_and_is_not_repeated(
    dispo: Dispo, merchant: int, server: BigCommerceServer
) -> None:
    ran = dispo(
        "store", "connect", "bigcommerce", "--set", "store_hash=z4zn3wo", "--set", f"base_url={server.url}",
        "--no-webhooks", DISPO_SECRET_ACCESS_TOKEN="another-token", DISPO_SECRET_API_SECRET=SECRET,
    )  # fmt: skip
    assert ran.code != 0
    assert "BigCommerce refused the access token" in ran.err
    assert "another-token" not in ran.out + ran.err
    assert dispo("store", "list", "--json").json == []


def test_webhooks_are_made_and_looked_after(dispo: Dispo, merchant: int, server: BigCommerceServer) -> None:
    ran = dispo(
        "store", "connect", "bigcommerce", "--set", "store_hash=z4zn3wo", "--set", f"base_url={server.url}",
        "--json", DISPO_SECRET_ACCESS_TOKEN=TOKEN, DISPO_SECRET_API_SECRET=SECRET,
        DISPO_BASE_URL="https://dispo.example",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["webhooks"] == 10
    destinations = {hook.destination for hook in server.webhooks.hooks.values()}
    assert len(destinations) == 1
    assert destinations.pop().startswith("https://dispo.example/webhooks/bigcommerce/")
