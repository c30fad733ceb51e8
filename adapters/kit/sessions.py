"""The guard of `kit.http` under a `requests.Session`, for libraries that bring requests with them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError
from urllib3.exceptions import SSLError as Urllib3SSLError
from urllib3.response import BaseHTTPResponse

from adapters.kit import guard
from adapters.kit.http import MAX_ANSWER_BYTES, broken, raise_unsent
from connector.ports.errors import Misconfigured
from connector.registry import Environment

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class GuardedSession(requests.Session):
    """See `kit.http.requests_session`."""

    def __init__(self, environment: Environment, adapter: str) -> None:
        super().__init__()
        self._environment = environment
        self._adapter = adapter
        self.trust_env = False
        self.headers["User-Agent"] = environment.user_agent
        self.adapters.clear()
        transport = _GuardedAdapter(environment, adapter)
        self.mount("https://", transport)
        self.mount("http://", transport)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: an answer never leads to another request, not even a prepared one."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As requests does; raises Misconfigured for an address or a header that cannot be sent."""
        try:
            return super().prepare_request(request)
        except (requests.exceptions.RequestException, ValueError) as exc:
            raise self._unusable(str(request.url or "")) from exc

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """The complete answer, of any status; raises the errors of `kit.http`'s table."""
        method = (request.method or "GET").upper()
        subject = f"{method} {guard.safe_url(request.url or '')}"
        wants_stream = bool(kwargs.get("stream"))
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._environment.timeout_s
        kwargs.update(allow_redirects=False, stream=True, proxies={}, verify=True)
        limit_s = kwargs["timeout"]
        deadline = time.monotonic() + (limit_s if isinstance(limit_s, int | float) else sum(limit_s))
        try:
            answer = super().send(request, **kwargs)
            if not wants_stream:
                _read(answer, deadline)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as exc:
            raise self._unusable(request.url or "") from exc
        except requests.exceptions.RequestException as exc:
            raise broken(self._adapter, subject, exc, method in _READS) from exc
        return answer

    def _unusable(self, url: str) -> Misconfigured:
        return Misconfigured(
            self._adapter,
            guard.safe_url(url),
            "It is not a usable address.",
            "Begin it with https:// and check it for typing errors.",
            field="url",
        )


def _read(answer: requests.Response, deadline: float) -> None:
    """Bring the body into `answer`, within the deadline and the size cap."""
    chunks, size_bytes = [], 0
    try:
        for chunk in _arriving(answer):
            size_bytes += len(chunk)
            if size_bytes > MAX_ANSWER_BYTES:
                raise requests.exceptions.ChunkedEncodingError("the answer is too large")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout("the answer took too long")
            chunks.append(chunk)
    except requests.exceptions.RequestException:
        answer.close()
        raise
    # requests offers no public way to hand over a body that was read under limits.
    answer._content = b"".join(chunks)
    answer._content_consumed = True  # type: ignore[attr-defined]


def _arriving(answer: requests.Response) -> Iterator[bytes]:
    """The decoded body as it arrives. `iter_content` waits until a piece of the wanted size is full, so that a
    server which sends a byte now and then would hold us for hours before the deadline is looked at."""
    if not isinstance(answer.raw, BaseHTTPResponse):
        # A recording that is played back: it has no way to give what is there.
        yield from answer.iter_content(65_536)
        return
    try:
        while piece := answer.raw.read1(65_536, decode_content=True):
            yield piece
    except ProtocolError as exc:
        raise requests.exceptions.ChunkedEncodingError(exc) from exc
    except DecodeError as exc:
        raise requests.exceptions.ContentDecodingError(exc) from exc
    except ReadTimeoutError as exc:
        raise requests.exceptions.ReadTimeout(exc) from exc
    except Urllib3SSLError as exc:
        raise requests.exceptions.SSLError(exc) from exc


class _GuardedAdapter(HTTPAdapter):
    """Gives every pool connections that open guarded sockets."""

    def __init__(self, environment: Environment, adapter: str) -> None:
        self._environment = environment
        self._name = adapter
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        environment, name = self._environment, self._name

        def connect(connection: HTTPConnection) -> socket.socket:
            limit_s = connection.timeout if isinstance(connection.timeout, int | float) else None
            return guard.open_socket(
                environment, name, connection.host, connection.port or connection.default_port, limit_s
            )

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connect(self)

        class Tls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return connect(self)

            def connect(self) -> None:
                # Here and not in the session: a handshake that fails has sent nothing, while the same
                # error later may come after a write.
                try:
                    super().connect()
                except (OSError, Urllib3SSLError) as exc:
                    raise_unsent(name, f"{self.host}:{self.port}", exc)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        kwargs["ssl_context"] = guard.tls_context(environment, name, of="requests")
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
