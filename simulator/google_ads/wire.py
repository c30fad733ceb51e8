"""The protobuf side of the simulator: rows, failures, partial failures, in the real encoding."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

API_VERSION = "v26"
FAILURE_KEY = f"google.ads.googleads.{API_VERSION}.errors.googleadsfailure-bin"
_INVALID_ARGUMENT = 3


def module(path: str) -> Any:
    """A versioned module of the google-ads package, for example "services.types.google_ads_service"."""
    return importlib.import_module(f"google.ads.googleads.{API_VERSION}.{path}")


@dataclass(frozen=True)
class Refusal:
    """One GoogleAdsError: `code` "family.NAME" as in the API, `index` of the operation concerned."""

    code: str
    message: str
    index: int | None = None
    retry_delay_s: float = 0.0


def failure_bytes(refusals: Iterable[Refusal], request_id: str, operations: str = "operations") -> bytes:
    """A serialised GoogleAdsFailure; `operations` is the request field that `index` counts in."""
    failure = module("errors.types.errors").GoogleAdsFailure.pb()()
    failure.request_id = request_id
    for refusal in refusals:
        error = failure.errors.add()
        family, _, name = refusal.code.partition(".")
        values = error.error_code.DESCRIPTOR.fields_by_name[family].enum_type.values_by_name
        setattr(error.error_code, family, values[name].number)
        error.message = refusal.message
        if refusal.index is not None:
            element = error.location.field_path_elements.add()
            element.field_name = operations
            element.index = refusal.index
        if refusal.retry_delay_s:
            delay = error.details.quota_error_details.retry_delay
            delay.seconds = int(refusal.retry_delay_s)
            delay.nanos = int(refusal.retry_delay_s % 1 * 1e9)
    serialised: bytes = failure.SerializeToString()
    return serialised


def partial_failure(status: Any, refusals: list[Refusal], request_id: str, operations: str) -> None:
    """Fill `status` (google.rpc.Status) as the API does for operations that failed among others."""
    status.code = _INVALID_ARGUMENT
    status.message = f"{refusals[0].message}, at index {refusals[0].index}"
    detail = status.details.add()
    detail.type_url = f"type.googleapis.com/google.ads.googleads.{API_VERSION}.errors.GoogleAdsFailure"
    detail.value = failure_bytes(refusals, request_id, operations)


def fill_row(row: Any, values: Mapping[str, Any]) -> None:
    """Put field → value into a GoogleAdsRow protobuf message; enums by name, lists whole."""
    for path, value in values.items():
        message = row
        *parents, last = path.split(".")
        for name in parents:
            message = getattr(message, _field(message, name))
        last = _field(message, last)
        descriptor = message.DESCRIPTOR.fields_by_name[last]
        if isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict):
                    getattr(message, last).add(**entry)
                else:
                    getattr(message, last).append(entry)
        elif descriptor.enum_type is not None:
            setattr(message, last, descriptor.enum_type.values_by_name[value].number)
        else:
            setattr(message, last, value)


def _field(message: Any, name: str) -> str:
    # Names that Python reserves carry an underscore in this package ("type_").
    return name if name in message.DESCRIPTOR.fields_by_name else f"{name}_"
