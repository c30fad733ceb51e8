"""The search port over Search Console's API: sites, traffic by page, inspections; and a look at the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from adapters.kit.http import Client, safe_url
from adapters.search.google_search_console.access import Grant
from adapters.search.google_search_console.client import NAME, Api
from adapters.search.google_search_console.page import look_at
from connector.ports.errors import Misconfigured, Rejected, Retryable
from connector.ports.search import (
    Fault,
    Inspection,
    Look,
    MarkupIssue,
    PageTraffic,
    SearchCapabilities,
    SearchCheck,
    Site,
)
from connector.registry import Environment

ROW_LIMIT = 25_000
LOOK_TIMEOUT_S = 15.0
_READABLE = {"siteOwner", "siteFullUser", "siteRestrictedUser"}
# What Google could not fetch goes before what the page says: a page it cannot read says nothing.
_FETCH: Mapping[str, Fault] = {
    "NOT_FOUND": "not_found",
    "SOFT_404": "soft_404",
    "SERVER_ERROR": "server_error",
    "INTERNAL_CRAWL_ERROR": "server_error",
    "ACCESS_DENIED": "denied",
    "ACCESS_FORBIDDEN": "denied",
    "BLOCKED_4XX": "denied",
    "INVALID_URL": "not_found",
    "BLOCKED_ROBOTS_TXT": "blocked",
    "REDIRECT_ERROR": "redirect_error",
}
_INDEXING: Mapping[str, Fault] = {
    "BLOCKED_BY_META_TAG": "noindex",
    "BLOCKED_BY_HTTP_HEADER": "noindex",
    "BLOCKED_BY_ROBOTS_TXT": "blocked",
}


class SearchConsole:
    """See `connector.ports.search.Search`. `site` "" stands for the only one the account may read."""

    capabilities = SearchCapabilities(inspections_a_day=2000, lag_days=3, time_zone="America/Los_Angeles")

    def __init__(
        self, environment: Environment, grant: Grant, site: str, endpoint: str, token_uri: str
    ) -> None:
        self._api = Api(environment, grant, site, endpoint, token_uri)
        self._pages = Client(environment, NAME)
        self._name = grant.name
        self.site = site

    def check(self) -> SearchCheck:
        readable = [site.address for site in self.sites() if site.is_readable]
        if self.site in readable:
            return SearchCheck(self._name, self.site)
        if not self.site and len(readable) == 1:
            return SearchCheck(self._name, readable[0])
        there_are = f"It may read: {', '.join(sorted(readable))}." if readable else "It may read none."
        raise Misconfigured(
            NAME,
            self.site or "site",
            f"{self._name} may not read this property. {there_are}"
            if self.site
            else f"The property is not named. {there_are}",
            "Name one of these."
            if readable
            else f"In Search Console, Settings, Users and permissions, add {self._name} as a user.",
            field="site",
        )

    def sites(self) -> list[Site]:
        found = self._api.get("sites", "the list of properties").get("siteEntry") or []
        return [
            Site(str(one.get("siteUrl") or ""), str(one.get("permissionLevel")) in _READABLE) for one in found
        ]

    def covers(self, url: str) -> bool:
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            return False
        if self.site.startswith("sc-domain:"):
            domain = self.site.removeprefix("sc-domain:")
            return host == domain or host.endswith(f".{domain}")
        return bool(self.site) and url.startswith(self.site)

    def traffic(self, first: date, last: date) -> Iterator[list[PageTraffic]]:
        path = f"sites/{quote(self.site, safe='')}/searchAnalytics/query"
        start = 0
        while True:
            answer = self._api.post(
                path,
                {
                    "startDate": first.isoformat(),
                    "endDate": last.isoformat(),
                    "dimensions": ["page"],
                    "type": "web",
                    "dataState": "final",
                    "rowLimit": ROW_LIMIT,
                    "startRow": start,
                },
                f"traffic of {self.site}",
            )
            # The end is an answer without rows; a short one alone does not promise it.
            rows = answer.get("rows") or []
            if not rows:
                return
            yield [_traffic(row) for row in rows]
            start += len(rows)

    def inspect(self, url: str) -> Inspection:
        # The sentences are asked for in English: one of them is looked into below.
        body = {"inspectionUrl": url, "siteUrl": self.site, "languageCode": "en-US"}
        answer = self._api.inspect(body, safe_url(url))
        result = answer.get("inspectionResult")
        if not isinstance(result, Mapping):
            raise Retryable(NAME, safe_url(url), "Google's answer holds no result.")
        return inspection_of(result, url)

    def look(self, url: str) -> Look:
        if not self.covers(url):
            raise Rejected(NAME, safe_url(url), f"It is no page of {self.site}.")
        return look_at(self._pages, url, LOOK_TIMEOUT_S)

    def close(self) -> None:
        """Close every connection."""
        self._api.close()
        self._pages.close()


def _traffic(row: Mapping[str, Any]) -> PageTraffic:
    # Google sends counts as numbers with a fraction of zero.
    return PageTraffic(str(row["keys"][0]), int(row.get("clicks") or 0), int(row.get("impressions") or 0))


def inspection_of(result: Mapping[str, Any], url: str) -> Inspection:
    """A result of the URL Inspection API in the port's words. What is absent says nothing."""
    index = result.get("indexStatusResult") or {}
    coverage = str(index.get("coverageState") or "")
    fault: Fault = _FETCH.get(str(index.get("pageFetchState")), "")
    if not fault and index.get("robotsTxtState") == "DISALLOWED":
        fault = "blocked"
    if not fault and coverage.lower() == "page with redirect":
        # The only trace of a redirect: such a page counts as fetched well.
        fault = "redirect"
    if not fault:
        fault = _INDEXING.get(str(index.get("indexingState")), "")
    canonical = str(index.get("googleCanonical") or "")
    crawled = index.get("lastCrawlTime")
    return Inspection(
        is_indexed=index.get("verdict") in ("PASS", "PARTIAL"),
        fault=fault,
        crawled_at=datetime.fromisoformat(str(crawled)) if crawled else None,
        canonical="" if canonical == url else canonical,
        coverage=coverage,
        issues=tuple(_issues(result.get("richResultsResult") or {})),
        report_url=str(result.get("inspectionResultLink") or ""),
    )


def _issues(rich: Mapping[str, Any]) -> Iterator[MarkupIssue]:
    """Each issue once, however many items of the page have it."""
    seen = set()
    for found in rich.get("detectedItems") or []:
        for item in found.get("items") or []:
            for issue in item.get("issues") or []:
                one = MarkupIssue(
                    str(found.get("richResultType") or ""),
                    str(issue.get("issueMessage") or ""),
                    issue.get("severity") == "ERROR",
                )
                if one not in seen:
                    seen.add(one)
                    yield one
