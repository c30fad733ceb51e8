"""What a store's number, as read, says about sales: the arithmetic alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CLEARLY = 1.5
"""By so much one explanation of a lost write must be the likelier one to be believed."""
RISE = 3
"""Units that came back, by a cancelled order nobody told of, are rarer than units sold."""
MOST = 12
"""One listing that somebody else set to anything does not speak for all."""


@dataclass(frozen=True, slots=True)
class NumberRead:
    """A store's number for one listing, as read. `target` is what a write of unknown outcome wanted to
    set where it expected `expected`, None when there is no such write. `believed` and `doubted` are what we
    believed when we asked: where an order or a cancel was recorded since, the number is not used, because
    it may or may not have it. None: not checked."""

    listing_id: int
    remote: int
    target: int | None = None
    expected: int | None = None
    believed: int | None = None
    doubted: int = 0


def fall_of(ranges: Sequence[tuple[int, int]], remote: int, was_done: bool | None, orders_tell: bool) -> int:
    """Units by which `remote` lies below what the store may have held before shoppers acted, negative when
    it lies above. `ranges` are its numbers if a write of unknown outcome was not done and, the second, if it
    was; one range when there is no such write.

    A number in either range is no sale. Of two explanations the one that was found true counts, else the
    nearer one, a sale rather than a rise: ten were there, four were to be set, and nine are a sale of one.
    Where no orders are read to tell the rest, a sale always goes before a rise.
    """
    if any(low <= remote <= high for low, high in ranges):
        return 0
    if was_done is not None and len(ranges) > 1:
        ranges = [ranges[was_done]]
    falls = [low - remote if remote < low else high - remote for low, high in ranges]
    if not orders_tell and max(falls) > 0:
        return min(fall for fall in falls if fall > 0)
    return min(falls, key=lambda fall: (abs(fall), fall < 0))


def possible(believed: int, doubted: int, read: NumberRead) -> list[tuple[int, int]]:
    """What the store may hold if nobody bought: believed … believed + doubted; or, if the write of unknown
    outcome was done, its target, less what was ordered and more what was cancelled since it was frozen."""
    low, high = believed, believed + doubted
    if read.target is None:
        return [(low, high)]
    was = low if read.expected is None else read.expected
    return [(low, high), (read.target - max(0, was - low), read.target + max(0, high - was))]


def was_done(found: Sequence[tuple[list[tuple[int, int]], int]]) -> bool | None:
    """Whether a write of unknown outcome was done: what its listings together explain with the fewest sales
    nobody told of; None when both ways are about as likely. `found` are their ranges and numbers read, of
    one write.

    Counting which range each number lies in is not enough: sales not heard of yet lower every number, so
    they look like a done decrease and never like a done increase.
    """
    both = [(ranges, remote) for ranges, remote in found if len(ranges) > 1]
    undone, done = (sum(_surprise(ranges[way], remote) for ranges, remote in both) for way in (0, 1))
    if undone == done or max(undone, done) < CLEARLY * min(undone, done):
        return None
    return done < undone


def _surprise(expected: tuple[int, int], remote: int) -> int:
    low, high = expected
    return min(MOST, low - remote if remote < low else RISE * max(0, remote - high))
