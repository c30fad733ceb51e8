"""Which plan a shop has: by Shopify App Pricing (Partner API), else by the Billing API (Admin API).

New apps sell by App Pricing: plans live in Shopify's dashboard, Shopify hosts the page where merchants choose,
and only the organization can read what they chose. An app with subscriptions of its own making reads those from
the shop. With an organization's token both are asked, the contract first: a shop that has none there may still
have the subscription it was sold before.

Not verified without a live organization: that the ID of the app in the Admin API is the one that the Partner API
wants (its documentation gives `gid://shopify/App/1234`); what it answers for a shop that Shopify froze (the Admin
API refuses such a shop, which leaves the plan as it was read); that a plan without a price has a flat price of 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from adapters.stores.shopify.client import ADAPTER, ShopifyClient
from adapters.stores.shopify.partner import PartnerClient
from connector.ports.entitlements import Interval, State, Subscription
from connector.ports.errors import Rejected

_INTERVALS: Mapping[str, Interval] = {"EVERY_30_DAYS": "month", "ANNUAL": "year"}
# The statuses of a subscription that is over, or that never came to be.
_OVER: Mapping[str, State] = {"FROZEN": "frozen", "CANCELLED": "cancelled", "EXPIRED": "cancelled"}
_HANDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class BillingPlans:
    """Implements `Entitlements` for subscriptions that the app itself made, by the shop's Admin API."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client

    def subscription(self, now: datetime) -> Subscription:
        """The active subscription, else the state of the last one there was; "none" without any."""
        installation = self._client.query("AppSubscriptions", {})["currentAppInstallation"]
        page = plan_page(self._client.shop, (installation.get("app") or {}).get("handle"))
        active = installation["activeSubscriptions"]
        if active:
            return self._read(active[0], now, page)
        last = installation["allSubscriptions"]["nodes"]
        state = _OVER.get(str(last[0]["status"])) if last else None
        return self._read(last[0], now, page, state) if state else Subscription("none", now, plan_page=page)

    def _read(
        self, node: Mapping[str, Any], now: datetime, page: str, state: State | None = None
    ) -> Subscription:
        subject = f"the plan of {self._client.shop}"
        try:
            details = [one["plan"]["pricingDetails"] for one in node["lineItems"]]
            recurring: Mapping[str, Any] = next(
                (one for one in details if "interval" in one and "price" in one), {}
            )
            trial_ends_at = _time(node["createdAt"]) + timedelta(days=int(node["trialDays"]))
            is_trial = trial_ends_at > now
            end = node["currentPeriodEnd"]
            return Subscription(
                state=state or ("trial" if is_trial else "active"),
                as_of=now,
                plan=str(recurring.get("planHandle") or node["name"]),
                name=str(node["name"]),
                price=_amount(recurring["price"]["amount"]) if recurring else None,
                currency=str(recurring["price"]["currencyCode"]) if recurring else "",
                interval=_INTERVALS.get(str(recurring.get("interval")), ""),
                period_ends_at=_time(end) if end else None,
                trial_ends_at=trial_ends_at if is_trial else None,
                is_test=bool(node["test"]),
                plan_page=page,
            )
        except (KeyError, TypeError, ValueError, InvalidOperation) as exc:
            raise Rejected(ADAPTER, subject, "Shopify's answer about the plan cannot be read.") from exc


class AppPricingPlans:
    """Implements `Entitlements` for plans of Shopify App Pricing, by the organization's Partner API."""

    def __init__(self, client: ShopifyClient, partner: PartnerClient) -> None:
        self._client = client
        self._partner = partner

    def subscription(self, now: datetime) -> Subscription:
        """The shop's contract; without one, what the shop has by the Billing API."""
        found = self._client.query("AppIdentity", {})
        app, shop_id = found["currentAppInstallation"]["app"], str(found["shop"]["id"])
        contract = self._partner.active_subscription(str(app["id"]), shop_id)
        if contract is None:
            return BillingPlans(self._client).subscription(now)
        subject = f"the plan of {self._client.shop}"
        if str((contract.get("shop") or {}).get("id")) != shop_id:
            raise Rejected(ADAPTER, subject, "The Partner API answered for another shop.")
        try:
            return _contract(contract, now, plan_page(self._client.shop, app.get("handle")))
        except (KeyError, TypeError, ValueError, InvalidOperation) as exc:
            raise Rejected(
                ADAPTER, subject, "The Partner API's answer about the plan cannot be read."
            ) from exc


def _contract(contract: Mapping[str, Any], now: datetime, page: str) -> Subscription:
    item = _plan_item(contract["items"])
    trial = contract["trialEndsAt"]
    trial_ends_at = _time(trial) if trial else None
    cycle = contract["currentBillingCycle"]
    # A price by tiers is no sum that could be said beforehand.
    amount = item["price"].get("amount")
    return Subscription(
        state="trial" if trial_ends_at and trial_ends_at > now else "active",
        as_of=now,
        plan=str(item["handle"] or item["description"] or ""),
        name=str(item["description"] or item["handle"] or ""),
        price=None if amount is None else _amount(amount),
        currency=str(item["price"]["currency"]),
        interval=_INTERVALS.get(str(contract["billingPeriod"]), ""),
        period_ends_at=_time(cycle["endTime"]) if cycle and cycle["endTime"] else None,
        trial_ends_at=trial_ends_at,
        is_ending=bool(contract["cancelAtEndOfCycle"]),
        plan_page=page,
    )


def _plan_item(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The plan among the items, which hold a meter for each thing that is billed by use, too."""
    if not items:
        raise ValueError("a contract without items")
    return next((one for one in items if one["price"]["__typename"] == "FlatRatePrice"), items[0])


def plan_page(shop: str, handle: Any) -> str:
    """Shopify's page where the shop chooses its plan, "" for an app without a handle.

    shopify.dev/docs/apps/launch/billing/shopify-app-pricing/redirect-plan-selection-page

    >>> plan_page("vases.myshopify.com", "dispo")
    'https://admin.shopify.com/store/vases/charges/dispo/pricing_plans'
    """
    if not isinstance(handle, str) or not _HANDLE.fullmatch(handle):
        return ""
    store = quote(shop.removesuffix(".myshopify.com"), safe="")
    return f"https://admin.shopify.com/store/{store}/charges/{handle}/pricing_plans"


def _amount(value: Any) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise ValueError("not an amount")
    return amount


def _time(text: Any) -> datetime:
    at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)
