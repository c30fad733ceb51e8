"""Product pages and how their addresses are compared. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit


def page_key(url: str) -> str:
    """How landing pages are compared: host without "www." and path without a final slash, in lower case.

    Query strings (tracking) and fragments do not matter, except a Shopify or WooCommerce variant choice,
    which does not either: an ad for a product counts for all its variants. Empty for what is no address.

    >>> page_key("https://www.Shop.example/products/Vase/?utm_source=ads#top")
    'shop.example/products/vase'
    """
    try:
        parts = urlsplit(url.strip())
        number = parts.port
    except ValueError:  # not an address at all; a bad one among many must not stop the others
        return ""
    host = (parts.hostname or "").removeprefix("www.")
    port = f":{number}" if number not in (None, 80, 443) else ""
    return f"{host}{port}{parts.path.rstrip('/')}".lower()
