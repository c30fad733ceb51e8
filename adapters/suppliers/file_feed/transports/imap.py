"""The newest attachment that fits, of a mailbox read over IMAP.

Always encrypted: TLS from the first byte, or STARTTLS before signing in. Messages are neither deleted nor
marked; what was read is remembered by the folder's UIDVALIDITY and the message's UID.
"""

from __future__ import annotations

import fnmatch
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from imap_tools import AND, BaseMailBox, MailAttachment, MailMessage

from adapters.kit.imap import Imap, ImapAccount
from adapters.suppliers.file_feed.formats import too_large, truncated
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import HEAD_BYTES, LONGEST_DOWNLOAD_S, Head, safe_name
from connector.ports.errors import Misconfigured, NotFound
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment

LOOK_BACK = 30
"""Messages that fit are looked through for an attachment, from the newest on."""
MOST_MESSAGE_BYTES = 150_000_000
"""A message is held in memory; mail servers take far smaller ones."""
_NEVER = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".ics", ".vcf", ".p7s", ".asc", ".eml")
"""What signatures and mail programs add; taken only where a pattern names it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A folder of a mailbox, and which messages count. `sender` is an address or, as "@supplier.example", all
    of a domain; `title` a part of the subject; `attachment` a pattern for the file's name."""

    host: str
    port: int
    is_tls_first: bool
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    sender: str = ""
    title: str = ""
    attachment: str = "*"
    is_unread_only: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    etag: str
    message: MailMessage
    attachment: MailAttachment


class ImapTransport:
    """See the module. `longest_s` bounds a whole session."""

    def __init__(
        self, mailbox: Mailbox, environment: Environment, longest_s: float = LONGEST_DOWNLOAD_S
    ) -> None:
        self._mailbox = mailbox
        self._environment = environment
        self._subject = f"imap://{mailbox.host}:{mailbox.port}/{mailbox.folder}"
        account = ImapAccount(
            mailbox.host, mailbox.port, mailbox.is_tls_first, mailbox.username, mailbox.password
        )
        self._imap = Imap(
            environment,
            ADAPTER,
            account,
            mailbox.folder,
            subject=self._subject,
            field="url",
            longest_s=longest_s,
        )

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """As `Supplier.fetch`."""
        found = self._newest(mark)
        if found is None:
            return NotModified()
        content = found.attachment.payload
        digest = hashlib.sha256(content).hexdigest()
        name = safe_name(found.attachment.filename)
        path = directory / name
        path.write_bytes(content)
        return Feed(
            path=path,
            name=name,
            size_bytes=len(content),
            mark=FetchMark(found.etag, "", digest),
            as_of=_sent_at(found.message),
            content_type=found.attachment.content_type,
            is_unchanged=bool(mark and mark.sha256 == digest),
        )

    def head(self) -> Head:
        """The beginning of the attachment."""
        found = self._newest(None)
        if found is None:  # only with a mark
            raise AssertionError("nothing was known before")
        content = found.attachment.payload
        return Head(
            safe_name(found.attachment.filename),
            content[:HEAD_BYTES],
            len(content) <= HEAD_BYTES,
            len(content),
            _sent_at(found.message),
        )

    def _newest(self, mark: FetchMark | None) -> _Found | None:
        """The newest message with an attachment that fits; None when it is the one that `mark` knows."""
        with self._imap.opened() as box:
            validity = (box.client.response("UIDVALIDITY")[1] or [b""])[0] or b""
            uids = self._matching(box)
            for uid in reversed(uids[-LOOK_BACK:]):
                etag = f"{validity.decode('ascii', 'replace')}:{uid}"
                if mark and mark.sha256 and mark.etag == etag:
                    return None
                self._require_size(box, uid)
                message = next(iter(box.fetch(uid_list=uid, mark_seen=False)), None)
                if message is None or not self._is_from(message.from_):
                    continue
                attachment = self._attachment(message)
                if attachment is not None:
                    return _Found(etag, message, attachment)
            raise NotFound(
                ADAPTER,
                self._subject,
                f"No message has an attachment that fits ({len(uids)} messages looked right)."
                if uids
                else "No message fits.",
                "Check folder, sender, subject and the pattern of the attachment.",
            )

    def _matching(self, box: BaseMailBox) -> list[str]:
        wanted = self._mailbox
        is_plain = (wanted.sender + wanted.title).isascii()
        # Some servers refuse to be told a charset at all.
        criteria = AND(
            all=True,
            from_=wanted.sender or None,
            subject=wanted.title or None,
            seen=False if wanted.is_unread_only else None,
        )
        uids = box.uids(criteria, charset=None if is_plain else "UTF-8")
        return sorted(uids, key=int)

    def _is_from(self, address: str) -> bool:
        """Whether the sender is the wanted one: servers search for a part of the whole line."""
        wanted, address = self._mailbox.sender.casefold(), address.casefold()
        return not wanted or address == wanted or (wanted.startswith("@") and address.endswith(wanted))

    def _attachment(self, message: MailMessage) -> MailAttachment | None:
        pattern = self._mailbox.attachment.casefold()
        fitting = [
            one
            for one in message.attachments
            if one.filename
            and fnmatch.fnmatchcase(one.filename.casefold(), pattern)
            and not (pattern == "*" and one.filename.casefold().endswith(_NEVER))
        ]
        if len(fitting) > 1:
            names = ", ".join(one.filename for one in fitting[:5])
            raise Misconfigured(
                ADAPTER,
                self._subject,
                f"Several attachments of one message fit: {names}.",
                "Narrow the pattern, as in stock*.csv.",
                field="attachment",
            )
        for one in fitting:
            if len(one.payload) > self._environment.max_feed_bytes:
                raise too_large(self._subject, self._environment.max_feed_bytes)
            if one.part.defects:
                raise truncated(self._subject, "The attachment was damaged on its way.")
            return one
        return None

    def _require_size(self, box: BaseMailBox, uid: str) -> None:
        # Encoded for mail a file grows by 37 %; the rest of a message is small.
        most = min(MOST_MESSAGE_BYTES, self._environment.max_feed_bytes * 3 // 2 + 1_000_000)
        for answer in box.client.uid("FETCH", uid, "(RFC822.SIZE)")[1]:
            text = answer if isinstance(answer, bytes) else b""
            told = text.upper().partition(b"RFC822.SIZE ")[2].rstrip(b")").split(b" ")[0]
            if told.isdigit() and int(told) > most:
                raise too_large(self._subject, self._environment.max_feed_bytes)


def _sent_at(message: MailMessage) -> datetime | None:
    """The date of the message, None when it states none that can be read."""
    if not message.date_str or message.date.year <= 1900:
        return None
    return message.date.replace(tzinfo=UTC) if message.date.tzinfo is None else message.date.astimezone(UTC)
