"""The locations of a store: which Dispo writes, which sources feed each, and what another choice would do."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.delivery import locations
from connector.delivery.locations import LocationsRefused, Plan, Present, Preview
from connector.ports.errors import PortError
from connector.ports.stores import Location
from connector.web.pages.overview import kept
from connector.web.view import flash, gettext, page, reading, runtime

routes = Blueprint("locations", __name__)

NONE = "-"
"""In a form: the source feeds none of this store's locations."""
_WEEK_S = 7 * 86_400


def _row(connection_id: int) -> tuple[ConnectionRow, Present]:
    """The store of this merchant and how it is fed; 404 for everything else, and for a store with one stock."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
        if row.kind != "store" or row.status == "ended":
            abort(404)
        now = locations.present(db, g.merchant_id, connection_id)
    if not now.feeds.places:
        abort(404)
    return row, now


def summary(db: sa.Connection, row: ConnectionRow) -> Present | None:
    """For the store's own page; None for what has no locations. Asks the store nothing."""
    if row.kind != "store":
        return None
    now = locations.present(db, g.merchant_id, row.id)
    return now if now.feeds.places else None


@routes.get("/connections/<int:connection_id>/locations")
def index(connection_id: int) -> Response:
    row, now = _row(connection_id)
    return _page(row, now)


@routes.post("/connections/<int:connection_id>/locations")
def look(connection_id: int) -> Response:
    """Show what a choice would do. Nothing is kept."""
    return _choose(connection_id, keeps=False)


@routes.post("/connections/<int:connection_id>/locations/keep")
def keep(connection_id: int) -> Response:
    return _choose(connection_id, keeps=True)


def _choose(connection_id: int, *, keeps: bool) -> Response:
    row, now = _row(connection_id)
    rt = runtime()
    try:
        known = rt.store(g.merchant_id, row.id).locations()
        wanted = locations.plan(now, known, _written(), _pairs(now))
        if not keeps:
            with reading() as db:
                seen = locations.preview(db, g.merchant_id, row.id, now, wanted)
            return _page(row, now, known=known, seen=seen, wanted=wanted)
        with transaction(rt.engine) as db:
            locations.keep(
                db,
                g.merchant_id,
                row.id,
                wanted,
                leaves_numbers=request.form.get("leaves") == "yes",
                actor=g.account.email,
                now=rt.now(),
            )
            # Every product of the store is decided again, by a worker.
            schedule.ensure(db, g.merchant_id, "positions.all", 0, _WEEK_S)
            schedule.run_now(db, g.merchant_id, "positions.all", 0)
    except LocationsRefused as refused:
        return _page(row, now, refused=refused, status=422)
    except PortError as error:
        return _page(row, now, trouble=error, status=422)
    kept().forget(g.merchant_id)
    flash(gettext("Kept. The locations of %(name)s are read now, and their numbers follow.", name=row.name))
    return redirect(f"/connections/{connection_id}/locations", 303)


def _written() -> list[str]:
    """The ticked locations, the default one first."""
    ticked = [one[:200] for one in request.form.getlist("written")]
    default = request.form.get("default", "")[:200]
    return [one for one in ticked if one == default] + [one for one in ticked if one != default]


def _pairs(now: Present) -> list[tuple[int, str | None]]:
    """What the form says of each source; a source it does not name keeps to the default."""
    pairs: list[tuple[int, str | None]] = []
    for source_id in now.sources:
        for target in request.form.getlist(f"source-{source_id}"):
            if target:
                pairs.append((source_id, None if target == NONE else target[:200]))
    return pairs


def _page(
    row: ConnectionRow,
    now: Present,
    *,
    known: Sequence[Location] | None = None,
    seen: Preview | None = None,
    wanted: Plan | None = None,
    refused: LocationsRefused | None = None,
    trouble: PortError | None = None,
    status: int = 200,
) -> Response:
    if known is None and trouble is None:
        try:
            known = runtime().store(g.merchant_id, row.id).locations()
        except PortError as error:
            trouble = error
    shown = list(known or ())
    # A written location that the store does not show any more is still there to be given up.
    missing = [
        Location(place, now.names.get(place, place), writable=False)
        for place in now.feeds.places
        if place not in {one.location_id for one in shown}
    ]
    is_asked = request.method == "POST"
    feeds = wanted.feeds if wanted else now.feeds
    return page(
        "locations",
        status,
        row=row,
        now=now,
        places=[*shown, *missing],
        gone={one.location_id for one in missing} if known is not None else set(),
        written=set(_written()) if is_asked else set(now.feeds.places),
        default=request.form.get("default", "") if is_asked else feeds.places[0],
        targets=_targets(now, is_asked=is_asked),
        seen=seen,
        wanted=wanted,
        none=NONE,
        refused=refused,
        trouble=trouble,
    )


def _targets(now: Present, *, is_asked: bool) -> dict[int, str]:
    """Which choice of each source's list is the chosen one."""
    if is_asked:
        return {one: request.form.get(f"source-{one}", "") for one in now.sources}
    found = {}
    for source_id in now.sources:
        place = now.feeds.place_of(source_id)
        found[source_id] = NONE if place is None or source_id in now.feeds.counted_there else place
    return found
