"""The page of a store's locations: what is shown, what a choice would do, what is kept and what is refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.ports.errors import Retryable
from connector.ports.stores import Location
from tests.web.conftest import Person
from tests.web.shop import Shop

KNOWN = [
    Location("main", "Main", True),
    Location("floor", "Shop floor", True, sells_online=False),
    Location("depot", "Courier's depot", False),
]


class Platform:
    """A store that only tells its locations."""

    trouble = False

    def locations(self) -> list[Location]:
        if self.trouble:
            raise Retryable("shopify", "locations", "No answer came in time.")
        return KNOWN


@pytest.fixture(autouse=True)
def platform(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> Platform:
    found = Platform()
    monkeypatch.setattr(rt, "store", lambda merchant_id, connection_id: found)
    return found


@pytest.fixture
def here(shop: Shop) -> str:
    with shop.engine.begin() as db:
        db.execute(
            sa.text("update listing set location_id = 'main' where merchant_id = :m and connection_id = :c"),
            {"m": shop.merchant_id, "c": shop.store_id},
        )
    return f"/connections/{shop.store_id}/locations"


def sources(shop: Shop) -> list[int]:
    with shop.engine.connect() as db:
        found = sa.text("select id from source where merchant_id = :m order by id")
        return list(db.execute(found, {"m": shop.merchant_id}).scalars())


def kept(shop: Shop) -> list[tuple[str, int]]:
    with shop.engine.connect() as db:
        rows = db.execute(sa.text("select location_id, position from store_location order by position"))
        return [(row[0], row[1]) for row in rows]


def test_a_choice_is_seen_before_it_is_kept(owner: Person, shop: Shop, here: str) -> None:
    assert "Dispo writes one location of this store" in owner.get(here.removesuffix("/locations")).text
    text = owner.get(here).text
    assert "does not sell online" in text
    assert "cannot be written" in text

    form = {"written": ["main", "floor"], "default": "main", f"source-{sources(shop)[0]}": "floor"}
    seen = owner.post(here, form)
    assert (seen.status_code, kept(shop)) == (200, [])
    assert "What this would do" in seen.text
    assert "“Shop floor” does not sell online" in seen.text

    answer = owner.post(f"{here}/keep", form)
    assert (answer.status_code, kept(shop)) == (303, [("main", 0), ("floor", 1)])
    assert "Dispo writes 2 locations of this store." in owner.get(here.removesuffix("/locations")).text


def test_a_source_fed_to_two_locations_is_refused_with_words(owner: Person, shop: Shop, here: str) -> None:
    form = {
        "written": ["main", "floor"],
        "default": "main",
        f"source-{sources(shop)[0]}": ["main", "floor"],
    }

    answer = owner.post(f"{here}/keep", form)

    assert (answer.status_code, kept(shop)) == (422, [])
    assert "cannot feed both “Main” and “Shop floor”" in answer.text


def test_a_location_at_which_something_stands_is_given_up_only_on_purpose(
    owner: Person, shop: Shop, here: str
) -> None:
    form = {
        "written": ["floor"],
        "default": "floor",
        **{f"source-{one}": "floor" for one in sources(shop)},
    }
    assert "stay there, and I look after them" in owner.post(here, form).text

    answer = owner.post(f"{here}/keep", form)
    assert (answer.status_code, "still stand, which nobody would keep true" in answer.text) == (422, True)

    assert owner.post(f"{here}/keep", {**form, "leaves": "yes"}).status_code == 303


def test_a_store_that_cannot_be_asked_changes_nothing(
    owner: Person, shop: Shop, here: str, platform: Platform
) -> None:
    platform.trouble = True

    assert owner.get(here).status_code == 200
    answer = owner.post(f"{here}/keep", {"written": ["main"], "default": "main"})

    assert (answer.status_code, kept(shop)) == (422, [])
    assert "could not be asked for its locations now" in answer.text


def test_a_store_with_one_stock_has_no_such_page(owner: Person, shop: Shop) -> None:
    assert owner.get(f"/connections/{shop.store_id}/locations").status_code == 404
