"""A BigCommerce store on loopback: V3 and V2 REST, webhooks, scripts, and the installation of an app."""

from simulator.bigcommerce.server import BigCommerceServer

__all__ = ["BigCommerceServer"]
