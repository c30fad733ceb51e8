"""dispo store …, dispo reconcile, dispo deliver, dispo why: what the stores say and should say."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import click

from connector.accounts import schedule
from connector.accounts.connections import add_connection, connection, connections
from connector.bootstrap import TOPICS, Runtime
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
from connector.cli.why import why
from connector.db import transaction
from connector.delivery import approval, reconcile
from connector.delivery.scripts import look_after
from connector.delivery.subscribe import subscribe_webhooks
from connector.installs import leave
from connector.installs.arrive import STORE_EVERY_S
from connector.outbox import upkeep
from connector.outbox.messages import Turn, due_turns
from connector.ports.errors import PortError
from connector.registry import ADAPTERS, manifest


@click.group()
def store() -> None:
    """The shops that Dispo keeps true."""


@store.command("connect")
@click.argument("adapter", type=click.Choice(sorted(ADAPTERS["stores"])))
@click.option("--name", help="How you call it; its address when left out.")
@click.option("--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="A setting, as url=https://…")
@click.option("--secret-file", "files", multiple=True, metavar="FIELD=PATH")
@click.option("--webhooks/--no-webhooks", default=True, show_default=True)
@merchant_option
@json_option
def connect(
    adapter: str,
    name: str | None,
    pairs: tuple[str, ...],
    files: tuple[str, ...],
    webhooks: bool,
    merchant: int | None,
    as_json: bool,
) -> None:
    """Connect a store: check it, import its catalogue. Nothing is written to it before you approve.

    Secrets are prompted for, or come from DISPO_SECRET_FIELD or --secret-file FIELD=PATH.
    """
    fields = manifest("stores", adapter).fields
    config = settings_of(pairs, fields)
    given = secret_files(files, fields)
    secrets = {field.name: ask_secret(field, given) for field in fields if field.is_secret}
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        outcome = connect_store(
            rt,
            owner,
            adapter,
            name or config.get("url") or config.get("shop") or config.get("store_hash") or adapter,
            config,
            secrets,
        )
        if webhooks:
            try:
                outcome["webhooks"] = len(subscribe_webhooks(rt, owner, outcome["connection_id"]))
            except PortError as error:
                outcome["warnings"].append(f"No webhooks, changes are polled instead: {error}")
    text = [
        f"Store {outcome['connection_id']} ({outcome['name']}) is connected: {outcome['listings']} listings.",
        *(f"Note: {warning}" for warning in outcome["warnings"]),
        f"Nothing is written yet. See the difference: dispo store diff {outcome['connection_id']}",
    ]
    emit(outcome, as_json, "\n".join(text))


def connect_store(
    rt: Runtime, owner: int, adapter: str, name: str, config: dict[str, str], secrets: dict[str, str]
) -> dict[str, Any]:
    """Check a store, store its connection, import its catalogue and begin its schedules.

    Raises the PortError of the check before anything is stored.
    """
    given = {key: value for key, value in secrets.items() if value}
    checked = manifest("stores", adapter).build(config, given, rt.environment).check()
    with transaction(rt.engine) as db:
        store_id = add_connection(
            db,
            rt.keyring,
            owner,
            kind="store",
            adapter=adapter,
            name=name,
            config={**config, "currency": checked.currency, "home": checked.url},
            secrets=given,
            now=rt.now(),
        )
    read = reconcile.reconcile(rt, owner, store_id, is_full=True)
    reconcile.read_orders(rt, owner, store_id)
    with transaction(rt.engine) as db:
        for kind, every_s in STORE_EVERY_S.items():
            schedule.ensure(db, owner, kind, store_id, every_s)
        look_after(db, owner, store_id)
    return {
        "connection_id": store_id,
        "name": checked.name,
        "version": checked.version,
        "listings": read.listings,
        "warnings": list(checked.warnings),
    }


@store.command("list")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """The connected stores."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = [
            {
                "id": row.id,
                "adapter": row.adapter,
                "name": row.name,
                "status": row.status,
                "writes": "stopped"
                if row.is_writing_stopped
                else ("yes" if row.writing_approved_at else "not approved"),
                "reason": row.status_reason,
                "public_key": row.public_key,
            }
            for row in connections(db, merchant_id(rt, merchant), "store")
        ]
    emit(
        rows,
        as_json,
        lambda: table(
            ("id", "adapter", "name", "status", "writes", "reason"),
            [list(row.values())[:6] for row in rows],
            "No store yet. Connect one: dispo store connect woocommerce",
        ),
    )


@store.command("diff")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def diff(store_id: int, merchant: int | None, as_json: bool) -> None:
    """What writing would change in a store, by danger."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        connection(db, owner, store_id)
        found = approval.difference(db, owner, store_id)
        first = approval.samples(db, owner, store_id)
    text = [
        f"{found.to_zero} sell but are out; {found.down} show too many; {found.back} are in but hidden; "
        f"{found.up} show too few; {found.same} are right; {found.unwritable} cannot be written; "
        f"{found.unmatched} are no supplier's.",
        table(
            ("SKU", "now", "should be", "badge", "title"),
            [(s.sku, s.now, s.wanted, s.state, s.title[:40]) for s in first],
            "Nothing would change.",
        ),
    ]
    emit({"difference": found, "first": first}, as_json, "\n".join(text))


@store.command("approve")
@click.argument("store_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@merchant_option
@json_option
def approve(store_id: int, yes: bool, merchant: int | None, as_json: bool) -> None:
    """Allow writing to a store. Shows the difference and asks first."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            connection(db, owner, store_id)
            found = approval.difference(db, owner, store_id)
        if not yes:
            click.confirm(
                f"{found.total} quantities would change ({found.to_zero} to zero). Write them?", abort=True
            )
        with transaction(rt.engine) as db:
            count = approval.approve(db, owner, store_id, actor="cli", now=rt.now())
    emit({"enqueued": count}, as_json, f"Approved: {count} listings are on their way.")


@store.command("disconnect")
@click.argument("store_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@merchant_option
@json_option
def disconnect(store_id: int, yes: bool, merchant: int | None, as_json: bool) -> None:
    """End a store: it is neither read nor written any more and keeps its numbers. Says what remains."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            row = connection(db, owner, store_id)
            found = leave.remains(db, owner, store_id)
        said = (
            f"{found.managed} items keep the numbers they show; {found.ads_paused} ads that Dispo paused run "
            f"again; {found.shoppers_waiting} waiting shoppers are told nothing."
        )
        if not yes:
            click.confirm(f"{said} Disconnect {row.name}?", abort=True)
        with transaction(rt.engine) as db:
            if not leave.disconnect(db, owner, store_id, actor="cli", now=rt.now()):
                raise click.ClickException(f"There is no store {store_id}. See: dispo store list")
    emit({"disconnected": store_id, "remains": asdict(found)}, as_json, f"{row.name} is disconnected. {said}")


@store.command("stop")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def stop(store_id: int, merchant: int | None, as_json: bool) -> None:
    """Stop writing to a store at once. Numbers stay as they are."""
    _switch(store_id, merchant, as_json, is_stopped=True)


@store.command("go-on")
@click.argument("store_id", type=int)
@merchant_option
@json_option
def go_on(store_id: int, merchant: int | None, as_json: bool) -> None:
    """Write to a stopped store again."""
    _switch(store_id, merchant, as_json, is_stopped=False)


def _switch(store_id: int, merchant: int | None, as_json: bool, *, is_stopped: bool) -> None:
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            connection(db, owner, store_id)
            count = approval.stop_writing(
                db, owner, store_id, is_stopped=is_stopped, actor="cli", now=rt.now()
            )
    emit(
        {"stopped": is_stopped, "enqueued": count},
        as_json,
        "Nothing is written to this store any more." if is_stopped else f"Writing goes on: {count} listings.",
    )


@click.command("reconcile")
@click.option("--store", "store_id", type=int, help="One store; all of them when left out.")
@click.option("--full", is_flag=True, help="Read everything, not only what changed.")
@merchant_option
@json_option
def reconcile_command(store_id: int | None, full: bool, merchant: int | None, as_json: bool) -> None:
    """Compare stores with what they should say; differences are read again and repaired."""
    results = []
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            ids = [store_id] if store_id else [row.id for row in connections(db, owner, "store")]
        for one in ids:
            reconcile.read_orders(rt, owner, one)
            found = reconcile.reconcile(rt, owner, one, is_full=full)
            results.append(
                {
                    "store": one,
                    "read": found.listings,
                    "differ": found.doubted,
                    "new": found.new_listings,
                    "gone": found.gone,
                }
            )
    emit(
        results,
        as_json,
        lambda: table(
            ("store", "read", "differ", "new", "gone"),
            [list(r.values()) for r in results],
            "No store is connected.",
        ),
    )


@click.command()
@click.option("--wait", "waits", is_flag=True, help="Also wait for what is due later (up to --timeout).")
@click.option("--timeout", "timeout_s", type=float, default=600, show_default=True)
@merchant_option
@json_option
def deliver(waits: bool, timeout_s: float, merchant: int | None, as_json: bool) -> None:
    """Send what waits in the outbox now, in this process (workers may help)."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        left, errors = drain(rt, owner, timeout_s=timeout_s, waits=waits)
    emit(
        {"pending": left, "errors": errors},
        as_json,
        f"{left} messages still wait." + "".join(f"\n{e}" for e in errors) if left else "Everything is sent.",
    )
    if left and waits:
        raise click.exceptions.Exit(1)


def drain(rt: Runtime, owner: int, *, timeout_s: float, waits: bool) -> tuple[int, list[str]]:
    """Serve this merchant's turns until nothing is due (or, with `waits`, nothing is left) or time is up.
    Returns what is left and the errors turns wait for."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with rt.engine.connect() as db:
            turns = [turn for turn in due_turns(db, list(TOPICS), 200) if turn.merchant_id == owner]
        served = [_serve(rt, turn) for turn in turns]
        if not any(served):
            counts = _counts(rt, owner)
            if not waits or not counts:
                break
            time.sleep(0.2)
            upkeep.sweep(rt.engine)
    counts = _counts(rt, owner)
    return sum(c.pending + c.claimed for c in counts), sorted({c.last_error for c in counts if c.last_error})


def _serve(rt: Runtime, turn: Turn) -> bool:
    served = rt.serve(turn)
    return served is not None and served.error is None


def _counts(rt: Runtime, owner: int) -> list[upkeep.PendingCount]:
    with rt.engine.connect() as db:
        return upkeep.pending_counts(db, owner)


@click.command("doctor")
@merchant_option
@json_option
def doctor(merchant: int | None, as_json: bool) -> None:
    """Check every connection and say what to mend."""
    results = []
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            rows = connections(db, owner)
        for row in rows:
            try:
                found = rt.build(row).check()
                notes = list(getattr(found, "warnings", ()))
                results.append({"connection": row.id, "name": row.name, "ok": True, "notes": notes})
            except PortError as error:
                results.append({"connection": row.id, "name": row.name, "ok": False, "notes": [str(error)]})
            if row.status == "paused":
                results[-1]["ok"] = False
                results[-1]["notes"] = [
                    *list(results[-1]["notes"]),  # type: ignore[call-overload]
                    f"Paused: {row.status_reason} When it is mended: dispo connection resume {row.id}",
                ]
    is_well = all(result["ok"] for result in results)
    emit(
        results,
        as_json,
        lambda: table(
            ("id", "connection", "", "what to know"),
            [
                (r["connection"], r["name"], "ok" if r["ok"] else "MEND", " ".join(r["notes"]))  # type: ignore[arg-type]
                for r in results
            ],
            "Nothing is connected yet.",
        ),
    )
    if not is_well:
        raise click.exceptions.Exit(1)


COMMANDS = (store, reconcile_command, deliver, why, doctor)
