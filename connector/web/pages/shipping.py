"""Delivery: how the merchant ships, and what shoppers are then told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from babel import Locale, dates
from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.availability.delivering import NoWindow, Window
from connector.db import transaction
from connector.positions.calendars import known_places
from connector.positions.shipping import DeliveryRule, kept_rule, save_rule
from connector.positions.windows import windows_under
from connector.web.delivery_form import ReadDelivery, read_delivery, shown, zone_rows
from connector.web.view import chosen_locale, csv_file, flash, gettext, page, reading, runtime, stream

routes = Blueprint("shipping", __name__)

KEPT = sa.text("""
    select p.shown_at, c.name as store, p.order_id, p.line_id, v.sku, v.title, p.from_on, p.until_on, p.basis, p.zone
      from order_promise p
      join variant v on v.merchant_id = p.merchant_id and v.id = p.variant_id
      join connection c on c.merchant_id = p.merchant_id and c.id = p.connection_id
     where p.merchant_id = :m
     order by p.shown_at desc, p.order_id, p.line_id
""")

# One product of each situation, so that the preview tells how each is treated.
_SAMPLES = sa.text("""
    select distinct on (kind) kind, variant_id, title from (
        select case when p.state in ('in_stock', 'low_stock') then 1
                    when p.state in ('backorder', 'preorder') then 2
                    when p.state = 'made_to_order' then 3 else 4 end as kind, p.variant_id, v.title
          from position p join variant v on v.merchant_id = p.merchant_id and v.id = p.variant_id
         where p.merchant_id = :m limit 5000) x
     order by kind, variant_id
""")


def days_in_words(window: Window) -> str:
    """The window as people write it: "Tue 24 – Thu 26 Nov"."""
    locale = "en_GB" if chosen_locale() == "en" else chosen_locale()
    return str(dates.format_interval(window.on, window.until, "MMMEd", locale=locale))


def reason_in_words(found: NoWindow) -> str:
    """Why nothing is promised."""
    _ = gettext
    return {
        "not_sold": _("cannot be bought now"),
        "no_date": _("sold before it is there, and nobody says when that will be"),
        "date_passed": _("its restock date is over"),
        "no_making_days": _("made to order, and you did not say how long that takes"),
        "at_rest": _("no working day for two months"),
        "too_far": _("later than in a year"),
    }[found.reason]


def country_names() -> dict[str, str]:
    """The countries whose holidays are known, by name in the reader's language."""
    territories = Locale.parse(chosen_locale()).territories
    named = {code: str(territories.get(code, code)) for code in known_places()}
    return dict(sorted(named.items(), key=lambda item: item[1]))


@routes.get("/delivery")
def index() -> Response:
    with reading() as db:
        rule = kept_rule(db, g.merchant_id)
    home = _home()
    return _form(shown(rule, home, country_names().get(home, gettext("Everywhere"))), {}, rule, 200)


def _home() -> str:
    """The country of the merchant's time zone, as a first guess of whose holidays count."""
    from babel.core import get_global

    code = str(get_global("zone_territories").get(g.account.timezone, ""))
    return code if code in known_places() else ""


@routes.post("/delivery")
def save() -> Response:
    """Keep the settings, or with `preview` only show what they would say."""
    rt = runtime()
    with reading() as db:
        sources = _sources(db)
    found: ReadDelivery = read_delivery(request.form, [row.id for row in sources], gettext)
    values = {name: value[:5000] for name, value in request.form.items()}
    if found.rule is None:
        return _form(values, found.errors, None, 422)
    if "preview" in request.form:
        return _form(values, {}, found.rule, 200, is_draft=True)
    with transaction(rt.engine) as db:
        is_new = save_rule(db, g.merchant_id, found.rule, actor=g.account.email, now=rt.now())
        if is_new:
            record(db, g.merchant_id, rt.now(), g.account.email, "delivery.save", "delivery")
    flash(gettext("Saved. Shoppers see it within seconds.") if is_new else gettext("Nothing was changed."))
    return redirect("/delivery", 303)


@routes.get("/delivery.csv")
def export() -> Response:
    head = ("shown_at", "store", "order", "line", "sku", "title", "from", "until", "basis", "zone")
    return csv_file("delivery-windows.csv", head, stream(KEPT, {"m": g.merchant_id}))


def _sources(db: sa.Connection) -> list[Any]:
    query = sa.text("select id, name from source where merchant_id = :m order by name, id")
    return list(db.execute(query, {"m": g.merchant_id}))


def _form(
    values: Mapping[str, str],
    errors: dict[str, str],
    rule: DeliveryRule | None,
    status: int,
    *,
    is_draft: bool = False,
) -> Response:
    _ = gettext
    with reading() as db:
        sources = _sources(db)
        preview = _preview(db, rule) if rule is not None else []
        kept = db.execute(
            sa.text("select count(*) from order_promise where merchant_id = :m"), {"m": g.merchant_id}
        ).scalar_one()
    names = dates.get_day_names("abbreviated", locale=chosen_locale())
    return page(
        "shipping",
        status,
        values=values,
        errors=errors,
        is_on=bool(rule and rule.is_on),
        is_draft=is_draft,
        preview=preview,
        kept=kept,
        sources=sources,
        countries=country_names(),
        zones=zone_rows(values),
        weekdays={day: names[day] for day in range(7)},
    )


def _preview(db: sa.Connection, rule: DeliveryRule) -> list[dict[str, Any]]:
    """What an order placed now is told, for one product of each situation and each zone."""
    samples = [row for row in db.execute(_SAMPLES, {"m": g.merchant_id}) if row.kind < 4]
    ids, now = [row.variant_id for row in samples], runtime().now()
    lines = []
    for zone in rule.zones:
        # By itself, so that the preview does not depend on the order of the zones.
        alone = rule.model_copy(update={"zones": (zone,)})
        found = windows_under(db, g.merchant_id, ids, now, "", alone)
        for row in samples:
            one = found[row.variant_id]
            lines.append(
                {
                    "zone": zone.name,
                    "title": row.title,
                    "variant_id": row.variant_id,
                    "days": days_in_words(one) if isinstance(one, Window) else "",
                    "reason": "" if isinstance(one, Window) else reason_in_words(one),
                }
            )
    return lines
