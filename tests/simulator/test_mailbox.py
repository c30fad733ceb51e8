"""The simulated mailbox by plain smtplib and by its pages."""

from __future__ import annotations

import html
import re
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("aiosmtpd", reason="the extra 'simulator' is not installed")

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.mailbox import DkimVerdict, Duplicate, Mailbox, dkim_record
from tests.support import ManualClock

KEY = (
    rsa.generate_private_key(65537, 1024)
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    .decode()
)
RECORDS = {"s1._domainkey.shop.example": dkim_record(KEY)}
MAIL = (
    b"From: shop@shop.example\r\nTo: ann@example.com\r\nSubject: =?utf-8?q?Th=C3=A9?=\r\n"
    b"Message-ID: <m1@shop.example>\r\nX-Dispo: m1\r\n"
    b"List-Unsubscribe: <https://d.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nIt is back.\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n"
    b'<p>It is <a href="https://d.example/go?a=1&amp;b=2">back</a>.</p><script>alert("x")</script>\r\n'
    b"--b--\r\n"
)
SIGNED = [b"from", b"subject", b"list-unsubscribe", b"list-unsubscribe-post"]


@pytest.fixture
def mailbox(clock: ManualClock) -> Iterator[Mailbox]:
    with Mailbox(dkim_keys=RECORDS, clock=clock) as running:
        yield running


def send(mailbox: Mailbox, to: str = "ann@example.com", mail: bytes = MAIL) -> None:
    with smtplib.SMTP(mailbox.host, mailbox.port, timeout=5) as client:
        client.sendmail("bounces@shop.example", [to], mail)


def sign(headers: list[bytes], selector: bytes = b"s1") -> bytes:
    signature: bytes = dkim.sign(MAIL, selector, b"shop.example", KEY.encode(), include_headers=headers)
    return signature + MAIL


def test_a_message_is_kept_as_it_arrived(mailbox: Mailbox, clock: ManualClock) -> None:
    send(mailbox)
    (stored,) = mailbox.inbox()
    assert (stored.id, stored.received_at, stored.raw) == (1, clock.now(), MAIL)
    assert (stored.envelope_from, stored.envelope_to) == ("bounces@shop.example", ("ann@example.com",))
    assert (stored.subject, stored.message_id, stored.text) == ("Thé", "m1@shop.example", "It is back.")
    assert stored.links == ("https://d.example/go?a=1&b=2",)


def test_each_person_has_an_inbox(mailbox: Mailbox) -> None:
    send(mailbox, "ann@example.com")
    send(mailbox, "Bob@example.com")
    assert [stored.id for stored in mailbox.inbox("bob@EXAMPLE.com")] == [2]
    assert [stored.id for stored in mailbox.inbox()] == [1, 2]
    assert mailbox.inbox("eve@example.com") == []


def test_waiting_ends_when_the_messages_are_there_or_time_is_up(mailbox: Mailbox) -> None:
    send(mailbox)
    assert len(mailbox.wait_for(1, "ann@example.com", timeout_s=5)) == 1
    with pytest.raises(TimeoutError, match="1 of 2 messages"):
        mailbox.wait_for(2, timeout_s=0.01)


def test_messages_survive_on_disk(tmp_path: Path) -> None:
    with Mailbox(directory=tmp_path) as first:
        send(first)
        before = first.inbox()
    assert (tmp_path / "000001.eml").read_bytes() == MAIL
    with Mailbox(directory=tmp_path) as second:
        assert second.inbox() == before
        send(second)
        assert [stored.id for stored in second.inbox()] == [1, 2]
        second.messages.clear()
        assert (second.inbox(), list(tmp_path.iterdir())) == ([], [])


def test_doubles_are_found_by_person_and_id(mailbox: Mailbox) -> None:
    for to in ("ann@example.com", "bob@example.com", "Ann@example.com"):
        send(mailbox, to)
    send(mailbox, "bob@example.com", MAIL.replace(b"<m1@", b"<m2@"))
    assert mailbox.duplicates() == [
        Duplicate("Message-ID", "ann@example.com", "m1@shop.example", 2),
        Duplicate("X-Dispo", "ann@example.com", "m1", 2),
        Duplicate("X-Dispo", "bob@example.com", "m1", 2),
    ]


# --- Faults -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [("error", 451), ("throttle", 450)],
)
def test_a_passing_refusal_is_a_4xx(mailbox: Mailbox, fault: Any, code: int) -> None:
    mailbox.dials.fail_next.append(fault)
    with pytest.raises(smtplib.SMTPException) as caught:
        send(mailbox)
    refused = caught.value
    found = refused.smtp_code if isinstance(refused, smtplib.SMTPResponseException) else None
    if isinstance(refused, smtplib.SMTPRecipientsRefused):
        found = refused.recipients["ann@example.com"][0]
    assert (found, mailbox.inbox()) == (code, [])
    send(mailbox)
    assert len(mailbox.inbox()) == 1


def test_a_share_of_messages_is_refused_and_the_same_in_every_run() -> None:
    patterns = []
    for _ in range(2):
        with Mailbox() as mailbox:
            mailbox.dials.throttle_rate = 0.5
            taken = []
            for _ in range(12):
                try:
                    send(mailbox)
                    taken.append(True)
                except smtplib.SMTPRecipientsRefused:
                    taken.append(False)
            patterns.append(taken)
    assert patterns[0] == patterns[1]
    assert set(patterns[0]) == {True, False}


def test_a_refused_address_is_refused_for_good(mailbox: Mailbox) -> None:
    mailbox.dials.refused["ann@example.com"] = "550 5.1.1 No such user"
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(mailbox, "Ann@example.com")
    assert caught.value.recipients == {"Ann@example.com": (550, b"5.1.1 No such user")}
    assert mailbox.inbox() == []


@pytest.mark.parametrize(
    ("fault", "kept"),
    [("cut_before", 0), ("cut_after_success", 1), ("timeout_after_success", 1)],
)
def test_a_cut_connection_keeps_the_message_only_when_it_was_taken(
    mailbox: Mailbox, fault: Any, kept: int
) -> None:
    mailbox.dials.fail_next.append(fault)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        send(mailbox)
    assert len(mailbox.inbox()) == kept


def test_open_connections_can_be_dropped(mailbox: Mailbox) -> None:
    client = smtplib.SMTP(mailbox.host, mailbox.port, timeout=5)
    client.ehlo()
    mailbox.drop_connections()
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        client.mail("a@b.example")
    client.close()


def test_maintenance_closes_the_service(mailbox: Mailbox) -> None:
    mailbox.dials.maintenance = True
    with pytest.raises(smtplib.SMTPException):
        send(mailbox)
    assert mailbox.inbox() == []


# --- Sign-in and encryption -------------------------------------------------------------------------


def test_a_mailbox_with_users_wants_a_sign_in() -> None:
    with Mailbox(users={"shop": "right"}) as mailbox:
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            send(mailbox)
        assert caught.value.smtp_code == 530
        with smtplib.SMTP(mailbox.host, mailbox.port, timeout=5) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("shop", "wrong")
            client.login("shop", "right")
            client.sendmail("a@b.example", ["ann@example.com"], MAIL)
        assert len(mailbox.inbox()) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mailbox_is_reached_encrypted_by_those_who_trust_its_authority(security: Any) -> None:
    with Mailbox(security=security) as mailbox:
        context = ssl.create_default_context(cafile=mailbox.ca_file)
        client: smtplib.SMTP
        if security == "tls":
            client = smtplib.SMTP_SSL(mailbox.host, mailbox.port, timeout=5, context=context)
        else:
            client = smtplib.SMTP(mailbox.host, mailbox.port, timeout=5)
            assert client.docmd("MAIL", "FROM:<a@b.example>")[0] == 530
            client.starttls(context=context)
        with client:
            client.sendmail("a@b.example", ["ann@example.com"], MAIL)
        assert len(mailbox.inbox()) == 1


# --- DKIM -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mail", "expected", "covers"),
    [
        pytest.param(MAIL, DkimVerdict("none"), False, id="unsigned"),
        pytest.param(sign(SIGNED), "valid", True, id="signed"),
        pytest.param(sign(SIGNED[:3]), "valid", False, id="one unsubscribe header left out"),
        pytest.param(sign(SIGNED).replace(b"It is back", b"It is gone"), "invalid", False, id="body changed"),
        pytest.param(sign(SIGNED).replace(b"d.example/u>", b"d.example/x>"), "invalid", False, id="header"),
        pytest.param(sign(SIGNED, b"s2"), "unknown_key", False, id="another selector"),
        pytest.param(b"DKIM-Signature: rubbish\r\n" + MAIL, "unknown_key", False, id="rubbish"),
        pytest.param(
            b"DKIM-Signature: v=1; d=shop.example; s=s1; h=from\r\n" + MAIL, "invalid", False, id="incomplete"
        ),
    ],
)
def test_the_verdict_says_what_a_receiver_would(
    mailbox: Mailbox, mail: bytes, expected: Any, covers: bool
) -> None:
    send(mailbox, mail=mail)
    verdict = mailbox.verdict(mailbox.inbox()[0])
    assert expected in (verdict, verdict.state)
    assert verdict.covers_unsubscribe is covers


# --- Pages ------------------------------------------------------------------------------------------


@pytest.fixture
def browser(mailbox: Mailbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=mailbox.url, trust_env=False) as client:
        yield client


def test_the_list_is_newest_first_and_can_be_narrowed(mailbox: Mailbox, browser: httpx.Client) -> None:
    send(mailbox, "ann@example.com")
    send(mailbox, "bob+x@example.com")
    assert re.findall(r'href="/messages/(\d+)"', browser.get("/").text) == ["2", "1"]
    one = browser.get("/", params={"to": "bob+x@example.com"}).text
    assert re.findall(r'href="/messages/(\d+)"', one) == ["2"]
    assert 'href="/?to=bob%2Bx%40example.com"' in one


def test_a_message_page_shows_parts_headers_and_verdict_and_runs_no_script(
    mailbox: Mailbox, browser: httpx.Client
) -> None:
    send(mailbox, mail=sign(SIGNED))
    page = browser.get("/messages/1").text
    (frame,) = re.findall(r"<iframe[^>]*>", page)
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame
    (srcdoc,) = re.findall(r'srcdoc="([^"]*)"', frame)
    assert html.unescape(srcdoc) == "<base target=_blank>" + mailbox.inbox()[0].html
    assert "<script" not in page
    assert '<pre id="text">It is back.</pre>' in page
    assert "<th>List-Unsubscribe-Post</th><td>List-Unsubscribe=One-Click</td>" in page
    assert '<strong class="valid">valid</strong>' in page
    assert "the unsubscribe headers are covered" in page
    assert browser.get("/messages/1.eml").content == mailbox.inbox()[0].raw
    assert browser.get("/messages/2").status_code == 404


def test_the_json_has_what_a_test_in_another_process_needs(mailbox: Mailbox, browser: httpx.Client) -> None:
    send(mailbox, "ann@example.com")
    send(mailbox, "bob@example.com")
    (found,) = browser.get("/messages.json", params={"to": "bob@example.com"}).json()
    chosen = {name: found[name] for name in ("id", "to", "subject", "message_id", "text", "links", "dkim")}
    assert chosen == {
        "id": 2,
        "to": ["bob@example.com"],
        "subject": "Thé",
        "message_id": "m1@shop.example",
        "text": "It is back.",
        "links": ["https://d.example/go?a=1&b=2"],
        "dkim": {"state": "none", "covers_unsubscribe": False},
    }
    assert ["X-Dispo", "m1"] in found["headers"]


def test_emptying_removes_every_message(mailbox: Mailbox, browser: httpx.Client) -> None:
    send(mailbox)
    assert browser.post("/clear").status_code == 303
    assert (mailbox.inbox(), browser.get("/messages.json").json()) == ([], [])
