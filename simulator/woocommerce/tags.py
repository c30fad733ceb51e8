"""The product tags of a shop: listed, searched, made."""

from __future__ import annotations

import html
from typing import Any

from simulator.woocommerce.render import Shelf, slug
from simulator.woocommerce.replies import Call, Reply, RestError, links, page_of


class Tags:
    """`names` are those made by the API or, by a test, by the shop; those on products count besides.
    `may_make` False: the key's user may not manage terms."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.names: set[str] = set()
        self.may_make = True

    def many(self, call: Call) -> Reply:
        wanted = html.unescape(call.query.get("search", "")).casefold()
        found = sorted((one for one in self._all() if wanted in one.casefold()), key=self.shelf.term_id)
        return page_of(call, found, lambda name: self._render(name, call.home))

    def create(self, call: Call) -> Reply:
        name = str((call.body or {}).get("name", "")).strip()
        if not self.may_make:
            raise RestError(
                401, "woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources."
            )
        if not name:
            raise RestError(400, "rest_missing_callback_param", "Missing parameter(s): name")
        twin = next((one for one in self._all() if one.casefold() == name.casefold()), None)
        if twin is not None:
            raise RestError(
                400,
                "term_exists",
                "A term with the name provided already exists in this taxonomy.",
                resource_id=self.shelf.term_id(twin),
            )
        self.names.add(name)
        return Reply(self._render(name, call.home), 201)

    def _all(self) -> set[str]:
        with self.shelf.shop.lock:
            on_products = [one.platform.get("tags", ()) for one in self.shelf.shop.products.values()]
        return self.names.union(*on_products)

    def _render(self, name: str, home: str) -> dict[str, Any]:
        number = self.shelf.term_id(name)
        products = self.shelf.shop.products.values()
        return {
            "id": number,
            "name": html.escape(name, quote=False),
            "slug": slug(name),
            "description": "",
            "count": sum(name in one.platform.get("tags", ()) for one in products),
            "_links": links(home, f"products/tags/{number}"),
        }
