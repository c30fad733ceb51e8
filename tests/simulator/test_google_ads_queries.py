"""The simulated accounts on disk, and what their query language refuses with the codes of the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("google.ads.googleads", reason="the extra 'google-ads' is not installed")
pytest.importorskip("trustme", reason="the extra 'simulator' is not installed")

from simulator.google_ads import Accounts, gaql, wire
from tests.support import ManualClock


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("UPDATE x", "EXPECTED_SELECT"),
        ("SELECT customer.id", "EXPECTED_FROM"),
        ("SELECT customer.id FROM", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT customer.id FROM shop", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT customer.shoe_size FROM customer", "UNRECOGNIZED_FIELD"),
        ("SELECT ad_group_ad.status FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        (
            "SELECT campaign.id FROM campaign WHERE ad_group_ad.status = 'PAUSED'",
            "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE",
        ),
        (
            "SELECT metrics.cost_micros FROM ad_group_criterion",
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        ("SELECT campaign.id FROM campaign WHERE campaign.status = 'ASLEEP'", "BAD_ENUM_CONSTANT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status > 'PAUSED'", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = x", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = Search", "BAD_VALUE"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name LIKE '%a%'", "BAD_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT customer.id FROM customer WHERE customer.manager = 'maybe'", "BAD_VALUE"),
        (
            "SELECT customer.id FROM customer WHERE segments.date DURING LAST_YEAR",
            "INVALID_VALUE_WITH_DURING_OPERATOR",
        ),
        ("SELECT customer.id FROM customer WHERE segments.date = 'soon'", "INVALID_DATE_FORMAT"),
        ("SELECT customer.id FROM customer LIMIT 0", "BAD_LIMIT_VALUE"),
        ("SELECT customer.id FROM customer ORDER BY customer.id", "UNEXPECTED_INPUT"),
        ("SELECT customer.id FROM customer WHERE customer.id = 1 OR 2", "UNEXPECTED_INPUT"),
        ("SELECT customer.id FROM customer ; DROP", "BAD_SYMBOL"),
        (
            "SELECT ad_group_ad.status FROM ad_group_ad WHERE ad_group_ad.ad.final_urls = 'x'",
            "OPERATOR_FIELD_MISMATCH",
        ),
    ],
)
def test_a_query_out_of_bounds_is_refused_with_the_apis_code(query: str, code: str) -> None:
    with pytest.raises(gaql.QueryFault) as caught:
        gaql.parse(query)
    assert caught.value.code == code
    known = wire.module("errors.types.query_error").QueryErrorEnum.QueryError.__members__
    assert code in known


@pytest.fixture
def accounts(clock: ManualClock) -> Accounts:
    made = Accounts(clock)
    made.add_customer("1234567890", "Simulated shop")
    return made


def test_the_accounts_survive_saving_and_loading(accounts: Accounts, tmp_path: Path) -> None:
    (name,) = accounts.seed(
        [{"landing_page": "https://a.example/", "daily_cost_micros": 2, "keywords": {"mug": "", "tea": "t"}}],
        "1234567890",
    )
    accounts.set_status(name, "PAUSED", by="api")
    accounts.save(tmp_path / "ads.json")
    other = Accounts()
    other.load(tmp_path / "ads.json")
    assert (other.customers, other.campaigns, other.ad_groups) == (
        accounts.customers,
        accounts.campaigns,
        accounts.ad_groups,
    )
    assert (other.items, other.history) == (accounts.items, accounts.history)
    assert other.new_id() == accounts.new_id()


def test_seeding_puts_ads_of_one_name_into_one_campaign(accounts: Accounts) -> None:
    accounts.seed([{"landing_page": "https://a.example/", "campaign": n} for n in "ABA"], "1234567890")
    assert [ad["campaign"] for ad in accounts.snapshot()] == ["A", "B", "A"]
    assert len(accounts.campaigns) == 2
