"""The page on which a supplier's columns and words are corrected and remembered."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.intake.tables import Run
from tests.web.conftest import Person
from tests.web.shop import Shop

_FILE = "Artikelnr.;Lagerbestand;Farbe\n" + "".join(
    f"A-{n};{'demnächst' if n % 4 == 0 else n * 3};blau\n" for n in range(1, 13)
)


@pytest.fixture
def here(shop: Shop, rt: Runtime) -> str:
    """The mapping page of a supplier whose last file is kept."""
    source_id = shop.source()
    path = rt.data_dir / "feeds" / "stock.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(_FILE.encode()))
    shop.add(
        Run,
        source_id=source_id,
        status="rejected",
        started_at=shop.now,
        file_name="stock.csv",
        feed_path=str(path.relative_to(rt.data_dir)),
    )
    with shop.engine.begin() as db:
        db.execute(
            sa.text("update connection set config = '{\"by_hand\": \"yes\"}' where id in "
                    "(select connection_id from source where id = :s)"), {"s": source_id})  # fmt: skip
        found = sa.text("select connection_id from source where id = :s")
        return f"/connections/{db.execute(found, {'s': source_id}).scalar_one()}/mapping"


def _mapping(shop: Shop, here: str) -> Any:
    with shop.engine.connect() as db:
        found = sa.text("select mapping from source where connection_id = :c")
        return db.execute(found, {"c": int(here.split("/")[2])}).scalar_one()


_GOOD = {"column-0": "Artikelnr.", "field-0": "sku", "column-1": "Lagerbestand", "field-1": "quantity"}


def test_a_proposal_is_shown_with_its_rows_and_unknown_words(owner: Person, here: str) -> None:
    text = owner.get(here).text

    assert "This is a proposal" in text
    assert '<option value="quantity" selected>' in text
    assert "“demnächst”" in text
    assert "3 rows" in text


def test_what_is_kept_is_remembered(owner: Person, shop: Shop, here: str) -> None:
    answer = owner.post(here, {**_GOOD, "word-0": "demnächst", "units-0": "0"})

    assert answer.status_code == 303
    assert _mapping(shop, here)["columns"] == {"sku": "Artikelnr.", "quantity": "Lagerbestand"}
    assert _mapping(shop, here)["words"] == {"demnächst": 0}
    text = owner.get(here).text
    assert "This is what you kept" in text
    assert "“demnächst”" not in text


@pytest.mark.parametrize(
    "given",
    [
        {**_GOOD, "field-1": ""},
        {**_GOOD, "field-1": "sku"},
        {**_GOOD, "word-0": "demnächst", "units-0": "some"},
    ],
    ids=["no quantity", "twice the same", "no number"],
)
def test_a_mapping_that_cannot_be_is_not_kept(
    owner: Person, shop: Shop, here: str, given: dict[str, str]
) -> None:
    before = _mapping(shop, here)
    answer = owner.post(here, given)

    assert (answer.status_code, "Nothing was changed" in answer.text) == (422, True)
    assert _mapping(shop, here) == before


def test_a_stranger_has_no_such_page(stranger: Person, shop: Shop, here: str) -> None:
    before = _mapping(shop, here)
    assert stranger.get(here).status_code == 404
    assert stranger.post(here, _GOOD).status_code == 404
    assert _mapping(shop, here) == before


_SETS = [
    {"sku": f"SET-{n}", "stock": 5, "variants": [{"sku": f"S-{n}-{k}", "stock": n + k} for k in (1, 2)]}
    for n in range(1, 7)
]
_VARIANTS = {
    "column-0": "variants.sku",
    "field-0": "sku",
    "column-1": "variants.stock",
    "field-1": "quantity",
}


def _bring(rt: Runtime, products: list[dict[str, Any]]) -> None:
    path = rt.data_dir / "feeds" / "stock.gz"
    path.write_bytes(gzip.compress(json.dumps({"products": products}).encode()))


def test_what_a_row_is_must_be_chosen_where_products_and_variants_could_both_be_items(
    owner: Person, shop: Shop, rt: Runtime, here: str
) -> None:
    with shop.engine.begin() as db:
        db.execute(sa.text("update source set mapping = '{}' where connection_id = :c"),
                   {"c": int(here.split("/")[2])})  # fmt: skip
    _bring(rt, _SETS)

    text = owner.get(here).text
    assert "What is a row?" in text
    assert "SET-1: 5" in text
    assert "S-1-2: 3" in text
    assert "Keep it so" not in text, "no columns before it is said what a row is"

    text = owner.get(f"{here}?rows=variants").text
    assert "Keep it so" in text
    assert '<input type="hidden" name="rows" value="variants">' in text
    assert "Kept" not in text.split("columns-title")[0]

    assert owner.post(here, {**_VARIANTS, "rows": "variants"}).status_code == 303
    with shop.engine.connect() as db:
        found = sa.text("select read_options from source where connection_id = :c")
        assert db.execute(found, {"c": int(here.split("/")[2])}).scalar_one() == {"variants_path": "variants"}
    assert "You can choose again at any time" in owner.get(here).text


def test_a_path_that_is_too_long_to_be_one_changes_nothing(owner: Person, shop: Shop, here: str) -> None:
    before = _mapping(shop, here)
    assert owner.post(here, {**_GOOD, "rows": "x" * 300}).status_code == 422
    assert _mapping(shop, here) == before
