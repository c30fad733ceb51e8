"""Google Ads: pauses and resumes search ads and keywords by their landing page.

Importing this package needs no Google library: the SDK weighs 170 MB and a second of start-up, so it
is an optional extra and is loaded at the first call. It must run in a worker that has not used gRPC
before it forked: a gRPC channel does not survive a fork, and the adapter opens its channel at first
use for that reason.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters.ads.google_ads.account import Account
from adapters.ads.google_ads.adapter import GoogleAds
from adapters.ads.google_ads.faults import NAME
from adapters.kit.guard import is_allowed_private
from connector.ports.errors import Misconfigured
from connector.registry import Environment, Field, Manifest

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret
_DIGITS = re.compile(r"\d{10}")


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> GoogleAds:
    """One Google Ads account; no network, no SDK import.

    Raises Misconfigured when a required setting is missing, an id has not ten digits, an endpoint is
    not among the hosts the operator allows, or the extra is not installed.
    """
    if not _is_installed():
        raise Misconfigured(
            NAME,
            "ads",
            "The package 'google-ads' is not installed.",
            "Install the extra: pip install 'dispo[google-ads]'.",
            field="adapter",
        )
    endpoint = str(config.get("endpoint") or "")
    token_uri = str(config.get("token_uri") or "")
    _require_allowed("endpoint", endpoint, environment)
    _require_allowed("token_uri", token_uri, environment)
    return GoogleAds(
        Account(
            customer_id=_customer_id(config, "customer_id", is_required=True),
            login_customer_id=_customer_id(config, "login_customer_id", is_required=False),
            client_id=_required("client_id", config),
            client_secret=_required("client_secret", secrets),
            refresh_token=_required("refresh_token", secrets),
            endpoint=endpoint,
            token_uri=token_uri or _TOKEN_URI,
        ),
        environment,
    )


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("google.ads.googleads") is not None
    except ModuleNotFoundError:
        return False


def _required(name: str, values: Mapping[str, Any]) -> str:
    value = str(values.get(name) or "").strip()
    if not value:
        raise Misconfigured(NAME, name, "The setting is missing.", f"Fill in {name}.", field=name)
    return value


def _customer_id(config: Mapping[str, Any], name: str, *, is_required: bool) -> str:
    """The ten digits of a customer id; people copy it as 123-456-7890, the API wants digits only."""
    if not is_required and not config.get(name):
        return ""
    digits = re.sub(r"[\s-]", "", _required(name, config))
    if not _DIGITS.fullmatch(digits):
        raise Misconfigured(
            NAME,
            name,
            "A Google Ads customer id has ten digits.",
            "Copy it from the top right of Google Ads, for example 123-456-7890.",
            field=name,
        )
    return digits


def _require_allowed(name: str, address: str, environment: Environment) -> None:
    """Refuse an address of the merchant's choosing: it would receive the refresh token.

    Only the operator, by `allowed_private_hosts`, may point the adapter at another server.
    """
    if not address:
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        is_allowed = is_allowed_private(environment, parts.hostname or "", parts.port or 443)
    except ValueError:
        is_allowed = False
    if "@" in address or not is_allowed:
        raise Misconfigured(
            NAME,
            name,
            "This address is not Google's and not among the hosts this installation allows.",
            f"Leave {name} empty, or let the operator allow the host.",
            field=name,
        )


MANIFEST = Manifest(
    name=NAME,
    title="Google Ads",
    fields=(
        Field("customer_id", "Customer id", help="Ten digits, top right of Google Ads."),
        Field(
            "login_customer_id",
            "Manager account id",
            is_required=False,
            help="Only when you reach the account through a manager account.",
        ),
        Field("client_id", "OAuth client id", help="Of the Google Cloud project with API access."),
        Field("client_secret", "OAuth client secret", is_secret=True),
        Field("refresh_token", "Refresh token", is_secret=True, help="For the scope auth/adwords."),
        Field("endpoint", "API endpoint", is_required=False, help="Empty for Google's own."),
        Field("token_uri", "Token endpoint", is_required=False, help="Empty for Google's own."),
    ),
    build=build,
    extra="google-ads",
    help_page="adapters/google-ads.md",
)
