"""Reading the catalogue: whole by a bulk query, what changed by pages, and both into `StoreListing`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from babel.numbers import get_currency_precision

from adapters.stores.shopify.client import ADAPTER, ShopifyClient
from adapters.stores.shopify.documents import bulk_catalogue, level_name, products_document
from connector.ports.errors import Rejected, Retryable
from connector.ports.stores import ListingRef, StoreListing

# The requested cost of one query stays under 1,000 points (an object costs one point): a product with its
# picture and a page of collections costs PRODUCT_POINTS, each variant asked for with it VARIANT_POINTS, and
# LEVEL_POINTS more for each location beyond the first.
QUERY_POINTS = 1000
COLLECTIONS_PAGE = 5
PRODUCT_POINTS = 4 + COLLECTIONS_PAGE
VARIANT_POINTS = 4
LEVEL_POINTS = 2
VARIANTS_PAGE = (QUERY_POINTS - PRODUCT_POINTS) // VARIANT_POINTS
CHANGES_PAGE = 250
COLLECTIONS_LONG_PAGE = 250
# 90 s of the slowest plan, which restores 100 points a second.
BULK_FROM_POINTS = 9_000
BULK_PAGE = 250
# A bulk query of a large shop takes minutes; Shopify itself gives up after ten days.
BULK_POLL_S = (1.0, 2.0, 4.0, 8.0, 15.0)
BULK_LIMIT_S = 3600.0

UNTRACKED = "Shopify does not track this variant's quantity. Switch tracking on in its inventory settings."
NOT_STOCKED = (
    "It is not stocked at the location Dispo writes, or that location is deactivated. Stock it there in Shopify"
    " first."
)


class Catalogue:
    """Reads one shop's variants at each of `location_ids`: a listing for each. `currency` is the shop's, for
    minor units."""

    def __init__(self, client: ShopifyClient, location_ids: Sequence[str], currency: str) -> None:
        self._client = client
        self._location_ids = tuple(location_ids)
        self._variant_points = VARIANT_POINTS + LEVEL_POINTS * (len(self._location_ids) - 1)
        self._variants_page = (QUERY_POINTS - PRODUCT_POINTS) // self._variant_points
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
        promises the reverse, hence both are asked for. Any change of stock is a change of the product too
        (https://shopify.dev/docs/api/admin-graphql/latest/objects/Product, `updatedAt`), so a product's
        stamp does not tell what changed, and each of its variants is read. Beyond BULK_FROM_POINTS
        everything is read, because a bulk query costs next to nothing.
        """
        # Cut to the second as Shopify's own stamps are, so that nothing of that second is missed.
        at = since.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked = {"first": CHANGES_PAGE, "query": f"updated_at:>='{at}'"}
        variants: dict[str, int] = {}
        points = 0
        changed = nodes(self._client, "ProductsChanged", "products", asked)
        sold = nodes(self._client, "VariantsChanged", "productVariants", asked)
        for product in chain(changed, (one["product"] for one in sold)):
            if product["id"] in variants:
                continue
            # Not known is not none: what is more than asked for is read by further pages.
            count = max(1, (product["variantsCount"] or {}).get("count", 1))
            variants[product["id"]] = count
            points += PRODUCT_POINTS + self._variant_points * count
            if points > BULK_FROM_POINTS:
                # The rest of the list is not asked for: of 50,000 changed ones it would be 400 calls.
                yield from self.everything()
                return
        for sizes in product_groups(variants, self._variant_points):
            yield from self._products(sizes)

    def _products(self, sizes: Mapping[int, Sequence[str]]) -> Iterator[list[StoreListing]]:
        """The listings of products, by the number of variants asked for; those with more are read on."""
        page: list[StoreListing] = []
        unread: list[tuple[dict[str, Any], tuple[str, ...], str]] = []
        for product in self._product_nodes(sizes, None):
            titles = self._collections(product)
            page += self._listings(product, titles, product["variants"]["nodes"])
            info = product["variants"]["pageInfo"]
            if info["hasNextPage"]:
                unread.append((product, titles, info["endCursor"]))
        if page:
            yield page
        for product, titles, after in unread:
            cursor: str | None = after
            while cursor is not None:
                found = self._product_nodes({self._variants_page: [product["id"]]}, cursor)
                cursor = None
                for more in found:
                    yield self._listings(product, titles, more["variants"]["nodes"])
                    info = more["variants"]["pageInfo"]
                    cursor = info["endCursor"] if info["hasNextPage"] else None

    def _product_nodes(self, sizes: Mapping[int, Sequence[str]], after: str | None) -> list[dict[str, Any]]:
        asked: dict[str, Any] = {"after": after, "collections": COLLECTIONS_PAGE}
        count = len(self._location_ids)
        for at, location_id in enumerate(self._location_ids):
            asked["locationId" if count == 1 else f"locationId{at}"] = location_id
        for at, (size, ids) in enumerate(sizes.items()):
            asked |= {f"ids{at}": list(ids), f"variants{at}": size}
        data = self._client.query("ProductsPage", asked, products_document(len(sizes), count))
        # A product deleted between the list and this call is null.
        return [node for at in range(len(sizes)) for node in data[f"at{at}"] if node is not None]

    def _collections(self, product: Mapping[str, Any]) -> tuple[str, ...]:
        """The titles of a product's collections; calls again only for one that is in more than a page."""
        titles = [str(one["title"]) for one in product["collections"]["nodes"]]
        info = product["collections"]["pageInfo"]
        cursor: str | None = info["endCursor"] if info["hasNextPage"] else None
        while cursor is not None:
            asked = {"ids": [product["id"]], "first": COLLECTIONS_LONG_PAGE, "after": cursor}
            node = self._client.query("ProductCollections", asked)["nodes"][0]
            if node is None:
                break
            titles += [str(one["title"]) for one in node["collections"]["nodes"]]
            info = node["collections"]["pageInfo"]
            cursor = info["endCursor"] if info["hasNextPage"] else None
        return tuple(titles)

    def _bulk_url(self) -> str | None:
        """Start a bulk query and wait for its result; None when the shop has no products."""
        text = bulk_catalogue(self._location_ids)
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
        titles = tuple(collections)
        return [
            self._listing(product, titles, variant, at)
            for variant in variants
            for at in range(len(self._location_ids))
        ]

    def _listing(
        self, product: Mapping[str, Any], collections: tuple[str, ...], variant: Mapping[str, Any], at: int
    ) -> StoreListing:
        item = variant["inventoryItem"]
        available, problem = level(item, level_name(at, len(self._location_ids)))
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
                location_id=self._location_ids[at],
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


def product_groups(
    variants: Mapping[str, int], variant_points: int = VARIANT_POINTS
) -> Iterator[dict[int, list[str]]]:
    """Products to read in one query each: the number of variants to ask for → the products asked for it.

    `variants` is product id → its number of variants, at least 1. Shopify counts the variants asked for, not
    those found, so that products are asked for with others of their size. One with more than fit into a query
    is asked for its first page. Example: 80 products of one variant (13 points each), one of four (25) and
    one of 300 are three queries: `{1: 76}`, `{1: 4, 4: 1}` and `{247: 1}`.
    """
    group: dict[int, list[str]] = {}
    points = 0
    for product_id, count in sorted(variants.items(), key=lambda one: (one[1], one[0])):
        size = min(count, (QUERY_POINTS - PRODUCT_POINTS) // variant_points)
        more = PRODUCT_POINTS + variant_points * size
        if points + more > QUERY_POINTS:
            yield group
            group, points = {}, 0
        group.setdefault(size, []).append(product_id)
        points += more
    if group:
        yield group


def level(item: Mapping[str, Any], name: str = "inventoryLevel") -> tuple[int | None, str | None]:
    """The available quantity of an inventory item at the place asked for as `name`, or why there is none."""
    if not item["tracked"]:
        return None, UNTRACKED
    found = item[name]
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
