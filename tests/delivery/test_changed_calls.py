"""What it costs to ask a store for changes when nearly everything changed."""

from __future__ import annotations

from datetime import timedelta

from tests.delivery.conftest import Scene


def test_a_list_of_changes_ends_where_everything_is_read_anyway(shopify: Scene) -> None:
    for number in range(1_100):
        shopify.shop.add_product(
            f"Bowl {number}", [{"sku": f"B-{number}", "title": "", "price_minor": 5, "stock": 1}]
        )
    store = shopify.rt.store(shopify.merchant_id, shopify.store_id)
    shopify.server.calls.clear()

    read = [one.sku for page in store.catalog(shopify.rt.now() - timedelta(minutes=1)) for one in page]

    assert 1_107 == len(set(read)) == len(read)
    calls = shopify.server.calls
    # 692 products of one variant are 9,000 points: the third page tells that there are more.
    assert (3, 0, 1) == (calls["ProductsChanged"], calls["VariantsChanged"], calls["BulkRead"])
