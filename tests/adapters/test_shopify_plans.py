"""Which plan a shop has: by the Partner API, else by the Admin API, on their simulators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from graphql import parse, validate

from adapters.stores.shopify import MANIFEST
from adapters.stores.shopify.partner import ACTIVE_SUBSCRIPTION, PARTNER_VERSION
from adapters.stores.shopify.plans import plan_page
from connector.ports.entitlements import Entitlements, Subscription
from connector.ports.errors import Misconfigured, PortError, RateLimited, Rejected, Retryable, Unauthorized
from connector.registry import AppKeys
from simulator.dials import Fault
from simulator.shop import Shop
from simulator.shopify import ShopifyServer, gid
from simulator.shopify.plans import APP_ID, AppSubscription, Contract, PartnerServer, partner_schema
from tests.adapters.shopify_support import ENVIRONMENT, TOKEN, serve

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORGANIZATION, PARTNER_TOKEN = "1234567", "prtapi_secret"
PAGE = "https://admin.shopify.com/store/demo/charges/dispo/pricing_plans"


@pytest.fixture(scope="module")
def shop() -> Iterator[ShopifyServer]:
    with serve(Shop("Plans", currency="EUR", clock=lambda: NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def organization() -> Iterator[PartnerServer]:
    # Every reading of this clock is a second later: a request a second.
    clock = iter(range(1_000_000))
    with PartnerServer(ORGANIZATION, PARTNER_TOKEN, monotonic=lambda: float(next(clock))) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(shop: ShopifyServer, organization: PartnerServer) -> None:
    shop.subscriptions.all, shop.is_frozen, shop.calls = [], False, type(shop.calls)()
    organization.contracts.clear()
    organization.dials.fail_next.clear()
    organization.app_id = APP_ID


@cache
def plans_of(shop: ShopifyServer, organization: PartnerServer | None = None) -> Entitlements:
    """Made once for each pair: it keeps nothing of what it was told."""
    token = PARTNER_TOKEN if organization else ""
    keys = AppKeys("k", "s", "", "", ORGANIZATION, token, organization.url if organization else "")
    return made(shop, keys)


def made(shop: ShopifyServer, keys: AppKeys) -> Entitlements:
    assert MANIFEST.entitlements is not None
    config = {"shop": shop.domain, "base_url": shop.url}
    found: Entitlements = MANIFEST.entitlements(config, {"access_token": TOKEN}, ENVIRONMENT, keys)
    return found


def sold(**options: Any) -> AppSubscription:
    return AppSubscription(**{"name": "Pro plan", "created_at": NOW - timedelta(days=3), **options})


# --- the Partner API --------------------------------------------------------------------------------------


def test_a_contract_is_read_with_price_period_and_page(
    shop: ShopifyServer, organization: PartnerServer
) -> None:
    end = NOW + timedelta(days=9)
    organization.contracts[shop.shop_id] = Contract(
        "pro", "Pro", Decimal("19.99"), "USD", "ANNUAL", cycle_ends_at=end, is_ending=True, has_meter=True
    )
    assert plans_of(shop, organization).subscription(NOW) == Subscription(
        "active",
        NOW,
        plan="pro",
        name="Pro",
        price=Decimal("19.99"),
        currency="USD",
        interval="year",
        period_ends_at=end,
        is_ending=True,
        plan_page=PAGE,
    )
    assert {"AppIdentity": 1} == dict(shop.calls)


def test_a_trial_is_one_until_its_last_moment(shop: ShopifyServer, organization: PartnerServer) -> None:
    end = NOW + timedelta(days=14)
    organization.contracts[shop.shop_id] = Contract("pro", "Pro", trial_ends_at=end)
    asked = plans_of(shop, organization)
    trial, paid = asked.subscription(end - timedelta(seconds=1)), asked.subscription(end)
    assert ("trial", end, None) == (trial.state, trial.trial_ends_at, trial.period_ends_at)
    assert "active" == paid.state


def test_a_plan_by_use_alone_has_no_price(shop: ShopifyServer, organization: PartnerServer) -> None:
    organization.contracts[shop.shop_id] = Contract(None, "By use", None)
    found = plans_of(shop, organization).subscription(NOW)
    assert ("By use", "By use", None, "USD") == (found.plan, found.name, found.price, found.currency)


def test_without_a_contract_the_shop_is_asked_too(shop: ShopifyServer, organization: PartnerServer) -> None:
    organization.contracts[gid("Shop", 99)] = Contract("pro", "Pro")
    asked = plans_of(shop, organization)
    assert Subscription("none", NOW, plan_page=PAGE) == asked.subscription(NOW)
    shop.subscriptions.all.append(sold(handle="old"))
    assert ("active", "old") == (asked.subscription(NOW).state, asked.subscription(NOW).plan)


@pytest.mark.parametrize(
    ("fault", "error"), [("error", Retryable), ("cut_before", Retryable), ("throttle", RateLimited)]
)
def test_a_passing_fault_is_one(
    shop: ShopifyServer, organization: PartnerServer, fault: Fault, error: type[PortError]
) -> None:
    organization.contracts[shop.shop_id] = Contract("pro", "Pro")
    organization.dials.fail_next.append(fault)
    with pytest.raises(error):
        plans_of(shop, organization).subscription(NOW)
    assert "pro" == plans_of(shop, organization).subscription(NOW).plan


def test_refusals_name_the_remedy_and_no_secret(shop: ShopifyServer, organization: PartnerServer) -> None:
    cases: list[tuple[dict[str, str], type[PortError]]] = [
        ({"partner_token": "prtapi_wrong"}, Unauthorized),
        ({"partner_organization": "7"}, Misconfigured),
    ]
    for changed, error in cases:
        keys = AppKeys("k", "s", "", "", ORGANIZATION, PARTNER_TOKEN, organization.url)
        with pytest.raises(error) as refused:
            made(shop, replace(keys, **changed)).subscription(NOW)
        assert refused.value.remedy.startswith("Whoever runs this Dispo ")
        assert "prtapi" not in str(refused.value)


def test_an_app_of_another_organization_is_no_missing_contract(
    shop: ShopifyServer, organization: PartnerServer
) -> None:
    organization.app_id = gid("App", 1)
    with pytest.raises(Rejected, match="App not found"):
        plans_of(shop, organization).subscription(NOW)


def test_a_frozen_shop_is_an_error_and_not_without_a_plan(
    shop: ShopifyServer, organization: PartnerServer
) -> None:
    shop.is_frozen = True
    with pytest.raises(Misconfigured, match="frozen"):
        plans_of(shop, organization).subscription(NOW)


def test_the_organizations_token_goes_to_no_stranger(shop: ShopifyServer) -> None:
    keys = AppKeys("k", "s", "", "", ORGANIZATION, PARTNER_TOKEN, "https://elsewhere.example")
    with pytest.raises(Misconfigured):
        made(shop, keys)


def test_the_document_is_valid_on_the_documented_schema() -> None:
    assert [] == validate(partner_schema(), parse(ACTIVE_SUBSCRIPTION))
    assert "2026-07" == PARTNER_VERSION


def test_the_simulator_lets_four_requests_a_second_pass(shop: ShopifyServer) -> None:
    with PartnerServer(ORGANIZATION, PARTNER_TOKEN, monotonic=lambda: 5.0) as standing:
        asked = plans_of(shop, standing)
        for _ in range(4):
            asked.subscription(NOW)
        with pytest.raises(RateLimited):
            asked.subscription(NOW)
        assert {200: 4, 429: 1} == dict(standing.calls)


# --- the Admin API ----------------------------------------------------------------------------------------


def test_a_subscription_of_the_shop_is_read(shop: ShopifyServer) -> None:
    shop.subscriptions.all += [sold(status="CANCELLED"), sold(handle="pro", is_test=True)]
    assert plans_of(shop).subscription(NOW) == Subscription(
        "active",
        NOW,
        plan="pro",
        name="Pro plan",
        price=Decimal("10.00"),
        currency="USD",
        interval="month",
        period_ends_at=NOW + timedelta(days=27),
        is_test=True,
        plan_page=PAGE,
    )


def test_trial_days_count_from_the_day_it_was_made(shop: ShopifyServer) -> None:
    shop.subscriptions.all.append(sold(trial_days=4))
    found = plans_of(shop).subscription(NOW)
    assert ("trial", NOW + timedelta(days=1), "Pro plan") == (found.state, found.trial_ends_at, found.plan)


@pytest.mark.parametrize(
    ("status", "state", "plan"),
    [("FROZEN", "frozen", "Pro plan"), ("CANCELLED", "cancelled", "Pro plan"), ("DECLINED", "none", "")],
)
def test_the_last_subscription_says_why_none_is_active(
    shop: ShopifyServer, status: str, state: str, plan: str
) -> None:
    shop.subscriptions.all.append(sold(status=status))
    found = plans_of(shop).subscription(NOW)
    assert (state, plan) == (found.state, found.plan)


def test_a_shop_without_subscriptions_has_none(shop: ShopifyServer) -> None:
    assert Subscription("none", NOW, plan_page=PAGE) == plans_of(shop).subscription(NOW)


@pytest.mark.parametrize("handle", [None, "", "a/../b", 7])
def test_an_app_without_a_usable_handle_has_no_plan_page(handle: Any) -> None:
    assert "" == plan_page("demo.myshopify.com", handle)
