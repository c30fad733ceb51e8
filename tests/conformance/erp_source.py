"""The misbehaviour that the twins of `simulator.erp` share, as `ApiSource` asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.ports.suppliers import Supplier
from connector.registry import Environment, Manifest
from simulator.erp import ErpServer

HOME = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)


class ErpSource:
    """Give `stock`, `order` and `refuse_credentials`."""

    page_size = 10
    tells_change = True
    has_orders = True
    tells_days = True
    secrets: Sequence[str] = ()

    def __init__(
        self, server: Any, manifest: Manifest, config: dict[str, str], secrets: dict[str, str]
    ) -> None:
        self.server: ErpServer = server
        self.least_wait_s = self.server.least_wait_s
        self.supplier: Supplier = manifest.build(config, secrets, HOME)

    def fail_next(self, times: int) -> None:
        self.server.dials.fail_next += ["error"] * times

    def throttle_next(self, times: int) -> None:
        self.server.dials.fail_next += ["throttle"] * times

    def break_after(self, pages: int) -> None:
        self.server.breaks_after = self.server.lists + pages

    def answer_page(self) -> None:
        self.server.shows_page = True

    def leak(self) -> None:
        self.server.leaks = " and ".join(self.secrets)

    def calls(self) -> int:
        return self.server.count
