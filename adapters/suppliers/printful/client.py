"""Talks to Printful with a private token. Reads only.

Facts, from developers.printful.com, its published SDK for version 2 and public programs (2026): 120 calls in 60
seconds, coming back steadily. A store's own products are told by version 1, at /store/products for stores made by
hand or by API and at /sync/products for those of a platform (the other one answers 400); what is in stock is told by
version 2 for each product of the catalogue, by technique and selling region: "in stock", "out of stock", "not
fulfillable" or "unknown". Version 2 is called beta by Printful and meant for production.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from adapters.kit.allowance import account_of
from adapters.kit.api import Api, Rate
from adapters.kit.errors import Row
from adapters.kit.paging import Page, by_number
from connector.ports.errors import FileFault, Misconfigured, Rejected, Unauthorized
from connector.registry import Environment

ADAPTER = "printful"
API_URL = "https://api.printful.com"
RATE = Rate(120, 60)
PAGE = 100
Record = Mapping[str, Any]

_ROWS = (
    Row(401, Unauthorized, "Printful refused the token.", "Make a new one and enter it."),
    Row(
        403,
        Unauthorized,
        "This token may not read that.",
        "Make one that may view the store's products, and enter the store's number if it is for an account.",
    ),
)


class Printful:
    """One store at Printful. `store` is its number, "" for the token's own. Thread-safe; construction does no
    network."""

    def __init__(self, environment: Environment, token: str, store: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        if store:
            headers["X-PF-Store-Id"] = store
        self._api = Api(
            environment,
            ADAPTER,
            API_URL,
            account=account_of(token),
            headers=headers,
            rows=_ROWS,
            rate=RATE,
            secrets=(token,),
            explain=_told,
        )
        self._at = ""

    def products(self) -> Iterator[Record]:
        """The store's products, {id, name, is_ignored}."""
        return by_number(self._products, first=0, step=None, adapter=ADAPTER, subject="the store's products")

    def first_products(self) -> Page[Record]:
        """The first page of them, with how many there are."""
        return self._products(0)

    def variants(self, product_id: int) -> list[Record]:
        """The variants of one of them, {id, sku, variant_id, is_ignored, product: {product_id}}; `variant_id` and
        `product_id` are those of Printful's catalogue."""
        subject = f"product {product_id}"
        found = self._result(f"{self._at}/{product_id}", {}, subject)[0]
        variants = found.get("sync_variants") if isinstance(found, dict) else None
        return _records(variants, subject)

    def availability(self, product_id: int) -> Iterator[Record]:
        """The stock of one product of the catalogue: {catalog_variant_id, techniques: [{technique,
        selling_regions: [{name, availability}]}]} for each of its variants."""
        subject = f"the stock of catalogue product {product_id}"

        def read(offset: int) -> Page[Record]:
            found = self._api.json(
                "GET",
                f"v2/catalog-products/{product_id}/availability",
                params={"selling_region_name": "all", "limit": PAGE, "offset": offset},
                subject=subject,
            )
            if not isinstance(found, dict):
                raise _senseless(subject)
            return Page(_records(found.get("data"), subject), _total(found))

        return by_number(read, first=0, step=None, adapter=ADAPTER, subject=subject)

    def _products(self, offset: int) -> Page[Record]:
        params = {"limit": PAGE, "offset": offset}
        if not self._at:
            try:
                page = self._page("store/products", params)
                self._at = "store/products"
                return page
            except Rejected as refused:
                # A store of a platform: its products are told at the other address.
                try:
                    page = self._page("sync/products", params)
                except Rejected:
                    raise refused from None
                self._at = "sync/products"
                return page
        return self._page(self._at, params)

    def _page(self, path: str, params: Mapping[str, Any]) -> Page[Record]:
        result, document = self._result(path, params, "the store's products")
        return Page(_records(result, "the store's products"), _total(document))

    def _result(self, path: str, params: Mapping[str, Any], subject: str) -> tuple[Any, Record]:
        found = self._api.json("GET", path, params=params, subject=subject)
        if not isinstance(found, dict) or "result" not in found:
            raise _senseless(subject)
        return found["result"], found


def _records(found: Any, subject: str) -> list[Record]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _senseless(subject)
    return found


def _total(document: Record) -> int | None:
    paging = document.get("paging")
    total = paging.get("total") if isinstance(paging, dict) else None
    return total if isinstance(total, int) else None


def _told(answer: httpx2.Response) -> str:
    """Version 1 says {code, result, error: {reason, message}}, version 2 {title, detail}."""
    try:
        found = json.loads(answer.content)
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    error = found.get("error")
    said = [
        error.get("message") if isinstance(error, dict) else None,
        found.get("detail"),
        found.get("result"),
    ]
    return next((one for one in said if isinstance(one, str)), "")


def _senseless(subject: str) -> FileFault:
    return FileFault(
        ADAPTER,
        subject,
        "Printful's answer is not what was asked for.",
        "What was read before is kept. Printful may have changed its API.",
        code="bad_json",
    )


def too_many(count: int, most: int) -> Misconfigured:
    """The refusal of a store with more products than one reading has time for."""
    return Misconfigured(
        ADAPTER,
        "the store's products",
        f"The store has {count:,} products, and Printful lets {most:,} be read in the time of one reading.",
        "Hide those you do not sell at Printful (they are then left out), or split the store.",
        field="store",
    )
