"""The simulated WooCommerce server: routing, keys, faults and the events that become webhooks."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.dials import Dials, Fault
from simulator.server import ServerThread, cut_connection
from simulator.shop import Change, Shop
from simulator.woocommerce import companion
from simulator.woocommerce import settings as options
from simulator.woocommerce.auth import ApiKey, KeyRing, forbidden
from simulator.woocommerce.coupons import Coupons
from simulator.woocommerce.grants import Grants
from simulator.woocommerce.hooks import Webhooks
from simulator.woocommerce.orders import Orders
from simulator.woocommerce.products import Products
from simulator.woocommerce.render import Shelf
from simulator.woocommerce.replies import Call, Reply, RestError, encode
from simulator.woocommerce.tags import Tags

_API = "/wp-json/wc/v3/"
_PLURAL, _ITEM, _BATCH = "GET, POST", "GET, POST, PUT, PATCH, DELETE", "POST, PUT, PATCH"
# nginx's defaults: a request line over 8 kB is 414, a response header over one 4 kB buffer is 502.
_LONGEST_URL = 8_190
_LONGEST_HEADER = 4_096


@dataclass(frozen=True)
class _Route:
    pattern: re.Pattern[str]
    label: str
    handlers: dict[str, Callable[..., Reply]]
    allow: str


class WooCommerceServer:
    """A shop on http://127.0.0.1:`port` (https with `tls`), speaking WooCommerce's REST API v3.

    `key` and `secret` are a read_write key; `keyring.keys` takes further ones. `calls` counts requests
    by "METHOD route" ("POST products/batch", "PUT products/<id>"), also those that were answered with a
    fault. May be turned while running: `dials`, `version`, `is_plain_permalinks`, `body_limit_bytes`
    (a proxy's limit, None for none), `has_plugin` (Dispo's companion plugin), `grants` (the page that hands
    out keys) and `settings`. Product pages lie below `storefront_url`, or at this server's own address.
    """

    def __init__(
        self,
        shop: Shop,
        *,
        key: str,
        secret: str,
        dials: Dials | None = None,
        port: int = 0,
        deliver_webhooks: bool = True,
        version: str = "11.0.1",
        tls: ssl.SSLContext | None = None,
        storefront_url: str = "",
        has_plugin: bool = False,
    ) -> None:
        self.shop = shop
        self.dials = dials or Dials()
        self.version = version
        self.is_plain_permalinks = False
        self.has_plugin = has_plugin
        self.body_limit_bytes: int | None = None
        self.calls: Counter[str] = Counter()
        self.keyring = KeyRing([ApiKey(key, secret)])
        self.grants = Grants(self.keyring, shop.name)
        self.settings = options.defaults(shop)
        self.shelf = Shelf(shop, self.settings, self._version(), storefront_url)
        self.products = Products(self.shelf, self._event)
        self.tags = Tags(self.shelf)
        self.companion = companion.Companion(self.shelf)
        self.orders = Orders(self.shelf, version)
        self.coupons = Coupons(shop)
        self.webhooks = Webhooks(shop, self.dials, self._webhook_body, lambda: f"{self.url}/", version)
        self._options = options.Settings(shop, self.settings, version)
        self._delivers = deliver_webhooks
        self._routes = self._table()
        self._server = ServerThread(self, port, tls)
        self.url = self._server.url

    def start(self) -> WooCommerceServer:
        self.shop.listeners.append(self._changed)
        if self._delivers:
            self.webhooks.start()
        self._server.start()
        return self

    def stop(self) -> None:
        if self._changed in self.shop.listeners:
            self.shop.listeners.remove(self._changed)
        self._server.stop()
        if self._delivers:
            self.webhooks.stop()

    def __enter__(self) -> WooCommerceServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _version(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split(".")[:2])

    # ---------------------------------------------------------------- events

    def _changed(self, change: Change) -> None:
        if change.what in ("stock", "meta", "product"):
            self._event("product.updated", change.id)
            return
        if change.what == "order_created":
            self._event("order.created", change.id)
        self._event("order.updated", change.id)

    def _event(self, topic: str, resource_id: int) -> None:
        self.webhooks.event(topic, resource_id)

    def _webhook_body(self, resource: str, resource_id: int) -> dict[str, Any] | None:
        with self.shop.lock:
            if resource == "order":
                order = self.shop.orders.get(resource_id)
                return self.orders.render(order, self.url) if order else None
            if resource_id in self.shop.products:
                return self.shelf.product(self.shop.products[resource_id], self.url)
            item = self.shop.items.get(resource_id)
            return self.shelf.variation_as_product(item, self.url) if item else None

    # ---------------------------------------------------------------- requests

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        # Read first: an unread body would be taken for the next request on this connection.
        body = request.get_data()
        if self.dials.latency_s:
            time.sleep(self.dials.latency_s)
        path = request.path
        below = path[len(_API) :].strip("/") if path.startswith(_API) else ""
        if path.startswith(f"/wp-json/{companion.SPACE}/"):
            below = path[len("/wp-json/") :].strip("/")
        route, ids = self._match(below)
        method = request.args.get("_method", request.method).upper()
        self.calls[f"{method} {route.label if route else below or path}"] += 1
        fault = self.dials.roll()
        refusal = self._proxy(request, body, environ, fault)
        if refusal is None:
            refusal = self._wordpress(request, method, below, route, ids, body)
            if fault == "timeout_after_success":
                refusal = html_page(504, "Gateway Time-out")
            elif fault == "cut_after_success":
                cut_connection(environ)
        return refusal(environ, start_response)

    def _proxy(self, request: Request, body: bytes, environ: dict[str, Any], fault: Fault) -> Response | None:
        """What happens before PHP sees the request."""
        if fault == "cut_before":
            cut_connection(environ)
            return Response(status=500)
        if fault == "error":
            return html_page(502, "Bad Gateway")
        if fault == "throttle":
            answer = html_page(429, "Too Many Requests")
            answer.headers["Retry-After"] = "1"
            return answer
        if self.body_limit_bytes is not None and len(body) > self.body_limit_bytes:
            return html_page(413, "Request Entity Too Large")
        if len(request.full_path) > _LONGEST_URL:
            return html_page(414, "Request-URI Too Large")
        if self.dials.maintenance:
            text = "Briefly unavailable for scheduled maintenance. Check back in a minute."
            if "json" not in request.headers.get("Accept", ""):
                page = html_page(503, "Maintenance")
                page.headers["Retry-After"] = "600"
                return page
            data = {"code": "wp_die", "message": text, "data": {"status": 503}, "additional_errors": []}
            answer = _json(Reply(data, 503, {"Retry-After": "600"}), request, "")
            del answer.headers["Link"]
            return answer
        return None

    def _wordpress(
        self,
        request: Request,
        method: str,
        below: str,
        route: _Route | None,
        ids: tuple[str, ...],
        body: bytes,
    ) -> Response:
        if self.is_plain_permalinks and request.path.startswith("/wp-json"):
            return self._front_page(request)
        if request.path.startswith("/wc-auth/") and not self.is_plain_permalinks:
            return self.grants.answer(request)
        if not request.path.startswith("/wp-json"):
            return html_page(404, "Page not found")
        home = request.host_url.rstrip("/")
        allow = route.allow if route else ""
        try:
            call = Call(
                method, below, {k: v[-1] for k, v in request.args.lists()}, _parsed(body, request), home
            )
            key = self.keyring.check(
                is_tls=request.scheme == "https",
                method=method,
                url=home + request.path,
                query=call.query,
                authorization=request.headers.get("Authorization", ""),
            )
            if request.path.rstrip("/") == "/wp-json":
                spaces = [companion.SPACE] if self.has_plugin else []
                return _json(self._options.index(call, spaces), request, "GET")
            handler = route.handlers.get(method) if route else None
            is_plugins = below.startswith(companion.SPACE)
            is_absent = (below == "variations" and self._version() < (10, 3)) or (
                is_plugins and not self.has_plugin
            )
            if handler is None or is_absent:
                allow = ""
                raise RestError(
                    404, "rest_no_route", "No route was found matching the URL and request method."
                )
            if key is None:
                allow = ""
                raise forbidden("PUT", "0") if is_plugins else forbidden(method, below)
            reply = handler(call, *(int(i) if i.isdigit() else i for i in ids))
        except RestError as exc:
            reply = Reply(exc.body(), exc.status)
            if exc.status == 401:
                allow = ""
        if len(reply.headers.get("Link", "")) > _LONGEST_HEADER:
            return html_page(502, "Bad Gateway")
        return _json(reply, request, allow)

    def _front_page(self, request: Request) -> Response:
        """Without pretty permalinks the route is unknown: the shop's page, for a read after a redirect
        to the address with a slash."""
        if request.method in ("GET", "HEAD") and not request.path.endswith("/"):
            answer = Response(b"", 301, content_type="text/html; charset=UTF-8")
            answer.headers["Location"] = (
                f"{request.host_url.rstrip('/')}{request.path}/?{request.query_string.decode()}"
            )
            answer.autocorrect_location_header = False
            return answer
        page = f"<!doctype html>\n<html><head><title>{self.shop.name}</title></head><body></body></html>"
        return Response(page, 200, content_type="text/html; charset=UTF-8")

    def _match(self, below: str) -> tuple[_Route | None, tuple[str, ...]]:
        for route in self._routes:
            found = route.pattern.fullmatch(below)
            if found:
                return route, found.groups()
        return None, ()

    def _table(self) -> list[_Route]:
        products, orders, hooks, own = self.products, self.orders, self.webhooks, self._options

        def writes(act: Callable[..., Reply]) -> dict[str, Callable[..., Reply]]:
            return dict.fromkeys(("POST", "PUT", "PATCH"), act)

        rows: list[tuple[str, dict[str, Callable[..., Reply]], str]] = [
            ("products", {"GET": products.many, "POST": products.create}, _PLURAL),
            ("products/batch", writes(products.batch), _BATCH),
            ("products/tags", {"GET": self.tags.many, "POST": self.tags.create}, _PLURAL),
            (
                "products/<id>",
                {"GET": products.one, "DELETE": products.delete, **writes(products.update)},
                _ITEM,
            ),
            ("products/<id>/variations", {"GET": products.variations}, _PLURAL),
            ("products/<id>/variations/batch", writes(products.batch), _BATCH),
            (
                "products/<id>/variations/<id>",
                {"GET": products.variation, **writes(products.update_variation)},
                _ITEM,
            ),
            ("variations", {"GET": products.variations}, "GET"),
            ("orders", {"GET": orders.many, "POST": orders.create}, _PLURAL),
            ("orders/<id>", {"GET": orders.one, **writes(orders.update)}, _ITEM),
            ("orders/<id>/refunds", {"GET": orders.refunds, "POST": orders.refund}, _PLURAL),
            ("taxes/<id>", {"GET": orders.tax}, "GET"),
            ("payment_gateways/<key>", {"GET": orders.gateways.one}, "GET"),
            ("orders/<id>/notes", {"POST": orders.note}, _PLURAL),
            ("coupons", {"GET": self.coupons.many, "POST": self.coupons.create}, _PLURAL),
            ("coupons/<id>", {"DELETE": self.coupons.delete}, _ITEM),
            ("webhooks", {"GET": hooks.many, "POST": hooks.create}, _PLURAL),
            ("webhooks/<id>", {"GET": hooks.one, "DELETE": hooks.delete, **writes(hooks.update)}, _ITEM),
            ("settings/<group>/<key>", {"GET": own.one, **writes(own.update)}, "GET, POST, PUT, PATCH"),
            ("system_status", {"GET": own.status}, "GET"),
            (f"{companion.SPACE}/status", {"GET": self.companion.status}, "GET"),
            (f"{companion.SPACE}/stock", {"POST": self.companion.stock}, "POST"),
            (f"{companion.SPACE}/connection", {"POST": self.companion.connection}, "POST"),
        ]
        return [
            _Route(
                re.compile(re.sub(r"<(?!id)\w+>", r"(\\w+)", label).replace("<id>", r"(\d+)")),
                label,
                handlers,
                allow,
            )
            for label, handlers, allow in rows
        ]


def html_page(status: int, title: str) -> Response:
    """An error page as nginx writes it."""
    text = (
        f"<html>\n<head><title>{status} {title}</title></head>\n<body>\n<center><h1>{status} {title}"
        f"</h1></center>\n<hr><center>nginx/1.22.1</center>\n</body>\n</html>\n"
    )
    return Response(text, status, content_type="text/html")


def _parsed(body: bytes, request: Request) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        raise RestError(400, "rest_invalid_json", "Invalid JSON body passed.", json_error_code=4) from None


def _json(reply: Reply, request: Request, allow: str) -> Response:
    answer = Response(encode(reply.data), reply.status, content_type="application/json; charset=UTF-8")
    answer.headers["Link"] = f'<{request.host_url}wp-json/>; rel="https://api.w.org/"'
    if allow:
        answer.headers["Allow"] = allow
    for name, value in reply.headers.items():
        answer.headers[name] = value
    return answer
