"""dispo rates: what one unit of another currency is worth in yours, for comparing costs."""

from __future__ import annotations

import click

from connector.accounts.audit import record
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.positions import currencies
from connector.positions.decide import Cause, decide
from connector.positions.promises import today_of


@click.group()
def rates() -> None:
    """Exchange rates for costs in other currencies. They are your word: nothing is asked of anybody."""


@rates.command("list")
@merchant_option
@json_option
def list_command(merchant: int | None, as_json: bool) -> None:
    """The rates that count today, and the currencies of your suppliers' costs."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        own = currencies.own_currency(db, owner)
        found = currencies.rates_on(db, owner, today_of(db, owner, rt.now()))
        used = sorted({code for code in currencies.currencies_of(db, owner).values() if code != own})
    known = {one.currency for one in found}
    rows = [(one.currency, f"{one.rate.normalize():f} {own}", one.valid_from.isoformat()) for one in found]
    rows += [(code, "no rate", "") for code in used if code not in known]
    said = [
        {"currency": one.currency, "rate": str(one.rate), "of": own, "valid_from": one.valid_from}
        for one in found
    ]
    emit(said, as_json, lambda: table(("currency", "one is worth", "from"), rows, "None."))


@rates.command("set")
@click.argument("currency")
@click.argument("rate")
@click.option("--from", "valid_from", default="", help="From this day on (2026-11-22); else from today.")
@merchant_option
def set_command(currency: str, rate: str, valid_from: str, merchant: int | None) -> None:
    """Say what one unit of CURRENCY is worth in your own: dispo rates set USD 0.92."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            own = currencies.own_currency(db, owner)
            day = valid_from or today_of(db, owner, rt.now()).isoformat()
            kept = currencies.checked_rate(currency, rate, day, own)
            currencies.save_rate(db, owner, kept, actor="command line", now=rt.now())
            record(db, owner, rt.now(), "command line", "rate.save", kept.currency)
            ids = currencies.compared_by_cost(db, owner, kept.currency)
        decide(rt.engine, owner, ids, now=rt.now(), cause=Cause("rule"))
    click.echo(f"1 {kept.currency} is {kept.rate.normalize():f} {own} from {kept.valid_from} on.")


@rates.command("remove")
@click.argument("currency")
@merchant_option
def remove(currency: str, merchant: int | None) -> None:
    """Forget the rates of a currency; costs in it are compared with no others then."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            if not currencies.remove_rates(db, owner, currency):
                raise click.ClickException(f"There is no rate for {currency!r}. See: dispo rates list")
            record(db, owner, rt.now(), "command line", "rate.remove", currency.strip().upper())
            ids = currencies.compared_by_cost(db, owner, currency.strip().upper())
        decide(rt.engine, owner, ids, now=rt.now(), cause=Cause("rule"))
    click.echo("Forgotten.")


COMMANDS = (rates,)
