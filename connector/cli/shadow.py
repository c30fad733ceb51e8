"""dispo store shadow: a store that is only watched, beside the tool that writes it."""

from __future__ import annotations

import dataclasses
from typing import Any

import click
import sqlalchemy as sa

from connector.accounts.connections import connection
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.cli.stores import store
from connector.db import transaction
from connector.delivery import shadow as watching
from connector.delivery.shadow_report import Report, report
from connector.i18n import money

_ZONE = sa.text("select timezone from merchant where id = :m")


@store.command("shadow")
@click.argument("store_id", type=int)
@click.option("--hours", type=int, help="Watch for so many hours from now before asking (1 to 720).")
@click.option("--stop", "stops", is_flag=True, help="Watch no longer; the report stays.")
@click.option("--start", "starts", is_flag=True, help="Watch anew, and forget what was found.")
@merchant_option
@json_option
def shadow(
    store_id: int, hours: int | None, stops: bool, starts: bool, merchant: int | None, as_json: bool
) -> None:
    """What a store's present tool did while Dispo only watched: in hours, orders and money."""
    if stops + starts + (hours is not None) > 1:
        raise click.UsageError("Say one of --hours, --stop and --start.")
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            row = connection(db, owner, store_id)
            if row.kind != "store":
                raise click.ClickException(f"Connection {store_id} is no store. See: dispo store list")
            given: dict[str, Any] = {"actor": "cli", "now": rt.now()}
            is_done = True
            if hours is not None:
                try:
                    is_done = watching.ask_again(db, owner, store_id, hours, **given)
                except ValueError as exc:
                    raise click.BadParameter(str(exc)) from exc
            elif stops:
                is_done = watching.stop(db, owner, store_id, **given)
            elif starts:
                is_done = watching.start(db, owner, store_id, **given)
            if not is_done:
                raise click.ClickException(
                    f"{row.name} is being watched already, or writing to it is approved."
                    if starts
                    else f"{row.name} is not being watched."
                )
            zone = db.execute(_ZONE, {"m": owner}).scalar_one()
            found = report(db, owner, store_id, timezone=zone)
    emit(
        None if found is None else {**dataclasses.asdict(found), "has_figures": found.has_figures},
        as_json,
        lambda: _text(found, store_id),
    )


def _text(found: Report | None, store_id: int) -> str:
    if found is None:
        return "Nothing was compared: watching begins with the first reading after a supplier's items are matched."
    if not found.has_figures:
        return (
            f"Watching for {long(found.watched_s)}, {found.compared} articles: first figures after an hour."
        )
    out, hidden = found.out, found.hidden
    lines = [
        f"In {long(found.watched_s)} {out.listings} articles could be bought that the supplier did not have, for"
        f" {long(out.seconds)} together."
    ]
    if found.reads_orders:
        lines.append(f"{out.orders} orders ({money(out.minor, found.currency, 'en')}) were taken on them.")
    elif out.fallen_units:
        lines.append(
            f"The store's number fell by {out.fallen_units} meanwhile, worth"
            f" {money(out.fallen_minor, found.currency, 'en')} at most: sold, or corrected by the present tool."
        )
    lines.append(
        f"{hidden.listings} were in stock but could not be bought, for {long(hidden.seconds)} together."
        + (
            f" About {hidden.lost_units} units ({money(hidden.lost_minor, found.currency, 'en')}) were missed of"
            f" {hidden.estimated} that sold enough to estimate it."
            if hidden.estimated
            else ""
        )
    )
    if found.theirs.times:
        lines.append(
            f"The present tool followed {found.theirs.times} times after Dispo: {long(found.theirs.typical_s)} later in"
            f" the middle, {long(found.theirs.longest_s)} at the longest."
        )
    if found.ours.times:
        lines.append(
            f"It was ahead of Dispo {found.ours.times} times, by {long(found.ours.typical_s)} in the middle."
        )
    lines.append(
        f"Both said the same for {found.agreed or 0:.1%} of the time; {found.differs.listings} articles had another"
        f" number on both sides, {found.unsettled} differences are not settled yet."
    )
    lines.append(
        f"Looked at {found.looks} times from {found.began_at:%Y-%m-%d %H:%M} to {found.seen_at:%Y-%m-%d %H:%M} UTC"
        + (f"; nobody looked for up to {long(found.longest_gap_s)}." if found.longest_gap_s else ".")
    )
    rows = [
        (
            one.sku,
            long(one.out_s),
            long(one.hidden_s),
            one.units,
            money(one.minor, found.currency, "en"),
            one.store_units,
            one.our_units,
            one.title[:40],
        )
        for one in found.worst
    ]
    head = ("SKU", "on sale, but out", "hidden", "ordered", "worth", "shop", "Dispo", "title")
    return (
        "\n".join(lines)
        + "\n\n"
        + table(head, rows, "No difference.")
        + (f"\n\nApply it: dispo store approve {store_id}" if found.is_open else "")
    )


def long(seconds: int) -> str:
    """How long, in one unit."""
    if seconds >= 5400:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 60)} min" if seconds >= 60 else f"{seconds} s"
