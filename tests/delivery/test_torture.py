"""A small storm: two shops, shoppers, a supplier, faults on every call, workers killed at random.

`make torture` runs the same at full size.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import storm


@pytest.mark.slow
@pytest.mark.usefixtures("processes")
def test_after_a_storm_every_number_is_right_and_every_sale_counted_once(
    fresh_database_url: str, tmp_path: Path
) -> None:
    plan = storm.Plan(
        skus=10,
        stock=12,
        seconds=4.0,
        sales_per_s=8.0,
        feed_every_s=1.5,
        workers=2,
        kill_every_s=1.0,
        lease_s=2.0,
        replays_answers=False,  # the harder of the two readings of Shopify's keys
        seed=5,
    )

    result = storm.run(plan, fresh_database_url, tmp_path)

    assert (result.broken, result.faults) == ((), ())
    # Something did happen: it sold, it wrote, and it was killed while it did.
    assert result.figures["orders"] > 5
    assert result.figures["attempts"]["succeeded"] > 0
    assert result.figures["kills"] > 0
