"""dispo merchant …: merchants and their users."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from connector import plans
from connector.accounts import entitlements, schedule
from connector.accounts.connections import reseal
from connector.accounts.merchants import add_merchant, add_user, set_password
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.delivery.plans import read_plan
from connector.installs.arrive import MERCHANT_EVERY_S


@click.group()
def merchant() -> None:
    """Merchants and the people who sign in."""


@merchant.command("add")
@click.option("--name", required=True, help="The name shoppers see as sender.")
@click.option("--email", required=True, help="Who signs in first.")
@click.option("--password-file", type=click.Path(path_type=Path), help="A file that holds the password.")
@click.option("--locale", type=click.Choice(["en", "fr"]), default="en", show_default=True)
@click.option("--timezone", default="UTC", show_default=True, help="For example Europe/Paris.")
@click.option("--currency", default="EUR", show_default=True)
@json_option
def add(
    name: str,
    email: str,
    password_file: Path | None,
    locale: str,
    timezone: str,
    currency: str,
    as_json: bool,
) -> None:
    """Add a merchant with its first user. The password is prompted for (or --password-file, or
    DISPO_PASSWORD)."""
    password = _password(password_file)
    with open_runtime() as rt, transaction(rt.engine) as db:
        new_id = add_merchant(
            db,
            name=name,
            email=email,
            password=password,
            now=rt.now(),
            locale=locale,
            timezone=timezone,
            currency=currency,
        )
        begin_schedules(db, new_id)
    emit({"merchant_id": new_id}, as_json, f"Merchant {new_id} is ready. Sign in as {email}.")


@merchant.command("list")
@json_option
def show(as_json: bool) -> None:
    """All merchants."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = db.execute(
            sa.text("select id, name, locale, timezone, currency from merchant order by id")
        ).all()
    emit(
        rows,
        as_json,
        lambda: table(
            ("id", "name", "locale", "timezone", "currency"),
            rows,
            "No merchant yet. Begin with: dispo merchant add",
        ),
    )


@merchant.command("add-user")
@merchant_option
@click.option("--email", required=True)
@click.option("--password-file", type=click.Path(path_type=Path))
@json_option
def user(merchant: int | None, email: str, password_file: Path | None, as_json: bool) -> None:
    """Add somebody who may sign in."""
    password = _password(password_file)
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        with transaction(rt.engine) as db:
            new_id = add_user(db, owner, email=email, password=password, now=rt.now())
    emit({"user_id": new_id}, as_json, f"{email} may sign in.")


@merchant.command("set-password")
@click.option("--email", required=True)
@click.option("--password-file", type=click.Path(path_type=Path))
@json_option
def password(email: str, password_file: Path | None, as_json: bool) -> None:
    """Set a user's password and end their sessions."""
    new = _password(password_file)
    with open_runtime() as rt, transaction(rt.engine) as db:
        set_password(db, email, new)
    emit({"email": email}, as_json, f"The password of {email} is set; older sessions ended.")


@merchant.command("plan")
@merchant_option
@click.option("--refresh", is_flag=True, help="Ask the platforms first.")
@json_option
def plan(merchant: int | None, refresh: bool, as_json: bool) -> None:
    """What a merchant's plan allows and what is used of it. Without an installed store: everything."""
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        if refresh:
            with rt.engine.connect() as db:
                rows = entitlements.current(db, owner)
            for row in rows:
                read_plan(rt, owner, row.connection_id, "dispo merchant plan")
        with rt.engine.connect() as db:
            rows = entitlements.current(db, owner)
            limits = entitlements.limits_of(db, owner)
            used = entitlements.usage(db, owner)
            waiting = entitlements.waiting_listings(db, owner) if limits else 0
            changes = entitlements.history(db, owner)
    features = [
        {
            "feature": feature,
            "used": used[feature],
            "limit": limits.get(feature),
            "over": plans.excess(limits, feature, used[feature]),
        }
        for feature in plans.FEATURES
    ]
    said = {"plans": rows, "features": features, "waiting_listings": waiting, "history": changes}
    emit(said, as_json, lambda: _plan_text(rows, features, waiting))


def _plan_text(
    rows: Sequence[entitlements.PlanRow], features: Sequence[Mapping[str, Any]], waiting: int
) -> str:
    lines = [
        f"{row.store}: {row.title or 'no plan'} ({row.state}), "
        + (f"read {row.read_at:%Y-%m-%d %H:%M} UTC" if row.read_at else "not read yet")
        + (f"; the last try failed: {row.problem}" if row.problem else "")
        for row in rows
    ] or ["No store is billed by its platform: everything is allowed."]
    shown = [
        (
            one["feature"],
            one["used"],
            "no limit" if one["limit"] is None else one["limit"],
            f"over by {one['over']}; it goes on" if one["over"] else "",
        )
        for one in features
    ]
    lines.append(table(("what", "in use", "allowed", ""), shown, ""))
    if waiting:
        lines.append(f"{waiting} listings wait for room.")
    return "\n".join(lines)


def begin_schedules(db: sa.Connection, owner: int) -> None:
    """The regular work every merchant needs, whatever is connected."""
    for kind, every_s in MERCHANT_EVERY_S.items():
        schedule.ensure(db, owner, kind, 0, every_s)


def _password(path: Path | None) -> str:
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc
    given = os.environ.get("DISPO_PASSWORD", "")
    if given:
        return given
    if not sys.stdin.isatty():
        raise click.ClickException("The password is missing: set DISPO_PASSWORD or use --password-file.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@click.group()
def keys() -> None:
    """The keys that seal the secrets of connections (DISPO_SECRET_KEYS)."""


@keys.command("rotate")
@json_option
def rotate(as_json: bool) -> None:
    """Seal every stored secret with the first key. Put a new key in front, run this, then older keys may
    go once the links they signed are too old to matter."""
    with open_runtime() as rt, transaction(rt.engine) as db:
        count = reseal(db, rt.keyring)
    emit({"sealed": count}, as_json, f"The secrets of {count} connections are sealed with the first key.")


COMMANDS = (merchant, keys)
