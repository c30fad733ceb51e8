"""mypy proves here that the BigCommerce adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.stores.bigcommerce.adapter import BigCommerceStore
from adapters.stores.bigcommerce.care import BigCommerceCare
from adapters.stores.bigcommerce.coupons import BigCommerceCoupons
from adapters.stores.bigcommerce.notes import BigCommerceNotes
from adapters.stores.bigcommerce.storefront import BigCommerceScripts
from adapters.stores.bigcommerce.webhooks import BigCommerceWebhooks
from connector.ports.coupons import Coupons
from connector.ports.notes import ProductNotes
from connector.ports.orders_care import OrderCare
from connector.ports.storefronts import StorefrontScripts
from connector.ports.stores import Store, StoreWebhooks


def bigcommerce(adapter: BigCommerceStore) -> Store:
    return adapter


def bigcommerce_webhooks(verifier: BigCommerceWebhooks) -> StoreWebhooks:
    return verifier


def bigcommerce_scripts(scripts: BigCommerceScripts) -> StorefrontScripts:
    return scripts


def bigcommerce_notes(notes: BigCommerceNotes) -> ProductNotes:
    return notes


def bigcommerce_care(care: BigCommerceCare) -> OrderCare:
    return care


def bigcommerce_coupons(coupons: BigCommerceCoupons) -> Coupons:
    return coupons
