"""Talks gRPC to Google Ads: signs in, searches, mutates, and translates every failure once.

The channel is built here from the library's own parts (service client, transport, interceptors)
rather than by `GoogleAdsClient.get_service`, because that one cannot take a certificate bundle, opens
one TLS connection per service, and logs whole requests. Every call has a deadline; nothing retries:
neither gRPC (`enable_retries` 0) nor the generated client (`retry=None`) nor the token refresh.
"""

from __future__ import annotations

import importlib
import ssl
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import google.auth.exceptions
import google.auth.transport
import grpc
import httpx2
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.interceptors import ExceptionInterceptor, MetadataInterceptor
from google.api_core.exceptions import GoogleAPICallError
from google.oauth2.credentials import Credentials

from adapters.ads.google_ads.account import Account
from adapters.ads.google_ads.faults import NAME, Fault, read_failure, to_port_error
from adapters.kit.errors import translate
from adapters.kit.guard import tls_context
from adapters.kit.http import Client as HttpClient
from connector.ports.errors import (
    NotFound,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
    Unsupported,
)
from connector.registry import Environment

# v26 launched 2026-10 and is switched off about 2027-11; every import of a versioned module goes
# through this constant.
API_VERSION = "v26"

_FAILURE_KEY = f"google.ads.googleads.{API_VERSION}.errors.googleadsfailure-bin"
_ENDPOINT = "googleads.googleapis.com"
# A stream's deadline covers the whole list, a write's only one answer.
_STREAM_TIMEOUT_FACTOR = 10
_CHANNEL_OPTIONS = [
    ("grpc.max_metadata_size", 16 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_retries", 0),
]


def _module(path: str) -> Any:
    return importlib.import_module(f"google.ads.googleads.{API_VERSION}.{path}")


class Client:
    """One signed-in account. Opens its connection at the first call; safe for several threads."""

    def __init__(self, account: Account, environment: Environment) -> None:
        self._account = account
        self._timeout_s = environment.timeout_s
        self._credentials = Credentials(  # type: ignore[no-untyped-call]
            token=None,
            refresh_token=account.refresh_token,
            token_uri=account.token_uri,
            client_id=account.client_id,
            client_secret=account.client_secret,
        )
        self._tokens = _TokenRequest(environment)
        self._lock = threading.Lock()
        self._proven_token: str | None = None
        self._types = _module("services.types.google_ads_service")
        self._errors = _module("errors.types.errors")
        self._enums = _module("enums")
        self._channel = self._open_channel(environment)
        service = _module("services.services.google_ads_service")
        transport = service.GoogleAdsServiceClient.get_transport_class("grpc")
        self._service = service.GoogleAdsServiceClient(transport=transport(channel=self._channel))

    def close(self) -> None:
        """Close the connection; a closed client cannot be used again."""
        self._channel.close()
        self._tokens.close()

    def search(self, query: str) -> Iterator[Any]:
        """The rows of a GAQL query as protobuf GoogleAdsRow messages, streamed.

        Raises Unauthorized, Misconfigured, RateLimited, Retryable, Rejected or Unsupported, possibly
        after some rows: a caller must not take what came before an error for the whole answer.
        """
        subject = f"account {self._account.customer_id}"
        self._refresh(subject)
        request = self._types.SearchGoogleAdsStreamRequest(customer_id=self._account.customer_id, query=query)
        try:
            stream = self._service.search_stream(
                request=request, retry=None, timeout=self._timeout_s * _STREAM_TIMEOUT_FACTOR
            )
            for batch in stream:
                self._proven_token = self._credentials.token
                yield from batch.results
        except (GoogleAdsException, GoogleAPICallError, grpc.RpcError) as exc:
            raise self._translate(exc, subject, is_write=False) from exc

    def set_status(
        self, ads: Sequence[str], keywords: Sequence[str], status: str, *, dry_run: bool
    ) -> list[Fault]:
        """Set `status` ("ENABLED", "PAUSED") of ads and keywords by resource name in one request.

        Returns the faults of single operations; their `index` counts ads first, then keywords, and an
        operation without a fault was done. One request for both kinds, so that "nothing happened"
        holds for all of them when it raises. Raises OutcomeUnknown when no answer came and it was
        not a dry run; else as `search`.
        """
        subject = f"account {self._account.customer_id}"
        self._refresh(subject)
        is_write = not dry_run
        request = self._types.MutateGoogleAdsRequest(
            customer_id=self._account.customer_id,
            mutate_operations=[
                *(self._operation("ad_group_ad", name, status) for name in ads),
                *(self._operation("ad_group_criterion", name, status) for name in keywords),
            ],
            partial_failure=True,
            validate_only=dry_run,
        )
        try:
            answer = self._service.mutate(request=request, retry=None, timeout=self._timeout_s)
        except (GoogleAdsException, GoogleAPICallError, grpc.RpcError) as exc:
            raise self._translate(exc, subject, is_write=is_write) from exc
        self._proven_token = self._credentials.token
        faults = self._partial_failure(answer.partial_failure_error)
        whole = [fault for fault in faults if fault.index is None]
        struck = {fault.index for fault in faults if fault.is_of_account}
        if len(struck) == len(ads) + len(keywords):
            whole = faults  # The account itself is refused, not these operations.
        if whole:
            raise to_port_error(whole, subject, is_write=is_write)
        return faults

    def _operation(self, kind: str, resource_name: str, status: str) -> dict[str, Any]:
        return {
            f"{kind}_operation": {
                "update": {"resource_name": resource_name, "status": status},
                "update_mask": {"paths": ["status"]},
            }
        }

    def _partial_failure(self, status: Any) -> list[Fault]:
        faults: list[Fault] = []
        for detail in status.details:
            failure = self._errors.GoogleAdsFailure.pb()()
            if detail.Unpack(failure):
                faults += read_failure(failure)
        if status.code and not faults:
            # Something failed but cannot be laid at an operation's door: nothing may count as done.
            faults.append(Fault("unknown_error.UNKNOWN", str(status.message)[:300]))
        return faults

    def _open_channel(self, environment: Environment) -> Any:
        service = _module("services.services.google_ads_service")
        transport = service.GoogleAdsServiceClient.get_transport_class("grpc")
        options = list(_CHANNEL_OPTIONS)
        if self._account.endpoint:
            # A server the operator named is reached directly, whatever proxy the environment sets.
            options.append(("grpc.enable_http_proxy", 0))
        channel = transport.create_channel(
            host=self._account.endpoint or _ENDPOINT,
            credentials=self._credentials,
            ssl_credentials=grpc.ssl_channel_credentials(_roots(environment)),
            options=options,
        )
        return grpc.intercept_channel(
            channel,
            MetadataInterceptor(None, self._account.login_customer_id or None),
            ExceptionInterceptor(API_VERSION, use_proto_plus=False),
        )

    def _refresh(self, subject: str) -> None:
        """Have a valid access token before the call.

        Left to gRPC's plugin, a revoked token would come back as UNAVAILABLE and be retried for ever.
        """
        with self._lock:
            if self._credentials.valid:
                return
            try:
                self._credentials.refresh(self._tokens)  # type: ignore[no-untyped-call]
            except google.auth.exceptions.RefreshError as exc:
                if exc.retryable:
                    raise Retryable(NAME, subject, "Google's token server could not answer.") from exc
                raise Unauthorized(
                    NAME,
                    subject,
                    "Google refused the refresh token or the OAuth client.",
                    "Sign in to Google again in the settings of this connection.",
                ) from exc

    def _translate(self, exc: Exception, subject: str, *, is_write: bool) -> PortError:
        if isinstance(exc, GoogleAdsException):
            return to_port_error(
                read_failure(self._errors.GoogleAdsFailure.pb(exc.failure)), subject, is_write=is_write
            )
        error = exc.response if isinstance(exc, GoogleAPICallError) else exc
        code = error.code() if isinstance(error, grpc.RpcError) else grpc.StatusCode.UNKNOWN
        # The library's interceptor leaves the failure of RESOURCE_EXHAUSTED and INTERNAL unread.
        faults = self._faults_of(error)
        if faults:
            return to_port_error(faults, subject, is_write=is_write)
        if code == grpc.StatusCode.UNAUTHENTICATED:
            with self._lock:
                has_worked = self._credentials.token == self._proven_token
                self._credentials.token = None
            if has_worked:
                # Ended before its time, as after a password change; the refresh token decides.
                return Retryable(NAME, subject, "Google no longer takes the access token.")
        return _from_code(code, subject, is_write=is_write)

    def _faults_of(self, error: Any) -> list[Fault]:
        metadata = error.trailing_metadata() if isinstance(error, grpc.Call) else None
        for key, value in metadata or ():
            if key == _FAILURE_KEY:
                return read_failure(self._errors.GoogleAdsFailure.pb()().FromString(value))
        return []


def _from_code(code: grpc.StatusCode, subject: str, *, is_write: bool) -> PortError:
    cause = f"Google answered {code.name}."
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return Unauthorized(
            NAME, subject, cause, "Sign in to Google again in the settings of this connection."
        )
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return RateLimited(NAME, subject, cause, retry_after_s=60.0)
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return Unsupported(NAME, subject, cause, "Update Dispo: this version of the API may be over.")
    if code == grpc.StatusCode.NOT_FOUND:
        return NotFound(NAME, subject, cause)
    if code in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    ):
        return Rejected(NAME, subject, cause)
    # UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL, ABORTED, CANCELLED, UNKNOWN: the connection or the far
    # side gave up, before or after the work was done; gRPC does not tell which.
    if is_write:
        return OutcomeUnknown(NAME, subject, cause, "Read the ads' status back.")
    return Retryable(NAME, subject, cause)


def _roots(environment: Environment) -> bytes | None:
    """The certificates to trust: the system's and the operator's extra ones, as PEM.

    None lets gRPC choose (its own bundle, or GRPC_DEFAULT_SSL_ROOTS_FILE_PATH).
    """
    if not environment.ca_file:
        return None
    context = tls_context(environment, NAME)
    return "".join(map(ssl.DER_cert_to_PEM_cert, context.get_ca_certs(binary_form=True))).encode()


class _Answer(google.auth.transport.Response):
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Any:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.content


class _TokenRequest(google.auth.transport.Request):
    """The HTTP call of a token refresh, by the guarded client: no redirects (the body holds secrets).

    A fault of the server raises here, because google-auth would sleep and repeat the call itself.
    """

    def __init__(self, environment: Environment) -> None:
        self._http = HttpClient(environment, NAME)

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Any = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Answer:
        content = body.encode() if isinstance(body, str) else body
        # Asking twice for a token does no harm, so a broken answer is no unknown outcome.
        answer = self._http.request(method, url, content=content, headers=headers, is_read=True)
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise translate(
                answer.status_code,
                adapter=NAME,
                subject="Google's token server",
                headers=answer.headers,
            )
        return _Answer(answer)

    def close(self) -> None:
        self._http.close()
