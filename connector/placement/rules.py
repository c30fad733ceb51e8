"""The merchant chooses a rule, approves what it would change, and switches it off again."""

from __future__ import annotations

import re
from datetime import datetime

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.outbox.messages import Intent, enqueue
from connector.placement.facts import rule_of
from connector.placement.policy import Rule
from connector.placement.runtime import LOOK, LOOK_EVERY_S, SCHEDULE
from connector.ports.errors import Misconfigured
from connector.ports.places import PlaceKind
from connector.positions.topics import PLACES

MOST_DAYS = 730
# No comma (it parts tags), no markup (WordPress takes it out), and what every platform stores as it is.
_TAG = re.compile(r"[\w](?:[\w .:-]{0,58}[\w])?")


def checked(kinds: tuple[PlaceKind, ...], kind: str, tag: str, days_out: int) -> Rule:
    """The rule as it may be kept for a store that has `kinds`; raises Misconfigured naming the field."""
    found = next((one for one in kinds if one == kind), None)
    if found is None:
        known = ", ".join(kinds) or "none"
        raise Misconfigured("dispo", "rule", "This store has no such way.", f"It has: {known}.", field="kind")
    tag = " ".join(tag.split()) if found == "tag" else ""
    if found == "tag" and not _TAG.fullmatch(tag):
        remedy = "Use letters, digits, blanks, dots, colons and hyphens, at most 60 of them."
        raise Misconfigured("dispo", "rule", "This cannot be a tag.", remedy, field="tag")
    if not 1 <= days_out <= MOST_DAYS:
        raise Misconfigured(
            "dispo", "rule", "The number of days is out of range.", f"Use 1 to {MOST_DAYS}.", field="days_out"
        )
    return Rule(found, tag, days_out)


def choose(
    db: sa.Connection, merchant_id: int, connection_id: int, rule: Rule, *, actor: str, now: datetime
) -> None:
    """Keep the rule as a draft: nothing new is moved until it is approved. What an earlier rule moved is put
    back only when this one is approved or switched off."""
    db.execute(
        sa.text("""
            insert into place_rule as r (merchant_id, connection_id, kind, tag, days_out)
            values (:m, :c, :kind, :tag, :days)
                on conflict (merchant_id, connection_id) do update
               set kind = :kind, tag = :tag, days_out = :days, status = 'draft', held = 0, problem = ''
             where (r.kind, r.tag, r.days_out) is distinct from (:kind, :tag, :days) or r.status = 'off'
        """),
        {"m": merchant_id, "c": connection_id, "kind": rule.kind, "tag": rule.tag, "days": rule.days_out},
    )
    detail = {"kind": rule.kind, "tag": rule.tag, "days_out": rule.days_out}
    record(db, merchant_id, now, actor, "places.choose", f"connection {connection_id}", detail)


def approve(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """Let the rule do what it would, at once and from now on; also what was held because it is much. False
    where there is no rule, or it is switched off."""
    done = db.execute(
        sa.text("""
            update place_rule set status = 'on', approved_at = :at, held = 0, problem = ''
             where merchant_id = :m and connection_id = :c and status <> 'off'
        """),
        {"m": merchant_id, "c": connection_id, "at": now},
    ).rowcount
    if not done:
        return False
    record(db, merchant_id, now, actor, "places.approve", f"connection {connection_id}")
    schedule.ensure(db, merchant_id, SCHEDULE, connection_id, LOOK_EVERY_S)
    enqueue(db, merchant_id, [Intent(PLACES, LOOK, connection_id)])
    return True


def switch_off(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> bool:
    """Put everything back and move nothing more. False where there is no rule, or it is off already."""
    found = rule_of(db, merchant_id, connection_id)
    if found is None or found.status == "off":
        return False
    db.execute(
        sa.text("""
            update place_rule set status = 'off', held = 0, problem = ''
             where merchant_id = :m and connection_id = :c
        """),
        {"m": merchant_id, "c": connection_id},
    )
    record(db, merchant_id, now, actor, "places.off", f"connection {connection_id}")
    enqueue(db, merchant_id, [Intent(PLACES, LOOK, connection_id)])
    return True
