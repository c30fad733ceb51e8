"""A shop that was connected by hand installs the app: brought together by somebody who proves both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.connections import add_connection
from connector.accounts.merchants import add_merchant
from connector.db import transaction
from connector.installs import join
from connector.installs.arrive import STORE_EVERY_S
from connector.ports.installs import Visitor
from simulator.shopify import ShopifyServer
from tests.installs.scene import CLIENT_ID, SECRET, Admin, make_shop
from tests.web.conftest import Person

PASSWORD = "correct horse battery"
HAND_TOKEN = "shpat_by_hand"


@pytest.fixture
def server() -> Iterator[ShopifyServer]:
    """A shop whose custom app's key works."""
    running = ShopifyServer(make_shop(), api_key=CLIENT_ID, api_secret=SECRET, access_token=HAND_TOKEN)
    with running:
        yield running


class Account:
    """A merchant with a user, and the shop connected by hand."""

    def __init__(self, admin: Admin, email: str, typed: str = "", token: str = HAND_TOKEN) -> None:
        self.admin, self.email, rt = admin, email, admin.rt
        with transaction(rt.engine) as db:
            self.merchant_id = add_merchant(db, name=email, email=email, password=PASSWORD, now=rt.now())
            self.connection_id = add_connection(
                db,
                rt.keyring,
                self.merchant_id,
                kind="store",
                adapter="shopify",
                name="By hand",
                config={"shop": typed or admin.shop, "base_url": admin.server.url, "location_id": "5001"},
                secrets={"access_token": token, "api_secret": "the secret of their own app"},
                now=rt.now(),
            )
            db.execute(
                sa.text("update connection set writing_approved_at = now() where id = :c"),
                {"c": self.connection_id},
            )

    def browser(self) -> Person:
        person = Person(self.admin.client.application.test_client())
        assert person.sign_in(self.email, PASSWORD).status_code == 303
        return person


@pytest.fixture
def account(admin: Admin) -> Account:
    return Account(admin, "owner@shop.example")


def word(admin: Admin, **claims: Any) -> str:
    answer = admin.open(admin.server.tokens.id_token(**claims))
    assert answer.status_code == 409
    return str(answer.text.split('href="/stores/join/')[1].split('"')[0])


def state(admin: Admin) -> tuple[int, int, int]:
    """Merchants, installations, exchanges of tokens."""
    counts = [admin.rows(f"select count(*) from {table}")[0][0] for table in ("merchant", "installation")]
    return counts[0], counts[1], admin.server.tokens.exchanges


def test_a_shop_that_is_connected_by_hand_is_refused_with_the_way_out(admin: Admin, account: Account) -> None:
    answer = admin.open()
    assert (answer.status_code, state(admin)) == (409, (1, 0, 0))
    assert "This store is connected already" in answer.text
    assert 'target="_blank"' in answer.text
    assert "owner@shop.example" not in answer.text
    assert "frame-ancestors https://demo.myshopify.com" in answer.headers["Content-Security-Policy"]
    assert admin.ask("state").status_code == 409


def test_the_refusal_speaks_the_language_of_the_admin(admin: Admin, account: Account) -> None:
    answer = admin.open(locale="fr-FR")
    assert "Cette boutique est déjà reliée" in answer.text
    assert "&amp;locale=fr-FR" in answer.text


def test_whoever_proves_both_sides_brings_them_together(admin: Admin, account: Account) -> None:
    owner = account.browser()
    here = f"/stores/join/{word(admin)}"
    asked = owner.get(here)
    assert "Use this account in the admin of demo.myshopify.com?" in asked.text
    assert "its other stores too" in asked.text
    agreed = owner.post(here)
    assert (agreed.status_code, agreed.location) == (303, f"/connections/{account.connection_id}")
    assert state(admin) == (1, 0, 0)

    assert admin.open().status_code == 200
    assert state(admin) == (1, 1, 1)
    row = admin.row()
    assert (row.merchant_id, row.connection_id, row.status) == (
        account.merchant_id,
        account.connection_id,
        "active",
    )
    secrets = admin.secrets()
    assert "api_secret" not in secrets
    assert (secrets["access_token"].startswith("shpat_sim"), bool(secrets["refresh_token"])) == (True, True)
    (connection,) = admin.rows("select config, writing_approved_at, cursors from connection")
    assert connection.config["client_id"] == CLIENT_ID
    assert connection.config["location_id"] == "5001"
    assert connection.writing_approved_at is not None
    assert "join" not in connection.cursors
    kinds = {one.kind for one in admin.rows("select kind from schedule where kind like 'store.%'")}
    assert kinds == {*STORE_EVERY_S, "store.plan"}
    actions = [tuple(one) for one in admin.rows("select actor, action from audit_event order by id")]
    assert actions[-2:] == [
        ("owner@shop.example", "store.join_agreed"),
        (f"42@{admin.shop}", "store.join"),
    ]


def test_afterwards_it_works_as_any_installation(admin: Admin, account: Account) -> None:
    account.browser().post(f"/stores/join/{word(admin)}")
    admin.open()
    admin.work()
    assert len(admin.rows("select 1 from listing")) == 3
    (delivery,) = [one for one in admin.server.webhooks.subscriptions() if one.topic == "PRODUCTS_CREATE"]
    body, headers = admin.server.webhooks.signed("PRODUCTS_CREATE", {"id": 1, "updated_at": ""}, "event")
    path = delivery.uri.removeprefix("https://dispo.test")
    assert admin.deliver(headers, body, path).status_code == 200
    admin.expire()
    admin.rows("update schedule set next_run_at = now() where kind = 'store.catalog'")
    admin.work()
    assert admin.rows("select kind from schedule where failures > 0") == []
    # A colleague needs nobody's consent any more.
    assert admin.open(admin.server.tokens.id_token(sub="77")).status_code == 200
    assert state(admin)[:2] == (1, 1)


def test_another_account_cannot_agree(admin: Admin, account: Account) -> None:
    """A stranger with an account of their own, and one whose key is of another shop."""
    Account(admin, "stranger@else.example", typed="other.myshopify.com")
    stranger = Person(admin.client.application.test_client())
    assert stranger.sign_in("stranger@else.example", PASSWORD).status_code == 303
    here = f"/stores/join/{word(admin)}"
    assert stranger.get(here).location == "/connections"
    assert stranger.post(here).location == "/connections"
    assert "connected by hand. Sign in to the one that has." in stranger.get("/connections").text
    assert admin.open().status_code == 409
    assert state(admin) == (2, 0, 0)


def test_without_an_account_there_is_a_sign_in_and_no_way_round(admin: Admin, account: Account) -> None:
    here = f"/stores/join/{word(admin)}"
    nobody = admin.client.application.test_client()
    assert nobody.get(here).location.startswith("/sign-in?next=/stores/join/")
    assert nobody.post(here).status_code in (303, 400)
    assert admin.open().status_code == 409


def test_consent_is_for_the_person_who_asked_and_nobody_else(admin: Admin, account: Account) -> None:
    account.browser().post(f"/stores/join/{word(admin, sub='42')}")
    assert admin.open(admin.server.tokens.id_token(sub="77")).status_code == 409
    assert state(admin) == (1, 0, 0)
    assert admin.open(admin.server.tokens.id_token(sub="42")).status_code == 200


def test_consent_of_one_shop_is_none_for_another(admin: Admin, account: Account) -> None:
    other = join.invite(admin.rt.keyring, "shopify", Visitor("other.myshopify.com", "42", ""))
    assert account.browser().post(f"/stores/join/{other}").location == "/connections"
    assert admin.open().status_code == 409


def test_consent_ends_after_a_quarter_of_an_hour(admin: Admin, account: Account) -> None:
    account.browser().post(f"/stores/join/{word(admin)}")
    later = admin.rt.now() + join.LASTS + timedelta(seconds=1)
    with admin.rt.engine.connect() as db:
        (found,) = join.find(db, "shopify", admin.shop, later)
    assert found.agreed == ""


@pytest.mark.parametrize("bad", ["x", "a.b.c"], ids=["nothing", "forged"])
def test_a_word_that_is_not_ours_is_refused(admin: Admin, account: Account, bad: str) -> None:
    owner = account.browser()
    assert owner.get(f"/stores/join/{bad}").location == "/connections"
    assert "This link is too old." in owner.get("/connections").text


def test_a_key_that_the_shop_withdrew_stands_in_nobodys_way(admin: Admin, account: Account) -> None:
    """Somebody who once had a key cannot keep the shop out, and has no part in its installation."""
    admin.server.tokens.fixed = None
    assert admin.open().status_code == 200
    assert state(admin) == (2, 1, 1)
    assert admin.row().merchant_id != account.merchant_id


def test_a_store_that_was_disconnected_stands_in_nobodys_way(admin: Admin, account: Account) -> None:
    admin.rows("update connection set status = 'ended'")
    assert admin.open().status_code == 200
    assert admin.row().merchant_id != account.merchant_id


@pytest.mark.parametrize(
    "typed", ["https://Demo.myshopify.com/", " demo.myshopify.com"], ids=["address", "space"]
)
def test_the_shop_is_found_however_it_was_typed(admin: Admin, typed: str) -> None:
    Account(admin, "owner@shop.example", typed=typed)
    assert admin.open().status_code == 409


def test_while_the_shop_cannot_be_asked_nothing_is_decided(admin: Admin, account: Account) -> None:
    admin.server.dials.maintenance = True
    assert admin.open().status_code == 503
    assert state(admin) == (1, 0, 0)


def test_a_shop_that_left_and_was_connected_by_hand_since_is_asked_too(admin: Admin) -> None:
    admin.open()
    # Its webhook is stamped with whole seconds: it must not seem to be from before the installation.
    admin.rows("update installation set installed_at = installed_at - interval '1 minute'")
    admin.uninstall()
    admin.work()
    admin.server.tokens.fixed = HAND_TOKEN
    account = Account(admin, "owner@shop.example")
    assert admin.open().status_code == 409
    account.browser().post(f"/stores/join/{word(admin)}")
    assert admin.open().status_code == 200
    assert (admin.row().merchant_id, state(admin)[1]) == (account.merchant_id, 1)
