"""How long to wait after an error: pure arithmetic shared by the outbox and the schedule.

The type of the error decides (connector/ports/errors.py); nothing here knows a status code.
"""

from __future__ import annotations

from random import Random

from connector.ports.errors import Misconfigured, RateLimited, Unauthorized

__all__ = ["is_refusal", "wait_s"]

_jitter = Random()


def is_refusal(error: BaseException | None) -> bool:
    """Must a human act first? True for refused credentials and wrong settings: waiting cannot help."""
    return isinstance(error, Unauthorized | Misconfigured)


def wait_s(
    error: BaseException | None,
    failures: int,
    *,
    first_s: float = 2.0,
    longest_s: float = 900.0,
    refused_s: float = 3600.0,
    random: Random = _jitter,
) -> float:
    """Seconds to wait before the next try; 0 without an error.

    `failures` counts the failures in a row before this one (0 for the first). A rate limit waits as long
    as the platform asks and up to a tenth more. A refusal waits `refused_s`: it is not tried on its own
    until somebody acts, only looked at again from time to time. Anything else doubles: the wait is drawn
    evenly from the upper half of d = min(longest_s, first_s · 2^failures), so that many workers that
    failed together do not come back together. Example: the fourth failure in a row (failures = 3) waits
    8 to 16 seconds.
    """
    if error is None:
        return 0.0
    if isinstance(error, RateLimited):
        return max(0.0, error.retry_after_s) * (1 + 0.1 * random.random())
    if is_refusal(error):
        return refused_s
    # The exponent is limited because a float overflows after a thousand failures in a row.
    doubled = min(longest_s, first_s * 2.0 ** min(failures, 30))
    return doubled * (0.5 + 0.5 * random.random())
