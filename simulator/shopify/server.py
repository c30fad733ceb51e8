"""A Shopify shop on loopback: the Admin GraphQL API 2026-10, its limits, its webhooks and its tokens."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_ast_schema,
    execute_sync,
    parse,
    validate,
)
from werkzeug.wrappers import Request, Response

from simulator.dials import Dials, Fault
from simulator.server import ServerThread, cut_connection
from simulator.shop import Change, Item, Shop
from simulator.shopify import payloads
from simulator.shopify.bulk import Bulk
from simulator.shopify.care import Care
from simulator.shopify.cost import SINGLE_QUERY_LIMIT, Bucket, CostModel
from simulator.shopify.coupons import Discounts
from simulator.shopify.fulfilment import Fulfilment
from simulator.shopify.idempotency import IdempotencyKeys
from simulator.shopify.model import (
    DEFAULT_LOCATIONS,
    DEFAULT_SCOPES,
    OPTIONAL_SCOPES,
    VERSION,
    Levels,
    SimLocation,
    gid,
)
from simulator.shopify.mutations import Mutations
from simulator.shopify.oauth import Tokens
from simulator.shopify.objects import Objects
from simulator.shopify.plans import Subscriptions
from simulator.shopify.queries import Queries
from simulator.shopify.search import unpaged
from simulator.shopify.transfers import Transfers
from simulator.shopify.webhooks import Webhooks

# Points a second and size of the bucket by plan.
PLANS = {
    "standard": (100, 2000),
    "advanced": (200, 4000),
    "plus": (1000, 20_000),
    "enterprise": (2000, 40_000),
}
GRAPHQL_PATH = f"/admin/api/{VERSION}/graphql.json"
StartResponse = Callable[..., Any]


@lru_cache(maxsize=1)
def admin_schema() -> GraphQLSchema:
    """The cut of Shopify's schema beside this file; valid as published, so not checked again."""
    text = (Path(__file__).parent / "schema.graphql").read_text()
    return build_ast_schema(parse(text, no_location=True), assume_valid=True)


@lru_cache(maxsize=256)
def _checked(text: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    """A document and what the schema has against it; apps send the same few texts again and again."""
    document = parse(text)
    return document, tuple(validate(admin_schema(), document))


class ShopifyServer:
    """`shop` behind Shopify's API on 127.0.0.1:`port` (0: a free one).

    `access_token` never expires, as that of an app made by hand; None: tokens come from installations only.
    `plan` or `restore_rate` and `bucket` set the limiter, `item_cost` what each item of a mutation costs
    beyond its 10 points (unpublished: 0 or 0.2 are the two readings), `monotonic` its clock.
    `names_stale_items` makes a stale comparison name the items concerned; real shops were seen to answer
    `field: null`, the default. `replays_answers` False makes a repeated key run again (see
    `idempotency`). `shop_number` is that of the shop's ID, `subscriptions` what it pays for the app.
    `during_write` is called while a quantity write holds its key. Counters: `calls` by operation name,
    `bucket.points_used`, `bucket.minimum_s`, `items_written`, `metafields_written`.
    """

    def __init__(
        self,
        shop: Shop,
        *,
        api_key: str,
        api_secret: str,
        access_token: str | None,
        dials: Dials | None = None,
        port: int = 0,
        domain: str = "demo.myshopify.com",
        plan: str = "standard",
        restore_rate: float | None = None,
        bucket: float | None = None,
        item_cost: float = 0.0,
        locations: tuple[SimLocation, ...] = DEFAULT_LOCATIONS,
        scopes: tuple[str, ...] = DEFAULT_SCOPES,
        storefront_url: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        names_stale_items: bool = False,
        replays_answers: bool = True,
        shop_number: int = 1,
        during_write: Callable[[], None] = lambda: None,
    ) -> None:
        self.shop = shop
        self.domain = domain
        self.plan = plan
        self.scopes = scopes
        self.dials = dials or Dials()
        self.storefront_url = storefront_url or f"https://{domain}"
        self.names_stale_items = names_stale_items
        self.during_write = during_write
        self.is_frozen = False
        self.schema = admin_schema()
        self.levels = Levels(shop, locations)
        self.definitions: list[dict[str, Any]] = []
        self.definition_limit = 256
        self.keys = IdempotencyKeys(shop.now, replays_answers)
        rate, size = PLANS[plan]
        self.bucket = Bucket(bucket or size, restore_rate or rate, monotonic)
        self.costs = CostModel(self.schema, item_cost)
        self.tokens = Tokens(api_key, api_secret, access_token, domain, shop.now)
        self.webhooks = Webhooks(domain, api_secret, self.dials, shop.now, shop.new_id)
        self.subscriptions = Subscriptions()
        self.shop_id = gid("Shop", shop_number)
        self.bulk = Bulk(self)
        self.objects = Objects(self)
        self.queries = Queries(self)
        self.transfers = Transfers(self)
        self.fulfilment = Fulfilment(self)
        self.discounts = Discounts(self)
        self.care = Care(self)
        self.shows_addresses = True
        self.calls: Counter[str] = Counter()
        self.items_written = 0
        self.metafields_written = 0
        self._root = {
            **self.queries.root(),
            **self.transfers.root(),
            **self.discounts.root(),
            **self.care.root(),
            **Mutations(self).root(),
        }
        self._lock = threading.Lock()
        self._thread = ServerThread(self, port)
        self.url = self._thread.url
        shop.listeners.append(self._heard)

    def start(self) -> ShopifyServer:
        self._thread.start()
        self.webhooks.start()
        return self

    def stop(self) -> None:
        self.shop.listeners.remove(self._heard)
        self._thread.stop()
        self.webhooks.stop()

    def __enter__(self) -> ShopifyServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def privacy_request(self, address: str, topic: str, email: str = "") -> None:
        """Send a compliance webhook (DATA_REQUEST and REDACT of CUSTOMERS, REDACT of SHOP) to the address
        that the app's configuration names."""
        payload: dict[str, Any] = {"shop_id": 954889, "shop_domain": self.domain}
        if topic.startswith("CUSTOMERS"):
            customer = {"id": 191167, "phone": "555-625-1199"}
            payload["customer"] = {**customer, "email": email} if email else customer
            payload["orders_requested"] = []
        if topic == "CUSTOMERS_DATA_REQUEST":
            payload["data_request"] = {"id": 9999}
        self.webhooks.send(address, topic, payload)

    def grant(self, *scopes: str, address: str = "") -> None:
        """The merchant grants scopes that the app's configuration names as optional; told to the app's own
        `address` where one is given."""
        unknown = set(scopes) - set(OPTIONAL_SCOPES)
        if unknown:
            raise ValueError(f"The app's configuration does not name {sorted(unknown)} as optional.")
        self._change_scopes(tuple(dict.fromkeys((*self.scopes, *scopes))), address)

    def withdraw(self, *scopes: str, address: str = "") -> None:
        """The merchant takes optional scopes back: what they let be read is refused from now on."""
        self._change_scopes(tuple(one for one in self.scopes if one not in scopes), address)
        for one in self.webhooks.subscriptions():
            if (one.topic.startswith("ORDERS_") and "read_orders" not in self.scopes) or (
                one.topic.startswith("INVENTORY_SHIPMENTS_") and "read_inventory_shipments" not in self.scopes
            ):
                self.webhooks.unsubscribe(one.id)

    def _change_scopes(self, scopes: tuple[str, ...], address: str) -> None:
        before, self.scopes = self.scopes, scopes
        if address:
            changed = {"id": 1, "previous": list(before), "current": list(scopes)}
            self.webhooks.send(address, "APP_SCOPES_UPDATE", changed)

    def uninstall(self) -> None:
        """The merchant removes the app: the webhook is sent, the tokens and subscriptions end."""
        self.webhooks.emit("APP_UNINSTALLED", {"id": 1, "name": self.shop.name, "domain": self.domain})
        self.webhooks.clear()
        self.tokens.revoke()

    def level_changed(self, item: Item, location_id: int) -> None:
        """Send the webhook of a level that `Shop` does not know; it reports its own."""
        if location_id != self.levels.online_id:
            self._emit_level(item, location_id)

    def execute_unpaged(self, document: DocumentNode) -> ExecutionResult:
        """Run a bulk query: connections answer everything they have."""
        with unpaged():
            return execute_sync(self.schema, document, self._root)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        if self.dials.latency_s:
            time.sleep(self.dials.latency_s)
        fault = self.dials.roll()
        if fault == "cut_before":
            cut_connection(environ)
            return [b""]
        if self.dials.maintenance or fault == "error":
            return Response("Service Unavailable", 503)(environ, start_response)
        response = self._route(request, fault)
        if fault == "cut_after_success":
            cut_connection(environ)
            return [b""]
        if fault == "timeout_after_success":
            response = Response("<html>504 Gateway Time-out</html>", 504, mimetype="text/html")
        return response(environ, start_response)

    def _route(self, request: Request, fault: Fault) -> Response:
        if request.path == "/admin/oauth/access_token" and request.method == "POST":
            status, body = self.tokens.answer(request.get_json(silent=True) or {}, self.scopes)
            return _json(body, status)
        if request.path.startswith("/bulk/"):
            found = self.bulk.result(request.path.removeprefix("/bulk/").removesuffix(".jsonl"))
            if found is None:
                return Response("", 404)
            return Response(found, mimetype="application/jsonl")
        if not request.path.startswith("/admin/api/"):
            return _json({"errors": "Not Found"}, 404)
        if self.is_frozen:
            return _json({"errors": "Unavailable Shop"}, 402)
        if not self.tokens.accepts(request.headers.get("X-Shopify-Access-Token", "")):
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return _json({"errors": message}, 401)
        if request.path != GRAPHQL_PATH or request.method != "POST":
            return _json({"errors": "Not Found"}, 404)
        sent = request.get_json(silent=True)
        if not isinstance(sent, dict) or not isinstance(sent.get("query"), str):
            return _json({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        variables = sent.get("variables") or {}
        return _json(self._graphql(sent["query"], variables, sent.get("operationName"), fault))

    def _graphql(
        self, text: str, variables: dict[str, Any], name: str | None, fault: Fault
    ) -> dict[str, Any]:
        try:
            document, errors = _checked(text)
        except GraphQLError as exc:
            return {"errors": [exc.formatted]}
        if errors:
            return {"errors": [error.formatted for error in errors]}
        operation = _operation(document, name)
        if operation is None:
            return {"errors": [{"message": "An operation name is required"}]}
        fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        is_mutation = operation.operation.value == "mutation"
        requested = self.costs.requested(operation, fragments, variables)
        if requested > SINGLE_QUERY_LIMIT:
            message = f"Query cost is {requested:g}, which exceeds the single query max cost limit (1000)."
            return {
                "errors": [
                    {
                        "message": message,
                        "extensions": {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": 1000},
                    }
                ]
            }
        with self._lock:
            self.calls[operation.name.value if operation.name else "anonymous"] += 1
        if fault == "throttle":
            self.bucket.empty()
        if not self.bucket.take(requested):
            return {
                "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
                "extensions": {"cost": self._cost(requested, None)},
            }
        result = execute_sync(
            self.schema,
            document,
            self._root,
            variable_values=variables,
            operation_name=name,
        )
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        answer["data"] = result.data
        actual = self.costs.actual(requested, result.data, is_mutation)
        self.bucket.give_back(requested - actual)
        answer["extensions"] = {"cost": self._cost(requested, actual)}
        return answer

    def _cost(self, requested: float, actual: float | None) -> dict[str, Any]:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": self.bucket.status(),
        }

    def _heard(self, change: Change) -> None:
        """Turn a change of the shop into webhooks."""
        if change.what == "stock":
            self._emit_level(self.shop.items[change.id], self.levels.online_id)
        elif change.what in ("meta", "product"):
            product_id = change.id
            if change.what == "meta":
                product_id = self.shop.items[change.id].product_id
            if self.webhooks.wants("PRODUCTS_UPDATE"):
                body = payloads.product(self.shop, self.shop.products[product_id])
                self.webhooks.emit("PRODUCTS_UPDATE", body)
        else:
            topic = "ORDERS_CREATE" if change.what == "order_created" else "ORDERS_UPDATED"
            if self.webhooks.wants(topic):
                self.webhooks.emit(topic, payloads.order(self.shop, self.shop.orders[change.id]))

    def _emit_level(self, item: Item, location_id: int) -> None:
        if self.webhooks.wants("INVENTORY_LEVELS_UPDATE"):
            available = self.levels.get(item, location_id)
            body = payloads.inventory_level(item, location_id, available, self.shop.now())
            self.webhooks.emit("INVENTORY_LEVELS_UPDATE", body)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name:
        return next((node for node in found if node.name and node.name.value == name), None)
    return found[0] if len(found) == 1 else None


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
