"""People brought along, and one person erased, as their merchant and a stranger see it."""

from __future__ import annotations

import io
import re
from typing import Any

import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop

FILE = b"email,sku,created_at\nnew@example.com,A-12,2026-01-01\nwrong,A-12,\nx@example.com,none,\n"


def hand(person: Person, shop: Shop, content: bytes = FILE, **more: str) -> Any:
    data = {"file": (io.BytesIO(content), "people.csv"), "store": str(shop.store_id), **more}
    return person.post("/shoppers/import", data, content_type="multipart/form-data")


def test_a_file_is_looked_at_taken_in_asked_and_taken_back(
    owner: Person, stranger: Person, shop: Shop
) -> None:
    answer = hand(owner, shop)
    assert 303 == answer.status_code
    number = re.search(r"import=(\d+)", answer.location).group(1)  # type: ignore[union-attr]
    text = owner.get(answer.location).text
    assert "Take 1 shopper in" in text and "This is not an e-mail address." in text
    assert "This store has no such product, or Dispo does not know it yet." in text
    failed = owner.get(f"/shoppers/import/failed.csv?import={number}").text
    assert "3,This is not an e-mail address.,wrong,A-12," in failed

    assert [404, 404, 422] == [
        stranger.get(answer.location).status_code,
        stranger.post("/shoppers/import/apply", {"import": number}).status_code,
        hand(stranger, shop).status_code,
    ]
    assert "wrong" not in stranger.get(f"/shoppers/import/failed.csv?import={number}").text
    assert 303 == owner.post("/shoppers/import/apply", {"import": number}).status_code
    assert "1 shopper is not confirmed" in owner.get(answer.location).text
    assert 409 == owner.post("/shoppers/import/ask", {"import": number, "per_hour": "0"}).status_code
    assert 303 == owner.post("/shoppers/import/ask", {"import": number, "per_hour": "50"}).status_code
    assert "new@example.com" in owner.get("/shoppers.csv").text
    assert 409 == owner.post("/shoppers/import/apply", {"import": number}).status_code
    assert 303 == owner.post("/shoppers/import/undo", {"import": number}).status_code
    assert "new@example.com" not in owner.get("/shoppers.csv").text


def test_a_file_that_is_none_is_refused_with_the_remedy(owner: Person, shop: Shop) -> None:
    answer = hand(owner, shop, b"name,price\nx,1\n")

    assert 422 == answer.status_code
    assert "There is no column with addresses: call it email." in answer.text


def test_one_person_is_found_and_erased_by_their_merchant_only(
    owner: Person, stranger: Person, shop: Shop
) -> None:
    with shop.engine.connect() as db:
        address = db.scalar(
            sa.text("select address from subscription where merchant_id = :m and address like '%@%' limit 1"),
            {"m": shop.merchant_id},
        )
    asked = {"address": address.upper(), "never": "1"}
    assert "Nothing is kept about this address." in stranger.post("/shoppers/person", asked).text
    stranger.post("/shoppers/person/erase", asked)
    assert "Erase this person" in owner.post("/shoppers/person", asked).text

    assert "Erased: the address is gone from" in owner.post("/shoppers/person/erase", asked).text
    text = owner.post("/shoppers/person", asked).text
    assert "Nothing is kept about this address. This address is not written to any more." in text
    assert address not in owner.get("/shoppers.csv").text
    assert 422 == owner.post("/shoppers/person", {"address": "nobody"}).status_code
