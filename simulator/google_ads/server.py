"""The simulated Google Ads API: gRPC over TLS, with the OAuth token endpoint and a page beside it.

It binds to loopback only. A client must trust `ca_file`: Dispo's adapter by `Environment.ca_file`;
any other client by GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=`ca_file`, set before its process first uses gRPC.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import grpc
import trustme

from simulator.dials import Dials, Fault
from simulator.google_ads import gaql, wire
from simulator.google_ads.access import Access, Refused, User
from simulator.google_ads.accounts import Accounts, AdSeed
from simulator.google_ads.mutate import MAX_OPERATIONS, Operation, apply
from simulator.google_ads.web import web_app
from simulator.google_ads.wire import Refusal
from simulator.server import ServerThread

CUSTOMER_ID = "1234567890"
REFRESH_TOKEN = "1//simulated-refresh-token"


@dataclass
class AdsDials(Dials):
    """As `Dials`; `stream_batch_size` rows go into one answer of SearchStream."""

    stream_batch_size: int = 10_000


class GoogleAdsServer:
    """One simulated Google Ads with one customer ("1234567890") and one user to begin with.

    `endpoint` ("localhost:port") serves the API, `url` (plain HTTP) the token endpoint `token_uri`,
    a page for the merchant's own hand and `/state.json`. `directory` receives the CA file (a new
    temporary one when None). Start with `start` or `with`.
    """

    def __init__(
        self,
        port: int = 0,
        http_port: int = 0,
        *,
        directory: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        accounts: Accounts | None = None,
    ) -> None:
        self.dials = AdsDials()
        self.accounts = accounts or Accounts(clock)
        self.access = Access(self.accounts)
        self.access.add_user(REFRESH_TOKEN, CUSTOMER_ID)
        if CUSTOMER_ID not in self.accounts.customers:
            self.accounts.add_customer(CUSTOMER_ID, "Simulated shop")
        self.calls: list[tuple[str, int]] = []
        """(method, number of operations) of every call that was admitted."""
        self.headers: list[dict[str, str]] = []
        self._request_ids = itertools.count(1)
        self._lock = threading.Lock()
        authority = trustme.CA()
        folder = directory or Path(tempfile.mkdtemp(prefix="google-ads-"))
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "google-ads-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self._pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="google-ads")
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        self.port: int = self._server.add_secure_port(
            f"127.0.0.1:{port}",
            grpc.ssl_server_credentials(
                [
                    (
                        certificate.private_key_pem.bytes(),
                        b"".join(pem.bytes() for pem in certificate.cert_chain_pems),
                    )
                ]
            ),
        )
        self.endpoint = f"localhost:{self.port}"
        self._web = ServerThread(web_app(self.accounts, self.access), http_port)
        self.url = self._web.url
        self.token_uri = f"{self.url}/token"

    def start(self) -> GoogleAdsServer:
        self._server.start()
        self._web.start()
        return self

    def stop(self) -> None:
        self._server.stop(0).wait(5)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._web.stop()

    def __enter__(self) -> GoogleAdsServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def hosts(self) -> frozenset[str]:
        """What a client's operator must allow for it to come here."""
        return frozenset({self.endpoint, self.url.removeprefix("http://")})

    def connection(self) -> tuple[dict[str, str], dict[str, str]]:
        """Settings and secrets with which Dispo's adapter connects to the first customer."""
        project = self.access.project
        return (
            {
                "customer_id": CUSTOMER_ID,
                "client_id": project.client_id,
                "endpoint": self.endpoint,
                "token_uri": self.token_uri,
            },
            {"client_secret": project.client_secret, "refresh_token": REFRESH_TOKEN},
        )

    def seed(self, ads: list[AdSeed], customer_id: str = CUSTOMER_ID) -> list[str]:
        """Create one search ad per landing page; their resource names in order."""
        return self.accounts.seed(ads, customer_id)

    def snapshot(self) -> list[dict[str, Any]]:
        """Every ad and keyword with its state, campaign and landing pages."""
        return self.accounts.snapshot()

    def save(self, path: Path) -> None:
        """Write the accounts as JSON, atomically."""
        self.accounts.save(path)

    def load(self, path: Path) -> None:
        """Replace the accounts by what `save` wrote."""
        self.accounts.load(path)

    def _handlers(self) -> Iterator[Any]:
        search = wire.module("services.types.google_ads_service")
        prefix = f"google.ads.googleads.{wire.API_VERSION}.services"
        yield grpc.method_handlers_generic_handler(
            f"{prefix}.GoogleAdsService",
            {
                "SearchStream": grpc.unary_stream_rpc_method_handler(
                    self._search_stream,
                    search.SearchGoogleAdsStreamRequest.deserialize,
                    lambda answer: answer.SerializeToString(),
                ),
                "Mutate": self._mutate_handler(search, "MutateGoogleAds"),
            },
        )
        for service, kind in (("AdGroupAd", "ad_group_ad"), ("AdGroupCriterion", "ad_group_criterion")):
            types = wire.module(f"services.types.{kind}_service")
            plural = "AdGroupAds" if kind == "ad_group_ad" else "AdGroupCriteria"
            yield grpc.method_handlers_generic_handler(
                f"{prefix}.{service}Service",
                {f"Mutate{plural}": self._mutate_handler(types, f"Mutate{plural}", kind)},
            )

    def _mutate_handler(self, types: Any, name: str, kind: str = "") -> Any:
        answer_type = getattr(types, f"{name}Response")
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._mutate(request, context, answer_type, name, kind),
            getattr(types, f"{name}Request").deserialize,
            lambda answer: answer.SerializeToString(),
        )

    def _search_stream(self, request: Any, context: Any) -> Iterator[Any]:
        request_id, fault, user = self._admit("SearchStream", request.customer_id, context, 1, is_write=False)
        try:
            query = gaql.parse(request.query)
            if not user.can_read_metrics and query.uses_metrics:
                message = "The user does not have permission to access the metrics queried."
                refusal = Refusal("authorization_error.METRIC_ACCESS_DENIED", message)
                self._refuse(context, request_id, Refused("PERMISSION_DENIED", message, refusal))
            lines = list(gaql.run(query, self.accounts, request.customer_id))
        except gaql.QueryFault as exc:
            refusal = Refusal(f"query_error.{exc.code}", str(exc))
            self._refuse(context, request_id, Refused("INVALID_ARGUMENT", str(exc), refusal))
        answer_type = wire.module("services.types.google_ads_service").SearchGoogleAdsStreamResponse.pb()
        size = self.dials.stream_batch_size
        for start in range(0, max(len(lines), 1), size):
            answer = answer_type(request_id=request_id)
            for line in lines[start : start + size]:
                wire.fill_row(answer.results.add(), line)
            if start or fault == "none":
                yield answer
                continue
            if len(lines) > size:
                yield answer  # The stream breaks in the middle: some rows came, the rest never does.
            self._lose_answer(context, fault)
            return

    def _mutate(self, request: Any, context: Any, answer_type: Any, method: str, kind: str) -> Any:
        operations = [
            Operation.read(operation, kind)
            for operation in (request.operations if kind else request.mutate_operations)
        ]
        request_id, fault, _ = self._admit(
            method, request.customer_id, context, len(operations), is_write=True
        )
        if len(operations) > MAX_OPERATIONS or not operations:
            code = "TOO_MANY_MUTATE_OPERATIONS" if operations else "OPERATION_REQUIRED"
            refusal = Refusal(f"request_error.{code}", f"{len(operations)} operations.")
            self._refuse(context, request_id, Refused("INVALID_ARGUMENT", refusal.message, refusal))
        field = "operations" if kind else "mutate_operations"
        done, refusals = apply(
            self.accounts,
            request.customer_id,
            operations,
            is_partial=request.partial_failure,
            is_dry=request.validate_only,
        )
        if refusals and not request.partial_failure:
            refused = Refused("INVALID_ARGUMENT", "Request contains an invalid argument.", *refusals)
            self._refuse(context, request_id, refused, field)
        if fault != "none":
            self._lose_answer(context, fault)
        answer = answer_type.pb()()
        if refusals:
            wire.partial_failure(answer.partial_failure_error, refusals, request_id, field)
        if not request.validate_only:
            for index, operation in enumerate(operations):
                result = (answer.results if kind else answer.mutate_operation_responses).add()
                if index in done:
                    named = result if kind else getattr(result, f"{operation.kind}_result")
                    named.resource_name = operation.resource_name
        context.set_trailing_metadata((("request-id", request_id),))
        return answer

    def _admit(
        self, method: str, customer_id: str, context: Any, operations: int, *, is_write: bool
    ) -> tuple[str, Fault, User]:
        """Dials, then credentials, access and quota; the request's id, a fault for after the work, and
        who calls."""
        request_id = f"simulated-{next(self._request_ids)}"
        if self.dials.latency_s:
            time.sleep(self.dials.latency_s)
        fault: Fault = "error" if self.dials.maintenance else self.dials.roll()
        if fault in ("error", "cut_before"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
        headers = {key: str(value) for key, value in context.invocation_metadata()}
        try:
            if fault == "throttle":
                refusal = Refusal(
                    "quota_error.RESOURCE_TEMPORARILY_EXHAUSTED",
                    "Too many requests. Retry in 5 seconds.",
                    retry_delay_s=5,
                )
                raise Refused("RESOURCE_EXHAUSTED", refusal.message, refusal)
            user = self.access.admit(headers, customer_id, operations, is_write=is_write)
        except Refused as refused:
            self._refuse(context, request_id, refused)
        with self._lock:
            self.calls.append((method, operations))
            self.headers.append(headers)
        return request_id, fault, user

    def _refuse(
        self, context: Any, request_id: str, refused: Refused, operations: str = "operations"
    ) -> NoReturn:
        metadata: list[tuple[str, str | bytes]] = [("request-id", request_id)]
        if refused.refusals:
            failure = wire.failure_bytes(refused.refusals, request_id, operations)
            metadata.append((wire.FAILURE_KEY, failure))
        context.set_trailing_metadata(tuple(metadata))
        context.abort(grpc.StatusCode[refused.status], str(refused))
        raise AssertionError("abort always raises")

    def _lose_answer(self, context: Any, fault: Fault) -> NoReturn:
        """Keep the client waiting until it gives up, or break the connection under it."""
        if fault == "timeout_after_success":
            gone = threading.Event()
            if context.add_callback(gone.set):
                gone.wait(60)
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        raise AssertionError("abort always raises")
