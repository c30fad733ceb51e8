"""The plan of each merchant as last read, and the one place where a plan stops anything.

A plan stops only the start of something new (`connector.plans.STARTS`); whatever runs goes on. A read that fails
changes nothing. Whatever is not known allows everything: a shop whose plan was not read yet, a plan that the
operator's file does not name, a merchant without an installed shop, an installation without such a file.

What a plan allows is stored with it, so that web, workers and commands ask the same, and a changed file is a
change like any other: in the history, with what it was before.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connector import plans
from connector.accounts import schedule
from connector.accounts.audit import record
from connector.db import transaction
from connector.plans import FEATURES, Catalogue, Feature, Limits
from connector.ports.entitlements import Subscription
from connector.ports.errors import Rejected
from connector.registry import has_part

KIND = "store.plan"
"""The kind of schedule row that reads a shop's plan."""

EVERY_S = 86_400
_WITHOUT = ("none", "cancelled")


class OverPlan(Rejected):
    """Something new that the plan does not allow. Nothing was done; what runs goes on."""

    def __init__(
        self, feature: Feature, *, plan: str, limit: int, used: int, count: int, plan_page: str
    ) -> None:
        self.feature, self.plan, self.limit = feature, plan, limit
        self.used, self.count, self.plan_page = used, count, plan_page
        super().__init__(
            "dispo",
            feature,
            f"The plan {plan} allows {limit} {feature}, and {used} are in use. What runs goes on.",
            f"Choose another plan: {plan_page}" if plan_page else "Choose another plan.",
        )


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The plan of one installed shop as stored (`plan_tables.StorePlan`) with the shop's name."""

    connection_id: int
    store: str
    state: str
    plan: str
    name: str
    price: Decimal | None
    currency: str
    interval: str
    period_ends_at: datetime | None
    trial_ends_at: datetime | None
    is_ending: bool
    is_test: bool | None
    plan_page: str
    allows: str
    limits: Limits
    since: datetime
    read_at: datetime | None
    tried_at: datetime | None
    problem: str

    @property
    def title(self) -> str:
        """What to call it: the operator's name of the plan, else the platform's, else its handle."""
        return self.allows or self.name or self.plan


@dataclass(frozen=True, slots=True)
class Change:
    """A change as kept: what was shown before and after, and what was in use."""

    id: int
    connection_id: int
    store: str
    at: datetime
    before: dict[str, Any]
    after: dict[str, Any]
    used: dict[str, Any]
    seen_at: datetime | None


# --- asking -----------------------------------------------------------------------------------------------


def require(db: sa.Connection, merchant_id: int, feature: Feature, count: int = 1) -> None:
    """Let `count` more of `feature` be started, in the caller's transaction; raises OverPlan otherwise.

    Where there is a limit, one transaction of this merchant at a time passes here, so that two do not take the
    last place together.
    """
    if feature not in limits_of(db, merchant_id):
        return
    db.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended(:k, 4020261125))"),
        {"k": f"plan of {merchant_id}"},
    )
    limits = limits_of(db, merchant_id)
    used = _used(db, merchant_id, feature)
    left = plans.room(limits, feature, used)
    if left is None or left >= count:
        return
    rows = current(db, merchant_id)
    # Where several shops have plans, the one that allows most is the one to change.
    best = max(rows, key=lambda row: row.limits.get(feature, -1))
    raise OverPlan(
        feature,
        plan=best.title,
        limit=limits[feature],
        used=used,
        count=count,
        plan_page=best.plan_page,
    )


def room(db: sa.Connection, merchant_id: int, feature: Feature) -> int | None:
    """How many more may be started now, for what takes as many as it may; None: any number."""
    limits = limits_of(db, merchant_id)
    return plans.room(limits, feature, _used(db, merchant_id, feature)) if feature in limits else None


def limits_of(db: sa.Connection, merchant_id: int) -> Limits:
    """What the merchant's plans allow, the most generous of its installed shops for each feature."""
    rows = db.execute(_LIMITS, {"m": merchant_id}).scalars()
    return plans.most_generous([_limits(row) for row in rows])


def usage(db: sa.Connection, merchant_id: int) -> dict[Feature, int]:
    """How many of each feature are in use."""
    return {feature: _used(db, merchant_id, feature) for feature in FEATURES}


def waiting_listings(db: sa.Connection, merchant_id: int) -> int:
    """Listings that a supplier's item matches and that are not under management: the plan had no room."""
    return int(db.execute(_WAITING, {"m": merchant_id}).scalar_one())


def current(db: sa.Connection, merchant_id: int) -> list[PlanRow]:
    """The plans of the merchant's installed shops; none for a merchant without any."""
    rows = db.execute(_CURRENT, {"m": merchant_id}).mappings()
    return [PlanRow(**{**row, "limits": _limits(row["limits"])}) for row in rows]


def history(db: sa.Connection, merchant_id: int, limit: int = 50) -> list[Change]:
    """The latest changes, newest first."""
    return [Change(*row) for row in db.execute(_HISTORY, {"m": merchant_id, "n": limit})]


def unseen(db: sa.Connection, merchant_id: int) -> int:
    """How many changes nobody has said to have read."""
    return int(db.execute(_UNSEEN, {"m": merchant_id}).scalar_one())


def seen(db: sa.Connection, merchant_id: int, up_to: int, now: datetime) -> int:
    """Somebody read the changes up to this one; returns how many were new to them."""
    return db.execute(_SEE, {"m": merchant_id, "c": up_to, "now": now}).rowcount


# --- following --------------------------------------------------------------------------------------------


def follow(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    adapter: str,
    now: datetime,
    first_at: datetime | None = None,
) -> bool:
    """Have an installed shop's plan read at once (or at `first_at`) and every day. False where its platform
    bills for no app."""
    if not has_part(adapter, "entitlements"):
        return False
    key = {"m": merchant_id, "c": connection_id}
    db.execute(_BEGIN, {**key, "now": now})
    schedule.ensure(db, merchant_id, KIND, connection_id, EVERY_S, first_at)
    if first_at is None:
        schedule.run_now(db, merchant_id, KIND, connection_id)
    return True


def note_read(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    said: Subscription,
    catalogue: Catalogue | None,
    actor: str = "dispo",
) -> bool:
    """Store what the platform said; whether that changed anything a merchant would notice. An answer that is
    older than the one stored is dropped."""
    row = _locked(db, merchant_id, connection_id)
    if row is None or (row.read_at is not None and row.read_at > said.as_of):
        return False
    allows, limits = _allowed(catalogue, said.state, said.plan)
    shown = {
        "state": said.state,
        "plan": said.plan,
        "name": said.name,
        "price": _price(said.price),
        "currency": said.currency,
        "interval": said.interval,
        "is_ending": said.is_ending,
        "allows": allows,
        "limits": dict(limits),
    }
    before = _shown(row)
    db.execute(
        _STORE,
        {
            "m": merchant_id,
            "c": connection_id,
            **shown,
            "price": said.price,
            "limits": json.dumps(dict(limits)),
            "period_ends_at": said.period_ends_at,
            "trial_ends_at": said.trial_ends_at,
            "is_test": said.is_test,
            "plan_page": said.plan_page,
            "as_of": said.as_of,
            "is_other": (row.state, row.plan) != (said.state, said.plan),
        },
    )
    return _keep(db, merchant_id, connection_id, before, shown, said.as_of, actor)


def note_failure(
    db: sa.Connection, merchant_id: int, connection_id: int, problem: str, now: datetime
) -> None:
    """The plan could not be read: what is known stays."""
    db.execute(_FAIL, {"m": merchant_id, "c": connection_id, "p": problem[:500], "now": now})


def apply(engine: sa.Engine, catalogue: Catalogue | None, adapters: Collection[str], now: datetime) -> int:
    """Have what the operator's file says hold for every shop, and the shops of these `adapters` followed that
    are not yet (they installed us before there were plans). Repeating changes nothing. Returns the shops whose
    plan allows something else now; each keeps that in its history."""
    with transaction(engine) as db:
        for row in db.execute(_NOT_FOLLOWED, {"adapters": list(adapters)}).all():
            # Spread over the day, so that a large installation does not ask for all at once.
            first_at = now + timedelta(seconds=row.connection_id * 7_919 % EVERY_S)
            follow(db, row.merchant_id, row.connection_id, row.adapter, now, first_at)
        keys = db.execute(sa.text("select merchant_id, connection_id from store_plan order by 1, 2")).all()
    changed = 0
    for merchant_id, connection_id in keys:
        with transaction(engine) as db:
            changed += _apply_to(db, merchant_id, connection_id, catalogue, now)
    return changed


def _apply_to(
    db: sa.Connection, merchant_id: int, connection_id: int, catalogue: Catalogue | None, now: datetime
) -> bool:
    row = _locked(db, merchant_id, connection_id)
    if row is None:
        return False
    allows, limits = _allowed(catalogue, row.state, row.plan)
    if (allows, limits) == (row.allows, _limits(row.limits)):
        return False
    db.execute(
        sa.text("""
            update store_plan set allows = :allows, limits = cast(:limits as jsonb)
             where merchant_id = :m and connection_id = :c
        """),
        {"m": merchant_id, "c": connection_id, "allows": allows, "limits": json.dumps(dict(limits))},
    )
    before = _shown(row)
    after = {**before, "allows": allows, "limits": dict(limits)}
    return _keep(db, merchant_id, connection_id, before, after, now, "dispo")


def _allowed(catalogue: Catalogue | None, state: str, handle: str) -> tuple[str, Limits]:
    """The name of the plan that holds and its limits; ("", {}) where everything is allowed."""
    if catalogue is None or state == "unknown":
        return "", {}
    found = catalogue.without if state in _WITHOUT else catalogue.plan(handle)
    return (found.name, found.limits) if found else ("", {})


def _keep(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    before: dict[str, Any],
    after: dict[str, Any],
    at: datetime,
    actor: str,
) -> bool:
    if before == after:
        return False
    is_first = before["state"] == "unknown"
    db.execute(
        sa.text("""
            insert into plan_change (merchant_id, connection_id, at, before, after, used, seen_at)
            values (:m, :c, :at, cast(:before as jsonb), cast(:after as jsonb), cast(:used as jsonb), :seen)
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "at": at,
            "before": json.dumps(before),
            "after": json.dumps(after),
            "used": json.dumps(usage(db, merchant_id)),
            # Learning for the first time which plan there is changes nothing for anybody.
            "seen": at if is_first else None,
        },
    )
    detail = {"before": before["allows"] or before["plan"], "after": after["allows"] or after["plan"]}
    record(db, merchant_id, at, actor, "plan.change", f"connection {connection_id}", detail)
    return True


def _locked(db: sa.Connection, merchant_id: int, connection_id: int) -> sa.Row[Any] | None:
    return db.execute(
        sa.text("select * from store_plan where merchant_id = :m and connection_id = :c for update"),
        {"m": merchant_id, "c": connection_id},
    ).one_or_none()


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    """What a merchant would notice when it changes, in the shape in which it is kept."""
    names = ("state", "plan", "name", "currency", "interval", "is_ending", "allows")
    kept = {name: getattr(row, name) for name in names}
    return {**kept, "price": _price(row.price), "limits": dict(_limits(row.limits))}


def _price(amount: Decimal | None) -> str | None:
    """An amount as it is kept in the history: "9.9" and "9.90" are the same."""
    return None if amount is None else f"{amount.normalize():f}"


def _limits(stored: Any) -> Limits:
    # A limit that this release does not know (it runs beside another one) is not its to hold anybody to.
    return {feature: int(stored[feature]) for feature in FEATURES if feature in stored}


def _used(db: sa.Connection, merchant_id: int, feature: Feature) -> int:
    return int(db.execute(_USED[feature], {"m": merchant_id}).scalar_one())


_CONNECTIONS = "select count(*) from connection where merchant_id = :m and kind = '{}' and status <> 'ended'"
_USED: dict[Feature, sa.TextClause] = {
    "stores": sa.text(_CONNECTIONS.format("store")),
    "suppliers": sa.text(_CONNECTIONS.format("supplier")),
    # An item that is kept at several locations of one store is one item.
    "listings": sa.text("""
        select count(*) from listing l
         where l.merchant_id = :m and l.is_managed and not l.is_gone
           and not exists (select 1 from store_location s
                            where s.merchant_id = l.merchant_id and s.connection_id = l.connection_id
                              and s.location_id = l.location_id and s.position > 0)
    """),
}
_WAITING = sa.text("""
    select count(*) from listing l
     where l.merchant_id = :m and not l.is_managed and not l.is_excluded and not l.is_gone
       and exists (select 1 from supplier_item i
                    where i.merchant_id = l.merchant_id and i.variant_id = l.variant_id)
""")
_LIVE = """
      from store_plan p
      join installation i on i.merchant_id = p.merchant_id and i.connection_id = p.connection_id
      join connection c on c.merchant_id = p.merchant_id and c.id = p.connection_id
     where p.merchant_id = :m and i.ended_at is null and c.status <> 'ended'
"""
_LIMITS = sa.text(f"select p.limits {_LIVE}")
_CURRENT = sa.text(f"""
    select p.connection_id, c.name as store, p.state, p.plan, p.name, p.price, p.currency, p.interval,
           p.period_ends_at, p.trial_ends_at, p.is_ending, p.is_test, p.plan_page, p.allows, p.limits, p.since,
           p.read_at, p.tried_at, p.problem {_LIVE} order by p.connection_id
""")
_HISTORY = sa.text("""
    select h.id, h.connection_id, coalesce(c.name, ''), h.at, h.before, h.after, h.used, h.seen_at
      from plan_change h
      left join connection c on c.merchant_id = h.merchant_id and c.id = h.connection_id
     where h.merchant_id = :m order by h.id desc limit :n
""")
_UNSEEN = sa.text("select count(*) from plan_change where merchant_id = :m and seen_at is null")
_SEE = sa.text(
    "update plan_change set seen_at = :now where merchant_id = :m and id <= :c and seen_at is null"
)
_BEGIN = sa.text("""
    insert into store_plan (merchant_id, connection_id, since) values (:m, :c, :now) on conflict do nothing
""")
_STORE = sa.text("""
    update store_plan
       set state = :state, plan = :plan, name = :name, price = :price, currency = :currency,
           interval = :interval, period_ends_at = :period_ends_at, trial_ends_at = :trial_ends_at,
           is_ending = :is_ending, is_test = :is_test,
           plan_page = case when :plan_page = '' then plan_page else :plan_page end,
           allows = :allows, limits = cast(:limits as jsonb),
           since = case when :is_other then :as_of else since end,
           read_at = :as_of, tried_at = :as_of, problem = ''
     where merchant_id = :m and connection_id = :c
""")
_FAIL = sa.text("""
    update store_plan set tried_at = :now, problem = :p where merchant_id = :m and connection_id = :c
""")
_NOT_FOLLOWED = sa.text("""
    select i.merchant_id, i.connection_id, i.adapter from installation i
      join connection c on c.merchant_id = i.merchant_id and c.id = i.connection_id
     where i.ended_at is null and c.status <> 'ended' and i.adapter = any(cast(:adapters as text[]))
       and not exists (select 1 from store_plan p
                        where p.merchant_id = i.merchant_id and p.connection_id = i.connection_id)
     order by i.merchant_id, i.connection_id
""")
