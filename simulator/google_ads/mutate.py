"""Judges and applies status operations as Google Ads does, one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.google_ads.accounts import Accounts, Status
from simulator.google_ads.wire import Refusal

MAX_OPERATIONS = 10_000
_STATUSES: dict[int, Status] = {2: "ENABLED", 3: "PAUSED"}
_COLLECTIONS = {"ad_group_ad": "adGroupAds", "ad_group_criterion": "adGroupCriteria"}


@dataclass(frozen=True)
class Operation:
    """One operation of a request: `verb` create, update or remove; `status` as the API's number."""

    kind: str
    verb: str
    resource_name: str
    status: int
    paths: tuple[str, ...]

    @staticmethod
    def read(message: Any, kind: str) -> Operation:
        """From an AdGroupAdOperation or AdGroupCriterionOperation, or a MutateOperation holding one
        when `kind` is empty."""
        raw = type(message).pb(message)
        if not kind:
            which = raw.WhichOneof("operation") or ""
            kind = which.removesuffix("_operation")
            if kind not in _COLLECTIONS:
                return Operation(kind, "", "", 0, ())
            raw = getattr(raw, which)
        verb = raw.WhichOneof("operation") or ""
        return Operation(
            kind,
            verb,
            raw.update.resource_name if verb == "update" else str(raw.remove),
            raw.update.status if verb == "update" else 0,
            tuple(raw.update_mask.paths),
        )


def apply(
    accounts: Accounts,
    customer_id: str,
    operations: Sequence[Operation],
    *,
    is_partial: bool,
    is_dry: bool,
) -> tuple[set[int], list[Refusal]]:
    """Carry out what is valid; the indices done and a refusal per invalid operation.

    Without `is_partial` it is all or nothing; with `is_dry` nothing is changed.
    """
    with accounts.lock:
        seen: set[str] = set()
        refusals: list[Refusal] = []
        for index, operation in enumerate(operations):
            found = _judge(accounts, customer_id, operation, is_repeated=operation.resource_name in seen)
            seen.add(operation.resource_name)
            if found is not None:
                refusals.append(Refusal(found[0], found[1], index))
        bad = {refusal.index for refusal in refusals}
        if is_dry or (bad and not is_partial):
            return set(), refusals
        done = {index for index in range(len(operations)) if index not in bad}
        for index in sorted(done):
            operation = operations[index]
            accounts.set_status(operation.resource_name, _STATUSES[operation.status], by="api")
        return done, refusals


def _judge(
    accounts: Accounts, customer_id: str, operation: Operation, *, is_repeated: bool
) -> tuple[str, str] | None:
    """Error code and message, or None when the operation is valid."""
    if operation.kind not in _COLLECTIONS or operation.verb != "update":
        return (
            "mutate_error.MUTATE_NOT_ALLOWED",
            "Only updates of ads and ad group criteria are simulated.",
        )
    pattern = rf"customers/\d+/{_COLLECTIONS[operation.kind]}/\d+~\d+"
    if not re.fullmatch(pattern, operation.resource_name):
        return "request_error.RESOURCE_NAME_MALFORMED", "The resource name is malformed."
    if not operation.paths:
        return "field_mask_error.FIELD_MASK_MISSING", "The field mask must be provided for update."
    if operation.paths != ("status",):
        return "field_mask_error.FIELD_NOT_FOUND", "Only status is simulated."
    if is_repeated:
        if operation.kind == "ad_group_ad":
            return "ad_group_ad_error.RESOURCE_REFERENCED_IN_MULTIPLE_OPS", "Named twice in one request."
        return "mutate_error.ID_EXISTS_IN_MULTIPLE_MUTATES", "Named twice in one request."
    item = accounts.items.get(operation.resource_name)
    if item is None or not operation.resource_name.startswith(f"customers/{customer_id}/"):
        return "mutate_error.RESOURCE_NOT_FOUND", "Resource was not found."
    if item.status == "REMOVED":
        if item.kind == "ad":
            return (
                "ad_group_ad_error.CANNOT_OPERATE_ON_REMOVED_ADGROUPAD",
                "An operation on a removed ad group ad is not allowed.",
            )
        return (
            "context_error.OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE",
            "The operation is not allowed for removed resources.",
        )
    if operation.status not in _STATUSES:
        return "request_error.INVALID_ENUM_VALUE", "Enum value is not permitted."
    if not item.can_be_paused and operation.status == 3:
        return "ad_group_ad_error.AD_TYPE_CANNOT_BE_PAUSED", "An ad of this type cannot be paused."
    if item.is_busy:
        return (
            "database_error.CONCURRENT_MODIFICATION",
            "Multiple requests were attempting to modify the same resource at once.",
        )
    if item.negative:
        return "ad_group_criterion_error.CANT_UPDATE_NEGATIVE", "Negative criteria cannot be updated."
    return None
