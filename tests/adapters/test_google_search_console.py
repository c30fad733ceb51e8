"""The Search Console adapter against the simulated one: over HTTP, with real signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.search.google_search_console import MANIFEST, build, site_of
from adapters.search.google_search_console.adapter import SearchConsole, inspection_of
from adapters.search.google_search_console.client import to_port_error
from adapters.search.google_search_console.page import offered
from connector.ports.errors import Misconfigured, PortError, RateLimited, Rejected, Retryable, Unauthorized
from connector.ports.search import Look, MarkupIssue
from connector.registry import Environment, manifest
from simulator.search_console import Page, PageFacts, SearchConsoleServer, product_page
from tests.conformance.search import FIRST, LAST, SearchConformance
from tests.support import ManualClock


@pytest.fixture(scope="module")
def running() -> Iterator[SearchConsoleServer]:
    # One server for the module: making a key and a thread takes longer than all the questions.
    with SearchConsoleServer() as server:
        yield server


@pytest.fixture
def server(running: SearchConsoleServer) -> SearchConsoleServer:
    """The server as new: 2026-01-05, three pages."""
    fresh = type(running.dials)()
    running.dials = fresh
    running.clock = ManualClock()
    running.is_key_valid = True
    running.refresh_tokens = {"refresh-1"}
    running.end_tokens()
    running.sites = {running.site: "siteOwner", "sc-domain:other.example": "siteUnverifiedUser"}
    running._used.clear()
    running.calls.clear()
    running.inspected.clear()
    days = [FIRST, LAST]
    numbers = {"a": (5, 50), "b": (3, 30), "c": (0, 10)}
    running.pages.clear()
    for name, (clicks, impressions) in numbers.items():
        half = (clicks // 2, impressions // 2)
        rest = (clicks - half[0], impressions - half[1])
        before = FIRST - timedelta(days=1)
        traffic = {**dict(zip(days, (half, rest), strict=True)), before: (100, 100)}
        running.pages[name] = Page(html=product_page(name, "InStock"), traffic=traffic)
    running.pages["b"].facts = PageFacts("NEUTRAL", "Not found (404)", "NOT_FOUND")
    running.pages["c"].facts = PageFacts(
        "NEUTRAL", "Excluded by ‘noindex’ tag", indexing="BLOCKED_BY_META_TAG"
    )
    return running


def connect(server: SearchConsoleServer, *, by_user: bool = False, **config: str) -> SearchConsole:
    settings, secrets = server.connection(by_user=by_user)
    environment = Environment(allowed_private_hosts=server.hosts, timeout_s=5)
    return build({**settings, **config}, secrets, environment)


class _Engine:
    def __init__(self, server: SearchConsoleServer, *, by_user: bool) -> None:
        self._server = server
        self.search = connect(server, by_user=by_user)
        self.secrets = (
            server.client["client_secret"],
            *server.refresh_tokens,
            json.loads(server.service_account())["private_key"],
        )

    def url(self, page: str) -> str:
        return self._server.page_url(page)

    def rows_at_once(self, most: int) -> None:
        self._server.dials.most_rows = most

    def forbid_the_site(self) -> None:
        self._server.sites[self._server.site] = "siteUnverifiedUser"

    def use_up_the_day(self) -> None:
        self._server.dials.inspections_a_day = 0

    def throttle_next(self) -> None:
        self._server.dials.fail_next.append("throttle")

    def fail_next(self) -> None:
        self._server.dials.fail_next.append("error")

    def cut_next(self) -> None:
        self._server.dials.fail_next.append("cut_before")

    def end_access(self) -> None:
        self._server.end_tokens()

    def revoke_credentials(self) -> None:
        self._server.refuse_sign_in()


class TestByServiceAccount(SearchConformance):
    @pytest.fixture
    def engine(self, server: SearchConsoleServer) -> _Engine:
        return _Engine(server, by_user=False)


class TestByUser(SearchConformance):
    @pytest.fixture
    def engine(self, server: SearchConsoleServer) -> _Engine:
        return _Engine(server, by_user=True)


def test_the_manifest_is_found_by_the_registry() -> None:
    assert manifest("search", "google_search_console") is MANIFEST
    assert ["service_account_key", "client_secret", "refresh_token"] == [
        field.name for field in MANIFEST.fields if field.is_secret
    ]


def test_building_asks_nobody_and_the_only_site_is_found(server: SearchConsoleServer) -> None:
    search = connect(server, site="")
    assert [] == server.calls
    assert server.site == search.check().site
    # Read data of an unnamed site cannot be asked for; there are two to choose from now.
    server.sites["sc-domain:shop.example"] = "siteFullUser"
    with pytest.raises(Misconfigured) as caught:
        search.check()
    assert ("site", True) == (caught.value.field, "sc-domain:shop.example" in caught.value.cause)


def test_a_throttled_site_is_not_asked_again_until_its_time(server: SearchConsoleServer) -> None:
    search = connect(server)
    search.sites()
    asked = len(server.calls)
    server.dials.fail_next.append("throttle")
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            search.sites()
    assert asked + 1 == len(server.calls)
    assert 899 < caught.value.retry_after_s <= 900


def test_the_key_files_own_token_endpoint_is_not_believed(server: SearchConsoleServer) -> None:
    # The simulated key file names elsewhere.example; reaching it would fail this test.
    assert server.email == connect(server).check().name
    assert ("POST", "/token") == server.calls[0]


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        pytest.param({}, {}, "service_account_key", id="nothing to sign in with"),
        pytest.param({}, {"service_account_key": "{}"}, "service_account_key", id="not a key"),
        pytest.param({}, {"service_account_key": "[1]"}, "service_account_key", id="a list"),
        pytest.param(
            {},
            {"service_account_key": '{"client_email": "a@b", "private_key": "x"}'},
            "service_account_key",
            id="not PEM",
        ),
        pytest.param({}, {"refresh_token": "r", "client_secret": "s"}, "client_id", id="no client"),
        pytest.param({"client_id": "c"}, {"refresh_token": "r"}, "client_secret", id="no client secret"),
        pytest.param({"client_id": "c"}, {"client_secret": "s"}, "refresh_token", id="no refresh token"),
        pytest.param({"site": "ftp://shop.example"}, {"all": ""}, "site", id="no web address"),
        pytest.param({"site": "shop"}, {"all": ""}, "site", id="no domain"),
        pytest.param({"endpoint": "https://evil.example"}, {"all": ""}, "endpoint", id="another's endpoint"),
        pytest.param(
            {"token_uri": "http://127.0.0.1:1@evil.example/"}, {"all": ""}, "token_uri", id="disguised"
        ),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    if "all" in secrets:
        config, secrets = {**config, "client_id": "c"}, {"client_secret": "s", "refresh_token": "r"}
    with pytest.raises(Misconfigured) as caught:
        build(config, secrets, Environment(allowed_private_hosts=frozenset({"127.0.0.1:1"})))
    assert (field, True) == (caught.value.field, caught.value.remedy != "")


@pytest.mark.parametrize(
    ("site", "url", "is_covered"),
    [
        ("shop.example", "https://www.shop.example/p/1", True),
        ("shop.example", "http://shop.example/", True),
        ("shop.example", "https://evilshop.example/", False),
        ("https://www.shop.example", "https://www.shop.example/p/1", True),
        ("https://www.shop.example", "http://www.shop.example/p/1", False),
        ("https://www.shop.example/fr/", "https://www.shop.example/en/p", False),
        ("shop.example", "http://[", False),
    ],
)
def test_a_property_covers_what_google_says_it_does(site: str, url: str, is_covered: bool) -> None:
    secrets = {"client_secret": "s", "refresh_token": "r"}
    assert is_covered == build({"site": site, "client_id": "c"}, secrets, Environment()).covers(url)
    assert site_of(site_of(site)) == site_of(site)


@pytest.mark.parametrize(
    ("status", "reason", "state", "error", "detail"),
    [
        (403, "quotaExceeded", "PERMISSION_DENIED", RateLimited, 900.0),
        (429, "rateLimitExceeded", "RESOURCE_EXHAUSTED", RateLimited, 900.0),
        (403, "accessNotConfigured", "PERMISSION_DENIED", Misconfigured, "service_account_key"),
        (403, "forbidden", "PERMISSION_DENIED", Misconfigured, "site"),
        (401, "authError", "UNAUTHENTICATED", Unauthorized, None),
        (400, "badRequest", "INVALID_ARGUMENT", Rejected, None),
        (503, "backendError", "UNAVAILABLE", Retryable, None),
    ],
)
def test_googles_error_becomes_the_ports(
    status: int, reason: str, state: str, error: type[PortError], detail: str | float | None
) -> None:
    body = {"error": {"code": status, "message": "Words.", "status": state, "errors": [{"reason": reason}]}}
    found = to_port_error(status, body, "page")
    assert error is type(found)
    assert detail == getattr(found, "field", getattr(found, "retry_after_s", None))


def test_an_error_without_googles_body_goes_by_its_status() -> None:
    assert RateLimited is type(to_port_error(429, None, "page"))
    assert Retryable is type(to_port_error(502, {"error": "text"}, "page"))
    limited = to_port_error(429, None, "page", {"Retry-After": "7"})
    assert isinstance(limited, RateLimited)
    assert 7.0 == limited.retry_after_s


@pytest.mark.parametrize(
    ("index", "fault"),
    [
        ({"verdict": "PASS", "pageFetchState": "SUCCESSFUL"}, ""),
        ({"pageFetchState": "SOFT_404"}, "soft_404"),
        ({"pageFetchState": "BLOCKED_4XX"}, "denied"),
        ({"pageFetchState": "SERVER_ERROR", "indexingState": "BLOCKED_BY_META_TAG"}, "server_error"),
        ({"robotsTxtState": "DISALLOWED"}, "blocked"),
        ({"coverageState": "Page with redirect", "pageFetchState": "SUCCESSFUL"}, "redirect"),
        ({"pageFetchState": "REDIRECT_ERROR"}, "redirect_error"),
        ({"indexingState": "BLOCKED_BY_HTTP_HEADER"}, "noindex"),
        ({}, ""),
    ],
)
def test_the_reason_that_hides_a_page_is_the_first_one(index: dict[str, str], fault: str) -> None:
    assert fault == inspection_of({"indexStatusResult": index}, "https://shop.example/p").fault


def test_an_issue_of_many_items_is_told_once(server: SearchConsoleServer) -> None:
    wrong = ("Merchant listings", "Missing field ‘price’", "ERROR")
    weak = ("Merchant listings", "Missing field ‘gtin’", "WARNING")
    server.pages["a"].facts = PageFacts(issues=(wrong, wrong, weak), canonical="https://shop.example/x")
    found = connect(server).inspect(server.page_url("a"))
    assert (MarkupIssue(*wrong[:2], True), MarkupIssue(*weak[:2], False)) == found.issues
    assert ("https://shop.example/x", datetime(2026, 1, 3, 4, 5, 6, tzinfo=UTC)) == (
        found.canonical,
        found.crawled_at,
    )
    assert found.report_url.startswith("https://search.google.com/")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(Page(html=product_page("x", "InStock")), Look(200, offered="in_stock"), id="in stock"),
        pytest.param(Page(html=product_page("x", "OutOfStock")), Look(200, offered="sold_out"), id="out"),
        pytest.param(Page(html=product_page("x")), Look(200), id="no structured data"),
        pytest.param(
            Page(html=product_page("x", robots="noindex,follow")), Look(200, is_noindex=True), id="noindex"
        ),
        pytest.param(Page(robots_header="none"), Look(200, is_noindex=True), id="noindex by header"),
        pytest.param(Page(status=404), Look(404), id="gone"),
        pytest.param(Page(status=503), Look(503), id="broken"),
        pytest.param(Page(status=302, location="/shop/b"), Look(302, "{site}b"), id="redirect"),
    ],
)
def test_a_look_tells_what_the_page_answers_now(
    server: SearchConsoleServer, page: Page, expected: Look
) -> None:
    server.pages["x"] = page
    found = connect(server).look(server.page_url("x"))
    location = expected.location.replace("{site}", server.site)
    assert Look(expected.status, location, expected.is_noindex, expected.offered) == found


def test_a_page_that_does_not_answer_has_status_zero() -> None:
    secrets = {"client_secret": "s", "refresh_token": "r"}
    config = {"site": "http://127.0.0.1:9/", "client_id": "c"}
    environment = Environment(allowed_private_hosts=frozenset({"127.0.0.1:9"}), timeout_s=2)
    assert Look(0) == build(config, secrets, environment).look("http://127.0.0.1:9/p")


HERE = "https://www.shop.example/p/vase"


def _data(*values: object) -> list[str]:
    return [json.dumps(value) for value in values]


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (_data({"@type": "Product", "offers": [{"availability": "http://schema.org/InStock"}]}), "in_stock"),
        (_data({"@type": "Product", "offers": {"availability": "OutOfStock"}}), "sold_out"),
        (_data({"@type": "Product", "offers": {"availability": {"@id": "schema:x/SoldOut"}}}), "sold_out"),
        (_data({"@type": "Product", "offers": {"availability": "https://schema.org/BackOrder"}}), "in_stock"),
        (_data({"@type": "Product", "offers": {"availability": "https://schema.org/InStoreOnly"}}), ""),
        (_data({"@graph": [{"@type": ["Product"], "offers": {"availability": "SoldOut"}}]}), "sold_out"),
        (
            _data(
                {
                    "@type": "ProductGroup",
                    "hasVariant": [
                        {"@type": "Product", "offers": {"@type": "Offer", "availability": "OutOfStock"}},
                        {"@type": "Product", "offers": {"@type": "Offer", "availability": "InStock"}},
                    ],
                }
            ),
            "in_stock",
        ),
        (["{broken", *_data({"@type": "Product", "offers": {"availability": "InStock"}})], "in_stock"),
        (_data({"@type": "Organization", "name": "Shop"}), ""),
        # Recommendations beside the product: only the one whose address this is counts.
        (
            _data(
                {"@type": "Product", "url": "/p/bowl", "offers": {"availability": "InStock"}},
                {"@type": "Product", "url": "/p/vase/?x=1", "offers": {"availability": "OutOfStock"}},
            ),
            "sold_out",
        ),
        (
            _data(
                {"@type": "Product", "offers": {"availability": "InStock"}},
                {"@type": "Product", "offers": {"availability": "OutOfStock"}},
            ),
            "",
        ),
        (_data([[1], None, "x"]), ""),
    ],
)
def test_structured_data_say_whether_the_product_can_be_bought(scripts: list[str], expected: str) -> None:
    assert expected == offered(scripts, HERE)
