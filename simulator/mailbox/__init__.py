"""A simulated mail provider and the shoppers' inboxes behind it: SMTP in, web pages and JSON out."""

from __future__ import annotations

from simulator.mailbox.messages import DkimVerdict, Duplicate, StoredMessage, dkim_record
from simulator.mailbox.server import Mailbox, MailDials

__all__ = ["DkimVerdict", "Duplicate", "MailDials", "Mailbox", "StoredMessage", "dkim_record"]
