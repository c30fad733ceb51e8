"""The mailbox that bounces and complaints come back to, read over IMAP.

It is for nothing else: what was not read yet counts as not dealt with, and `done` marks as read. Nothing is
deleted, so that a person can look at what a mail server wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from imap_tools import AND, BaseMailBox, MailMessageFlags

from adapters.channels.email.bounces import LARGEST_BYTES, reports_of
from adapters.channels.email.compose import NAME
from adapters.kit.imap import Imap, ImapAccount
from connector.ports.channels import MailedReports
from connector.ports.errors import Retryable
from connector.registry import Environment

LONGEST_S = 240.0
_UID = re.compile(r"([0-9]{1,12}):([0-9]{1,12})")


class BounceMailbox:
    """One folder behind `connector.ports.channels.ReportMailbox`. `return_path_domain` is that of the bounce
    addresses, "" where bounces come to the from address."""

    def __init__(
        self,
        account: ImapAccount,
        folder: str,
        return_path_domain: str,
        environment: Environment,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._domain = return_path_domain
        self._now = now
        self._subject = f"imap://{account.host}:{account.port}/{folder}"
        self._imap = Imap(
            environment,
            NAME,
            account,
            folder,
            subject=self._subject,
            field="bounce_host",
            longest_s=LONGEST_S,
        )

    def check(self) -> str:
        """Sign in and open the folder; a sentence on what was found."""
        with self._imap.opened() as box:
            waiting = len(box.uids(AND(seen=False)))
        return f"{self._subject} is open: {waiting} unread."

    def fetch(self, limit: int = 100) -> list[MailedReports]:
        """The oldest unread messages, at most `limit`, read without marking them."""
        found = []
        with self._imap.opened() as box:
            validity = _validity(box)
            for uid in sorted(box.uids(AND(seen=False)), key=int)[:limit]:
                answer = box.client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST_BYTES}>)")[1]
                raw = _literal(answer)
                if raw is None:
                    # Somebody else moved or deleted it meanwhile.
                    continue
                found.append(MailedReports(f"{validity}:{uid}", reports_of(raw, self._domain, self._now())))
        return found

    def done(self, uids: Sequence[str]) -> None:
        """Mark these as read; those of a folder that was made anew since are none of this one's."""
        with self._imap.opened(readonly=False) as box:
            validity = _validity(box)
            wanted = [
                parts[2]
                for uid in uids
                if (parts := _UID.fullmatch(uid)) is not None and parts[1] == validity
            ]
            if not wanted:
                return
            box.flag(wanted, [MailMessageFlags.SEEN], True)
            if set(wanted) & set(box.uids(AND(seen=False))):
                raise Retryable(NAME, self._subject, "The server did not mark the messages as read.")


def _validity(box: BaseMailBox) -> str:
    told = (box.client.response("UIDVALIDITY")[1] or [b""])[0]
    return told.decode("ascii", "replace") if isinstance(told, bytes) and told else "0"


def _literal(answer: Iterable[object]) -> bytes | None:
    """The message in an answer to FETCH, None without one."""
    for one in answer:
        if isinstance(one, tuple) and len(one) > 1 and isinstance(one[1], bytes):
            return one[1]
    return None
