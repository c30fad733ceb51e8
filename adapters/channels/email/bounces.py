"""Reads what comes back to the return path: undeliverable messages (RFC 3464) and complaints (ARF, RFC 5965).

Everybody may write to that address. What a message says is believed as far as it names one of ours: by the
address it came to (`bounces+<message>@…`, which only that message carried) or by the headers of ours it returns.
Nothing of the text is kept; a reason is made of numbers.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from connector.ports.channels import DeliveryReport, ReportKind

LARGEST_BYTES = 1_000_000
"""A report returns headers, seldom more; what lies behind this is not looked at."""

# RFC 3463: no such mailbox, no such domain, an address that is none, moved, takes no mail (7505), disabled.
_HARD = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,128}(@[A-Za-z0-9.-]{1,253})?")
_CAME_TO = ("delivered-to", "x-original-to", "envelope-to", "to")
_DAEMONS = ("mailer-daemon", "postmaster")
_COMPLAINTS = ("abuse", "fraud", "virus", "other")


def reports_of(raw: bytes, return_path_domain: str, now: datetime) -> tuple[DeliveryReport, ...]:
    """The reports in one message of the mailbox; () for one that is none, such as an out-of-office answer.

    `return_path_domain` is that of the bounce addresses, "" where bounces come to the from address. Never raises,
    whatever the bytes are. `message_id` is ours, or the part of it before the @ where nothing else is known, or
    "": then nobody knows which message it was.
    """
    try:
        mail = email.message_from_bytes(raw[:LARGEST_BYTES], policy=email.policy.compat32)
        parts = list(mail.walk())
    except RecursionError:
        return ()
    message_id = _message_id(mail, parts, return_path_domain)
    if mail.get_content_type() == "multipart/report":
        kind = str(mail.get_param("report-type") or "").lower()
        if kind == "delivery-status":
            found = list(_delivery_status(parts))
        elif kind == "feedback-report":
            found = list(_feedback(parts))
        else:
            found = []
    else:
        found = list(_plain_bounce(mail, parts, message_id))
    digest = hashlib.sha256(raw).hexdigest()[:32]
    return tuple(
        DeliveryReport(
            kind,
            # The same bounce may come twice, once more at each relay: it counts once.
            f"mail:{kind}:{message_id or f'{digest}:{number}'}",
            _happened_at(when, mail, now),
            address=address,
            message_id=message_id,
            reason=reason,
        )
        for number, (kind, address, reason, when) in enumerate(found)
    )


_Found = tuple[ReportKind, str, str, str]


def _delivery_status(parts: Iterable[Message]) -> Iterator[_Found]:
    """One for each recipient in the machine's part."""
    for part in parts:
        if part.get_content_type() not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else []:
            if not isinstance(block, Message):
                continue
            action = _text(block, "action").lower()
            if not action:
                continue  # what is said of the whole message
            kind, reason = _outcome(action, _text(block, "status"), _text(block, "diagnostic-code"))
            if kind is not None:
                address = _address(_text(block, "original-recipient") or _text(block, "final-recipient"))
                yield kind, address, reason, _text(block, "last-attempt-date")


def _outcome(action: str, status: str, diagnostic: str) -> tuple[ReportKind | None, str]:
    # Many servers put the plain 5.0.0 here and what they mean into the words of the other server.
    codes = _STATUS.findall(status) + _STATUS.findall(diagnostic)
    code = next((one for one in codes if not one.endswith(".0.0")), codes[0] if codes else "")
    if action in ("delivered", "relayed"):
        return "delivered", code
    if action != "failed":
        return None, code  # delayed: it is still tried
    return ("bounced_hard" if code in _HARD else "bounced_soft"), code


def _feedback(parts: Iterable[Message]) -> Iterator[_Found]:
    for part in parts:
        if part.get_content_type() != "message/feedback-report":
            continue
        blocks = part.get_payload()
        # The standard library reads the fields of an unknown message/… as headers of a message inside.
        block = blocks[0] if isinstance(blocks, list) and blocks else part
        if not isinstance(block, Message):
            continue
        kind = _text(block, "feedback-type").lower()
        when = _text(block, "arrival-date") or _text(block, "received-date")
        address = _address(_text(block, "original-rcpt-to"))
        if kind in _COMPLAINTS:
            yield "complained", address, kind, when
        elif kind in ("opt-out", "opt-out-list"):
            yield "stopped", address, kind, when


def _plain_bounce(mail: Message, parts: Iterable[Message], message_id: str) -> Iterator[_Found]:
    """A bounce in words only, as some servers still write them. Believed where it came to a bounce address of
    ours from a mail server; else it may be anybody's answer."""
    senders = [address.partition("@")[0].lower() for _, address in getaddresses([_text(mail, "from")])]
    if not message_id or not any(sender in _DAEMONS for sender in senders):
        return
    if _text(mail, "auto-submitted").lower().startswith("auto-replied"):
        return
    words = ""
    for part in parts:
        if part.get_content_type() == "text/plain":
            payload = part.get_payload(decode=True)
            words = payload.decode("ascii", "replace")[:20_000] if isinstance(payload, bytes) else ""
            break
    codes = _STATUS.findall(words)
    if any(code.startswith("4.") for code in codes) and not any(code.startswith("5.") for code in codes):
        return  # a warning that it is late
    hard = next((code for code in codes if code in _HARD), "")
    yield ("bounced_hard" if hard else "bounced_soft"), "", hard or (codes[0] if codes else ""), ""


def _message_id(mail: Message, parts: Iterable[Message], domain: str) -> str:
    """Which message of ours it is about, by the address it came to and by the headers it returns."""
    came_to = ""
    if domain:
        wanted = re.compile(rf"bounces\+([^@\s<>]+)@{re.escape(domain)}", re.IGNORECASE)
        for name in _CAME_TO:
            for value in mail.get_all(name, []):
                found = wanted.search(str(value))
                if found and not came_to:
                    came_to = found[1]
    returned = ""
    for part in parts:
        kind = part.get_content_type()
        inside: object = None
        if kind == "message/rfc822":
            blocks = part.get_payload()
            inside = blocks[0] if isinstance(blocks, list) and blocks else None
        elif kind == "text/rfc822-headers":
            payload = part.get_payload(decode=True)
            inside = email.message_from_bytes(payload if isinstance(payload, bytes) else b"")
        if isinstance(inside, Message) and not returned:
            returned = _text(inside, "x-dispo") or _text(inside, "message-id").strip("<>")
    if not _MESSAGE_ID.fullmatch(returned):
        returned = ""
    if not came_to:
        return returned
    # The address was in the envelope of that message alone; headers may be written by anybody.
    is_same = returned.partition("@")[0].lower() == came_to.lower()
    return returned if is_same else (came_to if _MESSAGE_ID.fullmatch(came_to) else "")


def _text(mail: Message, name: str) -> str:
    """A header on one line, "" where it is missing."""
    return " ".join(str(mail.get(name, "")).split())


def _address(field: str) -> str:
    """The address in "rfc822; ann@example.com" or "<ann@example.com>"."""
    value = field.rpartition(";")[2].strip().strip("<>")
    return value if value.count("@") == 1 and " " not in value and len(value) <= 320 else ""


def _happened_at(when: str, mail: Message, now: datetime) -> datetime:
    for text in (when, _text(mail, "date")):
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        return min(found, now)
    return now
