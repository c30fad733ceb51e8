"""An import killed in the middle: what was stored stays, is shown, and the next one brings the rest."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.delivery import reconcile
from connector.settings import Settings
from tests.delivery.conftest import Scene
from tests.support import eventually

GOODS = 600


def _import_slowly(settings: Settings, url: str, merchant_id: int, store_id: int) -> None:
    """In a process of its own: an import that rests after each page."""
    from dataclasses import replace

    from connector.delivery import catalog

    store_page = catalog.store_page

    def rest(*given: Any) -> None:
        store_page(*given)
        time.sleep(0.05)

    catalog.store_page = rest  # type: ignore[assignment]
    # A page is shown once its transaction has ended.
    rt = Runtime(replace(settings, database_url=url, allowed_private_hosts=frozenset({"127.0.0.1"})))
    reconcile.reconcile(rt, merchant_id, store_id, is_full=True)
    time.sleep(600)


@pytest.fixture
def started(scene: Scene, processes: Any) -> Any:
    for number in range(GOODS):
        scene.shop.add_product(
            f"Bowl {number}", [{"sku": f"K-{number}", "title": "", "price_minor": 500, "stock": 10}]
        )
    scene.world.execute("delete from listing where merchant_id = :m")
    scene.world.execute("delete from position where merchant_id = :m")
    scene.world.execute("delete from variant where merchant_id = :m")
    url = scene.rt.engine.url.render_as_string(hide_password=False)
    process = processes.Process(
        target=_import_slowly, args=(scene.rt.settings, url, scene.merchant_id, scene.store_id), daemon=True
    )
    process.start()
    yield process
    process.kill()
    process.join()


def count(scene: Scene, table: str) -> int:
    with scene.rt.engine.connect() as db:
        return int(
            db.execute(
                sa.text(f"select count(*) from {table} where merchant_id = :m"),
                {"m": scene.merchant_id},
            ).scalar_one()
        )


def test_a_killed_import_is_carried_on_and_nothing_is_doubled(scene: Scene, started: Any) -> None:
    eventually(lambda: count(scene, "listing") >= 200, "the first pages are stored", 60.0)
    os.kill(started.pid, signal.SIGKILL)
    started.join()
    stored = count(scene, "listing")
    assert 0 < stored < len(scene.shop.items)

    found = reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)

    whole = len(scene.shop.items)
    assert (whole, whole - stored, 0) == (found.listings, found.new_listings, found.gone)
    assert (whole, whole, whole) == (
        count(scene, "listing"),
        count(scene, "variant"),
        count(scene, "position"),
    )
    again = reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)
    assert (whole, 0, 0, 0) == (again.listings, again.new_listings, again.doubted, again.gone)
