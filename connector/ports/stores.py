"""The store port: what Dispo needs of a shop platform, and nothing about any of them.

An adapter sends the numbers it is given; it never computes what is available. `external_id` and the
other ids are opaque text. Writes are planned first (`plan_quantities`, pure), stored by the caller as
frozen requests, and only then sent (`send`), so that the very same bytes can be sent again under the
same key after a crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

from connector.ports.installs import PrivacyRequest
from connector.ports.places import Places
from connector.ports.prices import Prices


@dataclass(frozen=True, slots=True)
class StoreCapabilities:
    """Facts about a platform, with units. The core asks these, never a platform's name.

    `compare_and_set`: "native" (the write itself carries the expected number), "plugin" (by our
    companion plugin) or "read_then_write" (the caller reads just before it writes; a window remains).
    `honours_keys`: the platform repeats the stored answer when a request comes again under its key.
    `badge_with_quantity`: one write carries quantity and badge, so a pending badge rides along.
    `reads_incoming`: it tells what is on its way to its shelves (`connector.ports.incoming`).
    `sets_up_badges`: badges need something in the shop beforehand (`connector.ports.badges`).
    `batches_by_product`: one batch holds variants of one product only, or products without variants.
    `price_batch_size` 0: prices cannot be written; `price_by_product`: one call holds variants of one product only.
    Sizes are items per call.
    """

    compare_and_set: Literal["native", "plugin", "read_then_write"]
    honours_keys: bool
    quantity_batch_size: int
    badge_batch_size: int
    read_batch_size: int
    badge_with_quantity: bool
    has_locations: bool
    reads_orders: bool
    batches_by_product: bool = False
    reads_incoming: bool = False
    sets_up_badges: bool = False
    place_batch_size: int = 1
    price_batch_size: int = 0
    price_by_product: bool = False


@dataclass(frozen=True, slots=True)
class ListingRef:
    """Where a variant lives in one store.

    `external_id` the sellable item; `product_id` its product or parent (equal to `external_id` for a
    product without variants); `stock_id` the object whose quantity is written (Shopify: inventory
    item; WooCommerce: the same as `external_id`); `location_id` None where the platform has none. `sku`
    is a hint that lets some platforms read many listings in one call; two refs that differ only in it
    are equal, and a wrong or empty one costs calls, never correctness.
    """

    external_id: str
    product_id: str
    stock_id: str
    location_id: str | None = None
    sku: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Location:
    """A place that holds stock in the store. `writable` is False where an app may not set quantities;
    `sells_online`: shoppers of the shop can buy what is there."""

    location_id: str
    name: str
    writable: bool
    sells_online: bool = True


@dataclass(frozen=True, slots=True)
class StoreListing:
    """One sellable item as the store shows it now.

    `available` is the store's own number, None when the store does not track it. `problem` is a
    sentence for the merchant when its quantity cannot be written (for example stock managed at the
    parent), else None. `price_minor` is in minor units of the store's currency, None when unpriced.
    Names are plain text (HTML entities decoded).
    """

    ref: ListingRef
    sku: str
    gtin: str
    product_title: str
    variant_title: str
    url: str
    image_url: str
    price_minor: int | None
    available: int | None
    is_tracked: bool
    is_published: bool
    collections: tuple[str, ...] = ()
    updated_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the store said about one listing's number. `quantity` None: not tracked there."""

    ref: ListingRef
    quantity: int | None
    problem: str | None = None


BadgeState = Literal[
    "in_stock",
    "low_stock",
    "restocking",
    "preorder",
    "backorder",
    "made_to_order",
    "out_of_stock",
    "discontinued",
]


@dataclass(frozen=True, slots=True)
class BadgeFacts:
    """What the product page may say, as data; the storefront chooses the words.

    `count` is set only when an exact number may be shown. `restock_on` and `restock_until` are equal
    for a single day; both None when no date may be shown.
    """

    state: BadgeState
    count: int | None = None
    restock_on: date | None = None
    restock_until: date | None = None


@dataclass(frozen=True, slots=True)
class QuantityChange:
    """Set one listing to `quantity` (≥ 0) where the store is believed to hold `expected`.

    `expected` None: the store's number is not known; platforms with a native compare then skip it.
    `badge` rides along where `badge_with_quantity` holds, else it must be None.
    """

    ref: ListingRef
    quantity: int
    expected: int | None
    badge: BadgeFacts | None = None


@dataclass(frozen=True, slots=True)
class BadgeChange:
    """Show `badge` on one listing's product page."""

    ref: ListingRef
    badge: BadgeFacts


@dataclass(frozen=True, slots=True)
class FrozenRequest:
    """A write as it will be sent: JSON only, so that it can be stored and sent again unchanged.

    `operation` is the adapter's own word. `refs` lists the listings it covers, in the order of the
    items in `body`.
    """

    operation: str
    body: Mapping[str, Any]
    refs: tuple[ListingRef, ...]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item of a write.

    "done": the store confirmed. "conflict": it holds `remote` instead of the expected number.
    "rejected" and "not_found": refused for good, `reason` in words. "retry": nothing was done to this
    item although it may be fine (a batch that is all or nothing failed because of a neighbour).
    """

    ref: ListingRef
    status: Literal["done", "conflict", "rejected", "not_found", "retry"]
    remote: int | None = None
    reason: str = ""


CLICK_SOURCE = "dispo"
"""utm_source of the links in our messages, by which a shop knows with an order that its visit began there."""


@dataclass(frozen=True, slots=True)
class StoreOrderLine:
    """`units` still wanted of one listing: ordered minus cancelled, refunded and removed; `shipped` of them were
    handed over, 0 where the platform does not tell. `taken` are the
    units it once took off the store's number, 0 where the platform does not tell. `location_id` is where the store
    takes them from now, None where it does not tell: then it is the connection's default location. `value_minor` is
    what these `units` cost together, tax included and the line's discounts taken off, in minor units of the order's
    currency; None where the platform does not tell."""

    line_id: str
    external_id: str
    units: int
    taken: int = 0
    shipped: int = 0
    location_id: str | None = None
    value_minor: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """An order as far as stock goes, and what tells whether it came of one of our messages; two that differ only in
    the latter are equal.

    `holds_stock` is True when the platform has taken its lines off the store's number (WooCommerce:
    processing, on-hold, completed; not pending or cancelled). `country` is where the parcel goes (two letters),
    "" where the platform does not tell without telling more. `currency` is that of the lines' values. `contact` is
    the customer's e-mail address where the order has it anyway: it is compared and dropped, never stored or logged.
    `click_mark` is the mark that a link of ours left on the order (`adapters.kit.marks`), "" without one.
    """

    order_id: str
    placed_at: datetime
    updated_at: datetime
    holds_stock: bool
    lines: tuple[StoreOrderLine, ...]
    country: str = ""
    currency: str = field(default="", compare=False)
    contact: str = field(default="", compare=False, repr=False)
    click_mark: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What the store says of itself. `warnings` are sentences with a remedy for the merchant; `settings` are
    those of the connection that the store knows better than we (what it grants), as they are to be kept."""

    name: str
    url: str
    version: str
    currency: str
    timezone: str
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoreHint:
    """What a verified webhook says, reduced to what matters. A hint, never the truth.

    "stock": `external_ids` are listings whose number may have moved (`quantities` when the body holds
    them). A platform that names the stock object instead of the listing gives `ListingRef.stock_id`s there
    and as the keys of `quantities`, and `location_id` says where (None: the platform has no places).
    "order": `order` when the body holds it whole, else None, and `external_ids` is the order's id: read the
    orders. "product": re-read these products (`external_ids` are product ids).
    "incoming": what is on its way may have changed: read it anew.
    "grants": what the store lets us do may have changed: ask it.
    "plan": the store's subscription to our app may have changed: ask for it.
    "uninstalled": the store ended the connection. "privacy": a legal request, `privacy` says which and
    `detail` names the topic.
    "other": nothing to do.
    """

    kind: Literal[
        "stock", "order", "product", "incoming", "grants", "plan", "uninstalled", "privacy", "other"
    ]
    external_ids: tuple[str, ...] = ()
    quantities: Mapping[str, int] = field(default_factory=dict)
    order: StoreOrder | None = None
    detail: str = ""
    location_id: str | None = None
    privacy: PrivacyRequest | None = None


class Store(Places, Prices, Protocol):
    """One connected shop. Construction does no network; each method may raise a `PortError`."""

    @property
    def capabilities(self) -> StoreCapabilities:
        """The facts of this store. May ask the store once where they depend on it; never raises."""

    def check(self) -> StoreCheck:
        """Ask the store who it is; raise Unauthorized or Misconfigured with the remedy."""

    def locations(self) -> list[Location]:
        """The places that hold stock; empty where the platform has none."""

    def catalog(
        self, changed_since: datetime | None = None, location_ids: Sequence[str] = ()
    ) -> Iterator[list[StoreListing]]:
        """Pages of sellable items, each at least once; with `changed_since` (aware, UTC) only those
        the store changed at or after it, possibly some more, never fewer.

        With `location_ids` each item comes once for each of these locations, with its number there, or with a
        `problem` where it has none there or the location is closed; without, once, at the connection's own one.
        Only where `has_locations`."""

    def read_quantities(self, refs: Sequence[ListingRef]) -> list[Reading]:
        """The store's present numbers in at most ceil(len(refs) / read_batch_size) calls.
        A ref the store does not know is missing from the answer."""

    def plan_quantities(self, changes: Sequence[QuantityChange]) -> list[FrozenRequest]:
        """The fewest requests the platform allows, each within its limits, order kept. Pure."""

    def plan_badges(self, changes: Sequence[BadgeChange]) -> list[FrozenRequest]:
        """As `plan_quantities`, for badges alone. Pure."""

    def send(self, request: FrozenRequest, key: str) -> list[ItemResult]:
        """Send one frozen request under its idempotency key: one result per ref, in order.

        One bad item never fails its neighbours: it is "rejected" or "not_found" and they are "done"
        or "retry". Raises OutcomeUnknown when the write left and no answer came; RateLimited or
        Retryable when it was certainly not done.
        """

    def orders(self, changed_since: datetime, tells_locations: bool = False) -> Iterator[list[StoreOrder]]:
        """Pages of orders changed at or after `changed_since`; raises Unsupported without the grant. With
        `tells_locations` lines say where they are taken from as far as the platform and the grants let us know,
        which may cost more calls; a line taken from several locations comes once for each, as lines of their own."""

    def subscribe(self, address: str, secret: str) -> list[str]:
        """Make the store send its webhooks to `address`, signed with `secret` where the platform lets
        one choose; leaves existing ones alone, revives disabled ones. Returns the topics."""

    def webhooks_off(self, address: str) -> list[str]:
        """The topics, as `subscribe` returns them, of which nothing active is set for `address`: switched off
        by the platform, deleted, or never made. Changes nothing."""


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """A webhook whose signature held. `delivery_id` is the same on every retry of one delivery."""

    delivery_id: str
    topic: str
    source: str
    triggered_at: datetime | None = None


class StoreWebhooks(Protocol):
    """Verifies and reads one platform's webhooks. Stateless; does no network."""

    def verify(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
    ) -> VerifiedDelivery | None:
        """The delivery when the signature over the raw bytes holds under any of `secrets`.

        None for a ping that asks for nothing but 200. Raises Unauthorized when the signature is
        absent, malformed or wrong; never anything else, whatever the bytes are.
        """

    def read(self, topic: str, body: bytes) -> StoreHint:
        """The hint in a verified body; raises Rejected when the body is not what the topic says."""
