"""Pauses ads for what is sold out and resumes them; remembers what it did and does only that.

The handler of the topic `ads.position` (a variant crossed zero) and the regular look at an account. The
status is read from the platform immediately before anything is changed, and again after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy as sa

from connector.advertising.policy import AdFacts, Plan, plan
from connector.catalog.pages import page_key
from connector.db import transaction
from connector.outbox.messages import Claim, Done, Intent, enqueue, settle
from connector.ports.ads import Ads
from connector.positions.topics import ADS

ACCOUNT = "account"

# A passing fault struck single ads: their account is looked at again this soon.
RETRY_S = 30.0


class AdsRuntime(Protocol):
    """What advertising needs of the running installation."""

    @property
    def engine(self) -> sa.Engine: ...

    def now(self) -> datetime: ...

    def ads(self, merchant_id: int, connection_id: int) -> Ads:
        """The adapter of an advertising account."""


def read_account(rt: AdsRuntime, merchant_id: int, connection_id: int) -> int:
    """Read every ad with a landing page into links, then act on what is due. Returns the number of ads."""
    account = rt.ads(merchant_id, connection_id)
    started = rt.now()
    count = 0
    for page in account.ads():
        count += len(page)
        with transaction(rt.engine) as db:
            for ad in page:
                landing_page = ad.landing_pages[0] if ad.landing_pages else ""
                db.execute(
                    _UPSERT,
                    {
                        "m": merchant_id,
                        "c": connection_id,
                        "e": ad.external_id,
                        "kind": ad.kind,
                        "name": ad.name,
                        "campaign": ad.campaign,
                        "page": landing_page,
                        "key": page_key(landing_page),
                        "status": ad.status,
                        "spend": ad.daily_spend,
                        "at": started,
                    },
                )
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update ad_link set is_gone = true
                 where merchant_id = :m and connection_id = :c and seen_at < :at and not is_gone
            """),
            {"m": merchant_id, "c": connection_id, "at": started},
        )
    act(rt, merchant_id, connection_id)
    return count


_UPSERT = sa.text("""
    insert into ad_link (merchant_id, connection_id, external_id, kind, name, campaign, landing_page, page_key,
                         seen_status, seen_at, daily_spend)
    values (:m, :c, :e, :kind, :name, :campaign, :page, :key, :status, :at, :spend)
        on conflict (merchant_id, connection_id, external_id) do update
       set name = excluded.name, campaign = excluded.campaign, landing_page = excluded.landing_page,
           page_key = excluded.page_key, seen_status = excluded.seen_status, seen_at = excluded.seen_at,
           daily_spend = coalesce(excluded.daily_spend, ad_link.daily_spend), is_gone = false
""")


def work_positions(rt: AdsRuntime, claim: Claim) -> None:
    """Work crossings of variants (connection 0) and looks at single accounts (their connection)."""
    turn = claim.turn
    if turn.connection_id:
        act(rt, turn.merchant_id, turn.connection_id)
    else:
        with rt.engine.connect() as db:
            accounts = db.execute(
                sa.text("""
                    select id from connection
                     where merchant_id = :m and kind = 'ads' and status = 'active' order by id
                """),
                {"m": turn.merchant_id},
            ).scalars()
            found = list(accounts)
        with transaction(rt.engine) as db:
            # One account's trouble must not delay another's: each gets its own message.
            enqueue(db, turn.merchant_id, [Intent(ADS, ACCOUNT, account) for account in found])
    with transaction(rt.engine) as db:
        settle(db, claim, {message.id: Done() for message in claim.messages})


def act(rt: AdsRuntime, merchant_id: int, connection_id: int) -> Plan:
    """Pause and resume what is due in one account now. Safe to repeat at any time."""
    now = rt.now()
    with rt.engine.connect() as db:
        rules = db.execute(
            sa.text("""
                select m.ads_dwell_s, m.ads_blast_limit, m.is_ads_dry_run, m.is_frozen, c.is_writing_stopped,
                       c.status
                  from merchant m join connection c on c.merchant_id = m.id
                 where m.id = :m and c.id = :c
            """),
            {"m": merchant_id, "c": connection_id},
        ).one()
    if rules.status != "active" or rules.is_frozen or rules.is_writing_stopped:
        return Plan((), (), (), None)
    account = rt.ads(merchant_id, connection_id)
    _look_at_ours(rt, account, merchant_id, connection_id)
    with transaction(rt.engine) as db:
        links = _links(db, merchant_id, connection_id, now)
    todo = plan(links, now=now, dwell=timedelta(seconds=rules.ads_dwell_s))
    _release(rt, merchant_id, todo.released, now, "Somebody changed it since we paused it.")
    is_dry = bool(rules.is_ads_dry_run)
    if len(todo.pause) > rules.ads_blast_limit and not _is_approved(rt, merchant_id, connection_id, now):
        _hold(rt, merchant_id, connection_id, todo.pause, rules.ads_blast_limit, now)
    else:
        _change(rt, account, merchant_id, todo.pause, "pause", now, is_dry)
    _change(rt, account, merchant_id, todo.resume, "resume", now, is_dry)
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
    enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id)])


def resume_ours(rt: AdsRuntime, merchant_id: int, connection_id: int) -> int:
    """Before leaving: resume everything we paused and nobody touched since. Returns how many."""
    with rt.engine.connect() as db:
        ours = db.execute(
            sa.text("""
                select id from ad_link
                 where merchant_id = :m and connection_id = :c and paused_by_us_at is not null order by id
            """),
            {"m": merchant_id, "c": connection_id},
        ).scalars()
        ids = tuple(ours)
    account = rt.ads(merchant_id, connection_id)
    return _change(rt, account, merchant_id, ids, "resume", rt.now(), False)


def _look_at_ours(rt: AdsRuntime, account: Ads, merchant_id: int, connection_id: int) -> None:
    """Read the present status of the ads whose pause is ours: somebody may have acted since, and after a
    crash between intent and effect only the platform knows whether the pause happened."""
    with rt.engine.connect() as db:
        ours = {
            row.external_id: row.id
            for row in db.execute(
                sa.text("""
                    select id, external_id from ad_link
                     where merchant_id = :m and connection_id = :c and paused_by_us_at is not null and not is_gone
                """),
                {"m": merchant_id, "c": connection_id},
            )
        }
    if not ours:
        return
    present = _present(account, list(ours))
    with transaction(rt.engine) as db:
        for external_id, ad_link_id in ours.items():
            db.execute(
                sa.text("""
                    update ad_link set seen_status = :status, is_gone = :gone
                     where merchant_id = :m and id = :id
                """),
                {
                    "m": merchant_id,
                    "id": ad_link_id,
                    "status": present.get(external_id, "removed"),
                    "gone": external_id not in present,
                },
            )


def _links(db: sa.Connection, merchant_id: int, connection_id: int, now: datetime) -> list[AdFacts]:
    """The account's ads with what is behind each, `out_since` and `back_since` brought up to date.

    A variant counts as sellable when its position may be bought now: in stock, low, or on backorder.
    Only variants that a supplier feeds count: of others we know nothing, and never pause for them.
    """
    rows = db.execute(_BEHIND, {"m": merchant_id, "c": connection_id}).all()
    facts = []
    for row in rows:
        is_out = row.sellable == 0 and row.unsellable > 0
        out_since = (row.out_since or now) if is_out else None
        back_since = None if is_out or row.sellable == 0 else (row.back_since or now)
        if (out_since, back_since) != (row.out_since, row.back_since):
            db.execute(
                sa.text(
                    "update ad_link set out_since = :o, back_since = :b where merchant_id = :m and id = :id"
                ),
                {"m": merchant_id, "id": row.id, "o": out_since, "b": back_since},
            )
        facts.append(
            AdFacts(
                row.id,
                row.seen_status,
                row.sellable,
                row.unsellable,
                out_since,
                back_since,
                row.paused_by_us_at is not None,
            )
        )
    return facts


_BEHIND = sa.text("""
    select a.id, a.seen_status, a.out_since, a.back_since, a.paused_by_us_at,
           count(distinct p.variant_id)
             filter (where p.available > 0 or p.state in ('backorder', 'made_to_order', 'preorder')) as sellable,
           count(distinct p.variant_id)
             filter (where p.available = 0
                       and p.state not in ('backorder', 'made_to_order', 'preorder')) as unsellable
      from ad_link a
      left join listing l on l.merchant_id = a.merchant_id and l.page_key = a.page_key
                         and l.is_managed and not l.is_gone
      left join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
     where a.merchant_id = :m and a.connection_id = :c and not a.is_gone and a.page_key <> ''
     group by a.merchant_id, a.id
     order by a.id
""")


def _change(
    rt: AdsRuntime,
    account: Ads,
    merchant_id: int,
    ids: Sequence[int],
    action: str,
    now: datetime,
    is_dry: bool,
) -> int:
    """Pause or resume these ads: read their status, act on those still as expected, read back, record."""
    done = 0
    size = account.capabilities.batch_size
    for start in range(0, len(ids), size):
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
                sa.text("""
                    select id, connection_id, external_id, status_before, paused_by_us_at, daily_spend from ad_link
                     where merchant_id = :m and id = any(:ids)
                """),
                {"m": merchant_id, "ids": ids},
            )
        }
    if not rows:
        return 0
    connection_id = next(iter(rows.values())).connection_id
    expected, wanted = ("enabled", "paused") if action == "pause" else ("paused", "enabled")
    present = _present(account, list(rows))
    touched = [e for e in rows if present.get(e) != expected]
    _settle_touched(rt, merchant_id, [(rows[e], present.get(e)) for e in touched], action, now)
    todo = [e for e in rows if present.get(e) == expected]
    if not todo:
        return 0
    if action == "pause" and not is_dry:
        # Intent before effect: should we die after the call, the pause is known to be ours.
        with transaction(rt.engine) as db:
            db.execute(
                sa.text("""
                    update ad_link set paused_by_us_at = :at, status_before = 'enabled'
                     where merchant_id = :m and id = any(:ids)
                """),
                {"m": merchant_id, "at": now, "ids": [rows[e].id for e in todo]},
            )
    results = account.set_status(todo, "paused" if wanted == "paused" else "enabled", dry_run=is_dry)
    after = present if is_dry else _present(account, todo)
    done = 0
    with transaction(rt.engine) as db:
        for result in results:
            row = rows[result.external_id]
            verified = is_dry or after.get(result.external_id) == wanted
            outcome = result.status if verified or result.status != "done" else "not verified"
            done += outcome == "done"
            _record(db, merchant_id, row, action, outcome, result.reason, is_dry, now)
            if not is_dry:
                _mark(db, merchant_id, row, action, outcome, after.get(result.external_id))
        if any(result.status == "retry" for result in results):
            enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id, delay_s=RETRY_S)])
    return done


def _present(account: Ads, external_ids: Sequence[str]) -> dict[str, str]:
    """The status of those that are still there; a removed ad is as gone as a missing one."""
    return {e: status for e, status in account.statuses(external_ids).items() if status != "removed"}


def _mark(
    db: sa.Connection, merchant_id: int, row: Any, action: str, outcome: str, status: str | None
) -> None:
    keeps_pause = (action == "pause" and outcome == "done") or (action == "resume" and outcome != "done")
    db.execute(
        sa.text("""
            update ad_link
               set seen_status = coalesce(:status, seen_status),
                   is_gone = is_gone or cast(:status as text) is null,
                   paused_by_us_at = case when :keeps then paused_by_us_at end,
                   status_before = case when :keeps then status_before else '' end
             where merchant_id = :m and id = :id
        """),
        {"m": merchant_id, "id": row.id, "status": status, "keeps": keeps_pause},
    )


def _record(
    db: sa.Connection,
    merchant_id: int,
    row: Any,
    action: str,
    outcome: str,
    reason: str,
    is_dry: bool,
    now: datetime,
) -> None:
    """One line in the ledger. What a pause saved is booked when it ends: days paused × daily spend."""
    saved = None
    if action == "resume" and outcome == "done" and row.daily_spend and row.paused_by_us_at:
        days = Decimal(str((now - row.paused_by_us_at).total_seconds())) / Decimal(86400)
        saved = (Decimal(row.daily_spend) * days).quantize(Decimal("0.0001"))
    why = reason or (
        "Everything on its landing page is sold out."
        if action == "pause"
        else "It can be bought again on its landing page."
    )
    db.execute(
        sa.text("""
            insert into ad_action (merchant_id, ad_link_id, at, action, outcome, reason, is_dry_run, spend_saved)
            values (:m, :id, :at, :action, :outcome, :reason, :dry, :saved)
        """),
        {
            "m": merchant_id,
            "id": row.id,
            "at": now,
            "action": action,
            "outcome": outcome,
            "reason": why,
            "dry": is_dry,
            "saved": saved,
        },
    )


def _settle_touched(
    rt: AdsRuntime, merchant_id: int, touched: list[tuple[Any, str | None]], action: str, now: datetime
) -> None:
    """Ads that are not as expected: somebody else acted, so they are theirs; we only take note."""
    with transaction(rt.engine) as db:
        for row, status in touched:
            db.execute(
                sa.text("""
                    update ad_link set seen_status = coalesce(:status, seen_status), paused_by_us_at = null,
                           status_before = '', is_gone = cast(:status as text) is null
                     where merchant_id = :m and id = :id
                """),
                {"m": merchant_id, "id": row.id, "status": status},
            )
            if row.paused_by_us_at is not None:
                reason = "It is gone." if status is None else "Somebody changed it since we paused it."
                _record(db, merchant_id, row, "release", "done", reason, False, now)


def _release(rt: AdsRuntime, merchant_id: int, ids: Sequence[int], now: datetime, reason: str) -> None:
    if not ids:
        return
    with transaction(rt.engine) as db:
        for row in db.execute(
            sa.text("""
                update ad_link set paused_by_us_at = null, status_before = ''
                 where merchant_id = :m and id = any(:ids) returning id, daily_spend, paused_by_us_at
            """),
            {"m": merchant_id, "ids": list(ids)},
        ).all():
            _record(db, merchant_id, row, "release", "done", reason, False, now)


def _is_approved(rt: AdsRuntime, merchant_id: int, connection_id: int, now: datetime) -> bool:
    with rt.engine.connect() as db:
        at = db.execute(
            sa.text(
                "select cursors ->> 'blast_approved_at' from connection where merchant_id = :m and id = :c"
            ),
            {"m": merchant_id, "c": connection_id},
        ).scalar()
    return at is not None and now - datetime.fromisoformat(at) < timedelta(hours=1)


def _hold(
    rt: AdsRuntime, merchant_id: int, connection_id: int, ids: Sequence[int], limit: int, now: datetime
) -> None:
    """More pauses at once than the limit: ask first. One line in the ledger per hold, not per look."""
    with transaction(rt.engine) as db:
        already = db.execute(
            sa.text("""
                select 1 from ad_action a join ad_link l on l.merchant_id = a.merchant_id and l.id = a.ad_link_id
                 where a.merchant_id = :m and l.connection_id = :c and a.action = 'hold' and a.at > :recent
            """),
            {"m": merchant_id, "c": connection_id, "recent": now - timedelta(hours=1)},
        ).first()
        if already:
            return
        db.execute(
            sa.text("""
                insert into ad_action (merchant_id, ad_link_id, at, action, outcome, reason)
                values (:m, :id, :at, 'hold', 'held', :reason)
            """),
            {
                "m": merchant_id,
                "id": ids[0],
                "at": now,
                "reason": f"{len(ids)} ads would be paused at once, more than the limit of {limit}.",
            },
        )
