"""The ways to reach people, in the browser: connected after a check, tried, changed, paused, removed; the list of those
who must not be written to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from connector import i18n
from connector.bootstrap import Runtime
from connector.outbox.messages import Again, Intent, Turn, claim, enqueue, settle
from connector.ports.errors import Misconfigured
from connector.registry import ADAPTERS, Environment, manifest
from connector.shoppers import addresses, channels
from connector.web.channel_words import channel_words
from simulator.sms import ACCOUNT, TwilioServer
from tests.web.conftest import Person
from tests.web.shop import Shop

NUMBER = "+33612345678"


@pytest.fixture(scope="module")
def server() -> Iterator[TwilioServer]:
    with TwilioServer() as running:
        yield running


@pytest.fixture
def twilio(rt: Runtime, server: TwilioServer) -> TwilioServer:
    rt.__dict__["environment"] = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}))
    return server


def form(twilio: TwilioServer, **changes: str) -> dict[str, str]:
    given = {"name": "Texts", "s-account_sid": ACCOUNT, "s-auth_token": TwilioServer.token,
             "s-sender": "+33755555555", "s-url": twilio.url}  # fmt: skip
    return {**given, **changes}


def kept(shop: Shop) -> list[tuple[Any, ...]]:
    statement = """
        select adapter, name, config ->> 'sender', status from connection
         where merchant_id = :m and kind = 'channel'
    """
    with shop.engine.connect() as db:
        return [tuple(row) for row in db.execute(sa.text(statement), {"m": shop.merchant_id})]


def connected(shop: Shop, owner: Person, twilio: TwilioServer) -> int:
    answer = owner.post("/channels/new/twilio", form(twilio))
    assert answer.status_code == 303, answer.text
    return int(answer.location.rpartition("/")[2])


def test_every_way_is_offered_and_has_a_form(owner: Person) -> None:
    start = owner.get("/channels").text
    for name in ADAPTERS["channels"]:
        assert f'href="/channels/new/{name}"' in start
        text = owner.get(f"/channels/new/{name}").text
        for field in manifest("channels", name).fields:
            assert f'name="s-{field.name}"' in text
    assert 404 == owner.get("/channels/new/nothing").status_code


def test_every_word_of_the_forms_is_said_in_french() -> None:
    words = channel_words(i18n.gettext("fr"))
    said = {
        text
        for name in ADAPTERS["channels"]
        for field in manifest("channels", name).fields
        for text in (field.label, field.help, *field.hints.values())
        if text
    }
    assert said - set(words) == set()


def test_it_is_kept_after_it_was_asked_and_its_secret_is_never_shown(
    owner: Person, shop: Shop, twilio: TwilioServer
) -> None:
    way = connected(shop, owner, twilio)
    assert kept(shop) == [("twilio", "Texts", "+33755555555", "active")]
    assert twilio.texts == []
    for path in (f"/channels/{way}", f"/channels/{way}/edit", "/channels"):
        assert TwilioServer.token not in owner.get(path).text
    assert "/hooks/channels/" in owner.get(f"/channels/{way}").text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"s-auth_token": "wrong"}, "refused"),
        ({"s-sender": ""}, "This is needed."),
        ({"s-account_sid": "AC1"}, "This is no account SID."),
        ({"name": ""}, "Give it a name"),
        ({"s-sender": "x" * 2001}, "This is too long."),
    ],
)
def test_what_does_not_work_is_not_kept(
    owner: Person, shop: Shop, twilio: TwilioServer, changes: dict[str, str], said: str
) -> None:
    answer = owner.post("/channels/new/twilio", form(twilio, **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert TwilioServer.token not in answer.text
    assert kept(shop) == []


def test_web_push_is_one_click_after_a_contact(owner: Person, shop: Shop, rt: Runtime) -> None:
    answer = owner.post("/channels/new/web_push", {"name": "Push", "s-contact": "owner@example.com"})
    way = int(answer.location.rpartition("/")[2])
    key = rt.channel(shop.merchant_id, way).public_key
    owner.post(f"/channels/{way}/edit", {"name": "Push 2", "s-contact": "https://shop.example.com"})
    # Browsers that signed up know this key: another contact leaves it as it is.
    assert rt.channel(shop.merchant_id, way).public_key == key
    assert kept(shop) == [("web_push", "Push 2", None, "active")]


def test_settings_are_changed_after_a_check_and_an_empty_secret_stays(
    owner: Person, shop: Shop, twilio: TwilioServer
) -> None:
    way = connected(shop, owner, twilio)
    given = form(twilio, **{"s-sender": "SHOP", "s-auth_token": ""})
    assert owner.post(f"/channels/{way}/edit", given).status_code == 303
    assert owner.post(f"/channels/{way}/edit", form(twilio, **{"s-auth_token": "wrong"})).status_code == 422
    assert kept(shop) == [("twilio", "Texts", "SHOP", "active")]


def test_a_test_goes_to_the_number_typed(owner: Person, shop: Shop, twilio: TwilioServer) -> None:
    way = connected(shop, owner, twilio)
    owner.post(f"/channels/{way}/test", {"to": "06 12"})
    assert twilio.texts == []
    owner.post(f"/channels/{way}/test", {"to": "+33 6 12 34 56 78"})
    assert [one["To"] for one in twilio.texts] == [NUMBER]
    twilio.texts.clear()


def test_it_is_paused_resumed_and_removed(owner: Person, shop: Shop, twilio: TwilioServer) -> None:
    way = connected(shop, owner, twilio)
    states = []
    for what in ("pause", "resume", "remove"):
        owner.post(f"/channels/{way}/{what}")
        states.append(kept(shop)[0][3])
    assert states == ["paused", "active", "ended"]
    assert owner.get(f"/channels/{way}").status_code == 404
    with shop.engine.connect() as db:
        assert (
            db.execute(sa.text("select sealed from connection where id = :c"), {"c": way}).scalar_one() == b""
        )


def test_what_waits_for_a_removed_way_goes_by_the_next_one(
    owner: Person, shop: Shop, twilio: TwilioServer, rt: Runtime
) -> None:
    first, second = connected(shop, owner, twilio), connected(shop, owner, twilio)
    with rt.engine.begin() as db:
        enqueue(db, shop.merchant_id, [Intent("message.sms", str(shop.messages["failed"]), first)])
        db.execute(
            sa.text("update message set channel = 'sms', status = 'waiting' where id = :g"),
            {"g": shop.messages["failed"]},
        )
    removed = []
    for way in (first, second):
        with rt.engine.begin() as db:
            removed.append(channels.remove(db, shop.merchant_id, way, actor="owner@shop.test", now=rt.now()))
            waits = (
                db.execute(
                    sa.text(
                        "select connection_id from outbox_message where topic = 'message.sms' and status = 'pending'"
                    )
                )
                .scalars()
                .all()
            )
            note = db.execute(
                sa.text("select status, note from message where id = :g"), {"g": shop.messages["failed"]}
            ).one()
        if way == first:
            assert (waits, note.status) == ([second], "waiting")
    assert removed == [True, True]
    assert (waits, tuple(note)) == ([], ("failed", channels.REMOVED_NOTE))


def waiting_text(shop: Shop, way: int) -> int:
    """An SMS that waits to be sent by a way, and nothing else; its message."""
    message_id = shop.messages["failed"]
    with shop.engine.begin() as db:
        given = {"g": message_id}
        db.execute(sa.text("update message set channel = 'sms', status = 'waiting' where id = :g"), given)
        enqueue(db, shop.merchant_id, [Intent("message.sms", str(message_id), way)])
    return message_id


def waits_at(shop: Shop) -> list[tuple[str, int]]:
    statement = "select status, connection_id from outbox_message where topic = 'message.sms' order by id"
    with shop.engine.connect() as db:
        return [tuple(row) for row in db.execute(sa.text(statement))]


def test_nothing_leaves_by_a_paused_way_not_even_what_waited_for_it(
    owner: Person, shop: Shop, twilio: TwilioServer, rt: Runtime
) -> None:
    way = connected(shop, owner, twilio)
    waiting_text(shop, way)
    owner.post(f"/channels/{way}/pause")
    served = rt.serve(Turn(shop.merchant_id, "message.sms", way))
    assert served is not None and isinstance(served.error, Misconfigured)
    assert waits_at(shop) == [("pending", way)]
    assert kept(shop)[0][3] == "paused"
    # One that was paused because it refused us is tried from time to time.
    with rt.engine.begin() as db:
        db.execute(
            sa.text("update connection set status_reason = 'The account is refused.' where id = :c"),
            {"c": way},
        )
    assert rt.channel(shop.merchant_id, way)


def test_a_text_never_goes_by_the_installations_mail(
    owner: Person, shop: Shop, twilio: TwilioServer, rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written while the merchant's only way was paused."""
    message_id = waiting_text(shop, 0)
    monkeypatch.setattr(rt, "channel", lambda merchant_id, connection_id: pytest.fail("It was handed over."))
    served = rt.serve(Turn(shop.merchant_id, "message.sms", 0))
    assert served is not None and isinstance(served.error, Misconfigured)
    assert waits_at(shop) == [("pending", 0)]
    with rt.engine.connect() as db:
        status = db.scalar(sa.text("select status from message where id = :g"), {"g": message_id})
    assert status == "waiting"


def test_what_found_no_way_goes_by_the_one_that_is_connected_or_resumed(
    owner: Person, shop: Shop, twilio: TwilioServer, rt: Runtime
) -> None:
    waiting_text(shop, 0)
    way = connected(shop, owner, twilio)
    assert waits_at(shop) == [("pending", way)]
    owner.post(f"/channels/{way}/pause")
    with rt.engine.begin() as db:
        db.execute(sa.text("update outbox_message set connection_id = 0 where topic = 'message.sms'"))
    owner.post(f"/channels/{way}/resume")
    assert waits_at(shop) == [("pending", way)]
    with rt.engine.begin() as db:
        db.execute(sa.text("update outbox_message set connection_id = 0 where topic = 'message.sms'"))
    assert (channels.find_stranded(rt, shop.merchant_id), waits_at(shop)) == (1, [("pending", way)])


def test_what_came_back_to_a_way_that_was_removed_meanwhile_is_passed_on(
    owner: Person, shop: Shop, twilio: TwilioServer, rt: Runtime
) -> None:
    first, second = connected(shop, owner, twilio), connected(shop, owner, twilio)
    waiting_text(shop, first)
    turn = Turn(shop.merchant_id, "message.sms", first)
    held = claim(rt.engine, turn, 10)
    owner.post(f"/channels/{first}/remove")
    assert held is not None
    with rt.engine.begin() as db:
        settle(db, held, {held.messages[0].id: Again(5.0, "too many")})
    assert (waits_at(shop), channels.find_stranded(rt, shop.merchant_id + 1)) == ([("pending", first)], 0)
    assert channels.find_stranded(rt, shop.merchant_id) == 1
    assert waits_at(shop) == [("pending", second)]


def test_another_merchant_reaches_none_of_it(
    owner: Person, shop: Shop, stranger: Person, twilio: TwilioServer
) -> None:
    way = connected(shop, owner, twilio)
    for path in ("", "/edit", "/pause", "/remove"):
        assert stranger.get(f"/channels/{way}{path}").status_code == 404
    for path in ("/edit", "/pause", "/resume", "/remove", "/test"):
        assert stranger.post(f"/channels/{way}{path}", {"to": NUMBER, **form(twilio)}).status_code == 404
    assert (kept(shop)[0][3], twilio.texts) == ("active", [])
    assert "Texts" not in stranger.get("/channels").text


def test_who_must_not_be_written_to_is_counted_and_lifted_by_typing_it(
    owner: Person, stranger: Person, shop: Shop, rt: Runtime
) -> None:
    with rt.engine.begin() as db:
        for key, reason in (("ann@example.com", "asked"), (NUMBER, "stopped")):
            addresses.suppress(db, rt.keyring, shop.merchant_id, key, reason, rt.now())
    assert stranger.post("/channels/suppressed", {"address": "ann@example.com"}).status_code == 404
    assert owner.post("/channels/suppressed", {"address": "bob@example.com"}).status_code == 404
    assert owner.post("/channels/suppressed", {"address": "nobody"}).status_code == 422
    assert owner.post("/channels/suppressed", {"address": "Ann@Example.com"}).status_code == 303
    with rt.engine.connect() as db:
        left = db.execute(
            sa.text("select reason from suppression where merchant_id = :m"), {"m": shop.merchant_id}
        )
        assert left.scalars().all() == ["stopped"]
        log = db.execute(
            sa.text("select string_agg(subject || detail::text, ' ') from audit_event")
        ).scalar_one()
    assert "example.com" not in log
