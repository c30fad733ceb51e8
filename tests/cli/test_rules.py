"""dispo rules …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.builders import World


def test_rules_are_tried_kept_listed_and_taken_back(dispo: Any, engine: sa.Engine, tmp_path: Path) -> None:
    world = World(engine)
    source = world.source()
    lamp, vase = world.variant("LAMP", collections=["Lamps"]), world.variant("VASE")
    for variant, quantity in ((lamp, 3), (vase, 9)):
        world.observe(source, variant, quantity)
        world.decide(variant)

    tried = dispo("rules", "set", "collection", "lamps", "buffer_units=3", "--dry-run")
    assert "LAMP: 3 → 0 (out_of_stock)" in tried.out
    assert 3 == world.position(lamp).available
    assert 1 == dispo("rules", "set", "collection", "lamps", "buffer_units=3").code
    assert 3 == world.position(lamp).available

    kept = dispo(
        "rules", "set", "collection", "lamps", "buffer_units=3", "cap_units=5", "--yes", "--json"
    ).json
    assert 0 == world.position(lamp).available
    assert 0 == dispo("rules", "set", "collection", "Lamps", "buffer_units=").code
    assert 3 == world.position(lamp).available
    assert {"cap_units": 5} == dispo("rules", "list", "--json").json[0]["says"]
    assert 1 == dispo("rules", "undo", str(kept["change"])).code, "changed again since"

    file = tmp_path / "rules.csv"
    file.write_text("sku,cap_units\nvase,4\n")
    assert 0 == dispo("rules", "import", str(file)).code
    assert 4 == world.position(vase).available
    assert "VASE,,4,,,,,,,," == dispo("rules", "export").out.splitlines()[1]
    assert 0 == dispo("rules", "remove", "sku", "VASE").code
    assert 9 == world.position(vase).available


def test_a_rule_that_cannot_be_is_said_in_words(dispo: Any, engine: sa.Engine) -> None:
    World(engine)

    assert "There is no supplier 77" in dispo("rules", "set", "supplier", "77", "score=5").err
    assert "There is no rule called 'colour'" in dispo("rules", "set", "merchant", "-", "colour=").err
    assert "kept in the settings" in dispo("rules", "set", "merchant", "-", "cap_units=4").err
    assert 2 == dispo("rules", "set", "merchant", "-", "strategy").code
