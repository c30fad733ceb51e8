"""What a merchant wants to be told by mail, and when not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, time
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record

GROUPS = ("refunds", "answers", "new", "doubts")


@dataclass(frozen=True, slots=True)
class NoticeChoice:
    """`is_on`: mails are sent at all. `address` "" is whoever set up the account. `hours_between` two mails, at least
    one. Nothing is sent from `quiet_from` to `quiet_until` ("22:00", "" for no quiet hours), in the merchant's zone.
    The groups: `refunds` whose time runs out or that the store refused, `answers` that wait for the merchant, `new`
    orders at risk, `doubts`: orders that a supplier says it cannot serve."""

    is_on: bool = True
    address: str = ""
    hours_between: int = 1
    quiet_from: str = ""
    quiet_until: str = ""
    refunds: bool = True
    answers: bool = True
    new: bool = True
    doubts: bool = True

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(one for one in GROUPS if getattr(self, one))

    def is_quiet(self, at: time) -> bool:
        """Whether `at`, a time at the merchant's place, lies in the quiet hours; they may pass midnight.

        >>> NoticeChoice(quiet_from="22:00", quiet_until="07:00").is_quiet(time(6, 59))
        True
        """
        begin, end = clock_time(self.quiet_from), clock_time(self.quiet_until)
        if begin is None or end is None or begin == end:
            return False
        return begin <= at < end if begin < end else at >= begin or at < end


def clock_time(text: str) -> time | None:
    """ "07:00" as a time; None for anything else."""
    try:
        return time.fromisoformat(text) if len(text) == 5 else None
    except ValueError:
        return None


def choice_of(db: sa.Connection, merchant_id: int) -> NoticeChoice:
    """What is in force; the defaults where the merchant said nothing."""
    says = db.execute(
        sa.text("select says from notice_rule where merchant_id = :m"), {"m": merchant_id}
    ).scalar()
    known = {one.name for one in fields(NoticeChoice)}
    return NoticeChoice(**{name: value for name, value in (says or {}).items() if name in known})


def check(choice: NoticeChoice) -> frozenset[str]:
    """The names of values that cannot be kept."""
    wrong = set()
    address = choice.address
    if address and (
        len(address) > 254 or address.count("@") != 1 or any(c.isspace() or not c.isprintable() for c in address)
        or not all(address.split("@"))
    ):  # fmt: skip
        wrong.add("address")
    if type(choice.hours_between) is not int or not 1 <= choice.hours_between <= 168:
        wrong.add("hours_between")
    quiet = (choice.quiet_from, choice.quiet_until)
    if any(quiet) and None in (clock_time(quiet[0]), clock_time(quiet[1])):
        wrong.add("quiet_from")
    return frozenset(wrong)


def keep_choice(db: sa.Connection, merchant_id: int, choice: NoticeChoice, now: datetime, actor: str) -> None:
    """Store it; it counts from now on. Raises ValueError for what `check` refuses."""
    if wrong := check(choice):
        raise ValueError(f"The choice of notices is wrong: {sorted(wrong)}")
    db.execute(
        sa.text("""
            insert into notice_rule (merchant_id, says, actor, changed_at)
            values (:m, cast(:says as jsonb), :actor, :now)
                on conflict (merchant_id) do update
               set says = excluded.says, actor = excluded.actor, changed_at = excluded.changed_at
        """),
        {"m": merchant_id, "says": json.dumps(asdict(choice)), "actor": actor, "now": now},
    )
    said: dict[str, Any] = asdict(choice)
    said["address"] = bool(choice.address)  # the log shows that there is one, not which
    record(db, merchant_id, now, actor, "notices.rule", "notices", said)
