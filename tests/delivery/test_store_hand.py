"""The frame of a look at a store: read before writing, finish what was begun, leave what is somebody else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.delivery.store_hand import Change, Hand, Tally
from connector.outbox.messages import Turn
from connector.ports.errors import Rejected, Retryable


@dataclass(frozen=True)
class Answer:
    status: str
    reason: str = ""


@dataclass
class Shelf:
    """A store of numbers and the book about them, in memory; `said` is what was kept, in order."""

    store: dict[int, int]
    answers: dict[int, Answer] = field(default_factory=dict)
    said: list[tuple[Any, ...]] = field(default_factory=list)
    calls: list[dict[int, int]] = field(default_factory=list)

    def read(self, ids: Sequence[int]) -> dict[int, int]:
        return {one: self.store[one] for one in ids if one in self.store}

    def write(self, values: Mapping[int, int]) -> list[Answer]:
        self.calls.append(dict(values))
        given = [self.answers.get(one, Answer("done")) for one in values]
        self.store.update(
            {
                one: value
                for (one, value), answer in zip(values.items(), given, strict=True)
                if answer.status == "done"
            }
        )
        return given

    def begin_undo(self, db: Any, one: int, change: Change[int]) -> None:
        self.said.append(("begin_undo", one, len(self.calls)))

    def done(self, db: Any, one: int, change: Change[int]) -> None:
        self.said.append(("done", one))

    def never(self, db: Any, one: int, change: Change[int]) -> None:
        self.said.append(("never", one))

    def gone(self, db: Any, one: int, reason: str) -> None:
        self.said.append(("gone", one, reason))

    def theirs(self, db: Any, one: int, change: Change[int], present: int) -> None:
        self.said.append(("theirs", one, present))

    def refused(self, db: Any, one: int, change: Change[int], reason: str) -> bool:
        self.said.append(("refused", one, reason))
        return change.is_undo

    def unanswered(self, db: Any, one: int, change: Change[int], reason: str) -> None:
        self.said.append(("unanswered", one, reason))


class NoDatabase:
    """An engine whose transactions only happen."""

    @contextmanager
    def begin(self) -> Iterator[None]:
        yield None

    connect = begin


class Served:
    """A claim that has time for so many questions."""

    turn = Turn(1, "store.price", 7)

    def __init__(self, times: int) -> None:
        self.left = times

    def is_out_of_time(self) -> bool:
        self.left -= 1
        return self.left < 0


def _hand(size: int = 9) -> Hand:
    return Hand(NoDatabase(), None, size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("present", "is_undo", "said"),
    [
        (20, False, ("done", 1)),
        (10, False, ("never", 1)),
        (10, True, ("done", 1)),
        (20, True, ("never", 1)),
        (15, False, ("theirs", 1, 15)),
        (15, True, ("theirs", 1, 15)),
        (None, False, ("gone", 1, "")),
    ],
    ids=["arrived", "never left", "put back", "not put back", "theirs", "theirs while undoing", "gone"],
)
def test_what_was_begun_is_told_by_what_the_store_has(
    present: int | None, is_undo: bool, said: tuple[Any, ...]
) -> None:
    shelf, hand = Shelf({} if present is None else {1: present}), _hand()
    hand.finish_begun(shelf, {1: Change(10, 20, is_undo)})
    assert ([said], []) == (shelf.said, shelf.calls)
    done = said[0] == "done"
    assert (
        Tally(written=done and not is_undo, put_back=done and is_undo, left=said[0] == "theirs") == hand.tally
    )


def test_only_what_still_has_our_value_is_put_back_and_the_intent_stands_before_the_call() -> None:
    shelf, hand = Shelf({1: 20, 2: 15}), _hand()
    hand.put_back(shelf, {one: Change(10, 20, is_undo=True) for one in (1, 2, 3)})
    assert [("begin_undo", 1, 0), ("theirs", 2, 15), ("gone", 3, ""), ("done", 1)] == shelf.said
    assert ([{1: 10}], {1: 10, 2: 15}) == (shelf.calls, shelf.store)
    assert Tally(put_back=1, left=1) == hand.tally


@pytest.mark.parametrize(
    ("is_undo", "is_incomplete"), [(False, False), (True, True)], ids=["book says no", "book says again"]
)
def test_a_refusal_is_tried_again_only_where_the_book_says_so(is_undo: bool, is_incomplete: bool) -> None:
    shelf, hand = Shelf({1: 10}, {1: Answer("rejected", "too low")}), _hand()
    hand.send(shelf, {1: Change(10, 20, is_undo)})
    assert [("refused", 1, "too low")] == shelf.said
    assert Tally(refused=1, is_incomplete=is_incomplete) == hand.tally


def test_one_bad_item_does_not_fail_its_neighbours() -> None:
    answers = {1: Answer("retry", "busy"), 2: Answer("not_found", "deleted")}
    shelf, hand = Shelf({1: 10, 2: 10, 3: 10}, answers), _hand()
    hand.send(shelf, {one: Change(10, 20) for one in (1, 2, 3)})
    assert [("unanswered", 1, "busy"), ("gone", 2, "deleted"), ("done", 3)] == shelf.said
    assert Tally(written=1, is_incomplete=True) == hand.tally


def test_nothing_is_asked_where_there_is_nothing_to_do() -> None:
    shelf = Shelf({})
    _hand().send(shelf, {})
    assert ([], []) == (shelf.calls, shelf.said)


@pytest.mark.parametrize(
    ("times", "writable"),
    [(2, [True, True, True]), (9, [True, True, False])],
    ids=["the time is over", "writing was stopped"],
)
def test_no_further_portion_begins_when(
    times: int, writable: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(writable)
    monkeypatch.setattr("connector.delivery.store_hand.may_write", lambda db, merchant, store: next(answers))
    hand = Hand(NoDatabase(), Served(times), 2)  # type: ignore[arg-type]
    assert [[1, 2], [3, 4]] == [list(part) for part in hand.parts([1, 2, 3, 4, 5])]


def test_a_shop_that_will_not_have_it_is_noted_and_a_fault_goes_on() -> None:
    tally = Tally()
    with tally.noting_refusal():
        raise Rejected("shopify", "prices", "Prices are locked.")
    assert "Prices are locked." in tally.problem
    with pytest.raises(Retryable), tally.noting_refusal():
        raise Retryable("shopify", "prices", "It is down.")
