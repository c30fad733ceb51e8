"""Runs from end to end, on real PostgreSQL with a supplier in memory."""

from __future__ import annotations

import errno
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.intake import archive, pacing, runs
from connector.intake.records import request_run
from connector.intake.runtime import SourceBusy
from connector.ports.errors import FileFault, Retryable
from connector.positions.decide import Decided
from connector.positions.decide import decide as decide_really
from tests.intake.conftest import MERCHANT, SOURCE, Shop

FIRST = "SKU,Stock\nA-1,5\nB-2,0\nC-3,>100\nD-4,9\n"


def test_a_first_file_is_observed_matched_and_decided(shop: Shop) -> None:
    for sku in ("A-1", "b-2", "C-3"):
        shop.add_variant(sku)

    outcome = shop.run(FIRST)

    assert (outcome.status, outcome.error, outcome.rows_read, outcome.rows_new) == ("applied", "", 4, 4)
    assert shop.observed() == {"a-1": 5, "b-2": 0, "c-3": 100, "d-4": 9}
    assert shop.available() == {"A-1": 5, "C-3": 100, "b-2": 0}
    assert (outcome.variants_decided, outcome.variants_changed) == (3, 3)
    assert shop.all("select count(*) from outbox_message where topic = 'store.quantity'") == [(3,)]


def test_the_same_bytes_end_the_run_and_confirm_the_stock(shop: Shop) -> None:
    shop.run(FIRST)

    outcome = shop.run(minutes=30)

    assert (outcome.status, outcome.rows_read) == ("unchanged", 0)
    assert len(shop.supplier.tables) == 1, "the file is not even opened"
    assert shop.all("select as_of from source") == [(shop.rt.clock(),)]


def test_a_platform_that_sets_a_pace_is_asked_whether_it_is_early(shop: Shop) -> None:
    assert pacing.early_s(shop.rt, MERCHANT, SOURCE) == 0
    shop.supplier.early_s = lambda: 90.0  # type: ignore[attr-defined]
    assert pacing.early_s(shop.rt, MERCHANT, SOURCE) == 90
    with pytest.raises(LookupError):
        pacing.early_s(shop.rt, MERCHANT, 10**9)


def test_not_modified_moves_as_of_only_where_it_confirms_the_stock(shop: Shop) -> None:
    shop.run(FIRST)
    first = shop.rt.clock()
    shop.supplier.says_unchanged = True
    shop.source(confirms_unchanged=False)

    assert shop.run().status == "unchanged"
    assert shop.all("select as_of from source") == [(first,)]

    shop.source(confirms_unchanged=True)
    assert shop.run().status == "unchanged"
    assert shop.all("select as_of from source") == [(shop.rt.clock(),)]


def test_only_new_records_are_read_and_only_changed_rows_written(shop: Shop) -> None:
    shop.run(FIRST)
    versions = dict(shop.all("select item_key, xmin::text from observation"))

    outcome = shop.run(FIRST.replace("A-1,5", "A-1,4"))

    assert (outcome.rows_read, outcome.rows_changed, outcome.rows_new) == (4, 1, 0)
    assert shop.supplier.tables[1].parsed == 1
    now = dict(shop.all("select item_key, xmin::text from observation"))
    assert [key for key in versions if versions[key] != now[key]] == ["a-1"]
    assert shop.all("select previous ->> 3 from observation where item_key = 'a-1'") == [("5",)]


def test_a_record_that_reads_the_same_is_no_change(shop: Shop) -> None:
    shop.add_variant("A-1")
    shop.run("SKU,Stock,Title\nA-1,5,old\n")

    outcome = shop.run("SKU,Stock,Title\nA-1,5,new\n")

    assert (outcome.status, outcome.rows_changed, outcome.variants_decided) == ("applied", 0, 0)
    assert shop.all("select run_id, previous from observation") == [(1, None)]
    assert shop.run("SKU,Stock,Title\nA-1,5,new\nB-2,1,x\n").rows_new == 1
    assert shop.supplier.tables[2].parsed == 1


def test_row_faults_are_kept_with_line_and_column_and_the_rest_goes_on(shop: Shop) -> None:
    outcome = shop.run("SKU,Stock\nA-1,5\n,7\nC-3,soon\nD-4,-2\nE-5,99999999\nF-6,1,9\n" + _filler(20))

    assert (outcome.status, outcome.rows_rejected) == ("applied", 4)
    assert shop.issues() == [
        (3, "SKU", "no_key"),
        (4, "Stock", "unknown_quantity"),
        (5, "Stock", "note:negative_as_zero"),
        (6, "Stock", "absurd_quantity"),
        (7, "", "column_count"),
    ]
    assert {key: shop.observed().get(key) for key in ("a-1", "c-3", "d-4", "e-5", "f-6")} == {
        "a-1": 5,
        "c-3": None,
        "d-4": 0,
        "e-5": None,
        "f-6": None,
    }
    assert shop.all("select cells from run_issue where line = 4") == [(["C-3", "soon"],)]


def test_a_known_item_whose_row_is_rejected_keeps_its_number_and_the_moment_it_held_for(shop: Shop) -> None:
    shop.run("SKU,Stock\nA-1,5\n" + _filler(20))
    first = shop.rt.clock()

    shop.run("SKU,Stock\nA-1,soon\n" + _filler(20))

    assert shop.all(
        "select quantity, as_of, line_digest, missed_runs from observation where item_key='a-1'"
    ) == [(5, first, 0, 0)]
    shop.run("SKU,Stock\nA-1,5\n" + _filler(20))
    assert shop.all("select quantity, as_of, run_id from observation where item_key='a-1'") == [(5, None, 1)]


def test_detail_of_faults_is_capped_and_their_count_exact(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.intake.reading.STORED_ISSUES", 3)
    text = "SKU,Stock\n" + _filler(100) + "".join(f"X-{n},soon\n" for n in range(10))

    outcome = shop.run(text)

    assert (outcome.status, outcome.rows_rejected) == ("applied", 10)
    assert shop.all("select code, count(*) from run_issue group by code order by code") == [
        ("summary", 1),
        ("unknown_quantity", 3),
    ]
    assert shop.all("select reason from run_issue where code = 'summary'") == [
        ("10 in all (unknown_quantity 10); detail is kept for the first 3.",)
    ]


def test_two_lines_of_one_item_that_disagree_are_held_out_and_both_named(shop: Shop) -> None:
    outcome = shop.run("SKU,Stock\nA-1,5\nB-2,1\na-1,7\nC-3,2\nC-3,2\n")

    assert shop.observed() == {"b-2": 1, "c-3": 2}
    assert outcome.rows_rejected == 2
    assert shop.all("select line, code, reason from run_issue") == [
        (
            2,
            "duplicate_sku",
            "“a-1” is on lines 2 and 4 with the quantities 5 and 7: "
            "say whether the last counts, the largest, or their sum.",
        )
    ]


@pytest.mark.parametrize(("policy", "units"), [("last", 3), ("sum", 8), ("max", 5)])
def test_lines_of_one_item_count_as_declared(shop: Shop, policy: str, units: int) -> None:
    shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Stock"}, "duplicates": policy})

    assert shop.run("SKU,Stock\nA-1,5\nA-1,3\nB-2,1\n").rows_rejected == 0
    assert shop.observed() == {"a-1": units, "b-2": 1}


@pytest.mark.parametrize(("policy", "units"), [("last", 3), ("sum", 12), ("max", 9)])
def test_a_change_of_one_of_two_lines_is_combined_with_the_other(shop: Shop, policy: str, units: int) -> None:
    shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Stock"}, "duplicates": policy})
    shop.run("SKU,Stock\nA-1,5\nA-1,3\nB-2,1\n")

    shop.run("SKU,Stock\nA-1,9\nA-1,3\nB-2,1\n")

    assert shop.observed() == {"a-1": units, "b-2": 1}


def test_a_second_line_for_a_known_item_is_noticed_although_the_first_is_unchanged(shop: Shop) -> None:
    shop.run("SKU,Stock\nA-1,5\nB-2,1\n")

    outcome = shop.run("SKU,Stock\nA-1,5\nB-2,1\nA-1,8\n")

    assert shop.observed() == {"a-1": 5, "b-2": 1}
    assert shop.issues() == [(2, "SKU", "duplicate_sku")]
    assert outcome.rows_rejected == 2


def test_a_doubled_line_that_becomes_single_counts_once_under_sum(shop: Shop) -> None:
    shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Stock"}, "duplicates": "sum"})
    shop.run("SKU,Stock\nA-1,5\nA-1,5\nB-2,1\n")
    assert shop.observed() == {"a-1": 10, "b-2": 1}

    shop.run("SKU,Stock\nA-1,5\nB-2,1\n")

    assert shop.observed() == {"a-1": 5, "b-2": 1}


def test_rows_of_several_places_are_summed_and_others_left_out(shop: Shop) -> None:
    columns = {"sku": "SKU", "quantity": "Stock", "location": "Warehouse"}
    shop.source(mapping={"columns": columns, "locations": ["Lyon", "Lille"]})
    text = "SKU,Stock,Warehouse\nA-1,5,Lyon\nA-1,2,lille\nA-1,100,Madrid\nB-2,4,Madrid\n"

    outcome = shop.run(text)

    assert shop.observed() == {"a-1": 7}
    assert outcome.rows_rejected == 0
    shop.run(text.replace("2,lille", "3,lille"))
    assert shop.observed() == {"a-1": 8}


class TestMissingRows:
    TEXT = "SKU,Stock\nA-1,5\nB-2,7\n"

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [("keep", [5, 5, 5, 5]), ("zero", [0, 0, 0, 0]), ("zero_after", [5, 5, 0, 0])],
    )
    def test_the_policy_decides_after_how_many_misses_an_item_is_out(
        self, shop: Shop, policy: str, expected: list[int]
    ) -> None:
        shop.add_variant("A-1")
        shop.source(missing_policy=policy, missing_after=3)
        shop.run(self.TEXT)

        seen = []
        for stock in range(10, 14):
            shop.run(f"SKU,Stock\nB-2,{stock}\n")
            seen.append(shop.available()["A-1"])

        assert seen == expected

    def test_a_missing_item_keeps_the_moment_it_was_last_seen(self, shop: Shop) -> None:
        shop.run(self.TEXT)
        first = shop.rt.clock()

        outcome = shop.run("SKU,Stock\nB-2,8\n")

        assert outcome.rows_missing == 1
        assert shop.all("select quantity, as_of, missed_runs from observation where item_key = 'a-1'") == [
            (5, first, 1)
        ]

    def test_an_item_that_comes_back_is_read_even_if_its_record_is_the_old_one(self, shop: Shop) -> None:
        shop.add_variant("A-1")
        shop.source(missing_policy="zero")
        shop.run(self.TEXT)
        shop.run("SKU,Stock\nB-2,8\n")

        shop.run("SKU,Stock\nA-1,5\nB-2,8\n")

        assert shop.available() == {"A-1": 5}
        assert shop.all("select missed_runs, as_of from observation where item_key = 'a-1'") == [(0, None)]

    def test_items_of_another_source_are_not_missing(self, shop: Shop) -> None:
        shop.source(missing_policy="zero")
        shop.run(self.TEXT)
        shop.all(
            "insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)"
            " values (1, 99, 'z', 'z', 3, 1) returning 1"
        )

        shop.run("SKU,Stock\nB-2,8\n")

        assert shop.all("select quantity from observation where source_id = 99") == [(3,)]

    def test_items_gone_for_long_cost_no_write(self, shop: Shop) -> None:
        shop.run(self.TEXT)
        shop.run("SKU,Stock\nB-2,8\n")
        before = shop.all("select xmin::text from observation where item_key = 'a-1'")

        shop.run("SKU,Stock\nB-2,9\n")

        assert shop.all("select xmin::text from observation where item_key = 'a-1'") == before


class TestFileFaults:
    def test_a_web_page_fails_the_run_and_keeps_yesterdays_stock(self, shop: Shop) -> None:
        shop.run(FIRST)

        outcome = shop.run("<html>Maintenance</html>")

        assert (outcome.status, outcome.error_code) == ("failed", "html_page")
        assert outcome.error == "It is a web page. Check the address."
        assert shop.observed()["d-4"] == 9

    def test_a_missing_column_is_named(self, shop: Shop) -> None:
        shop.run(FIRST)

        outcome = shop.run("SKU,Price\nA-1,5\n")

        assert (outcome.status, outcome.error_code) == ("failed", "missing_column")
        assert "“Stock” (quantity)" in outcome.error

    def test_a_file_without_rows_is_not_an_empty_shop(self, shop: Shop) -> None:
        shop.run(FIRST)

        outcome = shop.run("SKU,Stock\n")

        assert (outcome.status, outcome.error_code) == ("failed", "empty")
        assert shop.observed()["a-1"] == 5

    def test_columns_that_say_nothing_ask_for_a_mapping(self, shop: Shop) -> None:
        outcome = shop.run("foo,bar\nx,y\n")

        assert (outcome.status, outcome.error_code) == ("failed", "mapping_needed")

    def test_a_passing_fault_is_recorded_and_raised_for_the_schedule(self, shop: Shop) -> None:
        shop.supplier.fails = Retryable("fake", "https://acme.example", "It answers 502.", "Try again later.")

        with pytest.raises(Retryable):
            shop.run(FIRST)

        assert shop.all("select status, error_code, error from run") == [
            ("failed", "Retryable", "It answers 502. Try again later.")
        ]

    def test_a_truncated_fetch_leaves_no_file(self, shop: Shop) -> None:
        shop.supplier.fails = FileFault("fake", "stock.csv", "Cut.", "It is tried again.", code="truncated")

        assert shop.run(FIRST).error_code == "truncated"

        assert [path for path in shop.rt.data_dir.rglob("*") if path.is_file()] == []


class TestTime:
    def test_as_of_is_the_files_own_time_but_never_the_future(self, shop: Shop) -> None:
        shop.supplier.as_of = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
        shop.run(FIRST)
        assert shop.all("select as_of from source") == [(datetime(2026, 1, 5, 8, 30, tzinfo=UTC),)]

        shop.supplier.as_of = shop.rt.clock() + timedelta(days=1)
        shop.run(FIRST.replace("A-1,5", "A-1,6"))
        assert shop.all("select as_of from source") == [(shop.rt.clock(),)]

    def test_variants_with_sales_the_supplier_now_knows_of_are_decided_again(self, shop: Shop) -> None:
        variant = shop.add_variant("A-1")
        shop.run("SKU,Stock\nA-1,5\nB-2,7\n")
        shop.all(
            "insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin)"
            " values (1, 1, :variant, 1, 2, :at, 'order') returning id",
            variant=variant,
            at=shop.rt.clock() + timedelta(minutes=1),
        )
        decide_really(shop.engine, MERCHANT, [variant], now=shop.rt.clock(), cause=runs.Cause("order"))
        assert shop.available() == {"A-1": 3}

        outcome = shop.run("SKU,Stock\nA-1,5\nB-2,8\n")

        assert outcome.variants_decided == 1
        assert shop.available() == {"A-1": 5}


class TestOneAtATime:
    def test_a_second_run_says_that_the_first_is_at_work(self, shop: Shop) -> None:
        raised: list[SourceBusy] = []

        def decide(*args: object, **kwargs: object) -> Decided:
            with pytest.raises(SourceBusy) as caught:
                runs.run(shop.rt, MERCHANT, SOURCE, trigger="second")
            raised.append(caught.value)
            return Decided()

        shop.run(FIRST, decide=decide)

        assert [error.run_id for error in raised] == [1]
        assert str(raised[0]) == "Source 1 is already being read by run 1: wait until it has ended."
        assert shop.all("select count(*) from run") == [(1,)]

    def test_a_requested_run_is_taken_up(self, shop: Shop) -> None:
        asked = request_run(shop.engine, MERCHANT, SOURCE, trigger="button", now=shop.rt.clock())
        other = request_run(shop.engine, MERCHANT, SOURCE, trigger="button", now=shop.rt.clock())

        outcome = shop.run(FIRST, run_id=asked)

        assert (outcome.run_id, outcome.status) == (asked, "applied")
        assert shop.all("select stage, status from run where id = :id", id=other) == [("queued", "running")]

    def test_an_unknown_source_is_an_error(self, shop: Shop) -> None:
        with pytest.raises(LookupError, match=r"Merchant 1 has no source 77\."):
            runs.run(shop.rt, MERCHANT, 77, trigger="test")

    def test_another_merchants_source_is_unknown(self, shop: Shop) -> None:
        with pytest.raises(LookupError):
            runs.run(shop.rt, 2, SOURCE, trigger="test")


class Killed(BaseException):
    """Stands for the end of the process."""


def _state(shop: Shop) -> list[object]:
    return [
        shop.all("select item_key, quantity, line, line_digest, missed_runs from observation order by 1"),
        shop.all(
            "select v.sku, p.available, p.state from position p join variant v on v.id = p.variant_id order by 1"
        ),
        shop.all("select variant_id, wanted_available from listing order by 1"),
        shop.all("select topic, subject, status from outbox_message order by 1, 2"),
        shop.all("select digests, version, row_count from snapshot"),
        shop.all("select item_key, variant_id, how from supplier_item order by 1"),
        shop.all("select count(*) from run where status = 'running'"),
    ]


STAGES = ["fetch", "compare", "read", "guard", "write", "decide", "half decided", "end"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_at_any_stage_and_run_again_ends_in_the_same_state(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    for sku in ("A-1", "B-2", "C-3"):
        shop.add_variant(sku)
    second = FIRST.replace("A-1,5", "A-1,4").replace("C-3,>100", "C-3,3").replace("D-4,9\n", "E-5,1\n")
    shop.source(missing_policy="zero")
    shop.run(FIRST)

    with monkeypatch.context() as patch:
        # A killed process writes nothing more: neither the ending of the run nor its failure.
        patch.setattr(runs, "fail_run", lambda *args: None)
        decide = decide_really
        if stage in ("decide", "half decided"):

            def decide(engine: sa.Engine, merchant: int, ids: list[int], **more: object) -> Decided:  # type: ignore[misc]
                if stage == "half decided":
                    decide_really(engine, merchant, ids[:1], **more)  # type: ignore[arg-type]
                raise Killed

        elif stage == "end":
            patch.setattr(runs._Work, "_close", _die)
        elif stage == "fetch":
            shop.supplier.fails = Killed()  # type: ignore[assignment]
        else:

            class Dying(runs.Progress):
                def __call__(self, now: str, rows: int = 0) -> None:
                    super().__call__(now, rows)
                    if now == stage:
                        raise Killed

            patch.setattr(runs, "Progress", Dying)
        with pytest.raises(Killed):
            shop.run(second, decide=decide)
    shop.supplier.fails = None
    shop.run(second, minutes=0)
    killed = _state(shop)

    shop.all("delete from run_issue returning 1")
    with shop.engine.begin() as db:
        db.exec_driver_sql(
            "truncate run, observation, snapshot, supplier_item, position, movement, outbox_message, outbox_turn"
        )
        db.exec_driver_sql("update source set mark = '{}', as_of = null")
        db.exec_driver_sql("update listing set wanted_available = null, is_managed = false")
    shop.run(FIRST)
    shop.run(second)
    assert killed == _state(shop)


def test_a_mapping_that_is_chosen_while_a_file_is_read_stays_and_the_file_is_read_under_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add_variant("A-1")
    file = "SKU,Stock,Free stock\nA-1,9,5\n"
    shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Stock"}})

    def examined(*args: Any, **more: Any) -> Any:
        found = really(*args, **more)
        shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Free stock"}})
        return found

    really = runs.examine
    with monkeypatch.context() as patch:
        patch.setattr(runs, "examine", examined)
        shop.run(file)
    assert {"A-1": 9} == shop.available()

    assert "applied" == shop.run(file).status
    assert {"A-1": 5} == shop.available()


def test_a_run_that_fails_while_it_decides_is_decided_by_the_next(shop: Shop) -> None:
    shop.add_variant("A-1")
    shop.run("SKU,Stock\nA-1,5\n")

    with pytest.raises(Killed):
        shop.run("SKU,Stock\nA-1,0\n", decide=_die)
    assert [("running", "decide")] == shop.all("select status, stage from run where id = 2")

    assert "unchanged" == shop.run(minutes=1).status
    assert {"A-1": 0} == shop.available()
    assert [("applied", "")] == shop.all("select status, error from run where id = 2")


def _die(*args: object, **kwargs: object) -> None:
    raise Killed


def test_an_interrupted_run_that_applied_nothing_is_reported(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runs, "fail_run", lambda *args: None)
        shop.supplier.fails = Killed()  # type: ignore[assignment]
        with pytest.raises(Killed):
            shop.run(FIRST)
    shop.supplier.fails = None

    shop.run(FIRST)

    assert shop.all("select id, status, error_code from run order by id") == [
        (1, "failed", "interrupted"),
        (2, "applied", ""),
    ]


def test_files_are_kept_compressed_each_content_once(shop: Shop) -> None:
    for units in (5, 6, 5):
        shop.run(f"SKU,Stock\nA-1,{units}\n")

    paths = [row[0] for row in shop.all("select feed_path from run order by id")]
    assert paths[0] == paths[2] != paths[1]
    assert gzip.decompress((shop.rt.data_dir / paths[1]).read_bytes()) == b"SKU,Stock\nA-1,6\n"
    assert sorted(path.suffix for path in (shop.rt.data_dir / "feeds/1/1").iterdir()) == [".gz", ".gz"]


def test_a_full_disk_stops_no_stock(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, directory: Path, sha256: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "keep", full)

    assert shop.run("SKU,Stock\nA-1,5\n").status == "applied"

    assert shop.observed() == {"a-1": 5}
    assert shop.all("select feed_path, shape ->> 'not_kept' from run") == [("", "no_space")]


def test_a_change_of_the_mapping_reads_the_same_file_again(shop: Shop) -> None:
    shop.run("SKU,Stock,Free\nA-1,5,2\nB-2,7,1\n")
    shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Free"}})

    outcome = shop.run()

    assert (outcome.status, outcome.rows_changed) == ("applied", 2)
    assert shop.observed() == {"a-1": 2, "b-2": 1}


def test_a_decimal_sign_proved_at_the_end_of_the_file_counts_for_all_of_it(shop: Shop) -> None:
    outcome = shop.run("SKU;x,Stock\n".replace(";x", "") + 'A-1,"1.234"\nB-2,"2.500"\nC-3,"12,5"\n')

    assert (outcome.status, outcome.rows_rejected) == ("applied", 0)
    assert shop.observed() == {"a-1": 1234, "b-2": 2500, "c-3": 12}
    assert shop.all("select mapping -> 'decimal' ->> 'quantity' from source") == [(",",)]


def test_a_decimal_sign_that_nothing_proves_is_a_row_fault(shop: Shop) -> None:
    shop.run('SKU,Stock\nA-1,"1.234"\n' + _filler(10))

    assert "a-1" not in shop.observed()
    assert shop.issues() == [(2, "Stock", "ambiguous_number")]


def _filler(count: int) -> str:
    return "".join(f"F-{n},{n + 3}\n" for n in range(100, 100 + count))
