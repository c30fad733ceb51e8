"""The shop's pages: list, search, product, order; the badge, the form and the script of Dispo.

It reads and writes `simulator.shop.Shop` only, as a platform's own storefront does, and speaks to Dispo
only through the shopper's browser.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision
from flask import Flask, Response, abort, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from simulator.server import ServerThread
from simulator.shop import Item, Product, Shop, SoldOut
from simulator.storefront.badges import Badge, badge_of, schema_availability
from simulator.storefront.pictures import picture
from simulator.storefront.theme import Theme, Visit
from simulator.storefront.words import WORDS

PAGE_SIZE = 24
CONSENT_VERSION = "2026-11"
_HERE = Path(__file__).parent


class StorefrontServer:
    """The storefronts of `shops` (by slug) on one port, each under /<slug>/.

    `public_keys` holds Dispo's public key of each shop's connection and may be filled later: without it a
    shop shows its own stock only. Shops in `shopify` use Shopify's ids; the others WooCommerce's. The
    address to give a platform's server as its storefront is `storefront_url(slug)`. With a `theme`, the
    product pages of the shops in `shopify` hold its blocks instead, and /apps/dispo/ leads to the app.
    """

    def __init__(
        self,
        shops: Mapping[str, Shop],
        dispo_url: str,
        public_keys: Mapping[str, str],
        port: int = 0,
        *,
        shopify: frozenset[str] = frozenset({"shopify"}),
        theme: Theme | None = None,
    ) -> None:
        self.shops = shops
        self.dispo_url = dispo_url.rstrip("/")
        self.public_keys = public_keys
        self.shopify = shopify
        self.theme = theme
        self._thread = ServerThread(_app(self), port)
        self.port = self._thread.port
        self.url = self._thread.url

    def start(self) -> StorefrontServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._thread.stop()

    def __enter__(self) -> StorefrontServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def storefront_url(self, slug: str) -> str:
        """The address of one shop, without a final slash."""
        return f"{self.url}/{slug}"

    def external_id(self, slug: str, item: Item) -> str:
        """The item's id as the platform's API (and so Dispo) knows it."""
        return f"gid://shopify/ProductVariant/{item.id}" if slug in self.shopify else str(item.id)

    def product_path(self, slug: str, product: Product) -> str:
        """The path of a product page, in the platform's own form."""
        return (
            f"/{slug}/products/{product.handle}"
            if slug in self.shopify
            else f"/{slug}/product/{product.handle}/"
        )


def _app(server: StorefrontServer) -> Flask:
    app = Flask("simulator.storefront", template_folder=str(_HERE / "templates"), static_folder=None)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    def shop_of(slug: str) -> Shop:
        return server.shops.get(slug) or abort(404)

    def page(name: str, slug: str = "", status: int = 200, **context: Any) -> Response:
        language = _language()
        words = WORDS[language]

        def say(key: str, **values: object) -> str:
            return words[key].format(**values)

        other = {**request.args.to_dict(), "lang": "fr" if language == "en" else "en"}
        html = render_template(
            f"{name}.html",
            language=language,
            other_url=f"{request.path}?{urlencode(other)}",
            say=say,
            here=_here,
            slug=slug,
            shop=server.shops.get(slug),
            server=server,
            dispo_url=server.dispo_url,
            public_key=server.public_keys.get(slug, ""),
            consent_version=CONSENT_VERSION,
            badge_words=_badge_words,
            asks=("restocking", "out_of_stock"),
            **context,
        )
        return Response(html, status, content_type="text/html; charset=utf-8")

    @app.errorhandler(HTTPException)
    def wrong(error: HTTPException) -> Response:
        slug = request.path.strip("/").split("/")[0]
        return page("missing", slug if slug in server.shops else "", error.code or 500)

    @app.get("/")
    def shops() -> Any:
        if len(server.shops) == 1:
            return redirect(_here(f"/{next(iter(server.shops))}/"))
        return page("shops", shops=server.shops)

    @app.get("/assets/<name>")
    def asset(name: str) -> Response:
        kinds = {"shop.css": "text/css", "shop.js": "text/javascript", "shopify.js": "text/javascript"}
        if name not in kinds:
            abort(404)
        return Response((_HERE / name).read_bytes(), content_type=f"{kinds[name]}; charset=utf-8")

    @app.get("/extension/<name>")
    def extension(name: str) -> Response:
        found = server.theme.asset(name) if server.theme else None
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(found, content_type=f"{kind}; charset=utf-8") if found is not None else abort(404)

    @app.route("/apps/dispo/<rest>", methods=["GET", "POST"])
    def proxied(rest: str) -> Response:
        if server.theme is None:
            abort(404)
        sent = {name: value for name, value in request.headers if name in ("Accept", "Content-Type")}
        answer = server.theme.relay(
            request.method, rest, request.args.to_dict(), sent, request.get_data(cache=False)
        )
        return Response(answer.body, answer.status, headers=dict(answer.headers))

    @app.get("/<slug>/")
    def catalogue(slug: str) -> Response:
        shop = shop_of(slug)
        query = request.args.get("q", "").strip()[:80]
        found = [(p, items) for p, items in shop.pages() if items and _matches(p, items, query)]
        pages = max(1, -(-len(found) // PAGE_SIZE))
        number = min(max(1, request.args.get("page", 1, int)), pages)
        cards = [
            _card(server, slug, shop, product, items)
            for product, items in found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        ]
        return page("catalogue", slug, cards=cards, query=query, count=len(found), number=number, pages=pages)

    @app.get("/<slug>/product/<handle>/")
    @app.get("/<slug>/products/<handle>")
    def product_page(slug: str, handle: str) -> Response:
        shop = shop_of(slug)
        product = shop.by_handle(handle)
        items = shop.items_of(product) if product else []
        if product is None or not product.published or not items:
            abort(404)
        chosen = _chosen(items)
        if server.theme is not None and slug in server.shopify:
            path = server.product_path(slug, product)
            visit = Visit(shop, product, items, chosen, server.url, path, _language())
            return page(
                "product_shopify",
                slug,
                product=product,
                items=items,
                chosen=chosen,
                prices={item.id: _price(shop, item) for item in items},
                blocks=server.theme.render(visit),
            )
        today = shop.now().date()
        badges = {item.id: badge_of(item, today) for item in items}
        return page(
            "product",
            slug,
            product=product,
            items=items,
            chosen=chosen,
            badge=badges[chosen.id],
            badges=badges,
            facts=json.dumps({server.external_id(slug, i): badges[i.id].as_data() for i in items}),
            prices={item.id: _price(shop, item) for item in items},
            data=_structured(server, slug, shop, product, items, badges),
        )

    @app.post("/<slug>/buy")
    def buy(slug: str) -> Any:
        shop = shop_of(slug)
        item = shop.items.get(request.form.get("item", 0, int))
        units = min(max(1, request.form.get("units", 1, int)), 99)
        product = shop.products.get(item.product_id) if item else None
        if item is None or product is None or not product.published:
            abort(404)
        back = server.product_path(slug, product)
        try:
            order = shop.buy({item.id: units})
        except SoldOut:
            return page("sold_out", slug, 409, title=_label(product, item), back=back)
        return redirect(_here(f"/{slug}/orders/{order.id}"), 303)

    @app.get("/<slug>/orders/<int:order_id>")
    def bought(slug: str, order_id: int) -> Response:
        order = shop_of(slug).orders.get(order_id) or abort(404)
        return page("bought", slug, order=order)

    @app.get("/<slug>/pictures/<handle>.svg")
    def drawing(slug: str, handle: str) -> Response:
        product = shop_of(slug).by_handle(handle) or abort(404)
        return Response(
            picture(product.title), content_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"}
        )

    return app


def _language() -> str:
    asked = request.args.get("lang", "")
    return asked if asked in WORDS else request.accept_languages.best_match(list(WORDS)) or "en"


def _here(path: str, **query: object) -> str:
    """The address of a page of ours, in the present language."""
    asked = {name: value for name, value in query.items() if value not in ("", None)}
    if _language() != "en":
        asked["lang"] = _language()
    return f"{path}?{urlencode(asked)}" if asked else path


def _plain(text: str) -> str:
    """Lower case without accents, as people type into a search box."""
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in split if not unicodedata.combining(c))


def _matches(product: Product, items: list[Item], query: str) -> bool:
    text = _plain(" ".join([product.title, *product.collections, *(f"{i.sku} {i.title}" for i in items)]))
    return all(word in text for word in _plain(query).split())


def _price(shop: Shop, item: Item) -> str:
    amount = Decimal(item.price_minor).scaleb(-get_currency_precision(shop.currency))
    return format_currency(amount, shop.currency, locale="fr" if _language() == "fr" else "en_GB")


def _label(product: Product, item: Item) -> str:
    return f"{product.title} · {item.title}" if item.title else product.title


def _badge_words(badge: Badge) -> str:
    """What the theme says of a badge; "" for none."""
    words = WORDS[_language()]
    locale = "fr" if _language() == "fr" else "en_GB"
    if badge.count:
        return words["low_stock_n"].format(n=badge.count)
    if badge.restock_on is None:
        return words.get(badge.state, "")
    start = format_date(badge.restock_on, "d MMMM", locale=locale)
    if badge.restock_until is None or badge.restock_until == badge.restock_on:
        return words["restocking_on"].format(date=start)
    end = format_date(badge.restock_until, "d MMMM", locale=locale)
    return words["restocking_between"].format(start=start, end=end)


def _card(
    server: StorefrontServer, slug: str, shop: Shop, product: Product, items: list[Item]
) -> dict[str, Any]:
    """One tile of the list: the badge of its best item, the lowest price."""
    best = next((item for item in items if item.can_be_bought), items[0])
    cheapest = min(items, key=lambda item: item.price_minor)
    return {
        "title": product.title,
        "path": server.product_path(slug, product),
        "picture": product.image_url or f"/{slug}/pictures/{product.handle}.svg",
        "price": _price(shop, cheapest),
        "has_range": len({item.price_minor for item in items}) > 1,
        "badge": badge_of(best, shop.now().date()),
    }


def _chosen(items: list[Item]) -> Item:
    """The variant the address names (Shopify: ?variant=ID, WooCommerce: ?attribute_…=label), else the
    first that can be bought, else the first."""
    wanted = request.args.get("variant", "")
    labels = {value for name, value in request.args.items() if name.startswith("attribute_")}
    for item in items:
        if str(item.id) == wanted or (item.title or item.sku) in labels:
            return item
    return next((item for item in items if item.can_be_bought), items[0])


def _structured(
    server: StorefrontServer,
    slug: str,
    shop: Shop,
    product: Product,
    items: list[Item],
    badges: Mapping[int, Badge],
) -> str:
    """The JSON-LD of the page, safe inside a script element."""
    offers = []
    for item in items:
        starts: date | None = badges[item.id].restock_on
        offer = {
            "@type": "Offer",
            "sku": item.sku,
            "price": str(Decimal(item.price_minor).scaleb(-get_currency_precision(shop.currency))),
            "priceCurrency": shop.currency,
            "availability": schema_availability(badges[item.id], item.can_be_bought),
            "url": f"{server.url}{server.product_path(slug, product)}?variant={item.id}",
        }
        offers.append({**offer, "availabilityStarts": starts.isoformat()} if starts else offer)
    thing = {"@context": "https://schema.org", "@type": "Product", "name": product.title, "offers": offers}
    return json.dumps(thing, ensure_ascii=False).replace("<", "\\u003c")
