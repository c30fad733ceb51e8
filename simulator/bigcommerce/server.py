"""The simulated BigCommerce server: routing, tokens and scopes, the rate window, faults, and the events that
become webhooks.

Where BigCommerce's documents are silent this server takes the harsher reading, and says so: adjustments
are all or nothing, a second one at a time is turned away with a bare 429, an item of an untracked product
does not exist for the inventory, and a batch of metafields holds fifty.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.bigcommerce.apps import App
from simulator.bigcommerce.catalog import Catalog
from simulator.bigcommerce.hooks import STOCK_CHANGED, Hooks
from simulator.bigcommerce.inventory import Inventory
from simulator.bigcommerce.model import DEFAULT_LOCATIONS, Levels, SimLocation, variant_id
from simulator.bigcommerce.orders import INVENTORY_SETTINGS, Orders, store
from simulator.bigcommerce.payments import Payments
from simulator.bigcommerce.promotions import Promotions
from simulator.bigcommerce.replies import ApiError, Reply, Window, page_of
from simulator.bigcommerce.scripts import Scripts
from simulator.dials import Dials, Fault
from simulator.server import ServerThread, cut_connection
from simulator.shop import Change, Item, Shop

QUOTAS = {"Standard": 150, "Plus": 150, "Pro": 450}
WINDOW_S = 30.0
Handler = Callable[..., Reply]


class BigCommerceServer:
    """A store on 127.0.0.1:`port` (0: a free one), as api.bigcommerce.com and login.bigcommerce.com in one.

    `quota` requests a window (None: the plan's), measured by `monotonic`; `lag_s` is how long reads stay
    behind an adjustment, by the shop's clock. `calls` counts requests by "METHOD route", also those
    answered with a fault. May be turned while running: `dials`, `serves_html`, `settings` (inventory),
    `channels` (storefronts), `app.scopes` (a missing one is 403), `inventory.takes_s`, `inventory.names_bad_items`.
    """

    def __init__(
        self,
        shop: Shop,
        *,
        store_hash: str = "z4zn3wo",
        client_id: str = "simclient",
        client_secret: str = "",
        access_token: str = "",
        redirect_uri: str = "https://dispo.example/bigcommerce/auth",
        dials: Dials | None = None,
        port: int = 0,
        plan: str = "Standard",
        quota: int | None = None,
        lag_s: float = 1.0,
        locations: tuple[SimLocation, ...] = DEFAULT_LOCATIONS,
        storefront_url: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shop = shop
        self.store_hash = store_hash
        self.plan = plan
        self.dials = dials or Dials()
        self.storefront_url = storefront_url or f"https://store-{store_hash}.mybigcommerce.com"
        self.serves_html = False
        self.settings = dict(INVENTORY_SETTINGS)
        self.calls: Counter[str] = Counter()
        self.app = App(store_hash, client_id, client_secret, access_token, redirect_uri, shop.now)
        self.levels = Levels(shop, locations, lag_s)
        self.catalog = Catalog(self.levels, client_id)
        self.inventory = Inventory(self.levels, self._level_changed)
        self.orders = Orders(shop)
        self.promotions = Promotions(shop)
        self.payments = Payments(shop, self.orders)
        self.channels: list[dict[str, Any]] = [
            {"id": 1, "type": "storefront", "platform": "bigcommerce", "status": "active", "name": shop.name}
        ]
        self.scripts = Scripts(client_id, lambda: {int(one["id"]) for one in self.channels})
        self.webhooks = Hooks(store_hash, client_id, client_secret, self.dials, shop.now, shop.new_id)
        self.window = Window(quota or QUOTAS[plan], WINDOW_S, monotonic)
        self._routes = self._table()
        self._server = ServerThread(self, port)
        self.url = self._server.url

    def start(self) -> BigCommerceServer:
        self.shop.listeners.append(self._heard)
        self.webhooks.start()
        self._server.start()
        return self

    def stop(self) -> None:
        if self._heard in self.shop.listeners:
            self.shop.listeners.remove(self._heard)
        self._server.stop()
        self.webhooks.stop()

    def __enter__(self) -> BigCommerceServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def uninstall(self) -> str:
        """The merchant removes the app: the webhook goes out, tokens, webhooks and scripts end. Returns the
        signed payload of the /uninstall callback."""
        self.webhooks.emit("store/app/uninstalled", {"type": "app", "id": 1})
        self.webhooks.drain()
        self.webhooks.hooks.clear()
        self.app.tokens.clear()
        self.scripts.clean_up()
        return self.app.signed_payload_jwt()

    # ---------------------------------------------------------------- events

    def _heard(self, change: Change) -> None:
        if change.what == "stock":
            self._level_changed(self.shop.items[change.id], self.levels.default.id)
        elif change.what == "product":
            item = self.shop.items.get(change.id)
            product_id = item.product_id if item else change.id
            self.webhooks.emit("store/product/updated", {"type": "product", "id": product_id})
        elif change.what == "order_created":
            self.webhooks.emit("store/order/created", {"type": "order", "id": change.id})
        elif change.what == "order_updated":
            self.webhooks.emit("store/order/updated", {"type": "order", "id": change.id})

    def _level_changed(self, item: Item, location_id: int) -> None:
        data = {"variant_id": variant_id(item), "product_id": item.product_id, "location_id": location_id}
        self.webhooks.emit(STOCK_CHANGED, data)

    # ---------------------------------------------------------------- requests

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        # Read first: an unread body would be taken for the next request on this connection.
        body = request.get_data()
        if self.dials.latency_s:
            time.sleep(self.dials.latency_s)
        label, act, scopes = self._match(request, body)
        self.calls[f"{request.method} {label}"] += 1
        fault = self.dials.roll()
        if fault == "cut_before":
            cut_connection(environ)
            return [b""]
        reply = self._answer(request, label, act, scopes, fault)
        if fault == "cut_after_success":
            cut_connection(environ)
            return [b""]
        if fault == "timeout_after_success":
            page = Response("<html>504 Gateway Time-out</html>", 504, mimetype="text/html")
            return page(environ, start_response)
        if self.serves_html:
            return Response("<!DOCTYPE html><title>Store</title>", 200, mimetype="text/html")(
                environ, start_response
            )
        kind = "application/problem+json" if reply.status >= 400 else "application/json"
        answer = Response(reply.encode(), reply.status, headers=reply.headers, mimetype=kind)
        return answer(environ, start_response)

    def _answer(
        self, request: Request, label: str, act: Callable[[], Reply], scopes: tuple[str, ...], fault: Fault
    ) -> Reply:
        if self.dials.maintenance:
            return Reply({"status": 503, "title": "Store is down for maintenance"}, 503)
        if fault == "error":
            return Reply({"status": 500, "title": "Internal server error"}, 500)
        if label == "oauth2/token":
            return act()
        if not self.app.accepts(request.headers.get("X-Auth-Token", "")):
            return Reply({"status": 401, "title": "Unauthorized", "type": ""}, 401)
        if fault == "throttle":
            self.window.spend(self.window.quota)
        is_within = self.window.take()
        headers = self.window.headers()
        if not is_within:
            return Reply({"status": 429, "title": "You have sent too many requests."}, 429, headers)
        try:
            if scopes and not set(scopes) & set(self.app.scopes):
                raise ApiError(403, "You don't have a required scope to access the endpoint")
            reply = act() if not self.serves_html else Reply(None)
        except ApiError as error:
            reply = error.reply
            if reply.status == 429:
                # A platform under load, or an inventory that is busy, names no window.
                return reply
        reply.headers.update(headers)
        return reply

    def _match(self, request: Request, body: bytes) -> tuple[str, Callable[[], Reply], tuple[str, ...]]:
        """What the route is called, what it does, and the scopes of which one must be granted."""
        if request.path == "/oauth2/token" and request.method == "POST":
            return "oauth2/token", lambda: self.app.exchange(body), ()
        below = request.path.removeprefix(f"/stores/{self.store_hash}/")
        for method, pattern, label, scopes, handler in self._routes:
            found = pattern.fullmatch(below)
            if found and method == request.method:
                parts = [int(part) if part.isdecimal() else part for part in found.groups()]
                args = request.args.to_dict()
                return label, partial(handler, args, body, *parts), scopes
        return "unknown", _missing, ()

    def _table(self) -> list[tuple[str, re.Pattern[str], str, tuple[str, ...], Handler]]:
        products = ("store_v2_products", "store_v2_products_read_only")
        stock = ("store_inventory", "store_inventory_read_only")
        about = ("store_v2_information", "store_v2_information_read_only")
        orders = ("store_v2_orders", "store_v2_orders_read_only")
        content = ("store_v2_content",)
        places = ("store_locations", "store_locations_read_only")
        channels = ("store_channel_settings", "store_channel_settings_read_only")
        marketing = ("store_v2_marketing", "store_v2_marketing_read_only")
        p, pay = self.promotions, self.payments
        c, i, h, s = self.catalog, self.inventory, self.webhooks, self.scripts
        rows: list[tuple[str, str, tuple[str, ...], Handler]] = [
            ("GET", "v2/store", about, lambda a, b: self._store()),
            ("GET", "v3/settings/inventory", about, lambda a, b: Reply({"data": self.settings, "meta": {}})),
            ("GET", "v3/channels", channels, lambda a, b: self._channels(a)),
            ("GET", "v3/catalog/products", products, lambda a, b: c.products(a)),
            ("PUT", "v3/catalog/products", products[:1], lambda a, b: c.update_products(b)),
            ("PUT", "v3/catalog/variants", products[:1], lambda a, b: c.update_variants(b)),
            ("GET", "v3/catalog/trees/categories", products, lambda a, b: c.categories(a)),
            ("GET", "v3/catalog/variants/metafields", products, lambda a, b: c.list_metafields(a)),
            ("POST", "v3/catalog/variants/metafields", products[:1], lambda a, b: c.create_metafields(b)),
            ("PUT", "v3/catalog/variants/metafields", products[:1], lambda a, b: c.update_metafields(b)),
            (
                "GET",
                r"v3/catalog/products/(\d+)/variants/(\d+)/metafields",
                products,
                lambda a, b, p, v: c.list_metafields(a, v),
            ),
            ("GET", "v3/inventory/locations", places, lambda a, b: i.locations(a)),
            ("GET", "v3/inventory/items", stock, lambda a, b: i.items(a)),
            ("GET", r"v3/inventory/locations/(\d+)/items", stock, lambda a, b, n: i.items(a, n)),
            ("PUT", "v3/inventory/adjustments/absolute", stock[:1], lambda a, b: i.adjust(b)),
            ("GET", "v2/orders", orders, lambda a, b: self.orders.page(a)),
            ("GET", r"v2/orders/(\d+)", orders, lambda a, b, n: self.orders.one(n, a)),
            ("GET", "v3/hooks", (), lambda a, b: h.list(a)),
            ("POST", "v3/hooks", (), lambda a, b: h.create(b)),
            ("PUT", r"v3/hooks/(\d+)", (), lambda a, b, n: h.update(n, b)),
            ("DELETE", r"v3/hooks/(\d+)", (), lambda a, b, n: h.delete(n)),
            ("GET", r"v2/orders/(\d+)/products", orders, lambda a, b, n: pay.products(n)),
            ("GET", r"v2/orders/(\d+)/shipping_addresses", orders, lambda a, b, n: pay.addresses(n)),
            (
                "POST",
                r"v3/orders/(\d+)/payment_actions/refund_quotes",
                orders[:1],
                lambda a, b, n: pay.quote(n, b),
            ),
            ("GET", r"v3/orders/(\d+)/payment_actions/refunds", orders, lambda a, b, n: pay.list(n)),
            (
                "POST",
                r"v3/orders/(\d+)/payment_actions/refunds",
                orders[:1],
                lambda a, b, n: pay.refund(n, b),
            ),
            ("GET", "v3/promotions", marketing, lambda a, b: p.list(a)),
            ("POST", "v3/promotions", marketing[:1], lambda a, b: p.create(b)),
            ("DELETE", r"v3/promotions/(\d+)", marketing[:1], lambda a, b, n: p.delete(n)),
            ("GET", r"v3/promotions/(\d+)/codes", marketing, lambda a, b, n: p.list_codes(n, a)),
            ("POST", r"v3/promotions/(\d+)/codes", marketing[:1], lambda a, b, n: p.add_code(n, b)),
            ("GET", "v3/content/scripts", content, lambda a, b: s.list(a)),
            ("POST", "v3/content/scripts", content, lambda a, b: s.create(b)),
            ("PUT", r"v3/content/scripts/([0-9a-f-]+)", content, lambda a, b, n: s.update(str(n), b)),
            ("DELETE", r"v3/content/scripts/([0-9a-f-]+)", content, lambda a, b, n: s.delete(str(n))),
        ]
        return [
            (method, re.compile(path), re.sub(r"\([^)]*\)", "<id>", path), scopes, handler)
            for method, path, scopes, handler in rows
        ]

    def _store(self) -> Reply:
        return Reply(store(self.shop, self.store_hash, self.storefront_url, self.plan))

    def _channels(self, args: dict[str, str]) -> Reply:
        return page_of(self.channels, args, most=250)


def _missing() -> Reply:
    raise ApiError(404, "The requested resource was not found.")
