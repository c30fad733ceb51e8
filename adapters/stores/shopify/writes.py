"""Writes as values: the requests to send, and what an answer says of each item. Pure, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adapters.stores.shopify.client import ADAPTER
from connector.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unauthorized
from connector.ports.stores import (
    BadgeChange,
    BadgeFacts,
    FrozenRequest,
    ItemResult,
    ListingRef,
    QuantityChange,
)

QUANTITIES_LIMIT = 250
BADGES_LIMIT = 25
BADGE_KEY = "availability"

_STALE = frozenset({"CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE"})
# The key was used up by a failed or different request: nothing was done under it now, and a new key will do.
_USED_UP = frozenset({"IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"})
_IN_PROGRESS = "IDEMPOTENCY_CONCURRENT_REQUEST"

Verdict = Literal["rejected", "not_found"]


def plan_quantities(changes: Sequence[QuantityChange], location_id: str | None) -> list[FrozenRequest]:
    """Batches of at most 250 with each (item, location) once; `location_id` serves refs without one."""
    batches: list[list[QuantityChange]] = []
    pairs: set[tuple[str, str]] = set()
    for change in changes:
        if change.badge is not None:
            raise ValueError("Shopify writes badges apart from quantities; plan them with plan_badges.")
        if change.quantity < 0:
            raise ValueError(f"{change.ref.external_id}: a quantity to sell is never negative.")
        pair = (change.ref.stock_id, place_of(change.ref, location_id))
        if not batches or len(batches[-1]) == QUANTITIES_LIMIT or pair in pairs:
            batches.append([])
            pairs = set()
        batches[-1].append(change)
        pairs.add(pair)
    return [_quantity_request(batch, location_id) for batch in batches]


def _quantity_request(batch: list[QuantityChange], location_id: str | None) -> FrozenRequest:
    quantities = [
        {
            "inventoryItemId": change.ref.stock_id,
            "locationId": place_of(change.ref, location_id),
            "quantity": change.quantity,
            # Must be sent since 2026-04; null skips the comparison.
            "changeFromQuantity": change.expected,
        }
        for change in batch
    ]
    return FrozenRequest(
        operation="quantities",
        body={"name": "available", "reason": "correction", "quantities": quantities},
        refs=tuple(change.ref for change in batch),
    )


def plan_badges(changes: Sequence[BadgeChange]) -> list[FrozenRequest]:
    """Batches of at most 25 metafields, one per variant, each variant once in a batch."""
    batches: list[list[BadgeChange]] = []
    owners: set[str] = set()
    for change in changes:
        owner = change.ref.external_id
        if not batches or len(batches[-1]) == BADGES_LIMIT or owner in owners:
            batches.append([])
            owners = set()
        batches[-1].append(change)
        owners.add(owner)
    return [
        FrozenRequest(
            operation="badges",
            body={
                "metafields": [
                    {
                        "ownerId": change.ref.external_id,
                        "namespace": "$app",
                        "key": BADGE_KEY,
                        "type": "json",
                        "value": badge_json(change.badge),
                    }
                    for change in batch
                ]
            },
            refs=tuple(change.ref for change in batch),
        )
        for batch in batches
    ]


def badge_json(badge: BadgeFacts) -> str:
    """The metafield's value: `state` always, the rest only when it may be shown.

    One metafield for all facts is written and read whole, so the page never mixes an old date with a
    new state. In Liquid: `variant.metafields['$app'].availability.value.state`.

    >>> badge_json(BadgeFacts("low_stock", count=3))
    '{"state":"low_stock","count":3}'
    """
    facts: dict[str, Any] = {"state": badge.state}
    if badge.count is not None:
        facts["count"] = badge.count
    if badge.restock_on is not None:
        facts["restock_on"] = badge.restock_on.isoformat()
    if badge.restock_until is not None:
        facts["restock_until"] = badge.restock_until.isoformat()
    return json.dumps(facts, separators=(",", ":"))


def place_of(ref: ListingRef, location_id: str | None) -> str:
    """The location a ref speaks of; raises Misconfigured when neither it nor the connection says."""
    found = ref.location_id or location_id
    if not found:
        raise Misconfigured(
            ADAPTER,
            ref.external_id,
            "No location is chosen to write to.",
            "Choose the location Dispo writes in the connection's settings.",
            field="location_id",
        )
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user errors of a write say.

    `wrong` index → verdict and reason. `doubtful` are the indices whose comparison may have failed and
    that must be read back; empty when none did. `reason` is Shopify's sentence for the batch.
    """

    wrong: Mapping[int, tuple[Verdict, str]]
    doubtful: tuple[int, ...]
    is_done: bool
    reason: str = ""


def read_quantities_answer(request: FrozenRequest, errors: Sequence[Mapping[str, Any]]) -> Answer:
    """Sort the user errors of `inventorySetQuantities`; raises OutcomeUnknown while the same key is being
    worked, and Rejected for a fault of the whole batch.

    A stale comparison may come with `field: null`: then every compared item is doubtful.
    """
    if not errors:
        return Answer({}, (), is_done=True)
    sent = request.body["quantities"]
    compared = [index for index, item in enumerate(sent) if item["changeFromQuantity"] is not None]
    wrong: dict[int, tuple[Verdict, str]] = {}
    stale: set[int] = set()
    for error in errors:
        code, message = str(error.get("code") or ""), str(error.get("message") or "")
        index = _index(error, len(sent))
        if code == _IN_PROGRESS:
            raise OutcomeUnknown(
                ADAPTER, _batch(request), "The same request is still being worked.", "Repeat it later."
            )
        if code in _USED_UP or (code in _STALE and index is None):
            stale.update(compared)
        elif code in _STALE:
            stale.add(int(index or 0))
        elif index is not None:
            wrong[index] = (_verdict(code, error), message)
        elif len(sent) == 1:
            wrong[0] = ("rejected", message)
        else:
            raise Rejected(ADAPTER, _batch(request), message)
    reason = str(errors[0].get("message") or "")
    return Answer(wrong, tuple(sorted(stale - set(wrong))), is_done=False, reason=reason)


def read_badges_answer(request: FrozenRequest, errors: Sequence[Mapping[str, Any]]) -> Answer:
    """Sort the user errors of `metafieldsSet`, which is all or nothing."""
    if not errors:
        return Answer({}, (), is_done=True)
    sent = request.body["metafields"]
    wrong: dict[int, tuple[Verdict, str]] = {}
    for error in errors:
        code, message = str(error.get("code") or ""), str(error.get("message") or "")
        if code == "APP_NOT_AUTHORIZED":
            raise Unauthorized(ADAPTER, _batch(request), message, "Grant the app the scope write_products.")
        if code == "INTERNAL_ERROR":
            continue
        index = _index(error, len(sent))
        if index is None and len(sent) > 1:
            raise Rejected(ADAPTER, _batch(request), message)
        wrong[index or 0] = (_verdict(code, error), message)
    return Answer(wrong, (), is_done=False, reason=str(errors[0].get("message") or ""))


def results(request: FrozenRequest, answer: Answer, remote: Mapping[int, ItemResult]) -> list[ItemResult]:
    """One result per ref, in order. `remote` is what reading back found for doubtful items."""
    found = []
    for index, ref in enumerate(request.refs):
        if answer.is_done:
            found.append(ItemResult(ref, "done"))
        elif index in answer.wrong:
            status, reason = answer.wrong[index]
            found.append(ItemResult(ref, status, reason=reason))
        elif index in remote:
            found.append(remote[index])
        else:
            found.append(ItemResult(ref, "retry", reason=answer.reason))
    return found


def _verdict(code: str, error: Mapping[str, Any]) -> Verdict:
    if code == "INVALID_INVENTORY_ITEM":
        return "not_found"
    path = error.get("field") or []
    # metafieldsSet says INVALID for an owner that does not exist; only the path tells.
    return "not_found" if code == "INVALID" and path and path[-1] == "ownerId" else "rejected"


def _index(error: Mapping[str, Any], size: int) -> int | None:
    """Which item an error speaks of, None when it does not say or says nonsense."""
    element = error.get("elementIndex")
    numbers = [int(part) for part in error.get("field") or [] if str(part).isdigit()]
    index = element if isinstance(element, int) else (numbers[0] if numbers else None)
    return index if index is not None and 0 <= index < size else None


def _batch(request: FrozenRequest) -> str:
    return f"{request.operation} of {len(request.refs)} variants"
