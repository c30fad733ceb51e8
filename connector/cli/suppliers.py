"""dispo supplier …, dispo sync: connect suppliers, look at their files, bring them in."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

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
    table,
)
from connector.cli.previews import preview_json, preview_text
from connector.cli.stores import drain
from connector.cli.supplier_access import accept_key, push_token
from connector.intake import runs, sources, uploads
from connector.intake.preview import preview
from connector.intake.records import Outcome
from connector.intake.runtime import SourceBusy
from connector.ports.errors import PortError
from connector.registry import ADAPTERS, manifest

_FILE = "file_feed"
_LIVE = sorted(set(ADAPTERS["suppliers"]) - {_FILE})
_PLACES = ("https", "sheet", "sftp", "ftp", "imap", "s3", "push", "path", "upload")
_ENDED_WELL = ("applied", "unchanged", "partly_held")


@click.group()
def supplier() -> None:
    """Where the stock comes from."""


@supplier.command("connect")
@click.argument("kind", type=click.Choice(["file", *_PLACES, *_LIVE]))
@click.argument("address")
@click.option("--name", help="How you call the supplier; the address when left out.")
@click.option("--every", "every_s", type=click.IntRange(5), default=900, show_default=True, help="Seconds.")
@click.option("--lead-time-days", type=click.IntRange(1, 730), help="Used where no date is stated.")
@click.option(
    "--handover-hours",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="How long after a sale the supplier learns of it.",
)
@click.option("--max-age-hours", type=click.IntRange(1), help="Older stock shows neither date nor count.")
@click.option(
    "--missing",
    type=click.Choice(["keep", "zero_after", "zero"]),
    default="keep",
    show_default=True,
    help="What a row that is missing from the file means.",
)
@click.option("--own", "is_own", is_flag=True, help="It is your own stock: sold first.")
@click.option(
    "--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="As delimiter=; or header_name=X-Key."
)
@click.option("--secret-file", "files", multiple=True, metavar="FIELD=PATH")
@merchant_option
@json_option
def connect(
    kind: str, address: str, name: str | None, every_s: int, lead_time_days: int | None, handover_hours: int,
    max_age_hours: int | None, missing: str, is_own: bool, pairs: tuple[str, ...], files: tuple[str, ...],
    merchant: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Connect a supplier's file: ADDRESS is https://… or a path below an allowed directory.

    By the KIND the file is asked for in another way: sheet (the Google sheet's address), sftp (sftp://host/path),
    ftp (ftp://, ftpes:// or ftps://), imap (imaps://host), s3 (s3://bucket/key), push (the supplier sends it to
    us; ADDRESS is the supplier's name). In a path on a server or in storage, * in the file's name means the
    newest that fits. Further settings, as username=me or sender=stock@supplier.example, are given by --set.

    Another KIND is a system that is read by its API: ADDRESS is where it is, https://…, or the supplier's name
    where the system has one address for all. Its other settings are given by --set, as its help page says.

    A password or token comes from DISPO_SECRET_FIELD or --secret-file FIELD=PATH. Where the files are
    handed over by a person, KIND is "upload" and ADDRESS the supplier's name.
    """
    adapter = kind if kind in _LIVE else _FILE
    fields = manifest("suppliers", adapter).fields
    config = settings_of(pairs, fields)
    secrets: dict[str, str] = {}
    if kind == "upload":
        config |= sources.BY_HAND
    elif kind in _LIVE:
        if any(field.name == "url" for field in fields):
            config["url"] = address
    elif kind != "push":
        config |= _address(kind, address)
    if kind not in ("upload", "push"):
        given = secret_files(files, fields)
        asked = [field for field in fields if not field.places or kind in (*field.places, "file")]
        secrets = {field.name: ask_secret(field, given) for field in asked if field.is_secret}
    if kind in _PLACES and kind != "upload":
        config["place"] = kind
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        rules = {
            "lead_time_days": lead_time_days,
            "handover_hours": handover_hours,
            "max_age_hours": max_age_hours,
            "missing_policy": missing,
            "kind": "own" if is_own else "supplier",
        }
        source_id = sources.connect(rt, owner, adapter, name or address, config, secrets, every_s, rules)
    then = {
        "upload": f"Bring a file in: dispo supplier upload {source_id} FILE",
        "push": f"Make a token for the supplier: dispo supplier push-token {source_id}",
    }.get(
        kind,
        f"Look first: dispo supplier preview {source_id}, then bring it in: dispo sync --supplier {source_id}",
    )
    emit({"supplier": source_id}, as_json, f"Supplier {source_id} is connected. {then}")


def _address(kind: str, address: str) -> dict[str, str]:
    """The settings that ADDRESS stands for."""
    if kind == "s3":
        bucket, _, key = address.removeprefix("s3://").partition("/")
        return {"bucket": bucket, "key": key}
    if kind == "path" or (kind == "file" and "://" not in address):
        return {"path": address}
    return {"url": address}


supplier.add_command(push_token)
supplier.add_command(accept_key)


@supplier.command("upload")
@click.argument("supplier_id", type=int)
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@merchant_option
@json_option
def upload(supplier_id: int, path: Path, merchant: int | None, as_json: bool) -> None:
    """Bring in a file from this machine, for any supplier, as if it had been fetched."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        feed = uploads.from_disk(path)
        outcome = _known(lambda: runs.run(rt, owner, supplier_id, trigger="upload", feed=feed), supplier_id)
    emit({"runs": [outcome]}, as_json, outcome_line(outcome))
    if outcome.status not in _ENDED_WELL:
        raise click.exceptions.Exit(1)


@supplier.command("list")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """The connected suppliers."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = db.execute(
            sa.text("""
                select s.id, s.name, c.status, s.as_of, s.every_s,
                       (select count(*) from observation o
                         where o.merchant_id = s.merchant_id and o.source_id = s.id) as items
                  from source s join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
                 where s.merchant_id = :m order by s.id
            """),
            {"m": merchant_id(rt, merchant)},
        ).all()
    emit(
        rows,
        as_json,
        lambda: table(
            ("id", "name", "status", "as of", "every s", "items"),
            rows,
            "No supplier yet. Connect one: dispo supplier connect file https://…",
        ),
    )


@supplier.command("preview")
@click.argument("supplier_id", type=int)
@merchant_option
@json_option
def look(supplier_id: int, merchant: int | None, as_json: bool) -> None:
    """Fetch the file and show how it is read and what it would change; nothing is written."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        found = _known(lambda: preview(rt, owner, supplier_id), supplier_id)
    emit(preview_json(found), as_json, lambda: preview_text(found))
    if found.problem:
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--supplier", "supplier_id", type=int, help="One supplier; all of them when left out.")
@click.option("--wait", "waits", is_flag=True, help="Also send what follows to the stores, and wait for it.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@merchant_option
@json_option
def sync(supplier_id: int | None, waits: bool, dry_run: bool, merchant: int | None, as_json: bool) -> None:
    """Fetch suppliers now, decide, and (with --wait) deliver."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        ids = [supplier_id] if supplier_id else _sources(rt, owner)
        if not ids:
            raise click.ClickException("No supplier is connected: dispo supplier connect file https://…")
        if dry_run:
            found = {one: _known(lambda one=one: preview(rt, owner, one, dry_run=True), one) for one in ids}
            emit(
                {one: preview_json(p) for one, p in found.items()},
                as_json,
                lambda: "\n\n".join(preview_text(p) for p in found.values()),
            )
            return
        outcomes, errors = _run_all(rt, owner, ids)
        left: int | None = None
        if waits:
            left, turns = drain(rt, owner, timeout_s=600, waits=True)
            errors += turns
    emit(
        {"runs": outcomes, "errors": errors, "pending": left},
        as_json,
        lambda: "\n".join(
            [*(outcome_line(o) for o in outcomes), *errors]
            + ([] if left is None else ["Everything is sent." if not left else f"{left} still wait."])
        ),
    )
    if errors or left or any(o.status not in _ENDED_WELL for o in outcomes):
        raise click.exceptions.Exit(1)


def _run_all(rt: Runtime, owner: int, ids: list[int]) -> tuple[list[Outcome], list[str]]:
    """Every supplier is tried: one that fails never stops the others."""
    outcomes, errors = [], []
    for one in ids:
        try:
            outcomes.append(_known(lambda one=one: runs.run(rt, owner, one, trigger="cli"), one))
        except PortError as error:
            errors.append(f"Supplier {one}: {error}")
    return outcomes, errors


def outcome_line(outcome: Outcome) -> str:
    """One run in one sentence."""
    if outcome.error:
        return f"Run {outcome.run_id}: {outcome.status}. {outcome.error}"
    counts = (
        f"{outcome.rows_read} rows, {outcome.rows_changed} changed, {outcome.rows_new} new, "
        f"{outcome.rows_missing} missing, {outcome.rows_rejected} rejected, {outcome.rows_held} held; "
        f"{outcome.variants_changed} of {outcome.variants_decided} variants changed"
    )
    hint = f" Look at them: dispo runs show {outcome.run_id}" if "held" in outcome.status else ""
    return f"Run {outcome.run_id}: {outcome.status}. {counts}.{hint}"


def _known(call: Any, source_id: int) -> Any:
    """Run `call`; an unknown or busy supplier is a message, not a traceback."""
    try:
        return call()
    except LookupError as error:
        raise click.ClickException(f"There is no supplier {source_id}. See: dispo supplier list") from error
    except SourceBusy as error:
        raise click.ClickException(str(error)) from error


def _sources(rt: Runtime, owner: int) -> list[int]:
    with contextlib.closing(rt.engine.connect()) as db:
        return list(
            db.execute(
                sa.text("""
                    select s.id from source s
                      join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
                     where s.merchant_id = :m and c.status = 'active' order by s.id
                """),
                {"m": owner},
            ).scalars()
        )


COMMANDS = (supplier, sync)
