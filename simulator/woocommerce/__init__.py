"""A simulated WooCommerce: REST v3 and webhooks as recorded from real servers 8.9, 9.9 and 11.0.

`tests/simulator/test_woocommerce_replay.py` replays the recordings against it.
"""

from simulator.woocommerce.server import WooCommerceServer

__all__ = ["WooCommerceServer"]
