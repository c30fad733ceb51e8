"""Any JSON API as a source of stock: pages, signing in, paths, and answers that make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.live import LiveSource
from adapters.suppliers.json_api import MANIFEST
from adapters.suppliers.json_api.listing import JsonListing
from adapters.suppliers.json_api.paths import find, steps
from connector.ports.errors import FileFault, Misconfigured, NotFound, RateLimited, Retryable
from connector.ports.suppliers import Feed, NotModified, ReadOptions
from connector.registry import Environment
from simulator.json_api import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USER, JsonApiServer

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)
PLAIN = {"columns": "sku=sku, quantity=free", "items_path": "data.items", "total_path": "data.total"}
PATHS = {"cursor_path": "meta.cursor", "next_path": "next"}
STYLES = ("none", "page", "offset", "cursor", "link", "next")
SECRETS = {"token": TOKEN, "password": PASSWORD, "client_secret": CLIENT_SECRET}


@pytest.fixture
def server() -> Iterator[JsonApiServer]:
    with JsonApiServer() as running:
        running.items = [{"sku": f"S-{number:02d}", "free": number} for number in range(23)]
        yield running


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that were asked for and not taken."""
    asked: list[float] = []
    monkeypatch.setattr("adapters.kit.api.pause", asked.append)
    return asked


def source(server: JsonApiServer, style: str = "page", **config: str) -> LiveSource:
    given = {
        "url": f"{server.url}/{style}",
        "paging": "" if style == "none" else style,
        **PLAIN,
        **PATHS,
        **config,
    }
    built: LiveSource = MANIFEST.build(given, SECRETS, ENVIRONMENT)
    return built


def read(supplier: LiveSource) -> list[tuple[str, str]]:
    return [(row.sku, str(row.quantity)) for row in supplier.api.rows()]


ALL = [(f"S-{number:02d}", str(number)) for number in range(23)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("total_path", ["data.total", ""], ids=["total", "no total"])
def test_every_style_of_paging_is_read_to_its_end(server: JsonApiServer, style: str, total_path: str) -> None:
    assert read(source(server, style, total_path=total_path)) == ALL


@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_pages_of_a_post_are_asked_for_in_its_body(server: JsonApiServer, style: str) -> None:
    supplier = source(
        server, style, method="POST", body='{"shop": {"id": 7}}', size_name="per_page", size="8"
    )

    assert read(supplier) == ALL
    assert all(given["shop"] == {"id": 7} and given["per_page"] == 8 for _, _, given in server.requests)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("auth", "config"),
    [
        ("none", {}),
        ("basic", {"auth": "basic", "username": USER}),
        ("bearer", {"auth": "bearer"}),
        ("header", {"auth": "header", "token_name": "X-Api-Key"}),
        ("query", {"auth": "query"}),
        ("oauth2", {"auth": "oauth2", "client_id": CLIENT_ID}),
        ("oauth2", {"auth": "oauth2", "client_id": CLIENT_ID, "client_style": "body", "scope": "stock"}),
    ],
)
@pytest.mark.parametrize("style", ["page", "next"])
def test_every_way_to_sign_in_goes_with_every_page(
    server: JsonApiServer, style: str, auth: str, config: dict[str, str]
) -> None:
    server.auth = auth

    assert read(source(server, style, token_url=f"{server.url}/token", **config)) == ALL


def test_a_token_is_kept_until_it_is_refused(server: JsonApiServer) -> None:
    server.auth = "oauth2"
    supplier = source(server, token_url=f"{server.url}/token", auth="oauth2", client_id=CLIENT_ID)
    read(supplier)
    read(supplier)
    assert len(server.tokens) == 1

    server.tokens.append("another")

    assert read(supplier) == ALL
    assert server.tokens == ["access-1", "another", "access-3"]


def test_a_next_page_at_another_host_is_not_followed(server: JsonApiServer) -> None:
    server.next_host = "https://elsewhere.example"
    for style in ("link", "next"):
        with pytest.raises(FileFault) as caught:
            read(source(server, style))
        assert caught.value.code == "paging"


@pytest.mark.parametrize("style", ["cursor", "link", "next"])
def test_pages_that_lead_in_a_circle_are_found_out(server: JsonApiServer, style: str) -> None:
    server.circles = True
    with pytest.raises(FileFault) as caught:
        read(source(server, style, total_path=""))
    assert caught.value.code == "paging"


@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_a_list_that_moves_while_it_is_read_is_read_again(
    server: JsonApiServer, tmp_path: Path, style: str
) -> None:
    server.moves = True
    supplier = source(server, style)

    feed = supplier.fetch(None, tmp_path)

    assert isinstance(feed, Feed)
    assert len(supplier.open(feed, ReadOptions()).digests()) == 22


def test_a_total_that_is_never_met_is_never_a_feed(server: JsonApiServer, tmp_path: Path) -> None:
    server.total_off_by = 1
    with pytest.raises(Retryable):
        source(server, "cursor").fetch(None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_is_paged_unawares_is_told(server: JsonApiServer) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(server, "page", paging="").check()
    assert (caught.value.field, "23 items and gave 10" in str(caught.value)) == ("paging", True)


def test_an_etag_spares_the_reading_of_a_single_page(server: JsonApiServer, tmp_path: Path) -> None:
    supplier = source(server, "none")
    feed = supplier.fetch(None, tmp_path)
    assert isinstance(feed, Feed)
    assert supplier.fetch(feed.mark, tmp_path) == NotModified()

    server.items[3]["free"] = 99
    assert isinstance(supplier.fetch(feed.mark, tmp_path), Feed)
    server.has_etag = False
    assert isinstance(supplier.fetch(feed.mark, tmp_path), Feed)
    assert [method for method, _, _ in server.requests] == [
        "HEAD",
        "GET",
        "HEAD",
        "HEAD",
        "GET",
        "HEAD",
        "GET",
    ]


def test_the_stated_rate_is_kept(server: JsonApiServer, waits: list[float]) -> None:
    assert read(source(server, "page", rate="2/10")) == ALL
    assert [round(wait) for wait in waits] == [5]

    with pytest.raises(RateLimited):
        read(source(server, "page", rate="1/999"))


def test_the_check_says_what_an_item_is(server: JsonApiServer) -> None:
    assert source(server).check() == "10 items of 23 came at first; the first is “S-00” with 0."


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"columns": "sku=sku, quantity=stock.free"}, "columns", "An item holds: sku, free."),
        ({"items_path": "data"}, "items_path", "Look at one answer"),
        ({"items_path": ""}, "items_path", "no list"),
        ({"total_path": "data.count"}, "total_path", "no number"),
    ],
)
def test_a_path_that_leads_nowhere_names_its_field(
    server: JsonApiServer, config: dict[str, str], field: str, words: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(server, **config).check()
    assert caught.value.field == field
    assert words in str(caught.value)


def test_an_unknown_address_is_told(server: JsonApiServer) -> None:
    with pytest.raises(NotFound):
        source(server, "elsewhere", paging="").check()


def test_values_become_what_intake_reads(server: JsonApiServer) -> None:
    server.items = [
        {
            "n": 17,
            "ok": True,
            "eta": "2026-12-03T08:00:00+01:00",
            "cost": 1.10,
            "at": {"name": "WH"},
            "days": 14,
        },
        {"n": "x\ty", "ok": False, "eta": "03.12.2026", "cost": None, "at": None, "days": "2 weeks"},
    ]
    columns = "sku=n, quantity=ok, restock_date=eta, cost=cost, location=at.name, lead_time_days=days"

    first, second = source(server, "none", columns=columns).api.rows()

    assert (first.sku, first.quantity, first.restock_on, first.cost) == ("17", "true", "2026-12-03", "1.1")
    assert (first.location, first.lead_time_days) == ("WH", "14")
    assert (second.quantity, second.restock_on, second.cost, second.location) == (
        "false",
        "03.12.2026",
        "",
        "",
    )


def test_what_is_named_in_the_settings_is_what_the_table_tells(server: JsonApiServer) -> None:
    supplier = source(server, columns="id=sku; gtin=sku\nquantity=free, name=sku,")

    assert isinstance(supplier.api, JsonListing)
    assert supplier.api.fields == (("gtin", "gtin"), ("quantity", "quantity"))
    assert supplier.reads_incoming is False


DOCUMENT = {
    "stock": [{"place": "WH", "levels": [{"free": 3}, {"free": Decimal("4.50")}]}, {"place": 7}],
    "n": 0,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", DOCUMENT),
        ("n", 0),
        ("stock[0].levels[1].free", Decimal("4.50")),
        ("stock[place=WH].levels[0].free", 3),
        ("stock[place=7].place", 7),
        ("stock[place=EAST].levels", None),
        ("stock[9]", None),
        ("n.deeper", None),
        ("stock.levels", None),
        ("n[0]", None),
    ],
)
def test_a_path_finds_what_is_there(path: str, value: Any) -> None:
    assert find(DOCUMENT, steps(path)) == value


@pytest.mark.parametrize("path", [".a", "a..b", "a.", "a[", "a[x]", "a[0", "a]b", "[]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        steps(path)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url": "api.example"}, "url"),
        ({"url": "https://a:b@api.example"}, "url"),
        ({"method": "DELETE"}, "method"),
        ({"columns": "sku=sku"}, "columns"),
        ({"columns": "quantity=free"}, "columns"),
        ({"columns": "sku=sku, quantity=free, colour=c"}, "columns"),
        ({"columns": "sku=a..b, quantity=free"}, "columns"),
        ({"items_path": "a["}, "items_path"),
        ({"paging": "scroll"}, "paging"),
        ({"paging": "cursor", "cursor_path": ""}, "cursor_path"),
        ({"paging": "next", "next_path": ""}, "next_path"),
        ({"paging": "link", "method": "POST"}, "paging"),
        ({"body": "{}"}, "body"),
        ({"method": "POST", "body": "[1]"}, "body"),
        ({"method": "POST", "body": "{"}, "body"),
        ({"auth": "magic"}, "auth"),
        ({"auth": "basic"}, "username"),
        ({"auth": "header", "token_name": "X Key"}, "token_name"),
        ({"auth": "header", "token_name": "Host"}, "token_name"),
        ({"auth": "oauth2"}, "token_url"),
        ({"auth": "oauth2", "token_url": "https://a.example/t"}, "client_id"),
        (
            {"auth": "oauth2", "token_url": "https://a.example/t", "client_id": "c", "client_style": "x"},
            "client_style",
        ),
        ({"rate": "fast"}, "rate"),
        ({"rate": "0/60"}, "rate"),
        ({"size": "many"}, "size"),
    ],
)
def test_an_impossible_setting_names_its_field(config: dict[str, str], field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build({"url": "https://api.example/stock", **PLAIN, **PATHS, **config}, SECRETS, ENVIRONMENT)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("auth", "name"), [("bearer", "token"), ("query", "token"), ("oauth2", "client_secret")]
)
def test_a_missing_secret_names_its_field(auth: str, name: str) -> None:
    config = {
        "url": "https://api.example",
        **PLAIN,
        "auth": auth,
        "token_url": "https://a.example",
        "client_id": "c",
    }
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, {}, ENVIRONMENT)
    assert caught.value.field == name
