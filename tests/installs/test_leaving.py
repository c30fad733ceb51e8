"""A shop leaves, comes back, and what the law asks for about its shoppers and itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.accounts import privacy
from connector.bootstrap import Runtime
from connector.installs.privacy import work
from connector.web.app import create_app
from simulator.shopify import ShopifyServer
from tests.installs.scene import HOOKS, SECRET, Admin, make_shop, now, serve

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def installed(admin: Admin) -> Admin:
    admin.open()
    admin.work()
    return admin


def sign_up(admin: Admin, address: str, sku: str = "A-1", status: str = "waiting") -> int:
    """Somebody who waits for an item of this shop."""
    row = admin.row()
    (found,) = admin.rows(
        """
        insert into subscription (merchant_id, variant_id, connection_id, address, address_key, status,
                                  consent_text, created_at, confirmed_at)
        select l.merchant_id, l.variant_id, l.connection_id, :a, :a, :s, 'I agree.', now(), now()
          from listing l where l.merchant_id = :m and l.connection_id = :c and l.sku = :sku returning id
        """,
        a=address, m=row.merchant_id, c=row.connection_id, sku=sku, s=status,
    )  # fmt: skip
    return int(found.id)


def known(admin: Admin) -> list[str]:
    return [one.address for one in admin.rows("select address from subscription order by id")]


def requests(admin: Admin) -> list[Any]:
    return admin.rows(
        "select kind, status, reference, due_at - received_at as due, not_before - received_at as wait,"
        " sealed, outcome from privacy_request order by id"
    )


def redact(admin: Admin, email: str = ADA) -> Any:
    return admin.hook("CUSTOMERS_REDACT", {"shop_domain": admin.shop, "customer": {"id": 7, "email": email}})


# --- leaving and coming back ------------------------------------------------------------------------


def test_a_removed_app_ends_the_connection_and_throws_its_access_away(installed: Admin) -> None:
    answer = installed.uninstall()
    assert (answer.status_code, answer.text) == (200, "recorded")
    installed.work()
    row = installed.row()
    assert (row.status, row.ended_at is not None) == ("ended", True)
    assert set(installed.secrets()) == {"webhook_secret"}
    audited = installed.rows("select action, detail from audit_event where action = 'store.left'")
    assert [one.detail["shoppers_waiting"] for one in audited] == [0]
    calls = sum(installed.server.calls.values())
    installed.work()
    assert sum(installed.server.calls.values()) == calls
    assert installed.ask("state").status_code == 409


def test_numbers_are_left_as_they_are(installed: Admin) -> None:
    installed.rows("update listing set is_managed = true, wanted_available = 4, wanted_state = 'in_stock'")
    installed.uninstall()
    installed.work()
    assert {item.stock for item in installed.server.shop.items.values()} == {10}


def test_messages_stop_and_everybody_keeps_their_place(installed: Admin) -> None:
    from connector.shoppers.messages import write_message

    subscription = sign_up(installed, ADA, status="invited")
    merchant_id = installed.row().merchant_id
    with installed.rt.engine.begin() as db:
        write_message(installed.rt, db, merchant_id, subscription, "back_in_stock")
    installed.uninstall()
    installed.rows("insert into outbox_message (merchant_id, topic, connection_id, subject, lane, status,"
                   " enqueued_at, due_at) select merchant_id, 'message.email', 0, id::text, 5, 'pending', now(),"
                   " now() from message on conflict do nothing")  # fmt: skip
    installed.work()
    (message,) = installed.rows("select id from message")
    from connector.shoppers.ready import look

    with installed.rt.engine.connect() as db:
        look(installed.rt, db, merchant_id, [message.id], None)
    (message,) = installed.rows("select status, note from message")
    assert tuple(message) == ("skipped", "The store left before it was sent; the place is kept.")
    assert [one.status for one in installed.rows("select status from subscription")] == ["waiting"]


def test_a_shop_that_comes_back_has_its_old_connection_and_approves_anew(installed: Admin) -> None:
    before = installed.row()
    waiting = sign_up(installed, ADA)
    installed.rows("update connection set writing_approved_at = now()")
    installed.uninstall()
    installed.work()
    assert installed.open().status_code == 200
    installed.work()
    after = installed.row()
    assert (after.merchant_id, after.connection_id, after.public_key) == (
        before.merchant_id,
        before.connection_id,
        before.public_key,
    )
    assert (after.status, after.ended_at, after.installed_at > before.installed_at) == ("active", None, True)
    assert len(installed.rows("select id from merchant")) == 1
    assert installed.rows("select writing_approved_at from connection")[0][0] is None
    assert len(installed.server.webhooks.subscriptions()) > 0
    assert [one.id for one in installed.rows("select id from subscription where status = 'waiting'")] == [
        waiting
    ]


def test_a_late_word_about_an_earlier_removal_ends_nothing(installed: Admin) -> None:
    installed.uninstall()
    installed.work()
    late = {"X-Shopify-Triggered-At": (now() - timedelta(hours=1)).isoformat()}
    installed.open()
    assert installed.hook("APP_UNINSTALLED", {"id": 1}, **late).status_code == 200
    installed.work()
    assert installed.row().status == "active"


def test_a_removal_told_twice_is_worked_once(installed: Admin) -> None:
    installed.uninstall()
    installed.hook("APP_UNINSTALLED", {"id": 1})
    installed.work()
    assert len(installed.rows("select id from audit_event where action = 'store.left'")) == 1


# --- legal requests ---------------------------------------------------------------------------------


def test_a_customer_is_forgotten_by_address_and_nobody_else(installed: Admin) -> None:
    sign_up(installed, ADA)
    sign_up(installed, ADA, "A-2")
    sign_up(installed, BOB)
    answer = redact(installed)
    assert (answer.status_code, answer.text) == (200, "recorded")
    installed.work()
    assert known(installed) == ["", "", BOB]
    (request,) = requests(installed)
    assert (request.kind, request.status, request.reference) == ("erase_person", "done", "7")
    assert (request.due, request.outcome) == (timedelta(days=30), "2 subscriptions were made anonymous.")
    assert bytes(request.sealed) == b""
    (receipt,) = installed.rows("select body from webhook_receipt where topic = 'customers/redact'")
    assert receipt.body is None


def test_the_alerts_of_their_number_are_forgotten_as_well(installed: Admin) -> None:
    sign_up(installed, "+33612345678")
    sign_up(installed, "+33612345679")
    installed.rows("update subscription set channel = 'sms'")
    person = {"id": 7, "email": None, "phone": "+33 6 12 34 56 78"}
    installed.hook("CUSTOMERS_REDACT", {"shop_domain": installed.shop, "customer": person})
    installed.work()
    assert known(installed) == ["", "+33612345679"]
    (request,) = requests(installed)
    assert (request.outcome, bytes(request.sealed)) == ("1 subscriptions were made anonymous.", b"")


def test_a_data_request_waits_for_the_merchant_with_its_day(installed: Admin) -> None:
    sign_up(installed, ADA)
    sign_up(installed, BOB)
    payload = {"customer": {"id": 7, "email": ADA}, "data_request": {"id": 9999}, "orders_requested": []}
    assert installed.hook("CUSTOMERS_DATA_REQUEST", payload).status_code == 200
    installed.work()
    (request,) = requests(installed)
    assert (request.kind, request.status, request.reference) == ("export", "ready", "9999")
    assert ADA.encode() not in bytes(request.sealed)
    page = installed.ask("state").text
    assert "A customer wants to know what is kept about them (9999)" in page
    assert "due by" in page
    (found,) = installed.rows("select id from privacy_request")
    kept = installed.ask(f"privacy/{found.id}").get_json()
    assert [one["address"] for one in kept["subscriptions"]] == [ADA]
    assert installed.ask(f"privacy/{found.id}", "POST").status_code == 200
    (request,) = requests(installed)
    assert (request.status, bytes(request.sealed)) == ("done", b"")
    assert installed.ask(f"privacy/{found.id}").status_code == 404
    actions = [one.action for one in installed.rows("select action from audit_event order by id")]
    assert actions[-3:] == ["privacy.export", "privacy.fetch", "privacy.done"]


def test_a_data_request_about_somebody_unknown_is_done_at_once(installed: Admin) -> None:
    installed.hook("CUSTOMERS_DATA_REQUEST", {"customer": {"id": 7}, "data_request": {"id": 1}})
    installed.work()
    (request,) = requests(installed)
    assert (request.status, request.outcome.split(";")[0]) == ("done", "Nothing is kept about this person")


def test_another_shop_cannot_fetch_or_end_a_request(installed: Admin) -> None:
    sign_up(installed, ADA)
    installed.hook("CUSTOMERS_DATA_REQUEST", {"customer": {"email": ADA}, "data_request": {"id": 1}})
    installed.work()
    (found,) = installed.rows("select id from privacy_request")
    with second_shop(installed) as other:
        other.open()
        assert other.ask(f"privacy/{found.id}").status_code == 404
        assert other.ask(f"privacy/{found.id}", "POST").status_code == 404
    assert requests(installed)[0].status == "ready"


def test_a_redaction_of_one_shop_leaves_the_same_person_at_another(installed: Admin) -> None:
    sign_up(installed, ADA)
    with second_shop(installed) as other:
        other.open()
        other.work()
        sign_up(other, ADA)
        redact(installed)
        installed.work()
    assert known(installed) == ["", ADA]


class second_shop:
    """Another shop that has the app of the same operator."""

    def __init__(self, admin: Admin) -> None:
        self.server: ShopifyServer = serve(make_shop("Other"), domain="other.myshopify.com")
        apps = {"shopify": replace(admin.rt.settings.apps["shopify"], base_url=self.server.url)}
        rt = Runtime(replace(admin.rt.settings, apps=apps))
        rt.__dict__["engine"] = admin.rt.engine
        self.admin = Admin(rt, create_app(rt).test_client(), self.server)

    def __enter__(self) -> Admin:
        self.server.start()
        return self.admin

    def __exit__(self, *exc: object) -> None:
        self.server.stop()


def rows_of(admin: Admin, merchant_id: int) -> dict[str, int]:
    """How many rows of a merchant each table holds, where there are any."""
    tables = admin.rows(
        "select table_name from information_schema.columns where column_name = 'merchant_id'"
        " and table_schema = 'public' order by 1"
    )
    counted = {
        one.table_name: admin.rows(
            f"select count(*) from {one.table_name} where merchant_id = :m", m=merchant_id
        )[0][0]
        for one in tables
    }
    return {name: count for name, count in counted.items() if count}


def test_everything_of_a_shop_is_erased_48_hours_after_it_left_and_nothing_of_another(
    installed: Admin,
) -> None:
    merchant_id = installed.row().merchant_id
    sign_up(installed, ADA)
    with second_shop(installed) as other:
        other.open()
        other.work()
        sign_up(other, BOB)
        others = rows_of(other, other.row().merchant_id)
        installed.uninstall()
        installed.work()
        assert installed.hook("SHOP_REDACT", {"shop_domain": installed.shop}).status_code == 200
        installed.work()
        (request,) = requests(installed)
        assert request.status == "waiting"
        assert timedelta(hours=47, minutes=59) < request.wait <= timedelta(hours=48)
        assert known(installed) == [ADA, BOB]
        installed.rows("update privacy_request set not_before = now()")
        installed.rows("update outbox_message set due_at = now() where topic = 'installs.privacy'")
        installed.rows("update outbox_turn set next_try_at = now() where topic = 'installs.privacy'")
        installed.work()
        left = rows_of(installed, merchant_id)
        assert set(left) <= {"privacy_request", "outbox_message", "outbox_turn"}
        assert installed.rows("select id from merchant where id = :m", m=merchant_id) == []
        assert rows_of(other, other.row().merchant_id) == others
    (request,) = requests(installed)
    assert (request.status, request.outcome) == (
        "done",
        "Everything of this shop and its merchant was erased.",
    )
    # The platform may say it again: there is nothing left to do, and it must not ask a third time.
    again = installed.hook("SHOP_REDACT", {"shop_domain": installed.shop})
    assert (again.status_code, again.text) == (200, "nothing is kept of this shop")
    assert installed.open().status_code == 200
    assert installed.row().merchant_id != merchant_id


def test_a_merchant_with_another_store_keeps_that(installed: Admin) -> None:
    row = installed.row()
    sign_up(installed, ADA)
    installed.rows(
        "insert into connection (merchant_id, kind, adapter, name, public_key, created_at)"
        " values (:m, 'store', 'woocommerce', 'second', 'k', now())",
        m=row.merchant_id,
    )
    installed.rows(
        """
        insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id, sku,
                             seen_at)
        select l.merchant_id, c.id, l.variant_id, 'w' || l.id, 'p', 's', l.sku, now()
          from listing l join connection c on c.merchant_id = l.merchant_id and c.name = 'second'
         where l.sku = 'A-1'
        """
    )
    for statement in (
        "insert into shopper_import (merchant_id, connection_id, file_name, origin, made_at, actor, sealed)"
        " values (:m, :c, 'people.csv', 'other', now(), 'owner', 'x')",
        "insert into compensation (merchant_id, subscription_id, connection_id, product_id, code, shown_on, expires_on,"
        " created_at) select :m, s.id, :c, 'p', 'BACK-AAAA', now(), now(), now() from subscription s",
    ):
        installed.rows(statement, m=row.merchant_id, c=row.connection_id)
    installed.uninstall()
    installed.work()
    installed.hook("SHOP_REDACT", {"shop_domain": installed.shop})
    installed.rows("update webhook_receipt set received_at = now()")
    installed.work()
    installed.rows("update privacy_request set not_before = now()")
    work(installed.rt, row.merchant_id, installed.rows("select id from privacy_request")[0].id)
    assert [one.sku for one in installed.rows("select sku from variant order by sku")] == ["A-1"]
    assert [one.name for one in installed.rows("select name from connection")] == ["second"]
    assert installed.rows("select id from subscription") == []
    assert installed.rows("select id from app_user") == []
    for table in ("shopper_import", "compensation", "promise", "installation"):
        assert installed.rows(f"select 1 from {table}") == []
    assert len(installed.rows("select id from merchant")) == 1


def test_a_shop_that_came_back_within_the_48_hours_keeps_everything(installed: Admin) -> None:
    row = installed.row()
    installed.uninstall()
    installed.work()
    installed.hook("SHOP_REDACT", {"shop_domain": installed.shop})
    installed.work()
    installed.open()
    installed.work()
    installed.rows("update privacy_request set not_before = now()")
    work(installed.rt, row.merchant_id, installed.rows("select id from privacy_request")[0].id)
    assert requests(installed)[0].outcome == "The shop has installed Dispo again; nothing was erased."
    assert len(installed.rows("select id from listing")) == 3


# --- whom we believe --------------------------------------------------------------------------------


def signed(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize(
    "topic", ["customers/data_request", "customers/redact", "shop/redact", "app/uninstalled"]
)
@pytest.mark.parametrize("path", [HOOKS, "keyed"])
def test_what_is_not_signed_with_the_apps_secret_is_refused_and_leaves_nothing(
    installed: Admin, topic: str, path: str
) -> None:
    path = f"{HOOKS}/{installed.row().public_key}" if path == "keyed" else path
    body = json.dumps({"shop_domain": installed.shop, "customer": {"email": ADA}}).encode()
    headers = {"X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": installed.shop, "X-Shopify-Webhook-Id": "1"}
    for signature in (signed("another secret", body), signed(SECRET, body + b" "), "", "é", "AAAA"):
        answer = installed.deliver({**headers, "X-Shopify-Hmac-Sha256": signature}, body, path)
        assert answer.status_code == 401
    assert installed.rows("select topic from webhook_receipt") == []
    assert installed.row().status == "active"


def test_the_signature_is_over_the_bytes_as_they_came(installed: Admin) -> None:
    body = b'{"customer" : {"email":"ada@example.com"},\n "shop_domain":"demo.myshopify.com" }'
    headers = {
        "X-Shopify-Topic": "customers/redact",
        "X-Shopify-Shop-Domain": installed.shop,
        "X-Shopify-Webhook-Id": "1",
        "X-Shopify-Hmac-Sha256": signed(SECRET, body),
    }
    assert installed.deliver(headers, body).status_code == 200


def test_a_delivery_of_one_shop_is_refused_at_anothers_address(installed: Admin) -> None:
    key = installed.row().public_key
    body, headers = installed.server.webhooks.signed("APP_UNINSTALLED", {"id": 1}, "e")
    other = {**headers, "X-Shopify-Shop-Domain": "other.myshopify.com"}
    assert installed.deliver(other, body, f"{HOOKS}/{key}").status_code == 401
    assert installed.deliver(headers, body, f"{HOOKS}/{key}").status_code == 200


def test_a_delivery_that_comes_twice_is_noted_once(installed: Admin) -> None:
    body, headers = installed.server.webhooks.signed(
        "CUSTOMERS_REDACT", {"customer": {"email": ADA}}, "event"
    )
    assert [installed.deliver(headers, body).text for _ in range(2)] == ["recorded", "repeated"]
    installed.work()
    assert len(requests(installed)) == 1


def test_a_request_noted_is_not_lost_when_the_work_meets_a_crash(installed: Admin) -> None:
    """The row, its work and the end of the receipt are one transaction: all of it or none."""
    sign_up(installed, ADA)
    redact(installed)
    row = installed.row()
    with installed.rt.engine.connect() as db:
        assert privacy.requests(db, row.merchant_id) == []
    installed.work()
    with installed.rt.engine.connect() as db:
        (request,) = privacy.requests(db, row.merchant_id)
    assert work(installed.rt, row.merchant_id, request.id).note == ""
    assert requests(installed)[0].outcome == "1 subscriptions were made anonymous."
