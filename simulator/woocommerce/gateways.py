"""Payment gateways, and what they do when an order is to be paid back."""

from __future__ import annotations

from simulator.shop import Order
from simulator.woocommerce.replies import Call, Reply, RestError

SUPPORTS = {"stripe": ["products", "refunds"], "bacs": ["products"], "cod": ["products"]}


class Gateways:
    """The gateways of one shop. `paid_back` lists (order id, amount as sent) of every payment that really left;
    an order in `declines` is refused by the bank."""

    def __init__(self) -> None:
        self.paid_back: list[tuple[int, str]] = []
        self.declines: set[int] = set()

    def one(self, call: Call, gateway: str) -> Reply:
        if gateway not in SUPPORTS:
            raise RestError(404, "woocommerce_rest_payment_gateway_invalid", "Resource does not exist.")
        return Reply({"id": gateway, "enabled": True, "method_supports": SUPPORTS[gateway]})

    def pay_back(self, order: Order, amount: str) -> None:
        """Raises the 500 that WooCommerce answers when a gateway does not pay; its refund is deleted again."""
        gateway = str(order.platform.get("payment_method", ""))
        code = "woocommerce_rest_cannot_create_order_refund"
        if "refunds" not in SUPPORTS.get(gateway, []):
            message = "The payment gateway for this order does not support automatic refunds."
            raise RestError(500, code, message)
        if order.id in self.declines:
            raise RestError(500, code, "An error occurred while attempting to create the refund.")
        self.paid_back.append((order.id, amount))
