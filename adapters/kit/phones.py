"""Numbers and senders of SMS, and what every SMS is checked for before it leaves."""

from __future__ import annotations

import re
from typing import Literal

from connector.ports.channels import OutgoingText
from connector.ports.errors import Rejected
from connector.ports.texts import Segments, segments

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# GSM: up to eleven characters; a name of digits alone would pass for a number.
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &_+.-]{1,11}")
_MESSAGE_ID = re.compile(r"[!-~]{1,256}")
MOST_SEGMENTS = 10
LONGEST_VALIDITY_S = 36_000

SenderKind = Literal["number", "short code", "name"]


def sender_kind(text: str) -> SenderKind | None:
    """What a sender is; None for what no SMS can come from.

    >>> sender_kind("+33612345678"), sender_kind("36179"), sender_kind("Mug Shop"), sender_kind("Mug Shop Paris")
    ('number', 'short code', 'name', None)
    """
    if _E164.fullmatch(text):
        return "number"
    if _SHORT_CODE.fullmatch(text):
        return "short code"
    return "name" if _NAME.fullmatch(text) and text == text.strip() else None


def checked(adapter: str, message: OutgoingText) -> tuple[str, Segments]:
    """What errors call the message, and the parts it is sent in. Raises Rejected for what no SMS can be."""
    if not _MESSAGE_ID.fullmatch(message.message_id):
        raise Rejected(adapter, "message (invalid id)", "The message id is not one word of plain characters.")
    subject = f"message {message.message_id}"
    if not _E164.fullmatch(message.to):
        raise Rejected(adapter, subject, "The number is not written as +33612345678.")
    if not message.text.strip():
        raise Rejected(adapter, subject, "The text is empty.")
    if not 1 <= message.validity_s <= LONGEST_VALIDITY_S:
        raise Rejected(adapter, subject, f"A text is valid for 1 to {LONGEST_VALIDITY_S} seconds.")
    counted = segments(message.text)
    if counted.count > MOST_SEGMENTS:
        raise Rejected(
            adapter,
            subject,
            f"The text takes {counted.count} parts; {MOST_SEGMENTS} are sent at most.",
            "Shorten it.",
        )
    return subject, counted
