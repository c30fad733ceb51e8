"""shopify.app.toml says to Shopify what the code does: nobody would notice a difference before a merchant."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule

import adapters.stores.shopify as shopify
from adapters.stores.shopify.adapter import NEEDED_SCOPES, ORDER_TOPICS, TOPICS
from adapters.stores.shopify.documents import API_VERSION
from adapters.stores.shopify.webhooks import PRIVACY_TOPICS, ShopifyWebhooks
from adapters.stores.shopify.writes import BADGE_KEY, plan_badges
from connector.ports.stores import BadgeChange, BadgeFacts, ListingRef
from connector.web import relay, shopify_app, webhooks

BASE = "https://dispo.example"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    path = Path(shopify.__file__).with_name("shopify.app.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def test_the_scopes_are_those_the_core_needs_and_no_more(config: dict[str, Any]) -> None:
    scopes = config["access_scopes"]["scopes"].split(",")
    assert scopes == sorted({*NEEDED_SCOPES, "write_app_proxy"})
    assert config["access_scopes"]["optional_scopes"] == sorted(
        scope for scopes in shopify.MANIFEST.grants.values() for scope in scopes
    )
    assert not {"read_all_orders", "read_customers", "write_themes", "write_script_tags"} & set(scopes)


def test_shopify_itself_installs_the_app(config: dict[str, Any]) -> None:
    assert (config["embedded"], config["access_scopes"]["use_legacy_install_flow"]) == (True, False)


def test_the_version_is_the_one_the_documents_are_written_for(config: dict[str, Any]) -> None:
    assert config["webhooks"]["api_version"] == API_VERSION == "2026-10"


def test_the_compliance_topics_are_all_of_those_we_can_read(config: dict[str, Any]) -> None:
    (subscription,) = config["webhooks"]["subscriptions"]
    assert subscription["compliance_topics"] == sorted(PRIVACY_TOPICS)
    assert len(subscription["compliance_topics"]) == 3
    read = ShopifyWebhooks().read
    assert [read(topic, b"{}").kind for topic in subscription["compliance_topics"]] == ["privacy"] * 3
    assert [read(topic, b"{}").kind for topic in subscription["topics"]] == ["grants", "uninstalled", "plan"]


def test_no_topic_of_a_shop_is_subscribed_for_all_of_them(config: dict[str, Any]) -> None:
    (subscription,) = config["webhooks"]["subscriptions"]
    by_api = {topic.lower().rpartition("_")[0] for topic in {**TOPICS, **ORDER_TOPICS}}
    assert not {topic.partition("/")[0] for topic in subscription["topics"]} & (by_api - {"app"})


def test_the_addresses_are_those_we_serve(config: dict[str, Any]) -> None:
    (subscription,) = config["webhooks"]["subscriptions"]
    assert config["application_url"] == BASE + shopify_app.HOME
    place = webhooks._PLACE.fullmatch(subscription["uri"].removeprefix(BASE))
    assert place is not None
    assert (place["adapter"], place["key"]) == ("shopify", None)
    proxied = relay._PLACE.fullmatch(config["app_proxy"]["url"].removeprefix(BASE) + "/availability")
    assert proxied is not None
    assert (proxied["adapter"], proxied["rest"]) == ("shopify", "availability")
    assert config["auth"]["redirect_urls"] == [config["application_url"]]


def test_the_definition_is_of_the_metafield_that_is_written(config: dict[str, Any]) -> None:
    ref = ListingRef(
        "gid://shopify/ProductVariant/1", "gid://shopify/Product/1", "gid://shopify/InventoryItem/1"
    )
    (request,) = plan_badges([BadgeChange(ref, BadgeFacts("in_stock"))])
    (written,) = request.body["metafields"]
    definitions = config["variant"]["metafields"]["app"]
    assert set(definitions) == {BADGE_KEY}
    assert (written["key"], written["type"]) == (BADGE_KEY, definitions[BADGE_KEY]["type"])
    assert written.get("namespace", "$app") == "$app"
    # Themes read it through the app's own blocks; the storefront's API and the merchant's edits stay out.
    assert definitions[BADGE_KEY]["access"] == {"admin": "merchant_read"}


def test_the_page_of_the_app_is_a_route(config: dict[str, Any]) -> None:
    from flask import Flask

    app = Flask(__name__)
    app.register_blueprint(shopify_app.routes)
    rules: list[Rule] = list(app.url_map.iter_rules())
    assert config["application_url"].removeprefix(BASE) in {rule.rule for rule in rules}
