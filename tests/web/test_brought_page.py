"""The page of settings brought along: a file is looked at, written, taken back; a stranger sees none of it."""

from __future__ import annotations

import io
import re
from typing import Any

from tests.web.conftest import Person
from tests.web.shop import Shop

FILE = b"sku,buffer_units\nA-12,3\nnothing,1\n"


def hand(person: Person, content: bytes) -> Any:
    data = {"file": (io.BytesIO(content), "rules.csv")}
    return person.post("/settings/bring", data, content_type="multipart/form-data")


def test_a_file_is_looked_at_written_and_taken_back(owner: Person, stranger: Person, shop: Shop) -> None:
    answer = hand(owner, FILE)
    assert 303 == answer.status_code
    text = owner.get(answer.location).text
    assert "<strong>1 setting</strong>" in text and "1 fault" in text
    assert "No product has the SKU &#39;nothing&#39;." in text
    number = re.search(r"import=(\d+)", answer.location).group(1)  # type: ignore[union-attr]

    assert [404, 404] == [
        stranger.get(answer.location).status_code,
        stranger.post("/settings/bring/apply", {"import": number}).status_code,
    ]
    assert 303 == owner.post("/settings/bring/apply", {"import": number}).status_code
    assert "Settings written: 1." in owner.get("/settings/bring").text
    assert 409 == owner.post("/settings/bring/apply", {"import": number}).status_code
    assert b"A-12,3," in owner.get("/settings/bring.csv").data
    assert b"A-12" not in stranger.get("/settings/bring.csv").data
    assert 303 == owner.post("/settings/bring/undo", {"import": number}).status_code
    assert b"A-12,3," not in owner.get("/settings/bring.csv").data


def test_a_file_that_is_none_is_refused_with_the_remedy(owner: Person) -> None:
    answer = hand(owner, b"name,price\nx,1\n")

    assert 422 == answer.status_code
    assert "There is no column sku." in answer.text and "Nothing was changed." in answer.text
