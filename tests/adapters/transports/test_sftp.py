"""SFTP against asyncssh as the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from adapters.suppliers.file_feed.adapter import FileFeed
from connector.ports.errors import (
    FileFault,
    IdentityChanged,
    Misconfigured,
    NotFound,
    Retryable,
    Unauthorized,
)
from connector.ports.suppliers import Feed, FetchMark, NotModified
from tests.adapters.transports.servers import PASSWORD, USER, SftpTwin
from tests.adapters.transports.sources import DAY_ONE, FolderSource, csv_of, environment, feed_of, put
from tests.conformance.suppliers import SupplierConformance

ED25519 = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpTwin]:
    twin = SftpTwin(tmp_path_factory.mktemp("sftp"))
    yield twin
    twin.stop()


@pytest.fixture
def twin(running: SftpTwin, tmp_path: Path) -> SftpTwin:
    root = tmp_path / "served"
    root.mkdir()
    running.root, running.password, running.authorized = root, PASSWORD, []
    running.break_after, running.fails, running.on_read = None, False, lambda _offset: None
    return running


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def feed_at(twin: SftpTwin, path: str, config: dict[str, Any] | None = None, **secrets: str) -> FileFeed:
    url = f"sftp://127.0.0.1:{twin.port}/{path}"
    return feed_of({"url": url, "username": USER, **(config or {})}, **(secrets or {"password": PASSWORD}))


class SftpSource(FolderSource):
    def refuse_credentials(self) -> None:
        self.twin.password = "other"


class TestOverSftp(SupplierConformance):
    @pytest.fixture
    def source(self, twin: SftpTwin) -> FolderSource:
        return SftpSource(twin, twin.root / "out", feed_at(twin, "out/stock.csv"))


def fetched(feed: FileFeed, inbox: Path, mark: FetchMark | None = None) -> Feed:
    found = feed.fetch(mark, inbox)
    assert isinstance(found, Feed)
    return found


# -- signing in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "passphrase"),
    [("openssh", ""), ("openssh", "opens it"), ("pkcs1-pem", ""), ("pkcs1-pem", "opens it")],
)
def test_a_private_key_signs_in(form: str, passphrase: str, twin: SftpTwin, inbox: Path) -> None:
    key = ED25519 if form == "openssh" else asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    twin.authorized = [key.export_public_key().decode().split()[1]]
    put(twin.root / "stock.csv", csv_of([("A", "1")]))
    # Few rounds: how long a key is derived is not what is tested.
    options = {"rounds": 1} if form == "openssh" and passphrase else {}
    text = key.export_private_key(form, passphrase=passphrase or None, **options).decode()

    feed = feed_at(twin, "stock.csv", private_key=text, passphrase=passphrase)

    assert csv_of([("A", "1")]) == fetched(feed, inbox).path.read_bytes()


def test_a_key_the_server_does_not_know_is_refused(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "stock.csv", b"x")
    with pytest.raises(Unauthorized) as caught:
        feed_at(twin, "stock.csv", private_key=ED25519.export_private_key().decode()).fetch(None, inbox)
    assert "refused the user or the key" in caught.value.cause


LOCKED = ED25519.export_private_key("openssh", passphrase="right", rounds=1).decode()


@pytest.mark.parametrize(
    ("key", "passphrase", "field", "words"),
    [
        pytest.param("PuTTY-User-Key-File-3: ssh-ed25519", "", "private_key", "PuTTY", id="putty"),
        pytest.param(ED25519.export_public_key().decode(), "", "private_key", "public half", id="public"),
        pytest.param("hello", "", "private_key", "not a private key", id="none"),
        pytest.param(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
            "", "private_key", "cannot be read", id="damaged",
        ),
        pytest.param(LOCKED, "", "passphrase", "is protected", id="locked"),
        pytest.param(LOCKED, "wrong", "passphrase", "with this passphrase", id="wrong passphrase"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used_says_why(key: str, passphrase: str, field: str, words: str) -> None:
    config = {"url": "sftp://127.0.0.1/a.csv", "username": USER}
    with pytest.raises(Misconfigured) as caught:
        feed_of(config, private_key=key, passphrase=passphrase)
    assert field == caught.value.field
    assert words in caught.value.cause


# -- who answers -----------------------------------------------------------------------------------------


def test_the_host_key_is_learnt_at_the_first_connection(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "stock.csv", b"sku,qty\nA,1\n")
    feed = feed_at(twin, "stock.csv")
    assert {} == feed.learnt()
    feed.check()
    expected = twin.host_key.get_fingerprint()
    assert {"host_key": f"ssh-ed25519 {expected}"} == feed.learnt()


def test_another_host_key_is_refused_before_a_password_is_sent(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "stock.csv", csv_of([("A", "1")]))
    first = feed_at(twin, "stock.csv")
    first.check()
    pinned = first.learnt()["host_key"]
    twin.restart_with_key(asyncssh.generate_private_key("ssh-ed25519"))
    twin.password = "nobody"
    feed = feed_at(twin, "stock.csv", {"host_key": pinned})

    with pytest.raises(IdentityChanged) as caught:
        feed.fetch(None, inbox)

    presented = f"ssh-ed25519 {twin.host_key.get_fingerprint()}"
    assert ("host_key", pinned, presented) == (
        caught.value.field,
        caught.value.pinned,
        caught.value.presented,
    )
    assert pinned in caught.value.cause and presented in caught.value.cause
    assert {"host_key": pinned} == feed.learnt()
    assert [] == list(inbox.iterdir())
    # Accepted by a person, it is the one to be expected.
    twin.password = PASSWORD
    assert fetched(feed_at(twin, "stock.csv", {"host_key": presented}), inbox).size_bytes


# -- which file ------------------------------------------------------------------------------------------


def test_the_newest_file_that_fits_is_taken(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "out/stock_1.csv", csv_of([("A", "1")]), DAY_ONE + timedelta(days=2))
    put(twin.root / "out/stock_2.csv", csv_of([("A", "2")]), DAY_ONE)
    put(twin.root / "out/prices_3.csv", csv_of([("A", "3")]), DAY_ONE + timedelta(days=3))
    (twin.root / "out/stock_folder.csv").mkdir()
    feed = feed_at(twin, "out/stock_*.csv")

    found = fetched(feed, inbox)
    assert ("stock_1.csv", DAY_ONE + timedelta(days=2)) == (found.name, found.as_of)

    # Of one moment the last by name.
    put(twin.root / "out/stock_2.csv", csv_of([("A", "2")]), DAY_ONE + timedelta(days=2))
    again = fetched(feed, inbox, found.mark)
    assert ("stock_2.csv", False) == (again.name, again.is_unchanged)
    assert NotModified() == feed.fetch(again.mark, inbox)


def test_a_pattern_that_nothing_fits_says_how_many_were_there(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "out/prices.csv", b"x")
    with pytest.raises(NotFound) as caught:
        feed_at(twin, "out/stock_*.csv").fetch(None, inbox)
    assert "No file in this folder fits stock_*.csv (1 others are there)." == caught.value.cause


def test_a_missing_folder_and_a_folder_instead_of_a_file_are_not_found(twin: SftpTwin, inbox: Path) -> None:
    (twin.root / "out").mkdir()
    for path in ("nowhere/stock_*.csv", "out"):
        with pytest.raises(NotFound):
            feed_at(twin, path).fetch(None, inbox)


def test_a_file_the_user_may_not_read_is_told_as_such(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "secret.csv", b"x")
    with pytest.raises(Unauthorized) as caught:
        feed_at(twin, "secret.csv").fetch(None, inbox)
    assert "The user may not read this." == caught.value.cause
    assert [] == list(inbox.iterdir())


# -- while it is written ---------------------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_read_is_not_taken(twin: SftpTwin, inbox: Path) -> None:
    path = twin.root / "stock.csv"
    put(path, b"sku,qty\n" * 1000)

    def grow(offset: int) -> None:
        with path.open("ab") as file:
            file.write(b"more\n" * 10_000)

    twin.on_read = grow
    with pytest.raises(Retryable) as caught:
        feed_at(twin, "stock.csv").fetch(None, inbox)
    assert "The file was being written while it was read." == caught.value.cause
    assert [] == list(inbox.iterdir())


def test_a_large_file_arrives_whole(twin: SftpTwin, inbox: Path) -> None:
    content = os.urandom(3_000_001)
    put(twin.root / "stock.csv", content)
    url = f"sftp://127.0.0.1:{twin.port}/stock.csv"
    feed = feed_of({"url": url, "username": USER}, environment(max_feed_bytes=5_000_000), password=PASSWORD)
    assert content == fetched(feed, inbox).path.read_bytes()


def test_a_private_server_is_refused_unless_allowed(twin: SftpTwin, inbox: Path) -> None:
    url = f"sftp://127.0.0.1:{twin.port}/stock.csv"
    for allowed in (frozenset[str](), frozenset({"127.0.0.1:22"})):
        feed = feed_of(
            {"url": url, "username": USER}, environment(allowed_private_hosts=allowed), password=PASSWORD
        )
        with pytest.raises(Misconfigured) as caught:
            feed.fetch(None, inbox)
        assert "not on the public internet" in caught.value.cause


def test_half_a_file_is_thrown_away(twin: SftpTwin, inbox: Path) -> None:
    put(twin.root / "stock.csv", b"sku,qty\n" * 10_000)
    twin.break_after = 40_000
    with pytest.raises((Retryable, FileFault)):
        feed_at(twin, "stock.csv").fetch(None, inbox)
    assert [] == list(inbox.iterdir())
