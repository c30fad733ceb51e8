"""`dispo store locations`: a platform without locations says so, and wrong words are named."""

from __future__ import annotations

from tests.cli.conftest import Dispo


def test_a_store_with_one_stock_has_no_locations_to_choose(dispo: Dispo, connected: int) -> None:
    ran = dispo("store", "locations", str(connected))

    assert (ran.code, "has one stock; there are no locations" in ran.err) == (1, True)


def test_a_source_that_feeds_nowhere_is_asked_for_in_words(dispo: Dispo) -> None:
    ran = dispo("store", "locations", "1", "--write")

    assert ran.code == 2
