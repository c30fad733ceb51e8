"""`dispo merchant plan`: what is allowed and used, as text and as JSON."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tests.builders import World
from tests.cli.conftest import Dispo


def test_a_merchant_without_an_installed_shop_may_everything(dispo: Dispo, engine: sa.Engine) -> None:
    world = World(engine)
    world.source()
    ran = dispo("merchant", "plan", "--json")
    features = [(one["feature"], one["used"], one["limit"], one["over"]) for one in ran.json["features"]]
    assert [("stores", 0, None, 0), ("suppliers", 1, None, 0), ("listings", 0, None, 0)] == features
    assert ([], 0, []) == (ran.json["plans"], ran.json["waiting_listings"], ran.json["history"])
    text = dispo("merchant", "plan").out
    assert text.startswith("No store is billed by its platform: everything is allowed.\n")


def test_what_is_over_the_plan_is_said_to_go_on(dispo: Dispo, engine: sa.Engine) -> None:
    world = World(engine)
    store = world.store(adapter="shopify", name="Vases")
    world.source()
    world.execute(
        "insert into installation (merchant_id, adapter, shop, connection_id, installed_at)"
        " values (:m, 'shopify', 'vases.myshopify.com', :c, now())",
        c=store,
    )
    world.execute(
        "insert into store_plan (merchant_id, connection_id, state, allows, limits, since, read_at)"
        " values (:m, :c, 'none', 'Free', cast(:l as jsonb), now(), '2026-11-22 10:30+00')",
        c=store,
        l='{"suppliers": 0}',
    )
    text = dispo("merchant", "plan").out
    assert "Vases: Free (none), read 2026-11-22 10:30 UTC" in text
    assert "over by 1; it goes on" in text


def test_a_file_of_plans_with_a_mistake_stops_every_command(dispo: Dispo, tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text("[plans.free]\n", encoding="utf-8")
    ran = dispo("merchant", "plan", DISPO_PLANS=str(tmp_path / "plans.toml"))
    assert ran.code != 0
    assert "DISPO_PLANS: without_plan is missing." in ran.err
