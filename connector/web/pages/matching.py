"""Items that matching could not link, what was decided about them, and bundles: decided here with one click."""

from __future__ import annotations

import io
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts.audit import record
from connector.catalog import bundles, matching, resolving
from connector.catalog.keys import KeyRules, sku_key
from connector.db import transaction
from connector.positions.decide import Cause, decide
from connector.web.pages.overview import kept
from connector.web.view import csv_file, flash, gettext, number_arg, page, reading, runtime

routes = Blueprint("matching", __name__)

PER_PAGE = 25
VIEWS = ("open", "ambiguous", "decided")
_MOST_EXPORTED = 10_000
_MOST_AMBIGUOUS = 200
MOST_FILE_BYTES = 2_000_000


@routes.get("/matching")
def index() -> Response:
    view, source_id, search = (
        request.args.get("view", "open"),
        number_arg("source"),
        request.args.get("q", "")[:100],
    )
    if view not in VIEWS:
        abort(404)
    after = _after()
    near: dict[tuple[int, str], Any] = {}
    rows: list[Any]
    # Ambiguities are found with a temporary table, which a read-only transaction cannot have.
    with transaction(runtime().engine) as db:
        total = resolving.count_open(db, g.merchant_id, source_id, search)
        ambiguous = [
            one
            for one in matching.ambiguities(db, g.merchant_id, _MOST_AMBIGUOUS)
            if source_id in (None, one.source_id) and search.lower() in one.item_key
        ]
        proposals: list[Any] = []
        if view == "open":
            rows = resolving.open_items(
                db, g.merchant_id, source_id, search=search, after=after, limit=PER_PAGE + 1
            )
            near = resolving.candidates(db, g.merchant_id, rows[:PER_PAGE])
            if source_id is not None and not after and not search:
                proposals = resolving.proposals(db, g.merchant_id, source_id)
        elif view == "ambiguous":
            rows = [one for one in ambiguous if after is None or (one.source_id, one.item_key) > after]
        else:
            rows = resolving.chosen(db, g.merchant_id, after=after, limit=PER_PAGE + 1)
        ids = {c.variant_id for found in near.values() for c in found}
        ids |= {v for one in ambiguous if view == "ambiguous" for v in one.variant_ids}
        variants = _variants(db, ids)
        sources = _sources(db)
    more = len(rows) > PER_PAGE
    rows = rows[:PER_PAGE]
    return page(
        "matching",
        view=view,
        source=source_id,
        search=search,
        rows=rows,
        near=near,
        variants=variants,
        sources=sources,
        proposals=proposals,
        totals={"open": total, "ambiguous": len(ambiguous)},
        next_after=f"{rows[-1].source_id}:{rows[-1].item_key}" if more else "",
    )


@routes.get("/matching.csv")
def download() -> Response:
    with reading() as db:
        rows = resolving.open_items(
            db,
            g.merchant_id,
            number_arg("source"),
            search=request.args.get("q", "")[:100],
            limit=_MOST_EXPORTED,
        )
    head = ("supplier", "item", "sku", "gtin", "supplier_sku", "quantity")
    return csv_file(
        "unmatched.csv",
        head,
        ((r.source, r.item_key, r.sku, r.gtin, r.supplier_sku, r.quantity) for r in rows),
    )


@routes.post("/matching/link")
def link() -> Response:
    """It is this one: by the variant's number (a candidate) or its SKU (typed)."""
    source_id, item = _named()
    units = request.form.get("units", "1")
    with reading() as db:
        variant_id = _variant_named(db)
    if variant_id is None:
        flash(gettext("No product, or more than one, has this SKU. Nothing was changed."), "bad")
        return _back()
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            ids = resolving.link(
                db,
                g.merchant_id,
                source_id,
                item,
                variant_id,
                units=int(units) if units.isdecimal() and len(units) < 6 else 0,
                actor=g.account.email,
                now=rt.now(),
            )
            _note("match.link", source_id, item, db, {"variant": variant_id})
    except resolving.ChoiceRefused as error:
        flash(str(error), "bad")
        return _back()
    _decide(ids)
    flash(gettext("“%(item)s” is linked. The next file will not ask again.", item=item))
    return _back()


@routes.post("/matching/ignore")
def ignore() -> Response:
    source_id, item = _named()
    rt = runtime()
    with transaction(rt.engine) as db:
        done = resolving.ignore(db, g.merchant_id, source_id, [item], actor=g.account.email, now=rt.now())
        _note("match.ignore", source_id, item, db)
    if done:
        flash(gettext("“%(item)s” is left alone from now on.", item=item))
    return _back()


@routes.post("/matching/undo")
def undo() -> Response:
    source_id, item = _named()
    with transaction(runtime().engine) as db:
        ids = resolving.undo(db, g.merchant_id, source_id, [item])
        _note("match.undo", source_id, item, db)
    _decide(ids)
    flash(gettext("“%(item)s” is open again.", item=item))
    return _back()


@routes.post("/matching/rules")
def rules() -> Response:
    """Compare a supplier's codes under a proposed rule from now on."""
    source_id = _number("source")
    given = KeyRules(
        request.form.get("prefix", "")[:40], request.form.get("suffix", "")[:40], "zeros" in request.form
    )
    with transaction(runtime().engine) as db:
        try:
            resolving.rules_of(db, g.merchant_id, source_id)
        except LookupError:
            abort(404)
        linked = resolving.set_rules(db, g.merchant_id, source_id, given)
        _note("match.rules", source_id, "", db, given.to_json())
    _decide(linked)
    flash(gettext("%(count)s products were linked. The rule stays for the next files.", count=len(linked)))
    return _back()


@routes.get("/bundles")
def list_bundles() -> Response:
    return _bundles("", {}, 200)


@routes.post("/bundles")
def declare() -> Response:
    """Declare bundles: the lines of a file, or one bundle from the form."""
    file = request.files.get("file")
    try:
        if file and file.filename:
            content = file.stream.read(MOST_FILE_BYTES + 1)
            if len(content) > MOST_FILE_BYTES:
                raise bundles.BundleRefused(gettext("The file is larger than 2 MB. Split it."))
            wanted = bundles.read_csv(io.StringIO(content.decode("utf-8-sig"), newline=""))
        else:
            wanted = {request.form.get("bundle", "").strip(): _parts(request.form.get("parts", "")[:20_000])}
        with transaction(runtime().engine) as db:
            ids = bundles.import_bundles(db, g.merchant_id, wanted)
            _note("bundle.declare", 0, ", ".join(sorted(wanted))[:200], db)
    except UnicodeDecodeError:
        return _bundles(gettext("The file is not UTF-8 text. Save it as “CSV UTF-8”."), request.form, 422)
    except bundles.BundleRefused as error:
        return _bundles(str(error), request.form, 422)
    _decide(ids)
    flash(gettext("%(count)s bundles are kept and decided.", count=len(ids)))
    return redirect("/bundles", 303)


@routes.post("/bundles/<int:variant_id>/take-apart")
def take_apart(variant_id: int) -> Response:
    with transaction(runtime().engine) as db:
        try:
            ids = bundles.declare(db, g.merchant_id, variant_id, [])
        except bundles.BundleRefused:
            abort(404)
        _note("bundle.end", 0, str(variant_id), db)
    _decide(ids)
    flash(gettext("It is no bundle any more."))
    return redirect("/bundles", 303)


def _bundles(problem: str, values: Any, status: int) -> Response:
    with reading() as db:
        lines = db.execute(
            sa.text("""
                select b.variant_id, v.sku, v.title, b.component_id, c.sku as part_sku, c.title as part_title,
                       b.units, p.available, p.state, cp.available as part_available
                  from bundle_component b
                  join variant v on v.merchant_id = b.merchant_id and v.id = b.variant_id
                  join variant c on c.merchant_id = b.merchant_id and c.id = b.component_id
                  left join position p on p.merchant_id = b.merchant_id and p.variant_id = b.variant_id
                   and p.version > 0
                  left join position cp on cp.merchant_id = b.merchant_id and cp.variant_id = b.component_id
                   and cp.version > 0
                 where b.merchant_id = :m order by v.sku, b.variant_id, c.sku limit 2000
            """),
            {"m": g.merchant_id},
        ).all()
    found: dict[int, list[Any]] = {}
    for line in lines:
        found.setdefault(line.variant_id, []).append(line)
    return page("bundles", status, bundles=found, problem=problem, values=values)


def _parts(text: str) -> list[tuple[str, int]]:
    """Lines "2 x PLATE" or "PLATE" as (SKU, units)."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        units, is_there, sku = line.partition(" ")
        sku = sku.strip().removeprefix("x ").removeprefix("× ").strip()
        plain = is_there and units.isascii() and units.isdigit() and len(units) < 6 and sku
        found.append((sku, int(units)) if plain else (line, 1))
    if not found:
        raise bundles.BundleRefused(gettext("Name at least one component, one a line."))
    return found


def _variant_named(db: sa.Connection) -> int | None:
    text = request.form.get("variant", "")
    if text.isdecimal() and len(text) < 19:
        return int(text)
    sku = sku_key(request.form.get("sku", "")[:255])
    rows = db.execute(
        sa.text("select id from variant where merchant_id = :m and sku_key = :k and sku_key <> '' limit 2"),
        {"m": g.merchant_id, "k": sku},
    ).scalars()
    found = list(rows)
    return found[0] if len(found) == 1 else None


def _named() -> tuple[int, str]:
    return _number("source"), request.form.get("item", "")[:255]


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not (text.isdecimal() and len(text) < 19):
        abort(400)
    return int(text)


def _after() -> tuple[int, str] | None:
    source, is_there, item = request.args.get("after", "").partition(":")
    return (int(source), item) if is_there and source.isdecimal() and len(source) < 19 else None


def _back() -> Response:
    view, source = request.form.get("view", "open"), request.form.get("only", "")
    query = f"?view={view if view in VIEWS else 'open'}" + (f"&source={source}" if source.isdecimal() else "")
    return redirect(f"/matching{query}", 303)


def _decide(ids: set[int]) -> None:
    rt = runtime()
    decide(rt.engine, g.merchant_id, sorted(ids), now=rt.now(), cause=Cause("catalogue"))
    kept().forget(g.merchant_id)


def _note(
    action: str, source_id: int, item: str, db: sa.Connection, detail: dict[str, Any] | None = None
) -> None:
    subject = f"source {source_id} item {item}" if source_id else item
    record(db, g.merchant_id, runtime().now(), g.account.email, action, subject, detail)


def _variants(db: sa.Connection, ids: set[int]) -> dict[int, Any]:
    rows = db.execute(
        sa.text(
            "select id, sku, title from variant where merchant_id = :m and id = any(cast(:ids as bigint[]))"
        ),
        {"m": g.merchant_id, "ids": list(ids)},
    )
    return {row.id: row for row in rows}


def _sources(db: sa.Connection) -> dict[int, str]:
    rows = db.execute(
        sa.text("select id, name from source where merchant_id = :m order by name, id"), {"m": g.merchant_id}
    )
    return {row.id: row.name for row in rows}
