"""Merchants hear of what needs them once, in one mail, and never while it is quiet."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.notices import digest
from connector.notices.rules import NoticeChoice, check, keep_choice
from connector.outbox import messages as outbox
from connector.outbox.work import Topic, serve_turn
from connector.ports.errors import OutcomeUnknown, Rejected, Retryable
from tests.shoppers.at_risk.store import Shop
from tests.support import ManualClock

TOPICS = {digest.NOTICE: Topic(digest.NOTICE, digest.work_notices, 20, 240)}


class Firm(Shop):
    """A shop whose merchant can be written to."""

    sends_mail = True

    def serve_notices(self) -> None:
        for _ in range(5):
            with self.engine.connect() as db:
                turns = outbox.due_turns(db, list(TOPICS), 10)
            for turn in turns:
                serve_turn(self, turn, TOPICS)

    def notice(self) -> list[Any]:
        """Look and send; every mail so far."""
        digest.look(self, self.merchant_id)
        self.make_due()
        self.serve_notices()
        return list(self.mail.sent)

    def choice(self, **says: Any) -> None:
        with self.engine.begin() as db:
            keep_choice(db, self.merchant_id, NoticeChoice(**says), self.now(), "owner@shop.test")

    def statuses(self) -> list[str]:
        return [row.status for row in self.rows("select status from notice_mail order by id")]


@pytest.fixture
def firm(engine: sa.Engine, clock: ManualClock) -> Firm:
    firm = Firm(engine, clock)
    firm.seed()
    with engine.begin() as db:
        db.execute(
            sa.text("""
                insert into app_user (merchant_id, email, password_hash, created_at)
                values (:m, 'owner@shop.test', '-', :now)
            """),
            {"m": firm.merchant_id, "now": firm.now()},
        )
    firm.at_risk()
    return firm


def test_a_new_order_at_risk_is_told_once_with_its_link(firm: Firm) -> None:
    (mail,) = firm.notice()
    assert (mail.to, mail.subject, mail.language) == ("owner@shop.test", "Dispo: 1 thing needs you", "en")
    assert "- Order A: 1 × Blue mug, €19.99, promised by 12 January 2026" in mail.text
    assert f"https://dispo.test/orders-at-risk/{firm.risk.id}" in mail.text
    firm.clock.advance(hours=2)
    assert len(firm.notice()) == 1


def test_what_comes_within_the_hour_waits_and_goes_as_one_mail(firm: Firm) -> None:
    firm.notice()
    firm.choose("refund")
    assert len(firm.notice()) == 1
    firm.clock.advance(hours=1)
    assert "1 choice waits for your yes" in firm.notice()[1].text


def test_the_fourteen_days_are_told_at_seven_and_when_they_are_over(firm: Firm) -> None:
    firm.choose("refund")
    firm.clock.advance(days=7)
    first = firm.notice()[-1].text
    assert "1 refund is due soon" in first
    assert "refund due by 19 January 2026" in first
    firm.clock.advance(days=1)
    assert len(firm.notice()) == 1
    firm.clock.advance(days=7)
    second = firm.notice()[-1].text
    assert "1 refund is overdue" in second
    assert "waits for your yes" not in second


def test_a_refund_that_is_refused_again_is_told_again(firm: Firm) -> None:
    firm.paid.refused = Rejected("shop", "order A", "No.")
    firm.choose("refund", "owner@shop.test")
    firm.serve()
    firm.notice()
    firm.clock.advance(hours=1)
    with firm.engine.begin() as db:
        db.exec_driver_sql("update order_risk set carry = 'todo'")
    assert len(firm.notice()) == 1
    with firm.engine.begin() as db:
        db.exec_driver_sql("update order_risk set carry = 'failed'")
    assert "refused by the store" in firm.notice()[1].text


def test_a_voucher_its_customer_was_not_told_of_is_told_to_the_merchant(firm: Firm) -> None:
    firm.rule(offers_voucher=True, carries="auto")
    firm.paid.address = None
    firm.choose("voucher")
    firm.serve()
    (mail,) = firm.notice()
    assert "1 customer could not be written to\n- Order A: 1 × Blue mug, €19.99" in mail.text
    firm.clock.advance(days=31)
    digest.look(firm, firm.merchant_id)
    assert firm.row("select told from notice_rule").told == []


def test_an_order_its_supplier_cannot_serve_is_told(firm: Firm) -> None:
    with firm.engine.begin() as db:
        source = db.execute(
            sa.text("""
                insert into source (merchant_id, connection_id, name) values (:m, :c, 'Mill') returning id
            """),
            {"m": firm.merchant_id, "c": firm.connection_id},
        ).scalar_one()
        db.execute(
            sa.text("""
                insert into order_doubt (merchant_id, connection_id, order_id, line_id, variant_id, source_id, units,
                                         said_units, missing_units, heard_at)
                values (:m, :c, 'A', 'A-1', :v, :s, 3, 1, 2, :now)
            """),
            {
                "m": firm.merchant_id,
                "c": firm.connection_id,
                "v": firm.variant_id,
                "s": source,
                "now": firm.now(),
            },
        )
    (mail,) = firm.notice()
    assert "- Order A: 2 × Blue mug are missing at Mill" in mail.text


@pytest.mark.parametrize(
    "says", [{"is_on": False}, {"new": False}, {"quiet_from": "09:00", "quiet_until": "13:00"}], ids=str
)
def test_nothing_is_sent_where_the_merchant_wants_none(firm: Firm, says: dict[str, Any]) -> None:
    firm.choice(**says)
    assert (firm.notice(), firm.statuses()) == ([], [])
    firm.choice()
    assert len(firm.notice()) == 1


def test_without_a_mail_server_nothing_counts_as_told(firm: Firm) -> None:
    firm.sends_mail = False
    assert firm.notice() == []
    firm.sends_mail = True
    assert len(firm.notice()) == 1


def test_the_merchants_language_and_address_count(firm: Firm) -> None:
    with firm.engine.begin() as db:
        db.exec_driver_sql("update merchant set locale = 'fr'")
    firm.choice(address="service@shop.test")
    (mail,) = firm.notice()
    assert (mail.to, mail.language, mail.subject) == (
        "service@shop.test",
        "fr",
        "Dispo : 1 point vous attend",
    )


def test_what_was_over_before_it_was_sent_is_left_out(firm: Firm) -> None:
    digest.look(firm, firm.merchant_id)
    with firm.engine.begin() as db:
        db.exec_driver_sql(
            "update order_risk set status = 'closed', closed_at = now(), closed_by = 'merchant'"
        )
    firm.serve_notices()
    assert (firm.mail.sent, firm.statuses()) == ([], ["skipped"])


def test_a_mail_whose_worker_died_is_owned_up_to_and_not_repeated(firm: Firm) -> None:
    firm.mail.faults.append(KeyboardInterrupt())  # type: ignore[arg-type]
    digest.look(firm, firm.merchant_id)
    with pytest.raises(KeyboardInterrupt):
        firm.serve_notices()
    firm.end_leases()
    firm.serve_notices()
    assert (firm.mail.sent, firm.statuses()) == ([], ["unknown"])


@pytest.mark.parametrize(
    ("fault", "first", "then"),
    [
        (Retryable("smtp", "mail", "busy"), "waiting", "sent"),
        (OutcomeUnknown("smtp", "mail", "lost"), "unknown", "unknown"),
        (Rejected("smtp", "mail", "no"), "failed", "failed"),
    ],
    ids=["busy", "lost", "refused"],
)
def test_what_the_mail_server_says_is_kept(firm: Firm, fault: Exception, first: str, then: str) -> None:
    firm.mail.faults.append(fault)  # type: ignore[arg-type]
    digest.look(firm, firm.merchant_id)
    firm.serve_notices()
    assert firm.statuses() == [first]
    firm.make_due()
    firm.serve_notices()
    assert firm.statuses() == [then]


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        ({}, set()),
        ({"address": "a@b.test"}, set()),
        ({"address": "a b@c.test"}, {"address"}),
        ({"address": "a@b@c"}, {"address"}),
        ({"hours_between": 0}, {"hours_between"}),
        ({"quiet_from": "22:00"}, {"quiet_from"}),
        ({"quiet_from": "22:00", "quiet_until": "7"}, {"quiet_from"}),
        ({"quiet_from": "22:00", "quiet_until": "07:00"}, set()),
    ],
)
def test_what_cannot_be_kept_is_named(says: dict[str, Any], wrong: set[str]) -> None:
    assert check(NoticeChoice(**says)) == wrong


def test_many_things_are_a_short_list_and_a_number(firm: Firm) -> None:
    with firm.engine.begin() as db:
        db.exec_driver_sql("""
            insert into order_risk (merchant_id, connection_id, order_id, line_id, variant_id, units, placed_at,
                                    due_on, opened_at, currency)
            select merchant_id, connection_id, 'B' || n, 'l', variant_id, 1, placed_at, due_on, opened_at, 'EUR'
              from order_risk, generate_series(1, 20) n
        """)
    (mail,) = firm.notice()
    assert mail.subject == "Dispo: 21 things need you"
    assert "and 9 more" in mail.text
