"""A mailbox against pymap as the server, over TLS and by STARTTLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.transports.imap import ImapTransport, Mailbox
from connector.ports.errors import FileFault, Misconfigured, NotFound, Retryable, Unauthorized
from connector.ports.suppliers import Feed, NotModified
from tests.adapters.transports.servers import PASSWORD, USER, ImapTwin
from tests.adapters.transports.sources import DAY_ONE, LIMIT_BYTES, PAGE, csv_of, environment, feed_of
from tests.conformance.suppliers import SupplierConformance


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    made = trustme.CA(key_type=trustme.KeyType.ECDSA)
    path = tmp_path_factory.mktemp("imap") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


@pytest.fixture(scope="module")
def running(ca: tuple[trustme.CA, str]) -> Iterator[ImapTwin]:
    twin = ImapTwin(ca[0])
    yield twin
    twin.stop()


@pytest.fixture(scope="module")
def opportunist(ca: tuple[trustme.CA, str]) -> Iterator[ImapTwin]:
    twin = ImapTwin(ca[0], is_implicit=False)
    yield twin
    twin.stop()


@pytest.fixture
def twin(running: ImapTwin) -> ImapTwin:
    running.fails, running.break_after = False, None
    running.set_password(PASSWORD)
    running.empty()
    return running


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


@pytest.fixture
def at(ca: tuple[trustme.CA, str], twin: ImapTwin) -> Any:
    def feed(config: dict[str, str] | None = None, **changes: Any) -> FileFeed:
        env = environment(**{"ca_file": ca[1], **changes})
        url = {"url": f"imaps://localhost:{twin.port}", "username": USER}
        return feed_of({**url, **(config or {})}, env, password=PASSWORD)

    return feed


def mail(
    *files: tuple[str, bytes],
    sender: str = "stock@supplier.example",
    title: str = "Stock",
    sent: datetime = DAY_ONE,
) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Stock desk <{sender}>", "me@shop.example", title
    message["Date"] = format_datetime(sent)
    message.set_content("Please find the stock list attached.")
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


class MailSource:
    is_remote = True
    has_credentials = True

    def __init__(self, twin: ImapTwin, supplier: FileFeed) -> None:
        self.twin, self.supplier = twin, supplier
        self._hour, self._content = 0, b""

    def _put(self, content: bytes) -> None:
        self._hour, self._content = self._hour + 1, content
        self.twin.deliver(mail(("stock.csv", content), sent=DAY_ONE + timedelta(hours=self._hour)))

    def publish(self, rows: list[tuple[str, str]]) -> None:
        self._put(csv_of(rows))

    def republish(self) -> None:
        self._put(self._content)

    def publish_nothing(self) -> None:
        self._put(b"")

    def publish_page(self) -> None:
        self._put(PAGE)

    def publish_huge(self) -> None:
        self._put(b"a,b\n" * LIMIT_BYTES)

    def remove(self) -> None:
        self.twin.empty()

    def refuse_credentials(self) -> None:
        self.twin.set_password("other")

    def fail(self) -> None:
        self.twin.fails = True

    def break_off(self) -> None:
        self.twin.break_after = 100

    def calls(self) -> int:
        return self.twin.reads


class TestMailbox(SupplierConformance):
    @pytest.fixture
    def source(self, twin: ImapTwin, at: Any) -> MailSource:
        return MailSource(twin, at())


def fetched(feed: FileFeed, inbox: Path) -> Feed:
    found = feed.fetch(None, inbox)
    assert isinstance(found, Feed)
    return found


def test_the_newest_message_that_fits_is_taken(twin: ImapTwin, at: Any, inbox: Path) -> None:
    twin.deliver(mail(("stock.csv", b"1"), title="Stock monday"))
    wanted = DAY_ONE + timedelta(days=1)
    twin.deliver(mail(("stock.csv", b"2"), ("logo.png", b"x"), title="Stock tuesday", sent=wanted))
    twin.deliver(mail(("prices.pdf", b"3"), title="Stock prices"))
    twin.deliver(mail(("stock.csv", b"4"), title="Lunch"))
    twin.deliver(mail(("stock.csv", b"5"), sender="stock@supplier.example.evil.test"))
    feed = at({"sender": "stock@supplier.example", "mail_subject": "stock", "attachment": "STOCK*.csv"})

    found = fetched(feed, inbox)

    assert (b"2", wanted, "stock.csv") == (found.path.read_bytes(), found.as_of, found.name)
    client = twin.client()
    client.select("INBOX")
    assert [b""] == client.search(None, "SEEN")[1]
    client.logout()


def test_all_of_a_domain_may_send(twin: ImapTwin, at: Any, inbox: Path) -> None:
    twin.deliver(mail(("stock.zip", b"PK\x03\x04"), sender="anna@supplier.example"))
    assert "stock.zip" == fetched(at({"sender": "@supplier.example"}), inbox).name
    with pytest.raises(NotFound):
        at({"sender": "@other.example"}).fetch(None, inbox)


def test_another_folder_may_hold_them(twin: ImapTwin, at: Any, inbox: Path) -> None:
    twin.deliver(mail(("stock.csv", b"1")), "Lager")
    feed = at({"folder": "Lager"})
    found = fetched(feed, inbox)
    assert b"1" == found.path.read_bytes()
    assert NotModified() == feed.fetch(found.mark, inbox)
    with pytest.raises(NotFound) as caught:
        at({"folder": "Nowhere"}).fetch(None, inbox)
    assert "There is no such folder." == caught.value.cause


def test_several_attachments_that_fit_ask_for_a_pattern(twin: ImapTwin, at: Any, inbox: Path) -> None:
    twin.deliver(mail(("stock.csv", b"1"), ("prices.csv", b"2")))
    with pytest.raises(Misconfigured) as caught:
        at().fetch(None, inbox)
    assert ("attachment", True) == (caught.value.field, "stock.csv, prices.csv" in caught.value.cause)


def test_a_damaged_attachment_is_not_taken(twin: ImapTwin, at: Any, inbox: Path) -> None:
    content = mail(("stock.csv", b"sku,qty\nA,1\nB,2\n"))
    cut = content.replace(b"MixxdHkKQSwxCkIsMgo=", b"")
    head, _, tail = content.rpartition(b"c2t1LHF0eQpBLDEKQiwyCg==")
    assert tail, cut
    twin.deliver(head + b"c2t1LHF0eQpBLDEKQiw" + tail)
    with pytest.raises(FileFault) as caught:
        at().fetch(None, inbox)
    assert "truncated" == caught.value.code


def test_a_certificate_nobody_vouches_for_is_refused(twin: ImapTwin, at: Any, inbox: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        at(ca_file="").fetch(None, inbox)
    assert "The server's certificate is not valid" in caught.value.cause


def test_a_private_server_is_refused_unless_allowed(at: Any, inbox: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        at(allowed_private_hosts=frozenset()).fetch(None, inbox)
    assert "not on the public internet" in caught.value.cause


def test_an_open_line_is_protected_before_the_password(
    opportunist: ImapTwin, ca: tuple[trustme.CA, str], inbox: Path
) -> None:
    opportunist.deliver(mail(("stock.csv", b"1")))
    config = {"url": f"imap://localhost:{opportunist.port}", "username": USER}
    found = feed_of(config, environment(ca_file=ca[1]), password=PASSWORD).fetch(None, inbox)
    assert isinstance(found, Feed)
    with pytest.raises(Misconfigured) as caught:
        feed_of(config, password=PASSWORD).fetch(None, inbox)
    assert "certificate" in caught.value.cause


def served(script: Any) -> tuple[socket.socket, int]:
    """One connection answered by `script(connection)`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            script(connection)

    threading.Thread(target=serve, daemon=True).start()
    return listener, listener.getsockname()[1]


def mailbox(port: int) -> Mailbox:
    return Mailbox("127.0.0.1", port, False, USER, PASSWORD)


def test_a_server_without_encryption_gets_no_password(inbox: Path) -> None:
    heard = b""

    def script(connection: socket.socket) -> None:
        nonlocal heard
        connection.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        while line := connection.recv(1000):
            heard += line
            tag = line.split()[0]
            connection.sendall(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")

    listener, port = served(script)
    with listener, pytest.raises(Misconfigured) as caught:
        ImapTransport(mailbox(port), environment()).fetch(None, inbox)
    assert "offers no encryption" in caught.value.cause
    assert b"LOGIN" not in heard.upper()


def test_a_server_that_drips_is_left(inbox: Path) -> None:
    def script(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"*")
                if stop.wait(0.05):
                    return
        except OSError:
            return

    stop = threading.Event()
    listener, port = served(script)
    with listener, pytest.raises(Retryable) as caught:
        ImapTransport(mailbox(port), environment(), longest_s=0.3).fetch(None, inbox)
    stop.set()
    assert caught.value.cause.startswith("Reading the mailbox took more than")


def test_a_refused_password_is_told_as_such(twin: ImapTwin, at: Any) -> None:
    twin.set_password("other")
    with pytest.raises(Unauthorized) as caught:
        at().check()
    assert "app password" in caught.value.remedy
