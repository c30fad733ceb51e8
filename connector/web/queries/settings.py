"""The merchant's rules and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

RULES = (
    "buffer_units",
    "cap_units",
    "low_stock_threshold",
    "shows_count",
    "allows_backorder",
    "claim_rate",
    "ads_dwell_s",
    "ads_blast_limit",
    "locale",
    "timezone",
    "sender_name",
    "reply_to",
    "privacy_url",
)
DECIDING = frozenset(
    {"buffer_units", "cap_units", "low_stock_threshold", "shows_count", "allows_backorder", "timezone"}
)
"""The rules whose change means that every product is decided again."""


def rules(db: sa.Connection, merchant_id: int) -> sa.Row[Any]:
    """The merchant's rules as stored, with its name and currency."""
    return db.execute(
        sa.text(f"select name, currency, {', '.join(RULES)} from merchant where id = :m"),  # noqa: S608
        {"m": merchant_id},
    ).one()


def save(db: sa.Connection, merchant_id: int, values: Mapping[str, Any]) -> set[str]:
    """Store rules (names of RULES only); returns the names whose value changed."""
    before = rules(db, merchant_id)
    changed = {name for name in RULES if name in values and getattr(before, name) != values[name]}
    if changed:
        sets = ", ".join(f"{name} = :{name}" for name in sorted(changed))
        db.execute(
            sa.text(f"update merchant set {sets} where id = :m"),  # noqa: S608 - names of RULES only
            {"m": merchant_id, **{name: values[name] for name in changed}},
        )
    return changed


def position_count(db: sa.Connection, merchant_id: int, most: int) -> int:
    """How many products are decided, counted up to `most`."""
    return int(
        db.execute(
            sa.text("select count(*) from (select 1 from position where merchant_id = :m limit :n) p"),
            {"m": merchant_id, "n": most},
        ).scalar_one()
    )


AUDIT = """
    select id, at, actor, action, subject, detail from audit_event where merchant_id = :m
"""
AUDIT_EXPORT = sa.text(f"{AUDIT} order by id desc")


def audit(db: sa.Connection, merchant_id: int, *, before: int = 0, limit: int = 50) -> list[sa.Row[Any]]:
    """Who did what, newest first."""
    return list(
        db.execute(
            sa.text(f"{AUDIT} and (:before = 0 or id < :before) order by id desc limit :n"),
            {"m": merchant_id, "before": before, "n": limit},
        )
    )
