"""A JSON API keeps the promises of live sources: numbered pages with OAuth, and cursors in a POST."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from adapters.suppliers.json_api import MANIFEST
from connector.registry import Environment
from simulator.json_api import CLIENT_ID, CLIENT_SECRET, TOKEN, JsonApiServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order

COLUMNS = "id=key, sku=code, quantity=stock.levels[place=MAIN].free, cost=price"
OAUTH = {"auth": "oauth2", "client_id": CLIENT_ID}


class JsonSource:
    page_size = 10
    secrets: Sequence[str] = (TOKEN, CLIENT_SECRET, "access-1")
    least_wait_s = 7.0
    tells_change = False
    has_orders = False

    def __init__(self, server: JsonApiServer, style: str, auth: str, **config: str) -> None:
        self.server = server
        server.auth = auth
        server.page_size = self.page_size
        given = {
            "url": f"{server.url}/{style}", "columns": COLUMNS, "items_path": "data.items", "paging": style,
            "total_path": "data.total", "auth": auth, **config,
        }  # fmt: skip
        if auth == "oauth2":
            given |= {"token_url": f"{server.url}/token", "client_id": CLIENT_ID}
        environment = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)
        self.supplier: Any = MANIFEST.build(
            given, {"token": TOKEN, "client_secret": CLIENT_SECRET}, environment
        )

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.server.items = [
            {
                "key": number,
                "code": sku,
                "price": 2.5,
                "stock": {"levels": [{"place": "SHOP", "free": 500}, {"place": "MAIN", "free": units}]},
            }
            for number, (sku, units) in enumerate(items)
        ]

    def order(self, lines: Sequence[Order]) -> None:
        raise AssertionError("this platform knows nothing of orders")

    def refuse_credentials(self) -> None:
        self.server.is_refusing = True

    def fail_next(self, times: int) -> None:
        self.server.dials.fail_next += ["error"] * times

    def throttle_next(self, times: int) -> None:
        self.server.dials.fail_next += ["throttle"] * times

    def break_after(self, pages: int) -> None:
        self.server.fails_from = len(self.server.requests) + pages

    def answer_page(self) -> None:
        self.server.shows_page = True

    def leak(self) -> None:
        said = f'{{"error": "{TOKEN} and {CLIENT_SECRET} and access-1 are wrong"}}'
        self.server.error_body = said.encode()

    def calls(self) -> int:
        return len(self.server.requests)


class TestNumberedPagesWithOAuth(ApiSupplierConformance):
    @pytest.fixture
    def source(self, waits: list[float]) -> Iterator[ApiSource]:
        with JsonApiServer() as server:
            yield JsonSource(server, "page", "oauth2")


class TestCursorsInAPost(ApiSupplierConformance):
    @pytest.fixture
    def source(self, waits: list[float]) -> Iterator[ApiSource]:
        with JsonApiServer() as server:
            yield JsonSource(server, "cursor", "bearer", method="POST", cursor_path="meta.cursor")
