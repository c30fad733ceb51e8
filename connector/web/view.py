"""Turns facts into answers: pages, fragments for polling, files of comma-separated values, confirmations.

Everything a person reads is said in their language; times are those of the merchant's place.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel import dates
from babel.core import Locale
from flask import Response, current_app, g, request, session
from flask_wtf.csrf import generate_csrf
from jinja2 import Environment

from connector import i18n
from connector.bootstrap import Runtime
from connector.web import words
from connector.web.assets import asset_url
from connector.web.demo import demo_links

QUERY_LIMIT_MS = 8_000


def runtime() -> Runtime:
    """The runtime this app was made with."""
    rt: Runtime = current_app.config["RUNTIME"]
    return rt


@contextmanager
def reading() -> Iterator[sa.Connection]:
    """A read-only connection whose queries end after eight seconds: one large merchant must not hold
    the server's threads."""
    with runtime().engine.connect() as db:
        db.execute(sa.text(f"set local statement_timeout = {QUERY_LIMIT_MS}"))
        yield db


# --- language ---------------------------------------------------------------------------------------


def chosen_locale() -> str:
    """The language of this request: the person's, else the one they use where they come from
    (`g.asked_locale`), else the one chosen here, else the browser's."""
    account = g.get("account")
    if account is not None and account.locale in i18n.locales():
        return str(account.locale)
    asked = [g.get("asked_locale", ""), session.get("locale", "")]
    return i18n.best_locale([*asked, *request.accept_languages.values()])


def gettext(message: str, **values: object) -> str:
    """`message` in the language of this request."""
    return i18n.gettext(chosen_locale())(message, **values)


def ngettext(singular: str, plural: str, num: int, **values: object) -> str:
    """As `gettext`, with a number that is in the message as `num`."""
    return i18n.ngettext(chosen_locale())(singular, plural, num, **values)


@cache
def _environment(locale: str) -> Environment:
    env = i18n.environment(locale).overlay()
    # An overlay shares the dictionaries of its parent; the storefront's must stay as they are.
    env.globals = {
        **env.globals,
        "asset": asset_url,
        "csrf_token": generate_csrf,
        "words": words.Words(locale),
        "language_name": lambda name: (Locale.parse(name).get_display_name(name) or name).capitalize(),
        "offered_locales": i18n.locales(),
        "query": query,
        "pick": lambda **kept: {key: value for key, value in kept.items() if value},
    }
    env.filters = {
        **env.filters,
        "moment": lambda at: moment(at, locale),
        "ago": lambda at: ago(at, locale),
        "clock": lambda at: _local(at).strftime("%H:%M"),
        "shortday": lambda on: dates.format_date(on, "d MMM", locale=locale),
        "num": lambda value: "–" if value is None else i18n.number(value, locale),
        "percent": lambda share: i18n.percent(share, locale),
        "amount": lambda value, currency: amount(value, currency, locale),
        "iso": datetime.fromisoformat,
        "path": lambda url: urlsplit(url).path or url,
    }
    return env


def query(path: str, **args: object) -> str:
    """`path` with the arguments that say something."""
    said = {key: value for key, value in args.items() if value not in (None, "", 0)}
    return f"{path}?{urlencode(said)}" if said else path


def _zone() -> ZoneInfo:
    account = g.get("account")
    return ZoneInfo(account.timezone if account else "UTC")


def _local(at: datetime) -> datetime:
    return at.astimezone(_zone())


def today() -> date:
    """The date at the merchant's place."""
    return _local(runtime().now()).date()


def start_of_day() -> datetime:
    """The midnight that began this day at the merchant's place."""
    return _local(runtime().now()).replace(hour=0, minute=0, second=0, microsecond=0)


def moment(at: datetime, locale: str) -> str:
    """Day and time at the merchant's place; the year only where it is another one."""
    local = _local(at)
    is_this_year = local.year == today().year
    if locale == "en":
        return dates.format_datetime(
            local, "d MMM, HH:mm" if is_this_year else "d MMM y, HH:mm", locale="en_GB"
        )
    return dates.format_datetime(local, "d MMM, HH:mm" if is_this_year else "d MMM y, HH:mm", locale=locale)


def ago(at: datetime, locale: str) -> str:
    """How long before (or after) now: "3 minutes ago"."""
    return dates.format_timedelta(at - runtime().now(), add_direction=True, locale=locale)


def amount(value: Any, currency: str, locale: str) -> str:
    """A sum in whole and small units of `currency`; a dash for none."""
    from babel.numbers import format_currency

    return "–" if value is None else format_currency(value, currency, locale=locale)


# --- answers ----------------------------------------------------------------------------------------


def is_htmx() -> bool:
    """Did the page ask for this by itself (a part to swap), not the person by a link?"""
    return request.headers.get("HX-Request") == "true"


def nonce() -> str:
    """The nonce of this answer's scripts."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    found: str = g.nonce
    return found


def page(
    name: str, status: int = 200, /, *, headers: dict[str, str] | None = None, **context: Any
) -> Response:
    """The page `templates/pages/<name>.html`, whole."""
    answer = Response(render(name, **context), status, content_type="text/html; charset=utf-8")
    answer.headers["Content-Language"] = chosen_locale()
    answer.headers.update(headers or {})
    return answer


def render(name: str, /, **context: Any) -> str:
    """The HTML of one template with what every page knows."""
    account = g.get("account")
    flashes = session.pop("flashes", []) if account is not None and not name.startswith("_") else []
    return (
        _environment(chosen_locale())
        .get_template(f"pages/{name}.html")
        .render(
            **{
                "account": account,
                "nonce": nonce(),
                "now": runtime().now(),
                "path": request.path,
                "here": request.full_path.rstrip("?"),
                "flashes": flashes,
                "demo_links": demo_links(runtime()) if account is not None else {},
                "is_demo": runtime().settings.is_demo,
                **context,
            }
        )
    )


def digest(value: object) -> str:
    """A short mark of the facts a fragment shows: the same mark means that nothing changed."""
    text = json.dumps(value, default=str, sort_keys=True)
    return hashlib.sha256(f"{chosen_locale()}{text}".encode()).hexdigest()[:16]


def fragment(name: str, seen: str, facts: object, /, **context: Any) -> Response:
    """A part that a page polls for; 204 (nothing is swapped) when it has seen these very facts."""
    mark = digest(facts)
    if seen == mark:
        return Response(status=204)
    return page(name, mark=mark, **context)


def confirm(
    *,
    title: str,
    lead: str,
    points: Sequence[str] = (),
    action: str,
    submit: str,
    back: str,
    is_danger: bool = False,
    hidden: Sequence[tuple[str, str]] = (),
) -> Response:
    """A page that says what will happen and has one button (a POST to `action`, with the `hidden` fields) and one
    way back."""
    return page(
        "confirm",
        title=title,
        lead=lead,
        points=points,
        action=action,
        submit=submit,
        back=back,
        is_danger=is_danger,
        hidden=hidden,
    )


def flash(text: str, kind: str = "done") -> None:
    """Say `text` once, on the next page. Kinds: done, note, bad."""
    session["flashes"] = [*session.get("flashes", [])[-4:], [kind, text]]


def safe_target(target: str) -> str:
    """`target` when it is a path of this app, else the overview: nobody is sent to a stranger."""
    parts = urlsplit(target)
    is_own = target.startswith("/") and not target.startswith("//") and "\\" not in target
    is_plain = all(character.isprintable() for character in target)
    return target if is_own and is_plain and not parts.scheme and not parts.netloc else "/"


def csv_file(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A file of comma-separated values, sent while it is read. UTF-8 with a mark, which spreadsheets need."""
    answer = Response(_csv_lines(head, rows), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _csv_lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    yield b"\xef\xbb\xbf"
    for lines, row in enumerate(rows, 1):
        writer.writerow([_cell(value) for value in row])
        if lines % 500 == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


_FORMULA = frozenset("=+-@\t\r")


def _cell(value: Any) -> Any:
    """A value as it stands in a file. Text that a spreadsheet would run as a formula is defused."""
    # By the exact type, the commonest first: a list of 100,000 people has more than a million cells.
    kind = type(value)
    if kind is str:
        return f"'{value}" if value[:1] in _FORMULA else value
    if value is None:
        return ""
    if kind is int:
        return value
    if kind is bool:
        return "yes" if value else "no"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


def stream(statement: sa.TextClause, values: dict[str, Any]) -> Iterator[sa.Row[Any]]:
    """The rows of a large query, fetched in portions by a server-side cursor of its own connection."""
    engine = runtime().engine  # now: while the answer is sent there is no request any more

    def rows() -> Iterator[sa.Row[Any]]:
        with engine.connect() as db:
            options = db.execution_options(stream_results=True, max_row_buffer=2000)
            yield from options.execute(statement, values)

    return rows()


def number_arg(name: str) -> int | None:
    """A whole number of the address (`?before=17`), None when it is missing or none."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
