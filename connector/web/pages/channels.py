"""The ways to reach shoppers: connected with a form of what each asks for, tried out, changed, paused and removed; and
the addresses that must not be written to. Secrets that somebody types are never shown again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.accounts.connections import (
    PAUSED_BY_PERSON,
    ConnectionRow,
    connection,
    connections,
    pause,
)
from connector.db import transaction
from connector.outbox.upkeep import pending_counts
from connector.ports.channels import OutgoingEvent, OutgoingMessage, OutgoingText
from connector.ports.errors import Misconfigured, PortError
from connector.registry import ADAPTERS, Field, Manifest, manifest
from connector.shoppers import addresses, channels
from connector.shoppers.media import ADAPTERS as BY_MEDIUM
from connector.shoppers.reports import report_url
from connector.web.channel_words import channel_words
from connector.web.pages.overview import kept
from connector.web.view import confirm, flash, gettext, page, reading, runtime

routes = Blueprint("channels", __name__)

LONGEST, LONGEST_KEY, LONGEST_NAME = 2_000, 20_000, 80
_REASONS = ("asked", "stopped", "complaint", "refused")


def _manifest(name: str) -> Manifest:
    if name not in ADAPTERS["channels"]:
        abort(404)
    return manifest("channels", name)


def _row(connection_id: int) -> ConnectionRow:
    """The channel of this merchant; 404 for everybody else and for what is none."""
    with reading() as db:
        row = connection(db, g.merchant_id, connection_id)
    if row.kind != "channel" or row.status == "ended":
        abort(404)
    return row


@routes.get("/channels")
def index() -> Response:
    with reading() as db:
        rows = connections(db, g.merchant_id, "channel")
        waiting = {
            turn.connection_id: turn.pending + turn.claimed
            for turn in pending_counts(db, g.merchant_id)
            if turn.topic.startswith("message.")
        }
        last_use = {
            row.connection_id: row.at
            for row in db.execute(
                sa.text("""
                    select connection_id, max(served_at) as at from outbox_turn
                     where merchant_id = :m and topic like 'message.%' group by connection_id
                """),
                {"m": g.merchant_id},
            )
        }
    return page(
        "channels",
        media=[
            {
                "name": medium,
                "rows": [row for row in rows if row.adapter in names],
                "offers": [manifest("channels", name) for name in names],
            }
            for medium, names in BY_MEDIUM.items()
        ],
        titles={name: manifest("channels", name).title for name in ADAPTERS["channels"]},
        says=channel_words(gettext),
        waiting=waiting,
        last_use=last_use,
        has_own_mail=bool(runtime().settings.smtp_host),
    )


@routes.get("/channels/new/<adapter>")
def new(adapter: str) -> Response:
    return _form(_manifest(adapter), None, {}, {}, "", 200)


@routes.post("/channels/new/<adapter>")
def add(adapter: str) -> Response:
    """Sign in without sending anything, and keep it."""
    return _save(_manifest(adapter), None)


@routes.get("/channels/<int:connection_id>")
def one(connection_id: int) -> Response:
    row = _row(connection_id)
    found = _manifest(row.adapter)
    return page(
        "channel",
        row=row,
        found=found,
        words_of=channel_words(gettext),
        settings=[
            (field.label, row.config[field.name])
            for field in found.fields
            if not field.is_secret and row.config.get(field.name)
        ],
        report_url=report_url(runtime().base_url, row.public_key) if found.reports else "",
        is_reachable=urlsplit(runtime().base_url).scheme == "https",
    )


@routes.get("/channels/<int:connection_id>/edit")
def edit(connection_id: int) -> Response:
    row = _row(connection_id)
    values = {f"s-{name}": value for name, value in row.config.items()}
    return _form(_manifest(row.adapter), row, {"name": row.name, **values}, {}, "", 200)


@routes.post("/channels/<int:connection_id>/edit")
def change(connection_id: int) -> Response:
    row = _row(connection_id)
    return _save(_manifest(row.adapter), row)


def _save(of: Manifest, row: ConnectionRow | None) -> Response:
    _, rt = gettext, runtime()
    typed = {name: value.strip() for name, value in request.form.items()}
    name = typed.get("name", "")
    errors: dict[str, str] = {}
    if not name or len(name) > LONGEST_NAME:
        errors["name"] = _("Give it a name of up to %(most)s characters.", most=LONGEST_NAME)
    for field in of.fields:
        value = typed.get(f"s-{field.name}", "")
        is_kept = row is not None and field.is_secret
        if field.is_required and not value and not is_kept:
            errors[field.name] = _("This is needed.")
        elif len(value) > (LONGEST_KEY if field.is_long or field.is_secret else LONGEST):
            errors[field.name] = _("This is too long.")
    if errors:
        return _form(of, row, typed, errors, "", 422)
    given = {field.name: typed.get(f"s-{field.name}", "") for field in of.fields}
    hidden = {field.name for field in of.fields if field.is_secret}
    config = {key: value for key, value in given.items() if value and key not in hidden}
    secrets = {key: value for key, value in given.items() if value and key in hidden}
    actor = g.account.email
    try:
        if row is None:
            connection_id, _says = channels.connect(rt, g.merchant_id, of.name, name, config, secrets, actor)
        else:
            connection_id = row.id
            channels.change(rt, g.merchant_id, row.id, name, config, secrets, actor)
    except Misconfigured as error:
        said = f"{error.cause} {error.remedy}".strip()
        if error.field in given:
            return _form(of, row, typed, {error.field: said}, "", 422)
        return _form(of, row, typed, {}, said, 422)
    except PortError as error:
        return _form(of, row, typed, {}, f"{error.cause} {error.remedy}".strip(), 422)
    kept().forget(g.merchant_id)
    flash(_("%(name)s was checked and is kept. Nothing was sent.", name=name))
    return redirect(f"/channels/{connection_id}", 303)


def _form(
    of: Manifest, row: ConnectionRow | None, values: Any, errors: dict[str, str], refused: str, status: int
) -> Response:
    words = channel_words(gettext)
    shown = {field.name: _help(of, field, words) for field in of.fields}
    return page(
        "channel_form",
        status,
        found=of,
        row=row,
        words_of=words,
        helps=shown,
        values={"name": of.title, **values} if row is None else values,
        errors=errors,
        refused=refused,
        usual=[field for field in of.fields if not field.is_rare],
        rare=[field for field in of.fields if field.is_rare],
        opens=any(
            field.name in errors or values.get(f"s-{field.name}") for field in of.fields if field.is_rare
        ),
    )


def _help(of: Manifest, field: Field, words: Any) -> str:
    """The help of a field, with what it is at each of the places, where they differ."""
    said = [words.get(field.help, field.help)] if field.help else []
    said += [f"{of.places.get(at, at)}: {words.get(hint, hint)}" for at, hint in field.hints.items()]
    places = ", ".join(of.places[at] for at in field.places if at in of.places)
    return f"{places}: {' '.join(said)}" if places else " ".join(said)


@routes.get("/channels/<int:connection_id>/<any(pause, remove):what>")
def ask(connection_id: int, what: str) -> Response:
    row = _row(connection_id)
    _ = gettext
    here = f"/channels/{connection_id}"
    if what == "pause":
        title = _("Pause %(name)s?", name=row.name)
        lead = _("Nothing is sent by it until you resume it. What waits is kept.")
        points = [_("What the provider tells of messages that were sent is still taken.")]
    else:
        title = _("Remove %(name)s?", name=row.name)
        lead = _("Its keys are deleted here. To use it again you connect it anew.")
        points = [
            _(
                "What waits for it goes by another way of the same kind; without one it is not sent, and you see it."
            ),
            _("Take its address out of the provider's webhooks as well."),
        ]
        if row.adapter in BY_MEDIUM["push"]:
            points.append(_("Browsers that signed up cannot be reached any more, not even with a new one."))
    return confirm(
        title=title,
        lead=lead,
        points=points,
        action=f"{here}/{what}",
        submit=_("Pause") if what == "pause" else _("Remove"),
        back=here,
        is_danger=True,
    )


@routes.post("/channels/<int:connection_id>/<any(pause, resume, remove):what>")
def act(connection_id: int, what: str) -> Response:
    row = _row(connection_id)
    rt, actor, now, _ = runtime(), g.account.email, runtime().now(), gettext
    with transaction(rt.engine) as db:
        if what == "remove":
            channels.remove(db, g.merchant_id, connection_id, actor=actor, now=now)
            said = _("%(name)s is removed.", name=row.name)
        elif what == "pause":
            pause(db, g.merchant_id, connection_id, PAUSED_BY_PERSON)
            said = _("%(name)s is paused.", name=row.name)
        else:
            channels.resume(db, g.merchant_id, connection_id)
            said = _("%(name)s works again.", name=row.name)
        if what != "remove":
            record(db, g.merchant_id, now, actor, f"channel.{what}", f"connection {connection_id}")
    kept().forget(g.merchant_id)
    flash(said)
    return redirect("/channels" if what == "remove" else f"/channels/{connection_id}", 303)


@routes.post("/channels/<int:connection_id>/test")
def test(connection_id: int) -> Response:
    """Send a message to oneself: by mail and as an event to the address one signs in with, an SMS to a number."""
    row = _row(connection_id)
    rt, _ = runtime(), gettext
    try:
        message = _test_message(_manifest(row.adapter).medium or "")
        rt.channel(g.merchant_id, connection_id).send(message)
    except addresses.AddressInvalid:
        flash(_("This is no mobile number. Write it with the country, as +33 6 12 34 56 78."), "bad")
    except PortError as error:
        flash(_("The test was not sent: %(why)s", why=f"{error.cause} {error.remedy}".strip()), "bad")
    else:
        with transaction(rt.engine) as db:
            record(
                db, g.merchant_id, rt.now(), g.account.email, "channel.test", f"connection {connection_id}"
            )
        flash(_("The test is on its way. Look whether it arrives."))
    return redirect(f"/channels/{connection_id}", 303)


def _test_message(medium: str) -> Any:
    _, me = gettext, g.account
    host = urlsplit(runtime().base_url).hostname or "localhost"
    text = _("This is a test that you asked for in Dispo. Alerts to your shoppers go this way.")
    if medium == "email":
        subject = _("A test from Dispo")
        return OutgoingMessage(
            message_id=f"{uuid4().hex}@{host}",
            to=me.email,
            subject=subject,
            text=f"{text}\n",
            html=f"<!doctype html><title>{subject}</title><p>{text}</p>",
            from_name=me.merchant_name,
            language=me.locale or "en",
        )
    if medium == "sms":
        number = addresses.normalise_phone(request.form.get("to", "")[:40])
        return OutgoingText(f"{uuid4().hex}@{host}", number, text)
    if medium != "event":
        abort(404)
    return OutgoingEvent(str(uuid4()), "Dispo test", runtime().now(), email=me.email)


@routes.get("/channels/suppressed")
def suppressed() -> Response:
    return _suppressed("", 200)


def _suppressed(error: str, status: int) -> Response:
    with reading() as db:
        counts = {
            row.reason: row.many
            for row in db.execute(
                sa.text(
                    "select reason, count(*) as many from suppression where merchant_id = :m group by reason"
                ),
                {"m": g.merchant_id},
            )
        }
    return page("suppressed", status, reasons=_REASONS, counts=counts, error=error)


@routes.post("/channels/suppressed")
def lift() -> Response:
    """Let one address be written to again, which somebody has to know and type."""
    rt, _ = runtime(), gettext
    typed = request.form.get("address", "")[:320]
    try:
        key = addresses.normalise(typed)[1] if "@" in typed else addresses.normalise_phone(typed)
    except addresses.AddressInvalid:
        return _suppressed(
            _("This is neither an e-mail address nor a mobile number with its country (+33…)."), 422
        )
    with transaction(rt.engine) as db:
        lifted = addresses.lift(db, rt.keyring, g.merchant_id, key)
        if lifted:
            # Who it is belongs into no log.
            record(db, g.merchant_id, rt.now(), g.account.email, "suppression.lift", "one address")
    if not lifted:
        return _suppressed(_("This address is not on the list."), 404)
    flash(_("This address may be written to again. What had ended stays ended: they sign up anew."))
    return redirect("/channels/suppressed", 303)
