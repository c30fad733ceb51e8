"""Stores for the tests of places in lists: those of the deliveries."""

from tests.delivery.conftest import bigcommerce, runtime, scene, shopify, woo

__all__ = ["bigcommerce", "runtime", "scene", "shopify", "woo"]
