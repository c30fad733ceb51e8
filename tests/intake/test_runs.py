"""Runs from end to end, on real PostgreSQL with a supplier in memory."""

from __future__ import annotations

from tests.intake.conftest import Shop


def test_a_first_file_is_observed_matched_and_decided(shop: Shop) -> None:
    for sku in ("A-1", "B-2", "C-3"):
        shop.add_variant(sku)

    outcome = shop.run("SKU,Stock\nA-1,5\nb-2,0\nC-3,>100\nD-4,9\n")

    assert (outcome.status, outcome.error, outcome.rows_read, outcome.rows_new) == ("applied", "", 4, 4)
    assert shop.observed() == {"a-1": 5, "b-2": 0, "c-3": 100, "d-4": 9}
    assert shop.available() == {"A-1": 5, "B-2": 0, "C-3": 100}
    assert (outcome.variants_decided, outcome.variants_changed) == (3, 3)
