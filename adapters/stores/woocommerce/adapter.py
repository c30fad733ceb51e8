"""A WooCommerce shop behind the `Store` port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.stores.woocommerce import companion, places, prices, shapes, writes
from adapters.stores.woocommerce.client import ADAPTER, Client, NoRoute
from adapters.stores.woocommerce.lists import BATCH, PLAIN_SKU, chunks, pages, rows_of, sku_chunks, window
from connector.ports.errors import Misconfigured, NotFound, Unauthorized
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

TOPICS = ("product.updated", "product.deleted", "order.created", "order.updated")

_STOCK = "id,type,parent_id,manage_stock,stock_quantity"
_PRODUCT = (
    "id,name,type,status,sku,global_unique_id,permalink,price,manage_stock,stock_quantity,"
    "date_modified_gmt,variations,images,categories"
)
_VARIATION = (
    "id,parent_id,name,status,sku,global_unique_id,permalink,price,manage_stock,stock_quantity,"
    "date_modified_gmt,attributes,image"
)
_ORDER = "id,status,date_created_gmt,date_modified_gmt,date_paid_gmt,line_items,shipping.country"
_PLAIN = StoreCapabilities(
    compare_and_set="read_then_write",
    honours_keys=False,
    quantity_batch_size=BATCH,
    badge_batch_size=BATCH,
    read_batch_size=BATCH,
    badge_with_quantity=True,
    has_locations=False,
    reads_orders=True,
    batches_by_product=True,
    place_batch_size=BATCH,
    price_batch_size=BATCH,
    price_by_product=True,
)
_WITH_PLUGIN = replace(_PLAIN, compare_and_set="plugin", batches_by_product=False)


class WooCommerceStore:
    """See `connector.ports.stores.Store`. Keeps what it was told of currency and companion plugin only."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._companion = companion.Companion(client)
        self._places = places.WooPlaces(client)
        self._currency: str | None = None
        self._is_tracking: bool | None = None

    @property
    def capabilities(self) -> StoreCapabilities:
        """Depends on the companion plugin: the shop is asked for it at first, and never raises here."""
        has_plugin = companion.CONDITIONAL in self._companion.features()
        return _WITH_PLUGIN if has_plugin else _PLAIN

    # ---------------------------------------------------------------- the shop

    def check(self) -> StoreCheck:
        """Who the shop is. Asks for an empty batch too, which changes nothing and tells whether the key
        may write."""
        index = self._client.index()
        namespaces = index.get("namespaces") or ()
        if "wc/v3" not in namespaces:
            raise Misconfigured(
                ADAPTER,
                self._client.url,
                "This WordPress site has no WooCommerce, or a version before 3.5.",
                "Install or update WooCommerce, or enter the address of the shop.",
                field="url",
            )
        status = self._client.get("system_status", {"_fields": "environment,settings"}).data
        self._client.write("POST", "products/batch", {"update": []})
        self._companion.note(namespaces)
        environment, settings = _part(status, "environment"), _part(status, "settings")
        self._currency = str(settings.get("currency") or "")
        return StoreCheck(
            name=shapes.plain(index.get("name")),
            url=str(index.get("home") or self._client.url),
            version=str(environment.get("version") or ""),
            currency=self._currency,
            timezone=shapes.timezone(index),
            warnings=tuple(self._warnings()),
        )

    def _warnings(self) -> Iterator[str]:
        if self._client.url.startswith("http://"):
            yield "The shop is reached without encryption. Use its https address if it has one."
        if not self._tracks_stock():
            yield shapes.SHOP_WIDE_OFF
        if self._setting("products", "woocommerce_hide_out_of_stock_items") == "yes":
            yield (
                "The shop hides products that are out of stock, so nobody can ask to be told. Untick "
                "“Hide out of stock items from the catalog” under WooCommerce > Settings > Products > "
                "Inventory."
            )

    def _setting(self, group: str, key: str) -> str | None:
        """One option of the shop, None when it does not tell."""
        try:
            data = self._client.get(f"settings/{group}/{key}").data
        except (NotFound, Unauthorized):
            # Reading options takes more rights than reading products; nothing here depends on them.
            return None
        return str(data.get("value")) if isinstance(data, dict) else None

    def _tracks_stock(self) -> bool:
        return self._setting("products", "woocommerce_manage_stock") != "no"

    def _known_currency(self) -> str:
        if self._currency is None:
            self._currency = self._setting("general", "woocommerce_currency") or ""
        return self._currency

    def locations(self) -> list[Location]:
        """WooCommerce has none."""
        return []

    # ---------------------------------------------------------------- catalogue

    def catalog(
        self, changed_since: datetime | None = None, location_ids: Sequence[str] = ()
    ) -> Iterator[list[StoreListing]]:
        """Simple products first, then variations. Before WooCommerce 10.3 the variations cost a call for
        every variable product."""
        since = window(changed_since)
        parents: dict[str, shapes.Parent] = {}
        currency = self._known_currency()
        self._is_tracking = None
        query = {"orderby": "id", "order": "asc", "status": "any", "_fields": _PRODUCT, **since}
        for rows in pages(self._client, "products", query):
            listings = []
            for row in rows:
                if shapes.is_variable(row):
                    parents[str(row["id"])] = shapes.parent(row)
                elif row.get("type") != "grouped":  # a group is sold through its products
                    listings.append(shapes.product_listing(row, currency))
            if listings:
                yield self._explained(listings)
        if not parents and not since:
            return
        for rows in self._variations(parents, since):
            self._add_missing_parents(rows, parents)
            # A variation whose parent is not listed lies in the trash with it.
            listings = [
                shapes.variation_listing(row, parents[str(row["parent_id"])], currency)
                for row in rows
                if str(row.get("parent_id")) in parents
            ]
            if listings:
                yield self._explained(listings)

    def _explained(self, listings: list[StoreListing]) -> list[StoreListing]:
        """The listings, with the shop-wide reason in place of the product's own where that is it."""
        if all(one.problem != shapes.UNMANAGED for one in listings):
            return listings
        if self._is_tracking is None:
            self._is_tracking = self._tracks_stock()
        if self._is_tracking:
            return listings
        return [
            replace(one, problem=shapes.SHOP_WIDE_OFF) if one.problem == shapes.UNMANAGED else one
            for one in listings
        ]

    def _variations(
        self, parents: dict[str, shapes.Parent], since: Mapping[str, str]
    ) -> Iterator[list[dict[str, Any]]]:
        query = {"orderby": "id", "order": "asc", "_fields": _VARIATION, **since}
        try:
            yield from pages(self._client, "variations", query, may_be_missing=True)
        except NoRoute:
            if since:
                # A sale of a variation need not stamp its parent, so all parents are asked.
                everything = {"type": "variable", "status": "any", "orderby": "id", "order": "asc"}
                for rows in pages(self._client, "products", {**everything, "_fields": _PRODUCT}):
                    parents.update({str(row["id"]): shapes.parent(row) for row in rows})
            for parent_id in list(parents):
                try:
                    for rows in pages(self._client, f"products/{parent_id}/variations", query):
                        # 8.9 shows no parent_id here.
                        yield [{**row, "parent_id": parent_id} for row in rows]
                except NotFound:
                    continue  # deleted since it was listed

    def _add_missing_parents(
        self, rows: Sequence[Mapping[str, Any]], parents: dict[str, shapes.Parent]
    ) -> None:
        missing = sorted({str(row.get("parent_id")) for row in rows} - parents.keys())
        for ids in chunks(missing, BATCH):
            query = {"include": ",".join(ids), "status": "any", "_fields": _PRODUCT}
            found = self._list("products", query)
            parents.update({str(row["id"]): shapes.parent(row) for row in found})

    # ---------------------------------------------------------------- numbers

    def read_quantities(self, refs: Sequence[ListingRef]) -> list[Reading]:
        """By SKU where the refs have usable ones, because only a list of SKUs finds simple products and
        variations in one call; each row is then checked by id. What is left is read by id: simple
        products and variations apart."""
        found: dict[str, Reading] = {}
        wanted = {ref.external_id: ref for ref in refs}

        def take(rows: Iterable[Mapping[str, Any]]) -> None:
            for row in rows:
                ref = wanted.get(str(row.get("id")))
                if ref is not None:
                    found[ref.external_id] = Reading(ref, shapes.quantity(row), shapes.problem(row))

        skus = [ref.sku for ref in wanted.values() if PLAIN_SKU.fullmatch(ref.sku)]
        for chunk in sku_chunks(skus):
            take(self._list("products", {"sku": ",".join(chunk), "_fields": _STOCK}))
        rest = [ref for ref in wanted.values() if ref.external_id not in found]
        for ids in chunks([r.external_id for r in rest if r.product_id == r.external_id], BATCH):
            take(self._list("products", {"include": ",".join(ids), "_fields": _STOCK}))
        variations = [ref for ref in rest if ref.product_id != ref.external_id]
        try:
            for ids in chunks([ref.external_id for ref in variations], BATCH):
                query = {"include": ",".join(ids), "_fields": _STOCK}
                take(self._list("variations", query, may_be_missing=True))
        except NoRoute:
            for parent_id, children in _by_parent(variations).items():
                for ids in chunks([ref.external_id for ref in children], BATCH):
                    query = {"include": ",".join(ids), "_fields": _STOCK}
                    try:
                        take(self._list(f"products/{parent_id}/variations", query))
                    except NotFound:
                        continue  # the parent is gone, and its variations with it
        return [found[ref.external_id] for ref in wanted.values() if ref.external_id in found]

    def _list(
        self, path: str, query: Mapping[str, str], *, may_be_missing: bool = False
    ) -> list[dict[str, Any]]:
        """One page of at most 100 rows."""
        full = {**query, "per_page": str(BATCH)}
        return rows_of(f"GET {path}", self._client.get(path, full, may_be_missing=may_be_missing).data)

    def plan_quantities(self, changes: Sequence[QuantityChange]) -> list[FrozenRequest]:
        """With the companion plugin hundreds of anything. Without: simple products in hundreds, variations in
        hundreds per parent, which is all WooCommerce has."""
        by_plugin = companion.CONDITIONAL in self._companion.known()
        items = []
        for change in changes:
            # A batch is not checked by the shop: text would silently become 0.
            if type(change.quantity) is not int or change.quantity < 0:
                raise ValueError(f"a quantity is a whole number of at least 0, not {change.quantity!r}")
            if by_plugin:
                item = companion.item_of(
                    change.ref, change.badge, quantity=change.quantity, expected=change.expected
                )
                items.append((change.ref, item))
                continue
            item = {"id": int(change.ref.stock_id), "stock_quantity": change.quantity}
            if change.badge is not None:
                item["meta_data"] = shapes.badge_meta(change.badge)
            items.append((change.ref, item))
        return companion.planned(items) if by_plugin else writes.planned(items)

    def plan_badges(self, changes: Sequence[BadgeChange]) -> list[FrozenRequest]:
        if companion.CONDITIONAL in self._companion.known():
            return companion.planned([(c.ref, companion.item_of(c.ref, c.badge)) for c in changes])
        return writes.planned(
            [
                (c.ref, {"id": int(c.ref.external_id), "meta_data": shapes.badge_meta(c.badge)})
                for c in changes
            ]
        )

    def send(self, request: FrozenRequest, key: str) -> list[ItemResult]:
        """One batch call. The shop keeps no keys; repeating is harmless because numbers are absolute."""
        if request.operation == companion.OPERATION:
            return self._companion.send(request)
        return writes.send(self._client, request)

    # ---------------------------------------------------------------- places in lists

    @property
    def place_kinds(self) -> tuple[PlaceKind, ...]:
        return places.KINDS

    def place_when_out(self, kind: PlaceKind, present: str) -> str:
        return places.when_out(kind, present)

    def read_places(self, kind: PlaceKind, tag: str, product_ids: Sequence[str]) -> Mapping[str, str]:
        return self._places.read(kind, tag, product_ids)

    def set_places(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        return self._places.set(kind, tag, changes)

    def read_prices(self, refs: Sequence[ListingRef]) -> Mapping[str, StorePrice]:
        return prices.read_prices(self._client, refs, self._known_currency())

    def set_prices(self, changes: Sequence[PriceSet]) -> list[PriceResult]:
        return prices.set_prices(self._client, changes, self._known_currency())

    # ---------------------------------------------------------------- orders

    def orders(self, changed_since: datetime, tells_locations: bool = False) -> Iterator[list[StoreOrder]]:
        query = {"orderby": "id", "order": "asc", "_fields": _ORDER, **window(changed_since)}
        for rows in pages(self._client, "orders", query):
            orders = [found for row in rows if (found := shapes.order(row)) is not None]
            if orders:
                yield orders

    # ---------------------------------------------------------------- webhooks

    def subscribe(self, address: str, secret: str) -> list[str]:
        """One webhook a topic; those the shop switched off after failures, or somebody paused, are
        switched on again with this secret (a shop never shows the old one)."""
        ours = self._webhooks(address)
        for topic in TOPICS:
            known = ours.get(topic)
            if known is None:
                body = {"name": f"Dispo {topic}", "topic": topic, "delivery_url": address, "secret": secret}
                self._client.write("POST", "webhooks", body)
            elif known.get("status") != "active":
                self._client.write("PUT", f"webhooks/{known['id']}", {"status": "active", "secret": secret})
        self._companion.tell_where_dispo_is(address, secret)
        return list(TOPICS)

    def webhooks_off(self, address: str) -> list[str]:
        ours = self._webhooks(address)
        return [topic for topic in TOPICS if ours.get(topic, {}).get("status") != "active"]

    def _webhooks(self, address: str) -> dict[str, Mapping[str, Any]]:
        """The shop's webhooks to this address by topic; of several an active one counts."""
        ours: dict[str, Mapping[str, Any]] = {}
        for rows in pages(self._client, "webhooks", {"status": "all", "orderby": "id", "order": "asc"}):
            for row in rows:
                topic = str(row.get("topic"))
                if row.get("delivery_url") == address and _is_better(row, ours.get(topic)):
                    ours[topic] = row
        return ours


def _part(data: Any, name: str) -> dict[str, Any]:
    part = data.get(name) if isinstance(data, dict) else None
    return part if isinstance(part, dict) else {}


def _by_parent(refs: Sequence[ListingRef]) -> dict[str, list[ListingRef]]:
    found: dict[str, list[ListingRef]] = {}
    for ref in refs:
        found.setdefault(ref.product_id, []).append(ref)
    return found


def _is_better(row: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    return known is None or (row.get("status") == "active" and known.get("status") != "active")
