"""Settings for messages to shoppers: channels, waves, hours, limits; one form over `ShopperPolicy`."""

from __future__ import annotations

from collections.abc import Mapping

from babel.numbers import get_currency_precision
from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.shoppers.media import MEDIA, ways
from connector.shoppers.policy import policy_of, save_policy
from connector.shoppers.policy_form import Fault, PolicyRefused, read, write
from connector.web.pages.overview import kept
from connector.web.policy_words import sections, why
from connector.web.view import flash, gettext, page, reading, runtime

routes = Blueprint("shopper_settings", __name__)

HOME = "/shoppers/settings"


def _names() -> list[str]:
    return [said.name for section in sections(gettext, "") for said in section.fields]


@routes.get(HOME)
def show() -> Response:
    with reading() as db:
        policy = policy_of(db, g.merchant_id)
    places = get_currency_precision(g.account.currency)
    return _page({name: write(name, getattr(policy, name), places) for name in _names()}, {}, 200)


@routes.post(HOME)
def keep() -> Response:
    given = {name: request.form.getlist(name) for name in _names()}
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            before = policy_of(db, g.merchant_id)
            policy = read(given, before, get_currency_precision(g.account.currency))
            if policy != before:
                save_policy(db, g.merchant_id, policy, g.account.email, rt.now())
                # What was changed, from what to what: none of it is about a shopper.
                was, now = before.model_dump(mode="json"), policy.model_dump(mode="json")
                changed = {name: [was[name], now[name]] for name in now if was[name] != now[name]}
                record(db, g.merchant_id, rt.now(), g.account.email, "shoppers.settings", "messages", changed)
    except PolicyRefused as refused:
        many = {name: texts if len(texts) != 1 else texts[0] for name, texts in given.items()}
        values = {name: "" if text == [] else text for name, text in many.items()}
        return _page(values, refused.faults, 422)
    kept().forget(g.merchant_id)
    flash(gettext("Saved. It counts from the next message on."))
    return redirect(HOME, 303)


def _page(values: Mapping[str, str | list[str]], faults: Mapping[str, Fault], status: int) -> Response:
    with reading() as db:
        connected = {one for one in MEDIA if ways(db, g.merchant_id, one)}
    if runtime().settings.smtp_host:
        connected.add("email")
    return page(
        "shopper_settings",
        status,
        sections=sections(gettext, g.account.currency),
        values=values,
        errors={name: why(gettext, fault) for name, fault in faults.items()},
        connected=connected,
    )
