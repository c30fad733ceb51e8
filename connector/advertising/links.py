"""The ads of an account as links to product pages, and what can be bought behind each of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from connector.advertising.policy import AdFacts
from connector.advertising.runtime import ACCOUNT, AdsRuntime
from connector.catalog.pages import page_key
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.ports.ads import Ad
from connector.positions.topics import ADS


def read_account(rt: AdsRuntime, merchant_id: int, connection_id: int) -> int:
    """Read every ad with a landing page into links and have them looked at. Returns the number of ads.

    It changes no ad: only the account's turn in the outbox does, so that two of us never act on one
    account at the same time. A paused or ended connection is not read (0).
    """
    with rt.engine.connect() as db:
        status = db.execute(
            sa.text("select status from connection where merchant_id = :m and id = :c"),
            {"m": merchant_id, "c": connection_id},
        ).scalar_one()
    if status != "active":
        return 0
    account = rt.ads(merchant_id, connection_id)
    started = rt.now()
    count = 0
    for page in account.ads():
        count += len(page)
        with transaction(rt.engine) as db:
            _store_page(db, merchant_id, connection_id, page, started)
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update ad_link set is_gone = true
                 where merchant_id = :m and id in (
                       select id from ad_link
                        where merchant_id = :m and connection_id = :c and seen_at < :at and not is_gone
                        order by external_id for update)
            """),
            {"m": merchant_id, "c": connection_id, "at": started},
        )
        enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id)])
    return count


def facts_of(db: sa.Connection, merchant_id: int, connection_id: int, now: datetime) -> list[AdFacts]:
    """The account's ads with what is behind each, `out_since` and `back_since` brought up to date.

    What we keep true counts as sellable when it may be bought now: in stock, low, or on order. What else
    stands on the page (nobody's item, taken out of management, not writable) counts as sellable while the
    store itself sells it and never as sold out: of those we know nothing, and never pause for them.
    """
    rows = db.execute(_BEHIND, {"m": merchant_id, "c": connection_id}).all()
    facts, moved = [], []
    for row in rows:
        is_out = row.sellable == 0 and row.unsellable > 0
        out_since = (row.out_since or now) if is_out else None
        back_since = (row.back_since or now) if row.sellable > 0 else None
        is_left_alone = row.step == "theirs" and row.sellable == 0
        if (out_since, back_since) != (row.out_since, row.back_since) or is_left_alone != (
            row.step == "theirs"
        ):
            moved.append((row.id, out_since, back_since))
        facts.append(
            AdFacts(
                row.id,
                row.seen_status,
                row.sellable,
                row.unsellable,
                out_since,
                back_since,
                row.paused_by_us_at is not None,
                is_left_alone,
            )
        )
    if moved:
        ids, outs, backs = zip(*moved, strict=True)
        db.execute(_MOVED, {"m": merchant_id, "ids": list(ids), "outs": list(outs), "backs": list(backs)})
    return facts


_BEHIND = sa.text("""
    with behind as (
      select a.id, a.external_id, a.seen_status, a.out_since, a.back_since, a.paused_by_us_at, a.step,
             l.variant_id,
             case when l.id is null then null
                  when l.is_managed and not l.is_excluded and l.problem = ''
                  then p.available > 0 or p.state in ('backorder', 'made_to_order', 'preorder')
                  when l.is_published and coalesce(l.believed_available, 1) > 0 then true
             end as is_sellable
        from ad_link a
        left join listing l on l.merchant_id = a.merchant_id and l.page_key = a.page_key and not l.is_gone
        left join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
       where a.merchant_id = :m and a.connection_id = :c and not a.is_gone and a.page_key <> ''
    )
    select id, seen_status, out_since, back_since, paused_by_us_at, step,
           count(*) filter (where is_sellable) as sellable,
           count(*) filter (where not is_sellable) as unsellable
      from behind
     group by id, external_id, seen_status, out_since, back_since, paused_by_us_at, step
     order by id
""")

# Whoever left it alone did so for this time out of stock: when something can be bought again it is over.
_MOVED = sa.text("""
    with locked as (
      select id from ad_link where merchant_id = :m and id = any(:ids) order by external_id for update
    )
    update ad_link a
       set out_since = n.out_since, back_since = n.back_since,
           step = case when a.step = 'theirs' and n.back_since is not null then '' else a.step end
      from unnest(cast(:ids as bigint[]), cast(:outs as timestamptz[]), cast(:backs as timestamptz[]))
           as n(id, out_since, back_since)
      join locked on locked.id = n.id
     where a.merchant_id = :m and a.id = n.id
""")


def _store_page(
    db: sa.Connection, merchant_id: int, connection_id: int, page: Sequence[Ad], started: datetime
) -> None:
    ads = list({ad.external_id: ad for ad in page}.values())
    if not ads:
        return
    pages = [ad.landing_pages[0] if ad.landing_pages else "" for ad in ads]
    db.execute(
        _UPSERT,
        {
            "m": merchant_id,
            "c": connection_id,
            "at": started,
            "externals": [ad.external_id for ad in ads],
            "kinds": [ad.kind for ad in ads],
            "names": [ad.name for ad in ads],
            "campaigns": [ad.campaign for ad in ads],
            "pages": pages,
            "keys": [page_key(page) for page in pages],
            "statuses": [ad.status for ad in ads],
            "spends": [ad.daily_spend for ad in ads],
        },
    )


# A paused ad spends nothing: what it cost a day is kept from before the pause. Two readings may overlap;
# the earlier one must not take back when the later one saw an ad, or it would count as gone.
_UPSERT = sa.text("""
    insert into ad_link as a (merchant_id, connection_id, external_id, kind, name, campaign, landing_page,
                              page_key, seen_status, seen_at, daily_spend)
    select :m, :c, n.external_id, n.kind, n.name, n.campaign, n.page, n.key, n.status, :at, n.spend
      from unnest(cast(:externals as text[]), cast(:kinds as text[]), cast(:names as text[]),
                  cast(:campaigns as text[]), cast(:pages as text[]), cast(:keys as text[]),
                  cast(:statuses as text[]), cast(:spends as numeric[]))
           as n(external_id, kind, name, campaign, page, key, status, spend)
     order by n.external_id
        on conflict (merchant_id, connection_id, external_id) do update
       set name = excluded.name, campaign = excluded.campaign, landing_page = excluded.landing_page,
           page_key = excluded.page_key, seen_status = excluded.seen_status,
           seen_at = greatest(a.seen_at, excluded.seen_at), is_gone = false,
           daily_spend = case when a.paused_by_us_at is null
                              then coalesce(excluded.daily_spend, a.daily_spend) else a.daily_spend end
""")
