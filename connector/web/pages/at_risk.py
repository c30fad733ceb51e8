"""Orders at risk: the list by urgency, each order's own page, what is done about it, and the rules."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import date
from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.outbox.messages import enqueue
from connector.shoppers.at_risk import choosing, listing, rules
from connector.shoppers.at_risk.carrying import (
    LOST_ANSWER,
    NO_CODES,
    NO_ORDERS,
    SOLD_OUT,
    STORE_LEFT,
)
from connector.shoppers.at_risk.rules import BOUNDS, RiskRule
from connector.shoppers.at_risk.wording import facts_of, number_of, render_order
from connector.shoppers.at_risk.work import ask, work_risks
from connector.shoppers.at_risk.writing import is_written, mark_asked
from connector.web.view import (
    confirm,
    csv_file,
    flash,
    gettext,
    number_arg,
    page,
    reading,
    runtime,
    stream,
    today,
)

routes = Blueprint("at_risk", __name__)

PAGE = 50
HOME = "/orders-at-risk"


def words(kind: str, value: str) -> str:
    """A stable word in the reader's language: `kind` "reason", "basis", "choice", "closed", "status", "carry"."""
    _ = gettext
    known: dict[str, dict[str, str]] = {
        "reason": {
            "no_stock": _("Not in stock, and nobody says when"),
            "after_deadline": _("Expected after the deadline"),
            "supplier_failing": _("The supplier cannot deliver, or is not heard of"),
        },
        "basis": {
            "promise": _("promised when it was ordered"),
            "default": _("nothing was promised: the usual time"),
            "agreed": _("agreed later"),
        },
        "choice": {
            "refund": _("Refund"),
            "substitute": _("Substitute"),
            "voucher": _("Voucher"),
            "wait": _("Keep waiting"),
        },
        "closed": {
            "stock": _("Stock found in time"),
            "shipped": _("Sent"),
            "cancelled": _("Cancelled or refunded in the store"),
            "merchant": _("Handled by you"),
            "refund": _("Refunded"),
            "substitute": _("Substitute sent"),
            "voucher": _("Voucher given"),
            "wait": _("A later date was agreed"),
        },
        "status": {
            "open": _("Customer not asked yet"),
            "asked": _("Customer was asked"),
            "chosen": _("Chosen"),
            "closed": _("Settled"),
        },
        "carry": {
            "ask": _("waits for your yes"),
            "todo": _("under way in the store"),
            "unknown": _("the store's answer was lost; it is looked for"),
            "by_hand": _("to be done by hand"),
            "failed": _("refused by the store"),
            "done": _("done"),
        },
        "message": {
            "waiting": _("Message on its way"),
            "sending": _("Message on its way"),
            "sent": _("Message sent"),
            "failed": _("Message failed"),
            "unknown": _("Message may have arrived"),
            "skipped": _("Message not needed any more"),
            "by_hand": _("Message to be sent by hand"),
        },
        "note": {
            LOST_ANSWER: _("The store's answer was lost; it is looked for before anything is repeated."),
            NO_ORDERS: _("This platform lets no app change orders."),
            NO_CODES: _("This platform has no discount codes."),
            SOLD_OUT: _("The substitute is sold out meanwhile."),
            STORE_LEFT: _("This store is not connected any more."),
        },
        "event": {
            "opened": _("At risk"),
            "closed": _("Over by itself"),
            "chose": _("Chosen"),
            "carry": _("Your yes"),
            "handled": _("Marked as handled"),
            "more time": _("More time"),
            "done": _("Done in the store"),
            "by_hand": _("To be done by hand"),
            "failed": _("Refused by the store"),
            "unknown": _("The store's answer was lost"),
            "message sent": _("Message sent"),
            "message failed": _("Message failed"),
            "message unknown": _("Message may have arrived"),
            "message skipped": _("Message not needed any more"),
            "message by_hand": _("Message to be sent by hand"),
        },
    }
    return known[kind].get(value, value)


@routes.get(HOME)
def index() -> Response:
    show = listing.CLOSED if request.args.get("show") == listing.CLOSED else listing.OPEN
    offset = max(0, number_arg("from") or 0)
    with reading() as db:
        found = listing.rows(db, g.merchant_id, show=show, offset=offset, limit=PAGE + 1)
        counts = listing.counts(db, g.merchant_id)
        rule = rules.rule_of(db, g.merchant_id)
    return page(
        "at_risk",
        default_days=rule.default_days,
        rows=[(row, listing.clock_of(row, today())) for row in found[:PAGE]],
        next_from=offset + PAGE if len(found) > PAGE else None,
        counts=counts,
        show=show,
        said=words,
        number=number_of,
        today=today(),
    )


@routes.get(f"{HOME}.csv")
def export() -> Response:
    return csv_file(
        "orders-at-risk.csv",
        ("order", "store", "sku", "title", "units", "ordered_at", "deadline", "deadline_basis", "reason",
         "expected_on", "value_minor", "currency", "status", "message", "choice", "chosen_by", "in_store",
         "closed_by", "refund_minor"),
        (
            (number_of(row.order_id), row.store, row.sku, row.title, row.units, row.placed_at, row.due_on,
             row.due_basis, row.reason, row.expected_on, row.value_minor, row.currency, row.status,
             row.message_status, row.choice, row.chosen_by, row.carry, row.closed_by, row.refund_minor)
            for row in stream(listing.EXPORT, {"m": g.merchant_id})
        ),
    )  # fmt: skip


@routes.post(f"{HOME}/look")
def look() -> Response:
    looked = work_risks(runtime(), g.merchant_id)
    flash(gettext("Looked: %(opened)s new, %(closed)s over.", opened=looked.opened, closed=looked.closed))
    return redirect(HOME, 303)


@routes.get(f"{HOME}/<int:risk_id>")
def one(risk_id: int) -> Response:
    return _one(risk_id, {}, 200)


def _one(risk_id: int, errors: dict[str, str], status: int) -> Response:
    rt = runtime()
    with reading() as db:
        risk = choosing.find(db, g.merchant_id, risk_id)
        if risk is None:
            abort(404)
        rule = rules.rule_of(db, g.merchant_id)
        merchant = _merchant(db)
        facts = facts_of(rt, db, merchant, risk, rule, merchant.locale, rt.now())
        messages = listing.messages_of(db, g.merchant_id, risk_id)
        listed = listing.row_of(db, g.merchant_id, risk_id)
        written = is_written(db, g.merchant_id, risk_id)
    kind = "at_risk" if risk.status in ("open", "asked") else _SENT_AS.get(risk.closed_by, "")
    if risk.closed_by == "wait" and risk.choice == "wait":
        kind = "waits"
    return page(
        "at_risk_order",
        status,
        risk=risk,
        number=number_of(risk.order_id),
        facts=facts,
        clock=listing.clock_of(listed, today()),
        messages=messages,
        written=written,
        by_hand=any(row.status == "by_hand" for row in messages[-1:]),
        text=render_order(kind, merchant.locale, facts) if kind else None,
        text_locale=merchant.locale,
        said=words,
        errors=errors,
        is_open=risk.status in ("open", "asked"),
    )


_SENT_AS = {"refund": "refunded", "voucher": "voucher", "substitute": "substitute"}


def _merchant(db: Any) -> Any:
    import sqlalchemy as sa

    return db.execute(sa.text("select * from merchant where id = :m"), {"m": g.merchant_id}).one()


def _there(risk_id: int) -> Any:
    with reading() as db:
        risk = choosing.find(db, g.merchant_id, risk_id)
    if risk is None:
        abort(404)
    return risk


def _done(risk_id: int, was_done: bool, said: str) -> Response:
    if was_done:
        flash(said)
    else:
        flash(gettext("Nothing was changed: this was settled meanwhile."), "note")
    return redirect(f"{HOME}/{risk_id}", 303)


@routes.post(f"{HOME}/<int:risk_id>/write")
def write(risk_id: int) -> Response:
    """Write to the customer; `by=hand`: the merchant sent the text."""
    _there(risk_id)
    rt = runtime()
    if request.form.get("by") == "hand":
        with transaction(rt.engine) as db:
            was_done = mark_asked(db, g.merchant_id, risk_id, rt.now())
        return _done(risk_id, was_done, gettext("Noted. The time to answer runs from today."))
    return _done(risk_id, ask(rt, g.merchant_id, risk_id), gettext("The message is on its way."))


@routes.post(f"{HOME}/<int:risk_id>/time")
def time(risk_id: int) -> Response:
    _there(risk_id)
    rt = runtime()
    try:
        until_on = date.fromisoformat(request.form.get("until_on", ""))
    except ValueError:
        return _one(risk_id, {"until_on": gettext("Enter a day.")}, 422)
    with transaction(rt.engine) as db:
        was_done = choosing.give_time(db, g.merchant_id, risk_id, until_on, g.account.email, rt.now())
    if not was_done:
        return _one(risk_id, {"until_on": gettext("Choose a day after the deadline and after today.")}, 422)
    return _done(risk_id, True, gettext("The later date is kept; the order is watched until then."))


@routes.get(f"{HOME}/<int:risk_id>/refund")
def ask_refund(risk_id: int) -> Response:
    risk = _there(risk_id)
    _ = gettext
    return confirm(
        title=_("Refund this line?"),
        lead=_("%(units)s × %(title)s of order %(number)s", units=risk.units, title=risk.title,
               number=number_of(risk.order_id)),
        points=[
            _("All of it is paid back in your store, by the means it was paid with."),
            _("The customer is told as soon as it is done."),
            _("It cannot be taken back."),
        ],
        action=f"{HOME}/{risk_id}/choose",
        submit=_("Refund"),
        back=f"{HOME}/{risk_id}",
        is_danger=True,
    )  # fmt: skip


@routes.post(f"{HOME}/<int:risk_id>/choose")
def choose(risk_id: int) -> Response:
    """The merchant decides: a refund unless `choice` says otherwise."""
    _there(risk_id)
    rt = runtime()
    choice, item = request.form.get("choice", "refund"), request.form.get("item", "")
    if choice not in choosing.CHOICES:
        abort(400)
    substitute = int(item) if item.isascii() and item.isdigit() and len(item) < 19 else 0
    with transaction(rt.engine) as db:
        rule = rules.rule_of(db, g.merchant_id)
        given = (choice, g.account.email, rule, rt.now())
        intents = choosing.choose(db, g.merchant_id, risk_id, *given, substitute_id=substitute)
        if intents is not None:
            detail = {"choice": choice}
            record(db, g.merchant_id, rt.now(), g.account.email, "risk.choose", f"risk {risk_id}", detail)
        if intents:
            enqueue(db, g.merchant_id, intents)
    return _done(risk_id, intents is not None, gettext("It is carried out in your store."))


@routes.post(f"{HOME}/<int:risk_id>/carry")
def carry(risk_id: int) -> Response:
    _there(risk_id)
    rt = runtime()
    with transaction(rt.engine) as db:
        intents = choosing.carry_out(db, g.merchant_id, risk_id, g.account.email, rt.now())
        if intents is not None:
            record(db, g.merchant_id, rt.now(), g.account.email, "risk.carry", f"risk {risk_id}")
        if intents:
            enqueue(db, g.merchant_id, intents)
    return _done(risk_id, intents is not None, gettext("It is carried out in your store."))


@routes.post(f"{HOME}/<int:risk_id>/handled")
def handled(risk_id: int) -> Response:
    _there(risk_id)
    rt = runtime()
    with transaction(rt.engine) as db:
        was_done = choosing.close(db, g.merchant_id, risk_id, g.account.email, rt.now())
        if was_done:
            record(db, g.merchant_id, rt.now(), g.account.email, "risk.handled", f"risk {risk_id}")
    return _done(risk_id, was_done, gettext("Marked as handled."))


@routes.get(f"{HOME}/rules")
def show_rules() -> Response:
    with reading() as db:
        rule = rules.rule_of(db, g.merchant_id)
    return page("at_risk_rules", values=asdict(rule), errors={})


@routes.post(f"{HOME}/rules")
def keep_rules() -> Response:
    given: dict[str, Any] = {}
    for one in fields(RiskRule):
        text = request.form.get(one.name, "")
        if one.name in BOUNDS:
            given[one.name] = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text
        elif one.name.startswith("offers_"):
            given[one.name] = text == "1"
        else:
            given[one.name] = text
    wrong = rules.check(given)
    if wrong:
        errors = {
            name: gettext("Enter a whole number: %(bounds)s.", bounds=bounds) if name in BOUNDS else bounds
            for name, bounds in wrong.items()
        }
        return page("at_risk_rules", 422, values=given, errors=errors)
    rt = runtime()
    with transaction(rt.engine) as db:
        rules.keep_rule(db, g.merchant_id, RiskRule(**given), rt.now(), g.account.email)
    flash(gettext("Saved. The rules count from now on."))
    return redirect(HOME, 303)
