"""The recordings of a real Odoo 19: as answers to replay, and as the world its twin holds."""

from __future__ import annotations

import json
import xmlrpc.client
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from simulator.odoo import Database
from simulator.server import ServerThread

CASSETTES = Path(__file__).parent.parent / "recorded" / "odoo" / "cassettes"


@dataclass(frozen=True)
class Recorded:
    """One recorded request and its answer."""

    cassette: str
    method: str
    path: str
    body: str
    headers: dict[str, str]
    status: int
    answer: str

    @property
    def json(self) -> Any:
        return json.loads(self.answer)

    @property
    def xml(self) -> Any:
        """The answer's value, or the Fault."""
        try:
            return xmlrpc.client.loads(self.answer)[0][0]
        except xmlrpc.client.Fault as fault:
            return fault


@cache
def recorded(name: str) -> tuple[Recorded, ...]:
    """The calls of one cassette, in order."""
    loaded = yaml.load((CASSETTES / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)
    found = []
    for one in loaded["interactions"]:
        request, response = one["request"], one["response"]
        body = request["body"] or ""
        found.append(
            Recorded(
                name,
                request["method"],
                request["uri"].removeprefix("https://odoo.example"),
                body if isinstance(body, str) else body.decode(),
                {key.lower(): values[0] for key, values in request["headers"].items()},
                response["status"]["code"],
                response["body"]["string"],
            )
        )
    return tuple(found)


class Replay:
    """Plays recorded answers on loopback: those of one path in the order given, then empty lists."""

    def __init__(self, *answers: Recorded) -> None:
        self._left: dict[str, list[Recorded]] = defaultdict(list)
        for one in answers:
            self._left[one.path].append(one)
        self.asked: list[tuple[str, str]] = []
        self._server = ServerThread(self)
        self.url = self._server.url

    def __enter__(self) -> Replay:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(
            (path, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode())
        )
        queue = self._left[path]
        empty = xmlrpc.client.dumps(([],), methodresponse=True) if path.startswith("/xmlrpc") else "[]"
        status, answer = (queue[0].status, queue.pop(0).answer) if queue else (200, empty)
        start(f"{status} {HTTPStatus(status).phrase}", [("Content-Type", "application/json")])
        return [answer.encode()]


def world() -> Database:
    """The twin's database with what the recordings were made of."""
    base = Database()
    base.languages = {"en_US": {}, "fr_FR": {2: "Bouilloire 2", 26: "T-shirt"}}
    base.denied["reader"] = {"purchase.order.line", "purchase.order"}
    for cassette, at, model in (
        ("json2_warehouses", 0, "stock.warehouse"),
        ("json2_stock_by_location", 0, "stock.location"),
        ("json2_uoms", 0, "uom.uom"),
        ("json2_products_stock", 0, "product.product"),
        ("json2_products_archived", 1, "product.product"),
        ("json2_stock_quants", 0, "stock.quant"),
        ("json2_purchase_orders", 0, "purchase.order"),
        ("json2_purchase_lines_all_states", 0, "purchase.order.line"),
        ("json2_stock_moves_incoming", 0, "stock.move"),
    ):
        for one in recorded(cassette)[at].json:
            _take(base, model, one)
    base.put("stock.location", 8, complete_name="Partners/Vendors", usage="supplier", warehouse_id=False)
    for move in base.tables["stock.move"].values():
        move.update(picking_code="incoming", location_id=8)
    # A delivery that reserves 2 of SKU-001 and 3 of SKU-002.
    for id_, (product, units) in enumerate(((1, 2.0), (2, 3.0)), 1):
        base.put(
            "stock.move", id_, product_id=product, product_uom=1, product_uom_qty=units, state="assigned",
            picking_code="outgoing", location_id=5, location_dest_id=False, date="2026-11-22 08:00:00",
        )  # fmt: skip
    return base


def _take(base: Database, model: str, one: dict[str, Any]) -> None:
    from simulator.odoo.model import _COMPUTED, _TARGETS

    values = {}
    for name, value in one.items():
        if name in _COMPUTED or name == "available_quantity" or name == "id":
            continue
        if name in _TARGETS and isinstance(value, list):
            id_, label = value
            target = base.tables[_TARGETS[name]].setdefault(
                id_, {"id": id_, "usage": "view", "active": False}
            )
            target.setdefault("display_name", label)
            value = id_
        values[name] = value
    base.put(model, one["id"], **values)
