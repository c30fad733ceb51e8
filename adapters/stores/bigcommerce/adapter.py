"""A BigCommerce store behind the `Store` port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from babel.numbers import get_currency_precision

from adapters.stores.bigcommerce import advice, locations, places, prices, shapes, writes
from adapters.stores.bigcommerce.client import ADAPTER, PAGE, BigCommerceClient
from adapters.stores.bigcommerce.orders import OVERLAP, changed_orders
from connector.ports.errors import (
    Conflict,
    Misconfigured,
    NotFound,
    Unauthorized,
)
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

STOCK_CHANGED = "store/channel/*/inventory/product/stock_changed"
TOPICS = (
    STOCK_CHANGED,
    "store/order/created",
    "store/order/updated",
    "store/product/created",
    "store/product/updated",
    "store/product/deleted",
    "store/sku/created",
    "store/sku/updated",
    "store/sku/deleted",
    "store/app/uninstalled",
)
READ = 250
"""Variant ids in one address: about 2 kB of the 8 kB that gateways take."""
_PRODUCT = (
    "name,sku,price,categories,inventory_level,inventory_tracking,is_visible,availability,upc,gtin,"
    "custom_url,date_modified"
)


class BigCommerceStore:
    """See `connector.ports.stores.Store`. Keeps what the store said of itself, and nothing else.

    `location_id` is the one location that is read and written, None for the store's default. `scopes` are
    those granted at the installation, empty when not known.
    """

    capabilities = StoreCapabilities(
        compare_and_set="read_then_write",
        honours_keys=False,
        quantity_batch_size=writes.MOST_ITEMS,
        badge_batch_size=writes.MOST_METAFIELDS,
        read_batch_size=READ,
        badge_with_quantity=False,
        has_locations=True,
        reads_orders=True,
        place_batch_size=places.BATCH,
        price_batch_size=prices.BATCH,
    )

    def __init__(
        self, client: BigCommerceClient, location_id: str | None, scopes: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._location_id = location_id
        self._scopes = scopes
        self._badges = writes.Badges(client)
        self._listed = places.BigCommercePlaces(client)
        self._about: dict[str, Any] | None = None
        self._takes_when_shipped: bool | None = None
        self._picked: str | None = None

    # ---------------------------------------------------------------- the store

    def check(self) -> StoreCheck:
        self._about = self._picked = None
        about = self._store()
        return StoreCheck(
            name=str(about.get("name") or ""),
            url=str(about.get("secure_url") or about.get("domain") or ""),
            version=f"API v3, plan {about.get('plan_level') or about.get('plan_name') or 'unknown'}",
            currency=str(about.get("currency") or ""),
            timezone=str((about.get("timezone") or {}).get("name") or ""),
            warnings=tuple(
                advice.warnings(
                    self._scopes, self._places(), self._own_location(), self._inventory_settings()
                )
            ),
        )

    def _store(self) -> dict[str, Any]:
        if self._about is None:
            try:
                found = self._client.get("/v2/store")
            except NotFound as exc:
                raise Misconfigured(
                    ADAPTER,
                    f"store {self._client.store_hash}",
                    "BigCommerce has no such store.",
                    "Check the store hash.",
                    field="store_hash",
                ) from exc
            if not isinstance(found, dict) or "name" not in found:
                raise Misconfigured(
                    ADAPTER,
                    "GET /v2/store",
                    "The answer does not describe a store.",
                    "Check the store hash.",
                    field="store_hash",
                )
            self._about = found
        return self._about

    def _inventory_settings(self) -> dict[str, Any]:
        """Empty where the token may not read them: nothing depends on them but advice."""
        try:
            found = self._client.get("/v3/settings/inventory")
        except (NotFound, Unauthorized):
            return {}
        data = found.get("data") if isinstance(found, dict) else None
        return data if isinstance(data, dict) else {}

    # ---------------------------------------------------------------- locations

    def locations(self) -> list[Location]:
        """All locations; an app may not set numbers at a disabled one."""
        return [
            Location(str(one["id"]), str(one.get("label") or one["id"]), one.get("enabled") is True)
            for one in self._places()
        ]

    def _places(self) -> list[dict[str, Any]]:
        return locations.all_places(self._client)

    def _own_location(self) -> str:
        """The location that is read and written, as last picked (see `locations`)."""
        if self._picked is None:
            self._picked = locations.own_place(self._client, self._location_id)
        return self._picked

    # ---------------------------------------------------------------- catalogue

    def catalog(
        self, changed_since: datetime | None = None, location_ids: Sequence[str] = ()
    ) -> Iterator[list[StoreListing]]:
        """Products by ascending id, each with its variants; the numbers of a page cost a call for every
        250 tracked variants and location."""
        about = self._store()
        # A default location may have moved, and any may be closed or deleted.
        self._picked = None
        around = shapes.Surroundings(
            url=str(about.get("secure_url") or "").rstrip("/"),
            minor_digits=self._minor_digits(),
            location_id="" if location_ids else self._own_location(),
            categories=self._categories(),
        )
        everywhere = locations.surroundings(around, location_ids, self._location_id, self._places)
        query = {
            "include": "variants,primary_image",
            "include_fields": _PRODUCT,
            "sort": "id",
            "direction": "asc",
            "limit": str(PAGE),
        }
        if changed_since is not None:
            query["date_modified:min"] = _stamp(changed_since)
        last = 0
        while True:
            # By id and not by page: a product deleted meanwhile would move later ones to a page already read.
            products = self._client.rows("/v3/catalog/products", {**query, "id:greater": str(last)})
            if not products:
                return
            found = []
            for here in everywhere:
                levels = {} if here.problem else self._levels(shapes.tracked(products), here.location_id)
                found += [one for product in products for one in shapes.listings(product, levels, here)]
            if found:
                yield found
            last = max(int(product["id"]) for product in products)

    def _categories(self) -> dict[int, str]:
        return {
            int(row["category_id"]): str(row.get("name") or "")
            for rows in self._client.pages("/v3/catalog/trees/categories")
            for row in rows
            if "category_id" in row
        }

    def _levels(self, numbers: Sequence[int], location_id: str) -> dict[int, int]:
        found: dict[int, int] = {}
        path = f"/v3/inventory/locations/{int(location_id)}/items"
        for chunk in writes.chunks(numbers, READ):
            query = {"variant_id:in": ",".join(map(str, chunk)), "limit": "1000"}
            try:
                rows = self._client.rows(path, query)
            except NotFound as exc:
                raise Misconfigured(
                    ADAPTER,
                    f"location {location_id}",
                    "The store has no such location any more.",
                    "Choose the written location in the connection's settings.",
                    field="location_id",
                ) from exc
            found |= shapes.levels(rows)
        return found

    # ---------------------------------------------------------------- numbers

    def read_quantities(self, refs: Sequence[ListingRef]) -> list[Reading]:
        """One call for every 250 variants of a location.

        BigCommerce keeps no inventory of a product that is not tracked: a ref whose catalogue entry said so
        is answered without asking. One that was tracked and has no inventory any more costs a further call
        (one for all of them), which tells what became of it.
        """
        places: dict[str, list[int]] = {}
        for ref in refs:
            if _is_own(ref):
                places.setdefault(ref.location_id or self._own_location(), []).append(int(ref.external_id))
        found: dict[str, dict[int, int]] = {}
        gone: dict[str, str] = {}
        for place, numbers in places.items():
            try:
                found[place] = self._levels(numbers, place)
            except Misconfigured as exc:
                if not self._is_further(place):
                    raise
                gone[place] = f"{exc.cause} {exc.remedy}"
        known: dict[ListingRef, Reading] = {}
        lost: list[ListingRef] = []
        for ref in refs:
            if not _is_own(ref):
                is_shared = ref.stock_id.startswith("shared:")
                known[ref] = Reading(ref, None, shapes.SHARED if is_shared else shapes.UNTRACKED)
                continue
            place = ref.location_id or self._own_location()
            if place in gone:
                known[ref] = Reading(ref, None, gone[place])
            elif (level := found[place].get(int(ref.external_id))) is None:
                lost.append(ref)
            else:
                known[ref] = Reading(ref, level)
        for chunk in writes.chunks(lost, READ):
            known |= {reading.ref: reading for reading in self._explained(chunk)}
        return [known[ref] for ref in refs if ref in known]

    def _is_further(self, location_id: str | None) -> bool:
        """Whether it is one of several written locations and not the connection's own: where that one is closed
        or deleted its items cannot be written, and all others can."""
        return bool(location_id and self._location_id) and location_id != self._location_id

    def _explained(self, lost: Sequence[ListingRef]) -> Iterator[Reading]:
        """What the catalogue says of variants without inventory; those it does not know are left out."""
        products = {int(ref.product_id) for ref in lost}
        query = {
            "id:in": ",".join(map(str, sorted(products))),
            "include": "variants",
            "include_fields": "inventory_tracking,inventory_level",
            "limit": str(PAGE),
        }
        variants = {
            int(variant["id"]): (product, variant)
            for product in self._client.rows("/v3/catalog/products", query)
            for variant in product.get("variants") or ()
        }
        for ref in lost:
            if int(ref.external_id) in variants:
                product, variant = variants[int(ref.external_id)]
                is_alone = len(product.get("variants") or ()) == 1
                kind, problem = shapes.kind_of(str(product.get("inventory_tracking")), is_alone)
                # A number that was never set has no inventory yet.
                shown = shapes.whole((product if kind == "product" else variant).get("inventory_level"))
                level = 0 if self._is_further(ref.location_id) else shown
                yield Reading(ref, None if problem else level, problem)

    def plan_quantities(self, changes: Sequence[QuantityChange]) -> list[FrozenRequest]:
        return writes.plan_quantities(changes)

    def plan_badges(self, changes: Sequence[BadgeChange]) -> list[FrozenRequest]:
        return writes.plan_badges(changes)

    def send(self, request: FrozenRequest, key: str) -> list[ItemResult]:
        """BigCommerce keeps no keys; repeating is harmless because numbers and badges are absolute."""
        try:
            return writes.send(self._client, self._badges, request)
        except Misconfigured as exc:
            if exc.field != "location_id" or not self._is_further(request.refs[0].location_id):
                raise
            # A request has one location: the others go on being written.
            return [ItemResult(ref, "rejected", reason=f"{exc.cause} {exc.remedy}") for ref in request.refs]

    # ---------------------------------------------------------------- places in lists

    @property
    def place_kinds(self) -> tuple[PlaceKind, ...]:
        return places.KINDS

    def place_when_out(self, kind: PlaceKind, present: str) -> str:
        places.check_kind(kind)
        return places.when_out(present)

    def read_places(self, kind: PlaceKind, tag: str, product_ids: Sequence[str]) -> Mapping[str, str]:
        return self._listed.read(kind, product_ids)

    def set_places(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        return self._listed.set(kind, changes)

    def read_prices(self, refs: Sequence[ListingRef]) -> Mapping[str, StorePrice]:
        return prices.read_prices(self._client, refs, self._minor_digits())

    def set_prices(self, changes: Sequence[PriceSet]) -> list[PriceResult]:
        return prices.set_prices(self._client, changes, self._minor_digits())

    def _minor_digits(self) -> int:
        """Those of the currency, as everybody counts minor units here; how many decimals the store shows is its own
        choice."""
        return get_currency_precision(str(self._store().get("currency") or ""))

    # ---------------------------------------------------------------- orders

    def orders(self, changed_since: datetime, tells_locations: bool = False) -> Iterator[list[StoreOrder]]:
        """Of what is picked up BigCommerce tells where, of what is shipped it does not."""
        return changed_orders(self._client, changed_since, self._order)

    def _order(self, row: dict[str, Any]) -> StoreOrder | None:
        if self._takes_when_shipped is None:
            behaviour = self._inventory_settings().get("update_stock_behavior")
            self._takes_when_shipped = behaviour == "order_completed_or_shipped"
        return shapes.order(row, takes_when_shipped=self._takes_when_shipped)

    # ---------------------------------------------------------------- webhooks

    def subscribe(self, address: str, secret: str) -> list[str]:
        """One webhook a scope; those BigCommerce switched off are switched on again.

        They are signed with the app's client secret whatever `secret` is. A webhook made with an earlier
        token is not shown but still delivers: its refusal as a duplicate is taken for that.
        """
        ours = self._hooks(address)
        for scope in TOPICS:
            known = ours.get(scope)
            if known is None:
                body = {"scope": scope, "destination": address, "is_active": True, "headers": {}}
                try:
                    self._client.write("POST", "/v3/hooks", body)
                except Conflict:
                    continue
            elif known.get("is_active") is not True:
                path = f"/v3/hooks/{int(known['id'])}"
                self._client.write("PUT", path, {"scope": scope, "destination": address, "is_active": True})
        return list(TOPICS)

    def webhooks_off(self, address: str) -> list[str]:
        """Also those made with an earlier token: BigCommerce does not show them."""
        ours = self._hooks(address)
        return [scope for scope in TOPICS if ours.get(scope, {}).get("is_active") is not True]

    def _hooks(self, address: str) -> dict[str, dict[str, Any]]:
        """The store's webhooks to this address by scope; of several an active one counts."""
        ours: dict[str, dict[str, Any]] = {}
        for rows in self._client.pages("/v3/hooks"):
            for row in rows:
                scope = str(row.get("scope"))
                if row.get("destination") == address and (scope not in ours or row.get("is_active")):
                    ours[scope] = row
        return ours


def _is_own(ref: ListingRef) -> bool:
    """Whether the ref has a number of its own."""
    return ref.stock_id.startswith(("variant:", "product:"))


def _stamp(since: datetime) -> str:
    if since.tzinfo is None:
        raise ValueError("changed_since must be aware")
    return (since.astimezone(UTC) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
