"""Exchange rates: what one unit of another currency is worth, for comparing costs."""

from __future__ import annotations

from collections.abc import Mapping

from babel.numbers import format_decimal
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.db import transaction
from connector.ports.errors import Misconfigured
from connector.positions import currencies
from connector.positions.promises import today_of
from connector.web.pages.overview import kept
from connector.web.view import chosen_locale, flash, gettext, page, reading, runtime

routes = Blueprint("rates", __name__)

_WEEK_S = 7 * 24 * 3600


@routes.get("/rates")
def index() -> Response:
    return _page({}, {}, 200)


@routes.post("/rates")
def save() -> Response:
    """Keep a rate; what it may change is decided again by a job."""
    rt, _ = runtime(), gettext
    values = {name: request.form.get(name, "").strip()[:40] for name in ("currency", "rate", "valid_from")}
    try:
        with transaction(rt.engine) as db:
            own = currencies.own_currency(db, g.merchant_id)
            day = values["valid_from"] or today_of(db, g.merchant_id, rt.now()).isoformat()
            rate = currencies.checked_rate(values["currency"], values["rate"], day, own)
            currencies.save_rate(db, g.merchant_id, rate, actor=g.account.email, now=rt.now())
            record(db, g.merchant_id, rt.now(), g.account.email, "rate.save", rate.currency)
    except Misconfigured as error:
        said = {
            "currency": _("Enter the code of another currency than yours, like USD."),
            "rate": _("Enter a number above 0, like 0.92."),
            "valid_from": _("Enter a date like 2026-11-22."),
        }[error.field]
        return _page(values, {error.field: said}, 422)
    _decide()
    flash(_("Saved. Your products are decided again; this takes some minutes."))
    return redirect("/rates", 303)


@routes.post("/rates/<code>/remove")
def remove(code: str) -> Response:
    rt = runtime()
    with transaction(rt.engine) as db:
        if not currencies.remove_rates(db, g.merchant_id, code):
            abort(404)
        record(db, g.merchant_id, rt.now(), g.account.email, "rate.remove", code.upper())
    _decide()
    flash(gettext("Removed."))
    return redirect("/rates", 303)


def _decide() -> None:
    rt = runtime()
    kept().forget(g.merchant_id)
    with transaction(rt.engine) as db:
        schedule.ensure(db, g.merchant_id, "positions.all", 0, _WEEK_S)
        schedule.run_now(db, g.merchant_id, "positions.all", 0)


def _page(values: Mapping[str, str], errors: Mapping[str, str], status: int) -> Response:
    with reading() as db:
        own = currencies.own_currency(db, g.merchant_id)
        today = today_of(db, g.merchant_id, runtime().now())
        rates = currencies.rates_on(db, g.merchant_id, today)
        used = {code for code in currencies.currencies_of(db, g.merchant_id).values() if code != own}
    lacking = sorted(used - {one.currency for one in rates} - {currencies.UNCLEAR})
    return page(
        "rates",
        status,
        own=own,
        rates=[
            (
                one.currency,
                format_decimal(one.rate.normalize(), locale=chosen_locale(), decimal_quantization=False),
                one.valid_from,
            )
            for one in rates
        ],
        lacking=lacking,
        is_unclear=currencies.UNCLEAR in used,
        values={"valid_from": today.isoformat(), **values},
        errors=errors,
    )
