"""JSON API: any supplier's or system's own API that lists items with a number of units."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from adapters.kit.api import Api, Rate, Sign, basic
from adapters.kit.live import LiveSource
from adapters.kit.oauth import ClientCredentials
from adapters.suppliers.json_api.listing import ADAPTER, TEXTS, JsonListing, Paging, Question
from adapters.suppliers.json_api.live import PLACE, JsonLive
from adapters.suppliers.json_api.paths import Step, steps
from connector.ports.errors import Misconfigured
from connector.registry import Environment, Field, Manifest

_PAGINGS = ("", "page", "offset", "cursor", "link", "next")
_SIGN_INS = ("", "basic", "bearer", "header", "query", "oauth2")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"host", "content-length", "transfer-encoding", "content-type", "connection"}
Config = Mapping[str, Any]


def build(config: Config, secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One JSON API as a supplier; no network. Raises Misconfigured, naming the field."""
    question = _question(config)
    sign, params = _sign_in(config, secrets, environment)
    root = "{0.scheme}://{0.netloc}".format(urlsplit(question.url))
    api = Api(
        environment,
        ADAPTER,
        root,
        account=question.url.partition("?")[0],
        sign=sign,
        rate=_rate(_text(config, "rate")),
        secrets=[value for value in secrets.values() if value],
    )
    return LiveSource(JsonListing(api, question, params), environment)


def live_check(config: Config, secrets: Mapping[str, str], environment: Environment) -> JsonLive | None:
    """What answers for single items, where the merchant named their address; raises as `build`."""
    if not _text(config, "item_url"):
        return None
    url = _url(config, "item_url")
    if PLACE not in url.partition("://")[2].partition("/")[2]:
        raise _wrong(
            "item_url", f"It does not hold {PLACE}.", f"Write it as https://api.example/stock/{PLACE}."
        )
    sign, params = _sign_in(config, secrets, environment)
    api = Api(
        environment,
        ADAPTER,
        "{0.scheme}://{0.netloc}".format(urlsplit(url)),
        account=url.partition("?")[0],
        sign=sign,
        secrets=[value for value in secrets.values() if value],
        tries=1,
    )
    return JsonLive(api, url, _path(config, "item_path"), _columns(config), params)


def _question(config: Config) -> Question:
    url, method = _url(config, "url"), _text(config, "method").upper() or "GET"
    if method not in ("GET", "POST"):
        raise _wrong("method", f"{method} is not possible.", "Enter GET or POST.")
    paging = _text(config, "paging").lower()
    if paging not in _PAGINGS:
        raise _wrong(
            "paging", f"There is no “{paging}”.", f"Use one of: {', '.join(_PAGINGS[1:])}, or nothing."
        )
    for name in ("cursor", "next"):
        if paging == name and not _text(config, f"{name}_path"):
            raise _wrong(f"{name}_path", "It is not said where the next page is named.", "Enter its path.")
    if method == "POST" and paging in ("link", "next"):
        raise _wrong(
            "paging", "A POST cannot be repeated at another address.", "Choose page, offset or cursor."
        )
    return Question(
        url=url,
        method=method,
        body=_body(config, method),
        items=_path(config, "items_path"),
        columns=_columns(config),
        paging=cast(Paging, paging),
        page_name=_text(config, "page_name") or paging,
        first_page=_number(config, "first_page", 1),
        size_name=_text(config, "size_name"),
        size=_number(config, "size", 0),
        cursor=_path(config, "cursor_path"),
        next=_path(config, "next_path"),
        total=_path(config, "total_path"),
    )


def _columns(config: Config) -> dict[str, tuple[Step, ...]]:
    """As in "sku=code, quantity=stock.free": the columns of stock and where an item holds them."""
    found = {}
    for part in re.split(r"[,;\n]", _text(config, "columns")):
        if not part.strip():
            continue
        name, equals, path = (text.strip() for text in part.partition("="))
        if name not in TEXTS or not equals or not path:
            raise _wrong(
                "columns",
                f"“{part.strip()}” says nothing.",
                f"Write sku=code; names are: {', '.join(TEXTS)}.",
            )
        try:
            found[name] = steps(path)
        except ValueError as exc:
            raise _wrong("columns", f"{exc}.", "Correct the path.") from exc
    if "quantity" not in found or not {"supplier_sku", "sku", "gtin"} & set(found):
        raise _wrong(
            "columns", "Item code and quantity are needed.", "Write as in sku=code, quantity=stock.free."
        )
    return found


def _body(config: Config, method: str) -> dict[str, Any]:
    text = _text(config, "body")
    if text and method != "POST":
        raise _wrong("body", "Only a POST has a body.", "Choose POST, or leave it empty.")
    try:
        body = json.loads(text) if text else {}
    except ValueError as exc:
        raise _wrong("body", "This is not JSON.", 'Write an object, as in {"warehouse": 1}.') from exc
    if not isinstance(body, dict):
        raise _wrong("body", "This is not a JSON object.", 'Write one, as in {"warehouse": 1}.')
    return body


def _sign_in(
    config: Config, secrets: Mapping[str, str], environment: Environment
) -> tuple[Sign | None, dict[str, str]]:
    """What signs a call in: headers of the moment, and parameters."""
    way = _text(config, "auth").lower()
    if way not in _SIGN_INS:
        raise _wrong("auth", f"There is no “{way}”.", f"Use one of: {', '.join(_SIGN_INS[1:])}, or nothing.")
    if way == "oauth2":
        return _client(config, secrets, environment), {}
    if way == "basic":
        password = _secret(secrets, "password", is_needed=False)
        header = basic(_needed(config, "username"), password)
        return lambda _: {"Authorization": header}, {}
    if not way:
        return None, {}
    token = _secret(secrets, "token")
    if way == "bearer":
        return lambda _: {"Authorization": f"Bearer {token}"}, {}
    name = _text(config, "token_name")
    if way == "query":
        return None, {name or "token": token}
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
        raise _wrong("token_name", "This cannot be the name of a header.", "Use one as X-Api-Key.")
    return lambda _: {name: token}, {}


def _client(config: Config, secrets: Mapping[str, str], environment: Environment) -> ClientCredentials:
    url = _url(config, "token_url")
    secret = _secret(secrets, "client_secret")
    api = Api(environment, ADAPTER, url, account=f"{url} token", secrets=(secret,))
    style = _text(config, "client_style").lower() or "basic"
    if style not in ("basic", "body"):
        raise _wrong("client_style", f"There is no “{style}”.", "Enter basic or body.")
    return ClientCredentials(
        api,
        url,
        _needed(config, "client_id"),
        secret,
        scope=_text(config, "scope"),
        style="body" if style == "body" else "basic",
    )


def _rate(text: str) -> Rate | None:
    """As in "60/60": calls in so many seconds."""
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,6})\s*/\s*(\d{1,6})", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise _wrong("rate", f"“{text}” is not a rate.", "Enter calls/seconds, as in 60/60.")
    return Rate(int(match[1]), int(match[2]))


def _url(config: Config, name: str) -> str:
    url = _text(config, name)
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise _wrong(name, "This is not a web address.", "Begin it with https://.")
    if parts.username or parts.password:
        raise _wrong(name, "The address holds a user or a password.", "Enter them in their own fields.")
    return url


def _path(config: Config, name: str) -> tuple[Step, ...]:
    try:
        return steps(_text(config, name))
    except ValueError as exc:
        raise _wrong(name, f"{exc}.", "Correct the path.") from exc


def _number(config: Config, name: str, default: int) -> int:
    text = _text(config, name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise _wrong(name, f"“{text}” is not a whole number.", "Enter one, or nothing.")
    return int(text)


def _secret(secrets: Mapping[str, str], name: str, *, is_needed: bool = True) -> str:
    value = secrets.get(name, "").strip()
    if not value and is_needed:
        raise _wrong(name, "It is missing for this way of signing in.", "Enter it.")
    if not value.isprintable() or not value.isascii():
        raise _wrong(name, "It holds a character no header may hold.", "Copy it again.")
    return value


def _needed(config: Config, name: str) -> str:
    value = _text(config, name)
    if not value:
        raise _wrong(name, "It is missing for this way of signing in.", "Enter it.")
    return value


def _text(config: Config, name: str) -> str:
    value = config.get(name)
    return value.strip() if isinstance(value, str) else ""


def _wrong(field: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured(ADAPTER, "the settings of the API", cause, remedy, field=field)


def _optional(name: str, label: str, help_: str, *, is_secret: bool = False) -> Field:
    return Field(name, label, is_secret=is_secret, is_required=False, help=help_)


MANIFEST = Manifest(
    name=ADAPTER,
    title="JSON API",
    fields=(
        Field("url", "Address", help="Where the list of items is, beginning with https://."),
        Field("columns", "Columns", help="As in sku=code, quantity=stock.free, restock_date=next_arrival."),
        _optional(
            "items_path", "List of items", "Where the list is, as in data.items; empty: the answer itself."
        ),
        _optional("method", "Method", "GET (empty) or POST."),
        _optional("body", "Body", "For POST: a JSON object."),
        _optional("auth", "Sign in", "Empty for none, else basic, bearer, header, query or oauth2."),
        _optional("username", "User", "For basic."),
        _optional("password", "Password", "For basic.", is_secret=True),
        _optional("token_name", "Name of the token", "For header or query, as in X-Api-Key."),
        _optional("token", "Token", "For bearer, header and query.", is_secret=True),
        _optional("token_url", "Token address", "For oauth2 (client credentials)."),
        _optional("client_id", "Client ID", "For oauth2."),
        _optional("client_secret", "Client secret", "For oauth2.", is_secret=True),
        _optional("scope", "Scope", "For oauth2, if the API wants one."),
        _optional("client_style", "Client credentials go", "For oauth2: basic (empty) or body."),
        _optional("paging", "Pages", "Empty: one page; else page, offset, cursor, link or next."),
        _optional("page_name", "Page parameter", "If it is not called page, offset or cursor."),
        _optional("first_page", "First page", "For page: 1 if empty."),
        _optional("size_name", "Size parameter", "As in per_page, if you want larger pages."),
        _optional("size", "Size", "Items on a page."),
        _optional("cursor_path", "Cursor", "For cursor: where the answer names the next one."),
        _optional("next_path", "Next page", "For next: where the answer holds its address."),
        _optional("total_path", "Total", "Where the answer says how many items there are; it is checked."),
        _optional(
            "item_url",
            "Address of one item",
            "For carts, as https://api.example/stock/{item}; it should answer within half a second.",
        ),
        _optional("item_path", "One item", "For carts: where the answer holds it; empty: the answer itself."),
        _optional("rate", "Rate", "Calls/seconds the API allows, as in 60/60."),
    ),
    build=build,
    live_check=live_check,
    help_page="docs/adapters/json-api.md",
)
