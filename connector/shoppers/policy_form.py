"""Reads a `ShopperPolicy` from texts, as a form or a command line has them, and says what is wrong by field (pure).

How a field is written follows from its type and its name, so that a field added to the policy needs no line here:
switches for yes and no, whole numbers, times of day ("08:30"), days ("2026-11-22"), one or several of a list, texts and
lists of texts ("FR, BE"); what ends in `_s` is kept in seconds and written in minutes, what ends in `_minor` in whole
units of the currency.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import Any, Literal

from pydantic import ValidationError

from connector.shoppers.policy import ShopperPolicy

Kind = Literal["switch", "number", "minutes", "money", "time", "day", "text", "texts", "one", "several"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one field is written. `is_optional`: an empty text says "none"; `choices` of kinds one and several;
    `least` and `most` are the bounds of the kept value (None: unbounded)."""

    name: str
    kind: Kind
    is_optional: bool = False
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a field is not taken: "number" (outside of `least`…`most`, or none), "time", "day", "choice", "several"
    (none was chosen), "pair" (a beginning needs an end), "order" (the end is not after the beginning), "either"
    (two that exclude each other), "text" (not written as it has to be)."""

    code: str
    least: str = ""
    most: str = ""


class PolicyRefused(ValueError):
    """Some fields are wrong; `faults` by field name. Nothing was taken."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        super().__init__(f"These fields are wrong: {', '.join(sorted(faults))}.")
        self.faults = dict(faults)


def shape_of(name: str) -> Shape:
    """How a field of the policy is written. Raises KeyError for what is none."""
    field = ShopperPolicy.model_fields[name]
    kinds = [field.annotation]
    if typing.get_origin(field.annotation) in (typing.Union, UnionType):
        kinds = list(typing.get_args(field.annotation))
    is_optional = type(None) in kinds
    kind: Any = next(one for one in kinds if one is not type(None))
    least = next((int(one.ge) for one in field.metadata if hasattr(one, "ge")), None)
    most = next((int(one.le) for one in field.metadata if hasattr(one, "le")), None)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        is_list = typing.get_origin(inner) is Literal
        return Shape(name, "several", choices=typing.get_args(inner)) if is_list else Shape(name, "texts")
    if typing.get_origin(kind) is Literal:
        return Shape(name, "one", is_optional, typing.get_args(kind))
    plain: dict[type, Kind] = {bool: "switch", time: "time", date: "day", int: "number", str: "text"}
    written = plain[kind]
    if written == "number":
        written = "minutes" if name.endswith("_s") else "money" if name.endswith("_minor") else "number"
    return Shape(name, written, is_optional, (), least, most)


def write(name: str, value: Any, places: int = 2) -> str | list[str]:
    """A kept value as it stands in a form: "" for none, a list for several. `places` of the currency's small unit."""
    kind = shape_of(name).kind
    if kind == "several":
        return list(value)
    if value is None:
        return ""
    if kind == "texts":
        return ", ".join(value)
    if kind == "switch":
        return "1" if value else ""
    if kind == "minutes":
        return _plain(Decimal(value) / 60)
    if kind == "money":
        return f"{Decimal(value).scaleb(-places):.{places}f}"
    return value.strftime("%H:%M") if kind == "time" else str(value)


def read(given: Mapping[str, Sequence[str]], before: ShopperPolicy, places: int = 2) -> ShopperPolicy:
    """`before` with the fields that `given` names (a switch that is off is an empty list). Raises PolicyRefused."""
    values = before.model_dump()
    faults: dict[str, Fault] = {}
    for name, texts in given.items():
        shape = shape_of(name)
        try:
            values[name] = _value(shape, [text.strip() for text in texts], places)
        except (ValueError, InvalidOperation):
            faults[name] = _fault(shape, places)
    faults = _together(values) | faults
    if faults:
        raise PolicyRefused(faults)
    try:
        return ShopperPolicy.model_validate(values)
    except ValidationError as exc:
        # What is left to the policy itself: how texts are written, and what two fields say against each other.
        where = {str(one["loc"][0]) if one["loc"] else "": one["type"] for one in exc.errors()}
        raise PolicyRefused(
            {
                name: Fault("text" if kind == "string_pattern_mismatch" else "either")
                for name, kind in where.items()
            }
        ) from exc


def _value(shape: Shape, texts: list[str], places: int) -> Any:
    """The value of one field; ValueError or InvalidOperation for what cannot be one."""
    if shape.kind == "several":
        if not texts or not set(texts) <= set(shape.choices):
            raise ValueError(shape.name)
        return tuple(one for one in shape.choices if one in texts)
    if shape.kind == "texts":
        return tuple(one.strip().upper() for text in texts for one in text.split(",") if one.strip())
    text = texts[-1] if texts else ""
    if shape.kind == "text":
        return text.upper() if shape.name == "country" else text
    if shape.kind == "switch":
        return text.casefold() in ("1", "yes", "true", "on")
    if not text and shape.is_optional:
        return None
    if shape.kind == "one":
        if text not in shape.choices:
            raise ValueError(shape.name)
        return text
    if shape.kind == "time":
        return time.fromisoformat(text).replace(tzinfo=None)
    if shape.kind == "day":
        return date.fromisoformat(text)
    if len(text) > 15:
        raise ValueError(shape.name)
    number = Decimal(text.replace(",", ".")) if shape.kind != "number" else Decimal(text)
    if shape.kind == "minutes":
        number *= 60
    elif shape.kind == "money":
        number = number.scaleb(places)
    if not number.is_finite() or number != number.to_integral_value():
        raise ValueError(shape.name)
    if (shape.least is not None and number < shape.least) or (shape.most is not None and number > shape.most):
        raise ValueError(shape.name)
    return int(number)


def _fault(shape: Shape, places: int) -> Fault:
    if shape.kind in ("number", "minutes", "money"):
        written = [
            "" if bound is None else _bound(shape.kind, bound, places) for bound in (shape.least, shape.most)
        ]
        return Fault("number", *written)
    return Fault({"one": "choice"}.get(shape.kind, shape.kind))


def _bound(kind: Kind, bound: int, places: int) -> str:
    if kind == "minutes":
        return _plain(Decimal(bound) / 60)
    return _plain(Decimal(bound).scaleb(-places)) if kind == "money" else str(bound)


def _plain(number: Decimal) -> str:
    """0.01, 1440: no exponent and no zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _together(values: Mapping[str, Any]) -> dict[str, Fault]:
    """What two fields say against each other."""
    faults = {}
    if (values["quiet_from"] is None) != (values["quiet_until"] is None):
        faults["quiet_from" if values["quiet_from"] is None else "quiet_until"] = Fault("pair")
    if values["sms_from"] >= values["sms_until"]:
        faults["sms_until"] = Fault("order")
    if values.get("code_percent") is not None and values.get("code_minor") is not None:
        faults["code_minor"] = Fault("either")
    return faults
