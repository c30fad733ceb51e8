"""A shop on Shopify whose product page holds blocks of a theme app extension, and whose domain relays to its app.

The page around them is made as Shopify's own themes make it: variants are radio buttons outside the product
form, the chosen one's number is put into the form's hidden field `id`, and the form names its product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from simulator.shop import Item, Product, Shop


@dataclass(frozen=True)
class Blocks:
    """The HTML of the blocks on one product page.

    `info` stands below the price (app blocks), `body` at the end of the page (app embeds); `styles` and
    `scripts` are the assets that the blocks' schemas name, each loaded once.
    """

    info: str = ""
    body: str = ""
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()


@dataclass(frozen=True)
class Visit:
    """Which page is asked for: `origin` without a final slash, `path` of the product, `language` like "fr"."""

    shop: Shop
    product: Product
    items: Sequence[Item]
    chosen: Item
    origin: str
    path: str
    language: str


@dataclass(frozen=True)
class Relayed:
    """What the app answered to a relayed request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Theme(Protocol):
    """Stands in for what Shopify does with an extension; the engine that renders Liquid is the caller's."""

    def render(self, visit: Visit) -> Blocks:
        """The blocks of one product page."""
        ...

    def asset(self, name: str) -> bytes | None:
        """A file of the extension's assets; None when there is none."""
        ...

    def relay(
        self, method: str, rest: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Relayed:
        """Passes /apps/<subpath>/<rest> on to the app, signed."""
        ...
