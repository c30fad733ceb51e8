"""What stores send: recorded once, never when it is forged, and answered whatever happens."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import io
import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.web import collector, webhooks
from connector.web.app import create_app
from tests.builders import World

BODY = json.dumps({"id": 17, "stock_quantity": 3, "manage_stock": True}).encode()


class Sender:
    """A store that sends webhooks to the app."""

    def __init__(self, client: FlaskClient, rt: Runtime, merchant_id: int, adapter: str) -> None:
        self.client, self.rt, self.adapter = client, rt, adapter
        with rt.engine.begin() as db:
            self.connection_id = add_connection(
                db, rt.keyring, merchant_id, kind="store", adapter=adapter, name="shop", now=rt.now(),
                config={"url": "https://shop.test", "shop": "a.myshopify.com"}, secrets=SECRETS[adapter],
            )  # fmt: skip
            row = db.execute(
                sa.text("select public_key, sealed from connection where id = :c"), {"c": self.connection_id}
            ).one()
        self.public_key = row.public_key
        opened = rt.keyring.unseal(row.sealed)
        self.secret = opened["api_secret" if adapter == "shopify" else "webhook_secret"]

    def send(
        self,
        body: bytes = BODY,
        *,
        secret: str | None = None,
        delivery: str = "d-1",
        key: str = "",
        adapter: str = "",
    ) -> TestResponse:
        signature = base64.b64encode(
            hmac.new((secret or self.secret).encode(), body, hashlib.sha256).digest()
        ).decode()
        headers = {
            "woocommerce": {
                "X-WC-Webhook-Signature": signature,
                "X-WC-Webhook-Delivery-ID": delivery,
                "X-WC-Webhook-Topic": "product.updated",
            },
            "shopify": {
                "X-Shopify-Hmac-Sha256": signature,
                "X-Shopify-Webhook-Id": delivery,
                "X-Shopify-Topic": "inventory_levels/update",
                "X-Shopify-Shop-Domain": "a.myshopify.com",
            },
        }[self.adapter]
        return self.client.post(
            f"/webhooks/{adapter or self.adapter}/{key or self.public_key}",
            data=body,
            headers={"Content-Type": "application/json", **headers},
        )

    def receipts(self) -> list[Any]:
        with self.rt.engine.connect() as db:
            return list(
                db.execute(
                    sa.text("select delivery_id, topic, body from webhook_receipt order by received_at")
                )
            )

    def intents(self) -> list[Any]:
        with self.rt.engine.connect() as db:
            return list(db.execute(sa.text("select topic, subject, connection_id from outbox_message")))


SECRETS = {
    "woocommerce": {"consumer_key": "ck_1", "consumer_secret": "cs_1"},
    "shopify": {"access_token": "t", "api_secret": "the app's own secret"},
}


@pytest.fixture(params=["woocommerce", "shopify"])
def sender(request: pytest.FixtureRequest, app: Any, rt: Runtime, engine: sa.Engine) -> Sender:
    return Sender(app.test_client(), rt, World(engine).merchant_id, request.param)


def test_a_signed_delivery_is_recorded_and_work_is_asked_for(sender: Sender) -> None:
    answer = sender.send()
    assert (answer.status_code, answer.text) == (200, "recorded")
    (receipt,) = sender.receipts()
    assert (receipt.delivery_id, bytes(receipt.body)) == ("d-1", BODY)
    assert sender.intents() == [("store.receipts", "receipts", sender.connection_id)]


def test_a_repeated_delivery_is_answered_and_recorded_once(sender: Sender) -> None:
    assert [sender.send().text for _ in range(3)] == ["recorded", "repeated", "repeated"]
    assert len(sender.receipts()) == 1


def test_many_deliveries_ask_for_work_once(sender: Sender) -> None:
    for number in range(5):
        assert sender.send(delivery=f"d-{number}").status_code == 200
    assert len(sender.receipts()) == 5
    assert len(sender.intents()) == 1


@pytest.mark.parametrize("secret", ["wrong", "", "the app's own secret "], ids=["wrong", "empty", "nearly"])
def test_a_forged_delivery_leaves_nothing(sender: Sender, secret: str) -> None:
    answer = sender.send(secret=secret or "\0")
    assert (answer.status_code, answer.text) == (401, "not signed")
    assert sender.receipts() == []
    assert sender.intents() == []


def test_a_changed_body_does_not_hold_under_its_signature(sender: Sender) -> None:
    signature = base64.b64encode(hmac.new(sender.secret.encode(), BODY, hashlib.sha256).digest()).decode()
    name = "X-WC-Webhook-Signature" if sender.adapter == "woocommerce" else "X-Shopify-Hmac-Sha256"
    answer = sender.client.post(
        f"/webhooks/{sender.adapter}/{sender.public_key}", data=BODY + b" ", headers={name: signature}
    )
    assert answer.status_code == 401
    assert sender.receipts() == []


def test_an_unknown_address_is_not_found(sender: Sender) -> None:
    assert sender.send(key="nobody").status_code == 404
    other = {"woocommerce": "shopify", "shopify": "woocommerce"}[sender.adapter]
    assert sender.send(adapter=other).status_code == 404
    assert sender.receipts() == []


def test_too_large_a_body_is_refused(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_BYTES", 100)
    assert sender.send(b"x" * 101).status_code == 413
    assert sender.send(b"x" * 100).status_code == 200
    assert len(sender.receipts()) == 1


def test_a_body_larger_than_a_page_may_be_is_taken(sender: Sender) -> None:
    assert sender.send(b"x" * 1_500_000).status_code == 200


def test_only_posts_are_taken(sender: Sender) -> None:
    assert sender.client.get(f"/webhooks/{sender.adapter}/{sender.public_key}").status_code == 405


def test_without_the_database_the_store_is_asked_to_come_again(sender: Sender) -> None:
    away = Runtime(
        dataclasses.replace(sender.rt.settings, database_url="postgresql+psycopg://x@127.0.0.1:1/x")
    )
    sender.client = create_app(away).test_client()
    answer = sender.send()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_a_database_that_goes_away_later_is_noticed(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sender.send().status_code == 200

    def fail(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("gone"))

    monkeypatch.setattr(collector, "record", fail)
    assert sender.send(delivery="d-2").status_code == 503
    monkeypatch.undo()
    assert sender.send(delivery="d-2").text == "recorded"


def test_a_changed_secret_counts_at_once(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sender.send().status_code == 200
    name = "api_secret" if sender.adapter == "shopify" else "webhook_secret"
    with sender.rt.engine.begin() as db:
        db.execute(
            sa.text("update connection set sealed = :s where id = :c"),
            {"s": sender.rt.keyring.seal({name: "rotated"}), "c": sender.connection_id},
        )
    now = webhooks.time.monotonic()
    monkeypatch.setattr(webhooks.time, "monotonic", lambda: now + 2)
    assert sender.send(secret="rotated", delivery="d-2").text == "recorded"
    assert sender.send(secret=sender.secret, delivery="d-3").status_code == 401


def test_secrets_are_opened_once_for_a_stream(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    unseal = sender.rt.keyring.unseal
    monkeypatch.setattr(sender.rt.keyring, "unseal", lambda sealed: opened.append(1) or unseal(sealed))
    for number in range(5):
        sender.send(delivery=f"d-{number}")
    assert len(opened) == 1


def test_bodies_and_secrets_reach_no_log(sender: Sender, capsys: pytest.CaptureFixture[str]) -> None:
    marked = b'{"email": "shopper@example.test"}'
    sender.send(marked, secret="wrong")
    sender.send(marked)
    said = "".join(capsys.readouterr())
    assert "shopper@example.test" not in said
    assert sender.secret not in said


def test_a_removed_app_may_still_send_its_last_words(sender: Sender) -> None:
    with sender.rt.engine.begin() as db:
        db.execute(
            sa.text("update connection set status = 'ended' where id = :c"), {"c": sender.connection_id}
        )
    assert sender.send().text == "recorded"


def test_a_woocommerce_ping_is_answered_and_not_recorded(app: Any, rt: Runtime, engine: sa.Engine) -> None:
    sender = Sender(app.test_client(), rt, World(engine).merchant_id, "woocommerce")
    answer = sender.client.post(f"/webhooks/woocommerce/{sender.public_key}", data=b"webhook_id=7")
    assert (answer.status_code, answer.text) == (200, "ping")
    assert sender.receipts() == []


@pytest.mark.parametrize(
    "path", ["", "woocommerce", "woocommerce/", "woocommerce/a/b", "woo%00/x", "woocommerce/%00"]
)
def test_odd_addresses_are_not_found(app: Any, path: str) -> None:
    answer = app.test_client().post(f"/webhooks/{path}", data=b"{}")
    assert (answer.status_code, answer.text) == (404, "unknown address")


def test_a_body_in_chunks_is_taken_and_has_the_same_limit(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_BYTES", 100)

    def send(body: bytes) -> str:
        signature = base64.b64encode(hmac.new(sender.secret.encode(), body, hashlib.sha256).digest()).decode()
        name = "WC_WEBHOOK_SIGNATURE" if sender.adapter == "woocommerce" else "SHOPIFY_HMAC_SHA256"
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/webhooks/{sender.adapter}/{sender.public_key}",
            "HTTP_TRANSFER_ENCODING": "chunked",
            f"HTTP_X_{name}": signature,
            "wsgi.input": io.BytesIO(body),
        }
        said: list[str] = []
        sender.client.application.wsgi_app(environ, lambda status, headers: said.append(status))
        return said[0]

    assert send(b"x" * 101) == "413 Content Too Large"
    assert send(b"x" * 100) == "200 OK"
    assert [bytes(receipt.body) for receipt in sender.receipts()] == [b"x" * 100]


def test_an_unexpected_error_is_answered_and_logged_without_the_body(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(collector, "record", fail)
    answer = sender.send(b'{"email": "shopper@example.test"}')
    assert (answer.status_code, answer.text) == (500, "failed")
    said = "".join(capsys.readouterr())
    assert "RuntimeError: a bug" in said
    assert "shopper@example.test" not in said
