"""dispo shoppers …: settings of the messages to shoppers, and people who wait, brought along from another tool."""

from __future__ import annotations

import click
import sqlalchemy as sa
from babel.numbers import get_currency_precision

from connector.accounts.audit import record
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.shoppers.policy import ShopperPolicy, policy_of, save_policy
from connector.shoppers.policy_form import PolicyRefused, read, shape_of, write
from connector.web.policy_words import why


@click.group()
def shoppers() -> None:
    """Those who wait for products, and the messages to them."""


@shoppers.group("settings")
def rules() -> None:
    """Channels, waves, hours and limits of the messages to shoppers."""


@rules.command("show")
@merchant_option
@json_option
def show(merchant: int | None, as_json: bool) -> None:
    """Every setting, as `set` takes it."""
    with open_runtime() as rt, rt.engine.connect() as db:
        owner = merchant_id(rt, merchant)
        policy, places = policy_of(db, owner), _places(db, owner)
    rows = [(name, _text(name, getattr(policy, name), places)) for name in ShopperPolicy.model_fields]
    emit(policy.model_dump(mode="json"), as_json, table(("setting", "value"), rows, ""))


@rules.command("set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE…")
@merchant_option
@json_option
def change(pairs: tuple[str, ...], merchant: int | None, as_json: bool) -> None:
    """Change settings: `channels=email,sms`, `settle_s=15` (minutes), `quiet_from=` (none)."""
    given: dict[str, list[str]] = {}
    for pair in pairs:
        name, is_pair, text = pair.partition("=")
        if not is_pair or name not in ShopperPolicy.model_fields:
            known = ", ".join(ShopperPolicy.model_fields)
            raise click.ClickException(f"{pair!r} is not NAME=VALUE with one of: {known}.")
        given[name] = text.split(",") if shape_of(name).kind == "several" else [text]
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            before = policy_of(db, owner)
            try:
                policy = read(given, before, _places(db, owner))
            except PolicyRefused as refused:
                said = [f"{name}: {why(_plain, fault)}" for name, fault in sorted(refused.faults.items())]
                raise click.ClickException("Nothing was changed. " + " ".join(said)) from refused
            save_policy(db, owner, policy, "cli", rt.now())
            record(db, owner, rt.now(), "cli", "shoppers.settings", "messages", {"changed": sorted(given)})
    emit(policy.model_dump(mode="json"), as_json, f"Changed: {', '.join(sorted(given))}.")


def _plain(text: str, **values: object) -> str:
    return text % values if values else text


def _places(db: sa.Connection, owner: int) -> int:
    """The digits of the small unit of the merchant's currency."""
    return get_currency_precision(
        str(db.scalar(sa.text("select currency from merchant where id = :m"), {"m": owner}))
    )


def _text(name: str, value: object, places: int) -> str:
    text = write(name, value, places)
    if isinstance(text, list):
        return ",".join(text)
    return ("yes" if value else "no") if isinstance(value, bool) else text


COMMANDS = (shoppers,)
