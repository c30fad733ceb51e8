"""A voucher is worth what was said when it was chosen."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.outbox.messages import enqueue
from connector.shoppers.at_risk import choosing
from tests.shoppers.at_risk.store import Shop
from tests.support import ManualClock


@pytest.fixture
def shop(engine: sa.Engine, clock: ManualClock) -> Shop:
    shop = Shop(engine, clock)
    shop.seed()
    shop.at_risk()
    return shop


def test_another_rule_or_price_between_choice_and_yes_takes_nothing_away(shop: Shop) -> None:
    shop.rule(offers_voucher=True, voucher_extra_percent=10)
    assert shop.choose("voucher")
    shop.rule(offers_voucher=True, voucher_extra_percent=0)
    with shop.engine.begin() as db:
        db.exec_driver_sql("update order_risk set value_minor = 1500")
        intents = choosing.carry_out(db, shop.merchant_id, shop.risk.id, "owner@shop.test", shop.now())
        assert intents is not None
        enqueue(db, shop.merchant_id, intents)
    shop.serve()
    (coupon,) = shop.paid.coupons.values()
    assert coupon.amount_minor == 2199
    assert "€21.99" in shop.mail.sent[0].text
