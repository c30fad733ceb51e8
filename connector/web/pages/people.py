"""Shoppers and messages: who waits for what, what each was sent, and sending again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.shoppers.import_columns import EXPORT_HEAD
from connector.shoppers.messages import resend
from connector.web.pages.overview import kept
from connector.web.pages.worth import DEFAULT_DAYS, summary, sums
from connector.web.queries import people
from connector.web.view import confirm, csv_file, flash, gettext, number_arg, page, reading, runtime, stream

routes = Blueprint("people", __name__)


@routes.get("/shoppers")
def shoppers() -> Response:
    before, variant_id = number_arg("before"), number_arg("variant")
    status = request.args.get("status", "")
    with reading() as db:
        rows = people.subscriptions(
            db,
            g.merchant_id,
            status=status,
            variant_id=variant_id or 0,
            before=before or 0,
            limit=people.PAGE + 1,
        )
        counts = kept().get(g.merchant_id, "people", lambda: people.counts(db, g.merchant_id))
        wanted = (
            []
            if before or status or variant_id
            else kept().get(g.merchant_id, "wanted", lambda: people.most_wanted(db, g.merchant_id))
        )
        found = None if before or status or variant_id else summary(db, g.merchant_id, DEFAULT_DAYS)
    return page(
        "shoppers",
        rows=rows[: people.PAGE],
        next_before=rows[people.PAGE - 1].id if len(rows) > people.PAGE else None,
        counts=counts,
        total=sum(counts.values()),
        statuses=people.SUBSCRIPTION_STATUSES,
        status=status,
        variant_id=variant_id,
        wanted=wanted,
        found=found,
        sums=sums,
        days=DEFAULT_DAYS,
    )


@routes.get("/shoppers.csv")
def shoppers_export() -> Response:
    given = {
        "m": g.merchant_id,
        "status": request.args.get("status", ""),
        "variant": number_arg("variant") or 0,
    }
    return csv_file("shoppers.csv", EXPORT_HEAD, stream(people.PEOPLE_EXPORT, given))


@routes.get("/messages")
def messages() -> Response:
    before, status = number_arg("before"), request.args.get("status", "")
    with reading() as db:
        rows = people.messages(db, g.merchant_id, status=status, before=before or 0, limit=people.PAGE + 1)
        counts = kept().get(g.merchant_id, "messages", lambda: people.message_counts(db, g.merchant_id))
    return page(
        "messages",
        rows=rows[: people.PAGE],
        next_before=rows[people.PAGE - 1].id if len(rows) > people.PAGE else None,
        counts=counts,
        total=sum(counts.values()),
        statuses=people.MESSAGE_STATUSES,
        status=status,
    )


@routes.get("/messages.csv")
def messages_export() -> Response:
    return csv_file(
        "messages.csv",
        ("kind", "channel", "address", "sku", "title", "status", "subject", "created_at", "settled_at", "tries",
         "note"),
        stream(people.MESSAGES_EXPORT, {"m": g.merchant_id, "status": request.args.get("status", "")}),
    )  # fmt: skip


def _message(message_id: int) -> Any:
    with reading() as db:
        row = people.message(db, g.merchant_id, message_id)
    if row is None:
        abort(404)
    return row


@routes.get("/messages/<int:message_id>/resend")
def ask_resend(message_id: int) -> Response:
    row = _message(message_id)
    _ = gettext
    points = [_("It is checked once more before it leaves: stock, consent and unsubscription.")]
    if row.status == "unknown":
        points.insert(0, _("It may have arrived already: then this person gets it twice."))
    return confirm(
        title=_("Send this message again?"),
        lead=_("To %(address)s, about %(title)s.", address=row.address, title=row.title),
        points=points,
        action=f"/messages/{message_id}/resend",
        submit=_("Send again"),
        back="/messages",
    )


@routes.post("/messages/<int:message_id>/resend")
def do_resend(message_id: int) -> Response:
    _message(message_id)
    rt = runtime()
    if resend(rt, g.merchant_id, message_id):
        with transaction(rt.engine) as db:
            record(db, g.merchant_id, rt.now(), g.account.email, "message.resend", f"message {message_id}")
        flash(gettext("It is on its way again."))
    else:
        flash(gettext("This message cannot be sent again: it was sent, or the shopper left."), "note")
    kept().forget(g.merchant_id)
    return redirect("/messages", 303)
