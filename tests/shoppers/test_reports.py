"""What providers tell of messages: bounces, complaints, STOP and START, each acted on once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.accounts.tables import Connection
from connector.ports.channels import DeliveryReport, MailedReports, ReportKind, ReportMailbox
from connector.shoppers import addresses
from connector.shoppers.reports import KEEP, act_on, prune, read_mailbox, report_url
from tests.shoppers.world import World, _add

WAY = 7


@pytest.fixture
def told(world: World) -> World:
    """Ann waits for the mug and was asked to confirm by the connection WAY."""
    wait_for(world, "501", "p-1")
    return world


def wait_for(world: World, item: str, theirs: str) -> None:
    """Ann waits for an item, and her last message was sent by WAY, which calls it `theirs`."""
    world.waiting("ann@example.com", external_id=item)
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                update message set status = 'sent', note = '', sent_by = :w, provider_id = :p
                 where id = (select max(id) from message)
            """),
            {"w": WAY, "p": theirs},
        )


def report(world: World, kind: ReportKind, name: str = "r-1", **given: str) -> DeliveryReport:
    facts = {"provider_message_id": "p-1", **given} if not given.get("message_id") else given
    return DeliveryReport(kind, name, world.now(), **facts)


def act(world: World, *reports: DeliveryReport, is_mailed: bool = False, way: int = WAY) -> int:
    return act_on(world, world.merchant_id, way, "email", reports, is_mailed=is_mailed)


def suppressed(world: World) -> list[str]:
    return [row.reason for row in world.rows("select reason from suppression")]


def fates(world: World) -> list[tuple[str, str]]:
    return [(row.status, row.note) for row in world.rows("select status, note from message order by id")]


def test_a_hard_bounce_fails_the_message_and_ends_what_the_address_waits_for(told: World) -> None:
    assert act(told, report(told, "bounced_hard", reason="5.1.1")) == 1
    assert fates(told) == [("failed", "The provider says that nobody is at this address.")]
    assert told.statuses() == ["ended"]
    assert suppressed(told) == ["refused"]
    row = told.row("select kind, message_id > 0 as is_ours, reason from delivery_report")
    assert tuple(row) == ("bounced_hard", True, "5.1.1")


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud800"])
def test_whatever_a_provider_says_is_kept_as_far_as_it_can_be(told: World, odd: str) -> None:
    """A fault of ours would have it sent again and again."""
    reports = [
        report(told, "bounced_hard", f"r-{odd}", reason=f"5.1.1{odd}"),
        report(told, "delivered", "r-2", message_id=odd),
        report(told, "bounced_soft", "r-3", provider_message_id=odd, address=odd),
    ]
    assert (act(told, *reports), act(told, *reports)) == (3, 0)
    assert fates(told) == [("failed", "The provider says that nobody is at this address.")]


def test_a_report_that_is_repeated_is_acted_on_once(told: World) -> None:
    again = report(told, "bounced_hard")
    assert act(told, again, again) == 1
    with told.engine.begin() as db:
        db.execute(sa.text("delete from suppression"))
    assert act(told, again) == 0
    assert suppressed(told) == []


def test_a_complaint_is_never_written_to_again_but_the_message_was_sent(told: World) -> None:
    act(told, report(told, "complained"))
    assert fates(told) == [("sent", "The reader marked it as spam.")]
    assert (told.statuses(), suppressed(told)) == (["ended"], ["complaint"])


@pytest.mark.parametrize(
    ("merchant", "way", "theirs"),
    [(1, WAY + 1, "p-1"), (2, WAY, "p-1"), (1, WAY, "p-2")],
    ids=["another connection", "another merchant", "another message"],
)
def test_nobody_else_s_message_is_touched(told: World, merchant: int, way: int, theirs: str) -> None:
    given = DeliveryReport("bounced_hard", "r", told.now(), "ann@example.com", provider_message_id=theirs)
    merchant_id = told.merchant_id if merchant == 1 else told.merchant_id + 1
    assert act_on(told, merchant_id, way, "email", [given]) == 1
    assert (told.statuses(), suppressed(told)) == (["waiting"], [])


def test_three_messages_in_a_row_that_were_not_delivered_count_as_refused(told: World) -> None:
    told.add_variant("502", "Red mug")
    told.add_variant("503", "Green mug")
    for number, item in enumerate(("502", "503"), 2):
        wait_for(told, item, f"p-{number}")
    soft = [
        report(told, "bounced_soft", f"r-{number}", provider_message_id=f"p-{number}") for number in (1, 2, 3)
    ]
    assert act(told, soft[0], soft[1]) == 2
    # The same message once more is no third one.
    act(told, report(told, "bounced_soft", "r-2b", provider_message_id="p-2"))
    assert (told.statuses(), suppressed(told)) == (["waiting"] * 3, [])
    act(told, soft[2])
    assert (told.statuses(), suppressed(told)) == (["ended"] * 3, ["refused"])


def test_one_that_arrived_in_between_breaks_the_row(told: World) -> None:
    act(told, report(told, "bounced_soft", "r-1"))
    assert fates(told) == [("failed", "The provider says that it could not be delivered.")]
    act(told, report(told, "delivered", "r-2"))
    assert fates(told) == [("sent", "")]
    assert (told.statuses(), suppressed(told)) == (["waiting"], [])


def test_stop_ends_and_start_lifts_what_stop_set(world: World) -> None:
    number = "+33612345678"
    stop, start = (DeliveryReport(kind, kind, world.now(), number) for kind in ("stopped", "started"))
    assert act_on(world, world.merchant_id, WAY, "sms", [stop]) == 1
    assert suppressed(world) == ["stopped"]
    assert act_on(world, world.merchant_id, WAY, "sms", [start]) == 1
    assert suppressed(world) == []


@pytest.mark.parametrize("reason", ["asked", "complaint", "refused"])
def test_start_lifts_nothing_else(world: World, reason: str) -> None:
    number = "+33612345678"
    with world.engine.begin() as db:
        for one in ("stopped", reason):
            addresses.suppress(db, world.keyring, world.merchant_id, number, one, world.now())
    start = DeliveryReport("started", "s", world.now(), number)
    act_on(world, world.merchant_id, WAY, "sms", [start])
    assert suppressed(world) == [reason]


def test_help_is_kept_and_nothing_is_done(told: World) -> None:
    act(told, report(told, "help"))
    assert (fates(told), told.statuses()) == ([("sent", "")], ["waiting"])
    assert told.row("select kind from delivery_report").kind == "help"


def test_the_page_of_a_message_says_which_one_it_is_before_the_provider_s_id_is_known(told: World) -> None:
    ours = told.row("select message_id from message").message_id
    early = DeliveryReport("bounced_hard", "r", told.now(), provider_message_id="not yet stored")
    act_on(told, told.merchant_id, WAY, "email", [early], message_id=ours)
    assert told.statuses() == ["ended"]


def test_a_report_address_names_the_message() -> None:
    assert report_url("https://d.test", "k", "m@d") == "https://d.test/hooks/channels/k?m=m%40d"
    assert report_url("https://d.test", "k") == "https://d.test/hooks/channels/k"


# --- The mailbox of bounces -----------------------------------------------------------------------------


@dataclass
class Mailbox:
    waiting: list[MailedReports]
    read: list[str] = field(default_factory=list)

    def check(self) -> str:
        return ""

    def fetch(self, limit: int = 100) -> list[MailedReports]:
        return [one for one in self.waiting if one.uid not in self.read][:limit]

    def done(self, uids: Sequence[str]) -> None:
        self.read += uids


def mailbox(world: World, *reports: DeliveryReport) -> Mailbox:
    box = Mailbox([MailedReports(str(number), (one,)) for number, one in enumerate(reports)])

    def found(merchant_id: int, connection_id: int) -> ReportMailbox:
        return box

    world.report_mailbox = found  # type: ignore[attr-defined]
    return box


def test_a_mailed_bounce_counts_by_the_message_it_names(told: World) -> None:
    ours = told.row("select message_id from message").message_id
    box = mailbox(told, report(told, "bounced_hard", message_id=ours, address="bob@example.com"))
    assert read_mailbox(told, told.merchant_id, WAY) == 1  # type: ignore[arg-type]
    assert (told.statuses(), suppressed(told), box.read) == (["ended"], ["refused"], ["0"])


@pytest.mark.parametrize("kind", ["bounced_hard", "complained", "stopped", "started"])
def test_a_mailed_report_that_names_no_message_is_nobody_s(told: World, kind: ReportKind) -> None:
    """Anybody may write to that mailbox."""
    box = mailbox(
        told,
        report(told, kind, "a", message_id="made-up@example.com", address="ann@example.com"),
        DeliveryReport(kind, "b", told.now(), "ann@example.com", provider_message_id="p-1"),
    )
    read_mailbox(told, told.merchant_id, WAY)  # type: ignore[arg-type]
    assert (told.statuses(), suppressed(told), box.read) == (["waiting"], [], ["0", "1"])


def test_reports_are_kept_for_half_a_year(told: World) -> None:
    act(told, report(told, "delivered"))
    with told.engine.begin() as db:
        assert prune(db, told.now() + KEEP - timedelta(days=1)) == 0
        assert prune(db, told.now() + KEEP + timedelta(days=1)) == 1


def test_a_text_says_where_its_fate_is_told(world: World) -> None:
    """The address is the connection's own, with the message in it."""
    with world.engine.begin() as db:
        way = _add(
            db,
            Connection,
            merchant_id=world.merchant_id,
            kind="channel",
            adapter="twilio",
            name="SMS",
            config={},
            public_key="pk-sms",
            created_at=world.now(),
        )
    subscription_id = world.waiting("ann@example.com")[0]
    with world.engine.begin() as db:
        db.execute(
            sa.text("update subscription set channel = 'sms', address = :n, address_key = :n where id = :s"),
            {"n": "+33612345678", "s": subscription_id},
        )
    world.set_stock(9)
    world.run()
    message = world.row("select message_id, sent_by from message where channel = 'sms'")
    expected = f"https://dispo.test/hooks/channels/pk-sms?m={message.message_id.replace('@', '%40')}"
    assert [getattr(one, "report_url", "") for one in world.mail.sent] == [expected]
    assert message.sent_by == way
