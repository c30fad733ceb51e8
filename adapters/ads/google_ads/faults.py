"""Reads Google's errors and turns each into one of the port's; the only place that knows both.

Needs no Google library: failures are read through the protobuf messages' own descriptors, so that an
enum value younger than this file still has its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
    Unsupported,
)

NAME = "google_ads"

# Google names a delay for most refusals; these hold where it does not. A day's operations come back
# slowly, a burst within seconds.
_DEFAULT_WAIT_S = {"RESOURCE_TEMPORARILY_EXHAUSTED": 30.0}
_DEFAULT_LONG_WAIT_S = 900.0

_SIGN_IN = "Sign in to Google again in the settings of this connection."
_MANAGER = "Fill in the manager account id, or sign in as a user who may edit this account."
_PROJECT = "Ask Google for Explorer, Basic or Standard access for the Cloud project of this OAuth client."

_UNAUTHORIZED: Mapping[str, str] = {
    "authentication_error": _SIGN_IN,
    "authentication_error.NOT_ADS_USER": (
        "Sign in with a Google account that can open this Google Ads account."
    ),
    "authentication_error.TWO_STEP_VERIFICATION_NOT_ENROLLED": (
        "Switch on 2-Step Verification for the Google account, then sign in again."
    ),
    "authentication_error.ADVANCED_PROTECTION_NOT_ENROLLED": (
        "Enrol the Google account in Advanced Protection, then sign in again."
    ),
    "authentication_error.ORGANIZATION_NOT_APPROVED": _PROJECT,
    "authorization_error": _MANAGER,
    "authorization_error.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION": _PROJECT,
    "authorization_error.DEVELOPER_TOKEN_NOT_APPROVED": _PROJECT,
    "authorization_error.PROJECT_DISABLED": "Switch on the Google Ads API in the Cloud project.",
    "authorization_error.MISSING_TOS": "Accept the API terms in the Google Cloud console.",
    "authorization_error.CUSTOMER_NOT_ENABLED": "Finish or reactivate the account in Google Ads.",
    "authorization_error.INCOMPLETE_SIGNUP": "Finish the sign-up of the account in Google Ads.",
    "authorization_error.ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT": (
        "The account is suspended: appeal in Google Ads, then check this connection again."
    ),
    "operation_access_denied_error.MUTATE_NOT_PERMITTED_FOR_CUSTOMER": _MANAGER,
    "operation_access_denied_error.MUTATE_ACTION_NOT_PERMITTED_FOR_CLIENT": _MANAGER,
    "request_error.CLOUD_PROJECT_NOT_FOUND": "Use the OAuth client of an existing Cloud project.",
}
_MISCONFIGURED: Mapping[str, tuple[str, str]] = {
    "authentication_error.CUSTOMER_NOT_FOUND": ("customer_id", "Check the ten digits of the customer id."),
    "authentication_error.CLIENT_CUSTOMER_ID_INVALID": ("customer_id", "Use the ten digits only."),
    "authorization_error.ACCESS_DENIED_FOR_ACCOUNT_TYPE": (
        "customer_id",
        "This id belongs to another ads system; use that of a Google Ads account.",
    ),
    "authorization_error.INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION": (
        "login_customer_id",
        "Use the id of the manager account that manages this account, or leave it empty.",
    ),
    "header_error.INVALID_LOGIN_CUSTOMER_ID": ("login_customer_id", "Use the ten digits only."),
    "request_error.LOGIN_CUSTOMER_ID_PARAMETER_MISSING": ("login_customer_id", _MANAGER),
    "request_error.INVALID_CUSTOMER_ID": ("customer_id", "Use the ten digits only."),
    "request_error.CANNOT_BE_EXECUTED_BY_MANAGER_ACCOUNT": (
        "customer_id",
        "A manager account holds no ads: use the id of the account under it.",
    ),
    "query_error.REQUESTED_METRICS_FOR_MANAGER": (
        "customer_id",
        "A manager account holds no ads: use the id of the account under it.",
    ),
}
_PASSING = {"internal_error", "quota_error", "database_error.CONCURRENT_MODIFICATION"}
_GONE = {
    "mutate_error.RESOURCE_NOT_FOUND",
    "request_error.RESOURCE_NOT_FOUND",
    "id_error.NOT_FOUND",
    "ad_group_ad_error.CANNOT_OPERATE_ON_REMOVED_ADGROUPAD",
    "context_error.OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE",
    "operation_access_denied_error.OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One GoogleAdsError: `code` as "family.NAME", `index` of the operation it is about or None for
    the request as a whole, `retry_after_s` where Google named a delay."""

    code: str
    message: str
    index: int | None = None
    retry_after_s: float | None = None

    @property
    def family(self) -> str:
        return self.code.partition(".")[0]

    @property
    def is_gone(self) -> bool:
        """The object does not exist any more; for Google a removed one can never come back."""
        return self.code in _GONE

    @property
    def is_passing(self) -> bool:
        """It may work later, without anybody doing anything."""
        return self.code in _PASSING or self.family in _PASSING

    @property
    def is_of_account(self) -> bool:
        """It may concern the account, the credentials or the quota rather than this one operation."""
        return self.code in _MISCONFIGURED or _remedy(self) is not None or self.family == "quota_error"


def read_failure(failure: Any) -> list[Fault]:
    """The errors of a GoogleAdsFailure protobuf message, in its order."""
    return [_read_error(error) for error in failure.errors]


def _read_error(error: Any) -> Fault:
    family = error.error_code.WhichOneof("error_code") or "unknown_error"
    name = "UNKNOWN"
    if family != "unknown_error":
        number = getattr(error.error_code, family)
        values = error.error_code.DESCRIPTOR.fields_by_name[family].enum_type.values_by_number
        name = values[number].name if number in values else f"CODE_{number}"
    index = next(
        (
            element.index
            for element in error.location.field_path_elements
            if element.field_name in ("operations", "mutate_operations") and element.HasField("index")
        ),
        None,
    )
    delay = error.details.quota_error_details.retry_delay
    seconds = delay.seconds + delay.nanos / 1e9
    return Fault(f"{family}.{name}", error.message[:300], index, seconds or None)


def to_port_error(faults: Iterable[Fault], subject: str, *, is_write: bool) -> PortError:
    """The gravest of `faults` as a port error: credentials, setting, quota, passing, then refusal.

    A passing fault of a write may have happened half-way, hence OutcomeUnknown.
    """
    found = list(faults)
    for fault in found:
        if fault.code in _MISCONFIGURED:
            field, remedy = _MISCONFIGURED[fault.code]
            return Misconfigured(NAME, subject, _cause(fault), remedy, field=field)
    for fault in found:
        remedy_text = _remedy(fault)
        if remedy_text is not None:
            return Unauthorized(NAME, subject, _cause(fault), remedy_text)
    for fault in found:
        if fault.family == "quota_error":
            return _quota(fault, subject)
    for fault in found:
        if fault.is_passing:
            kind = OutcomeUnknown if is_write else Retryable
            return kind(NAME, subject, _cause(fault))
    if not found:
        return Rejected(NAME, subject, "Google refused the request and named no reason.")
    if found[0].code == "request_error.UNSUPPORTED_VERSION":
        return Unsupported(NAME, subject, "Google has switched off this version of its API.", "Update Dispo.")
    return Rejected(NAME, subject, _cause(found[0]))


def _remedy(fault: Fault) -> str | None:
    return _UNAUTHORIZED.get(fault.code, _UNAUTHORIZED.get(fault.family))


def _quota(fault: Fault, subject: str) -> PortError:
    name = fault.code.partition(".")[2]
    if name == "ACCESS_PROHIBITED":
        return Unauthorized(NAME, subject, _cause(fault), _PROJECT)
    wait_s = fault.retry_after_s or _DEFAULT_WAIT_S.get(name, _DEFAULT_LONG_WAIT_S)
    return RateLimited(
        NAME,
        subject,
        _cause(fault),
        "The rest of the work waits; a higher access level of the Cloud project raises the limit.",
        retry_after_s=wait_s,
    )


def _cause(fault: Fault) -> str:
    return f"{fault.code.partition('.')[2]}: {fault.message}"
