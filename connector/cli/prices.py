"""dispo prices …: margins and floors, what the rules would write into a store, and what is off sale for its price."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from connector.accounts.audit import record
from connector.availability.pricing import NAMES
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
from connector.positions.prices import LEVELS, checked_says, read_book, save_rule, subject_of, summary
from connector.repricing import choices, facts, run_notes
from connector.repricing.floors import approve_stops, follow, stop_state

ACTOR = "command line"
SHOWN = 25


@click.group()
def prices() -> None:
    """Prices against costs: rules, floors, and writing prices into a store."""


@prices.command("show")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """How prices stand against costs, and what is off sale below its floor."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        found = summary(db, owner, read_book(db, owner), SHOWN)
        stops = stop_state(db, owner)
    data = {
        **{
            name: getattr(found, name)
            for name in ("listings", "below", "changes", "held", "no_cost", "currency")
        },
        "off_sale": stops.stopped,
        "off_sale_waiting": stops.held,
        "worst": [
            {"sku": one.sku, "store": one.store, "price": one.price, "floor": one.floor, "cost": one.cost}
            for one in found.worst
        ],
    }

    def text() -> str:
        lines = [
            f"{found.listings} prices; {found.below} below their floor; {found.changes} would change,"
            f" {found.held} of them too far; {found.no_cost} without a cost; {found.currency} in another currency.",
            f"{stops.stopped} products are off sale for their price.",
        ]
        if stops.held:
            lines.append(f"{stops.held} more wait for you: dispo prices stops --approve")
        rows = [(one.sku, one.store, one.cost, one.price, one.floor) for one in found.worst]
        return "\n".join(
            [*lines, table(("sku", "store", "cost", "price", "floor"), rows, "None is too low.")]
        )

    emit(data, as_json, text)


@prices.command("rules")
@merchant_option
@json_option
def rules(merchant: int | None, as_json: bool) -> None:
    """The price rules that are kept."""
    with open_runtime() as rt, rt.engine.connect() as db:
        book = read_book(db, merchant_id(rt, merchant))
    rows: list[dict[str, Any]] = [
        {"level": level, "subject": subject, "says": dict(says)}
        for (level, subject), says in sorted(book.rules.items())
    ]
    emit(
        rows,
        as_json,
        lambda: table(
            ("level", "subject", "says"),
            [
                (one["level"], one["subject"], " ".join(f"{k}={v}" for k, v in one["says"].items()))
                for one in rows
            ],
            "No rule is kept. The first: dispo prices set merchant markup_percent=80",
        ),
    )


@prices.command("set")
@click.argument("level", type=click.Choice(LEVELS))
@click.argument("says", nargs=-1)
@click.option("--subject", default="", help="A supplier's name, a collection's name or a SKU.")
@merchant_option
@json_option
def set_rule(level: str, says: tuple[str, ...], subject: str, merchant: int | None, as_json: bool) -> None:
    """Keep a rule (name=value …) in place of the one of this level and subject; without values it is removed."""
    given = dict(one.partition("=")[::2] for one in says)
    unknown = sorted(set(given) - {*NAMES, "tax_included", "tax_percent"})
    if unknown:
        raise click.UsageError(f"There is no {', '.join(unknown)}; there are {', '.join(NAMES)}.")
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            subject = subject_of(db, owner, level, subject)
            found = checked_says(level, given)
            save_rule(db, owner, level, subject, found, ACTOR, rt.now())
            follow(db, owner)
            detail = {"level": level, "subject": subject, "removed": not found}
            record(db, owner, rt.now(), ACTOR, "price_rule.save", "price rule", detail)
    emit({"level": level, "subject": subject, "says": found}, as_json, "Kept." if found else "Removed.")


@prices.command("store")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def store(store_id: int, merchant: int | None, as_json: bool) -> None:
    """What the rules would write into a store, the most dangerous first, and what was written."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with rt.engine.connect() as db:
            plan = facts.plan_of(db, owner, store_id, read_book(db, owner))
            state = facts.writing_of(db, owner, store_id)
            counts = facts.counts_of(db, owner, store_id)
            looks = facts.looks(db, owner, store_id)
    data: dict[str, Any] = {
        "store": store_id,
        "status": state.status if state else "off",
        "held": state.held if state else 0,
        "held_why": state.held_why if state else "",
        "problem": state.problem if state else "",
        "would_change": len(plan.due),
        "cheaper": plan.cuts,
        "far": plan.far,
        "theirs": plan.theirs,
        "refused": plan.refused,
        "seen": plan.digest,
        "steps": counts,
        "written": [asdict(one) for one in looks],
        "first": [
            {
                "sku": due.one.sku,
                "cost": due.one.cost,
                "price": due.one.price,
                "new_price": due.one.proposal.price,
                "far": due.is_far,
            }
            for due in plan.due[:SHOWN]
        ],
    }

    def text() -> str:
        lines = [
            f"Writing prices is {data['status']}. {len(plan.due)} of {plan.listings} would change,"
            f" {plan.cuts} of them cheaper, {plan.far} by very much; {plan.theirs} are left to you."
        ]
        lines += [f"Held ({state.held_why}): {state.held}" for _ in (1,) if state and state.held]
        lines += [f"Trouble: {state.problem}" for _ in (1,) if state and state.problem]
        lines += [f"Written {one.written_at.isoformat()}: {one.prices}" for one in looks]
        lines.append(f"Approve exactly this: dispo prices approve {store_id} --seen {plan.digest}")
        rows = [
            (due.one.sku, due.one.cost, due.one.price, due.one.proposal.price, "far" if due.is_far else "")
            for due in plan.due[:SHOWN]
        ]
        return "\n".join([*lines, table(("sku", "cost", "price", "new", ""), rows, "Nothing would change.")])

    emit(data, as_json, text)


@prices.command("approve")
@click.argument("store_id", type=int)
@click.option("--seen", required=True, help="What “dispo prices store” showed last.")
@click.option("--far", is_flag=True, help="Also the changes that are very large.")
@click.option("--was", is_flag=True, help="Show the lowest price of thirty days beside a reduced one.")
@merchant_option
@json_option
def approve(store_id: int, seen: str, far: bool, was: bool, merchant: int | None, as_json: bool) -> None:
    """Write what was seen, and from now on what the same rules want."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with transaction(rt.engine) as db:
            done = choices.approve(
                db, owner, store_id, seen, allows_far=far, shows_was=was, actor=ACTOR, now=rt.now()
            )
    if not done:
        raise click.ClickException(
            f"Prices, costs or rules changed since. Nothing was approved: dispo prices store {store_id}"
        )
    emit({"store": store_id, "status": "on"}, as_json, "Approved. Workers write them, or: dispo deliver")


@prices.command("off")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def off(store_id: int, merchant: int | None, as_json: bool) -> None:
    """Write no price more; what is written stays."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with transaction(rt.engine) as db:
            choices.switch_off(db, owner, store_id, actor=ACTOR, now=rt.now())
    emit({"store": store_id, "status": "off"}, as_json, "Off. Prices stay as they are.")


@prices.command("undo")
@click.argument("store_id", type=int)
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z"]), default=None,
              help="Only those written then, as “dispo prices store” says it.")  # fmt: skip
@merchant_option
@json_option
def undo(store_id: int, at: Any, merchant: int | None, as_json: bool) -> None:
    """Put the prices of before back where ours are still the latest; switches writing off."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with transaction(rt.engine) as db:
            count = choices.undo(db, owner, store_id, written_at=at, actor=ACTOR, now=rt.now())
    emit(
        {"store": store_id, "put_back": count}, as_json, f"{count} go back. Workers do it, or: dispo deliver"
    )


@prices.command("hand-over")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def hand_over(store_id: int, merchant: int | None, as_json: bool) -> None:
    """Let the rules set prices again that you changed yourself or the store refused."""
    with open_runtime() as rt:
        owner = store_owner(rt, merchant_id(rt, merchant), store_id)
        with transaction(rt.engine) as db:
            count = choices.hand_over(db, owner, store_id, actor=ACTOR, now=rt.now())
    emit({"store": store_id, "handed_over": count}, as_json, f"{count} follow the rules again.")


@prices.command("stops")
@click.option("--approve", "is_approved", is_flag=True, help="Take off sale what waits.")
@merchant_option
@json_option
def stops(is_approved: bool, merchant: int | None, as_json: bool) -> None:
    """What is off sale below its floor, and what waits for you because it is much at once."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            count = approve_stops(db, owner, actor=ACTOR, now=rt.now()) if is_approved else 0
            state = stop_state(db, owner)
    data = {"off_sale": state.stopped, "waiting": state.held, "approved": count}
    emit(data, as_json, f"{state.stopped} are off sale, {state.held} wait, {count} were approved now.")


@prices.command("run")
@click.argument("run_id", type=int)
@merchant_option
@json_option
def run(run_id: int, merchant: int | None, as_json: bool) -> None:
    """The prices that the costs of a run put under their floor."""
    with open_runtime() as rt, rt.engine.connect() as db:
        found = list(run_notes.listed(db, merchant_id(rt, merchant), run_id))
    rows = [
        (one["sku"], one["store"], one["cost_before"], one["cost"], one["price"], one["floor"])
        for one in found
    ]
    emit(
        found,
        as_json,
        lambda: table(("sku", "store", "cost before", "cost", "price", "floor"), rows, "None."),
    )


COMMANDS = (prices,)
