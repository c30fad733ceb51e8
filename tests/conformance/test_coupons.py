"""The discount codes of the three platforms keep the port's promises."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.stores.bigcommerce import MANIFEST as BIGCOMMERCE
from adapters.stores.shopify import MANIFEST as SHOPIFY
from adapters.stores.woocommerce import MANIFEST as WOOCOMMERCE
from connector.ports.coupons import Coupon, Coupons
from connector.ports.errors import Unsupported
from connector.registry import Environment
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.apps import SCOPES as BIGCOMMERCE_SCOPES
from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify import ShopifyServer, gid
from simulator.shopify.model import DEFAULT_SCOPES
from simulator.woocommerce import WooCommerceServer
from tests.conformance.coupons import ENDS, TEN, CouponsConformance

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)


class TestShopifyCoupons(CouponsConformance):
    ends = "2031-06-30T21:59:59Z"

    def serve(self, shop: Shop, dials: Dials) -> ShopifyServer:
        return ShopifyServer(
            shop,
            api_key="client-id",
            api_secret="webhook secret",
            access_token="shpat_token",
            dials=dials,
            scopes=(*DEFAULT_SCOPES, "write_discounts"),
        )

    def connect(self, server: Any, secret: str = "") -> Coupons:
        assert SHOPIFY.coupons is not None
        found: Coupons = SHOPIFY.coupons(
            {"shop": server.domain, "base_url": server.url},
            {"access_token": secret or "shpat_token"},
            ENVIRONMENT,
        )
        return found

    def withdraw(self, server: Any) -> None:
        server.withdraw("write_discounts")

    def shown(self, server: Any) -> list[tuple[str, str, int, str, tuple[int, ...]]]:
        def value(one: Any) -> str:
            share = one.value.get("percentage")
            return f"{round(share * 100)}%" if share else str(one.value["discountAmount"]["amount"])

        return [
            (
                one.code,
                value(one),
                one.usage_limit,
                one.ends_at,
                tuple(
                    int(p.rpartition("/")[2]) for p in one.items.get("products", {}).get("productsToAdd", ())
                ),
            )
            for one in server.discounts.kept.values()
        ]

    def product(self, shop: Shop) -> str:
        return gid("Product", super().product(shop))

    def missing(self) -> str:
        return gid("Product", 999_999)


class TestWooCommerceCoupons(CouponsConformance):
    ends = "2031-06-30T23:59:59"

    def serve(self, shop: Shop, dials: Dials) -> WooCommerceServer:
        return WooCommerceServer(
            shop, key="ck_coupons", secret="cs_coupons", dials=dials, deliver_webhooks=False
        )

    def connect(self, server: Any, secret: str = "") -> Coupons:
        assert WOOCOMMERCE.coupons is not None
        secrets = {"consumer_key": "ck_coupons", "consumer_secret": secret or "cs_coupons"}
        found: Coupons = WOOCOMMERCE.coupons({"url": server.url}, secrets, ENVIRONMENT)
        return found

    def shown(self, server: Any) -> list[tuple[str, str, int, str, tuple[int, ...]]]:
        return [
            (
                row["code"].upper(),
                f"{float(row['amount']):g}%" if row["discount_type"] == "percent" else row["amount"],
                row["usage_limit"],
                row["date_expires"],
                tuple(row["product_ids"]),
            )
            for row in server.coupons.kept.values()
        ]

    def test_without_the_grant_it_is_unsupported_and_the_connection_stays(
        self, server: Any, coupons: Coupons
    ) -> None:
        pytest.skip("WooCommerce's keys grant all or nothing")

    def test_a_missing_product_is_refused(self, server: Any, coupons: Coupons, shop: Shop) -> None:
        pytest.skip("WooCommerce takes the id of a product that is not there: the code is good for nothing")

    def test_an_amount_for_one_product_is_taken_off_one_piece(
        self, shop: Shop, server: Any, coupons: Coupons
    ) -> None:
        coupons.create_coupon(
            Coupon("MUG-5", ENDS, amount_minor=500, currency="EUR", only_external_ids=(self.product(shop),))
        )
        (row,) = server.coupons.kept.values()
        assert (row["discount_type"], row["limit_usage_to_x_items"]) == ("fixed_product", 1)


class TestBigCommerceCoupons(CouponsConformance):
    ends = "2031-06-30T21:59:59+00:00"
    reads_before_the_write = 2

    def serve(self, shop: Shop, dials: Dials) -> BigCommerceServer:
        server = BigCommerceServer(
            shop, client_secret="secret", access_token="token", dials=dials, quota=10_000, lag_s=0.0
        )
        server.app.scopes = (*BIGCOMMERCE_SCOPES, "store_v2_marketing")
        return server

    def connect(self, server: Any, secret: str = "") -> Coupons:
        assert BIGCOMMERCE.coupons is not None
        found: Coupons = BIGCOMMERCE.coupons(
            {"store_hash": server.store_hash, "base_url": server.url},
            {"access_token": secret or "token", "api_secret": "secret"},
            ENVIRONMENT,
        )
        return found

    def withdraw(self, server: Any) -> None:
        server.app.scopes = BIGCOMMERCE_SCOPES

    def shown(self, server: Any) -> list[tuple[str, str, int, str, tuple[int, ...]]]:
        found = []
        for number, one in server.promotions.kept.items():
            ((_, action),) = one["rules"][0]["action"].items()
            ((kind, amount),) = action["discount"].items()
            value = f"{amount}%" if kind == "percentage_amount" else amount
            products = tuple((action.get("items") or {}).get("products", ()))
            for code in server.promotions.codes[number]:
                found.append((code["code"], value, code["max_uses"], one["end_date"], products))
        return found

    def test_an_answer_lost_between_the_promotion_and_its_code_is_made_good(
        self, server: Any, dials: Dials, coupons: Coupons
    ) -> None:
        # Store, promotions, the promotion, its codes, then the code.
        dials.fail_next.extend(["none", "none", "none", "none", "cut_before"])
        with pytest.raises(Exception, match="bigcommerce"):
            coupons.create_coupon(TEN)
        assert self.shown(server) == []
        coupons.create_coupon(TEN)
        assert (len(self.shown(server)), len(server.promotions.kept)) == (1, 1)

    def test_a_code_of_another_promotion_is_refused_and_leaves_nothing_behind(
        self, server: Any, coupons: Coupons
    ) -> None:
        made = coupons.create_coupon(TEN)
        server.promotions.kept[int(made.external_id)]["name"] = "Spring sale"
        with pytest.raises(Exception, match="something else") as refused:
            coupons.create_coupon(TEN)
        assert not isinstance(refused.value, Unsupported)
        assert list(server.promotions.kept) == [int(made.external_id)]
