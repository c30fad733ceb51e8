"""Hands one message to an SMTP server, once, and tells exactly what became of it.

The moment that matters is the end of the content: a connection that breaks before it took nothing with
it, one that breaks after it may have. Nothing is retried here; only a connection that was kept from an earlier
message and turns out to be dead is replaced, before any content. The server's words are reduced to its
numbers in messages and logs, because servers like to quote the recipient.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime

from adapters.channels.email.compose import NAME, Envelope, Sender, compose
from adapters.channels.email.connections import Connection, Connections, Reply, Server
from connector.ports.channels import Accepted, OutgoingMessage
from connector.ports.errors import (
    Gone,
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

_QUEUED = re.compile(rb"queued as ([\w.<>@-]{1,100})", re.IGNORECASE)
# RFC 3463 and 7505: no such mailbox, moved without a new address, the domain takes no mail, mailbox disabled.
_NOBODY = frozenset({"5.1.1", "5.1.6", "5.1.10", "5.2.1"})
_RATE_WAIT_S = 3_600.0


class EmailChannel:
    """One SMTP account behind the channel port (`connector.ports.channels.Channel`). Safe for several
    threads: no connection carries two messages at a time."""

    at_once = 2
    """A small provider takes no more connections than a few, and other workers may hold some."""

    def __init__(
        self,
        server: Server,
        sender: Sender,
        environment: Environment,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._server = server
        self._sender = sender
        self._now = now
        self._connections = Connections(server, sender.domain, environment)

    def check(self) -> str:
        """Reach the server and sign in without sending; a sentence on what was found."""
        # A new one, so that what was entered is what is tried.
        opened = self._connections.open()
        features = [
            {"none": "unencrypted", "starttls": "STARTTLS", "tls": "TLS"}[self._server.security],
            "signed in" if self._server.username else "without sign-in",
            "international addresses" if opened.smtp.has_extn("smtputf8") else "plain addresses only",
        ]
        self._connections.end(opened)
        key = self._sender.dkim
        signs = f"DKIM for {key.domain.decode()}" if key else "no DKIM signature of our own"
        return f"{self._connections.subject} answers: {', '.join(features)}; {signs}."

    def close(self) -> None:
        """Take leave of the server; the channel may still be used."""
        self._connections.close()

    def send(self, message: OutgoingMessage) -> Accepted:
        """Send it, without any retry.

        Raises Gone when nobody is at the address, Rejected when it or the content is refused for good, Retryable
        or RateLimited when it was certainly not taken, OutcomeUnknown when the connection broke after the
        content; Unauthorized or Misconfigured when no message of this account would go out.
        """
        envelope = compose(message, self._sender, self._now())
        subject = f"message {message.message_id}"
        connection = self._connections.take()
        if not connection.is_fresh:
            try:
                return self._over(connection, envelope, subject)
            except _HungUp:
                # Kept too long for this server, which took nothing: this is not a second try of the message.
                connection = self._connections.open()
        try:
            return self._over(connection, envelope, subject)
        except _HungUp as exc:
            raise Retryable(NAME, self._connections.subject, exc.said) from exc.__cause__

    def _over(self, connection: Connection, envelope: Envelope, subject: str) -> Accepted:
        """Deliver on this connection and keep it where it can still be used. Raises _HungUp when the server
        left before the content, as it may on a connection that was kept."""
        try:
            accepted = self._deliver(connection.smtp, envelope, subject)
        except OutcomeUnknown:
            connection.smtp.close()
            raise
        except PortError:
            connection.has_failed = True
            self._connections.give_back(connection)
            raise
        except (OSError, smtplib.SMTPException) as exc:
            connection.smtp.close()
            raise _HungUp("The connection to the mail server broke.") from exc
        except BaseException:
            connection.smtp.close()
            raise
        self._connections.give_back(connection)
        return accepted

    def _deliver(self, smtp: smtplib.SMTP, envelope: Envelope, subject: str) -> Accepted:
        options = []
        if envelope.needs_smtputf8:
            if not smtp.has_extn("smtputf8"):
                raise Rejected(
                    NAME,
                    subject,
                    "The address holds letters beyond a–z before the @, and the mail server takes none.",
                    "Use a provider with SMTPUTF8, or another address.",
                )
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        if smtp.has_extn("size"):
            options.append(f"size={len(envelope.content)}")
        reply = _said(smtp.mail(envelope.sender, options), smtp)
        if reply.code != 250:
            raise self._refused_sender(reply)
        reply = _said(smtp.rcpt(envelope.recipient), smtp)
        if reply.code not in (250, 251):
            raise _refused_recipient(reply, subject)
        reply = _said(smtp.docmd("DATA"), smtp)
        if reply.code != 354:
            if reply.code // 100 == 2:
                # An answer to another command: the two of us are out of step, and nothing was sent yet.
                raise smtplib.SMTPException("DATA was answered out of turn")
            raise _refused_content(reply, subject)
        try:
            smtp.send(_quoted(envelope.content))
            reply = Reply(*smtp.getreply())
            if reply.code // 100 not in (2, 4, 5):
                raise smtplib.SMTPException("the reply is not SMTP")
        except (OSError, smtplib.SMTPException) as exc:
            raise OutcomeUnknown(
                NAME, subject, "The connection broke after the message was sent.", "Do not send it twice."
            ) from exc
        if reply.code // 100 != 2:
            raise _refused_content(reply, subject)
        found = _QUEUED.search(reply.text)
        return Accepted(found[1].decode() if found else "")

    def _refused_sender(self, reply: Reply) -> PortError:
        if reply.enhanced == "5.4.5":
            return _over_limit(self._connections.subject, reply)
        if reply.code // 100 == 4:
            return Retryable(NAME, self._connections.subject, f"The server takes no message now ({reply}).")
        if reply.code in (530, 535, 538):
            return Unauthorized(
                NAME,
                self._connections.subject,
                f"The server wants a sign-in ({reply}).",
                "Fill in user name and password.",
            )
        if reply.code == 552:
            return Rejected(
                NAME, self._connections.subject, f"The message is too large for the server ({reply})."
            )
        return Misconfigured(
            NAME,
            self._connections.subject,
            f"The server refuses the sender's address ({reply}).",
            "Use a from address and a bounce domain that the provider has verified.",
            field="from_address",
        )


class _HungUp(Exception):
    """The server left before the content of a message; `said` is what to tell."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


def _said(answer: tuple[int, bytes], smtp: smtplib.SMTP) -> Reply:
    """The reply to a command before the content. Raises _HungUp for 421, which ends the connection."""
    reply = Reply(*answer)
    if reply.code == 421:
        smtp.close()
        raise _HungUp(f"The server takes no message now ({reply}).")
    if reply.code // 100 not in (2, 3, 4, 5):
        raise smtplib.SMTPException("the reply is not SMTP")
    return reply


def _refused_recipient(reply: Reply, subject: str) -> PortError:
    if reply.enhanced == "5.4.5":
        return _over_limit(subject, reply)
    if reply.code // 100 == 4:
        return Retryable(NAME, subject, f"The address cannot be reached now ({reply}).")
    if reply.code in (530, 535, 538) or b"relay" in reply.text.lower():
        # This server delivers for nobody but its own: said of every address, so not this one's fault.
        return Unauthorized(
            NAME, subject, f"The server does not deliver for us ({reply}).", "Fill in user name and password."
        )
    if reply.enhanced in _NOBODY:
        return Gone(NAME, subject, f"Nobody is at the address ({reply}).", "Ask the person for another one.")
    return Rejected(NAME, subject, f"The address was refused ({reply}).", "Ask the person for another one.")


def _refused_content(reply: Reply, subject: str) -> PortError:
    if reply.enhanced == "5.4.5":
        return _over_limit(subject, reply)
    if reply.code // 100 == 4:
        return Retryable(NAME, subject, f"The message was not taken ({reply}).")
    return Rejected(NAME, subject, f"The content was refused ({reply}).", "Check the text for spam words.")


def _over_limit(subject: str, reply: Reply) -> RateLimited:
    return RateLimited(
        NAME,
        subject,
        f"The account's sending limit is reached ({reply}).",
        "It goes on later; a larger plan at the provider raises the limit.",
        retry_after_s=_RATE_WAIT_S,
    )


def _quoted(content: bytes) -> bytes:
    """The content as DATA wants it: leading dots doubled, ended by a lone dot (RFC 5321 §4.5.2)."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"
