"""What the merchant wants done about orders at risk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record

BOUNDS: dict[str, tuple[int, int]] = {
    "default_days": (1, 30),
    "notice_days": (0, 30),
    "answer_days": (2, 14),
    "voucher_extra_percent": (0, 50),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "writes": ("ask", "auto"),
    "no_answer": ("refund", "ask"),
    "carries": ("ask", "auto"),
}


@dataclass(frozen=True, slots=True)
class RiskRule:
    """`default_days` after which an order without a promise is due. `notice_days` before its deadline a line that
    nobody has a date for counts as at risk. `writes` and `carries` "auto": the customer is written to, and their
    choice is carried out in the store, without asking the merchant first. `answer_days` the customer has;
    `no_answer` then: "refund", or "ask" the merchant. What may be chosen beside the refund: `offers_wait`,
    `offers_substitute`, `offers_voucher` (worth the line and `voucher_extra_percent` more)."""

    default_days: int = 30
    notice_days: int = 7
    writes: str = "ask"
    answer_days: int = 7
    no_answer: str = "refund"
    carries: str = "ask"
    offers_wait: bool = True
    offers_substitute: bool = True
    offers_voucher: bool = False
    voucher_extra_percent: int = 0


def rule_of(db: sa.Connection, merchant_id: int) -> RiskRule:
    """The rule in force; the defaults where the merchant said nothing."""
    says = db.execute(
        sa.text("select says from order_risk_rule where merchant_id = :m"), {"m": merchant_id}
    ).scalar()
    known = {one.name for one in fields(RiskRule)}
    return RiskRule(**{name: value for name, value in (says or {}).items() if name in known})


def check(given: dict[str, Any]) -> dict[str, str]:
    """What is wrong with these values, by name; empty when they can be kept."""
    wrong = {}
    for name, (least, most) in BOUNDS.items():
        value = given.get(name)
        if type(value) is not int or not least <= value <= most:
            wrong[name] = f"{least}–{most}"
    for name, choices in CHOICES.items():
        if given.get(name) not in choices:
            wrong[name] = ", ".join(choices)
    return wrong


def keep_rule(db: sa.Connection, merchant_id: int, rule: RiskRule, now: datetime, actor: str) -> None:
    """Store the rule; it counts from the next look on. Raises ValueError for values out of bounds."""
    wrong = check(asdict(rule))
    if wrong:
        raise ValueError(f"The rule for orders at risk is wrong: {wrong}")
    db.execute(
        sa.text("""
            insert into order_risk_rule (merchant_id, says, actor, changed_at)
            values (:m, cast(:says as jsonb), :actor, :now)
                on conflict (merchant_id) do update
               set says = excluded.says, actor = excluded.actor, changed_at = excluded.changed_at
        """),
        {"m": merchant_id, "says": json.dumps(asdict(rule)), "actor": actor, "now": now},
    )
    record(db, merchant_id, now, actor, "risk.rule", "orders at risk", asdict(rule))
