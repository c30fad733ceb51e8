"""mypy proves here that the WooCommerce adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.stores.woocommerce.adapter import WooCommerceStore
from adapters.stores.woocommerce.care import WooCommerceCare
from adapters.stores.woocommerce.coupons import WooCommerceCoupons
from adapters.stores.woocommerce.webhooks import WooCommerceWebhooks
from connector.ports.coupons import Coupons
from connector.ports.orders_care import OrderCare
from connector.ports.stores import Store, StoreWebhooks


def woocommerce(adapter: WooCommerceStore) -> Store:
    return adapter


def woocommerce_webhooks(verifier: WooCommerceWebhooks) -> StoreWebhooks:
    return verifier


def woocommerce_care(care: WooCommerceCare) -> OrderCare:
    return care


def woocommerce_coupons(coupons: WooCommerceCoupons) -> Coupons:
    return coupons
