"""V3 catalogue: products with their variants, categories, and the metafields of variants."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulator.bigcommerce import prices
from simulator.bigcommerce.model import MOST, Levels, is_simple, tracking, variant_id
from simulator.bigcommerce.replies import ApiError, Reply, ids, only, page_of
from simulator.shop import Item, Product

MOST_PRODUCTS = 250
MOST_UPDATES = 10
MOST_METAFIELDS = 50
AVAILABILITY = frozenset({"available", "disabled", "preorder"})
LONGEST_DESCRIPTION = 255
_PERMISSIONS = {"app_only", "read", "write", "read_and_sf_access", "write_and_sf_access"}


@dataclass
class Metafield:
    id: int
    resource_id: int
    namespace: str
    key: str
    value: str
    permission_set: str
    created_at: datetime
    modified_at: datetime
    description: str = ""

    def render(self, client_id: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "key": self.key,
            "value": self.value,
            "namespace": self.namespace,
            "permission_set": self.permission_set,
            "resource_type": "variant",
            "resource_id": self.resource_id,
            "description": self.description,
            "date_created": stamp(self.created_at),
            "date_modified": stamp(self.modified_at),
            "owner_client_id": client_id,
        }


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


@dataclass
class Catalog:
    """Reads `Shop`; keeps the metafields, mirrored into `Item.meta` as "namespace.key"."""

    levels: Levels
    client_id: str
    metafields: dict[int, Metafield] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = self.levels.shop
        self._lock = threading.Lock()

    # ---------------------------------------------------------------- products

    def products(self, args: Mapping[str, str]) -> Reply:
        wanted, since = ids(args, "id:in"), _since(args.get("date_modified:min"))
        after = int(args.get("id:greater", "0"))
        include = set(args.get("include", "").split(","))
        most = 10 if include & {"options", "modifiers"} else MOST_PRODUCTS
        with self.shop.lock:
            found = [
                product
                for _, product in sorted(self.shop.products.items())
                if product.id > after
                and (wanted is None or product.id in wanted)
                and (since is None or product.updated_at.replace(microsecond=0) >= since)
            ]
            always = ["id", *sorted(include)]
            return page_of(
                found,
                args,
                most=most,
                render=lambda one: only(self.product(one, include), args.get("include_fields"), always),
            )

    def update_products(self, body: bytes) -> Reply:
        """All or nothing: where the documents are silent about one bad product this is the harsher reading."""
        rows = _rows(body)
        if len(rows) > MOST_UPDATES:
            raise ApiError(
                413,
                f"The request payload is too large. The maximum items allowed in the array is {MOST_UPDATES}.",
            )
        with self.shop.lock:
            found = [self.shop.products.get(row.get("id", 0)) for row in rows]
            if None in found:
                raise ApiError(404, "One or more products could not be found")
            for row in rows:
                order = row.get("sort_order", 0)
                if type(order) is not int or not -MOST - 1 <= order <= MOST:
                    raise ApiError(422, "sort_order is not valid")
                if row.get("availability", "available") not in AVAILABILITY:
                    raise ApiError(422, "availability is not one of its values")
                if len(row.get("availability_description", "")) > LONGEST_DESCRIPTION:
                    raise ApiError(422, "availability_description is too long")
            products = [one for one in found if one is not None]
            for row, product in zip(rows, products, strict=True):
                prices.check(row, self.shop.items_of(product)[0])
            for row, product in zip(rows, products, strict=True):
                for name in (
                    "sort_order",
                    "availability",
                    "availability_description",
                    "preorder_release_date",
                ):
                    if name in row:
                        product.platform[name] = row[name]
                # Variants with prices of their own keep them.
                if is_simple(product):
                    prices.write(row, self.shop.items_of(product)[0])
        for product in products:
            self.shop.touch(product.id, by="api")
        with self.shop.lock:
            return Reply({"data": [self.product(one, set()) for one in products], "meta": {}})

    def update_variants(self, body: bytes) -> Reply:
        """All or nothing, as products are."""
        with self.shop.lock:
            items = prices.update_variants(_rows(body), self.levels.item)
            rows = [self.variant(item, self.shop.products[item.product_id]) for item in items]
        for item in items:
            self.shop.touch(item.id, by="api")
        return Reply({"data": rows, "meta": {}})

    def product(self, product: Product, include: set[str]) -> dict[str, Any]:
        items = self.shop.items_of(product)
        first = items[0]
        mode = tracking(self.shop, product)
        level = {"none": 0, "product": self._level(first), "variant": sum(self._level(i) for i in items)}
        row: dict[str, Any] = {
            "id": product.id,
            "name": product.title,
            "type": "physical",
            "sku": first.sku if is_simple(product) else "",
            "description": product.description,
            **prices.shown(first, 0),
            "categories": [self._category_ids()[name] for name in product.collections],
            "inventory_level": level[mode],
            "inventory_warning_level": 0,
            "inventory_tracking": mode,
            "is_visible": product.published,
            "availability": product.platform.get("availability", "available"),
            "availability_description": product.platform.get("availability_description", ""),
            "preorder_release_date": product.platform.get("preorder_release_date"),
            "upc": "",
            "gtin": first.gtin if is_simple(product) else "",
            "custom_url": {"url": f"/{product.handle}/", "is_customized": False},
            "sort_order": int(product.platform.get("sort_order", 0)),
            "base_variant_id": variant_id(first) if is_simple(product) else None,
            "date_modified": stamp(product.updated_at),
        }
        if "variants" in include:
            row["variants"] = [self.variant(item, product) for item in items]
        if "primary_image" in include:
            row["primary_image"] = {"url_standard": product.image_url} if product.image_url else None
        return row

    def _level(self, item: Item) -> int:
        return self.levels.shown(item, self.levels.default.id)

    def variant(self, item: Item, product: Product) -> dict[str, Any]:
        return {
            "id": variant_id(item),
            "product_id": product.id,
            "sku": item.sku,
            "sku_id": None if is_simple(product) else item.id,
            # A variant without a price of its own takes the product's.
            **prices.shown(item, None),
            **({"price": None, "sale_price": None} if is_simple(product) else {}),
            "upc": "" if is_simple(product) else item.gtin,
            "image_url": "",
            "purchasing_disabled": False,
            "inventory_level": self._level(item) if tracking(self.shop, product) == "variant" else 0,
            "option_values": []
            if is_simple(product)
            else [
                {"id": item.id, "option_id": product.id, "option_display_name": "Size", "label": item.title}
            ],
        }

    def _category_ids(self) -> dict[str, int]:
        names = sorted({name for product in self.shop.products.values() for name in product.collections})
        return {name: 20 + n for n, name in enumerate(names)}

    def categories(self, args: Mapping[str, str]) -> Reply:
        with self.shop.lock:
            rows = [
                {"category_id": number, "tree_id": 1, "name": name, "parent_id": 0}
                for name, number in self._category_ids().items()
            ]
        return page_of(rows, args, most=250)

    # ---------------------------------------------------------------- metafields

    def list_metafields(self, args: Mapping[str, str], resource_id: int | None = None) -> Reply:
        with self._lock:
            rows = [
                one.render(self.client_id)
                for _, one in sorted(self.metafields.items())
                if (resource_id is None or one.resource_id == resource_id)
                and args.get("namespace", one.namespace) == one.namespace
                and args.get("key", one.key) == one.key
            ]
        return page_of(rows, args, most=250)

    def create_metafields(self, body: bytes) -> Reply:
        """Create what can be created; 422 with the made ones in `data` where some cannot."""
        rows = _rows(body)
        return self._many([lambda row=row: self._create(row) for row in rows])

    def update_metafields(self, body: bytes) -> Reply:
        rows = _rows(body)
        return self._many([lambda row=row: self._update(row) for row in rows])

    def _many(self, acts: list[Any]) -> Reply:
        made, errors = [], {}
        for n, act in enumerate(acts):
            try:
                made.append(act())
            except ApiError as error:
                errors[str(n)] = str(error)
        meta = {"total": len(acts), "success": len(made), "failed": len(errors)}
        if not errors:
            return Reply({"data": made, "errors": [], "meta": meta})
        detail = {"status": 422, "title": "Bulk operation has failed", "type": "", "errors": errors}
        return Reply({"data": made, "errors": [detail], "meta": meta}, 422)

    def _create(self, row: dict[str, Any]) -> dict[str, Any]:
        if row.get("permission_set") not in _PERMISSIONS:
            raise ApiError(422, "permission_set is not valid")
        for name, most in (("namespace", 64), ("key", 64), ("value", 65_535)):
            if not isinstance(row.get(name), str) or not 1 <= len(row[name]) <= most:
                raise ApiError(422, f"{name} is not valid")
        number = row.get("resource_id")
        item = self.levels.item(number) if isinstance(number, int) else None
        if item is None or not isinstance(number, int):
            raise ApiError(422, f"Variant {number} does not exist")
        with self._lock:
            if any(
                (one.resource_id, one.namespace, one.key) == (number, row["namespace"], row["key"])
                for one in self.metafields.values()
            ):
                raise ApiError(422, "A metafield with this namespace and key exists already")
            now = self.shop.now()
            made = Metafield(
                self.shop.new_id(), number, row["namespace"], row["key"], row["value"],
                row["permission_set"], now, now,
            )  # fmt: skip
            self.metafields[made.id] = made
        self.shop.set_meta(item.id, {f"{made.namespace}.{made.key}": made.value}, by="api")
        return made.render(self.client_id)

    def _update(self, row: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            kept = self.metafields.get(row.get("id", 0))
        if kept is None:
            raise ApiError(422, "Metafield does not exist")
        item = self.levels.item(kept.resource_id)
        if item is None:
            raise ApiError(422, f"Variant {kept.resource_id} does not exist")
        if "value" in row:
            kept.value, kept.modified_at = str(row["value"]), self.shop.now()
            self.shop.set_meta(item.id, {f"{kept.namespace}.{kept.key}": kept.value}, by="api")
        return kept.render(self.client_id)


def _rows(body: bytes) -> list[dict[str, Any]]:
    try:
        rows = json.loads(body)
    except ValueError as exc:
        raise ApiError(400, "Input is invalid") from exc
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
        raise ApiError(422, "JSON data is missing or invalid")
    if len(rows) > MOST_METAFIELDS:
        raise ApiError(413, f"At most {MOST_METAFIELDS} metafields may be sent at once.")
    return rows


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as exc:
        raise ApiError(422, "The filter date_modified:min is not valid.") from exc
    return at if at.tzinfo else at.replace(tzinfo=UTC)
