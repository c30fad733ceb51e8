"""Renders the extension's blocks as Shopify does, with python-liquid in place of Shopify's own Liquid.

What python-liquid does otherwise, and how the blocks are written so that it makes no difference:

- In Shopify nil equals `blank`, in python-liquid it does not. The blocks compare with '' after `default: ''`.
- Shopify's numbers, dates and words of `'now' | date` are in the shop's time zone; here in the machine's.
- `t`, `json` of drops, `asset_url`, `block`, `request` and metafields are Shopify's, not Liquid's: they are made
  here. `t` escapes the values put into a text, as Shopify's does, and falls back to the default locale.
- A color without a default is nil here; Shopify may hand over an empty color, which is falsy as nil is in `if`
  (a plain empty text would not be, so the blocks never ask `if` of a text).
- Shopify minifies whitespace of nothing, so the blocks' own `{%-` decide; both engines treat it alike.
- Shopify lists at most 250 variants in `product.variants`; so does this.

`context` is plain data, so that another engine can render the same: liquidjs does in test_render.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import httpx
from liquid import CachingDictLoader, Environment, Undefined

from adapters.stores.shopify.theme.build import EXTENSION
from simulator.shop import Item, Product, Shop
from simulator.storefront.theme import Blocks, Relayed, Visit

_SCHEMA = re.compile(r"\{% schema %\}(.*?)\{% endschema %\}", re.DOTALL)
SHOPIFY_VARIANTS = 250


def schema_of(block: str) -> dict[str, Any]:
    """The schema of a block by its file's name without the ending."""
    (found,) = _SCHEMA.findall((EXTENSION / "blocks" / f"{block}.liquid").read_text(encoding="utf-8"))
    parsed: dict[str, Any] = json.loads(found)
    return parsed


def locale(language: str) -> dict[str, Any]:
    """The texts of a language, the default ones where it has no file."""
    path = EXTENSION / "locales" / f"{language}.json"
    if not path.is_file():
        path = EXTENSION / "locales" / "en.default.json"
    parsed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return parsed


def translate(texts: Mapping[str, Any], key: str, **values: object) -> str:
    """Shopify's filter `t`: the text of a dotted key with its values, which are escaped."""
    found: Any = texts
    for part in str(key).split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        return f"Translation missing: {key}"
    return re.sub(r"\{\{ (\w+) \}\}", lambda hole: escape(str(values.get(hole[1], ""))), found)


def to_json(value: object) -> str:
    """Shopify's filter `json`; what is not defined is null."""
    return json.dumps(None if isinstance(value, Undefined) else value, ensure_ascii=False)


def source(name: str) -> str:
    """A block's or snippet's Liquid without its schema."""
    return _SCHEMA.sub("", (EXTENSION / f"{name}.liquid").read_text(encoding="utf-8"))


def sources() -> dict[str, str]:
    """Every snippet by the name `render` uses, every block as blocks/<name>."""
    snippets = {path.stem: source(f"snippets/{path.stem}") for path in (EXTENSION / "snippets").iterdir()}
    blocks = {
        f"blocks/{path.stem}": source(f"blocks/{path.stem}") for path in (EXTENSION / "blocks").iterdir()
    }
    return snippets | blocks


def render(block: str, context: Mapping[str, Any], language: str = "en") -> str:
    """One block's HTML."""
    texts = locale(language)
    env = Environment(loader=CachingDictLoader(sources()))
    env.add_filter("t", lambda key, **values: translate(texts, key, **values))
    env.add_filter("json", to_json)
    env.add_filter("asset_url", lambda name: f"/extension/{name}")
    return env.get_template(f"blocks/{block}").render(**context)


def settings_of(block: str, **chosen: Any) -> dict[str, Any]:
    """A block's settings as the editor leaves them: the schema's defaults, then what the merchant chose."""
    defaults = {s["id"]: s["default"] for s in schema_of(block)["settings"] if "default" in s}
    return {**defaults, **chosen}


def variant_drop(item: Item, path: str) -> dict[str, Any]:
    """What Liquid sees of a variant. A metafield written as JSON text is read as its value."""
    written = item.meta.get("$app.availability")
    value = json.loads(written) if isinstance(written, str) else written
    return {
        "id": item.id,
        "title": item.title or "Default Title",
        "sku": item.sku,
        "price": item.price_minor,
        "available": item.can_be_bought,
        "inventory_management": "shopify" if item.tracked else None,
        "inventory_policy": "continue" if item.backorders else "deny",
        "inventory_quantity": item.stock or 0,
        "url": f"{path}?variant={item.id}",
        "metafields": {"$app": {"availability": {"value": value, "type": "json"}}}
        if written is not None
        else {},
    }


def product_drop(product: Product, items: list[Item], chosen: Item, path: str) -> dict[str, Any]:
    """What Liquid sees of a product."""
    return {
        "id": product.id,
        "title": product.title,
        "handle": product.handle,
        "url": path,
        "variants": [variant_drop(item, path) for item in items[:SHOPIFY_VARIANTS]],
        "selected_or_first_available_variant": variant_drop(chosen, path),
    }


def context_of(
    block: str, shop: Shop | None, product: dict[str, Any] | None, *, language: str = "en", origin: str = "",
    privacy: str = "/policies/privacy-policy", design_mode: bool = False, settings: Mapping[str, Any] | None = None,
    currency: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The objects a block may use on a product page."""
    own = shop.currency if shop else "EUR"
    shown_in = currency or own
    return {
        "block": {
            "id": "b1",
            "shopify_attributes": "",
            # The editor fills in the page's product ("autofill").
            "settings": {**settings_of(block, **(settings or {})), "product": product},
        },
        "product": product,
        "shop": {
            "name": shop.name if shop else "Kiln & Co",
            "permanent_domain": "kiln.myshopify.com",
            "currency": own,
            "privacy_policy": {"url": privacy} if privacy else None,
        },
        "cart": {"currency": {"iso_code": shown_in}},
        "request": {
            "origin": origin,
            "page_type": "product",
            "design_mode": design_mode,
            "locale": {"iso_code": language},
        },
    }


@dataclass
class LiquidTheme:
    """The extension on a shop of the simulator. `settings` are the merchant's choices by block; `currency` is the
    shopper's ("": the shop's own); `address` says where the app proxy passes a request on to, from its last part
    and its query."""

    address: Callable[[str, Mapping[str, str]], str]
    blocks: tuple[str, ...] = ("availability", "notify-me")
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    relayed: list[str] = field(default_factory=list)
    currency: str = ""

    def render(self, visit: Visit) -> Blocks:
        """The chosen blocks, and the embed at the end of the page."""
        product = product_drop(visit.product, list(visit.items), visit.chosen, visit.path)

        def html(block: str) -> str:
            context = context_of(
                block, visit.shop, product, language=visit.language, origin=visit.origin,
                settings=self.settings.get(block), currency=self.currency,
            )  # fmt: skip
            return render(block, context, visit.language)

        schemas = [schema_of(block) for block in self.blocks]
        return Blocks(
            info="".join(html(block) for block in self.blocks),
            body=html("structured-data"),
            styles=tuple(dict.fromkeys(s["stylesheet"] for s in schemas)),
            scripts=tuple(dict.fromkeys(s["javascript"] for s in schemas)),
        )

    def asset(self, name: str) -> bytes | None:
        """A file of the extension's assets."""
        path = EXTENSION / "assets" / name
        return path.read_bytes() if path.is_file() else None

    def relay(
        self, method: str, rest: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Relayed:
        """Shopify's part of the app proxy: one more request, no cookies either way."""
        self.relayed.append(f"{method} {rest}")
        try:
            answer = httpx.request(
                method, self.address(rest, query), content=body, headers=dict(headers), timeout=10
            )
        except httpx.HTTPError:
            return Relayed(502, b"There was an error in the third-party application.")
        kept = {k: v for k, v in answer.headers.items() if k in ("content-type", "cache-control", "etag")}
        return Relayed(answer.status_code, answer.content, kept)
