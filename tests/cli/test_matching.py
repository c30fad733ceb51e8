"""dispo match … and dispo bundle …"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.builders import World


def test_items_are_settled_and_bundles_declared_from_the_command_line(
    dispo: Any, engine: sa.Engine, tmp_path: Path
) -> None:
    world = World(engine)
    source = world.source(mapping={"columns": {"sku": "SKU", "quantity": "Qty"}})
    pan, pans = world.variant("PAN-1"), world.variant("PANS")
    world.execute(
        "insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)"
        " values (:m, :s, 'x-pan-1', 'X-PAN-1', 9, 1), (:m, :s, 'other', 'OTHER', 3, 1)",
        s=source,
    )

    found = dispo("match", "open", "--json").json
    assert found["total"] == 2
    assert found["items"][1]["nearest"][0]["variant"] == pan
    assert dispo("match", "open", "--csv").out.splitlines()[2] == f"{source},x-pan-1,X-PAN-1,,9,PAN-1"

    assert dispo("match", "link", str(source), "X-PAN-1", str(pan)).code == 0
    assert world.position(pan).available == 9
    assert dispo("match", "ignore", str(source), "OTHER").code == 0
    assert dispo("match", "open", "--json").json == {"total": 0, "items": []}
    assert dispo("match", "ignore", str(source), "OTHER").code == 1

    file = tmp_path / "bundles.csv"
    file.write_text("bundle,component,units\nPANS,PAN-1,2\n")
    assert dispo("bundle", "import", str(file)).code == 0
    assert world.position(pans).available == 4
    assert dispo("bundle", "set", "PAN-1", "PANS=1").code == 1, "a circle"

    assert dispo("match", "undo", str(source), "X-PAN-1").code == 0
    assert dispo("match", "open", "--json").json["total"] == 1

    rules = dispo("match", "rules", str(source), "--prefix", "X-", "--apply", "--json").json
    assert (rules["would_match"], rules["linked"]) == (1, 1)
