"""Where a connection may go: a host is resolved once, every answer is judged, and the socket is opened
to the very address that was judged. A second look-up would let a name change between the two
(DNS rebinding), so nothing below this module resolves names.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from socket import getaddrinfo
from urllib.parse import urlsplit

from connector.ports.errors import Misconfigured, Retryable
from connector.registry import Environment

_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# Forms that carry an IPv4 address inside an IPv6 one (6to4, Teredo, NAT64) reach whatever is inside;
# 192.88.99.0/24 is the 6to4 relay. `is_global` calls some of them global.
_REFUSED: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("2001::/32"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)


def is_public(address: str) -> bool:
    """True when `address` (an IP literal) is one that anybody on the internet may be sent to.

    >>> is_public("8.8.8.8"), is_public("10.0.0.1"), is_public("100.64.0.1"), is_public("::ffff:8.8.8.8")
    (True, False, False, False)
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _PUBLIC_V6:
        return False
    return not any(ip.version == network.version and ip in network for network in _REFUSED)


def is_allowed_private(environment: Environment, host: str, port: int) -> bool:
    """True when the operator named this host, or this host and port, in `allowed_private_hosts`."""
    name = _bare(host)
    wanted = {name, f"{name}:{port}", f"[{name}]", f"[{name}]:{port}"}
    return any(allowed.strip().lower() in wanted for allowed in environment.allowed_private_hosts)


def checked_addresses(environment: Environment, adapter: str, host: str, port: int) -> list[str]:
    """The IP addresses of `host`, each allowed to be connected to, in the resolver's order, at least one.

    One private address among public ones refuses the whole name. Raises Misconfigured(field="url") for
    a refused address and Retryable when the name cannot be resolved.
    """
    name = _bare(host)
    try:
        answers = getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise Retryable(
            adapter, name, "The host name could not be resolved.", "Check the address for a typing error."
        ) from exc
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not addresses:
        raise Retryable(adapter, name, "The host name has no address.")
    if not is_allowed_private(environment, name, port):
        for address in addresses:
            if not is_public(address):
                raise Misconfigured(
                    adapter,
                    name,
                    "The host leads to an address that is not on the public internet.",
                    "Use a public address, or have the operator allow this host.",
                    field="url",
                )
    return addresses


def open_socket(
    environment: Environment,
    adapter: str,
    host: str,
    port: int,
    timeout_s: float | None,
    options: Iterable[tuple[int, int, int | bytes]] = (),
) -> socket.socket:
    """A connected TCP socket to `host`, at an address that was judged; raises as `checked_addresses`
    does, and Retryable when none of the addresses answers."""
    last: OSError | None = None
    for address in checked_addresses(environment, adapter, host, port):
        try:
            # A literal is not resolved again: getaddrinfo only parses it.
            opened = socket.create_connection((address, port), timeout_s)
        except OSError as exc:
            last = exc
            continue
        try:
            for option in options:
                opened.setsockopt(*option)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            opened.close()
            raise
        return opened
    reason = "did not answer in time" if isinstance(last, TimeoutError) else "refused the connection"
    raise Retryable(adapter, f"{_bare(host)}:{port}", f"The server {reason}.") from last


class Watch:
    """Shuts sockets down when a whole exchange has taken `limit_s` seconds, as a context manager.

    A timeout bounds each silence only: a server that sends a byte a minute would hold a worker for ever.
    Reading from a socket that was shut down ends; `is_over` then tells why.
    """

    def __init__(self, limit_s: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(limit_s, self._end)
        self._timer.daemon = True

    def add(self, opened: socket.socket) -> socket.socket:
        """Watch this one too; gives it back."""
        self._sockets.append(opened)
        return opened

    def _end(self) -> None:
        self.is_over = True
        for one in self._sockets:
            with suppress(OSError):
                # Of the plain socket: that of TLS would also forget its state under the reader's feet.
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()


def tls_context(environment: Environment, adapter: str, of: str = "") -> ssl.SSLContext:
    """A context that verifies names and certificates against the system's store and `ca_file`.

    One for all connections, for reading the store takes longer than most calls; never change it. A library
    that adds to its context names itself in `of`, and has its own. Raises Misconfigured(field="ca_file") when
    that bundle cannot be read.
    """
    path = environment.ca_file
    try:
        # Another file at the same path is another bundle.
        stamp = Path(path).stat().st_mtime_ns if path else 0
        return _context(path, stamp, of)
    except (OSError, ssl.SSLError) as exc:
        raise Misconfigured(
            adapter,
            Path(path).name,
            "The bundle of certificates cannot be read.",
            "Name a PEM file that Dispo may read.",
            field="ca_file",
        ) from exc


@lru_cache(maxsize=8)
def _context(ca_file: str, stamp: int, of: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        # A slim container has no store of its own.
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def certificate_error(exc: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The refused certificate behind `exc`, however deep libraries wrapped it, or None."""
    seen: set[int] = set()
    pending: list[object] = [exc]
    while pending:
        one = pending.pop()
        # `reason` is an exception in urllib3 and a word in ssl.
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        if isinstance(one, ssl.SSLCertVerificationError):
            return one
        seen.add(id(one))
        pending += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return None


def safe_url(url: str) -> str:
    """`url` fit for messages and logs: scheme, host, port and path; no user, password, query, fragment.

    >>> safe_url("https://me:pw@shop.example:8443/a.csv?token=1#x")
    'https://shop.example:8443/a.csv'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "the address"
    if ":" in host:
        host = f"[{host}]"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def _bare(host: str) -> str:
    """The host as the resolver wants it: no brackets, no root dot, small letters."""
    return host.strip("[]").rstrip(".").lower()
