"""FTP and both kinds of FTPS against pyftpdlib as the server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.transports.ftp import FtpServer, Login
from connector.ports.errors import FileFault, Misconfigured, NotFound, Retryable, Unauthorized
from connector.ports.suppliers import Feed, NotModified
from tests.adapters.transports.servers import PASSWORD, USER, FtpTwin
from tests.adapters.transports.sources import DAY_ONE, FolderSource, csv_of, environment, feed_of, put
from tests.conformance.suppliers import SupplierConformance


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ftp") / "served"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def authority(root: Path) -> trustme.CA:
    made = trustme.CA(key_type=trustme.KeyType.ECDSA)
    made.cert_pem.write_to_path(str(root.parent / "ca.pem"))
    return made


def _of(twin: FtpTwin) -> Iterator[FtpTwin]:
    yield twin
    twin.stop()


@pytest.fixture(scope="module")
def plain_server(root: Path) -> Iterator[FtpTwin]:
    yield from _of(FtpTwin(root))


@pytest.fixture(scope="module")
def explicit_server(root: Path, authority: trustme.CA) -> Iterator[FtpTwin]:
    yield from _of(FtpTwin(root, authority))


@pytest.fixture(scope="module")
def implicit_server(root: Path, authority: trustme.CA) -> Iterator[FtpTwin]:
    yield from _of(FtpTwin(root, authority, is_implicit=True))


def fresh(twin: FtpTwin, root: Path) -> FtpTwin:
    twin.break_after, twin.fails = None, False
    twin.commands.clear()
    twin.authorizer.user_table[USER]["pwd"] = PASSWORD
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return twin


@pytest.fixture
def plain(plain_server: FtpTwin, root: Path) -> FtpTwin:
    return fresh(plain_server, root)


@pytest.fixture
def explicit(explicit_server: FtpTwin, root: Path) -> FtpTwin:
    return fresh(explicit_server, root)


@pytest.fixture
def implicit(implicit_server: FtpTwin, root: Path) -> FtpTwin:
    return fresh(implicit_server, root)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def feed_at(
    twin: FtpTwin, root: Path, path: str, scheme: str = "ftp", host: str = "localhost", **changes: Any
) -> FileFeed:
    env = environment(**{"ca_file": str(root.parent / "ca.pem") if scheme != "ftp" else "", **changes})
    url = f"{scheme}://{host}:{twin.port}/{path}"
    return feed_of({"url": url, "username": USER}, env, password=PASSWORD)


class FtpSource(FolderSource):
    def refuse_credentials(self) -> None:
        self.twin.authorizer.user_table[USER]["pwd"] = "other"


class TestOverFtp(SupplierConformance):
    @pytest.fixture
    def source(self, plain: FtpTwin, root: Path) -> FolderSource:
        return FtpSource(plain, root / "out", feed_at(plain, root, "out/stock.csv"))


class TestOverExplicitFtps(SupplierConformance):
    @pytest.fixture
    def source(self, explicit: FtpTwin, root: Path) -> FolderSource:
        return FtpSource(explicit, root / "out", feed_at(explicit, root, "out/stock.csv", "ftpes"))


def fetched(feed: FileFeed, inbox: Path) -> Feed:
    found = feed.fetch(None, inbox)
    assert isinstance(found, Feed)
    return found


def test_tls_from_the_first_byte(implicit: FtpTwin, root: Path, inbox: Path) -> None:
    put(root / "stock.csv", csv_of([("A", "1")]))
    found = fetched(feed_at(implicit, root, "stock.csv", "ftps"), inbox)
    assert (csv_of([("A", "1")]), DAY_ONE) == (found.path.read_bytes(), found.as_of)
    assert "AUTH" not in implicit.commands


def test_the_data_is_protected_before_it_is_asked_for(explicit: FtpTwin, root: Path, inbox: Path) -> None:
    put(root / "stock.csv", b"sku,qty\nA,1\n")
    fetched(feed_at(explicit, root, "stock.csv", "ftpes"), inbox)
    said = explicit.commands
    assert said.index("AUTH") < said.index("PROT") < said.index("PASS") < said.index("RETR")


def test_a_server_that_wants_tls_refuses_a_password_in_the_open(
    explicit: FtpTwin, root: Path, inbox: Path
) -> None:
    put(root / "stock.csv", b"x")
    with pytest.raises(Unauthorized) as caught:
        feed_at(explicit, root, "stock.csv").fetch(None, inbox)
    assert "insist on FTPS" in caught.value.remedy


@pytest.mark.parametrize("scheme", ["ftpes", "ftps"])
def test_a_certificate_nobody_vouches_for_is_refused_before_the_password(
    scheme: str, explicit: FtpTwin, implicit: FtpTwin, root: Path, inbox: Path
) -> None:
    twin = explicit if scheme == "ftpes" else implicit
    with pytest.raises(Misconfigured) as caught:
        feed_at(twin, root, "stock.csv", scheme, ca_file="").fetch(None, inbox)
    assert "The server's certificate is not valid" in caught.value.cause
    assert "PASS" not in twin.commands


def test_a_certificate_of_another_name_is_refused(explicit: FtpTwin, root: Path, inbox: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        feed_at(explicit, root, "stock.csv", "ftpes", host="127.0.0.1").fetch(None, inbox)
    assert "certificate" in caught.value.cause


def test_the_newest_file_that_fits_is_taken(plain: FtpTwin, root: Path, inbox: Path) -> None:
    put(root / "out/stock_1.csv", csv_of([("A", "1")]), DAY_ONE + timedelta(days=2))
    put(root / "out/stock_2.csv", csv_of([("A", "2")]), DAY_ONE)
    put(root / "out/prices.csv", csv_of([("A", "3")]), DAY_ONE + timedelta(days=3))
    feed = feed_at(plain, root, "out/stock_*.csv")
    found = fetched(feed, inbox)
    assert ("stock_1.csv", DAY_ONE + timedelta(days=2)) == (found.name, found.as_of)
    assert NotModified() == feed.fetch(found.mark, inbox)


def test_an_older_server_is_asked_file_by_file(
    plain: FtpTwin, root: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_known(handler: Any, path: str) -> None:
        handler.respond("500 Unknown command.")

    monkeypatch.setattr(plain.handler, "ftp_MLSD", not_known)
    put(root / "out/stock_1.csv", csv_of([("A", "1")]), DAY_ONE)
    put(root / "out/stock_2.csv", csv_of([("A", "2")]), DAY_ONE - timedelta(days=1))
    assert "stock_1.csv" == fetched(feed_at(plain, root, "out/stock_*.csv"), inbox).name


def test_the_address_a_server_names_for_the_data_is_not_followed(
    plain: FtpTwin, root: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root / "stock.csv", csv_of([("A", "1")]))
    monkeypatch.setattr(plain.handler, "masquerade_address", "192.0.2.1")
    found = fetched(feed_at(plain, root, "stock.csv"), inbox)
    assert csv_of([("A", "1")]) == found.path.read_bytes()


def test_a_missing_folder_is_not_found(plain: FtpTwin, root: Path, inbox: Path) -> None:
    with pytest.raises(NotFound):
        feed_at(plain, root, "nowhere/stock_*.csv").fetch(None, inbox)


def test_half_a_file_is_thrown_away(plain: FtpTwin, root: Path, inbox: Path) -> None:
    put(root / "stock.csv", b"sku,qty\n" * 10_000)
    plain.break_after = 10_000
    with pytest.raises((Retryable, FileFault)):
        feed_at(plain, root, "stock.csv").fetch(None, inbox)
    assert [] == list(inbox.iterdir())


def test_a_password_in_the_open_is_warned_of(plain: FtpTwin, root: Path) -> None:
    put(root / "stock.csv", csv_of([("A", "1")]))
    assert "use ftpes or sftp." in feed_at(plain, root, "stock.csv").check()


def test_a_private_server_is_refused_unless_allowed(plain: FtpTwin, root: Path, inbox: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        feed_at(plain, root, "a.csv", allowed_private_hosts=frozenset()).fetch(None, inbox)
    assert "not on the public internet" in caught.value.cause


def test_a_port_where_nobody_listens_may_be_tried_again(root: Path, inbox: Path) -> None:
    feed = feed_of({"url": "ftp://127.0.0.1:1/a.csv"})
    with pytest.raises(Retryable):
        feed.fetch(None, inbox)


def test_a_server_that_drips_is_left(inbox: Path) -> None:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(b"2")

    threading.Thread(target=drip, daemon=True).start()
    login = Login("127.0.0.1", listener.getsockname()[1], USER, PASSWORD)
    begun = time.monotonic()
    with listener, pytest.raises(Retryable), FtpServer(login, environment(), longest_s=0.3).opened():
        raise AssertionError("a greeting without end is no session")
    stop.set()
    assert time.monotonic() - begun < 4.0
