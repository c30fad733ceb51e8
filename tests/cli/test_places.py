"""`dispo lists`: a rule chosen, approved and switched off."""

from __future__ import annotations

import sqlalchemy as sa

from connector.placement import facts
from tests.cli.conftest import Dispo


def test_a_rule_is_chosen_seen_approved_and_switched_off(
    dispo: Dispo, merchant: int, connected: int, engine: sa.Engine
) -> None:
    store_id = str(connected)
    assert dispo("lists", "show", store_id, "--json").json["status"] == "none"
    assert "Choose one: dispo lists choose." in dispo("lists", "approve", store_id).err

    chosen = dispo("lists", "choose", store_id, "tag", "--tag", "Sold out", "--days", "10", "--json").json
    assert (chosen["status"], chosen["kind"], chosen["tag"], chosen["days"]) == (
        "draft",
        "tag",
        "Sold out",
        10,
    )

    assert dispo("lists", "approve", store_id).code == 0
    assert dispo("lists", "show", store_id, "--json").json["status"] == "on"
    assert "Switched off" in dispo("lists", "off", store_id).out
    assert "off already" in dispo("lists", "off", store_id).out
    with engine.connect() as db:
        found = facts.rule_of(db, merchant, int(store_id))
    assert found is not None
    assert found.status == "off"


def test_a_way_the_platform_does_not_have_is_refused_by_name(dispo: Dispo, connected: int) -> None:
    store_id = str(connected)
    ran = dispo("lists", "choose", store_id, "hide")
    assert (ran.code, "search_only, last, tag" in ran.err) == (1, True)


def test_what_is_no_store_of_theirs_is_not_found(dispo: Dispo, merchant: int) -> None:
    ran = dispo("lists", "show", "4711")
    assert (ran.code, "There is no such connection." in ran.err) == (1, True)
