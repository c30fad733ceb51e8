"""What the twins of all hubs let the conformance tests do alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.registry import Environment
from simulator.hub import Hub
from tests.conformance.api_suppliers import Order


def here(**also: Any) -> Environment:
    """An installation that may reach this machine."""
    return Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0, **also)


class HubSource:
    """See `tests.conformance.api_suppliers.ApiSource`; a hub adds `supplier`, `stock`, `refuse_credentials`."""

    page_size = 10
    secrets: Sequence[str] = ()
    least_wait_s = 7.0
    tells_change = False
    has_orders = False

    def __init__(self, server: Hub) -> None:
        self.server = server

    def order(self, lines: Sequence[Order]) -> None:
        raise AssertionError("a hub does not tell what it ordered")

    def fail_next(self, times: int) -> None:
        self.server.dials.fail_next += ["error"] * times

    def throttle_next(self, times: int) -> None:
        self.server.dials.fail_next += ["throttle"] * times

    def break_after(self, pages: int) -> None:
        self.server.fails_from = self.server.pages + pages

    def answer_page(self) -> None:
        self.server.shows_page = True

    def leak(self) -> None:
        self.server.leaks = f"No: {' and '.join(self.secrets)} are wrong"

    def calls(self) -> int:
        return len(self.server.asked)
