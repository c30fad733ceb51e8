"""Shopify's Partner API: the organization's own view of its apps, with a token and a limit of its own.

Where this comes from (read in stored copies of November 2026, never tried on a live organization):
- address, header, "four requests a second for each API client": shopify.dev/docs/api/partner/2026-10
- `activeSubscription` and its types, "null without a contract", the permission *Manage apps*:
  shopify.dev/docs/api/partner/2026-07/active-subscription and …/objects/ActiveSubscription, SubscriptionItem,
  FlatRatePrice; shopify.dev/docs/api/partner/latest/enums/AppPricingInterval

    HTTP 401, 403    Unauthorized     HTTP 429    RateLimited
    HTTP 404         Misconfigured    HTTP 5xx, cut, no answer   Retryable
    errors in the answer, an answer that nobody can read         Rejected
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.errors import Row, translate
from adapters.kit.http import Client
from adapters.stores.shopify.client import ADAPTER
from connector.ports.errors import Misconfigured, RateLimited, Rejected, Unauthorized
from connector.registry import Environment

PARTNER_VERSION = "2026-07"
"""The first version with `activeSubscription`; Shopify serves one for a year."""

PARTNER_URL = "https://partners.shopify.com"

ACTIVE_SUBSCRIPTION = """
query ActiveSubscription($appId: ID!, $shopId: ID!) {
  activeSubscription(appId: $appId, shopId: $shopId) {
    shop { id }
    billingPeriod
    cancelAtEndOfCycle
    trialEndsAt
    currentBillingCycle { endTime }
    items { handle description price { __typename active currency ... on FlatRatePrice { amount } } }
  }
}
"""

_REMEDY = (
    "Whoever runs this Dispo makes a Partner API client with the permission Manage apps (docs/plans.md)."
)
_ROWS = (
    Row(401, Unauthorized, "Shopify refused the token of the organization.", _REMEDY),
    Row(403, Unauthorized, "The organization's API client may not read plans.", _REMEDY),
    Row(
        404,
        Misconfigured,
        f"Shopify knows no such organization, or serves version {PARTNER_VERSION} no more.",
        "Whoever runs this Dispo checks DISPO_SHOPIFY_PARTNER_ORGANIZATION, and updates Dispo.",
        field="partner_organization",
    ),
    # No wait is published; the limit is counted by the second.
    Row(429, RateLimited, "Shopify was asked for too many plans at once.", retry_after_s=2.0),
)


class PartnerClient:
    """One organization's API. Construction does no network. Thread-safe; never repeats a call."""

    def __init__(
        self, environment: Environment, organization: str, token: str, base_url: str = PARTNER_URL
    ) -> None:
        self._path = f"/{organization}/api/{PARTNER_VERSION}/graphql.json"
        self._http = Client(
            environment,
            ADAPTER,
            base_url,
            {"Accept": "application/json", "X-Shopify-Access-Token": token},
        )

    def active_subscription(self, app_id: str, shop_id: str) -> Mapping[str, Any] | None:
        """The contract of one shop for one app, both by their GIDs; None where there is none."""
        subject = "the plan of a shop"
        answer = self._http.request(
            "POST",
            self._path,
            json={"query": ACTIVE_SUBSCRIPTION, "variables": {"appId": app_id, "shopId": shop_id}},
            is_read=True,
        )
        if answer.status_code != 200:
            raise translate(
                answer.status_code, _ROWS, adapter=ADAPTER, subject=subject, headers=answer.headers
            )
        try:
            found = answer.json()
        except ValueError as exc:
            raise Rejected(ADAPTER, subject, "The Partner API's answer is not JSON.") from exc
        if not isinstance(found, dict):
            raise Rejected(ADAPTER, subject, "The Partner API's answer is not a GraphQL answer.")
        if found.get("errors"):
            raise Rejected(ADAPTER, subject, _said(found["errors"]), _REMEDY)
        data = found.get("data")
        # Only a null that was said is "no contract": an answer without the field says nothing.
        if not isinstance(data, dict) or "activeSubscription" not in data:
            raise Rejected(ADAPTER, subject, "The Partner API's answer says nothing about the plan.")
        contract = data["activeSubscription"]
        if contract is not None and not isinstance(contract, dict):
            raise Rejected(ADAPTER, subject, "The Partner API's answer is no subscription.")
        return contract


def _said(errors: Any) -> str:
    listed = errors if isinstance(errors, list) else [errors]
    words = [str(one.get("message", "") if isinstance(one, dict) else one)[:300] for one in listed[:3]]
    return "The Partner API refused: " + "; ".join(words)
