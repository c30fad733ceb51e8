"""One SMTP connection for many messages: when it is kept, when it is left, and that nobody is written to twice."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("aiosmtpd", reason="the extra 'simulator' is not installed")

from adapters.channels.email import connections
from adapters.channels.email.adapter import EmailChannel
from connector.ports.channels import Accepted
from connector.ports.errors import Gone, OutcomeUnknown, PortError, Retryable
from simulator.mailbox import Mailbox
from tests.adapters.test_email import connect
from tests.conformance.channels import message

GREETING = [b"220 hi\r\n", b"250 hi\r\n"]
ENVELOPE = [b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
TAKEN = [*ENVELOPE, b"250 2.0.0 Ok: queued as A1\r\n"]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as running:
        yield running


@pytest.fixture
def channel(mailbox: Mailbox) -> Iterator[EmailChannel]:
    connected = connect(mailbox)
    yield connected
    connected.close()


def ids(mailbox: Mailbox) -> list[str]:
    return [stored.message_id for stored in mailbox.inbox()]


def send(channel: EmailChannel, *message_ids: str) -> None:
    for message_id in message_ids:
        channel.send(message(message_id))


def test_messages_share_one_connection(mailbox: Mailbox, channel: EmailChannel) -> None:
    send(channel, "m1@s.example", "m2@s.example", "m3@s.example")
    assert (ids(mailbox), mailbox.connections) == (["m1@s.example", "m2@s.example", "m3@s.example"], 1)


@pytest.mark.parametrize(
    ("limit", "value", "expected"),
    [("MOST_MESSAGES", 2, 2), ("IDLE_S", -1.0, 3), ("OLDEST_S", 0.0, 3), ("MOST_IDLE", 0, 3)],
)
def test_a_connection_is_left_in_time(
    mailbox: Mailbox,
    channel: EmailChannel,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: float,
    expected: int,
) -> None:
    monkeypatch.setattr(connections, limit, value)
    send(channel, "m1@s.example", "m2@s.example", "m3@s.example")
    assert (ids(mailbox), mailbox.connections) == (["m1@s.example", "m2@s.example", "m3@s.example"], expected)


def test_a_forked_process_leaves_its_parents_connection_alone(
    mailbox: Mailbox, channel: EmailChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(channel, "m1@s.example")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    send(channel, "m2@s.example")
    assert (ids(mailbox), mailbox.connections) == (["m1@s.example", "m2@s.example"], 2)


def test_a_refusal_leaves_the_connection_to_the_next_message(mailbox: Mailbox, channel: EmailChannel) -> None:
    mailbox.dials.refused["gone@example.com"] = "550 5.1.1 nobody"
    send(channel, "m1@s.example")
    with pytest.raises(Gone):
        channel.send(message("m2@s.example", "gone@example.com"))
    send(channel, "m3@s.example")
    assert (ids(mailbox), mailbox.connections) == (["m1@s.example", "m3@s.example"], 1)


def test_a_kept_connection_that_was_dropped_is_replaced(mailbox: Mailbox, channel: EmailChannel) -> None:
    send(channel, "m1@s.example")
    mailbox.drop_connections()
    send(channel, "m2@s.example")
    assert (ids(mailbox), mailbox.connections) == (["m1@s.example", "m2@s.example"], 2)


def test_a_kept_connection_cut_before_the_content_is_replaced_once(
    mailbox: Mailbox, channel: EmailChannel
) -> None:
    send(channel, "m1@s.example")
    mailbox.dials.fail_next += ["cut_before"]
    send(channel, "m2@s.example")
    assert ids(mailbox) == ["m1@s.example", "m2@s.example"]
    mailbox.dials.fail_next += ["cut_before", "cut_before"]
    with pytest.raises(Retryable):
        send(channel, "m3@s.example")
    assert ids(mailbox) == ["m1@s.example", "m2@s.example"]


def test_a_kept_connection_that_breaks_after_the_content_is_unknown_and_not_repeated(
    mailbox: Mailbox, channel: EmailChannel
) -> None:
    send(channel, "m1@s.example")
    mailbox.dials.fail_next += ["cut_after_success"]
    with pytest.raises(OutcomeUnknown):
        send(channel, "m2@s.example")
    send(channel, "m3@s.example")
    assert (ids(mailbox), mailbox.connections) == (["m1@s.example", "m2@s.example", "m3@s.example"], 2)


def test_threads_never_share_a_connection_at_the_same_time(mailbox: Mailbox, channel: EmailChannel) -> None:
    wanted = [f"t{thread}-{number}@s.example" for thread in range(3) for number in range(5)]
    threads = [threading.Thread(target=send, args=(channel, *wanted[5 * n : 5 * n + 5])) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(ids(mailbox)) == sorted(wanted)
    assert mailbox.connections <= 3


class _Scripted:
    """A server that says its lines, one after each thing it hears, on one connection after another.

    `heard` is what it was told on each."""

    def __init__(self, *conversations: list[bytes]) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(conversations,), daemon=True)
        self._thread.start()

    def _serve(self, conversations: tuple[list[bytes], ...]) -> None:
        with self._listener:
            for lines in conversations:
                connection, _ = self._listener.accept()
                heard = b""
                with connection:
                    for line in lines:
                        connection.sendall(line)
                        heard += connection.recv(65_536)
                self.heard.append(heard)

    def stop(self) -> None:
        self._thread.join(5)


def test_a_kept_connection_ended_by_421_is_replaced_before_anything_was_sent(mailbox: Mailbox) -> None:
    server = _Scripted([*GREETING, *TAKEN, b"421 4.4.2 idle\r\n"], [*GREETING, *TAKEN])
    channel = connect(mailbox, port=str(server.port))
    assert channel.send(message("m1@s.example")) == Accepted("A1")
    assert channel.send(message("m2@s.example")) == Accepted("A1")
    channel.close()
    server.stop()
    assert [heard.count(b"X-Dispo: ") for heard in server.heard] == [1, 1]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([b"250 stray\r\n250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"], id="an answer too many"),
        pytest.param([b"250 ok\r\n", b"250 ok\r\n", b"250 go\r\n"], id="no 354"),
        pytest.param([b"100 what\r\n"], id="no such reply"),
    ],
)
def test_a_server_out_of_step_gets_no_content(mailbox: Mailbox, second: list[bytes]) -> None:
    server = _Scripted([*GREETING, *second])
    channel = connect(mailbox, port=str(server.port))
    with pytest.raises(PortError) as caught:
        channel.send(message("m1@s.example"))
    server.stop()
    assert (type(caught.value), [b"X-Dispo" in heard for heard in server.heard]) == (Retryable, [False])
