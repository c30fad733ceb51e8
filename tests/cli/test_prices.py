"""`dispo prices`: a rule kept, seen in a store, approved and taken back."""

from __future__ import annotations

import sqlalchemy as sa

from tests.cli.conftest import Dispo


def test_rules_are_kept_seen_approved_and_undone(
    dispo: Dispo, merchant: int, connected: int, engine: sa.Engine
) -> None:
    store = str(connected)
    assert "below_floor" in dispo("prices", "set", "merchant", "colour=red").err
    assert "0 are called" in dispo("prices", "set", "sku", "floor_percent=20", "--subject", "Z-99").err
    kept = dispo(
        "prices", "set", "merchant", "markup_percent=80", "floor_percent=20", "below_floor=stop"
    ).code
    assert kept == 0
    (rule,) = dispo("prices", "rules", "--json").json
    assert rule["says"]["below_floor"] == "stop"
    assert dispo("prices", "show", "--json").json["off_sale"] == 0

    seen = dispo("prices", "store", store, "--json").json
    assert (seen["status"], seen["would_change"]) == ("off", 0)
    assert "Nothing was approved" in dispo("prices", "approve", store, "--seen", "something else").err
    assert dispo("prices", "approve", store, "--seen", seen["seen"]).code == 0
    assert dispo("prices", "store", store, "--json").json["status"] == "on"
    assert dispo("prices", "undo", store, "--json").json["put_back"] == 0
    assert dispo("prices", "hand-over", store, "--json").json["handed_over"] == 0
    assert dispo("prices", "off", store).code == 0
    assert dispo("prices", "store", store, "--json").json["status"] == "off"
    assert "0 are off sale" in dispo("prices", "stops", "--approve").out
    assert dispo("prices", "run", "7", "--json").json == []
