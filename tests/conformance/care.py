"""What every adapter that refunds orders promises, checked against a simulated shop with fault dials.

Inherit `CareConformance` as `Test…` and give what raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connector.ports.errors import NotFound, OutcomeUnknown, Rejected, Unauthorized, Unsupported
from connector.ports.orders_care import CareRequest, OrderCare
from simulator.dials import Dials, Fault
from simulator.shop import Order, Shop
from tests.support import ManualClock

KEY = "0d3c1b7e-3f0a-5a55-8f2e-6f8f1f7f3c11"


class CareConformance:
    """The promises of `OrderCare`, one test each. An order of two mugs (9.50 each) and a vase (31.00), 4.90 for
    shipping, in euro."""

    def serve(self, shop: Shop, dials: Dials) -> Any:
        """The simulator of the platform, not started yet, with every grant."""
        raise NotImplementedError

    def connect(self, server: Any, secret: str = "") -> OrderCare:
        """The adapter; with `secret` by a wrong key."""
        raise NotImplementedError

    def withdraw(self, server: Any) -> None:
        """The merchant takes the grant to refund back."""
        raise NotImplementedError

    def pay_with(self, order: Order, *, refundable: bool) -> None:
        """What the order was paid with."""
        raise NotImplementedError

    def paid_back(self, server: Any) -> list[int]:
        """Minor units of every payment that really left, oldest first."""
        raise NotImplementedError

    def ids(self, order: Order, line: int) -> tuple[str, str]:
        """The order and one of its lines as the platform names them."""
        return str(order.id), str(order.lines[line].id)

    missing = ("999999", "1")
    """An order that is not there, and a line."""

    @pytest.fixture
    def dials(self) -> Dials:
        return Dials()

    @pytest.fixture
    def shop(self, clock: ManualClock) -> Shop:
        shop = Shop("Corner Shop", currency="EUR", timezone="Europe/Berlin", clock=clock)
        shop.add_product("Mug", [{"sku": "MUG", "price_minor": 950, "stock": 9}])
        shop.add_product("Vase", [{"sku": "VASE", "price_minor": 3100, "stock": 9}])
        shop.add_product("Blue mug", [{"sku": "BLUE", "price_minor": 900, "stock": 9}])
        return shop

    @pytest.fixture
    def order(self, shop: Shop) -> Order:
        (mug,), (vase,) = shop.by_sku("MUG"), shop.by_sku("VASE")
        order = shop.buy({mug.id: 2, vase.id: 1})
        order.platform.update(shipping_minor=490)
        self.pay_with(order, refundable=True)
        return order

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[Any]:
        with self.serve(shop, dials) as server:
            yield server

    @pytest.fixture
    def care(self, server: Any) -> OrderCare:
        return self.connect(server)

    def plan(
        self, care: OrderCare, order: Order, line: int = 0, units: int = 1, name: str = "a"
    ) -> CareRequest:
        """A refund as it comes back from the database: through JSON."""
        made = care.plan_refund(*self.ids(order, line), units, f"Dispo {name}")
        return replace(made, body=json.loads(json.dumps(made.body)))

    def test_a_refund_pays_back_what_was_paid_tax_included(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        request = self.plan(care, order, units=2)
        assert (request.amount_minor, request.currency) == (1900, "EUR")
        done = care.send(request, KEY)
        assert (done.amount_minor, done.currency) == (1900, "EUR")
        assert self.paid_back(server) == [1900]

    def test_the_last_open_line_brings_the_shipping_back_too(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        care.send(self.plan(care, order, 0, 2), KEY)
        care.send(self.plan(care, order, 1, 1, "b"), KEY[:-1] + "2")
        assert self.paid_back(server) == [1900, 3100 + 490]

    def test_planning_pays_nothing_back(self, server: Any, care: OrderCare, order: Order) -> None:
        request = self.plan(care, order)
        assert (care.find(request), self.paid_back(server)) == (None, [])

    def test_a_refund_is_found_by_its_reference_and_no_other(self, care: OrderCare, order: Order) -> None:
        request, other = self.plan(care, order), self.plan(care, order, name="other")
        done = care.send(request, KEY)
        assert care.find(request) == done
        assert care.find(other) is None

    @pytest.mark.parametrize("fault", ["timeout_after_success", "cut_after_success"])
    def test_a_lost_answer_is_unknown_and_the_refund_is_found(
        self, server: Any, dials: Dials, care: OrderCare, order: Order, fault: Fault
    ) -> None:
        request = self.plan(care, order)
        dials.fail_next.append(fault)
        with pytest.raises(OutcomeUnknown):
            care.send(request, KEY)
        found = care.find(request)
        assert found is not None
        assert (found.amount_minor, self.paid_back(server)) == (950, [950])

    def test_the_same_request_again_pays_once_where_keys_are_honoured(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        if not care.capabilities.honours_keys:
            pytest.skip("this platform knows no keys: what was sent is looked for first")
        request = self.plan(care, order)
        assert care.send(request, KEY) == care.send(request, KEY)
        assert self.paid_back(server) == [950]

    def test_more_than_is_left_is_refused_when_it_is_planned(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        care.send(self.plan(care, order, units=1), KEY)
        with pytest.raises(Rejected, match="1 pieces are left"):
            self.plan(care, order, units=2, name="b")
        assert self.paid_back(server) == [950]

    def test_a_means_of_payment_that_takes_nothing_back_is_told_before_anything_is_sent(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        self.pay_with(order, refundable=False)
        with pytest.raises(Unsupported, match="means"):
            self.plan(care, order)
        assert self.paid_back(server) == []

    def test_an_order_that_is_gone_is_not_found(self, server: Any, care: OrderCare) -> None:
        with pytest.raises(NotFound):
            care.plan_refund(*self.missing, 1, "Dispo a")

    def test_without_the_grant_it_is_unsupported(self, server: Any, care: OrderCare, order: Order) -> None:
        request = self.plan(care, order)
        self.withdraw(server)
        with pytest.raises(Unsupported, match="does not let Dispo"):
            care.send(request, KEY)
        assert self.paid_back(server) == []

    def test_a_wrong_key_is_unauthorized(self, server: Any, order: Order) -> None:
        with pytest.raises(Unauthorized):
            self.plan(self.connect(server, "wrong-secret"), order)

    def test_the_customer_is_told_with_the_address_of_the_order(self, care: OrderCare, order: Order) -> None:
        assert "@" in care.customer(self.ids(order, 0)[0]).address

    def test_a_substitute_takes_the_place_of_the_line_where_orders_can_be_edited(
        self, server: Any, care: OrderCare, order: Order, shop: Shop
    ) -> None:
        order_id, line_id = self.ids(order, 0)
        blue = self.listing(shop, "BLUE")
        if not care.capabilities.edits_orders:
            with pytest.raises(Unsupported, match=r"hand|control panel"):
                care.plan_substitute(order_id, line_id, 2, blue, "Dispo s")
            return
        request = care.plan_substitute(order_id, line_id, 2, blue, "Dispo s")
        assert care.find(request) is None
        care.send(request, KEY)
        assert care.find(request) is not None
        assert (self.units(order), self.paid_back(server)) == ({"MUG": 0, "VASE": 1, "BLUE": 2}, [])

    def test_a_substitute_that_costs_more_changes_nothing(
        self, server: Any, care: OrderCare, order: Order, shop: Shop
    ) -> None:
        if not care.capabilities.edits_orders:
            pytest.skip("this platform lets no app edit orders")
        with pytest.raises(Rejected, match="costs"):
            care.send(
                care.plan_substitute(*self.ids(order, 0), 2, self.listing(shop, "VASE"), "Dispo s"), KEY
            )
        assert self.units(order) == {"MUG": 2, "VASE": 1, "BLUE": 0}

    def listing(self, shop: Shop, sku: str) -> str:
        return str(shop.by_sku(sku)[0].id)

    def units(self, order: Order) -> dict[str, int]:
        """What the order holds now, by SKU. Only where orders can be edited."""
        raise NotImplementedError
