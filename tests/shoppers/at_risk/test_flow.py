"""From the message to the money: written once, chosen once, paid back once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
import sqlalchemy as sa

from connector.ports.errors import OutcomeUnknown, Rejected, Retryable, Unsupported
from connector.shoppers.at_risk import carrying, choosing
from connector.shoppers.at_risk.rules import RiskRule
from connector.shoppers.at_risk.work import answer, ask, work_risks
from tests.shoppers.at_risk.orders import position, risks
from tests.shoppers.at_risk.store import Shop
from tests.support import ManualClock

LOST = OutcomeUnknown("shop", "order A", "The answer was lost.")


@pytest.fixture
def shop(engine: sa.Engine, clock: ManualClock) -> Shop:
    shop = Shop(engine, clock)
    shop.seed()
    shop.at_risk()
    return shop


def messages(shop: Shop) -> list[tuple[str, str]]:
    return [tuple(row) for row in shop.rows("select kind, status from order_message order by id")]


def kill(shop: Shop) -> None:
    """Work as a worker that dies in the middle; its lease is over."""
    with pytest.raises(KeyboardInterrupt):
        shop.serve()
    shop.end_leases()


# ---------------------------------------------------------------- the message


def test_the_customer_is_written_to_once_at_the_address_the_store_tells(shop: Shop) -> None:
    assert [ask(shop, shop.merchant_id, shop.risk.id) for _ in range(2)] == [True, False]
    shop.serve()
    (mail,) = shop.mail.sent
    assert (mail.to, mail.language, mail.unsubscribe_url) == ("jane@shopper.test", "en", "")
    assert "https://dispo.test/o/" in mail.text
    # The refund comes first and whole, the rest after it.
    assert 0 < mail.text.index("€19.99") < mail.text.index("keep waiting until about")
    assert (shop.risk.status, shop.risk.answer_by) == ("asked", date(2026, 1, 12))
    assert messages(shop) == [("at_risk", "sent")]


def test_the_message_names_what_was_paid_and_a_later_look_keeps_it(shop: Shop) -> None:
    shop.paid.price_minor = 1799  # a discount was used
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.serve()
    assert "€17.99" in shop.mail.sent[0].text
    work_risks(shop, shop.merchant_id)
    assert (shop.risk.value_minor, shop.paid.payments) == (1799, 0)


def test_who_was_told_that_it_will_not_come_is_told_when_it_does(shop: Shop) -> None:
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.serve()
    position(shop, observed=1, state="in_stock")
    for _ in range(2):
        work_risks(shop, shop.merchant_id)
        shop.serve()
    assert (shop.risk.closed_by, messages(shop)) == ("stock", [("at_risk", "sent"), ("found", "sent")])
    assert shop.mail.sent[1].subject == "Your order A can be sent after all"


def test_no_address_is_kept_anywhere(shop: Shop) -> None:
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.serve()
    for table in ("order_risk", "order_message", "outbox_message", "delivery_attempt", "audit_event"):
        assert "jane" not in str(shop.rows(f"select * from {table}"))


def test_an_address_the_store_keeps_to_itself_leaves_the_text_to_the_merchant(shop: Shop) -> None:
    shop.paid.address = None
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.serve()
    assert (shop.mail.sent, messages(shop), shop.risk.status) == ([], [("at_risk", "by_hand")], "open")


def test_a_worker_killed_while_sending_leaves_it_unknown_and_nobody_gets_it_twice(shop: Shop) -> None:
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.mail.faults.append(KeyboardInterrupt())  # type: ignore[arg-type]
    kill(shop)
    shop.serve()
    assert (shop.mail.sent, messages(shop)) == ([], [("at_risk", "unknown")])
    # It may have arrived: its link works, and silence counts.
    assert shop.risk.status == "asked"


def test_a_refused_moment_is_tried_again(shop: Shop) -> None:
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.mail.faults.append(Retryable("smtp", "mail", "busy"))
    shop.serve()
    assert messages(shop) == [("at_risk", "waiting")]
    shop.make_due()
    shop.serve()
    assert (len(shop.mail.sent), messages(shop)) == (1, [("at_risk", "sent")])


def test_the_rule_writes_by_itself_and_never_twice(shop: Shop) -> None:
    shop.rule(writes="auto")
    for _ in range(3):
        work_risks(shop, shop.merchant_id)
        shop.serve()
    assert len(shop.mail.sent) == 1


# ---------------------------------------------------------------- the choice


def test_a_double_click_chooses_once_and_asks_the_merchant_first(shop: Shop) -> None:
    assert [shop.choose("refund"), shop.choose("refund"), shop.choose("wait")] == [True, False, False]
    shop.serve()
    assert (shop.risk.status, shop.risk.carry, shop.paid.payments) == ("chosen", "ask", 0)
    with shop.engine.begin() as db:
        intents = choosing.carry_out(db, shop.merchant_id, shop.risk.id, "owner@shop.test", shop.now())
        assert intents is not None
        choosing_again = choosing.carry_out(db, shop.merchant_id, shop.risk.id, "owner@shop.test", shop.now())
        from connector.outbox.messages import enqueue

        enqueue(db, shop.merchant_id, intents)
    assert choosing_again is None
    shop.serve()
    assert (shop.risk.status, shop.risk.closed_by, shop.risk.refund_minor) == ("closed", "refund", 1999)
    assert (shop.paid.payments, messages(shop)) == (1, [("refunded", "sent")])


@pytest.mark.parametrize("choice", ["wait", "refund"])
def test_a_look_while_the_customer_answers_opens_nothing_anew(shop: Shop, choice: choosing.Choice) -> None:
    shop.ask_and_serve()
    with ThreadPoolExecutor(1) as pool, shop.engine.begin() as db:
        choosing.choose(db, shop.merchant_id, shop.risk.id, choice, "customer", RiskRule(), shop.now())
        # As after the refund: the line's risk is over for good.
        db.exec_driver_sql("update order_risk set status = 'closed', closed_at = now(), closed_by = choice")
        looking = pool.submit(work_risks, shop, shop.merchant_id)
        while not shop.rows("select 1 from pg_locks where not granted"):
            assert not looking.done()
            time.sleep(0.01)
        db.commit()
        looked = looking.result(timeout=10)
    assert (looked.opened, len(risks(shop))) == (0, 1)


def test_who_does_not_answer_in_time_is_refunded(shop: Shop) -> None:
    shop.rule(carries="auto", answer_days=5)
    ask(shop, shop.merchant_id, shop.risk.id)
    shop.serve()
    shop.clock.advance(days=5)
    work_risks(shop, shop.merchant_id)
    assert shop.risk.status == "asked"
    shop.clock.advance(days=1)
    work_risks(shop, shop.merchant_id)
    shop.serve()
    assert (shop.risk.chosen_by, shop.risk.closed_by, shop.paid.payments) == ("rule", "refund", 1)


def test_waiting_agrees_on_the_new_date_and_is_watched_again(shop: Shop) -> None:
    assert shop.choose("wait")
    assert (shop.risk.status, shop.risk.closed_by, shop.risk.due_on) == ("closed", "wait", date(2026, 1, 20))
    assert work_risks(shop, shop.merchant_id).opened == 0
    with shop.engine.begin() as db:
        db.exec_driver_sql("update position set restock_on = '2026-02-02', restock_until = '2026-02-02'")
    assert work_risks(shop, shop.merchant_id).opened == 1
    assert (shop.risk.due_on, shop.risk.due_basis) == (date(2026, 1, 20), "agreed")


def test_who_waits_has_the_new_date_in_writing_and_may_change_their_mind(shop: Shop) -> None:
    shop.rule(carries="auto")
    shop.ask_and_serve()
    assert [answer(shop, shop.merchant_id, shop.risk.id, "wait", "customer") for _ in range(2)] == [
        True,
        False,
    ]
    shop.serve()
    proof = shop.mail.sent[1]
    assert proof.subject == "Your order A: the new date"
    assert "a new date: by 20 January 2026." in proof.text
    assert "https://dispo.test/o/" in proof.text
    assert [answer(shop, shop.merchant_id, shop.risk.id, "refund", "customer") for _ in range(2)] == [
        True,
        False,
    ]
    shop.serve()
    assert (shop.risk.closed_by, shop.risk.refund_minor, shop.paid.payments) == ("refund", 1999, 1)
    assert messages(shop) == [("at_risk", "sent"), ("waits", "sent"), ("refunded", "sent")]


def test_a_mind_changed_before_the_proof_was_sent_gets_no_proof(shop: Shop) -> None:
    answer(shop, shop.merchant_id, shop.risk.id, "wait", "customer")
    answer(shop, shop.merchant_id, shop.risk.id, "refund", "customer")
    shop.serve()
    assert (messages(shop), shop.mail.sent) == ([("waits", "skipped")], [])


def test_what_was_sent_meanwhile_cannot_be_refunded_by_the_old_link(shop: Shop) -> None:
    answer(shop, shop.merchant_id, shop.risk.id, "wait", "customer")
    with shop.engine.begin() as db:
        db.exec_driver_sql("update store_order_line set shipped_units = units")
    assert not answer(shop, shop.merchant_id, shop.risk.id, "refund", "customer")
    assert (shop.risk.status, shop.risk.closed_by) == ("closed", "wait")


def test_an_old_link_tells_of_the_risk_that_stands_now(shop: Shop) -> None:
    first = shop.risk.id
    answer(shop, shop.merchant_id, first, "wait", "customer")
    position(shop, restock_on=date(2026, 2, 2))
    work_risks(shop, shop.merchant_id)
    assert not answer(shop, shop.merchant_id, first, "refund", "customer")
    with shop.engine.connect() as db:
        assert choosing.newest(db, shop.merchant_id, first) == shop.risk.id != first


def test_a_voucher_is_made_once_and_told(shop: Shop) -> None:
    shop.rule(offers_voucher=True, voucher_extra_percent=10, carries="auto")
    assert shop.choose("voucher")
    shop.serve()
    (coupon,) = shop.paid.coupons.values()
    assert (coupon.amount_minor, coupon.currency, coupon.expires_on) == (2199, "EUR", date(2027, 1, 5))
    assert (shop.risk.closed_by, shop.paid.payments) == ("voucher", 0)
    assert coupon.code in shop.mail.sent[0].text


def test_what_is_not_offered_cannot_be_chosen(shop: Shop) -> None:
    assert (shop.choose("voucher"), shop.choose("substitute", substitute_id=shop.variant_id)) == (
        False,
        False,
    )
    assert shop.risk.status == "open"


# ---------------------------------------------------------------- the money


@pytest.mark.parametrize("honours_keys", [True, False], ids=["keys", "no keys"])
def test_an_answer_lost_after_the_refund_pays_once(shop: Shop, honours_keys: bool) -> None:
    shop.paid.honours_keys = honours_keys
    shop.paid.after.append(LOST)
    shop.choose("refund", "owner@shop.test")
    shop.serve()
    assert (shop.risk.carry, shop.paid.payments) == ("unknown", 1)
    shop.make_due()
    shop.serve()
    assert (shop.risk.closed_by, shop.risk.refund_minor, shop.paid.payments) == ("refund", 1999, 1)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_around_the_refund_pays_once(shop: Shop, moment: str) -> None:
    getattr(shop.paid, moment).append(KeyboardInterrupt())
    shop.choose("refund", "owner@shop.test")
    kill(shop)
    # Until the store has surely ended what it was sent, nothing is repeated.
    shop.serve()
    assert shop.paid.payments == (1 if moment == "after" else 0)
    with shop.engine.begin() as db:
        db.exec_driver_sql("update delivery_attempt set sent_at = sent_at - interval '11 minutes'")
    shop.make_due()
    shop.serve()
    assert (shop.risk.closed_by, shop.paid.payments) == ("refund", 1)
    assert messages(shop) == [("refunded", "sent")]


def test_a_worker_killed_before_it_could_note_the_refund_pays_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(carrying, "write_order_message", killed)
    shop.choose("refund", "owner@shop.test")
    kill(shop)
    shop.serve()
    assert (shop.risk.closed_by, shop.paid.payments) == ("refund", 1)
    assert messages(shop) == [("refunded", "sent")]


def test_a_second_line_waits_until_the_end_of_the_first_is_known(shop: Shop) -> None:
    shop.paid.after.append(LOST)
    shop.choose("refund", "owner@shop.test")
    with shop.engine.begin() as db:
        db.exec_driver_sql("""
            insert into order_risk (merchant_id, connection_id, order_id, line_id, variant_id, units, placed_at, due_on,
                                    opened_at)
            select merchant_id, connection_id, order_id, 'A-2', variant_id, 1, placed_at, due_on, opened_at
              from order_risk
        """)
    shop.choose("refund", "owner@shop.test")
    shop.serve()
    assert ([one.carry for one in risks(shop)], shop.paid.payments) == (["unknown", "todo"], 1)
    for _ in range(2):
        shop.make_due()
        shop.serve()
    assert ([one.closed_by for one in risks(shop)], shop.paid.payments) == (["refund", "refund"], 2)


def test_a_refund_that_was_found_declined_is_over_and_may_be_tried_again(shop: Shop) -> None:
    shop.paid.after.append(LOST)
    shop.choose("refund", "owner@shop.test")
    shop.serve()
    shop.paid.declined = Rejected("shop", "order A", "The payment provider declined the refund.")
    shop.make_due()
    shop.serve()
    assert (shop.risk.carry, shop.risk.carry_note) == ("failed", "The payment provider declined the refund.")
    assert [one.status for one in shop.rows("select status from delivery_attempt")] == ["failed"]


def test_what_the_store_refuses_is_shown_and_tried_again_at_the_merchants_word(shop: Shop) -> None:
    shop.paid.refused = Rejected("shop", "order A", "Of this line 0 pieces are left.")
    shop.choose("refund", "owner@shop.test")
    shop.serve()
    assert (shop.risk.carry, shop.risk.carry_note) == ("failed", "Of this line 0 pieces are left.")
    with shop.engine.begin() as db:
        assert choosing.close(db, shop.merchant_id, shop.risk.id, "owner@shop.test", shop.now())
    assert (shop.risk.closed_by, shop.risk.carry, shop.paid.payments) == ("refund", "done", 0)


@pytest.mark.parametrize(
    "what", ["update merchant set is_frozen = true", "update connection set status = 'paused'"]
)
def test_nothing_is_paid_back_while_the_merchant_holds_everything(shop: Shop, what: str) -> None:
    shop.choose("refund", "owner@shop.test")
    with shop.engine.begin() as db:
        db.exec_driver_sql(what)
    shop.serve()
    assert (shop.risk.carry, shop.paid.payments) == ("todo", 0)


def test_without_the_grant_the_refund_is_left_to_the_merchants_hand(shop: Shop) -> None:
    shop.paid.refused = Unsupported("shop", "order A", "The store does not let Dispo refund orders.")
    shop.choose("refund", "owner@shop.test")
    shop.serve()
    assert (shop.risk.status, shop.risk.carry, shop.paid.payments) == ("chosen", "by_hand", 0)


def test_a_refund_under_way_is_not_closed_by_stock_or_by_hand(shop: Shop) -> None:
    shop.paid.after.append(LOST)
    shop.choose("refund", "owner@shop.test")
    shop.serve()
    with shop.engine.begin() as db:
        db.exec_driver_sql("update store_order_line set units = 0")
        assert not choosing.close(db, shop.merchant_id, shop.risk.id, "owner@shop.test", shop.now())
    assert work_risks(shop, shop.merchant_id).closed == 0
    assert shop.risk.status == "chosen"
