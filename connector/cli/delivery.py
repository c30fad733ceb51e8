"""dispo delivery: how you ship, and between which days an order arrives."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import sqlalchemy as sa

from connector.accounts.audit import record
from connector.availability.delivering import Window
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.positions.shipping import DeliveryRule, checked, kept_rule, save_rule
from connector.positions.windows import windows_under


@click.group()
def delivery() -> None:
    """How you ship, and between which days an order arrives."""


@delivery.command("show")
@merchant_option
def show(merchant: int | None) -> None:
    """Print the settings as JSON, ready for `dispo delivery set`; and your sources with their ids."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        rule = kept_rule(db, owner)
        sources = db.execute(
            sa.text("select id, name from source where merchant_id = :m order by id"), {"m": owner}
        ).all()
    for row in sources:
        click.echo(f"source {row.id}: {row.name}", err=True)
    if rule is None:
        raise click.ClickException("Nothing is set yet. Begin with: dispo delivery set FILE")
    click.echo(json.dumps(rule.model_dump(mode="json"), indent=2))


@delivery.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@merchant_option
def set_command(file: Path, merchant: int | None) -> None:
    """Take the settings from a JSON file (as `show` prints them); they hold from now on."""
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise click.ClickException(f"{file} is no JSON: {exc}") from exc
    rule = checked(given)
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            is_new = save_rule(db, owner, rule, actor="command line", now=rt.now())
            if is_new:
                record(db, owner, rt.now(), "command line", "delivery.save", "delivery")
    click.echo("Saved. Shoppers see it within seconds." if is_new else "Nothing was changed.")


@delivery.command("preview")
@click.argument("sku", nargs=-1, required=True)
@click.option("--country", default="", help="Where the parcel goes (two letters); else the first zone.")
@click.option("--at", "moment", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="Ordered then, at your place.")
@merchant_option
@json_option
def preview(
    sku: tuple[str, ...], country: str, moment: datetime | None, merchant: int | None, as_json: bool
) -> None:
    """When orders of these SKUs, placed now, arrive."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        rule: DeliveryRule | None = kept_rule(db, owner)
        if rule is None:
            raise click.ClickException("Nothing is set yet. Begin with: dispo delivery set FILE")
        place = db.execute(sa.text("select timezone from merchant where id = :m"), {"m": owner}).scalar_one()
        at = moment.replace(tzinfo=ZoneInfo(place)) if moment else rt.now()
        rows = db.execute(
            sa.text("select id, sku from variant where merchant_id = :m and sku = any(:s) order by sku, id"),
            {"m": owner, "s": list(sku)},
        ).all()
        missing = sorted(set(sku) - {row.sku for row in rows})
        if missing:
            raise click.ClickException(f"There is no SKU {missing[0]!r}.")
        found = windows_under(db, owner, [row.id for row in rows], at, country.upper(), rule)
    said = []
    for row in rows:
        one = found.get(row.id)
        is_window = isinstance(one, Window)
        said.append(
            {
                "sku": row.sku,
                "from": one.on if isinstance(one, Window) else None,
                "until": one.until if isinstance(one, Window) else None,
                "basis": one.basis if isinstance(one, Window) else "",
                "reason": "" if is_window else getattr(one, "reason", "no_zone"),
            }
        )
    rows_said = [(line["sku"], line["from"], line["until"], line["basis"], line["reason"]) for line in said]
    emit(said, as_json, lambda: table(("sku", "from", "until", "rests on", "why not"), rows_said, "None."))


COMMANDS = (delivery,)
