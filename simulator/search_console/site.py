"""What the simulated Google knows of pages, and the pages a small simulated shop serves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from html import escape
from typing import Any


@dataclass
class PageFacts:
    """What Google has of a page: the parts of an inspection's `indexStatusResult`, named as there, and the
    issues of its rich results: (type, message, severity)."""

    verdict: str = "PASS"
    coverage: str = "Submitted and indexed"
    fetch: str = "SUCCESSFUL"
    indexing: str = "INDEXING_ALLOWED"
    robots: str = "ALLOWED"
    crawled: str = "2026-01-03T04:05:06Z"
    canonical: str = ""
    issues: tuple[tuple[str, str, str], ...] = ()

    def result(self, url: str) -> dict[str, Any]:
        """The body of a UrlInspectionResult. What Google leaves out where there is none is left out."""
        index: dict[str, Any] = {
            "verdict": self.verdict,
            "coverageState": self.coverage,
            "robotsTxtState": self.robots,
            "indexingState": self.indexing,
            "pageFetchState": self.fetch,
            "crawledAs": "MOBILE",
        }
        if self.crawled:
            index["lastCrawlTime"] = self.crawled
        if self.verdict == "PASS":
            index["googleCanonical"] = self.canonical or url
            index["userCanonical"] = url
        found: dict[str, Any] = {
            "inspectionResultLink": "https://search.google.com/search-console/inspect?resource_id=x&id=y",
            "indexStatusResult": index,
        }
        if self.issues:
            worst = "FAIL" if any(one[2] == "ERROR" for one in self.issues) else "PASS"
            found["richResultsResult"] = {
                "verdict": worst,
                "detectedItems": [
                    {
                        "richResultType": kind,
                        "items": [
                            {"name": "Unnamed item", "issues": [{"issueMessage": said, "severity": how}]}
                        ],
                    }
                    for kind, said, how in self.issues
                ],
            }
        return found


@dataclass
class Page:
    """A page of the shop: what it answers. `traffic` maps a day to (clicks, impressions) in the results."""

    status: int = 200
    html: str = ""
    location: str = ""
    robots_header: str = ""
    traffic: dict[date, tuple[int, int]] = field(default_factory=dict)
    facts: PageFacts = field(default_factory=PageFacts)


def product_page(name: str, availability: str = "", *, url: str = "", robots: str = "") -> str:
    """A product's page whose structured data say `availability` ("InStock"); none where it is empty."""
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": name,
        "offers": {
            "@type": "Offer",
            "price": "49.00",
            "priceCurrency": "EUR",
            "availability": f"https://schema.org/{availability}",
        },
    }
    if url:
        data["url"] = url
    script = f'<script type="application/ld+json">{json.dumps(data)}</script>' if availability else ""
    meta = f'<meta name="robots" content="{escape(robots)}">' if robots else ""
    return (
        f"<!doctype html><html><head><title>{escape(name)}</title>{meta}{script}</head>"
        f"<body><h1>{escape(name)}</h1></body></html>"
    )
