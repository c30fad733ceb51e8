"""A shop installs us from its platform's app store, or comes back: signed in, linked, and being read.

Nothing is asked of the merchant: the platform's signed word says which shop it is. Whatever runs twice
(two windows, a reload while the first answer is on its way) ends as one installation with one access.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal
from zoneinfo import available_timezones

import sqlalchemy as sa

from connector.accounts import entitlements, schedule
from connector.accounts.access import access_of, alone, change_secrets, grant_secrets
from connector.accounts.audit import record
from connector.accounts.connections import PAUSED_BY_PERSON, add_connection, connection, resume
from connector.accounts.installations import InstallationRow, by_shop, lock_shop
from connector.accounts.merchants import create_merchant, platform_user
from connector.db import transaction
from connector.delivery.scripts import forget, look_after
from connector.i18n import best_locale
from connector.installs.join import ByHand, admit
from connector.installs.runtime import InstallsRuntime
from connector.outbox.upkeep import wake
from connector.ports.installs import App, Grant, Visitor
from connector.ports.stores import Store, StoreCheck
from connector.positions.decide import enqueue_store
from connector.registry import manifest

STORE_EVERY_S: Mapping[str, int] = {
    "store.webhooks": 3600,
    "store.full": 86_400,
    "store.catalog": 300,
    "store.orders": 120,
}
"""What is done regularly for a store. The first import is a full reading: it has the longest lease."""

MERCHANT_EVERY_S: Mapping[str, int] = {
    "positions.recheck": 60,
    "shoppers.upkeep": 3600,
    "orders.at_risk": 900,
    "upkeep": 86_400,
}

# The first full reading is left alone for so long; a shop that is not read by then is read twice, unharmed.
CHANGES_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Arrived:
    """Whose page it is. `outcome`: "known" (nothing was to be done), "new", "back" (it had left), "renewed"
    (our access had been refused and is given again) or "joined" (it was connected by hand before)."""

    merchant_id: int
    connection_id: int
    user_id: int
    outcome: Literal["known", "new", "back", "renewed", "joined"]


def arrive(rt: InstallsRuntime, adapter: str, visitor: Visitor, locale: str) -> Arrived:
    """Have the visitor's shop installed and the visitor known. `locale` is the language they asked for.

    Asks the platform only where there is something to do. Raises the PortError of what it refused, and
    ConnectedByHand for a shop that an account has by hand (`connector.installs.join`); nothing is stored then.
    """
    with rt.engine.connect() as db:
        row = by_shop(db, adapter, visitor.shop)
    if row is None or not _is_well(row):
        with alone(rt.engine, f"installation of {adapter}:{visitor.shop}"):
            with rt.engine.connect() as db:
                row = by_shop(db, adapter, visitor.shop)
            if row is None or not _is_well(row):
                return _install(rt, adapter, visitor, row, locale)
    with transaction(rt.engine) as db:
        user_id = platform_user(
            db, row.merchant_id, row.shop, visitor.user_id, now=rt.now(), locale=best_locale([locale])
        )
    return Arrived(row.merchant_id, row.connection_id, user_id, "known")


def arrive_with(rt: InstallsRuntime, adapter: str, visitor: Visitor, grant: Grant, locale: str) -> Arrived:
    """As `arrive`, with access that the platform has just given: it is stored whatever there was before,
    because whatever there was has ended. Raises the PortError of what it refused."""
    with alone(rt.engine, f"installation of {adapter}:{visitor.shop}"):
        with rt.engine.connect() as db:
            row = by_shop(db, adapter, visitor.shop)
        app, chosen = rt.app(adapter), best_locale([locale])
        if (by_hand := _by_hand(rt, adapter, visitor, row)) is not None:
            checked = _look(rt, app, adapter, grant)
            return _store_joined(rt, app, adapter, by_hand, visitor, grant, checked, chosen)
        if row is None:
            checked = _look(rt, app, adapter, grant)
            return _store_new(rt, app, adapter, visitor, grant, checked, chosen)
        with alone(rt.engine, access_of(row.merchant_id, row.connection_id)):
            checked = _look(rt, app, adapter, grant)
            return _store_again(rt, app, row, visitor, grant, checked, chosen)


def _is_well(row: InstallationRow) -> bool:
    return row.ended_at is None and not row.is_refused and row.status != "ended"


def _install(
    rt: InstallsRuntime, adapter: str, visitor: Visitor, row: InstallationRow | None, locale: str
) -> Arrived:
    app = rt.app(adapter)
    if (by_hand := _by_hand(rt, adapter, visitor, row)) is not None:
        with alone(rt.engine, access_of(by_hand.merchant_id, by_hand.connection_id)):
            grant, checked = _ask(rt, app, adapter, visitor)
            chosen = best_locale([locale])
            return _store_joined(rt, app, adapter, by_hand, visitor, grant, checked, chosen)
    if row is None:
        grant, checked = _ask(rt, app, adapter, visitor)
        return _store_new(rt, app, adapter, visitor, grant, checked, best_locale([locale]))
    # Nobody may renew the old access while the platform replaces it.
    with alone(rt.engine, access_of(row.merchant_id, row.connection_id)):
        grant, checked = _ask(rt, app, adapter, visitor)
        return _store_again(rt, app, row, visitor, grant, checked, best_locale([locale]))


def _by_hand(
    rt: InstallsRuntime, adapter: str, visitor: Visitor, row: InstallationRow | None
) -> ByHand | None:
    """As `admit`, for a shop that is new or had left; one that is here needs nobody's consent."""
    is_here = row is not None and row.ended_at is None and row.status != "ended"
    return None if is_here else admit(rt, adapter, visitor)


def _ask(rt: InstallsRuntime, app: App, adapter: str, visitor: Visitor) -> tuple[Grant, StoreCheck]:
    """Access to the shop, and who it says it is."""
    grant = app.grant(visitor)
    return grant, _look(rt, app, adapter, grant)


def _look(rt: InstallsRuntime, app: App, adapter: str, grant: Grant) -> StoreCheck:
    """Who the shop of this access says it is."""
    environment = replace(rt.environment, access_tokens=_Just(grant.access_token))
    store: Store = manifest("stores", adapter).build(app.config(grant), grant_secrets(grant), environment)
    return store.check()


def _store_new(
    rt: InstallsRuntime,
    app: App,
    adapter: str,
    visitor: Visitor,
    grant: Grant,
    checked: StoreCheck,
    locale: str,
) -> Arrived:
    now = rt.now()
    with transaction(rt.engine) as db:
        lock_shop(db, adapter, grant.shop)
        merchant_id = create_merchant(
            db,
            checked.name.strip() or grant.shop,
            now,
            locale=locale,
            timezone=checked.timezone if checked.timezone in available_timezones() else "UTC",
            currency=checked.currency,
        )
        connection_id = add_connection(
            db,
            rt.keyring,
            merchant_id,
            kind="store",
            adapter=adapter,
            name=checked.name.strip() or grant.shop,
            config={**app.config(grant), "currency": checked.currency, "home": checked.url},
            secrets=grant_secrets(grant),
            now=now,
            is_installation=True,
        )
        db.execute(
            sa.text("""
                insert into installation (merchant_id, adapter, shop, connection_id, installed_at)
                values (:m, :a, :s, :c, :now)
            """),
            {"m": merchant_id, "a": adapter, "s": grant.shop, "c": connection_id, "now": now},
        )
        user_id = platform_user(db, merchant_id, grant.shop, visitor.user_id, now=now, locale=locale)
        for kind, every_s in MERCHANT_EVERY_S.items():
            schedule.ensure(db, merchant_id, kind, 0, every_s)
        begin_reading(rt, db, merchant_id, connection_id)
        entitlements.follow(db, merchant_id, connection_id, adapter, now)
        actor = f"{visitor.user_id}@{grant.shop}"
        detail = {"shop": grant.shop, "scopes": list(grant.scopes)}
        record(db, merchant_id, now, actor, "store.install", f"connection {connection_id}", detail)
    return Arrived(merchant_id, connection_id, user_id, "new")


def _store_again(
    rt: InstallsRuntime,
    app: App,
    row: InstallationRow,
    visitor: Visitor,
    grant: Grant,
    checked: StoreCheck,
    locale: str,
) -> Arrived:
    """The shop's old connection is used again. One that had left writes nothing until its difference is
    approved anew: who knows what happened to its numbers meanwhile."""
    now = rt.now()
    has_left = row.ended_at is not None or row.status == "ended"
    key = {"m": row.merchant_id, "c": row.connection_id}
    with transaction(rt.engine) as db:
        lock_shop(db, row.adapter, row.shop)
        change_secrets(db, rt.keyring, row.merchant_id, row.connection_id, grant_secrets(grant))
        config = {**app.config(grant), "currency": checked.currency, "home": checked.url}
        db.execute(
            sa.text("""
                update connection set config = config || cast(:config as jsonb)
                 where merchant_id = :m and id = :c
            """),
            {**key, "config": json.dumps(config)},
        )
        if has_left:
            # Its orders until now are in its numbers: they are not read again.
            db.execute(
                sa.text("""
                    update connection
                       set status = 'active', status_reason = '', writing_approved_at = null,
                           is_writing_stopped = false,
                           cursors = cursors - 'catalog' - 'orders' - 'webhooks' - 'webhook_topics'
                     where merchant_id = :m and id = :c
                """),
                key,
            )
            forget(db, row.merchant_id, row.connection_id)
        elif row.is_refused:
            resume(db, row.merchant_id, row.connection_id)
        db.execute(
            sa.text("""
                update installation
                   set is_refused = false, ended_at = null,
                       installed_at = case when :left then :now else installed_at end
                 where merchant_id = :m and connection_id = :c
            """),
            {**key, "left": has_left, "now": now},
        )
        user_id = platform_user(db, row.merchant_id, row.shop, visitor.user_id, now=now, locale=locale)
        wake(db, row.merchant_id, row.connection_id)
        if has_left:
            begin_reading(rt, db, row.merchant_id, row.connection_id)
        else:
            enqueue_store(db, row.merchant_id, row.connection_id)
            look_after(db, row.merchant_id, row.connection_id)
        entitlements.follow(db, row.merchant_id, row.connection_id, row.adapter, now)
        actor = f"{visitor.user_id}@{row.shop}"
        action = "store.install_again" if has_left else "store.access_renewed"
        record(db, row.merchant_id, now, actor, action, f"connection {row.connection_id}")
    return Arrived(row.merchant_id, row.connection_id, user_id, "back" if has_left else "renewed")


def _store_joined(
    rt: InstallsRuntime,
    app: App,
    adapter: str,
    by_hand: ByHand,
    visitor: Visitor,
    grant: Grant,
    checked: StoreCheck,
    locale: str,
) -> Arrived:
    """The connection that was made by hand goes on as the installation: its access comes from the app from
    now on. Its listings, rules and shoppers stay, and so does what was approved: it is the same store."""
    now, merchant_id, connection_id = rt.now(), by_hand.merchant_id, by_hand.connection_id
    key = {"m": merchant_id, "c": connection_id}
    with transaction(rt.engine) as db:
        lock_shop(db, adapter, grant.shop)
        # The key made by hand goes, and with it the secret of the app it was of: ours signs the webhooks now.
        change_secrets(db, rt.keyring, merchant_id, connection_id, {"api_secret": "", **grant_secrets(grant)})
        config = {**app.config(grant), "currency": checked.currency, "home": checked.url}
        db.execute(
            sa.text("""
                update connection
                   set config = config || cast(:config as jsonb),
                       cursors = cursors - 'join' - 'orders' - 'webhooks' - 'webhook_topics'
                 where merchant_id = :m and id = :c
            """),
            {**key, "config": json.dumps(config)},
        )
        # Where it was installed before it left, its people are known by an account that has ended with it.
        left = {"a": adapter, "s": grant.shop}
        db.execute(
            sa.text("""
                delete from app_user u using installation i
                 where i.adapter = :a and i.shop = :s and i.ended_at is not null
                   and u.merchant_id = i.merchant_id and u.email like '%@' || i.shop
            """),
            left,
        )
        db.execute(
            sa.text("delete from installation where adapter = :a and shop = :s and ended_at is not null"),
            left,
        )
        db.execute(
            sa.text("""
                insert into installation (merchant_id, adapter, shop, connection_id, installed_at)
                values (:m, :a, :s, :c, :now)
            """),
            {**key, "a": adapter, "s": grant.shop, "now": now},
        )
        user_id = platform_user(db, merchant_id, grant.shop, visitor.user_id, now=now, locale=locale)
        row = connection(db, merchant_id, connection_id)
        if row.status == "paused" and row.status_reason != PAUSED_BY_PERSON:
            # What stopped it was its access. What a person paused stays so.
            resume(db, merchant_id, connection_id)
            wake(db, merchant_id, connection_id)
            enqueue_store(db, merchant_id, connection_id)
        for kind, every_s in MERCHANT_EVERY_S.items():
            schedule.ensure(db, merchant_id, kind, 0, every_s)
        for kind, every_s in STORE_EVERY_S.items():
            schedule.ensure(db, merchant_id, kind, connection_id, every_s)
        for kind in ("store.webhooks", "store.catalog"):
            schedule.run_now(db, merchant_id, kind, connection_id)
        entitlements.follow(db, merchant_id, connection_id, adapter, now)
        actor = f"{visitor.user_id}@{grant.shop}"
        record(db, merchant_id, now, actor, "store.join", f"connection {connection_id}", {"shop": grant.shop})
    return Arrived(merchant_id, connection_id, user_id, "joined")


def begin_reading(rt: InstallsRuntime, db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """Set the webhooks and read the catalogue at once, and look after both, and the script in its pages,
    from now on."""
    for kind, every_s in STORE_EVERY_S.items():
        first_at = rt.now() + CHANGES_AFTER if kind == "store.catalog" else None
        schedule.remove(db, merchant_id, kind, connection_id)
        schedule.ensure(db, merchant_id, kind, connection_id, every_s, first_at)
    look_after(db, merchant_id, connection_id)


class _Just:
    """A token that was given a moment ago: implements `AccessTokens`."""

    def __init__(self, token: str) -> None:
        self._token = token

    def current(self) -> str:
        return self._token

    def after(self, refused: str) -> str:
        return refused
