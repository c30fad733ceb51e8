"""Reading a list that comes in pages, whole or not at all.

Three shapes: by key (the only one that nothing can be missed in while the list changes; `by_server_key` where
only the server knows how keys are sorted), by number or offset, and by what the server says comes next. Each
ends with everything, or raises.

    ListMoved    the list changed under our feet: `live.LiveSource` reads it again from the beginning
    FileFault    the server's pages make no sense: code "paging"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin, urlsplit

from connector.ports.errors import FileFault

T = TypeVar("T")
MOST_PAGES = 1_000_000


class ListMoved(Exception):
    """What was read of a list does not fit together, because it changed meanwhile. Never leaves the kit."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`items` in the server's order. `total` is how many the whole list has, None where it is not told.
    `after` is the cursor or address of the next page, "" at the end; for `by_next` only."""

    items: Sequence[T]
    total: int | None = None
    after: str = ""


def by_key(
    read: Callable[[Any], Sequence[T]], key: Callable[[T], Any], *, first: Any, adapter: str, subject: str
) -> Iterator[T]:
    """Every item of a list that the server sorts by a unique `key` and begins after the one given.

    `read(last)` gives the items whose key is greater than `last`, ascending, `first` standing before all;
    an empty page ends the list. Raises FileFault when keys do not rise: the server ignored the order.
    """
    last = first
    for _ in range(MOST_PAGES):
        items = read(last)
        if not items:
            return
        for item in items:
            here = key(item)
            if not here > last:
                raise _senseless(adapter, subject, "Its pages are not in the order that was asked for.")
            last = here
            yield item
    raise _senseless(adapter, subject, "Its pages do not end.")


def by_server_key(
    read: Callable[[str], Sequence[T]], key: Callable[[T], str], *, adapter: str, subject: str
) -> Iterator[T]:
    """As `by_key`, for texts that the server sorts by rules of its own (upper and lower case, accents), which
    cannot be checked here: instead no key may come twice. `read("")` begins."""
    last, seen = "", set[str]()
    for _ in range(MOST_PAGES):
        items = read(last)
        if not items:
            return
        for item in items:
            last = key(item)
            if not last or last in seen:
                raise _senseless(adapter, subject, "Its pages are not in the order that was asked for.")
            seen.add(last)
            yield item
    raise _senseless(adapter, subject, "Its pages do not end.")


def by_number(
    read: Callable[[int], Page[T]],
    *,
    adapter: str,
    subject: str,
    first: int = 1,
    step: int | None = 1,
) -> Iterator[T]:
    """Every item of a list whose pages are numbered from `first` by `step`; `step` None: the number is an
    offset and rises by the items read.

    Ends when as many came as the server's total says, else at the first empty page (a short page proves
    nothing: servers cut pages as they like). Raises ListMoved when the total changed or is not met, and
    FileFault when the same page comes again and again.
    """
    number, count = first, 0
    total: int | None = None
    before: Sequence[T] | None = None
    for _ in range(MOST_PAGES):
        page = read(number)
        if page.items and before is not None and list(page.items) == list(before):
            raise _senseless(adapter, subject, "It answers the same page whatever page is asked for.")
        total = _same_total(total, page.total)
        yield from page.items
        count += len(page.items)
        if not page.items or (total is not None and count >= total):
            return _complete(total, count)
        before = page.items
        number += len(page.items) if step is None else step
    raise _senseless(adapter, subject, "Its pages do not end.")


def by_next(read: Callable[[str], Page[T]], *, adapter: str, subject: str, first: str = "") -> Iterator[T]:
    """Every item of a list whose pages say themselves what comes after them.

    `read(cursor)` gives the page at a cursor or address, `first` for the first. Raises FileFault when a
    cursor comes a second time, ListMoved when the total changed or is not met.
    """
    cursor, count = first, 0
    total: int | None = None
    seen = {cursor}
    for _ in range(MOST_PAGES):
        page = read(cursor)
        total = _same_total(total, page.total)
        yield from page.items
        count += len(page.items)
        if not page.after:
            return _complete(total, count)
        if page.after in seen:
            raise _senseless(adapter, subject, "Its pages lead in a circle.")
        cursor = page.after
        seen.add(cursor)
    raise _senseless(adapter, subject, "Its pages do not end.")


def next_url(here: str, link: str, *, adapter: str, subject: str) -> str:
    """The address of the next page that the page at `here` names, "" for none; relative ones are completed.

    Raises FileFault for an address at another host, or without encryption where `here` has it: credentials
    go along.
    """
    if not link:
        return ""
    there = urljoin(here, link)
    try:
        before, after = urlsplit(here), urlsplit(there)
        is_same = (before.scheme, before.hostname, before.port) == (after.scheme, after.hostname, after.port)
    except ValueError:
        is_same = False
    if not is_same or after.username or after.password:
        raise _senseless(adapter, subject, "Its next page is at another address than the list itself.")
    return there


def _same_total(known: int | None, told: int | None) -> int | None:
    if known is not None and told is not None and told != known:
        raise ListMoved(f"the list had {known} items and then {told}")
    return known if told is None else told


def _complete(total: int | None, count: int) -> None:
    if total is not None and count != total:
        raise ListMoved(f"{count} of {total} items came")


def _senseless(adapter: str, subject: str, cause: str) -> FileFault:
    return FileFault(
        adapter, subject, cause, "Yesterday's stock is kept. Check how the list is paged.", code="paging"
    )
