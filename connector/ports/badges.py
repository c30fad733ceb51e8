"""The part of the store port that has a shop ready to keep what the product page may say."""

from __future__ import annotations

from typing import Protocol


class BadgeSetup(Protocol):
    """A store whose `StoreCapabilities.sets_up_badges` holds: badges need something there beforehand."""

    def ready_badges(self) -> str:
        """Have the shop ready to keep badges and show them; "" when it is, else why product pages cannot show
        them, in a sentence with the remedy.

        Makes what is missing where the platform lets us; harmless to repeat. Raises a PortError when the
        shop cannot be asked.
        """
