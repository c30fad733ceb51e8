"""The Google Ads adapter with the real client library against the simulator, over TLS on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.ads.googleads", reason="the extra 'google-ads' is not installed")
pytest.importorskip("trustme", reason="the extra 'simulator' is not installed")

from adapters.ads.google_ads import build
from adapters.ads.google_ads.adapter import BATCH_SIZE, GoogleAds
from connector.ports.ads import Ad, AdResult
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment
from simulator.google_ads import GoogleAdsServer
from simulator.google_ads.accounts import Item
from simulator.google_ads.server import CUSTOMER_ID, REFRESH_TOKEN
from tests.conformance.ads import AdsConformance
from tests.support import ManualClock

PAGE = "https://shop.example/products/{}"
MANAGER = "9999999999"


@pytest.fixture
def server(tmp_path: Path, clock: ManualClock) -> Iterator[GoogleAdsServer]:
    with GoogleAdsServer(directory=tmp_path, clock=clock) as running:
        yield running


Connect = Callable[..., GoogleAds]


@pytest.fixture
def connect(server: GoogleAdsServer) -> Iterator[Connect]:
    """Builds adapters on the server; keywords override settings and secrets, `timeout_s` the deadline."""
    opened: list[GoogleAds] = []

    def make(timeout_s: float = 10.0, **overrides: str) -> GoogleAds:
        config, secrets = server.connection()
        config |= {name: value for name, value in overrides.items() if name not in secrets}
        secrets |= {name: value for name, value in overrides.items() if name in secrets}
        environment = Environment(
            allowed_private_hosts=server.hosts, ca_file=str(server.ca_file), timeout_s=timeout_s
        )
        opened.append(build(config, secrets, environment))
        return opened[-1]

    yield make
    for adapter in opened:
        adapter.close()


def add(server: GoogleAdsServer, kind: Any = "ad", page: str = "x", **fields: Any) -> str:
    """One more ad or keyword in the campaign "Search"; its resource name."""
    accounts = server.accounts
    group = accounts.ad_group(accounts.campaign(CUSTOMER_ID, "Search"), "All products")
    item = Item(accounts.new_id(), group.id, kind, "text", [PAGE.format(page)] if page else [])
    for name, value in fields.items():
        setattr(item, name, value)
    return accounts.add_item(CUSTOMER_ID, item)


def listed(adapter: GoogleAds) -> dict[str, Ad]:
    return {ad.external_id: ad for page in adapter.ads() for ad in page}


class _Simulated:
    def __init__(self, server: GoogleAdsServer, ads: GoogleAds) -> None:
        self._server = server
        self.ads = ads
        keyword = add(server, "keyword", "kettle")
        self.enabled = [*server.seed([{"landing_page": PAGE.format(n)} for n in "abc"]), keyword]
        self.paused = add(server, status="PAUSED")
        self.removed = add(server, status="REMOVED")
        self.stubborn = add(server, can_be_paused=False)
        self.never = f"customers/{CUSTOMER_ID}/adGroupAds/1~2"

    def status(self, external_id: str) -> str:
        return self._server.accounts.items[external_id].status.lower()

    def fail_next(self) -> None:
        self._server.dials.fail_next.append("error")

    def lose_next_answer(self) -> None:
        self._server.dials.fail_next.append("cut_after_success")

    def use_up_quota(self) -> None:
        self._server.access.project.operations_per_day = 0

    def revoke_credentials(self) -> None:
        self._server.access.users[REFRESH_TOKEN].is_revoked = True

    def calls(self) -> int:
        return len(self._server.calls)


class TestGoogleAdsConformance(AdsConformance):
    @pytest.fixture
    def platform(self, server: GoogleAdsServer, connect: Connect) -> _Simulated:  # type: ignore[override]
        return _Simulated(server, connect())


def test_a_customer_id_may_be_written_with_dashes(connect: Connect) -> None:
    assert connect(customer_id="123-456-7890").check().account_id == CUSTOMER_ID


# --- The account ------------------------------------------------------------------------------------


def test_an_idle_test_account_is_reported_with_warnings(server: GoogleAdsServer, connect: Connect) -> None:
    server.accounts.customers[CUSTOMER_ID].test_account = True
    found = connect().check()
    assert (found.name, found.account_id, found.currency) == ("Simulated shop", CUSTOMER_ID, "GBP")
    assert found.warnings == (
        "This is a test account: its ads are never shown. Connect the real one to protect it.",
        "The account spent nothing in the last seven days, so pausing saves nothing yet.",
    )


def test_an_account_that_spends_has_no_warning(server: GoogleAdsServer, connect: Connect) -> None:
    server.seed([{"landing_page": PAGE.format("a"), "daily_cost_micros": 1}])
    assert connect().check().warnings == ()


def test_a_suspended_account_is_reported(server: GoogleAdsServer, connect: Connect) -> None:
    server.seed([{"landing_page": PAGE.format("a"), "daily_cost_micros": 1}])
    server.accounts.customers[CUSTOMER_ID].status = "SUSPENDED"
    assert connect().check().warnings == (
        "Google does not show ads of this account now. Open Google Ads to see why.",
    )


def test_a_manager_account_cannot_be_connected_as_the_account(
    server: GoogleAdsServer, connect: Connect
) -> None:
    server.accounts.customers[CUSTOMER_ID].manager = True
    with pytest.raises(Misconfigured) as caught:
        connect().check()
    assert caught.value.field == "customer_id"


def test_an_account_under_a_manager_needs_the_managers_id(server: GoogleAdsServer, connect: Connect) -> None:
    server.accounts.add_customer(MANAGER, "Agency", manager=True, clients=[CUSTOMER_ID])
    server.access.users[REFRESH_TOKEN].customers = {MANAGER}
    with pytest.raises(Unauthorized) as caught:
        connect().check()
    assert "manager account id" in caught.value.remedy
    assert connect(login_customer_id=MANAGER).check().account_id == CUSTOMER_ID
    assert server.headers[-1]["login-customer-id"] == MANAGER


def test_a_manager_of_other_accounts_is_the_wrong_manager(server: GoogleAdsServer, connect: Connect) -> None:
    server.accounts.add_customer(MANAGER, "Agency", manager=True)
    server.access.users[REFRESH_TOKEN].customers = {MANAGER}
    with pytest.raises(Misconfigured) as caught:
        connect(login_customer_id=MANAGER).check()
    assert caught.value.field == "login_customer_id"


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        pytest.param(
            lambda s: setattr(s.access.project, "level", "test"),
            Unauthorized,
            "Explorer, Basic or Standard access",
            id="the project is approved for test accounts only",
        ),
        pytest.param(
            lambda s: setattr(s.accounts.customers[CUSTOMER_ID], "status", "CANCELED"),
            Unauthorized,
            "reactivate the account",
            id="the account is closed",
        ),
        pytest.param(
            lambda s: s.accounts.customers.clear(), Misconfigured, "ten digits", id="no such customer"
        ),
        pytest.param(
            lambda s: setattr(s.access.project, "client_secret", "new"),
            Unauthorized,
            "Sign in to Google again",
            id="the client's secret was changed",
        ),
    ],
)
def test_a_refused_account_is_told_with_a_remedy(
    server: GoogleAdsServer, connect: Connect, spoil: Any, error: type[PortError], words: str
) -> None:
    adapter = connect()
    spoil(server)
    with pytest.raises(error) as caught:
        adapter.check()
    assert words in caught.value.remedy
    told = f"{caught.value} {caught.value.__cause__!r}"
    assert [secret for secret in server.connection()[1].values() if secret in told] == []


# --- The list ---------------------------------------------------------------------------------------


def test_an_ad_carries_its_pages_spend_and_campaign(server: GoogleAdsServer, connect: Connect) -> None:
    (name,) = server.seed(
        [
            {
                "landing_page": PAGE.format("mug"),
                "name": "Mugs",
                "campaign": "K",
                "daily_cost_micros": 1_500_000,
            }
        ]
    )
    server.accounts.items[name].final_mobile_urls = [PAGE.format("mug"), PAGE.format("m-mug")]
    assert listed(connect()) == {
        name: Ad(
            external_id=name,
            kind="ad",
            name="Mugs",
            landing_pages=(PAGE.format("mug"), PAGE.format("m-mug")),
            status="enabled",
            campaign="K",
            daily_spend=Decimal("1.500000"),
            is_serving=True,
        )
    }


def test_a_keyword_is_listed_only_with_a_page_of_its_own(server: GoogleAdsServer, connect: Connect) -> None:
    own = add(server, "keyword", "kettle", status="PAUSED", cost_micros={"2026-01-04": 7_000_000})
    add(server, "keyword", "")
    add(server, "keyword", "tea", negative=True)
    found = listed(connect())
    assert list(found) == [own]
    assert (found[own].kind, found[own].name, found[own].status) == ("keyword", "text", "paused")
    assert (found[own].landing_pages, found[own].daily_spend) == ((PAGE.format("kettle"),), Decimal(1))


def test_an_ad_without_a_page_is_left_to_the_feed(server: GoogleAdsServer, connect: Connect) -> None:
    add(server, page="")
    assert list(connect().ads()) == []


def test_an_ad_under_a_paused_campaign_does_not_serve(server: GoogleAdsServer, connect: Connect) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a")}])
    server.accounts.campaign(CUSTOMER_ID, "Search").status = "PAUSED"
    found = listed(connect())[name]
    assert (found.status, found.is_serving) == ("enabled", False)


@pytest.mark.parametrize("parent", ["campaign", "ad group"])
def test_what_lies_under_a_removed_parent_counts_as_removed(
    server: GoogleAdsServer, connect: Connect, parent: str
) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a")}])
    campaign = server.accounts.campaign(CUSTOMER_ID, "Search")
    group = server.accounts.ad_group(campaign, "All products")
    (campaign if parent == "campaign" else group).status = "REMOVED"
    adapter = connect()
    assert (listed(adapter), adapter.statuses([name])) == ({}, {name: "removed"})


def test_a_removed_ad_is_told_as_removed(server: GoogleAdsServer, connect: Connect) -> None:
    name = add(server, status="REMOVED")
    assert connect().statuses([name]) == {name: "removed"}


def test_a_long_list_comes_in_pages_of_a_thousand(server: GoogleAdsServer, connect: Connect) -> None:
    server.dials.stream_batch_size = 700
    names = server.seed([{"landing_page": PAGE.format(n)} for n in range(2_001)])
    pages = list(connect().ads())
    assert [len(page) for page in pages] == [1_000, 1_000, 1]
    assert [ad.external_id for page in pages for ad in page] == names


def test_a_list_cut_in_the_middle_is_an_error_and_not_a_shorter_list(
    server: GoogleAdsServer, connect: Connect
) -> None:
    server.seed([{"landing_page": PAGE.format(n)} for n in range(20)])
    server.dials.stream_batch_size = 5
    server.dials.fail_next += ["none", "cut_after_success"]
    pages = connect().ads()
    with pytest.raises(Retryable):
        next(pages)


def test_spend_is_unknown_to_a_user_who_may_not_see_metrics(
    server: GoogleAdsServer, connect: Connect
) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a"), "daily_cost_micros": 5}])
    server.access.users[REFRESH_TOKEN].can_read_metrics = False
    assert listed(connect())[name].daily_spend is None


def test_ads_and_keywords_of_one_change_go_in_one_request(server: GoogleAdsServer, connect: Connect) -> None:
    keyword = add(server, "keyword", "kettle")
    (ad,) = server.seed([{"landing_page": PAGE.format("a")}])
    results = connect().set_status([keyword, ad, keyword], "paused", dry_run=False)
    assert results == [AdResult(keyword, "done"), AdResult(ad, "done"), AdResult(keyword, "done")]
    assert server.calls == [("MutateGoogleAds", 2)]
    assert [(change.resource_name, change.after, change.by) for change in server.accounts.history] == [
        (ad, "PAUSED", "api"),
        (keyword, "PAUSED", "api"),
    ]


def test_an_ad_that_somebody_else_is_changing_may_be_tried_again(
    server: GoogleAdsServer, connect: Connect
) -> None:
    names = [add(server), add(server, is_busy=True)]
    results = connect().set_status(names, "paused", dry_run=False)
    assert [result.status for result in results] == ["done", "retry"]


def test_an_ad_of_another_account_is_rejected_without_a_call(
    server: GoogleAdsServer, connect: Connect
) -> None:
    foreign = "customers/5555555555/adGroupAds/1~2"
    adapter = connect()
    expected = AdResult(foreign, "rejected", f"This is no ad or keyword of account {CUSTOMER_ID}.")
    assert adapter.set_status([foreign], "paused", dry_run=False) == [expected]
    assert adapter.statuses([foreign, "' OR 1=1"]) == {}
    assert server.calls == []


def test_a_full_batch_is_one_request(server: GoogleAdsServer, connect: Connect) -> None:
    names = server.seed([{"landing_page": PAGE.format(n)} for n in range(BATCH_SIZE)])
    results = connect().set_status(names, "paused", dry_run=False)
    assert {result.status for result in results} == {"done"}
    assert server.calls == [("MutateGoogleAds", BATCH_SIZE)]


def test_a_user_who_may_only_read_is_unauthorized(server: GoogleAdsServer, connect: Connect) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a")}])
    server.access.users[REFRESH_TOKEN].can_write = False
    with pytest.raises(Unauthorized):
        connect().set_status([name], "paused", dry_run=False)
    assert server.accounts.items[name].status == "ENABLED"


# --- Faults -----------------------------------------------------------------------------------------


def test_an_answer_that_never_comes_ends_at_the_deadline(server: GoogleAdsServer, connect: Connect) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a")}])
    adapter = connect(timeout_s=0.4)
    adapter.statuses([name])
    server.dials.fail_next.append("timeout_after_success")
    with pytest.raises(OutcomeUnknown):
        adapter.set_status([name], "paused", dry_run=False)
    assert server.accounts.items[name].status == "PAUSED"


def test_a_dry_run_without_an_answer_did_nothing(server: GoogleAdsServer, connect: Connect) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a")}])
    server.dials.fail_next.append("cut_after_success")
    with pytest.raises(Retryable):
        connect().set_status([name], "paused", dry_run=True)


def test_a_burst_limit_names_googles_own_wait(server: GoogleAdsServer, connect: Connect) -> None:
    server.dials.fail_next.append("throttle")
    with pytest.raises(RateLimited) as caught:
        connect().check()
    assert caught.value.retry_after_s == 5.0


def test_the_days_quota_is_over_until_midnight(server: GoogleAdsServer, connect: Connect) -> None:
    names = server.seed([{"landing_page": PAGE.format(n)} for n in "abc"])
    server.access.project.operations_per_day = 3
    adapter = connect()
    adapter.statuses(names)
    with pytest.raises(RateLimited) as caught:
        adapter.set_status(names, "paused", dry_run=False)
    assert caught.value.retry_after_s == 15 * 3600
    assert adapter.set_status(names[:2], "paused", dry_run=False) == [AdResult(n, "done") for n in names[:2]]


def test_an_access_token_that_ended_early_is_replaced_at_the_next_try(
    server: GoogleAdsServer, connect: Connect
) -> None:
    (name,) = server.seed([{"landing_page": PAGE.format("a")}])
    adapter = connect()
    adapter.statuses([name])
    server.access.forget_access_tokens()
    with pytest.raises(Retryable):
        adapter.set_status([name], "paused", dry_run=False)
    assert server.accounts.items[name].status == "ENABLED"
    assert adapter.set_status([name], "paused", dry_run=False) == [AdResult(name, "done")]
