"""The plan: what it allows and what is used of it, where to choose another, and what changed when."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response

from connector import plans
from connector.accounts import entitlements
from connector.accounts.audit import record
from connector.accounts.entitlements import OverPlan
from connector.db import transaction
from connector.delivery.plans import read_plan
from connector.plans import FEATURES, Feature
from connector.ports.errors import PortError
from connector.web.pages.overview import kept
from connector.web.view import flash, gettext, page, reading, runtime

routes = Blueprint("plan", __name__)


def plan_facts(db: sa.Connection, merchant_id: int) -> dict[str, Any]:
    """What every view of the plan shows: the shops' plans, and each feature with what is used of it."""
    rows = entitlements.current(db, merchant_id)
    if runtime().plans is None:
        # Where the operator sells nothing, "no plan chosen" would only send people to an empty page.
        rows = [row for row in rows if row.state not in ("unknown", "none")]
    limits = entitlements.limits_of(db, merchant_id)
    usage = entitlements.usage(db, merchant_id)
    uses = [
        {
            "feature": feature,
            "used": usage[feature],
            "limit": limits.get(feature),
            "left": plans.room(limits, feature, usage[feature]),
            "over": plans.excess(limits, feature, usage[feature]),
        }
        for feature in FEATURES
    ]
    waiting = entitlements.waiting_listings(db, merchant_id) if "listings" in limits else 0
    return {"plans": rows, "uses": uses, "is_limited": bool(limits), "waiting_listings": waiting}


@routes.get("/plan")
def index() -> Response:
    with reading() as db:
        facts = plan_facts(db, g.merchant_id)
        history = entitlements.history(db, g.merchant_id)
    newest = max((one.id for one in history if one.seen_at is None), default=0)
    return page("plan", history=history, newest=newest, **facts)


@routes.post("/plan/refresh")
def refresh() -> Response:
    """Ask the platforms now. One that cannot be asked leaves its plan as it is."""
    _, has_changed, refused = gettext, False, ""
    with reading() as db:
        rows = entitlements.current(db, g.merchant_id)
    for row in rows:
        try:
            has_changed |= read_plan(runtime(), g.merchant_id, row.connection_id, g.account.email)
        except PortError as error:
            refused = error.cause
    if refused:
        flash(
            _("The plan could not be read: %(cause)s What was known stays as it was.", cause=f"{refused} "),
            "bad",
        )
    elif has_changed:
        flash(_("Your plan has changed. What changed is listed below."), "note")
    elif rows:
        flash(_("Your plan is as it was."))
    kept().forget(g.merchant_id)
    return redirect("/plan", 303)


@routes.post("/plan/seen")
def seen() -> Response:
    """Somebody read what changed; the notice goes."""
    text = request.form.get("newest", "")
    rt = runtime()
    if text.isascii() and text.isdigit() and len(text) < 19:
        with transaction(rt.engine) as db:
            if entitlements.seen(db, g.merchant_id, int(text), rt.now()):
                record(db, g.merchant_id, rt.now(), g.account.email, "plan.seen", f"plan change {text}")
    return redirect("/plan", 303)


def may_start(feature: Feature) -> None:
    """Before somebody fills in a form in vain; raises OverPlan."""
    with reading() as db:
        entitlements.require(db, g.merchant_id, feature)


def over_plan(error: OverPlan) -> Response:
    """The answer to whatever the plan has no room for: which limit, which plan, and where to choose another."""
    return page("plan_limit", 409, over=error)
