"""The page behind the link in a message about an order: the customer chooses, by POST.

Public and without cookies, as `connector.web.shopper_pages`: the signed link is the key. GET changes nothing, because
mail programs open links to look at them. A second click finds the first one's choice.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from connector.crypto import LinkExpired, LinkInvalid
from connector.shoppers.at_risk.choosing import CHOICES, find, may_change, newest, substitutes
from connector.shoppers.at_risk.deciding import clock
from connector.shoppers.at_risk.looking import today_of
from connector.shoppers.at_risk.rules import rule_of
from connector.shoppers.at_risk.wording import facts_of, read_answer_link
from connector.shoppers.at_risk.work import answer as take_answer
from connector.shoppers.runtime import ShopperRuntime
from connector.web.shopper_pages import error_page, gone_page, locale_of, page


def order_answers(rt: ShopperRuntime) -> Blueprint:
    """The routes, for an app that exempts them from CSRF: there is no session."""
    routes = Blueprint("order_answers", __name__)

    @routes.route("/o/<token>", methods=["GET", "POST"])
    def answer(token: str) -> Response:
        locale = locale_of(request)
        try:
            merchant_id, risk_id = read_answer_link(rt.keyring, token)
        except LinkExpired:
            return error_page("expired", locale, 410)
        except LinkInvalid:
            return error_page("forged", locale, 404)
        with rt.engine.connect() as db:
            risk_id = newest(db, merchant_id, risk_id)
        if request.method == "POST":
            return _choose(rt, merchant_id, risk_id, locale)
        return _show(rt, merchant_id, risk_id, locale)

    return routes


def _choose(rt: ShopperRuntime, merchant_id: int, risk_id: int, locale: str) -> Response:
    wanted, item = request.form.get("choice", ""), request.form.get("item", "")
    if wanted not in CHOICES:
        return _show(rt, merchant_id, risk_id, locale, problem=True)
    substitute = int(item) if item.isascii() and item.isdigit() and len(item) < 19 else 0
    was_taken = take_answer(rt, merchant_id, risk_id, wanted, "customer", substitute_id=substitute)
    return _show(rt, merchant_id, risk_id, locale, problem=not was_taken)


def _show(
    rt: ShopperRuntime, merchant_id: int, risk_id: int, locale: str, *, problem: bool = False
) -> Response:
    now = rt.now()
    with rt.engine.connect() as db:
        risk = find(db, merchant_id, risk_id)
        merchant = db.execute(
            sa.text("select * from merchant where id = :m"), {"m": merchant_id}
        ).one_or_none()
        if risk is None or merchant is None or risk.store_status == "ended":
            return gone_page(locale)
        facts = facts_of(rt, db, merchant, risk, rule_of(db, merchant_id), locale, now)
        instead = substitutes(db, risk) if "substitute" in facts.offers else []
        today = today_of(db, merchant_id, now)
        chosen_on = today_of(db, merchant_id, risk.chosen_at) if risk.chosen_at else None
        changeable = may_change(db, risk)
    if risk.status in ("open", "asked"):
        status = 409 if problem else 200
        return page("order_choose", locale, status, facts=facts, instead=instead, problem=problem)
    due = clock(risk.due_on, chosen_on, today)
    return page(
        "order_chosen",
        locale,
        facts=facts,
        state=_state(risk),
        refund_by=due.until_on if due else risk.due_on,
        may_change=changeable,
    )


def _state(risk: Any) -> str:
    """What the page says: the choice while it is carried out, then its result."""
    if risk.status == "chosen":
        return str(risk.choice)
    done = {"refund": "refunded", "voucher": "voucher_made"}
    if risk.closed_by == "refund" and risk.refund_minor is None:
        return "settled"
    return done.get(risk.closed_by, str(risk.closed_by))
