"""Whatever order webhooks come in, twice or never: one comparison later the store and we say the same."""

from __future__ import annotations

import random
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.wrappers import Request, Response

from connector.delivery import reconcile
from simulator.shop import Order
from simulator.woocommerce import WooCommerceServer
from tests.delivery.conftest import Scene
from tests.delivery.test_webhooks import Receiver, idle
from tests.support import ManualClock

SUPPLY = 20

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("edit"), st.integers(0, 5)),
        st.tuples(st.just("raise"), st.integers(1, 4)),
    ),
    min_size=2,
    max_size=6,
)


class Postbag(Receiver):
    """Keeps what the platform delivers until the test hands it over."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.kept: list[tuple[dict[str, str], bytes]] = []

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        self.kept.append((dict(request.headers), request.get_data()))
        return Response("", 200)(environ, start)

    def hand_over(self, chance: Random) -> None:
        """Some twice, some never, in any order, worked now and then."""
        letters = [one for one in self.kept if chance.random() < 0.7]
        letters += [one for one in letters if chance.random() < 0.3]
        chance.shuffle(letters)
        for headers, body in letters:
            self.take(headers, body)
            if chance.random() < 0.3:
                self.scene.deliver()


class Till:
    """What happens in the shop to one good."""

    def __init__(self, scene: Scene, sku: str) -> None:
        self.scene = scene
        self.item = scene.shop.by_sku(sku)[0]
        self.orders: list[Order] = []

    def act(self, what: str, n: int) -> None:
        shop = self.scene.shop
        alive = [order for order in self.orders if order.status != "cancelled" and order.lines[0].units]
        if what == "buy":
            self.orders.append(shop.buy({self.item.id: n}))
        elif what == "raise":
            shop.adjust_stock(self.item.id, n, by="shop")
        elif alive and what == "cancel":
            shop.cancel(alive[n % len(alive)].id)
        elif alive and what == "edit":
            # One piece less, and it goes back on the shelf.
            order = alive[n % len(alive)]
            if order.lines[0].units > 1:
                order.lines[0].units -= 1
                shop.record_order(order, by="shop")
                shop.adjust_stock(self.item.id, 1, by="shop")

    @property
    def held(self) -> int:
        return sum(order.lines[0].units for order in self.orders if order.status != "cancelled")


@pytest.fixture
def postbag(scene: Scene) -> Any:
    bag = Postbag(scene)
    with bag.server as server:
        if isinstance(scene.server, WooCommerceServer):
            scene.server.webhooks.start()
        scene.rt.store(scene.merchant_id, scene.store_id).subscribe(server.url + "/hooks", bag.secret)
        idle(scene)
        yield bag
        if isinstance(scene.server, WooCommerceServer):
            scene.server.webhooks.stop()


def test_any_permutation_ends_in_the_same_state(scene: Scene, postbag: Postbag, clock: ManualClock) -> None:
    count = 0

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(events=EVENTS, seed=st.integers(0, 10_000))
    def run(events: list[tuple[str, int]], seed: int) -> None:
        nonlocal count
        count += 1
        # Hypothesis sets the common generator back for each example, and nonces would come again.
        random.seed(count)
        sku = f"P-{count}"
        scene.shop.add_product(f"Plate {count}", [{"sku": sku, "title": "", "price_minor": 1, "stock": 9}])
        clock.advance(minutes=10)
        reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
        scene.supply(**{sku.replace("-", "_"): SUPPLY})
        assert [] == scene.deliver()
        idle(scene)
        postbag.kept.clear()
        till = Till(scene, sku)
        for what, n in events:
            clock.advance(minutes=5)
            till.act(what, n)
        idle(scene)
        clock.advance(minutes=5)
        postbag.hand_over(Random(seed))
        scene.deliver()

        clock.advance(minutes=10)
        reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
        reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
        scene.wake()
        assert [] == scene.deliver(10)

        left = SUPPLY - till.held
        sold = scene.world.allocated(scene.variant(sku))
        assert ({"order": till.held} if till.held else {}) == sold
        assert (left, left, left) == (
            till.item.stock,
            scene.world.position(scene.variant(sku)).available,
            scene.listing(sku).believed_available,
        )
        assert [] == [one for one in scene.world.pending() if one[0] == "store.quantity"]

    run()
