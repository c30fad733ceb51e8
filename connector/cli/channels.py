"""dispo channel …: a merchant's own way to reach shoppers."""

from __future__ import annotations

import click

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
from connector.registry import ADAPTERS, manifest
from connector.shoppers import channels


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
    secrets = {field.name: ask_secret(field, given) for field in found.fields if field.is_secret}
    with open_runtime() as rt:
        called = name or str(config.get("host", adapter))
        owner = merchant_id(rt, merchant)
        connection_id, says = channels.connect(rt, owner, adapter, called, config, secrets, "command line")
    emit({"connection_id": connection_id, "says": says}, as_json, f"Connected. {says}")


@channel.command("list")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """The connected channels."""
    show_connections("channel", merchant, as_json, "None: the installation's own mail is used.")


COMMANDS = (channel,)
