"""The products and variations routes that read: lists with their filters, and single objects."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from simulator.shop import Item, Product
from simulator.woocommerce.render import Shelf
from simulator.woocommerce.replies import (
    Call,
    Reply,
    RestError,
    id_list,
    modified_filter,
    one_of,
    page_of,
    single,
)

_ORDERBY = (
    "date", "id", "include", "title", "slug", "modified", "menu_order", "price", "popularity", "rating",
)  # fmt: skip
_STATUSES = ("any", "draft", "pending", "private", "publish", "future", "trash", "checkout-draft")
_TYPES = ("simple", "grouped", "external", "variable")
_BATCH_LIMIT = 100


class Catalog:
    """Reads of one shop."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.shop = shelf.shop

    def many(self, call: Call) -> Reply:
        """GET products: parents and simple ones; with `sku` also variations."""
        status = one_of(call, "status", "any", _STATUSES)
        kind = call.query.get("type")
        if kind:
            one_of(call, "type", "", _TYPES)
        holds = modified_filter(call, self.shop.timezone)
        include, exclude = id_list(call, "include"), set(id_list(call, "exclude") or ())
        stock_status = call.query.get("stock_status")
        search = call.query.get("search", "").lower()
        with self.shop.lock:
            found: list[Product | Item] = []
            if "sku" in call.query:
                wanted = _skus(call.query["sku"])
                for item in self.shop.items.values():
                    if item.sku and _collated(item.sku) in wanted:
                        found.append(self._of(item))
                found += [
                    p
                    for p in self.shop.products.values()
                    if p.platform.get("sku") and _collated(str(p.platform["sku"])) in wanted
                ]
            elif include is not None:
                found += [self.shop.products[i] for i in include if i in self.shop.products]
            else:
                found += self.shop.products.values()
            rows = [
                one
                for one in found
                if self._shown(one, status)
                and one.id not in exclude
                and holds(one.updated_at if isinstance(one, Item) else self._modified(one))
                and (not kind or (isinstance(one, Product) and self.shelf.kind(one) == kind))
                and (not stock_status or self._stock_status(one) == stock_status)
                and (not search or search in one.title.lower())
            ]
            if include is not None and "sku" in call.query:
                rows = [one for one in rows if one.id in include]
            rows = self._ordered(call, rows, include)
            return page_of(call, rows, lambda one: self._render(one, call.home))

    def one(self, call: Call, product_id: int) -> Reply:
        """GET products/<id>: also a variation's id."""
        with self.shop.lock:
            if product_id in self.shop.products:
                return single(call, self.shelf.product(self.shop.products[product_id], call.home))
            item = self.shop.items.get(product_id)
            if item is None:
                raise unknown_product(404)
            return single(call, self.shelf.variation_as_product(item, call.home))

    def variations(self, call: Call, parent_id: int | None = None) -> Reply:
        """GET products/<parent>/variations, or GET variations of the whole shop (since 10.3)."""
        holds = modified_filter(call, self.shop.timezone)
        include = id_list(call, "include")
        skus = _skus(call.query["sku"]) if "sku" in call.query else None
        with self.shop.lock:
            if parent_id is not None:
                # Only a filter: of an unknown parent there are none.
                parent = self.shop.products.get(parent_id)
                items = [] if parent is None else self.shop.items_of(parent)
            else:
                items = list(self.shop.items.values())
            rows = [
                i
                for i in items
                if i.id != i.product_id
                and self.shelf.status(self.shop.products[i.product_id]) != "trash"
                and holds(i.updated_at)
                and (include is None or i.id in include)
                and (skus is None or (i.sku and _collated(i.sku) in skus))
            ]
            rows = self._ordered(call, rows, include)
            return page_of(call, rows, lambda one: self.shelf.variation(one, call.home))

    def variation(self, call: Call, parent_id: int, item_id: int) -> Reply:
        with self.shop.lock:
            return single(call, self.shelf.variation(self.known_variation(parent_id, item_id), call.home))

    def known_variation(self, parent_id: int, item_id: int) -> Item:
        item = self.shop.items.get(item_id)
        if item is None or item.product_id != parent_id or item.id == item.product_id:
            raise RestError(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        return item

    def _of(self, item: Item) -> Product | Item:
        return self.shop.products[item.id] if item.id == item.product_id else item

    def _modified(self, product: Product) -> datetime:
        item = self.shop.items.get(product.id)
        return item.updated_at if item is not None else product.updated_at

    def _shown(self, one: Product | Item, status: str) -> bool:
        product = one if isinstance(one, Product) else self.shop.products[one.product_id]
        own = self.shelf.status(product)
        return own != "trash" if status == "any" else own == status

    def _stock_status(self, one: Product | Item) -> str:
        if isinstance(one, Item):
            return self.shelf.stock_status(one)
        item = self.shop.items.get(one.id)
        return self.shelf.parent_status(one) if item is None else self.shelf.stock_status(item)

    def _render(self, one: Product | Item, home: str) -> dict[str, Any]:
        if isinstance(one, Product):
            return self.shelf.product(one, home)
        return self.shelf.variation_as_product(one, home)

    def _ordered(self, call: Call, rows: list[Any], include: list[int] | None) -> list[Any]:
        by = one_of(call, "orderby", "date", _ORDERBY)
        is_desc = one_of(call, "order", "desc", ("asc", "desc")) == "desc"
        if by == "include" and include is not None:
            return sorted(rows, key=lambda one: include.index(one.id))

        def key(one: Product | Item) -> tuple[Any, int]:
            product = one if isinstance(one, Product) else self.shop.products[one.product_id]
            if by == "modified":
                return (one.updated_at.replace(microsecond=0), one.id)
            if by in ("title", "slug"):
                return (product.title.lower(), one.id)
            if by == "id":
                return (0, one.id)
            return (self.shelf.created_at(product).replace(microsecond=0), one.id)

        return sorted(rows, key=key, reverse=is_desc)


def unknown_product(status: int) -> RestError:
    """404 for a read, 400 for a write, also inside a batch."""
    return RestError(status, "woocommerce_rest_product_invalid_id", "Invalid ID.")


def _skus(raw: str) -> set[str]:
    """The asked SKUs as they are compared; one that holds a comma is found alone. WordPress takes
    tags, percent-coded bytes and outer blanks off the parameter, not those around a comma."""
    text = re.sub(r"%[a-fA-F0-9]{2}|<[^>]*>?", "", raw).strip()
    return {_collated(part) for part in text.split(",") if part} | {_collated(text)}


def _collated(sku: str) -> str:
    """As the database compares (utf8mb4_unicode_520_ci): without case, accents and blanks at the end."""
    parts = unicodedata.normalize("NFKD", sku.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c)).rstrip(" ")
