"""The mutations an app sends, with the rules the schema itself does not enforce."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, get_directive_values

from simulator.shop import Item, Product
from simulator.shopify.model import (
    APP_NAMESPACE,
    QUANTITY_LIMIT,
    digest,
    gid,
    namespace_of,
    number_of,
    too_many,
)
from simulator.shopify.prices import update_variants

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

REASONS = frozenset(
    {"correction", "cycle_count_available", "damaged", "movement_created", "movement_updated"}
    | {"movement_received", "movement_canceled", "other", "promotion", "quality_control", "received"}
    | {"reservation_created", "reservation_deleted", "reservation_updated", "restock", "safety_stock"}
    | {"shrinkage"}
)
STALE = "The changeFromQuantity argument no longer matches the persisted quantity."
METAFIELDS_LIMIT = 25
TEXT_TYPES = {"single_line_text_field", "multi_line_text_field", "json", "number_integer", "date", "boolean"}

Payload = dict[str, Any]


class Mutations:
    """Root fields of `Mutation`."""

    def __init__(self, server: ShopifyServer) -> None:
        self.server = server
        self.shop = server.shop
        self.levels = server.levels

    def root(self) -> dict[str, Callable[..., Any]]:
        return {
            "inventorySetQuantities": self.set_quantities,
            "inventoryItemUpdate": self.update_inventory_item,
            "metafieldsSet": self.set_metafields,
            "metafieldDefinitionCreate": self.create_definition,
            "webhookSubscriptionCreate": self.create_webhook,
            "webhookSubscriptionDelete": self.delete_webhook,
            "productVariantsBulkUpdate": partial(update_variants, self.server),
            "tagsAdd": self.add_tags,
            "tagsRemove": self.remove_tags,
            "bulkOperationRunQuery": lambda info, query, groupObjects=False: self.server.bulk.run(query),
        }

    def set_quantities(self, info: Any, input: Payload) -> Payload:
        """All or nothing, compared with `changeFromQuantity` under one lock."""
        directive = info.schema.get_directive("idempotent")
        given = get_directive_values(directive, info.field_nodes[0], info.variable_values)
        if not given:
            raise GraphQLError(
                "The @idempotent directive is required for this mutation but was not provided.",
                extensions={"code": "BAD_REQUEST"},
            )
        changes = input["quantities"]
        if len(changes) > 250:
            raise too_many(len(changes), "quantities")
        for change in changes:
            if "changeFromQuantity" not in change:
                raise GraphQLError(
                    "InventoryQuantityInput must include the following argument: changeFromQuantity.",
                    extensions={"code": "INVALID_FIELD_ARGUMENTS"},
                )
        return self.server.keys.run(given["key"], input, lambda: self._set(input, changes))

    def _set(self, input: Payload, changes: list[Payload]) -> Payload:
        self.server.during_write()
        errors: list[Payload] = []
        if input["name"] not in ("available", "on_hand"):
            errors.append(
                _error("INVALID_NAME", ["input", "name"], "The specified quantity name is invalid.")
            )
        if input["reason"] not in REASONS:
            errors.append(_error("INVALID_REASON", ["input", "reason"], "The specified reason is invalid."))
        with self.shop.lock:
            items = [self.levels.item(change["inventoryItemId"]) for change in changes]
            errors += self._wrong_items(changes, items)
            if not errors:
                errors += self._stale(changes, items)
            if errors:
                return {"inventoryAdjustmentGroup": None, "userErrors": errors}
            done = []
            for change, item in zip(changes, items, strict=True):
                assert item is not None
                location = self.levels.location(change["locationId"])
                assert location is not None
                before = self.levels.get(item, location.id)
                self.levels.set(item, location.id, change["quantity"], "api")
                self.server.level_changed(item, location.id)
                done.append((item, location, change["quantity"], change["quantity"] - before))
        self.server.items_written += len(done)
        objects = self.server.objects

        def show_changes(info: Any, **rest: Any) -> list[Payload]:
            return [
                {
                    "name": input["name"],
                    "delta": delta,
                    "quantityAfterChange": quantity,
                    "item": objects.inventory_item(item),
                    "location": objects.location(location),
                }
                for item, location, quantity, delta in done
            ]

        return {
            "inventoryAdjustmentGroup": {
                "id": gid("InventoryAdjustmentGroup", self.shop.new_id()),
                "createdAt": self.shop.now().isoformat(),
                "reason": input["reason"],
                "referenceDocumentUri": input.get("referenceDocumentUri"),
                "changes": show_changes,
            },
            "userErrors": [],
        }

    def _wrong_items(self, changes: list[Payload], items: list[Item | None]) -> list[Payload]:
        errors = []
        seen = set()
        for index, (change, item) in enumerate(zip(changes, items, strict=True)):
            path = ["input", "quantities", str(index)]
            pair = (change["inventoryItemId"], change["locationId"])
            if pair in seen:
                errors.append(
                    _error(
                        "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
                        [*path, "locationId"],
                        "The combination of inventoryItemId and locationId must be unique.",
                    )
                )
            seen.add(pair)
            if item is None:
                errors.append(
                    _error(
                        "INVALID_INVENTORY_ITEM",
                        [*path, "inventoryItemId"],
                        "The specified inventory item could not be found.",
                    )
                )
            elif not item.tracked or item.platform.get("is_bundle"):
                errors.append(
                    _error(
                        "NON_MUTABLE_INVENTORY_ITEM",
                        [*path, "inventoryItemId"],
                        "The specified inventory item is not allowed to be adjusted via API.",
                    )
                )
            location = self.levels.location(change["locationId"])
            if location is None or not location.is_active:
                errors.append(
                    _error(
                        "INVALID_LOCATION",
                        [*path, "locationId"],
                        "The specified location could not be found.",
                    )
                )
            if abs(change["quantity"]) > QUANTITY_LIMIT:
                errors.append(
                    _error(
                        "INVALID_QUANTITY_TOO_HIGH",
                        [*path, "quantity"],
                        "The total quantity can't be higher than 1,000,000,000.",
                    )
                )
        return errors

    def _stale(self, changes: list[Payload], items: list[Item | None]) -> list[Payload]:
        found = []
        for index, (change, item) in enumerate(zip(changes, items, strict=True)):
            location = self.levels.location(change["locationId"])
            if item is None or location is None:  # pragma: no cover - refused before
                continue
            expected = change["changeFromQuantity"]
            if expected is not None and expected != self.levels.get(item, location.id):
                path = ["input", "quantities", str(index), "changeFromQuantity"]
                found.append(_error("CHANGE_FROM_QUANTITY_STALE", path, STALE))
        if found and not self.server.names_stale_items:
            return [_error("CHANGE_FROM_QUANTITY_STALE", None, STALE)]
        return found

    def update_inventory_item(self, info: Any, id: str, input: Payload) -> Payload:
        with self.shop.lock:
            item = self.levels.item(id)
            if item is None:
                missing = {
                    "field": ["id"],
                    "message": "The product couldn't be updated because it does not exist.",
                }
                return {"inventoryItem": None, "userErrors": [missing]}
            if "tracked" in input:
                item.tracked = bool(input["tracked"])
                item.stock = item.stock or 0
            if "sku" in input:
                item.sku = input["sku"] or ""
            item.updated_at = self.shop.now()
        return {"inventoryItem": self.server.objects.inventory_item(item), "userErrors": []}

    def set_metafields(self, info: Any, metafields: list[Payload]) -> Payload:
        """Atomic: one wrong metafield and none is written."""
        if len(metafields) > METAFIELDS_LIMIT:
            message = f"Exceeded the maximum metafields input limit of {METAFIELDS_LIMIT}."
            return _metafield_failure(
                [_metafield_error("LESS_THAN_OR_EQUAL_TO", ["metafields"], message, None)]
            )
        with self.shop.lock:
            errors = []
            owners: list[Item | Product | None] = []
            for index, one in enumerate(metafields):
                owner = self._owner(one["ownerId"])
                owners.append(owner)
                problem = self._metafield_problem(one, owner)
                if problem:
                    code, name, message = problem
                    path = ["metafields", str(index), name]
                    errors.append(_metafield_error(code, path, message, index))
            if errors:
                return _metafield_failure(errors)
            shown = []
            for one, owner in zip(metafields, owners, strict=True):
                assert owner is not None
                space = namespace_of(one.get("namespace"))
                value = json.loads(one["value"]) if self._type(one, owner) == "json" else one["value"]
                kind = "ProductVariant" if isinstance(owner, Item) else "Product"
                if isinstance(owner, Item):
                    self.shop.set_meta(owner.id, {f"{space}.{one['key']}": value}, by="api")
                else:
                    owner.meta[f"{space}.{one['key']}"] = value
                    owner.updated_at = self.shop.now()
                shown.append(self.server.objects.metafield(owner, kind, space, one["key"]))
        self.server.metafields_written += len(shown)
        return {"metafields": shown, "userErrors": []}

    def _owner(self, owner_id: str) -> Item | Product | None:
        variant = number_of(owner_id, "ProductVariant")
        product = number_of(owner_id, "Product")
        if variant is not None:
            return self.shop.items.get(variant)
        return None if product is None else self.shop.products.get(product)

    def _type(self, one: Payload, owner: Item | Product) -> str | None:
        owner_type = "PRODUCTVARIANT" if isinstance(owner, Item) else "PRODUCT"
        for definition in self.server.definitions:
            if (
                definition["ownerType"] == owner_type
                and definition["key"] == one["key"]
                and namespace_of(definition["namespace"]) == namespace_of(one.get("namespace"))
            ):
                return str(definition["type"]["name"])
        return one.get("type")

    def _metafield_problem(self, one: Payload, owner: Item | Product | None) -> tuple[str, str, str] | None:
        if owner is None:
            return "INVALID", "ownerId", "Owner does not exist."
        kind = self._type(one, owner)
        if kind is None:
            return "BLANK", "type", "Type can't be blank"
        if one.get("type") not in (None, kind):
            return "INVALID_TYPE", "type", f"Type '{one['type']}' must be consistent with the definition"
        if kind not in TEXT_TYPES:
            return "INVALID_TYPE", "type", f"Type '{kind}' is not simulated"
        if kind == "json":
            try:
                json.loads(one["value"])
            except ValueError:
                return "INVALID_VALUE", "value", "Value is invalid JSON."
        if "compareDigest" in one:
            space = namespace_of(one.get("namespace"))
            present = owner.meta.get(f"{space}.{one['key']}")
            text = present if isinstance(present, str) else json.dumps(present)
            known = None if present is None else digest(text)
            if one["compareDigest"] != known:
                return "STALE_OBJECT", "compareDigest", "The resource has been updated since it was loaded."
        return None

    def add_tags(self, info: Any, id: str, tags: list[str]) -> Payload:
        """Tags are compared without case; one that is there already stays as it is written."""

        def added(present: list[str]) -> list[str]:
            known = {one.casefold() for one in present}
            return [*present, *(one for one in tags if one.casefold() not in known)]

        return self._tag(id, added)

    def remove_tags(self, info: Any, id: str, tags: list[str]) -> Payload:
        unwanted = {one.casefold() for one in tags}
        return self._tag(id, lambda present: [one for one in present if one.casefold() not in unwanted])

    def _tag(self, product_id: str, change: Callable[[list[str]], list[str]]) -> Payload:
        if "write_products" not in self.server.scopes:
            raise GraphQLError(
                "Access denied. Required access: `write_products` access scope.",
                extensions={"code": "ACCESS_DENIED"},
            )
        number = number_of(product_id, "Product")
        product = None if number is None else self.shop.products.get(number)
        if product is None:
            return {"node": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
        with self.shop.lock:
            present = list(product.platform.get("tags", ()))
            product.platform["tags"] = change(present)
        if product.platform["tags"] != present:
            self.shop.touch(product.id, by="api")
        return {"node": self.server.objects.product(product), "userErrors": []}

    def create_definition(self, info: Any, definition: Payload) -> Payload:
        space = namespace_of(definition.get("namespace"))
        shown = APP_NAMESPACE if space == "$app" else space
        taken = any(
            one["ownerType"] == definition["ownerType"]
            and one["key"] == definition["key"]
            and one["namespace"] == shown
            for one in self.server.definitions
        )
        owned = [one for one in self.server.definitions if one["ownerType"] == definition["ownerType"]]
        if not taken and len(owned) >= self.server.definition_limit:
            message = "Stores can only have 256 definitions for each resource by an app."
            error = _error("RESOURCE_TYPE_LIMIT_EXCEEDED_BY_APP", ["definition"], message)
            return {"createdDefinition": None, "userErrors": [error]}
        if taken:
            message = "Key is in use for this owner type and namespace."
            error = _error("TAKEN", ["definition", "key"], message)
            return {"createdDefinition": None, "userErrors": [error]}
        number = self.shop.new_id()
        access = {"admin": "MERCHANT_READ", "storefront": "NONE", **(definition.get("access") or {})}
        created = {
            "number": number,
            "id": gid("MetafieldDefinition", number),
            "namespace": shown,
            "key": definition["key"],
            "name": definition["name"],
            "ownerType": definition["ownerType"],
            "type": {"name": definition["type"]},
            "access": access,
            "metafieldsCount": 0,
        }
        self.server.definitions.append(created)
        return {"createdDefinition": created, "userErrors": []}

    def create_webhook(self, info: Any, topic: str, webhookSubscription: Payload) -> Payload:
        uri = webhookSubscription.get("uri") or webhookSubscription.get("callbackUrl") or ""
        path = ["webhookSubscription", "callbackUrl"]
        problem = self.server.webhooks.address_problem(topic, uri)
        if problem:
            return {"webhookSubscription": None, "userErrors": [{"field": path, "message": problem}]}
        fields = tuple(webhookSubscription.get("includeFields") or ())
        created = self.server.webhooks.subscribe(topic, uri, fields)
        return {"webhookSubscription": created.node(), "userErrors": []}

    def delete_webhook(self, info: Any, id: str) -> Payload:
        if not self.server.webhooks.unsubscribe(number_of(id, "WebhookSubscription")):
            missing = {"field": ["id"], "message": "Webhook subscription does not exist"}
            return {"deletedWebhookSubscriptionId": None, "userErrors": [missing]}
        return {"deletedWebhookSubscriptionId": id, "userErrors": []}


def _error(code: str, path: list[str] | None, message: str) -> Payload:
    return {"code": code, "field": path, "message": message}


def _metafield_error(code: str, path: list[str], message: str, index: int | None) -> Payload:
    return {**_error(code, path, message), "elementIndex": index}


def _metafield_failure(errors: list[Payload]) -> Payload:
    return {"metafields": [], "userErrors": errors}
