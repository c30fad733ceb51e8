"""dispo lists …: products sold out for long, in the lists of a store."""

from __future__ import annotations

from typing import Any

import click

from connector.bootstrap import Runtime
from connector.cli.frame import (
    emit,
    json_option,
    merchant_id,
    merchant_option,
    open_runtime,
    store_owner,
    table,
)
from connector.db import transaction
from connector.placement import facts, rules

ACTOR = "command line"
SHOWN = 50


@click.group()
def lists() -> None:
    """Products sold out for long: to the end of a store's lists, and back when they sell."""


@lists.command("show")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def show(store_id: int, merchant: int | None, as_json: bool) -> None:
    """The rule of a store, what it would move now and what it moved."""
    with open_runtime() as rt:
        _show(rt, store_owner(rt, merchant_id(rt, merchant), store_id), store_id, as_json)


@lists.command("choose")
@click.argument("store_id", type=int)
@click.argument("kind")
@click.option("--days", type=int, default=30, show_default=True, help="Sold out for more than these.")
@click.option("--tag", default="", help="The tag, for the kind “tag”.")
@merchant_option
@json_option
def choose(store_id: int, kind: str, days: int, tag: str, merchant: int | None, as_json: bool) -> None:
    """Choose tag, last or search_only as far as the platform has them. Nothing is moved before you approve."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        rule = rules.checked(rt.store(owner, store_id).place_kinds, kind, tag, days)
        with transaction(rt.engine) as db:
            rules.choose(db, owner, store_id, rule, actor=ACTOR, now=rt.now())
        _show(rt, owner, store_id, as_json)


@lists.command("approve")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def approve(store_id: int, merchant: int | None, as_json: bool) -> None:
    """Let the rule move what it shows, now and from now on."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with transaction(rt.engine) as db:
            done = rules.approve(db, owner, store_id, actor=ACTOR, now=rt.now())
    if not done:
        raise click.ClickException("There is no rule to approve. Choose one: dispo lists choose.")
    emit({"store": store_id, "status": "on"}, as_json, "Approved. Workers move it, or: dispo deliver")


@lists.command("off")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def off(store_id: int, merchant: int | None, as_json: bool) -> None:
    """Put everything back to where it was and move nothing more."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with transaction(rt.engine) as db:
            done = rules.switch_off(db, owner, store_id, actor=ACTOR, now=rt.now())
    text = "Switched off. Workers put everything back, or: dispo deliver" if done else "It is off already."
    emit({"store": store_id, "status": "off"}, as_json, text)


def _show(rt: Runtime, owner: int, store_id: int, as_json: bool) -> None:
    with rt.engine.connect() as db:
        found = facts.rule_of(db, owner, store_id)
        counts, moved = facts.moved(db, owner, store_id, SHOWN)
        count, due = facts.preview(db, owner, store_id, found.rule, rt.now(), SHOWN) if found else (0, [])
    data: dict[str, Any] = {
        "store": store_id,
        "status": found.status if found else "none",
        "kind": found.rule.kind if found else "",
        "tag": found.rule.tag if found else "",
        "days": found.rule.days_out if found else None,
        "held": found.held if found else 0,
        "problem": found.problem if found else "",
        "would_move": count,
        "steps": counts,
        "due": [
            {"product": one.product_id, "title": one.title, "out_since": str(one.out_since)} for one in due
        ],
        "moved": [{"product": one.product_id, "title": one.title, "step": one.step} for one in moved],
    }

    def text() -> str:
        if found is None:
            return "No rule is chosen."
        head = f"{found.rule.kind} {found.rule.tag}".strip()
        lines = [f"{head}, sold out for more than {found.rule.days_out} days: {found.status}"]
        lines += [f"Trouble: {found.problem}"] if found.problem else []
        lines += [f"Held: {found.held} at once. Approve them: dispo lists approve"] if found.held else []
        rows = [(one.product_id, one.title, "would be moved") for one in due]
        rows += [(one.product_id, one.title, one.step) for one in moved]
        return "\n".join([*lines, table(("product", "title", ""), rows, "Nothing is to be moved now.")])

    emit(data, as_json, text)


COMMANDS = (lists,)
