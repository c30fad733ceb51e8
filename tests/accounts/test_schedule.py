"""Due times: each run once, periods keep their phase, nothing is lost with a worker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.schedule import Due
from connector.db import transaction
from connector.ports.errors import RateLimited, Retryable, Unauthorized


def ensure(engine: sa.Engine, subject: int = 5, every_s: int = 3_600, **fields: Any) -> None:
    with transaction(engine) as db:
        schedule.ensure(db, fields.pop("merchant", 1), "import", subject, every_s, **fields)


def value(engine: sa.Engine, expression: str) -> Any:
    with engine.connect() as db:
        return db.execute(sa.text(f"select {expression} from schedule")).scalar_one()


def shift(engine: sa.Engine, assignment: str) -> None:
    """Move a time of the only row, as the passing of time would."""
    with transaction(engine) as db:
        db.execute(sa.text(f"update schedule set {assignment}"))


def due(engine: sa.Engine, limit: int = 100) -> list[Due]:
    """Claim what is due, as the workers do that the clock rings."""
    with engine.connect() as db:
        ready = schedule.due(db, ["import"], limit)
    claimed = [schedule.claim(engine, one.merchant_id, one.schedule_id, 60) for one in ready]
    return [run for run in claimed if run is not None]


def test_a_new_schedule_runs_at_once_and_then_once_a_period(engine: sa.Engine) -> None:
    ensure(engine)
    (first,) = due(engine)
    assert (first.merchant_id, first.kind, first.subject_id, first.every_s) == (1, "import", 5, 3_600)
    assert due(engine) == []
    assert schedule.record(engine, first) is True
    assert due(engine) == []
    shift(engine, "next_run_at = next_run_at - interval '1 hour'")
    assert len(due(engine)) == 1


def test_a_first_time_is_kept(engine: sa.Engine) -> None:
    at = datetime.now(UTC) + timedelta(hours=5)
    ensure(engine, first_at=at)
    assert due(engine) == []
    assert value(engine, "next_run_at") == at


def test_many_missed_periods_are_one_run_and_the_phase_stays(engine: sa.Engine) -> None:
    ensure(engine)
    shift(engine, "next_run_at = date_trunc('hour', now()) - interval '10 hours' + interval '7 min'")
    (run,) = due(engine)
    schedule.record(engine, run)
    assert due(engine) == []
    assert value(engine, "extract(minute from next_run_at)::int") == 7
    assert value(engine, "next_run_at > now() and next_run_at <= now() + interval '1 hour'") is True


def test_asking_again_changes_nothing_but_a_new_period_does(engine: sa.Engine) -> None:
    later = datetime.now(UTC) + timedelta(hours=20)
    ensure(engine, every_s=86_400, first_at=later)
    ensure(engine, every_s=86_400)
    assert value(engine, "next_run_at") == later
    ensure(engine, every_s=3_600)
    assert (
        value(engine, "next_run_at between now() + interval '59 min' and now() + interval '61 min'") is True
    )
    ensure(engine, every_s=7_200, first_at=later)
    assert value(engine, "next_run_at") == later


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 (that it is naive is the case)


@pytest.mark.parametrize(("every_s", "first_at"), [(0, None), (60, NAIVE)], ids=["no-period", "naive-time"])
def test_a_wrong_schedule_is_refused(engine: sa.Engine, every_s: int, first_at: datetime | None) -> None:
    with pytest.raises(ValueError, match=r"every_s|time zone"):
        ensure(engine, every_s=every_s, first_at=first_at)


def test_looking_takes_nothing_and_only_the_kinds_asked_for(engine: sa.Engine) -> None:
    ensure(engine)
    with engine.connect() as db:
        assert schedule.due(db, ["export"], 10) == []
        assert [(one.kind, one.subject_id) for one in schedule.due(db, ["import", "export"], 10)] == [
            ("import", 5)
        ]
    assert len(due(engine)) == 1


def test_a_run_of_another_merchant_cannot_be_claimed(engine: sa.Engine) -> None:
    ensure(engine)
    assert schedule.claim(engine, 2, value(engine, "id"), 60) is None
    assert len(due(engine)) == 1


def test_two_workers_never_get_the_same_run(engine: sa.Engine) -> None:
    for subject in range(200):
        ensure(engine, subject)
    got: list[Due] = []

    def take() -> None:
        for _ in range(3):
            got.extend(due(engine, 200))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.subject_id for run in got) == list(range(200))


def test_the_longest_due_comes_first(engine: sa.Engine) -> None:
    for subject, minutes in [(1, 5), (2, 50), (3, 20)]:
        ensure(engine, subject, first_at=datetime.now(UTC) - timedelta(minutes=minutes))
    assert [run.subject_id for run in due(engine, 2)] == [2, 3]
    assert [run.subject_id for run in due(engine)] == [1]


def test_a_run_whose_worker_was_killed_is_given_out_again(engine: sa.Engine) -> None:
    ensure(engine, every_s=86_400)
    (killed,) = due(engine)
    shift(engine, "lease_until = now() - interval '1 s'")
    (again,) = due(engine)
    assert again.schedule_id == killed.schedule_id
    assert schedule.record(engine, killed, Retryable("ftp", "x", "late")) is False
    assert value(engine, "failures") == 0
    assert schedule.record(engine, again) is True
    assert due(engine) == []


def test_a_run_under_way_is_not_overlapped_by_its_next_period(engine: sa.Engine) -> None:
    ensure(engine, every_s=1)
    (run,) = due(engine)
    shift(engine, "next_run_at = now() - interval '1 s'")
    assert due(engine) == []
    schedule.record(engine, run)
    assert len(due(engine)) == 1


def test_a_failed_run_is_repeated_before_its_period_and_the_phase_stays(engine: sa.Engine) -> None:
    ensure(engine, every_s=86_400)
    (run,) = due(engine)
    next_run_at = value(engine, "next_run_at")
    schedule.record(engine, run, Retryable("ftp", "x", "down"))
    assert value(engine, "rerun_at between now() and now() + interval '15 s'") is True
    assert value(engine, "failures") == 1
    assert value(engine, "last_error") == "ftp: x: down"
    shift(engine, "rerun_at = now()")
    (again,) = due(engine)
    assert (again.failures, value(engine, "next_run_at")) == (1, next_run_at)
    schedule.record(engine, again)
    assert value(engine, "failures = 0 and last_error = '' and rerun_at is null") is True
    assert value(engine, "next_run_at") == next_run_at


def test_a_refused_run_is_not_repeated_by_itself(engine: sa.Engine) -> None:
    ensure(engine)
    (run,) = due(engine)
    schedule.record(engine, run, Unauthorized("ftp", "x", "wrong password"))
    assert value(engine, "rerun_at is null and lease_until is null and failures = 1") is True
    assert due(engine) == []


def test_a_rate_limit_holds_back_the_next_period_too(engine: sa.Engine) -> None:
    ensure(engine, every_s=60)
    (run,) = due(engine)
    schedule.record(engine, run, RateLimited("odoo", "x", "slow", retry_after_s=600))
    shift(engine, "next_run_at = now()")
    assert due(engine) == []
    assert value(engine, "lease_until between now() + interval '9 min' and now() + interval '11 min'") is True
    shift(engine, "lease_until = now()")
    assert len(due(engine)) == 1


def test_run_now_is_one_extra_run_and_the_period_stays(engine: sa.Engine) -> None:
    ensure(engine, first_at=datetime.now(UTC) + timedelta(minutes=30))
    next_run_at = value(engine, "next_run_at")
    with transaction(engine) as db:
        assert schedule.run_now(db, 1, "import", 5) is True
        assert schedule.run_now(db, 2, "import", 5) is False
    (run,) = due(engine)
    schedule.record(engine, run)
    assert due(engine) == []
    assert value(engine, "next_run_at") == next_run_at


def test_run_now_during_a_run_follows_it(engine: sa.Engine) -> None:
    ensure(engine)
    (run,) = due(engine)
    with transaction(engine) as db:
        schedule.run_now(db, 1, "import", 5)
    assert due(engine) == []
    schedule.record(engine, run)
    assert len(due(engine)) == 1


def test_a_removed_schedule_does_not_run(engine: sa.Engine) -> None:
    ensure(engine)
    ensure(engine, merchant=2)
    with transaction(engine) as db:
        assert schedule.remove(db, 1, "import", 5) is True
        assert schedule.remove(db, 1, "import", 5) is False
    assert [run.merchant_id for run in due(engine)] == [2]


def test_a_run_that_is_renewed_is_not_given_out_again(engine: sa.Engine) -> None:
    ensure(engine)
    (run,) = due(engine)
    first_until = run.lease_until
    with transaction(engine) as db:
        db.execute(sa.text("update schedule set lease_until = lease_until - interval '59 seconds'"))
    run.lease_until = value(engine, "lease_until")

    assert schedule.renew(engine, run) is True

    assert run.lease_until == value(engine, "lease_until") > first_until - timedelta(seconds=5)
    assert due(engine) == []
    assert schedule.record(engine, run) is True
    assert value(engine, "lease_until is null") is True


def test_a_run_that_missed_its_beats_cannot_be_renewed(engine: sa.Engine) -> None:
    ensure(engine)
    (late,) = due(engine)
    shift(engine, "lease_until = now() - interval '1 second'")
    (again,) = due(engine)

    assert schedule.renew(engine, late) is False
    assert schedule.record(engine, late) is False
    assert schedule.renew(engine, again) is True
