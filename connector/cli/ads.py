"""dispo ads …, dispo connection …: advertising accounts, and connections that were paused."""

from __future__ import annotations

import click
import sqlalchemy as sa

from connector.accounts import connections as accounts
from connector.accounts import schedule
from connector.advertising import pausing
from connector.advertising.links import read_account
from connector.bootstrap import Runtime
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
    table,
)
from connector.db import transaction
from connector.outbox.upkeep import wake
from connector.registry import ADAPTERS, manifest


@click.group()
def ads() -> None:
    """Ads that lead to product pages: paused when sold out, resumed when back."""


@ads.command("connect")
@click.argument("adapter", type=click.Choice(sorted(ADAPTERS["ads"])))
@click.option("--name", help="How you call the account.")
@click.option("--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="As customer_id=1234567890.")
@click.option("--secret-file", "files", multiple=True, metavar="FIELD=PATH")
@click.option(
    "--dry-run/--live", default=True, show_default=True, help="Begin by only noting what would be done."
)
@merchant_option
@json_option
def connect(
    adapter: str,
    name: str | None,
    pairs: tuple[str, ...],
    files: tuple[str, ...],
    dry_run: bool,
    merchant: int | None,
    as_json: bool,
) -> None:
    """Connect an advertising account. It begins as a dry run unless you say --live."""
    fields = manifest("ads", adapter).fields
    config = settings_of(pairs, fields)
    given = secret_files(files, fields)
    secrets = {field.name: ask_secret(field, given) for field in fields if field.is_secret}
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        connection_id, count = connect_account(rt, owner, adapter, name, config, secrets, is_dry_run=dry_run)
    emit(
        {"connection_id": connection_id, "ads": count, "dry_run": dry_run},
        as_json,
        f"Account {connection_id} is connected: {count} ads lead to pages."
        + (" Nothing is changed yet: see dispo ads status, then dispo ads live." if dry_run else ""),
    )


def connect_account(
    rt: Runtime,
    owner: int,
    adapter: str,
    name: str | None,
    config: dict[str, str],
    secrets: dict[str, str],
    *,
    is_dry_run: bool,
) -> tuple[int, int]:
    """Check an account, store it, read its ads; returns its connection id and the number of ads."""
    kept = {key: value for key, value in secrets.items() if value}
    found = manifest("ads", adapter).build(config, kept, rt.environment).check()
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("update merchant set is_ads_dry_run = :dry where id = :m"),
            {"dry": is_dry_run, "m": owner},
        )
        connection_id = accounts.add_connection(
            db,
            rt.keyring,
            owner,
            kind="ads",
            adapter=adapter,
            name=name or found.name,
            config=config,
            secrets=kept,
            now=rt.now(),
        )
        schedule.ensure(db, owner, "ads.read", connection_id, 900)
    return connection_id, read_account(rt, owner, connection_id)


@ads.command("list")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """The connected accounts."""
    show_connections("ads", merchant, as_json, "No account yet. Connect one: dispo ads connect google_ads")


@ads.command("status")
@merchant_option
@json_option
def status(merchant: int | None, as_json: bool) -> None:
    """The ads we paused, and the latest lines of the ledger."""
    with open_runtime() as rt, rt.engine.connect() as db:
        given = {"m": merchant_id(rt, merchant)}
        paused = db.execute(
            sa.text("""
                select id, name, landing_page, seen_status, paused_by_us_at from ad_link
                 where merchant_id = :m and paused_by_us_at is not null order by id
            """),
            given,
        ).all()
        ledger = db.execute(
            sa.text("""
                select a.at, l.name, a.action, a.outcome, a.is_dry_run, a.reason, a.spend_saved from ad_action a
                  join ad_link l on l.merchant_id = a.merchant_id and l.id = a.ad_link_id
                 where a.merchant_id = :m order by a.id desc limit 20
            """),
            given,
        ).all()
    emit(
        {"paused": paused, "ledger": ledger},
        as_json,
        lambda: "\n\n".join(
            (
                table(("id", "ad", "page", "status", "paused by us"), paused, "No ad is paused by us."),
                table(
                    ("when", "ad", "action", "outcome", "dry run", "why", "saved"),
                    [(f"{row.at:%Y-%m-%d %H:%M}", *row[1:]) for row in ledger],
                    "Nothing was done yet.",
                ),
            )
        ),
    )


@ads.command("live")
@click.option("--off", is_flag=True, help="Back to a dry run.")
@merchant_option
@json_option
def live(off: bool, merchant: int | None, as_json: bool) -> None:
    """Really pause and resume from now on (or, with --off, only note what would be done)."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            db.execute(
                sa.text("update merchant set is_ads_dry_run = :dry where id = :m"), {"dry": off, "m": owner}
            )
    emit({"dry_run": off}, as_json, "Dry run." if off else "Ads are paused and resumed for real from now on.")


@ads.command("approve")
@click.argument("connection_id", type=int)
@merchant_option
@json_option
def approve(connection_id: int, merchant: int | None, as_json: bool) -> None:
    """Allow pauses that were held because there are many at once (for one hour)."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            accounts.connection(db, owner, connection_id)
            pausing.approve_blast(db, owner, connection_id, now=rt.now(), actor="cli")
    emit({"approved": True}, as_json, "Approved for one hour.")


@click.group()
def connection() -> None:
    """Connections of every kind."""


@connection.command("resume")
@click.argument("connection_id", type=int)
@merchant_option
@json_option
def resume(connection_id: int, merchant: int | None, as_json: bool) -> None:
    """Use a paused connection again, once what was wrong is mended. Checks it first."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            row = accounts.connection(db, owner, connection_id)
        rt.build(row).check()
        with transaction(rt.engine) as db:
            accounts.resume(db, owner, connection_id)
            wake(db, owner, connection_id)
    emit({"status": "active"}, as_json, f"{row.name} works again.")


COMMANDS = (ads, connection)
