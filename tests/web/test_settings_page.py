"""The merchant's rules: checked, saved, and felt by every product at once."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from connector.web.pages import settings as settings_pages
from connector.web.queries.kept import Kept
from connector.web.rules import read_rules
from connector.web.work import briefly
from tests.web.conftest import Person
from tests.web.shop import Shop

GOOD = {
    "buffer_units": "2",
    "cap_units": "",
    "low_stock_threshold": "5",
    "shows_count": "1",
    "claim_rate": "25",
    "ads_dwell_s": "120",
    "ads_blast_limit": "40",
    "locale": "fr",
    "timezone": "Europe/Paris",
    "sender_name": "  Vase   & Co ",
    "reply_to": "Hello@Shop.test",
    "privacy_url": "https://shop.test/privacy",
}


def _say(message: str, **values: object) -> str:
    return message % values if values else message


def _merchant(shop: Shop) -> Any:
    with shop.engine.connect() as db:
        return db.execute(sa.text("select * from merchant where id = :m"), {"m": shop.merchant_id}).one()


def test_good_rules_are_read_as_values() -> None:
    found = read_rules(GOOD, _say)
    assert found.errors == {}
    assert found.values == {
        "buffer_units": 2,
        "cap_units": None,
        "low_stock_threshold": 5,
        "shows_count": True,
        "allows_backorder": False,
        "claim_rate": Decimal("0.2500"),
        "ads_dwell_s": 120,
        "ads_blast_limit": 40,
        "locale": "fr",
        "timezone": "Europe/Paris",
        "sender_name": "Vase & Co",
        "reply_to": "hello@shop.test",
        "privacy_url": "https://shop.test/privacy",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("buffer_units", "-1"), ("buffer_units", ""), ("buffer_units", "1.5"), ("buffer_units", "٣"),
        ("buffer_units", "1000001"), ("cap_units", "many"), ("low_stock_threshold", "x"), ("claim_rate", "0"),
        ("claim_rate", "101"), ("claim_rate", "abc"), ("ads_dwell_s", "86401"), ("ads_blast_limit", "0"),
        ("locale", "xx"), ("timezone", "Mars/Base"), ("sender_name", "x" * 101), ("reply_to", "nobody"),
        ("privacy_url", "javascript:alert(1)"), ("privacy_url", "https://["), ("privacy_url", "shop.test"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_and_the_others_are_fine(name: str, value: str) -> None:
    found = read_rules({**GOOD, name: value}, _say)
    assert list(found.errors) == [name]
    assert name not in found.values


def test_saving_decides_every_product_again(owner: Person, shop: Shop) -> None:
    shown = owner.post("/settings", GOOD, follow_redirects=True)
    assert "Saved, and every product is decided again." in shown.text
    merchant = _merchant(shop)
    assert (merchant.buffer_units, merchant.low_stock_threshold, merchant.claim_rate) == (
        2,
        5,
        Decimal("0.2500"),
    )
    with shop.engine.connect() as db:
        available, cause = db.execute(
            sa.text("""
                select p.available, (select t.cause from movement t where t.variant_id = p.variant_id
                                      order by t.id desc limit 1)
                  from position p where p.variant_id = :v
            """),
            {"v": shop.variants["A-13"]},
        ).one()
    assert (available, cause) == (22, "rule")


def test_a_form_with_a_mistake_saves_nothing_and_keeps_what_was_typed(owner: Person, shop: Shop) -> None:
    answer = owner.post("/settings", {**GOOD, "buffer_units": "lots", "ads_dwell_s": "77"})
    assert answer.status_code == 422
    assert "1 field needs your attention. Nothing was saved." in answer.text
    assert re.search(r'id="buffer_units"[^>]+value="lots" [^>]*aria-invalid="true"', answer.text)
    assert re.search(r'id="ads_dwell_s"[^>]+value="77"', answer.text)
    assert _merchant(shop).ads_dwell_s == 60


def test_saving_the_same_again_changes_nothing(owner: Person, shop: Shop) -> None:
    owner.post("/settings", GOOD)
    assert "Nothing was changed." in owner.post("/settings", GOOD, follow_redirects=True).text


def test_a_large_catalogue_is_decided_by_a_worker(
    owner: Person, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_pages, "DECIDED_HERE", 5)
    shown = owner.post("/settings", GOOD, follow_redirects=True)
    assert "Your products are decided again; this takes some minutes." in shown.text
    with shop.engine.connect() as db:
        due = db.execute(
            sa.text(
                "select rerun_at is not null from schedule where merchant_id = :m and kind = 'positions.all'"
            ),
            {"m": shop.merchant_id},
        ).scalar()
    assert due is True


def test_what_changed_is_in_the_log(owner: Person) -> None:
    owner.post("/settings", GOOD)
    text = owner.get("/log").text
    assert "changed rules" in text
    assert "buffer_units" in text


def test_slow_answers_are_kept_and_quick_ones_asked_again() -> None:
    now = [0.0]
    kept = Kept(clock=lambda: now[0])
    asked: list[int] = []

    def ask(cost_s: float) -> int:
        now[0] += cost_s
        asked.append(1)
        return len(asked)

    assert [kept.get(1, "slow", lambda: ask(1.0)) for _ in range(3)] == [1, 1, 1]
    assert kept.get(2, "slow", lambda: ask(1.0)) == 2
    now[0] += 21
    assert kept.get(1, "slow", lambda: ask(1.0)) == 3
    kept.forget(1)
    assert kept.get(1, "slow", lambda: ask(1.0)) == 4
    assert [kept.get(3, "quick", lambda: ask(0.0)) for _ in range(2)] == [5, 6]


def test_short_work_ends_within_the_request_and_its_errors_surface() -> None:
    done: list[int] = []
    assert briefly(lambda: done.append(1)) is True
    assert done == [1]

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        briefly(fail)


def test_long_work_goes_on_behind_the_request() -> None:
    import threading

    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    assert briefly(work, wait_s=0.01) is False
    may_end.set()
    assert ended.wait(10)
