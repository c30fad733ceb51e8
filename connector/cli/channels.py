"""dispo channel …: a merchant's own way to reach shoppers."""

from __future__ import annotations

import click

from connector.accounts.connections import add_connection
from connector.cli.frame import (
    ask_secret,
    emit,
    json_option,
    merchant_id,
    merchant_option,
    open_runtime,
    secret_files,
    settings_of,
    show_connections,
)
from connector.db import transaction
from connector.registry import ADAPTERS, manifest


@click.group()
def channel() -> None:
    """How messages leave. Without one, the installation's own mail (DISPO_SMTP_*) is used."""


@channel.command("connect")
@click.argument("adapter", type=click.Choice(sorted(ADAPTERS["channels"])))
@click.option("--name", help="How you call it.")
@click.option("--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="As host=smtp.shop.example.")
@click.option(
    "--secret-file", "files", multiple=True, metavar="FIELD=PATH", help="As dkim_private_key=key.pem."
)
@merchant_option
@json_option
def connect(
    adapter: str,
    name: str | None,
    pairs: tuple[str, ...],
    files: tuple[str, ...],
    merchant: int | None,
    as_json: bool,
) -> None:
    """Connect a way to reach people: signs in and checks its keys without sending anything."""
    found = manifest("channels", adapter)
    config = settings_of(pairs, found.fields)
    given = secret_files(files, found.fields)
    # What nobody gives out but we ourselves is made, unless the merchant brings one along.
    made = found.new_secrets() if found.new_secrets else {}
    secrets = {
        field.name: ask_secret(field, given) or made.get(field.name, "")
        for field in found.fields
        if field.is_secret
    }
    kept = {key: value for key, value in secrets.items() if value}
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        says = found.build(config, kept, rt.environment).check()
        mailbox = found.report_mailbox(config, kept, rt.environment) if found.report_mailbox else None
        if mailbox is not None:
            says = f"{says} {mailbox.check()}"
        with transaction(rt.engine) as db:
            connection_id = add_connection(
                db,
                rt.keyring,
                owner,
                kind="channel",
                adapter=adapter,
                name=name or config.get("host", adapter),
                config=config,
                secrets=kept,
                now=rt.now(),
            )
    emit({"connection_id": connection_id, "says": says}, as_json, f"Connected. {says}")


@channel.command("list")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """The connected channels."""
    show_connections("channel", merchant, as_json, "None: the installation's own mail is used.")


COMMANDS = (channel,)
