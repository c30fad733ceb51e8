"""Connecting a supplier's file where it lies, a token for files sent in, and a server's new key."""

from __future__ import annotations

import re

import sqlalchemy as sa

from connector.accounts.connections import by_public_key
from connector.bootstrap import Runtime
from connector.intake.push import is_token
from connector.intake.records import fail_run
from connector.ports.errors import IdentityChanged
from tests.web.conftest import Person
from tests.web.shop import Shop

OLD, NEW = "ssh-ed25519 SHA256:old+/x", "ssh-ed25519 SHA256:new+/y"


def rows(shop: Shop, statement: str) -> list[tuple[object, ...]]:
    with shop.engine.connect() as db:
        return [tuple(row) for row in db.execute(sa.text(statement), {"m": shop.merchant_id})]


def connection_of(shop: Shop) -> int:
    return int(str(rows(shop, f"select connection_id from source where id = {shop.source_id}")[0][0]))


def test_each_way_asks_for_its_own_settings_only(owner: Person) -> None:
    chooser = owner.get("/suppliers/file").text
    ways = re.findall(r'href="/suppliers/file/(\w+)"', chooser)
    assert ["https", "sheet", "sftp", "ftp", "imap", "s3", "push", "path"] == ways
    asked = {
        way: set(re.findall(r'name="s-(\w+)"', owner.get(f"/suppliers/file/{way}").text)) for way in ways
    }
    assert {"url", "username", "password", "private_key", "passphrase", "host_key"} <= asked["sftp"]
    assert not asked["sftp"] & {"bucket", "folder", "token_url", "path", "place", "by_hand"}
    formats = set.intersection(*asked.values())
    assert {"url"} == asked["sheet"] - formats
    assert set() == asked["push"] - formats
    assert 404 == owner.get("/suppliers/file/upload").status_code


def test_what_the_file_feed_refuses_is_said_at_its_field_and_no_secret_comes_back(
    owner: Person, shop: Shop
) -> None:
    answer = owner.post(
        "/suppliers/file/sftp",
        {
            "name": "Nord",
            "s-url": "sftp://files.example/a.csv",
            "s-username": "me",
            "s-private_key": "hunter2",
        },
    )
    assert 422 == answer.status_code
    assert re.search(r'id="private_key-error">[^<]*This is not a private key\.', answer.text)
    assert "hunter2" not in answer.text
    assert [] == rows(shop, "select 1 from source where merchant_id = :m and name = 'Nord'")


def test_what_cannot_be_reached_is_said_and_nothing_is_saved(owner: Person, shop: Shop) -> None:
    answer = owner.post("/suppliers/file/ftp", {"name": "Nord", "s-url": "ftp://127.0.0.1:1/a.csv"})
    assert (422, True) == (answer.status_code, "not on the public internet" in answer.text)
    assert [] == rows(shop, "select 1 from source where merchant_id = :m and name = 'Nord'")


def test_a_supplier_who_sends_is_connected_and_gets_a_token_once(
    owner: Person, shop: Shop, rt: Runtime
) -> None:
    answer = owner.post("/suppliers/file/push", {"name": "Pusher", "lead_time_days": "3", "s-preset": "doba"})
    found = rows(
        shop,
        "select c.id, c.public_key, c.config ->> 'place', h.kind from connection c"
        " join source s on s.merchant_id = c.merchant_id and s.connection_id = c.id"
        " join schedule h on h.merchant_id = s.merchant_id and h.subject_id = s.id"
        " where c.merchant_id = :m and c.name = 'Pusher' and h.kind like 'supplier.%'",
    )
    assert 303 == answer.status_code
    connection_id, key, place, kind = found[0]
    known = (
        f"select mapping -> 'columns' from source where merchant_id = :m and connection_id = {connection_id}"
    )
    assert [({"sku": "item_sku", "quantity": "qty_avail"},)] == rows(shop, known)
    assert ("push", "supplier.upload", 1) == (place, kind, len(found))

    shown = owner.post(f"/connections/{connection_id}/push-token").text
    token = re.search(r"dispo_push_[\w-]+", shown)
    assert token is not None and f"/feeds/{key}/" in shown
    with shop.engine.connect() as db:
        row = by_public_key(db, str(key))
    assert row is not None and is_token(row, token.group(0))
    after = owner.get(f"/connections/{connection_id}").text
    assert (False, True) == (token.group(0) in after, f"/feeds/{key}/" in after)


def alarmed(shop: Shop, rt: Runtime, presented: str = NEW) -> int:
    connection_id = connection_of(shop)
    error = IdentityChanged("x", "y", "Another key.", field="host_key", pinned=OLD, presented=presented)
    with shop.engine.begin() as db:
        db.execute(
            sa.text(
                "update connection set adapter = 'file_feed', config = config || jsonb_build_object('host_key',"
                " cast(:k as text)) where merchant_id = :m and id = :c and not config ? 'host_key'"
            ),
            {"m": shop.merchant_id, "c": connection_id, "k": OLD},
        )
        run = db.execute(
            sa.text(
                "insert into run (merchant_id, source_id, started_at) values (:m, :s, now()) returning id"
            ),
            {"m": shop.merchant_id, "s": shop.source_id},
        ).scalar_one()
    fail_run(shop.engine, shop.merchant_id, int(run), rt.now(), error)
    return connection_id


def host_key(shop: Shop) -> object:
    return rows(shop, f"select config ->> 'host_key' from connection where id = {connection_of(shop)}")[0][0]


def test_a_new_key_of_a_server_is_shown_and_accepted_by_one_click(
    owner: Person, shop: Shop, rt: Runtime
) -> None:
    here = f"/connections/{alarmed(shop, rt)}"
    assert OLD in owner.get(here).text and NEW in owner.get(here).text
    asked = owner.get(f"{here}/accept-key").text
    action = re.search(r'action="(/connections/\d+/accept-key[^"]*)"', asked)
    assert action is not None
    target = action.group(1).replace("&amp;", "&")

    assert OLD == host_key(shop)
    owner.post(target)

    assert NEW == host_key(shop)
    assert "The server shows another key" not in owner.get(here).text


def test_only_the_key_that_was_seen_is_accepted(owner: Person, shop: Shop, rt: Runtime) -> None:
    here = f"/connections/{alarmed(shop, rt)}"
    alarmed(shop, rt, "ssh-ed25519 SHA256:third")
    owner.post(f"{here}/accept-key?key=ssh-ed25519%20SHA256%3Anew%2B%2Fy")
    assert OLD == host_key(shop)


def test_a_stranger_gets_no_token_and_accepts_no_key(
    stranger: Person, anybody: Person, shop: Shop, rt: Runtime
) -> None:
    here = f"/connections/{alarmed(shop, rt)}"
    for person in (stranger, anybody):
        answers = [
            person.post(f"{here}/push-token").status_code,
            person.get(f"{here}/accept-key").status_code,
            person.post(f"{here}/accept-key?key={NEW}").status_code,
        ]
        assert answers in ([404, 404, 404], [303, 303, 303])
    assert OLD == host_key(shop)
    assert [(None,)] == rows(
        shop, f"select config ->> 'push_token_sha256' from connection where id = {connection_of(shop)}"
    )
