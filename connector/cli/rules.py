"""dispo rules …: what holds for everything, a supplier, a collection or a product."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from connector.availability.rules import FIELDS, problem, read_text
from connector.bootstrap import Runtime
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.positions import rule_files, rulings
from connector.positions.decide import Cause, decide
from connector.positions.rulings import Change, RulePreview, RuleRefused

_LEVELS = click.Choice(["merchant", "supplier", "collection", "sku"])
_ACTOR = "cli"
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would change; keep nothing.")
_yes = click.option("--yes", is_flag=True, help="Also where products would be sold out by it.")


@click.group()
def rules() -> None:
    """Buffers, caps, which supplier sells and the rest, at every level. The nearest wins: sku, collection,
    supplier, merchant."""


@rules.command("list")
@click.option("--level", type=_LEVELS, default=None, help="One level; all of them when left out.")
@merchant_option
@json_option
def show(level: str | None, merchant: int | None, as_json: bool) -> None:
    """The rules that are kept."""
    with open_runtime() as rt, rt.engine.connect() as db:
        found = rulings.listed(db, merchant_id(rt, merchant), level or "")
    emit(
        found,
        as_json,
        lambda: table(
            ("level", "subject", "name", "says", "products"),
            [(one.level, one.subject, one.name, _said(one.says), one.variants) for one in found],
            "No rule is kept. The first: dispo rules set merchant - strategy=priority",
        ),
    )


@rules.command("fields")
@json_option
def fields(as_json: bool) -> None:
    """What a rule may say, and of which levels."""
    rows = [
        (one.name, " ".join(one.levels), " ".join(one.choices) or _range(one), one.default)
        for one in FIELDS.values()
    ]
    emit(
        [dict(zip(("field", "levels", "values", "default"), row, strict=True)) for row in rows],
        as_json,
        lambda: table(("field", "levels", "values", "default"), rows, ""),
    )


@rules.command("set")
@click.argument("level", type=_LEVELS)
@click.argument("subject")
@click.argument("pairs", nargs=-1, required=True, metavar="FIELD=VALUE…")
@_dry_run
@_yes
@merchant_option
@json_option
def put(
    level: str, subject: str, pairs: tuple[str, ...], dry_run: bool, yes: bool, merchant: int | None, as_json: bool
) -> None:  # fmt: skip
    """Say something of a level. SUBJECT is a SKU (or #ID), a collection's name, a supplier's number, or - for the
    merchant. FIELD= takes back what was said; what is not named stays."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            change = _refused(lambda: rulings.checked(db, owner, level, subject, {}))
            says = rulings.says_of(db, owner, level, change.subject)
        for pair in pairs:
            name, is_there, text = pair.partition("=")
            if not is_there:
                raise click.BadParameter(f"{pair!r} is not FIELD=VALUE.")
            says.pop(name, None)
            if text.strip() or name not in FIELDS:
                says[name] = read_text(name, text)
                if said := problem(level, name, says[name]):
                    raise click.ClickException(said)
        _keep(rt, owner, [Change(level, change.subject, says)], dry_run, yes, as_json)


@rules.command("remove")
@click.argument("level", type=_LEVELS)
@click.argument("subject")
@_dry_run
@_yes
@merchant_option
@json_option
def remove(level: str, subject: str, dry_run: bool, yes: bool, merchant: int | None, as_json: bool) -> None:
    """Remove the rule of a level's subject."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            change = _refused(lambda: rulings.checked(db, owner, level, subject, {}))
        _keep(rt, owner, [change], dry_run, yes, as_json)


@rules.command("undo")
@click.argument("change", type=int)
@merchant_option
@json_option
def undo(change: int, merchant: int | None, as_json: bool) -> None:
    """Take a change back, by the number that `set`, `remove` or `import` gave."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            changes = _refused(lambda: rulings.taken_back(db, owner, change))
        _keep(rt, owner, changes, False, True, as_json)


@rules.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_dry_run
@_yes
@merchant_option
@json_option
def bring(path: Path, dry_run: bool, yes: bool, merchant: int | None, as_json: bool) -> None:
    """Rules of products from a CSV file: a column sku, and any that `export` writes. All lines are taken or none."""
    try:
        text = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not UTF-8 text. Save it as “CSV UTF-8”.") from error
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            changes = _refused(lambda: rule_files.read_csv(db, owner, text))
        _keep(rt, owner, changes, dry_run, yes, as_json)


@rules.command("export")
@merchant_option
def export(merchant: int | None) -> None:
    """Print the rules of products as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rule_files.HEAD)
    with open_runtime() as rt, rt.engine.connect() as db:
        for row in rule_files.csv_rows(db, merchant_id(rt, merchant)):
            writer.writerow(["" if cell is None else _plain(cell) for cell in row])
    click.echo(out.getvalue(), nl=False)


def _keep(
    rt: Runtime, owner: int, changes: Sequence[Change], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Try the changes out, keep them and decide what they hold for."""
    found = rulings.preview(rt.engine, owner, changes, now=rt.now(), most=None)
    number = None
    if not dry_run:
        if found.to_zero and not yes:
            raise click.ClickException(
                f"{_text(found)}\nNothing was kept. Say --yes to keep it nevertheless."
            )
        with transaction(rt.engine) as db:
            number = rulings.save(db, owner, changes, actor=_ACTOR, now=rt.now())
            ids = rulings.named(db, owner, changes)
        if number is not None:
            decide(rt.engine, owner, ids, now=rt.now(), cause=Cause("rule"))
    if dry_run:
        end = "Nothing was kept."
    elif number is None:
        end = "It was said before; nothing was changed."
    else:
        end = f"Kept. Take it back: dispo rules undo {number}"
    emit({"change": number, "preview": found}, as_json, lambda: f"{_text(found)}\n{end}")


def _text(found: RulePreview) -> str:
    head = f"It may hold for {found.named} products; {found.changed} get another number or state"
    head += f" (of the first {found.looked_at})" if found.looked_at < found.named else ""
    head += f", {found.to_zero} of them are sold out by it." if found.to_zero else "."
    lines = [f"  {one.sku}: {one.before} → {one.after} ({one.state_after})" for one in found.effects]
    return "\n".join([head, *lines])


def _refused(call: Any) -> Any:
    try:
        return call()
    except RuleRefused as error:
        raise click.ClickException(str(error)) from error


def _said(says: Any) -> str:
    return " ".join(f"{name}={_plain(value)}" for name, value in says.items())


def _plain(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _range(one: Any) -> str:
    return "yes no" if one.kind == "yes" else f"{one.least}–{one.most}"


COMMANDS = (rules,)
