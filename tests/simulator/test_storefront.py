"""The simulated shop's pages: what a shopper of each platform sees, and that buying there is real."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests

from simulator.shop import Item, Shop
from simulator.storefront import StorefrontServer
from simulator.storefront.badges import Badge, badge_of, schema_availability
from simulator.storefront.pictures import picture
from simulator.storefront.words import WORDS

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
def shop() -> Shop:
    shop = Shop("Kiln & Co", clock=lambda: NOW)
    shop.add_product("Blue mug", [{"sku": "MUG", "price_minor": 1250, "stock": 2}])
    shop.add_product(
        "Linen apron",
        [
            {"sku": "APRON-S", "title": "S", "price_minor": 3000, "stock": 0},
            {"sku": "APRON-M", "title": "M", "price_minor": 3400, "stock": 4},
        ],
        collections=("Kitchen",),
    )
    for number in range(1, 31):
        shop.add_product(f"Studio piece {number:02}", [{"sku": f"P{number}", "price_minor": 100, "stock": 1}])
    return shop


@pytest.fixture
def keys() -> dict[str, str]:
    return {"woo": "pk-woo"}


@pytest.fixture
def site(shop: Shop, keys: dict[str, str]) -> Iterator[StorefrontServer]:
    with StorefrontServer({"woo": shop, "shopify": shop}, "https://dispo.test/", keys) as server:
        yield server


def get(site: StorefrontServer, path: str, language: str = "en") -> requests.Response:
    return requests.get(site.url + path, headers={"Accept-Language": language}, timeout=5)


def item(shop: Shop, sku: str) -> Item:
    (found,) = shop.by_sku(sku)
    return found


# --- Badges -------------------------------------------------------------------------------------------


def made(stock: int | None = 5, *, backorders: bool = False, **meta: Any) -> Item:
    return Item(
        id=1, product_id=1, sku="A", title="", price_minor=1, stock=stock, backorders=backorders,
        tracked=stock is not None, meta=meta,
    )  # fmt: skip


def shopify(**facts: Any) -> dict[str, str]:
    return {"$app.availability": json.dumps(facts)}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param(made(), Badge("in_stock"), id="nothing written, in stock"),
        pytest.param(made(0), Badge("out_of_stock"), id="nothing written, sold out"),
        pytest.param(made(None), Badge(""), id="nothing written, not tracked"),
        pytest.param(
            made(_dispo_state="low_stock", _dispo_count="3", _dispo_restock_on="", _dispo_restock_until=""),
            Badge("low_stock", 3, is_from_dispo=True),
            id="WooCommerce, a count",
        ),
        pytest.param(
            made(**shopify(state="low_stock", count=3)),
            Badge("low_stock", 3, is_from_dispo=True),
            id="Shopify",
        ),
        pytest.param(
            made(2, **shopify(state="low_stock", count=3)),
            Badge("low_stock", 2, is_from_dispo=True),
            id="never more than the platform has",
        ),
        pytest.param(
            made(0, _dispo_state="in_stock"),
            Badge("out_of_stock", is_from_dispo=True),
            id="the platform says that it cannot be bought",
        ),
        pytest.param(
            made(3, _dispo_state="out_of_stock"),
            Badge("in_stock", is_from_dispo=True),
            id="the number came first, the badge is on its way",
        ),
        pytest.param(
            made(
                0,
                _dispo_state="restocking",
                _dispo_restock_on="2026-01-10",
                _dispo_restock_until="2026-01-12",
            ),
            Badge("restocking", None, date(2026, 1, 10), date(2026, 1, 12), True),
            id="a window",
        ),
        pytest.param(
            made(0, **shopify(state="restocking", restock_on="2026-01-04")),
            Badge("restocking", is_from_dispo=True),
            id="a date in the past is not shown",
        ),
        pytest.param(
            made(0, backorders=True, _dispo_state="backorder"),
            Badge("backorder", is_from_dispo=True),
            id="backorder",
        ),
        pytest.param(
            made(0, _dispo_state="restocking", _dispo_restock_on="soon"),
            Badge("restocking", is_from_dispo=True),
            id="a date that is none",
        ),
    ],
)
def test_the_badge_shows_what_was_written_and_never_more_than_is_true(given: Item, shown: Badge) -> None:
    assert badge_of(given, TODAY) == shown


@pytest.mark.parametrize(
    ("state", "buyable", "said"),
    [
        ("in_stock", True, "InStock"),
        ("low_stock", True, "LimitedAvailability"),
        ("backorder", True, "BackOrder"),
        ("preorder", True, "PreOrder"),
        ("made_to_order", True, "MadeToOrder"),
        ("restocking", False, "OutOfStock"),
        ("in_stock", False, "OutOfStock"),
        ("discontinued", False, "Discontinued"),
        ("", True, "InStock"),
    ],
)
def test_search_engines_are_told_what_the_shopper_meets(state: str, buyable: bool, said: str) -> None:
    assert schema_availability(Badge(state), buyable) == f"https://schema.org/{said}"


# --- Pages --------------------------------------------------------------------------------------------


def test_the_list_is_paged(site: StorefrontServer) -> None:
    first, second = (get(site, f"/woo/?page={number}").text for number in (1, 2))
    assert (first.count('class="card"'), second.count('class="card"')) == (24, 8)
    assert "Page 1 of 2" in first
    assert get(site, "/woo/?page=99").text.count('class="card"') == 8


@pytest.mark.parametrize(
    ("query", "count"),
    [("MUG", 1), ("apron kitchen", 1), ("studio 07", 1), ("zeppelin", 0), ("", 32), ("APRON-M", 1)],
)
def test_search_finds_words_in_any_order(site: StorefrontServer, query: str, count: int) -> None:
    page = requests.get(f"{site.url}/woo/", params={"q": query}, timeout=5).text
    assert ("1 product<" if count == 1 else f"{count} products") in page


def test_search_terms_are_escaped(site: StorefrontServer) -> None:
    page = get(site, "/woo/?q=<script>alert(1)</script>").text
    assert "<script>alert" not in page


def test_a_product_page_hands_the_script_what_it_needs(site: StorefrontServer, shop: Shop) -> None:
    shop.set_meta(
        item(shop, "APRON-S").id, {"_dispo_state": "restocking", "_dispo_restock_on": "2026-01-20"}, by="api"
    )
    small, medium = item(shop, "APRON-S"), item(shop, "APRON-M")
    page = get(site, f"/woo/product/linen-apron/?variant={small.id}").text
    assert 'src="https://dispo.test/s/notify-me.js"' in page
    assert f'data-key="pk-woo" data-variant="{small.id}" data-locale="en"' in page
    facts = re.search(r'data-variants="([^"]*)"', page)
    assert facts is not None
    assert json.loads(facts.group(1).replace("&#34;", '"')) == {
        str(small.id): {"state": "restocking", "restock_on": "2026-01-20", "restock_until": "2026-01-20"},
        str(medium.id): {"state": "in_stock"},
    }
    assert "Back on 20 January" in page
    assert 'action="https://dispo.test/s/pk-woo/subscribe"' in page


def test_variants_are_named_by_each_platforms_own_address(
    site: StorefrontServer, shop: Shop, keys: dict[str, str]
) -> None:
    keys["shopify"] = "pk-shopify"
    small = item(shop, "APRON-S")
    assert f'<option value="{small.id}"' in get(site, "/woo/product/linen-apron/?attribute_size=S").text
    selected = re.compile(rf'<option value="{small.id}"[^>]* selected>')
    assert selected.search(get(site, "/woo/product/linen-apron/?attribute_size=S").text)
    page = get(site, f"/shopify/products/linen-apron?variant={small.id}").text
    assert selected.search(page)
    assert f'data-variant="gid://shopify/ProductVariant/{small.id}"' in page


def test_a_shop_that_is_not_connected_shows_its_own_stock_and_no_script(site: StorefrontServer) -> None:
    page = get(site, "/shopify/products/blue-mug").text
    assert "notify-me.js" not in page
    assert "data-dispo-form" not in page
    assert 'data-state="in_stock">In stock</p>' in page


def test_structured_data_gives_price_availability_and_date(site: StorefrontServer, shop: Shop) -> None:
    shop.set_meta(
        item(shop, "APRON-S").id, {"_dispo_state": "restocking", "_dispo_restock_on": "2026-01-20"}, by="api"
    )
    page = get(site, "/woo/product/linen-apron/").text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)
    assert found is not None
    offers = json.loads(found.group(1))["offers"]
    assert [(o["sku"], o["price"], o["priceCurrency"]) for o in offers] == [
        ("APRON-S", "30.00", "GBP"),
        ("APRON-M", "34.00", "GBP"),
    ]
    assert [o["availability"].rsplit("/")[-1] for o in offers] == ["OutOfStock", "InStock"]
    assert [o.get("availabilityStarts") for o in offers] == ["2026-01-20", None]


def test_structured_data_cannot_close_its_script(site: StorefrontServer, shop: Shop) -> None:
    shop.add_product("</script><b>", [{"sku": "X", "price_minor": 1, "stock": 1}], handle="evil")
    assert "</script><b>" not in get(site, "/woo/product/evil/").text


def test_buying_takes_units_and_says_thank_you(site: StorefrontServer, shop: Shop) -> None:
    mug = item(shop, "MUG")
    answer = requests.post(f"{site.url}/woo/buy", data={"item": mug.id, "units": 2}, timeout=5)
    assert answer.status_code == 200
    assert "Thank you for your order" in answer.text
    assert (mug.stock, shop.units_sold) == (0, 2)


def test_somebody_who_is_too_late_is_told_so_and_nothing_is_sold(site: StorefrontServer, shop: Shop) -> None:
    mug = item(shop, "MUG")
    answer = requests.post(f"{site.url}/woo/buy?lang=fr", data={"item": mug.id, "units": 3}, timeout=5)
    assert answer.status_code == 409
    assert "Quelqu’un a été plus rapide" in answer.text
    assert 'href="/woo/product/blue-mug/?lang=fr"' in answer.text
    assert (mug.stock, shop.units_sold, shop.refused) == (2, 0, 1)


@pytest.mark.parametrize("body", [{}, {"item": "9999"}, {"item": "x"}])
def test_buying_nothing_is_not_found(site: StorefrontServer, shop: Shop, body: dict[str, str]) -> None:
    assert requests.post(f"{site.url}/woo/buy", data=body, timeout=5).status_code == 404
    assert shop.units_sold == 0


@pytest.mark.parametrize(
    "path", ["/nowhere/", "/woo/product/nothing/", "/woo/orders/1", "/assets/x", "/woo/pictures/no.svg"]
)
@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is no such page"), ("fr", "Cette page n’existe pas")]
)
def test_a_missing_page_says_so_in_the_readers_language(
    site: StorefrontServer, path: str, language: str, words: str
) -> None:
    answer = get(site, path, language)
    assert answer.status_code == 404
    assert words in answer.text


def test_a_withdrawn_product_is_gone(site: StorefrontServer, shop: Shop) -> None:
    product = shop.by_handle("blue-mug")
    assert product is not None
    product.published = False
    assert get(site, "/woo/product/blue-mug/").status_code == 404
    assert "Blue mug" not in get(site, "/woo/").text


def test_the_chosen_language_stays_on_every_link(site: StorefrontServer) -> None:
    page = get(site, "/woo/?lang=fr&q=mug").text
    links = re.findall(r'href="(/woo/[^"]*)"', page)
    assert [link for link in links if "lang=" not in link] == []
    assert 'name="lang" value="fr"' in page
    assert "12,50" in page


def test_every_word_exists_in_both_languages() -> None:
    assert WORDS["en"].keys() == WORDS["fr"].keys()
    same = {key for key, text in WORDS["en"].items() if WORDS["fr"][key] == text}
    assert same == set()


def test_one_shop_alone_is_the_front_page(shop: Shop) -> None:
    with StorefrontServer({"only": shop}, "https://dispo.test", {}) as server:
        answer = requests.get(f"{server.url}/?lang=fr", timeout=5)
    assert answer.url == f"{server.url}/only/?lang=fr"


def test_pictures_are_stable_different_and_escaped(site: StorefrontServer) -> None:
    assert picture("Vase") == picture("Vase")
    assert picture("Vase") != picture("Mug")
    assert "&lt;b&gt;" in picture("<b>")
    assert get(site, "/woo/pictures/blue-mug.svg").headers["Content-Type"] == "image/svg+xml"
