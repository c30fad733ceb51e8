"""What every way of sending mail checks and says alike, whether by SMTP or by a provider's API.

Headers cannot be injected: free text (subject, names) loses its control characters, everything else must match a
strict pattern or the message is Rejected.
"""

from __future__ import annotations

import re
from email.headerregistry import Address

from email_validator import EmailNotValidError, validate_email

from connector.ports.channels import OutgoingMessage
from connector.ports.errors import Rejected

_MESSAGE_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,128}(@[A-Za-z0-9.-]{1,253})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
# Printable ASCII without space, < and >, short enough for a header line of 998 bytes.
_URL = re.compile(r"https?://[!-;=?-~]{1,960}")


def subject_of(adapter: str, message: OutgoingMessage) -> str:
    """What errors call the message. Raises Rejected for a message id that no header may hold."""
    if not _MESSAGE_ID.fullmatch(message.message_id):
        raise Rejected(adapter, "message (invalid id)", "The message id is not one word of plain characters.")
    return f"message {message.message_id}"


def headers(adapter: str, message: OutgoingMessage, subject: str) -> dict[str, str]:
    """The headers beyond the usual ones, in order: our id, no answers by machines, one-click unsubscription.
    Raises Rejected for a language or an unsubscribe address that no header may hold."""
    if not _LANGUAGE.fullmatch(message.language):
        raise Rejected(adapter, subject, "The language is not a language tag.", "Use one like en or fr-CA.")
    found = {
        # Some providers replace Message-ID; this one stays, for bounces and for finding doubles.
        "X-Dispo": message.message_id,
        # RFC 3834: keeps out-of-office answers from coming back.
        "Auto-Submitted": "auto-generated",
    }
    if message.unsubscribe_url:
        if not _URL.fullmatch(message.unsubscribe_url):
            raise Rejected(adapter, subject, "The unsubscribe address is not a plain web address.")
        found["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return found


def address(adapter: str, text: str, subject: str, role: str) -> tuple[str, bool]:
    """The address with its domain in ASCII, and whether its name part needs SMTPUTF8. Raises Rejected."""
    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as exc:
        # The reason may quote the address, which must not reach a log: not chained.
        del exc
        raise Rejected(adapter, subject, f"The {role} is not a valid e-mail address.") from None
    if found.ascii_email is not None:
        return found.ascii_email, False
    return f"{found.local_part}@{found.ascii_domain}", True


def mailbox(address: str, name: str = "") -> Address:
    """Name and address as a header holds them."""
    # Given in two parts, because the library refuses an international `addr_spec`.
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def plain(text: str) -> str:
    """One line without control characters or invisible direction marks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
