"""The page of the plan: what is shown, what is refused with the way out, and nothing to a stranger."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.plans import parse_catalogue
from tests.web.conftest import Person
from tests.web.shop import Shop

PAGE = "https://admin.shopify.com/store/vase/charges/dispo/pricing_plans"


@pytest.fixture
def billed(shop: Shop, rt: Runtime) -> Shop:
    """The shop's store installed us and has the plan Free, with one supplier of none, and a change unread."""
    rt.settings = replace(rt.settings, plans=parse_catalogue("without_plan = 'free'\n[plans.free]\n"))
    shop.execute(
        "insert into installation (merchant_id, adapter, shop, connection_id, installed_at)"
        " values (:m, 'shopify', 'vase.myshopify.com', :c, now())",
        c=shop.store_id,
    )
    shop.execute(
        "insert into store_plan (merchant_id, connection_id, state, allows, limits, since, read_at, plan_page,"
        " problem) values (:m, :c, 'none', 'Free', cast(:limits as jsonb), now(), now(), :page, :problem)",
        c=shop.store_id,
        limits=json.dumps({"suppliers": 0, "stores": 2}),
        page=PAGE,
        problem="It does not answer.",
    )
    pro = {"state": "active", "plan": "pro", "name": "Pro", "allows": "Pro", "limits": {}, "is_ending": False}
    before = {**pro, "price": "49.9", "currency": "USD", "interval": "month"}
    after = {**before, "state": "none", "allows": "Free", "limits": {"suppliers": 0}}
    shop.execute(
        "insert into plan_change (merchant_id, connection_id, at, before, after, used)"
        " values (:m, :c, now(), cast(:before as jsonb), cast(:after as jsonb), cast(:used as jsonb))",
        c=shop.store_id,
        before=json.dumps(before),
        after=json.dumps(after),
        used=json.dumps({"suppliers": 1}),
    )
    return shop


def test_the_page_shows_plan_use_history_and_the_way_to_another(owner: Person, billed: Shop) -> None:
    text = owner.get("/plan").text
    for said in (
        "No plan chosen",
        "over your plan by 1",
        "no room for more",
        "$49.90 a month",
        "It does not answer.",
        f'href="{PAGE}"',
        "I have read it",
    ):
        assert said in text
    assert "Your plan has changed" in owner.get("/").text


def test_what_changed_is_read_once(owner: Person, billed: Shop) -> None:
    newest = owner.get("/plan").text.partition('name="newest" value="')[2].partition('"')[0]
    assert 303 == owner.post("/plan/seen", {"newest": newest}).status_code
    assert "I have read it" not in owner.get("/plan").text
    assert "Your plan has changed" not in owner.get("/").text
    assert 303 == owner.post("/plan/seen", {"newest": "nonsense"}).status_code


@pytest.mark.parametrize("path", ["/suppliers/new", "/stores/new"])
def test_what_the_plan_has_no_room_for_is_refused_with_limit_plan_and_link(
    owner: Person, billed: Shop, path: str
) -> None:
    answers = [owner.get(path), owner.post(path, {"name": "One more", "address": "https://x.example"})]
    assert [409, 409] == [answer.status_code for answer in answers]
    for answer in answers:
        assert "your plan Free allows" in answer.text and f'href="{PAGE}"' in answer.text


def test_a_stranger_sees_and_ends_nothing_of_it(stranger: Person, billed: Shop, engine: sa.Engine) -> None:
    text = stranger.get("/plan").text
    assert "Everything is allowed" in text and "Free" not in text and "vase" not in text
    assert 303 == stranger.post("/plan/seen", {"newest": "999999999"}).status_code
    assert 303 == stranger.post("/plan/refresh").status_code
    assert 200 == stranger.get("/suppliers/new").status_code
    with engine.connect() as db:
        assert [None] == list(db.execute(sa.text("select seen_at from plan_change")).scalars())
        assert ["It does not answer."] == list(
            db.execute(sa.text("select problem from store_plan")).scalars()
        )
