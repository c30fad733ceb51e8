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
from connector.shoppers.import_columns import DATES, Choices, ColumnsRefused, Dates, columns_said, plain
from connector.shoppers.import_file import FileRefused, Table, people_of, read_table
from connector.shoppers.import_sealed import ImportRefused
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


_FIELDS = {
    "email": "address",
    "phone": "phone",
    "variant": "item",
    "product": "product",
    "sku": "sku",
    "channel": "channel",
    "units": "units",
    "language": "language",
    "date": "asked_at",
    "confirmed": "confirmed_at",
    "status": "status",
    "consent": "consent_text",
}
"""What a column can be, as an operator says it, and our fields."""


@shoppers.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--store", "store_id", type=int, required=True, help="The store's number (see: dispo store list)."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="WHAT=NAME",
    help=f"Which column is what, by its name or number (repeat it). WHAT: {', '.join(_FIELDS)}.",
)
@click.option("--sku", default="", help="The whole file is for this SKU; no column names the product.")
@click.option(
    "--dates", type=click.Choice(DATES), default="ymd", show_default=True, help="How days are written."
)
@click.option(
    "--waiting", multiple=True, metavar="STATUS", help="A status of those who still wait (repeat it)."
)
@click.option("--confirmed", is_flag=True, help="They confirmed their address in the other tool.")
@click.option(
    "--in-stock",
    type=click.Choice(importing.IN_STOCK),
    help="Those whose product is in stock: tell them, let them wait for the next restock, or leave them out.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; take nobody in.")
@merchant_option
@json_option
def bring(
    path: Path,
    store_id: int,
    columns: tuple[str, ...],
    sku: str,
    dates: Dates,
    waiting: tuple[str, ...],
    confirmed: bool,
    in_stock: importing.InStock | None,
    dry_run: bool,
    merchant: int | None,
    as_json: bool,
) -> None:
    """Take in who waits by a CSV file or workbook: our own export, another tool's, or any with --column."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        taken = 0
        try:
            held = read_table(path.read_bytes())
            sheet = people_of(held, _choices(held, columns, sku, dates, waiting), rt.now())
            with transaction(rt.engine) as db:
                number = importing.propose(
                    rt, db, owner, store_id, sheet, file_name=path.name, says_confirmed=confirmed, actor="cli"
                )
            if not dry_run:
                taken = importing.apply(rt, owner, number, actor="cli", in_stock=in_stock or "")
        except importing.InStockUndecided as undecided:
            raise click.ClickException(
                f"{undecided} Add --in-stock tell, wait or leave. Nobody was taken in."
            ) from undecided
        except (FileRefused, ColumnsRefused, ImportRefused) as error:
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
    emit(value, as_json, lambda: _look(row, held, taken, dry_run))


def _choices(
    held: Table, columns: tuple[str, ...], sku: str, dates: Dates, waiting: tuple[str, ...]
) -> Choices:
    """What the columns are, as said; what their names say only where that leaves no doubt."""
    if columns:
        found = columns_said([_column(held, one) for one in columns])
        return Choices(found, sku, dates, waiting)
    proposal = held.proposal
    is_one_product = bool(sku) and len(held.head) <= 2 and "address" in proposal.choices.columns
    if not proposal.is_known and not is_one_product:
        words = {ours: said for said, ours in _FIELDS.items()}
        proposed = " ".join(
            f"--column {words[ours]}={held.head[place]!r}" for ours, place in proposal.choices.columns.items()
        )
        # Shown, and not part of the error: the values are people's.
        examples = [
            (place, name, ", ".join(values))
            for place, (name, values) in enumerate(zip(held.head, held.examples(2), strict=True), 1)
        ]
        click.echo(table(("", "column", "for example"), examples, ""), err=True)
        raise ColumnsRefused(
            "Dispo does not know this file for sure. Say what its columns are"
            + (f", for example: {proposed}" if proposed else " by --column WHAT=NAME.")
        )
    return Choices(proposal.choices.columns, sku, dates, waiting)


def _column(held: Table, said: str) -> tuple[str, int]:
    """(our field, place) of "email=Customer" or "email=3"."""
    what, is_there, name = said.partition("=")
    if not is_there or what not in _FIELDS:
        raise ColumnsRefused(f"{said!r} is not WHAT=NAME with one of: {', '.join(_FIELDS)}.")
    places = [place for place, one in enumerate(held.head) if plain(one) == plain(name) and plain(name)]
    if len(places) > 1:
        raise ColumnsRefused(f"Several columns are called {name!r}. Say its number, from 1.")
    if not places and name.isascii() and name.isdigit() and 1 <= int(name[:4]) <= len(held.head):
        places = [int(name) - 1]
    if not places:
        raise ColumnsRefused(f"There is no column {name!r}. There are: {', '.join(held.head)}.")
    return _FIELDS[what], places[0]


@shoppers.command("undo")
@click.argument("number", type=int)
@merchant_option
@json_option
def undo(number: int, merchant: int | None, as_json: bool) -> None:
    """Take an import back: whoever was told or has left stays as they are."""
    with open_runtime() as rt:
        try:
            gone, left = importing.undo(rt, merchant_id(rt, merchant), number, actor="cli")
        except ImportRefused as error:
            raise click.ClickException(str(error)) from error
    emit(
        {"taken_back": gone, "left": left},
        as_json,
        f"{gone} people were taken back; {left} left as they are.",
    )


def _look(row: Any, held: Table, taken: int, dry_run: bool) -> str:
    lines = [f"{theirs!r} is taken as {ours}." for ours, theirs in row.mapping.items()]
    unused = [repr(name) for name in held.head if name not in row.mapping.values()]
    lines += [f"Not used: {', '.join(unused)}."] if unused else []
    lines += [f"Line {one['line']}: {one['column']} {one['reason']}" for one in row.faults[:20]]
    if len(row.faults) > 20:
        lines.append(f"And {len(row.faults) - 20} more lines that were not taken.")
    lines.append(", ".join(f"{name} {count}" for name, count in row.counts.items()))
    if dry_run and row.counts["in_stock"]:
        lines.append(
            f"What {row.counts['in_stock']} of them wait for is in stock: add --in-stock tell, wait or leave."
        )
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
