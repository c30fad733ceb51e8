"""A believable small shop over `simulator.shop`: what a shopper sees of a simulated platform."""

from simulator.storefront.server import StorefrontServer

__all__ = ["StorefrontServer"]
