"""dispo store locations: which locations of a store Dispo writes, and which sources feed each."""

from __future__ import annotations

from typing import Any

import click

from connector.accounts.connections import connection
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.cli.stores import store
from connector.db import transaction
from connector.delivery import locations
from connector.ports.errors import NotFound
from connector.positions.decide import Cause, decide

NONE = "none"


@store.command("locations")
@click.argument("store_id", type=int)
@click.option("--write", "written", multiple=True, metavar="LOCATION", help="Written; the default one first.")
@click.option("--feed", "fed", multiple=True, metavar="SOURCE=LOCATION", help="SOURCE=none: feeds none here.")
@click.option("--leave-numbers", is_flag=True, help="What stands at a location given up stays there.")
@click.option("--yes", is_flag=True, help="Keep it. Without, it is only shown what it would do.")
@merchant_option
@json_option
def command(
    store_id: int,
    written: tuple[str, ...],
    fed: tuple[str, ...],
    leave_numbers: bool,
    yes: bool,
    merchant: int | None,
    as_json: bool,
) -> None:
    """Show the locations of a store, or choose those that Dispo writes and the sources that feed them.

    A source that is not named feeds the first location. Nothing changes before --yes.
    """
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with rt.engine.connect() as db:
            row = connection(db, owner, store_id)
            now = locations.present(db, owner, store_id)
        if row.kind != "store":
            raise NotFound("dispo", f"store {store_id}", "There is no such store.")
        adapter = rt.store(owner, store_id)
        if not adapter.capabilities.has_locations:
            raise click.ClickException(f"{row.name} has one stock; there are no locations to choose from.")
        known = adapter.locations()
        if not written:
            if fed:
                raise click.UsageError("Name the written locations too: --write LOCATION.")
            _show(now, known, as_json)
            return
        try:
            wanted = locations.plan(now, known, written, _pairs(fed))
            with rt.engine.connect() as db:
                seen = locations.preview(db, owner, store_id, now, wanted)
            if yes:
                with transaction(rt.engine) as db:
                    ids = locations.keep(
                        db, owner, store_id, wanted, leaves_numbers=leave_numbers, actor="cli", now=rt.now()
                    )
                decide(rt.engine, owner, ids, now=rt.now(), cause=Cause("rule"))
        except locations.LocationsRefused as refused:
            raise click.ClickException(str(refused)) from refused
        _say(seen, as_json, is_kept=yes)


def _pairs(fed: tuple[str, ...]) -> list[tuple[int, str | None]]:
    pairs = []
    for one in fed:
        source, equals, place = one.partition("=")
        if not equals or not source.isascii() or not source.isdigit() or not place:
            raise click.UsageError(f"“{one}” is not SOURCE=LOCATION, as 12=5001 or 12={NONE}.")
        pairs.append((int(source), None if place == NONE else place))
    return pairs


def _show(now: locations.Present, known: list[Any], as_json: bool) -> None:
    rows = []
    for one in known:
        is_written = one.location_id in now.feeds.places
        feeding = [
            name
            for source_id, name in now.sources.items()
            if is_written and now.feeds.place_of(source_id) == one.location_id
        ]
        rows.append(
            {
                "location": one.location_id,
                "name": one.name,
                "open": one.writable,
                "sells_online": one.sells_online,
                "written": is_written,
                "sources": feeding,
            }
        )
    emit(
        {"chosen": now.is_chosen, "locations": rows, "sources": dict(now.sources)},
        as_json,
        lambda: (
            table(
                ("location", "name", "written", "fed by"),
                [
                    (
                        one["location"],
                        one["name"],
                        "yes" if one["written"] else "",
                        ", ".join(one["sources"]),
                    )
                    for one in rows
                ],
                "The store has no locations.",
            )
            + "\n\n"
            + table(("source", "name"), list(now.sources.items()), "No supplier is connected.")
        ),
    )


def _say(seen: locations.Preview, as_json: bool, *, is_kept: bool) -> None:
    words = {"new": "is written from now on", "kept": "", "given_up": "is not written any more"}
    emit(
        {"kept": is_kept, "preview": seen},
        as_json,
        lambda: (
            table(
                ("location", "units now", "units then", "products that change", "of them to 0", ""),
                [
                    (
                        one.name,
                        "not read yet" if one.now_units is None else one.now_units,
                        "stay" if one.step == "given_up" else one.then_units,
                        one.changed,
                        one.to_zero,
                        words[one.step],
                    )
                    for one in seen.places
                ],
                "",
            )
            + f"\n{seen.looked_at} of {seen.products} products were looked at."
            + (
                "\nKept. The store is being read."
                if is_kept
                else "\nNothing was changed. Keep it with --yes."
            )
        ),
    )
