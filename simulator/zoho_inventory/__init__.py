"""A Zoho Inventory organization on loopback: access tokens of a refresh token, items, details, purchase orders.

As Zoho does: a refused refresh token is an error with status 200; every call names the organization; pages have at
most 200 rows; too many calls a minute are 429 with Zoho's own code; a list tells no locations, details do.
"""

from __future__ import annotations

from typing import Any

from simulator.erp import Ask, ErpServer, Record, Reply

ORGANIZATION, CLIENT_ID = "10234695", "1000.ZOHOCLIENT"
CLIENT_SECRET, REFRESH_TOKEN = "zoho-client-secret-1", "1000.zoho.refresh.token"
BASE = "/inventory/v1/"


class ZohoServer(ErpServer):
    """`items` by id with their details, `orders` by id with their lines; `refresh_tokens` are those that are
    accepted; `forbidden` are the modules that the scopes leave out, `is_spent` that the day's calls are."""

    least_wait_s = 60.0

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.items: dict[str, Record] = {}
        self.orders: dict[str, Record] = {}
        self.refresh_tokens = {REFRESH_TOKEN}
        self.tokens: dict[str, float] = {}
        self.forbidden: set[str] = set()
        self.page_size = 200
        self.token_s = 3600
        self.is_spent = False

    def too_many(self) -> Reply:
        said = "For security reasons you have been blocked for some time as you have exceeded the maximum number."
        return Reply({"code": 44, "message": said}, 429)

    def buggy(self, said: str) -> Reply:
        return Reply({"code": 4, "message": f"Invalid value passed for {said}"}, 400)

    def answer(self, ask: Ask) -> Reply:
        if ask.path == "/oauth/v2/token" and ask.method == "POST":
            return self._token(ask.form())
        way, _, token = ask.headers.get("authorization", "").partition(" ")
        if way != "Zoho-oauthtoken" or self.tokens.get(token, 0) < self.clock():
            return Reply({"code": 14, "message": "Invalid value passed for authtoken."}, 401)
        if ask.params.get("organization_id") != ORGANIZATION:
            return Reply({"code": 6041, "message": "This user is not associated with the CompanyID."}, 401)
        if self.is_spent:
            said = "You have exceeded the maximum call rate limit of 1000 for the day."
            return Reply({"code": 45, "message": said}, 429)
        module, _, id_ = ask.path.removeprefix(BASE).partition("/")
        if module in self.forbidden:
            return Reply({"code": 57, "message": "You are not authorized to perform this operation"}, 401)
        if module == "items":
            kept = [one for one in self.items.values() if one["status"] == "active"
                    or ask.params.get("filter_by") != "Status.Active"]  # fmt: skip
            plain = [{k: v for k, v in one.items() if k not in ("locations", "warehouses")} for one in kept]
            self.lists += 1
            return self._page("items", plain, ask)
        if module == "itemdetails":
            ids = ask.params["item_ids"].split(",")
            return self._told({"items": [self.items[one] for one in ids if one in self.items]})
        if module == "purchaseorders" and not id_:
            plain = [{k: v for k, v in one.items() if k != "line_items"} for one in self.orders.values()]
            return self._page("purchaseorders", plain, ask)
        if module == "purchaseorders" and id_ in self.orders:
            return self._told({"purchaseorder": self.orders[id_]})
        return Reply({"code": 1002, "message": "Resource does not exist."}, 404)

    def _token(self, form: dict[str, str]) -> Reply:
        if form.get("grant_type") != "refresh_token" or form.get("client_id") != CLIENT_ID:
            return Reply({"error": "invalid_client"})
        if form.get("client_secret") != CLIENT_SECRET:
            return Reply({"error": "invalid_client_secret"})
        if form.get("refresh_token") not in self.refresh_tokens:
            return Reply({"error": "invalid_code"})
        token = f"1000.zoho-access-{len(self.tokens) + 1}"
        self.tokens[token] = self.clock() + self.token_s
        return Reply({"access_token": token, "expires_in": self.token_s, "token_type": "Bearer",
                      "api_domain": self.url})  # fmt: skip

    def _page(self, name: str, rows: list[Record], ask: Ask) -> Reply:
        size = min(int(ask.params.get("per_page", 200)), self.page_size, 200)
        number = int(ask.params.get("page", 1))
        start = (number - 1) * size
        context = {"page": number, "per_page": size, "has_more_page": start + size < len(rows)}
        return self._told({name: rows[start : start + size], "page_context": context})

    def _told(self, found: Record) -> Reply:
        return Reply({"code": 0, "message": "success", **found})
