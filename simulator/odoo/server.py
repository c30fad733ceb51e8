"""Odoo's two doors on loopback: JSON-2 (from 19 on) and XML-RPC (to 19), with its refusals and its faults.

`dials` misbehave as on other servers; `leaks` puts what a careless server would into its error messages.
"""

from __future__ import annotations

import json
import threading
import xmlrpc.client
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from simulator.dials import Dials
from simulator.odoo.model import Database, Failure, Record
from simulator.server import ServerThread, cut_connection

KEY, LOGIN = "odoo-test-api-key", "admin"
_PAGE = b"<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>%s</p>\n"
_NO_DATABASE = (
    b"No database is selected and the requested URL was not found in the server-wide controllers."
    b"\n<!-- Alternatively, use the X-Odoo-Database header. -->"
)


class OdooServer:
    """Serves `database` at `url`. Use as a context manager, or `start` and `stop`.

    `keys` API key → (user id, login). `calls` counts requests by (model, method), `statuses` answers by status.
    `fail_from`: every request after so many model calls fails with 500, as a database that goes away;
    `is_broken`: each fails as a module with a bug does.
    """

    def __init__(self, database: Database | None = None, dials: Dials | None = None, port: int = 0) -> None:
        self.database = database or Database()
        self.dials = dials or Dials()
        self.keys: dict[str, tuple[int, str]] = {KEY: (2, LOGIN)}
        self.calls: Counter[tuple[str, str]] = Counter()
        self.statuses: Counter[int] = Counter()
        self.fail_from: int | None = None
        self.leaks = ""
        self.sign_in_page = False
        self.is_broken = False
        self._lock = threading.Lock()
        self._server = ServerThread(self, port)
        self.port = self._server.port
        self.url = self._server.url

    def start(self) -> OdooServer:
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> OdooServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        fault = self.dials.roll()
        if fault in ("cut_before", "cut_after_success", "timeout_after_success"):
            cut_connection(environ)
            return []
        status, kind, body, headers = 500, "text/html", b"", {}
        if fault == "error" or self.dials.maintenance:
            status, body = 502, b"<html>Bad Gateway</html>"
        elif fault == "throttle":
            status, body, headers = 429, b"<html>Too Many Requests</html>", {"Retry-After": "7"}
        elif self.sign_in_page:
            status, body = 200, b"<!DOCTYPE html>\n<html><body>Log in</body></html>"
        else:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            with self._lock:
                status, kind, body = self._route(environ, environ["wsgi.input"].read(length))
        self.statuses[status] += 1
        start(
            f"{status} {HTTPStatus(status).phrase}",
            [("Content-Type", kind), ("Content-Length", str(len(body))), *headers.items()],
        )
        return [body]

    def _route(self, environ: dict[str, Any], body: bytes) -> tuple[int, str, bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        version = self.database.version
        if path == "/web/version" and method == "GET" and version >= 19:
            info = {"version_info": [version, 0, 0, "final", 0, ""], "version": f"{version}.0"}
            return 200, "application/json", json.dumps(info).encode()
        if path.startswith("/json/2/") and version >= 19:
            return self._json2(environ, path.removeprefix("/json/2/"), method, body)
        if path in ("/xmlrpc/2/common", "/xmlrpc/2/object") and version < 20:
            return self._xmlrpc(path.rpartition("/")[2], body)
        return 404, "text/html", _PAGE % b"Not Found"

    def _json2(self, environ: dict[str, Any], path: str, method: str, body: bytes) -> tuple[int, str, bytes]:
        if environ.get("HTTP_X_ODOO_DATABASE", self.database.name) != self.database.name:
            return 404, "text/html", _PAGE % _NO_DATABASE
        try:
            if method != "POST":
                said = "Did you mean POST /json/2/<model>/<method>?"
                raise Failure(404, "werkzeug.exceptions.NotFound", said)
            if environ.get("CONTENT_TYPE", "").partition(";")[0] != "application/json":
                return 415, "text/html", _PAGE % b"Unsupported Media Type"
            way, _, key = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            if way.lower() != "bearer":
                raise Failure(
                    401,
                    "werkzeug.exceptions.Unauthorized",
                    "User not authenticated, use an API Key with a Bearer Authorization header.",
                )
            if key not in self.keys:
                raise Failure(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
            try:
                given = json.loads(body)
            except ValueError as exc:
                said = f"could not parse the body as json: {exc}"
                raise Failure(400, "werkzeug.exceptions.BadRequest", said) from exc
            model, _, name = path.partition("/")
            found = self._do(self.keys[key], model, name, given)
        except Failure as failure:
            return failure.status, "application/json", json.dumps(self._told(failure)).encode()
        return 200, "application/json", json.dumps(found, ensure_ascii=False).encode()

    def _told(self, failure: Failure) -> dict[str, Any]:
        message = f"{failure.message}{self.leaks}"
        arguments = [message] if failure.name.startswith(("builtins", "odoo")) else [message, failure.status]
        debug = f'Traceback (most recent call last):\n  File "/usr/lib/python3/odoo/http.py"\n{message}\n'
        return {
            "name": failure.name,
            "message": message,
            "arguments": arguments,
            "context": {},
            "debug": debug,
        }

    def _do(self, user: tuple[int, str], model: str, name: str, given: dict[str, Any]) -> Any:
        self.calls[model, name] += 1
        if self.fail_from is not None and sum(self.calls.values()) > self.fail_from:
            raise Failure(500, "psycopg2.OperationalError", "server closed the connection unexpectedly")
        if self.is_broken:
            raise Failure(500, "builtins.KeyError", "no such thing")
        given = dict(given)
        context = given.pop("context", {})
        if name.startswith("_"):
            said = f"Private methods (such as '{model}.{name}') cannot be called remotely."
            raise Failure(403, "odoo.exceptions.AccessError", said)
        if model == "res.users" and name == "context_get":
            return {"lang": "en_US", "tz": False, "uid": user[0]}
        if name not in ("search", "search_read", "search_count", "write", "create", "action_apply_inventory"):
            self.database.search(user[1], model, [])
            said = f"The method '{model}.{name}' does not exist"
            raise Failure(404, "werkzeug.exceptions.NotFound", said)
        if name in ("write", "create", "action_apply_inventory"):
            return self._change(model, name, given)
        fields = given.pop("fields", None)
        unknown = set(given) - {"domain", "order", "limit", "offset"}
        if unknown:
            said = f"BaseModel._read_format() got an unexpected keyword argument '{sorted(unknown)[0]}'"
            raise Failure(500, "builtins.TypeError", said)
        found = self.database.search(user[1], model, context=context, **given)
        if name == "search_count":
            return len(found)
        if name == "search":
            return [one["id"] for one in found]
        return self.database.read(model, found, fields, context)

    def _change(self, model: str, name: str, given: dict[str, Any]) -> Any:
        """The few writes that the recordings hold, with what they do elsewhere."""
        base = self.database
        if name == "create":
            return [self._counted(values) for values in given["vals_list"]]
        for id_ in given["ids"]:
            if name == "action_apply_inventory":
                self._apply(base.tables["stock.quant"][id_])
                continue
            base.put(model, id_, **given["vals"])
            if model == "purchase.order.line" and "date_planned" in given["vals"]:
                for move in list(base.tables["stock.move"].values()):
                    if move.get("purchase_line_id") == id_ and move["state"] not in ("done", "cancel"):
                        # Odoo moves the deadline and leaves the date as it was.
                        base.put("stock.move", move["id"], date_deadline=given["vals"]["date_planned"])
        return None if name == "action_apply_inventory" else True

    def _counted(self, values: Record) -> int:
        for one in self.database.tables["stock.quant"].values():
            if (one["product_id"], one["location_id"]) == (values["product_id"], values["location_id"]):
                return self.database.put("stock.quant", one["id"], **values)
        return self.database.put("stock.quant", quantity=0.0, reserved_quantity=0.0, **values)

    def _apply(self, quant: Record) -> None:
        counted = float(quant["inventory_quantity"])
        product = self.database.tables["product.product"][quant["product_id"]]
        self.database.put(
            "stock.move",
            product_id=quant["product_id"],
            product_uom=product.get("uom_id", False),
            product_uom_qty=abs(counted - quant["quantity"]),
            quantity=abs(counted - quant["quantity"]),
            location_id=False,
            location_dest_id=quant["location_id"],
            state="done",
            date=self.database.now.strftime("%Y-%m-%d %H:%M:%S"),
        )
        self.database.put("stock.quant", quant["id"], quantity=counted)

    def _xmlrpc(self, service: str, body: bytes) -> tuple[int, str, bytes]:
        try:
            given, name = xmlrpc.client.loads(body)
            found = self._answer(service, str(name), given)
            content = xmlrpc.client.dumps((found,), methodresponse=True, allow_none=True)
        except Failure as failure:
            said = f"{failure.message}{self.leaks}"
            if failure.code == 1:
                name = failure.name.removeprefix("builtins.")
                said = f'Traceback (most recent call last):\n  File "odoo/http.py"\n{name}: {said}\n'
            if failure.status == 404:
                said = f"Object {failure.message.split(chr(39))[1]} doesn't exist"
            content = xmlrpc.client.dumps(xmlrpc.client.Fault(failure.code, said))
        return 200, "text/xml; charset=utf-8", content.encode()

    def _answer(self, service: str, name: str, given: tuple[Any, ...]) -> Any:
        version = self.database.version
        if service == "common" and name == "version":
            info = [version, 0, 0, "final", 0, ""]
            return {"server_version": f"{version}.0", "server_version_info": info,
                    "server_serie": f"{version}.0", "protocol_version": 1}  # fmt: skip
        if given[0] != self.database.name:
            said = f'psycopg2.OperationalError: FATAL:  database "{given[0]}" does not exist'
            raise Failure(500, "psycopg2.OperationalError", said)
        if service == "common" and name == "authenticate":
            user_id, login = self.keys.get(given[2], (0, ""))
            return user_id if login == given[1] and user_id else False
        _, user_id, key, model, method, args, kwargs = (*given, {}) if len(given) == 6 else given
        user = self.keys.get(key)
        if user is None or user[0] != user_id:
            raise Failure(401, "odoo.exceptions.AccessDenied", "Access Denied", code=3)
        named = dict(zip(("domain", "fields", "offset", "limit"), args, strict=False))
        return self._do(user, model, method, {**named, **kwargs})
