"""From facts about a page to findings, and which pages are inspected next. Pure.

What the page answers now goes before what the engine saw at its last visit, except where only the engine can
tell: a page that answers well may still look empty to it ("soft 404"), and robots.txt is its to read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from connector.catalog.pages import page_key
from connector.ports.search import Fault, Inspection, Look

Kind = Literal[
    "sold_out", "error", "redirect", "noindex", "blocked", "deleted", "hidden", "markup", "rich_result"
]
KINDS: tuple[Kind, ...] = (
    "sold_out",
    "error",
    "redirect",
    "noindex",
    "blocked",
    "deleted",
    "hidden",
    "markup",
    "rich_result",
)

SETTLED = timedelta(hours=1)
"""A page may be this long behind its stock (caches, badges under way) before it counts as contradicting it."""
AGAIN_URGENT = timedelta(days=3)
AGAIN = timedelta(days=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

# Guards against robots answer a program with these, whatever shoppers and engines get.
_DOUBTFUL = frozenset({401, 403, 429, 503})
_ERRORS: frozenset[Fault] = frozenset({"not_found", "soft_404", "server_error", "denied", "redirect_error"})


@dataclass(frozen=True, slots=True)
class PageFacts:
    """All that is known of a page. `is_deleted`: no store has the product any more; `is_hidden`: none shows
    it. `sellable` and `unsellable` count its items, `unknown` those of which nothing can be said; `out_since`
    is when the last of them sold out, None where that is unknown; `changed_at` when it last went in or out
    of stock. The inspection and the look are None until the first one."""

    page_key: str
    clicks: int = 0
    impressions: int = 0
    is_deleted: bool = False
    is_hidden: bool = False
    sellable: int = 0
    unsellable: int = 0
    unknown: int = 0
    out_since: datetime | None = None
    restock_on: date | None = None
    is_discontinued: bool = False
    changed_at: datetime | None = None
    inspection: Inspection | None = None
    inspected_at: datetime | None = None
    look: Look | None = None
    looked_at: datetime | None = None

    @property
    def has_traffic(self) -> bool:
        return self.clicks > 0 or self.impressions > 0

    @property
    def is_out(self) -> bool:
        return self.unsellable > 0 and not self.sellable and not self.unknown


@dataclass(frozen=True, slots=True)
class Found:
    """A finding about a page: one of a kind at a time."""

    kind: Kind
    cause: str
    since: datetime | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def judge(page: PageFacts, days_out: int, now: datetime) -> list[Found]:
    """What is to be said about the page now. `days_out` (at least 1) is "long" for sold out."""
    fault, is_past = _fault(page)
    if page.is_deleted or page.is_hidden:
        # Where it leads elsewhere already, shoppers arrive; without clicks nobody is lost.
        if not page.clicks or fault == "redirect":
            return []
        answers = page.look is not None and page.look.status == 200
        return [Found("deleted" if page.is_deleted else "hidden", "answers" if answers else "")]
    found = []
    if (
        page.is_out
        and page.has_traffic
        and page.out_since
        and now - page.out_since >= timedelta(days=days_out)
    ):
        cause = "discontinued" if page.is_discontinued else "dated" if page.restock_on else "undated"
        detail = {"restock_on": page.restock_on.isoformat()} if page.restock_on else {}
        found.append(Found("sold_out", cause, page.out_since, detail))
    crawled_at = page.inspection.crawled_at if page.inspection else None
    seen = {"crawled_at": crawled_at.isoformat()} if crawled_at and not _is_from_look(page, fault) else {}
    past = "_before" if is_past else ""
    if fault in _ERRORS:
        cause = "soft_404_out" if fault == "soft_404" and page.is_out else f"{fault}{past}"
        status = {"status": page.look.status} if page.look and _is_from_look(page, fault) else {}
        found.append(Found("error", cause, None, {**seen, **status}))
    elif fault == "redirect":
        location = page.look.location if page.look else ""
        cause = f"redirect{past}" if past else "out" if page.is_out else "sells"
        found.append(Found("redirect", cause, None, {**seen, **({"location": location} if location else {})}))
    elif fault == "blocked":
        found.append(Found("blocked", "", None, seen))
    elif fault == "noindex" and page.sellable:
        found.append(Found("noindex", f"noindex{past}", None, seen))
    found.extend(_markup(page))
    return found


def _fault(page: PageFacts) -> tuple[Fault, bool]:
    """What keeps the page out of the results, and whether only the engine's last visit says so."""
    seen: Fault = page.inspection.fault if page.inspection else ""
    look = page.look
    if look is None or look.status == 0 or look.status in _DOUBTFUL:
        return seen, False
    if 300 <= look.status < 400:
        # To another spelling of the same address (https, "www.", a slash) is no detour.
        leads_away = bool(look.location) and page_key(look.location) != page.page_key
        return ("redirect", False) if leads_away else (seen if seen in ("soft_404", "blocked") else "", False)
    if look.status in (404, 410):
        return "not_found", False
    if look.status >= 500:
        return "server_error", False
    if look.status >= 400:
        return "denied", False
    if look.is_noindex:
        return ("blocked" if seen == "blocked" else "noindex"), False
    return seen, seen not in ("", "soft_404", "blocked")


def _is_from_look(page: PageFacts, fault: Fault) -> bool:
    """Whether the page itself says so now."""
    if page.look is None or page.look.status in (0, *_DOUBTFUL):
        return False
    return fault not in ("soft_404", "blocked") and (page.look.status != 200 or page.look.is_noindex)


def _markup(page: PageFacts) -> list[Found]:
    found = []
    look, looked_at = page.look, page.looked_at
    is_settled = looked_at is not None and (page.changed_at is None or looked_at - page.changed_at >= SETTLED)
    if look is not None and look.status == 200 and is_settled:
        if look.offered == "in_stock" and page.is_out:
            found.append(Found("markup", "in_stock"))
        elif look.offered == "sold_out" and page.sellable:
            found.append(Found("markup", "sold_out"))
    wrong = [one for one in page.inspection.issues if one.is_error] if page.inspection else []
    if wrong:
        said = sorted({f"{one.kind}: {one.message}" for one in wrong})
        found.append(Found("rich_result", "", None, {"issues": said[:10]}))
    return found


def turns(pages: Iterable[PageFacts], most: int, now: datetime) -> list[str]:
    """The keys of the pages to inspect next, at most `most`, in their order.

    First pages with traffic that are sold out, the longest first; then pages with traffic whose product was
    deleted or hidden, the most clicked first; both not again within three days, and at most three quarters of
    all. The rest goes to all pages in turn, the one inspected longest ago first, so that each has its turn
    however many are urgent; deleted and hidden pages that nobody finds have none.
    """
    out: list[PageFacts] = []
    lost: list[PageFacts] = []
    rest: list[PageFacts] = []
    for page in pages:
        at = page.inspected_at or _EARLIEST
        is_lost = page.is_deleted or page.is_hidden
        is_urgent = page.has_traffic and (is_lost or (page.is_out and page.out_since is not None))
        if is_urgent and now - at >= AGAIN_URGENT:
            (lost if is_lost else out).append(page)
        if (is_urgent or not is_lost) and now - at >= AGAIN:
            rest.append(page)
    out.sort(key=lambda one: (one.out_since or now, -one.clicks, one.page_key))
    lost.sort(key=lambda one: (-one.clicks, -one.impressions, one.page_key))
    rest.sort(key=lambda one: (one.inspected_at or _EARLIEST, one.page_key))
    first = [page.page_key for page in (*out, *lost)][: most - (most + 3) // 4]
    chosen = set(first)
    others = [page.page_key for page in rest if page.page_key not in chosen]
    return [*first, *others[: most - len(first)]]
