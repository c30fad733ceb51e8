"""The simulated WooCommerce answers recorded requests as the real one did.

Every recording but those of coupons, categories and tags is replayed. Compared are the status, the
content type, the headers that count, link and allow, error bodies in full, the ids and order of rows,
the set of fields, and the fields of `woocommerce_replay.COMPARED`.
"""

from __future__ import annotations

import pytest

from tests.simulator.woocommerce_replay import (
    KEY,
    READ_KEY,
    READ_SECRET,
    RECORDED,
    SECRET,
    Case,
    replay,
)

CASES: dict[str, Case] = {
    "auth_no_key_401": Case(authorization=(None,)),
    "auth_read_only_key_write_401": Case(key=READ_KEY, secret=READ_SECRET),
    "auth_wrong_key_401": Case(authorization=("ck_unknown:cs_unknown", f"{KEY}:cs_other")),
    "error_200_html_plain_permalinks": Case(is_plain=True),
    "error_413_html_body_too_large": Case(body_limit_bytes=1024),
    "error_502_html_bad_gateway": Case(faults=["error", "error"]),
    "error_503_maintenance": Case(is_maintenance=True),
    "error_504_html_batch_done_anyway": Case(faults=["timeout_after_success"]),
    "http_oauth1_clock_wrong_401": Case(wrong_clock_s=1800),
    "http_plain_basic_auth_refused_401": Case(authorization=(f"{KEY}:{SECRET}",)),
    "products_modified_after_timezone_trap": Case(timezone="Europe/Berlin"),
    "wc89_products_and_batch": Case(version="8.9.2"),
    "wc89_variations_of_the_whole_shop_404": Case(version="8.9.2"),
    "wc99_products_and_batch": Case(version="9.9.5"),
    "wc99_variations_of_the_whole_shop_404": Case(version="9.9.5"),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in (RECORDED / "cassettes").glob("*.yaml")))
def test_the_simulator_answers_as_recorded(name: str) -> None:
    assert replay(name, CASES.get(name, Case())) == []


def test_a_replay_notices_a_difference() -> None:
    """The comparison itself can fail: with the wrong key nothing is as recorded."""
    found = replay("products_by_sku_list", Case(key="ck_other"))
    assert found == [
        "1. GET /wp-json/wc/v3/products: status 401, recorded 200: "
        '{"code":"woocommerce_rest_cannot_view","message":"Sorry, you cannot list resources.",'
        '"data":{"status":401}}'
    ]
