"""What every resource of the simulated REST API shares: requests, replies, errors, fields and pages."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

T = TypeVar("T")

ITEM_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class RestError(Exception):
    """A refusal as WordPress words it: {"code", "message", "data": {"status", …}}."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "data": {"status": self.status, **self.data}}


@dataclass(frozen=True)
class Call:
    """One request below /wp-json/wc/v3. `query` keeps the last value of a repeated parameter, in order."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    home: str

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1", "yes")


@dataclass
class Reply:
    """`data` is sent as JSON. `is_list` replies are cut to `_fields` item by item."""

    data: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def invalid_param(name: str, message: str, code: str, data: Any = None) -> RestError:
    """The 400 of a parameter that does not fit the schema."""
    return RestError(
        400,
        "rest_invalid_param",
        f"Invalid parameter(s): {name}",
        params={name: message},
        details={name: {"code": code, "message": message, "data": data}},
    )


def encode(data: Any) -> bytes:
    """JSON as PHP writes it: ASCII only and slashes escaped."""
    return json.dumps(data, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def wanted_fields(query: Mapping[str, str]) -> list[str] | None:
    """The names in `_fields`, or None when everything is asked for."""
    raw = query.get("_fields", "")
    return [name.strip() for name in raw.split(",") if name.strip()] or None


def cut(data: dict[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    """`data` with only these fields, in the order of `data`; "database.version" keeps a part."""
    if names is None:
        return data
    tops = {name.partition(".")[0]: name.partition(".")[2] for name in names}
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key not in tops:
            continue
        below = tops[key]
        found[key] = {below: value[below]} if below and below in value else value
    return found


def links(home: str, path: str, *, up: str = "", methods: Sequence[str] = ITEM_METHODS) -> dict[str, Any]:
    """The `_links` of one object below /wp-json/wc/v3/."""
    base = f"{home}/wp-json/wc/v3"
    found: dict[str, Any] = {
        "self": [{"href": f"{base}/{path}", "targetHints": {"allow": list(methods)}}],
        "collection": [{"href": f"{base}/{path.rpartition('/')[0]}"}],
    }
    if up:
        found["up"] = [{"href": f"{base}/{up}"}]
    return found


def single(call: Call, data: dict[str, Any]) -> Reply:
    """One object; its `_links` survive `_fields`, as recorded."""
    names = wanted_fields(call.query)
    if names is None:
        return Reply(data)
    return Reply({**cut(data, names), "_links": data["_links"]})


def page_of(call: Call, ids: Sequence[T], render: Callable[[T], dict[str, Any]]) -> Reply:
    """The asked page of `ids`, rendered, with the headers that count and link the pages."""
    per_page = bounded(call, "per_page", 10, 1, 100)
    page = bounded(call, "page", 1, 1, None)
    total = len(ids)
    pages = math.ceil(total / per_page)
    names = wanted_fields(call.query)
    start = (page - 1) * per_page
    rows = [cut(render(one), names) for one in ids[start : start + per_page]]
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    around = []
    if page > 1:
        around.append(f'<{_page_url(call, min(page - 1, max(pages, 1)))}>; rel="prev"')
    if page < pages:
        around.append(f'<{_page_url(call, page + 1)}>; rel="next"')
    if around:
        headers["Link"] = ", ".join(around)
    return Reply(rows, headers=headers)


def _page_url(call: Call, page: int) -> str:
    # WordPress echoes the whole query here, keys and signatures included.
    query = {**call.query, "page": str(page)}
    text = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query.items())
    return f"{call.home}/wp-json/wc/v3/{call.path}?{text}"


def bounded(call: Call, name: str, default: int, least: int, most: int | None) -> int:
    """An integer parameter within its bounds; raises the recorded 400s otherwise."""
    raw = call.query.get(name)
    if raw is None:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise invalid_param(
            name, f"{name} is not of type integer.", "rest_invalid_type", {"param": name}
        ) from None
    if value < least or (most is not None and value > most):
        bounds = (
            f"{name} must be between {least} (inclusive) and {most} (inclusive)"
            if most is not None
            else f"{name} must be greater than or equal to {least}"
        )
        raise invalid_param(name, bounds, "rest_out_of_bounds")
    return value


def one_of(call: Call, name: str, default: str, allowed: Sequence[str]) -> str:
    """A parameter with a fixed vocabulary; raises 400 for another word."""
    value = call.query.get(name, default)
    if value not in allowed:
        raise invalid_param(name, f"{name} is not one of {', '.join(allowed)}.", "rest_not_in_enum")
    return value


def id_list(call: Call, name: str) -> list[int] | None:
    """`include=1,2,3` as integers, or None when it was not sent."""
    raw = call.query.get(name)
    if raw is None:
        return None
    parts = [part for part in raw.replace(" ", ",").split(",") if part]
    try:
        return [int(part) for part in parts]
    except ValueError:
        raise invalid_param(name, f"{name}[0] is not of type integer.", "rest_invalid_type") from None


def stamp(at: datetime | None) -> str | None:
    """GMT without a zone, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds")[:19] if at is not None else None


def local_stamp(at: datetime | None, timezone: str) -> str | None:
    """The shop's own time, to the second."""
    return at.astimezone(ZoneInfo(timezone)).isoformat(timespec="seconds")[:19] if at is not None else None


def modified_filter(call: Call, timezone: str) -> Callable[[datetime], bool]:
    """Whether a GMT stamp lies strictly after `modified_after` (and before `modified_before`).

    The time-zone trap is kept: with `dates_are_gmt` the text is compared with the GMT column after any
    zone in it was turned into shop time; without, it is compared with the shop-time column.
    """
    is_gmt = call.flag("dates_are_gmt")
    zone = ZoneInfo(timezone)
    bounds: dict[str, datetime] = {}
    for name in ("modified_after", "modified_before"):
        raw = call.query.get(name)
        if raw is None:
            continue
        try:
            if len(raw) < 10 or raw.isdigit():
                raise ValueError(raw)
            asked = datetime.fromisoformat(raw)
        except ValueError:
            raise invalid_param(name, "Invalid date.", "rest_invalid_date") from None
        bounds[name] = asked.astimezone(zone).replace(tzinfo=None) if asked.tzinfo else asked

    if not bounds:
        return lambda at: True

    def holds(at: datetime) -> bool:
        column = at.astimezone(UTC if is_gmt else zone).replace(tzinfo=None, microsecond=0)
        after, before = bounds.get("modified_after"), bounds.get("modified_before")
        return (after is None or column > after) and (before is None or column < before)

    return holds
