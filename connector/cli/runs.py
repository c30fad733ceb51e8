"""dispo runs …, dispo subscribers …: what came in, what waits for a decision, who waits for stock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from connector.accounts.audit import record
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.cli.previews import preview_json, preview_text
from connector.cli.suppliers import outcome_line
from connector.db import transaction
from connector.intake import archive, held, item_bands, replay, undo
from connector.intake.allowing import allow
from connector.intake.records import Outcome
from connector.intake.runtime import NotPossible, SourceBusy


@click.group()
def runs() -> None:
    """What suppliers sent: runs, faults, held changes."""


@runs.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--held", "only_held", is_flag=True, help="Only those that wait for you.")
@merchant_option
@json_option
def show_all(limit: int, only_held: bool, merchant: int | None, as_json: bool) -> None:
    """The latest runs."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = db.execute(
            sa.text("""
                select r.id, s.name as supplier, r.status, r.started_at, r.rows_read, r.rows_changed, r.rows_held,
                       r.rows_rejected, r.variants_changed, r.error
                  from run r join source s on s.merchant_id = r.merchant_id and s.id = r.source_id
                 where r.merchant_id = :m and (not :held or r.status in ('held', 'partly_held'))
                 order by r.id desc limit :n
            """),
            {"m": merchant_id(rt, merchant), "n": limit, "held": only_held},
        ).all()
    emit(
        rows,
        as_json,
        lambda: table(
            (
                "id",
                "supplier",
                "status",
                "started",
                "rows",
                "changed",
                "held",
                "rejected",
                "variants",
                "error",
            ),
            [(*row[:3], f"{row.started_at:%Y-%m-%d %H:%M}", *row[4:9], row.error[:60]) for row in rows],
            "No run yet. Begin: dispo sync",
        ),
    )


@runs.command("show")
@click.argument("run_id", type=int)
@merchant_option
@json_option
def show(run_id: int, merchant: int | None, as_json: bool) -> None:
    """One run: counts, row faults, held changes, what it moved."""
    with open_runtime() as rt, rt.engine.connect() as db:
        given = {"m": merchant_id(rt, merchant), "r": run_id}
        row = db.execute(sa.text("select * from run where merchant_id = :m and id = :r"), given).first()
        if row is None:
            raise click.ClickException(f"There is no run {run_id}.")
        issues = db.execute(
            sa.text("""
                select line, "column", code, reason from run_issue
                 where merchant_id = :m and run_id = :r order by line, id limit 100
            """),
            given,
        ).all()
        waiting = db.execute(
            sa.text("""
                select item_key, quantity_before, quantity_after, status, reason from held_change
                 where merchant_id = :m and run_id = :r order by id limit 100
            """),
            given,
        ).all()
        moved = db.execute(
            sa.text("""
                select v.sku, m.available_before, m.available_after, m.state_after from movement m
                  join variant v on v.merchant_id = m.merchant_id and v.id = m.variant_id
                 where m.merchant_id = :m and m.run_id = :r order by m.id limit 100
            """),
            given,
        ).all()
    text = [
        f"Run {row.id}: {row.status}. {row.rows_read} rows, {row.rows_changed} changed, {row.rows_rejected} "
        f"rejected, {row.rows_held} held, {row.variants_changed} variants changed.",
    ]
    if row.error:
        text.append(row.error)
    if issues:
        text.append(table(("line", "column", "fault", "reason"), issues, ""))
    if waiting:
        text.append(table(("item", "before", "after", "status", "why it was held"), waiting, ""))
    if moved:
        text.append(table(("SKU", "before", "after", "state"), moved, ""))
    emit({"run": row, "issues": issues, "held": waiting, "moved": moved}, as_json, "\n\n".join(text))


def _answer(
    action: str, run_id: int, merchant: int | None, as_json: bool, do: Callable[..., Outcome], **more: Any
) -> None:
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            outcome = do(rt, owner, run_id, **more)
        except LookupError as error:
            raise click.ClickException(f"There is no run {run_id}. See: dispo runs list") from error
        except (NotPossible, SourceBusy) as error:
            raise click.ClickException(str(error)) from error
        with transaction(rt.engine) as db:
            record(db, owner, rt.now(), "cli", f"run.{action}", f"run {run_id}")
    emit(outcome, as_json, outcome_line(outcome))


_sku_option = click.option(
    "--sku",
    "skus",
    multiple=True,
    metavar="SKU",
    help="Only the row of this SKU (yours or the supplier's); may be repeated.",
)


@runs.command("approve")
@click.argument("run_id", type=int)
@click.option(
    "--always",
    is_flag=True,
    help="Let the same reason pass at this supplier from now on; with --sku let these items jump so far.",
)
@_sku_option
@merchant_option
@json_option
def approve(run_id: int, always: bool, skus: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """Apply what a run holds; with --sku only these rows, while the rest goes on waiting.

    With --sku and --always these items may jump as far from now on, and a tenth beyond; see dispo guard show.
    """
    do: Callable[..., Outcome] = _approve_always if always else held.approve
    if skus:
        do = _of_skus(_approve_and_let_jump if always else held.approve, skus)
    _answer("approve", run_id, merchant, as_json, do)


def _approve_and_let_jump(rt: Any, owner: int, run_id: int, *, rows: Collection[int]) -> Outcome:
    with transaction(rt.engine) as db:
        given = item_bands.give(db, owner, run_id, rows, actor="cli", now=rt.now())
    return held.approve(rt, owner, run_id, rows=given)


def _approve_always(rt: Any, owner: int, run_id: int) -> Outcome:
    with transaction(rt.engine) as db:
        allow(db, owner, run_id, actor="cli", now=rt.now())
    return held.approve(rt, owner, run_id)


def _of_skus(do: Callable[..., Outcome], skus: tuple[str, ...]) -> Callable[..., Outcome]:
    """`do` for the rows of these SKUs only."""

    def answer(rt: Any, owner: int, run_id: int) -> Outcome:
        with rt.engine.connect() as db:
            rows = held.rows_of_skus(db, owner, run_id, skus)
        return do(rt, owner, run_id, rows=rows)

    return answer


@runs.command("reject")
@click.argument("run_id", type=int)
@_sku_option
@merchant_option
@json_option
def reject(run_id: int, skus: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """Drop what a run holds; the same file is not taken again. With --sku only these rows."""
    _answer("reject", run_id, merchant, as_json, _of_skus(held.reject, skus) if skus else held.reject)


@runs.command("undo")
@click.argument("run_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@merchant_option
@json_option
def undo_command(run_id: int, yes: bool, merchant: int | None, as_json: bool) -> None:
    """Restore what was observed before a run and decide again; sales made since stay."""
    if not yes:
        click.confirm(f"Undo run {run_id}? Its file is not taken again.", abort=True)
    _answer("undo", run_id, merchant, as_json, undo.undo)


@runs.command("replay")
@click.argument("run_id", type=int)
@click.option(
    "--dry", "is_dry", is_flag=True, help="Only say what would change; the default without --apply."
)
@click.option("--apply", "applies", is_flag=True, help="Let the file count.")
@click.option("--older", is_flag=True, help="You mean this file although a newer one counts.")
@click.option("--after-all", is_flag=True, help="You mean this file although it was rejected or undone.")
@merchant_option
@json_option
def replay_command(
    run_id: int,
    is_dry: bool,
    applies: bool,
    older: bool,
    after_all: bool,
    merchant: int | None,
    as_json: bool,
) -> None:
    """Read a run's file again, under the mapping and the rules of today; look, or with --apply let it count."""
    if is_dry and applies:
        raise click.UsageError("--dry and --apply exclude each other.")
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            if not applies:
                seen = replay.look(rt, owner, run_id)
                emit(preview_json(seen), as_json, lambda: preview_text(seen))
                return
            outcome = replay.replay(rt, owner, run_id, is_older_meant=older, is_refused_meant=after_all)
        except LookupError as error:
            raise click.ClickException(f"There is no run {run_id}. See: dispo runs list") from error
        except (NotPossible, SourceBusy) as error:
            raise click.ClickException(str(error)) from error
        with transaction(rt.engine) as db:
            record(db, owner, rt.now(), "cli", "run.replay", f"run {run_id}")
    emit(outcome, as_json, outcome_line(outcome))


@runs.command("file")
@click.argument("run_id", type=int)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="To standard output else."
)
@merchant_option
def file_command(run_id: int, output: Path | None, merchant: int | None) -> None:
    """The file of a run, byte for byte as the supplier sent it."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            found = db.execute(
                sa.text("select feed_path from run where merchant_id = :m and id = :r"),
                {"m": owner, "r": run_id},
            ).scalar()
            if found is None:
                raise click.ClickException(f"There is no run {run_id}. See: dispo runs list")
            record(db, owner, rt.now(), "cli", "run.file", f"run {run_id}")
        with click.open_file(str(output) if output else "-", "wb") as out:
            for piece in archive.pieces(rt.data_dir, found):
                out.write(piece)


@click.group()
def subscribers() -> None:
    """Shoppers who wait."""


@subscribers.command("list")
@click.option("--sku", default="", help="Only those who wait for this SKU.")
@merchant_option
@json_option
def who(sku: str, merchant: int | None, as_json: bool) -> None:
    """Who waits for what, in the order they will be told."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = db.execute(
            sa.text("""
                select s.id, v.sku, s.address, s.status, s.wanted_units, s.locale, s.created_at
                  from subscription s
                  join variant v on v.merchant_id = s.merchant_id and v.id = s.variant_id
                 where s.merchant_id = :m and s.status in ('unconfirmed', 'waiting', 'invited')
                   and (:sku = '' or v.sku = :sku)
                 order by v.sku, s.id
            """),
            {"m": merchant_id(rt, merchant), "sku": sku},
        ).all()
    emit(
        rows,
        as_json,
        lambda: table(
            ("id", "SKU", "address", "status", "units", "language", "since"), rows, "Nobody waits."
        ),
    )


COMMANDS = (runs, subscribers)
