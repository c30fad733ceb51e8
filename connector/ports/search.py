"""The search port: what a search engine knows of a site's pages. Everything here only reads.

An adapter never judges whether a page is as it should be: it hands over what the engine says of it
(`inspect`) and what the page itself answers now (`look`), in words that do not depend on the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

Fault = Literal[
    "", "not_found", "soft_404", "server_error", "denied", "blocked", "redirect", "redirect_error", "noindex"
]
"""Why the engine does not show a page, in the order in which they hide each other: the server's answer, what
robots.txt forbids, where it leads, what the page itself forbids. "" where it names no reason."""

Offered = Literal["", "in_stock", "sold_out"]
"""What a page's structured data say to engines: something on it can be bought, nothing can, or nothing is said
that could be told apart."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site the account may see. `address` is the engine's name for it; `is_readable` when its data are."""

    address: str
    is_readable: bool


@dataclass(frozen=True, slots=True)
class SearchCheck:
    """What the account says of itself. `site` is the one that is read, as the engine spells it."""

    name: str
    site: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchCapabilities:
    """`inspections_a_day` of one site that the engine allows; `lag_days` after which a day's numbers are
    final; `time_zone` of its days, for those and for that allowance."""

    inspections_a_day: int
    lag_days: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class PageTraffic:
    """How often a page was shown and chosen in the results during the days asked for."""

    url: str
    clicks: int
    impressions: int


@dataclass(frozen=True, slots=True)
class MarkupIssue:
    """Something wrong in a page's structured data. `kind` is the rich result it spoils ("Merchant
    listings"), `message` the engine's words (English). `is_error`: it is not shown at all because of it."""

    kind: str
    message: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the engine has of one page: of its last visit, not of this moment.

    `crawled_at` None: it never saw it. `canonical` is the page it shows instead ("" for itself or unknown),
    `coverage` its own sentence (English), `report_url` its report for the merchant, "" where there is none.
    """

    is_indexed: bool
    fault: Fault
    crawled_at: datetime | None
    canonical: str = ""
    coverage: str = ""
    issues: tuple[MarkupIssue, ...] = ()
    report_url: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What the page itself answers now. `status` 0: it did not answer. `location` is where a redirect leads,
    as an absolute address. `is_noindex`: it asks engines not to show it."""

    status: int
    location: str = ""
    is_noindex: bool = False
    offered: Offered = ""


class Search(Protocol):
    """One site at one search engine. Construction does no network; each method may raise a `PortError`,
    never OutcomeUnknown: repeating a reading is harmless."""

    capabilities: SearchCapabilities

    def check(self) -> SearchCheck:
        """Sign in and find the site; Unauthorized, or Misconfigured(field="site") naming those there are."""

    def sites(self) -> list[Site]:
        """Every site the account may see."""

    def covers(self, url: str) -> bool:
        """Whether this address belongs to the site. Asks nobody."""

    def traffic(self, first: date, last: date) -> Iterator[list[PageTraffic]]:
        """Portions of the pages shown at least once from `first` to `last`, both included and final, each
        page once, the most clicked first. The engine may leave out the least shown ones."""

    def inspect(self, url: str) -> Inspection:
        """What the engine has of this page. Rejected for an address that it will not look up; RateLimited
        when the allowance is used up."""

    def look(self, url: str) -> Look:
        """What this page answers now: one request, no redirect followed, no script run. Raises Rejected
        for an address outside the site."""
