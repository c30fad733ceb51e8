"""The e-mail adapter's settings, its connection, and what each reply or break of a server means."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

pytest.importorskip("aiosmtpd", reason="the extra 'simulator' is not installed")

from adapters.channels.email import MANIFEST, build
from adapters.channels.email.adapter import EmailChannel
from connector.ports.channels import Accepted
from connector.ports.errors import (
    Gone,
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment, manifest
from simulator.mailbox import Mailbox
from tests.adapters.test_email import DKIM, FROM, KEY, connect, pem
from tests.conformance.channels import message


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as running:
        yield running


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
        ("refused", "550 5.1.1 <ann@example.com> unknown", Gone, None),
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


def _closes(channel: EmailChannel, server: threading.Thread) -> None:
    """Closing the channel ends its connection, kept or broken: the server, which waits for its end, is done."""
    channel.close()
    server.join(5)
    assert not server.is_alive()


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
    channel = connect(mailbox, port=str(port))
    with pytest.raises(PortError) as caught:
        channel.send(message())
    assert type(caught.value) is error
    _closes(channel, thread)


def test_a_server_rude_at_the_farewell_still_took_the_message(mailbox: Mailbox) -> None:
    port, thread = _scripted([*OPENING, b"354 go\r\n", b"250 2.0.0 Ok: queued as A1b\r\n"])
    channel = connect(mailbox, port=str(port))
    assert channel.send(message()) == Accepted("A1b")
    _closes(channel, thread)


# --- Settings ---------------------------------------------------------------------------------------


def test_the_manifest_is_found_by_the_registry() -> None:
    assert manifest("channels", "email") is MANIFEST
    assert [f.name for f in MANIFEST.fields if f.is_secret] == [
        "password",
        "dkim_private_key",
        "bounce_password",
    ]


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
            {"dkim_private_key": pem(ec.generate_private_key(ec.SECP256R1()))},
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


def test_no_secret_shows_in_the_objects() -> None:
    channel = build(
        {"host": "smtp.example.com", "from_address": FROM, "username": "u", **DKIM},
        {"password": "s3cret", "dkim_private_key": KEY},
        Environment(),
    )
    shown = repr(vars(channel))
    assert ("s3cret" in shown, "PRIVATE KEY" in shown) == (False, False)
