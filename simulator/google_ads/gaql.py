"""Reads and runs the part of the Google Ads Query Language that makes sense for these accounts:

    SELECT fields FROM resource [WHERE field operator value [AND …]] [LIMIT n]

with =, !=, <, <=, >, >=, IN, NOT IN, BETWEEN and DURING. Everything else is refused with the error the
real API names, never guessed: a query that passes here uses existing fields, allowed together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from simulator.google_ads.accounts import Accounts, Row, resource_name

Value = Any
FieldKind = Literal["string", "integer", "boolean", "enum", "list", "date"]


class QueryFault(Exception):
    """The query is refused; `code` is a QueryError name of the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class _Field:
    kind: FieldKind
    get: Callable[[Row], Value]
    values: frozenset[str] = frozenset()


_STATUS = frozenset({"UNSPECIFIED", "UNKNOWN", "ENABLED", "PAUSED", "REMOVED"})
_CUSTOMER_STATUS = frozenset({"UNSPECIFIED", "UNKNOWN", "ENABLED", "CANCELED", "SUSPENDED", "CLOSED"})
_CRITERION = frozenset({"UNSPECIFIED", "UNKNOWN", "KEYWORD", "PLACEMENT", "LISTING_GROUP"})
_AD = frozenset({"UNSPECIFIED", "UNKNOWN", "RESPONSIVE_SEARCH_AD"})


def _item(get: Callable[[Any], Value]) -> Callable[[Row], Value]:
    return lambda row: get(row.item)


def _name(row: Row) -> str:
    assert row.item is not None
    return resource_name(row.customer.id, row.item)


_FIELDS: Mapping[str, _Field] = {
    "customer.resource_name": _Field("string", lambda r: f"customers/{r.customer.id}"),
    "customer.id": _Field("integer", lambda r: int(r.customer.id)),
    "customer.descriptive_name": _Field("string", lambda r: r.customer.name),
    "customer.currency_code": _Field("string", lambda r: r.customer.currency),
    "customer.time_zone": _Field("string", lambda r: r.customer.time_zone),
    "customer.manager": _Field("boolean", lambda r: r.customer.manager),
    "customer.test_account": _Field("boolean", lambda r: r.customer.test_account),
    "customer.status": _Field("enum", lambda r: r.customer.status, _CUSTOMER_STATUS),
    "campaign.id": _Field("integer", lambda r: r.campaign and r.campaign.id),
    "campaign.name": _Field("string", lambda r: r.campaign and r.campaign.name),
    "campaign.status": _Field("enum", lambda r: r.campaign and r.campaign.status, _STATUS),
    "ad_group.id": _Field("integer", lambda r: r.ad_group and r.ad_group.id),
    "ad_group.name": _Field("string", lambda r: r.ad_group and r.ad_group.name),
    "ad_group.status": _Field("enum", lambda r: r.ad_group and r.ad_group.status, _STATUS),
    "ad_group_ad.resource_name": _Field("string", _name),
    "ad_group_ad.status": _Field("enum", _item(lambda i: i.status), _STATUS),
    "ad_group_ad.ad.id": _Field("integer", _item(lambda i: i.id)),
    "ad_group_ad.ad.name": _Field("string", _item(lambda i: i.name)),
    "ad_group_ad.ad.type": _Field("enum", lambda _: "RESPONSIVE_SEARCH_AD", _AD),
    "ad_group_ad.ad.final_urls": _Field("list", _item(lambda i: i.final_urls)),
    "ad_group_ad.ad.final_mobile_urls": _Field("list", _item(lambda i: i.final_mobile_urls)),
    "ad_group_ad.ad.responsive_search_ad.headlines": _Field(
        "list", _item(lambda i: [{"text": i.text}] if i.text else [])
    ),
    "ad_group_criterion.resource_name": _Field("string", _name),
    "ad_group_criterion.status": _Field("enum", _item(lambda i: i.status), _STATUS),
    "ad_group_criterion.criterion_id": _Field("integer", _item(lambda i: i.id)),
    "ad_group_criterion.type": _Field("enum", lambda _: "KEYWORD", _CRITERION),
    "ad_group_criterion.negative": _Field("boolean", _item(lambda i: i.negative)),
    "ad_group_criterion.keyword.text": _Field("string", _item(lambda i: i.text)),
    "ad_group_criterion.final_urls": _Field("list", _item(lambda i: i.final_urls)),
    "ad_group_criterion.final_mobile_urls": _Field("list", _item(lambda i: i.final_mobile_urls)),
    "keyword_view.resource_name": _Field(
        "string", lambda r: _name(r).replace("adGroupCriteria", "keywordViews")
    ),
    "metrics.cost_micros": _Field("integer", lambda _: None),
    "segments.date": _Field("date", lambda _: None),
}
_PARENTS: Mapping[str, frozenset[str]] = {
    "customer": frozenset({"customer"}),
    "campaign": frozenset({"campaign", "customer"}),
    "ad_group": frozenset({"ad_group", "campaign", "customer"}),
    "ad_group_ad": frozenset({"ad_group_ad", "ad_group", "campaign", "customer"}),
    "ad_group_criterion": frozenset({"ad_group_criterion", "ad_group", "campaign", "customer"}),
    "keyword_view": frozenset({"keyword_view", "ad_group_criterion", "ad_group", "campaign", "customer"}),
}
_WITHOUT_METRICS = {"ad_group_criterion"}
_DURING = {"TODAY": (0, 0), "YESTERDAY": (1, 1), "LAST_7_DAYS": (1, 7), "LAST_30_DAYS": (1, 30)}

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<op><=|>=|!=|=|<|>)|(?P<mark>[(),])"
    r"|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])|(?P<word>[A-Za-z_][\w.]*))"
)


@dataclass(frozen=True)
class _Condition:
    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A query that passed every check. `fields` in the order selected."""

    resource: str
    fields: tuple[str, ...]
    conditions: tuple[_Condition, ...]
    limit: int | None

    @property
    def uses_metrics(self) -> bool:
        names = (*self.fields, *(condition.field for condition in self.conditions))
        return any(name.startswith(("metrics.", "segments.")) for name in names)


def parse(text: str) -> Query:
    """The query in `text`; raises QueryFault."""
    reader = _Reader(text)
    reader.expect("SELECT", "EXPECTED_SELECT")
    fields = [reader.word("BAD_FIELD_NAME")]
    while reader.take(","):
        fields.append(reader.word("BAD_FIELD_NAME"))
    reader.expect("FROM", "EXPECTED_FROM")
    resource = reader.word("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE")
    conditions: list[_Condition] = []
    if reader.take("WHERE"):
        conditions.append(_read_condition(reader))
        while reader.take("AND"):
            conditions.append(_read_condition(reader))
    limit = None
    if reader.take("LIMIT"):
        number = reader.next()
        if number is None or not number.isdigit() or int(number) < 1:
            raise QueryFault("BAD_LIMIT_VALUE", f"Limit {number!r} is invalid.")
        limit = int(number)
    if (rest := reader.next()) is not None:
        raise QueryFault("UNEXPECTED_INPUT", f"Unexpected input: {rest}.")
    query = Query(resource, tuple(fields), tuple(conditions), limit)
    _check(query)
    return query


def run(query: Query, accounts: Accounts, customer_id: str) -> Iterator[dict[str, Value]]:
    """The lines of the answer as field → value, computed under the accounts' lock."""
    if accounts.customers[customer_id].manager and query.uses_metrics:
        raise QueryFault(
            "REQUESTED_METRICS_FOR_MANAGER", "Metrics cannot be requested for a manager account."
        )
    today = accounts.now().date()
    dates = [_Test(c, today) for c in query.conditions if c.field == "segments.date"]
    tests = [_Test(c, today) for c in query.conditions if c.field != "segments.date"]
    with accounts.lock:
        lines: list[dict[str, Value]] = []
        for row in accounts.rows(query.resource, customer_id):
            cost = accounts.cost_micros(row, lambda day: all(test.holds(day) for test in dates))

            def value(name: str, row: Row = row, cost: int = cost) -> Value:
                return cost if name == "metrics.cost_micros" else _FIELDS[name].get(row)

            if all(test.holds(value(test.condition.field)) for test in tests):
                # A list is copied: the row must not change when the account does.
                lines.append({name: _copied(value(name)) for name in query.fields})
            if query.limit is not None and len(lines) == query.limit:
                break
    yield from lines


def _copied(value: Value) -> Value:
    return list(value) if isinstance(value, list) else value


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise QueryFault("BAD_SYMBOL", f"Invalid symbol at {text[position : position + 10]!r}.")
            self._tokens.append(match[0].strip())
            position = match.end()
        self._at = 0

    def next(self) -> str | None:
        if self._at == len(self._tokens):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].upper() == token:
            self._at += 1
            return True
        return False

    def expect(self, token: str, code: str) -> None:
        if not self.take(token):
            raise QueryFault(code, f"Expected {token}.")

    def word(self, code: str) -> str:
        token = self.next()
        if token is None:
            raise QueryFault("UNEXPECTED_END_OF_QUERY", "Unexpected end of query.")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", token):
            raise QueryFault(code, f"{token} is not a name.")
        return token


def _read_condition(reader: _Reader) -> _Condition:
    field = reader.word("BAD_FIELD_NAME")
    operator = (reader.next() or "").upper()
    if operator == "NOT":
        reader.expect("IN", "BAD_OPERATOR")
        operator = "NOT IN"
    if operator in ("IN", "NOT IN"):
        reader.expect("(", "EXPECTED_LIST")
        if reader.take(")"):
            raise QueryFault("PROHIBITED_EMPTY_LIST_IN_CONDITION", "The list is empty.")
        values = [reader.next() or ""]
        while reader.take(","):
            values.append(reader.next() or "")
        reader.expect(")", "EXPECTED_LIST")
        return _Condition(field, operator, tuple(values))
    if operator == "BETWEEN":
        low = reader.next() or ""
        reader.expect("AND", "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR")
        return _Condition(field, operator, (low, reader.next() or ""))
    if operator not in ("=", "!=", "<", "<=", ">", ">=", "DURING"):
        raise QueryFault("BAD_OPERATOR", f"Operator {operator!r} is not known here.")
    value = reader.next()
    if value is None:
        raise QueryFault("UNEXPECTED_END_OF_QUERY", "Unexpected end of query.")
    return _Condition(field, operator, (value,))


def _check(query: Query) -> None:
    if query.resource not in _PARENTS:
        raise QueryFault("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"{query.resource} is no resource.")
    for clause, names in (("SELECT", query.fields), ("WHERE", [c.field for c in query.conditions])):
        for name in names:
            if name not in _FIELDS:
                raise QueryFault("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
            family = name.partition(".")[0]
            if family in ("metrics", "segments"):
                if query.resource in _WITHOUT_METRICS:
                    raise QueryFault(
                        f"PROHIBITED_{family.removesuffix('s').upper()}_IN_SELECT_OR_WHERE_CLAUSE",
                        f"'{name}' cannot be used with {query.resource}.",
                    )
            elif family not in _PARENTS[query.resource]:
                raise QueryFault(
                    f"PROHIBITED_RESOURCE_TYPE_IN_{clause}_CLAUSE",
                    f"'{family}' cannot be used in the {clause} clause of {query.resource}.",
                )
    if "segments.date" in query.fields:
        raise QueryFault("PROHIBITED_FIELD_IN_SELECT_CLAUSE", "Daily lines are not simulated.")
    for condition in query.conditions:
        _Test(condition, date.min)


class _Test:
    """One condition made ready; checks its operator and values against the field's kind."""

    def __init__(self, condition: _Condition, today: date) -> None:
        self.condition = condition
        self._field = _FIELDS[condition.field]
        if self._field.kind == "list":
            raise QueryFault("OPERATOR_FIELD_MISMATCH", f"'{condition.field}' is a list.")
        if condition.operator == "DURING":
            if self._field.kind != "date":
                raise QueryFault("OPERATOR_FIELD_MISMATCH", "DURING needs a date.")
            span = _DURING.get(condition.values[0].upper())
            if span is None:
                raise QueryFault("INVALID_VALUE_WITH_DURING_OPERATOR", f"{condition.values[0]} is no range.")
            last, first = (str(today - timedelta(days=days)) if today > date.min else "" for days in span)
            self._values: tuple[Value, ...] = (first, last)
        else:
            self._values = tuple(self._value(text) for text in condition.values)
        if self._field.kind in ("enum", "boolean") and condition.operator not in ("=", "!=", "IN", "NOT IN"):
            raise QueryFault("OPERATOR_FIELD_MISMATCH", f"{condition.operator} needs an ordered field.")

    def holds(self, actual: Value) -> bool:
        first = self._values[0]
        match self.condition.operator:
            case "=":
                return bool(actual == first)
            case "!=":
                return bool(actual != first)
            case "<":
                return bool(actual < first)
            case "<=":
                return bool(actual <= first)
            case ">":
                return bool(actual > first)
            case ">=":
                return bool(actual >= first)
            case "IN":
                return actual in self._values
            case "NOT IN":
                return actual not in self._values
            case _:
                return bool(first <= actual <= self._values[1])

    def _value(self, text: str) -> Value:
        is_quoted = text[:1] in ("'", '"')
        plain = re.sub(r"\\(.)", r"\1", text[1:-1]) if is_quoted else text
        match self._field.kind:
            case "integer":
                if not re.fullmatch(r"-?\d+", plain):
                    raise QueryFault("BAD_NUMBER", f"{text} is not a number.")
                return int(plain)
            case "boolean":
                if plain.upper() not in ("TRUE", "FALSE"):
                    raise QueryFault("BAD_VALUE", f"{text} is neither TRUE nor FALSE.")
                return plain.upper() == "TRUE"
            case "enum":
                if plain not in self._field.values:
                    raise QueryFault("BAD_ENUM_CONSTANT", f"{text} is not a value of this field.")
                return plain
            case "date":
                try:
                    return str(date.fromisoformat(plain))
                except ValueError:
                    raise QueryFault("INVALID_DATE_FORMAT", f"{text} is not a date.") from None
        if not is_quoted:
            raise QueryFault("BAD_VALUE", f"{text} must be quoted.")
        return plain
