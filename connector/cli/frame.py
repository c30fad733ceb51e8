"""What every command shares: the runtime, the merchant, output as text or JSON, secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import sqlalchemy as sa

from connector import i18n
from connector.accounts.connections import connection, connections
from connector.bootstrap import Runtime
from connector.db import migrate
from connector.embedded import running_redis, start_postgres, start_redis
from connector.ports.errors import NotFound
from connector.registry import Field
from connector.sentences import said
from connector.settings import Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """--json: print one JSON value instead of text."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON.")(command)


def lang_option(command: F) -> F:
    """--lang: in which language sentences are said; what LANG names where that is one of ours, else English."""
    return click.option(
        "lang",
        "--lang",
        metavar="LANGUAGE",
        envvar=["LC_ALL", "LC_MESSAGES", "LANG"],
        default=i18n.SOURCE_LOCALE,
        callback=lambda _context, _option, value: _language(value),
        help="en or fr; else as LANG says.",
    )(command)


def _language(wanted: str) -> str:
    """ "fr_FR.UTF-8", "fr" → "fr"; what is not offered ("C", "de_DE") is English."""
    return i18n.best_locale([wanted.partition(".")[0]])


def sayer(lang: str) -> Callable[[str], str]:
    """A function that says a line or a sentence in `lang`; a line keeps what it is moved in by."""
    return lambda line: line[: len(line) - len(line.lstrip())] + said(line.lstrip(), lang).text


def merchant_option(command: F) -> F:
    """--merchant: whose; may be left out while there is only one."""
    return click.option("merchant", "--merchant", type=int, help="Merchant id (when there are several).")(
        command
    )


@contextlib.contextmanager
def open_runtime(*, needs_redis: bool = False) -> Iterator[Runtime]:
    """A migrated runtime. Without DATABASE_URL (and REDIS_URL) the embedded servers are used: those of a
    running `dispo run`, else started for this command and stopped after it."""
    settings = load_settings()
    with contextlib.ExitStack() as stack:
        settings = with_servers(settings, stack, needs_redis=needs_redis)
        migrate(settings.database_url)
        rt = Runtime(settings)
        stack.callback(lambda: rt.engine.dispose())
        yield rt


def with_servers(settings: Settings, stack: contextlib.ExitStack, *, needs_redis: bool) -> Settings:
    """`settings` with the addresses of running servers; those started here end with `stack`."""
    if not settings.database_url:
        postgres = stack.enter_context(start_postgres(settings.data_dir / "postgres"))
        settings = dataclasses.replace(settings, database_url=postgres.url)
    if needs_redis and not settings.redis_url:
        redis = stack.enter_context(start_redis(settings.data_dir / "redis"))
        settings = dataclasses.replace(settings, redis_url=redis.url)
    elif not settings.redis_url:
        # A command needs none, but what a platform lets us ask it shares with the workers that run beside it.
        settings = dataclasses.replace(settings, redis_url=running_redis(settings.data_dir / "redis"))
    return settings


def merchant_id(rt: Runtime, given: int | None) -> int:
    """The merchant to work for; a clear error when it cannot be told."""
    with rt.engine.connect() as db:
        rows = db.execute(sa.text("select id, name from merchant order by id")).all()
    ids = [row.id for row in rows]
    if given is not None:
        if given not in ids:
            raise click.ClickException(f"There is no merchant {given}.")
        return given
    if not rows:
        raise click.ClickException("There is no merchant yet. Begin with: dispo merchant add")
    if len(rows) > 1:
        names = ", ".join(f"{row.id} ({row.name})" for row in rows)
        raise click.ClickException(f"There are several merchants: {names}. Say --merchant ID.")
    return int(ids[0])


def store_owner(rt: Runtime, owner: int, store_id: int) -> int:
    """The merchant of this store; raises NotFound for what is no store of theirs."""
    with rt.engine.connect() as db:
        if connection(db, owner, store_id).kind != "store":
            raise NotFound("dispo", f"connection {store_id}", "It is no store.")
    return owner


def emit(value: Any, as_json: bool, text: str | Callable[[], str]) -> None:
    """Print `value` as JSON, or `text`."""
    if as_json:
        click.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))
    else:
        click.echo(text if isinstance(text, str) else text())


def emit_rows(rows: Iterable[Any]) -> None:
    """Print rows as one JSON list, each as it comes: a hundred thousand of them are never held at once."""
    before = "["
    for row in rows:
        said = json.dumps(plain(row), ensure_ascii=False, indent=2)
        click.echo(before + "\n  " + said.replace("\n", "\n  "), nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def plain(value: Any) -> Any:
    """`value` in what JSON knows: rows become objects, times and dates ISO text, decimals text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, sa.Row):
        return {key: plain(item) for key, item in value._mapping.items()}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, Path)):
        return str(value)
    return value


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> str:
    """A plain table for people; `empty` when there are no rows."""
    if not rows:
        return empty
    cells = [[str(h) for h in head]] + [["" if c is None else str(c) for c in row] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def show_connections(kind: str, merchant: int | None, as_json: bool, empty: str) -> None:
    """Print the connections of one kind; `empty` says how to make the first."""
    with open_runtime() as rt, rt.engine.connect() as db:
        rows = [
            {"id": row.id, "adapter": row.adapter, "name": row.name, "status": row.status}
            for row in connections(db, merchant_id(rt, merchant), kind)
        ]
    emit(
        rows,
        as_json,
        lambda: table(("id", "adapter", "name", "status"), [list(row.values()) for row in rows], empty),
    )


def ask_secret(field: Field, files: dict[str, str], *, environ_prefix: str = "DISPO_SECRET_") -> str:
    """The value of a secret field: from a file (--secret-file NAME=PATH), from the environment
    (DISPO_SECRET_NAME), or by a prompt that does not echo. Empty for an optional one not given."""
    if field.name in files:
        path = Path(files[field.name])
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc
    from_environment = os.environ.get(environ_prefix + field.name.upper(), "")
    if from_environment:
        return from_environment
    if not field.is_required:
        return ""
    if not sys.stdin.isatty():
        name = environ_prefix + field.name.upper()
        raise click.ClickException(
            f"{field.label} is missing: set {name}, or use --secret-file {field.name}=PATH."
        )
    return str(click.prompt(field.label, hide_input=True))


def secret_files(values: Sequence[str], fields: Sequence[Field]) -> dict[str, str]:
    """FIELD=PATH options as a mapping, of an adapter with these fields."""
    secrets = [field.name for field in fields if field.is_secret]
    found = {}
    for value in values:
        name, is_there, path = value.partition("=")
        if not is_there:
            raise click.BadParameter(f"{value!r} is not FIELD=PATH.")
        if name not in secrets:
            raise click.BadParameter(f"There is no secret {name!r}. There are: {', '.join(secrets)}.")
        found[name] = path
    return found


def settings_of(pairs: Sequence[str], fields: Sequence[Field]) -> dict[str, str]:
    """FIELD=VALUE options as settings of an adapter with these fields. A secret is refused: a process
    list shows it."""
    found = {}
    for pair in pairs:
        name, is_there, value = pair.partition("=")
        field = next((one for one in fields if one.name == name), None)
        if not is_there:
            raise click.BadParameter(f"{pair!r} is not FIELD=VALUE.")
        if field is None:
            known = ", ".join(one.name for one in fields if not one.is_secret)
            raise click.BadParameter(f"There is no setting {name!r}. There are: {known}.")
        if field.is_secret:
            raise click.BadParameter(
                f"{name} is a secret: give it by DISPO_SECRET_{name.upper()} or --secret-file {name}=PATH."
            )
        found[name] = value
    return found


def fail(message: str, code: int = 1) -> NoReturn:
    """Print an error and end."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)
