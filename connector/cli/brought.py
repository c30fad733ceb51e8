"""dispo settings …: settings brought along from another tool, and all of ours as a file to leave with."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

import click

from connector.bootstrap import Runtime
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.intake import settings_facts, settings_import
from connector.intake.settings_file import HEAD, FileRefused, read_settings
from connector.intake.settings_import import Done, ImportRefused, Proposal
from connector.positions.decide import Cause, decide


@click.group("settings")
def brought() -> None:
    """Settings of products and suppliers, brought along from another tool or taken to one."""


@brought.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@merchant_option
@json_option
def bring(path: Path, dry_run: bool, merchant: int | None, as_json: bool) -> None:
    """Write the settings of a CSV file: our own (see export), or a product export of WooCommerce or Shopify.

    Lines that are wrong are named and left out.
    """
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            sheet = read_settings(path.read_bytes())
            with transaction(rt.engine) as db:
                number = settings_import.propose(
                    db, owner, sheet, file_name=path.name, actor="cli", now=rt.now()
                )
                found = settings_import.proposal(db, owner, number)
                assert found is not None  # of this transaction
                done = Done()
                if not dry_run and found.settings:
                    done = settings_import.apply(db, owner, number, actor="cli", now=rt.now())
        except (FileRefused, ImportRefused) as error:
            raise click.ClickException(str(error)) from error
        _decide(rt, owner, done)
    emit(
        {"import": number, "written": done.written, "settings": found.settings, "faults": found.faults},
        as_json,
        lambda: _text(found, done, dry_run),
    )


@brought.command("undo")
@click.argument("number", type=int)
@merchant_option
@json_option
def undo(number: int, merchant: int | None, as_json: bool) -> None:
    """Take an import back: what was changed again since is left alone."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            with transaction(rt.engine) as db:
                done = settings_import.undo(db, owner, number, actor="cli", now=rt.now())
        except ImportRefused as error:
            raise click.ClickException(str(error)) from error
        _decide(rt, owner, done)
    shown = {**asdict(done), "variant_ids": sorted(done.variant_ids)}
    emit(shown, as_json, f"{done.written} settings are as they were before; {done.left} left alone.")


@brought.command("export")
@merchant_option
def export(merchant: int | None) -> None:
    """Print every product's own rules, and its suppliers with pack and lead time, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    with open_runtime() as rt, rt.engine.connect() as db:
        for row in settings_facts.export(db, merchant_id(rt, merchant)):
            writer.writerow([_cell(value) for value in row])
    click.echo(out.getvalue(), nl=False)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


def _decide(rt: Runtime, owner: int, done: Done) -> None:
    decide(rt.engine, owner, sorted(done.variant_ids), now=rt.now(), cause=Cause("rule"))


def _text(found: Proposal, done: Done, dry_run: bool) -> str:
    rows = [
        (one.line, one.sku or one.supplier, one.name, _cell(one.before), _cell(one.after))
        for one in found.settings[:50]
    ]
    lines = [table(("line", "item", "setting", "now", "then"), rows, "Everything in it holds already.")]
    lines += [f"Line {one.line}: {one.column} {one.reason}" for one in found.faults[:20]]
    if len(found.faults) > 20:
        lines.append(f"And {len(found.faults) - 20} more lines that are wrong.")
    if found.settings:
        lines.append(
            f"{len(found.settings)} settings would change; nothing was written."
            if dry_run
            else f"{done.written} settings are written. Take them back: dispo settings undo {found.id}"
        )
    return "\n".join(lines)


COMMANDS = (brought,)
