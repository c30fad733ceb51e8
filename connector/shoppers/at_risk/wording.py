"""What messages to customers of orders say, and the signed link in them. Nothing is sent from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Literal

import css_inline
import sqlalchemy as sa

from connector.crypto import Keyring, LinkInvalid
from connector.i18n import environment
from connector.shoppers.at_risk.choosing import Choice, offers, substitutes, voucher_worth
from connector.shoppers.at_risk.looking import today_of
from connector.shoppers.at_risk.rules import RiskRule
from connector.shoppers.render import Rendered
from connector.shoppers.runtime import ShopperRuntime

PURPOSE = "order-answer"
LINK_DAYS = 120
VOUCHER_DAYS = 365

Kind = Literal["at_risk", "found", "waits", "refunded", "voucher", "substitute"]


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What a message about an order may say. `number` is the order's for people; `expected_on` None: nobody knows.
    `no_answer` "refund" or "ask" is what happens after `answer_by`; `chosen_on` the day the customer chose. Amounts are
    minor units of `currency`, tax included."""

    seller: str
    title: str
    number: str
    units: int
    due_on: date
    expected_on: date | None
    value_minor: int
    currency: str
    page_url: str
    answer_by: date
    no_answer: str
    offers: tuple[Choice, ...] = ("refund",)
    image_url: str = ""
    privacy_url: str = ""
    price_minor: int | None = None
    refund_minor: int = 0
    voucher_code: str = ""
    voucher_minor: int = 0
    voucher_until: date | None = None
    substitute: str = ""
    chosen_on: date | None = None


def render_order(kind: str, locale: str, facts: OrderFacts) -> Rendered:
    """The message in `locale`; the subject is one line."""
    env = environment(locale)
    context = {"facts": facts}
    subject = env.get_template(f"email/order_{kind}.subject.txt").render(context)
    return Rendered(
        subject=" ".join(subject.split()),
        text=env.get_template(f"email/order_{kind}.txt").render(context).strip() + "\n",
        html=_inliner().inline(env.get_template(f"email/order_{kind}.html").render(context)),
    )


@cache
def _inliner() -> css_inline.CSSInliner:
    # Without keep_style_tags the @media rules (dark mode, phones) are dropped. Nothing is ever loaded.
    return css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)


def answer_link(keyring: Keyring, base_url: str, merchant_id: int, risk_id: int, locale: str) -> str:
    """The page where the customer chooses. It names ids only."""
    return f"{base_url}/o/{keyring.sign(PURPOSE, [merchant_id, risk_id])}?lang={locale}"


def read_answer_link(keyring: Keyring, token: str) -> tuple[int, int]:
    """(merchant id, risk id); raises LinkExpired or LinkInvalid."""
    value = keyring.verify(PURPOSE, token, max_age_s=LINK_DAYS * 86_400)
    if not (isinstance(value, list) and len(value) == 2 and all(type(part) is int for part in value)):
        raise LinkInvalid("This link is not genuine.")
    return value[0], value[1]


def facts_of(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant: Any,
    risk: Any,
    rule: RiskRule,
    locale: str,
    now: datetime,
) -> OrderFacts:
    """What a message about this risk says now. The voucher's worth and end are those it was made with."""
    today = today_of(db, merchant.id, now)
    chosen_on = today_of(db, merchant.id, risk.chosen_at) if risk.chosen_at else today
    worth, until = voucher_of(risk, rule, chosen_on)
    instead = next((one.title for one in substitutes(db, risk) if one.variant_id == risk.substitute_id), "")
    return OrderFacts(
        seller=merchant.sender_name or merchant.name,
        title=risk.title,
        number=number_of(risk.order_id),
        units=risk.units,
        due_on=risk.due_on,
        expected_on=risk.expected_on if risk.expected_on and risk.expected_on > today else None,
        value_minor=risk.value_minor,
        currency=risk.currency,
        page_url=answer_link(rt.keyring, rt.base_url, merchant.id, risk.id, locale),
        answer_by=risk.answer_by or today + timedelta(days=rule.answer_days),
        no_answer=rule.no_answer,
        offers=offers(db, risk, rule, today),
        image_url=risk.image_url,
        privacy_url=merchant.privacy_url,
        refund_minor=risk.refund_minor or 0,
        voucher_code=risk.voucher_code,
        voucher_minor=worth,
        voucher_until=until,
        substitute=instead,
        chosen_on=chosen_on,
    )


def voucher_of(risk: Any, rule: RiskRule, chosen_on: date) -> tuple[int, date]:
    """What a voucher in place of the line is worth, in minor units: as it was when it was chosen, else as it would be
    now; and until when it is good."""
    return risk.voucher_minor or voucher_worth(risk.value_minor, rule), chosen_on + timedelta(
        days=VOUCHER_DAYS
    )


def number_of(order_id: str) -> str:
    """The part of an order's id that people see."""
    return order_id.rpartition("/")[2]
