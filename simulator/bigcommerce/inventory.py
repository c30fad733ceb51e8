"""V3 inventory: items, locations and absolute adjustments, one at a time."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from simulator.bigcommerce.model import MOST, Levels, is_simple, tracking, variant_id
from simulator.bigcommerce.replies import ApiError, Reply, ids, page_of
from simulator.shop import Item

MOST_ITEMS = 2_000
MOST_ROWS = 1_000


class Inventory:
    """`takes_s` is how long an adjustment holds the store's inventory; a second one meanwhile is turned
    away with 429 and no headers. `names_bad_items` False makes a refusal name nobody. `over_limit_is_lost`
    is BigCommerce's way with a number above its limit: 200, and nothing saved."""

    def __init__(self, levels: Levels, changed: Callable[[Item, int], None]) -> None:
        self.levels = levels
        self.shop = levels.shop
        self.changed = changed
        self.takes_s = 0.0
        self.names_bad_items = True
        self.counts: Counter[str] = Counter()
        self._turn = threading.Lock()

    # ---------------------------------------------------------------- reading

    def locations(self, args: Mapping[str, str]) -> Reply:
        wanted = args.get("is_default")
        rows = [
            {
                "id": one.id,
                "code": one.code,
                "label": one.label,
                "description": "",
                "managed_by_external_source": False,
                "type_id": "PHYSICAL",
                "enabled": one.enabled,
                "storefront_visibility": True,
            }
            for one in self.levels.locations.values()
            if wanted is None or one.is_default == (wanted == "true")
        ]
        return page_of(rows, args, most=MOST_ROWS)

    def items(self, args: Mapping[str, str], location_id: int | None = None) -> Reply:
        """Items that are tracked; BigCommerce keeps no item for a product that is not."""
        if location_id is not None and location_id not in self.levels.locations:
            raise ApiError(404, "The requested location was not found.")
        variants, products = ids(args, "variant_id:in"), ids(args, "product_id:in")
        with self.shop.lock:
            found = [
                item
                for item in self._tracked(products if variants is None else self._owners(variants))
                if (variants is None or variant_id(item) in variants)
                and (products is None or item.product_id in products)
            ]
            return page_of(found, args, most=MOST_ROWS, render=lambda item: self._row(item, location_id))

    def _owners(self, variants: set[int]) -> set[int]:
        """The products of these variants."""
        return {item.product_id for number in variants if (item := self.levels.item(number)) is not None}

    def _tracked(self, products: set[int] | None) -> list[Item]:
        """The items BigCommerce keeps an inventory of, of these products or (None) of all."""
        found = []
        for number in sorted(self.shop.products if products is None else products):
            product = self.shop.products.get(number)
            if product is None:
                continue
            mode = tracking(self.shop, product)
            items = self.shop.items_of(product)
            if mode == "product":
                found.append(items[0])
            elif mode == "variant":
                found += items
        return found

    def _row(self, item: Item, location_id: int | None) -> dict[str, Any]:
        identity = {"sku": item.sku, "variant_id": variant_id(item), "product_id": item.product_id}
        if location_id is not None:
            return {"identity": identity, **self._numbers(item, location_id)}
        places = [
            {
                "location_id": one.id,
                "location_code": one.code,
                "location_name": one.label,
                "location_enabled": one.enabled,
                **self._numbers(item, one.id),
            }
            for one in self.levels.locations.values()
        ]
        return {"identity": {**identity, "sku_id": None}, "locations": places}

    def _numbers(self, item: Item, location_id: int) -> dict[str, Any]:
        on_hand = self.levels.shown(item, location_id)
        return {
            "available_to_sell": max(0, on_hand - self.levels.safety_stock(item)),
            "total_inventory_onhand": on_hand,
            "settings": self.levels.settings(item, location_id),
        }

    # ---------------------------------------------------------------- writing

    def adjust(self, body: bytes) -> Reply:
        """All or nothing: one item that is refused fails the request, and nothing is written."""
        if not self._turn.acquire(blocking=False):
            self.counts["concurrent"] += 1
            raise ApiError(429, "Another inventory request is being processed.")
        try:
            if self.takes_s:
                time.sleep(self.takes_s)
            return self._adjust(body)
        finally:
            self._turn.release()

    def _adjust(self, body: bytes) -> Reply:
        try:
            sent = json.loads(body)
        except ValueError as exc:
            raise ApiError(400, "Input is invalid") from exc
        items = sent.get("items") if isinstance(sent, dict) else None
        if not isinstance(items, list) or not items:
            raise ApiError(422, "Payload contains invalid fields", {"items": "must not be empty"})
        if len(items) > MOST_ITEMS:
            raise ApiError(422, "Payload contains invalid fields", {"items": f"at most {MOST_ITEMS} items"})
        with self.shop.lock:
            found, problems = [], []
            for n, one in enumerate(items):
                target = self._target(n, one)
                if isinstance(target, str):
                    problems.append(target)
                else:
                    found.append(target)
            if problems:
                title = (
                    f"[{', '.join(problems)}]" if self.names_bad_items else "Payload contains invalid items"
                )
                raise ApiError(422, title)
        for item, location_id, units in found:
            if units > MOST:
                self.counts["over_limit"] += 1
                continue
            self.levels.set(item, location_id, units, self.changed)
            self.counts["written"] += 1
        return Reply({"transaction_id": uuid.uuid4().hex})

    def _target(self, n: int, one: Any) -> tuple[Item, int, int] | str:
        """What an adjustment is of, or BigCommerce's sentence about why not."""
        if not isinstance(one, dict) or not isinstance(one.get("quantity"), int) or one["quantity"] < 0:
            raise ApiError(422, "Payload contains invalid fields", {f"items.{n}.quantity": "is not valid"})
        place = one.get("location_id")
        location = self.levels.locations.get(place) if isinstance(place, int) else None
        if location is None or not location.enabled:
            return f"Location {place} does not exist or is disabled"
        if "variant_id" in one:
            item = self.levels.item(one["variant_id"])
            named, level = f"variant_id {one['variant_id']}", "variant"
        elif "product_id" in one:
            product = self.shop.products.get(one["product_id"])
            item = self.shop.items_of(product)[0] if product else None
            named, level = f"product_id {one['product_id']}", "product"
        else:
            raise ApiError(422, "Payload contains invalid fields", {f"items.{n}": "names no item"})
        if item is None:
            return f"Item with {named} does not exist"
        owner = self.shop.products[item.product_id]
        mode = tracking(self.shop, owner)
        if mode == "none":
            return f"Item with {named} is not tracked"
        if mode != level:
            assert is_simple(owner) or mode in ("product", "variant")
            return f"Item with {named} is tracked by {mode}, please update stock by {mode} id"
        return item, location.id, one["quantity"]
