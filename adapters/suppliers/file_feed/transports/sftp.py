"""Files over SFTP, by a password or a key.

The server's key is pinned at the first connection. Another key later is refused before anything is sent: a
password given to whoever stands in between is lost.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import paramiko

from adapters.kit.guard import Watch, open_socket
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import HEAD_BYTES, LONGEST_DOWNLOAD_S
from adapters.suppliers.file_feed.transports.remote import MOST_FILES, Entry
from connector.ports.errors import (
    IdentityChanged,
    Misconfigured,
    NotFound,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

_PIECE = 32_768
"""What every server gives at once; larger reads are cut by some."""
_REQUESTS_AHEAD = 64
_ONE_BY_ONE = 2 * HEAD_BYTES
_KEY_CLASSES: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in. A key goes before a password; `pinned` is the host key as `fingerprint` writes it, ""
    before the first connection."""

    host: str
    port: int
    username: str
    password: str = field(default="", repr=False)
    key: paramiko.PKey | None = field(default=None, repr=False)
    pinned: str = ""


def fingerprint(key: paramiko.PKey) -> str:
    """A key as ssh-keygen -l writes it, behind its type: "ssh-ed25519 SHA256:…"."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode("ascii").rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def read_key(text: str, passphrase: str) -> paramiko.PKey:
    """A private key in OpenSSH's or PEM form. Raises Misconfigured naming what is wrong with it."""
    text = text.replace("\r\n", "\n").strip() + "\n"
    if text.startswith("PuTTY-User-Key-File"):
        raise _bad_key(
            "This is a key in PuTTY's form.",
            "In PuTTYgen open it and choose Conversions, Export OpenSSH key; enter that.",
        )
    if text.startswith(("ssh-", "ecdsa-")) or "PUBLIC KEY" in text[:60]:
        raise _bad_key(
            "This is the public half of the key.", "Enter the private key; the public one is theirs."
        )
    if "PRIVATE KEY" not in text[:80]:
        raise _bad_key("This is not a private key.", "Enter the whole file, with its first and last line.")
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text), passphrase or None)
        except paramiko.PasswordRequiredException as exc:
            raise _bad_key("The key is protected.", "Enter its passphrase too.", "passphrase") from exc
        except (paramiko.SSHException, ValueError, TypeError, IndexError):
            # Another kind of key, or damaged, or a wrong passphrase: the library does not tell which.
            continue
    if passphrase:
        raise _bad_key("The key cannot be opened with this passphrase.", "Check both.", "passphrase")
    raise _bad_key("The key cannot be read.", "Use an Ed25519, ECDSA or RSA key, and enter the whole file.")


class SftpServer:
    """Opens sessions on one server; `learnt` is the host key seen when none was pinned."""

    def __init__(self, login: Login, environment: Environment) -> None:
        self._login = login
        self._environment = environment
        self._subject = f"sftp://{login.host}:{login.port}"
        self._pinned = login.pinned

    def learnt(self) -> Mapping[str, str]:
        """The host key to remember, empty before any connection."""
        return {"host_key": self._pinned} if self._pinned else {}

    @contextmanager
    def opened(self) -> Iterator[SftpPlace]:
        """A session. Raises IdentityChanged, Unauthorized, Misconfigured or Retryable."""
        with Watch(LONGEST_DOWNLOAD_S) as watch:
            yield from self._session(watch)

    def _session(self, watch: Watch) -> Iterator[SftpPlace]:
        login, timeout_s = self._login, self._environment.timeout_s
        sock = watch.add(open_socket(self._environment, ADAPTER, login.host, login.port, timeout_s))
        # From here on the thread of paramiko owns the socket.
        transport = paramiko.Transport(sock)
        transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = timeout_s
        try:
            with self._translated():
                self._prefer_pinned(transport)
                transport.start_client(timeout=timeout_s)
                self._require_identity(transport.get_remote_server_key())
                self._sign_in(transport)
                client = paramiko.SFTPClient.from_transport(transport)
                if client is None:
                    raise paramiko.SSHException("no session")
                channel = client.get_channel()
                if channel is not None:
                    channel.settimeout(timeout_s)
            with self._translated():
                yield SftpPlace(client, self._subject)
        finally:
            transport.close()

    def _prefer_pinned(self, transport: paramiko.Transport) -> None:
        """Ask for the kind of key that is pinned: a server that got a second kind is still the same."""
        kind = self._pinned.partition(" ")[0]
        if not kind:
            return
        options = transport.get_security_options()
        offered = tuple(options.key_types)
        wanted = tuple(one for one in (_RSA if kind == "ssh-rsa" else (kind,)) if one in offered)
        options.key_types = (*wanted, *(one for one in offered if one not in wanted))

    def _require_identity(self, key: paramiko.PKey) -> None:
        presented = fingerprint(key)
        if not self._pinned:
            self._pinned = presented
        elif self._pinned != presented:
            raise IdentityChanged(
                ADAPTER,
                self._subject,
                f"The server shows another key than before: {presented} instead of {self._pinned}."
                " Nothing was sent to it.",
                "Ask the supplier whether the key was renewed; only then accept the new one, on the"
                " supplier's page or with: dispo supplier accept-key",
                field="host_key",
                pinned=self._pinned,
                presented=presented,
            )

    def _sign_in(self, transport: paramiko.Transport) -> None:
        login = self._login
        try:
            if login.key is not None:
                rest = transport.auth_publickey(login.username, login.key)
                if rest and login.password:
                    transport.auth_password(login.username, login.password)
            else:
                transport.auth_password(login.username, login.password)
        except paramiko.BadAuthenticationType as exc:
            ways = ", ".join(exc.allowed_types) or "nothing we know"
            raise Unauthorized(
                ADAPTER,
                self._subject,
                f"The server does not take this way of signing in; it takes {ways}.",
                "Enter a password or a private key, as the supplier says.",
            ) from exc
        except paramiko.AuthenticationException as exc:
            what = "key" if login.key is not None else "password"
            raise Unauthorized(
                ADAPTER,
                self._subject,
                f"The server refused the user or the {what}.",
                "Enter those that the supplier gave you; for a key, the supplier must have its public half.",
            ) from exc
        if not transport.is_authenticated():
            raise Unauthorized(
                ADAPTER, self._subject, "The server asks for more than one proof.", "Enter password and key."
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (TimeoutError, paramiko.SSHException, EOFError, OSError) as exc:
            late = isinstance(exc, TimeoutError)
            cause = "No answer came in time." if late else "The connection broke off or is not SFTP."
            raise Retryable(ADAPTER, self._subject, cause, "It is tried again.") from exc


class SftpPlace:
    """An open session; see `remote.Place`."""

    def __init__(self, client: paramiko.SFTPClient, subject: str) -> None:
        self._client = client
        self._subject = subject

    def look(self, path: str) -> Entry:
        """As the port."""
        with self._told(path):
            found = self._client.stat(path)
        if found.st_mode is not None and not stat.S_ISREG(found.st_mode):
            raise NotFound(
                ADAPTER, self._named(path), "This is a folder and no file.", "Name the file in it."
            )
        return _entry(path, found)

    def listing(self, folder: str) -> list[Entry]:
        """As the port; a link counts as what it leads to."""
        found = []
        with self._told(folder):
            for one in self._client.listdir_iter(folder or "."):
                path = posixpath.join(folder, one.filename)
                mode = one.st_mode or stat.S_IFREG
                if stat.S_ISLNK(mode):
                    found.append(_entry(path, self._client.stat(path)))
                elif stat.S_ISREG(mode):
                    found.append(_entry(path, one))
                if len(found) > MOST_FILES:
                    break
        return found

    def read(self, path: str, take: Callable[[bytes], bool]) -> None:
        """As the port, with requests sent ahead so that distance costs little."""
        with self._told(path), self._client.open(path, "rb") as file:
            size_bytes, done, is_ahead = file.stat().st_size or 0, 0, False
            while piece := file.read(_PIECE):
                if not take(piece):
                    return
                done += len(piece)
                if done >= _ONE_BY_ONE and not is_ahead and size_bytes > done:
                    # Not from the beginning: who wants only that must not wait for what was asked ahead.
                    file.prefetch(size_bytes, max_concurrent_requests=_REQUESTS_AHEAD)
                    is_ahead = True

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as exc:
            raise NotFound(
                ADAPTER,
                self._named(path),
                "There is no such file or folder.",
                "Check the path; it begins where the user's own folder is, or with a slash.",
            ) from exc
        except PermissionError as exc:
            raise Unauthorized(
                ADAPTER,
                self._named(path),
                "The user may not read this.",
                "Ask the supplier to permit it.",
            ) from exc
        except OSError as exc:
            if exc.errno in (None, errno.EIO) and not isinstance(exc, TimeoutError | ConnectionError):
                raise Retryable(
                    ADAPTER, self._named(path), "The server failed to read the file.", "It is tried again."
                ) from exc
            raise

    def _named(self, path: str) -> str:
        return f"{self._subject}/{path.lstrip('/')}"


def _entry(path: str, found: paramiko.SFTPAttributes) -> Entry:
    changed_at = None if found.st_mtime is None else datetime.fromtimestamp(found.st_mtime, UTC)
    return Entry(path, found.st_size, changed_at)


def _bad_key(cause: str, remedy: str, at: str = "private_key") -> Misconfigured:
    return Misconfigured(ADAPTER, "the private key", cause, remedy, field=at)
