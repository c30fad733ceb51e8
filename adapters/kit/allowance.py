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


def account_of(key: str) -> str:
    """A name for the account behind a key, from which the key cannot be told: keys are long and random."""
    return hashlib.sha256(f"dispo account {key}".encode()).hexdigest()[:20]
