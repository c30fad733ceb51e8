"""Every route as nobody and as another merchant's owner: nothing of ours may be seen or done."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.routing import Rule

from connector.bootstrap import Runtime
from connector.settings import Settings
from connector.web.app import create_app
from connector.web.auth import PUBLIC
from tests.web.conftest import Person
from tests.web.shop import GOODS, Shop


def _rules() -> list[Rule]:
    from pathlib import Path

    from cryptography.fernet import Fernet

    settings = Settings(data_dir=Path(), secret_keys=(Fernet.generate_key().decode(),))
    return sorted(
        create_app(Runtime(settings)).url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)
    )


RULES = [rule for rule in _rules() if rule.endpoint.split(".")[0] not in PUBLIC]
WITH_ID = [rule for rule in RULES if any("_id" in name for name in rule.arguments)]

CHOICES = {
    "runs.ask": ("approve", "reject", "undo"),
    "runs.act": ("approve", "reject", "undo"),
    "connections.ask": ("pause", "stop", "approve"),
    "connections.act": ("pause", "resume", "stop", "approve", "go-on", "read"),
    "search.act": ("dismiss", "restore"),
    "connections.ask_freeze": ("freeze", "unfreeze"),
    "connections.freeze": ("freeze", "unfreeze"),
}
OTHERS = {
    # Real ones, for every pair of account and shop: tests/installs/test_join.py.
    "word": "a-word-that-nobody-signed",
    "place": "https",
    "adapter": "odoo",
    "code": "rows_vanished",
}
"""What stands in an address beside ids and choices."""


def _addresses(rule: Rule, ids: dict[str, int]) -> list[str]:
    """The rule's addresses with these ids; one for each of its choices that it takes."""
    found = []
    for what in CHOICES.get(rule.endpoint, ("",)):
        values: dict[str, Any] = {name: ids[name] for name in rule.arguments if name in ids}
        if "what" in rule.arguments:
            values["what"] = what
        values |= {name: OTHERS[name] for name in rule.arguments if name in OTHERS}
        # A rule that is one of two for an endpoint takes only its own choices.
        if "what" not in rule.arguments or re.search(rf"[(, ']{what}[,)']", rule.rule):
            built = rule.build(values)
            assert built is not None
            found.append(built[1])
    return found


def _ids(shop: Shop) -> dict[str, int]:
    return {
        "variant_id": shop.variants["A-12"],
        "run_id": shop.held_run_id,
        "message_id": shop.messages["failed"],
        "connection_id": shop.store_id,
        "handover_id": shop.handover_id,
        "finding_id": shop.finding_id,
        "source_id": shop.source_id,
        "doubt_id": shop.doubt_id,
        "risk_id": shop.risk_id,
    }


def test_the_walk_covers_the_routes_with_ids() -> None:
    assert len(WITH_ID) >= 14
    assert {name for rule in WITH_ID for name in rule.arguments if name.endswith("_id")} == {
        "variant_id",
        "run_id",
        "message_id",
        "connection_id",
        "handover_id",
        "finding_id",
        "source_id",
        "doubt_id",
        "risk_id",
    }


def _everything(shop: Shop) -> list[Any]:
    """Every row of this merchant, to notice any change."""
    with shop.engine.connect() as db:
        tables = db.execute(
            sa.text("""
                select table_name from information_schema.columns
                 where table_schema = 'public' and column_name = 'merchant_id' order by table_name
            """)
        ).scalars()
        return [
            db.execute(
                sa.text(
                    f"select md5(string_agg(t::text, ',' order by t::text)) from {name} t where merchant_id = :m"
                ),
                {"m": shop.merchant_id},
            ).scalar_one()
            for name in tables
        ] + [
            db.execute(
                sa.text("select m::text from merchant m where id = :m"), {"m": shop.merchant_id}
            ).scalar_one()
        ]


@pytest.mark.parametrize("rule", WITH_ID, ids=lambda rule: f"{sorted(rule.methods)[-1]} {rule.rule}")
def test_a_stranger_gets_404_for_our_ids(rule: Rule, shop: Shop, stranger: Person) -> None:
    before = _everything(shop)
    for address in _addresses(rule, _ids(shop)):
        if "GET" in rule.methods:
            answer = stranger.get(address)
        else:
            answer = stranger.post(address)
        assert answer.status_code == 404, address
        assert "Vase &amp; Co outlet" not in answer.text
    assert _everything(shop) == before


@pytest.mark.parametrize(
    "rule", [rule for rule in WITH_ID if "GET" in rule.methods], ids=lambda rule: rule.rule
)
def test_the_owner_reaches_what_the_stranger_does_not(rule: Rule, owner: Person, shop: Shop) -> None:
    for address in _addresses(rule, {**_ids(shop), "connection_id": shop.store_id}):
        if rule.endpoint in ("ads.ask_approve",):
            address = address.replace(str(shop.store_id), str(shop.ads_id))
        if rule.endpoint == "file_places.ask_key":
            address = address.replace(str(shop.store_id), str(shop.supplier_id))
            told = {"field": "host_key", "pinned": "SHA256:before", "presented": "SHA256:now"}
            shop.run("failed", 1, error_code="IdentityChanged", shape={"identity": told})
        if rule.endpoint in ("mapping.index", "replay.dry_run", "replay.dry_effect"):
            address = address.replace(str(shop.store_id), str(shop.supplier_id))
        if rule.endpoint == "locations.index":
            # Only a store whose items stand at locations has it.
            with shop.engine.begin() as db:
                db.execute(
                    sa.text("update listing set location_id = 'main' where merchant_id = :m"),
                    {"m": shop.merchant_id},
                )
        if rule.endpoint == "scripts.ask_off":
            # Only platforms whose pages take our script have it.
            store = shop.store(adapter="bigcommerce", config={"store_hash": "z4zn3wo"})
            address = address.replace(str(shop.store_id), str(store))
        answer = owner.get(address)
        assert answer.status_code in (200, 204, 303), address


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if "GET" in rule.methods and rule not in WITH_ID],
    ids=lambda rule: rule.rule,
)
def test_a_stranger_sees_nothing_of_ours(rule: Rule, shop: Shop, stranger: Person) -> None:
    for address in _addresses(rule, {}):
        text = stranger.get(address).text
        for ours in (
            *(title for _, title, _, _ in GOODS[:2]),
            "example.test",
            "Midi",
            "Atelier",
            "shop.test",
        ):
            assert ours not in text, address


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{sorted(rule.methods)[-1]} {rule.rule}")
def test_nobody_gets_in(rule: Rule, shop: Shop, anybody: Person) -> None:
    before = _everything(shop)
    for address in _addresses(rule, _ids(shop)):
        if "GET" in rule.methods:
            answer = anybody.get(address)
            polled = anybody.get(address, headers={"HX-Request": "true"})
            assert (polled.status_code, polled.headers["HX-Redirect"], polled.text) == (204, "/sign-in", "")
        else:
            answer = anybody.post(address)
        assert answer.status_code == 303, address
        assert answer.location.startswith("/sign-in"), address
    assert _everything(shop) == before
