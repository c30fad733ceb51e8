"""dispo privacy …: the legal requests that platforms passed on, and the day each is due."""

from __future__ import annotations

import json

import click

from connector.accounts import privacy
from connector.accounts.audit import record
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.installs.privacy import export as kept_about


@click.group("privacy")
def group() -> None:
    """Legal requests about shoppers' data: what is open, until when, and the data to hand over."""


@group.command("list")
@click.option("--all", "shows_done", is_flag=True, help="Also those that are done.")
@merchant_option
@json_option
def show(shows_done: bool, merchant: int | None, as_json: bool) -> None:
    """The requests, those that are due first first."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = privacy.requests(db, merchant_id(rt, merchant), is_open=not shows_done)
    emit(
        rows,
        as_json,
        lambda: table(
            ("id", "what", "reference", "status", "due", "outcome"),
            [(r.id, r.kind, r.reference, r.status, r.due_at.date().isoformat(), r.outcome) for r in rows],
            "No request is open.",
        ),
    )


@group.command("export")
@click.argument("request_id", type=int)
@merchant_option
def export(request_id: int, merchant: int | None) -> None:
    """What is kept about the person of a data request, as JSON, for the merchant to hand over."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            _ready(privacy.find(db, owner, request_id), request_id)
            kept = kept_about(db, privacy.addresses(db, rt.keyring, owner, request_id), owner)
            record(db, owner, rt.now(), "cli", "privacy.fetch", f"privacy request {request_id}")
    click.echo(json.dumps(kept, ensure_ascii=False, indent=2))


@group.command("done")
@click.argument("request_id", type=int)
@merchant_option
@json_option
def done(request_id: int, merchant: int | None, as_json: bool) -> None:
    """The data was handed over: the request ends, and the person's address leaves with it."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            _ready(privacy.find(db, owner, request_id, for_update=True), request_id)
            said = "The merchant handed the data over."
            privacy.done(db, owner, request_id, outcome=said, actor="cli", now=rt.now())
    emit({"done": request_id}, as_json, f"Request {request_id} is done.")


def _ready(request: privacy.Request | None, request_id: int) -> None:
    if request is None:
        raise click.ClickException(f"There is no request {request_id}. See: dispo privacy list --all")
    if request.kind != "export" or request.status != "ready":
        raise click.ClickException(f"Request {request_id} has nothing to hand over: it is {request.status}.")


COMMANDS = (group,)
