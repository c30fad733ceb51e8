"""The guarded client against loopback servers; only the resolver's answers are invented."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters.kit import guard
from adapters.kit.http import Client, requests_session, safe_url
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    Retryable,
)
from connector.registry import Environment
from simulator.server import ServerThread, cut_connection

PUBLIC = "93.184.216.34"


class App:
    """Answers what a test put under a path and remembers every request."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.routes: dict[str, Callable[[dict[str, Any], Any], list[bytes]]] = {}

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        self.seen.append(environ)
        route = self.routes.get(environ["PATH_INFO"])
        if route:
            return route(environ, start)
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [b"hello"]

    @property
    def paths(self) -> list[str]:
        return [environ["PATH_INFO"] for environ in self.seen]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def server(app: App) -> Iterator[ServerThread]:
    with ServerThread(app) as running:
        yield running


def allowing(*hosts: str, ca_file: str = "", timeout_s: float = 5.0) -> Environment:
    return Environment(allowed_private_hosts=frozenset(hosts), ca_file=ca_file, timeout_s=timeout_s)


def redirect(status: str, location: str) -> Callable[[dict[str, Any], Any], list[bytes]]:
    def route(environ: dict[str, Any], start: Any) -> list[bytes]:
        start(status, [("Location", location), ("Content-Length", "0")])
        return []

    return route


def cut(environ: dict[str, Any], start: Any) -> list[bytes]:
    cut_connection(environ)
    start("200 OK", [("Content-Length", "0")])
    return []


class Resolver:
    """Answers from a script, one list of addresses a question; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int, **kwargs: Any) -> list[Any]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
            for ip in answer
        ]


Ask = Callable[[Environment, str, str], int]


def by_client(environment: Environment, method: str, url: str) -> int:
    with Client(environment, "kit") as client:
        return client.request(method, url).status_code


def by_stream(environment: Environment, method: str, url: str) -> int:
    with Client(environment, "kit") as client, client.stream(method, url) as answer:
        answer.read()
        return answer.status_code


def by_session(environment: Environment, method: str, url: str) -> int:
    with requests_session(environment, "kit") as session:
        return session.request(method, url).status_code


EVERY_WAY = pytest.mark.parametrize("ask", [by_client, by_stream, by_session])


# -- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("8.8.8.8", True, id="public v4"),
        pytest.param("2606:2800:220:1::1", True, id="public v6"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("127.8.8.8", False, id="far loopback"),
        pytest.param("0.0.0.0", False, id="this host"),
        pytest.param("10.1.2.3", False, id="private a"),
        pytest.param("172.31.0.1", False, id="private b"),
        pytest.param("192.168.0.1", False, id="private c"),
        pytest.param("100.64.0.1", False, id="cgnat"),
        pytest.param("169.254.169.254", False, id="cloud metadata"),
        pytest.param("192.88.99.1", False, id="6to4 relay"),
        pytest.param("198.18.0.1", False, id="benchmark"),
        pytest.param("203.0.113.7", False, id="documentation"),
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("240.0.0.1", False, id="reserved"),
        pytest.param("255.255.255.255", False, id="broadcast"),
        pytest.param("::", False, id="unspecified v6"),
        pytest.param("::1", False, id="loopback v6"),
        pytest.param("::127.0.0.1", False, id="compatible"),
        pytest.param("::ffff:127.0.0.1", False, id="mapped loopback"),
        pytest.param("::ffff:8.8.8.8", False, id="mapped public"),
        pytest.param("2002:7f00:1::", False, id="6to4"),
        pytest.param("2001:0:4136:e378::1", False, id="teredo"),
        pytest.param("64:ff9b::7f00:1", False, id="nat64"),
        pytest.param("64:ff9b:1::7f00:1", False, id="local nat64"),
        pytest.param("fe80::1%eth0", False, id="link local"),
        pytest.param("fec0::1", False, id="site local"),
        pytest.param("fd00::1", False, id="unique local"),
        pytest.param("ff0e::1", False, id="multicast v6"),
        pytest.param("not an address", False, id="nonsense"),
    ],
)
def test_only_public_addresses_are_public(address: str, expected: bool) -> None:
    assert guard.is_public(address) == expected


@EVERY_WAY
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_every_spelling_of_this_machine_is_refused(
    ask: Ask, host: str, server: ServerThread, app: App
) -> None:
    with pytest.raises(PortError) as caught:
        ask(allowing(), "GET", f"http://{host}:{server.port}/")
    assert isinstance(caught.value, Misconfigured)
    assert caught.value.field == "url"
    assert app.paths == []


@EVERY_WAY
def test_a_name_with_one_private_address_among_public_ones_is_refused(
    ask: Ask, server: ServerThread, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(guard, "getaddrinfo", Resolver([PUBLIC, "127.0.0.1"]))
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: opened.append(a))
    with pytest.raises(Misconfigured):
        ask(allowing(), "GET", f"http://mixed.example:{server.port}/")
    assert opened == []
    assert app.paths == []


@EVERY_WAY
def test_the_connection_goes_to_the_address_that_was_checked(
    ask: Ask, server: ServerThread, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers public first and loopback next is asked once, and the loopback never seen."""
    resolver = Resolver([PUBLIC], ["127.0.0.1"])
    opened: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        opened.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(guard, "getaddrinfo", resolver)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(Retryable):
        ask(allowing(), "GET", f"http://rebind.example:{server.port}/")
    assert resolver.asked == [("rebind.example", server.port)]
    assert opened == [(PUBLIC, server.port)]
    assert app.paths == []


@EVERY_WAY
@pytest.mark.parametrize("form", ["{host}", "{host}:{port}"], ids=["host", "host and port"])
def test_an_operator_may_allow_a_private_host(ask: Ask, form: str, server: ServerThread, app: App) -> None:
    environment = allowing(form.format(host="127.0.0.1", port=server.port))
    assert ask(environment, "GET", f"{server.url}/a") == 200
    assert app.paths == ["/a"]


@EVERY_WAY
def test_allowing_one_port_allows_no_other(ask: Ask, server: ServerThread, app: App) -> None:
    with pytest.raises(Misconfigured):
        ask(allowing(f"127.0.0.1:{server.port + 1}"), "GET", f"{server.url}/a")
    assert app.paths == []


@EVERY_WAY
@pytest.mark.parametrize(
    "url", ["ftp://example.org/a", "file:///etc/passwd", "gopher://x/", "/a", "http:///a"]
)
def test_only_http_addresses_are_accepted(ask: Ask, url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        ask(allowing(), "GET", url)
    assert caught.value.field == "url"


@EVERY_WAY
def test_a_name_that_does_not_resolve_may_be_tried_again(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(guard, "getaddrinfo", unknown)
    with pytest.raises(Retryable) as caught:
        ask(allowing(), "POST", "https://gone.example/a?token=s3cret")
    assert str(caught.value) == (
        "kit: gone.example: The host name could not be resolved. Check the address for a typing error."
    )


@EVERY_WAY
def test_the_processs_proxy_settings_are_not_read(
    ask: Ask, server: ServerThread, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(allowing("127.0.0.1"), "GET", f"{server.url}/direct") == 200
    assert app.paths == ["/direct"]


# -- what a broken exchange means ----------------------------------------------------------------------


@EVERY_WAY
@pytest.mark.parametrize(
    ("method", "expected"),
    [("GET", Retryable), ("HEAD", Retryable), ("POST", OutcomeUnknown), ("PUT", OutcomeUnknown)],
)
def test_a_cut_before_the_answer_is_unknown_only_for_a_write(
    ask: Ask, method: str, expected: type[PortError], server: ServerThread, app: App
) -> None:
    app.routes["/cut"] = cut
    with pytest.raises(PortError) as caught:
        ask(allowing("127.0.0.1"), method, f"{server.url}/cut")
    assert type(caught.value) is expected
    assert app.paths == ["/cut"]


@EVERY_WAY
@pytest.mark.parametrize(("method", "expected"), [("GET", Retryable), ("POST", OutcomeUnknown)])
def test_silence_is_unknown_only_for_a_write(
    ask: Ask, method: str, expected: type[PortError], server: ServerThread, app: App
) -> None:
    release = threading.Event()

    def silent(environ: dict[str, Any], start: Any) -> list[bytes]:
        release.wait(5)
        start("200 OK", [("Content-Length", "0")])
        return []

    app.routes["/silent"] = silent
    with pytest.raises(PortError) as caught:
        ask(allowing("127.0.0.1", timeout_s=0.2), method, f"{server.url}/silent")
    release.set()
    assert type(caught.value) is expected
    assert caught.value.cause == "No answer came in time."


@EVERY_WAY
def test_a_refused_connection_left_nothing_even_for_a_write(ask: Ask) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(Retryable):
            ask(allowing("127.0.0.1"), "POST", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("ask", [by_client, by_session])
def test_an_answer_that_trickles_past_the_deadline_is_given_up(
    ask: Ask, server: ServerThread, app: App
) -> None:
    stop = threading.Event()

    def trickle(environ: dict[str, Any], start: Any) -> Any:
        start("200 OK", [("Content-Length", "1000000")])

        def body() -> Iterator[bytes]:
            while not stop.wait(0.02):
                yield b"x" * 100

        return body()

    app.routes["/drip"] = trickle
    began = time.monotonic()
    with pytest.raises(Retryable):
        ask(allowing("127.0.0.1", timeout_s=0.3), "GET", f"{server.url}/drip")
    stop.set()
    # Not only once a buffer is full, which would take 13 seconds here.
    assert time.monotonic() - began < 8


@EVERY_WAY
def test_a_body_shorter_than_announced_is_broken(ask: Ask, server: ServerThread, app: App) -> None:
    def short(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [("Content-Length", "100")])
        return [b"only this"]

    app.routes["/short"] = short
    with pytest.raises(Retryable):
        ask(allowing("127.0.0.1", timeout_s=2), "GET", f"{server.url}/short")


@pytest.mark.parametrize("ask", [by_client, by_session])
def test_a_huge_answer_is_given_up(
    ask: Ask, server: ServerThread, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(b"\0" * 300_000)

    def route(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [("Content-Encoding", "gzip"), ("Content-Length", str(len(bomb)))])
        return [bomb]

    app.routes["/bomb"] = route
    monkeypatch.setattr("adapters.kit.http.MAX_ANSWER_BYTES", 200_000)
    monkeypatch.setattr("adapters.kit.sessions.MAX_ANSWER_BYTES", 200_000)
    with pytest.raises(OutcomeUnknown):
        ask(allowing("127.0.0.1"), "POST", f"{server.url}/bomb")


def test_a_post_that_only_reads_may_be_tried_again(server: ServerThread, app: App) -> None:
    app.routes["/graphql"] = cut
    with Client(allowing("127.0.0.1"), "kit", server.url) as client, pytest.raises(Retryable):
        client.request("POST", "/graphql", json={"query": "{shop{name}}"}, is_read=True)


# -- certificates ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(app: App, authority: trustme.CA) -> Iterator[ServerThread]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ServerThread(app, tls=context) as running:
        yield running


@EVERY_WAY
def test_an_extra_bundle_makes_a_private_authority_trusted(
    ask: Ask, tls_server: ServerThread, app: App, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environment = allowing("localhost", ca_file=str(tmp_path / "ca.pem"))
    assert ask(environment, "GET", f"{tls_server.url}/tls") == 200
    assert app.seen[0]["HTTP_HOST"] == f"localhost:{tls_server.port}"


@EVERY_WAY
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_certificate_nobody_vouches_for_is_a_setting_to_mend(
    ask: Ask, method: str, tls_server: ServerThread, app: App
) -> None:
    with pytest.raises(Misconfigured) as caught:
        ask(allowing("localhost"), method, f"{tls_server.url}/tls")
    assert caught.value.field == "url"
    assert "certificate" in caught.value.cause
    assert app.paths == []


@EVERY_WAY
def test_a_certificate_for_another_name_is_refused(
    ask: Ask, tls_server: ServerThread, app: App, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environment = allowing("127.0.0.1", ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(Misconfigured):
        ask(environment, "GET", f"https://127.0.0.1:{tls_server.port}/tls")
    assert app.paths == []


@EVERY_WAY
def test_a_handshake_that_fails_left_nothing_even_for_a_write(
    ask: Ask, server: ServerThread, app: App
) -> None:
    with pytest.raises(Retryable):
        ask(allowing("127.0.0.1"), "POST", f"https://127.0.0.1:{server.port}/")
    assert app.paths == []


def test_a_bundle_that_cannot_be_read_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        Client(allowing(ca_file=str(tmp_path / "absent.pem")), "kit")
    assert caught.value.field == "ca_file"


# -- redirects and credentials -----------------------------------------------------------------------


@pytest.mark.parametrize("ask", [by_client, by_session])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_never_follows_a_redirect(ask: Ask, method: str, server: ServerThread, app: App) -> None:
    app.routes["/from"] = redirect("302 Found", "/to")
    assert ask(allowing("127.0.0.1"), method, f"{server.url}/from") == 302
    assert app.paths == ["/from"]


def test_a_download_follows_redirects_on_its_host_with_its_credentials(
    server: ServerThread, app: App
) -> None:
    app.routes["/from"] = redirect("301 Moved", "/to?x=1")
    with (
        Client(allowing("127.0.0.1"), "kit", server.url, {"Authorization": "Bearer t"}) as client,
        client.stream("GET", "/from") as answer,
    ):
        assert answer.read() == b"hello"
    assert [(e["PATH_INFO"], e.get("HTTP_AUTHORIZATION")) for e in app.seen] == [
        ("/from", "Bearer t"),
        ("/to", "Bearer t"),
    ]


def test_credentials_do_not_follow_a_redirect_to_another_host(server: ServerThread, app: App) -> None:
    app.routes["/from"] = redirect("302 Found", f"http://localhost:{server.port}/to")
    with (
        Client(allowing("127.0.0.1", "localhost"), "kit", server.url, {"X-Api-Key": "k"}) as client,
        client.stream("GET", "/from", headers={"Authorization": "a", "If-None-Match": '"e"'}) as answer,
    ):
        assert answer.status_code == 200
    second = app.seen[1]
    assert second["HTTP_HOST"] == f"localhost:{server.port}"
    assert {k: second.get(k) for k in ("HTTP_X_API_KEY", "HTTP_AUTHORIZATION", "HTTP_IF_NONE_MATCH")} == {
        "HTTP_X_API_KEY": None,
        "HTTP_AUTHORIZATION": None,
        "HTTP_IF_NONE_MATCH": '"e"',
    }


def test_a_download_does_not_follow_a_redirect_to_a_private_address(server: ServerThread, app: App) -> None:
    app.routes["/from"] = redirect("302 Found", f"http://localhost:{server.port}/secret")
    with (
        Client(allowing(f"127.0.0.1:{server.port}"), "kit") as client,
        pytest.raises(Misconfigured) as caught,
        client.stream("GET", f"{server.url}/from"),
    ):
        pass
    assert caught.value.field == "url"
    assert app.paths == ["/from"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://localhost/a", "http://[", "//"])
def test_a_redirect_to_something_else_than_http_is_refused(
    location: str, server: ServerThread, app: App
) -> None:
    app.routes["/from"] = redirect("302 Found", location)
    with (
        Client(allowing("127.0.0.1"), "kit") as client,
        pytest.raises(Misconfigured),
        client.stream("GET", f"{server.url}/from"),
    ):
        pass
    assert app.paths == ["/from"]


def test_five_redirects_are_followed_and_a_sixth_is_not(server: ServerThread, app: App) -> None:
    for step in range(6):
        app.routes[f"/{step}"] = redirect("307 Go on", f"/{step + 1}")
    with Client(allowing("127.0.0.1"), "kit", server.url) as client:
        with client.stream("GET", "/1") as answer:
            assert answer.read() == b"hello"
        assert app.paths == ["/1", "/2", "/3", "/4", "/5", "/6"]
        with pytest.raises(Misconfigured), client.stream("GET", "/0"):
            pass
    assert app.paths[6:] == ["/0", "/1", "/2", "/3", "/4", "/5"]


def test_the_clients_headers_go_to_no_other_host(server: ServerThread, app: App) -> None:
    """A platform's "next page" address may name any host."""
    environment = allowing("127.0.0.1", "localhost")
    with Client(environment, "kit", server.url, {"X-Api-Key": "k"}) as client:
        client.request("GET", "/page")
        client.request("GET", f"http://localhost:{server.port}/page2")
    assert [environ.get("HTTP_X_API_KEY") for environ in app.seen] == ["k", None]


def test_a_password_in_the_address_becomes_a_header(server: ServerThread, app: App) -> None:
    with Client(allowing("127.0.0.1"), "kit") as client:
        client.request("GET", f"http://me:p%40ss@127.0.0.1:{server.port}/a")
    assert app.seen[0]["HTTP_AUTHORIZATION"] == "Basic bWU6cEBzcw=="
    assert app.seen[0]["HTTP_HOST"] == f"127.0.0.1:{server.port}"


def test_no_secret_of_an_address_reaches_an_error_or_a_log(
    server: ServerThread, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    app.routes["/a"] = cut
    caplog.set_level("INFO")
    url = f"http://me:hunter2@127.0.0.1:{server.port}/a?token=hunter2"
    for ask in (by_client, by_stream, by_session):
        with pytest.raises(Retryable) as caught:
            ask(allowing("127.0.0.1"), "GET", url)
        assert str(caught.value) == (
            f"kit: GET http://127.0.0.1:{server.port}/a: The answer broke off or could not be read."
        )
    assert "hunter2" not in caplog.text


def test_a_header_with_a_line_break_is_a_setting_to_mend(server: ServerThread, app: App) -> None:
    with Client(allowing("127.0.0.1"), "kit", server.url) as client, pytest.raises(Misconfigured) as caught:
        client.request("GET", "/", headers={"X-Api-Key": "a\r\nb: c"})
    assert caught.value.field == "headers"
    assert app.paths == []


# -- what is sent and read ----------------------------------------------------------------------------


def test_parameters_join_those_of_the_address_and_paths_join_the_base(server: ServerThread, app: App) -> None:
    with Client(allowing("127.0.0.1"), "kit", f"{server.url}/wp/") as client:
        client.request("GET", "/orders?status=any", params={"page": 2})
    assert (app.seen[0]["PATH_INFO"], app.seen[0]["QUERY_STRING"]) == ("/wp/orders", "status=any&page=2")


def test_a_compressed_answer_is_read_as_if_it_were_not(server: ServerThread, app: App) -> None:
    body = gzip.compress(b'{"a": 1}')

    def route(environ: dict[str, Any], start: Any) -> list[bytes]:
        start(
            "200 OK",
            [
                ("Content-Type", "application/json"),
                ("Content-Encoding", "gzip"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    app.routes["/z"] = route
    with Client(allowing("127.0.0.1"), "kit", server.url) as client:
        answer = client.request("GET", "/z")
    assert (answer.json(), answer.headers["content-type"]) == ({"a": 1}, "application/json")


def test_connections_are_kept_and_shared_by_threads() -> None:
    ports: list[int] = []

    class KeepAlive(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ports.append(self.client_address[1])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), KeepAlive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Client(allowing("127.0.0.1"), "kit", f"http://127.0.0.1:{server.server_port}") as client:
            for _ in range(5):
                assert client.request("GET", "/same").status_code == 204
            workers = [threading.Thread(target=client.request, args=("GET", "/other")) for _ in range(8)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        server.shutdown()
    assert len(set(ports[:5])) == 1
    assert len(ports) == 13


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:p@shop.example:8443/a.csv?t=1#f", "https://shop.example:8443/a.csv"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://[bad", "the address"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, expected: str) -> None:
    assert safe_url(url) == expected
