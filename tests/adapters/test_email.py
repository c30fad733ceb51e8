"""The e-mail adapter against the simulated mailbox: real SMTP, real signatures."""

from __future__ import annotations

import dataclasses
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

pytest.importorskip("aiosmtpd", reason="the extra 'simulator' is not installed")

from adapters.channels.email import MANIFEST, build
from adapters.channels.email.adapter import EmailChannel
from adapters.channels.email.compose import Sender, compose
from connector.ports.channels import Accepted, OutgoingMessage
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment, manifest
from simulator.mailbox import Mailbox, StoredMessage, dkim_record
from tests.conformance.channels import ChannelConformance, message
from tests.support import ManualClock

FROM = "shop@mail.shop.example"
SENDER = Sender(FROM, "mail.shop.example", "", None)


def _pem(key: Any) -> str:
    plain: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return plain.decode()


KEY = _pem(rsa.generate_private_key(65537, 2048))
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


# --- The connection ---------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_message_goes_encrypted_and_signed_in(security: Any) -> None:
    with Mailbox(security=security, users={"shop": "s3cret"}) as mailbox:
        channel = connect(mailbox, {"password": "s3cret"}, username="shop", security=security)
        told = {"starttls": "STARTTLS", "tls": "TLS"}[security]
        assert channel.check() == (
            f"localhost:{mailbox.port} answers: {told}, signed in, international addresses; "
            "no DKIM signature of our own."
        )
        channel.send(message())
        assert len(mailbox.inbox()) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_refused(security: Any) -> None:
    with Mailbox(security=security) as mailbox:
        mailbox.ca_file = ""
        with pytest.raises(Misconfigured) as caught:
            connect(mailbox, security=security).send(message())
        assert (caught.value.field, mailbox.inbox()) == ("host", [])


def test_a_server_without_starttls_gets_nothing(mailbox: Mailbox) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(mailbox, security="starttls").send(message())
    assert (caught.value.field, mailbox.inbox()) == ("security", [])


def test_tls_on_a_plain_port_is_a_wrong_setting(mailbox: Mailbox) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(mailbox, security="tls").check()
    assert caught.value.field == "security"


def test_a_server_that_knows_no_sign_in_is_a_wrong_setting(mailbox: Mailbox) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(mailbox, {"password": "x"}, username="shop").check()
    assert caught.value.field == "username"


def test_a_private_server_is_reached_only_where_the_operator_allows_it(mailbox: Mailbox) -> None:
    channel = build(
        {"host": "127.0.0.1", "port": mailbox.port, "security": "none", "from_address": FROM},
        {},
        Environment(),
    )
    with pytest.raises(Misconfigured) as caught:
        channel.send(message())
    assert (caught.value.field, mailbox.connections) == ("host", 0)


def test_a_closed_port_is_retryable(free_port: int, mailbox: Mailbox) -> None:
    with pytest.raises(Retryable):
        connect(mailbox, port=str(free_port)).send(message())


@pytest.mark.parametrize(
    ("dial", "reply", "error", "detail"),
    [
        ("refused", "550 5.1.1 <ann@example.com> unknown", Rejected, None),
        ("refused", "553 no such mailbox", Rejected, None),
        ("refused", "450 4.2.1 busy", Retryable, None),
        ("refused", "421 4.7.0 slow down", Retryable, None),
        ("refused", "554 5.7.1 <ann@example.com>: Relay access denied", Unauthorized, None),
        ("refused", "550 5.4.5 Daily limit", RateLimited, 3_600.0),
        ("refused_sender", "530 5.7.0 Authentication required", Unauthorized, None),
        ("refused_sender", "553 5.7.1 not your address", Misconfigured, "from_address"),
        ("refused_sender", "552 5.3.4 too big", Rejected, None),
        ("refused_sender", "421 4.3.2 closing", Retryable, None),
        ("refused_sender", "550 5.4.5 Daily limit", RateLimited, 3_600.0),
        ("refused_content", "554 5.7.1 spam", Rejected, None),
        ("refused_content", "451 4.3.0 later", Retryable, None),
        ("refused_content", "550 5.4.5 Daily limit", RateLimited, 3_600.0),
    ],
)
def test_the_servers_reply_decides_what_is_told(
    mailbox: Mailbox, dial: str, reply: str, error: type[PortError], detail: Any
) -> None:
    setattr(mailbox.dials, dial, {"ann@example.com": reply} if dial == "refused" else reply)
    with pytest.raises(PortError) as caught:
        connect(mailbox).send(message())
    assert type(caught.value) is error
    assert getattr(caught.value, "field", getattr(caught.value, "retry_after_s", None)) == detail
    assert reply[:3] in caught.value.cause
    assert "ann@" not in str(caught.value)
    assert mailbox.inbox() == []


def test_maintenance_is_retryable(mailbox: Mailbox) -> None:
    mailbox.dials.maintenance = True
    with pytest.raises(Retryable):
        connect(mailbox).send(message())


Script = Callable[[socket.socket], None]


def _scripted(lines: list[bytes]) -> tuple[int, threading.Thread]:
    """A server that says each line once and then hangs up; the port it listens on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            for line in lines:
                connection.sendall(line)
                connection.recv(65_536)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread


OPENING = [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n"]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        pytest.param([], Retryable, id="hangs up at once"),
        pytest.param([b"554 no service for you\r\n"], Misconfigured, id="refuses us"),
        pytest.param([b"421 later\r\n"], Retryable, id="busy"),
        pytest.param([b"\xff\xfe garbage\r\n"], Retryable, id="not SMTP"),
        pytest.param(OPENING[:3], Retryable, id="hangs up at the recipient"),
        pytest.param([*OPENING, b"451 not now\r\n"], Retryable, id="no data now"),
        pytest.param([*OPENING, b"354 go\r\n"], OutcomeUnknown, id="hangs up after the content"),
        pytest.param([*OPENING, b"354 go\r\n", b"gibberish\r\n"], OutcomeUnknown, id="gibberish after it"),
        pytest.param([*OPENING, b"354 go\r\n", b"452 disk full\r\n"], Retryable, id="disk full"),
    ],
)
def test_a_server_that_breaks_off_leaves_the_right_doubt(
    mailbox: Mailbox, lines: list[bytes], error: type[PortError]
) -> None:
    port, thread = _scripted(lines)
    with pytest.raises(PortError) as caught:
        connect(mailbox, port=str(port)).send(message())
    thread.join(5)
    assert type(caught.value) is error


def test_a_server_rude_at_the_farewell_still_took_the_message(mailbox: Mailbox) -> None:
    port, thread = _scripted([*OPENING, b"354 go\r\n", b"250 2.0.0 Ok: queued as A1b\r\n"])
    assert connect(mailbox, port=str(port)).send(message()) == Accepted("A1b")
    thread.join(5)


# --- Settings ---------------------------------------------------------------------------------------


def test_the_manifest_is_found_by_the_registry() -> None:
    assert manifest("channels", "email") is MANIFEST
    assert [f.name for f in MANIFEST.fields if f.is_secret] == ["password", "dkim_private_key"]


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"host": ""}, {}, "host"),
        ({"host": "https://smtp.example.com"}, {}, "host"),
        ({"host": "a\nb"}, {}, "host"),
        ({"port": "70000"}, {}, "port"),
        ({"port": "x"}, {}, "port"),
        ({"security": "ssl3"}, {}, "security"),
        ({"from_address": "shop"}, {}, "from_address"),
        ({"from_address": "thé@shop.example"}, {}, "from_address"),
        ({"username": "u"}, {}, "password"),
        ({}, {"password": "s3cret"}, "username"),
        ({"username": "u"}, {"password": "pässword"}, "password"),
        ({"username": "u", "security": "none"}, {"password": "s3cret"}, "security"),
        ({"return_path_domain": "a b"}, {}, "return_path_domain"),
        ({"dkim_selector": "s"}, {}, "dkim_private_key"),
        ({}, {"dkim_private_key": KEY}, "dkim_selector"),
        ({"dkim_selector": "s.", "dkim_domain": ""}, {"dkim_private_key": KEY}, "dkim_selector"),
        ({"dkim_selector": "s"}, {"dkim_private_key": "PRIVATE"}, "dkim_private_key"),
        (
            {"dkim_selector": "s"},
            {"dkim_private_key": _pem(ec.generate_private_key(ec.SECP256R1()))},
            "dkim_private_key",
        ),
        ({"dkim_selector": "s", "dkim_domain": "other.example"}, {"dkim_private_key": KEY}, "dkim_domain"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    good = {"host": "smtp.example.com", "from_address": FROM}
    with pytest.raises(Misconfigured) as caught:
        build({**good, **config}, secrets, Environment())
    assert caught.value.field == field
    assert [secret for secret in secrets.values() if secret in str(caught.value)] == []


def test_no_secret_shows_in_the_objects(tmp_path: Path) -> None:
    channel = build(
        {"host": "smtp.example.com", "from_address": FROM, "username": "u", **DKIM},
        {"password": "s3cret", "dkim_private_key": KEY},
        Environment(),
    )
    shown = repr(vars(channel))
    assert ("s3cret" in shown, "PRIVATE KEY" in shown) == (False, False)
