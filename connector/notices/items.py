"""What a merchant should hear of now: orders at risk and orders that a supplier cannot serve. Reads only.

Nothing here names a person: order, item, sum and date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from connector.delivery.live_orders import open_doubts
from connector.shoppers.at_risk.listing import clock_of
from connector.shoppers.at_risk.wording import number_of

Group = Literal["refunds", "answers", "new", "doubts"]
What = Literal["overdue", "alarm", "failed", "by_hand", "silent", "chosen", "untold", "opened", "doubt"]


MOST_DOUBTS = 1_000
LETTERS_DAYS = 30
"""A refund, a voucher or a new date that the customer was not told of is spoken of for so long."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to hear of. `subject` tells it from others of the same `what`; `path` is its page. `on` is the day the
    money is due, or the deadline; None for none. Amounts are minor units."""

    group: Group
    what: What
    subject: str
    path: str
    order: str
    title: str
    units: int
    value_minor: int = 0
    currency: str = ""
    on: date | None = None
    supplier: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.group, self.what, self.subject)


def items(db: sa.Connection, merchant_id: int, today: date) -> list[Item]:
    """Everything that holds now, the most urgent first."""
    found = []
    for row in db.execute(_RISKS, {"m": merchant_id}):
        due = clock_of(row, today)
        for group, what in _of(row, due.level if due else ""):
            found.append(
                Item(
                    group,
                    what,
                    str(row.id),
                    f"/orders-at-risk/{row.id}",
                    number_of(row.order_id),
                    row.title,
                    row.units,
                    row.value_minor,
                    row.currency,
                    due.until_on if due else row.due_on,
                )
            )
    since = today - timedelta(days=LETTERS_DAYS)
    for row in db.execute(_LETTERS, {"m": merchant_id, "since": since}):
        found.append(
            Item(
                "answers",
                "untold",
                f"message {row.message_id}",
                f"/orders-at-risk/{row.id}",
                number_of(row.order_id),
                row.title,
                row.units,
                row.value_minor,
                row.currency,
            )
        )
    for row in open_doubts(db, merchant_id, MOST_DOUBTS):
        found.append(
            Item(
                "doubts",
                "doubt",
                str(row.id),
                "/",
                number_of(row.order_id),
                row.title,
                row.missing_units,
                supplier=row.source,
            )
        )
    return sorted(found, key=lambda one: (_ORDER.index(one.what), one.on or date.max, one.subject))


_ORDER = ("overdue", "failed", "by_hand", "alarm", "silent", "chosen", "untold", "opened", "doubt")


def _of(row: Any, level: str) -> list[tuple[Group, What]]:
    found: list[tuple[Group, What]] = []
    if level == "overdue":
        found.append(("refunds", "overdue"))
    elif level == "alarm":
        found.append(("refunds", "alarm"))
    if row.carry in ("failed", "by_hand"):
        found.append(("refunds", row.carry))
    if row.carry == "ask":
        found.append(("answers", "chosen"))
    if row.is_late:
        found.append(("answers", "silent"))
    if row.is_untold:
        found.append(("answers", "untold"))
    elif row.status == "open":
        found.append(("new", "opened"))
    return found


_RISKS = sa.text("""
    select r.id, r.order_id, r.units, r.due_on, r.value_minor, r.currency, r.status, r.choice, r.carry,
           (r.chosen_at at time zone m.timezone)::date as chosen_on, coalesce(nullif(v.title, ''), v.sku) as title,
           coalesce(r.status = 'asked' and r.answer_by < (clock_timestamp() at time zone m.timezone)::date, false)
             as is_late,
           exists (select 1 from order_message n
                    where n.merchant_id = r.merchant_id and n.risk_id = r.id and n.kind = 'at_risk'
                      and n.status in ('failed', 'by_hand')) and r.status = 'open' as is_untold
      from order_risk r
      join merchant m on m.id = r.merchant_id
      join variant v on v.merchant_id = r.merchant_id and v.id = r.variant_id
     where r.merchant_id = :m and r.closed_at is null
     order by r.id limit 10000
""")

_LETTERS = sa.text("""
    select n.id as message_id, r.id, r.order_id, r.units, r.value_minor, r.currency,
           coalesce(nullif(v.title, ''), v.sku) as title
      from order_message n
      join order_risk r on r.merchant_id = n.merchant_id and r.id = n.risk_id
      join variant v on v.merchant_id = r.merchant_id and v.id = r.variant_id
     where n.merchant_id = :m and n.kind <> 'at_risk' and n.status in ('failed', 'by_hand')
       and n.settled_at >= :since
     order by n.id limit 1000
""")
