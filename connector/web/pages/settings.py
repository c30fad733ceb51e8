"""Settings: the merchant's rules, the password, and the log of what was done."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa
from flask import Blueprint, g, redirect, request, session
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.merchants import MIN_PASSWORD_LENGTH, AccountError, set_password, sign_in
from connector.db import transaction
from connector.positions.decide import Cause
from connector.positions.recheck import decide_all
from connector.web.pages.overview import kept
from connector.web.queries import settings
from connector.web.rules import read_rules
from connector.web.view import csv_file, flash, gettext, number_arg, page, reading, runtime, stream
from connector.web.work import briefly

routes = Blueprint("settings", __name__)

DECIDED_HERE = 5_000
"""Up to this many products are decided again within the request, more by a worker."""

_WEEK_S = 7 * 86_400


@routes.get("/settings")
def index() -> Response:
    with reading() as db:
        rules = settings.rules(db, g.merchant_id)
    return _form(_shown(rules), {}, 200)


@routes.post("/settings")
def save() -> Response:
    found = read_rules(request.form, gettext)
    if found.errors:
        return _form({**request.form.to_dict(), **_switches()}, found.errors, 422)
    rt = runtime()
    with transaction(rt.engine) as db:
        changed = settings.save(db, g.merchant_id, found.values)
        if changed:
            record(
                db,
                g.merchant_id,
                rt.now(),
                g.account.email,
                "rules.save",
                "rules",
                {"changed": sorted(changed)},
            )
        is_large = (
            bool(changed & settings.DECIDING)
            and settings.position_count(db, g.merchant_id, DECIDED_HERE + 1) > DECIDED_HERE
        )
        if is_large:
            # Once a week anyway; the extra run asked for here is what matters.
            schedule.ensure(db, g.merchant_id, "positions.all", 0, _WEEK_S)
            schedule.run_now(db, g.merchant_id, "positions.all", 0)
    flash(_said(changed, is_large))
    kept().forget(g.merchant_id)
    return redirect("/settings", 303)


def _said(changed: set[str], is_large: bool) -> str:
    _ = gettext
    if not changed:
        return _("Nothing was changed.")
    if not changed & settings.DECIDING:
        return _("Saved.")
    if is_large:
        return _("Saved. Your products are decided again; this takes some minutes.")
    rt, merchant_id, now = runtime(), g.merchant_id, runtime().now()
    is_done = briefly(lambda: decide_all(rt.engine, merchant_id, now=now, cause=Cause("rule")))
    return (
        _("Saved, and every product is decided again.")
        if is_done
        else _("Saved. Your products are decided again.")
    )


def _switches() -> dict[str, Any]:
    return {name: request.form.get(name) == "1" for name in ("shows_count", "allows_backorder")}


def _shown(rules: Any) -> dict[str, Any]:
    values = {name: getattr(rules, name) for name in settings.RULES}
    values["cap_units"] = "" if rules.cap_units is None else rules.cap_units
    values["claim_rate"] = round(rules.claim_rate * 100)
    return values


def _form(values: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    return page("settings", status, values=values, errors=errors, timezones=sorted(available_timezones()))


@routes.post("/settings/password")
def password() -> Response:
    """Change the password; every other session of this person ends."""
    rt, _ = runtime(), gettext
    new = request.form.get("new", "")[:1000]
    with transaction(rt.engine) as db:
        if sign_in(db, g.account.email, request.form.get("current", "")[:1000]) is None:
            flash(_("The present password does not fit. Nothing was changed."), "bad")
            return redirect("/settings#password", 303)
        try:
            set_password(db, g.account.email, new)
        except AccountError:
            flash(
                _("The new password needs at least %(count)s characters.", count=MIN_PASSWORD_LENGTH), "bad"
            )
            return redirect("/settings#password", 303)
        record(db, g.merchant_id, rt.now(), g.account.email, "user.password", f"user {g.account.user_id}")
        version = db.execute(
            sa.text("select session_version from app_user where merchant_id = :m and id = :u"),
            {"m": g.merchant_id, "u": g.account.user_id},
        ).scalar_one()
    session["user"] = [g.merchant_id, g.account.user_id, version]
    flash(_("Your password is changed. Everybody else who was signed in as you is signed out."))
    return redirect("/settings", 303)


@routes.get("/log")
def log() -> Response:
    before = number_arg("before")
    with reading() as db:
        rows = settings.audit(db, g.merchant_id, before=before or 0, limit=51)
    return page("log", rows=rows[:50], next_before=rows[49].id if len(rows) > 50 else None)


@routes.get("/log.csv")
def log_export() -> Response:
    return csv_file(
        "log.csv",
        ("at", "actor", "action", "subject", "detail"),
        (
            (row.at, row.actor, row.action, row.subject, row.detail or "")
            for row in stream(settings.AUDIT_EXPORT, {"m": g.merchant_id})
        ),
    )
