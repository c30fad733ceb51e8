"""How long to wait after an error."""

from __future__ import annotations

from random import Random

import pytest

from connector.backoff import is_refusal, wait_s
from connector.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Retryable, Unauthorized

DOWN = Retryable("shop", "x", "down")


class Fixed(Random):
    """Draws the same number each time."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


def test_without_an_error_there_is_no_wait() -> None:
    assert wait_s(None, 7) == 0.0


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(0, 1, 2), (3, 8, 16), (9, 450, 900), (5_000, 450, 900)]
)
def test_the_wait_doubles_up_to_a_limit_and_is_spread(failures: int, least: float, most: float) -> None:
    assert wait_s(DOWN, failures, random=Fixed(0.0)) == least
    assert wait_s(DOWN, failures, random=Fixed(1.0)) == most
    assert wait_s(OutcomeUnknown("shop", "x", "504"), failures, random=Fixed(1.0)) == most


def test_a_rate_limit_waits_at_least_as_long_as_asked() -> None:
    limited = RateLimited("shop", "x", "slow down", retry_after_s=3_000)
    assert wait_s(limited, 0, random=Fixed(0.0)) == 3_000
    assert wait_s(limited, 9, random=Fixed(1.0)) == pytest.approx(3_300)


def test_a_refusal_waits_for_a_human() -> None:
    refusals = [Unauthorized("shop", "x", "no"), Misconfigured("shop", "x", "no", field="url")]
    assert [wait_s(error, 0) for error in refusals] == [3_600.0, 3_600.0]
    assert [is_refusal(error) for error in refusals] == [True, True]
    assert [is_refusal(error) for error in (DOWN, None, ValueError())] == [False, False, False]
