"""Every route as nobody and as another merchant's owner: nothing of ours may be seen or done.

One application, one world and one visitor of each sort serve all of this: hardly anything here changes a row, and
each test compares only with what it found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from werkzeug.routing import Rule

from connector.accounts.tables import Connection
from connector.bootstrap import Runtime
from connector.settings import Settings
from connector.web.app import create_app
from connector.web.auth import PUBLIC
from tests.conftest import emptied_afterwards
from tests.web.conftest import SHOP, Person, add_person
from tests.web.shop import GOODS, Shop


def _rules() -> list[Rule]:
    settings = Settings(data_dir=Path(), secret_keys=(Fernet.generate_key().decode(),))
    return sorted(
        create_app(Runtime(settings)).url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)
    )


@pytest.fixture(scope="module")
def engine(_pool: sa.Engine) -> Iterator[sa.Engine]:
    with emptied_afterwards(_pool) as engine:
        yield engine


@pytest.fixture(scope="module")
def rt(
    engine: sa.Engine, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Runtime:
    runtime = Runtime(
        Settings(
            data_dir=tmp_path_factory.mktemp("data"),
            database_url=database_url,
            redis_url=redis_url,
            secret_keys=(Fernet.generate_key().decode(),),
        )
    )
    runtime.__dict__["engine"] = engine
    return runtime


@pytest.fixture(scope="module")
def app(rt: Runtime) -> Any:
    return create_app(rt)


@pytest.fixture(scope="module")
def shop(engine: sa.Engine, rt: Runtime) -> Shop:
    made: Shop = SHOP.put(engine, rt.now())
    return made


@pytest.fixture(scope="module")
def anybody(app: Any) -> Person:
    return Person(app.test_client())


def _signed_in(app: Any, email: str) -> Iterator[Person]:
    person = Person(app.test_client())
    assert person.sign_in(email).status_code == 303
    yield person
    # To whoever was signed out on the way, every page was as closed as to anybody.
    assert person.get("/settings").status_code == 200


@pytest.fixture(scope="module")
def owner(app: Any, shop: Shop) -> Iterator[Person]:
    yield from _signed_in(app, "owner@shop.test")


@pytest.fixture(scope="module")
def stranger(app: Any, engine: sa.Engine, rt: Runtime, shop: Shop) -> Iterator[Person]:
    add_person(Shop(engine, rt.now(), is_empty=True), "stranger@other.test")
    yield from _signed_in(app, "stranger@other.test")


RULES = [rule for rule in _rules() if rule.endpoint.split(".")[0] not in PUBLIC]
WITH_ID = [rule for rule in RULES if any("_id" in name for name in rule.arguments)]

CHOICES = {
    "runs.ask": ("approve", "reject", "undo"),
    "runs.act": ("approve", "reject", "undo"),
    "connections.ask": ("pause", "stop", "approve"),
    "connections.act": ("pause", "resume", "stop", "approve", "go-on", "read"),
    "search.act": ("dismiss", "restore"),
    "connections.ask_freeze": ("freeze", "unfreeze"),
    "channels.ask": ("pause", "remove"),
    "channels.act": ("pause", "resume", "remove"),
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


@cache
def _rows_of_merchant(engine: sa.Engine) -> str:
    with engine.connect() as db:
        tables = db.execute(
            sa.text("""
                select quote_ident(table_name) from information_schema.columns
                 where table_schema = 'public' and column_name = 'merchant_id' order by table_name
            """)
        ).scalars()
        parts = [
            f"select '{name}' as part, t::text as line from {name} t where merchant_id = :m"
            for name in tables
        ]
    assert len(parts) > 50
    parts.append("select 'merchant', m::text from merchant m where id = :m")
    return f"select part, md5(string_agg(line, ',' order by line)) from ({' union all '.join(parts)}) t group by part"


def _everything(shop: Shop) -> dict[str, str]:
    """Every row of this merchant by its table, to notice any change."""
    with shop.engine.connect() as db:
        rows = db.execute(sa.text(_rows_of_merchant(shop.engine)), {"m": shop.merchant_id}).all()
    return {row.part: row.md5 for row in rows}


def test_any_change_of_ours_would_be_noticed(shop: Shop) -> None:
    before = _everything(shop)
    shop.execute("update held_change set item_key = item_key || '!' where merchant_id = :m")
    after = _everything(shop)
    assert [name for name in before if before[name] != after[name]] == ["held_change"]
    assert len(before) >= 20


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
        if rule.endpoint.startswith("channels."):
            way = shop.add(
                Connection,
                kind="channel",
                adapter="web_push",
                name="Push",
                config={"contact": "owner@shop.test"},
                public_key=f"way-{address}",
                created_at=shop.now,
            )
            address = address.replace(str(shop.store_id), str(way))
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
