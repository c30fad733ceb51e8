"""The orders routes, and what an order does to the shop's numbers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator.shop import Item, Order, OrderLine, Shop
from simulator.woocommerce.gateways import Gateways
from simulator.woocommerce.render import Shelf
from simulator.woocommerce.replies import (
    Call,
    Reply,
    RestError,
    id_list,
    links,
    local_stamp,
    modified_filter,
    one_of,
    page_of,
    single,
    stamp,
)

HOLDING = ("processing", "on-hold", "completed")
GIVEN_BACK = ("pending", "cancelled")


class Orders:
    """Orders of one shop. REST orders may oversell, as in WooCommerce; a checkout (`Shop.buy`) may not."""

    def __init__(self, shelf: Shelf, version: str) -> None:
        self.shelf = shelf
        self.shop: Shop = shelf.shop
        self.version = version
        self.gateways = Gateways()
        self.tax_percent = 19

    def many(self, call: Call) -> Reply:
        holds = modified_filter(call, self.shop.timezone)
        include = id_list(call, "include")
        statuses = {s for s in call.query.get("status", "any").split(",") if s}
        by = one_of(call, "orderby", "date", ("date", "modified", "id", "include", "title", "slug"))
        is_desc = one_of(call, "order", "desc", ("asc", "desc")) == "desc"
        with self.shop.lock:
            rows = [
                o
                for o in self.shop.orders.values()
                if holds(o.updated_at)
                and ("any" in statuses or o.status in statuses)
                and (include is None or o.id in include)
            ]
            rows.sort(
                key=lambda o: (
                    o.updated_at if by == "modified" else o.created_at if by == "date" else o.id,
                    o.id,
                ),
                reverse=is_desc,
            )
            return page_of(call, rows, lambda o: self.render(o, call.home))

    def one(self, call: Call, order_id: int) -> Reply:
        with self.shop.lock:
            return single(call, self.render(self._order(order_id), call.home))

    def _order(self, order_id: int) -> Order:
        order = self.shop.orders.get(order_id)
        if order is None:
            raise RestError(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        return order

    def create(self, call: Call) -> Reply:
        """POST orders: takes the stock when its status holds it, whatever is left (may go below 0)."""
        fields: Mapping[str, Any] = call.body or {}
        lines = [
            OrderLine(self.shop.new_id(), self._sold(row), int(row.get("quantity", 1)))
            for row in fields.get("line_items") or ()
        ]
        order = Order(
            id=self.shop.new_id(),
            lines=lines,
            status=str(fields.get("status", "pending")),
            created_at=self.shop.now(),
            platform={
                "reduced": {},
                "created_via": "rest-api",
                "billing": dict(fields.get("billing") or {}),
                "payment_method": str(fields.get("payment_method", "")),
                "paid": bool(fields.get("set_paid")),
            },
        )
        self.shop.record_order(order, by="api")
        self._settle(order)
        with self.shop.lock:
            data = self.render(order, call.home)
        return Reply(data, 201, {"Location": f"{call.home}/wp-json/wc/v3/orders/{order.id}"})

    def _sold(self, row: Mapping[str, Any]) -> int:
        item_id = int(row.get("variation_id") or row.get("product_id") or 0)
        if item_id not in self.shop.items:
            raise RestError(400, "woocommerce_rest_invalid_product_id", "Product ID is invalid.")
        return item_id

    def update(self, call: Call, order_id: int) -> Reply:
        order = self._order(order_id)
        fields: Mapping[str, Any] = call.body or {}
        if "status" in fields:
            order.platform.setdefault(
                "reduced", {str(line.id): self._taken(order, line) for line in order.lines}
            )
            order.status = str(fields["status"])
            self._settle(order)
        if "line_items" in fields:
            with self.shop.lock:
                self._edit(order, fields["line_items"])
        self.shop.record_order(order, by="api")
        with self.shop.lock:
            return Reply(self.render(order, call.home))

    def _edit(self, order: Order, rows: list[Mapping[str, Any]]) -> None:
        """Quantity 0 removes a line and gives its stock back; a row without an id adds one, at the totals it bears, and
        takes its stock. Everything is checked first: an id that is not the order's refuses all of it."""
        by_id = {line.id: line for line in order.lines}
        for row in rows:
            if "id" in row and int(row["id"]) not in by_id:
                words = "Order item ID provided is not associated with order."
                raise RestError(400, "woocommerce_rest_invalid_item_id", words)
        reduced = order.platform.setdefault(
            "reduced", {str(line.id): self._taken(order, line) for line in order.lines}
        )
        for row in rows:
            if "id" in row:
                line = by_id[int(row["id"])]
                if int(row.get("quantity", line.units)) != 0:
                    raise RestError(500, "simulator_not_built", "Only whole lines are removed here.")
                order.lines.remove(line)
                if held := reduced.pop(str(line.id), 0):
                    self.shop.adjust_stock(line.item_id, held, by="api")
                continue
            line = OrderLine(self.shop.new_id(), self._sold(row), int(row.get("quantity", 1)))
            order.lines.append(line)
            given = {name: str(row[name]) for name in ("subtotal", "total") if name in row}
            order.platform.setdefault("edited", {})[str(line.id)] = {
                **given,
                "meta": list(row.get("meta_data") or ()),
            }
            if order.status in HOLDING and self._counts(line):
                reduced[str(line.id)] = line.units
                self.shop.adjust_stock(line.item_id, -line.units, by="api")

    def tax(self, call: Call, rate_id: int) -> Reply:
        """The one tax rate of this shop: `tax_percent`, whose orders bear their own."""
        if rate_id != 1:
            raise RestError(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
        return Reply({"id": 1, "rate": f"{self.tax_percent:.4f}", "name": "VAT", "class": "standard"})

    def refunds(self, call: Call, order_id: int) -> Reply:
        order = self._order(order_id)
        rows = order.platform.get("refunds", [])
        return page_of(call, rows, lambda row: dict(row))

    def refund(self, call: Call, order_id: int) -> Reply:
        """POST orders/<id>/refunds: gives units back with `api_restock`, pays back with `api_refund`; a full one
        ends the order. Pieces of a line that were refunded before are not counted, as in WooCommerce."""
        order = self._order(order_id)
        fields: Mapping[str, Any] = call.body or {}
        amount = float(fields.get("amount", 0))
        back = sum(float(one["amount"]) for one in order.platform.get("refunds", []))
        if round(amount - (self._total(order) - back), 2) > 0:
            code = "woocommerce_rest_cannot_create_order_refund"
            raise RestError(500, code, "Invalid refund amount.")
        if fields.get("api_refund"):
            self.gateways.pay_back(order, str(fields.get("amount")))
        order.platform.setdefault("reduced", {str(line.id): self._taken(order, line) for line in order.lines})
        restocked = order.platform.setdefault("restocked", {})
        by_id = {line.id: line for line in order.lines}
        done: list[dict[str, Any]] = []
        shipping: list[dict[str, Any]] = []
        for row in fields.get("line_items") or ():
            if int(row["id"]) == -order.id:
                meta = [{"key": "_refunded_item_id", "value": str(row["id"])}]
                shipping.append(
                    {"id": self.shop.new_id(), "total": f"-{row['refund_total']}", "meta_data": meta}
                )
                continue
            line, units = by_id[int(row["id"])], int(row.get("quantity", 0))
            done.append(self._refunded_line(order, line, units))
            if fields.get("api_restock", True):
                held = order.platform["reduced"].get(str(line.id), 0)
                order.platform["reduced"][str(line.id)] = held - units
                restocked[str(line.id)] = restocked.get(str(line.id), 0) + units
                if held:
                    self.shop.adjust_stock(line.item_id, units, by="api")
        refund: dict[str, Any] = {
            "id": self.shop.new_id(),
            "amount": str(fields.get("amount", "0.00")),
            "reason": str(fields.get("reason", "")),
            "line_items": done,
            "shipping_lines": shipping,
        }
        order.platform.setdefault("refunds", []).append(refund)
        if float(refund["amount"]) >= self._total(order):
            order.status = "refunded"
        self.shop.record_order(order, by="api")
        reply = self._made(call, f"orders/{order_id}/refunds/{refund['id']}", refund)
        # WooCommerce 11.0 forgets to fill the order's id into this one header.
        reply.headers["Location"] = reply.headers["Location"].replace(
            f"orders/{order_id}/", r"orders/(?P<order_id>[\d]+)/"
        )
        return reply

    def _refunded_line(self, order: Order, line: OrderLine, units: int) -> dict[str, Any]:
        part = self._line(order, OrderLine(line.id, line.item_id, -units))
        part["id"] = self.shop.new_id()
        part["meta_data"] = [{"key": "_refunded_item_id", "value": str(line.id)}]
        return part

    def note(self, call: Call, order_id: int) -> Reply:
        order = self._order(order_id)
        fields: Mapping[str, Any] = call.body or {}
        note = {
            "id": self.shop.new_id(),
            "author": "WooCommerce",
            "note": str(fields.get("note", "")),
            "customer_note": bool(fields.get("customer_note")),
        }
        order.platform.setdefault("notes", []).append(note)
        return self._made(call, f"orders/{order_id}/notes/{note['id']}", note)

    def _made(self, call: Call, path: str, data: dict[str, Any]) -> Reply:
        up = "/".join(path.split("/")[:2])
        shown = {**data, "_links": links(call.home, path, up=up, methods=["GET", "DELETE"])}
        return Reply(shown, 201, {"Location": f"{call.home}/wp-json/wc/v3/{path}"})

    def _settle(self, order: Order) -> None:
        """Take the stock of an order that holds it, give back that of one that no longer does."""
        reduced: dict[str, int] = order.platform["reduced"]
        for line in order.lines:
            key = str(line.id)
            held = reduced.get(key, 0)
            if order.status in HOLDING and not held and self._counts(line):
                reduced[key] = line.units
                self.shop.adjust_stock(line.item_id, -line.units, by="api")
            elif order.status in GIVEN_BACK and held:
                del reduced[key]
                self.shop.adjust_stock(line.item_id, held, by="api")

    def _counts(self, line: OrderLine) -> bool:
        item = self.shop.items.get(line.item_id)
        return item is not None and item.tracked and self.shelf.manages_stock

    def _taken(self, order: Order, line: OrderLine) -> int:
        """Units this line holds off the shop's number now (`_reduced_stock`)."""
        if order.status in GIVEN_BACK:
            return 0
        known = order.platform.get("reduced")
        if known is not None:
            return int(known.get(str(line.id), 0))
        return line.units if order.status in HOLDING and self._counts(line) else 0

    def _total(self, order: Order) -> float:
        found = sum(self._gross(order, line) for line in order.lines)
        return (found + int(order.platform.get("shipping_minor", 0))) / 100

    def _gross(self, order: Order, line: OrderLine) -> int:
        """Minor units with tax: of an added line by the total it was given, else by the item's price."""
        edited = order.platform.get("edited", {}).get(str(line.id), {})
        if "total" in edited:
            percent = int(order.platform.get("tax_percent", 0))
            return round(float(edited["total"]) * (100 + percent))
        item = self.shop.items.get(line.item_id)
        return line.units * (item.price_minor if item else 0)

    def _line(self, order: Order, line: OrderLine) -> dict[str, Any]:
        item = self.shop.items.get(line.item_id)
        if item is None:
            item = Item(line.item_id, line.item_id, "", "", 0, None, tracked=False)
        product = self.shop.products.get(item.product_id)
        is_variation = item.id != item.product_id
        title = html.escape(product.title, quote=False) if product else ""
        meta = []
        if is_variation:
            name = self.shelf.attribute(item) if product else "Size"
            meta.append({"key": name.lower(), "value": item.title, "display_key": name})
        if order.status not in GIVEN_BACK and (
            self._taken(order, line) or str(line.id) in order.platform.get("restocked", {})
        ):
            meta.append({"key": "_reduced_stock", "value": str(self._taken(order, line))})
        restocked = order.platform.get("restocked", {}).get(str(line.id))
        if restocked:
            meta.append({"key": "_restock_refunded_items", "value": str(restocked)})
        edited = order.platform.get("edited", {}).get(str(line.id), {})
        meta += edited.get("meta", [])
        gross = self._gross(order, line)
        # Prices of such an order include so much tax.
        percent = int(order.platform.get("tax_percent", 0))
        tax = gross - round(gross * 100 / (100 + percent))
        total, total_tax = f"{(gross - tax) / 100:.2f}", f"{tax / 100:.2f}"
        taxes = [{"id": 1, "total": total_tax, "subtotal": total_tax}] if percent else []
        return {
            "id": line.id,
            "name": f"{title} - {item.title}" if is_variation else title,
            "product_id": item.product_id,
            "variation_id": item.id if is_variation else 0,
            "quantity": line.units,
            "tax_class": "",
            "subtotal": total,
            "subtotal_tax": total_tax,
            "total": total,
            "total_tax": total_tax,
            "taxes": taxes,
            "meta_data": meta,
            "sku": item.sku,
            "global_unique_id": item.gtin,
            "price": item.price_minor / 100,
            "image": {"id": "", "src": ""},
            "parent_name": title if is_variation else None,
        }

    def _shipping(self, order: Order) -> list[dict[str, Any]]:
        """One shipping line where `order.platform["shipping_minor"]` says so; its id is made of the order's."""
        charged = int(order.platform.get("shipping_minor", 0))
        if not charged:
            return []
        return [{"id": -order.id, "method_id": "flat_rate", "total": f"{charged / 100:.2f}", "taxes": []}]

    def render(self, order: Order, home: str) -> dict[str, Any]:
        """One order in full; nobody's name unless the request brought one."""
        zone = self.shop.timezone
        is_paid = order.status in HOLDING or bool(order.platform.get("paid"))
        blank = dict.fromkeys(
            ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode"), ""
        )
        data: dict[str, Any] = {
            "id": order.id,
            "parent_id": 0,
            "status": order.status,
            "currency": self.shop.currency,
            "version": self.version,
            "prices_include_tax": bool(order.platform.get("tax_percent")),
            "date_created": local_stamp(order.created_at, zone),
            "date_modified": local_stamp(order.updated_at, zone),
            "discount_total": "0.00",
            "shipping_total": "0.00",
            "total": f"{self._total(order):.2f}",
            "total_tax": "0.00",
            "customer_id": 0,
            "order_key": f"wc_order_{order.id}",
            "billing": {
                **blank,
                "country": "",
                "email": order.platform.get("email", ""),
                "phone": "",
                **order.platform.get("billing", {}),
            },
            "shipping": {**blank, "country": "", "phone": ""},
            "payment_method": order.platform.get("payment_method", ""),
            "created_via": order.platform.get("created_via", "checkout"),
            "customer_note": "",
            "number": str(order.id),
            "meta_data": _attribution(order),
            "line_items": [self._line(order, line) for line in order.lines],
            "tax_lines": [{"id": 1, "rate_id": 1, "rate_percent": order.platform["tax_percent"]}]
            if order.platform.get("tax_percent")
            else [],
            "shipping_lines": self._shipping(order),
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": [
                {"id": r["id"], "reason": r["reason"], "total": f"-{r['amount']}", "total_tax": "0.00"}
                for r in order.platform.get("refunds", [])
            ],
            "needs_payment": order.status == "pending",
            "date_created_gmt": stamp(order.created_at),
            "date_modified_gmt": stamp(order.updated_at),
            "date_completed_gmt": None,
            "date_paid_gmt": stamp(order.created_at) if is_paid else None,
        }
        data["_links"] = links(home, f"orders/{order.id}")
        return data


def _attribution(order: Order) -> list[dict[str, Any]]:
    """What WooCommerce keeps of where the visit came from; `order.platform["landing"]` is a path with its query."""
    query = parse_qs(urlsplit(str(order.platform.get("landing") or "")).query)
    names = ("utm_source", "utm_medium", "utm_campaign")
    found = {name: query[name][-1] for name in names if name in query}
    rows = [{"key": f"_wc_order_attribution_{name}", "value": value} for name, value in found.items()]
    return [{"id": number, **row} for number, row in enumerate(rows, 1)]
