"""Refunds and order edits of the three platforms keep the port's promises."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.stores.bigcommerce import MANIFEST as BIGCOMMERCE
from adapters.stores.shopify import MANIFEST as SHOPIFY
from adapters.stores.woocommerce import MANIFEST as WOOCOMMERCE
from connector.ports.errors import OutcomeUnknown, Rejected, Unsupported
from connector.ports.orders_care import OrderCare
from connector.registry import Environment
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.apps import SCOPES as BIGCOMMERCE_SCOPES
from simulator.dials import Dials, Fault
from simulator.shop import Order, Shop
from simulator.shopify import ShopifyServer, gid
from simulator.shopify.model import DEFAULT_SCOPES
from simulator.woocommerce import WooCommerceServer
from tests.conformance.care import KEY, CareConformance

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)


class TestShopifyCare(CareConformance):
    missing = (gid("Order", 999_999), gid("LineItem", 1))

    def serve(self, shop: Shop, dials: Dials) -> ShopifyServer:
        self.shop_of_test = shop
        return ShopifyServer(
            shop,
            api_key="client-id",
            api_secret="webhook secret",
            access_token="shpat_token",
            dials=dials,
            scopes=(*DEFAULT_SCOPES, "write_orders", "write_order_edits"),
        )

    def connect(self, server: Any, secret: str = "") -> OrderCare:
        assert SHOPIFY.care is not None
        found: OrderCare = SHOPIFY.care(
            {"shop": server.domain, "base_url": server.url},
            {"access_token": secret or "shpat_token"},
            ENVIRONMENT,
        )
        return found

    def withdraw(self, server: Any) -> None:
        server.withdraw("write_orders")

    def pay_with(self, order: Order, *, refundable: bool) -> None:
        order.platform["gateway"] = "shopify_payments" if refundable else ""

    def paid_back(self, server: Any) -> list[int]:
        return [minor for _, minor in server.care.paid_back]

    def ids(self, order: Order, line: int) -> tuple[str, str]:
        return gid("Order", order.id), gid("LineItem", order.lines[line].id)

    def listing(self, shop: Shop, sku: str) -> str:
        return gid("ProductVariant", super().listing(shop, sku))

    def units(self, order: Order) -> dict[str, int]:
        removed = order.platform.get("removed", {})
        found = {"MUG": 0, "VASE": 0, "BLUE": 0}
        for line in order.lines:
            sku = self.shop_of_test.items[line.item_id].sku
            found[sku] += line.units - int(removed.get(str(line.id), 0))
        return found

    def test_an_address_that_shopify_keeps_to_itself_is_unsupported(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        server.shows_addresses = False
        with pytest.raises(Unsupported, match="address"):
            care.customer(self.ids(order, 0)[0])

    def test_a_refund_under_a_key_that_another_attempt_used_up_is_found(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        server.keys.replays = False  # one published trial saw the mutation run again
        request = self.plan(care, order, units=2)
        first = care.send(request, KEY)
        assert care.send(request, KEY) == first
        assert self.paid_back(server) == [1900]


class TestWooCommerceCare(CareConformance):
    def serve(self, shop: Shop, dials: Dials) -> WooCommerceServer:
        self.shop_of_test = shop
        return WooCommerceServer(shop, key="ck_care", secret="cs_care", dials=dials, deliver_webhooks=False)

    def connect(self, server: Any, secret: str = "") -> OrderCare:
        assert WOOCOMMERCE.care is not None
        secrets = {"consumer_key": "ck_care", "consumer_secret": secret or "cs_care"}
        found: OrderCare = WOOCOMMERCE.care({"url": server.url}, secrets, ENVIRONMENT)
        return found

    def pay_with(self, order: Order, *, refundable: bool) -> None:
        order.platform["payment_method"] = "stripe" if refundable else "bacs"
        order.platform["billing"] = {"email": "shopper@example.com"}

    def paid_back(self, server: Any) -> list[int]:
        return [round(float(amount) * 100) for _, amount in server.orders.gateways.paid_back]

    def test_without_the_grant_it_is_unsupported(self, server: Any, care: OrderCare, order: Order) -> None:
        pytest.skip("WooCommerce's keys grant all or nothing")

    def units(self, order: Order) -> dict[str, int]:
        found = {"MUG": 0, "VASE": 0, "BLUE": 0}
        for line in order.lines:
            found[self.shop_of_test.items[line.item_id].sku] += line.units
        return found

    def test_an_exchange_keeps_every_amount_moves_the_stock_and_is_noted(
        self, server: Any, care: OrderCare, order: Order, shop: Shop
    ) -> None:
        order.platform["tax_percent"] = 19
        before = server.orders.render(order, "")
        care.send(care.plan_substitute(*self.ids(order, 0), 2, self.listing(shop, "BLUE"), "Dispo s"), KEY)
        after = server.orders.render(order, "")
        (old,) = [one for one in before["line_items"] if one["sku"] == "MUG"]
        (new,) = [one for one in after["line_items"] if one["sku"] == "BLUE"]
        assert (after["total"], new["total"], new["total_tax"]) == (
            before["total"],
            old["total"],
            old["total_tax"],
        )
        assert (shop.by_sku("MUG")[0].stock, shop.by_sku("BLUE")[0].stock) == (9, 7)
        assert "“Blue mug” in the place of “Mug”" in order.platform["notes"][0]["note"]

    @pytest.mark.parametrize("fault", ["timeout_after_success", "cut_after_success"])
    def test_an_exchange_whose_answer_was_lost_is_found_and_cannot_be_done_again(
        self, dials: Dials, care: OrderCare, order: Order, shop: Shop, fault: Fault
    ) -> None:
        request = care.plan_substitute(*self.ids(order, 0), 2, self.listing(shop, "BLUE"), "Dispo s")
        dials.fail_next.append(fault)
        with pytest.raises(OutcomeUnknown):
            care.send(request, KEY)
        assert care.find(request) is not None
        with pytest.raises(Rejected, match="not associated"):
            care.send(request, KEY)
        assert self.units(order) == {"MUG": 0, "VASE": 1, "BLUE": 2}

    @pytest.mark.parametrize(
        ("what", "said"),
        [
            ("rate", "tax rate changed"),
            ("part", "whole line"),
            ("refunded", "whole line"),
            ("class", "class"),
        ],
    )
    def test_an_exchange_whose_amounts_could_change_is_left_to_the_merchant(
        self, server: Any, care: OrderCare, order: Order, shop: Shop, what: str, said: str
    ) -> None:
        order.platform["tax_percent"] = 19
        if what == "rate":
            server.orders.tax_percent = 20
        elif what == "refunded":
            care.send(self.plan(care, order, 1, 1), KEY)
        elif what == "class":
            shop.products[shop.by_sku("BLUE")[0].product_id].platform["tax_class"] = "reduced-rate"
        units = 1 if what == "part" else 2
        with pytest.raises(Unsupported, match=said):
            care.plan_substitute(*self.ids(order, 0), units, self.listing(shop, "BLUE"), "Dispo s")

    def test_the_tax_of_a_line_is_paid_back_by_its_rate(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        order.platform["tax_percent"] = 19
        request = self.plan(care, order, units=1)
        (part,) = request.body["line_items"]
        # 19.00 for two: 15.97 and 3.03 of tax; half of each, half a cent to the customer.
        assert (part["refund_total"], part["refund_tax"]) == ("7.99", [{"id": 1, "refund_total": "1.52"}])
        assert care.send(request, KEY).amount_minor == 951
        assert self.plan(care, order, units=1, name="b").amount_minor == 949

    def test_a_gateway_that_fails_paid_nothing_back_and_is_refused_for_good(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        server.orders.gateways.declines.add(order.id)
        with pytest.raises(Rejected):
            care.send(self.plan(care, order), KEY)
        assert (self.paid_back(server), order.platform.get("refunds", [])) == ([], [])


class TestBigCommerceCare(CareConformance):
    def serve(self, shop: Shop, dials: Dials) -> BigCommerceServer:
        server = BigCommerceServer(
            shop, client_secret="secret", access_token="token", dials=dials, quota=10_000, lag_s=0.0
        )
        server.app.scopes = (*BIGCOMMERCE_SCOPES, "store_v2_orders")
        return server

    def connect(self, server: Any, secret: str = "") -> OrderCare:
        assert BIGCOMMERCE.care is not None
        found: OrderCare = BIGCOMMERCE.care(
            {"store_hash": server.store_hash, "base_url": server.url},
            {"access_token": secret or "token", "api_secret": "secret"},
            ENVIRONMENT,
        )
        return found

    def withdraw(self, server: Any) -> None:
        server.app.scopes = BIGCOMMERCE_SCOPES

    def pay_with(self, order: Order, *, refundable: bool) -> None:
        order.platform["provider"] = "stripe" if refundable else "cod"

    def paid_back(self, server: Any) -> list[int]:
        return [minor for _, minor in server.payments.paid_back]

    def test_a_refund_the_provider_declined_is_refused(
        self, server: Any, care: OrderCare, order: Order
    ) -> None:
        order.platform["declined"] = True
        with pytest.raises(Rejected, match="declined"):
            care.send(self.plan(care, order), KEY)
        assert self.paid_back(server) == []
