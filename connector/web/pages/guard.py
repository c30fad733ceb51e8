"""What makes a supplier's file wait: what is usual at this supplier, and what is let pass for good."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector import i18n
from connector.db import transaction
from connector.intake import item_bands
from connector.intake.allowing import allow, allowed_at, can_allow, limits_at, revoke
from connector.intake.runtime import NotPossible
from connector.web.pages import runs
from connector.web.view import chosen_locale, confirm, flash, gettext, ngettext, page, reading, runtime
from connector.web.words import Words

routes = Blueprint("guard", __name__)

SHOWN = 50


@routes.get("/suppliers/<int:source_id>/guard")
def usual(source_id: int) -> Response:
    """The limits that the next file is held against."""
    rt = runtime()
    with reading() as db:
        source = _source(db, source_id)
        limits, rows = limits_at(db, g.merchant_id, source_id, rt.now())
        allowed = allowed_at(db, g.merchant_id, source_id)
        after = request.args.get("after", "")[:255]
        bands = item_bands.bands_at(db, g.merchant_id, source_id, after=after, limit=SHOWN + 1)
    return page(
        "guard",
        source=source,
        limits=limits,
        rows=rows,
        allowed=allowed,
        bands=bands[:SHOWN],
        next_after=bands[SHOWN - 1].item_key if len(bands) > SHOWN else "",
    )


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


@routes.post("/suppliers/<int:source_id>/guard/items/revoke")
def take_back_item(source_id: int) -> Response:
    """Ask about the jumps of one item again."""
    rt, item = runtime(), request.form.get("item", "")[:255]
    with transaction(rt.engine) as db:
        _source(db, source_id)
        done = item_bands.take_back(db, g.merchant_id, source_id, item, actor=g.account.email, now=rt.now())
    flash(
        gettext("You are asked about it again.") if done else gettext("It was not let pass any more."), "note"
    )
    return redirect(f"/suppliers/{source_id}/guard#items", 303)


@routes.post("/runs/<int:run_id>/rows/always")
def rows_always(run_id: int) -> Response:
    """Approve held rows and let their items jump so far from now on: asked first, each item by its name."""
    row = runs.of_merchant(run_id)
    _ = gettext
    rt, here = runtime(), f"/runs/{run_id}#held"
    chosen = runs.chosen_rows(run_id)
    with reading() as db:
        bands, others = item_bands.proposed(db, g.merchant_id, run_id, chosen)
    if not bands:
        flash(_("None of these rows is a jump from one quantity to another: approve them once."), "note")
        return redirect(here, 303)
    if len(bands) > item_bands.MOST_AT_ONCE:
        many = _(
            "At most %(count)s items at once: look at fewer, and tick them.", count=item_bands.MOST_AT_ONCE
        )
        flash(many, "note")
        return redirect(here, 303)
    if not request.form.get("sure"):
        locale = chosen_locale()
        points = [
            _(
                "%(item)s: anywhere between %(low)s and %(high)s",
                item=one.item_key,
                low=i18n.number(one.low, locale),
                high=i18n.number(one.high, locale),
            )
            for one in bands.values()
        ]
        if others:
            points.append(
                ngettext(
                    "%(num)s other ticked row is no jump between two quantities and goes on waiting.",
                    "%(num)s other ticked rows are no jump between two quantities and go on waiting.",
                    others,
                )
            )
        return confirm(
            title=_("Approve these rows, and let these items jump from now on?"),
            lead=_(
                "In later files of %(name)s these items pass without asking while they stay between these quantities."
                " Everything else is watched as before.",
                name=row.name,
            ),
            points=points,
            action=f"/runs/{run_id}/rows/always",
            submit=_("Approve, now and from now on"),
            back=here,
            is_danger=True,
            hidden=[("sure", "1"), *(("row", str(one)) for one in bands)],
        )
    with transaction(rt.engine) as db:
        item_bands.give(db, g.merchant_id, run_id, list(bands), actor=g.account.email, now=rt.now())
    return runs.answer(run_id, "approve", list(bands), here)


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
