"""Any JSON API that lists items, read by what the merchant said of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import httpx2

from adapters.kit.api import Api
from adapters.kit.canonical import COLUMNS, StockRow, fields
from adapters.kit.http import safe_url
from adapters.kit.paging import Page, by_next, by_number, next_url
from adapters.suppliers.json_api.paths import Step, as_text, find
from connector.ports.errors import FileFault, Misconfigured, NotFound, PortError, Rejected
from connector.ports.incoming import SupplierIncoming

ADAPTER = "json_api"
Paging = Literal["", "page", "offset", "cursor", "link", "next"]
TEXTS = tuple(
    name for name in COLUMNS if name not in ("made_to_order", "moq", "pack_size", "currency", "price")
)
"""The columns a merchant may name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask and where the answer is. Paths are steps; () is the document itself, and for `total`,
    `cursor` and `next` "not there". `page_name` is the parameter (in the body of a POST a dotted path)."""

    url: str
    method: str = "GET"
    body: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[Step, ...] = ()
    columns: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    paging: Paging = ""
    page_name: str = ""
    first_page: int = 1
    size_name: str = ""
    size: int = 0
    cursor: tuple[Step, ...] = ()
    next: tuple[Step, ...] = ()
    total: tuple[Step, ...] = ()


class JsonListing:
    """See `adapters.kit.live.LiveApi`. `params` sign in and go with every request; they are secrets."""

    reads_incoming = False

    def __init__(self, api: Api, question: Question, params: Mapping[str, str]) -> None:
        self.name = ADAPTER
        self.subject = safe_url(question.url)
        known = [name for name in question.columns if name not in ("id", "name", "unit")]
        self.fields = fields(*known)
        self._api = api
        self._question = question
        self._params = dict(params)

    def check(self) -> str:
        """Reads the first page and says what an item is; raises Misconfigured for a path nobody fills."""
        is_numbered = self._question.paging in ("page", "offset")
        page = self._numbered(self._first) if is_numbered else self._following("")
        if not page.items:
            raise FileFault(
                ADAPTER, self.subject, "The list is empty.", "Check address and list path.", code="empty"
            )
        for name, path in self._question.columns.items():
            if all(find(one, path) is None for one in page.items):
                raise self._nothing_there(name, page.items[0])
        total = f" of {page.total:,}" if page.total is not None else ""
        row = self._row(page.items[0])
        key = row.supplier_sku or row.sku or row.gtin
        return f"{len(page.items):,} items{total} came at first; the first is “{key}” with {row.quantity}."

    def change_mark(self) -> str:
        """The ETag of a list that is one page, asked for by HEAD; "" where there is none."""
        question = self._question
        if question.paging or question.method != "GET":
            return ""
        try:
            answer = self._api.call("HEAD", question.url, subject=self.subject, params=self._params)
        except (Rejected, NotFound):
            return ""  # many servers know no HEAD
        return str(answer.headers.get("etag", ""))

    def rows(self) -> Iterator[StockRow]:
        """Every item of the list. Raises Misconfigured where the list is not at its path."""
        return (self._row(one) for one in self._items())

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Nothing: such an API is not asked for orders."""
        yield from ()

    def _items(self) -> Iterator[Mapping[str, Any]]:
        question = self._question
        if question.paging not in ("page", "offset"):
            return by_next(self._following, adapter=ADAPTER, subject=self.subject)
        return by_number(
            self._numbered,
            first=self._first,
            step=1 if question.paging == "page" else None,
            adapter=ADAPTER,
            subject=self.subject,
        )

    @property
    def _first(self) -> int:
        return self._question.first_page if self._question.paging == "page" else 0

    def _numbered(self, number: int) -> Page[Mapping[str, Any]]:
        return self._page(self._question.url, {self._question.page_name: number})[0]

    def _following(self, after: str) -> Page[Mapping[str, Any]]:
        question = self._question
        if question.paging == "cursor":
            page, answer = self._page(question.url, {question.page_name: after} if after else {})
            told = as_text(find(answer[1], question.cursor))
            return Page(page.items, page.total, told)
        here = after or self._question.url
        page, (response, document) = self._page(here, {}, is_named=bool(after))
        link = ""
        if question.paging == "link":
            link = response.links.get("next", {}).get("url", "")
        elif question.paging == "next":
            link = as_text(find(document, question.next))
        elif page.total is not None and page.total != len(page.items):
            raise self._wrong(
                "paging", f"It has {page.total:,} items and gave {len(page.items):,}.", "Say how it is paged."
            )
        return Page(page.items, page.total, next_url(here, link, adapter=ADAPTER, subject=self.subject))

    def _page(
        self, url: str, extra: Mapping[str, Any], *, is_named: bool = False
    ) -> tuple[Page[Mapping[str, Any]], tuple[httpx2.Response, Any]]:
        """One page. An address that the API named itself (`is_named`) holds all parameters already."""
        question = self._question
        given = dict(extra)
        if question.size_name and question.size and not is_named:
            given[question.size_name] = question.size
        how: dict[str, Any] = {"params": self._params}
        if question.method == "POST":
            how["json"] = _filled(question.body, given)
        else:
            how["params"] = {**given, **self._params}
        answer = self._api.call(question.method, url, subject=self.subject, **how)
        document = self._api.parse(answer, self.subject)
        found = find(document, question.items)
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise self._no_list(document)
        told = as_text(find(document, question.total)) if question.total else ""
        total = int(told) if told.isascii() and told.isdigit() else None
        if question.total and total is None:
            raise self._wrong(
                "total_path", "There is no number at this path.", "Correct it, or leave it out."
            )
        return Page(found, total), (answer, document)

    def _row(self, item: Mapping[str, Any]) -> StockRow:
        cells = {name: as_text(find(item, path)) for name, path in self._question.columns.items()}
        return StockRow(
            id=cells.get("id", ""),
            sku=cells.get("sku", ""),
            supplier_sku=cells.get("supplier_sku", ""),
            gtin=cells.get("gtin", ""),
            name=cells.get("name", ""),
            quantity=cells.get("quantity", ""),
            cost=cells.get("cost", ""),
            location=cells.get("location", ""),
            unit=cells.get("unit", ""),
            restock_on=_day(cells.get("restock_date", "")),
            lead_time_days=cells.get("lead_time_days", ""),
        )

    def _no_list(self, document: Any) -> PortError:
        lists = [name for name, value in document.items() if isinstance(value, list)] if isinstance(
            document, Mapping
        ) else []  # fmt: skip
        there = f"There are lists at: {', '.join(lists[:6])}." if lists else "Look at one answer of the API."
        return self._wrong("items_path", "There is no list of objects at this path.", there)

    def _nothing_there(self, name: str, item: Mapping[str, Any]) -> PortError:
        names = ", ".join(list(item)[:12])
        return self._wrong("columns", f"No item has anything for {name}.", f"An item holds: {names}.")

    def _wrong(self, name: str, cause: str, remedy: str) -> Misconfigured:
        return Misconfigured(ADAPTER, self.subject, cause, remedy, field=name)


def _filled(body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with each value at its dotted name."""
    filled: dict[str, Any] = copy.deepcopy(dict(body))
    for path, value in given.items():
        place = filled
        *above, last = path.split(".")
        for name in above:
            inner = place.get(name)
            if not isinstance(inner, dict):
                inner = place[name] = {}
            place = inner
        place[last] = value
    return filled


def _day(text: str) -> str:
    """The day of an ISO date and time; any other text as it is, for intake to judge."""
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return text
