"""Reading the catalogue: whole by a bulk query, what changed by pages, and both into `StoreListing`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from babel.numbers import get_currency_precision

from adapters.stores.shopify.client import ADAPTER, ShopifyClient
from adapters.stores.shopify.documents import bulk_catalogue
from connector.ports.errors import Rejected, Retryable
from connector.ports.stores import ListingRef, StoreListing

# Chosen so that the requested cost stays under 1,000 points: eight objects a variant of a page, eleven a
# product with its collections, two a changed variant.
PAGE = 100
COLLECTIONS_AT_ONCE = 80
COLLECTIONS_PAGE = 10
CHANGES_PAGE = 250
COLLECTIONS_LONG_PAGE = 250
PRODUCTS_IN_A_QUERY = 50
# 500 products by pages cost about 10,000 points, 100 s of the slowest plan.
PAGED_PRODUCTS = 500
BULK_PAGE = 250
# A bulk query of a large shop takes minutes; Shopify itself gives up after ten days.
BULK_POLL_S = (1.0, 2.0, 4.0, 8.0, 15.0)
BULK_LIMIT_S = 3600.0

UNTRACKED = "Shopify does not track this variant's quantity. Switch tracking on in its inventory settings."
NOT_STOCKED = "It is not stocked at the location Dispo writes. Stock it there in Shopify first."


class Catalogue:
    """Reads one shop's variants at one location. `currency` is the shop's, for minor units."""

    def __init__(self, client: ShopifyClient, location_id: str, currency: str) -> None:
        self._client = client
        self._location_id = location_id
        self._decimals = get_currency_precision(currency)

    def everything(self) -> Iterator[list[StoreListing]]:
        """All variants by one bulk query, whose result is streamed product by product."""
        url = self._bulk_url()
        page: list[StoreListing] = []
        product: dict[str, Any] = {}
        titles: list[str] = []
        variants: list[dict[str, Any]] = []
        for line in self._client.download(url) if url else ():
            parent = line.get("__parentId")
            if parent is None:
                page += self._listings(product, titles, variants)
                product, titles, variants = line, [], []
                if len(page) >= BULK_PAGE:
                    yield page
                    page = []
            elif parent != product.get("id"):
                # Lines are asked for grouped; anything else would put variants under a wrong product.
                raise Retryable(ADAPTER, "the bulk result", "Its lines are not grouped by product.")
            elif "inventoryItem" in line:
                variants.append(line)
            else:
                titles.append(str(line["title"]))
        page += self._listings(product, titles, variants)
        if page:
            yield page

    def changed(self, since: datetime) -> Iterator[list[StoreListing]]:
        """All variants of the products that changed at or after `since`, or of which a variant did.

        A product's own change (title, publication) does not touch its variants' stamps, and nothing
        promises the reverse, hence both are asked for; the listings are then read once. Beyond
        PAGED_PRODUCTS everything is read, because a bulk query costs next to nothing.
        """
        # Cut to the second as Shopify's own stamps are, so that nothing of that second is missed.
        at = since.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked = {"first": CHANGES_PAGE, "query": f"updated_at:>='{at}'"}
        products: dict[str, None] = {}
        changed = nodes(self._client, "ProductsChanged", "products", asked)
        sold = nodes(self._client, "VariantsChanged", "productVariants", asked)
        for product_id in chain((one["id"] for one in changed), (one["product"]["id"] for one in sold)):
            products[product_id] = None
            if len(products) > PAGED_PRODUCTS:
                # The rest of the list is not asked for: of 50,000 changed ones it would be 400 calls.
                yield from self.everything()
                return
        ids = [product_id.rsplit("/", 1)[1] for product_id in products]
        for start in range(0, len(ids), PRODUCTS_IN_A_QUERY):
            group = ",".join(ids[start : start + PRODUCTS_IN_A_QUERY])
            yield from self._pages(f"product_ids:{group}")

    def _pages(self, query: str) -> Iterator[list[StoreListing]]:
        collections: dict[str, list[str]] = {}
        after = None
        while True:
            data = self._client.query(
                "VariantsPage",
                {"first": PAGE, "after": after, "query": query, "locationId": self._location_id},
            )["productVariants"]
            products = {node["product"]["id"]: node["product"] for node in data["nodes"]}
            self._add_collections([one for one in products if one not in collections], collections)
            page: list[StoreListing] = []
            for node in data["nodes"]:
                product = node["product"]
                page += self._listings(product, collections[product["id"]], [node])
            if page:
                yield page
            if not data["pageInfo"]["hasNextPage"]:
                return
            after = data["pageInfo"]["endCursor"]

    def _add_collections(self, product_ids: list[str], known: dict[str, list[str]]) -> None:
        for start in range(0, len(product_ids), COLLECTIONS_AT_ONCE):
            group = product_ids[start : start + COLLECTIONS_AT_ONCE]
            for product_id in group:
                known[product_id] = []
            asked = {"ids": group, "first": COLLECTIONS_PAGE, "after": None}
            for node in self._client.query("ProductCollections", asked)["nodes"]:
                if node is None:
                    continue  # deleted between the two calls
                known[node["id"]] += [one["title"] for one in node["collections"]["nodes"]]
                page = node["collections"]["pageInfo"]
                if page["hasNextPage"]:
                    self._more_collections(node["id"], page["endCursor"], known)

    def _more_collections(self, product_id: str, after: str, known: dict[str, list[str]]) -> None:
        """The collections of a product that is in more than a page of them."""
        cursor: str | None = after
        while cursor is not None:
            asked = {"ids": [product_id], "first": COLLECTIONS_LONG_PAGE, "after": cursor}
            node = self._client.query("ProductCollections", asked)["nodes"][0]
            if node is None:
                return
            known[product_id] += [one["title"] for one in node["collections"]["nodes"]]
            page = node["collections"]["pageInfo"]
            cursor = page["endCursor"] if page["hasNextPage"] else None

    def _bulk_url(self) -> str | None:
        """Start a bulk query and wait for its result; None when the shop has no products."""
        text = bulk_catalogue(self._location_id)
        # A mutation by name, but a read: starting it twice does no harm, so its points are waited for.
        payload = self._client.query("BulkRead", {"query": text})["bulkOperationRunQuery"]
        for error in payload["userErrors"]:
            if error["code"] in ("OPERATION_IN_PROGRESS", "LIMIT_REACHED"):
                raise Retryable(ADAPTER, "the bulk query", error["message"])
            raise Rejected(ADAPTER, "the bulk query", error["message"])
        operation = payload["bulkOperation"]
        waited_s = 0.0
        for turn in range(10_000):
            status = operation["status"]
            if status == "COMPLETED":
                return str(operation["url"]) if operation["url"] else None
            if status not in ("CREATED", "RUNNING"):
                cause = f"It ended as {status} ({operation.get('errorCode')})."
                raise Retryable(ADAPTER, "the bulk query", cause)
            if waited_s >= BULK_LIMIT_S:
                break
            wait_s = BULK_POLL_S[min(turn, len(BULK_POLL_S) - 1)]
            self._client.wait(wait_s)
            waited_s += wait_s
            operation = self._client.query("BulkPoll", {"id": operation["id"]})["bulkOperation"]
            if operation is None:
                raise Retryable(ADAPTER, "the bulk query", "Shopify no longer knows it.")
        raise Retryable(ADAPTER, "the bulk query", f"It is not done after {waited_s:.0f} s.")

    def _listings(
        self, product: Mapping[str, Any], collections: Iterable[str], variants: Iterable[Mapping[str, Any]]
    ) -> list[StoreListing]:
        return [self._listing(product, tuple(collections), variant) for variant in variants]

    def _listing(
        self, product: Mapping[str, Any], collections: tuple[str, ...], variant: Mapping[str, Any]
    ) -> StoreListing:
        item = variant["inventoryItem"]
        available, problem = level(item)
        alone = bool(product["hasOnlyDefaultVariant"])
        url = str(product["onlineStoreUrl"] or "")
        if url and not alone:
            url += f"?variant={variant['id'].rsplit('/', 1)[1]}"
        media = product["featuredMedia"] or {}
        image = (media.get("preview") or {}).get("image") or {}
        return StoreListing(
            ref=ListingRef(
                external_id=variant["id"],
                product_id=product["id"],
                stock_id=item["id"],
                location_id=self._location_id,
            ),
            sku=variant["sku"] or "",
            gtin=variant["barcode"] or "",
            product_title=product["title"],
            variant_title="" if alone else variant["title"],
            url=url,
            image_url=str(image.get("url") or ""),
            price_minor=int((Decimal(variant["price"]) * 10**self._decimals).to_integral_value()),
            available=available,
            is_tracked=bool(item["tracked"]),
            # UNLISTED is off search and collections but on sale to whoever has the link.
            is_published=product["status"] in ("ACTIVE", "UNLISTED") and bool(url),
            collections=collections,
            updated_at=moment(variant["updatedAt"]),
            problem=problem,
        )


def level(item: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """The available quantity of an inventory item at the place asked for, or why there is none."""
    if not item["tracked"]:
        return None, UNTRACKED
    found = item["inventoryLevel"]
    if found is None or not found["isActive"]:
        return None, NOT_STOCKED
    return int(found["quantities"][0]["quantity"]), None


def moment(text: str) -> datetime:
    """An aware time from Shopify's ISO 8601."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def nodes(
    client: ShopifyClient, operation: str, field: str, variables: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Every node of a paged field."""
    after = None
    while True:
        data = client.query(operation, {**variables, "after": after})[field]
        yield from data["nodes"]
        if not data["pageInfo"]["hasNextPage"]:
            return
        after = data["pageInfo"]["endCursor"]
