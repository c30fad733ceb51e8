"""OAuth client credentials and Google sheets over a simulated web server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters.suppliers.file_feed.transports import Access, HttpTransport
from adapters.suppliers.file_feed.transports.sheet import export_url, judge
from connector.ports.errors import FileFault, Misconfigured, NotFound, PortError, Unauthorized
from connector.ports.suppliers import Feed
from simulator.server import ServerThread
from tests.adapters.transports.sources import PAGE, csv_of, environment, feed_of

CSV = csv_of([("A", "1")])


class TokenServer:
    """Gives tokens to one client, and a file to who has the newest token."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.valid = ""
        self.dies_at_once = False
        self.refuses = False
        self._server = ServerThread(self)
        self.url = self._server.url
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/token":
            form = parse_qs(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode())
            self.asked.append((environ.get("HTTP_AUTHORIZATION", ""), form))
            if self.refuses:
                return self._say(start, "401 No", b"{}", "application/json")
            self.valid = f"token-{len(self.asked)}"
            told = {"access_token": self.valid, "expires_in": 3600, "token_type": "Bearer"}
            if self.dies_at_once and len(self.asked) == 1:
                self.valid = "withdrawn"
            return self._say(start, "200 OK", json.dumps(told).encode(), "application/json")
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.valid}":
            return self._say(start, "401 No", b"", "text/plain")
        return self._say(start, "200 OK", CSV, "text/csv")

    def _say(self, start: Any, status: str, body: bytes, kind: str) -> list[bytes]:
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def server() -> Iterator[TokenServer]:
    running = TokenServer()
    yield running
    running.stop()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def settings(server: TokenServer, **more: str) -> dict[str, str]:
    urls = {"url": f"{server.url}/stock.csv", "token_url": f"{server.url}/token"}
    return {**urls, "client_id": "me", **more}


def test_a_token_is_kept_for_all_requests_of_a_connection(server: TokenServer, inbox: Path) -> None:
    feed = feed_of(settings(server, scope="stock.read", audience="feeds"), client_secret="s:1")
    for _ in range(2):
        found = feed.fetch(None, inbox)
        assert isinstance(found, Feed)
        assert CSV == found.path.read_bytes()
    basic = "Basic " + base64.b64encode(b"me:s%3A1").decode()
    form = {"grant_type": ["client_credentials"], "audience": ["feeds"], "scope": ["stock.read"]}
    assert [(basic, form)] == server.asked


def test_a_client_may_be_named_in_the_form_instead(server: TokenServer, inbox: Path) -> None:
    feed_of(settings(server, token_style="body"), client_secret="s").fetch(None, inbox)
    form = {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": ["s"]}
    assert [("", form)] == server.asked


def test_a_withdrawn_token_is_renewed_once(server: TokenServer, inbox: Path) -> None:
    server.dies_at_once = True
    assert isinstance(feed_of(settings(server), client_secret="s").fetch(None, inbox), Feed)
    assert 2 == len(server.asked)


def test_a_refused_client_is_told_as_such(server: TokenServer, inbox: Path) -> None:
    server.refuses = True
    with pytest.raises(Unauthorized) as caught:
        feed_of(settings(server), client_secret="s").fetch(None, inbox)
    assert "client ID or its secret" in caught.value.cause


def test_the_token_address_may_not_lead_inside(server: TokenServer, inbox: Path) -> None:
    config = settings(server, url="https://files.example/stock.csv")
    feed = feed_of(config, environment(allowed_private_hosts=frozenset()), client_secret="s")
    with pytest.raises(Misconfigured) as caught:
        feed.fetch(None, inbox)
    assert "not on the public internet" in caught.value.cause
    assert [] == server.asked


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"client_id": ""}, {"client_secret": "s"}, "client_id"),
        ({}, {}, "client_secret"),
        ({"token_url": "x"}, {"client_secret": "s"}, "token_url"),
        ({"token_style": "odd"}, {"client_secret": "s"}, "token_style"),
        ({"username": "me"}, {"client_secret": "s", "password": "p"}, "token_url"),
    ],
)
def test_half_of_oauth_names_its_field(config: dict[str, str], secrets: dict[str, str], field: str) -> None:
    given = {"url": "https://a.example/x", "token_url": "https://a.example/t", "client_id": "me"}
    with pytest.raises(Misconfigured) as caught:
        feed_of({**given, **config}, **secrets)
    assert field == caught.value.field


ID = "1AbCdEfGhIjKlMnOp"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://docs.google.com/spreadsheets/d/{ID}/edit?usp=sharing", f"d/{ID}/export?format=csv"),
        (f"https://docs.google.com/spreadsheets/d/{ID}/edit#gid=42", f"d/{ID}/export?format=csv&gid=42"),
        (f"https://docs.google.com/spreadsheets/u/1/d/{ID}/edit?gid=42#gid=7", f"d/{ID}/export?format=csv&gid=7"),
        (f"https://docs.google.com/a/x.example/spreadsheets/d/{ID}", f"d/{ID}/export?format=csv"),
        (f"https://docs.google.com/spreadsheets/d/e/2PACX-{ID}/pubhtml?gid=0", f"d/e/2PACX-{ID}/pub?output=csv&gid=0"),
    ],
)  # fmt: skip
def test_the_address_of_a_sheet_becomes_that_of_its_csv(url: str, expected: str) -> None:
    assert f"https://docs.google.com/spreadsheets/{expected}" == export_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "https://drive.google.com/file/d/1", f"http://docs.google.com/spreadsheets/d/{ID}",
     f"https://docs.google.com.evil.example/spreadsheets/d/{ID}", "https://docs.google.com/document/d/1AbCdEfGhIj"],
)  # fmt: skip
def test_other_addresses_are_no_sheets(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        feed_of({"place": "sheet", "url": url})
    assert "url" == caught.value.field


@pytest.mark.parametrize(
    ("status", "kind", "expected", "words"),
    [
        ("200 OK", "text/html; charset=utf-8", Unauthorized, "anyone who has the link"),
        ("401 No", "text/html", Unauthorized, "anyone who has the link"),
        ("404 No", "text/html", NotFound, "copy its address again"),
    ],
)
def test_a_sheet_that_is_not_shared_says_so(
    status: str, kind: str, expected: type[PortError], words: str, inbox: Path
) -> None:
    def page(environ: dict[str, Any], start: Any) -> list[bytes]:
        start(status, [("Content-Type", kind), ("Content-Length", str(len(PAGE)))])
        return [PAGE]

    with ServerThread(page) as server:
        transport = HttpTransport(server.url, Access(), environment(), judge=judge, name="sheet.csv")
        with pytest.raises(expected) as caught:
            transport.fetch(None, inbox)
    assert words in caught.value.remedy
    assert not isinstance(caught.value, FileFault)
