"""Ads: what is paused because it is sold out, what that saved, and the switches."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.accounts.connections import connections
from connector.advertising.pausing import approve_blast
from connector.db import transaction
from connector.web.pages.overview import kept
from connector.web.queries import ads, overview
from connector.web.view import confirm, csv_file, flash, gettext, number_arg, page, reading, runtime, stream

routes = Blueprint("ads", __name__)

RECENT = 12


@routes.get("/ads")
def index() -> Response:
    show, after = request.args.get("show", ""), number_arg("after")
    with reading() as db:
        rows = ads.listed(db, g.merchant_id, show=show, after=after or 0, limit=ads.PAGE + 1)
        return page(
            "ads",
            rows=rows[: ads.PAGE],
            next_after=rows[ads.PAGE - 1].id if len(rows) > ads.PAGE else None,
            counts=kept().get(g.merchant_id, "ads", lambda: ads.counts(db, g.merchant_id)),
            show=show,
            after=after,
            ledger=[] if after else ads.ledger(db, g.merchant_id, limit=RECENT),
            rules=ads.rules(db, g.merchant_id),
            accounts=connections(db, g.merchant_id, "ads"),
            held=overview.waiting(db, g.merchant_id, runtime().now()).accounts,
        )


@routes.get("/ads.csv")
def export() -> Response:
    return csv_file(
        "ads.csv",
        ("account", "id", "kind", "name", "campaign", "landing_page", "status", "paused_by_us_at", "sold_out_since",
         "daily_spend", "seen_at"),
        (
            (row.account, row.external_id, row.kind, row.name, row.campaign, row.landing_page, row.seen_status,
             row.paused_by_us_at, row.out_since, row.daily_spend, row.seen_at)
            for row in stream(ads.EXPORT, {"m": g.merchant_id, "show": request.args.get("show", "")})
        ),
    )  # fmt: skip


@routes.get("/ads/ledger")
def ledger() -> Response:
    before = number_arg("before")
    with reading() as db:
        rows = ads.ledger(db, g.merchant_id, before=before or 0, limit=ads.PAGE + 1)
    return page(
        "ads_ledger",
        rows=rows[: ads.PAGE],
        next_before=rows[ads.PAGE - 1].id if len(rows) > ads.PAGE else None,
    )


@routes.get("/ads/ledger.csv")
def ledger_export() -> Response:
    return csv_file(
        "ads-ledger.csv",
        ("at", "account", "ad", "campaign", "landing_page", "action", "outcome", "reason", "dry_run", "spend_saved"),
        (
            (row.at, row.account, row.name, row.campaign, row.landing_page, row.action, row.outcome, row.reason,
             row.is_dry_run, row.spend_saved)
            for row in stream(ads.LEDGER_EXPORT, {"m": g.merchant_id})
        ),
    )  # fmt: skip


@routes.post("/ads/dry-run")
def dry_run() -> Response:
    """Switch between only writing down what would be done, and doing it."""
    is_dry = request.form.get("dry_run") == "1"
    rt = runtime()
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("update merchant set is_ads_dry_run = :d where id = :m"),
            {"d": is_dry, "m": g.merchant_id},
        )
        record(db, g.merchant_id, rt.now(), g.account.email, "ads.dry_run", "ads", {"dry_run": is_dry})
    flash(
        gettext("From now on it is only written down what would be done.")
        if is_dry
        else gettext("From now on ads are paused and resumed for real.")
    )
    return redirect("/ads", 303)


@routes.get("/ads/<int:connection_id>/approve")
def ask_approve(connection_id: int) -> Response:
    with reading() as db:
        accounts = {row.id: row for row in connections(db, g.merchant_id, "ads")}
        rules = ads.rules(db, g.merchant_id)
    if connection_id not in accounts:
        abort(404)
    _ = gettext
    return confirm(
        title=_("Pause many ads at once?"),
        lead=_("%(name)s: more ads than your limit of %(limit)s lead to sold-out products.",
               name=accounts[connection_id].name, limit=rules.ads_blast_limit),
        points=[
            _("Only ads whose landing page has nothing left to buy are paused."),
            _("Each is resumed by itself when something is back, unless somebody changed it meanwhile."),
            _("Your approval holds for one hour."),
        ],
        action=f"/ads/{connection_id}/approve",
        submit=_("Pause them"),
        back="/ads",
    )  # fmt: skip


@routes.post("/ads/<int:connection_id>/approve")
def approve(connection_id: int) -> Response:
    rt = runtime()
    with reading() as db:
        if connection_id not in {row.id for row in connections(db, g.merchant_id, "ads")}:
            abort(404)
    with transaction(rt.engine) as db:
        record(db, g.merchant_id, rt.now(), g.account.email, "ads.approve", f"connection {connection_id}")
        approve_blast(db, g.merchant_id, connection_id, now=rt.now(), actor=g.account.email)
    kept().forget(g.merchant_id)
    flash(gettext("Approved. The ads are paused within a minute."))
    return redirect("/ads", 303)
