"""Who waits for what, and every message to a shopper."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

PAGE = 50
SUBSCRIPTION_STATUSES = ("waiting", "invited", "fulfilled", "unconfirmed", "ended")
MESSAGE_STATUSES = ("unknown", "failed", "waiting", "sent", "skipped")

_OF_PEOPLE = """
      from subscription s
      join variant v on v.merchant_id = s.merchant_id and v.id = s.variant_id
      left join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
     where s.merchant_id = :m and (:status = '' or s.status = :status)
       and (:variant = 0 or s.variant_id = :variant)
"""
_PEOPLE = f"""
    select s.id, s.address, s.channel, s.locale, s.wanted_units, s.status, s.created_at, s.confirmed_at,
           s.ended_at, s.ended_by, s.consent_text, s.consent_version, s.wants_marketing,
           s.variant_id, s.passes_over, v.sku, v.title, c.name as store {_OF_PEOPLE}
"""
# The columns of the file, in its order: a row is a line as it is.
PEOPLE_EXPORT = sa.text(f"""
    select s.address, s.channel, s.locale as language, v.sku, v.title, c.name as store, s.wanted_units as units,
           s.status, s.created_at as asked_at, s.confirmed_at, s.ended_at, s.ended_by, s.consent_version,
           s.consent_text {_OF_PEOPLE}
     order by s.id desc
""")
_OF_MESSAGES = """
      from message g
      join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
      join variant v on v.merchant_id = s.merchant_id and v.id = s.variant_id
     where g.merchant_id = :m
       and (:status = '' or g.status = :status or (:status = 'waiting' and g.status = 'sending'))
"""
_MESSAGES = f"""
    select g.id, g.kind, g.channel, g.status, g.created_at, g.sending_at, g.settled_at, g.tries, g.note, g.subject,
           s.address, s.status as subscription_status, s.variant_id, v.sku, v.title {_OF_MESSAGES}
"""
MESSAGES_EXPORT = sa.text(f"""
    select g.kind, g.channel, s.address, v.sku, v.title, g.status, g.subject, g.created_at, g.settled_at, g.tries,
           g.note {_OF_MESSAGES}
     order by g.id desc
""")


def subscriptions(
    db: sa.Connection,
    merchant_id: int,
    *,
    status: str = "",
    variant_id: int = 0,
    before: int = 0,
    limit: int = PAGE,
) -> list[sa.Row[Any]]:
    """Subscriptions, newest first; the queue of one product is served oldest first."""
    return list(
        db.execute(
            sa.text(f"{_PEOPLE} and (:before = 0 or s.id < :before) order by s.id desc limit :n"),
            {"m": merchant_id, "status": status, "variant": variant_id, "before": before, "n": limit},
        )
    )


def of_address(db: sa.Connection, merchant_id: int, address_key: str) -> list[sa.Row[Any]]:
    """Everything that one address, as it is compared, waits or waited for."""
    return list(
        db.execute(
            sa.text(f"{_PEOPLE} and s.address_key = :key order by s.id desc limit 200"),
            {"m": merchant_id, "status": "", "variant": 0, "key": address_key},
        )
    )


def counts(db: sa.Connection, merchant_id: int) -> dict[str, int]:
    """Subscriptions by status."""
    rows = db.execute(
        sa.text("select status, count(*) from subscription where merchant_id = :m group by status"),
        {"m": merchant_id},
    )
    return {row[0]: int(row[1]) for row in rows}


def most_wanted(db: sa.Connection, merchant_id: int, limit: int = 5) -> list[sa.Row[Any]]:
    """The products most shoppers wait for, with the units they want."""
    return list(
        db.execute(
            sa.text("""
                select w.variant_id, v.sku, v.title, w.people, w.units, p.available,
                       coalesce(p.state, '') as state, p.restock_on
                  from (select variant_id, count(*) as people, sum(wanted_units) as units from subscription
                         where merchant_id = :m and status = 'waiting' group by variant_id
                         order by count(*) desc, variant_id limit :n) w
                  join variant v on v.merchant_id = :m and v.id = w.variant_id
                  left join position p on p.merchant_id = :m and p.variant_id = w.variant_id
                 order by w.people desc, w.variant_id
            """),
            {"m": merchant_id, "n": limit},
        )
    )


def messages(
    db: sa.Connection, merchant_id: int, *, status: str = "", before: int = 0, limit: int = PAGE
) -> list[sa.Row[Any]]:
    """Messages, newest first."""
    return list(
        db.execute(
            sa.text(f"{_MESSAGES} and (:before = 0 or g.id < :before) order by g.id desc limit :n"),
            {"m": merchant_id, "status": status, "before": before, "n": limit},
        )
    )


def message(db: sa.Connection, merchant_id: int, message_id: int) -> sa.Row[Any] | None:
    """One message of this merchant."""
    return db.execute(
        sa.text(f"{_MESSAGES} and g.id = :id"), {"m": merchant_id, "status": "", "id": message_id}
    ).one_or_none()


def message_counts(db: sa.Connection, merchant_id: int) -> dict[str, int]:
    """Messages by status; those being sent count as waiting."""
    rows = db.execute(
        sa.text("""
            select case status when 'sending' then 'waiting' else status end as status, count(*)
              from message where merchant_id = :m group by 1
        """),
        {"m": merchant_id},
    )
    return {row[0]: int(row[1]) for row in rows}
