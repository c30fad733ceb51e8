"""Reading kept files again, and how long they are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.intake import archive
from connector.intake.held import reject
from connector.intake.replay import kept, look, replay
from connector.intake.retention import Kept, Policy, chosen, forget_rows, tidy, tidy_large
from connector.intake.runtime import NotPossible
from connector.intake.undo import undo
from connector.ports.errors import FileFault
from tests.intake.conftest import MERCHANT, Shop

FIRST = "SKU,Stock\nA-1,5\nB-2,7\n"
SECOND = "SKU,Stock\nA-1,3\nB-2,7\n"


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    for sku in ("A-1", "B-2"):
        shop.add_variant(sku)
    shop.run(FIRST)
    shop.run(SECOND)
    return shop


def test_a_look_at_a_past_file_writes_nothing(stocked: Shop) -> None:
    before = stocked.all("select to_jsonb(o) from observation o order by 1")

    seen = look(stocked.rt, MERCHANT, 1)

    assert [(one.sku, one.before, one.after) for one in seen.effect.first] == [("A-1", 3, 5)]
    assert stocked.all("select to_jsonb(o) from observation o order by 1") == before
    assert stocked.all("select count(*) from run") == [(2,)]
    assert [path.suffix for path in (stocked.rt.data_dir / "feeds/1/1").iterdir()] == [".gz", ".gz"]


def test_an_older_file_is_applied_only_when_it_is_meant_and_stays_of_its_time(stocked: Shop) -> None:
    first = stocked.all("select as_of from run where id = 1")[0][0]
    with pytest.raises(NotPossible, match=r"older than what counts now, stock.csv .* \(run 2\)"):
        replay(stocked.rt, MERCHANT, 1)
    assert stocked.available()["A-1"] == 3

    outcome = replay(stocked.rt, MERCHANT, 1, is_older_meant=True)

    assert (outcome.status, stocked.available()["A-1"]) == ("applied", 5)
    assert stocked.all("select trigger, as_of from run where id = 3") == [("replay", first)]
    assert stocked.all("select as_of from source") == [(first,)]
    # The supplier's next look counts as always, and asks for the whole file.
    assert stocked.run(SECOND).status == "applied"
    assert stocked.available()["A-1"] == 3


def test_what_was_sold_since_an_older_file_was_made_is_deducted_from_it(stocked: Shop) -> None:
    first = stocked.all("select as_of from run where id = 1")[0][0]
    variant = stocked.all("select id from variant where sku = 'B-2'")[0][0]
    stocked.all(
        "insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin)"
        " values (1, 1, :variant, 1, 2, :at, 'order') returning id",
        variant=variant,
        at=first + timedelta(minutes=10),
    )

    replay(stocked.rt, MERCHANT, 1, is_older_meant=True)

    assert stocked.available() == {"A-1": 5, "B-2": 5}


def test_an_older_file_that_is_meant_is_held_for_anything_but_its_age(stocked: Shop) -> None:
    for text, at in ((FIRST, 1), (SECOND, 2)):
        stocked.supplier.as_of = datetime(2026, 1, at, tzinfo=UTC)
        stocked.run(text.replace("B-2,7", f"B-2,{7 + at}"))

    outcome = replay(stocked.rt, MERCHANT, 3, is_older_meant=True)

    assert (outcome.status, stocked.observed()) == ("applied", {"a-1": 5, "b-2": 8})


def test_an_undone_run_is_done_again_by_its_file_when_it_is_to_count_after_all(stocked: Shop) -> None:
    undo(stocked.rt, MERCHANT, 2)
    assert kept(stocked.rt, MERCHANT, 2).is_refused
    with pytest.raises(NotPossible, match="rejected or undone"):
        replay(stocked.rt, MERCHANT, 2)

    outcome = replay(stocked.rt, MERCHANT, 2, is_refused_meant=True)

    assert (outcome.status, stocked.available()["A-1"]) == ("applied", 3)
    assert stocked.all("select quarantined from snapshot") == [([],)]
    undo(stocked.rt, MERCHANT, outcome.run_id)
    assert stocked.available()["A-1"] == 5


def test_the_file_that_counts_now_proves_nothing_by_being_read_again(stocked: Shop) -> None:
    before = stocked.all("select as_of from source")
    stocked.rt.manual_clock.advance(minutes=60)

    outcome = replay(stocked.rt, MERCHANT, 2)

    assert outcome.status == "unchanged"
    assert stocked.all("select as_of from source") == before


def test_a_file_is_read_under_the_mapping_of_today(stocked: Shop) -> None:
    stocked.run("SKU,Stock,Free\nA-1,5,2\nB-2,7,1\n")
    stocked.source(mapping={"columns": {"sku": "SKU", "quantity": "Free"}})

    outcome = replay(stocked.rt, MERCHANT, 3)

    assert (outcome.status, stocked.observed()) == ("applied", {"a-1": 2, "b-2": 1})


def test_a_run_that_waits_is_answered_and_not_replayed(shop: Shop) -> None:
    shop.run("SKU,Stock\n" + "".join(f"A-{n},{n + 1}\n" for n in range(40)))
    shop.run("SKU,Stock\nA-1,5\n")

    with pytest.raises(NotPossible, match="waits for your answer"):
        replay(shop.rt, MERCHANT, 2)
    reject(shop.rt, MERCHANT, 2)
    with pytest.raises(NotPossible, match="rejected or undone"):
        replay(shop.rt, MERCHANT, 2)


def test_a_kept_file_that_is_gone_or_damaged_is_never_applied(stocked: Shop) -> None:
    path = stocked.rt.data_dir / stocked.all("select feed_path from run where id = 2")[0][0]
    other = stocked.rt.data_dir / stocked.all("select feed_path from run where id = 1")[0][0]
    path.write_bytes(other.read_bytes())
    with pytest.raises(FileFault, match="not what the supplier sent"):
        replay(stocked.rt, MERCHANT, 2)
    path.write_bytes(other.read_bytes()[:-9])
    with pytest.raises(FileFault, match="damaged"):
        look(stocked.rt, MERCHANT, 2)
    path.unlink()
    with pytest.raises(FileFault, match="not kept any more"):
        look(stocked.rt, MERCHANT, 2)
    assert not kept(stocked.rt, MERCHANT, 2).is_kept
    assert stocked.all("select count(*) from run") == [(2,)]


def test_another_merchants_file_does_not_exist(stocked: Shop) -> None:
    for ask in (kept, look, replay):
        with pytest.raises(LookupError):
            ask(stocked.rt, 2, 1)


# --- how long files stay --------------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _file(name: str, days: int, *, source: int = 1, size: int = 10, **more: object) -> Kept:
    return Kept(Path(name), source, size, NOW - timedelta(days=days), **more)  # type: ignore[arg-type]


def test_old_files_leave_but_the_last_accepted_and_those_that_wait() -> None:
    files = [
        _file("new", 1),
        _file("old", 91),
        _file("waits", 400, is_needed=True),
        _file("last", 200, newness=0),
        _file("one but last", 201, newness=1),
        _file("before", 202, newness=2),
    ]

    gone = chosen(files, Policy(days=90, accepted=2), NOW)

    assert [str(file.path) for file in gone] == ["old", "before"]


def test_size_takes_the_oldest_first_and_never_the_newest_accepted() -> None:
    files = [
        _file("a", 5, newness=0),
        _file("b", 4),
        _file("c", 3, is_needed=True),
        _file("d", 2),
        _file("other", 9, source=2),
    ]

    of_source = chosen(files, Policy(source_bytes=25, total_bytes=1000), NOW)
    of_all = chosen(files, Policy(source_bytes=100, total_bytes=35), NOW)

    assert [str(file.path) for file in of_source] == ["b", "d"]
    assert [str(file.path) for file in of_all] == ["other", "b"]


def test_the_daily_job_removes_by_what_runs_say(stocked: Shop) -> None:
    undo(stocked.rt, MERCHANT, 2)
    stocked.run("SKU,Stock\nA-1,4\nB-2,7\n")
    stocked.run("SKU,Stock\nA-1,4\nB-2,6\n")
    stray = stocked.rt.data_dir / "feeds/1/9"
    stray.mkdir()
    (stray / "x.gz").write_bytes(b"")
    later = stocked.rt.clock() + timedelta(days=91)

    removed = tidy(stocked.engine, stocked.rt.data_dir, Policy(accepted=1), later)

    is_there = [
        archive.is_kept(stocked.rt.data_dir, row[0])
        for row in stocked.all("select feed_path from run order by id")
    ]
    # 1 and 3 are old, 2 was undone, 4 is the last accepted; of source 9 nobody knows.
    assert is_there == [False, True, False, True]
    assert (len(removed), stray.exists()) == (3, False)


def test_rows_that_explain_old_runs_leave_but_not_those_of_what_waits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.intake.retention._RUNS_AT_ONCE", 1)
    for n in range(2):
        shop.run(f"SKU,Stock\nA-1,{n}\n,{n}\n")
    shop.run("SKU,Stock\nA-1,x\nB-2,y\n")
    assert ["applied", "applied", "held"] == [
        row[0] for row in shop.all("select status from run order by id")
    ]
    young, old = shop.rt.clock() + timedelta(days=89), shop.rt.clock() + timedelta(days=91)

    assert 0 == forget_rows(shop.engine, Policy(), young)
    assert 2 == forget_rows(shop.engine, Policy(), old)

    assert [(3,)] == shop.all("select distinct run_id from run_issue")
    assert [(3,)] == shop.all("select count(*) from run")


def test_files_of_a_disconnected_supplier_leave_by_age_alone(stocked: Shop) -> None:
    stocked.all("update connection set status = 'ended' where id = 2 returning id")

    removed = tidy(stocked.engine, stocked.rt.data_dir, Policy(), stocked.rt.clock() + timedelta(days=91))

    assert len(removed) == 2


@pytest.mark.parametrize(("most", "left"), [(10_000, 2), (60, 1)])
def test_a_supplier_that_sends_too_much_is_cut_at_once(stocked: Shop, most: int, left: int) -> None:
    tidy_large(
        stocked.engine,
        stocked.rt.data_dir,
        Policy(source_bytes=most),
        stocked.rt.clock(),
        merchant_id=1,
        source_id=1,
    )

    assert len(list((stocked.rt.data_dir / "feeds/1/1").iterdir())) == left
