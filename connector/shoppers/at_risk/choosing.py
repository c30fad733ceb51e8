"""What becomes of an order at risk: the customer's choice, the merchant's word, or the rule after silence.

Every function takes the row's lock, changes it when that is still possible and says whether it did: a second click
finds the first one done. What is to follow outside comes back as intents, for `enqueue` at the end of the caller's
transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from connector.outbox.messages import Intent
from connector.shoppers.at_risk.looking import history, today_of
from connector.shoppers.at_risk.rules import RiskRule

CARE = "store.care"
"""The outbox topic: carry a choice out in the store. Its subject is the risk's id."""

Choice = Literal["refund", "substitute", "voucher", "wait"]
CHOICES: tuple[Choice, ...] = ("refund", "substitute", "voucher", "wait")
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without those that look alike."""


def find(db: sa.Connection, merchant_id: int, risk_id: int, *, lock: bool = False) -> Any:
    """The row with its item and store (`title`, `sku`, `image_url`, `url`, `collection`, `product_id`,
    `price_minor`, `store`); None when there is none."""
    if lock:
        db.execute(
            sa.text("select 1 from order_risk where merchant_id = :m and id = :id for update"),
            {"m": merchant_id, "id": risk_id},
        )
    return db.execute(_FIND, {"m": merchant_id, "id": risk_id}).one_or_none()


def offers(db: sa.Connection, risk: Any, rule: RiskRule, today: date) -> tuple[Choice, ...]:
    """What the customer may choose now: the refund always and first."""
    found: list[Choice] = ["refund"]
    if rule.offers_wait and risk.expected_on is not None and risk.expected_on > max(today, risk.due_on):
        found.append("wait")
    if rule.offers_substitute and substitutes(db, risk):
        found.append("substitute")
    if rule.offers_voucher and risk.value_minor > 0:
        found.append("voucher")
    return tuple(found)


def substitutes(db: sa.Connection, risk: Any, limit: int = 3) -> list[Any]:
    """Items of the same store and collection that could be sent instead: plenty in stock, not dearer, and not
    much cheaper; of the same product first, then the nearest price. Rows with `variant_id`, `external_id`,
    `title`, `url`, `image_url`, `price_minor`."""
    if not risk.price_minor:
        return []
    return list(
        db.execute(
            _SUBSTITUTES,
            {
                "m": risk.merchant_id,
                "c": risk.connection_id,
                "v": risk.variant_id,
                "collection": risk.collection,
                "product": risk.product_id,
                "price": risk.price_minor,
                "units": risk.units,
                "n": limit,
            },
        )
    )


def choose(
    db: sa.Connection,
    merchant_id: int,
    risk_id: int,
    choice: Choice,
    by: str,
    rule: RiskRule,
    now: datetime,
    *,
    substitute_id: int = 0,
    may_reopen: bool = False,
) -> list[Intent] | None:
    """Record what is to be done; None when that was settled before or is not offered. `by` is "customer", "rule" or
    the merchant's address. A merchant's own choice is carried out without asking the merchant again. Who agreed to wait
    may choose the refund after all where it `may_reopen`: the caller did `hold_looks` then."""
    risk = find(db, merchant_id, risk_id, lock=True)
    if risk is None:
        return None
    if risk.status in ("open", "asked"):
        if choice not in offers(db, risk, rule, today_of(db, merchant_id, now)):
            return None
    elif choice != "refund" or not may_reopen or not may_change(db, risk):
        return None
    if choice == "substitute" and substitute_id not in {one.variant_id for one in substitutes(db, risk)}:
        return None
    who = by if by in ("customer", "rule") else "merchant"
    if choice == "wait":
        _agree(db, risk, risk.expected_on, by, now, choice)
        db.execute(
            sa.text(
                "update order_risk set chosen_by = :who, chosen_at = :now where merchant_id = :m and id = :id"
            ),
            {"who": who, "now": now, "m": merchant_id, "id": risk_id},
        )
        return []
    is_ours = rule.carries == "auto" or who == "merchant"
    db.execute(
        sa.text("""
            update order_risk
               set status = 'chosen', choice = :choice, chosen_by = :who, chosen_at = :now, carry = :carry,
                   closed_at = null, closed_by = '',
                   substitute_id = :substitute, voucher_code = :code, voucher_minor = :worth,
                   history = history || cast(:entry as jsonb)
             where merchant_id = :m and id = :id
        """),
        {
            "m": merchant_id,
            "id": risk_id,
            "choice": choice,
            "who": who,
            "now": now,
            "carry": "todo" if is_ours else "ask",
            "substitute": substitute_id if choice == "substitute" else 0,
            "code": _code() if choice == "voucher" else "",
            # What they saw when they chose: neither another rule nor another price changes it.
            "worth": voucher_worth(risk.value_minor, rule) if choice == "voucher" else 0,
            "entry": history(now, by, "chose", choice),
        },
    )
    return [_care(risk)] if is_ours else []


def voucher_worth(value_minor: int, rule: RiskRule) -> int:
    """What a voucher in place of a line is worth, in minor units rounded up."""
    return -(-value_minor * (100 + rule.voucher_extra_percent) // 100)


def may_change(db: sa.Connection, risk: Any) -> bool:
    """Whether who agreed to wait may still have the money back: it was not sent, and nothing newer is open."""
    if risk.status != "closed" or risk.closed_by != "wait":
        return False
    return bool(db.scalar(_MAY_CHANGE, {"m": risk.merchant_id, "id": risk.id}))


def newest(db: sa.Connection, merchant_id: int, risk_id: int) -> int:
    """The risk that stands for this one's line now: a line that was waited for may be at risk again, and links in
    older messages must not tell of dates that are past. The risk itself where there is no newer one."""
    return int(db.scalar(_NEWEST, {"m": merchant_id, "id": risk_id}) or risk_id)


def carry_out(
    db: sa.Connection, merchant_id: int, risk_id: int, by: str, now: datetime
) -> list[Intent] | None:
    """The merchant's yes to what was chosen, also again after a failure; None when nothing waits for it."""
    risk = find(db, merchant_id, risk_id, lock=True)
    if risk is None or risk.status != "chosen" or risk.carry not in ("ask", "failed", "by_hand"):
        return None
    _set(db, risk, {"carry": "todo", "carry_note": ""}, history(now, by, "carry", risk.choice))
    return [_care(risk)]


def close(db: sa.Connection, merchant_id: int, risk_id: int, by: str, now: datetime) -> bool:
    """The merchant dealt with it elsewhere. False when it is closed, or under way in the store."""
    risk = find(db, merchant_id, risk_id, lock=True)
    if risk is None or risk.status == "closed" or risk.carry in ("todo", "unknown"):
        return False
    closed_by = risk.choice if risk.status == "chosen" else "merchant"
    changes = {"status": "closed", "closed_at": now, "closed_by": closed_by}
    if risk.status == "chosen":
        changes["carry"] = "done"
    _set(db, risk, changes, history(now, by, "handled"))
    return True


def give_time(
    db: sa.Connection, merchant_id: int, risk_id: int, until_on: date, by: str, now: datetime
) -> bool:
    """Agree on a later deadline. False when it is settled already, or the day is no later one."""
    risk = find(db, merchant_id, risk_id, lock=True)
    if risk is None or risk.status not in ("open", "asked"):
        return False
    if until_on <= max(risk.due_on, today_of(db, merchant_id, now)):
        return False
    _agree(db, risk, until_on, by, now, "")
    return True


def silent(db: sa.Connection, merchant_id: int, now: datetime) -> Sequence[int]:
    """The risks whose customer was asked and did not answer in time."""
    return db.scalars(
        sa.text("""
            select id from order_risk where merchant_id = :m and status = 'asked' and answer_by < :today
             order by id
        """),
        {"m": merchant_id, "today": today_of(db, merchant_id, now)},
    ).all()


def _agree(db: sa.Connection, risk: Any, until_on: date, by: str, now: datetime, choice: str) -> None:
    changes = {
        "status": "closed",
        "closed_at": now,
        "closed_by": "wait",
        "choice": choice,
        "due_on": until_on,
        "due_basis": "agreed",
    }
    _set(db, risk, changes, history(now, by, "more time", until_on.isoformat()))


def _set(db: sa.Connection, risk: Any, changes: dict[str, Any], entry: str) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in changes)
    db.execute(
        sa.text(
            f"update order_risk set {columns}, history = history || cast(:entry as jsonb) "  # noqa: S608 (our names)
            "where merchant_id = :m and id = :id"
        ),
        {**changes, "entry": entry, "m": risk.merchant_id, "id": risk.id},
    )


def _care(risk: Any) -> Intent:
    return Intent(CARE, str(risk.id), risk.connection_id)


def _code() -> str:
    return "W-" + "".join(secrets.choice(_LETTERS) for _ in range(10))


_FIND = sa.text("""
    select r.*, coalesce(g.title, v.title, v.sku) as title, v.sku, coalesce(g.image_url, '') as image_url,
           coalesce(g.url, '') as url, v.collection, coalesce(g.product_id, '') as product_id, g.price_minor,
           c.name as store, c.status as store_status
      from order_risk r
      join variant v on v.merchant_id = r.merchant_id and v.id = r.variant_id
      join connection c on c.merchant_id = r.merchant_id and c.id = r.connection_id
      left join store_order_line l on l.merchant_id = r.merchant_id and l.connection_id = r.connection_id
                                  and l.order_id = r.order_id and l.line_id = r.line_id
      left join lateral (
           select title, image_url, url, product_id, price_minor from listing
            where merchant_id = r.merchant_id and connection_id = r.connection_id
              and external_id = l.external_id order by id limit 1) g on true
     where r.merchant_id = :m and r.id = :id
""")

_MAY_CHANGE = sa.text("""
    select 1 from order_risk r
      join store_order o on o.merchant_id = r.merchant_id and o.connection_id = r.connection_id
                        and o.external_id = r.order_id and o.holds_stock
      join store_order_line l on l.merchant_id = r.merchant_id and l.connection_id = r.connection_id
                             and l.order_id = r.order_id and l.line_id = r.line_id and l.units > l.shipped_units
     where r.merchant_id = :m and r.id = :id
       and not exists (select 1 from order_risk n
                        where n.merchant_id = r.merchant_id and n.connection_id = r.connection_id
                          and n.order_id = r.order_id and n.line_id = r.line_id and n.id > r.id)
""")

_NEWEST = sa.text("""
    select max(n.id) from order_risk r
      join order_risk n on n.merchant_id = r.merchant_id and n.connection_id = r.connection_id
                       and n.order_id = r.order_id and n.line_id = r.line_id and n.id >= r.id
     where r.merchant_id = :m and r.id = :id
""")

_SUBSTITUTES = sa.text("""
    select v.id as variant_id, l.external_id, l.title, l.url, l.image_url, l.price_minor
      from listing l
      join variant v on v.merchant_id = l.merchant_id and v.id = l.variant_id
      join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
     where l.merchant_id = :m and l.connection_id = :c and l.variant_id <> :v and l.is_published
       and not l.is_gone and p.state = 'in_stock' and p.available >= :units + 2
       and coalesce(l.confirmed_available, 0) >= :units + 2
       and l.price_minor between (:price * 8) / 10 and :price
       and (l.product_id = :product or (v.collection <> '' and v.collection = :collection))
     order by l.product_id = :product desc, l.price_minor desc, l.id limit :n
""")
