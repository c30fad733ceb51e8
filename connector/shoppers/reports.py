"""Acts on what providers tell of messages: bounces, complaints, STOP and START; each report once.

A report is about one message of ours, found by its id or the provider's, or about an address whose owner wrote to the
provider's number. What a mailbox of bounces holds anybody may have written: there only a message's id counts, and what
follows concerns that message's own address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connector.crypto import Keyring
from connector.db import transaction
from connector.ports.channels import DeliveryReport, Medium, ReportMailbox
from connector.shoppers import addresses
from connector.shoppers.report_tables import DeliveryReportRow
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.tables import Message, Subscription, Suppression

_REPORT = DeliveryReportRow.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_SUPPRESSION = Suppression.__table__  # type: ignore[attr-defined]

MAILBOX = "channel.reports"
"""The kind of schedule row of a mailbox of bounces, one a connection."""
MAILBOX_EVERY_S = 300
MAILBOX_PART = 100
MAILBOX_ROUNDS = 20
KEEP = timedelta(days=180)
"""So long reports are kept: repeats come within days; restocks, and with them bounces in a row, over months."""
SOFT_IN_A_ROW = 3

_REASONS = {"bounced_hard": "refused", "complained": "complaint", "stopped": "stopped"}
_NOTES = {
    "bounced_hard": "The provider says that nobody is at this address.",
    "bounced_soft": "The provider says that it could not be delivered.",
    "complained": "The reader marked it as spam.",
}

_FIND = sa.text("""
select g.id, g.kind, g.channel, g.status, s.address_key
  from message g join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
 where g.merchant_id = :m and g.channel = :medium and g.status in ('sending', 'sent', 'failed', 'unknown')
   and ((g.message_id = :ours and :ours <> '' and g.sent_by in (:c, 0))
     or (g.provider_id = :theirs and :theirs <> '' and g.sent_by = :c))
 order by g.id limit 1
   for update of g
""")
_SOFT_IN_A_ROW = sa.text("""
select count(*) filter (where l.is_soft and not l.is_delivered)
  from (select exists (select 1 from delivery_report r where r.merchant_id = :m and r.message_id = g.id
                          and r.kind = 'bounced_soft') as is_soft,
               exists (select 1 from delivery_report r where r.merchant_id = :m and r.message_id = g.id
                          and r.kind = 'delivered') as is_delivered
          from message g join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
         where s.merchant_id = :m and s.address_key = :key and g.channel = :medium
           and g.status in ('sent', 'failed', 'unknown')
         order by g.id desc limit :n) l
""")


class ReportRuntime(ShopperRuntime, Protocol):
    """What reading a mailbox of bounces needs besides."""

    def report_mailbox(self, merchant_id: int, connection_id: int) -> ReportMailbox | None:
        """The mailbox of a connection's bounces; None where it names none. Raises a PortError."""


def report_url(base_url: str, public_key: str, message_id: str = "") -> str:
    """Where a provider tells what became of messages of one connection, or of one message of ours."""
    query = "?" + urlencode({"m": message_id}) if message_id else ""
    return f"{base_url}/hooks/channels/{public_key}{query}"


def act_on(
    rt: ShopperRuntime,
    merchant_id: int,
    connection_id: int,
    medium: Medium,
    reports: Sequence[DeliveryReport],
    *,
    message_id: str = "",
    is_mailed: bool = False,
) -> int:
    """Act on each report that is new, in a transaction of its own; the number of those. Repeating it changes nothing.

    `message_id`: ours that the request as a whole is about, where the reports name none. `is_mailed`: they came by
    mail, so that nothing but a message's id is believed.
    """
    acted = 0
    for report in reports:
        with transaction(rt.engine) as db:
            acted += _act(rt, db, merchant_id, connection_id, medium, report, message_id, is_mailed)
    return acted


def read_mailbox(rt: ReportRuntime, merchant_id: int, connection_id: int) -> int:
    """Act on what a connection's mailbox of bounces holds, and mark it as dealt with; the number of new reports.
    Raises a PortError when the mailbox cannot be read; what was not marked comes again."""
    mailbox = rt.report_mailbox(merchant_id, connection_id)
    acted = 0
    for _ in range(MAILBOX_ROUNDS if mailbox is not None else 0):
        assert mailbox is not None
        found = mailbox.fetch(MAILBOX_PART)
        for mailed in found:
            acted += act_on(rt, merchant_id, connection_id, "email", mailed.reports, is_mailed=True)
        if found:
            mailbox.done([mailed.uid for mailed in found])
        if len(found) < MAILBOX_PART:
            break
    return acted


def prune(db: sa.Connection, now: datetime) -> int:
    """Delete the reports of every merchant that are too old to be repeated."""
    return db.execute(sa.delete(_REPORT).where(_REPORT.c.received_at < now - KEEP)).rowcount


def give_up(
    db: sa.Connection,
    keyring: Keyring,
    merchant_id: int,
    channel: str,
    address_key: str,
    reason: str,
    now: datetime,
) -> int:
    """Never write to this address again, and end what it waits for by this channel; the number ended. A browser is
    only ended: its address is nobody's to keep."""
    if not address_key:
        return 0
    if channel != "push":
        addresses.suppress(db, keyring, merchant_id, address_key, reason, now)
    return db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.address_key == address_key,
            _SUBSCRIPTION.c.channel == channel,
            _SUBSCRIPTION.c.status.in_(("unconfirmed", "waiting", "invited")),
        )
        .values(status="ended", ended_at=now, ended_by=reason)
    ).rowcount


def _act(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    medium: Medium,
    report: DeliveryReport,
    message_id: str,
    is_mailed: bool,
) -> bool:
    now = rt.now()
    by_provider = "" if is_mailed else _storable(report.provider_message_id)
    message = db.execute(
        _FIND,
        {
            "m": merchant_id,
            "c": connection_id,
            "medium": medium,
            "ours": _storable(report.message_id or message_id),
            "theirs": by_provider,
        },
    ).one_or_none()
    is_new = db.scalar(
        insert(_REPORT)
        .values(
            merchant_id=merchant_id,
            connection_id=connection_id,
            report_digest=hashlib.sha256(report.report_id.encode("utf-8", "replace")).hexdigest(),
            kind=report.kind,
            message_id=message.id if message else 0,
            at=report.at,
            received_at=now,
            reason=_storable(report.reason)[:200],
        )
        .on_conflict_do_nothing()
        .returning(_REPORT.c.kind)
    )
    if is_new is None:
        return False
    if message is not None:
        _mark(db, merchant_id, message, report, now)
    key = message.address_key if message else "" if is_mailed else _key(medium, report.address)
    if not key:
        return True
    if report.kind == "started" and message is None:
        _lift_stop(db, rt.keyring, merchant_id, key)
    elif report.kind == "stopped" or (message is not None and report.kind in _REASONS):
        give_up(db, rt.keyring, merchant_id, medium, key, _REASONS[report.kind], now)
    elif message is not None and report.kind == "bounced_soft":
        given = {"m": merchant_id, "key": key, "medium": medium, "n": SOFT_IN_A_ROW}
        if db.scalar(_SOFT_IN_A_ROW, given) == SOFT_IN_A_ROW:
            give_up(db, rt.keyring, merchant_id, medium, key, "refused", now)
    return True


def _mark(db: sa.Connection, merchant_id: int, message: Any, report: DeliveryReport, now: datetime) -> None:
    """What the merchant's list shows of the message."""
    values: dict[str, Any] = {}
    if report.kind in ("bounced_hard", "bounced_soft"):
        values = {"status": "failed", "settled_at": now, "note": _NOTES[report.kind]}
    elif report.kind == "complained":
        values = {"note": _NOTES[report.kind]}
    elif report.kind == "delivered" and message.status in ("unknown", "failed"):
        # The connection broke, or it was tried once more: it arrived after all.
        values = {"status": "sent", "settled_at": now, "note": ""}
    if values:
        its_key = (_MESSAGE.c.merchant_id == merchant_id) & (_MESSAGE.c.id == message.id)
        db.execute(sa.update(_MESSAGE).where(its_key).values(**values))


def _lift_stop(db: sa.Connection, keyring: Keyring, merchant_id: int, key: str) -> None:
    """START takes back STOP, and nothing else: neither a complaint nor what was asked on a page of ours."""
    db.execute(
        sa.delete(_SUPPRESSION).where(
            _SUPPRESSION.c.merchant_id == merchant_id,
            _SUPPRESSION.c.address_digest.in_(keyring.digests("suppression", key)),
            _SUPPRESSION.c.reason == "stopped",
        )
    )


def _storable(text: str) -> str:
    """Without what PostgreSQL has no text for, and what is no Unicode: a provider may say anything."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _key(medium: Medium, address: str) -> str:
    """How an address of a report is compared, "" for one that is none."""
    try:
        return addresses.normalise_phone(address) if medium == "sms" else addresses.normalise(address)[1]
    except addresses.AddressInvalid:
        return ""
