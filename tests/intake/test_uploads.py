"""Files a person hands over: kept, run, and gone; nothing of them is lost in between."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.intake import runs, uploads
from connector.intake.examine import examine
from connector.intake.records import Outcome, request_run
from connector.intake.sources import BY_HAND
from connector.ports.errors import Misconfigured
from connector.registry import Environment, manifest
from tests.intake.conftest import MERCHANT, SOURCE, SUPPLIER, Shop

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture
def by_hand(shop: Shop) -> Shop:
    """The shop whose supplier has no address."""
    build = manifest("suppliers", "file_feed").build
    shop.rt.suppliers[SUPPLIER] = build(BY_HAND, {}, Environment())
    shop.add_variant("A-1")
    return shop


def hand_over(shop: Shop, content: bytes, name: str = "stock.csv") -> int:
    with shop.engine.begin() as db:
        return uploads.accept(
            db, MERCHANT, SOURCE, name, io.BytesIO(content), actor="owner@shop.test", now=shop.rt.clock()
        )


def take(shop: Shop) -> list[Outcome]:
    shop.rt.manual_clock.advance(minutes=5)
    return uploads.take(shop.rt, MERCHANT, SOURCE)


def test_a_file_handed_over_is_run_and_then_gone(by_hand: Shop) -> None:
    handed_at = by_hand.rt.clock()
    hand_over(by_hand, b"sku,stock\nA-1,4\n", "C:\\exports\\monday.csv")

    outcomes = take(by_hand)

    assert ["applied"] == [one.status for one in outcomes]
    assert {"A-1": 4} == by_hand.available()
    assert [(0,)] == by_hand.all("select count(*) from upload")
    # What was sold between handing over and reading is deducted: the file cannot know of it.
    assert [("monday.csv", "upload", handed_at)] == by_hand.all("select file_name, trigger, as_of from run")
    assert [(handed_at,)] == by_hand.all("select as_of from source where id = 1")


def test_several_are_run_in_the_order_they_came(by_hand: Shop) -> None:
    hand_over(by_hand, b"sku,stock\nA-1,4\n")
    hand_over(by_hand, b"<html><body>Please sign in</body></html>")
    hand_over(by_hand, b"sku,stock\nA-1,9\n")

    assert ["applied", "failed", "applied"] == [one.status for one in take(by_hand)]
    assert {"A-1": 9} == by_hand.available()


def test_a_kill_between_run_and_forgetting_takes_the_file_again_without_harm(by_hand: Shop) -> None:
    hand_over(by_hand, b"sku,stock\nA-1,4\n")
    kept = by_hand.all("select name, size_bytes, packed, actor, received_at from upload")[0]
    take(by_hand)
    with by_hand.engine.begin() as db:
        db.exec_driver_sql(
            "insert into upload (merchant_id, source_id, name, size_bytes, packed, actor, received_at)"
            " values (1, 1, %s, %s, %s, %s, %s)",
            kept,
        )

    assert ["unchanged"] == [one.status for one in take(by_hand)]
    assert {"A-1": 4} == by_hand.available()


def test_a_file_whose_promised_run_failed_by_accident_is_run_again(
    by_hand: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = request_run(by_hand.engine, MERCHANT, SOURCE, trigger="push", now=by_hand.rt.clock())
    upload_id = hand_over(by_hand, b"sku,stock\nA-1,4\n")
    with by_hand.engine.begin() as db:
        db.exec_driver_sql("update upload set run_id = %s where id = %s", (run_id, upload_id))

    with monkeypatch.context() as patch:
        patch.setattr(runs, "examine", lambda *_a, **_b: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take(by_hand)
    assert ["applied"] == [one.status for one in take(by_hand)]

    assert {"A-1": 4} == by_hand.available()
    assert [(run_id, "failed"), (run_id + 1, "applied")] == by_hand.all(
        "select id, status from run order by id"
    )


def test_a_file_that_cannot_be_run_at_all_holds_up_no_newer_one_for_ever(
    by_hand: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = hand_over(by_hand, b"sku,stock\nA-1,4\n")
    hand_over(by_hand, b"sku,stock\nA-1,9\n")

    def breaks(run: Any, *more: Any, **named: Any) -> Any:
        if by_hand.all("select 1 from run where status = 'running' and file_name = 'bad.csv'"):
            raise ZeroDivisionError
        return examine(run, *more, **named)

    with by_hand.engine.begin() as db:
        db.exec_driver_sql("update upload set name = 'bad.csv' where id = %s", (bad,))
    monkeypatch.setattr(runs, "examine", breaks)
    for _ in range(uploads.PATIENCE):
        with pytest.raises(ZeroDivisionError):
            take(by_hand)
    assert ["applied"] == [one.status for one in take(by_hand)]
    assert ({"A-1": 9}, [(0,)]) == (by_hand.available(), by_hand.all("select count(*) from upload"))
    assert [("failed", 3), ("applied", 1)] == by_hand.all(
        "select status, count(*) from run group by status order by status desc"
    )


def test_a_file_alone_is_tried_until_it_works(by_hand: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over(by_hand, b"sku,stock\nA-1,4\n")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "examine", lambda *_a, **_b: 1 / 0)
        for _ in range(uploads.PATIENCE + 1):
            with pytest.raises(ZeroDivisionError):
                take(by_hand)
    assert ["applied"] == [one.status for one in take(by_hand)]
    assert {"A-1": 4} == by_hand.available()


def test_a_fetch_of_a_supplier_without_an_address_says_what_to_do(by_hand: Shop) -> None:
    with pytest.raises(Misconfigured, match=r"handed over by a person.*dispo supplier upload"):
        by_hand.run()


@pytest.mark.parametrize("content", [b"", b"x" * (uploads.MOST_BYTES + 1)], ids=["empty", "too large"])
def test_an_impossible_file_is_refused_before_it_is_kept(by_hand: Shop, content: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"stock\.csv"):
        hand_over(by_hand, content)

    assert [(0,)] == by_hand.all("select count(*) from upload")


def test_a_strangers_source_takes_no_file(by_hand: Shop) -> None:
    with by_hand.engine.begin() as db, pytest.raises(LookupError):
        uploads.accept(db, 99, SOURCE, "a.csv", io.BytesIO(b"sku,stock\n"), actor="x", now=NOW)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\Stock été.csv", "Stock été.csv"),
        ("..", "upload"),
        ("", "upload"),
        ("a\x00b.csv", "a_b.csv"),
        ("x" * 300 + ".csv", "x" * 116 + ".csv"),
    ],
)
def test_a_name_a_browser_sends_is_made_safe(sent: str, kept: str) -> None:
    assert kept == uploads.safe_name(sent)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"gone\.csv"):
        uploads.from_disk(tmp_path / "gone.csv")
