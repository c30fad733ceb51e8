"""dispo shoppers …: settings of the messages to shoppers, and people who wait, brought along from another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from babel.numbers import get_currency_precision

from connector.accounts.audit import record
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.shoppers import importing
from connector.shoppers.import_file import FileRefused, read_waiting
from connector.shoppers.policy import ShopperPolicy, policy_of, save_policy
from connector.shoppers.policy_form import PolicyRefused, read, shape_of, write
from connector.web.policy_words import why


@click.group()
def shoppers() -> None:
    """Those who wait for products, and the messages to them."""


@shoppers.group("settings")
def rules() -> None:
    """Channels, waves, hours and limits of the messages to shoppers."""


@rules.command("show")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """Every setting, as `set` takes it."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        policy, places = policy_of(db, owner), _places(db, owner)
    rows = [(name, _text(name, getattr(policy, name), places)) for name in ShopperPolicy.model_fields]
    emit(policy.model_dump(mode="json"), as_json, table(("setting", "value"), rows, ""))


@rules.command("set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE…")
@merchant_option
@json_option
def change(pairs: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """Change settings: `channels=email,sms`, `settle_s=15` (minutes), `quiet_from=` (none)."""
    given: dict[str, list[str]] = {}
    for pair in pairs:
        name, is_pair, text = pair.partition("=")
        if not is_pair or name not in ShopperPolicy.model_fields:
            known = ", ".join(ShopperPolicy.model_fields)
            raise click.ClickException(f"{pair!r} is not NAME=VALUE with one of: {known}.")
        given[name] = text.split(",") if shape_of(name).kind == "several" else [text]
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            before = policy_of(db, owner)
            try:
                policy = read(given, before, _places(db, owner))
            except PolicyRefused as refused:
                said = [f"{name}: {why(_plain, fault)}" for name, fault in sorted(refused.faults.items())]
                raise click.ClickException("Nothing was changed. " + " ".join(said)) from refused
            save_policy(db, owner, policy, "cli", rt.now())
            record(db, owner, rt.now(), "cli", "shoppers.settings", "messages", {"changed": sorted(given)})
    emit(policy.model_dump(mode="json"), as_json, f"Changed: {', '.join(sorted(given))}.")


@shoppers.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--store", "store_id", type=int, required=True, help="The store's number (see: dispo store list)."
)
@click.option("--confirmed", is_flag=True, help="They confirmed their address in the other tool.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; take nobody in.")
@merchant_option
@json_option
def bring(
    path: Path, store_id: int, confirmed: bool, dry_run: bool, merchant: int | None, as_json: bool
) -> None:
    """Take in who waits by a CSV file or workbook: our own export, Klaviyo's, Swym's, Back In Stock Notifier's."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        taken = 0
        try:
            sheet = read_waiting(path.read_bytes(), rt.now())
            with transaction(rt.engine) as db:
                number = importing.propose(
                    rt, db, owner, store_id, sheet, file_name=path.name, says_confirmed=confirmed, actor="cli"
                )
            if not dry_run:
                taken = importing.apply(rt, owner, number, actor="cli")
        except (FileRefused, importing.ImportRefused) as error:
            raise click.ClickException(str(error)) from error
        with rt.engine.connect() as db:
            row = importing.find(db, owner, number)
    value = {
        "import": number,
        "taken": taken,
        "counts": row.counts,
        "mapping": row.mapping,
        "faults": row.faults,
    }
    emit(value, as_json, lambda: _look(row, taken, dry_run))


@shoppers.command("undo")
@click.argument("number", type=int)
@merchant_option
@json_option
def undo(number: int, merchant: int | None, as_json: bool) -> None:
    """Take an import back: whoever was told or has left stays as they are."""
    with open_runtime() as rt:
        try:
            gone, left = importing.undo(rt, merchant_id(rt, merchant), number, actor="cli")
        except importing.ImportRefused as error:
            raise click.ClickException(str(error)) from error
    emit(
        {"taken_back": gone, "left": left},
        as_json,
        f"{gone} people were taken back; {left} left as they are.",
    )


def _look(row: Any, taken: int, dry_run: bool) -> str:
    lines = [f"{theirs!r} is taken as {ours}." for ours, theirs in row.mapping.items()]
    lines += [f"Line {one['line']}: {one['column']} {one['reason']}" for one in row.faults[:20]]
    if len(row.faults) > 20:
        lines.append(f"And {len(row.faults) - 20} more lines that were not taken.")
    lines.append(", ".join(f"{name} {count}" for name, count in row.counts.items()))
    lines.append(
        "Nobody was taken in."
        if dry_run
        else f"{taken} people were taken in. Back: dispo shoppers undo {row.id}"
    )
    return "\n".join(lines)


def _plain(text: str, **values: object) -> str:
    return text % values if values else text


def _places(db: sa.Connection, owner: int) -> int:
    """The digits of the small unit of the merchant's currency."""
    return get_currency_precision(
        str(db.scalar(sa.text("select currency from merchant where id = :m"), {"m": owner}))
    )


def _text(name: str, value: object, places: int) -> str:
    text = write(name, value, places)
    if isinstance(text, list):
        return ",".join(text)
    return ("yes" if value else "no") if isinstance(value, bool) else text


COMMANDS = (shoppers,)
