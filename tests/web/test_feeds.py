"""Suppliers send their files to our address."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from connector.bootstrap import Runtime
from connector.db import transaction
from connector.intake import push, uploads
from tests.web.conftest import Person
from tests.web.shop import Shop

CSV = b"sku,stock\nA,1\n"


def read(shop: Shop, statement: str, **given: Any) -> list[tuple[Any, ...]]:
    with shop.engine.connect() as db:
        return [tuple(row) for row in db.execute(sa.text(statement), {"m": shop.merchant_id, **given})]


class Sender:
    """A supplier with the address and the token of one connection."""

    def __init__(self, client: FlaskClient, rt: Runtime, shop: Shop) -> None:
        found = read(
            shop,
            "select c.id, c.public_key from source s join connection c on c.merchant_id = s.merchant_id"
            " and c.id = s.connection_id where s.merchant_id = :m and s.id = :s",
            s=shop.source_id,
        )
        self.connection_id, self.key = found[0]
        self.client = client
        with transaction(rt.engine) as db:
            self.token = push.issue(
                db, shop.merchant_id, self.connection_id, actor="owner@shop.test", now=rt.now()
            )

    def send(
        self,
        content: bytes = CSV,
        path: str = "/stock.csv",
        overrides: dict[str, str] | None = None,
        **headers: str,
    ) -> Any:
        given = {
            "Authorization": f"Bearer {self.token}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        return self.client.put(
            f"/feeds/{self.key}{path}", data=content, headers=given, environ_overrides=overrides
        )


@pytest.fixture
def sender(app: Any, rt: Runtime, shop: Shop) -> Sender:
    return Sender(app.test_client(), rt, shop)


def kept(shop: Shop) -> list[tuple[Any, ...]]:
    return read(shop, "select source_id, name, size_bytes, sha256, run_id from upload where merchant_id = :m")


def test_a_file_is_taken_and_its_run_named(sender: Sender, shop: Shop) -> None:
    answer = sender.send()

    run = answer.json["run"]
    expected = (shop.source_id, "stock.csv", len(CSV), hashlib.sha256(CSV).hexdigest(), run)
    assert (202, [expected]) == (answer.status_code, kept(shop))
    assert f"/feeds/{sender.key}/runs/{run}" in answer.json["status_url"]
    due = read(
        shop,
        "select kind from schedule where merchant_id = :m and subject_id = :s and kind = 'supplier.upload'"
        " and next_run_at <= now()",
        s=shop.source_id,
    )
    assert [("supplier.upload",)] == due
    told = sender.client.get(
        f"/feeds/{sender.key}/runs/{run}", headers={"Authorization": f"Bearer {sender.token}"}
    )
    assert (200, "running", "queued") == (told.status_code, told.json["status"], told.json["stage"])


def test_the_same_bytes_again_are_the_same_run(sender: Sender, shop: Shop) -> None:
    first = sender.send().json["run"]
    again = sender.send(gzip.compress(CSV), Content_Encoding="gzip")
    assert (200, first, True) == (again.status_code, again.json["run"], again.json["is_repeat"])
    other = sender.send(b"sku,stock\nA,2\n")
    back = sender.send()
    assert (202, 202) == (other.status_code, back.status_code)
    assert 3 == len(kept(shop)) == len({first, other.json["run"], back.json["run"]})


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        pytest.param(b"", {}, 400, "unusable", id="empty"),
        pytest.param(CSV, {"Content_Type": "multipart/form-data; boundary=x"}, 415, "not_a_file", id="form"),
        pytest.param(CSV, {"Content_Type": "text/html"}, 415, "not_a_file", id="page"),
        pytest.param(CSV, {"Content_Encoding": "br"}, 415, "unknown_encoding", id="brotli"),
        pytest.param(CSV, {"Content_Encoding": "gzip"}, 400, "damaged", id="no gzip"),
        pytest.param(gzip.compress(CSV)[:-6], {"Content_Encoding": "gzip"}, 400, "cut", id="cut"),
        pytest.param(
            gzip.compress(b"0" * (uploads.MOST_BYTES + 1), 1),
            {"Content_Encoding": "gzip"}, 413, "too_large", id="bomb",
        ),
        pytest.param(CSV, {"Authorization": "Bearer dispo_push_guess"}, 401, "unauthorized", id="wrong token"),
        pytest.param(CSV, {"Authorization": "Basic eDp5"}, 401, "unauthorized", id="no token"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told_and_not_kept(
    content: bytes, headers: dict[str, str], status: int, code: str, sender: Sender, shop: Shop
) -> None:
    runs = read(shop, "select count(*) from run where merchant_id = :m")
    answer = sender.send(content, **headers)
    assert (status, code) == (answer.status_code, answer.json["error"])
    assert ([], runs) == (kept(shop), read(shop, "select count(*) from run where merchant_id = :m"))


def test_a_body_announced_as_too_large_is_refused_before_it_is_read(sender: Sender) -> None:
    answer = sender.send(overrides={"CONTENT_LENGTH": str(uploads.MOST_BYTES + 1)})
    assert (413, "too_large") == (answer.status_code, answer.json["error"])


def test_a_token_is_of_one_connection_and_of_its_time(
    sender: Sender, app: Any, rt: Runtime, shop: Shop
) -> None:
    older = sender.token
    newer = Sender(app.test_client(), rt, shop)
    assert 401 == sender.send(Authorization=f"Bearer {older}").status_code
    assert 202 == newer.send().status_code
    store = read(shop, "select public_key from connection where merchant_id = :m and kind = 'store'")[0][0]
    newer.key = store
    assert 401 == newer.send().status_code
    config = read(shop, "select config::text, sealed from connection where id = :c", c=sender.connection_id)
    assert newer.token not in config[0][0]


def test_a_paused_connection_takes_nothing(sender: Sender, owner: Person, shop: Shop) -> None:
    owner.post(f"/connections/{sender.connection_id}/pause")
    answer = sender.send()
    assert (409, "paused", []) == (answer.status_code, answer.json["error"], kept(shop))


def test_guesses_are_limited_and_named_as_such(sender: Sender) -> None:
    # A client of its own: the counts are shared by all tests.
    client = {"REMOTE_ADDR": f"2001:db8::{sender.connection_id:x}"}
    answers = [sender.send(overrides=client, Authorization=f"Bearer {n}").status_code for n in range(21)]
    assert [401] * 20 + [429] == answers
    answer = sender.send(overrides=client, Authorization="Bearer x")
    assert ("too_often", "300") == (answer.json["error"], answer.headers["Retry-After"])


def test_a_run_of_another_connection_is_not_told(sender: Sender, shop: Shop) -> None:
    run = read(shop, "select max(id) from run where merchant_id = :m")[0][0]
    answer = sender.client.get(
        f"/feeds/{sender.key}/runs/{run}", headers={"Authorization": f"Bearer {sender.token}"}
    )
    assert 404 == answer.status_code
