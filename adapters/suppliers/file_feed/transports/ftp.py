"""Files over FTP, and over FTPS with the certificate verified and the data as protected as the commands.

Passive only. The address a server names for the data is never believed: it goes to the host of the commands.
"""

from __future__ import annotations

import ftplib
import posixpath
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from adapters.kit.guard import Watch, certificate_error, open_socket, tls_context
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import LONGEST_DOWNLOAD_S
from adapters.suppliers.file_feed.transports.remote import MOST_FILES, Entry
from connector.ports.errors import Misconfigured, NotFound, Retryable, Unauthorized
from connector.registry import Environment

Protection = Literal["none", "explicit", "implicit"]
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in, and how the line is protected."""

    host: str
    port: int
    username: str
    password: str = field(default="", repr=False)
    protection: Protection = "none"


class _Ftp(ftplib.FTP):
    """FTP whose every socket goes to a judged address."""

    trust_server_pasv_ipv4_address = False

    def __init__(self, login: Login, environment: Environment, watch: Watch) -> None:
        super().__init__(timeout=environment.timeout_s)
        self._login, self._environment, self._watch = login, environment, watch
        self.encoding = "utf-8"

    def begin(self) -> None:
        """Connect and read the greeting."""
        self.host, self.port = self._login.host, self._login.port
        self.sock = self._socket(self.port)
        # Data goes to the very address of the commands, judged already; the name is not asked again.
        self._peer = self.sock.getpeername()[0]
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding, errors="surrogateescape")
        self.welcome = self.getresp()

    def _socket(self, port: int) -> socket.socket:
        timeout_s = self._environment.timeout_s
        return self._watch.add(open_socket(self._environment, ADAPTER, self._login.host, port, timeout_s))

    def makepasv(self) -> tuple[str, int]:
        """The data's address: the port that the server names, at the host we speak with."""
        if self.af == socket.AF_INET:
            _, port = ftplib.parse227(self.sendcmd("PASV"))  # noqa: S321
        else:
            _, port = ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())  # type: ignore[union-attr]  # noqa: S321
        return self._peer, port


class _Ftps(_Ftp, ftplib.FTP_TLS):
    """The same over TLS, from the first byte (implicit) or before signing in (explicit)."""

    def __init__(self, login: Login, environment: Environment, watch: Watch) -> None:
        _Ftp.__init__(self, login, environment, watch)
        # After the library's own, which verifies nothing.
        self.context = tls_context(environment, ADAPTER)

    def begin(self) -> None:
        """Connect, and lay TLS over the line."""
        if self._login.protection == "explicit":
            super().begin()
            self.auth()
            self._watch.add(self.sock)  # type: ignore[arg-type]
            self.file = self.sock.makefile("r", encoding=self.encoding)  # type: ignore[union-attr]
        else:
            self._begin_inside_tls()
        self.prot_p()

    def _begin_inside_tls(self) -> None:
        self.host, self.port = self._login.host, self._login.port
        plain = self._socket(self.port)
        self._peer = plain.getpeername()[0]
        self.af = plain.family
        self.sock = self._watch.add(self.context.wrap_socket(plain, server_hostname=self.host))
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """The data line, with the session of the commands resumed: careful servers insist on it."""
        line, size = _Ftp.ntransfercmd(self, cmd, rest)
        held = self.sock
        session = held.session if isinstance(held, ssl.SSLSocket) else None
        try:
            return self.context.wrap_socket(line, server_hostname=self.host, session=session), size
        except BaseException:
            line.close()
            raise


class FtpServer:
    """Opens sessions on one server; `longest_s` bounds each as a whole."""

    def __init__(self, login: Login, environment: Environment, longest_s: float = LONGEST_DOWNLOAD_S) -> None:
        self._login = login
        self._environment = environment
        self._longest_s = longest_s
        scheme = {"none": "ftp", "explicit": "ftpes", "implicit": "ftps"}[login.protection]
        self._subject = f"{scheme}://{login.host}:{login.port}"

    @contextmanager
    def opened(self) -> Iterator[FtpPlace]:
        """A session, signed in. Raises Unauthorized, Misconfigured or Retryable."""
        kind = _Ftp if self._login.protection == "none" else _Ftps
        with Watch(self._longest_s) as watch:
            yield from self._session(kind(self._login, self._environment, watch))

    def _session(self, client: _Ftp) -> Iterator[FtpPlace]:
        try:
            with self._translated():
                client.begin()
                self._sign_in(client)
                client.voidcmd("TYPE I")
                yield FtpPlace(client, self._subject)
                # Politely where nothing is under way; what is said to it does not matter any more.
                with suppress(*ftplib.all_errors):
                    client.sendcmd("QUIT")
        finally:
            client.close()

    def _sign_in(self, client: _Ftp) -> None:
        login = self._login
        try:
            # Not FTP_TLS.login, which would begin TLS a second time.
            ftplib.FTP.login(client, login.username or "anonymous", login.password or "anonymous@")  # noqa: S321
        except ftplib.error_perm as exc:
            raise Unauthorized(
                ADAPTER,
                self._subject,
                f"The server refused the user or the password (FTP {str(exc)[:3]}).",
                "Enter those that the supplier gave you; some servers also insist on FTPS (ftpes://).",
            ) from exc

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLError as exc:
            refused = certificate_error(exc)
            if refused is not None:
                raise Misconfigured(
                    ADAPTER,
                    self._subject,
                    f"The server's certificate is not valid: {refused.verify_message}.",
                    "Check the name of the server, or ask its owner to renew the certificate.",
                    field="url",
                ) from exc
            raise Retryable(
                ADAPTER,
                self._subject,
                "The protected connection broke off or could not be begun.",
                "If it stays so, ask the supplier whether the server speaks FTPS at this port.",
            ) from exc
        except ftplib.error_perm as exc:
            raise Misconfigured(
                ADAPTER,
                self._subject,
                f"The server refused a command (FTP {str(exc)[:3]}).",
                "Ask the supplier for ftp://, ftpes:// or ftps://, and whether passive mode is allowed.",
                field="url",
            ) from exc
        except TimeoutError as exc:
            raise Retryable(ADAPTER, self._subject, "No answer came in time.", "It is tried again.") from exc
        except ftplib.all_errors as exc:
            raise Retryable(
                ADAPTER, self._subject, "The connection broke off or is not FTP.", "It is tried again."
            ) from exc


class FtpPlace:
    """An open session; see `remote.Place`."""

    def __init__(self, client: ftplib.FTP, subject: str) -> None:
        self._client = client
        self._subject = subject

    def look(self, path: str) -> Entry:
        """As the port, by SIZE and MDTM; a server without one of them tells less."""
        size_bytes = changed_at = None
        # A listing leaves the line in ASCII mode, in which a size means nothing.
        self._client.voidcmd("TYPE I")
        try:
            size_bytes = self._client.size(path)
        except ftplib.error_perm as exc:
            self._require_known(path, exc)
        try:
            changed_at = _moment(self._client.voidcmd(f"MDTM {path}")[3:].strip())
        except ftplib.error_perm as exc:
            self._require_known(path, exc)
        return Entry(path, size_bytes, changed_at)

    def listing(self, folder: str) -> list[Entry]:
        """As the port, by MLSD, or by NLST with a look at each where a server is older."""
        found = []
        try:
            for name, facts in self._client.mlsd(folder, ["type", "size", "modify"]):
                if facts.get("type", "file").lower() == "file":
                    path = posixpath.join(folder, name)
                    size = facts.get("size", "")
                    found.append(
                        Entry(path, int(size) if size.isdigit() else None, _moment(facts.get("modify", "")))
                    )
                if len(found) > MOST_FILES:
                    break
        except ftplib.error_perm as exc:
            if str(exc)[:3] not in ("500", "501", "502", "504"):
                raise self._refused(folder, exc) from exc
            return self._older_listing(folder)
        return found

    def read(self, path: str, take: Callable[[bytes], bool]) -> None:
        """As the port."""
        try:
            line = self._client.transfercmd(f"RETR {path}")
        except ftplib.error_perm as exc:
            raise self._refused(path, exc) from exc
        with line:
            while piece := line.recv(_PIECE):
                if not take(piece):
                    return
            if isinstance(line, ssl.SSLSocket):
                # Some servers close without saying goodbye; the answer below tells whether it was all.
                with suppress(OSError):
                    line.unwrap()
        self._client.voidresp()

    def _older_listing(self, folder: str) -> list[Entry]:
        try:
            names = self._client.nlst(folder)
        except ftplib.error_perm as exc:
            raise self._refused(folder, exc) from exc
        return [
            self.look(posixpath.join(folder, posixpath.basename(name))) for name in names[: MOST_FILES + 1]
        ]

    def _require_known(self, path: str, exc: ftplib.error_perm) -> None:
        """Whether a refusal says that the file is not there, rather than that a command is not known."""
        if str(exc)[:3] == "550":
            raise self._refused(path, exc) from exc

    def _refused(self, path: str, exc: ftplib.error_perm) -> NotFound | Unauthorized:
        subject = f"{self._subject}/{path.lstrip('/')}"
        # 550 is said for both; the words differ by server.
        if any(word in str(exc).lower() for word in ("permission", "denied", "not allowed", "privilege")):
            return Unauthorized(
                ADAPTER, subject, "The user may not read this.", "Ask the supplier to permit it."
            )
        return NotFound(
            ADAPTER,
            subject,
            "There is no such file or folder.",
            "Check the path; it begins where the user's own folder is, or with a slash.",
        )


def _moment(text: str) -> datetime | None:
    """A time of MDTM or MLSD (RFC 3659, always UTC), None when unreadable.

    >>> _moment("20261101060000.123")
    datetime.datetime(2026, 11, 1, 6, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
