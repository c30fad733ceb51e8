"""mypy proves here that the Shopify adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.stores.shopify.adapter import ShopifyStore
from adapters.stores.shopify.app import ShopifyApp
from adapters.stores.shopify.care import ShopifyCare
from adapters.stores.shopify.coupons import ShopifyCoupons
from adapters.stores.shopify.plans import AppPricingPlans, BillingPlans
from adapters.stores.shopify.webhooks import ShopifyWebhooks
from connector.accounts.access import ExpiringTokens
from connector.ports.badges import BadgeSetup
from connector.ports.coupons import Coupons
from connector.ports.entitlements import Entitlements
from connector.ports.incoming import IncomingReader
from connector.ports.installs import AccessTokens, App
from connector.ports.orders_care import OrderCare
from connector.ports.stores import Store, StoreWebhooks


def shopify(adapter: ShopifyStore) -> Store:
    return adapter


def shopify_incoming(adapter: ShopifyStore) -> IncomingReader:
    return adapter


def shopify_badges(adapter: ShopifyStore) -> BadgeSetup:
    return adapter


def shopify_webhooks(verifier: ShopifyWebhooks) -> StoreWebhooks:
    return verifier


def shopify_app(app: ShopifyApp) -> App:
    return app


def expiring_tokens(tokens: ExpiringTokens) -> AccessTokens:
    return tokens


def app_pricing_plans(plans: AppPricingPlans) -> Entitlements:
    return plans


def billing_plans(plans: BillingPlans) -> Entitlements:
    return plans


def shopify_care(care: ShopifyCare) -> OrderCare:
    return care


def shopify_coupons(coupons: ShopifyCoupons) -> Coupons:
    return coupons
