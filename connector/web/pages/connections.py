"""Connections: how each is doing, the switches, the first approval, and freezing everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import PAUSED_BY_PERSON, ConnectionRow, connection, pause, resume
from connector.advertising.switches import set_frozen, stop_account
from connector.db import transaction
from connector.delivery import approval, grants, notes, scripts
from connector.delivery.live import counted
from connector.delivery.subscribe import mended
from connector.installs import leave
from connector.intake import uploads
from connector.outbox.upkeep import pending_counts, wake
from connector.placement.facts import RuleRow, moved, rule_of
from connector.ports.errors import Misconfigured
from connector.positions.decide import enqueue_store
from connector.positions.kept import records
from connector.registry import manifest
from connector.search.connect import disconnect as disconnect_site
from connector.web.embedded_actions import own_client_id
from connector.web.pages import search
from connector.web.pages.file_places import access_of
from connector.web.pages.locations import summary
from connector.web.pages.overview import kept
from connector.web.pages.stores import may_renew
from connector.web.queries import connections
from connector.web.view import confirm, csv_file, flash, gettext, page, reading, runtime, stream

routes = Blueprint("connections", __name__)

READ_NOW: Mapping[str, tuple[str, ...]] = {
    "store": ("store.catalog", "store.orders", "store.incoming"),
    "supplier": ("supplier.sync", "supplier.upload"),
    "ads": ("ads.read",),
    "search": ("search.look",),
}
SAMPLES = 20


@routes.get("/connections")
def index() -> Response:
    with reading() as db:
        now = runtime().now()
        rows = kept().get(g.merchant_id, "health", lambda: connections.health(db, g.merchant_id, now))
        turns = pending_counts(db, g.merchant_id)
        left_in = scripts.left_in(db, g.merchant_id, now)
    names = {one.row.id: one.row.name for one in rows}
    return page("connections", rows=rows, turns=turns, names=names, left_in=left_in)


@routes.get("/connections.csv")
def export() -> Response:
    return csv_file(
        "connections.csv",
        (
            "id",
            "kind",
            "adapter",
            "name",
            "status",
            "reason",
            "writing_approved_at",
            "writing_stopped",
            "created_at",
        ),
        stream(connections.EXPORT, {"m": g.merchant_id}),
    )


def _row(connection_id: int) -> ConnectionRow:
    """The connection of this merchant; 404 for everybody else."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.status == "ended":
        abort(404)
    return row


@routes.get("/connections/<int:connection_id>")
def one(connection_id: int) -> Response:
    row = _row(connection_id)
    with reading() as db:
        found = next(
            health
            for health in connections.health(db, g.merchant_id, runtime().now(), row.kind)
            if health.row.id == connection_id
        )
        is_new_store = row.kind == "store" and row.writing_approved_at is None
        return page(
            "connection",
            one=found,
            may_renew=may_renew(row),
            features=grants.features(row, own_client_id(row.adapter)) if row.kind == "store" else [],
            places=_places(db, row),
            locations=summary(db, row),
            record=next(iter(records(db, g.merchant_id, connection_id)), None),
            feed_access=access_of(db, row),
            webhooks_mended=mended(db, g.merchant_id, connection_id) if row.kind == "store" else None,
            script=scripts.script_state(db, row),
            consents=scripts.CONSENTS,
            notes=notes.notes_state(db, row),
            note_modes=notes.MODES,
            settings=_settings(row),
            live=counted(db, g.merchant_id, found.source_id, runtime().now()) if found.source_id else None,
            most_mb=uploads.MOST_BYTES // 1_000_000,
            schedules=connections.schedules(db, g.merchant_id, connection_id, found.source_id),
            reconciliations=connections.reconciliations(db, g.merchant_id, connection_id),
            difference={
                "counts": approval.difference(db, g.merchant_id, connection_id),
                "samples": approval.samples(db, g.merchant_id, connection_id, SAMPLES),
            }
            if is_new_store
            else None,
        )


def _places(db: sa.Connection, row: ConnectionRow) -> tuple[RuleRow | None, dict[str, int]] | None:
    """The rule of a store's lists and how many products it moved; None for what is no store."""
    if row.kind != "store":
        return None
    return rule_of(db, g.merchant_id, row.id), moved(db, g.merchant_id, row.id, 0)[0]


def _settings(row: ConnectionRow) -> list[tuple[str, str]]:
    """The settings that are no secrets, with their labels."""
    try:
        fields = manifest(row.port, row.adapter).fields
    except Misconfigured:
        return []
    return [
        # A long list breaks between its words.
        (field.label, str(row.config[field.name]).replace(",", ", "))
        for field in fields
        if not field.is_secret and row.config.get(field.name) not in (None, "")
    ]


@routes.get("/connections/<int:connection_id>/<any(pause, stop, approve):what>")
def ask(connection_id: int, what: str) -> Response:
    row = _row(connection_id)
    if (what == "approve" and row.kind != "store") or (what == "stop" and row.kind not in ("store", "ads")):
        abort(404)
    _ = gettext
    here = f"/connections/{connection_id}"
    if what == "approve":
        return _ask_approval(row, here)
    if what == "pause":
        title = _("Pause %(name)s?", name=row.name)
        lead = _("Nothing is read from it or written to it until you resume it.")
        points = [_("Numbers in your stores stay as they are."), _("What waits for it is kept.")]
    elif row.kind == "ads":
        title = _("Stop changing ads of %(name)s?", name=row.name)
        lead = _("Ads stay as they are now: those that are paused stay paused.")
        points = [_("You can go on at any time.")]
    else:
        title = _("Stop writing to %(name)s?", name=row.name)
        lead = _("Its numbers and badges stay as they are now.")
        points = [_("It is still read, so nothing is missed."), _("You can go on at any time.")]
    return confirm(
        title=title,
        lead=lead,
        points=points,
        action=f"{here}/{what}",
        submit=_("Pause") if what == "pause" else _("Stop"),
        back=here,
        is_danger=True,
    )


def _ask_approval(row: ConnectionRow, here: str) -> Response:
    _ = gettext
    with reading() as db:
        found = approval.difference(db, g.merchant_id, row.id)
    counted = (
        (found.to_zero, _("%(count)s go to zero: they sell but are out.", count=found.to_zero)),
        (found.down, _("%(count)s show fewer.", count=found.down)),
        (found.back, _("%(count)s come back.", count=found.back)),
        (found.up, _("%(count)s show more.", count=found.up)),
    )
    points = [said for count, said in counted if count]
    return confirm(
        title=_("Let Dispo write to %(name)s?", name=row.name),
        lead=_("%(count)s numbers in your store change now, and from then on they follow your stock.",
               count=found.total),
        points=[*points, _("You can stop writing at any time.")],
        action=f"{here}/approve",
        submit=_("Approve and write"),
        back=here,
    )  # fmt: skip


@routes.post("/connections/<int:connection_id>/<any(pause, resume, stop, approve):what>")
@routes.post("/connections/<int:connection_id>/<any('go-on', read):what>")
def act(connection_id: int, what: str) -> Response:
    row = _row(connection_id)
    rt, actor, now = runtime(), g.account.email, runtime().now()
    _ = gettext
    with transaction(rt.engine) as db:
        if what == "approve":
            if row.kind != "store":
                abort(404)
            count = approval.approve(db, g.merchant_id, connection_id, actor=actor, now=now)
            said = _("Approved: %(count)s changes are on their way.", count=count)
        elif what in ("stop", "go-on"):
            said = _switch(db, row, is_stopped=what == "stop")
        elif what == "read":
            said = _read_now(db, row)
        else:
            said = _pause_or_resume(db, row, what)
            record(db, g.merchant_id, now, actor, f"connection.{what}", f"connection {connection_id}")
    kept().forget(g.merchant_id)
    flash(said)
    return redirect(f"/connections/{connection_id}", 303)


def _switch(db: sa.Connection, row: ConnectionRow, *, is_stopped: bool) -> str:
    given: dict[str, Any] = {"is_stopped": is_stopped, "actor": g.account.email, "now": runtime().now()}
    if row.kind == "store":
        approval.stop_writing(db, g.merchant_id, row.id, **given)
    elif row.kind == "ads":
        stop_account(db, g.merchant_id, row.id, **given)
    else:
        abort(404)
    if is_stopped:
        return gettext("Stopped. Nothing is changed at %(name)s any more.", name=row.name)
    return gettext("Dispo goes on with %(name)s.", name=row.name)


def _pause_or_resume(db: sa.Connection, row: ConnectionRow, what: str) -> str:
    if what == "pause":
        pause(db, g.merchant_id, row.id, PAUSED_BY_PERSON)
        return gettext("%(name)s is paused.", name=row.name)
    resume(db, g.merchant_id, row.id)
    wake(db, g.merchant_id, row.id)
    if row.kind == "store":
        enqueue_store(db, g.merchant_id, row.id)
    return gettext("%(name)s works again.", name=row.name)


def _read_now(db: sa.Connection, row: ConnectionRow) -> str:
    subject = row.id
    if row.kind == "supplier":
        found = db.execute(
            sa.text("select id from source where merchant_id = :m and connection_id = :c"),
            {"m": g.merchant_id, "c": row.id},
        ).scalar()
        subject = int(found or 0)
    asked = [schedule.run_now(db, g.merchant_id, kind, subject) for kind in READ_NOW.get(row.kind, ())]
    if any(asked):
        return gettext("%(name)s is read in a moment.", name=row.name)
    return gettext("There is nothing to read at %(name)s.", name=row.name)


@routes.get("/connections/<int:connection_id>/disconnect")
def ask_disconnect(connection_id: int) -> Response:
    row = _row(connection_id)
    if row.kind == "search":
        return search.ask_disconnect(row.id, row.name)
    if row.kind != "store":
        abort(404)
    with reading() as db:
        found = leave.remains(db, g.merchant_id, connection_id)
    _ = gettext
    points = [_("Items under management keep the numbers they show now: %(count)s.", count=found.managed)]
    if found.ads_paused:
        points.append(_("Ads that Dispo paused run again: %(count)s.", count=found.ads_paused))
    if found.products_moved:
        points.append(
            _(
                "Sold-out products go back to their place in your lists: %(count)s.",
                count=found.products_moved,
            )
        )
    if found.shoppers_waiting:
        points.append(_("Shoppers who still wait are told nothing: %(count)s.", count=found.shoppers_waiting))
    if found.script_in:
        names = ", ".join(found.script_in)
        points.append(_("Badge and form are taken out of its pages: %(names)s.", names=names))
    elif not scripts.has_scripts(row.adapter):
        points.append(
            _("Badges and the form stay on its pages until you remove the app or the plugin there.")
        )
    here = f"/connections/{connection_id}"
    return confirm(
        title=_("Disconnect %(name)s?", name=row.name),
        lead=_("It is neither read nor written any more. To come back you connect it anew."),
        points=points,
        action=f"{here}/disconnect",
        submit=_("Disconnect"),
        back=here,
        is_danger=True,
    )


@routes.post("/connections/<int:connection_id>/disconnect")
def disconnect(connection_id: int) -> Response:
    row = _row(connection_id)
    rt = runtime()
    with transaction(rt.engine) as db:
        given: dict[str, Any] = {"actor": g.account.email, "now": rt.now()}
        end = disconnect_site if row.kind == "search" else leave.disconnect
        if not end(db, g.merchant_id, connection_id, **given):
            abort(404)
    kept().forget(g.merchant_id)
    flash(gettext("%(name)s is disconnected.", name=row.name))
    return redirect("/connections", 303)


@routes.get("/connections/<any(freeze, unfreeze):what>")
def ask_freeze(what: str) -> Response:
    _ = gettext
    if what == "freeze":
        return confirm(
            title=_("Freeze everything?"),
            lead=_("Use it when numbers look wrong and you do not know why yet."),
            points=[
                _("Nothing is written to any store: numbers stay as they are."),
                _("No message about stock is sent; everybody keeps their place."),
                _("No ad is paused or resumed."),
                _("Suppliers and stores are still read, so you can look for the cause."),
            ],
            action="/connections/freeze",
            submit=_("Freeze everything"),
            back="/connections",
            is_danger=True,
        )
    return confirm(
        title=_("Go on?"),
        lead=_("Stores, messages and ads follow your stock again from now on."),
        points=[_("What should have changed meanwhile is changed now, to the numbers of this moment.")],
        action="/connections/unfreeze",
        submit=_("Go on"),
        back="/connections",
    )


@routes.post("/connections/<any(freeze, unfreeze):what>")
def freeze(what: str) -> Response:
    rt = runtime()
    with transaction(rt.engine) as db:
        set_frozen(db, g.merchant_id, is_frozen=what == "freeze", actor=g.account.email, now=rt.now())
    kept().forget(g.merchant_id)
    if what == "unfreeze":
        flash(gettext("Everything goes on."))
    return redirect("/", 303)
