"""Hands one message to an SMTP server, once, and tells exactly what became of it.

The moment that matters is the end of the content: a connection that breaks before it took nothing with
it, one that breaks after it may have. Nothing is retried here. The server's words are reduced to its
numbers in messages and logs, because servers like to quote the recipient.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from adapters.channels.email.compose import NAME, Envelope, Sender, compose
from adapters.kit.guard import certificate_error, open_socket, tls_context
from connector.ports.channels import Accepted, OutgoingMessage
from connector.ports.errors import (
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
_ENHANCED = re.compile(rb"^\s*([245]\.\d{1,3}\.\d{1,3})\b")
_RATE_WAIT_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to sign in; `username` empty: without. `security` is none, starttls or tls."""

    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Reply:
    code: int
    text: bytes

    @property
    def enhanced(self) -> str:
        """The status of RFC 3463, "5.1.1", or empty."""
        found = _ENHANCED.match(self.text)
        return found[1].decode() if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".strip()


class EmailChannel:
    """One SMTP account behind the channel port (`connector.ports.channels.Channel`). Safe for several
    threads: each message has a connection of its own."""

    def __init__(
        self,
        server: Server,
        sender: Sender,
        environment: Environment,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._server = server
        self._sender = sender
        self._environment = environment
        self._now = now

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Kept, because reading the system's certificates takes longer than sending a message."""
        return tls_context(self._environment, NAME)

    def check(self) -> str:
        """Reach the server and sign in without sending; a sentence on what was found."""
        with self._session() as smtp:
            features = [
                {"none": "unencrypted", "starttls": "STARTTLS", "tls": "TLS"}[self._server.security],
                "signed in" if self._server.username else "without sign-in",
                "international addresses" if smtp.has_extn("smtputf8") else "plain addresses only",
            ]
        key = self._sender.dkim
        signs = f"DKIM for {key.domain.decode()}" if key else "no DKIM signature of our own"
        return f"{self._subject()} answers: {', '.join(features)}; {signs}."

    def send(self, message: OutgoingMessage) -> Accepted:
        """Send it, without any retry.

        Raises Rejected when the address or the content is refused for good, Retryable or RateLimited
        when it was certainly not taken, OutcomeUnknown when the connection broke after the content;
        Unauthorized or Misconfigured when no message of this account would go out.
        """
        envelope = compose(message, self._sender, self._now())
        subject = f"message {message.message_id}"
        with self._session() as smtp:
            return self._deliver(smtp, envelope, subject)

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
        reply = _Reply(*smtp.mail(envelope.sender, options))
        if reply.code != 250:
            raise self._refused_sender(reply)
        reply = _Reply(*smtp.rcpt(envelope.recipient))
        if reply.code not in (250, 251):
            raise _refused_recipient(reply, subject)
        reply = _Reply(*smtp.docmd("DATA"))
        if reply.code != 354:
            raise _refused_content(reply, subject)
        try:
            smtp.send(_quoted(envelope.content))
            reply = _Reply(*smtp.getreply())
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

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A signed-in connection of its own, so that no message shares the fate of another."""
        smtp = _Smtp(self._environment, self._server, self._sender.domain, lambda: self._tls)
        try:
            self._open(smtp)
            yield smtp
        except PortError:
            raise
        except (OSError, smtplib.SMTPException) as exc:
            raise Retryable(NAME, self._subject(), "The connection to the mail server broke.") from exc
        else:
            # The message is taken: a server that is rude at the farewell changes nothing.
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        finally:
            smtp.close()

    def _open(self, smtp: _Smtp) -> None:
        try:
            reply = _Reply(*smtp.connect(self._server.host, self._server.port))
            if reply.code != 220:
                raise self._refused_service(reply)
            smtp.ehlo_or_helo_if_needed()
            if self._server.security == "starttls":
                if not smtp.has_extn("starttls"):
                    raise Misconfigured(
                        NAME,
                        self._subject(),
                        "The server offers no STARTTLS, so nothing was sent unencrypted.",
                        "Use tls with port 465, or another server.",
                        field="security",
                    )
                reply = _Reply(*smtp.starttls(context=self._tls))
                if reply.code != 220:
                    raise Retryable(NAME, self._subject(), f"STARTTLS was refused ({reply}).")
                smtp.ehlo_or_helo_if_needed()
            if self._server.username:
                self._sign_in(smtp)
        except smtplib.SMTPHeloError as exc:
            raise self._refused_service(_Reply(exc.smtp_code, _bytes(exc.smtp_error))) from exc
        except ssl.SSLError as exc:
            raise self._bad_tls(exc) from exc

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.login(self._server.username, self._server.password)
        except smtplib.SMTPAuthenticationError as exc:
            raise self._refused_login(_Reply(exc.smtp_code, _bytes(exc.smtp_error))) from exc
        except smtplib.SMTPResponseException as exc:
            raise self._refused_service(_Reply(exc.smtp_code, _bytes(exc.smtp_error))) from exc
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException as exc:  # no AUTH, or none of the ways we know
            raise Misconfigured(
                NAME,
                self._subject(),
                "The server offers no sign-in by user name and password on this connection.",
                "Use starttls or tls, or leave the user name empty.",
                field="username",
            ) from exc

    def _subject(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    def _bad_tls(self, exc: ssl.SSLError) -> PortError:
        refused = certificate_error(exc)
        if refused is not None:
            return Misconfigured(
                NAME,
                self._subject(),
                f"The server's certificate is not valid: {refused.verify_message}.",
                "Use the host name the provider gives, or ask it to renew the certificate.",
                field="host",
            )
        if getattr(exc, "reason", "") in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return Misconfigured(
                NAME,
                self._subject(),
                "The server does not speak TLS on this port.",
                "Use starttls with port 587, or tls with port 465.",
                field="security",
            )
        return Retryable(NAME, self._subject(), "No encrypted connection could be made.")

    def _refused_service(self, reply: _Reply) -> PortError:
        if reply.code // 100 == 5:
            return Misconfigured(
                NAME,
                self._subject(),
                f"The server refuses this installation ({reply}).",
                "Ask the provider why, or use another server.",
                field="host",
            )
        return Retryable(NAME, self._subject(), f"The server is not ready ({reply}).")

    def _refused_login(self, reply: _Reply) -> PortError:
        if reply.code // 100 == 4:
            return Retryable(NAME, self._subject(), f"Sign-in is not possible now ({reply}).")
        return Unauthorized(
            NAME,
            self._subject(),
            f"User name or password was refused ({reply}).",
            "Enter them again; many providers want a password made for this app.",
        )

    def _refused_sender(self, reply: _Reply) -> PortError:
        if reply.enhanced == "5.4.5":
            return _over_limit(self._subject(), reply)
        if reply.code // 100 == 4:
            return Retryable(NAME, self._subject(), f"The server takes no message now ({reply}).")
        if reply.code in (530, 535, 538):
            return Unauthorized(
                NAME,
                self._subject(),
                f"The server wants a sign-in ({reply}).",
                "Fill in user name and password.",
            )
        if reply.code == 552:
            return Rejected(NAME, self._subject(), f"The message is too large for the server ({reply}).")
        return Misconfigured(
            NAME,
            self._subject(),
            f"The server refuses the sender's address ({reply}).",
            "Use a from address and a bounce domain that the provider has verified.",
            field="from_address",
        )


def _refused_recipient(reply: _Reply, subject: str) -> PortError:
    if reply.enhanced == "5.4.5":
        return _over_limit(subject, reply)
    if reply.code // 100 == 4:
        return Retryable(NAME, subject, f"The address cannot be reached now ({reply}).")
    if reply.code in (530, 535, 538) or b"relay" in reply.text.lower():
        # This server delivers for nobody but its own: said of every address, so not this one's fault.
        return Unauthorized(
            NAME, subject, f"The server does not deliver for us ({reply}).", "Fill in user name and password."
        )
    return Rejected(NAME, subject, f"The address was refused ({reply}).", "Ask the person for another one.")


def _refused_content(reply: _Reply, subject: str) -> PortError:
    if reply.enhanced == "5.4.5":
        return _over_limit(subject, reply)
    if reply.code // 100 == 4:
        return Retryable(NAME, subject, f"The message was not taken ({reply}).")
    return Rejected(NAME, subject, f"The content was refused ({reply}).", "Check the text for spam words.")


def _over_limit(subject: str, reply: _Reply) -> RateLimited:
    return RateLimited(
        NAME,
        subject,
        f"The account's sending limit is reached ({reply}).",
        "It goes on later; a larger plan at the provider raises the limit.",
        retry_after_s=_RATE_WAIT_S,
    )


class _Smtp(smtplib.SMTP):
    """smtplib over guarded sockets; encrypted from the first byte where `security` is tls."""

    def __init__(
        self,
        environment: Environment,
        server: Server,
        local_hostname: str,
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self._environment = environment
        self._tls = tls
        self._server = server
        # Our own name would otherwise be looked up, and could tell an internal one.
        super().__init__(local_hostname=local_hostname, timeout=environment.timeout_s)
        # STARTTLS checks the certificate against this name; without a host in the constructor the
        # library leaves it empty.
        self._host = server.host

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        try:
            opened = open_socket(self._environment, NAME, host, port, timeout)
        except Misconfigured as exc:
            raise Misconfigured(NAME, exc.subject, exc.cause, exc.remedy, field="host") from exc
        if self._server.security != "tls":
            return opened
        try:
            return self._tls().wrap_socket(opened, server_hostname=host)
        except BaseException:
            opened.close()
            raise


def _quoted(content: bytes) -> bytes:
    """The content as DATA wants it: leading dots doubled, ended by a lone dot (RFC 5321 §4.5.2)."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
