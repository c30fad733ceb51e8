"""The products and variations routes that write: single writes, batches and WooCommerce's stock rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from simulator.shop import Item, Product
from simulator.woocommerce import prices
from simulator.woocommerce.catalog import Catalog, unknown_product
from simulator.woocommerce.render import Shelf, slug
from simulator.woocommerce.replies import Call, Reply, RestError, invalid_param

_BATCH_LIMIT = 100


class Products(Catalog):
    """Reads and writes. `event(topic, id)` is told of what the shop's own listeners do not hear of."""

    def __init__(self, shelf: Shelf, event: Callable[[str, int], None]) -> None:
        super().__init__(shelf)
        self.event = event

    def create(self, call: Call) -> Reply:
        product_id = self._create(call.body)
        data = self.shelf.written(self.shop.products[product_id], call.home)
        headers = {"Location": f"{call.home}/wp-json/wc/v3/products/{product_id}"}
        return Reply(data, 201, headers)

    def _create(self, fields: Mapping[str, Any]) -> int:
        sku = str(fields.get("sku", ""))
        if sku:
            twin = self.shop.by_sku(sku)
            if twin:
                raise RestError(
                    400,
                    "product_invalid_sku",
                    "Invalid or duplicated SKU.",
                    resource_id=twin[0].id,
                    unique_sku=f"{sku}-1",
                )
        name = str(fields.get("name", ""))
        is_managed = bool(fields.get("manage_stock"))
        product = self.shop.add_product(
            name,
            [
                {
                    "sku": sku,
                    "price_minor": prices.minor(fields.get("regular_price")),
                    "tracked": is_managed,
                    "stock": _php_int(fields.get("stock_quantity")) if is_managed else None,
                }
            ],
            handle=slug(name),
        )
        self.event("product.created", product.id)
        return product.id

    def update(self, call: Call, product_id: int) -> Reply:
        """PUT products/<id>: checked against the schema, unlike a batch."""
        _check_schema(call.body)
        data = self._update_product(product_id, call.body, call.home, is_single=True)
        return Reply(data)

    def update_variation(self, call: Call, parent_id: int, item_id: int) -> Reply:
        _check_schema(call.body)
        self.write_item(self.known_variation(parent_id, item_id), call.body, is_single=True)
        return self.variation(Call("GET", call.path, {}, None, call.home), parent_id, item_id)

    def delete(self, call: Call, product_id: int) -> Reply:
        """To the trash (the event product.deleted), or with `force` for good (no event)."""
        with self.shop.lock:
            product = self.shop.products.get(product_id)
            if product is None:
                raise unknown_product(404)
            data = self.shelf.written(product, call.home)
            is_forced = call.flag("force")
            if is_forced:
                for item_id in product.item_ids:
                    del self.shop.items[item_id]
                del self.shop.products[product_id]
            else:
                product.platform["status"] = "trash"
                product.published = False
        if not is_forced:
            self.event("product.deleted", product_id)
        return Reply(data)

    def batch(self, call: Call, parent_id: int | None = None) -> Reply:
        """At most 100 items over create, update and delete; items fail one by one under a 200.

        Items are not checked against the schema, as in WooCommerce.
        """
        body = call.body if isinstance(call.body, dict) else {}
        count = sum(len(body.get(part) or ()) for part in ("create", "update", "delete"))
        if count > _BATCH_LIMIT:
            raise RestError(
                413,
                "woocommerce_rest_request_entity_too_large",
                f"Unable to accept more than {_BATCH_LIMIT} items for this request.",
            )
        found: dict[str, Any] = {}
        if parent_id is None and body.get("create"):
            found["create"] = [self._attempt(0, partial(self._created, f, call)) for f in body["create"]]
        if body.get("update"):
            found["update"] = [
                self._attempt(_php_int(f.get("id")), partial(self._updated, f, call, parent_id))
                for f in body["update"]
            ]
        if parent_id is None and body.get("delete"):
            found["delete"] = [
                self._attempt(_php_int(i), partial(self._deleted, _php_int(i), call)) for i in body["delete"]
            ]
        return Reply(found or [])

    def _attempt(self, item_id: int, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return act()
        except RestError as exc:
            error = exc.body()
            return {"id": item_id, "error": error}

    def _deleted(self, product_id: int, call: Call) -> dict[str, Any]:
        data: dict[str, Any] = self.delete(Call("DELETE", "", {}, None, call.home), product_id).data
        return data

    def _created(self, fields: Mapping[str, Any], call: Call) -> dict[str, Any]:
        return self.shelf.written(self.shop.products[self._create(fields)], call.home)

    def _updated(self, fields: Mapping[str, Any], call: Call, parent_id: int | None) -> dict[str, Any]:
        item_id = _php_int(fields.get("id"))
        if parent_id is None:
            return self._update_product(item_id, fields, call.home, is_single=False)
        item = self.known_variation(parent_id, item_id)
        self.write_item(item, fields, is_single=False)
        with self.shop.lock:
            return self.shelf.variation(item, call.home)

    def _update_product(
        self, product_id: int, fields: Mapping[str, Any], home: str, *, is_single: bool
    ) -> dict[str, Any]:
        product = self.shop.products.get(product_id)
        if product is None:
            if product_id in self.shop.items:
                raise RestError(
                    404,
                    "woocommerce_rest_invalid_product_id",
                    "To manipulate product variations you should use the "
                    "/products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint.",
                )
            raise unknown_product(400)
        with self.shop.lock:
            self._write_page(product, fields)
        item = self.shop.items.get(product_id)
        if item is not None:
            self.write_item(item, fields, is_single=is_single)
        else:
            self._write_parent(product, fields)
        with self.shop.lock:
            return self.shelf.written(product, home)

    def _write_page(self, product: Product, fields: Mapping[str, Any]) -> None:
        if "status" in fields:
            product.platform["status"] = str(fields["status"])
            product.published = fields["status"] == "publish"
        if "catalog_visibility" in fields:
            if fields["catalog_visibility"] not in ("visible", "catalog", "search", "hidden"):
                raise RestError(
                    400, "product_invalid_catalog_visibility", "Invalid catalog visibility option."
                )
            product.platform["catalog_visibility"] = str(fields["catalog_visibility"])
        if "menu_order" in fields:
            product.platform["menu_order"] = _php_int(fields["menu_order"])
        if "tags" in fields:
            # The list is replaced whole, by ids; unknown ones are dropped.
            ids = [_php_int(row.get("id")) for row in fields["tags"] or ()]
            product.platform["tags"] = [name for name in map(self.shelf.tag_named, ids) if name]
        if fields.get("name"):
            product.title = str(fields["name"])

    def _write_parent(self, product: Product, fields: Mapping[str, Any]) -> None:
        """A variable product's own number and meta."""
        with self.shop.lock:
            if self.shelf.manages_stock:
                if "manage_stock" in fields:
                    product.platform["manage_stock"] = bool(fields["manage_stock"])
                if product.platform.get("manage_stock") and fields.get("stock_quantity") is not None:
                    product.platform["stock"] = _php_int(fields["stock_quantity"])
            product.meta.update(
                {row["key"]: row.get("value") for row in fields.get("meta_data") or () if row.get("key")}
            )
            for key in [k for k, v in product.meta.items() if v is None]:
                del product.meta[key]
        self.shop.touch(product.id, by="api")

    def write_item(self, item: Item, fields: Mapping[str, Any], *, is_single: bool) -> None:
        """Apply WooCommerce's stock rules; every write stamps the item, also one that changes nothing."""
        quantity: int | None = None
        delta: int | None = None
        with self.shop.lock:
            self._write_fields(item, fields)
            takes_numbers = (
                self.shelf.manages_stock and item.tracked and item.platform.get("manage_stock") != "parent"
            )
            if takes_numbers:
                if "stock_quantity" in fields and (fields["stock_quantity"] is not None or is_single):
                    quantity = _php_int(fields["stock_quantity"])
                elif fields.get("inventory_delta") is not None:
                    delta = _php_int(fields["inventory_delta"])
            meta = self._meta_changes(item, fields.get("meta_data") or ())
            if takes_numbers and "_stock" in meta:
                quantity = _php_int(meta.pop("_stock"))
        # The shop reports each change after its lock is released, so these run outside of ours.
        if quantity is not None:
            self.shop.set_stock(item.id, quantity, by="api")
        elif delta is not None:
            self.shop.adjust_stock(item.id, delta, by="api")
        if meta:
            self.shop.set_meta(item.id, meta, by="api")
        if quantity is None and delta is None and not meta:
            self.shop.touch(item.id, by="api")

    def _write_fields(self, item: Item, fields: Mapping[str, Any]) -> None:
        if "backorders" in fields:
            item.platform["backorders"] = str(fields["backorders"])
            item.backorders = fields["backorders"] != "no"
        if "manage_stock" in fields and self.shelf.manages_stock:
            status = self.shelf.stock_status(item)
            if fields["manage_stock"] == "parent" and item.id != item.product_id:
                item.platform["manage_stock"] = "parent"
            else:
                item.platform.pop("manage_stock", None)
                was_tracked, item.tracked = item.tracked, bool(fields["manage_stock"])
                if was_tracked and not item.tracked:
                    item.stock = None
                    item.platform["stock_status"] = status
        if "stock_status" in fields and not item.tracked:
            item.platform["stock_status"] = str(fields["stock_status"])
        if "low_stock_amount" in fields:
            item.platform["low_stock_amount"] = fields["low_stock_amount"]
        if fields.get("sku"):
            item.sku = str(fields["sku"])
        prices.write(item, fields)

    def _meta_changes(self, item: Item, rows: Any) -> dict[str, Any]:
        by_id = {row["id"]: row["key"] for row in self.shelf.meta(item)}
        changes: dict[str, Any] = {}
        for row in rows:
            key = row.get("key") or by_id.get(row.get("id"))
            if key:
                changes[str(key)] = row.get("value")
        return changes


def _php_int(value: object) -> int:
    """PHP's (int): "abc" is 0, 2.5 is 2, "7 pieces" is 7."""
    if isinstance(value, (bool, int, float)):
        return int(value)
    found = re.match(r"\s*[+-]?\d+", str(value)) if value is not None else None
    return int(found.group()) if found else 0


def _check_schema(body: object) -> None:
    if not isinstance(body, dict):
        return
    for name in ("stock_quantity", "inventory_delta"):
        value = body.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            continue
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value):
            continue
        if isinstance(value, float) and value.is_integer():
            continue
        raise invalid_param(name, f"{name} is not of type integer.", "rest_invalid_type", {"param": name})
    for name in ("regular_price", "sale_price"):
        if not isinstance(body.get(name, ""), str):
            raise invalid_param(name, f"{name} is not of type string.", "rest_invalid_type", {"param": name})
