"""The storefront script on a store's page: what is known of it, the switch, and what stays behind."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa

from tests.web.conftest import Person
from tests.web.shop import Shop

AT = "2026-11-22T08:00:00+00:00"
MAIN = {"storefront_id": "1", "name": "Main shop", "state": "set"}
OUTLET = {"storefront_id": "7", "name": "Outlet", "state": "set"}


def store_with(shop: Shop, found: dict[str, Any] | None, **fields: Any) -> int:
    config = {"store_hash": "z4zn3wo", **fields.pop("config", {})}
    cursors = {"script": found} if found is not None else {}
    return shop.store(name="Atelier BC", adapter="bigcommerce", config=config, cursors=cursors, **fields)


def card(person: Person, store_id: int) -> str:
    """The words of the card, without its markup."""
    text = person.get(f"/connections/{store_id}").text
    found = re.search(r'<section class="card" id="script".*?</section>', text, re.S)
    assert found is not None, text
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def config(shop: Shop, store_id: int) -> dict[str, Any]:
    with shop.engine.connect() as db:
        found = db.execute(sa.text("select config from connection where id = :c"), {"c": store_id})
        return dict(found.scalar_one())


def asked(shop: Shop) -> list[int]:
    with shop.engine.connect() as db:
        rows = db.execute(sa.text("select connection_id from outbox_message where topic = 'store.script'"))
        return list(rows.scalars())


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(None, "Not yet set", id="never looked"),
        pytest.param({"seen_at": AT, "places": [MAIN, OUTLET]}, "Main shop Set Outlet Set", id="set"),
        pytest.param(
            {"seen_at": AT, "places": [MAIN, {**OUTLET, "state": "limit"}]},
            "Outlet No room The store takes no more scripts of Dispo.",
            id="limit",
        ),
        pytest.param(
            {"seen_at": AT, "places": [{**MAIN, "state": "disabled"}]},
            "Main shop Switched off in the store",
            id="disabled there",
        ),
        pytest.param(
            {"problem": "scope", "detail": "It needs the scope “Content: modify”."},
            "Give Dispo that right in the store; the script follows within the hour."
            " It needs the scope “Content: modify”.",
            id="scope",
        ),
        pytest.param(
            {"seen_at": AT, "places": [MAIN], "mended": {"at": AT, "names": ["Main shop"]}},
            "Somebody deleted it in Main shop; it was put back on",
            id="mended",
        ),
        pytest.param(
            {"seen_at": AT, "places": [{**MAIN, "name": ""}], "sees_all": False},
            "The store does not let Dispo see its other storefronts",
            id="one storefront",
        ),
    ],
)  # fmt: skip
def test_the_card_says_where_the_script_is(
    owner: Person, shop: Shop, found: dict[str, Any] | None, expected: str
) -> None:
    assert expected in card(owner, store_with(shop, found))


def test_before_the_approval_it_may_be_had_by_itself(owner: Person, shop: Shop) -> None:
    store = store_with(shop, None, writes=False)
    said = card(owner, store)
    assert "It comes when you approve writing." in said
    assert "Put it in now" in said


def test_it_is_switched_off_after_a_question_and_on_again(owner: Person, shop: Shop) -> None:
    store = store_with(shop, {"seen_at": AT, "places": [MAIN]})
    question = owner.get(f"/connections/{store}/script/off").text
    assert "Take badge and form out of the pages of Atelier BC?" in question
    assert ("storefront_script" in config(shop, store), asked(shop)) == (False, [])

    assert owner.post(f"/connections/{store}/script").status_code == 303
    assert (config(shop, store)["storefront_script"], asked(shop)) == ("off", [store])
    assert "Switched off. The script is being taken out of your pages." in card(owner, store)

    assert owner.post(f"/connections/{store}/script", {"on": "1"}).status_code == 303
    assert config(shop, store)["storefront_script"] == "on"


def test_a_consent_category_is_one_of_four(owner: Person, shop: Shop) -> None:
    store = store_with(shop, {"seen_at": AT, "places": [MAIN]})
    assert owner.post(f"/connections/{store}/script", {"consent": "marketing"}).status_code == 400
    assert "script_consent" not in config(shop, store)
    assert owner.post(f"/connections/{store}/script", {"consent": "functional"}).status_code == 303
    assert config(shop, store)["script_consent"] == "functional"


def test_a_platform_without_scripts_has_no_card_and_no_switch(owner: Person, shop: Shop) -> None:
    assert 'id="script"' not in owner.get(f"/connections/{shop.store_id}").text
    assert owner.post(f"/connections/{shop.store_id}/script").status_code == 404
    assert owner.get(f"/connections/{shop.store_id}/script/off").status_code == 404


def test_a_stranger_switches_nothing(stranger: Person, shop: Shop) -> None:
    store = store_with(shop, {"seen_at": AT, "places": [MAIN]})
    assert stranger.get(f"/connections/{store}/script/off").status_code == 404
    assert stranger.post(f"/connections/{store}/script").status_code == 404
    assert ("storefront_script" in config(shop, store), asked(shop)) == (False, [])


def test_disconnecting_names_the_pages_that_lose_it(owner: Person, shop: Shop) -> None:
    store = store_with(shop, {"seen_at": AT, "places": [MAIN, OUTLET]})
    said = owner.get(f"/connections/{store}/disconnect").text
    assert "Badge and form are taken out of its pages: Main shop, Outlet." in said
    assert "until you remove the app or the plugin" not in said


def test_what_a_store_that_left_keeps_is_listed(owner: Person, shop: Shop, stranger: Person) -> None:
    found = {"seen_at": shop.now.isoformat(), "left_in": ["Main shop", "Outlet"]}
    store_with(shop, found, status="ended")
    said = "script could not be taken out of its pages: Main shop, Outlet."
    assert said in owner.get("/connections").text
    assert said not in stranger.get("/connections").text


def test_the_card_is_french_for_the_french(owner: Person, shop: Shop) -> None:
    store = store_with(shop, {"seen_at": AT, "places": [MAIN]})
    owner.post("/language", {"locale": "fr", "next": "/"})
    assert "Badge et formulaire dans vos pages" in card(owner, store)


# --- the store's own fields about availability -----------------------------------------------------------


def test_what_the_stores_own_text_says_is_chosen_on_its_page(owner: Person, shop: Shop) -> None:
    store = store_with(shop, None)
    text = owner.get(f"/connections/{store}").text
    assert '<option value="off" selected>' in text
    assert owner.post(f"/connections/{store}/notes", {"mode": "text"}).status_code == 303
    assert config(shop, store)["product_notes"] == "text"
    assert '<option value="text" selected>' in owner.get(f"/connections/{store}").text
    with shop.engine.connect() as db:
        found = db.execute(sa.text("select every_s from schedule where kind = 'store.notes'")).scalars()
        assert list(found) == [300]


def test_only_a_known_choice_for_a_store_with_such_fields_is_kept(owner: Person, shop: Shop) -> None:
    store = store_with(shop, None)
    assert owner.post(f"/connections/{store}/notes", {"mode": "everything"}).status_code == 400
    assert owner.post(f"/connections/{shop.store_id}/notes", {"mode": "text"}).status_code == 404
    assert 'id="notes"' not in owner.get(f"/connections/{shop.store_id}").text
    assert "product_notes" not in config(shop, store)


def test_a_stranger_chooses_nothing(stranger: Person, shop: Shop) -> None:
    store = store_with(shop, None)
    assert stranger.post(f"/connections/{store}/notes", {"mode": "text"}).status_code == 404
    assert "product_notes" not in config(shop, store)
