"""dispo supplier push-token, dispo supplier accept-key: how suppliers get in to us, and we to them."""

from __future__ import annotations

import click
import sqlalchemy as sa

from connector.accounts.connections import connection
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime
from connector.db import transaction
from connector.intake import pins, push

_ACTOR = "cli"


def _connection_of(db: sa.Connection, owner: int, supplier_id: int) -> int:
    found = db.execute(
        sa.text("select connection_id from source where merchant_id = :m and id = :s"),
        {"m": owner, "s": supplier_id},
    ).scalar_one_or_none()
    if found is None:
        raise click.ClickException(f"There is no supplier {supplier_id}. See: dispo supplier list")
    return int(found)


@click.command("push-token")
@click.argument("supplier_id", type=int)
@merchant_option
@json_option
def push_token(supplier_id: int, merchant: int | None, as_json: bool) -> None:
    """Make a token with which the supplier may send files; an earlier one ends. It is shown this once."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            row = connection(db, owner, _connection_of(db, owner, supplier_id))
            token = push.issue(db, owner, row.id, actor=_ACTOR, now=rt.now())
        address = f"{rt.base_url}/feeds/{row.public_key}/"
    emit(
        {"address": address, "token": token},
        as_json,
        f"Address: {address}\nToken:   {token}\n"
        f'As in:   curl -T stock.csv -H "Authorization: Bearer {token}" {address}',
    )


@click.command("accept-key")
@click.argument("supplier_id", type=int)
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@merchant_option
@json_option
def accept_key(supplier_id: int, is_sure: bool, merchant: int | None, as_json: bool) -> None:
    """Accept the new key that the supplier's server showed in the last run."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            connection_id = _connection_of(db, owner, supplier_id)
            waiting = pins.alarm(db, owner, connection_id)
        if waiting is None:
            raise click.ClickException(f"No new key waits at supplier {supplier_id}.")
        if not is_sure:
            click.echo(f"Before: {waiting.pinned}\nNow:    {waiting.presented}", err=True)
            click.confirm("Did the supplier say that the key was renewed?", abort=True, err=True)
        with transaction(rt.engine) as db:
            done = pins.accept(db, owner, connection_id, waiting.presented, actor=_ACTOR, now=rt.now())
    if not done:
        raise click.ClickException("The server showed yet another key since: look at it again.")
    emit({"host_key": waiting.presented}, as_json, f"Accepted. It is read at once: {waiting.presented}")
