"""Mailboxes read over IMAP, always encrypted: TLS from the first byte, or STARTTLS before signing in."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from imap_tools import BaseMailBox
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, MailboxLoginError

from adapters.kit.guard import Watch, certificate_error, open_socket, tls_context
from connector.ports.errors import Misconfigured, NotFound, Retryable, Unauthorized
from connector.registry import Environment


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Where a mailbox is and how to sign in."""

    host: str
    port: int
    is_tls_first: bool
    username: str
    password: str = field(repr=False)


class Imap:
    """Sessions with one folder of a mailbox, for the adapter of this name. `subject` is what errors call it,
    `field` the setting that holds its address, `longest_s` bounds a whole session."""

    def __init__(
        self,
        environment: Environment,
        adapter: str,
        account: ImapAccount,
        folder: str,
        *,
        subject: str,
        field: str,
        longest_s: float,
    ) -> None:
        self._environment = environment
        self._adapter = adapter
        self._account = account
        self._folder = folder
        self._subject = subject
        self._field = field
        self._longest_s = longest_s

    @contextmanager
    def opened(self, *, readonly: bool = True) -> Iterator[BaseMailBox]:
        """The folder, opened. Raises NotFound for a missing one, Unauthorized, Misconfigured for an address that
        cannot work, Retryable for what passes, also from inside the `with`."""
        with Watch(self._longest_s) as watch, self._translated(watch):
            box = _Box(self, watch)
            try:
                self._sign_in(box)
                try:
                    box.folder.set(self._folder, readonly=readonly)
                except MailboxFolderSelectError as exc:
                    raise NotFound(
                        self._adapter,
                        self._subject,
                        "There is no such folder.",
                        "Write it as the mail program shows it, with the folders around it, as in INBOX/Stock.",
                    ) from exc
                yield box
                with suppress(imaplib.IMAP4.error, OSError):
                    box.client.logout()
            finally:
                with suppress(OSError):
                    box.client.shutdown()

    def connect(self, watch: Watch) -> imaplib.IMAP4:
        """An encrypted connection to a judged address, not yet signed in."""
        return _Client(self._environment, self._adapter, self._account, self._field, watch)

    def _sign_in(self, box: BaseMailBox) -> None:
        wanted = self._account
        try:
            if (wanted.username + wanted.password).isascii():
                box.login(wanted.username, wanted.password, initial_folder=None)
            else:
                box.login_utf8(wanted.username, wanted.password, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except (MailboxLoginError, imaplib.IMAP4.error) as exc:
            raise Unauthorized(
                self._adapter,
                self._subject,
                "The mail server refused the user or the password.",
                "Enter both anew; many providers want an app password for programs.",
            ) from exc

    @contextmanager
    def _translated(self, watch: Watch) -> Iterator[None]:
        try:
            yield
        except ssl.SSLError as exc:
            refused = certificate_error(exc)
            if refused is None:
                raise self._broken(watch) from exc
            raise Misconfigured(
                self._adapter,
                self._subject,
                f"The server's certificate is not valid: {refused.verify_message}.",
                "Check the name of the server, or ask its owner to renew the certificate.",
                field=self._field,
            ) from exc
        except TimeoutError as exc:
            raise Retryable(
                self._adapter, self._subject, "No answer came in time.", "It is tried again."
            ) from exc
        except (imaplib.IMAP4.error, ImapToolsError, OSError, EOFError) as exc:
            raise self._broken(watch) from exc

    def _broken(self, watch: Watch) -> Retryable:
        if watch.is_over:
            cause = f"Reading the mailbox took more than {self._longest_s / 60:.0f} minutes."
        else:
            cause = "The connection broke off, or the server answered what is not IMAP."
        return Retryable(self._adapter, self._subject, cause, "It is tried again.")


class _Client(imaplib.IMAP4):
    """IMAP over a socket that goes to a judged address."""

    def __init__(
        self, environment: Environment, adapter: str, account: ImapAccount, field: str, watch: Watch
    ) -> None:
        self._environment, self._adapter, self._account, self._watch = environment, adapter, account, watch
        self._field = field
        self._context = tls_context(environment, adapter)
        super().__init__(account.host, account.port, environment.timeout_s)
        if not account.is_tls_first:
            self._begin_tls()

    def _create_socket(self, timeout: float | None) -> socket.socket:
        try:
            plain = open_socket(self._environment, self._adapter, self.host, self.port, timeout)
        except Misconfigured as exc:
            raise Misconfigured(exc.adapter, exc.subject, exc.cause, exc.remedy, field=self._field) from exc
        self._watch.add(plain)
        if not self._account.is_tls_first:
            return plain
        return self._watch.add(self._context.wrap_socket(plain, server_hostname=self.host))

    def _begin_tls(self) -> None:
        if "STARTTLS" not in self.capabilities:
            self.shutdown()
            raise Misconfigured(
                self._adapter,
                f"imap://{self.host}:{self.port}",
                "The server offers no encryption here, so the password was not sent.",
                "Use imaps://, usually at port 993.",
                field=self._field,
            )
        self.starttls(self._context)
        self._watch.add(self.sock)


class _Box(BaseMailBox):
    """The library's mailbox over our client."""

    def __init__(self, imap: Imap, watch: Watch) -> None:
        self._made = imap.connect(watch)
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._made
