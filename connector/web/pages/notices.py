"""Notices: what the merchant is told by mail, when not, what it looks like, and what was sent."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from connector.db import transaction
from connector.notices import digest
from connector.notices.items import Item, items
from connector.notices.rules import GROUPS, NoticeChoice, check, choice_of, keep_choice
from connector.web.pages.message_previews import shown_mail
from connector.web.view import flash, gettext, page, reading, runtime

routes = Blueprint("notices", __name__)

HOME = "/notices"
HOME_OF_RISKS = "/orders-at-risk"


@routes.get(HOME)
def show() -> BaseResponse:
    with reading() as db:
        choice = choice_of(db, g.merchant_id)
    return _page({one.name: getattr(choice, one.name) for one in fields(NoticeChoice)}, {}, 200)


@routes.get(f"{HOME}/mail")
def mail() -> Response:
    """The mail as it would leave now, alone, for the frame on the page."""
    rt = runtime()
    with reading() as db:
        reader, found, _ = _now(db)
    return shown_mail(digest.render_notice(reader, found, rt.base_url).html)


@routes.post(HOME)
def save() -> BaseResponse:
    given = _given()
    hours = given["hours_between"]
    choice = NoticeChoice(
        **{**given, "hours_between": int(hours) if hours.isdecimal() and hours.isascii() else 0}
    )
    wrong = check(choice)
    if wrong:
        _ = gettext
        said = {
            "address": _("Enter one e-mail address, or nothing."),
            "hours_between": _("Enter a whole number from 1 to 168."),
            "quiet_from": _("Enter both times, as in 22:00, or none."),
        }
        return _page(given, {name: said[name] for name in wrong}, 422)
    rt = runtime()
    with transaction(rt.engine) as db:
        keep_choice(db, g.merchant_id, choice, rt.now(), g.account.email)
    flash(gettext("Saved."))
    return redirect(HOME, 303)


def _given() -> dict[str, Any]:
    switches = ("is_on", *GROUPS)
    texts = ("address", "hours_between", "quiet_from", "quiet_until")
    given: dict[str, Any] = {name: request.form.get(name) == "1" for name in switches}
    return given | {name: request.form.get(name, "").strip()[:300] for name in texts}


def _page(values: dict[str, Any], errors: dict[str, str], status: int) -> BaseResponse:
    rt = runtime()
    with reading() as db:
        reader, found, is_example = _now(db)
        sent = digest.mails(db, g.merchant_id)
    return page(
        "notices",
        status,
        values=values,
        errors=errors,
        reader=reader,
        shown=digest.render_notice(reader, found, rt.base_url),
        is_example=is_example,
        mails=sent,
        sends_mail=rt.sends_mail,
        said=words,
    )


def _now(db: sa.Connection) -> tuple[digest.Reader, list[Item], bool]:
    """The reader, what a mail would say now, and whether that is an example."""
    rt = runtime()
    choice = choice_of(db, g.merchant_id)
    reader = digest.reader_of(db, g.merchant_id, choice, rt.now())
    found = [one for one in items(db, g.merchant_id, reader.now.date()) if one.group in choice.groups]
    return (reader, found, False) if found else (reader, _example(db, reader), True)


def _example(db: sa.Connection, reader: digest.Reader) -> list[Item]:
    currency = (
        db.scalar(sa.text("select currency from merchant where id = :m"), {"m": g.merchant_id}) or "EUR"
    )
    today, title = reader.now.date(), gettext("Blue mug, 350 ml")
    return [
        Item(
            "refunds",
            "alarm",
            "1",
            HOME_OF_RISKS,
            "1042",
            title,
            2,
            3980,
            currency,
            today + timedelta(days=6),
        ),
        Item("answers", "chosen", "2", HOME_OF_RISKS, "1057", title, 1, 1990, currency),
        Item(
            "new", "opened", "3", HOME_OF_RISKS, "1061", title, 1, 1990, currency, today + timedelta(days=4)
        ),
    ]


def words(status: str) -> str:
    """The status of a mail in the reader's language."""
    _ = gettext
    known = {
        "waiting": _("On its way"),
        "sending": _("On its way"),
        "sent": _("Sent"),
        "failed": _("Failed"),
        "unknown": _("May have arrived"),
        "skipped": _("Not needed any more"),
    }
    return known[status]
