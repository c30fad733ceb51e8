"""The pages of items that could not be matched, and of bundles."""

from __future__ import annotations

import io
from typing import Any

import pytest
import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop


class _Open:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.source = shop.source(mapping={"columns": {"sku": "SKU", "quantity": "Qty"}})
        self.oak = shop.variant("OAK-77", title="Oak shelf")
        for key in ("oak 77 x", "stranger-1"):
            self.item(key)

    def item(self, key: str) -> None:
        self.shop.execute(
            "insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)"
            " values (:m, :s, :k, :u, 8, 1)",
            s=self.source, k=key, u=key.upper(),
        )  # fmt: skip

    def links(self) -> list[tuple[str, int, str]]:
        with self.shop.engine.connect() as db:
            rows = db.execute(
                sa.text("select item_key, variant_id, how from supplier_item where source_id = :s"),
                {"s": self.source},
            )
            return [tuple(row) for row in rows]


@pytest.fixture
def opened(shop: Shop) -> _Open:
    return _Open(shop)


def _form(opened: _Open, item: str, **more: Any) -> dict[str, Any]:
    return {"source": opened.source, "item": item, **more}


def test_an_item_is_linked_with_one_click_and_taken_back(owner: Person, opened: _Open) -> None:
    text = owner.get(f"/matching?source={opened.source}").text
    assert "OAK 77 X" in text
    assert f'name="variant" value="{opened.oak}"' in text

    answer = owner.post("/matching/link", _form(opened, "oak 77 x", variant=opened.oak))
    assert answer.status_code == 303
    assert opened.links() == [("oak 77 x", opened.oak, "hand")]
    assert opened.shop.position(opened.oak).available == 8
    assert "OAK-77" in owner.get("/matching?view=decided").text

    owner.post("/matching/undo", _form(opened, "oak 77 x"))
    assert opened.links() == []


def test_an_item_is_left_alone_and_a_sku_that_is_not_there_links_nothing(
    owner: Person, opened: _Open
) -> None:
    owner.post("/matching/ignore", _form(opened, "stranger-1"))
    assert "STRANGER-1" not in owner.get("/matching").text

    owner.post("/matching/link", _form(opened, "oak 77 x", sku="NO-SUCH"))
    assert opened.links() == []
    assert "Nothing was changed" in owner.get("/matching").text


def test_a_rule_is_proposed_and_used(owner: Person, opened: _Open) -> None:
    ids = {opened.shop.variant(f"Q{n}Q{n}") for n in range(100, 104)}
    for n in range(100, 104):
        opened.item(f"acme-q{n}q{n}")
    assert (
        "4 items would match if “acme-” is taken off the front"
        in owner.get(f"/matching?source={opened.source}").text
    )

    owner.post("/matching/rules", {"source": opened.source, "prefix": "acme-"})

    assert {variant for _, variant, how in opened.links() if how == "sku"} == ids


def test_the_open_items_are_a_file(owner: Person, opened: _Open) -> None:
    lines = owner.get(f"/matching.csv?source={opened.source}").text.splitlines()

    assert [line.split(",")[1] for line in lines[1:]] == ["oak 77 x", "stranger-1"]


def test_a_stranger_sees_and_changes_nothing(owner: Person, stranger: Person, opened: _Open) -> None:
    assert "OAK 77 X" not in stranger.get(f"/matching?source={opened.source}").text
    stranger.post("/matching/link", _form(opened, "oak 77 x", variant=opened.oak))
    stranger.post("/matching/ignore", _form(opened, "oak 77 x"))
    assert stranger.post("/matching/rules", {"source": opened.source, "prefix": "o"}).status_code == 404
    assert stranger.post(f"/bundles/{opened.oak}/take-apart").status_code == 404

    assert opened.links() == []
    assert "OAK 77 X" in owner.get("/matching").text


def test_a_bundle_is_declared_seen_and_taken_apart(owner: Person, opened: _Open) -> None:
    shop = opened.shop
    pin = shop.sellable("PIN", 9)
    pins = shop.variant("PINS")

    assert owner.post("/bundles", {"bundle": "PINS", "parts": "4 PIN\n"}).status_code == 303
    assert shop.position(pins).available == 2
    assert "4 × " in owner.get("/bundles").text

    answer = owner.post("/bundles", {"bundle": "PIN", "parts": "1 PINS"})
    assert (answer.status_code, "would contain itself" in answer.text) == (422, True)

    file = (io.BytesIO(b"bundle;component;units\nPINS;PIN;3\n"), "b.csv")
    assert owner.post("/bundles", {"file": file}, content_type="multipart/form-data").status_code == 303
    assert shop.position(pins).available == 3

    owner.post(f"/bundles/{pins}/take-apart")
    assert "No bundles yet" in owner.get("/bundles").text
    assert shop.position(pin).available == 9
