"""dispo search …: product pages that need somebody, as search engines have them."""

from __future__ import annotations

import click

from connector import i18n
from connector.accounts import connections as accounts
from connector.bootstrap import Runtime
from connector.cli.frame import (
    ask_secret,
    emit,
    json_option,
    merchant_id,
    merchant_option,
    open_runtime,
    plain,
    secret_files,
    settings_of,
    show_connections,
    table,
)
from connector.db import transaction
from connector.registry import ADAPTERS, manifest
from connector.search import findings as found
from connector.search import work
from connector.search.connect import connect as connect_site
from connector.search.connect import disconnect as end
from connector.search.rules import KINDS
from connector.search.words import words

LOCALE = "en"
SHORT = {"google": "google_search_console"}
"""What people type instead of an adapter's name."""


@click.group()
def search() -> None:
    """Product pages in search engines: sold out for long, in error, or at odds with your stock."""


@search.command("connect")
@click.argument("adapter", type=click.Choice(sorted([*ADAPTERS["search"], *SHORT])))
@click.option("--name", default="", help="How you call the site.")
@click.option("--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="As site=shop.example.")
@click.option("--secret-file", "files", multiple=True, metavar="FIELD=PATH")
@merchant_option
@json_option
def connect(
    adapter: str,
    name: str,
    pairs: tuple[str, ...],
    files: tuple[str, ...],
    merchant: int | None,
    as_json: bool,
) -> None:
    """Connect a site at a search engine. Its first look begins at once where `dispo run` is at work."""
    adapter = SHORT.get(adapter, adapter)
    fields = manifest("search", adapter).fields
    config = settings_of(pairs, fields)
    given = secret_files(files, fields)
    secrets = {field.name: ask_secret(field, given) for field in fields if field.is_secret}
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        connection_id, check = connect_site(rt, owner, adapter, config, secrets, name=name, actor="cli")
    emit(
        {"connection_id": connection_id, "site": check.site, "account": check.name},
        as_json,
        f"Site {connection_id} is connected: {check.site}. Look now: dispo search look {connection_id}",
    )


@search.command("list")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """The connected sites."""
    show_connections("search", merchant, as_json, "No site yet. Connect one: dispo search connect google")


@search.command("look")
@click.argument("connection_id", type=int)
@click.option("--most", type=click.IntRange(0, 2000), help="At most so many pages (else this hour's share).")
@merchant_option
@json_option
def look(connection_id: int, most: int | None, merchant: int | None, as_json: bool) -> None:
    """Read the traffic if that is due, inspect some pages, and say what was found."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        _site(rt, owner, connection_id)
        looked = work.look(rt, owner, connection_id, most=most)
    emit(
        looked,
        as_json,
        f"{looked.inspected} pages inspected, {looked.waiting} wait for their turn."
        f" {looked.findings.is_open} findings are open, {looked.findings.opened} of them new.",
    )


def _site(rt: Runtime, owner: int, connection_id: int) -> None:
    with rt.engine.connect() as db:
        row = accounts.connection(db, owner, connection_id)
    if row.kind != "search" or row.status == "ended":
        raise click.ClickException(f"Connection {connection_id} is no search engine's site.")


@search.command("findings")
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--state", type=click.Choice(found.STATES), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100_000), default=found.PAGE, show_default=True)
@merchant_option
@json_option
def show_findings(kind: str | None, state: str, limit: int, merchant: int | None, as_json: bool) -> None:
    """The pages that need somebody, the most clicked first, each with what helps."""
    say = i18n.gettext(LOCALE)
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = found.listed(db, merchant_id(rt, merchant), kind=kind or "", state=state, limit=limit)
    said = [words(say, LOCALE, row.kind, row.cause, row.detail) for row in rows]
    emit(
        [
            {**plain(row), "cause_in_words": one.cause, "remedy": one.remedy}
            for row, one in zip(rows, said, strict=True)
        ],
        as_json,
        lambda: table(
            ("id", "page", "clicks", "since", "finding", "remedy"),
            [
                [row.id, row.url, row.clicks, f"{row.since or row.opened_at:%Y-%m-%d}", row.kind, one.remedy]
                for row, one in zip(rows, said, strict=True)
            ],
            "No page needs you.",
        ),
    )


@search.command("dismiss")
@click.argument("finding_id", type=int)
@click.option("--undo", is_flag=True, help="Show it again.")
@merchant_option
@json_option
def dismiss(finding_id: int, undo: bool, merchant: int | None, as_json: bool) -> None:
    """Hide a finding until its cause is gone."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            done = found.set_dismissed(
                db, owner, finding_id, is_dismissed=not undo, actor="cli", now=rt.now()
            )
    if not done:
        raise click.ClickException(f"There is no open finding {finding_id}.")
    emit({"dismissed": not undo}, as_json, "Shown again." if undo else "Dismissed.")


@search.command("days")
@click.argument("days_out", type=click.IntRange(1, found.MOST_DAYS))
@merchant_option
@json_option
def days(days_out: int, merchant: int | None, as_json: bool) -> None:
    """After how many days sold out is long."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            found.set_days(db, owner, days_out, actor="cli", now=rt.now())
    emit({"days_out": days_out}, as_json, f"Sold out is long from {days_out} days on.")


@search.command("disconnect")
@click.argument("connection_id", type=int)
@merchant_option
@json_option
def disconnect(connection_id: int, merchant: int | None, as_json: bool) -> None:
    """Forget a site: its key, its pages and its findings."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            done = end(db, owner, connection_id, actor="cli", now=rt.now())
    if not done:
        raise click.ClickException(f"Connection {connection_id} is no search engine's site.")
    emit({"disconnected": True}, as_json, "Disconnected.")


COMMANDS = (search,)
