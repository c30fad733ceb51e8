"""The port of a platform that bills merchants for our app: which plan a shop has, and nothing about what it allows.

What a plan allows is the operator's to say (`connector.plans`). What the platform does not tell stays unknown:
it is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

State = Literal["none", "trial", "active", "frozen", "cancelled"]
"""How it stands with a shop's subscription. "none": there is none that the platform knows of; "trial": not paid
yet; "frozen": the platform suspended it with the shop, and it goes on when the shop does; "cancelled": it ended."""

Interval = Literal["", "month", "year"]
"""How often it is billed. "month" is the platform's month, thirty days on Shopify; "": not said."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one shop subscribed to.

    `plan` is the platform's stable word for the plan, by which the operator's file knows it; where there is
    none, what the platform calls it. `name` is what the platform shows. `price` is for one `interval`, before
    discounts and use, in `currency` (ISO 4217): None where it is not one sum. `period_ends_at` and
    `trial_ends_at` are aware, None where the platform names none. `is_ending`: it ends with the period.
    `is_test`: nothing is charged; None where the platform does not say. `plan_page` is the platform's page where
    the merchant chooses, "" where it is not known. `as_of` is when it was asked.
    """

    state: State
    as_of: datetime
    plan: str = ""
    name: str = ""
    price: Decimal | None = None
    currency: str = ""
    interval: Interval = ""
    period_ends_at: datetime | None = None
    trial_ends_at: datetime | None = None
    is_ending: bool = False
    is_test: bool | None = None
    plan_page: str = ""


class Entitlements(Protocol):
    """What knows the subscription of one shop. Construction does no network."""

    def subscription(self, now: datetime) -> Subscription:
        """The shop's subscription as the platform tells it now; `now` is aware and becomes `as_of`. A shop
        without one is an answer ("none"), never an error; whatever cannot be read is an error, never "none".

        Raises Retryable or RateLimited when it cannot be asked now, Unauthorized or Misconfigured when it
        refuses us, Rejected for an answer that nobody can read. Asking changes nothing."""
