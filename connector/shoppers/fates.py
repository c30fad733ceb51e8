"""What became of a message whose handing over ended in an error: one rule for shoppers, customers and merchants.

Nothing that may have arrived is repeated; what was certainly not taken waits; what is refused has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from connector.outbox.messages import Again, Failed, Outcome, Unknown
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)

LOST_NOTE = "The process ended while this was being sent: it may have arrived. It is not repeated."
"""Of a row that was found in "sending"."""


@dataclass(frozen=True, slots=True)
class Fate:
    """The message's new status with its note, and the end of its intent: None where the whole way is at fault, so
    that everything waits until somebody acts. `waits_by_tries`: the wait in `outcome` is still to be said."""

    status: Literal["unknown", "waiting", "failed"]
    note: str
    outcome: Outcome | None
    waits_by_tries: bool = False

    def after(self, wait_s: float) -> Outcome:
        """The outcome of a message that waits, `wait_s` where the provider did not say how long."""
        return Again(wait_s, self.note) if self.waits_by_tries or self.outcome is None else self.outcome


def fate_of(error: PortError) -> Fate:
    """By the type of what `Channel.send` raised."""
    match error:
        case OutcomeUnknown():
            note = f"{error.cause} It may have arrived and is not repeated."
            return Fate("unknown", note, Unknown(note))
        case RateLimited():
            return Fate("waiting", error.cause, Again(error.retry_after_s, error.cause))
        case Retryable():
            return Fate("waiting", error.cause, Again(0, error.cause), waits_by_tries=True)
        case Unauthorized() | Misconfigured():
            return Fate("waiting", f"{error.cause} {error.remedy}".strip(), None)
        case _:
            return Fate("failed", error.cause, Failed(error.cause))


def busy_wait_s(tries: int) -> float:
    """Seconds before a message goes again that was not taken `tries` times: 30 s, a minute … six hours."""
    return min(30.0 * 2.0 ** min(tries - 1, 10), 21_600.0)
