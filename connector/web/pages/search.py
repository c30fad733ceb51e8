"""Search: which product pages need somebody, as search engines have them and as our stock is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.connections import connections
from connector.db import transaction
from connector.ports.errors import Misconfigured, PortError
from connector.registry import ADAPTERS, manifest
from connector.search import findings
from connector.search.alternatives import alternatives
from connector.search.connect import connect
from connector.search.rules import KINDS
from connector.search.words import title, words
from connector.web.pages.overview import kept
from connector.web.queries import search
from connector.web.view import (
    chosen_locale,
    confirm,
    csv_file,
    flash,
    gettext,
    number_arg,
    page,
    reading,
    runtime,
    stream,
)

routes = Blueprint("search", __name__)

ADAPTER = "google_search_console"
MOST_KEY_BYTES = 20_000
# What helps there names an alternative; elsewhere one would only distract.
_WANTS_ANOTHER = {
    ("sold_out", "discontinued"),
    ("sold_out", "undated"),
    *((kind, cause) for kind in ("deleted", "hidden") for cause in ("", "answers")),
}


@routes.get("/search")
def index() -> Response:
    return _page({}, 200)


def _page(errors: dict[str, str], status: int) -> Response:
    kind, state = request.args.get("kind", ""), request.args.get("state", "open")
    if (kind and kind not in KINDS) or state not in findings.STATES:
        abort(404)
    skip = number_arg("skip") or 0
    with reading() as db:
        rows = findings.listed(db, g.merchant_id, kind=kind, state=state, skip=skip, limit=findings.PAGE + 1)
        shown = rows[: findings.PAGE]
        needing = [row.page_key for row in shown if (row.kind, row.cause) in _WANTS_ANOTHER]
        return page(
            "search",
            status,
            rows=shown,
            said={row.id: _said(row) for row in shown},
            titles={one: title(gettext, one) for one in KINDS},
            others=alternatives(db, g.merchant_id, needing) if needing else {},
            counts=findings.counts(db, g.merchant_id),
            pages=search.pages(db, g.merchant_id),
            accounts=connections(db, g.merchant_id, "search"),
            days_out=request.form.get("days_out", findings.days_of(db, g.merchant_id)),
            kind=kind,
            state=state,
            next_skip=skip + findings.PAGE if len(rows) > findings.PAGE else 0,
            most_days=findings.MOST_DAYS,
            errors=errors,
        )


def _said(row: sa.Row[Any]) -> Any:
    return words(gettext, chosen_locale(), row.kind, row.cause, row.detail)


@routes.get("/search.csv")
def export() -> Response:
    kind, state = request.args.get("kind", ""), request.args.get("state", "open")
    if (kind and kind not in KINDS) or state not in findings.STATES:
        abort(404)
    say, locale = gettext, chosen_locale()

    def lines() -> Any:
        for row in stream(findings.EXPORT, {"m": g.merchant_id, "kind": kind, "state": state}):
            said = words(say, locale, row.kind, row.cause, row.detail)
            yield (
                row.url, row.title, row.kind, row.clicks, row.impressions, row.since or row.opened_at,
                row.opened_at, row.closed_at, row.dismissed_at, row.crawled_at, row.looked_at, said.cause,
                said.remedy,
            )  # fmt: skip

    # Read whole: the words are said in the language of this request, which is over while a file is sent.
    return csv_file(
        "search.csv",
        ("page", "product", "finding", "clicks_28_days", "impressions_28_days", "since", "opened_at", "closed_at",
         "dismissed_at", "crawled_at", "looked_at", "cause", "remedy"),
        list(lines()),
    )  # fmt: skip


@routes.post("/search/days")
def days() -> Response:
    """After how many days sold out is long."""
    given = request.form.get("days_out", "").strip()
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            count = int(given) if given.isdecimal() and len(given) < 6 else 0
            findings.set_days(db, g.merchant_id, count, actor=g.account.email, now=rt.now())
    except Misconfigured:
        said = gettext("Enter a whole number from 1 to %(most)s.", most=findings.MOST_DAYS)
        return _page({"days_out": said}, 422)
    flash(gettext("Saved."))
    return redirect("/search", 303)


@routes.post("/search/findings/<int:finding_id>/<any(dismiss, restore):what>")
def act(finding_id: int, what: str) -> Response:
    rt = runtime()
    with transaction(rt.engine) as db:
        done = findings.set_dismissed(
            db,
            g.merchant_id,
            finding_id,
            is_dismissed=what == "dismiss",
            actor=g.account.email,
            now=rt.now(),
        )
    if not done:
        abort(404)
    if what == "dismiss":
        flash(gettext("Dismissed. It stays under “Dismissed” until its cause is gone."))
        return redirect("/search", 303)
    return redirect("/search?state=dismissed", 303)


@routes.get("/search/connect")
def ask_connect() -> Response:
    return _form({}, {}, 200)


@routes.post("/search/connect")
def add() -> Response:
    """Connect a site with a service account's key."""
    _ = gettext
    site, key = request.form.get("site", "").strip()[:500], request.form.get("service_account_key", "")
    errors = {}
    if not key.strip() or len(key) > MOST_KEY_BYTES:
        errors["service_account_key"] = _("Paste the whole JSON file of the key.")
    if errors:
        return _form({"site": site}, errors, 422)
    rt = runtime()
    try:
        _id, found = connect(
            rt, g.merchant_id, ADAPTER, {"site": site}, {"service_account_key": key}, actor=g.account.email
        )
    except Misconfigured as error:
        field = error.field if error.field in ("site", "service_account_key") else "service_account_key"
        return _form({"site": site}, {field: f"{error.cause} {error.remedy}"}, 422)
    except PortError as error:
        return _form({"site": site}, {"service_account_key": f"{error.cause} {error.remedy}"}, 422)
    kept().forget(g.merchant_id)
    flash(_("%(name)s is connected. Its first look begins in a moment.", name=found.site))
    return redirect("/search", 303)


def _form(values: dict[str, str], errors: dict[str, str], status: int) -> Response:
    # The key is never sent back, not even to who pasted it.
    titles = [manifest("search", name).title for name in sorted(ADAPTERS["search"])]
    return page("search_connect", status, values=values, errors=errors, titles=titles)


def ask_disconnect(connection_id: int, name: str) -> Response:
    """What ending a search connection does; asked from the connection's page."""
    _ = gettext
    return confirm(
        title=_("Disconnect %(name)s?", name=name),
        lead=_("Its pages are no longer looked at. To come back you connect it anew."),
        points=[
            _("Its key, its findings and what was dismissed are erased here."),
            _("Nothing was changed there, so nothing is undone. You may remove the account as a user there."),
        ],
        action=f"/connections/{connection_id}/disconnect",
        submit=_("Disconnect"),
        back=f"/connections/{connection_id}",
        is_danger=True,
    )
