"""The state of the simulated ad accounts: customers, campaigns, ad groups, ads, keywords, and who
may open them. Every access goes through one lock; nothing here knows the wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Required, TypedDict

Status = Literal["ENABLED", "PAUSED", "REMOVED"]
_STATUSES: tuple[Status, ...] = ("ENABLED", "PAUSED", "REMOVED")


@dataclass
class Customer:
    """An account; a manager holds no ads but opens its `clients`."""

    id: str
    name: str
    currency: str = "GBP"
    time_zone: str = "Europe/London"
    status: Literal["ENABLED", "CANCELED", "SUSPENDED"] = "ENABLED"
    manager: bool = False
    test_account: bool = False
    clients: list[str] = field(default_factory=list)


@dataclass
class Campaign:
    id: int
    customer_id: str
    name: str
    status: Status = "ENABLED"


@dataclass
class AdGroup:
    id: int
    campaign_id: int
    name: str
    status: Status = "ENABLED"


@dataclass
class Item:
    """An ad or a keyword of an ad group. `text` is the ad's first headline or the keyword;
    `cost_micros` the spend per day ("2026-11-21" → micros of the account's currency).
    `can_be_paused` is False for the ad types Google refuses to pause; `is_busy` while somebody else
    is changing it, which refuses an operation for the moment."""

    id: int
    ad_group_id: int
    kind: Literal["ad", "keyword"]
    text: str
    final_urls: list[str]
    final_mobile_urls: list[str] = field(default_factory=list)
    name: str = ""
    status: Status = "ENABLED"
    negative: bool = False
    can_be_paused: bool = True
    is_busy: bool = False
    cost_micros: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StatusChange:
    """Who set which status, for invariants: `by` is "api" or "merchant" (the account's own pages)."""

    resource_name: str
    before: Status
    after: Status
    by: Literal["api", "merchant"]
    at: str


class AdSeed(TypedDict, total=False):
    """A search ad to create. `daily_cost_micros` is spent on each of the last seven days; `keywords`
    maps a keyword to its own landing page, "" for none. Campaign and ad group are found by name."""

    landing_page: Required[str]
    name: str
    campaign: str
    ad_group: str
    status: Status
    daily_cost_micros: int
    keywords: dict[str, str]


@dataclass(frozen=True)
class Row:
    """One line of a report: an item with its parents; parents alone for their own reports."""

    customer: Customer
    campaign: Campaign | None = None
    ad_group: AdGroup | None = None
    item: Item | None = None


class Accounts:
    """All simulated customers. `now` is the injected clock."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = clock
        self.lock = threading.RLock()
        self.customers: dict[str, Customer] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.ad_groups: dict[int, AdGroup] = {}
        self.items: dict[str, Item] = {}
        self.history: list[StatusChange] = []
        self._last_id = 1000

    def add_customer(self, customer_id: str, name: str, **fields: Any) -> Customer:
        with self.lock:
            self.customers[customer_id] = Customer(customer_id, name, **fields)
            return self.customers[customer_id]

    def seed(self, ads: list[AdSeed], customer_id: str) -> list[str]:
        """Create one search ad per entry, with its keywords; the ads' resource names in order."""
        with self.lock:
            return [self._seed_one(ad, customer_id) for ad in ads]

    def add_item(self, customer_id: str, item: Item) -> str:
        """Put an ad or keyword into its ad group as it is; its resource name."""
        with self.lock:
            name = resource_name(customer_id, item)
            self.items[name] = item
            return name

    def campaign(self, customer_id: str, name: str) -> Campaign:
        """The campaign of that name, created where there is none."""
        with self.lock:
            for found in self.campaigns.values():
                if (found.customer_id, found.name) == (customer_id, name):
                    return found
            made = Campaign(self.new_id(), customer_id, name)
            self.campaigns[made.id] = made
            return made

    def ad_group(self, campaign: Campaign, name: str) -> AdGroup:
        """The campaign's ad group of that name, created where there is none."""
        with self.lock:
            for found in self.ad_groups.values():
                if (found.campaign_id, found.name) == (campaign.id, name):
                    return found
            made = AdGroup(self.new_id(), campaign.id, name)
            self.ad_groups[made.id] = made
            return made

    def new_id(self) -> int:
        with self.lock:
            self._last_id += 1
            return self._last_id

    def set_status(self, name: str, status: Status, *, by: Literal["api", "merchant"]) -> None:
        """Set an item's status; KeyError when there is none, ValueError for an unknown status or a
        removed item, which Google never brings back."""
        if status not in _STATUSES:
            raise ValueError(f"unknown status {status!r}")
        with self.lock:
            item = self.items[name]
            if item.status == "REMOVED":
                raise ValueError("a removed ad stays removed")
            self.history.append(StatusChange(name, item.status, status, by, self.now().isoformat()))
            item.status = status

    def rows(self, resource: str, customer_id: str) -> Iterator[Row]:
        """The lines of one report, in id order."""
        customer = self.customers[customer_id]
        if resource == "customer":
            yield Row(customer)
            return
        campaigns = {c.id: c for c in self.campaigns.values() if c.customer_id == customer_id}
        groups = {g.id: g for g in self.ad_groups.values() if g.campaign_id in campaigns}
        if resource == "campaign":
            yield from (Row(customer, campaign) for campaign in campaigns.values())
        elif resource == "ad_group":
            yield from (Row(customer, campaigns[g.campaign_id], g) for g in groups.values())
        else:
            kind = "ad" if resource == "ad_group_ad" else "keyword"
            for item in self.items.values():
                if item.kind == kind and item.ad_group_id in groups:
                    group = groups[item.ad_group_id]
                    yield Row(customer, campaigns[group.campaign_id], group, item)

    def cost_micros(self, row: Row, is_counted: Callable[[str], bool]) -> int:
        """What the items under this line spent on the days that count."""
        if row.item is not None:
            items = [row.item]
        else:
            items = [
                item
                for item in self.items.values()
                if self._is_under(self.ad_groups[item.ad_group_id], row) and item.kind == "ad"
            ]
        return sum(micros for item in items for day, micros in item.cost_micros.items() if is_counted(day))

    def snapshot(self) -> list[dict[str, Any]]:
        """Every ad and keyword with its parents' names and states, for pages and invariants."""
        with self.lock:
            return [
                {
                    "resource_name": name,
                    "kind": item.kind,
                    "name": item.name or item.text,
                    "status": item.status,
                    "final_urls": list(item.final_urls),
                    "ad_group": group.name,
                    "ad_group_status": group.status,
                    "campaign": campaign.name,
                    "campaign_status": campaign.status,
                    "customer_id": campaign.customer_id,
                }
                for name, item in self.items.items()
                for group in [self.ad_groups[item.ad_group_id]]
                for campaign in [self.campaigns[group.campaign_id]]
            ]

    def save(self, path: Path) -> None:
        """Write the whole state as JSON, atomically."""
        with self.lock:
            state = {
                "last_id": self._last_id,
                "customers": [asdict(c) for c in self.customers.values()],
                "campaigns": [asdict(c) for c in self.campaigns.values()],
                "ad_groups": [asdict(g) for g in self.ad_groups.values()],
                "items": {name: asdict(item) for name, item in self.items.items()},
                "history": [asdict(change) for change in self.history],
            }
        part = path.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(path)

    def load(self, path: Path) -> None:
        """Replace the state by what `save` wrote."""
        state = json.loads(path.read_text())
        with self.lock:
            self._last_id = state["last_id"]
            self.customers = {c["id"]: Customer(**c) for c in state["customers"]}
            self.campaigns = {c["id"]: Campaign(**c) for c in state["campaigns"]}
            self.ad_groups = {g["id"]: AdGroup(**g) for g in state["ad_groups"]}
            self.items = {name: Item(**item) for name, item in state["items"].items()}
            self.history = [StatusChange(**change) for change in state["history"]]

    def _seed_one(self, ad: AdSeed, customer_id: str) -> str:
        campaign = self.campaign(customer_id, ad.get("campaign", "Search"))
        group = self.ad_group(campaign, ad.get("ad_group", "All products"))
        today = self.now().date()
        daily = ad.get("daily_cost_micros", 0)
        item = Item(
            id=self.new_id(),
            ad_group_id=group.id,
            kind="ad",
            text=ad.get("name", "") or ad["landing_page"].rstrip("/").rsplit("/", 1)[-1],
            final_urls=[ad["landing_page"]],
            status=ad.get("status", "ENABLED"),
            cost_micros={str(today - timedelta(days=n)): daily for n in range(1, 8)} if daily else {},
        )
        for text, page in ad.get("keywords", {}).items():
            self.add_item(customer_id, Item(self.new_id(), group.id, "keyword", text, [page] if page else []))
        return self.add_item(customer_id, item)

    def _is_under(self, group: AdGroup, row: Row) -> bool:
        if row.ad_group is not None:
            return group.id == row.ad_group.id
        if row.campaign is not None:
            return group.campaign_id == row.campaign.id
        return self.campaigns[group.campaign_id].customer_id == row.customer.id


def resource_name(customer_id: str, item: Item) -> str:
    collection = "adGroupAds" if item.kind == "ad" else "adGroupCriteria"
    return f"customers/{customer_id}/{collection}/{item.ad_group_id}~{item.id}"
