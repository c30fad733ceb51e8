"""Writes: absolute adjustments of numbers, and badges as metafields of variants. Planned pure, then sent.

An adjustment is all or nothing and its refusal may or may not name the culprit, so what is refused is
found out here: by the ids in BigCommerce's sentence, else by halving. Numbers are absolute, so sending
any part again is harmless.

BigCommerce accepts an adjustment first and works it afterwards: for a moment reads still show the number
before, which the next comparison would take for a sale. So a write counts as done when a read shows it,
and as of unknown outcome when that takes too long.

A metafield is created once and updated by its own id ever after, and BigCommerce offers no "set". The ids
are learnt when a creation is refused and kept with the adapter; a forgotten or wrong one costs calls only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapters.stores.bigcommerce import locations, shapes
from adapters.stores.bigcommerce.client import (
    ADAPTER,
    PAGE,
    BigCommerceClient,
    rows_of,
    total_of,
    words_of,
)
from connector.ports.errors import NotFound, OutcomeUnknown, PortError, Rejected, Retryable
from connector.ports.stores import BadgeChange, FrozenRequest, ItemResult, ListingRef, QuantityChange

QUANTITIES, BADGES = "set_quantities", "set_badges"
MOST_ITEMS = 2_000
MOST_METAFIELDS = 50
MOST_UNITS = 2_147_483_647
MOST_CALLS = 40
"""How often one refused request may be halved; 2,000 items with three bad ones take 34 calls at most."""
NAMESPACE, KEY = "dispo", "availability"
REASON = "Dispo"
LOOKS_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""The waits before each look at whether an accepted adjustment is shown."""
PROBES = 50
LOOK_WAIT_S = 5.0
"""How long one look may wait for room in the rate window."""

_NAMED = re.compile(r"(variant_id|product_id) (\d+)")
_GONE = re.compile(r"not (?:exist|found)|unknown", re.IGNORECASE)
_LOST = "BigCommerce has no such variant any more."
_LATER = "A neighbour in the batch was refused."


# ---------------------------------------------------------------- planning


def plan_quantities(changes: Sequence[QuantityChange]) -> list[FrozenRequest]:
    """Requests of at most 2,000 items, each of one location, as BigCommerce asks for bulk adjustments.

    An item that cannot be sent takes its place with the reason. Raises ValueError for a number that is none.
    """
    places: dict[str | None, list[tuple[ListingRef, dict[str, Any]]]] = {}
    for change in changes:
        if type(change.quantity) is not int or change.quantity < 0:
            raise ValueError(f"a quantity is a whole number of at least 0, not {change.quantity!r}")
        places.setdefault(change.ref.location_id, []).append((change.ref, _item(change)))
    return [
        FrozenRequest(QUANTITIES, {"items": [item for _, item in chunk]}, tuple(ref for ref, _ in chunk))
        for group in places.values()
        for chunk in chunks(group, MOST_ITEMS)
    ]


def _item(change: QuantityChange) -> dict[str, Any]:
    kind, _, number = change.ref.stock_id.partition(":")
    if kind == "none":
        return {"refused": shapes.UNTRACKED}
    if kind == "shared":
        return {"refused": shapes.SHARED}
    if change.ref.location_id is None or not number.isdecimal() or kind not in ("variant", "product"):
        return {"refused": "Its place in the store is not known. Read the store's catalogue again."}
    if change.quantity > MOST_UNITS:
        # BigCommerce would answer 200 and save nothing.
        return {"refused": f"BigCommerce holds at most {MOST_UNITS:,} pieces at a location."}
    return {
        "location_id": int(change.ref.location_id),
        f"{kind}_id": int(number),
        "quantity": change.quantity,
    }


def plan_badges(changes: Sequence[BadgeChange]) -> list[FrozenRequest]:
    """Requests of at most fifty metafields."""
    items = [
        (one.ref, {"resource_id": int(one.ref.external_id), "value": shapes.badge_value(one.badge)})
        for one in changes
    ]
    return [
        FrozenRequest(BADGES, {"items": [item for _, item in chunk]}, tuple(ref for ref, _ in chunk))
        for chunk in chunks(items, MOST_METAFIELDS)
    ]


def chunks(items: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(items[at : at + size]) for at in range(0, len(items), size)]


# ---------------------------------------------------------------- numbers


def send_quantities(client: BigCommerceClient, request: FrozenRequest) -> list[ItemResult]:
    """One adjustment, more only where it is refused without a name, and a look at what it did. Results in
    the order of `refs`; "done" means that BigCommerce accepted the number and shows it.

    Raises OutcomeUnknown when it was accepted but is not shown in time, Misconfigured when the location was
    closed or deleted.
    """
    items: list[Mapping[str, Any]] = list(request.body["items"])
    results: dict[int, ItemResult] = {
        n: ItemResult(request.refs[n], "rejected", reason=str(item["refused"]))
        for n, item in enumerate(items)
        if "refused" in item
    }
    open_ = [n for n in range(len(items)) if n not in results]
    if open_:
        _Adjustment(client, request, items, results).send(open_)
        _await_shown(client, [(items[n], request.refs[n]) for n in open_ if results[n].status == "done"])
    return [results[n] for n in range(len(items))]


class _Adjustment:
    """The sending of one frozen request, piece by piece where it must be."""

    def __init__(
        self,
        client: BigCommerceClient,
        request: FrozenRequest,
        items: Sequence[Mapping[str, Any]],
        results: dict[int, ItemResult],
    ) -> None:
        self._client = client
        self._refs = request.refs
        self._items = items
        self._results = results
        self._calls = 0
        self._is_place_open = False

    def send(self, places: list[int]) -> None:
        waiting = [places]
        while waiting:
            part = waiting.pop(0)
            try:
                refusal = self._put(part)
            except Retryable:
                # Certainly not done. The parts before it are, and their results must not be lost.
                if self._calls == 1:
                    raise
                self._leave([part, *waiting], "BigCommerce takes no more requests for the moment.")
                return
            if refusal is None:
                self._mark(part, "done", "")
            elif not self._blame(part, refusal):
                if self._calls >= MOST_CALLS:
                    self._leave([part, *waiting], refusal)
                    return
                half = len(part) // 2
                waiting[:0] = [part[:half], part[half:]]

    def _put(self, places: Sequence[int]) -> str | None:
        """None when the adjustment was accepted, else BigCommerce's words."""
        self._calls += 1
        place = int(self._items[places[0]]["location_id"])
        body = {"reason": REASON, "items": [dict(self._items[n]) for n in places]}
        expected = frozenset({422})
        answer = self._client.write("PUT", "/v3/inventory/adjustments/absolute", body, expected=expected)
        if answer.status == 422:
            if not self._is_place_open:
                # A closed location refuses every item, in words that could be about the items.
                locations.ensure_open(self._client, place)
                self._is_place_open = True
            return words_of(answer.data) or "BigCommerce refused it without a word."
        if not isinstance(answer.data, dict):
            raise OutcomeUnknown(ADAPTER, "the adjustment", "The answer is not BigCommerce's.")
        return None

    def _blame(self, places: Sequence[int], refusal: str) -> bool:
        """Whether the refusal is now on the right items; the rest of a blamed part may be sent again."""
        if len(places) == 1:
            self._refuse(places, refusal)
            return True
        named = {(name, int(number)) for name, number in _NAMED.findall(refusal)}
        bad = [
            n
            for n in places
            if any((name, self._items[n].get(name)) in named for name in ("variant_id", "product_id"))
        ]
        if not bad:
            return False
        self._refuse(bad, refusal)
        self._mark([n for n in places if n not in set(bad)], "retry", _LATER)
        return True

    def _refuse(self, places: Iterable[int], refusal: str) -> None:
        for n in places:
            item = self._items[n]
            name = "variant_id" if "variant_id" in item else "product_id"
            own = _own_words(refusal, f"{name} {item[name]}")
            self._mark([n], "not_found" if _GONE.search(own) else "rejected", own)

    def _mark(self, places: Iterable[int], status: Any, reason: str) -> None:
        for n in places:
            self._results[n] = ItemResult(self._refs[n], status, reason=reason)

    def _leave(self, parts: Iterable[Sequence[int]], reason: str) -> None:
        for part in parts:
            self._mark(part, "retry", reason)


def _await_shown(client: BigCommerceClient, done: Sequence[tuple[Mapping[str, Any], ListingRef]]) -> None:
    """Wait until reads show the adjustment, judged by some of its items: half of them, because shoppers go
    on buying. Raises OutcomeUnknown when they do not within the times of LOOKS_S."""
    if not done:
        return
    probes = done[:: -(-len(done) // PROBES)]
    sent = {int(ref.external_id): int(item["quantity"]) for item, ref in probes}
    place = int(probes[0][0]["location_id"])
    query = {"variant_id:in": ",".join(map(str, sent)), "limit": str(PAGE)}
    cause = "BigCommerce accepted the numbers but does not show them yet."
    for wait_s in LOOKS_S:
        client.wait(wait_s)
        try:
            path = f"/v3/inventory/locations/{place}/items"
            found = client.get(path, query, longest_s=LOOK_WAIT_S, leave=0)
            levels = shapes.levels(rows_of(path, found))
        except PortError as exc:
            # The write is accepted: whatever is wrong with the look must not say that nothing happened.
            raise OutcomeUnknown(ADAPTER, "the adjustment", cause) from exc
        if 2 * sum(levels.get(number) == units for number, units in sent.items()) >= len(sent):
            return
    raise OutcomeUnknown(ADAPTER, "the adjustment", cause)


def _own_words(refusal: str, name: str) -> str:
    """The part of a list of sentences that speaks of one item, without brackets."""
    sentences = re.split(r", (?=Item)", refusal.strip("[]"))
    return next(
        (one for one in sentences if re.search(rf"{re.escape(name)}(?!\d)", one)), refusal.strip("[]")
    )


# ---------------------------------------------------------------- badges


class Badges:
    """Sets the metafield of variants. Keeps the metafields' ids by variant, and nothing else."""

    def __init__(self, client: BigCommerceClient) -> None:
        self._client = client
        self._ids: dict[int, int] = {}

    def send(self, request: FrozenRequest) -> list[ItemResult]:
        """Create what is not there, update what is; results in the order of `refs`."""
        values = {int(item["resource_id"]): str(item["value"]) for item in request.body["items"]}
        done: set[int] = set()
        refused: dict[int, str] = {}
        unknown = [number for number in values if number not in self._ids]
        if unknown:
            done, words = self._create({number: values[number] for number in unknown})
            missing = [number for number in unknown if number not in done]
            products = {int(ref.external_id): ref.product_id for ref in request.refs}
            self._find({number: products[number] for number in missing})
            refused = {number: words for number in missing if number not in self._ids}
        done |= self._update({n: values[n] for n in values if n not in done and n in self._ids})
        results = []
        for ref in request.refs:
            number = int(ref.external_id)
            if number in done:
                results.append(ItemResult(ref, "done"))
            elif number in refused:
                reason = refused[number] or _LOST
                results.append(
                    ItemResult(ref, "not_found" if _GONE.search(reason) else "rejected", reason=reason)
                )
            else:
                results.append(ItemResult(ref, "retry", reason="Its metafield changed meanwhile."))
        return results

    def _create(self, values: Mapping[int, str]) -> tuple[set[int], str]:
        """The variants whose metafield was made, and BigCommerce's words about the others."""
        rows = [
            {
                "resource_id": number,
                "namespace": NAMESPACE,
                "key": KEY,
                "value": value,
                # Read by the storefront, written by us alone.
                "permission_set": "read_and_sf_access",
                "description": "Availability, kept by Dispo",
            }
            for number, value in values.items()
        ]
        made, words = self._write("POST", rows)
        for row in made:
            self._ids[int(row["resource_id"])] = int(row["id"])
        return {int(row["resource_id"]) for row in made}, words

    def _update(self, values: Mapping[int, str]) -> set[int]:
        """The variants whose metafield was updated; the ids of the others are forgotten."""
        if not values:
            return set()
        kept, _ = self._write("PUT", [{"id": self._ids[n], "value": value} for n, value in values.items()])
        done = {int(row["resource_id"]) for row in kept}
        for number in values:
            if number not in done:
                self._ids.pop(number, None)
        return done & set(values)

    def _write(self, method: str, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
        """422 is a partial success: what went through is in `data`."""
        path = "/v3/catalog/variants/metafields"
        answer = self._client.write(method, path, rows, expected=frozenset({422}))
        data = answer.data.get("data") if isinstance(answer.data, dict) else None
        made = [row for row in data or () if isinstance(row, dict) and "resource_id" in row and "id" in row]
        if answer.status != 422:
            if len(made) < len(rows):
                raise OutcomeUnknown(ADAPTER, f"{method} {path}", "The answer leaves metafields out.")
            return made, ""
        errors = answer.data.get("errors") if isinstance(answer.data, dict) else None
        told = [words_of(one) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        return made, "; ".join(told) or words_of(answer.data)

    def _find(self, products: Mapping[int, str]) -> None:
        """Learn the ids of existing metafields of these variants (variant → its product).

        There is no filter by variant over the whole store: all of ours are listed where that takes fewer
        calls than asking variant by variant.
        """
        if not products:
            return
        ours = {"namespace": NAMESPACE, "key": KEY, "limit": str(PAGE)}
        path = "/v3/catalog/variants/metafields"
        first = self._client.get(path, {**ours, "page": "1"})
        self._keep(rows_of(path, first))
        pages = total_of(first, "total_pages")
        if pages - 1 <= sum(1 for number in products if number not in self._ids):
            for page in range(2, pages + 1):
                self._keep(self._client.rows(path, {**ours, "page": str(page)}))
            return
        for number, product_id in products.items():
            if number not in self._ids:
                own = f"/v3/catalog/products/{int(product_id)}/variants/{number}/metafields"
                try:
                    self._keep(self._client.rows(own, ours))
                except NotFound:
                    continue  # the variant is gone, which its result will say

    def _keep(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            if row.get("namespace") == NAMESPACE and row.get("key") == KEY:
                self._ids[int(row["resource_id"])] = int(row["id"])


def send(client: BigCommerceClient, badges: Badges, request: FrozenRequest) -> list[ItemResult]:
    """Send a frozen request of either kind; Rejected for one that is not of this adapter."""
    if request.operation == QUANTITIES:
        return send_quantities(client, request)
    if request.operation == BADGES:
        return badges.send(request)
    raise Rejected(ADAPTER, request.operation, "This adapter plans no such request.")
