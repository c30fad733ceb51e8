"""Products and variations as WooCommerce's REST API shows them."""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Any

from simulator.shop import Item, Product, Shop
from simulator.woocommerce.prices import price_text, shown
from simulator.woocommerce.replies import links, local_stamp, stamp


class Shelf:
    """Reads one shop's items the way WooCommerce does; the only place that derives stock fields.

    `settings` are the shop's options by key ("woocommerce_manage_stock": "yes").
    """

    def __init__(
        self, shop: Shop, settings: dict[str, str], version: tuple[int, ...], storefront_url: str = ""
    ) -> None:
        self.storefront_url = storefront_url.rstrip("/")
        self.shop = shop
        self.settings = settings
        self.version = version
        self._meta_ids = itertools.count(4001)
        self._term_ids: dict[str, int] = {}

    @property
    def manages_stock(self) -> bool:
        """The shop-wide switch."""
        return self.settings["woocommerce_manage_stock"] == "yes"

    def kind(self, product: Product) -> str:
        """The product's type: what it says itself, else simple or variable by its items."""
        own = product.platform.get("type")
        if own:
            return str(own)
        return "simple" if product.item_ids == [product.id] else "variable"

    def status(self, product: Product) -> str:
        return str(product.platform.get("status") or ("publish" if product.published else "draft"))

    def _item_status(self, item: Item) -> str:
        """A variation goes to the trash with its parent."""
        if self.status(self.shop.products[item.product_id]) == "trash":
            return "trash"
        return str(item.platform.get("status", "publish"))

    def managed(self, item: Item) -> bool | str:
        """`manage_stock`: False everywhere while the shop-wide switch is off."""
        if not self.manages_stock:
            return False
        if item.platform.get("manage_stock") == "parent":
            return "parent"
        return item.tracked

    def quantity(self, item: Item) -> int | None:
        """The number shown; with "parent" it is the parent's."""
        if item.platform.get("manage_stock") == "parent":
            number = self.shop.products[item.product_id].platform.get("stock")
            return None if number is None else int(number)
        return item.stock if item.tracked else None

    def backorders(self, item: Item) -> str:
        return str(item.platform.get("backorders") or ("notify" if item.backorders else "no"))

    def stock_status(self, item: Item) -> str:
        """Derived from the number where stock is managed (also while the shop-wide switch is off)."""
        if item.platform.get("manage_stock") != "parent" and not item.tracked:
            return str(item.platform.get("stock_status", "instock"))
        return self.derived(self.quantity(item), self.backorders(item))

    def derived(self, quantity: int | None, backorders: str) -> str:
        least = int(self.settings["woocommerce_notify_no_stock_amount"] or 0)
        if (quantity or 0) > least:
            return "instock"
        return "outofstock" if backorders == "no" else "onbackorder"

    def parent_status(self, product: Product) -> str:
        """A variable product follows its variations unless it manages stock itself."""
        if product.platform.get("manage_stock") and self.manages_stock:
            return self.derived(product.platform.get("stock"), "no")
        found = {self.stock_status(item) for item in self.shop.items_of(product)}
        return next((s for s in ("instock", "onbackorder") if s in found), "outofstock")

    def created_at(self, product: Product) -> datetime:
        at: datetime = product.platform.setdefault("created_at", product.updated_at)
        return at

    def meta(self, owner: Item | Product) -> list[dict[str, Any]]:
        """`meta_data` rows; an id stays with its key while the key lives."""
        ids: dict[str, int] = owner.platform.setdefault("meta_ids", {})
        if not owner.meta and not ids:
            return []
        for gone in set(ids) - set(owner.meta):
            del ids[gone]
        for key in owner.meta:
            if key not in ids:
                ids[key] = next(self._meta_ids)
        return [{"id": ids[key], "key": key, "value": value} for key, value in owner.meta.items()]

    def term_id(self, name: str) -> int:
        return self._term_ids.setdefault(name, 15 + len(self._term_ids))

    def tag_named(self, number: int) -> str | None:
        """The term with that id, None for one nobody has."""
        return next((name for name, own in self._term_ids.items() if own == number), None)

    def permalink(self, product: Product, home: str) -> str:
        front = self.storefront_url or home
        if self.status(product) != "publish":
            return f"{front}/?post_type=product&p={product.id}"
        return f"{front}/product/{product.handle}/"

    def label(self, item: Item) -> str:
        """The option a variation stands for, for example "M"."""
        return item.title or item.sku

    def attribute(self, item: Item) -> str:
        return str(self.shop.products[item.product_id].platform.get("attribute", "Size"))

    def product(self, product: Product, home: str) -> dict[str, Any]:
        """A simple, external or variable product in full."""
        kind = self.kind(product)
        if kind == "variable":
            items = self.shop.items_of(product)
            has_own = bool(product.platform.get("manage_stock"))
            data = self._full(
                product,
                home,
                id=product.id,
                name=product.title,
                kind=kind,
                sku=str(product.platform.get("sku", "")),
                price=price_text(min((i.price_minor for i in items), default=0)),
                prices={"regular_price": "", "sale_price": "", "on_sale": False},
                manage=has_own and self.manages_stock,
                quantity=product.platform.get("stock") if has_own else None,
                status=self.parent_status(product),
                backorders="no",
                low=None,
                meta=self.meta(product),
                gtin="",
                updated_at=product.updated_at,
                variations=list(product.item_ids),
            )
            data["attributes"] = [
                {
                    "id": 0,
                    "name": product.platform.get("attribute", "Size"),
                    "slug": str(product.platform.get("attribute", "Size")),
                    "position": 0,
                    "visible": True,
                    "variation": True,
                    "options": [self.label(i) for i in items],
                }
            ]
            return data
        return self._item_full(self.shop.items[product.id], product, home, kind, product.title)

    def written(self, product: Product, home: str) -> dict[str, Any]:
        """A product as the answer to a write shows it: in edit context, with two fields more."""
        data = self.product(product, home)
        return {
            **data,
            "permalink_template": f"{home}/product/%pagename%/",
            "generated_slug": data["slug"],
        }

    def variation_as_product(self, item: Item, home: str) -> dict[str, Any]:
        """What products/<variation id>, SKU lists and webhooks show of a variation."""
        product = self.shop.products[item.product_id]
        data = self._item_full(item, product, home, "variation", f"{product.title} - {self.label(item)}")
        data["parent_id"] = product.id
        data["attributes"] = self._options(item)
        data["permalink"] = self._variation_link(item, product, home)
        data["categories"], data["images"] = [], []
        data["total_sales"] = "0"
        data["_links"]["up"] = [{"href": f"{home}/wp-json/wc/v3/products/{product.id}"}]
        return data

    def _item_full(self, item: Item, product: Product, home: str, kind: str, name: str) -> dict[str, Any]:
        return self._full(
            product,
            home,
            id=item.id,
            name=name,
            kind=kind,
            sku=item.sku,
            price=price_text(item.price_minor),
            prices=shown(item),
            manage=self.managed(item),
            quantity=self.quantity(item),
            status=self.stock_status(item),
            backorders=self.backorders(item),
            low=item.platform.get("low_stock_amount"),
            meta=self.meta(item),
            gtin=item.gtin,
            updated_at=item.updated_at,
            variations=[],
        )

    def _full(
        self,
        product: Product,
        home: str,
        *,
        id: int,
        name: str,
        kind: str,
        sku: str,
        price: str,
        prices: dict[str, Any],
        manage: bool | str,
        quantity: int | None,
        status: str,
        backorders: str,
        low: int | None,
        meta: list[dict[str, Any]],
        gtin: str,
        updated_at: datetime,
        variations: list[int],
    ) -> dict[str, Any]:
        zone = self.shop.timezone
        created = self.created_at(product)
        data: dict[str, Any] = {
            "id": id,
            "name": html.escape(name, quote=False),
            "slug": slug(name),
            "permalink": self.permalink(product, home),
            "date_created": local_stamp(created, zone),
            "date_created_gmt": stamp(created),
            "date_modified": local_stamp(updated_at, zone),
            "date_modified_gmt": stamp(updated_at),
            "type": kind,
            "status": self.status(product),
            "featured": False,
            "catalog_visibility": product.platform.get("catalog_visibility", "visible"),
            "description": product.description,
            "short_description": "",
            "sku": sku,
            "price": price,
            **prices,
            "date_on_sale_from": None,
            "date_on_sale_from_gmt": None,
            "date_on_sale_to": None,
            "date_on_sale_to_gmt": None,
            "purchasable": kind != "external",
            "total_sales": 0,
            "virtual": False,
            "downloadable": False,
            "downloads": [],
            "download_limit": -1,
            "download_expiry": -1,
            "external_url": product.platform.get("external_url", ""),
            "button_text": "",
            "tax_status": "taxable",
            "tax_class": product.platform.get("tax_class", ""),
            "manage_stock": manage,
            "stock_quantity": quantity,
            "backorders": backorders,
            "backorders_allowed": backorders != "no",
            "backordered": status == "onbackorder",
            "low_stock_amount": low,
            "sold_individually": False,
            "weight": "",
            "dimensions": {"length": "", "width": "", "height": ""},
            "shipping_required": True,
            "shipping_taxable": True,
            "shipping_class": "",
            "shipping_class_id": 0,
            "reviews_allowed": True,
            "average_rating": "0.00",
            "rating_count": 0,
            "upsell_ids": [],
            "cross_sell_ids": [],
            "parent_id": 0,
            "purchase_note": "",
            "categories": self._terms(product.collections or ("Uncategorized",)),
            "brands": [],
            "tags": self._terms(tuple(product.platform.get("tags", ()))),
            "images": self._images(product),
            "attributes": [],
            "default_attributes": [],
            "variations": variations,
            "grouped_products": [],
            "menu_order": int(product.platform.get("menu_order", 0)),
            "price_html": f'<span class="amount">{price}</span>',
            "related_ids": [],
            "meta_data": meta,
            "stock_status": status,
            "has_options": kind == "variable",
            "post_password": "",
        }
        if self.version >= (9, 2):
            data["global_unique_id"] = gtin
        if self.version < (9, 6):
            del data["brands"]
        data["_links"] = links(home, f"products/{id}")
        return data

    def variation(self, item: Item, home: str) -> dict[str, Any]:
        """What the variations routes show."""
        product = self.shop.products[item.product_id]
        zone = self.shop.timezone
        created = self.created_at(product)
        price = price_text(item.price_minor)
        status, backorders = self.stock_status(item), self.backorders(item)
        data: dict[str, Any] = {
            "id": item.id,
            "type": "variation",
            "date_created": local_stamp(created, zone),
            "date_created_gmt": stamp(created),
            "date_modified": local_stamp(item.updated_at, zone),
            "date_modified_gmt": stamp(item.updated_at),
            "description": "",
            "permalink": self._variation_link(item, product, home),
            "sku": item.sku,
            "global_unique_id": item.gtin,
            "price": price,
            **shown(item),
            "date_on_sale_from": None,
            "date_on_sale_from_gmt": None,
            "date_on_sale_to": None,
            "date_on_sale_to_gmt": None,
            "status": self._item_status(item),
            "purchasable": True,
            "virtual": False,
            "downloadable": False,
            "downloads": [],
            "download_limit": -1,
            "download_expiry": -1,
            "tax_status": "taxable",
            "tax_class": "parent",
            "manage_stock": self.managed(item),
            "stock_quantity": self.quantity(item),
            "stock_status": status,
            "backorders": backorders,
            "backorders_allowed": backorders != "no",
            "backordered": status == "onbackorder",
            "low_stock_amount": item.platform.get("low_stock_amount"),
            "weight": "",
            "dimensions": {"length": "", "width": "", "height": ""},
            "shipping_class": "",
            "shipping_class_id": 0,
            "image": item.platform.get("image"),
            "gallery_image_ids": [],
            "attributes": self._options(item),
            "menu_order": 0,
            "meta_data": self.meta(item),
            "name": html.escape(self.label(item), quote=False),
            "parent_id": product.id,
        }
        if self.version < (9, 2):
            del data["global_unique_id"]
        data["_links"] = links(
            home, f"products/{product.id}/variations/{item.id}", up=f"products/{product.id}"
        )
        return data

    def _options(self, item: Item) -> list[dict[str, Any]]:
        name = self.attribute(item)
        return [{"id": 0, "name": name, "slug": slug(name), "option": self.label(item)}]

    def _variation_link(self, item: Item, product: Product, home: str) -> str:
        base = self.permalink(product, home)
        mark = "&" if "?" in base else "?"
        return f"{base}{mark}attribute_{slug(self.attribute(item))}={self.label(item)}"

    def _terms(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        return [
            {"id": self.term_id(name), "name": html.escape(name, quote=False), "slug": slug(name)}
            for name in names
        ]

    def _images(self, product: Product) -> list[dict[str, Any]]:
        if not product.image_url:
            return []
        return [{"id": product.id - 1, "src": product.image_url, "name": product.title, "alt": ""}]


@lru_cache(maxsize=100_000)
def slug(text: str) -> str:
    """WordPress's slug of a title: ASCII, lower case, hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
