"""Rules for everything, a supplier, a collection or a product: looked at, tried out, kept, taken back."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response

from connector.accounts import schedule
from connector.availability.rules import FIELDS, IN_MERCHANT, LEVELS, problem, read_text
from connector.db import transaction
from connector.positions import rule_files, rulings
from connector.positions.decide import Cause, decide
from connector.positions.rules import key_of
from connector.positions.rulings import Change, RuleRefused
from connector.web.pages.overview import kept
from connector.web.rule_words import RuleWords
from connector.web.view import csv_file, flash, gettext, page, reading, runtime
from connector.web.work import briefly

_TRIES_ALL_S = 25.0
"""So long a person waits for a preview over everything; what was not tried by then is said."""

routes = Blueprint("stock_rules", __name__)

DECIDED_HERE = 5_000
"""Up to this many products are decided again at once, more by a worker."""
MOST_FILE_BYTES = 1_000_000
_WEEK_S = 7 * 86_400


@routes.get("/rules")
def index() -> Response:
    return _list("", 200)


@routes.get("/rules.csv")
def download() -> Response:
    with reading() as db:
        return csv_file("rules.csv", rule_files.HEAD, list(rule_files.csv_rows(db, g.merchant_id)))


@routes.get("/rules/edit")
def edit() -> Response:
    """The form of one rule, named by its level and its subject (a SKU, a collection, a supplier's number)."""
    level = request.args.get("level", "")
    subject = request.args.get(level or "subject", request.args.get("subject", ""))[:255].strip()
    with reading() as db:
        try:
            change = rulings.checked(db, g.merchant_id, level, subject, {})
        except RuleRefused as error:
            return _list(str(error), 422)
        says = rulings.says_of(db, g.merchant_id, change.level, change.subject)
    return _form(change, {name: _shown(value) for name, value in says.items()}, {}, 200)


@routes.post("/rules/edit")
def look() -> Response:
    """What the rule would do; nothing is kept yet."""
    level, subject = request.form.get("level", ""), request.form.get("subject", "")
    given = {name: request.form.get(name, "").strip()[:100] for name in FIELDS}
    says = {name: read_text(name, text) for name, text in given.items() if text}
    if request.form.get("what") == "remove":
        says = {}
    with reading() as db:
        try:
            change = rulings.checked(db, g.merchant_id, level, _named(level, subject), {})
        except RuleRefused as error:
            return _list(str(error), 422)
    errors = {name: _error(name) for name, value in says.items() if problem(level, name, value)}
    if errors:
        return _form(change, given, errors, 422)
    return _look([Change(change.level, change.subject, says)])


@routes.post("/rules/file")
def bring() -> Response:
    """Rules of many products from a file, tried out first."""
    file = request.files.get("file")
    content = file.stream.read(MOST_FILE_BYTES + 1) if file else b""
    if len(content) > MOST_FILE_BYTES:
        return _list(gettext("The file is larger than 1 MB. Split it."), 422)
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError:
        return _list(gettext("The file is not UTF-8 text. Save it as “CSV UTF-8”."), 422)
    with reading() as db:
        try:
            changes = rule_files.read_csv(db, g.merchant_id, text)
        except RuleRefused as error:
            return _list(str(error), 422)
    return _look(changes)


@routes.post("/rules/look")
def look_at_all() -> Response:
    """The same rules tried out on everything they may hold for, as far as a page may wait."""
    try:
        with reading() as db:
            changes = rule_files.from_json(db, g.merchant_id, request.form.get("changes", ""))
    except RuleRefused as error:
        return _list(str(error), 422)
    return _look(changes, tries_all=True)


@routes.post("/rules")
def save() -> Response:
    """Keep what was looked at."""
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            changes = rule_files.from_json(db, g.merchant_id, request.form.get("changes", ""))
            number = rulings.save(db, g.merchant_id, changes, actor=g.account.email, now=rt.now())
            ids = rulings.named(db, g.merchant_id, changes, DECIDED_HERE + 1)
    except RuleRefused as error:
        return _list(str(error), 422)
    _decide(ids, is_changed=number is not None)
    return redirect(f"/rules?done={number or 0}", 303)


@routes.post("/rules/undo")
def undo() -> Response:
    text = request.form.get("change", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
    rt = runtime()
    try:
        with transaction(rt.engine) as db:
            changes = rulings.taken_back(db, g.merchant_id, number)
            rulings.save(db, g.merchant_id, changes, actor=g.account.email, now=rt.now())
            ids = rulings.named(db, g.merchant_id, changes, DECIDED_HERE + 1)
    except RuleRefused as error:
        return _list(str(error), 422)
    _decide(ids, is_changed=True)
    return redirect("/rules", 303)


def _list(problem_said: str, status: int) -> Response:
    done = request.args.get("done", "")
    with reading() as db:
        rows = rulings.listed(db, g.merchant_id)
        return page(
            "rules",
            status,
            rows={level: [row for row in rows if row.level == level] for level in LEVELS},
            collections=rulings.collections(db, g.merchant_id)[:500],
            suppliers=rulings.suppliers(db, g.merchant_id),
            problem=problem_said,
            done=done if done.isdigit() and done != "0" else "",
            rule_words=RuleWords(gettext),
        )


def _form(change: Change, values: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    with reading() as db:
        name = _name(db, change)
        is_kept = bool(rulings.says_of(db, g.merchant_id, change.level, change.subject))
    fields = [
        one
        for one in FIELDS.values()
        if change.level in one.levels and not (change.level == "merchant" and one.name in IN_MERCHANT)
    ]
    return page(
        "rule",
        status,
        change=change,
        name=name,
        fields=fields,
        values=values,
        errors=errors,
        is_kept=is_kept,
        rule_words=RuleWords(gettext),
    )


def _look(changes: Sequence[Change], *, tries_all: bool = False) -> Response:
    rt = runtime()
    if tries_all:
        end = time.monotonic() + _TRIES_ALL_S
        found = rulings.preview(
            rt.engine, g.merchant_id, changes, now=rt.now(), most=None, until=lambda: time.monotonic() > end
        )
    else:
        found = rulings.preview(rt.engine, g.merchant_id, changes, now=rt.now())
    with reading() as db:
        name = _name(db, changes[0]) if len(changes) == 1 else ""
    return page(
        "rule_preview",
        changes=rule_files.to_json(changes),
        count=len(changes),
        change=changes[0],
        name=name,
        found=found,
        tries_all=tries_all,
        rule_words=RuleWords(gettext),
    )


def _name(db: Any, change: Change) -> str:
    if change.level == "supplier":
        return dict(rulings.suppliers(db, g.merchant_id)).get(change.subject, change.subject)
    if change.level == "sku":
        return rulings.sku_of(db, g.merchant_id, int(change.subject))
    if change.level == "collection":
        known = {key_of(name): name for name, _ in rulings.collections(db, g.merchant_id)}
        return known.get(change.subject, change.subject)
    return gettext("everything you sell")


def _named(level: str, subject: str) -> str:
    """A rule's own subject, as `checked` takes it."""
    return f"#{subject}" if level == "sku" else subject


def _error(name: str) -> str:
    one, _ = FIELDS[name], gettext
    if one.kind in ("units", "number"):
        return _("Enter a whole number from %(least)s to %(most)s.", least=one.least, most=one.most)
    return _("Choose one of the values.")


def _shown(value: Any) -> str:
    """A value as its field holds it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _decide(ids: list[int], *, is_changed: bool) -> None:
    rt, merchant_id, now, _ = runtime(), g.merchant_id, runtime().now(), gettext
    kept().forget(merchant_id)
    if not is_changed:
        flash(_("Nothing was changed."))
        return
    if len(ids) > DECIDED_HERE:
        with transaction(rt.engine) as db:
            schedule.ensure(db, merchant_id, "positions.all", 0, _WEEK_S)
            schedule.run_now(db, merchant_id, "positions.all", 0)
        flash(_("Saved. Your products are decided again; this takes some minutes."))
        return
    is_done = briefly(lambda: decide(rt.engine, merchant_id, ids, now=now, cause=Cause("rule")))
    flash(
        _("Saved, and every product it holds for is decided again.")
        if is_done
        else _("Saved. Your products are decided again.")
    )
