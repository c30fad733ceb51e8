"""Orders at risk in the merchant's pages, and the page where the customer chooses."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.shoppers.at_risk.wording import answer_link
from tests.web.conftest import Person
from tests.web.shop import Shop


def risk(shop: Shop) -> Any:
    with shop.engine.connect() as db:
        return db.execute(sa.text("select * from order_risk where id = :id"), {"id": shop.risk_id}).one()


def test_the_list_says_deadline_reason_value_and_what_was_done(owner: Person, shop: Shop) -> None:
    text = owner.get("/orders-at-risk").text
    for said in ("4711", "2 × ", "passed", "Expected after the deadline", "€98.00", "Customer not asked yet"):
        assert said in text
    assert "waits for you" in owner.get("/").text
    owner.post("/language", {"locale": "fr"})
    french = owner.get("/orders-at-risk").text
    assert "Commandes à risque" in french
    assert "Customer not asked yet" not in french


def test_the_export_and_the_empty_state(owner: Person, shop: Shop) -> None:
    lines = owner.get("/orders-at-risk.csv").text.splitlines()
    assert lines[1].split(",")[0] == "4711"
    with shop.engine.begin() as db:
        db.execute(sa.text("delete from order_risk"))
    assert "No order is at risk" in owner.get("/orders-at-risk").text


def test_a_refund_is_asked_about_and_then_carried_out_without_asking_again(owner: Person, shop: Shop) -> None:
    page = f"/orders-at-risk/{shop.risk_id}"
    assert "It cannot be taken back." in owner.get(f"{page}/refund").text
    assert risk(shop).status == "open"
    owner.post(f"{page}/choose")
    assert (risk(shop).choice, risk(shop).chosen_by, risk(shop).carry) == ("refund", "merchant", "todo")
    assert "under way in the store" in owner.get(page).text


def test_a_day_that_is_no_later_one_is_refused_in_words(owner: Person, shop: Shop) -> None:
    answer = owner.post(f"/orders-at-risk/{shop.risk_id}/time", {"until_on": "2020-01-01"})
    assert (answer.status_code, risk(shop).status) == (422, "open")
    assert "Choose a day after the deadline" in answer.text


def test_rules_out_of_bounds_are_refused_and_others_kept(owner: Person, shop: Shop) -> None:
    given = {
        "default_days": "30", "notice_days": "7", "writes": "auto", "answer_days": "99", "no_answer": "refund",
        "carries": "ask", "offers_wait": "1", "voucher_extra_percent": "0",
    }  # fmt: skip
    assert owner.post("/orders-at-risk/rules", given).status_code == 422
    assert owner.post("/orders-at-risk/rules", {**given, "answer_days": "10"}).status_code == 303
    with shop.engine.connect() as db:
        says = db.execute(sa.text("select says from order_risk_rule")).scalar_one()
    assert (says["answer_days"], says["writes"], says["offers_substitute"]) == (10, "auto", False)


def test_the_customer_sees_the_refund_first_and_chooses_by_post_alone(
    anybody: Person, shop: Shop, app: Any
) -> None:
    rt = app.config["RUNTIME"]
    link = answer_link(rt.keyring, "", shop.merchant_id, shop.risk_id, "en")
    seen = anybody.get(link).text
    assert 0 < seen.index("Refund me €98.00") < seen.index("Keep waiting")
    assert risk(shop).status == "open"
    for _ in range(2):
        answer = anybody.client.post(link, data={"choice": "refund"})
        assert (answer.status_code, "You get your money back" in answer.text) == (200, True)
    assert (risk(shop).choice, risk(shop).chosen_by, risk(shop).carry) == ("refund", "customer", "ask")
    assert len([one for one in risk(shop).history if one[2] == "chose"]) == 1


def test_who_waits_sees_the_way_back_to_the_refund(anybody: Person, shop: Shop, app: Any) -> None:
    with shop.engine.begin() as db:
        db.exec_driver_sql("""
            insert into store_order (merchant_id, connection_id, external_id, placed_at, updated_at, holds_stock)
            select merchant_id, connection_id, order_id, placed_at, placed_at, true from order_risk
        """)
        db.exec_driver_sql("""
            insert into store_order_line (merchant_id, connection_id, order_id, line_id, external_id, units, variant_id)
            select merchant_id, connection_id, order_id, line_id, '501', units, variant_id from order_risk
        """)
    link = answer_link(app.config["RUNTIME"].keyring, "", shop.merchant_id, shop.risk_id, "en")
    answer = anybody.client.post(link, data={"choice": "wait"})
    assert (
        "Thank you for waiting" in answer.text,
        "Until it is sent you may change your mind" in answer.text,
    ) == (
        True,
        True,
    )
    assert "You get your money back" in anybody.client.post(link, data={"choice": "refund"}).text
    assert (risk(shop).status, risk(shop).choice, risk(shop).closed_at) == ("chosen", "refund", None)


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_a_forged_link_shows_nothing(anybody: Person, shop: Shop, locale: str) -> None:
    answer = anybody.get(f"/o/forged.token.here?lang={locale}")
    assert (answer.status_code, "4711" in answer.text) == (404, False)
