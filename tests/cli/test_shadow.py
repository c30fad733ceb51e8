"""`dispo store shadow` and `dispo settings`: the same as on the pages, for operators."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from connector.delivery import shadow
from tests.builders import NOW, World
from tests.cli.conftest import Dispo


class _Clock:
    """A runtime with a time of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.minutes = 0

    def now(self) -> object:
        return NOW + timedelta(minutes=self.minutes)


def test_the_report_is_printed_and_watching_is_ruled(dispo: Dispo, engine: sa.Engine) -> None:
    world = World(engine)
    store_id = world.store(writes=False)
    world.listing(store_id, world.variant("B-1"), 4, wanted_available=0, sku="B-1", price_minor=500)
    clock = _Clock(engine)
    for clock.minutes in range(0, 75, 15):
        shadow.look(clock, world.merchant_id, store_id)  # type: ignore[arg-type]

    said = dispo("store", "shadow", str(store_id))
    assert 0 == said.code, said.err
    assert (
        "In 60 min 1 articles could be bought that the supplier did not have, for 60 min together."
        in said.out
    )
    assert f"Apply it: dispo store approve {store_id}" in said.out
    found = dispo("store", "shadow", str(store_id), "--stop", "--json").json
    assert (3600, "B-1", True) == (
        found["out"]["seconds"],
        found["worst"][0]["sku"],
        found["ended_at"] is not None,
    )
    refused = dispo("store", "shadow", str(store_id), "--hours", "5")
    assert (1, True) == (refused.code, "is not being watched" in refused.err)


def test_settings_go_in_come_back_and_leave(dispo: Dispo, engine: sa.Engine, tmp_path: Path) -> None:
    world = World(engine)
    variant_id = world.sellable("A-1", 9)
    path = tmp_path / "rules.csv"
    path.write_text("sku,buffer_units\nA-1,4\nB-1,2\n")

    done = dispo("settings", "import", str(path))
    assert 0 == done.code, done.err
    assert "Line 3: sku No product has the SKU 'B-1'." in done.out
    assert 5 == world.position(variant_id).available
    assert "\nA-1,4," in dispo("settings", "export").out
    number = done.out.rsplit(" ", 1)[1].strip()
    assert 0 == dispo("settings", "undo", number).code
    assert 9 == world.position(variant_id).available
    again = dispo("settings", "undo", number)
    assert (1, True) == (again.code, "dealt with already" in again.err)
