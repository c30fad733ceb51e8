"""Past files: the file of a run as it came, what it would do today, and reading it again; and what a supplier's
next file would do before it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.db import transaction
from connector.intake import archive, replay
from connector.intake.preview import Preview, preview
from connector.intake.records import Outcome
from connector.intake.runtime import NotPossible, SourceBusy
from connector.intake.uploads import safe_name
from connector.ports.errors import FileFault, PortError
from connector.web.pages.overview import kept
from connector.web.view import flash, gettext, page, reading, runtime
from connector.web.work import briefly

routes = Blueprint("replay", __name__)

LOOK_S = 25.0
"""A person waits so long for a dry run; a larger file is tried on the command line."""


@routes.get("/runs/<int:run_id>/file")
def file(run_id: int) -> Response:
    """The file of a run, byte for byte; noted in the log."""
    rt = runtime()
    with reading() as db:
        row = db.execute(
            sa.text("select feed_path, file_name, size_bytes from run where merchant_id = :m and id = :r"),
            {"m": g.merchant_id, "r": run_id},
        ).one_or_none()
    if row is None:
        abort(404)
    if not archive.is_kept(rt.data_dir, row.feed_path):
        flash(gettext("The file of this run is not kept any more."), "note")
        return redirect(f"/runs/{run_id}", 303)
    with transaction(rt.engine) as db:
        record(db, g.merchant_id, rt.now(), g.account.email, "run.file", f"run {run_id}")
    answer = Response(
        archive.pieces(rt.data_dir, row.feed_path),
        content_type="application/octet-stream",
        headers={"Content-Length": str(row.size_bytes)},
    )
    answer.headers.set("Content-Disposition", "attachment", filename=safe_name(row.file_name))
    return answer


@routes.get("/runs/<int:run_id>/replay")
def ask(run_id: int) -> Response:
    return page("dry_run", found=_found(run_id), source=None, load=f"/runs/{run_id}/replay/effect")


@routes.get("/runs/<int:run_id>/replay/effect")
def effect(run_id: int) -> Response:
    _found(run_id)
    return _looked(lambda: replay.look(runtime(), g.merchant_id, run_id, deadline_s=LOOK_S))


@routes.post("/runs/<int:run_id>/replay")
def act(run_id: int) -> Response:
    found, rt, merchant_id = _found(run_id), runtime(), g.merchant_id
    outcomes: list[Outcome] = []

    def work() -> None:
        outcomes.append(
            replay.replay(
                rt,
                merchant_id,
                run_id,
                is_older_meant="older" in request_form,
                is_refused_meant="after_all" in request_form,
            )
        )

    request_form = set(request.form)
    here = f"/runs/{run_id}/replay"
    try:
        is_done = briefly(work)
    except NotPossible:
        flash(gettext("Please tick what you mean first: nothing was changed."), "note")
        return redirect(here, 303)
    except SourceBusy:
        flash(gettext("This supplier is being read just now. Please try again in a moment."), "note")
        return redirect(here, 303)
    except FileFault:
        flash(gettext("The file of this run cannot be read any more; nothing was changed."), "bad")
        return redirect(f"/runs/{run_id}", 303)
    with transaction(rt.engine) as db:
        record(db, merchant_id, rt.now(), g.account.email, "run.replay", f"run {run_id}")
    kept().forget(merchant_id)
    if not is_done:
        flash(gettext("It is being done; this page shows how far it is."), "note")
        return redirect(f"/runs?source={found.source_id}", 303)
    return redirect(f"/runs/{outcomes[0].run_id}", 303)


@routes.get("/connections/<int:connection_id>/dry-run")
def dry_run(connection_id: int) -> Response:
    source = _source(connection_id)
    load = "" if source.comes_by_itself else f"/connections/{connection_id}/dry-run/effect"
    return page("dry_run", found=None, source=source, load=load)


@routes.get("/connections/<int:connection_id>/dry-run/effect")
def dry_effect(connection_id: int) -> Response:
    source_id = _source(connection_id).id
    return _looked(lambda: preview(runtime(), g.merchant_id, source_id, dry_run=True, deadline_s=LOOK_S))


def _found(run_id: int) -> replay.Kept:
    try:
        return replay.kept(runtime(), g.merchant_id, run_id)
    except LookupError:
        abort(404)


def _source(connection_id: int) -> Any:
    with reading() as db:
        row = db.execute(
            sa.text("""
                select s.id, s.name, s.connection_id,
                       (c.config ? 'by_hand' or coalesce(c.config ->> 'place', '') = 'push') as comes_by_itself
                  from source s join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
                 where s.merchant_id = :m and s.connection_id = :c
            """),
            {"m": g.merchant_id, "c": connection_id},
        ).one_or_none()
    if row is None:
        abort(404)
    return row


def _looked(look: Callable[[], Preview]) -> Response:
    """The part of the page that says what would change, or why that cannot be said."""
    try:
        seen = look()
    except SourceBusy:
        busy = gettext("This supplier is being read just now. Please try again in a moment.")
        return page("_effect", seen=None, code="", problem=busy)
    except PortError as error:
        code = error.code if isinstance(error, FileFault) else type(error).__name__
        return page("_effect", seen=None, code=code, problem=f"{error.cause} {error.remedy}")
    return page("_effect", seen=seen, code="", problem=seen.problem)
