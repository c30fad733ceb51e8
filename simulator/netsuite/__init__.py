"""A NetSuite account on loopback: tokens for signed assertions, and the SuiteQL that the adapter speaks.

As NetSuite does: the assertion's signature, algorithm, key id and claims are checked; a query wants `Prefer:
transient`, gives at most 1,000 rows a page, all values as texts and no nulls; tables that the role may not see were
“not found”; a query without an order gives its rows in another order each time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simulator.erp import Ask, ErpServer, Record, Reply

CLIENT_ID, CERTIFICATE_ID = "netsuite-client-id", "netsuite-certificate-id"
ALGORITHMS = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
TOKEN, SUITEQL = "/services/rest/auth/oauth2/v1/token", "/services/rest/query/v1/suiteql"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TABLES = {
    "item": {"id", "itemid", "displayname", "upccode", "isinactive", "itemtype"},
    "location": {"id", "name", "isinactive"},
    "aggregateitemlocation": {"item", "location", "quantityavailable", "quantityonhand"},
    "transaction": {"uniquekey", "tranid", "status", "type", "mainline", "taxline", "isclosed", "item", "location",
                    "quantity", "quantityshiprecv", "dropship", "expectedreceiptdate"},
}  # fmt: skip
_SELECT = re.compile(r"SELECT (.+?) FROM (\w+)(?: \w+ JOIN .+?)? WHERE (.+?)(?: ORDER BY (.+))?")


def new_key() -> tuple[str, Any]:
    """A private key in PEM form, and the public one of its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, key.public_key()


class NetSuiteServer(ErpServer):
    """`certificates` id → public key. `forbidden` are tables that the role may not see, `queries` what was asked."""

    least_wait_s = 10.0

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.tables: dict[str, list[Record]] = defaultdict(list)
        self.certificates: dict[str, Any] = {}
        self.tokens: dict[str, float] = {}
        self.refusals: list[str] = []
        self.forbidden: set[str] = set()
        self.page_size = 1_000
        self.token_s = 3600

    def put(self, table: str, **values: Any) -> None:
        unknown = set(values) - _TABLES[table]
        if unknown:
            raise KeyError(sorted(unknown))
        self.tables[table].append({**dict.fromkeys(_TABLES[table]), **values})

    def too_many(self) -> Reply:
        return _error(
            429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked."
        )

    def buggy(self, said: str) -> Reply:
        return _error(400, "USER_ERROR", f"Something is wrong with {said}")

    def answer(self, ask: Ask) -> Reply:
        if ask.path == TOKEN and ask.method == "POST":
            return self._token(ask.form())
        way, _, token = ask.headers.get("authorization", "").partition(" ")
        if way != "Bearer" or self.tokens.get(token, 0) < self.clock():
            return _error(
                401, "INVALID_LOGIN", "Invalid login attempt. For more details, see the Login Audit Trail."
            )
        if ask.path != SUITEQL or ask.method != "POST":
            return _error(404, "NONEXISTENT_ID", "The record instance does not exist.")
        if ask.headers.get("prefer") != "transient":
            return _error(400, "INVALID_HEADER", "The required request header 'Prefer' is missing.")
        limit, offset = int(ask.params.get("limit", 1_000)), int(ask.params.get("offset", 0))
        if not 1 <= limit <= 1_000:
            return _error(400, "INVALID_PARAMETER", "The limit must be between 1 and 1000.")
        return self._run(" ".join(ask.json()["q"].split()), min(limit, self.page_size), offset)

    def _token(self, form: dict[str, str]) -> Reply:
        try:
            if (form["grant_type"], form["client_assertion_type"]) != ("client_credentials", ASSERTION_TYPE):
                raise ValueError("wrong grant")
            assertion = form["client_assertion"]
            key = self.certificates[jwt.get_unverified_header(assertion)["kid"]]
            claims = jwt.decode(
                assertion, key, algorithms=ALGORITHMS, audience=f"{self.url}{TOKEN}", issuer=CLIENT_ID,
                options={"require": ["iss", "aud", "iat", "exp", "scope"]},
            )  # fmt: skip
            if claims["exp"] - claims["iat"] >= 3600 or "rest_webservices" not in claims["scope"]:
                raise ValueError("wrong claims")
        except (KeyError, ValueError, jwt.PyJWTError) as exc:
            self.refusals.append(type(exc).__name__)
            return Reply({"error": "invalid_request"}, 400)
        token = f"netsuite-token-{len(self.tokens) + 1}"
        self.tokens[token] = self.clock() + self.token_s
        return Reply({"access_token": token, "expires_in": str(self.token_s), "token_type": "bearer"})

    def _run(self, sql: str, limit: int, offset: int) -> Reply:
        found = _SELECT.fullmatch(sql)
        if found is None:
            return _error(
                400, "INVALID_PARAMETER", "Invalid search query. Search error occurred: Syntax error."
            )
        columns, table, where, order = found[1], found[2].lower(), found[3], found[4]
        if table not in _TABLES or table in self.forbidden:
            said = f"Invalid search query. Search error occurred: Record '{table}' was not found."
            return _error(400, "INVALID_PARAMETER", said)
        if not order:
            raise AssertionError(f"pages of this would overlap: {sql}")
        rows = [one for one in self._rows(table) if all(_holds(one, term) for term in where.split(" AND "))]
        names = [name.strip().rpartition(".")[2] for name in order.split(",")]
        rows.sort(key=lambda one: [one[name] for name in names])
        page = rows[offset : offset + limit]
        if table == "aggregateitemlocation":
            self.lists += 1
        items = [_shown(one, columns) for one in page]
        more = offset + len(page) < len(rows)
        return Reply({"links": [], "count": len(items), "hasMore": more, "items": items, "offset": offset,
                      "totalResults": len(rows)})  # fmt: skip

    def _rows(self, table: str) -> list[Record]:
        if table != "transaction":
            return self.tables[table]
        items = {one["id"]: one for one in self.tables["item"]}
        return [
            {**one, **{k: items[one["item"]][k] for k in ("itemid", "upccode")}} for one in self.tables[table]
        ]


def _shown(one: Record, columns: str) -> Record:
    shown = {}
    for part in re.split(r", (?![^(]*\))", columns):
        expression, _, name = part.partition(" AS ")
        plain = re.sub(r"TO_CHAR\((.+), 'YYYY-MM-DD'\)", r"\1", expression).rpartition(".")[2]
        value = one[plain]
        if value is not None:
            shown[(name or plain).lower()] = str(value)
    return shown


def _holds(one: Record, term: str) -> bool:
    left, how, right = re.fullmatch(r"(\S+) (=|>=|<=|>|IN) (.+)", term.strip()).groups()  # type: ignore[union-attr]
    value = one[left.rpartition(".")[2]]
    if how == "IN":
        return str(value) in re.findall(r"'([^']*)'", right)
    if right.startswith("'"):
        return bool(value == right[1:-1])
    if right.startswith("NVL("):
        return bool((value or 0) > (one["quantityshiprecv"] or 0))
    here, there = int(value), int(right)
    return {"=": here == there, ">": here > there, ">=": here >= there, "<=": here <= there}[how]


def _error(status: int, code: str, said: str) -> Reply:
    return Reply(
        {"title": "Error", "status": status, "o:errorDetails": [{"detail": said, "o:errorCode": code}]},
        status,
    )
