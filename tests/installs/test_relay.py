"""The storefront through the shop's own domain: Shopify's app proxy, its signature and its clock."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from werkzeug.test import TestResponse

from connector.web.storefront import CONSENT_VERSION
from tests.installs.scene import Admin

SHOPIFY = "23.227.38.33"


@pytest.fixture
def installed(admin: Admin) -> Admin:
    admin.open()
    admin.work()
    return admin


def relayed(admin: Admin, query: str, rest: str = "availability") -> TestResponse:
    return admin.client.get(f"/relay/shopify/s/{rest}?{query}")


def item(admin: Admin, sku: str = "A-1") -> str:
    (found,) = admin.rows("select external_id from listing where sku = :s", s=sku)
    return str(found.external_id)


def test_badge_and_similar_products_are_served_through_the_shops_domain(installed: Admin) -> None:
    query = installed.server.tokens.proxy_query(ids=item(installed))
    direct = installed.client.get(f"/s/{installed.row().public_key}/availability?ids={item(installed)}")
    answer = relayed(installed, query)
    assert (answer.status_code, answer.get_json()) == (200, direct.get_json())
    assert list(answer.get_json()["items"]) == [item(installed)]
    similar = relayed(installed, installed.server.tokens.proxy_query(id=item(installed)), "alternatives")
    assert (similar.status_code, similar.get_json()) == (200, {"items": []})


def test_what_is_the_same_for_every_shop_is_served_too(installed: Admin) -> None:
    assert relayed(installed, installed.server.tokens.proxy_query(), "notify-me.js").status_code == 200


@pytest.mark.parametrize(
    "seconds", [-3600, -91, 91, 3600], ids=["an hour ago", "91 s ago", "91 s ahead", "an hour ahead"]
)
def test_an_old_request_cannot_be_sent_again(installed: Admin, seconds: int) -> None:
    at = str(int(time.time()) + seconds)
    assert relayed(installed, installed.server.tokens.proxy_query(timestamp=at)).status_code == 401


def test_a_request_of_the_last_minute_is_taken(installed: Admin) -> None:
    at = str(int(time.time()) - 60)
    assert relayed(installed, installed.server.tokens.proxy_query(timestamp=at)).status_code == 200


def test_nothing_of_a_signed_query_may_be_changed(installed: Admin) -> None:
    fields = parse_qsl(installed.server.tokens.proxy_query(ids="1"), keep_blank_values=True)
    for name, value in fields:
        other = "2" if name == "ids" else f"{value}x"
        changed = urlencode([(n, other if n == name else v) for n, v in fields])
        assert relayed(installed, changed).status_code == 401, name
        left_out = urlencode([(n, v) for n, v in fields if n != name])
        assert relayed(installed, left_out).status_code == 401, name
    assert relayed(installed, urlencode([*fields, ("shop", "other.myshopify.com")])).status_code == 401


@pytest.mark.parametrize("query", ["", "signature=%C3%A9&timestamp=1", "&&&=", "a=1&" * 3000, "%ff%fe"])
def test_what_shopify_did_not_send_is_refused_and_never_an_error(installed: Admin, query: str) -> None:
    assert relayed(installed, query).status_code == 401


def test_a_shop_that_left_is_served_no_more(installed: Admin) -> None:
    installed.uninstall()
    installed.work()
    assert relayed(installed, installed.server.tokens.proxy_query()).status_code == 404


@pytest.mark.parametrize("path", ["", "../admin", "a/b", "subscribe/x", "x" * 61])
def test_only_the_storefront_is_relayed(installed: Admin, path: str) -> None:
    query = installed.server.tokens.proxy_query()
    assert installed.client.get(f"/relay/shopify/s/{path}?{query}").status_code == 404


def test_a_shopper_signs_up_through_the_shops_domain(installed: Admin) -> None:
    query = installed.server.tokens.proxy_query()
    installed.rows("update listing set confirmed_available = 0")
    installed.rows("update position set available = 0, state = 'out_of_stock'")
    answer = installed.client.post(
        f"/relay/shopify/s/subscribe?{query}",
        json={"id": item(installed), "email": "ada@example.com", "consent": CONSENT_VERSION, "lang": "fr"},
    )
    assert (answer.status_code, answer.get_json()["status"]) == (200, "check_mail")
    (found,) = installed.rows("select merchant_id, address, locale from subscription")
    assert tuple(found) == (installed.row().merchant_id, "ada@example.com", "fr")


def sign_ups(installed: Admin, forwarded: str, peer: str = SHOPIFY) -> list[int]:
    """The statuses of 25 sign-ups of different people, relayed by `peer` with what it says of who asks."""
    installed.rows("update listing set confirmed_available = 0")
    installed.rows("update position set available = 0, state = 'out_of_stock'")
    query = installed.server.tokens.proxy_query()
    return [
        installed.client.post(
            f"/relay/shopify/s/subscribe?{query}",
            json={"id": item(installed), "email": f"p{n}@example.com", "consent": CONSENT_VERSION},
            headers={"X-Forwarded-For": forwarded.format(n=n)} if forwarded else {},
            environ_overrides={"REMOTE_ADDR": peer},
        ).status_code
        for n in range(25)
    ]


def test_one_address_of_shopify_does_not_lock_all_shoppers_out(installed: Admin) -> None:
    unsaid = (("", SHOPIFY), (SHOPIFY, "10.0.0.2"), ("10.1.2.3", SHOPIFY), ("who?", SHOPIFY))
    for forwarded, peer in (*unsaid, ("192.0.{n}.7", SHOPIFY)):
        assert sign_ups(installed, forwarded, peer) == [200] * 25, forwarded


def test_one_network_behind_shopify_is_limited_like_any_other(installed: Admin) -> None:
    assert sign_ups(installed, "192.0.2.{n}, " + SHOPIFY) == [200] * 20 + [429] * 5
    # Each proxy of our own adds whom it saw; one that keeps nothing else says nothing of who asked.
    installed.rt.settings = replace(installed.rt.settings, trusted_proxies=1)
    assert sign_ups(installed, "198.51.100.{n}, " + SHOPIFY, "10.0.0.2") == [200] * 20 + [429] * 5
    assert sign_ups(installed, SHOPIFY, "10.0.0.2") == [200] * 25
