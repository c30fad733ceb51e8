"""A store that refunds and makes vouchers, and the workers that ask it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from connector.outbox import messages as outbox
from connector.outbox import upkeep
from connector.outbox.work import Topic, serve_turn
from connector.ports.coupons import Coupon, CouponMade
from connector.ports.errors import NotFound, Rejected
from connector.ports.orders_care import CareCapabilities, CareDone, CareRequest, CustomerOf
from connector.shoppers import media
from connector.shoppers.at_risk import carrying, choosing, writing
from connector.shoppers.at_risk.work import ask, work_risks
from tests.shoppers.at_risk.orders import order, position, promise, risks
from tests.shoppers.world import World

TOPICS = {
    media.ORDER: Topic(media.ORDER, writing.work_order_messages, 50, 240),
    choosing.CARE: Topic(choosing.CARE, carrying.work_care, 10, 240),
}


@dataclass
class PaidStore:
    """Implements `OrderCare` and `Coupons`. `before` and `after` hold errors to raise around the next refund, that
    is without or with its effect; `address` is None where the store does not tell it."""

    honours_keys: bool = False
    address: str | None = "jane@shopper.test"
    locale: str = "en"
    refused: Exception | None = None
    declined: Exception | None = None
    before: list[BaseException] = field(default_factory=list)
    after: list[BaseException] = field(default_factory=list)
    refunds: dict[str, int] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    payments: int = 0
    price_minor: int = 1999
    coupons: dict[str, Coupon] = field(default_factory=dict)

    @property
    def capabilities(self) -> CareCapabilities:
        return CareCapabilities(self.honours_keys, edits_orders=False)

    def customer(self, order_id: str) -> CustomerOf:
        if self.address is None:
            from connector.ports.errors import Unsupported

            raise Unsupported("shop", f"order {order_id}", "The store does not tell the address.")
        return CustomerOf(self.address, self.locale)

    def plan_refund(self, order_id: str, line_id: str, units: int, reference: str) -> CareRequest:
        if self.refused is not None:
            raise self.refused
        return CareRequest(
            "refund", order_id, line_id, reference, self.price_minor * units, "EUR", {"units": units}
        )

    def plan_substitute(
        self, order_id: str, line_id: str, units: int, external_id: str, reference: str
    ) -> CareRequest:
        raise NotFound("shop", order_id, "no edits here")

    def send(self, request: CareRequest, key: str) -> CareDone:
        if self.before:
            raise self.before.pop(0)
        if not (self.honours_keys and key in self.keys):
            self.payments += 1
            self.refunds[request.reference] = request.amount_minor
            self.keys.add(key)
        if self.after:
            raise self.after.pop(0)
        return CareDone("R1", request.amount_minor, "EUR")

    def find(self, request: CareRequest) -> CareDone | None:
        if self.declined is not None:
            raise self.declined
        amount = self.refunds.get(request.reference)
        return None if amount is None else CareDone("R1", amount, "EUR")

    def create_coupon(self, coupon: Coupon) -> CouponMade:
        if self.coupons.setdefault(coupon.code, coupon) != coupon:
            raise Rejected("shop", coupon.code, "taken")
        return CouponMade(coupon.code)

    def delete_coupon(self, external_id: str) -> None:
        self.coupons.pop(external_id, None)


class Shop(World):
    """A world whose store can be asked."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.paid = PaidStore()

    def care(self, merchant_id: int, connection_id: int) -> PaidStore:
        return self.paid

    def coupons(self, merchant_id: int, connection_id: int) -> PaidStore:
        return self.paid

    def at_risk(self) -> int:
        """An order for 12 January whose mug comes back on the 20th; its risk's id."""
        order(self, "A", self.now())
        promise(self, "A", date(2026, 1, 12))
        position(self, restock_on=date(2026, 1, 20))
        work_risks(self, self.merchant_id)
        return int(self.risk.id)

    @property
    def risk(self) -> Any:
        return risks(self)[-1]

    def serve(self, *, rounds: int = 20) -> None:
        for _ in range(rounds):
            with self.engine.connect() as db:
                turns = outbox.due_turns(db, list(TOPICS), 10)
            if not turns:
                return
            for turn in turns:
                serve_turn(self, turn, TOPICS)

    def ask_and_serve(self) -> None:
        ask(self, self.merchant_id, self.risk.id)
        self.serve()

    def rule(self, **says: Any) -> None:
        from connector.shoppers.at_risk.rules import RiskRule, keep_rule

        with self.engine.begin() as db:
            keep_rule(db, self.merchant_id, RiskRule(**says), self.now(), "owner@shop.test")

    def choose(self, choice: choosing.Choice, by: str = "customer", **rest: Any) -> bool:
        """As the page does it; whether it counted."""
        from connector.shoppers.at_risk.rules import rule_of

        with self.engine.begin() as db:
            rule = rule_of(db, self.merchant_id)
            intents = choosing.choose(
                db,
                self.merchant_id,
                self.risk.id,
                choice,
                by,
                rule,
                self.now(),
                **rest,
            )
            if intents:
                outbox.enqueue(db, self.merchant_id, intents)
        return intents is not None

    def end_leases(self) -> None:
        """What a killed worker held is free again, as the clock process sees to it."""
        with self.engine.begin() as db:
            for table in ("outbox_message", "outbox_turn"):
                db.execute(
                    sa.text(
                        f"update {table} set lease_until = now() - interval '1 s' where lease_until is not null"
                    )
                )
        upkeep.sweep(self.engine)
        self.make_due()
