"""dispo delivery: settings from a file, and when an order arrives."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

from tests.builders import World
from tests.cli.conftest import Dispo

RULE = {
    "handling_days": 1,
    "cut_off": "14:00",
    "zones": [
        {"name": "France", "countries": ["FR"], "least_days": 2, "most_days": 3, "holidays": "FR"},
    ],
}


def test_settings_are_set_and_orders_previewed(dispo: Dispo, engine: sa.Engine, tmp_path: Path) -> None:
    world = World(engine)
    world.sellable("A-1", 4)
    world.sellable("A-2", 0)
    file = tmp_path / "delivery.json"
    assert "Nothing is set yet" in dispo("delivery", "preview", "A-1").err

    file.write_text(json.dumps({**RULE, "zones": []}))
    refused = dispo("delivery", "set", str(file))
    assert (refused.code, "zones" in refused.err) == (1, True)
    file.write_text(json.dumps(RULE))
    assert "Saved." in dispo("delivery", "set", str(file)).out
    assert "Nothing was changed." in dispo("delivery", "set", str(file)).out
    assert dispo("delivery", "show").json["zones"][0]["name"] == "France"

    # Friday afternoon before Christmas, a Friday too: taken up on Monday 21, handed over on Tuesday 22,
    # there on Thursday 24 at the earliest, and over the holiday on Saturday 26.
    at = ("--at", "2026-12-18T15:00")
    lines = dispo("delivery", "preview", "A-1", "A-2", *at, "--json").json
    assert [
        {"sku": "A-1", "from": "2026-12-24", "until": "2026-12-26", "basis": "stock", "reason": ""},
        {"sku": "A-2", "from": None, "until": None, "basis": "", "reason": "not_sold"},
    ] == lines
    (line,) = dispo("delivery", "preview", "A-1", "--country", "de", "--json").json
    assert line["reason"] == "no_zone"
    assert "There is no SKU 'B-9'" in dispo("delivery", "preview", "B-9").err
