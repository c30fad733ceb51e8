"""The outbox topics that deciding raises, and the lanes they travel in."""

from __future__ import annotations

QUANTITY = "store.quantity"
BADGE = "store.badge"
SHOPPERS = "shoppers.position"
ADS = "ads.position"
PLACES = "store.place"
PRICES = "store.price"

LOOK, FLOORS, RUN = "look", "floors", "run "
"""Subjects of PRICES: everything that hangs on costs or one store's prices; what sells below its floor; and, with
its number behind it, a run whose costs may have changed prices' margins."""

TO_ZERO, DECREASE, BACK_FROM_ZERO, INCREASE, BADGES = 1, 2, 3, 4, 5


def lane_of(believed: int | None, wanted: int) -> int:
    """The lane of a quantity: what protects the shopper goes first. An unknown number may be too high."""
    if wanted == 0:
        return TO_ZERO
    if believed is None or wanted < believed:
        return DECREASE
    return BACK_FROM_ZERO if believed <= 0 else INCREASE
