"""One Shopify shop behind the store port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from babel.numbers import get_currency_precision

from adapters.stores.shopify import definitions, places, prices
from adapters.stores.shopify.catalogue import Catalogue, level, nodes
from adapters.stores.shopify.client import ADAPTER, AccessDenied, ShopifyClient
from adapters.stores.shopify.documents import API_VERSION, quantities_document
from adapters.stores.shopify.fulfilment import SCOPE, with_places
from adapters.stores.shopify.incoming import SCOPES as INCOMING_SCOPES
from adapters.stores.shopify.incoming import on_its_way
from adapters.stores.shopify.orders import changed_orders
from adapters.stores.shopify.writes import (
    BADGES_LIMIT,
    QUANTITIES_LIMIT,
    Answer,
    place_of,
    plan_badges,
    plan_quantities,
    read_badges_answer,
    read_quantities_answer,
    results,
)
from connector.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unsupported
from connector.ports.incoming import StoreIncoming
from connector.ports.places import PlaceChange, PlaceKind, PlaceResult
from connector.ports.prices import PriceResult, PriceSet, StorePrice
from connector.ports.stores import (
    BadgeChange,
    FrozenRequest,
    ItemResult,
    ListingRef,
    Location,
    QuantityChange,
    Reading,
    StoreCapabilities,
    StoreCheck,
    StoreListing,
    StoreOrder,
)

READ_LIMIT = 250
# The scopes the core cannot do without, and what is lost without each.
NEEDED_SCOPES = {
    "read_products": "the catalogue cannot be read",
    "write_products": "badges cannot be written",
    "read_inventory": "quantities cannot be read",
    "write_inventory": "quantities cannot be written",
    "read_locations": "locations cannot be read",
}
ORDER_FIELDS = ("id", "created_at", "updated_at", "cancelled_at", "line_items")
# Topic → the fields asked for; none means all. Fewer fields carry no personal data.
TOPICS: Mapping[str, tuple[str, ...]] = {
    "INVENTORY_LEVELS_UPDATE": (),
    "PRODUCTS_CREATE": ("id", "updated_at"),
    "PRODUCTS_UPDATE": ("id", "updated_at"),
    "PRODUCTS_DELETE": (),
    "APP_UNINSTALLED": ("id",),
}
ORDER_TOPICS: Mapping[str, tuple[str, ...]] = {
    "ORDERS_CREATE": ORDER_FIELDS,
    "ORDERS_UPDATED": ORDER_FIELDS,
}
INCOMING_TOPICS: Mapping[str, tuple[str, ...]] = {
    f"INVENTORY_SHIPMENTS_{event}": ()
    for event in (
        *("ADD_ITEMS", "CREATE", "DELETE", "MARK_IN_TRANSIT", "RECEIVE_ITEMS", "REMOVE_ITEMS"),
        *("UPDATE_ITEM_QUANTITIES", "UPDATE_TRACKING"),
    )
} | {"INVENTORY_TRANSFERS_CANCEL": ()}


class ShopifyStore:
    """Implements `Store`. `location_id` is the one location Dispo writes; None takes the shop's only
    location that sells online. `scopes` are those granted at the installation; `check` renews them."""

    def __init__(
        self, client: ShopifyClient, location_id: str | None = None, scopes: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._location_id = location_id
        self._scopes = scopes
        self._currency: str | None = None
        self.capabilities = StoreCapabilities(
            compare_and_set="native",
            honours_keys=True,
            quantity_batch_size=QUANTITIES_LIMIT,
            badge_batch_size=BADGES_LIMIT,
            read_batch_size=READ_LIMIT,
            badge_with_quantity=False,
            has_locations=True,
            reads_orders="read_orders" in scopes,
            reads_incoming=scopes.issuperset(INCOMING_SCOPES),
            sets_up_badges=True,
            place_batch_size=places.BATCH,
            price_batch_size=prices.BATCH,
            price_by_product=True,
        )
        self._places = places.ShopifyPlaces(client)

    def check(self) -> StoreCheck:
        """Who the shop is; missing scopes and an unclear location become warnings with a remedy."""
        shop = self._context()
        warnings = [
            f"The app lacks the scope {scope}: {loss}. Update the app's permissions."
            for scope, loss in NEEDED_SCOPES.items()
            # A write scope implies the read scope of the same kind.
            if scope not in self._scopes and scope.replace("read_", "write_") not in self._scopes
        ]
        try:
            self._place()
        except (Misconfigured, AccessDenied) as exc:
            warnings.append(f"{exc.cause} {exc.remedy}".strip())
        return StoreCheck(
            name=shop["name"],
            url=shop["primaryDomain"]["url"],
            version=API_VERSION,
            currency=shop["currencyCode"],
            timezone=shop["ianaTimezone"],
            warnings=tuple(warnings),
            settings={"scopes": ",".join(sorted(self._scopes))},
        )

    def locations(self) -> list[Location]:
        """Every active location; those of a fulfilment service are not ours to write."""
        return [
            Location(
                node["id"],
                node["name"],
                writable=_is_writable(node),
                sells_online=bool(node["fulfillsOnlineOrders"]),
            )
            for node in self._location_nodes()
        ]

    def catalog(
        self, changed_since: datetime | None = None, location_ids: Sequence[str] = ()
    ) -> Iterator[list[StoreListing]]:
        """Whole by a bulk query, changes by pages.

        A sale alone may not touch a variant's stamp; numbers are read by `read_quantities`.
        """
        if self._currency is None:
            self._context()
        catalogue = Catalogue(self._client, location_ids or (self._place(),), self._currency or "")
        return catalogue.everything() if changed_since is None else catalogue.changed(changed_since)

    def read_quantities(self, refs: Sequence[ListingRef]) -> list[Reading]:
        """The available quantities, 250 refs a call whatever their locations."""
        default = None if all(ref.location_id for ref in refs) else self._place()
        found: list[Reading] = []
        for start in range(0, len(refs), READ_LIMIT):
            found += self._read(refs[start : start + READ_LIMIT], default)
        return found

    def plan_quantities(self, changes: Sequence[QuantityChange]) -> list[FrozenRequest]:
        return plan_quantities(changes, self._location_id)

    def plan_badges(self, changes: Sequence[BadgeChange]) -> list[FrozenRequest]:
        return plan_badges(changes)

    def send(self, request: FrozenRequest, key: str) -> list[ItemResult]:
        """One mutation. Quantities are all or nothing: on a stale comparison the doubtful items are read
        back, and become "conflict" where the shop holds another number than expected.

        When a request is sent again after OutcomeUnknown and Shopify did not keep its answer, a
        "conflict" whose `remote` is the number asked for means that the first attempt was done.
        """
        if request.operation == "badges":
            data = self._client.mutate("SetBadges", {"metafields": request.body["metafields"]})
            answer = read_badges_answer(request, _user_errors(data, "metafieldsSet"))
            return results(request, answer, {})
        if request.operation != "quantities":
            raise Rejected(ADAPTER, request.operation, "Shopify's adapter knows no such operation.")
        data = self._client.mutate("SetQuantities", {"input": dict(request.body), "key": key})
        answer = read_quantities_answer(request, _user_errors(data, "inventorySetQuantities"))
        return results(request, answer, self._read_back(request, answer))

    @property
    def place_kinds(self) -> tuple[PlaceKind, ...]:
        return places.KINDS

    def place_when_out(self, kind: PlaceKind, present: str) -> str:
        places.check_kind(kind)
        return places.TAGGED

    def read_places(self, kind: PlaceKind, tag: str, product_ids: Sequence[str]) -> Mapping[str, str]:
        return self._places.read(kind, tag, product_ids)

    def set_places(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        return self._places.set(kind, tag, changes)

    def read_prices(self, refs: Sequence[ListingRef]) -> Mapping[str, StorePrice]:
        return prices.read_prices(self._client, refs, self._minor_digits())

    def set_prices(self, changes: Sequence[PriceSet]) -> list[PriceResult]:
        return prices.set_prices(self._client, changes, self._minor_digits())

    def _minor_digits(self) -> int:
        if self._currency is None:
            self._context()
        return get_currency_precision(self._currency or "")

    def orders(self, changed_since: datetime, tells_locations: bool = False) -> Iterator[list[StoreOrder]]:
        """Shopify shows the orders of the last 60 days unless more is granted. Where their lines are taken from
        costs a call for each order and a scope of its own."""
        try:
            for page in changed_orders(self._client, changed_since):
                if tells_locations and SCOPE in self._scopes:
                    page = [with_places(self._client, order) for order in page]
                yield page
        except AccessDenied as exc:
            raise Unsupported(
                ADAPTER, "orders", exc.cause, "Grant the optional scope read_orders to read them."
            ) from exc

    def incoming(self) -> Iterator[list[StoreIncoming]]:
        """Shipments in transit to locations that sell online. Whether something changed Shopify does not say,
        so all of them are read; there are few at a time."""
        places = frozenset(
            str(node["id"])
            for node in self._location_nodes()
            if node["isActive"] and node["fulfillsOnlineOrders"]
        )
        try:
            yield from on_its_way(self._client, places)
        except AccessDenied as exc:
            raise Unsupported(
                ADAPTER,
                "shipments",
                exc.cause,
                f"Grant the optional scopes {' and '.join(INCOMING_SCOPES)} to read them.",
            ) from exc

    def ready_badges(self) -> str:
        """The definition of the badge's metafield, made where Shopify did not make it at the installation."""
        return definitions.ready(self._client)

    def subscribe(self, address: str, secret: str) -> list[str]:
        """Subscribe to what is missing. Shopify signs with the app's secret, so `secret` is not used; it
        deletes a subscription that failed for hours, and this makes it anew."""
        wanted, existing = self._wanted_topics(), self._subscribed(address)
        kept = []
        for topic, fields in wanted.items():
            if topic in existing or self._subscribe(topic, address, fields):
                kept.append(_header_topic(topic))
        return kept

    def webhooks_off(self, address: str) -> list[str]:
        """Also topics of customer data that the app is not approved for: those are never set."""
        wanted, existing = self._wanted_topics(), self._subscribed(address)
        return [_header_topic(topic) for topic in wanted if topic not in existing]

    def _wanted_topics(self) -> dict[str, tuple[str, ...]]:
        if not self._scopes:
            self._context()
        return {
            **TOPICS,
            **(ORDER_TOPICS if "read_orders" in self._scopes else {}),
            **(INCOMING_TOPICS if self._scopes.issuperset(INCOMING_SCOPES) else {}),
        }

    def _subscribed(self, address: str) -> set[str]:
        listed = nodes(self._client, "Webhooks", "webhookSubscriptions", {"first": 250})
        return {str(node["topic"]) for node in listed if node["uri"] == address}

    def _subscribe(self, topic: str, address: str, fields: tuple[str, ...]) -> bool:
        """Make one subscription; False when the app is not approved for the topic's customer data."""
        wanted: dict[str, Any] = {"uri": address, "format": "JSON"}
        if fields:
            wanted["includeFields"] = list(fields)
        data = self._client.mutate("Subscribe", {"topic": topic, "webhookSubscription": wanted})
        for error in _user_errors(data, "webhookSubscriptionCreate"):
            message = str(error["message"])
            if "already been taken" in message:
                return True  # made by another worker meanwhile
            if "protected customer data" in message:
                return False
            raise Misconfigured(
                ADAPTER,
                f"webhook {topic}",
                message,
                "Dispo must be reachable by https from the internet.",
                field="public_url",
            )
        return True

    def _context(self) -> dict[str, Any]:
        data = self._client.query("ShopContext", {})
        scopes = frozenset(one["handle"] for one in data["currentAppInstallation"]["accessScopes"])
        self._scopes = scopes
        self._currency = data["shop"]["currencyCode"]
        self.capabilities = replace(
            self.capabilities,
            reads_orders="read_orders" in scopes,
            reads_incoming=scopes.issuperset(INCOMING_SCOPES),
        )
        shop: dict[str, Any] = data["shop"]
        return shop

    def _location_nodes(self) -> list[dict[str, Any]]:
        return list(nodes(self._client, "Locations", "locations", {"first": 250}))

    def _place(self) -> str:
        """The written location, found once; raises Misconfigured when the shop has several."""
        if self._location_id is None:
            found = [
                node for node in self._location_nodes() if _is_writable(node) and node["fulfillsOnlineOrders"]
            ]
            if len(found) != 1:
                names = ", ".join(f"{node['name']} ({node['id']})" for node in found[:10])
                raise Misconfigured(
                    ADAPTER,
                    self._client.shop,
                    f"{len(found)} locations could be written: {names}."
                    if found
                    else "No location sells online.",
                    "Choose the one Dispo writes in the connection's settings.",
                    field="location_id",
                )
            self._location_id = str(found[0]["id"])
        return self._location_id

    def _read(self, refs: Sequence[ListingRef], default: str | None) -> list[Reading]:
        places = list(dict.fromkeys(place_of(ref, default) for ref in refs))
        variables: dict[str, Any] = {}
        for at, place in enumerate(places):
            here = [ref.stock_id for ref in refs if place_of(ref, default) == place]
            variables[f"ids{at}"] = list(dict.fromkeys(here))
            variables[f"location{at}"] = place
        data = self._client.query("Quantities", variables, quantities_document(len(places)))
        known: dict[tuple[str, str], tuple[int | None, str | None]] = {}
        for at, place in enumerate(places):
            for node in data[f"at{at}"]:
                if node:
                    known[node["id"], place] = level(node)
        readings = []
        for ref in refs:
            one = known.get((ref.stock_id, place_of(ref, default)))
            if one is not None:
                readings.append(Reading(ref, one[0], one[1]))
        return readings

    def _read_back(self, request: FrozenRequest, answer: Answer) -> dict[int, ItemResult]:
        if not answer.doubtful:
            return {}
        sent = request.body["quantities"]
        refs = {
            index: replace(request.refs[index], location_id=sent[index]["locationId"])
            for index in answer.doubtful
        }
        readings = {one.ref: one for one in self.read_quantities(list(refs.values()))}
        found = {}
        for index, asked in refs.items():
            ref, reading = request.refs[index], readings.get(asked)
            if reading is None:
                found[index] = ItemResult(ref, "not_found", reason="The inventory item no longer exists.")
            elif reading.quantity is None:
                found[index] = ItemResult(ref, "rejected", reason=reading.problem or "")
            elif reading.quantity != sent[index]["changeFromQuantity"]:
                found[index] = ItemResult(ref, "conflict", remote=reading.quantity, reason=answer.reason)
        return found


def _is_writable(node: Mapping[str, Any]) -> bool:
    service = node["fulfillmentService"]
    return bool(node["isActive"]) and (service is None or service["handle"] == "manual")


def _user_errors(data: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    payload = data.get(field)
    if payload is None:
        # Null without an error says nothing about the effect.
        raise OutcomeUnknown(ADAPTER, field, "Shopify's answer to the write is empty.")
    errors: list[dict[str, Any]] = payload["userErrors"]
    return errors


def _header_topic(topic: str) -> str:
    """The topic as deliveries spell it, e.g. `inventory_levels/update`."""
    for long in ("INVENTORY_SHIPMENTS", "INVENTORY_TRANSFERS"):
        if topic.startswith(f"{long}_"):
            return f"{long.lower()}/{topic.removeprefix(f'{long}_').lower()}"
    resource, _, event = topic.rpartition("_")
    return f"{resource.lower()}/{event.lower()}"
