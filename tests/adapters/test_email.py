"""The e-mail adapter against the simulated mailbox: real SMTP, real signatures."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

pytest.importorskip("aiosmtpd", reason="the extra 'simulator' is not installed")

from adapters.channels.email import build
from adapters.channels.email.adapter import EmailChannel
from adapters.channels.email.compose import Sender, compose
from connector.ports.channels import Accepted, OutgoingMessage
from connector.ports.errors import (
    Rejected,
)
from connector.registry import Environment
from simulator.mailbox import Mailbox, StoredMessage, dkim_record
from tests.conformance.channels import ChannelConformance, message
from tests.support import ManualClock

FROM = "shop@mail.shop.example"
SENDER = Sender(FROM, "mail.shop.example", "", None)


def pem(key: Any) -> str:
    plain: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return plain.decode()


KEY = pem(rsa.generate_private_key(65537, 2048))
DKIM = {"dkim_selector": "dispo1", "dkim_domain": "shop.example"}


@pytest.fixture
def mailbox(clock: ManualClock) -> Iterator[Mailbox]:
    keys = {"dispo1._domainkey.shop.example": dkim_record(KEY)}
    with Mailbox(dkim_keys=keys, clock=clock) as running:
        yield running


def connect(mailbox: Mailbox, secrets: dict[str, str] | None = None, **config: str) -> EmailChannel:
    environment = Environment(
        allowed_private_hosts=frozenset({mailbox.host}), ca_file=mailbox.ca_file, timeout_s=5
    )
    settings = {"host": mailbox.host, "port": mailbox.port, "security": "none", "from_address": FROM}
    return build({**settings, **config}, secrets or {}, environment)


def sent(mailbox: Mailbox, outgoing: OutgoingMessage, **config: str) -> StoredMessage:
    connect(mailbox, **config).send(outgoing)
    return mailbox.inbox()[-1]


class _Provider:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self.channel = connect(mailbox, {"password": "right"}, username="shop", security="starttls")

    def received(self) -> list[str]:
        return [stored.message_id for stored in self._mailbox.inbox()]

    def refuse(self, to: str) -> None:
        self._mailbox.dials.refused[to] = f"550 5.1.1 <{to}>: Recipient address rejected"

    def fail_next(self) -> None:
        self._mailbox.dials.fail_next.append("throttle")

    def cut_next(self) -> None:
        self._mailbox.dials.fail_next.append("cut_before")

    def lose_next_answer(self) -> None:
        self._mailbox.dials.fail_next.append("cut_after_success")

    def revoke_credentials(self) -> None:
        self._mailbox.users["shop"] = "changed"


class TestEmailConformance(ChannelConformance):
    @pytest.fixture
    def provider(self) -> Iterator[_Provider]:  # type: ignore[override]
        with Mailbox(security="starttls", users={"shop": "right"}) as mailbox:
            yield _Provider(mailbox)


# --- The message ------------------------------------------------------------------------------------


def test_a_message_arrives_with_every_header_it_needs(mailbox: Mailbox) -> None:
    outgoing = dataclasses.replace(message(), language="fr", reply_to="help@shop.example")
    stored = sent(mailbox, outgoing)
    assert stored.headers() == [
        ("From", f"Shop <{FROM}>"),
        ("To", "ann@example.com"),
        ("Reply-To", "help@shop.example"),
        ("Subject", "The blue mug is back"),
        ("Date", stored.parsed["Date"]),
        ("Message-ID", "<m1@shop.example>"),
        ("X-Dispo", "m1@shop.example"),
        ("Auto-Submitted", "auto-generated"),
        ("List-Unsubscribe", "<https://dispo.example/u/abc>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("MIME-Version", "1.0"),
        ("Content-Type", stored.parsed["Content-Type"]),
        ("Content-Language", "fr"),
    ]
    assert [part.get_content_type() for part in stored.parsed.iter_parts()] == ["text/plain", "text/html"]
    assert (stored.text, stored.html) == (outgoing.text, outgoing.html + "\n")


def test_the_date_is_the_moment_of_sending(clock: ManualClock) -> None:
    content = compose(message(), SENDER, clock.now()).content
    assert b"\r\nDate: Mon, 05 Jan 2026 09:00:00 +0000\r\n" in content


def test_a_contract_message_has_no_unsubscribe_header(mailbox: Mailbox) -> None:
    stored = sent(mailbox, dataclasses.replace(message(), unsubscribe_url="", html=""))
    assert [name for name, _ in stored.headers() if name.startswith("List-")] == []
    assert stored.parsed.get_content_type() == "text/plain"


def test_the_providers_reference_is_returned(mailbox: Mailbox) -> None:
    channel = connect(mailbox)
    assert [channel.send(message()), channel.send(message())] == [Accepted("000001"), Accepted("000002")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Zurück: größe Ü — 茶碗 🍵\n" * 3, id="letters of the world"),
        pytest.param(".\r\n..\r\n.x\r\n", id="lines that begin with a dot"),
        pytest.param("x" * 3_000 + "\n", id="a line longer than SMTP allows"),
        pytest.param("a\rb\n", id="a lone carriage return"),
        pytest.param("", id="nothing"),
    ],
)
def test_any_text_arrives_as_it_was_and_goes_in_seven_bits(mailbox: Mailbox, text: str) -> None:
    html = f"<p>{text}</p>"
    stored = sent(mailbox, dataclasses.replace(message(), text=text, html=html))
    assert stored.raw.isascii()
    assert max(map(len, stored.raw.split(b"\r\n"))) <= 998
    wanted = re.sub("\r\n|\r", "\n", text) or "\n"
    assert (stored.text or "\n", stored.html) == (wanted, re.sub("\r\n|\r", "\n", html) + "\n")


def test_names_and_subjects_in_other_scripts_are_encoded(mailbox: Mailbox) -> None:
    subject = "Votre thé préféré est revenu — 3 boîtes " * 4
    stored = sent(mailbox, dataclasses.replace(message(), subject=subject, from_name='Thé "Été", Co'))
    assert stored.subject == subject.strip()
    assert stored.parsed["From"].addresses[0].display_name == 'Thé "Été", Co'
    assert stored.raw.partition(b"\r\n\r\n")[0].isascii()


@pytest.mark.parametrize("length", [20, 60, 70, 90, 400, 960])
def test_a_long_unsubscribe_address_is_never_folded_or_encoded(mailbox: Mailbox, length: int) -> None:
    url = "https://" + "dispo.example/u/".ljust(length, "a")
    stored = sent(mailbox, dataclasses.replace(message(), unsubscribe_url=url, message_id="i" * 100))
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in stored.raw
    assert f"\r\nMessage-ID: <{'i' * 100}@mail.shop.example>\r\n".encode() in stored.raw


@pytest.mark.parametrize("name", ["subject", "from_name"])
@pytest.mark.parametrize(
    "evil", ["\r\nBcc: eve@evil.example\r\n\r\nbody", "\nBcc: x@y.z", "\x00\x1b[31m\u202e"]
)
def test_free_text_cannot_become_a_header(mailbox: Mailbox, name: str, evil: str) -> None:
    stored = sent(mailbox, dataclasses.replace(message(), **{name: f"Mug{evil}"}))
    assert (stored.parsed["Bcc"], stored.envelope_to) == (None, ("ann@example.com",))
    assert len(stored.headers()) == 12
    shown = stored.subject if name == "subject" else stored.parsed["From"].addresses[0].display_name
    assert shown == " ".join(re.sub(r"[\r\n\x00\x1b\u202e]", " ", f"Mug{evil}").split())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("to", "ann@example.com\r\nBcc: eve@evil.example"),
        ("to", "ann@example.com, eve@evil.example"),
        ("to", "Ann <ann@example.com>"),
        ("to", "<script>@example.com"),
        ("to", ""),
        ("reply_to", "a@b.example\nX: y"),
        ("reply_to", "thé@shop.example"),
        ("return_path", "bounce"),
        ("return_path", "thé@shop.example"),
        ("message_id", "a b@shop.example"),
        ("message_id", "a@shop.example>\r\nX: y"),
        ("message_id", ""),
        ("unsubscribe_url", "https://dispo.example/u>\r\nX: y"),
        ("unsubscribe_url", "javascript:alert(1)"),
        ("unsubscribe_url", "https://dispo.example/ü"),
        ("unsubscribe_url", "https://" + "a" * 961),
        ("language", "fr\r\nX: y"),
    ],
)
def test_what_is_no_free_text_is_refused_and_nothing_is_sent(mailbox: Mailbox, name: str, value: str) -> None:
    with pytest.raises(Rejected) as caught:
        connect(mailbox).send(dataclasses.replace(message(), **{name: value}))
    assert mailbox.inbox() == []
    assert "ann@" not in f"{caught.value}{caught.value.__cause__}"
    assert "\n" not in str(caught.value)


# --- Addresses --------------------------------------------------------------------------------------


def test_a_domain_in_another_script_goes_as_punycode(mailbox: Mailbox) -> None:
    stored = sent(mailbox, message(to="ann@bücher.example"))
    assert (stored.envelope_to, stored.mail_options[0]) == (
        ("ann@xn--bcher-kva.example",),
        f"size={len(stored.raw)}".upper(),
    )
    assert str(stored.parsed["To"]) == "ann@xn--bcher-kva.example"


def test_a_name_in_another_script_needs_a_server_that_takes_it(mailbox: Mailbox) -> None:
    stored = sent(mailbox, message(to="théo@bücher.example"))
    assert stored.envelope_to == ("théo@xn--bcher-kva.example",)
    assert "SMTPUTF8" in stored.mail_options
    with Mailbox(smtputf8=False) as old:
        with pytest.raises(Rejected) as caught:
            connect(old).send(message(to="théo@bücher.example"))
        assert old.inbox() == []
    assert "théo" not in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "return_path", "message_id", "expected"),
    [
        ("", "", "m1@shop.example", FROM),
        ("bounce.shop.example", "", "m1@shop.example", "bounces+m1@bounce.shop.example"),
        ("bounce.shop.example", "", "i" * 80, "bounces@bounce.shop.example"),
        ("bounce.shop.example", "v@other.example", "m1", "v@other.example"),
    ],
)
def test_bounces_go_where_they_can_be_told_apart(
    mailbox: Mailbox, domain: str, return_path: str, message_id: str, expected: str
) -> None:
    outgoing = dataclasses.replace(message(message_id), return_path=return_path)
    assert sent(mailbox, outgoing, return_path_domain=domain).envelope_from == expected


# --- DKIM -------------------------------------------------------------------------------------------


def test_the_signature_holds_and_covers_the_unsubscribe_headers(mailbox: Mailbox) -> None:
    connect(mailbox, {"dkim_private_key": KEY}, **DKIM).send(message())
    (stored,) = mailbox.inbox()
    verdict = mailbox.verdict(stored)
    assert (verdict.state, verdict.domain, verdict.selector) == ("valid", "shop.example", "dispo1")
    assert verdict.covers_unsubscribe is True


@pytest.mark.parametrize(
    "line",
    [
        b"List-Unsubscribe: <https://evil.example/>",
        b"Subject: Another",
        b"Reply-To: eve@evil.example",
        b"From: eve@evil.example",
        b"Cc: eve@evil.example",
    ],
)
def test_a_header_added_on_the_way_breaks_the_signature(mailbox: Mailbox, line: bytes) -> None:
    connect(mailbox, {"dkim_private_key": KEY}, **DKIM).send(message())
    (stored,) = mailbox.inbox()
    signature, _, rest = stored.raw.partition(b"\r\nFrom:")
    for changed in (
        signature + b"\r\n" + line + b"\r\nFrom:" + rest,
        signature + b"\r\nFrom:" + rest.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1),
    ):
        assert mailbox.verdict(dataclasses.replace(stored, raw=changed)).state == "invalid"


def test_without_a_key_nothing_is_signed(mailbox: Mailbox) -> None:
    assert mailbox.verdict(sent(mailbox, message())).state == "none"
