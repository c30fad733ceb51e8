"""The only HTTP client of the adapters: guarded against private addresses, with a deadline and a size
cap, without redirects, proxies, cookies or a log of its own.

It answers every status as it is; the adapter's client translates them by rows of `kit.errors`. What is
translated here is what has no status: refused addresses, broken connections, timeouts, certificates.

    refused address, bad certificate, unusable URL   Misconfigured(field="url")
    name not resolved, connection not opened         Retryable: nothing left
    connection broken or late, read                  Retryable
    connection broken or late, write                 OutcomeUnknown: it may have been done
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

import httpcore2
import httpx2

from adapters.kit.guard import (
    certificate_error,
    checked_addresses,
    safe_url,
    tls_context,
)
from connector.ports.errors import Misconfigured, OutcomeUnknown, PortError, Retryable
from connector.registry import Environment

if TYPE_CHECKING:
    import requests

__all__ = ["MAX_ANSWER_BYTES", "Client", "requests_session", "safe_url"]

MAX_ANSWER_BYTES = 64_000_000
MAX_REDIRECTS = 5
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# The only request headers that follow a redirect to another host: none of them says who is asking.
_HARMLESS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "if-modified-since",
        "if-none-match",
        "range",
        "user-agent",
    }
)


class Client:
    """Requests to one platform or supplier. Thread-safe; connections are kept and reused.

    `base_url` is put before relative addresses; `headers` go with every request to its host, and to no
    other. Construction does no network. `close` it, or use it as a context manager.
    """

    def __init__(
        self,
        environment: Environment,
        adapter: str,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = environment
        self._adapter = adapter
        self._base = self._url(base_url) if base_url else None
        self._headers = dict(headers or {})
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(environment, adapter),
            max_connections=32,
            max_keepalive_connections=8,
            keepalive_expiry=15.0,
            network_backend=_GuardedBackend(environment, adapter),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; the client cannot be used after it."""
        self._pool.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        is_read: bool | None = None,
    ) -> httpx2.Response:
        """The complete answer, whatever its status; redirects are answers too and never followed.

        `timeout_s` (None: the environment's) bounds the whole exchange, not only its silences.
        `is_read` says whether repeating is harmless; None: GET, HEAD and OPTIONS are. `params` join
        those already in `url`. Raises the errors of the module's table; an answer above
        MAX_ANSWER_BYTES counts as broken.
        """
        prepared = self._prepare(method, url, params=params, json=json, content=content, headers=headers)
        is_read = prepared.method in _READS if is_read is None else is_read
        limit_s = self._environment.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        with self._translated(prepared, is_read):
            answer = self._send(prepared, limit_s)
            try:
                chunks, size_bytes = [], 0
                for chunk in answer.iter_bytes():
                    size_bytes += len(chunk)
                    if size_bytes > MAX_ANSWER_BYTES:
                        raise httpcore2.RemoteProtocolError("the answer is too large")
                    if time.monotonic() > deadline:
                        raise httpcore2.ReadTimeout("the answer took too long")
                    chunks.append(chunk)
            finally:
                answer.close()
        return httpx2.Response(
            answer.status_code,
            headers=[
                (name, value)
                for name, value in answer.headers.multi_items()
                if name.lower() not in {"content-encoding", "transfer-encoding"}
            ],
            content=b"".join(chunks),
            request=prepared,
        )

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        is_read: bool | None = None,
    ) -> Iterator[httpx2.Response]:
        """A download whose body is read inside the `with`, piece by piece; size and time are the
        caller's to bound, `timeout_s` bounds each silence only.

        Redirects of GET and HEAD are followed, at most five, each judged like the first address. To
        another host only harmless headers go along, never one that may hold a credential. A break
        while the body is read raises as in `request`.
        """
        prepared = self._prepare(method, url, params=params, json=json, content=content, headers=headers)
        is_read = prepared.method in _READS if is_read is None else is_read
        limit_s = self._environment.timeout_s if timeout_s is None else timeout_s
        with self._translated(prepared, is_read):
            answer = self._send(prepared, limit_s)
            try:
                for _ in range(MAX_REDIRECTS):
                    if not _leads_on(answer) or prepared.method not in {"GET", "HEAD"}:
                        break
                    answer.close()
                    prepared = self._follow(prepared, answer)
                    answer = self._send(prepared, limit_s)
                if _leads_on(answer) and prepared.method in {"GET", "HEAD"}:
                    raise self._bad_url(safe_url(url), f"It redirects more than {MAX_REDIRECTS} times.")
                yield answer
            finally:
                answer.close()

    def _prepare(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx2.Request:
        target = self._url(url)
        if params:
            target = target.copy_merge_params(dict(params))
        sent = {
            "User-Agent": self._environment.user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
        }
        merged = httpx2.Headers(sent)
        if self._base is None or _origin(target) == _origin(self._base):
            merged.update(self._headers)
        merged.update(dict(headers or {}))
        if target.userinfo:
            user, _, password = target.userinfo.decode("ascii").partition(":")
            pair = f"{unquote(user)}:{unquote(password)}".encode()
            merged.setdefault("Authorization", "Basic " + base64.b64encode(pair).decode("ascii"))
            target = target.copy_with(username=None, password=None)
        return httpx2.Request(method, target, headers=merged, json=json, content=content)

    def _url(self, url: str) -> httpx2.URL:
        try:
            parsed = httpx2.URL(url)
            base = getattr(self, "_base", None)
            if parsed.is_relative_url and base is not None:
                path = base.raw_path.split(b"?")[0].rstrip(b"/") + b"/" + parsed.raw_path.lstrip(b"/")
                parsed = base.copy_with(raw_path=path)
        except (httpx2.InvalidURL, TypeError, ValueError) as exc:
            raise self._bad_url("the address", "It is not a valid address.") from exc
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise self._bad_url(safe_url(str(parsed)), "It does not begin with http:// or https://.")
        if "%" in parsed.host:  # what is left of a bracket or a space in a host name
            raise self._bad_url("the address", "Its host name is not valid.")
        return parsed

    def _follow(self, request: httpx2.Request, answer: httpx2.Response) -> httpx2.Request:
        """The next hop of a redirect, stripped of credentials when it leaves the host."""
        try:
            location = answer.headers["location"]
            if location.startswith("//") and not location.strip("/"):
                raise httpx2.InvalidURL("no host")
            target = self._url(str(request.url.join(location)))
        except (httpx2.InvalidURL, ValueError) as exc:
            raise self._bad_url(safe_url(str(request.url)), "It redirects to no valid address.") from exc
        here, there = _origin(request.url), _origin(target)
        is_same = here == there or (here[1] == there[1] and here[::2] == ("http", 80) and there[2] == 443)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() != "host" and (is_same or name.lower() in _HARMLESS)
        }
        return httpx2.Request(request.method, target.copy_with(username=None, password=None), headers=headers)

    def _send(self, request: httpx2.Request, timeout_s: float) -> httpx2.Response:
        sent = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.content,
            extensions={"timeout": httpx2.Timeout(timeout_s).as_dict()},
        )
        answer = self._pool.handle_request(sent)
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer), request=request)

    @contextmanager
    def _translated(self, request: httpx2.Request, is_read: bool) -> Iterator[None]:
        subject = f"{request.method} {safe_url(str(request.url))}"
        try:
            yield
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout) as exc:
            raise_unsent(self._adapter, subject, exc)
        except (httpcore2.LocalProtocolError, httpcore2.UnsupportedProtocol) as exc:
            raise Misconfigured(
                self._adapter,
                subject,
                "The request cannot be written as HTTP.",
                "Remove line breaks and control characters from the address and the headers.",
                field="headers",
            ) from exc
        except (
            httpcore2.NetworkError,
            httpcore2.TimeoutException,
            httpcore2.ProtocolError,
            httpx2.DecodingError,
        ) as exc:
            raise broken(self._adapter, subject, exc, is_read) from exc

    def _bad_url(self, subject: str, cause: str) -> Misconfigured:
        return Misconfigured(self._adapter, subject, cause, "Check the address.", field="url")


def raise_unsent(adapter: str, subject: str, exc: BaseException) -> NoReturn:
    """Raise what a connection that could not be opened means: Misconfigured for a certificate, else
    Retryable. Nothing was sent."""
    refused = certificate_error(exc)
    if refused is not None:
        raise Misconfigured(
            adapter,
            subject,
            f"The server's certificate is not valid: {refused.verify_message}.",
            "Check the address, or ask the server's owner to renew the certificate.",
            field="url",
        ) from exc
    raise Retryable(adapter, subject, "No connection could be opened.") from exc


def broken(adapter: str, subject: str, exc: BaseException, is_read: bool) -> PortError:
    """What an exchange that broke after the request left means: Retryable for a read, else
    OutcomeUnknown."""
    late = isinstance(exc, httpcore2.TimeoutException | TimeoutError) or "Timeout" in type(exc).__name__
    cause = "No answer came in time." if late else "The answer broke off or could not be read."
    return (Retryable if is_read else OutcomeUnknown)(adapter, subject, cause)


def requests_session(environment: Environment, adapter: str) -> requests.Session:
    """A `requests.Session` under the same guard, for libraries that insist on one.

    Redirects are never followed, proxies and netrc of the process are not read, the environment's
    timeout holds where the caller sets none, and what has no status raises the same errors as `Client`.
    """
    # Imported here because most adapters never need requests.
    from adapters.kit.sessions import GuardedSession

    return GuardedSession(environment, adapter)


class _GuardedBackend(httpcore2.NetworkBackend):
    """Opens connections to judged addresses only. TLS is laid over them by the pool, which still knows
    the host's name, so that SNI, certificate check and Host header stay right."""

    def __init__(self, environment: Environment, adapter: str) -> None:
        self._environment = environment
        self._adapter = adapter
        self._tcp = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        last: Exception | None = None
        for address in checked_addresses(self._environment, self._adapter, host, port):
            try:
                return self._tcp.connect_tcp(address, port, timeout, local_address, socket_options or ())
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                last = exc
        raise last or httpcore2.ConnectError("no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        raise Misconfigured(self._adapter, "unix socket", "Only TCP is allowed.", field="url")


class _Body(httpx2.SyncByteStream):
    """The body of an answer, given back to the pool when closed."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _leads_on(answer: httpx2.Response) -> bool:
    return answer.status_code in {301, 302, 303, 307, 308} and "location" in answer.headers


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
