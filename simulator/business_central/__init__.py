"""Business Central on loopback: Entra's tokens, the API v2.0 and published OData web services of one environment.

As the service does: tokens of one hour for one scope, pages with `@odata.nextLink` and `$skiptoken`, counts, lines
of orders only with their order, web services by the company's name, a limit of calls a minute.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from urllib.parse import quote, urlencode

from simulator.erp import Ask, ErpServer, Record, Reply
from simulator.odata import matches

TENANT, CLIENT_ID, CLIENT_SECRET = "3f0c5e1a-tenant", "app-1", "bc~client~secret"
ENVIRONMENT, COMPANY = "Production", "CRONUS & Søn's"
SCOPE = "https://api.businesscentral.dynamics.com/.default"
NOWHERE = "00000000-0000-0000-0000-000000000000"
FIELDS = {
    "companies": {"id", "name", "displayName"},
    "items": {"id", "number", "displayName", "type", "blocked", "gtin", "inventory", "unitCost",
              "baseUnitOfMeasureCode", "lastModifiedDateTime"},
    "locations": {"id", "code", "displayName"},
    "itemLedgerEntries": {"entryNumber", "itemNumber", "quantity"},
    "purchaseOrders": {"id", "number", "status", "fullyReceived", "requestedReceiptDate"},
    "purchaseOrderLines": {"id", "documentId", "itemId", "unitOfMeasureCode", "quantity", "receivedQuantity",
                           "expectedReceiptDate", "locationId", "lineType"},
    "salesOrders": {"id", "number", "status", "fullyShipped"},
    "salesOrderLines": {"id", "documentId", "itemId", "unitOfMeasureCode", "quantity", "shippedQuantity",
                        "locationId", "lineType"},
    "ledger": {"Entry_No", "Item_No", "Location_Code", "Remaining_Quantity", "Open"},
    "units": {"Item_No", "Code", "Qty_per_Unit_of_Measure"},
}  # fmt: skip
KEYS = {"ledger": "Entry_No", "units": "Code", "itemLedgerEntries": "entryNumber"}


class BusinessCentralServer(ErpServer):
    """`tables` by the names of FIELDS; `services` are published web services: name → table. `secrets` are those
    accepted, `token_s` how long a token lives; `forbidden` the tables that the app has no permission for."""

    least_wait_s = 9.0

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.tables: dict[str, dict[Any, Record]] = defaultdict(dict)
        self.services = {"ItemLedgerEntries": "ledger"}
        self.secrets = {CLIENT_SECRET}
        self.token_s = 3600
        self.page_size = 10
        self.forbidden: set[str] = set()
        self.tokens: dict[str, float] = {}

    def put(self, table: str, key: Any, **values: Any) -> None:
        unknown = set(values) - FIELDS[table]
        if unknown:
            raise KeyError(sorted(unknown))
        blank = dict.fromkeys(FIELDS[table])
        self.tables[table][key] = {**blank, KEYS.get(table, "id"): key, **values}

    def buggy(self, said: str) -> Reply:
        return _error(400, "Application_DialogException", f"Something went wrong with {said}")

    def answer(self, ask: Ask) -> Reply:
        if ask.path == f"/{TENANT}/oauth2/v2.0/token" and ask.method == "POST":
            return self._token(ask.form())
        if ask.path.endswith("/oauth2/v2.0/token"):
            return Reply(
                {"error": "invalid_request", "error_description": "AADSTS90002: Tenant not found."}, 400
            )
        way, _, token = ask.headers.get("authorization", "").partition(" ")
        if way != "Bearer" or self.tokens.get(token, 0) < self.clock():
            return _error(
                401, "Authentication_InvalidCredentials", "The server has rejected the client credentials."
            )
        base = f"/v2.0/{TENANT}/{ENVIRONMENT}"
        if not ask.path.startswith(base):
            return _error(404, "NotFound", "Environment does not exist.")
        path = ask.path.removeprefix(base)
        if path == "/api/v2.0/companies":
            return self._list("companies", ask)
        if found := re.fullmatch(r"/api/v2\.0/companies\((\w+)\)/(\w+)", path):
            if found[1] not in self.tables["companies"] or found[2] not in FIELDS:
                return _error(404, "BadRequest_NotFound", "Bad Request - Error in query syntax")
            return self._list(found[2], ask)
        if found := re.fullmatch(r"/ODataV4/Company\('(.*)'\)/(\w+)", path):
            names = {one["name"] for one in self.tables["companies"].values()}
            if found[1].replace("''", "'") not in names or found[2] not in self.services:
                return _error(404, "BadRequest_NotFound", "Bad Request - Error in query syntax")
            return self._list(self.services[found[2]], ask)
        return _error(404, "BadRequest_NotFound", "Bad Request - Error in query syntax")

    def _token(self, form: dict[str, str]) -> Reply:
        asked = (form.get("grant_type"), form.get("client_id"), form.get("scope"))
        if asked != ("client_credentials", CLIENT_ID, SCOPE):
            return Reply({"error": "invalid_scope", "error_description": "AADSTS70011: not valid."}, 400)
        if form.get("client_secret") not in self.secrets:
            said = "AADSTS7000215: Invalid client secret provided."
            return Reply({"error": "invalid_client", "error_description": said}, 401)
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = self.clock() + self.token_s
        return Reply({"token_type": "Bearer", "expires_in": self.token_s, "access_token": token})

    def _list(self, table: str, ask: Ask) -> Reply:
        if table in self.forbidden:
            said = f"Sorry, the current permissions prevented the action. (TableData {table} Read: Base Application)"
            return _error(400, "Internal_ServerError", said)
        if table in ("purchaseOrderLines", "salesOrderLines"):
            return _error(
                400,
                "Application_DialogException",
                "You must specify an Id or a Document Id to get the lines.",
            )
        params = dict(ask.params)
        try:
            fits = matches(params.get("$filter", ""), FIELDS[table])
        except ValueError as exc:
            return _error(400, "BadRequest", f"Could not find a property: {exc}")
        key = KEYS.get(table, "id")
        every = sorted((one for one in self.tables[table].values() if fits(one)), key=lambda one: one[key])
        if order := params.get("$orderby"):
            name, _, way = order.partition(" ")
            every.sort(key=lambda one: str(one[name]).rjust(30), reverse=way == "desc")
        found = [one for one in every if "$skiptoken" not in params or str(one[key]) > params["$skiptoken"]]
        if key == "Entry_No" and "$skiptoken" in params:
            found = [one for one in every if one[key] > int(params["$skiptoken"])]
        found = found[: int(params.get("$top", len(found)))]
        size = self.page_size if "$top" not in params else len(found)
        page = found[:size]
        if table in ("items", "ledger") and "$top" not in params:
            self.lists += 1
        told: Record = {"value": [self._shown(table, one, params) for one in page]}
        if params.get("$count") == "true":
            told["@odata.count"] = len(every)
        if len(found) > len(page):
            after = {**params, "$skiptoken": str(page[-1][key])}
            told["@odata.nextLink"] = f"{self.url}{quote(ask.path)}?{urlencode(after)}"
        return Reply(told)

    def _shown(self, table: str, one: Record, params: dict[str, str]) -> Record:
        names = params["$select"].split(",") if "$select" in params else sorted(FIELDS[table])
        shown = {name: one[name] for name in names}
        if lines := params.get("$expand"):
            rows = self.tables[lines].values()
            shown[lines] = [line for line in rows if line["documentId"] == one["id"]]
        return shown


def _error(status: int, code: str, said: str) -> Reply:
    return Reply({"error": {"code": code, "message": f"{said}  CorrelationId:  8a6c."}}, status)
