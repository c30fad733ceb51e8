"""The SMTP side of the mailbox, with fault dials, on a loop and a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from simulator.dials import Dials, Fault
from simulator.mailbox.messages import DkimVerdict, Duplicate, Messages, StoredMessage
from simulator.mailbox.web import web_app
from simulator.server import ServerThread

Security = Literal["none", "starttls", "tls"]


@dataclass
class MailDials(Dials):
    """As `Dials`, one roll a message, at MAIL FROM.

    "error" answers 451 there, "throttle" 450 at RCPT TO, "cut_before" breaks the connection there,
    "timeout_after_success" and "cut_after_success" take the whole message and break the connection
    without an answer. `maintenance` answers 421. `refused` maps an address (small letters) to the
    reply it gets at RCPT TO, `refused_content` is the reply to any message's content ("" for none).
    """

    refused: dict[str, str] = field(default_factory=dict)
    refused_content: str = ""
    refused_sender: str = ""


class Mailbox:
    """A mail provider on 127.0.0.1 that delivers into its own inboxes.

    `port` speaks SMTP, `url` shows the inboxes. With `users` (name → password) it wants a sign-in;
    `security` as a client would configure it, the certificate's authority is in `ca_file`.
    `dkim_keys` maps "selector._domainkey.domain" to a DNS TXT record (see `dkim_record`).
    """

    def __init__(
        self,
        smtp_port: int = 0,
        http_port: int = 0,
        directory: Path | None = None,
        *,
        security: Security = "none",
        users: Mapping[str, str] | None = None,
        smtputf8: bool = True,
        dkim_keys: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.dials = MailDials()
        self.messages = Messages(directory, dkim_keys or {})
        self.users = dict(users or {})
        self.connections = 0
        self._clock = clock
        self._security = security
        self._smtputf8 = smtputf8
        # Bound here and handed over, so that port 0 works and nobody takes the port in between.
        self._socket = socket.create_server(("127.0.0.1", smtp_port))
        self.port: int = self._socket.getsockname()[1]
        self.host = "localhost" if security != "none" else "127.0.0.1"
        self.ca_file = ""
        self._tls: ssl.SSLContext | None = None
        if security != "none":
            authority = trustme.CA()
            folder = Path(tempfile.mkdtemp(prefix="mailbox-"))
            self.ca_file = str(folder / "ca.pem")
            authority.cert_pem.write_to_path(self.ca_file)
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._tls)
        self._web = ServerThread(web_app(self.messages), http_port)
        self.url = self._web.url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="mailbox")
        self._ready = threading.Event()
        self._open: set[asyncio.BaseTransport] = set()

    def start(self) -> Mailbox:
        self._thread.start()
        self._ready.wait(5)
        self._web.start()
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._web.stop()

    def __enter__(self) -> Mailbox:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def inbox(self, to: str = "") -> list[StoredMessage]:
        """What this person got so far, in order of arrival; everything for ""."""
        return self.messages.all(to)

    def wait_for(self, count: int = 1, to: str = "", timeout_s: float = 10.0) -> list[StoredMessage]:
        """The inbox once it holds `count` messages; raises TimeoutError."""
        return self.messages.wait_for(count, to, timeout_s)

    def verdict(self, message: StoredMessage) -> DkimVerdict:
        """What a receiver says of the message's DKIM signature."""
        return self.messages.verdict(message)

    def duplicates(self) -> list[Duplicate]:
        """Who got the same message more than once."""
        return self.messages.duplicates()

    def drop_connections(self) -> None:
        """Break every open SMTP connection, as a provider's restart does."""
        done = threading.Event()

        def drop() -> None:
            for transport in list(self._open):
                transport.abort()  # type: ignore[attr-defined]
            self._open.clear()
            done.set()

        self._loop.call_soon_threadsafe(drop)
        done.wait(5)

    def _serve(self) -> None:
        # aiosmtpd reports each broken connection as an error; here they are wanted.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        asyncio.set_event_loop(self._loop)
        tls = self._tls if self._security == "tls" else None
        server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, sock=self._socket, ssl=tls)
        )
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for transport in self._open:
            transport.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(
            _Handler(self, self._clock, self._open),
            enable_SMTPUTF8=self._smtputf8,
            hostname="mailbox.example",
            ident="Simulated mailbox",
            tls_context=self._tls if self._security == "starttls" else None,
            require_starttls=self._security == "starttls",
            # Offered only where somebody could sign in; `handle_MAIL` insists on it.
            auth_require_tls=self._security == "starttls" or not self.users,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        known = self.users.get(data.login.decode()) == data.password.decode()
        # handled=False lets aiosmtpd send its own 535.
        return AuthResult(success=known, handled=known)


class _Handler:
    """One connection's conversation."""

    def __init__(
        self, mailbox: Mailbox, clock: Callable[[], datetime], connections: set[asyncio.BaseTransport]
    ) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._connections = connections
        self._fault: Fault = "none"

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self._connections.add(server.transport)
        return responses

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        dials = self._mailbox.dials
        if dials.latency_s:
            await asyncio.sleep(dials.latency_s)
        if dials.maintenance:
            return "421 4.3.2 Closing for maintenance"
        if self._mailbox.users and not session.authenticated:
            return "530 5.7.0 Authentication required"
        self._fault = dials.roll()
        if self._fault == "error":
            return "451 4.3.0 Local error in processing"
        if self._fault == "cut_before":
            server.transport.abort()
            return ""
        if dials.refused_sender:
            return dials.refused_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._fault == "throttle":
            return "450 4.2.1 Mailbox busy, try again later"
        refusal = self._mailbox.dials.refused.get(address.lower())
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self._mailbox.dials.refused_content:
            return self._mailbox.dials.refused_content
        message = self._mailbox.messages.add(
            self._clock(),
            envelope.mail_from,
            envelope.rcpt_tos,
            envelope.original_content,
            envelope.mail_options,
        )
        if self._fault in ("cut_after_success", "timeout_after_success"):
            server.transport.abort()
        return f"250 2.0.0 Ok: queued as {message.id:06d}"
