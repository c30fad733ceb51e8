"""The file feed against a simulated supplier and against files on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.suppliers.file_feed import MANIFEST
from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.transports import Access, HttpTransport
from connector.ports.errors import (
    FileFault,
    Misconfigured,
    NotFound,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)
from connector.ports.suppliers import Feed, FetchMark, NotModified, ReadOptions
from connector.registry import Environment, manifest
from simulator.supplier import SupplierServer
from tests.conformance.suppliers import SupplierConformance

LIMIT_BYTES = 100_000
DAY_ONE = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)


def csv_of(rows: list[tuple[str, str]]) -> bytes:
    return "".join(f"{sku},{quantity}\r\n" for sku, quantity in [("sku", "quantity"), *rows]).encode()


def environment(**changes: Any) -> Environment:
    base = Environment(
        allowed_private_hosts=frozenset({"127.0.0.1"}), max_feed_bytes=LIMIT_BYTES, timeout_s=5.0
    )
    return replace(base, **changes)


@pytest.fixture
def server() -> Iterator[SupplierServer]:
    with SupplierServer() as running:
        yield running


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def feed_at(url: str, config: dict[str, Any] | None = None, **secrets: str) -> FileFeed:
    built = MANIFEST.build({"url": url, **(config or {})}, secrets, environment())
    assert isinstance(built, FileFeed)
    return built


class HttpSource:
    is_remote = True
    has_credentials = True

    def __init__(self, server: SupplierServer) -> None:
        self._server = server
        self._feed = server.put("stock.csv", b"", DAY_ONE, basic=("shop", "right"))
        self.supplier = feed_at(server.address("stock.csv"), {"username": "shop"}, password="right")

    def _put(self, content: bytes) -> None:
        self._server.put("stock.csv", content, self._feed.changed_at + timedelta(hours=1))

    def publish(self, rows: list[tuple[str, str]]) -> None:
        self._put(csv_of(rows))

    def republish(self) -> None:
        self._feed.sends_etag = False
        self._put(self._feed.content)

    def publish_nothing(self) -> None:
        self._put(b"")

    def publish_page(self) -> None:
        self._feed.faults.html_page = True

    def publish_huge(self) -> None:
        self._put(b"a,b\n" * LIMIT_BYTES)

    def remove(self) -> None:
        del self._server.feeds["stock.csv"]

    def refuse_credentials(self) -> None:
        self._feed.basic = ("shop", "other")

    def fail(self) -> None:
        self._feed.faults.status = 502

    def break_off(self) -> None:
        self._feed.faults.truncate_to = 100

    def calls(self) -> int:
        return self._server.requests["stock.csv", 200]


class LocalSource:
    is_remote = False
    has_credentials = False

    def __init__(self, directory: Path) -> None:
        self._path = directory / "stock.csv"
        self._hour = 0
        self._reads = 0
        self.supplier = MANIFEST.build(
            {"path": str(self._path)}, {}, environment(feed_directories=(directory,))
        )

    def _put(self, content: bytes) -> None:
        self._path.write_bytes(content)
        self._hour += 1
        moment = (DAY_ONE + timedelta(hours=self._hour)).timestamp()
        os.utime(self._path, (moment, moment))

    def publish(self, rows: list[tuple[str, str]]) -> None:
        self._put(csv_of(rows))

    def republish(self) -> None:
        self._put(self._path.read_bytes())

    def publish_nothing(self) -> None:
        self._put(b"")

    def publish_page(self) -> None:
        self._put(b"<!doctype html><title>Sign in</title>")

    def publish_huge(self) -> None:
        self._put(b"a,b\n" * LIMIT_BYTES)

    def remove(self) -> None:
        self._path.unlink()

    def refuse_credentials(self) -> None:
        raise AssertionError("there are none")

    def fail(self) -> None:
        raise AssertionError("nothing can")

    break_off = fail

    def calls(self) -> int:
        return 0


class TestOverHttp(SupplierConformance):
    @pytest.fixture
    def source(self, server: SupplierServer) -> HttpSource:
        return HttpSource(server)


class TestOnThisMachine(SupplierConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> LocalSource:
        directory = tmp_path / "feeds"
        directory.mkdir()
        return LocalSource(directory)


# -- signing in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("served", "config", "secrets"),
    [
        pytest.param({}, {}, {}, id="open"),
        pytest.param({"basic": ("me", "pä:ss")}, {"username": "me"}, {"password": "pä:ss"}, id="basic"),
        pytest.param(
            {"header": ("X-Api-Key", "k1")}, {"header_name": "X-Api-Key"}, {"header_value": "k1"}, id="header"
        ),
        pytest.param({"query": ("token", "q 1&")}, {}, {"query_token": "q 1&"}, id="query"),
        pytest.param(
            {"query": ("key", "q1")}, {"query_name": "key"}, {"query_token": "q1"}, id="named query"
        ),
    ],
)
def test_each_way_of_signing_in_is_accepted(
    served: dict[str, Any],
    config: dict[str, Any],
    secrets: dict[str, str],
    server: SupplierServer,
    inbox: Path,
) -> None:
    server.put("a.csv", csv_of([("A", "1")]), **served)
    feed = feed_at(server.address("a.csv"), config, **secrets).fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert feed.path.read_bytes() == csv_of([("A", "1")])
    if secrets:
        with pytest.raises(Unauthorized):
            feed_at(server.address("a.csv")).fetch(None, inbox)


def test_a_token_joins_the_parameters_of_the_address(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", csv_of([("A", "1")]), query=("token", "t"))
    feed = feed_at(server.address("a.csv") + "?shop=7", query_token="t").fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert feed.name == "a.csv"


def test_no_secret_is_in_an_error(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"", basic=("me", "other"))
    supplier = feed_at(
        server.address("a.csv") + "?sig=hunter2",
        {"username": "me", "header_name": "X-Key"},
        password="hunter2",
        header_value="hunter2",
        query_token="hunter2",
    )
    with pytest.raises(Unauthorized) as caught:
        supplier.fetch(None, inbox)
    assert str(caught.value) == (
        f"file_feed: {server.address('a.csv')}: The supplier's server refused the credentials. (HTTP 401) "
        "Enter the user and password, or the token, that the supplier gave you."
    )
    assert "hunter2" not in repr(supplier.__dict__)


def test_credentials_over_an_open_line_are_warned_of(server: SupplierServer) -> None:
    server.put("a.csv", csv_of([("A", "1")]))
    assert "use https" in feed_at(server.address("a.csv"), query_token="t").check()
    assert "use https" not in feed_at(server.address("a.csv")).check()


# -- what servers do -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Misconfigured),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, NotFound),
        (410, NotFound),
        (429, RateLimited),
        (500, Retryable),
        (502, Retryable),
        (503, Retryable),
        (504, Retryable),
    ],
)
def test_a_status_is_told_as_what_it_means(
    status: int, expected: type[PortError], server: SupplierServer, inbox: Path
) -> None:
    server.put("a.csv", b"").faults.status = status
    with pytest.raises(PortError) as caught:
        feed_at(server.address("a.csv")).fetch(None, inbox)
    assert type(caught.value) is expected
    assert list(inbox.iterdir()) == []


def test_the_wait_a_server_asks_for_is_kept(server: SupplierServer, inbox: Path) -> None:
    faults = server.put("a.csv", b"").faults
    faults.status, faults.retry_after = 429, "90"
    with pytest.raises(RateLimited) as caught:
        feed_at(server.address("a.csv")).fetch(None, inbox)
    assert caught.value.retry_after_s == 90.0


def code_of(supplier: FileFeed, inbox: Path) -> str:
    with pytest.raises(FileFault) as caught:
        supplier.fetch(None, inbox)
    return caught.value.code


@pytest.mark.parametrize("size", [5, 40_000], ids=["at once", "later"])
def test_a_body_shorter_than_announced_is_truncated(size: int, server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"sku,qty\n" * 10_000).faults.truncate_to = size
    assert code_of(feed_at(server.address("a.csv")), inbox) == "truncated"
    assert "a.csv" not in {path.name for path in inbox.iterdir()}


def test_a_compressed_body_is_unpacked(server: SupplierServer, inbox: Path) -> None:
    content = csv_of([(f"S{n}", "1") for n in range(5_000)])
    server.put("a.csv", content, gzips=True)
    feed = feed_at(server.address("a.csv")).fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert feed.path.read_bytes() == content


def test_a_compressed_body_without_its_end_is_truncated(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", csv_of([("A", "1")] * 100)).faults.gzip_cut = True
    assert code_of(feed_at(server.address("a.csv")), inbox) == "truncated"


def test_a_compressed_body_is_measured_unpacked(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"0" * (LIMIT_BYTES + 1), gzips=True)
    assert code_of(feed_at(server.address("a.csv")), inbox) == "too_large"
    assert list(inbox.iterdir()) == []


def test_a_body_without_end_is_given_up(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"sku,qty\n" * 500).faults.endless = True
    assert code_of(feed_at(server.address("a.csv")), inbox) == "too_large"


def test_a_body_that_takes_too_long_in_all_is_given_up(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"x" * 50).faults.endless = True
    ticks = iter(range(0, 100_000, 1_000))
    transport = HttpTransport(server.address("a.csv"), Access(), environment(), lambda: float(next(ticks)))
    with pytest.raises(Retryable) as caught:
        transport.fetch(None, inbox)
    assert caught.value.cause == "The download took more than 60 minutes."


def test_silence_may_be_tried_again(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"x").faults.slow_s = 1.0
    supplier = MANIFEST.build({"url": server.address("a.csv")}, {}, environment(timeout_s=0.2))
    with pytest.raises(Retryable):
        supplier.fetch(None, inbox)


def test_a_part_of_a_file_is_refused(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"sku,qty\n").faults.is_partial = True
    assert code_of(feed_at(server.address("a.csv")), inbox) == "truncated"


def test_a_redirect_is_followed_without_credentials_for_others(server: SupplierServer, inbox: Path) -> None:
    server.put("old.csv", b"").faults.redirect_to = server.address("new.csv")
    server.put("new.csv", csv_of([("A", "1")]))
    feed = feed_at(server.address("old.csv")).fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert feed.path.read_bytes() == csv_of([("A", "1")])


def test_a_redirect_to_a_private_address_is_refused(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", b"").faults.redirect_to = f"http://localhost:{server.port}/secret.csv"
    server.put("secret.csv", b"sku,qty\nA,1\n")
    with pytest.raises(Misconfigured) as caught:
        feed_at(server.address("a.csv")).fetch(None, inbox)
    assert caught.value.field == "url"
    assert server.requests["secret.csv", 200] == 0


def test_a_private_address_is_refused_unless_the_operator_allows_it(
    server: SupplierServer, inbox: Path
) -> None:
    server.put("a.csv", b"sku,qty\nA,1\n")
    supplier = MANIFEST.build({"url": server.address("a.csv")}, {}, Environment())
    with pytest.raises(Misconfigured):
        supplier.fetch(None, inbox)
    assert sum(server.requests.values()) == 0


def test_a_date_alone_answers_whether_the_file_changed(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", csv_of([("A", "1")]), DAY_ONE, sends_etag=False)
    supplier = feed_at(server.address("a.csv"))
    feed = supplier.fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert (feed.as_of, feed.mark.etag) == (DAY_ONE, "")
    assert supplier.fetch(feed.mark, inbox) == NotModified()


def test_an_etag_finds_a_change_that_the_date_hides(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", csv_of([("A", "1")]), DAY_ONE).faults.has_stale_date = True
    supplier = feed_at(server.address("a.csv"))
    first = supplier.fetch(None, inbox)
    assert isinstance(first, Feed)
    server.put("a.csv", csv_of([("A", "2")]), DAY_ONE + timedelta(days=1))
    second = supplier.fetch(first.mark, inbox)
    assert isinstance(second, Feed)
    assert (second.mark.last_modified, second.is_unchanged) == (first.mark.last_modified, False)


def test_a_server_without_validators_is_compared_by_content(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", csv_of([("A", "1")]), sends_etag=False, sends_date=False)
    supplier = feed_at(server.address("a.csv"))
    first = supplier.fetch(None, inbox)
    assert isinstance(first, Feed)
    assert (first.as_of, first.mark.etag, first.mark.last_modified) == (None, "", "")
    second = supplier.fetch(first.mark, inbox)
    assert isinstance(second, Feed)
    assert second.is_unchanged is True


def test_a_wrong_content_type_does_not_matter(server: SupplierServer, inbox: Path) -> None:
    server.put("a.csv", csv_of([("A", "1")])).faults.content_type = "text/html"
    supplier = feed_at(server.address("a.csv"))
    feed = supplier.fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert [row.cells for row in supplier.open(feed, ReadOptions()).rows()] == [["A", "1"]]


def test_a_file_name_from_the_address_stays_in_the_directory(server: SupplierServer, inbox: Path) -> None:
    server.put("..%2F..%2Fevil.csv", b"")
    server.put("../../evil.csv", csv_of([("A", "1")]))
    feed = feed_at(server.url + "/..%2F..%2Fevil.csv").fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert (feed.path.parent, feed.name) == (inbox, "evil.csv")


# -- checking --------------------------------------------------------------------------------------------


def test_the_check_of_a_long_file_reads_only_its_beginning(server: SupplierServer) -> None:
    server.put("a.csv", b"sku;qty\r\n" + b"A-1;5\r\n" * 14_000, DAY_ONE)
    assert feed_at(server.address("a.csv")).check() == (
        "a.csv was found, 98,009 bytes, changed 2026-11-01 06:00 UTC: csv utf-8 semicolon, 2 columns (sku, qty)."
    )
    server.feeds["a.csv"].faults.endless = True
    assert "2 columns (sku, qty)" in feed_at(server.address("a.csv")).check()


def test_the_check_reports_a_page_as_a_fault(server: SupplierServer) -> None:
    server.put("a.csv", b"").faults.html_page = True
    with pytest.raises(FileFault) as caught:
        feed_at(server.address("a.csv")).check()
    assert caught.value.code == "html_page"


def test_the_check_of_json_names_its_columns(server: SupplierServer) -> None:
    server.put("a.json", b'{"data":[{"sku":"A","stock":{"qty":3}}]}', DAY_ONE)
    assert feed_at(server.address("a.json")).check() == (
        "a.json was found, 40 bytes, changed 2026-11-01 06:00 UTC: json utf-8, 2 columns (sku, stock.qty)."
    )


# -- files on this machine -------------------------------------------------------------------------------


def local(path: Path, *allowed: Path) -> FileFeed:
    built = MANIFEST.build({"path": str(path)}, {}, environment(feed_directories=allowed))
    assert isinstance(built, FileFeed)
    return built


def test_a_path_outside_the_allowed_directories_is_refused(tmp_path: Path, inbox: Path) -> None:
    allowed, outside = tmp_path / "feeds", tmp_path / "elsewhere"
    allowed.mkdir()
    outside.mkdir()
    (outside / "a.csv").write_bytes(csv_of([("A", "1")]))
    (allowed / "link.csv").symlink_to(outside / "a.csv")
    (allowed / "down").symlink_to(outside)
    for path in (
        outside / "a.csv",
        outside / "absent.csv",
        allowed / ".." / "elsewhere" / "a.csv",
        allowed / "link.csv",
        allowed / "down" / "a.csv",
        tmp_path / "feeds-of-others" / "a.csv",
    ):
        with pytest.raises(Misconfigured) as caught:
            local(path, allowed).fetch(None, inbox)
        assert (caught.value.field, str(tmp_path) in str(caught.value)) == ("path", False)
    with pytest.raises(Misconfigured):
        local(allowed / "a.csv").fetch(None, inbox)
    assert list(inbox.iterdir()) == []


def test_only_a_plain_file_is_read(tmp_path: Path, inbox: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "inbox"):
        with pytest.raises(Misconfigured) as caught:
            local(tmp_path / name, tmp_path).fetch(None, inbox)
        assert caught.value.cause == "It is not a plain file."


def test_a_link_inside_the_allowed_directory_is_followed(tmp_path: Path, inbox: Path) -> None:
    (tmp_path / "2026-11-21.csv").write_bytes(csv_of([("A", "1")]))
    (tmp_path / "latest.csv").symlink_to(tmp_path / "2026-11-21.csv")
    feed = local(tmp_path / "latest.csv", tmp_path).fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert feed.path.read_bytes() == csv_of([("A", "1")])


def test_a_file_written_while_it_is_read_is_tried_again(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv_of([("A", "1")]))
    fdopen = os.fdopen

    def growing(descriptor: int, mode: str) -> Any:
        file = fdopen(descriptor, mode)
        read = file.read

        class Growing:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *exc: object) -> None:
                file.close()

            def fileno(self) -> int:
                return int(file.fileno())

            def read(self, size: int) -> bytes:
                with path.open("ab") as writer:
                    writer.write(b"B,2\r\n")
                monkeypatch.setattr(self, "read", read, raising=False)
                return bytes(read(size))

        return Growing()

    monkeypatch.setattr(os, "fdopen", growing)
    with pytest.raises(Retryable) as caught:
        local(path, tmp_path).fetch(None, inbox)
    assert caught.value.cause == "The file was being written while it was read."


# -- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        pytest.param({}, {}, "url", id="nothing"),
        pytest.param({"url": "https://a.example/x", "path": "/x"}, {}, "url", id="both"),
        pytest.param({"url": "gopher://a.example/x"}, {}, "url", id="scheme"),
        pytest.param({"url": "https://"}, {}, "url", id="no host"),
        pytest.param({"url": "https://a.example:x/"}, {}, "url", id="port"),
        pytest.param({"url": "https://me:pw@a.example/x"}, {}, "url", id="password in the address"),
        pytest.param({"path": "feeds/a.csv"}, {}, "path", id="relative"),
        pytest.param({"url": "https://a.example/x"}, {"password": "p"}, "username", id="no user"),
        pytest.param({"url": "https://a.example/x", "header_name": "X"}, {}, "header_name", id="no value"),
        pytest.param({"url": "https://a.example/x"}, {"header_value": "v"}, "header_name", id="no name"),
        pytest.param(
            {"url": "https://a.example/x", "header_name": "X: y"},
            {"header_value": "v"},
            "header_name",
            id="bad name",
        ),
        pytest.param(
            {"url": "https://a.example/x", "header_name": "Host"},
            {"header_value": "v"},
            "header_name",
            id="host",
        ),
        pytest.param(
            {"url": "https://a.example/x", "header_name": "X"},
            {"header_value": "a\nb"},
            "header_value",
            id="bad value",
        ),
        pytest.param(
            {"url": "https://a.example/x", "header_name": "Authorization", "username": "u"},
            {"header_value": "v"},
            "header_name",
            id="two at once",
        ),
        pytest.param(
            {"url": "https://a.example/x", "header_line": "first"}, {}, "header_line", id="header line"
        ),
    ],
)
def test_a_setting_that_cannot_work_names_its_field(
    config: dict[str, Any], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, secrets, Environment())
    assert caught.value.field == field
    assert "pw" not in str(caught.value)


def test_the_registry_knows_the_adapter() -> None:
    found = manifest("suppliers", "file_feed")
    assert found is MANIFEST
    assert [field.name for field in found.fields if field.is_secret] == [
        "password",
        "private_key",
        "passphrase",
        "secret_key",
        "header_value",
        "query_token",
        "client_secret",
    ]
    # Every way has settings of its own or is one that needs none, and no setting belongs to an unknown way.
    named = {place for field in found.fields for place in field.places}
    assert set(found.places) == named | {"push"}


def test_the_connections_settings_hold_where_the_caller_leaves_options_empty(
    server: SupplierServer, inbox: Path
) -> None:
    server.put("a.csv", "nom|é;1\nClé|x;2\n".encode("cp1252"))
    supplier = feed_at(server.address("a.csv"), {"encoding": "cp1252", "delimiter": ";", "header_line": "-1"})
    feed = supplier.fetch(FetchMark(), inbox)
    assert isinstance(feed, Feed)
    table = supplier.open(feed, ReadOptions())
    assert [row.cells for row in table.rows()] == [["nom|é", "1"], ["Clé|x", "2"]]
    table = supplier.open(feed, ReadOptions(delimiter="|", header_line=1))
    assert (table.shape.columns, table.shape.encoding) == (("nom", "é;1"), "cp1252")
