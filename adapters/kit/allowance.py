"""What a platform lets one account ask in an hour or a day, taken for a whole reading at once.

`kit.api.Rate` spaces calls that are seconds apart. Where a reading needs a good part of what an hour has,
calls that are let through one by one would end in the middle of it again and again, and each try would use
up what came back meanwhile. So the room for all of a reading is taken before its first call, or none.
"""

from __future__ import annotations

import hashlib

from adapters.kit.api import Rate
from adapters.kit.budget import Budget
from connector.ports.errors import RateLimited
from connector.registry import Environment


class Allowance:
    """One allowance of one account, shared by all workers. `account` is no secret (`account_of`)."""

    def __init__(self, environment: Environment, adapter: str, account: str, rate: Rate) -> None:
        self._adapter = adapter
        self._rate = rate
        self._budget = Budget(environment, f"{adapter}:{account}")

    def claim(self, cost: float, subject: str) -> None:
        """Take room for `cost` units, at most `Rate.calls`. Raises RateLimited, and takes nothing, where there
        is not so much now."""
        taken = self._budget.take(
            cost,
            maximum=self._rate.calls,
            restore_rate=self._rate.calls / self._rate.within_s,
            longest_s=0.0,
        )
        if taken is None:
            raise RateLimited(
                self._adapter,
                subject,
                "What this account may ask is used up for now; nothing was read.",
                "It is read again as soon as there is room for all of it.",
                retry_after_s=self._budget.wait_s(cost),
            )

    def early_s(self, cost: float) -> float:
        """Seconds until there is room for `cost` units, 0 when there is."""
        return self._budget.wait_s(cost)


class DayAllowance:
    """The units an account may spend in a day of UTC, for readings that all cost about the same.

    Readings are spread evenly over the day: spent at once, what a day has would leave the shop with the
    numbers of the morning. With units U a day and readings of cost c, the next may begin
    c · 86,400 / (U − c) seconds after the last, so that no day spends more than U: 400 of 50,000 are 697 s.
    """

    def __init__(self, environment: Environment, adapter: str, account: str, units: int) -> None:
        self.units = units
        self._adapter = adapter
        self._budget = Budget(environment, f"{adapter}:{account}:day")

    def claim(self, cost: int, subject: str) -> None:
        """Take room for a reading of `cost` units, at most half a day's. Raises RateLimited, and takes nothing,
        where it is too early for it."""
        taken = self._budget.take(
            cost, maximum=cost, restore_rate=(self.units - cost) / 86_400, longest_s=0.0
        )
        if taken is None:
            raise RateLimited(
                self._adapter,
                subject,
                f"A reading costs {cost:,} of the {self.units:,} points a day, so it is too early for the next.",
                "Nothing was read; it is read when its turn comes. A shorter list is read more often.",
                retry_after_s=self._budget.wait_s(cost),
            )

    def early_s(self) -> float:
        """Seconds until there is room for as much as was taken last, 0 when there is or nothing was."""
        return self._budget.wait_s(self.units)


def account_of(key: str) -> str:
    """A name for the account behind a key, from which the key cannot be told: keys are long and random."""
    return hashlib.sha256(f"dispo account {key}".encode()).hexdigest()[:20]
