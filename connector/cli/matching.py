"""dispo match …, dispo bundle …: which item is which variant, and what bundles are made of."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from connector.accounts.audit import record
from connector.bootstrap import Runtime
from connector.catalog import bundles, matching, resolving
from connector.catalog.keys import KeyRules, sku_key
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.positions.decide import Cause, decide

_ACTOR = "cli"


@click.group()
def match() -> None:
    """Items that matching could not link: look, decide once, take it back."""


@match.command("open")
@click.option("--supplier", "source_id", type=int, help="One supplier; all of them when left out.")
@click.option("--search", default="", help="Part of the item's code or barcode.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@merchant_option
@json_option
def show_open(
    source_id: int | None, search: str, limit: int, as_csv: bool, merchant: int | None, as_json: bool
) -> None:
    """Items without a variant, with the nearest ones."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        items = resolving.open_items(db, owner, source_id, search=search, limit=limit)
        near = resolving.candidates(db, owner, items)
        total = resolving.count_open(db, owner, source_id, search)
        skus = _skus(db, owner, {c.variant_id for found in near.values() for c in found})
    rows: list[dict[str, Any]] = [
        {
            "supplier": one.source_id,
            "item": one.item_key,
            "sku": one.sku,
            "gtin": one.gtin,
            "quantity": one.quantity,
            "nearest": [
                {"variant": c.variant_id, "sku": skus[c.variant_id], "score": c.score, "by": c.why}
                for c in near[one.source_id, one.item_key]
            ],
        }
        for one in items
    ]
    if as_csv:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(("supplier", "item", "sku", "gtin", "quantity", "nearest"))
        for row in rows:
            writer.writerow([*list(row.values())[:5], row["nearest"][0]["sku"] if row["nearest"] else ""])
        click.echo(out.getvalue(), nl=False)
        return
    emit(
        {"total": total, "items": rows},
        as_json,
        lambda: table(
            ("supplier", "item", "gtin", "quantity", "nearest"),
            [
                (
                    r["supplier"],
                    r["item"],
                    r["gtin"],
                    r["quantity"],
                    ", ".join(f"{c['sku']} ({c['score']:.0%} by {c['by']})" for c in r["nearest"]),
                )
                for r in rows
            ],
            "Every item has a variant.",
        ),
    )


@match.command("ambiguous")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@merchant_option
@json_option
def show_ambiguous(limit: int, merchant: int | None, as_json: bool) -> None:
    """Items that could be linked in more than one way."""
    with open_runtime() as rt, transaction(rt.engine) as db:
        owner = merchant_id(rt, merchant)
        found = matching.ambiguities(db, owner, limit)
        skus = _skus(db, owner, {v for one in found for v in one.variant_ids})
    emit(
        found,
        as_json,
        lambda: table(
            ("supplier", "item", "why", "variants", "other items"),
            [
                (
                    one.source_id,
                    one.item_key,
                    one.reason.replace("_", " "),
                    ", ".join(f"{skus[v]} (#{v})" for v in one.variant_ids),
                    ", ".join(one.other_items[:5]),
                )
                for one in found
            ],
            "Nothing is ambiguous.",
        ),
    )


@match.command("link")
@click.argument("source_id", type=int)
@click.argument("item")
@click.argument("variant_id", type=int)
@click.option(
    "--units", type=int, default=1, show_default=True, help="The supplier's units in one variant (a pack)."
)
@merchant_option
@json_option
def link(source_id: int, item: str, variant_id: int, units: int, merchant: int | None, as_json: bool) -> None:
    """ITEM of supplier SOURCE_ID is variant VARIANT_ID. Remembered; undo it with: dispo match undo."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            with transaction(rt.engine) as db:
                ids = resolving.link(
                    db, owner, source_id, sku_key(item), variant_id, units=units, actor=_ACTOR, now=rt.now()
                )
                record(
                    db,
                    owner,
                    rt.now(),
                    _ACTOR,
                    "match.link",
                    f"source {source_id} item {item}",
                    {"variant": variant_id},
                )
        except resolving.ChoiceRefused as error:
            raise click.ClickException(str(error)) from error
        _decide(rt, owner, ids)
    emit({"decided": sorted(ids)}, as_json, f"“{item}” is variant {variant_id} from now on.")


@match.command("ignore")
@click.argument("source_id", type=int)
@click.argument("items", nargs=-1, required=True)
@merchant_option
@json_option
def ignore(source_id: int, items: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """ITEMS of supplier SOURCE_ID are not yours: nobody asks about them again."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            keys = [sku_key(item) for item in items]
            count = resolving.ignore(db, owner, source_id, keys, actor=_ACTOR, now=rt.now())
    if not count:
        raise click.ClickException("None of these is an open item of this supplier. See: dispo match open")
    emit({"ignored": count}, as_json, f"{count} of {len(items)} items are left alone from now on.")


@match.command("undo")
@click.argument("source_id", type=int)
@click.argument("items", nargs=-1, required=True)
@merchant_option
@json_option
def undo(source_id: int, items: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """Take back what was decided about ITEMS of supplier SOURCE_ID."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            ids = resolving.undo(db, owner, source_id, [sku_key(item) for item in items])
        _decide(rt, owner, ids)
    emit({"decided": sorted(ids)}, as_json, f"Taken back; {len(ids)} variants were decided again.")


@match.command("rules")
@click.argument("source_id", type=int)
@click.option("--prefix", help="Taken off the supplier's codes, as ACME-.")
@click.option("--suffix", help="Taken off the end of the supplier's codes.")
@click.option("--leading-zeros/--no-leading-zeros", default=None, help="Whether zeros in front do not count.")
@click.option(
    "--apply", "applies", is_flag=True, help="Use them from now on; without it only the counts are shown."
)
@merchant_option
@json_option
def rules(
    source_id: int, prefix: str | None, suffix: str | None, leading_zeros: bool | None, applies: bool,
    merchant: int | None, as_json: bool,
) -> None:  # fmt: skip
    """How a supplier's codes differ from your SKUs: what would match, and proposals from the codes themselves."""
    linked: set[int] = set()
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            try:
                now_used = resolving.rules_of(db, owner, source_id)
            except LookupError as error:
                raise click.ClickException(
                    f"There is no supplier {source_id}. See: dispo supplier list"
                ) from error
            wanted = KeyRules(
                now_used.prefix if prefix is None else prefix,
                now_used.suffix if suffix is None else suffix,
                now_used.leading_zeros if leading_zeros is None else leading_zeros,
            )
            would = resolving.would_match(db, owner, source_id, wanted)
            proposed = resolving.proposals(db, owner, source_id)
            if applies:
                linked = resolving.set_rules(db, owner, source_id, wanted)
        _decide(rt, owner, linked)
    lines = [
        f"Under prefix “{wanted.prefix}”, suffix “{wanted.suffix}”"
        + (", zeros in front not counted" if wanted.leading_zeros else "")
        + f": {would} more items match."
    ]
    lines += [f"{one.matches} would match with {_words(one.rules)}." for one in proposed]
    if applies:
        lines.append(f"Used from now on; {len(linked)} variants were linked.")
    emit(
        {
            "rules": wanted,
            "would_match": would,
            "proposals": proposed,
            "applied": applies,
            "linked": len(linked),
        },
        as_json,
        "\n".join(lines),
    )


def _words(rules_: KeyRules) -> str:
    parts = [f"--prefix '{rules_.prefix}'"] if rules_.prefix else []
    parts += [f"--suffix '{rules_.suffix}'"] if rules_.suffix else []
    parts += ["--leading-zeros"] if rules_.leading_zeros else []
    return " ".join(parts)


@click.group()
def bundle() -> None:
    """Variants that are made of other variants."""


@bundle.command("list")
@merchant_option
@json_option
def list_bundles(merchant: int | None, as_json: bool) -> None:
    """Every bundle with its components and what may be sold of it."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = db.execute(
            sa.text("""
                select v.sku as bundle, c.sku as component, b.units, p.available, p.state
                  from bundle_component b
                  join variant v on v.merchant_id = b.merchant_id and v.id = b.variant_id
                  join variant c on c.merchant_id = b.merchant_id and c.id = b.component_id
                  left join position p on p.merchant_id = b.merchant_id and p.variant_id = b.variant_id
                 where b.merchant_id = :m order by v.sku, b.variant_id, c.sku
            """),
            {"m": merchant_id(rt, merchant)},
        ).all()
    head = ("bundle", "component", "units", "available", "state")
    emit(rows, as_json, lambda: table(head, rows, "No bundle yet. Declare one: dispo bundle import FILE"))


@bundle.command("set")
@click.argument("variant")
@click.argument("parts", nargs=-1)
@merchant_option
@json_option
def set_bundle(variant: str, parts: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """The variant with SKU VARIANT is made of PARTS, each SKU=UNITS. Without parts it is no bundle any more."""
    wanted = []
    for part in parts:
        sku, is_there, units = part.rpartition("=")
        if not is_there or not units.isdigit():
            raise click.BadParameter(f"{part!r} is not SKU=UNITS.")
        wanted.append((sku, int(units)))
    _import({variant: wanted}, merchant, as_json)


@bundle.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@merchant_option
@json_option
def import_file(path: Path, merchant: int | None, as_json: bool) -> None:
    """Declare the bundles of a CSV file with the columns bundle, component (SKUs) and units; all or none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            wanted = bundles.read_csv(file)
    except (bundles.BundleRefused, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path.name}: {error}") from error
    _import(wanted, merchant, as_json)


def _import(wanted: dict[str, list[tuple[str, int]]], merchant: int | None, as_json: bool) -> None:
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            with transaction(rt.engine) as db:
                ids = bundles.import_bundles(db, owner, wanted)
                record(
                    db,
                    owner,
                    rt.now(),
                    _ACTOR,
                    "bundle.declare",
                    f"{len(wanted)} bundles",
                    {"skus": sorted(wanted)[:50]},
                )
        except bundles.BundleRefused as error:
            raise click.ClickException(str(error)) from error
        _decide(rt, owner, ids)
    emit(
        {"bundles": len(ids), "decided": sorted(ids)},
        as_json,
        f"{len(ids)} bundles are declared and decided.",
    )


def _decide(rt: Runtime, owner: int, ids: set[int]) -> None:
    decide(rt.engine, owner, sorted(ids), now=rt.now(), cause=Cause("catalogue"))


def _skus(db: sa.Connection, owner: int, ids: set[int]) -> dict[int, str]:
    rows: Any = db.execute(
        sa.text(
            "select id, sku, title from variant where merchant_id = :m and id = any(cast(:ids as bigint[]))"
        ),
        {"m": owner, "ids": list(ids)},
    )
    return {row.id: row.sku or row.title for row in rows}


COMMANDS = (match, bundle)
