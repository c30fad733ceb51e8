"""Our own writes come back as webhooks, by the hundred, and cause nothing."""

from __future__ import annotations

import sqlalchemy as sa

from connector.delivery import reconcile
from connector.positions.decide import Cause
from connector.positions.recheck import decide_all
from simulator.woocommerce import WooCommerceServer
from tests.delivery.conftest import Scene
from tests.delivery.test_webhooks import Receiver, idle

# Two calls on Shopify, which takes 250 numbers each, and more on WooCommerce; more echoes would be like these.
WRITES = 300


def _supply_all(scene: Scene, quantity: int) -> None:
    scene.world.execute(
        """
        with item as (
          insert into supplier_item (merchant_id, source_id, item_key, variant_id)
          select merchant_id, :s, sku, id from variant where merchant_id = :m on conflict do nothing)
        insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)
        select merchant_id, :s, sku, sku, :q, 1 from variant where merchant_id = :m
        on conflict (merchant_id, source_id, item_key) do update set quantity = excluded.quantity
        """,
        s=scene.source_id,
        q=quantity,
    )
    scene.world.execute("update listing set is_managed = true where merchant_id = :m")
    decide_all(scene.rt.engine, scene.merchant_id, now=scene.rt.now(), cause=Cause("run"))


def _written(scene: Scene) -> int:
    """Listings in all requests that ever left."""
    with scene.rt.engine.connect() as db:
        return int(
            db.execute(
                sa.text("""
                    select coalesce(sum(jsonb_array_length(request -> 'items')), 0) from delivery_attempt
                     where merchant_id = :m
                """),
                {"m": scene.merchant_id},
            ).scalar_one()
        )


def test_hundreds_of_writes_of_our_own_cause_no_further_write(scene: Scene) -> None:
    for number in range(WRITES - len(scene.shop.items)):
        scene.shop.add_product(
            f"Bowl {number}", [{"sku": f"E-{number}", "title": "", "price_minor": 500, "stock": 10}]
        )
    reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)
    _supply_all(scene, 10)
    assert [] == scene.deliver(50)
    receiver = Receiver(scene)
    with receiver.server as server:
        if isinstance(scene.server, WooCommerceServer):
            scene.server.webhooks.start()
        try:
            scene.rt.store(scene.merchant_id, scene.store_id).subscribe(
                server.url + "/hooks", receiver.secret
            )
            idle(scene)
            before = _written(scene)

            _supply_all(scene, 7)
            assert [] == scene.deliver(50)
            written = _written(scene)
            assert {7} == {item.stock for item in scene.shop.items.values()}

            for _ in range(3):  # what echoes set off would echo too
                _calm(scene)
                reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
                reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
                assert [] == scene.deliver(50)
            assert (written, 0) == (_written(scene), _pending(scene))
            assert written - before >= WRITES
            assert receiver.answers.count("recorded") >= WRITES
            with scene.rt.engine.connect() as db:
                sold = db.execute(sa.text("select count(*) from allocation")).scalar_one()
            assert 0 == sold
            assert {7} == {item.stock for item in scene.shop.items.values()}
        finally:
            if isinstance(scene.server, WooCommerceServer):
                scene.server.webhooks.stop()


def _calm(scene: Scene) -> None:
    """All webhooks have arrived."""
    if isinstance(scene.server, WooCommerceServer):
        assert scene.server.webhooks.wait_idle(60.0)
    else:
        assert scene.server.webhooks.drain(60.0)


def _pending(scene: Scene) -> int:
    return len([one for one in scene.world.pending() if one[0] in ("store.quantity", "store.badge")])
