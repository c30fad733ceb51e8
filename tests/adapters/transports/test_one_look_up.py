"""A server's name is asked once: the connection, and every further one, goes to the address that was judged."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.kit import guard
from connector.ports.errors import Misconfigured
from connector.ports.suppliers import Feed
from tests.adapters.transports.servers import PASSWORD, USER, FtpTwin, SftpTwin
from tests.adapters.transports.sources import environment, feed_of, put

NAME = "files.supplier.example"


@pytest.fixture(scope="module", params=["ftp", "sftp"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Any]]:
    root = tmp_path_factory.mktemp(request.param) / "served"
    put(root / "stock.csv", b"sku,qty\nA,1\n")
    twin: Any = FtpTwin(root) if request.param == "ftp" else SftpTwin(root)
    yield request.param, twin
    twin.stop()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; the first answer is this machine, every later one another."""
    names: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host == NAME:
            names.append(host)
            address = "127.0.0.1" if len(names) == 1 else "127.0.0.2"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
        return real(host, port, *rest, **more)

    monkeypatch.setattr(guard, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


def test_a_name_that_changes_its_address_meanwhile_is_not_followed(
    server: tuple[str, Any], asked: list[str], tmp_path: Path
) -> None:
    scheme, twin = server
    env = environment(allowed_private_hosts=frozenset({f"{NAME}:{twin.port}"}))
    feed = feed_of(
        {"url": f"{scheme}://{NAME}:{twin.port}/stock.csv", "username": USER}, env, password=PASSWORD
    )
    found = feed.fetch(None, tmp_path)
    assert isinstance(found, Feed)
    assert ([NAME], b"sku,qty\nA,1\n") == (asked, found.path.read_bytes())


def test_a_name_that_leads_inside_is_refused(
    server: tuple[str, Any], asked: list[str], tmp_path: Path
) -> None:
    scheme, twin = server
    env = environment(allowed_private_hosts=frozenset({f"{NAME}:1"}))
    feed = feed_of(
        {"url": f"{scheme}://{NAME}:{twin.port}/stock.csv", "username": USER}, env, password=PASSWORD
    )
    before = twin.reads
    with pytest.raises(Misconfigured) as caught:
        feed.fetch(None, tmp_path)
    assert "not on the public internet" in caught.value.cause
    assert before == twin.reads
