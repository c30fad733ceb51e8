"""Turns an OutgoingMessage into the bytes that go over the wire, signed; no network here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import dkim

from adapters.kit import mail as mail_kit
from connector.ports.channels import OutgoingMessage
from connector.ports.errors import Rejected

NAME = "email"

_MAX_LOCAL_PART = 64
# Random, so that no text can hold it, and the same for every message of this process, so that the library need
# not search each for one that occurs nowhere.
_BOUNDARY = f"=_{uuid4().hex}"
_LONGEST_SIMPLE = 72

# Signed once more often than they occur, so that nobody can add a second one on the way; those that
# a message does not carry are signed as absent.
_SIGNED = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "cc",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
    "content-language",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "x-dispo",
)
# Tokens that must reach the other side as they are. The standard library folds long ones into encoded
# words (python/cpython#92081), which breaks one-click unsubscription.
_VERBATIM = {
    "message-id",
    "x-dispo",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
    "content-language",
    "date",
}
# Addresses that need no quoting, encoding or folding: nearly all. The others go through the library.
_SIMPLE_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+"
)


# Headers that say the same in most messages of a shop: parsed and folded once, not once a message.
_RECURRING = frozenset(
    {"from", "reply-to", "subject", "mime-version", "content-type", "content-transfer-encoding"}
)


class _Verbatim(str):
    """A header's text that goes over the wire as it is."""

    __slots__ = ()


class _Registry(HeaderRegistry):
    """The standard library makes a new class for each header of each message and parses what it has just
    written, which takes longer than sending the message; here that is done once. Headers never change."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type] = {}
        self._parsed = lru_cache(maxsize=1024)(super().__call__)

    def __call__(self, name: str, value: Any) -> Any:
        if name.lower() in _RECURRING and isinstance(value, str):
            return self._parsed(name, str(value))
        return super().__call__(name, value)

    def __getitem__(self, name: str) -> type:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = super().__getitem__(name)
        return made


class _Policy(EmailPolicy):
    """SMTP line ends, bodies in seven bits (any server takes them and no relay re-encodes them, which
    would break the signature), verbatim headers as they are."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if (name.lower() in _VERBATIM and isinstance(value, str)) or type(value) is _Verbatim:
            if len(value.splitlines()) > 1:
                raise ValueError("a header of several lines")
            return name, value
        return super().header_store_parse(name, value)

    def fold(self, name: str, value: Any) -> str:
        return self._verbatim(name, value) or super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        verbatim = self._verbatim(name, value)
        if verbatim:
            return verbatim.encode("ascii")
        if name.lower() in _RECURRING:
            return _folded(self.utf8, name, value)
        return super().fold_binary(name, value)

    def fold_now(self, name: str, value: Any) -> bytes:
        """As `fold_binary`, without looking whether it was done before."""
        return super().fold_binary(name, value)

    def _verbatim(self, name: str, value: Any) -> str:
        is_verbatim = name.lower() in _VERBATIM or type(value) is _Verbatim
        return f"{name}: {value}{self.linesep}" if is_verbatim else ""


@lru_cache(maxsize=1024)
def _folded(utf8: bool, name: str, value: Any) -> bytes:
    # By what differs, for the library makes a new policy of the same kind for each part.
    return (_POLICY_UTF8 if utf8 else _POLICY).fold_now(name, value)


_POLICY = _Policy(linesep=SMTP.linesep, cte_type="7bit", max_line_length=78, header_factory=_Registry())
_POLICY_UTF8 = _POLICY.clone(utf8=True)


@dataclass(frozen=True, slots=True)
class DkimKey:
    """An RSA key as PKCS#1 PEM with the name under which its public half is published."""

    selector: bytes
    domain: bytes
    private_key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the messages come from. `domain` is that of `from_address`, both ASCII;
    `return_path_domain` empty: bounces go to `from_address`."""

    from_address: str
    domain: str
    return_path_domain: str
    dkim: DkimKey | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is said in SMTP, and the message. `needs_smtputf8`: an address holds non-ASCII letters
    before the @, so only a server with SMTPUTF8 can take it."""

    sender: str
    recipient: str
    content: bytes
    needs_smtputf8: bool


def compose(message: OutgoingMessage, sender: Sender, now: datetime) -> Envelope:
    """The finished message of `now` (aware). Raises Rejected for what cannot be said truthfully:
    an invalid address, message id, language or unsubscribe address."""
    subject = mail_kit.subject_of(NAME, message)
    message_id = message.message_id if "@" in message.message_id else f"{message.message_id}@{sender.domain}"
    recipient, needs_smtputf8 = mail_kit.address(NAME, message.to, subject, "recipient")
    mail = EmailMessage(policy=_POLICY_UTF8 if needs_smtputf8 else _POLICY)
    mail["From"] = mail_kit.mailbox(sender.from_address, mail_kit.plain(message.from_name))
    is_simple = len(recipient) <= _LONGEST_SIMPLE and _SIMPLE_ADDRESS.fullmatch(recipient)
    mail["To"] = _Verbatim(recipient) if is_simple else mail_kit.mailbox(recipient)
    if message.reply_to:
        reply_to, is_international = mail_kit.address(NAME, message.reply_to, subject, "reply address")
        if is_international and not needs_smtputf8:
            raise Rejected(NAME, subject, "The reply address holds letters beyond a–z.", "Use another one.")
        mail["Reply-To"] = mail_kit.mailbox(reply_to)
    mail["Subject"] = mail_kit.plain(message.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message_id}>"
    for name, value in mail_kit.headers(NAME, message, subject).items():
        mail[name] = value
    mail.set_content(message.text)
    if message.html:
        mail.make_alternative(boundary=_BOUNDARY)
        mail.add_alternative(message.html, subtype="html")
    # Last, because the library moves Content-* headers into the first part of an alternative.
    mail["Content-Language"] = message.language
    content = mail.as_bytes()
    if sender.dkim is not None:
        content = _signed(content, sender.dkim)
    return Envelope(_return_path(message, sender, message_id, subject), recipient, content, needs_smtputf8)


def _return_path(message: OutgoingMessage, sender: Sender, message_id: str, subject: str) -> str:
    """The envelope sender: a bounce address of its own per message where a domain is set (VERP)."""
    if message.return_path:
        address, is_international = mail_kit.address(NAME, message.return_path, subject, "return path")
        if is_international:
            raise Rejected(NAME, subject, "The return path holds letters beyond a–z.")
        return address
    if not sender.return_path_domain:
        return sender.from_address
    local = f"bounces+{message_id.partition('@')[0]}"
    return f"{local if len(local) <= _MAX_LOCAL_PART else 'bounces'}@{sender.return_path_domain}"


def _signed(content: bytes, key: DkimKey) -> bytes:
    head = content.partition(b"\r\n\r\n")[0].lower()
    names = [
        line.partition(b":")[0].decode("ascii") for line in head.split(b"\r\n") if line[:1] not in b" \t"
    ]
    present = [name for name in names if name in _SIGNED]
    signature: bytes = dkim.sign(
        content,
        key.selector,
        key.domain,
        key.private_key_pem,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[name.encode() for name in (*present, *_SIGNED)],
    )
    return signature + content
