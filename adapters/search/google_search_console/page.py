"""What a product page says of itself: status, redirect, "noindex", and whether its structured data offer it.

Only what stands in the page as it is sent counts; nothing is run. Where a shop writes its structured data by
script, nothing is said about them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from adapters.kit.http import Client
from connector.ports.errors import Retryable
from connector.ports.search import Look, Offered

# schema.org/ItemAvailability: with these a shopper can place an order now.
_CAN_BE_BOUGHT = {
    "instock", "limitedavailability", "onlineonly", "backorder", "preorder", "presale", "madetoorder",
}  # fmt: skip
_CANNOT = {"outofstock", "soldout", "discontinued"}
MOST_NODES = 2_000


def look_at(http: Client, url: str, timeout_s: float) -> Look:
    """One request for the page; status 0 when no answer came. Raises Misconfigured for an address that may
    not be asked."""
    try:
        answer = http.request("GET", url, headers={"Accept": "text/html"}, timeout_s=timeout_s)
    except Retryable:
        return Look(0)
    if 300 <= answer.status_code < 400:
        location = answer.headers.get("location", "")
        return Look(answer.status_code, urljoin(url, location) if location else "")
    if answer.status_code != 200 or "html" not in answer.headers.get("content-type", "html"):
        return Look(answer.status_code)
    said = " ".join(answer.headers.get_list("x-robots-tag"))
    found = _read(answer.content.decode(answer.encoding or "utf-8", "replace"))
    return Look(200, "", _is_noindex(said) or found.is_noindex, offered(found.scripts, url))


class _Reader(HTMLParser):
    """Keeps the robots' rules and the texts of the JSON-LD scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.is_noindex = False
        self.scripts: list[str] = []
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("name", "").lower() in ("robots", "googlebot"):
            self.is_noindex = self.is_noindex or _is_noindex(given.get("content", ""))
        if tag == "script" and given.get("type", "").strip().lower() == "application/ld+json":
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._text is not None:
            self.scripts.append("".join(self._text))
            self._text = None


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


def _is_noindex(rules: str) -> bool:
    """Whether robots' rules forbid to show the page: "none" is "noindex, nofollow".

    >>> _is_noindex("max-snippet:20, NOINDEX"), _is_noindex("googlebot: none"), _is_noindex("nofollow")
    (True, True, False)
    """
    words = rules.lower().replace(",", " ").replace(":", " ").split()
    return bool({"noindex", "none"} & set(words))


def offered(scripts: list[str], url: str) -> Offered:
    """What the products in these JSON-LD texts say of being buyable; "" when that cannot be told.

    Where a page holds several products (recommendations), only those count whose own address is this page;
    without such a one nothing is said.
    """
    products: list[dict[str, Any]] = []
    for script in scripts:
        try:
            products.extend(_products(json.loads(script)))
        except (ValueError, RecursionError):
            # A broken script is what inspections report; the others still count.
            continue
    if len(products) > 1:
        products = [one for one in products if _is_here(one, url)]
    words = {word for one in products for word in _availabilities(one)}
    if words & _CAN_BE_BOUGHT:
        return "in_stock"
    return "sold_out" if words & _CANNOT else ""


def _products(value: Any) -> Iterator[dict[str, Any]]:
    """Products and groups of products at the top or in a graph, not those inside of others."""
    nodes = [value]
    for _ in range(MOST_NODES):
        if not nodes:
            return
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(node)
        elif isinstance(node, dict):
            kinds = node.get("@type")
            if {"Product", "ProductGroup"} & set(kinds if isinstance(kinds, list) else [kinds]):
                yield node
            else:
                nodes.extend(node[name] for name in ("@graph", "mainEntity") if name in node)


def _is_here(product: dict[str, Any], url: str) -> bool:
    found = [product.get("url"), product.get("@id"), *(one.get("url") for one in _offers(product))]
    return any(isinstance(one, str) and one and _place(urljoin(url, one)) == _place(url) for one in found)


def _place(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return (parts.hostname or "").lower().removeprefix("www."), parts.path.rstrip("/").lower()


def _offers(product: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The offers of a product and of the variants of a group."""
    nodes: list[Any] = [product]
    for _ in range(MOST_NODES):
        if not nodes:
            return
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(node)
        elif isinstance(node, dict):
            if node.get("@type") in ("Offer", "AggregateOffer") or "availability" in node:
                yield node
            nodes.extend(node[name] for name in ("offers", "hasVariant") if name in node)


def _availabilities(product: dict[str, Any]) -> Iterator[str]:
    for offer in _offers(product):
        said = offer.get("availability")
        if isinstance(said, dict):
            said = said.get("@id")
        if isinstance(said, str):
            yield said.rstrip("/").rsplit("/", 1)[-1].lower()
