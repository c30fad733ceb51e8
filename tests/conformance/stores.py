"""What every store adapter promises, checked against a simulated shop with fault dials.

Inherit `StoreConformance` as `Test…` and give the fixtures that raise: `server`, `store`, `stranger`,
`webhooks`, and the hooks `badge_shown` and `subscriptions`. What a platform declares in its capabilities
decides what is skipped, with the reason. `StoreConformance` also says what the shop holds (`shop`).
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, cast

import pytest
from werkzeug.wrappers import Request, Response

from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.ports.incoming import IncomingReader
from connector.ports.stores import (
    BadgeChange,
    BadgeFacts,
    FrozenRequest,
    ItemResult,
    ListingRef,
    QuantityChange,
    Store,
    StoreHint,
    StoreListing,
    StoreWebhooks,
)
from simulator.dials import Dials
from simulator.server import ServerThread
from simulator.shop import Item, Shop
from tests.conformance.places import PlacesConformance
from tests.conformance.prices import PricesConformance
from tests.support import ManualClock, eventually

SECRET = "conformance webhook secret"
PLAIN = 203
"""Products without variants: more than two pages of 100."""


@dataclass(frozen=True)
class Received:
    """One webhook as it arrived."""

    headers: Mapping[str, str]
    body: bytes


class Mailbox:
    """Answers 200 to every POST and keeps it."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._server = ServerThread(self)
        self.address = f"{self._server.url}/webhooks/shop-1"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        self.received.append(Received(dict(request.headers), request.get_data()))
        return Response(b"", 200)(environ, start_response)

    def __enter__(self) -> Mailbox:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()


def batches(count: int, size: int) -> int:
    return math.ceil(count / size)


def stored(request: FrozenRequest) -> FrozenRequest:
    """The request as it comes back from the database: through JSON."""
    return replace(request, body=json.loads(json.dumps(request.body)))


class StoreConformance(PlacesConformance, PricesConformance):
    """The promises of `Store` and `StoreWebhooks`, one test each."""

    # ------------------------------------------------------------ required of a subclass

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[Any]:
        """The running simulator of the platform, with `url` and `calls: Counter`."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, server: Any) -> Store:
        """The adapter with the right credentials."""
        raise NotImplementedError

    @pytest.fixture
    def stranger(self, server: Any) -> Store:
        """The adapter with wrong credentials whose secret is the text "wrong-secret"."""
        raise NotImplementedError

    @pytest.fixture
    def webhooks(self) -> StoreWebhooks:
        raise NotImplementedError

    def badge_shown(self, shop: Shop, item: Item) -> BadgeFacts | None:
        """What a storefront would read for this item, from what the adapter wrote; None for nothing."""
        raise NotImplementedError

    def subscriptions(self, server: Any) -> list[tuple[str, str, bool]]:
        """(topic, address, is_active) of every webhook the shop keeps."""
        raise NotImplementedError

    # ------------------------------------------------------------ may be overridden

    secret = SECRET
    """What webhooks are signed with."""

    def calls(self, server: Any) -> int:
        """Requests the server has received so far."""
        return sum(server.calls.values())

    def answer_html(self, server: Any) -> None:
        """Make the server answer HTML with status 200 to API calls."""
        pytest.skip("this simulator has no such fault")

    def disable_subscriptions(self, server: Any) -> None:
        """Make the shop switch its webhooks off, as after too many failures."""
        pytest.skip("this platform does not switch webhooks off")

    # ------------------------------------------------------------ the shop

    @pytest.fixture
    def dials(self) -> Dials:
        return Dials()

    @pytest.fixture
    def shop(self, clock: ManualClock) -> Shop:
        """203 plain products, one with three variants, one untracked, one unpublished, odd names."""
        shop = Shop("Corner Shop", currency="EUR", timezone="Europe/Berlin", clock=clock)
        for n in range(1, PLAIN + 1):
            shop.add_product(
                f"Mug {n:03}", [{"sku": f"MUG-{n:03}", "price_minor": 950 + n, "stock": n, "gtin": ""}]
            )
        shop.add_product(
            "Tee",
            [
                {"title": size, "sku": f"TEE-{size}", "price_minor": 1999, "stock": stock}
                for size, stock in (("S", 4), ("M", 0), ("L", 9))
            ],
        )
        shop.add_product(
            "Salt & Pepper <set> « d'été »",
            [{"sku": "SALT-1", "price_minor": 1200, "stock": 7, "gtin": "4006381333931"}],
        )
        shop.add_product(
            "Gift card", [{"sku": "GIFT-1", "price_minor": 2500, "stock": None, "tracked": False}]
        )
        hidden = shop.add_product("Next season", [{"sku": "NEXT-1", "price_minor": 500, "stock": 3}])
        hidden.published = False
        return shop

    @pytest.fixture
    def mailbox(self) -> Iterator[Mailbox]:
        with Mailbox() as box:
            yield box

    @pytest.fixture
    def listings(self, store: Store) -> dict[str, StoreListing]:
        """The catalogue by SKU."""
        return {listing.sku: listing for page in store.catalog() for listing in page}

    def write(self, store: Store, changes: Sequence[QuantityChange]) -> list[ItemResult]:
        results: list[ItemResult] = []
        for n, request in enumerate(store.plan_quantities(changes)):
            results += store.send(stored(request), f"key-{n}")
        return results

    def change(self, listing: StoreListing, quantity: int) -> QuantityChange:
        return QuantityChange(listing.ref, quantity, listing.available)

    def stock(self, shop: Shop, sku: str) -> int | None:
        return shop.by_sku(sku)[0].stock

    # ------------------------------------------------------------ check

    def test_check_names_the_shop(self, store: Store, server: Any) -> None:
        check = store.check()
        assert (check.name, check.currency, check.timezone) == ("Corner Shop", "EUR", "Europe/Berlin")
        assert check.version != ""

    def test_a_wrong_key_is_unauthorized_and_not_repeated_in_the_message(self, stranger: Store) -> None:
        for act in (stranger.check, lambda: list(stranger.catalog())):
            with pytest.raises(Unauthorized) as caught:
                act()
            assert caught.value.remedy != ""
            assert "wrong-secret" not in str(caught.value) + repr(caught.value.__cause__)

    # ------------------------------------------------------------ catalogue

    def test_the_catalogue_holds_every_sellable_item(self, shop: Shop, store: Store) -> None:
        seen = [listing for page in store.catalog() for listing in page]
        assert {one.sku for one in seen} == {item.sku for item in shop.items.values()}
        assert len({one.ref.external_id for one in seen}) == len(shop.items)

    def test_a_listing_shows_what_the_shop_shows(self, listings: dict[str, StoreListing]) -> None:
        salt = listings["SALT-1"]
        assert salt.product_title == "Salt & Pepper <set> « d'été »"
        assert (salt.price_minor, salt.available, salt.is_tracked, salt.is_published) == (1200, 7, True, True)
        assert salt.problem is None
        assert salt.gtin == "4006381333931"

    def test_variants_share_their_product(self, listings: dict[str, StoreListing]) -> None:
        tees = [listings[f"TEE-{size}"] for size in "SML"]
        assert [(one.variant_title, one.available) for one in tees] == [("S", 4), ("M", 0), ("L", 9)]
        assert {one.product_title for one in tees} == {"Tee"}
        assert len({one.ref.product_id for one in tees}) == 1
        assert len({one.ref.external_id for one in tees}) == 3

    def test_an_item_that_is_not_tracked_has_no_number_and_says_why(
        self, listings: dict[str, StoreListing]
    ) -> None:
        gift = listings["GIFT-1"]
        assert (gift.is_tracked, gift.available) == (False, None)
        assert gift.problem

    def test_an_unpublished_item_is_listed_as_such(self, listings: dict[str, StoreListing]) -> None:
        assert listings["NEXT-1"].is_published is False

    def test_only_what_changed_is_listed_again(self, shop: Shop, store: Store, clock: ManualClock) -> None:
        clock.advance(hours=2)
        since = clock.now()
        shop.set_stock(shop.by_sku("MUG-007")[0].id, 70, by="shop")
        shop.set_stock(shop.by_sku("TEE-M")[0].id, 3, by="shop")
        changed = {one.sku: one.available for page in store.catalog(since) for one in page}
        assert {"MUG-007": 70, "TEE-M": 3}.items() <= changed.items()
        assert len(changed) <= 4, "the untouched rest of the catalogue must not come again"

    # ------------------------------------------------------------ reading numbers

    def test_reads_the_present_numbers(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        shop.set_stock(shop.by_sku("MUG-002")[0].id, 22, by="shop")
        refs = [listings[sku].ref for sku in ("TEE-L", "MUG-002", "SALT-1", "GIFT-1")]
        found = {reading.ref.external_id: reading.quantity for reading in store.read_quantities(refs)}
        assert [found[ref.external_id] for ref in refs] == [9, 22, 7, None]

    def test_reading_takes_no_more_calls_than_the_batch_size_allows(
        self, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        refs = [one.ref for one in listings.values()]
        before = self.calls(server)
        found = store.read_quantities(refs)
        assert self.calls(server) - before <= batches(len(refs), store.capabilities.read_batch_size)
        assert {one.ref.external_id for one in found} == {ref.external_id for ref in refs}

    def test_an_unknown_item_is_missing_from_the_answer(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        gone = listings["MUG-005"].ref
        self.remove(shop, "MUG-005")
        found = store.read_quantities([gone, listings["MUG-006"].ref])
        assert [(one.ref, one.quantity) for one in found] == [(listings["MUG-006"].ref, 6)]

    def remove(self, shop: Shop, sku: str) -> None:
        """Delete a plain product for good, as the merchant would."""
        with shop.lock:
            item = shop.by_sku(sku)[0]
            del shop.items[item.id]
            del shop.products[item.product_id]

    # ------------------------------------------------------------ planning

    def test_a_plan_covers_each_change_once_within_the_limits(
        self, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        before = self.calls(server)
        changes = [self.change(one, 11) for one in listings.values() if one.problem is None]
        plan = store.plan_quantities(changes)
        assert self.calls(server) == before, "planning is pure"
        assert all(1 <= len(one.refs) <= store.capabilities.quantity_batch_size for one in plan)
        covered = [ref for one in plan for ref in one.refs]
        assert sorted(ref.external_id for ref in covered) == sorted(c.ref.external_id for c in changes)
        places = {c.ref.external_id: n for n, c in enumerate(changes)}
        for one in plan:
            inside = [places[ref.external_id] for ref in one.refs]
            assert inside == sorted(inside)

    def test_a_plan_of_plain_items_is_as_short_as_the_batch_size_allows(
        self, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        changes = [self.change(one, 1) for sku, one in listings.items() if sku.startswith("MUG-")]
        size = store.capabilities.quantity_batch_size
        assert len(store.plan_quantities(changes)) == batches(PLAIN, size)
        assert store.plan_quantities([]) == []

    def test_a_planned_request_survives_being_stored(
        self, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        changes = [self.change(listings[sku], 1) for sku in ("TEE-S", "SALT-1", "TEE-L")]
        for request in store.plan_quantities(changes):
            assert stored(request) == request

    # ------------------------------------------------------------ writing numbers

    def test_writes_plain_items_and_variants(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        wanted = {"MUG-001": 0, "TEE-S": 40, "SALT-1": 70, "TEE-M": 12, "MUG-200": 1}
        results = self.write(store, [self.change(listings[sku], n) for sku, n in wanted.items()])
        assert {r.ref.external_id: r.status for r in results} == {
            listings[sku].ref.external_id: "done" for sku in wanted
        }
        assert {sku: self.stock(shop, sku) for sku in wanted} == wanted

    def test_a_full_batch_is_one_call_and_answers_in_order(
        self, shop: Shop, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        size = min(store.capabilities.quantity_batch_size, PLAIN)
        changes = [self.change(listings[f"MUG-{n:03}"], 500 + n) for n in range(1, size + 1)]
        (request,) = store.plan_quantities(changes)
        before = self.calls(server)
        results = store.send(stored(request), "key")
        assert self.calls(server) - before == 1
        assert [(r.ref, r.status) for r in results] == [(c.ref, "done") for c in changes]
        assert [self.stock(shop, f"MUG-{n:03}") for n in range(1, size + 1)] == [
            500 + n for n in range(1, size + 1)
        ]

    def test_one_bad_item_does_not_fail_its_neighbours(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        gone = listings["MUG-011"]
        self.remove(shop, "MUG-011")
        changes = [self.change(one, 60) for one in (listings["MUG-010"], gone, listings["MUG-012"])]
        first, bad, last = self.write(store, changes)
        assert bad.status in ("not_found", "rejected")
        assert bad.reason != ""
        assert {first.status, last.status} in ({"done"}, {"retry"})
        expected = (60, 60) if first.status == "done" else (10, 12)
        assert (self.stock(shop, "MUG-010"), self.stock(shop, "MUG-012")) == expected

    def test_an_item_that_is_not_tracked_is_rejected_with_the_reason(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        (result,) = self.write(store, [QuantityChange(listings["GIFT-1"].ref, 5, None)])
        assert result.status == "rejected"
        assert result.reason != ""
        assert self.stock(shop, "GIFT-1") is None

    def test_the_same_request_twice_is_harmless(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        (request,) = store.plan_quantities([self.change(listings["MUG-020"], 33)])
        store.send(stored(request), "same-key")
        (again,) = store.send(stored(request), "same-key")
        assert again.status in ("done", "conflict")
        assert self.stock(shop, "MUG-020") == 33

    def test_a_stale_expectation_is_a_conflict_and_writes_nothing(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        if store.capabilities.compare_and_set == "read_then_write":
            pytest.skip("the platform cannot compare before it writes")
        shop.set_stock(shop.by_sku("MUG-030")[0].id, 29, by="shop")
        (result,) = self.write(store, [self.change(listings["MUG-030"], 80)])
        assert (result.status, result.remote) == ("conflict", 29)
        assert self.stock(shop, "MUG-030") == 29

    # ------------------------------------------------------------ faults

    def one_write(self, store: Store, listings: dict[str, StoreListing]) -> Callable[[], list[ItemResult]]:
        (request,) = store.plan_quantities([self.change(listings["MUG-040"], 4)])
        return lambda: store.send(stored(request), "fault-key")

    def test_a_lost_answer_is_an_unknown_outcome_and_may_be_repeated(
        self, shop: Shop, store: Store, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        (request,) = store.plan_quantities([self.change(listings["MUG-040"], 4)])
        for fault in ("timeout_after_success", "cut_after_success"):
            shop.set_stock(shop.by_sku("MUG-040")[0].id, 40, by="shop")
            dials.fail_next.append(fault)  # type: ignore[arg-type]
            with pytest.raises(OutcomeUnknown):
                store.send(stored(request), f"key of {fault}")
            assert self.stock(shop, "MUG-040") == 4
            (again,) = store.send(stored(request), f"key of {fault}")
            assert again.status in ("done", "conflict")
            assert self.stock(shop, "MUG-040") == 4

    def test_a_write_that_failed_before_any_effect_wrote_nothing(
        self, shop: Shop, store: Store, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        send = self.one_write(store, listings)
        for fault in ("error", "cut_before"):
            dials.fail_next.append(fault)  # type: ignore[arg-type]
            with pytest.raises((OutcomeUnknown, Retryable)):
                send()
            assert self.stock(shop, "MUG-040") == 40

    def test_throttling_says_how_long_to_wait_and_writes_nothing(
        self, shop: Shop, store: Store, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        send = self.one_write(store, listings)
        dials.fail_next.append("throttle")
        with pytest.raises(RateLimited) as caught:
            send()
        assert caught.value.retry_after_s > 0
        assert self.stock(shop, "MUG-040") == 40

    def test_maintenance_is_retryable_and_writes_nothing(
        self, shop: Shop, store: Store, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        send = self.one_write(store, listings)
        dials.maintenance = True
        with pytest.raises(Retryable):
            send()
        with pytest.raises(Retryable):
            store.read_quantities([listings["MUG-040"].ref])
        assert self.stock(shop, "MUG-040") == 40

    def test_a_read_that_failed_is_retryable(
        self, store: Store, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        for fault in ("error", "cut_before", "timeout_after_success", "cut_after_success"):
            dials.fail_next.append(fault)  # type: ignore[arg-type]
            with pytest.raises(Retryable):
                store.read_quantities([listings["MUG-040"].ref])

    def test_a_web_page_is_not_an_answer(
        self, shop: Shop, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        send = self.one_write(store, listings)
        self.answer_html(server)
        for act in (send, lambda: list(store.catalog()), store.check):
            with pytest.raises(Misconfigured) as caught:
                act()
            assert caught.value.field != ""
        assert self.stock(shop, "MUG-040") == 40

    # ------------------------------------------------------------ badges

    def send_badge(self, store: Store, ref: ListingRef, badge: BadgeFacts) -> ItemResult:
        (request,) = store.plan_badges([BadgeChange(ref, badge)])
        (result,) = store.send(stored(request), "badge-key")
        return result

    def test_a_badge_is_shown_and_replaced(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        full = BadgeFacts("restocking", 3, date(2026, 2, 1), date(2026, 2, 4))
        bare = BadgeFacts("in_stock")
        for sku in ("MUG-050", "TEE-L"):
            for badge in (full, bare, full):
                assert self.send_badge(store, listings[sku].ref, badge).status == "done"
                assert self.badge_shown(shop, shop.by_sku(sku)[0]) == badge
        assert self.stock(shop, "MUG-050") == 50, "a badge never touches the number"

    def test_badges_are_planned_within_the_limits(
        self, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        changes = [
            BadgeChange(one.ref, BadgeFacts("low_stock", 2))
            for sku, one in listings.items()
            if sku.startswith("MUG-")
        ]
        plan = store.plan_badges(changes)
        assert len(plan) == batches(PLAIN, store.capabilities.badge_batch_size)
        assert [ref for one in plan for ref in one.refs] == [c.ref for c in changes]

    def test_a_badge_rides_along_with_the_number(
        self, shop: Shop, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        if not store.capabilities.badge_with_quantity:
            pytest.skip("number and badge need two writes here")
        badge = BadgeFacts("out_of_stock", None, date(2026, 3, 1), date(2026, 3, 1))
        change = replace(self.change(listings["MUG-060"], 0), badge=badge)
        before = self.calls(server)
        (result,) = self.write(store, [change])
        assert (result.status, self.calls(server) - before) == ("done", 1)
        assert self.stock(shop, "MUG-060") == 0
        assert self.badge_shown(shop, shop.by_sku("MUG-060")[0]) == badge

    # ------------------------------------------------------------ orders

    def test_orders_tell_what_was_sold(
        self, shop: Shop, store: Store, clock: ManualClock, listings: dict[str, StoreListing]
    ) -> None:
        if not store.capabilities.reads_orders:
            pytest.skip("the adapter reads no orders")
        shop.buy({shop.by_sku("MUG-100")[0].id: 1})
        clock.advance(hours=1)
        since = clock.now()
        mug, tee = shop.by_sku("MUG-099")[0], shop.by_sku("TEE-S")[0]
        shop.buy({mug.id: 2, tee.id: 1})
        clock.advance(seconds=5)
        later = shop.buy({tee.id: 3})
        shop.cancel(later.id)
        found = [order for page in store.orders(since) for order in page]
        assert [
            (order.holds_stock, sorted((line.external_id, line.units) for line in order.lines))
            for order in sorted(found, key=lambda o: o.placed_at)
            if order.holds_stock
        ] == [
            (
                True,
                sorted([(listings["MUG-099"].ref.external_id, 2), (listings["TEE-S"].ref.external_id, 1)]),
            )
        ]
        assert len(found) == 2
        assert all(order.updated_at >= since - timedelta(seconds=10) for order in found)

    # ------------------------------------------------------------ on its way

    def ship(self, server: Any, units: dict[str, int], arrives_at: datetime | None) -> Any:
        """Send SKU → units on their way to the shop's shelves, expected then. Needed where the adapter
        reads what is incoming, as are the two below, which take what this answers."""
        raise NotImplementedError

    def receive(self, server: Any, shipment: Any, units: int) -> None:
        """So many units of each line have arrived."""
        raise NotImplementedError

    def call_off(self, server: Any, shipment: Any) -> None:
        """The shipment will not come."""
        raise NotImplementedError

    def coming(self, store: Store) -> list[tuple[str, int, datetime | None]]:
        reader = cast(IncomingReader, store)
        found = [one for page in reader.incoming() for one in page]
        assert len({one.reference for one in found}) == len(found)
        return sorted((one.stock_id, one.units, one.arrives_at) for one in found)

    def test_what_is_on_its_way_is_told_until_it_arrives_or_is_called_off(
        self, store: Store, server: Any, clock: ManualClock, listings: dict[str, StoreListing]
    ) -> None:
        if not store.capabilities.reads_incoming:
            pytest.skip("the platform does not tell what is on its way")
        assert self.coming(store) == []
        soon, late = clock.now() + timedelta(days=2), clock.now() + timedelta(days=9)
        mug, tee = listings["MUG-001"].ref.stock_id, listings["TEE-M"].ref.stock_id
        first = self.ship(server, {"MUG-001": 6}, soon)
        second = self.ship(server, {"TEE-M": 4}, late)
        self.ship(server, {"MUG-001": 1}, None)
        everything = self.coming(store)
        assert sorted(one[:2] for one in everything) == sorted([(mug, 6), (tee, 4), (mug, 1)])
        assert {one[2] for one in everything} == {soon, late, None}
        self.receive(server, first, 4)
        assert (mug, 2, soon) in self.coming(store)
        self.receive(server, first, 2)
        self.call_off(server, second)
        assert self.coming(store) == [(mug, 1, None)]

    def test_a_shipment_keeps_its_reference(self, store: Store, server: Any, clock: ManualClock) -> None:
        if not store.capabilities.reads_incoming:
            pytest.skip("the platform does not tell what is on its way")
        reader = cast(IncomingReader, store)
        self.ship(server, {"MUG-001": 6, "MUG-002": 3}, clock.now())
        before = {one.reference: one.stock_id for page in reader.incoming() for one in page}
        after = {one.reference: one.stock_id for page in reader.incoming() for one in page}
        assert (len(before), after) == (2, before)

    # ------------------------------------------------------------ webhooks

    def test_subscribing_twice_changes_nothing(self, store: Store, server: Any, mailbox: Mailbox) -> None:
        topics = store.subscribe(mailbox.address, self.secret)
        assert topics != []
        first = self.subscriptions(server)
        assert sorted(topic for topic, _, _ in first) == sorted(topics)
        assert all(address == mailbox.address and is_active for _, address, is_active in first)
        assert sorted(store.subscribe(mailbox.address, self.secret)) == sorted(topics)
        assert self.subscriptions(server) == first

    def test_subscribing_revives_what_the_shop_switched_off(
        self, store: Store, server: Any, mailbox: Mailbox
    ) -> None:
        store.subscribe(mailbox.address, self.secret)
        self.disable_subscriptions(server)
        store.subscribe(mailbox.address, self.secret)
        assert all(is_active for _, _, is_active in self.subscriptions(server))

    @pytest.fixture
    def sale(
        self,
        shop: Shop,
        store: Store,
        webhooks: StoreWebhooks,
        mailbox: Mailbox,
        listings: dict[str, StoreListing],
    ) -> list[tuple[Received, str, StoreHint]]:
        """The deliveries (with topic and hint) of a sale of 2 × MUG-080 and 1 × TEE-L."""
        store.subscribe(mailbox.address, self.secret)
        shop.buy({shop.by_sku("MUG-080")[0].id: 2, shop.by_sku("TEE-L")[0].id: 1})
        found: list[tuple[Received, str, StoreHint]] = []

        def is_told() -> bool:
            found.clear()
            for one in list(mailbox.received):
                verified = webhooks.verify(one.headers, one.body, [self.secret])
                if verified is not None:
                    found.append((one, verified.topic, webhooks.read(verified.topic, one.body)))
            numbers: dict[str, int] = {}
            for _, _, hint in found:
                numbers.update(hint.quantities)
            return any(hint.kind == "order" for _, _, hint in found) and self.told(found) >= {
                listings["MUG-080"].ref.external_id,
                listings["TEE-L"].ref.external_id,
            }

        eventually(is_told, "webhooks tell of the sale")
        return found

    def told(self, found: list[tuple[Received, str, StoreHint]]) -> set[str]:
        """The listings whose number may have moved, by hints of kind "stock" or "order"."""
        moved = {i for _, _, hint in found if hint.kind == "stock" for i in hint.external_ids}
        sold = {
            line.external_id for _, _, hint in found if hint.order is not None for line in hint.order.lines
        }
        return moved | sold

    def test_a_sale_is_told_by_webhooks(
        self,
        sale: list[tuple[Received, str, StoreHint]],
        listings: dict[str, StoreListing],
    ) -> None:
        orders = [hint.order for _, _, hint in sale if hint.order is not None]
        assert orders != []
        assert sorted((line.external_id, line.units) for line in orders[0].lines) == sorted(
            [(listings["MUG-080"].ref.external_id, 2), (listings["TEE-L"].ref.external_id, 1)]
        )
        mug = listings["MUG-080"].ref.external_id
        assert {h.quantities[mug] for _, _, h in sale if mug in h.quantities} <= {78}

    def test_a_delivery_keeps_its_id(
        self, sale: list[tuple[Received, str, StoreHint]], webhooks: StoreWebhooks
    ) -> None:
        received = sale[0][0]
        ids = {
            webhooks.verify(headers, received.body, [self.secret]).delivery_id  # type: ignore[union-attr]
            for headers in (received.headers, {k.lower(): v for k, v in received.headers.items()})
        }
        assert len(ids) == 1
        assert ids != {""}

    def test_an_older_secret_still_verifies(
        self, sale: list[tuple[Received, str, StoreHint]], webhooks: StoreWebhooks
    ) -> None:
        received = sale[0][0]
        assert webhooks.verify(received.headers, received.body, ["new secret", self.secret]) is not None

    def test_a_forged_or_changed_delivery_is_refused(
        self, sale: list[tuple[Received, str, StoreHint]], webhooks: StoreWebhooks
    ) -> None:
        received = sale[0][0]
        body = received.body
        for secrets in ([], [""], ["not the secret"], [self.secret.upper()]):
            with pytest.raises(Unauthorized):
                webhooks.verify(received.headers, body, secrets)
        step = max(1, len(body) // 50)
        for at in range(0, len(body), step):
            changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            with pytest.raises(Unauthorized):
                webhooks.verify(received.headers, changed, [self.secret])
        for changed in (b"", body + b" ", body[:-1], b"\xff\xfe\x00", body.replace(b":", b": ")):
            with pytest.raises(Unauthorized):
                webhooks.verify(received.headers, changed, [self.secret])

    def signature_header(self, received: Received) -> str:
        return next(
            name for name in received.headers if "signature" in name.lower() or "hmac" in name.lower()
        )

    def test_a_missing_or_malformed_signature_is_refused(
        self, sale: list[tuple[Received, str, StoreHint]], webhooks: StoreWebhooks
    ) -> None:
        received = sale[0][0]
        name = self.signature_header(received)
        good = received.headers[name]
        rest = {k: v for k, v in received.headers.items() if k != name}
        with pytest.raises(Unauthorized):
            webhooks.verify(rest, received.body, [self.secret])
        for bad in ("", " ", "=", good[:-2], good + "=", good.swapcase(), "é" * 44, "\udcff", "A" * 100_000):
            with pytest.raises(Unauthorized):
                webhooks.verify({**rest, name: bad}, received.body, [self.secret])

    def test_a_body_that_is_not_what_the_topic_says_is_rejected(
        self, sale: list[tuple[Received, str, StoreHint]], webhooks: StoreWebhooks
    ) -> None:
        bad = (b"", b"[]", b"null", b"{", b'"x"', b"\xff\xfe", b"{}", b'{"id":{}}', b"1e999", b"[" * 50_000)
        for topic, body in itertools.product({topic for _, topic, _ in sale}, bad):
            with pytest.raises(Rejected):
                webhooks.read(topic, body)

    def test_an_unknown_topic_asks_for_nothing(self, webhooks: StoreWebhooks) -> None:
        assert webhooks.read("moon/landed", b'{"id": 1}').kind == "other"

    # ------------------------------------------------------------ hygiene

    def test_no_error_carries_the_credentials(
        self, store: Store, dials: Dials, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        send = self.one_write(store, listings)
        for fault in ("error", "throttle", "cut_before", "timeout_after_success"):
            dials.fail_next.append(fault)  # type: ignore[arg-type]
            with pytest.raises(PortError) as caught:
                send()
            texts = [str(caught.value), repr(caught.value), str(caught.value.__cause__)]
            assert not [t for t in texts for secret in self.credentials() if secret in t]

    def credentials(self) -> list[str]:
        """Texts that may appear in no message."""
        raise NotImplementedError
