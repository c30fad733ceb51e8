"""The page on which a supplier's columns and words are corrected and remembered."""

from __future__ import annotations

import gzip
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
