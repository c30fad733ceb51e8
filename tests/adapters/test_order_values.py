"""What an order says of its worth and of where it came from, on each platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from adapters.kit.marks import mark_in
from adapters.stores.bigcommerce.shapes import order as bigcommerce_order
from adapters.stores.shopify.client import ShopifyClient
from adapters.stores.shopify.orders import changed_orders, order_of_webhook
from adapters.stores.woocommerce.shapes import order as woocommerce_order
from connector.ports.stores import StoreOrder

MARK = "00112233445566aa"
LANDING = f"/products/mug?size=m&utm_source=dispo&utm_medium=alert&utm_campaign={MARK}"
AT = "2026-11-22T10:00:00Z"


def said(order: StoreOrder | None) -> tuple[Any, ...]:
    """Mark, contact, currency, and the units with their value of each line."""
    assert order is not None
    lines = [(line.units, line.value_minor) for line in order.lines]
    return order.click_mark, order.contact, order.currency, lines


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("/products/mug", id="none"),
        pytest.param(f"/mug?utm_source=newsletter&utm_campaign={MARK}", id="somebody else's campaign"),
        pytest.param("/mug?utm_source=dispo&utm_campaign=ANN@example.com", id="no mark of ours"),
        pytest.param("https://[broken?utm_source=dispo", id="no address"),
        pytest.param(None, id="not told"),
    ],
)
def test_only_our_own_mark_is_read(address: str | None) -> None:
    assert mark_in(address) == ""
    assert mark_in(LANDING) == MARK


def test_woocommerce_tells_total_tax_and_attribution() -> None:
    line = {"id": 1, "product_id": 5, "quantity": 3, "total": "25.00", "total_tax": "5.00", "meta_data": []}
    refunded = {"key": "_restock_refunded_items", "value": "1"}
    row = {
        "id": 900,
        "status": "processing",
        "currency": "EUR",
        "date_created_gmt": "2026-11-22T10:00:00",
        "billing": {"email": "ann@example.com"},
        "meta_data": [
            {"key": "_wc_order_attribution_utm_source", "value": "dispo"},
            {"key": "_wc_order_attribution_utm_campaign", "value": MARK},
        ],
        "line_items": [line, {**line, "meta_data": [refunded]}, {**line, "total": None}],
    }
    lines = [(3, 3000), (2, 2000), (3, None)]
    assert (MARK, "ann@example.com", "EUR", lines) == said(woocommerce_order(row))
    assert ("", "", "EUR", lines) == said(woocommerce_order({**row, "billing": None, "meta_data": []}))


def test_bigcommerce_tells_totals_with_tax_and_no_mark() -> None:
    line = {
        "id": 1,
        "variant_id": 7,
        "quantity": 2,
        "quantity_refunded": 1,
        "total_inc_tax": "40.0000",
        "applied_discounts": [{"amount": "10.0000"}],
    }
    row = {
        "id": 900,
        "status_id": 11,
        "date_created": AT,
        "currency_code": "EUR",
        "billing_address": {"email": "ann@example.com"},
        "consignments": {"shipping": [{"line_items": [line, {**line, "total_inc_tax": None}]}]},
    }
    found = bigcommerce_order(row, takes_when_shipped=False)
    assert ("", "ann@example.com", "EUR", [(1, 1500), (1, None)]) == said(found)


def test_a_webhook_of_shopify_tells_price_discount_tax_and_landing_page() -> None:
    line = {
        "id": 1,
        "variant_id": 7,
        "quantity": 2,
        "current_quantity": 1,
        "price": "20.00",
        "discount_allocations": [{"amount": "4.00"}],
        "tax_lines": [{"price": "6.00"}],
    }
    body = {
        "id": 900,
        "created_at": AT,
        "updated_at": AT,
        "cancelled_at": None,
        "currency": "EUR",
        "landing_site": LANDING,
        "email": "ann@example.com",
        "line_items": [line, {"id": 2, "variant_id": 8, "quantity": 1}],
    }
    lines = [(1, 2100), (1, None)]
    assert (MARK, "ann@example.com", "EUR", lines) == said(order_of_webhook(body))
    # Taxes are in the price; and an app without the grant for addresses is told none.
    taxed = {**body, "taxes_included": True, "email": None, "landing_site": None}
    assert ("", "", "EUR", [(1, 1800), (1, None)]) == said(order_of_webhook(taxed))


class Shopify:
    """Answers the documents of `changed_orders`, and says what was asked."""

    def __init__(self, visit: Mapping[str, Any] | None) -> None:
        self.visit = visit
        self.asked: list[str] = []

    def query(self, name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(name)
        line = {
            "id": "L1",
            "quantity": 2,
            "currentQuantity": 1,
            "unfulfilledQuantity": 1,
            "variant": {"id": "V"},
        }
        if name == "OrderValues":
            worth = {"discountedTotalSet": {"shopMoney": {"amount": "40.00"}}, "taxLines": [_tax("8.00")]}
            lines = {"nodes": [{**line, **worth}]}
            return {"order": {"currencyCode": "EUR", "taxesIncluded": False, "lineItems": lines}}
        page = {"hasNextPage": False, "endCursor": None}
        order = {
            "id": "O1",
            "createdAt": AT,
            "updatedAt": AT,
            "cancelledAt": None,
            "customerJourneySummary": {"lastVisit": self.visit, "firstVisit": None},
            "lineItems": {"nodes": [line], "pageInfo": page},
        }
        return {"orders": {"nodes": [order], "pageInfo": page}}


def _tax(amount: str) -> dict[str, Any]:
    return {"priceSet": {"shopMoney": {"amount": amount}}}


@pytest.mark.parametrize(
    ("visit", "expected", "asked"),
    [
        ({"utmParameters": {"source": "dispo", "campaign": MARK}}, (MARK, "EUR", 2400), ["OrdersPage", "OrderValues"]),
        ({"utmParameters": {"source": "google", "campaign": MARK}}, ("", "", None), ["OrdersPage"]),
        ({"utmParameters": None}, ("", "", None), ["OrdersPage"]),
        (None, ("", "", None), ["OrdersPage"]),
    ],
    ids=["ours", "another's", "no parameters", "no visit"],
)  # fmt: skip
def test_shopify_is_asked_for_prices_of_orders_with_our_mark_only(
    visit: Mapping[str, Any] | None, expected: tuple[Any, ...], asked: list[str]
) -> None:
    client = Shopify(visit)
    pages = changed_orders(cast(ShopifyClient, client), datetime(2026, 11, 1, tzinfo=UTC))
    ((order,),) = list(pages)
    assert expected == (order.click_mark, order.currency, order.lines[0].value_minor)
    assert asked == client.asked
