"""Adding a supplier by its file, and handing a file over to one that is connected."""

from __future__ import annotations

import io

import sqlalchemy as sa

from connector.intake import uploads
from tests.web.conftest import Person
from tests.web.shop import Shop


def rows(shop: Shop, statement: str) -> list[tuple[object, ...]]:
    with shop.engine.connect() as db:
        return [tuple(row) for row in db.execute(sa.text(statement), {"m": shop.merchant_id})]


def a_file(content: bytes = b"sku,stock\nA,1\n", name: str = "stock.csv") -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def test_a_supplier_is_added_with_its_first_file(owner: Person, shop: Shop) -> None:
    answer = owner.post(
        "/suppliers/new",
        {"name": "Poterie Nord", "lead_time_days": "12", "missing": "zero", "file": a_file()},
    )

    found = rows(
        shop,
        "select s.name, s.lead_time_days, s.missing_policy, u.name, u.actor from upload u"
        "  join source s on s.id = u.source_id where u.merchant_id = :m",
    )
    assert (303, [("Poterie Nord", 12, "zero", "stock.csv", "owner@shop.test")]) == (
        answer.status_code,
        found,
    )
    due = rows(
        shop,
        "select h.kind from schedule h join source s on s.id = h.subject_id"
        " where h.merchant_id = :m and s.name = 'Poterie Nord'",
    )
    assert [("supplier.upload",)] == due
    assert "stock.csv is read in a moment." in owner.get(answer.location).text


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(owner: Person, shop: Shop) -> None:
    before = rows(shop, "select count(*) from source where merchant_id = :m")

    answer = owner.post("/suppliers/new", {"name": " ", "lead_time_days": "soon", "missing": "keep"})

    assert 422 == answer.status_code
    for words in ("at most 80 characters", "whole days from 1 to 730", "Choose the supplier"):
        assert words in answer.text
    assert before == rows(shop, "select count(*) from source where merchant_id = :m")


def test_an_empty_file_is_refused_with_the_remedy(owner: Person, shop: Shop) -> None:
    answer = owner.post("/suppliers/new", {"name": "X", "missing": "keep", "file": a_file(b"")})

    assert 422 == answer.status_code
    assert "The file is empty. Export it again" in answer.text
    assert [] == rows(shop, "select 1 from source where merchant_id = :m and name = 'X'")


def test_a_connected_supplier_takes_a_file_too(owner: Person, shop: Shop) -> None:
    connection = rows(shop, f"select connection_id from source where id = {shop.source_id}")[0][0]

    # Larger than any other request may be.
    content = b"sku,stock\n" + b"A,1\n" * 500_000
    answer = owner.post(f"/connections/{connection}/file", {"file": a_file(content, "big.csv")})

    assert 303 == answer.status_code
    kept = rows(shop, "select source_id, name, size_bytes from upload where merchant_id = :m")
    assert [(shop.source_id, "big.csv", len(content))] == kept


def test_a_stranger_hands_nothing_over(stranger: Person, anybody: Person, shop: Shop) -> None:
    connection = rows(shop, f"select connection_id from source where id = {shop.source_id}")[0][0]

    assert 404 == stranger.post(f"/connections/{connection}/file", {"file": a_file()}).status_code
    anybody.post(f"/connections/{connection}/file", {"file": a_file()})

    assert [] == rows(shop, "select 1 from upload where merchant_id = :m")


def test_nobody_who_is_not_signed_in_may_send_much(anybody: Person) -> None:
    content = b"x" * (uploads.MOST_BYTES // 50)

    answer = anybody.post("/suppliers/new", {"name": "X", "file": a_file(content)})

    assert answer.status_code in (303, 401, 413)
