"""A shop asks what we keep about a person, or to forget them: only its own sign-ups, only with its signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from connector.ports.people import HEADER, people_secret, sign
from connector.shoppers import addresses
from connector.web import people as module
from connector.web.people import people
from tests.shoppers.world import KEY, World
from tests.support import ManualClock

WEBHOOK_SECRET = "the secret of this store's webhooks"


@pytest.fixture
def world(engine: sa.Engine, clock: ManualClock) -> World:
    found = World(engine, clock).seed()
    seal(found, found.connection_id, WEBHOOK_SECRET)
    return found


def seal(world: World, connection_id: int, secret: str) -> None:
    with world.engine.begin() as db:
        db.execute(
            sa.text("update connection set sealed = :s where merchant_id = :m and id = :c"),
            {"s": world.keyring.seal({"webhook_secret": secret}), "m": world.merchant_id, "c": connection_id},
        )


@pytest.fixture
def client(world: World) -> Iterator[FlaskClient]:
    app = Flask("test")
    app.register_blueprint(people(world))
    with app.test_client() as client:
        yield client


def ask(
    client: FlaskClient,
    world: World,
    what: str = "export",
    email: str = "ann@example.com",
    *,
    secret: str = people_secret(WEBHOOK_SECRET),
    key: str = KEY,
    **fields: Any,
) -> Any:
    asked = {"what": what, "email": email, "page": 1, "at": int(world.now().timestamp()), **fields}
    body = json.dumps(asked).encode()
    return client.post(f"/shop/{key}/people", data=body, headers={HEADER: sign(secret, body)})


def another_store(world: World) -> int:
    """A second store of the same merchant, with a sign-up of the same person."""
    with world.engine.begin() as db:
        store = db.execute(
            sa.text("""
                insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
                values (:m, 'store', 'shopify', 'Other', 'pk-other-shop', :at) returning id
            """),
            {"m": world.merchant_id, "at": world.now()},
        ).scalar_one()
    variant = world.add_variant("777", "Red mug")
    world.waiting("ann@example.com")
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into subscription (merchant_id, variant_id, connection_id, address, address_key, status,
                                          created_at)
                values (:m, :v, :c, 'ann@example.com', 'ann@example.com', 'waiting', :at)
            """),
            {"m": world.merchant_id, "v": variant, "c": store, "at": world.now()},
        )
    return int(store)


def kept(world: World) -> list[str]:
    with world.engine.connect() as db:
        return list(db.execute(sa.text("select address from subscription order by id")).scalars())


def test_what_is_kept_in_this_store_is_told_with_the_items_name(client: FlaskClient, world: World) -> None:
    another_store(world)
    world.waiting("bob@example.com")

    answer = ask(client, world, email="Ann@Example.com")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    (item,) = answer.json["items"]
    assert (item["address"], item["item"], item["status"]) == ("ann@example.com", "Blue mug", "waiting")
    assert answer.json["done"] is True
    assert {one["subscription_id"] for one in answer.json["messages"]} <= {item["id"]}


def test_only_what_this_store_keeps_is_forgotten_and_it_is_logged_without_the_address(
    client: FlaskClient, world: World
) -> None:
    another_store(world)

    assert ask(client, world, "erase").json == {"erased": 1, "retained": False}

    assert kept(world) == ["", "ann@example.com"]
    with world.engine.connect() as db:
        logged = db.execute(sa.text("select actor, action, subject, detail from audit_event")).all()
    assert [tuple(row) for row in logged] == [
        ("shop", "privacy.erase_person", f"connection {world.connection_id}", {"subscriptions": 1})
    ]
    # Twice is once.
    assert ask(client, world, "erase").json == {"erased": 0, "retained": False}


def test_somebody_who_asked_never_to_be_written_to_is_remembered_by_a_digest_and_that_is_said(
    client: FlaskClient, world: World
) -> None:
    with world.engine.begin() as db:
        addresses.suppress(db, world.keyring, world.merchant_id, "ann@example.com", "asked", world.now())
    assert ask(client, world, "erase").json == {"erased": 0, "retained": True}


def test_much_comes_in_pages(client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(3):
        variant = world.add_variant(f"60{number}", f"Mug {number}")
        with world.engine.begin() as db:
            db.execute(
                sa.text("""
                    insert into subscription (merchant_id, variant_id, connection_id, address, address_key,
                                              created_at)
                    values (:m, :v, :c, 'ann@example.com', 'ann@example.com', :at)
                """),
                {"m": world.merchant_id, "v": variant, "c": world.connection_id, "at": world.now()},
            )
    pages = [ask(client, world, page=page).json for page in (1, 2, 3)]
    assert [[one["item"] for one in page["items"]] for page in pages] == [["Mug 0", "Mug 1"], ["Mug 2"], []]
    assert [page["done"] for page in pages] == [False, True, True]


@pytest.mark.parametrize(
    "secret",
    [people_secret("another shop's"), WEBHOOK_SECRET, KEY, ""],
    ids=["another shop's", "the webhooks' own", "the public key", "empty"],
)
def test_who_does_not_have_the_shops_secret_learns_and_erases_nothing(
    client: FlaskClient, world: World, secret: str
) -> None:
    world.waiting("ann@example.com")
    for what in ("export", "erase"):
        answer = ask(client, world, what, secret=secret)
        assert (answer.status_code, answer.json) == (401, {"error": "not signed"})
    assert kept(world) == ["ann@example.com"]


def test_a_store_without_a_secret_is_never_believed(client: FlaskClient, world: World) -> None:
    seal(world, world.connection_id, "")
    assert ask(client, world, secret=people_secret("")).status_code == 401


def test_the_signature_is_of_every_byte(client: FlaskClient, world: World) -> None:
    body = json.dumps(
        {"what": "export", "email": "ann@example.com", "at": int(world.now().timestamp())}
    ).encode()
    signature = sign(people_secret(WEBHOOK_SECRET), body)
    other = body.replace(b"export", b"erase")
    assert client.post(f"/shop/{KEY}/people", data=other, headers={HEADER: signature}).status_code == 401
    assert client.post(f"/shop/{KEY}/people", data=body).status_code == 401
    assert client.post(f"/shop/{KEY}/people", data=body, headers={HEADER: "é"}).status_code == 401
    assert client.post(f"/shop/{KEY}/people", data=body, headers={HEADER: signature}).status_code == 200


@pytest.mark.parametrize("seconds", [-301, 301])
def test_what_was_signed_long_ago_is_refused(client: FlaskClient, world: World, seconds: int) -> None:
    world.waiting("ann@example.com")
    answer = ask(client, world, "erase", at=int(world.now().timestamp()) + seconds)
    assert (answer.status_code, kept(world)) == (401, ["ann@example.com"])
    assert "clock" in answer.json["error"]


@pytest.mark.parametrize(
    "fields",
    [{"what": "all"}, {"page": 0}, {"page": "1"}, {"page": True}, {"at": None}, {"at": 1.5}, {"email": None}],
    ids=str,
)
def test_what_is_no_question_is_not_understood(
    client: FlaskClient, world: World, fields: dict[str, Any]
) -> None:
    answer = ask(client, world, **{"what": "export", **fields})
    assert (answer.status_code, answer.json) == (400, {"error": "not understood"})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 2000, b"\xff"])
def test_signed_nonsense_is_not_understood(client: FlaskClient, body: bytes) -> None:
    headers = {HEADER: sign(people_secret(WEBHOOK_SECRET), body)}
    assert client.post(f"/shop/{KEY}/people", data=body, headers=headers).status_code == 400


def test_what_cannot_be_an_address_was_never_kept(client: FlaskClient, world: World) -> None:
    assert ask(client, world, email="nobody").json == {"items": [], "messages": [], "done": True}
    assert ask(client, world, "erase", email="nobody").json == {"erased": 0, "retained": False}


def test_a_store_that_left_or_never_was_is_not_there(client: FlaskClient, world: World) -> None:
    assert ask(client, world, key="pk-nobody").status_code == 404
    with world.engine.begin() as db:
        db.execute(sa.text("update connection set status = 'ended'"))
    assert ask(client, world).status_code == 404


def test_a_long_body_is_refused(client: FlaskClient, world: World) -> None:
    assert ask(client, world, email="a" * 5000).status_code == 413


def test_the_app_serves_it_without_anybody_signed_in(anybody: Any) -> None:
    answer = anybody.client.post("/shop/pk-nobody/people", data=b"{}")
    assert (answer.status_code, answer.json) == (404, {"error": "There is no such store."})
