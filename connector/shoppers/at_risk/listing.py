"""Orders at risk as the merchant sees them: by urgency, with the clock of each refund."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from connector.shoppers.at_risk.deciding import Clock, clock

OPEN, CLOSED = "open", "closed"


class Urgent(NamedTuple):
    """What asks for the merchant now: `waiting` choices or customers, refunds near their end (`alarms`) and past
    it (`overdue`), and `stuck` ones that the store refused."""

    waiting: int
    alarms: int
    overdue: int
    stuck: int

    @property
    def any(self) -> bool:
        return bool(self.waiting or self.alarms or self.overdue or self.stuck)


def rows(
    db: sa.Connection, merchant_id: int, *, show: str = OPEN, offset: int = 0, limit: int = 50
) -> list[Any]:
    """Risks with item and store: open ones by their deadline, or the closed ones, latest first."""
    statement = _OPEN_ROWS if show == OPEN else _CLOSED_ROWS
    return list(db.execute(statement, {"m": merchant_id, "n": limit, "o": offset}))


def row_of(db: sa.Connection, merchant_id: int, risk_id: int) -> Any:
    """One risk as `rows` gives it; None when there is none."""
    return db.execute(_ROW, {"m": merchant_id, "id": risk_id}).one_or_none()


def clock_of(row: Any, today: date) -> Clock | None:
    """The clock of a row's refund; None while no time runs, and once it is closed."""
    if row.status == "closed" or row.choice in ("substitute", "voucher"):
        return None
    return clock(row.due_on, row.chosen_on if row.choice == "refund" else None, today)


def counts(db: sa.Connection, merchant_id: int) -> dict[str, int]:
    """How many are open and how many closed."""
    found = db.execute(
        sa.text("""
            select count(*) filter (where closed_at is null) as open,
                   count(*) filter (where closed_at is not null) as closed
              from order_risk where merchant_id = :m
        """),
        {"m": merchant_id},
    ).one()
    return {"open": found.open, "closed": found.closed}


def urgent(db: sa.Connection, merchant_id: int, today: date) -> Urgent:
    """What the overview says of orders at risk."""
    waiting = alarms = overdue = stuck = 0
    for row in db.execute(_URGENT, {"m": merchant_id}):
        found = clock_of(row, today)
        alarms += found is not None and found.level == "alarm"
        overdue += found is not None and found.level == "overdue"
        stuck += row.carry in ("failed", "by_hand")
        waiting += row.status == "open" or row.carry == "ask" or row.is_late
    return Urgent(waiting, alarms, overdue, stuck)


def messages_of(db: sa.Connection, merchant_id: int, risk_id: int) -> list[Any]:
    """The messages about one risk, oldest first."""
    return list(
        db.execute(
            sa.text("select * from order_message where merchant_id = :m and risk_id = :r order by id"),
            {"m": merchant_id, "r": risk_id},
        )
    )


_COLUMNS = """
    r.id, r.connection_id, r.order_id, r.line_id, r.variant_id, r.units, r.placed_at, r.due_on, r.due_basis, r.reason,
    r.expected_on, r.value_minor, r.currency, r.status, r.opened_at, r.closed_at, r.closed_by, r.answer_by, r.choice,
    r.chosen_by, (r.chosen_at at time zone m.timezone)::date as chosen_on, r.carry, r.carry_note, r.refund_minor,
    coalesce(nullif(v.title, ''), v.sku) as title, v.sku, c.name as store,
    coalesce((select n.status from order_message n
               where n.merchant_id = r.merchant_id and n.risk_id = r.id and n.kind = 'at_risk'
               order by n.id desc limit 1), '') as message_status
      from order_risk r
      join merchant m on m.id = r.merchant_id
      join variant v on v.merchant_id = r.merchant_id and v.id = r.variant_id
      join connection c on c.merchant_id = r.merchant_id and c.id = r.connection_id
     where r.merchant_id = :m
"""

_ROW = sa.text(f"select {_COLUMNS} and r.id = :id")

_OPEN_ROWS = sa.text(f"""
    select {_COLUMNS} and r.closed_at is null order by r.due_on, r.value_minor desc, r.id limit :n offset :o
""")

_CLOSED_ROWS = sa.text(f"""
    select {_COLUMNS} and r.closed_at is not null order by r.closed_at desc, r.id limit :n offset :o
""")

EXPORT = sa.text(f"""
    select {_COLUMNS} order by r.closed_at is not null, r.due_on, r.id
""")

_URGENT = sa.text("""
    select r.due_on, r.status, r.choice, r.carry, (r.chosen_at at time zone m.timezone)::date as chosen_on,
           coalesce(r.status = 'asked' and r.answer_by < (clock_timestamp() at time zone m.timezone)::date, false)
             as is_late
      from order_risk r join merchant m on m.id = r.merchant_id
     where r.merchant_id = :m and r.closed_at is null
""")
