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
    answer = hand(owner, shop, b"email,sk\xff\n")

    assert 422 == answer.status_code
    assert "The file is not UTF-8 text. Save it as “CSV UTF-8”." in answer.text


def test_columns_of_an_unknown_file_are_chosen_and_nothing_is_guessed(
    owner: Person, stranger: Person, shop: Shop
) -> None:
    content = "Adresse;Réf.;Le;Couleur\nnew@example.com;A-12;04/05/2025;bleu\n".encode()
    answer = hand(owner, shop, content)
    number = re.search(r"import=(\d+)", answer.location).group(1)  # type: ignore[union-attr]
    text = owner.get(answer.location).text
    assert "What the columns are" in text and "04/05/2025" in text and "bleu" in text
    assert '<option value="address" selected>' in text and "What would happen" not in text
    assert 409 == owner.post("/shoppers/import/apply", {"import": number}).status_code

    said = {"import": number, "column-0": "address", "column-1": "sku", "column-2": "asked_at"}
    assert [404, 404] == [
        stranger.post("/shoppers/import/columns", said).status_code,
        stranger.get(f"{answer.location}&columns=1").status_code,
    ]
    wrong = owner.post("/shoppers/import/columns", {**said, "column-2": "sku"})
    assert (422, True) == (wrong.status_code, "Two columns cannot both be the same." in wrong.text)
    assert 303 == owner.post("/shoppers/import/columns", {**said, "dates": "dmy"}).status_code
    text = owner.get(answer.location).text
    assert "Take 1 shopper in" in text and "Not used" in text and "Say yourself what the columns are" in text
    assert "What the columns are" in owner.get(f"{answer.location}&columns=1").text


def test_the_merchant_decides_about_those_whose_product_is_in_stock(owner: Person, shop: Shop) -> None:
    with shop.engine.begin() as db:
        db.execute(
            sa.text("update position set available = 3, state = 'in_stock' where variant_id = :v"),
            {"v": shop.variants["A-12"]},
        )
    answer = hand(owner, shop, b"email,sku\nnew@example.com,A-12\n")
    number = re.search(r"import=(\d+)", answer.location).group(1)  # type: ignore[union-attr]
    assert "What 1 shopper waits for is in stock right now" in owner.get(answer.location).text

    undecided = owner.post("/shoppers/import/apply", {"import": number})
    assert (422, True) == (undecided.status_code, "Say what becomes of them." in undecided.text)
    chosen = {"import": number, "in_stock": "wait"}
    assert 303 == owner.post("/shoppers/import/apply", chosen).status_code
    with shop.engine.connect() as db:
        kept = db.execute(
            sa.text("select status, passes_over is not null from subscription where address like 'new@%'")
        ).all()
    assert [("unconfirmed", True)] == [tuple(row) for row in kept]


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
