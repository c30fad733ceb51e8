"""A simulated Shopify: the Admin API's own schema, limits, idempotency, webhooks and tokens."""

from simulator.shopify.model import SimLocation, gid
from simulator.shopify.server import ShopifyServer

__all__ = ["ShopifyServer", "SimLocation", "gid"]
