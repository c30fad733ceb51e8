"""A code for waiting too long: one, made before its message, never twice, and never in its way for long."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pytest
import sqlalchemy as sa

from connector.ports.coupons import Coupon, CouponMade
from connector.ports.errors import OutcomeUnknown, Rejected, Unsupported
from connector.shoppers.policy import ShopperPolicy
from tests.shoppers.test_meanwhile import agree, set_policy, show
from tests.shoppers.world import World
from tests.support import ManualClock


@dataclass
class Shop:
    """A store's codes; `faults` are raised first, after keeping the code where `keeps`."""

    made: dict[str, Coupon] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    keeps: bool = False
    asked: list[str] = field(default_factory=list)

    def create_coupon(self, coupon: Coupon) -> CouponMade:
        self.asked.append(coupon.code)
        if self.keeps or not self.faults:
            assert self.made.setdefault(coupon.code, coupon) == coupon
        if self.faults:
            raise self.faults.pop(0)
        return CouponMade(f"id of {coupon.code}")

    def delete_coupon(self, external_id: str) -> None:
        self.deleted.append(external_id)


@pytest.fixture
def shop(world: World) -> Shop:
    """Ann waits, agreed to offers and was shown 12 January; codes of 10 % are switched on."""
    world.codes = Shop()
    set_policy(world, code_percent=10, code_days=14)
    show(world, 12)
    world.waiting("ann@example.com")
    agree(world, "ann@example.com")
    return world.codes  # type: ignore[no-any-return]


def back_on(world: World, clock: ManualClock, day: int) -> None:
    clock.advance(days=(date(2026, 1, day) - world.now().date()).days)
    world.set_stock(2, restock_on=None, restock_until=None)
    world.run()


def test_who_waited_past_the_day_gets_a_code_for_the_item(
    world: World, clock: ManualClock, shop: Shop
) -> None:
    back_on(world, clock, 15)
    ((code, coupon),) = shop.made.items()
    assert coupon == Coupon(
        code=code,
        expires_on=date(2026, 1, 29),
        percent=10,
        only_external_ids=("501",),
        title="Dispo: for waiting longer than told",
    )
    (message,) = world.mail.sent
    assert f"\n    {code}\n" in message.text
    assert "10% off this item, once, until 29 January 2026" in message.text
    assert "it was to be back by 12 January 2026" in message.text
    assert world.row("select context from message where kind = 'back_in_stock'").context == {"code": code}
    clock.advance(days=2)
    world.make_due()
    world.run()
    assert shop.deleted == []


@pytest.mark.parametrize("why", ["in time", "no consent", "switched off", "shown no day"])
def test_others_get_their_message_without(world: World, clock: ManualClock, shop: Shop, why: str) -> None:
    with world.engine.begin() as db:
        if why == "no consent":
            db.execute(sa.text("update subscription set wants_marketing = false"))
        elif why == "shown no day":
            db.execute(sa.text("update subscription set shown_on = null"))
    if why == "switched off":
        set_policy(world)
    back_on(world, clock, 12 if why == "in time" else 15)
    assert world.told() == ["ann@example.com"]
    assert (shop.asked, "code" in world.mail.sent[0].text) == ([], False)


def test_a_lost_answer_is_asked_for_again_by_the_same_code(
    world: World, clock: ManualClock, shop: Shop
) -> None:
    shop.keeps = True
    shop.faults = [OutcomeUnknown("shop", "code", "No answer came.")]
    back_on(world, clock, 15)
    assert (world.told(), world.message_statuses()) == ([], ["waiting"])
    world.make_due()
    world.run()
    assert world.told() == ["ann@example.com"]
    assert (len(shop.asked), len(set(shop.asked)), len(shop.made)) == (2, 1, 1)


def test_a_store_that_never_answers_delays_the_message_ten_minutes_at_most(
    world: World, clock: ManualClock, shop: Shop
) -> None:
    shop.keeps = True
    shop.faults = [OutcomeUnknown("shop", "code", "No answer came.") for _ in range(2)]
    back_on(world, clock, 15)
    clock.advance(seconds=601)
    world.make_due()
    world.run()
    assert world.told() == ["ann@example.com"]
    (code,) = shop.made
    assert code not in world.mail.sent[0].text
    world.make_due()
    world.run()
    assert shop.deleted == [f"id of {code}"]


@pytest.mark.parametrize(
    "fault",
    [
        Unsupported("shop", "code", "The store does not let Dispo make coupons.", "Allow it."),
        Rejected("shop", "code", "The store does not let Dispo make coupons.", "Allow it."),
    ],
)
def test_a_refusal_sends_the_message_without_and_the_merchant_sees_why(
    world: World, clock: ManualClock, shop: Shop, fault: Exception
) -> None:
    shop.faults = [fault]
    back_on(world, clock, 15)
    assert world.told() == ["ann@example.com"]
    assert world.row("select status, note from message where kind = 'back_in_stock'") == (
        "sent",
        "Sent without its code. The store does not let Dispo make coupons. Allow it.",
    )


def test_a_code_whose_message_could_not_leave_is_taken_out_again(
    world: World, clock: ManualClock, shop: Shop
) -> None:
    world.mail.faults = [Rejected("email", "the message", "The mailbox refuses it.")]
    back_on(world, clock, 15)
    assert world.message_statuses() == ["failed"]
    world.make_due()
    world.run()
    (code,) = shop.made
    assert shop.deleted == [f"id of {code}"]
    assert world.row("select status, external_id from compensation") == ("deleted", "")


def test_a_code_takes_a_percentage_or_an_amount() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        ShopperPolicy(code_percent=10, code_minor=500)
