"""The advertising port: find the ads that send people to a page, pause them, resume them.

An adapter never decides which ad to touch and never creates or deletes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

AdStatus = Literal["enabled", "paused", "removed"]


@dataclass(frozen=True, slots=True)
class AdsCapabilities:
    """`batch_size` operations a call; `can_validate` when a dry run is checked by the platform itself."""

    batch_size: int
    can_validate: bool


@dataclass(frozen=True, slots=True)
class Ad:
    """The smallest thing that can be paused and leads to a landing page (a search ad, a keyword).

    `external_id` is the platform's resource name; `daily_spend` the mean of the last days in the
    account's currency where it is known. `is_serving` is False while its campaign or ad group is not
    running, so that it costs nothing whatever its own status.
    """

    external_id: str
    kind: Literal["ad", "keyword"]
    name: str
    landing_pages: tuple[str, ...]
    status: AdStatus
    campaign: str = ""
    daily_spend: Decimal | None = None
    is_serving: bool = True


@dataclass(frozen=True, slots=True)
class AdResult:
    """What became of one ad; one bad ad never fails its neighbours.

    "done"; "rejected" with the platform's reason; "not_found" when it is gone or removed for good;
    "retry" when a passing fault struck this one alone: it may be sent again.
    """

    external_id: str
    status: Literal["done", "rejected", "not_found", "retry"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AdsCheck:
    """What the account says of itself."""

    name: str
    account_id: str
    currency: str
    warnings: tuple[str, ...] = ()


class Ads(Protocol):
    """One advertising account. Construction does no network; each method may raise a `PortError`."""

    capabilities: AdsCapabilities

    def check(self) -> AdsCheck:
        """Ask the account who it is; raise Unauthorized or Misconfigured with the remedy."""

    def ads(self) -> Iterator[list[Ad]]:
        """Pages of every ad and keyword with a landing page that is not removed."""

    def statuses(self, external_ids: Sequence[str]) -> dict[str, AdStatus]:
        """The present status of these ads; one that is gone is missing from the answer."""

    def set_status(
        self, external_ids: Sequence[str], status: Literal["enabled", "paused"], *, dry_run: bool
    ) -> list[AdResult]:
        """Set the status of these ads, at most `batch_size` at once; with `dry_run` the platform only
        validates. Absolute, so repeating it is harmless. Raises OutcomeUnknown when no answer came."""
