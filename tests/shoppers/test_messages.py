"""What becomes of a message: checked in the moment of sending, sent once, never lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
    Unsupported,
)
from connector.shoppers.messages import resend, settle_lost
from connector.shoppers.unsubscribe import find_person, leave_all, leave_for_good
from tests.shoppers.world import World
from tests.support import ManualClock


def invite(world: World, *, stock: int = 3) -> None:
    """Ann is invited; her message is queued and not yet sent."""
    from connector.shoppers import episodes

    world.waiting("ann@example.com")
    world.set_stock(stock)
    episodes.look(world, world.merchant_id, world.variant_id)
    assert world.message_statuses() == ["waiting"]


def due_in_s(world: World) -> float:
    row = world.row(
        "select extract(epoch from due_at - now()) as s from outbox_message"
        " where status = 'pending' and topic = 'message.email'"
    )
    return float(row.s)


def test_a_message_carries_everything_it_must(world: World) -> None:
    invite(world)
    world.run()
    (message,) = world.mail.sent
    assert message.message_id == world.row("select message_id from message where kind = 'back_in_stock'")[0]
    assert message.message_id.endswith("@dispo.test")
    assert (message.from_name, message.language) == ("Kiln & Co", "en")
    assert message.unsubscribe_url == f"https://dispo.test/u/{world.token(message, 'u')}?lang=en"
    assert message.unsubscribe_url in message.text
    assert 'src="https://shop.test/mug.png"' in message.html
    assert world.row("select subject, tries from message where kind = 'back_in_stock'") == (
        "Back in stock: Blue mug",
        1,
    )


def test_the_price_is_read_in_the_moment_of_sending(world: World) -> None:
    invite(world)
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set price_minor = 2450"))
        db.execute(sa.text("""update connection set config = '{"currency": "GBP"}'"""))
    world.run()
    assert "£24.50" in world.mail.sent[0].text


def test_sold_out_again_before_sending_means_nothing_is_sent_and_the_place_is_kept(world: World) -> None:
    invite(world)
    world.set_stock(0)
    world.run()
    assert world.told() == []
    assert world.message_statuses() == ["skipped"]
    assert world.statuses() == ["waiting"]
    world.waiting("later@example.com")
    world.set_stock(1)
    world.run()
    assert world.told() == ["ann@example.com", "later@example.com"]


def test_back_again_before_anybody_looked_still_tells_everybody(world: World) -> None:
    invite(world)
    world.set_stock(0)
    from connector.outbox import messages as outbox
    from connector.outbox.work import serve_turn
    from connector.shoppers import media
    from tests.shoppers.world import TOPICS

    serve_turn(world, outbox.Turn(world.merchant_id, media.EMAIL, 0), TOPICS)
    assert world.message_statuses() == ["skipped"]
    world.set_stock(2)
    world.run()
    assert world.told() == ["ann@example.com"]
    assert world.message_statuses() == ["skipped", "sent"]


def test_it_waits_while_the_store_does_not_show_it(world: World) -> None:
    invite(world)
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set confirmed_available = 0"))
    world.run()
    assert world.told() == []
    assert world.message_statuses() == ["waiting"]
    assert 0 < due_in_s(world) <= 3
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set confirmed_available = 2"))
    world.make_due()
    world.run()
    assert world.told() == ["ann@example.com"]


@pytest.mark.parametrize("leave", [leave_all, leave_for_good])
def test_who_left_before_it_was_sent_gets_nothing(world: World, leave: Any) -> None:
    invite(world)
    with world.engine.connect() as db:
        person = find_person(db, world.merchant_id, 1)
    assert person is not None
    leave(world, person)
    world.run()
    assert world.told() == []
    assert world.message_statuses() == ["skipped"]
    assert world.statuses() == ["ended"]


def test_an_address_suppressed_meanwhile_gets_nothing(world: World) -> None:
    from connector.shoppers import addresses

    invite(world)
    with world.engine.begin() as db:
        addresses.suppress(db, world.keyring, world.merchant_id, "ann@example.com", "complaint", world.now())
    world.run()
    assert world.told() == []
    assert world.statuses() == ["ended"]


def test_sending_is_committed_before_the_provider_is_called(world: World) -> None:
    seen = []
    invite(world)
    world.mail.before_send = lambda _: seen.extend(world.message_statuses())
    world.run()
    assert seen == ["sending"]
    assert world.message_statuses() == ["sent"]


@pytest.mark.parametrize(
    ("fault", "status", "person", "outbox"),
    [
        (Rejected("email", "mailbox", "No such mailbox."), "failed", "invited", "failed"),
        (Unsupported("email", "mailbox", "Cannot be said."), "failed", "invited", "failed"),
        (OutcomeUnknown("email", "mailbox", "The line was cut."), "unknown", "fulfilled", "unknown"),
    ],
    ids=["refused", "unsupported", "unknown"],
)
def test_an_end_is_kept_and_never_repeated(
    world: World, fault: Exception, status: str, person: str, outbox: str
) -> None:
    invite(world)
    world.mail.faults.append(fault)
    world.run()
    world.make_due()
    world.run()
    assert world.told() == []
    assert world.message_statuses() == [status]
    assert world.statuses() == [person]
    row = world.row(
        "select status from outbox_message where topic = 'message.email' order by id desc limit 1"
    )
    assert row.status == outbox


def test_a_passing_fault_is_tried_again_until_it_works(world: World) -> None:
    invite(world)
    waits = []
    for _ in range(4):
        world.mail.faults.append(Retryable("email", "mailbox", "The mailbox is full."))
        world.run()
        assert world.message_statuses() == ["waiting"]
        waits.append(round(due_in_s(world)))
        world.make_due()
    assert waits == [30, 60, 120, 240]
    assert world.row("select note, tries from message where kind = 'back_in_stock'") == (
        "The mailbox is full.",
        4,
    )
    world.run()
    assert world.told() == ["ann@example.com"]


def test_a_provider_that_asks_to_wait_is_obeyed(world: World) -> None:
    invite(world)
    world.mail.faults.append(RateLimited("email", "provider", "Too many.", retry_after_s=90))
    world.run()
    assert round(due_in_s(world)) == 90


@pytest.mark.parametrize(
    "fault",
    [
        Unauthorized("email", "smtp.example", "The password is refused."),
        Misconfigured("email", "smtp.example", "The sender is not allowed.", field="from_address"),
    ],
    ids=["unauthorized", "misconfigured"],
)
def test_a_broken_channel_holds_everybody_and_loses_nobody(world: World, fault: Exception) -> None:
    world.waiting("ann@example.com", "bob@example.com")
    world.set_stock(3)
    world.mail.faults.append(fault)
    world.run()
    assert world.told() == []
    assert world.message_statuses() == ["waiting", "waiting"]
    world.make_due()
    world.run()
    assert sorted(world.told()) == ["ann@example.com", "bob@example.com"]


def test_one_bad_mailbox_does_not_fail_its_neighbours(world: World) -> None:
    world.waiting("ann@example.com", "bob@example.com", "cid@example.com")
    world.set_stock(3)
    world.mail.faults.append(Rejected("email", "mailbox", "No such mailbox."))
    world.run()
    assert world.told() == ["bob@example.com", "cid@example.com"]
    assert world.message_statuses() == ["failed", "sent", "sent"]


@pytest.mark.parametrize(
    "fault",
    [Rejected("email", "mailbox", "Refused."), OutcomeUnknown("email", "mailbox", "Cut.")],
    ids=["failed", "unknown"],
)
def test_the_merchant_may_send_it_again_under_the_same_message_id(world: World, fault: Exception) -> None:
    invite(world)
    world.mail.faults.append(fault)
    world.run()
    message_id = world.row("select id, message_id from message where kind = 'back_in_stock'")
    assert not resend(world, world.merchant_id + 1, message_id.id)
    assert resend(world, world.merchant_id, message_id.id)
    world.run()
    assert [message.message_id for message in world.mail.sent] == [message_id.message_id]
    assert world.message_statuses() == ["sent"]
    assert world.statuses() == ["fulfilled"]
    assert not resend(world, world.merchant_id, message_id.id)


@pytest.mark.parametrize("has_bought", [False, True])
def test_who_is_written_to_again_keeps_the_place_when_nothing_is_left(world: World, has_bought: bool) -> None:
    invite(world)
    world.mail.faults.append(OutcomeUnknown("email", "mailbox", "Cut."))
    world.run()
    assert (world.message_statuses(), world.statuses()) == (["unknown"], ["fulfilled"])
    if has_bought:
        with world.engine.begin() as db:
            db.execute(sa.text("update invitation set ordered_at = now()"))
    message = world.row("select id from message where kind = 'back_in_stock'")
    world.set_stock(0)
    assert resend(world, world.merchant_id, message.id)
    world.run()
    assert world.told() == []
    assert world.message_statuses() == ["skipped"]
    assert world.statuses() == ["fulfilled" if has_bought else "waiting"]


def test_nothing_is_sent_again_to_who_left(world: World) -> None:
    invite(world)
    world.mail.faults.append(Rejected("email", "mailbox", "Refused."))
    world.run()
    with world.engine.connect() as db:
        person = find_person(db, world.merchant_id, 1)
    assert person is not None
    leave_all(world, person)
    message = world.row("select id from message where kind = 'back_in_stock'")
    assert not resend(world, world.merchant_id, message.id)


def test_what_was_being_sent_when_all_was_lost_becomes_unknown(world: World, clock: ManualClock) -> None:
    invite(world)
    with world.engine.begin() as db:
        db.execute(
            sa.text("update message set status = 'sending', sending_at = :n where kind = 'back_in_stock'"),
            {"n": clock.now()},
        )
        db.execute(sa.text("delete from outbox_message"))
    clock.advance(minutes=14)
    with world.engine.begin() as db:
        assert settle_lost(db, world.merchant_id, clock.now(), timedelta(minutes=15)) == 0
    clock.advance(minutes=1)
    with world.engine.begin() as db:
        assert settle_lost(db, world.merchant_id, clock.now(), timedelta(minutes=15)) == 1
    assert world.message_statuses() == ["unknown"]
    assert world.statuses() == ["fulfilled"]


def test_a_merchants_own_mail_connection_sends_for_it(world: World) -> None:
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
                values (1, 'channel', 'email', 'Own mail', 'pk-mail', now())
            """)
        )
    world.sign_up("ann@example.com")
    row = world.row("select connection_id from outbox_message where topic = 'message.email'")
    assert row.connection_id == 2
