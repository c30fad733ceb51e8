"""Which way a message about an order goes by, and what it is checked for at the last moment."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from connector.accounts.tables import Connection
from connector.ports.errors import Rejected
from connector.shoppers import channels
from connector.shoppers.at_risk import choosing
from connector.shoppers.at_risk.work import ask
from connector.shoppers.at_risk.writing import mark_asked
from tests.shoppers.at_risk.store import Shop
from tests.support import ManualClock


@pytest.fixture
def shop(engine: sa.Engine, clock: ManualClock) -> Shop:
    shop = Shop(engine, clock)
    shop.seed()
    shop.at_risk()
    return shop


def way(shop: Shop, adapter: str) -> int:
    with shop.engine.begin() as db:
        return int(
            db.execute(
                sa.insert(Connection.__table__)  # type: ignore[attr-defined]
                .values(
                    merchant_id=shop.merchant_id,
                    kind="channel",
                    adapter=adapter,
                    name=adapter,
                    config={},
                    public_key=f"pk-{adapter}",
                    created_at=shop.now(),
                )
                .returning(Connection.__table__.c.id)  # type: ignore[attr-defined]
            ).scalar_one()
        )


def waits_at(shop: Shop) -> list[int]:
    rows = shop.rows(
        "select connection_id as at from outbox_message where topic = 'message.order' order by id"
    )
    return [row.at for row in rows]


@pytest.mark.parametrize("adapter", ["email", "mail_api"])
def test_it_goes_by_the_merchants_own_mail_of_whatever_kind(shop: Shop, adapter: str) -> None:
    own = way(shop, adapter)
    ask(shop, shop.merchant_id, shop.risk.id)
    assert waits_at(shop) == [own]


def test_what_waits_for_a_removed_way_goes_by_another(shop: Shop) -> None:
    own = way(shop, "mail_api")
    ask(shop, shop.merchant_id, shop.risk.id)
    with shop.engine.begin() as db:
        assert channels.remove(db, shop.merchant_id, own, actor="owner@shop.test", now=shop.now())
    assert waits_at(shop) == [0]


def test_behind_a_path_of_the_installation_it_is_sent_as_well(shop: Shop) -> None:
    shop.base_url = "https://dispo.test/shops"
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.serve()
    assert shop.mail.sent[0].message_id.partition("@")[2] == "dispo.test"


def test_what_is_settled_while_the_store_is_asked_for_the_address_is_not_sent(shop: Shop) -> None:
    ask(shop, shop.merchant_id, shop.risk.id)
    risk_id, customer = shop.risk.id, shop.paid.customer

    def settled_meanwhile(order_id: str) -> object:
        with shop.engine.begin() as db:
            assert choosing.close(db, shop.merchant_id, risk_id, "owner@shop.test", shop.now())
        return customer(order_id)

    shop.paid.customer = settled_meanwhile  # type: ignore[assignment, method-assign]
    shop.serve()
    assert shop.mail.sent == []
    assert [row.status for row in shop.rows("select status from order_message")] == ["skipped"]
    assert shop.risk.answer_by is None


def test_who_is_written_to_by_hand_after_a_refusal_has_all_of_the_time(shop: Shop) -> None:
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.mail.faults.append(Rejected("smtp", "message", "The content was refused."))
    shop.serve()
    shop.clock.advance(days=8)
    with shop.engine.begin() as db:
        assert mark_asked(db, shop.merchant_id, shop.risk.id, shop.now())
    # Otherwise the day of the first try were over, and the next look took silence for an answer.
    assert shop.risk.answer_by == date(2026, 1, 20)
