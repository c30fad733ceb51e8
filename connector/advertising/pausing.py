"""Pauses ads for what is sold out and resumes them; remembers what it did and does only that.

The handler of the topic `ads.position` (a variant crossed zero) and the regular look at an account. The
status is read from the platform immediately before anything is changed, and again after it. Before each
call stands what it is about to do (`step`): after a crash or a lost answer the next look reads the
platform and finishes from there.

One thing cannot be told apart: we died before the call, and the merchant paused the same ad by hand
before the next look. It then counts as our pause, since that is what we were about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.accounts import audit
from connector.advertising import ledger
from connector.advertising.links import facts_of
from connector.advertising.policy import Plan, plan
from connector.advertising.runtime import ACCOUNT, AdsRuntime
from connector.db import transaction
from connector.outbox.messages import Claim, Intent, enqueue
from connector.outbox.turns import work_turn
from connector.ports.ads import Ads
from connector.positions.topics import ADS

# What a passing fault struck, or what the platform does not show yet, is looked at again this soon.
RETRY_S = 30.0

_BY_HAND = "Somebody changed it since we paused it."
_GONE = "It is gone."
_FOUND = "Found done after an interruption."
_COLUMNS = (
    "id, connection_id, external_id, seen_status, paused_by_us_at, daily_spend, out_since, back_since, step"
)


def work_positions(rt: AdsRuntime, claim: Claim) -> None:
    """Work crossings of variants (connection 0) and looks at single accounts (their connection)."""
    merchant_id = claim.turn.merchant_id
    work_turn(
        rt.engine,
        claim,
        look=lambda account: act(rt, merchant_id, account, is_out_of_time=claim.is_out_of_time),
        spread=lambda: _spread(rt, merchant_id),
        waiting="more ads wait",
    )


def _spread(rt: AdsRuntime, merchant_id: int) -> None:
    """One account's trouble must not delay another's: each gets its own message."""
    with transaction(rt.engine) as db:
        accounts = db.execute(
            sa.text("""
                select id from connection
                 where merchant_id = :m and kind = 'ads' and status = 'active' order by id
            """),
            {"m": merchant_id},
        ).scalars()
        enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, account) for account in accounts])


def act(
    rt: AdsRuntime,
    merchant_id: int,
    connection_id: int,
    *,
    is_out_of_time: Callable[[], bool] = lambda: False,
) -> Plan:
    """Pause and resume what is due in one account now. Safe to repeat at any time; call it where nobody
    else acts on the account (its turn in the outbox)."""
    now = rt.now()
    with rt.engine.connect() as db:
        rules = db.execute(
            sa.text("""
                select m.ads_dwell_s, m.ads_blast_limit, m.is_ads_dry_run, m.is_frozen, c.is_writing_stopped,
                       c.status, c.cursors ->> 'blast_approved_at' as approved_at
                  from merchant m join connection c on c.merchant_id = m.id
                 where m.id = :m and c.id = :c
            """),
            {"m": merchant_id, "c": connection_id},
        ).one()
    if rules.status != "active" or rules.is_frozen or rules.is_writing_stopped:
        return Plan((), (), (), None)
    account = rt.ads(merchant_id, connection_id)
    _look_at_ours(rt, account, merchant_id, connection_id, now)
    with transaction(rt.engine) as db:
        links = facts_of(db, merchant_id, connection_id, now)
    todo = plan(links, now=now, dwell=timedelta(seconds=rules.ads_dwell_s))
    _release(rt, merchant_id, todo.released, now)
    is_dry = bool(rules.is_ads_dry_run)
    if len(todo.pause) > rules.ads_blast_limit and not _is_recent(rules.approved_at, now):
        reason = (
            f"{len(todo.pause)} ads would be paused at once, more than the limit of {rules.ads_blast_limit}."
        )
        with transaction(rt.engine) as db:
            ledger.hold(db, merchant_id, connection_id, todo.pause[0], reason, now)
    else:
        _change(rt, account, merchant_id, todo.pause, "pause", now, is_dry, is_out_of_time)
    _change(rt, account, merchant_id, todo.resume, "resume", now, is_dry, is_out_of_time)
    if todo.look_again_at is not None:
        wait_s = max(1.0, (todo.look_again_at - now).total_seconds())
        with transaction(rt.engine) as db:
            enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id, delay_s=wait_s)])
    return todo


def approve_blast(
    db: sa.Connection, merchant_id: int, connection_id: int, *, now: datetime, actor: str
) -> None:
    """Allow the pauses that were held because there are many; good for one hour."""
    db.execute(
        sa.text("""
            update connection
               set cursors = cursors || jsonb_build_object('blast_approved_at', cast(:at as text))
             where merchant_id = :m and id = :c and kind = 'ads'
        """),
        {"m": merchant_id, "c": connection_id, "at": now.isoformat()},
    )
    audit.record(db, merchant_id, now, actor, "ads.approve", f"connection {connection_id}")
    enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id)])


def resume_ours(rt: AdsRuntime, merchant_id: int, connection_id: int) -> int:
    """Before leaving: resume everything we paused and nobody touched since. Returns how many."""
    now = rt.now()
    account = rt.ads(merchant_id, connection_id)
    _look_at_ours(rt, account, merchant_id, connection_id, now)
    with rt.engine.connect() as db:
        ids = db.execute(
            sa.text("""
                select id from ad_link
                 where merchant_id = :m and connection_id = :c and paused_by_us_at is not null order by id
            """),
            {"m": merchant_id, "c": connection_id},
        ).scalars()
        ours = tuple(ids)
    return _change(rt, account, merchant_id, ours, "resume", now, False)


def _is_recent(approved_at: str | None, now: datetime) -> bool:
    return approved_at is not None and now - datetime.fromisoformat(approved_at) < timedelta(hours=1)


def _look_at_ours(rt: AdsRuntime, account: Ads, merchant_id: int, connection_id: int, now: datetime) -> None:
    """Read the present status of the ads whose pause is ours: somebody may have acted since, and after a
    crash or a lost answer only the platform knows whether a call had its effect."""
    with rt.engine.connect() as db:
        ours = db.execute(
            sa.text(f"""
                select {_COLUMNS} from ad_link
                 where merchant_id = :m and connection_id = :c and paused_by_us_at is not null
                 order by external_id
            """),  # noqa: S608 - a constant of this module
            {"m": merchant_id, "c": connection_id},
        ).all()
    if not ours:
        return
    present = _present(account, [row.external_id for row in ours])
    with transaction(rt.engine) as db:
        for row in ours:
            status = present.get(row.external_id)
            if status is None:
                if _end(db, merchant_id, row, status):
                    ledger.record(db, merchant_id, row, "release", "done", now, reason=_GONE)
            elif row.step == "pausing" and status == "paused":
                if _set_step(db, merchant_id, row, "paused", status):
                    ledger.record(db, merchant_id, row, "pause", "done", now, reason=_FOUND)
            elif row.step == "pausing":
                # It never came to the pause. What is still to do is planned anew.
                _end(db, merchant_id, row, status)
            elif row.step == "resuming" and status == "enabled":
                if _end(db, merchant_id, row, status):
                    ledger.record(db, merchant_id, row, "resume", "done", now, reason=_FOUND)
            elif (row.step, row.seen_status) != ("paused", status):
                _set_step(db, merchant_id, row, "paused", status)


def _change(
    rt: AdsRuntime,
    account: Ads,
    merchant_id: int,
    ids: Sequence[int],
    action: str,
    now: datetime,
    is_dry: bool,
    is_out_of_time: Callable[[], bool] = lambda: False,
) -> int:
    """Pause or resume these ads: read their status, act on those still as expected, read back, record."""
    done = 0
    size = account.capabilities.batch_size
    for start in range(0, len(ids), size):
        if is_out_of_time():
            break
        done += _change_batch(rt, account, merchant_id, list(ids[start : start + size]), action, now, is_dry)
    return done


def _change_batch(
    rt: AdsRuntime,
    account: Ads,
    merchant_id: int,
    ids: list[int],
    action: str,
    now: datetime,
    is_dry: bool,
) -> int:
    with rt.engine.connect() as db:
        rows = {
            row.external_id: row
            for row in db.execute(
                sa.text(f"""
                    select {_COLUMNS} from ad_link
                     where merchant_id = :m and id = any(:ids) order by external_id
                """),  # noqa: S608 - a constant of this module
                {"m": merchant_id, "ids": ids},
            )
        }
    if not rows:
        return 0
    expected, wanted = ("enabled", "paused") if action == "pause" else ("paused", "enabled")
    present = _present(account, list(rows))
    _note_touched(rt, merchant_id, rows, {e: present.get(e) for e in rows if present.get(e) != expected}, now)
    todo = [e for e in rows if present.get(e) == expected]
    if todo and not is_dry:
        # Intent before effect: should we die after the call, it is known whose change it was.
        begun = _begin(rt, merchant_id, [rows[e].id for e in todo], action, now)
        todo = [e for e in todo if rows[e].id in begun]
    if not todo:
        return 0
    results = account.set_status(todo, "paused" if wanted == "paused" else "enabled", dry_run=is_dry)
    after = present if is_dry else _present(account, todo)
    done = 0
    looks_again = False
    with transaction(rt.engine) as db:
        for result in results:
            row = rows[result.external_id]
            status = after.get(result.external_id)
            outcome: str = result.status
            if outcome == "done" and not is_dry and status != wanted:
                outcome = "not verified"
            done += outcome == "done"
            looks_again |= outcome in ("retry", "not verified")
            if not is_dry:
                _settle(db, merchant_id, row, action, outcome, status)
            ledger.record(db, merchant_id, row, action, outcome, now, reason=result.reason, is_dry=is_dry)
        if looks_again:
            connection_id = next(iter(rows.values())).connection_id
            enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id, delay_s=RETRY_S)])
    return done


def _present(account: Ads, external_ids: Sequence[str]) -> dict[str, str]:
    """The status of those that are still there; a removed ad is as gone as a missing one."""
    return {e: status for e, status in account.statuses(external_ids).items() if status != "removed"}


def _begin(rt: AdsRuntime, merchant_id: int, ids: list[int], action: str, now: datetime) -> set[int]:
    """Write down what is about to be done; the ads that are still ours to change."""
    statement = _BEGIN_PAUSE if action == "pause" else _BEGIN_RESUME
    with transaction(rt.engine) as db:
        return set(db.execute(statement, {"m": merchant_id, "at": now, "ids": ids}).scalars())


_BEGIN = """
    update ad_link set {change}
     where merchant_id = :m and id in (
           select id from ad_link where merchant_id = :m and id = any(:ids) and {condition}
            order by external_id for update)
    returning id
"""
_BEGIN_PAUSE = sa.text(
    _BEGIN.format(
        change="paused_by_us_at = :at, status_before = 'enabled', step = 'pausing'",
        condition="paused_by_us_at is null",
    )
)
_BEGIN_RESUME = sa.text(_BEGIN.format(change="step = 'resuming'", condition="paused_by_us_at is not null"))


def _settle(
    db: sa.Connection, merchant_id: int, row: Any, action: str, outcome: str, status: str | None
) -> None:
    """What became of one change. "not verified" stays begun: the next look at the platform decides."""
    if outcome == "not verified":
        return
    is_kept = action == "resume" and outcome in ("rejected", "retry") and status is not None
    if is_kept or (action, outcome) == ("pause", "done"):
        _set_step(db, merchant_id, row, "paused", status)
    else:
        _end(db, merchant_id, row, status, "theirs" if outcome == "rejected" else "")


def _set_step(db: sa.Connection, merchant_id: int, row: Any, step: str, status: str | None) -> bool:
    """The pause is (still) ours. False when somebody of us ended it meanwhile."""
    return bool(
        db.execute(
            sa.text("""
                update ad_link
                   set step = :step, seen_status = coalesce(:status, seen_status), is_gone = false
                 where merchant_id = :m and id = :id and paused_by_us_at is not null
            """),
            {"m": merchant_id, "id": row.id, "step": step, "status": status},
        ).rowcount
    )


def _end(db: sa.Connection, merchant_id: int, row: Any, status: str | None, step: str = "") -> bool:
    """The pause is not ours (any more). False when it was not before."""
    return bool(
        db.execute(
            sa.text("""
                update ad_link
                   set paused_by_us_at = null, status_before = '', step = :step,
                       seen_status = coalesce(:status, seen_status), is_gone = cast(:status as text) is null
                 where merchant_id = :m and id = :id and paused_by_us_at is not null
            """),
            {"m": merchant_id, "id": row.id, "step": step, "status": status},
        ).rowcount
    )


def _note_touched(
    rt: AdsRuntime, merchant_id: int, rows: dict[str, Any], touched: dict[str, str | None], now: datetime
) -> None:
    """Ads that are not as expected: somebody else acted, so they are theirs; we only take note."""
    if not touched:
        return
    with transaction(rt.engine) as db:
        for external_id, status in touched.items():
            row = rows[external_id]
            if row.paused_by_us_at is None:
                db.execute(
                    sa.text("""
                        update ad_link set seen_status = coalesce(:status, seen_status),
                               is_gone = cast(:status as text) is null
                         where merchant_id = :m and id = :id and paused_by_us_at is null
                    """),
                    {"m": merchant_id, "id": row.id, "status": status},
                )
            elif _end(db, merchant_id, row, status, "theirs"):
                reason = _GONE if status is None else _BY_HAND
                ledger.record(db, merchant_id, row, "release", "done", now, reason=reason)


def _release(rt: AdsRuntime, merchant_id: int, ids: Sequence[int], now: datetime) -> None:
    if not ids:
        return
    with transaction(rt.engine) as db:
        for row in db.execute(
            sa.text(f"""
                select {_COLUMNS} from ad_link
                 where merchant_id = :m and id = any(:ids) order by external_id for update
            """),  # noqa: S608 - a constant of this module
            {"m": merchant_id, "ids": list(ids)},
        ).all():
            if _end(db, merchant_id, row, row.seen_status, "theirs"):
                ledger.record(db, merchant_id, row, "release", "done", now, reason=_BY_HAND)
