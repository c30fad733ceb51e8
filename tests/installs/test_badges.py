"""The definition that the badge needs in a Shopify shop: looked for, made where it lacks, owned up to where not."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import adapters.stores.shopify as shopify
from adapters.stores.shopify import definitions
from adapters.stores.shopify.writes import BADGE_KEY
from connector.ports.errors import Retryable
from simulator.shopify import ShopifyServer
from simulator.shopify.model import APP_NAMESPACE
from tests.adapters.shopify_support import connected, serve, small_shop
from tests.installs.scene import Admin
from tests.support import ManualClock


@pytest.fixture
def shop(clock: ManualClock) -> Iterator[ShopifyServer]:
    with serve(small_shop(clock.now)) as running:
        yield running


def defined(server: ShopifyServer) -> list[tuple[str, str, str, str]]:
    return [
        (one["ownerType"], one["namespace"], one["key"], one["type"]["name"]) for one in server.definitions
    ]


OURS = ("PRODUCTVARIANT", APP_NAMESPACE, BADGE_KEY, "json")


def define(server: ShopifyServer, **changed: Any) -> None:
    server.definitions.append(
        {
            "number": 1,
            "id": "gid://shopify/MetafieldDefinition/1",
            "namespace": APP_NAMESPACE,
            "key": BADGE_KEY,
            "name": "Availability",
            "ownerType": "PRODUCTVARIANT",
            "type": {"name": "json"},
            "access": {},
            "metafieldsCount": 0,
            **changed,
        }
    )


def test_what_the_installation_made_is_left_alone(shop: ShopifyServer) -> None:
    define(shop)
    assert connected(shop).ready_badges() == ""
    assert (defined(shop), shop.calls["DefineBadge"]) == ([OURS], 0)


def test_what_lacks_is_made_once(shop: ShopifyServer) -> None:
    define(shop, ownerType="PRODUCT")
    define(shop, namespace="other")
    store = connected(shop)
    assert (store.ready_badges(), store.ready_badges()) == ("", "")
    assert (defined(shop).count(OURS), shop.calls["DefineBadge"]) == (1, 1)


def test_what_is_made_is_what_the_configuration_says() -> None:
    path = Path(shopify.__file__).with_name("shopify.app.toml")
    (key, said), *others = tomllib.loads(path.read_text("utf-8"))["variant"]["metafields"]["app"].items()
    assert others == []
    assert (key, said["type"], said["name"], said["description"]) == (
        BADGE_KEY,
        definitions.TYPE,
        definitions.NAME,
        definitions.DESCRIPTION,
    )


def test_a_lost_answer_is_found_out_by_the_next_look(shop: ShopifyServer) -> None:
    store = connected(shop)
    shop.dials.fail_next += ["error"]
    with pytest.raises(Retryable):
        store.ready_badges()
    assert store.ready_badges() == ""
    assert defined(shop) == [OURS]


def test_a_definition_of_another_type_is_named_with_the_remedy(shop: ShopifyServer) -> None:
    define(shop, type={"name": "single_line_text_field"})
    said = connected(shop).ready_badges()
    assert "as single_line_text_field, not as json" in said
    assert "Delete that definition" in said
    assert shop.calls["DefineBadge"] == 0


def test_a_shop_that_takes_no_more_definitions_says_so(shop: ShopifyServer) -> None:
    shop.definition_limit = 0
    said = connected(shop).ready_badges()
    assert "Stores can only have 256 definitions" in said
    assert "Delete definitions" in said


def test_the_installation_makes_it_and_the_page_says_when_it_cannot(admin: Admin) -> None:
    admin.server.definition_limit = 0
    admin.open()
    admin.work()
    assert "Product pages cannot show availability yet" in admin.ask("state").text
    url = admin.ask("open", "POST", json={}).get_json()["url"]
    admin.client.get(url, headers={"Sec-Fetch-Site": "same-origin"})
    page = admin.client.get(f"/connections/{admin.row().connection_id}").text
    assert "Stores can only have 256 definitions" in page
    assert admin.rows("select kind from schedule where failures > 0") == []

    admin.server.definition_limit = 256
    admin.rows("update schedule set next_run_at = now() where kind = 'store.webhooks'")
    admin.work()
    assert defined(admin.server) == [OURS]
    assert "Product pages cannot show availability yet" not in admin.ask("state").text
    assert "Stores can only have" not in admin.client.get(f"/connections/{admin.row().connection_id}").text
