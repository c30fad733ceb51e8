"""The simulated Google Ads by raw gRPC calls and by its pages: what it holds, refuses and remembers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("google.ads.googleads", reason="the extra 'google-ads' is not installed")
pytest.importorskip("trustme", reason="the extra 'simulator' is not installed")

import grpc

from simulator.google_ads import GoogleAdsServer, wire
from simulator.google_ads.access import Refused
from simulator.google_ads.accounts import Item
from simulator.google_ads.server import CUSTOMER_ID, REFRESH_TOKEN
from tests.support import ManualClock

PREFIX = "/google.ads.googleads.v26.services"


@pytest.fixture
def server(tmp_path: Path, clock: ManualClock) -> Iterator[GoogleAdsServer]:
    with GoogleAdsServer(directory=tmp_path, clock=clock) as running:
        yield running


class Caller:
    """Raw calls, as any client would make them."""

    def __init__(self, server: GoogleAdsServer) -> None:
        self.server = server
        self.channel = grpc.secure_channel(
            server.endpoint,
            grpc.ssl_channel_credentials(server.ca_file.read_bytes()),
            [("grpc.enable_http_proxy", 0)],
        )
        self.token = self.new_token()

    def new_token(self, **overrides: str) -> Any:
        config, secrets = self.server.connection()
        form = {"grant_type": "refresh_token", "client_id": config["client_id"], **secrets, **overrides}
        return httpx.post(self.server.token_uri, data=form, trust_env=False).json().get("access_token")

    def metadata(self, **more: str) -> list[tuple[str, str]]:
        named = {key.replace("_", "-"): value for key, value in more.items()}
        return list({"authorization": f"Bearer {self.token}", **named}.items())

    def search(self, query: str, customer_id: str = CUSTOMER_ID, **headers: str) -> list[Any]:
        types = wire.module("services.types.google_ads_service")
        call = self.channel.unary_stream(
            f"{PREFIX}.GoogleAdsService/SearchStream",
            types.SearchGoogleAdsStreamRequest.serialize,
            types.SearchGoogleAdsStreamResponse.deserialize,
        )
        request = types.SearchGoogleAdsStreamRequest(customer_id=customer_id, query=query)
        answers = call(request, metadata=self.metadata(**headers), timeout=10)
        return [row for answer in answers for row in answer.results]

    def mutate_ads(self, operations: Sequence[dict[str, Any]], **options: bool) -> Any:
        types = wire.module("services.types.ad_group_ad_service")
        call = self.channel.unary_unary(
            f"{PREFIX}.AdGroupAdService/MutateAdGroupAds",
            types.MutateAdGroupAdsRequest.serialize,
            types.MutateAdGroupAdsResponse.deserialize,
        )
        request = types.MutateAdGroupAdsRequest(
            customer_id=CUSTOMER_ID, operations=list(operations), **options
        )
        return call(request, metadata=self.metadata(), timeout=10)


@pytest.fixture
def caller(server: GoogleAdsServer) -> Iterator[Caller]:
    made = Caller(server)
    yield made
    made.channel.close()


def status(resource_name: str, value: str) -> dict[str, Any]:
    return {
        "update": {"resource_name": resource_name, "status": value},
        "update_mask": {"paths": ["status"]},
    }


def failure(error: Any) -> list[tuple[str, str, int | None]]:
    """(family, name, index) of the errors in a refused call's trailing metadata."""
    raw = dict(error.trailing_metadata()).get(wire.FAILURE_KEY)
    return [] if raw is None else _errors(raw)


def _errors(raw: bytes) -> list[tuple[str, str, int | None]]:
    found = wire.module("errors.types.errors").GoogleAdsFailure.pb()().FromString(raw)
    told = []
    for error in found.errors:
        family = error.error_code.WhichOneof("error_code")
        enum = error.error_code.DESCRIPTOR.fields_by_name[family].enum_type
        path = error.location.field_path_elements
        name = enum.values_by_number[getattr(error.error_code, family)].name
        told.append((family, name, path[0].index if path else None))
    return told


def seed(server: GoogleAdsServer, count: int = 3) -> list[str]:
    return server.seed([{"landing_page": f"https://shop.example/p/{n}"} for n in range(count)])


def statuses(server: GoogleAdsServer) -> list[str]:
    return [ad["status"] for ad in server.snapshot()]


# --- Queries ----------------------------------------------------------------------------------------


def test_a_query_answers_what_was_selected_and_nothing_else(server: GoogleAdsServer, caller: Caller) -> None:
    name, _, _ = seed(server)
    (row,) = caller.search(
        "SELECT ad_group_ad.ad.final_urls, ad_group_ad.status, campaign.name FROM ad_group_ad "
        f"WHERE ad_group_ad.resource_name IN ('{name}')"
    )
    assert list(row.ad_group_ad.ad.final_urls) == ["https://shop.example/p/0"]
    assert (row.ad_group_ad.status.name, row.campaign.name) == ("ENABLED", "Search")
    assert (row.ad_group_ad.resource_name, row.ad_group_ad.ad.id) == ("", 0)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param("ad_group_ad.status = 'PAUSED'", [1], id="equal"),
        pytest.param("ad_group_ad.status != 'PAUSED'", [0, 2], id="not equal"),
        pytest.param("ad_group_ad.status NOT IN ('PAUSED', 'REMOVED')", [0], id="not in"),
        pytest.param('ad_group_ad.ad.name = "it\\"s"', [1], id="an escaped quote"),
        pytest.param("segments.date DURING LAST_7_DAYS AND metrics.cost_micros > 0", [0, 2], id="spend"),
        pytest.param("segments.date DURING YESTERDAY AND metrics.cost_micros > 0", [0], id="yesterday"),
        pytest.param(
            "segments.date BETWEEN '2025-12-01' AND '2025-12-31' AND metrics.cost_micros >= 9",
            [1],
            id="between",
        ),
        pytest.param("segments.date = '2026-01-05' AND metrics.cost_micros < 1", [0, 1, 2], id="today"),
    ],
)
def test_conditions_choose_the_rows(
    server: GoogleAdsServer, caller: Caller, where: str, expected: list[int]
) -> None:
    names = seed(server)
    items = server.accounts.items
    items[names[0]].cost_micros = {"2026-01-04": 5}
    items[names[1]].status, items[names[1]].name = "PAUSED", 'it"s'
    items[names[1]].cost_micros = {"2025-12-10": 9}
    items[names[2]].status, items[names[2]].cost_micros = "REMOVED", {"2025-12-29": 5}
    rows = caller.search(f"SELECT ad_group_ad.resource_name FROM ad_group_ad WHERE {where}")
    assert [names.index(row.ad_group_ad.resource_name) for row in rows] == expected


def test_spend_is_summed_for_the_parents_and_a_limit_holds(server: GoogleAdsServer, caller: Caller) -> None:
    server.seed([{"landing_page": "https://a.example/1", "daily_cost_micros": 3}] * 2)
    query = "SELECT metrics.cost_micros FROM {} WHERE segments.date DURING LAST_7_DAYS LIMIT 1"
    costs = [caller.search(query.format(what))[0].metrics.cost_micros for what in ("campaign", "customer")]
    assert costs == [42, 42]
    assert len(caller.search("SELECT ad_group_ad.status FROM ad_group_ad LIMIT 1")) == 1


def test_a_refused_query_carries_the_failure_in_the_trailing_metadata(caller: Caller) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        caller.search("SELECT customer.shoe_size FROM customer")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert failure(caught.value) == [("query_error", "UNRECOGNIZED_FIELD", None)]
    assert dict(caught.value.trailing_metadata())["request-id"].startswith("simulated-")


def test_a_manager_has_no_metrics(server: GoogleAdsServer, caller: Caller) -> None:
    server.accounts.customers[CUSTOMER_ID].manager = True
    with pytest.raises(grpc.RpcError) as caught:
        caller.search("SELECT metrics.cost_micros FROM customer")
    assert failure(caught.value) == [("query_error", "REQUESTED_METRICS_FOR_MANAGER", None)]


# --- Access -----------------------------------------------------------------------------------------


def test_a_call_without_a_valid_token_never_reaches_the_account(
    server: GoogleAdsServer, caller: Caller, clock: ManualClock
) -> None:
    clock.advance(hours=1)
    for authorization in ("", "Bearer stolen", f"Bearer {caller.token}"):
        with pytest.raises(grpc.RpcError) as caught:
            caller.search("SELECT customer.id FROM customer", authorization=authorization)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert failure(caught.value) == []
    assert server.calls == []


@pytest.mark.parametrize(
    ("form", "status_code", "error"),
    [
        ({"refresh_token": "stolen"}, 400, "invalid_grant"),
        ({"client_secret": "guessed"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_the_token_endpoint_refuses_as_googles_does(
    server: GoogleAdsServer, form: dict[str, str], status_code: int, error: str
) -> None:
    config, secrets = server.connection()
    good = {"grant_type": "refresh_token", "client_id": config["client_id"], **secrets}
    answer = httpx.post(server.token_uri, data={**good, **form}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (status_code, error)


@pytest.mark.parametrize(
    ("customer_id", "login", "expected"),
    [
        (CUSTOMER_ID, "123", ("header_error", "INVALID_LOGIN_CUSTOMER_ID", None)),
        ("12", CUSTOMER_ID, ("request_error", "INVALID_CUSTOMER_ID", None)),
        ("1111111111", "1111111111", ("authentication_error", "CUSTOMER_NOT_FOUND", None)),
        ("2222222222", "2222222222", ("authorization_error", "USER_PERMISSION_DENIED", None)),
        (
            "2222222222",
            CUSTOMER_ID,
            (
                "authorization_error",
                "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION",
                None,
            ),
        ),
    ],
)
def test_an_account_opens_only_to_its_users_and_managers(
    server: GoogleAdsServer, caller: Caller, customer_id: str, login: str, expected: tuple[str, str, None]
) -> None:
    server.accounts.add_customer("2222222222", "Somebody else's shop")
    with pytest.raises(grpc.RpcError) as caught:
        caller.search("SELECT customer.id FROM customer", customer_id, login_customer_id=login)
    assert failure(caught.value) == [expected]


def test_a_day_has_as_many_operations_as_the_project_level_grants(
    server: GoogleAdsServer, clock: ManualClock
) -> None:
    server.access.project.level = "explorer"
    token = server.access.issue(
        server.access.project.client_id, server.access.project.client_secret, REFRESH_TOKEN
    )[1]["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    server.access.admit(headers, CUSTOMER_ID, 2_880, is_write=True)
    with pytest.raises(Refused) as caught:
        server.access.admit(headers, CUSTOMER_ID, 1, is_write=False)
    (refusal,) = caught.value.refusals
    assert (refusal.code, refusal.retry_delay_s) == ("quota_error.RESOURCE_EXHAUSTED", 15 * 3600)
    assert server.access.project.used == {"2026-01-05": 2_880}


# --- Changes ----------------------------------------------------------------------------------------


def test_without_partial_failure_one_bad_operation_stops_all(server: GoogleAdsServer, caller: Caller) -> None:
    names = seed(server, 2)
    operations = [status(names[0], "PAUSED"), status(f"customers/{CUSTOMER_ID}/adGroupAds/1~1", "PAUSED")]
    with pytest.raises(grpc.RpcError) as caught:
        caller.mutate_ads(operations)
    assert failure(caught.value) == [("mutate_error", "RESOURCE_NOT_FOUND", 1)]
    assert statuses(server) == ["ENABLED", "ENABLED"]


def test_partial_failure_tells_each_bad_operation_and_does_the_rest(
    server: GoogleAdsServer, caller: Caller
) -> None:
    names = seed(server, 4)
    server.accounts.items[names[3]].status = "REMOVED"
    operations = [
        status(names[0], "PAUSED"),
        status("nonsense", "PAUSED"),
        status(names[1], "REMOVED"),
        status(names[0], "ENABLED"),
        status(names[3], "ENABLED"),
        {"update": {"resource_name": names[2], "status": "PAUSED"}},
        {"remove": names[2]},
        {**status(names[2], "PAUSED"), "update_mask": {"paths": ["ad.final_urls"]}},
    ]
    answer = caller.mutate_ads(operations, partial_failure=True)
    (detail,) = answer.partial_failure_error.details
    assert _errors(detail.value) == [
        ("request_error", "RESOURCE_NAME_MALFORMED", 1),
        ("request_error", "INVALID_ENUM_VALUE", 2),
        ("ad_group_ad_error", "RESOURCE_REFERENCED_IN_MULTIPLE_OPS", 3),
        ("ad_group_ad_error", "CANNOT_OPERATE_ON_REMOVED_ADGROUPAD", 4),
        ("field_mask_error", "FIELD_MASK_MISSING", 5),
        ("mutate_error", "MUTATE_NOT_ALLOWED", 6),
        ("field_mask_error", "FIELD_NOT_FOUND", 7),
    ]
    assert detail.type_url == "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
    assert [result.resource_name for result in answer.results] == [names[0], *[""] * 7]
    assert statuses(server) == ["PAUSED", "ENABLED", "ENABLED", "REMOVED"]


def test_validate_only_answers_nothing_and_changes_nothing(server: GoogleAdsServer, caller: Caller) -> None:
    (name,) = seed(server, 1)
    answer = caller.mutate_ads([status(name, "PAUSED")], validate_only=True)
    assert (list(answer.results), answer.partial_failure_error.code) == ([], 0)
    assert (statuses(server), server.accounts.history) == (["ENABLED"], [])


def test_an_empty_and_an_overfull_request_are_refused(caller: Caller) -> None:
    for operations, code in (
        ([], "OPERATION_REQUIRED"),
        ([status("x", "PAUSED")] * 10_001, "TOO_MANY_MUTATE_OPERATIONS"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            caller.mutate_ads(operations)
        assert failure(caught.value) == [("request_error", code, None)]


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        ("error", "UNAVAILABLE", "ENABLED"),
        ("cut_before", "UNAVAILABLE", "ENABLED"),
        ("throttle", "RESOURCE_EXHAUSTED", "ENABLED"),
        ("cut_after_success", "UNAVAILABLE", "PAUSED"),
    ],
)
def test_a_dial_breaks_one_call_before_or_after_its_effect(
    server: GoogleAdsServer, caller: Caller, fault: Any, code: str, expected: str
) -> None:
    (name,) = seed(server, 1)
    server.dials.fail_next.append(fault)
    with pytest.raises(grpc.RpcError) as caught:
        caller.mutate_ads([status(name, "PAUSED")])
    assert (caught.value.code().name, statuses(server)) == (code, [expected])


def test_maintenance_refuses_every_call(server: GoogleAdsServer, caller: Caller) -> None:
    server.dials.maintenance = True
    with pytest.raises(grpc.RpcError) as caught:
        caller.search("SELECT customer.id FROM customer")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


# --- Pages ------------------------------------------------------------------------------------------


def test_the_page_lists_ads_and_a_person_can_pause_one(server: GoogleAdsServer) -> None:
    (name,) = server.seed([{"landing_page": "https://shop.example/p/<mug>", "name": "Mugs & more"}])
    with httpx.Client(base_url=server.url, trust_env=False) as browser:
        page = browser.get("/").text
        assert "Mugs &amp; more" in page
        assert "https://shop.example/p/&lt;mug&gt;" in page
        answer = browser.post("/status", data={"resource_name": name, "status": "PAUSED"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert [ad["status"] for ad in browser.get("/state.json").json()["ads"]] == ["PAUSED"]
    assert [(c.before, c.after, c.by) for c in server.accounts.history] == [("ENABLED", "PAUSED", "merchant")]


@pytest.mark.parametrize(
    ("which", "value"), [("nothing", "PAUSED"), ("ad", "ASLEEP"), ("removed", "ENABLED")]
)
def test_the_page_refuses_what_google_ads_would_not_offer(
    server: GoogleAdsServer, which: str, value: str
) -> None:
    names = seed(server, 2)
    server.accounts.items[names[1]].status = "REMOVED"
    name = {"nothing": "x", "ad": names[0], "removed": names[1]}[which]
    answer = httpx.post(
        f"{server.url}/status", data={"resource_name": name, "status": value}, trust_env=False
    )
    assert (answer.status_code, statuses(server)) == (400, ["ENABLED", "REMOVED"])


def test_an_item_without_landing_page_or_headline_is_an_empty_list_on_the_wire(
    server: GoogleAdsServer, caller: Caller
) -> None:
    accounts = server.accounts
    group = accounts.ad_group(accounts.campaign(CUSTOMER_ID, "Search"), "All")
    accounts.add_item(CUSTOMER_ID, Item(accounts.new_id(), group.id, "ad", "", []))
    (row,) = caller.search(
        "SELECT ad_group_ad.ad.final_urls, ad_group_ad.ad.responsive_search_ad.headlines, "
        "ad_group_ad.ad.type FROM ad_group_ad"
    )
    assert list(row.ad_group_ad.ad.final_urls) == []
    assert list(row.ad_group_ad.ad.responsive_search_ad.headlines) == []
    assert row.ad_group_ad.ad.type_.name == "RESPONSIVE_SEARCH_AD"
