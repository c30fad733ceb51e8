"""What providers post to /hooks/channels/<key>: verified on the raw bytes, acted on, answered without a body."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.web.channel_hooks import MOST_BYTES
from simulator.sms import ACCOUNT, TwilioServer
from tests.web.conftest import Person
from tests.web.shop import Shop

SID = "SM" + "1" * 32


@pytest.fixture
def way(shop: Shop, rt: Runtime) -> str:
    """The path at which Twilio tells of this shop's texts; one was sent, and is known as SID."""
    config = {"account_sid": ACCOUNT, "sender": "+33755555555"}
    with rt.engine.begin() as db:
        connection_id = add_connection(
            db,
            rt.keyring,
            shop.merchant_id,
            kind="channel",
            adapter="twilio",
            name="SMS",
            config=config,
            secrets={"auth_token": TwilioServer.token},
            now=rt.now(),
        )
        db.execute(
            sa.text("""
                update message set channel = 'sms', status = 'sent', provider_id = :sid, sent_by = :c
                 where id = :g
            """),
            {"sid": SID, "c": connection_id, "g": shop.messages["failed"]},
        )
        key = db.execute(
            sa.text("select public_key from connection where id = :c"), {"c": connection_id}
        ).scalar_one()
    return f"/hooks/channels/{key}"


def post(rt: Runtime, anybody: Person, path: str, **fields: str) -> Any:
    headers, body = TwilioServer.callback(_Twin(), rt.base_url + path, fields)  # type: ignore[arg-type]
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return anybody.client.post(path, data=body, headers=headers)


class _Twin:
    token = TwilioServer.token


def fate(shop: Shop) -> tuple[str, str]:
    with shop.engine.connect() as db:
        row = db.execute(
            sa.text("select status, note from message where id = :g"), {"g": shop.messages["failed"]}
        ).one()
    return row.status, row.note


UNDELIVERED = {"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": "30005", "To": "+33612345678"}


def test_a_signed_report_is_acted_on_and_answered_without_a_body(
    rt: Runtime, shop: Shop, anybody: Person, way: str
) -> None:
    answer = post(rt, anybody, f"{way}?m=x%40dispo.test", **UNDELIVERED)
    assert (answer.status_code, answer.data) == (204, b"")
    assert fate(shop) == ("failed", "The provider says that nobody is at this address.")
    assert "Set-Cookie" not in answer.headers


def test_what_is_not_signed_changes_nothing(rt: Runtime, shop: Shop, anybody: Person, way: str) -> None:
    before = fate(shop)
    answer = anybody.client.post(way, data=UNDELIVERED, headers={"X-Twilio-Signature": "bm8="})
    assert (answer.status_code, fate(shop)) == (401, before)
    with shop.engine.connect() as db:
        assert db.execute(sa.text("select count(*) from delivery_report")).scalar_one() == 0


def test_a_signature_for_another_address_does_not_hold(
    rt: Runtime, shop: Shop, anybody: Person, way: str
) -> None:
    headers, body = TwilioServer.callback(_Twin(), rt.base_url + way + "?m=1", UNDELIVERED)  # type: ignore[arg-type]
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    assert anybody.client.post(way + "?m=2", data=body, headers=headers).status_code == 401


def test_an_unknown_address_a_store_s_and_a_removed_one_are_none(
    shop: Shop, anybody: Person, way: str
) -> None:
    with shop.engine.begin() as db:
        store = db.execute(
            sa.text("select public_key from connection where id = :c"), {"c": shop.store_id}
        ).scalar_one()
        db.execute(sa.text("update connection set status = 'ended' where kind = 'channel'"))
    for path in ("/hooks/channels/nobody", "/hooks/channels/%00", f"/hooks/channels/{store}", way):
        assert anybody.client.post(path, data=b"{}").status_code == 404


def test_a_body_that_is_too_large_is_not_read(anybody: Person, way: str) -> None:
    assert anybody.client.post(way, data=b"x" * (MOST_BYTES + 1)).status_code == 413
