"""The advertising port over Google Ads: which rows are ads, what their state means, what to change.

It writes one field, `status`, of ads and keywords; never a campaign, an ad group, a bid or a text.
Everything about the wire is in `client`, which is imported at the first call because of its weight.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from adapters.ads.google_ads.account import Account
from adapters.ads.google_ads.faults import NAME, Fault
from connector.ports.ads import Ad, AdResult, AdsCapabilities, AdsCheck, AdStatus
from connector.ports.errors import Misconfigured, Rejected, Unauthorized
from connector.registry import Environment

if TYPE_CHECKING:
    from adapters.ads.google_ads.client import Client

# One operation costs one of the day's operations however it is batched; 1,000 keep an answer short.
BATCH_SIZE = 1_000
PAGE_SIZE = 1_000
_SPEND_DAYS = 7

_IDS = {
    "ad": re.compile(r"customers/(\d{10})/adGroupAds/\d+~\d+"),
    "keyword": re.compile(r"customers/(\d{10})/adGroupCriteria/\d+~\d+"),
}
# The enums of ads, keywords, ad groups and campaigns share these numbers (UNSPECIFIED 0, UNKNOWN 1).
_STATUSES: dict[int, AdStatus] = {2: "enabled", 3: "paused", 4: "removed"}
_ENABLED, _REMOVED = 2, 4
_CUSTOMER_ENABLED = 2

_CUSTOMER = """
SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.status,
  customer.manager, customer.test_account
FROM customer
LIMIT 1
"""
_CUSTOMER_SPEND = "SELECT metrics.cost_micros FROM customer WHERE segments.date DURING LAST_7_DAYS"
_PARENTS = "ad_group.status, campaign.name, campaign.status"
_ADS = f"""
SELECT ad_group_ad.resource_name, ad_group_ad.status, ad_group_ad.ad.id, ad_group_ad.ad.name,
  ad_group_ad.ad.final_urls, ad_group_ad.ad.final_mobile_urls,
  ad_group_ad.ad.responsive_search_ad.headlines, {_PARENTS}
FROM ad_group_ad
WHERE ad_group_ad.status != 'REMOVED' AND ad_group.status != 'REMOVED' AND campaign.status != 'REMOVED'
"""  # noqa: S608 - constants only
_KEYWORDS = f"""
SELECT ad_group_criterion.resource_name, ad_group_criterion.status, ad_group_criterion.keyword.text,
  ad_group_criterion.final_urls, ad_group_criterion.final_mobile_urls, {_PARENTS}
FROM ad_group_criterion
WHERE ad_group_criterion.type = 'KEYWORD' AND ad_group_criterion.negative = FALSE
  AND ad_group_criterion.status != 'REMOVED' AND ad_group.status != 'REMOVED'
  AND campaign.status != 'REMOVED'
"""  # noqa: S608 - constants only
_AD_SPEND = """
SELECT ad_group_ad.resource_name, metrics.cost_micros FROM ad_group_ad
WHERE segments.date DURING LAST_7_DAYS AND metrics.cost_micros > 0
"""
_KEYWORD_SPEND = """
SELECT ad_group_criterion.resource_name, metrics.cost_micros FROM keyword_view
WHERE segments.date DURING LAST_7_DAYS AND metrics.cost_micros > 0
"""


class GoogleAds:
    """One Google Ads account behind the advertising port (`connector.ports.ads.Ads`)."""

    capabilities = AdsCapabilities(batch_size=BATCH_SIZE, can_validate=True)

    def __init__(self, account: Account, environment: Environment) -> None:
        self._account = account
        self._environment = environment
        self._lock = threading.Lock()
        self._opened: Client | None = None

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def check(self) -> AdsCheck:
        """Name, id and currency of the account, with warnings about what would keep us from working.

        Raises Misconfigured for a manager account, which holds no ads, and as `Ads.check`.
        """
        row = next(iter(self._client.search(_CUSTOMER)), None)
        if row is None:
            raise Misconfigured(
                NAME,
                f"account {self._account.customer_id}",
                "Google shows no such account.",
                "Check the customer id.",
                field="customer_id",
            )
        customer = row.customer
        if customer.manager:
            raise Misconfigured(
                NAME,
                f"account {self._account.customer_id}",
                "This is a manager account; it holds no ads.",
                "Use the id of the account under it, and this one as manager account id.",
                field="customer_id",
            )
        return AdsCheck(
            name=customer.descriptive_name,
            account_id=str(customer.id),
            currency=customer.currency_code,
            warnings=tuple(self._warnings(customer)),
        )

    def _warnings(self, customer: Any) -> Iterator[str]:
        if customer.test_account:
            yield "This is a test account: its ads are never shown. Connect the real one to protect it."
        if customer.status != _CUSTOMER_ENABLED:
            yield "Google does not show ads of this account now. Open Google Ads to see why."
        if not any(row.metrics.cost_micros for row in self._client.search(_CUSTOMER_SPEND)):
            yield "The account spent nothing in the last seven days, so pausing saves nothing yet."

    def ads(self) -> Iterator[list[Ad]]:
        """Pages of at most 1,000 ads, then keywords with an address of their own (it replaces the
        ad's when that keyword is searched). Those in a removed ad group or campaign can never run
        again and are left out; those in a paused one have `is_serving` False.

        The first page comes only after the whole list arrived: a cut stream is an error, never a
        shorter list. Memory grows with the account, about 1 kB an ad.
        """
        found = [*self._read_ads(), *self._read_keywords()]
        for start in range(0, len(found), PAGE_SIZE):
            yield found[start : start + PAGE_SIZE]

    def _read_ads(self) -> Iterator[Ad]:
        spend = self._spend(_AD_SPEND, "ad_group_ad")
        for row in self._client.search(_ADS):
            ad = row.ad_group_ad.ad
            pages = tuple(dict.fromkeys((*ad.final_urls, *ad.final_mobile_urls)))
            if not pages:
                continue  # Shopping and app ads have no page of their own; feeds govern them.
            headlines = ad.responsive_search_ad.headlines
            name = ad.name or (headlines[0].text if headlines else f"Ad {ad.id}")
            yield self._ad("ad", row.ad_group_ad, name, pages, row, spend)

    def _read_keywords(self) -> Iterator[Ad]:
        spend = self._spend(_KEYWORD_SPEND, "ad_group_criterion")
        for row in self._client.search(_KEYWORDS):
            keyword = row.ad_group_criterion
            pages = tuple(dict.fromkeys((*keyword.final_urls, *keyword.final_mobile_urls)))
            if pages:
                yield self._ad("keyword", keyword, keyword.keyword.text, pages, row, spend)

    def _ad(
        self,
        kind: Literal["ad", "keyword"],
        resource: Any,
        name: str,
        pages: tuple[str, ...],
        row: Any,
        spend: dict[str, int] | None,
    ) -> Ad:
        micros = None if spend is None else spend.get(resource.resource_name, 0)
        return Ad(
            external_id=resource.resource_name,
            kind=kind,
            name=name,
            landing_pages=pages,
            status=_status(resource.status, resource.resource_name),
            campaign=row.campaign.name,
            daily_spend=None if micros is None else _daily(micros),
            is_serving=row.campaign.status == _ENABLED and row.ad_group.status == _ENABLED,
        )

    def _spend(self, query: str, resource: str) -> dict[str, int] | None:
        """Micros of the account's currency per resource over seven full days; None when Google keeps
        the numbers from this user, who may still pause ads."""
        try:
            return {
                getattr(row, resource).resource_name: row.metrics.cost_micros
                for row in self._client.search(query)
            }
        except (Rejected, Unauthorized):
            return None

    def statuses(self, external_ids: Sequence[str]) -> dict[str, AdStatus]:
        """The present status by id; "removed" also where the ad group or the campaign was removed.
        An id that Google does not know, or that is not of this account, is missing."""
        ads, keywords, _ = self._sorted(external_ids)
        found: dict[str, AdStatus] = {}
        for resource, names in (("ad_group_ad", ads), ("ad_group_criterion", keywords)):
            for start in range(0, len(names), BATCH_SIZE):
                listed = ", ".join(f"'{name}'" for name in names[start : start + BATCH_SIZE])
                # Names passed the patterns above: digits and slashes, no quotes.
                query = (
                    f"SELECT {resource}.resource_name, {resource}.status, ad_group.status, "  # noqa: S608
                    f"campaign.status FROM {resource} WHERE {resource}.resource_name IN ({listed})"
                )
                for row in self._client.search(query):
                    item = getattr(row, resource)
                    is_removed = _REMOVED in (row.ad_group.status, row.campaign.status)
                    found[item.resource_name] = (
                        "removed" if is_removed else _status(item.status, item.resource_name)
                    )
        return found

    def set_status(
        self, external_ids: Sequence[str], status: Literal["enabled", "paused"], *, dry_run: bool
    ) -> list[AdResult]:
        """One result per id, in order; one request for all of them, none for none.

        A removed ad is "not_found". Raises ValueError for more than `batch_size` ids, and as
        `Ads.set_status`.
        """
        if len(external_ids) > BATCH_SIZE:
            raise ValueError(f"{len(external_ids)} ads at once; at most {BATCH_SIZE}")
        ads, keywords, refused = self._sorted(external_ids)
        results = {
            name: AdResult(
                name, "rejected", f"This is no ad or keyword of account {self._account.customer_id}."
            )
            for name in refused
        }
        names = [*ads, *keywords]
        if names:
            faults = self._client.set_status(ads, keywords, status.upper(), dry_run=dry_run)
            results |= {name: AdResult(name, "done") for name in names}
            for fault in faults:
                name = names[fault.index]  # type: ignore[index]  # the client raises those without one
                if results[name].status == "done":
                    results[name] = _result(name, fault)
        return [results[name] for name in external_ids]

    def _sorted(self, external_ids: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
        """Ads, keywords and what is neither, each once: Google refuses a name given twice."""
        kinds: dict[str, list[str]] = {"ad": [], "keyword": [], "": []}
        for name in dict.fromkeys(external_ids):
            kind = next(
                (
                    kind
                    for kind, pattern in _IDS.items()
                    if (match := pattern.fullmatch(name)) and match[1] == self._account.customer_id
                ),
                "",
            )
            kinds[kind].append(name)
        return kinds["ad"], kinds["keyword"], kinds[""]

    @property
    def _client(self) -> Client:
        with self._lock:
            if self._opened is None:
                from adapters.ads.google_ads.client import Client

                self._opened = Client(self._account, self._environment)
            return self._opened


def _status(number: int, name: str) -> AdStatus:
    try:
        return _STATUSES[number]
    except KeyError:
        # Acting on a state we cannot read could resume what the merchant paused.
        raise Rejected(NAME, name, f"Google named a status ({number}) this version does not know.") from None


def _result(name: str, fault: Fault) -> AdResult:
    reason = f"{fault.code.partition('.')[2]}: {fault.message}"
    if fault.is_gone:
        return AdResult(name, "not_found", reason)
    return AdResult(name, "retry" if fault.is_passing else "rejected", reason)


def _daily(micros: int) -> Decimal:
    """Mean of seven days in units of the currency: 10,500,000 micros → 1.500000."""
    return (Decimal(micros) / (1_000_000 * _SPEND_DAYS)).quantize(Decimal("0.000001"))
