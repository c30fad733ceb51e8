"""Writes to the merchant: one mail for all that is new, at most once each, and not in the quiet hours.

It leaves by the installation's own mail (DISPO_SMTP_*), never by what writes to shoppers. What was told is not told
again while it lasts; what was over and comes back is. A mail whose worker died is owned up to and not repeated: the
pages show everything as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.db import transaction
from connector.i18n import best_locale, environment
from connector.notices.items import Item, items
from connector.notices.rules import NoticeChoice, choice_of
from connector.outbox.messages import Claim, Done, Intent, Outcome, Unknown, enqueue, settle
from connector.ports.channels import Channel, OutgoingMessage
from connector.ports.errors import PortError
from connector.shoppers.fates import LOST_NOTE, fate_of
from connector.shoppers.render import Rendered
from connector.shoppers.runtime import ShopperRuntime

NOTICE = "message.notice"
"""The outbox topic; its subject is the mail's id."""
SHOWN = 12
"""So many lines of a kind stand in a mail; the rest is a number and a link."""
KEEP = timedelta(days=60)
OVER_NOTE = "All of it was over before it was sent."
NOBODY_NOTE = "There is nobody to write to."


class NoticeRuntime(ShopperRuntime, Protocol):
    """What writing to merchants needs of the running installation."""

    @property
    def sends_mail(self) -> bool:
        """Whether the installation has a mail server of its own."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a mail goes to, in which language, and the date at their place."""

    address: str
    locale: str
    seller: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """The items of one kind: `shown` of them, and how many `more` there are."""

    what: str
    shown: tuple[Item, ...]
    more: int


def look(rt: NoticeRuntime, merchant_id: int) -> int:
    """Compare what holds with what was told, and have a mail sent where something is new; how many are new. Harmless
    to repeat. Nothing is noted as told while no mail may go: it is told afterwards."""
    now = rt.now()
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                insert into notice_rule (merchant_id, changed_at) values (:m, :now) on conflict do nothing
            """),
            {"m": merchant_id, "now": now},
        )
        told = db.execute(
            sa.text("select told from notice_rule where merchant_id = :m for update"), {"m": merchant_id}
        ).scalar_one()
        choice = choice_of(db, merchant_id)
        reader = reader_of(db, merchant_id, choice, now)
        present = [one.key for one in items(db, merchant_id, reader.now.date())]
        known = {tuple(one) for one in told} & set(present)
        new = [key for key in present if key not in known and key[0] in choice.groups]
        may_write = rt.sends_mail and choice.is_on and not choice.is_quiet(reader.now.time())
        if not may_write or _is_soon(db, merchant_id, choice, now):
            new = []
        db.execute(
            sa.text("update notice_rule set told = cast(:told as jsonb) where merchant_id = :m"),
            {"m": merchant_id, "told": json.dumps(sorted([*known, *new]))},
        )
        db.execute(
            sa.text("delete from notice_mail where merchant_id = :m and created_at < :before"),
            {"m": merchant_id, "before": now - KEEP},
        )
        if new:
            number = db.execute(
                sa.text("""
                    insert into notice_mail (merchant_id, items, message_id, created_at)
                    values (:m, cast(:items as jsonb), :id, :now) returning id
                """),
                {"m": merchant_id, "items": json.dumps(new), "id": f"{uuid4().hex}@notice", "now": now},
            ).scalar_one()
            enqueue(db, merchant_id, [Intent(NOTICE, str(number), 0, 4)])
    return len(new)


def reader_of(db: sa.Connection, merchant_id: int, choice: NoticeChoice, now: datetime) -> Reader:
    """The merchant as a reader: the address they chose, else whoever set up the account; "" when there is none."""
    row = db.execute(
        sa.text("""
            select m.name, m.locale, m.timezone, u.email, u.locale as own_locale from merchant m
              left join lateral (select email, locale from app_user
                                  where merchant_id = m.id order by id limit 1) u on true
             where m.id = :m
        """),
        {"m": merchant_id},
    ).one()
    spoken = row.locale if choice.address else row.own_locale or row.locale
    return Reader(
        choice.address or row.email or "",
        best_locale([spoken or ""]),
        row.name,
        now.astimezone(ZoneInfo(row.timezone)),
    )


def parts_of(found: Sequence[Item]) -> tuple[Part, ...]:
    """By kind, in their order."""
    kinds = dict.fromkeys(one.what for one in found)
    parts = []
    for what in kinds:
        of_kind = [one for one in found if one.what == what]
        parts.append(Part(what, tuple(of_kind[:SHOWN]), max(0, len(of_kind) - SHOWN)))
    return tuple(parts)


def render_notice(reader: Reader, found: Sequence[Item], base_url: str) -> Rendered:
    """The mail about `found` (at least one), in the reader's language."""
    env = environment(reader.locale)
    context = {"parts": parts_of(found), "count": len(found), "base_url": base_url, "seller": reader.seller}
    subject = env.get_template("email/notice.subject.txt").render(context)
    return Rendered(
        subject=" ".join(subject.split()),
        text=env.get_template("email/notice.txt").render(context).strip() + "\n",
        html=env.get_template("email/notice.html").render(context),
    )


def mails(db: sa.Connection, merchant_id: int, limit: int = 10) -> list[Any]:
    """The latest mails, newest first."""
    statement = sa.text("select * from notice_mail where merchant_id = :m order by id desc limit :n")
    return list(db.execute(statement, {"m": merchant_id, "n": limit}))


def work_notices(rt: NoticeRuntime, claim: Claim) -> None:
    """The handler of topic "message.notice"."""
    channel: Channel = rt.channel(claim.turn.merchant_id, 0)
    for message in claim.messages:
        if claim.is_out_of_time():
            return
        outcome = _deliver(rt, channel, claim.turn.merchant_id, int(message.subject))
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def _deliver(rt: NoticeRuntime, channel: Channel, merchant_id: int, mail_id: int) -> Outcome:
    with transaction(rt.engine) as db:
        ready = _begin(rt, db, merchant_id, mail_id)
    if not isinstance(ready, OutgoingMessage):
        return ready
    try:
        channel.send(ready)
    except PortError as exc:
        fate = fate_of(exc)
        tries = _move(rt, merchant_id, mail_id, fate.status, fate.note)
        if fate.outcome is None:
            raise
        return fate.after(min(60.0 * 2.0 ** min(tries, 6), 3_600.0))
    _move(rt, merchant_id, mail_id, "sent", "")
    return Done()


def _begin(rt: NoticeRuntime, db: sa.Connection, merchant_id: int, mail_id: int) -> OutgoingMessage | Outcome:
    """The finished mail, its row set to "sending"; else how it ended."""
    row = db.execute(
        sa.text("select * from notice_mail where merchant_id = :m and id = :id for update"),
        {"m": merchant_id, "id": mail_id},
    ).one_or_none()
    now = rt.now()
    if row is None or row.status not in ("waiting", "sending"):
        return Done()
    if row.status == "sending":
        _set(db, merchant_id, mail_id, "unknown", LOST_NOTE, now)
        return Unknown(LOST_NOTE)
    choice = choice_of(db, merchant_id)
    reader = reader_of(db, merchant_id, choice, now)
    wanted = {tuple(one) for one in row.items}
    found = [one for one in items(db, merchant_id, reader.now.date()) if one.key in wanted]
    if not found or not choice.is_on or not reader.address:
        note = NOBODY_NOTE if not reader.address else OVER_NOTE
        _set(db, merchant_id, mail_id, "skipped", note, now)
        return Done(note)
    rendered = render_notice(reader, found, rt.base_url)
    _set(db, merchant_id, mail_id, "sending", "", now)
    host = rt.base_url.partition("://")[2].partition(":")[0] or "localhost"
    return OutgoingMessage(
        message_id=f"{row.message_id.partition('@')[0]}@{host}",
        to=reader.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        from_name="Dispo",
        language=reader.locale,
    )


def _is_soon(db: sa.Connection, merchant_id: int, choice: NoticeChoice, now: datetime) -> bool:
    """Whether the mail before this one is too fresh."""
    latest = db.scalar(
        sa.text("""
            select max(created_at) from notice_mail where merchant_id = :m and status not in ('skipped', 'failed')
        """),
        {"m": merchant_id},
    )
    return latest is not None and now - latest < timedelta(hours=choice.hours_between)


def _move(rt: NoticeRuntime, merchant_id: int, mail_id: int, status: str, note: str) -> int:
    with transaction(rt.engine) as db:
        return _set(db, merchant_id, mail_id, status, note, rt.now())


def _set(db: sa.Connection, merchant_id: int, mail_id: int, status: str, note: str, now: datetime) -> int:
    return int(
        db.execute(
            sa.text("""
                update notice_mail
                   set status = cast(:s as text), note = :n, tries = tries + (cast(:s as text) = 'sending')::int,
                       sending_at = case when cast(:s as text) = 'sending' then :now
                                         when cast(:s as text) = 'waiting' then null else sending_at end,
                       settled_at = case when cast(:s as text) in ('sending', 'waiting') then null else :now end
                 where merchant_id = :m and id = :id returning tries
            """),
            {"m": merchant_id, "id": mail_id, "s": status, "n": note[:500], "now": now},
        ).scalar_one()
    )
