"""Dispo as an embedded app: who gets in, what a first visit does, and what the page shows and does."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.stores.shopify.theme.build import EXTENSION
from connector.bootstrap import Runtime
from connector.settings import Settings
from connector.web.app import create_app
from simulator.shopify import ShopifyServer
from simulator.shopify.model import SimLocation
from tests.installs.scene import CLIENT_ID, SECRET, Admin, make_shop, now, serve, soon


def counts(admin: Admin) -> tuple[int, ...]:
    tables = ("merchant", "app_user", "connection", "installation")
    return tuple(admin.rows(f"select count(*) from {table}")[0][0] for table in tables)


# --- the first visit --------------------------------------------------------------------------------


def test_the_first_visit_links_the_store_and_signs_in_without_a_question(admin: Admin) -> None:
    answer = admin.open(locale="fr-FR")
    assert answer.status_code == 200
    assert 'data-step="import"' in answer.text
    assert '<html lang="fr">' in answer.text
    assert counts(admin) == (1, 1, 1, 1)
    row = admin.row()
    assert (row.status, row.ended_at, row.is_refused) == ("active", None, False)
    (merchant,) = admin.rows("select name, locale, currency from merchant")
    assert tuple(merchant) == ("Vase & Co", "fr", "EUR")
    (connection,) = admin.rows("select name, config, writing_approved_at from connection")
    assert connection.config["shop"] == admin.shop
    assert connection.config["scopes"] == ",".join(sorted(admin.server.scopes))
    assert connection.writing_approved_at is None
    (user,) = admin.rows("select email, password_hash from app_user")
    assert tuple(user) == (f"42@{admin.shop}", "")
    audited = admin.rows("select actor, action from audit_event")
    assert [tuple(one) for one in audited] == [(f"42@{admin.shop}", "store.install")]
    assert "Set-Cookie" not in answer.headers


def test_the_access_is_sealed_and_is_nowhere_in_the_clear(admin: Admin) -> None:
    admin.open()
    opened = admin.secrets()
    assert (opened["access_token"], opened["refresh_token"]) == ("shpat_sim00000002", "shprt_sim00000002")
    assert (
        timedelta(minutes=59)
        < datetime.fromisoformat(opened["access_expires_at"]) - now()
        <= timedelta(hours=1)
    )
    everything = admin.rows("select c::text from connection c union all select a::text from audit_event a")
    assert not any("shpat" in one[0] or "shprt" in one[0] for one in everything)


def test_the_catalogue_is_imported_and_the_webhooks_are_set_by_the_workers(admin: Admin) -> None:
    admin.open()
    admin.work()
    row = admin.row()
    assert sorted(one.sku for one in admin.rows("select sku from listing")) == ["A-1", "A-2", "A-3"]
    addresses = {one.uri for one in admin.server.webhooks.subscriptions()}
    assert addresses == {f"https://dispo.test/webhooks/shopify/{row.public_key}"}
    answer = admin.ask("state")
    assert 'data-step="supplier"' in answer.text
    assert admin.server.items_written == 0


def test_a_second_visit_and_a_colleague_change_nothing_but_the_colleague(admin: Admin) -> None:
    admin.open()
    admin.open()
    assert (counts(admin), admin.server.tokens.exchanges) == ((1, 1, 1, 1), 1)
    admin.open(admin.server.tokens.id_token(sub="77"))
    assert counts(admin) == (1, 2, 1, 1)


def test_two_windows_that_install_at_once_make_one_installation(admin: Admin) -> None:
    from concurrent.futures import ThreadPoolExecutor

    app = admin.client.application
    visits = [Admin(admin.rt, app.test_client(), admin.server) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: one.open().status_code, visits))
    assert answers == [200] * 4
    assert (counts(admin), admin.server.tokens.exchanges) == ((1, 1, 1, 1), 1)
    assert admin.server.tokens.accepts(admin.secrets()["access_token"])


def test_a_platform_that_fails_leaves_nothing_and_says_so(admin: Admin) -> None:
    admin.server.dials.maintenance = True
    answer = admin.open()
    assert (answer.status_code, counts(admin)) == (503, (0, 0, 0, 0))
    assert "Nothing was changed" in answer.text
    admin.server.dials.maintenance = False
    assert admin.open().status_code == 200


# --- who gets in ------------------------------------------------------------------------------------

WRONG = {
    "expired": {"exp": soon(-60)},
    "without an end": {"exp": None},
    "not yet": {"nbf": soon(86_400)},  # counted from when the tests were collected
    "without a beginning": {"nbf": None},
    "for another app": {"aud": "another-app"},
    "from another shop": {"iss": "https://other.myshopify.com/admin"},
    "of no shop": {"iss": "https://evil.example/admin", "dest": "https://evil.example"},
    "with a port": {"dest": "https://demo.myshopify.com:8443"},
    "by http": {"dest": "http://demo.myshopify.com"},
}


def wrong_token(admin: Admin, claims: dict[str, Any]) -> str:
    import json

    from simulator.shopify import oauth

    token = admin.server.tokens.id_token(**claims)
    if None not in claims.values():
        return token
    # A claim that is left out, not null.
    head, payload, _ = token.split(".")
    found = json.loads(base64.urlsafe_b64decode(payload + "=="))
    body = oauth._b64(json.dumps({k: v for k, v in found.items() if v is not None}).encode())
    return f"{head}.{body}.{oauth._b64(admin.server.tokens._sign(f'{head}.{body}'))}"


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG.keys())
def test_a_token_that_is_wrong_in_one_claim_gets_nothing(admin: Admin, claims: dict[str, Any]) -> None:
    token = wrong_token(admin, claims)
    asked = admin.ask("state", token=token)
    assert (asked.status_code, asked.data) == (401, b"")
    assert asked.headers["X-Shopify-Retry-Invalid-Session-Request"] == "1"
    assert admin.open(token).status_code == 302
    assert (counts(admin), admin.server.tokens.exchanges) == ((0, 0, 0, 0), 0)


@pytest.mark.parametrize(
    "token", ["", "a.b.c", "é.é.é", "x" * 9000, "eyJhbGciOiJub25lIn0.e30."],
    ids=["none", "garbage", "not ASCII", "long", "alg none"],
)  # fmt: skip
def test_what_is_no_token_is_refused_and_never_an_error(admin: Admin, token: str) -> None:
    assert admin.ask("state", token=token.encode().decode("latin-1")).status_code == 401
    assert admin.open(token).status_code in (302, 200)
    assert counts(admin) == (0, 0, 0, 0)


def test_a_token_signed_with_another_secret_is_refused(admin: Admin) -> None:
    with serve(make_shop()) as stranger:
        stranger.tokens.api_secret = "the secret of another app altogether"
        token = stranger.tokens.id_token()
    assert admin.open(token).status_code == 302
    assert admin.ask("state", token=token).status_code == 401
    assert counts(admin) == (0, 0, 0, 0)


def test_after_a_rotation_both_secrets_are_taken(admin: Admin) -> None:
    keys = admin.rt.settings.apps["shopify"]
    apps = {"shopify": replace(keys, secret="the new secret of the app in these tests", old_secret=SECRET)}
    rt = Runtime(replace(admin.rt.settings, apps=apps))
    rt.__dict__["engine"] = admin.rt.engine
    admin.open()
    both = Admin(rt, create_app(rt).test_client(), admin.server)
    assert both.ask("state").status_code == 200
    admin.server.tokens.api_secret = "the new secret of the app in these tests"
    assert both.ask("state").status_code == 200
    assert admin.ask("state").status_code == 401


def test_the_script_of_a_shop_that_is_not_installed_is_told_to_reload(admin: Admin) -> None:
    assert admin.ask("state").status_code == 409


def test_without_a_token_app_bridge_is_asked_for_one_once(admin: Admin) -> None:
    answer = admin.open("")
    assert answer.status_code == 302
    assert answer.location.startswith(
        "/shopify/session-token?shop=demo.myshopify.com&shopify-reload=%2Fshopify%2Fapp"
    )
    page = admin.client.get(answer.location)
    assert page.status_code == 200
    assert (
        f'<script data-api-key="{CLIENT_ID}" src="https://cdn.shopify.com/shopifycloud/app-bridge.js">'
        in page.text
    )
    assert (
        "frame-ancestors https://demo.myshopify.com https://admin.shopify.com"
        in page.headers["Content-Security-Policy"]
    )
    # A token that App Bridge itself gave out and that we refuse is not asked for again and again.
    assert admin.open("a.b.c", tried="1").status_code == 401


@pytest.mark.parametrize("shop", ["", "evil.example", "a.myshopify.com;script-src *", "a b.myshopify.com"])
def test_nobody_else_may_frame_the_pages(admin: Admin, shop: str) -> None:
    answer = admin.client.get("/shopify/app", query_string={"shop": shop})
    assert answer.status_code == 400
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "<input" not in answer.text
    reload = admin.client.get(
        "/shopify/session-token", query_string={"shop": shop, "shopify-reload": "/shopify/app?x=1"}
    )
    assert reload.status_code == 400


def test_the_way_back_after_a_token_is_our_own_page(admin: Admin) -> None:
    for target in ("https://evil.example/shopify/app?x", "//evil.example/shopify/app?", "/shopify/app/state"):
        query = {"shop": admin.shop, "shopify-reload": target}
        assert admin.client.get("/shopify/session-token", query_string=query).status_code == 400


def test_the_page_may_be_framed_by_its_own_shop_only_and_app_bridge_comes_first(admin: Admin) -> None:
    answer = admin.open()
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors https://demo.myshopify.com https://admin.shopify.com" in policy
    assert "form-action 'none'" in policy
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    first = re.search(r"<script[^>]*>", answer.text)
    assert first is not None
    assert (
        first.group()
        == f'<script data-api-key="{CLIENT_ID}" src="https://cdn.shopify.com/shopifycloud/app-bridge.js">'
    )


def test_without_an_app_the_page_says_what_is_missing(settings: Settings, engine: sa.Engine) -> None:
    rt = Runtime(settings)
    rt.__dict__["engine"] = engine
    client = create_app(rt).test_client()
    assert client.get("/shopify/app").status_code == 503
    assert client.get("/shopify/app/state").status_code == 401
    assert client.post("/webhooks/shopify", data=b"{}").status_code == 404
    assert client.get("/relay/shopify/s/availability").status_code == 404


# --- what the page does -----------------------------------------------------------------------------


def test_the_first_difference_is_shown_and_approved_in_the_admin(admin: Admin) -> None:
    admin.open()
    admin.work()
    row = admin.row()
    admin.rows("update listing set is_managed = true, wanted_available = 4, wanted_state = 'in_stock'")
    page = admin.ask("state")
    assert 'data-step="approve"' in page.text
    assert "A-1" in page.text
    assert admin.rows("select writing_approved_at from connection")[0][0] is None
    approved = admin.ask("approve", "POST")
    assert (approved.status_code, 'data-step="works"' in approved.text) == (200, True)
    assert admin.rows("select writing_approved_at from connection")[0][0] is not None
    audited = admin.rows("select actor from audit_event where action = 'store.approve'")
    assert [one.actor for one in audited] == [f"42@{admin.shop}"]
    assert row.connection_id == admin.row().connection_id


def test_a_button_of_another_shop_reaches_only_its_own_store(admin: Admin) -> None:
    admin.open()
    with serve(make_shop("Other"), domain="other.myshopify.com") as second:
        keys = replace(admin.rt.settings.apps["shopify"], base_url=second.url)
        rt = Runtime(replace(admin.rt.settings, apps={"shopify": keys}))
        rt.__dict__["engine"] = admin.rt.engine
        other = Admin(rt, create_app(rt).test_client(), second)
        other.open()
        assert other.row().merchant_id != admin.row().merchant_id
        other.ask("approve", "POST")
    approved = admin.rows("select id from connection where writing_approved_at is not null")
    assert [one.id for one in approved] == [other.row().connection_id]


def test_a_store_with_several_locations_asks_which_one_and_is_read_then(
    admin: Admin, server: ShopifyServer
) -> None:
    server.levels.locations[5003] = SimLocation(5003, "Second warehouse")
    admin.open()
    admin.work()
    page = admin.ask("state")
    assert 'data-step="place"' in page.text
    assert "Second warehouse" in page.text
    assert admin.ask("location", "POST", json={"location_id": "gid://shopify/Location/9"}).status_code == 404
    chosen = "gid://shopify/Location/5001"
    assert admin.ask("location", "POST", json={"location_id": chosen}).status_code == 200
    admin.work()
    assert len(admin.rows("select id from listing")) == 3
    assert 'data-step="supplier"' in admin.ask("state").text


def test_the_whole_app_opens_in_a_window_of_its_own_once(admin: Admin) -> None:
    admin.open()
    url = admin.ask("open", "POST").get_json()["url"]
    window = admin.client.application.test_client()
    answer = window.get(url)
    assert (answer.status_code, answer.location) == (303, "/")
    assert window.get("/").status_code == 200
    somebody = admin.client.application.test_client()
    assert somebody.get(url).status_code == 410
    assert somebody.get("/").location == "/sign-in"


def test_only_the_newest_ticket_works_and_none_that_is_forged(admin: Admin) -> None:
    admin.open()
    older = admin.ask("open", "POST").get_json()["url"]
    newer = admin.ask("open", "POST").get_json()["url"]
    client = admin.client.application.test_client()
    assert client.get(older).status_code == 410
    # Not the last character of the signature: some of its bits mean nothing.
    signed, _, signature = newer.rpartition(".")
    forged = f"{signed}.{'b' if signature[0] == 'a' else 'a'}{signature[1:]}"
    assert client.get(forged).status_code == 410
    assert client.get(newer).status_code == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_ticket_that_somebody_else_sends_signs_nobody_in(admin: Admin, site: str) -> None:
    admin.open()
    url = admin.ask("open", "POST").get_json()["url"]
    client = admin.client.application.test_client()
    assert client.get(url, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert client.get("/").location == "/sign-in"
    assert client.get(url, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_looking_again_and_again_writes_nothing(admin: Admin) -> None:
    admin.open()
    before = admin.rows("select xmin::text, * from app_user")
    for _ in range(3):
        assert admin.ask("state").status_code == 200
    assert admin.rows("select xmin::text, * from app_user") == before


def test_a_merchant_is_led_to_the_theme_editor(admin: Admin) -> None:
    admin.open()
    admin.work()
    assert "addAppBlockId" not in admin.ask("state").text
    admin.rows("update connection set writing_approved_at = now() where kind = 'store'")

    links = re.findall(r'href="(https://[^"]+)" target="_top"', admin.ask("state").text)

    editor = f"https://{admin.shop}/admin/themes/current/editor"
    assert [unescape(link) for link in links] == [
        f"{editor}?template=product&addAppBlockId={CLIENT_ID}/availability&target=mainSection",
        f"{editor}?template=product&addAppBlockId={CLIENT_ID}/notify-me&target=mainSection",
        f"{editor}?context=apps&template=product&activateAppId={CLIENT_ID}/structured-data",
    ]
    blocks = {path.stem for path in (EXTENSION / "blocks").glob("*.liquid")}
    assert {link.split(f"{CLIENT_ID}/")[1].split("&")[0] for link in map(unescape, links)} == blocks
