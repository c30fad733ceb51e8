"""What shops pay for our app: subscriptions by the Billing API, contracts of App Pricing, and the Partner API that
tells of the latter.

The Partner API's rules are those of its documentation: the organization and the version in the address, a token
of its own, four requests a second, null without a contract. What it says to a wrong token, to an app that is not
the organization's and to a request too many is not published; 401, an error in the answer and 429 are guesses.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_ast_schema, graphql_sync, parse
from werkzeug.wrappers import Request, Response

from simulator.dials import Dials
from simulator.server import ServerThread, cut_connection
from simulator.shopify.cost import Bucket
from simulator.shopify.model import gid, stamp

PARTNER_VERSION = "2026-07"
REQUESTS_PER_S = 4
APP_ID = gid("App", 4711)
APP_HANDLE = "dispo"


@dataclass
class AppSubscription:
    """A subscription by the Billing API. `status` is one of Shopify's words, ACTIVE and FROZEN among them."""

    name: str
    created_at: datetime
    status: str = "ACTIVE"
    handle: str | None = None
    price: Decimal = Decimal("10.00")
    currency: str = "USD"
    interval: str = "EVERY_30_DAYS"
    trial_days: int = 0
    is_test: bool = False

    def node(self, number: int) -> dict[str, Any]:
        """As the Admin API shows it."""
        ends_at = self.created_at + timedelta(days=self.trial_days + 30)
        pricing = {
            "__typename": "AppRecurringPricing",
            "interval": self.interval,
            "planHandle": self.handle,
            "price": {"amount": str(self.price), "currencyCode": self.currency},
        }
        return {
            "id": gid("AppSubscription", number),
            "name": self.name,
            "status": self.status,
            "test": self.is_test,
            "trialDays": self.trial_days,
            "createdAt": stamp(self.created_at),
            "currentPeriodEnd": stamp(ends_at),
            "lineItems": [
                {"id": gid("AppSubscriptionLineItem", number), "plan": {"pricingDetails": pricing}}
            ],
        }


class Subscriptions:
    """The subscriptions of one shop, oldest first."""

    def __init__(self) -> None:
        self.all: list[AppSubscription] = []

    def installation(self) -> dict[str, Any]:
        """The fields of `AppInstallation` that tell of them."""
        nodes = [one.node(number) for number, one in enumerate(self.all, 1)]
        return {
            "app": {"id": APP_ID, "handle": APP_HANDLE},
            "activeSubscriptions": [node for node in nodes if node["status"] == "ACTIVE"],
            "allSubscriptions": lambda info, reverse=False, first=None, **rest: {
                "nodes": (nodes[::-1] if reverse else nodes)[:first]
            },
        }


@dataclass
class Contract:
    """A contract of App Pricing. `amount` None: billed by use alone, in tiers."""

    handle: str | None
    description: str | None
    amount: Decimal | None = Decimal("19.99")
    currency: str = "USD"
    interval: str = "EVERY_30_DAYS"
    trial_ends_at: datetime | None = None
    cycle_ends_at: datetime | None = None
    is_ending: bool = False
    has_meter: bool = False

    def node(self, app_id: str, shop_id: str) -> dict[str, Any]:
        """As the Partner API shows it."""
        ends_at = self.cycle_ends_at
        items = [{"handle": "messages", "description": "Messages", "price": self._price(None)}]
        items = items if self.has_meter else []
        plan = {"handle": self.handle, "description": self.description, "price": self._price(self.amount)}
        return {
            "app": {"id": app_id},
            "shop": {"id": shop_id, "myshopifyDomain": "of-no-use.myshopify.com"},
            "billingPeriod": self.interval,
            "cancelAtEndOfCycle": self.is_ending,
            "currentBillingCycle": None
            if ends_at is None
            else {"startTime": stamp(ends_at - timedelta(days=30)), "endTime": stamp(ends_at)},
            "items": [*items, plan],
            "trialEndsAt": stamp(self.trial_ends_at) if self.trial_ends_at else None,
        }

    def _price(self, amount: Decimal | None) -> dict[str, Any]:
        common = {"active": True, "currency": self.currency}
        if amount is not None:
            return {"__typename": "FlatRatePrice", "amount": str(amount), **common}
        return {"__typename": "TieredPrice", "tiers": [], "tiersMode": "VOLUME", **common}


@lru_cache(maxsize=1)
def partner_schema() -> GraphQLSchema:
    """The cut of the Partner API's schema beside this file."""
    text = (Path(__file__).parent / "partner.graphql").read_text()
    return build_ast_schema(parse(text, no_location=True))


class PartnerServer:
    """The Partner API of one organization on 127.0.0.1:`port` (0: a free one), with one app.

    `contracts` by shop (`gid://shopify/Shop/…`); a shop that is not in it has none. `dials` as everywhere.
    Counter: `calls` by status.
    """

    def __init__(
        self,
        organization: str,
        token: str,
        *,
        app_id: str = APP_ID,
        dials: Dials | None = None,
        port: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.organization, self.token, self.app_id = organization, token, app_id
        self.contracts: dict[str, Contract] = {}
        self.dials = dials or Dials()
        self.calls: Counter[int] = Counter()
        self._bucket = Bucket(REQUESTS_PER_S, REQUESTS_PER_S, monotonic)
        self._lock = threading.Lock()
        self._thread = ServerThread(self, port)
        self.url = self._thread.url

    def __enter__(self) -> PartnerServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.stop()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        fault = self.dials.roll()
        if fault in ("cut_before", "cut_after_success"):
            cut_connection(environ)
            return [b""]
        if self.dials.maintenance or fault in ("error", "timeout_after_success"):
            status, body = 503, {"errors": "Service Unavailable"}
        elif fault == "throttle":
            status, body = 429, {"errors": "Too many requests"}
        else:
            status, body = self._answer(Request(environ))
        with self._lock:
            self.calls[status] += 1
        answer = Response(json.dumps(body), status, mimetype="application/json")
        return answer(environ, start_response)

    def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        wanted = f"/{self.organization}/api/{PARTNER_VERSION}/graphql.json"
        if request.path != wanted or request.method != "POST":
            return 404, {"errors": "Not Found"}
        if request.headers.get("X-Shopify-Access-Token") != self.token:
            return 401, {"errors": "Unauthorized"}
        if not self._bucket.take(1):
            return 429, {"errors": "Too many requests"}
        sent = request.get_json(silent=True)
        if not isinstance(sent, dict) or not isinstance(sent.get("query"), str):
            return 400, {"errors": "Required parameter missing or invalid"}
        root = {"activeSubscription": self._active_subscription}
        result = graphql_sync(partner_schema(), sent["query"], root, variable_values=sent.get("variables"))
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
        return 200, body

    def _active_subscription(self, info: Any, appId: str, shopId: str) -> dict[str, Any] | None:
        if appId != self.app_id:
            raise GraphQLError("App not found")
        contract = self.contracts.get(shopId)
        return contract.node(appId, shopId) if contract else None
