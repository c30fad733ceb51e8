"""What the blocks say without JavaScript, in two engines: nothing that Dispo or Shopify does not say."""

from __future__ import annotations

import html
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.shop import Shop
from tests.theme.engine import context_of, locale, product_drop, render, sources

PATH = "/products/mug"
SOON = (datetime.now(UTC) + timedelta(days=40)).date()
ORDERED = "Available to order, delivered later"
LATER = SOON + timedelta(days=3)
MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
}


def said(day: Any, language: str = "en") -> str:
    return f"{day.day} {MONTHS[language][day.month - 1]}"


def page(facts: Any = None, **item: Any) -> dict[str, Any]:
    """A product with one variant, whose metafield holds `facts`; not written when None."""
    shop = Shop("Kiln & Co")
    product = shop.add_product("Mug", [{"sku": "MUG", "price_minor": 1250, "stock": 9, **item}])
    items = shop.items_of(product)
    if facts is not None:
        items[0].meta["$app.availability"] = facts
    return product_drop(product, items, items[0], PATH)


def badge(product: Any, language: str = "en", **settings: Any) -> str | None:
    """The badge's words; None when it is hidden."""
    made = render(
        "availability",
        context_of("availability", None, product, language=language, settings=settings),
        language,
    )
    found = re.search(r'<p class="dispo-badge"[^>]*data-state="(\w*)"( hidden)?>(.*?)</p>', made)
    assert found is not None, made
    assert bool(found[1]) is not bool(found[2])
    return None if found[2] else html.unescape(found[3])


def form(product: Any, language: str = "en", **options: Any) -> str:
    return render("notify-me", context_of("notify-me", None, product, language=language, **options), language)


def is_open(made: str) -> bool:
    (attributes,) = re.findall(r'<form class="dispo-form"([^>]*)>', made)
    return " hidden" not in attributes


def offers(product: Any) -> list[dict[str, Any]]:
    made = render(
        "structured-data", context_of("structured-data", None, product, origin="https://kiln.example")
    )
    if not made.strip():
        return []
    (data,) = re.findall(r"<script[^>]*>(.*?)</script>", made)
    found: list[dict[str, Any]] = json.loads(data)["offers"]
    return found


def case(
    name: str, facts: Any, item: dict[str, Any], words: str | None, opens: bool, schema: str | None
) -> Any:
    """What Dispo wrote and Shopify says of an item; the badge's words, is the form open, schema.org's word."""
    return pytest.param(facts, item, words, opens, schema, id=name)


CASES = [
    case("in stock", {"state": "in_stock"}, {}, "In stock", False, "InStock"),
    case("low", {"state": "low_stock"}, {}, "Low stock", False, "LimitedAvailability"),
    case("low count", {"state": "low_stock", "count": 3}, {}, "Only 3 left", False, "LimitedAvailability"),
    case(
        "ours above Shopify's",
        {"state": "low_stock", "count": 3},
        {"stock": 2},
        "Only 2 left",
        False,
        "LimitedAvailability",
    ),
    case(
        "not counted by Shopify",
        {"state": "low_stock", "count": 3},
        {"stock": None, "tracked": False},
        "Only 3 left",
        False,
        "LimitedAvailability",
    ),
    case("Shopify has none", {"state": "in_stock"}, {"stock": 0}, "Out of stock", True, "OutOfStock"),
    case(
        "Shopify oversold",
        {"state": "low_stock", "count": 3},
        {"stock": -2},
        "Out of stock",
        True,
        "OutOfStock",
    ),
    case("preorder not for sale", {"state": "preorder"}, {"stock": 0}, "Out of stock", True, "OutOfStock"),
    case(
        "sold on",
        {"state": "in_stock"},
        {"stock": -1, "backorders": True},
        ORDERED,
        False,
        "BackOrder",
    ),
    case(
        "backorder",
        {"state": "backorder"},
        {"stock": 0, "backorders": True},
        ORDERED,
        False,
        "BackOrder",
    ),
    case("preorder", {"state": "preorder"}, {}, "Pre-order", False, "PreOrder"),
    case(
        "made to order",
        {"state": "made_to_order"},
        {"stock": 0, "backorders": True},
        "Made to order",
        False,
        "MadeToOrder",
    ),
    case("discontinued", {"state": "discontinued"}, {"stock": 0}, "No longer sold", False, "Discontinued"),
    case("out", {"state": "out_of_stock"}, {"stock": 0}, "Out of stock", True, "OutOfStock"),
    case("back, no date", {"state": "restocking"}, {"stock": 0}, "Back soon", True, "OutOfStock"),
    case(
        "date in the past",
        {"state": "restocking", "restock_on": "2020-01-01"},
        {"stock": 0},
        "Back soon",
        True,
        "OutOfStock",
    ),
    case(
        "no date at all",
        {"state": "restocking", "restock_on": "soon", "restock_until": 7},
        {"stock": 0},
        "Back soon",
        True,
        "OutOfStock",
    ),
    case(
        "day",
        {"state": "restocking", "restock_on": str(SOON)},
        {"stock": 0},
        f"Back on {said(SOON)}",
        True,
        "OutOfStock",
    ),
    case(
        "days",
        {"state": "restocking", "restock_on": str(SOON), "restock_until": str(LATER)},
        {"stock": 0},
        f"Back between {said(SOON)} and {said(LATER)}",
        True,
        "OutOfStock",
    ),
    case(
        "days the wrong way",
        {"state": "restocking", "restock_on": str(LATER), "restock_until": str(SOON)},
        {"stock": 0},
        f"Back on {said(LATER)}",
        True,
        "OutOfStock",
    ),
    case("sold though Dispo says out", {"state": "out_of_stock"}, {}, None, False, None),
    case(
        "sold though Dispo says later",
        {"state": "restocking", "restock_on": str(SOON)},
        {},
        None,
        False,
        None,
    ),
    case("never written", None, {}, None, False, None),
    case("never written, none left", None, {"stock": 0}, None, False, None),
    case("empty", {}, {}, None, False, None),
    case("no state", {"state": None}, {}, None, False, None),
    case("unknown state", {"state": "<b>"}, {}, None, False, None),
    case("a list", [1], {}, None, False, None),
    case("a number", 7, {}, None, False, None),
    case(
        "count is no number",
        {"state": "low_stock", "count": "x"},
        {},
        "Low stock",
        False,
        "LimitedAvailability",
    ),
]


@pytest.mark.parametrize(("facts", "item", "words", "opens", "schema"), CASES)
def test_badge_form_and_structured_data_agree(
    facts: Any, item: dict[str, Any], words: str | None, opens: bool, schema: str | None
) -> None:
    product = page(facts, **item)
    assert badge(product) == words
    assert is_open(form(product)) is opens
    found = [offer["availability"].removeprefix("https://schema.org/") for offer in offers(product)]
    assert found == ([schema] if schema else [])


@pytest.mark.parametrize("block", ["availability", "notify-me", "structured-data"])
@pytest.mark.parametrize(
    "context",
    [
        {},
        {"product": None, "block": {"settings": {}}},
        {"product": {"variants": []}, "request": {"page_type": "product"}},
    ],
    ids=["nothing", "no product", "no variant"],
)  # fmt: skip
def test_where_there_is_no_product_nothing_is_written(block: str, context: dict[str, Any]) -> None:
    assert render(block, context).strip() == ""


def test_the_editor_is_told_why_nothing_is_there() -> None:
    assert "choose a product" in render(
        "availability", context_of("availability", None, None, design_mode=True)
    )
    made = render("availability", context_of("availability", None, page(), design_mode=True))
    assert "has not written anything for this variant yet" in made
    assert "stands here while" in form(page({"state": "in_stock"}), design_mode=True)


def test_an_offer_says_from_when_it_is_there_at_which_price_and_where() -> None:
    facts = {"state": "restocking", "restock_on": str(SOON), "restock_until": str(LATER)}
    product = page(facts, stock=0)
    number = product["variants"][0]["id"]
    assert offers(product) == [
        {
            "@type": "Offer",
            "availability": "https://schema.org/OutOfStock",
            "availabilityStarts": str(SOON),
            "price": 12.5,
            "priceCurrency": "EUR",
            "sku": "MUG",
            "url": f"https://kiln.example{PATH}?variant={number}",
        }
    ]


def test_a_title_cannot_leave_the_script_it_stands_in() -> None:
    product = page({"state": "in_stock"}, sku='"</script><script>alert(1)')
    product["title"] = "</script><b>"
    made = render("structured-data", context_of("structured-data", None, product))
    assert made.count("<") == 2
    assert offers(product)[0]["sku"] == '"</script><script>alert(1)'


def test_french_says_everything_in_french() -> None:
    facts = {"state": "restocking", "restock_on": str(SOON), "restock_until": str(LATER)}
    product = page(facts, stock=0)
    assert badge(product, "fr") == f"De retour entre le {said(SOON, 'fr')} et le {said(LATER, 'fr')}"
    made = form(product, "fr")
    for text in ("Prévenez-moi de son retour", "Adresse e-mail", "Me prévenir", "Confidentialité"):
        assert text in made
    assert 'name="lang" value="fr"' in made
    assert 'data-locale="fr"' in made


def test_another_language_gets_the_default_words_and_says_so_to_dispo() -> None:
    made = form(page({"state": "out_of_stock"}, stock=0), "pt-BR")
    assert "Tell me when it is back" in made
    assert 'data-locale="en"' in made  # dates in the language of the words
    assert 'name="lang" value="pt-BR"' in made  # the mail may know it


def test_the_form_names_who_asks_for_what_and_where_it_goes() -> None:
    product = page({"state": "out_of_stock"}, stock=0)
    made = form(product)
    assert '<form class="dispo-form" data-dispo-form method="post" action="/apps/dispo/subscribe">' in made
    assert "Kiln &amp; Co may e-mail me once when this item is available again." in made
    assert '<a href="/policies/privacy-policy">Privacy notice</a>' in made
    assert f'name="id" value="gid://shopify/ProductVariant/{product["variants"][0]["id"]}"' in made
    assert "Privacy notice" not in form(product, privacy="")
    own = form(
        product,
        settings={
            "seller": "A <b> & Sons", "privacy": "/pages/mine", "title": "<i>", "button": "Go", "intro": "Soon!",
            "proxy": "/tools/stock/", "ask_units": True,
        },
    )  # fmt: skip
    assert "A &lt;b&gt; &amp; Sons may e-mail me once" in own
    assert '<a href="/pages/mine">' in own
    assert ">&lt;i&gt;</h2>" in own
    assert ">Go</button>" in own
    assert "Soon!" in own
    assert 'action="/tools/stock/subscribe"' in own
    assert 'data-base="/tools/stock"' in own
    assert 'name="units"' in own
    assert 'name="units"' not in made


def test_the_merchants_own_words_are_said_by_page_and_script() -> None:
    own = {"text_in_stock": "Ready & waiting", "text_out_of_stock": '"Gone"'}
    assert badge(page({"state": "in_stock"}), **own) == "Ready & waiting"
    product = page({"state": "out_of_stock"}, stock=0)
    assert badge(product, **own) == '"Gone"'
    made = render("availability", context_of("availability", None, product, settings=own))
    (words,) = re.findall(r'data-words="([^"]*)"', made)
    said_by_script = json.loads(html.unescape(words))
    assert (said_by_script["in_stock"], said_by_script["out_of_stock"]) == ("Ready & waiting", '"Gone"')
    assert said_by_script["low_stock_n"] == "Only {n} left"


def test_the_script_knows_every_variant_that_dispo_knows() -> None:
    shop = Shop("Kiln & Co")
    product = shop.add_product(
        "Apron", [{"sku": f"A{n}", "title": f"{n}", "price_minor": 1, "stock": n} for n in range(3)]
    )
    items = shop.items_of(product)
    items[0].meta["$app.availability"] = {"state": "restocking", "restock_on": str(SOON)}
    items[2].meta["$app.availability"] = {"state": "low_stock", "count": 8}
    made = form(product_drop(product, items, items[0], PATH))
    (variants,) = re.findall(r'data-variants="([^"]*)"', made)
    assert json.loads(html.unescape(variants)) == {
        f"gid://shopify/ProductVariant/{items[0].id}": {
            "state": "restocking", "restock_on": str(SOON), "restock_until": str(SOON)
        },
        f"gid://shopify/ProductVariant/{items[2].id}": {"state": "low_stock", "count": 2},
    }  # fmt: skip


def test_colours_are_the_themes_until_the_merchant_chooses() -> None:
    product = page({"state": "in_stock"})
    plain = render("availability", context_of("availability", None, product))
    assert 'style="--dispo-size:100%;--dispo-above:8px;--dispo-below:8px"' in plain
    chosen = {"color_text": "#112233", "color_in_stock": "#00aa00", "look": "pill", "show": "unusual"}
    own = render("availability", context_of("availability", None, product, settings=chosen))
    assert 'style="--dispo-ink:#112233;--dispo-in:#00aa00;--dispo-size' in own
    assert 'class="dispo dispo-is-pill dispo-at-start dispo-quiet"' in own


def test_another_engine_writes_the_same(node: str, modules: Path) -> None:
    pages = []
    for language in ("en", "fr"):
        for one in CASES:
            product = page(one.values[0], **one.values[1])
            for block in ("availability", "notify-me", "structured-data"):
                context = context_of(block, None, product, language=language, origin="https://kiln.example")
                pages.append({"block": block, "context": context, "texts": locale(language)})
    program = Path(__file__).with_name("render.mjs")
    done = subprocess.run(
        [node, str(program), str(modules)], input=json.dumps({"sources": sources(), "pages": pages}),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    def same(made: str) -> str:
        return re.sub(r"\s+", "", html.unescape(html.unescape(made)))

    for one, theirs in zip(pages, json.loads(done.stdout), strict=True):
        ours = render(one["block"], one["context"], one["context"]["request"]["locale"]["iso_code"])
        assert same(theirs) == same(ours)
