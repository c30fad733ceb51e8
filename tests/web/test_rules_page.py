"""Rules on their page: looked at, tried out, kept, taken back; by file; refused in words."""

from __future__ import annotations

import html
import io
import re

from tests.web.conftest import Person
from tests.web.shop import Shop


def stocked(shop: Shop) -> tuple[int, int]:
    """Two lamps, of which one has 2, from a supplier."""
    source = shop.source()
    made = [shop.variant(sku, title=f"Lamp {sku}", collections=["Lamps"]) for sku in ("L-1", "L-2")]
    for variant, quantity in zip(made, (2, 9), strict=True):
        shop.observe(source, variant, quantity)
        shop.decide(variant)
    return made[0], made[1]


def changes_of(text: str) -> str:
    found = re.search(r'<textarea name="changes" hidden>(.*?)</textarea>', text, re.DOTALL)
    assert found is not None, text
    return html.unescape(found.group(1))


def test_a_rule_is_tried_out_kept_and_taken_back(owner: Person, shop: Shop) -> None:
    small, large = stocked(shop)
    assert "2" in owner.get("/rules").text
    assert "Rule for Lamps" in owner.get("/rules/edit?level=collection&collection=lamps").text

    looked = owner.post("/rules/edit", {"level": "collection", "subject": "lamps", "buffer_units": "2"})
    assert 200 == looked.status_code
    assert "1 of them would be sold out" in looked.text
    assert 2 == shop.position(small).available
    everything = owner.post("/rules/look", {"changes": changes_of(looked.text)})
    assert (200, True) == (everything.status_code, "1 of them would be sold out" in everything.text)
    assert "tried out" not in everything.text

    kept = owner.post("/rules", {"changes": changes_of(looked.text)})
    assert 303 == kept.status_code
    assert [0, 7] == [shop.position(one).available for one in (small, large)]
    page = owner.get(kept.location).text
    assert "Buffer: units kept back: <strong>2</strong>" in page
    number = re.search(r'name="change" value="(\d+)"', page)
    assert number is not None

    owner.post("/rules/undo", {"change": number.group(1)})
    assert [2, 9] == [shop.position(one).available for one in (small, large)]
    again = owner.post("/rules/undo", {"change": number.group(1)})
    assert (422, True) == (again.status_code, "changed again since" in again.text)


def test_rules_of_products_come_by_file_and_leave_by_file(owner: Person, shop: Shop) -> None:
    small, _ = stocked(shop)
    file = io.BytesIO(b"\xef\xbb\xbfsku;cap_units;stale\r\nl-1;1;keep\r\n")
    looked = owner.post("/rules/file", {"file": (file, "rules.csv")}, content_type="multipart/form-data")
    owner.post("/rules", {"changes": changes_of(looked.text)})

    assert 1 == shop.position(small).available
    lines = owner.get("/rules.csv").data.decode("utf-8-sig").splitlines()
    assert ["L-1,,1,,,,,,,keep,"] == lines[1:]

    wrong = io.BytesIO(b"sku,cap_units\nl-1,many\nnone,3\n")
    refused = owner.post("/rules/file", {"file": (wrong, "r.csv")}, content_type="multipart/form-data")
    assert 422 == refused.status_code
    assert "Line 2: cap_units is a whole number" in html.unescape(refused.text)
    assert "Line 3: No product has the SKU" in html.unescape(refused.text)


def test_what_cannot_be_is_said_beside_its_field(owner: Person, shop: Shop) -> None:
    stocked(shop)
    answer = owner.post("/rules/edit", {"level": "collection", "subject": "lamps", "buffer_units": "-2"})

    assert 422 == answer.status_code
    assert "Enter a whole number from 0 to 1000000." in answer.text
    assert 422 == owner.get("/rules/edit?level=sku&sku=nothing").status_code
    assert 422 == owner.get("/rules/edit?level=moon").status_code


def test_changes_of_a_stranger_are_not_kept(owner: Person, shop: Shop) -> None:
    for text in (
        "",
        "[]",
        "[1]",
        '[["sku","999999999",{"cap_units":1}]]',
        '[["sku","x",{}]]',
        '[["collection","lamps",{"cap_units":-1}]]',
        '[["moon","x",{"cap_units":1}]]',
    ):
        assert 422 == owner.post("/rules", {"changes": text}).status_code


def test_the_product_says_who_sells_and_why_the_others_do_not(owner: Person, shop: Shop) -> None:
    small, _ = stocked(shop)
    backup = shop.source()
    shop.observe(backup, small, 30)
    looked = owner.post("/rules/edit", {"level": "merchant", "subject": "", "strategy": "priority"})
    owner.post("/rules", {"changes": changes_of(looked.text)})

    text = owner.get(f"/products/{small}").text
    assert "Sells since" in text
    assert "Stands by as a backup." in text
    assert "not counted: 30" in text
