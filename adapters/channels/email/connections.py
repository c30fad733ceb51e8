"""Connections to one SMTP server: opened, signed in, and kept for the next messages.

Opening one costs several round trips, TLS and a sign-in, far more than a message does. So a connection that
carried a message well waits a few seconds for the next one. It is never trusted: whoever takes one may find that
the server hung up meanwhile, which before the content of a message means that nothing was taken.
"""

from __future__ import annotations

import os
import re
import select
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from adapters.channels.email.compose import NAME
from adapters.kit.guard import certificate_error, open_socket, tls_context
from connector.ports.errors import Misconfigured, PortError, Retryable, Unauthorized
from connector.registry import Environment

MOST_MESSAGES = 100
"""Many providers end a connection after so many by themselves."""
IDLE_S = 10.0
OLDEST_S = 120.0
"""Also a connection in steady use is renewed, so that a server that moved or was taken out of service is left."""
MOST_IDLE = 4

_ENHANCED = re.compile(rb"^\s*([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to sign in; `username` empty: without. `security` is none, starttls or tls."""

    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    text: bytes

    @property
    def enhanced(self) -> str:
        """The status of RFC 3463, "5.1.1", or empty."""
        found = _ENHANCED.match(self.text)
        return found[1].decode() if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".strip()


@dataclass(slots=True)
class Connection:
    """An open, signed-in connection. `has_failed`: the last message was refused, so the server may still
    hold its sender and must be told to forget it."""

    smtp: Smtp
    opened_at: float
    used_at: float
    messages: int = 0
    has_failed: bool = False

    @property
    def is_fresh(self) -> bool:
        """Nothing was sent on it yet."""
        return self.messages == 0


class Connections:
    """The connections to one server. Thread-safe: one connection serves one message at a time.

    `clock` gives seconds. A process that was forked after connections were opened leaves them to its parent.
    """

    def __init__(
        self,
        server: Server,
        local_hostname: str,
        environment: Environment,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._local_hostname = local_hostname
        self._environment = environment
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._pid = os.getpid()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Kept, because reading the system's certificates takes longer than sending a message."""
        return tls_context(self._environment, NAME)

    @property
    def subject(self) -> str:
        """What messages call the server."""
        return f"{self._server.host}:{self._server.port}"

    def take(self) -> Connection:
        """A kept connection that seems alive, else a new one; raises as `open`."""
        while True:
            with self._lock:
                self._leave_the_parents()
                kept = self._idle.pop() if self._idle else None
            if kept is None:
                return self.open()
            if self._is_usable(kept):
                return kept
            self.end(kept)

    def give_back(self, used: Connection) -> None:
        """Keep it for the next message, or take leave where it served long enough."""
        used.messages += 1
        used.used_at = self._clock()
        is_spent = used.messages >= MOST_MESSAGES or used.used_at - used.opened_at >= OLDEST_S
        with self._lock:
            if not is_spent and len(self._idle) < MOST_IDLE:
                self._idle.append(used)
                return
        self.end(used)

    def end(self, used: Connection) -> None:
        """Take leave; a server that is rude then changes nothing."""
        with suppress(OSError, smtplib.SMTPException):
            # The answer to a farewell is not worth waiting for.
            used.smtp.putcmd("QUIT")
        used.smtp.close()

    def close(self) -> None:
        """Take leave on every idle connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            self.end(one)

    def open(self) -> Connection:
        """A new, signed-in connection. Raises Retryable when it cannot be opened now, Unauthorized or
        Misconfigured when it never will as things are."""
        smtp = Smtp(self._environment, self._server, self._local_hostname, lambda: self._tls)
        try:
            self._open(smtp)
        except (OSError, smtplib.SMTPException) as exc:
            smtp.close()
            raise Retryable(NAME, self.subject, "The connection to the mail server broke.") from exc
        except BaseException:
            smtp.close()
            raise
        now = self._clock()
        return Connection(smtp, now, now)

    def _is_usable(self, kept: Connection) -> bool:
        if self._clock() - kept.used_at > IDLE_S or kept.smtp.sock is None:
            return False
        # A server that says something unasked hangs up, or has already.
        poll = select.poll()
        poll.register(kept.smtp.sock, select.POLLIN)
        if poll.poll(0):
            return False
        if not kept.has_failed:
            return True
        try:
            code, _ = kept.smtp.docmd("RSET")
        except (OSError, smtplib.SMTPException):
            return False
        kept.has_failed = False
        return code == 250

    def _leave_the_parents(self) -> None:
        if self._pid != os.getpid():
            for one in self._idle:
                one.smtp.close()  # without QUIT, which would end the parent's conversation
            self._idle, self._pid = [], os.getpid()

    def _open(self, smtp: Smtp) -> None:
        try:
            reply = Reply(*smtp.connect(self._server.host, self._server.port))
            if reply.code != 220:
                raise self._refused_service(reply)
            smtp.ehlo_or_helo_if_needed()
            if self._server.security == "starttls":
                if not smtp.has_extn("starttls"):
                    raise Misconfigured(
                        NAME,
                        self.subject,
                        "The server offers no STARTTLS, so nothing was sent unencrypted.",
                        "Use tls with port 465, or another server.",
                        field="security",
                    )
                reply = Reply(*smtp.starttls(context=self._tls))
                if reply.code != 220:
                    raise Retryable(NAME, self.subject, f"STARTTLS was refused ({reply}).")
                smtp.ehlo_or_helo_if_needed()
            if self._server.username:
                self._sign_in(smtp)
        except smtplib.SMTPHeloError as exc:
            raise self._refused_service(Reply(exc.smtp_code, _bytes(exc.smtp_error))) from exc
        except ssl.SSLError as exc:
            raise self._bad_tls(exc) from exc

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.login(self._server.username, self._server.password)
        except smtplib.SMTPAuthenticationError as exc:
            raise self._refused_login(Reply(exc.smtp_code, _bytes(exc.smtp_error))) from exc
        except smtplib.SMTPResponseException as exc:
            raise self._refused_service(Reply(exc.smtp_code, _bytes(exc.smtp_error))) from exc
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException as exc:  # no AUTH, or none of the ways we know
            raise Misconfigured(
                NAME,
                self.subject,
                "The server offers no sign-in by user name and password on this connection.",
                "Use starttls or tls, or leave the user name empty.",
                field="username",
            ) from exc

    def _bad_tls(self, exc: ssl.SSLError) -> PortError:
        refused = certificate_error(exc)
        if refused is not None:
            return Misconfigured(
                NAME,
                self.subject,
                f"The server's certificate is not valid: {refused.verify_message}.",
                "Use the host name the provider gives, or ask it to renew the certificate.",
                field="host",
            )
        if getattr(exc, "reason", "") in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return Misconfigured(
                NAME,
                self.subject,
                "The server does not speak TLS on this port.",
                "Use starttls with port 587, or tls with port 465.",
                field="security",
            )
        return Retryable(NAME, self.subject, "No encrypted connection could be made.")

    def _refused_service(self, reply: Reply) -> PortError:
        if reply.code // 100 == 5:
            return Misconfigured(
                NAME,
                self.subject,
                f"The server refuses this installation ({reply}).",
                "Ask the provider why, or use another server.",
                field="host",
            )
        return Retryable(NAME, self.subject, f"The server is not ready ({reply}).")

    def _refused_login(self, reply: Reply) -> PortError:
        if reply.code // 100 == 4:
            return Retryable(NAME, self.subject, f"Sign-in is not possible now ({reply}).")
        return Unauthorized(
            NAME,
            self.subject,
            f"User name or password was refused ({reply}).",
            "Enter them again; many providers want a password made for this app.",
        )


class Smtp(smtplib.SMTP):
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


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
