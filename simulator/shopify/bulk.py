"""Bulk queries: run a query over everything and leave the result as JSON lines at an address.

The query runs in the background, over the shop as it is meanwhile; the operation reports RUNNING until it
is through and for at least `polls` polls. Lines are grouped: each object is followed by its children,
which name it `__parentId`.
"""

from __future__ import annotations

import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

from graphql import DocumentNode, GraphQLError, parse, validate

from simulator.shopify.model import gid, stamp

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

AT_ONCE = 5


class Bulk:
    """The bulk operations of one app and shop. `fail_next` makes the next one end FAILED."""

    def __init__(self, server: ShopifyServer, polls: int = 1) -> None:
        self.server = server
        self.polls = polls
        self.fail_next = False
        self._numbers = itertools.count(720_001)
        self._operations: dict[str, dict[str, Any]] = {}
        self._left: dict[str, int] = {}
        self._results: dict[str, bytes] = {}

    def run(self, query: str) -> dict[str, Any]:
        if sum(one["status"] == "RUNNING" for one in self._operations.values()) >= AT_ONCE:
            message = "A bulk query operation for this app and shop is already in progress."
            return _refusal("OPERATION_IN_PROGRESS", message)
        try:
            document = parse(query)
        except GraphQLError as exc:
            return _refusal("INVALID", f"Invalid bulk query: {exc.message}")
        errors = validate(self.server.schema, document)
        if errors or "edges" not in query:
            why = errors[0].message if errors else "Bulk queries must contain at least one connection."
            return _refusal("INVALID", f"Invalid bulk query: {why}")
        number = gid("BulkOperation", next(self._numbers))
        self._left[number] = self.polls
        self._operations[number] = {
            "__typename": "BulkOperation",
            "id": number,
            "type": "QUERY",
            "status": "RUNNING",
            "errorCode": None,
            "createdAt": stamp(self.server.shop.now()),
            "completedAt": None,
            "objectCount": "0",
            "rootObjectCount": "0",
            "fileSize": None,
            "url": None,
            "partialDataUrl": None,
        }
        created = {**self._operations[number], "status": "CREATED"}
        threading.Thread(target=self._work, args=(number, document), daemon=True).start()
        return {"bulkOperation": created, "userErrors": []}

    def _work(self, number: str, document: DocumentNode) -> None:
        operation = self._operations[number]
        result = self.server.execute_unpaged(document)
        if result.errors or result.data is None:
            operation.update(status="FAILED", errorCode="INTERNAL_SERVER_ERROR")
            return
        lines: list[dict[str, Any]] = []
        for value in result.data.values():
            _flatten(value, None, lines)
        operation["objectCount"] = str(len(lines))
        operation["rootObjectCount"] = str(sum("__parentId" not in line for line in lines))
        self._results[number.rsplit("/", 1)[1]] = b"".join(
            json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines
        )

    def show(self, number: str) -> dict[str, Any] | None:
        """The operation as a poll sees it; each poll brings it nearer its end."""
        one = self._operations.get(number)
        if one is None or one["status"] != "RUNNING":
            return one
        self._left[number] -= 1
        tail = number.rsplit("/", 1)[1]
        if self._left[number] < 0 and tail in self._results:
            one["completedAt"] = stamp(self.server.shop.now())
            if self.fail_next:
                self.fail_next = False
                one.update(status="FAILED", errorCode="INTERNAL_SERVER_ERROR")
            else:
                body = self._results[tail]
                # Shopify gives no address when there is nothing to fetch.
                url = f"{self.server.url}/bulk/{tail}.jsonl" if body else None
                one.update(status="COMPLETED", url=url, fileSize=str(len(body)))
        return one

    def result(self, tail: str) -> bytes | None:
        return self._results.get(tail)


def _flatten(value: Any, parent: str | None, lines: list[dict[str, Any]]) -> None:
    """Append the nodes of a connection, each followed by those of its own connections."""
    for edge in value["edges"]:
        node = edge["node"]
        children = {key: inner for key, inner in node.items() if isinstance(inner, dict) and "edges" in inner}
        line = {key: inner for key, inner in node.items() if key not in children}
        if parent is not None:
            line["__parentId"] = parent
        lines.append(line)
        for inner in children.values():
            _flatten(inner, node["id"], lines)


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"bulkOperation": None, "userErrors": [{"code": code, "field": ["query"], "message": message}]}
