"""What comes back to the return path: undeliverable messages and complaints, and what only looks like them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.email.bounces import reports_of
from adapters.channels.email.compose import Sender, compose
from connector.ports.channels import DeliveryReport
from tests.conformance.channels import message

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
DOMAIN = "bounce.shop.example"
LOCAL = "0123456789abcdef0123456789abcdef"
OURS = f"{LOCAL}@dispo.example"
VERP = f"bounces+{LOCAL}@{DOMAIN}"


def dsn(
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <ann@example.com>: unknown",
    to: str = VERP,
    returned: str = f"X-Dispo: {OURS}\r\nSubject: The blue mug is back\r\n",
) -> bytes:
    """As Postfix writes it."""
    return (
        f"""Return-Path: <>
Date: Mon, 5 Jan 2026 09:30:00 +0100 (CET)
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
Arrival-Date: Mon, 5 Jan 2026 09:00:00 +0100 (CET)

Final-Recipient: rfc822; ann@example.com
Original-Recipient: rfc822;ann@example.com
Action: {action}
Status: {status}
Diagnostic-Code: {diagnostic}
Last-Attempt-Date: Mon, 5 Jan 2026 09:15:00 +0100

--b1
Content-Type: text/rfc822-headers

{returned}
--b1--
""".replace("\r\n", "\n")
        .replace("\n", "\r\n")
        .encode()
    )


def arf(kind: str = "abuse", to: str = VERP) -> bytes:
    return f"""From: <feedback@provider.example>
Date: Mon, 5 Jan 2026 08:00:00 +0000
To: <{to}>
Subject: FW: The blue mug is back
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an email abuse report.

--b1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <ann@example.com>
Received-Date: Mon, 5 Jan 2026 07:00:00 +0000

--b1
Content-Type: message/rfc822

From: <shop@shop.example>
X-Dispo: {OURS}
Message-ID: <something-else@provider.example>
Subject: The blue mug is back

It is back.
--b1--
""".replace("\n", "\r\n").encode()


def only(raw: bytes, domain: str = DOMAIN) -> DeliveryReport:
    (found,) = reports_of(raw, domain, NOW)
    return found


def test_the_bounce_address_is_the_one_messages_carry() -> None:
    sender = Sender("shop@shop.example", "shop.example", DOMAIN, None)
    assert compose(message(OURS), sender, NOW).sender == VERP


def test_an_undeliverable_message_is_told_with_its_message() -> None:
    assert only(dsn()) == DeliveryReport(
        "bounced_hard",
        f"mail:bounced_hard:{OURS}",
        datetime(2026, 1, 5, 8, 15, tzinfo=UTC),
        "ann@example.com",
        OURS,
        "",
        "5.1.1",
    )


@pytest.mark.parametrize(
    ("action", "status", "diagnostic", "kind", "reason"),
    [
        ("failed", "5.0.0", "smtp; 550 5.1.1 unknown", "bounced_hard", "5.1.1"),
        ("failed", "5.1.2", "", "bounced_hard", "5.1.2"),
        ("failed", "5.2.1", "", "bounced_hard", "5.2.1"),
        ("failed", "5.2.2", "smtp; 552 5.2.2 mailbox full", "bounced_soft", "5.2.2"),
        ("failed", "5.7.1", "smtp; 550 5.7.1 spam", "bounced_soft", "5.7.1"),
        ("failed", "4.4.7", "", "bounced_soft", "4.4.7"),
        ("failed", "", "smtp; 10.5.1.1 said no", "bounced_soft", ""),
        ("Failed", "5.0.0", "", "bounced_soft", "5.0.0"),
        ("delivered", "2.0.0", "", "delivered", "2.0.0"),
        ("delayed", "4.4.1", "", None, ""),
        ("expanded", "2.0.0", "", None, ""),
    ],
)
def test_status_and_action_decide(
    action: str, status: str, diagnostic: str, kind: str | None, reason: str
) -> None:
    found = reports_of(dsn(action, status, diagnostic), DOMAIN, NOW)
    assert [(one.kind, one.reason) for one in found] == ([(kind, reason)] if kind else [])


@pytest.mark.parametrize(
    ("to", "returned", "domain", "expected"),
    [
        (VERP, f"X-Dispo: {OURS}", DOMAIN, OURS),
        (VERP, "Subject: none", DOMAIN, LOCAL),
        # The address was in one envelope only; headers may be anybody's.
        (VERP, "X-Dispo: another@dispo.example", DOMAIN, LOCAL),
        (f"bounces+{LOCAL}@evil.example", "Subject: none", DOMAIN, ""),
        ("shop@shop.example", f"Message-ID: <{OURS}>", "", OURS),
        ("shop@shop.example", "X-Dispo: a b <c>", "", ""),
    ],
)
def test_which_message_it_is_about(to: str, returned: str, domain: str, expected: str) -> None:
    assert only(dsn(to=to, returned=returned), domain).message_id == expected


def test_the_same_bounce_counts_once_and_unknown_ones_apart() -> None:
    again = dsn().replace(b"09:30:00", b"09:31:00")
    assert only(dsn()).report_id == only(again).report_id
    lost = [dsn(to="x@y.example", returned="Subject: none"), dsn(to="z@y.example", returned="Subject: none")]
    assert len({only(one).report_id for one in lost}) == 2


def test_a_complaint_is_told_with_its_message() -> None:
    assert only(arf()) == DeliveryReport(
        "complained",
        f"mail:complained:{OURS}",
        datetime(2026, 1, 5, 7, 0, tzinfo=UTC),
        "ann@example.com",
        OURS,
        "",
        "abuse",
    )


@pytest.mark.parametrize(
    ("kind", "expected"), [("opt-out", ["stopped"]), ("not-spam", []), ("auth-failure", []), ("", [])]
)
def test_other_feedback(kind: str, expected: list[str]) -> None:
    assert [one.kind for one in reports_of(arf(kind), DOMAIN, NOW)] == expected


def plain(sender: str, body: str, to: str = VERP, more: str = "") -> bytes:
    return f"From: {sender}\r\nTo: {to}\r\n{more}Subject: failure notice\r\n\r\n{body}\r\n".encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            plain("MAILER-DAEMON@qmail.example", "<ann@example.com>: 550 5.1.1 nobody"),
            [("bounced_hard", "5.1.1")],
        ),
        (plain("postmaster@x.example", "Remote host said: 552 5.2.2 full"), [("bounced_soft", "5.2.2")]),
        (plain("postmaster@x.example", "It did not work."), [("bounced_soft", "")]),
        (plain("mailer-daemon@x.example", "Warning: 4.4.1 still trying"), []),
        (plain("ann@example.com", "I am away, 5.1.1"), []),
        (plain("postmaster@x.example", "5.1.1", to="shop@shop.example"), []),
        (plain("postmaster@x.example", "5.1.1", more="Auto-Submitted: auto-replied\r\n"), []),
    ],
)
def test_a_bounce_in_words_counts_only_at_its_own_address(
    raw: bytes, expected: list[tuple[str, str]]
) -> None:
    found = reports_of(raw, DOMAIN, NOW)
    assert [(one.kind, one.reason) for one in found] == expected


def test_a_moment_that_is_none_or_lies_ahead_is_now() -> None:
    ahead = dsn().replace(b"5 Jan 2026 09:15", b"5 Jan 2036 09:15")
    broken = dsn().replace(b"Mon, 5 Jan 2026 09:15:00 +0100", b"soon").replace(b"Date: Mon", b"Date: Nix, x")
    assert [only(ahead).at, only(broken).at] == [NOW, NOW]


@given(st.binary(max_size=300))
def test_nothing_that_arrives_breaks_the_reading(noise: bytes) -> None:
    whole = dsn()
    middle = len(whole) // 2
    for raw in (noise, whole[:middle] + noise + whole[middle:], arf() + noise):
        reports_of(raw, DOMAIN, NOW)


def test_very_deep_parts_are_not_followed() -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(1_000)
    )
    assert reports_of(nested, DOMAIN, NOW) == ()
