"""Where a product stands in the shop's lists: product tags, the menu order, the catalogue visibility.

WooCommerce has one list of tags for a product and replaces it whole, so the list is read just before it is
written; a tag that somebody adds within that moment is lost. The menu order counts where the shop sorts by
"Default sorting", lower numbers first.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.stores.woocommerce.client import ADAPTER, Client
from adapters.stores.woocommerce.lists import BATCH, chunks, pages, rows_of
from connector.ports.errors import OutcomeUnknown, Rejected, Unauthorized
from connector.ports.places import PlaceChange, PlaceKind, PlaceResult

KINDS: tuple[PlaceKind, ...] = ("search_only", "last", "tag")
LAST = 1_000_000
TAGGED = "tagged"

_FIELDS: Mapping[PlaceKind, str] = {"tag": "tags", "last": "menu_order", "search_only": "catalog_visibility"}
_UNLISTED = {"visible": "search", "catalog": "hidden"}
"""What is left of a visibility without the lists. "hidden" keeps its page, as "search" does."""
_UNKNOWN = frozenset({"woocommerce_rest_product_invalid_id", "woocommerce_rest_invalid_product_id"})


def when_out(kind: PlaceKind, present: str) -> str:
    """See `connector.ports.places.Places.place_when_out`.

    >>> [when_out("search_only", one) for one in ("visible", "catalog", "search", "hidden")]
    ['search', 'hidden', 'search', 'hidden']
    """
    if kind == "tag":
        return TAGGED
    if kind == "last":
        return present if int(present) >= LAST else str(LAST)
    return _UNLISTED.get(present, present)


class WooPlaces:
    """Reads and writes places in one shop; remembers the number of a tag."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tags: dict[str, int] = {}

    def read(self, kind: PlaceKind, tag: str, product_ids: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for row in self._rows(kind, product_ids):
            found[str(row["id"])] = _value(kind, tag, row)
        return found

    def set(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        results: list[PlaceResult] = []
        for chunk in chunks(changes, BATCH):
            results += self._set(kind, tag, chunk)
        return results

    def _set(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        if kind == "tag":
            items = self._tag_items(tag, changes)
        else:
            items = {
                one.product_id: {_FIELDS[kind]: int(one.value) if kind == "last" else one.value}
                for one in changes
            }
        if not items:
            return [_gone(one) for one in changes]
        body = {"update": [{"id": int(product_id), **fields} for product_id, fields in items.items()]}
        data = self._client.write("POST", "products/batch", body).data
        rows = data.get("update") if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise OutcomeUnknown(ADAPTER, "POST products/batch", "The shop's answer does not list the items.")
        answers = {str(row.get("id")): row for row in rows}
        return [
            self._result(kind, tag, one, answers.get(one.product_id))
            if one.product_id in items
            else _gone(one)
            for one in changes
        ]

    def _result(
        self, kind: PlaceKind, tag: str, change: PlaceChange, row: Mapping[str, Any] | None
    ) -> PlaceResult:
        if row is None:
            return PlaceResult(change.product_id, "retry", "The shop's answer leaves this product out.")
        error = row.get("error")
        if isinstance(error, dict):
            if str(error.get("code", "")) in _UNKNOWN:
                return _gone(change)
            return PlaceResult(change.product_id, "rejected", self._client.plain(error.get("message", "")))
        if _value(kind, tag, row) != change.value:
            reason = "The shop did not keep what it was sent: a plugin seems to change it."
            return PlaceResult(change.product_id, "rejected", reason)
        return PlaceResult(change.product_id, "done")

    def _tag_items(self, tag: str, changes: Sequence[PlaceChange]) -> dict[str, dict[str, Any]]:
        number = self._tag_number(tag)
        wanted = {one.product_id: one.value == TAGGED for one in changes}
        items: dict[str, dict[str, Any]] = {}
        for row in self._rows("tag", list(wanted)):
            product_id = str(row["id"])
            kept = [{"id": one["id"]} for one in _tags(row) if not _is_named(one, tag)]
            items[product_id] = {"tags": [*kept, {"id": number}] if wanted[product_id] else kept}
        return items

    def _tag_number(self, tag: str) -> int:
        """The tag's id, made in the shop if it has no such tag yet."""
        if tag not in self._tags:
            number = self._find_tag(tag)
            if number is None:
                try:
                    number = int(self._client.write("POST", "products/tags", {"name": tag}).data["id"])
                except Unauthorized as exc:
                    remedy = "Make the tag yourself under Products > Tags, then look again."
                    raise Rejected(ADAPTER, f"tag {tag!r}", "The key may not make a tag.", remedy) from exc
                except Rejected:
                    # Somebody made it a moment ago; WooCommerce refuses a second one of the same name.
                    number = self._find_tag(tag)
                    if number is None:
                        raise
            self._tags[tag] = number
        return self._tags[tag]

    def _find_tag(self, tag: str) -> int | None:
        query = {"search": tag, "orderby": "id", "order": "asc", "_fields": "id,name"}
        for rows in pages(self._client, "products/tags", query):
            for row in rows:
                if _is_named(row, tag):
                    return int(row["id"])
        return None

    def _rows(self, kind: PlaceKind, product_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The products that are there and not in the trash."""
        found: list[dict[str, Any]] = []
        for ids in chunks(product_ids, BATCH):
            query = {"include": ",".join(ids), "status": "any", "_fields": f"id,{_FIELDS[kind]}"}
            query["per_page"] = str(BATCH)
            found += rows_of("GET products", self._client.get("products", query).data)
        return found


def _value(kind: PlaceKind, tag: str, row: Mapping[str, Any]) -> str:
    if kind == "tag":
        return TAGGED if any(_is_named(one, tag) for one in _tags(row)) else ""
    return str(row.get(_FIELDS[kind], ""))


def _tags(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    tags = row.get("tags")
    return [one for one in tags if isinstance(one, dict) and "id" in one] if isinstance(tags, list) else []


def _is_named(row: Mapping[str, Any], tag: str) -> bool:
    return html.unescape(str(row.get("name", ""))).casefold() == tag.casefold()


def _gone(change: PlaceChange) -> PlaceResult:
    return PlaceResult(change.product_id, "not_found", "The shop has no such product any more.")
