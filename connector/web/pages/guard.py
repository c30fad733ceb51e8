"""What makes a supplier's file wait: what is usual at this supplier, and what is let pass for good."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect
from werkzeug.wrappers import Response

from connector.db import transaction
from connector.intake.allowing import allow, allowed_at, can_allow, limits_at, revoke
from connector.intake.runtime import NotPossible
from connector.web.pages import runs
from connector.web.view import chosen_locale, confirm, flash, gettext, page, reading, runtime
from connector.web.words import Words

routes = Blueprint("guard", __name__)


@routes.get("/suppliers/<int:source_id>/guard")
def usual(source_id: int) -> Response:
    """The limits that the next file is held against."""
    rt = runtime()
    with reading() as db:
        source = _source(db, source_id)
        limits, rows = limits_at(db, g.merchant_id, source_id, rt.now())
        allowed = allowed_at(db, g.merchant_id, source_id)
    return page("guard", source=source, limits=limits, rows=rows, allowed=allowed)


@routes.post("/suppliers/<int:source_id>/guard/<code>/revoke")
def take_back(source_id: int, code: str) -> Response:
    rt = runtime()
    with transaction(rt.engine) as db:
        _source(db, source_id)
        done = revoke(db, g.merchant_id, source_id, code, actor=g.account.email, now=rt.now())
    flash(
        gettext("You are asked about it again.") if done else gettext("It was not let pass any more."), "note"
    )
    return redirect(f"/suppliers/{source_id}/guard", 303)


@routes.get("/runs/<int:run_id>/always")
def ask(run_id: int) -> Response:
    """Approve a run and let its reason pass from now on: asked first."""
    _ = gettext
    row, codes = _held(run_id)
    if not codes:
        flash(_("Nothing is left to decide about this run."), "note")
        return redirect(f"/runs/{run_id}", 303)
    words = Words(chosen_locale())
    return confirm(
        title=_("Approve run %(id)s, and this reason from now on?", id=run_id),
        lead=_(
            "What this run holds is applied, and later files of %(name)s pass for the same reason.",
            name=row.name,
        ),
        points=[
            *(words.held(code) for code in codes),
            _("It passes as far as in this file and a tenth beyond, never without bound; each run says so."),
            _("You can take it back at any time."),
        ],
        action=f"/runs/{run_id}/always",
        submit=_("Approve, now and from now on"),
        back=f"/runs/{run_id}",
        is_danger=True,
    )


@routes.post("/runs/<int:run_id>/always")
def always(run_id: int) -> Response:
    _held(run_id)
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            allow(db, g.merchant_id, run_id, actor=g.account.email, now=rt.now())
    except NotPossible:
        flash(
            gettext("This reason is asked about every time: the run can be approved, but not for good."),
            "note",
        )
        return redirect(f"/runs/{run_id}", 303)
    return runs.act(run_id, "approve")


def _held(run_id: int) -> tuple[Any, list[str]]:
    row = runs.of_merchant(run_id)
    holds = (row.shape or {}).get("holds", []) if row.status == "held" else []
    return row, can_allow(holds)


def _source(db: sa.Connection, source_id: int) -> Any:
    found = db.execute(
        sa.text("select id, name, connection_id from source where merchant_id = :m and id = :s"),
        {"m": g.merchant_id, "s": source_id},
    ).one_or_none()
    if found is None:
        abort(404)
    return found
