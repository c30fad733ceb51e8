"""The mailbox of bounces against a real IMAP server: read once, marked when done, never deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from adapters.channels.email import MANIFEST
from adapters.channels.email.bounce_mailbox import BounceMailbox
from adapters.channels.email.bounces import LARGEST_BYTES
from connector.ports.errors import Misconfigured, NotFound, Unauthorized
from connector.registry import Environment
from tests.adapters.test_email_bounces import DOMAIN, OURS, arf, dsn, plain
from tests.adapters.transports.servers import PASSWORD, USER, ImapTwin


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ImapTwin, Environment]]:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    path = tmp_path_factory.mktemp("imap") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    twin = ImapTwin(authority)
    yield twin, Environment(allowed_private_hosts=frozenset({"localhost"}), ca_file=str(path), timeout_s=5)
    twin.stop()


@pytest.fixture
def twin(environment: tuple[ImapTwin, Environment]) -> ImapTwin:
    environment[0].empty()
    return environment[0]


@pytest.fixture
def connect(environment: tuple[ImapTwin, Environment]) -> Any:
    def make(secrets: dict[str, str] | None = None, **config: str) -> BounceMailbox:
        given = {
            "bounce_host": "localhost",
            "bounce_port": str(environment[0].port),
            "bounce_username": USER,
            "return_path_domain": DOMAIN,
        }
        assert MANIFEST.report_mailbox is not None
        found: BounceMailbox = MANIFEST.report_mailbox(
            {**given, **config}, {"bounce_password": PASSWORD, **(secrets or {})}, environment[1]
        )
        return found

    return make


def test_messages_come_until_they_are_done(twin: ImapTwin, connect: Any) -> None:
    client = twin.client()
    for raw in (dsn(), plain("ann@example.com", "I am away"), arf()):
        client.append("INBOX", "", "", raw)
    mailbox = connect()
    first = mailbox.fetch()
    assert mailbox.check() == f"imap://localhost:{twin.port}/INBOX is open: 3 unread."
    assert [[report.kind for report in one.reports] for one in first] == [
        ["bounced_hard"],
        [],
        ["complained"],
    ]
    assert {report.message_id for one in first for report in one.reports} == {OURS}
    assert [one.uid for one in mailbox.fetch(limit=2)] == [one.uid for one in first[:2]]
    mailbox.done([one.uid for one in first[:2]])
    assert [one.uid for one in mailbox.fetch()] == [first[2].uid]
    mailbox.done([first[2].uid, "1:99999", "nonsense"])
    assert mailbox.fetch() == []
    assert client.select("INBOX")[1] == [b"3"]
    client.logout()


def test_a_huge_message_is_read_to_its_limit_only(twin: ImapTwin, connect: Any) -> None:
    twin.deliver(dsn() + b"x" * LARGEST_BYTES)
    (found,) = connect().fetch()
    assert [report.kind for report in found.reports] == ["bounced_hard"]


def test_a_wrong_password_or_folder_is_told(twin: ImapTwin, connect: Any) -> None:
    with pytest.raises(Unauthorized):
        connect({"bounce_password": "wrong"}).check()
    with pytest.raises(NotFound):
        connect(bounce_folder="Nowhere").fetch()


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"bounce_host": "imaps://x"}, {}, "bounce_host"),
        ({"bounce_port": "x"}, {}, "bounce_port"),
        ({"bounce_username": ""}, {}, "bounce_username"),
        ({}, {"bounce_password": ""}, "bounce_password"),
        ({"return_path_domain": "a b"}, {}, "return_path_domain"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    connect: Any, config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        connect(secrets, **config)
    assert caught.value.field == field


def test_without_a_mailbox_there_is_none() -> None:
    assert MANIFEST.report_mailbox is not None
    assert MANIFEST.report_mailbox({}, {}, Environment()) is None


def test_a_private_server_is_reached_only_where_the_operator_allows_it(connect: Any) -> None:
    assert MANIFEST.report_mailbox is not None
    mailbox = MANIFEST.report_mailbox(
        {"bounce_host": "127.0.0.1", "bounce_username": USER}, {"bounce_password": "x"}, Environment()
    )
    with pytest.raises(Misconfigured) as caught:
        mailbox.check()
    assert caught.value.field == "bounce_host"
