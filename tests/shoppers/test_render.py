"""Every message in every language: complete, escaped, and never half English."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

from connector import i18n
from connector.shoppers import render as rendering
from connector.shoppers.render import KINDS, Code, Facts, Kind, Similar, render

FACTS = Facts(
    seller="Kiln & Co",
    title="Vase <Ming>",
    main_url="https://dispo.test/c/1",
    leave_url="https://dispo.test/u/2",
    me_url="https://dispo.test/me/3",
    asked_on=date(2026, 1, 5),
    image_url="https://shop.test/vase.png",
    price_minor=123_450,
    currency="EUR",
    privacy_url="https://shop.test/privacy",
    shown_on=date(2026, 1, 12),
    old_on=date(2026, 1, 12),
    new_on=date(2026, 1, 20),
    leave_one_url="https://dispo.test/u/2?only=1",
    code=Code("BACK-7K2M9QXA", date(2026, 2, 19), date(2026, 1, 12), percent=10),
    similar=(Similar("Vase <Qing>", "https://dispo.test/c/1", "https://shop.test/qing.png", 119_900),),
)
OURS = ("connector/shoppers/", "connector/web/storefront.py", "templates/email/", "templates/storefront/")
EVERY = [(kind, locale) for kind in KINDS for locale in i18n.locales()]

render_alone = rendering._written.__wrapped__
"""What one person's message is when nothing is kept for the next."""


def words_of(kind: Kind, locale: str) -> str:
    message = render(kind, locale, FACTS)
    seen = re.sub(r"<(style|title)>.*?</\1>", " ", message.html, flags=re.S)
    seen = re.sub(r'<[^>]*?alt="([^"]*)"[^>]*>', r" \1 ", seen)
    return " ".join(f"{message.subject} {message.text} {re.sub('<[^>]+>', ' ', seen)}".split())


@cache
def english_parts() -> list[str]:
    """What the mails say in English, between the values; looking through the sources takes a second."""
    english: list[Any] = [
        message for message in i18n.messages_in_use(("templates/email/",)) if isinstance(message, str)
    ]
    return [part.strip() for message in english for part in re.split(r"%\(\w+\)s", message)]


def elements(html: str, name: str) -> int:
    """How many elements of that name a reader of the HTML would make."""
    counted: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: counted.append(tag)  # type: ignore[method-assign]
    parser.feed(html)
    return counted.count(name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_products_name_cannot_become_markup(kind: Kind) -> None:
    html = render(kind, "en", replace(FACTS, title='"><script>alert(1)</script>', seller="<b onload=x>")).html
    assert (elements(html, "script"), elements(html, "b")) == (0, 0)
    assert elements(html, "a") >= 2


@pytest.mark.parametrize("locale", i18n.locales())
def test_every_message_id_is_translated(locale: str) -> None:
    used = i18n.messages_in_use(OURS)
    assert len(used) > 80
    assert i18n.untranslated(locale, OURS) == []


@pytest.mark.parametrize(("kind", "locale"), [pair for pair in EVERY if pair[1] != "en"])
def test_no_english_reaches_another_language(kind: Kind, locale: str) -> None:
    shown = words_of(kind, locale)
    assert [part for part in english_parts() if len(part) > 3 and part in shown] == []


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_text_and_html_say_the_same(kind: Kind, locale: str) -> None:
    message = render(kind, locale, FACTS)
    for link in (FACTS.main_url, FACTS.leave_url, FACTS.privacy_url):
        assert link in message.text
        assert f'href="{link}"' in message.html
    assert "Vase <Ming>" in message.text
    assert "Vase &lt;Ming&gt;" in message.html
    assert elements(message.html, "ming") == 0
    assert f'<html lang="{locale}">' in message.html


@pytest.mark.parametrize(("kind", "locale"), EVERY)
def test_html_stands_alone_and_fits_dark_screens(kind: Kind, locale: str) -> None:
    html = render(kind, locale, FACTS).html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "<script" not in html
    assert "<link" not in html
    assert [tag for tag in re.findall(r"<img[^>]*>", html) if "alt=" not in tag] == []
    assert len(html.encode()) < 20_000  # Gmail cuts messages at 102 KB


@pytest.mark.parametrize(
    ("locale", "price", "subject", "day"),
    [
        ("en", "€1,234.50", "Back in stock: Vase <Ming>", "5 January 2026"),
        ("fr", "1\u202f234,50\u00a0€", "De retour en stock\u00a0: Vase <Ming>", "5 janvier 2026"),
    ],
)
def test_money_and_dates_follow_the_language(locale: str, price: str, subject: str, day: str) -> None:
    message = render("back_in_stock", locale, FACTS)
    assert message.subject == " ".join(subject.split())
    assert price in message.text
    assert day in message.text


def test_a_confirmation_advertises_nothing() -> None:
    message = render("confirm", "en", FACTS)
    assert "€" not in message.text + message.html
    assert "<img" not in message.html


def test_a_subject_is_one_line_whatever_the_product_is_called() -> None:
    message = render("back_in_stock", "en", replace(FACTS, title="Vase\r\nBcc: x@example.com"))
    assert message.subject == "Back in stock: Vase Bcc: x@example.com"


def test_without_picture_price_and_privacy_notice_nothing_empty_is_shown() -> None:
    message = render("back_in_stock", "en", replace(FACTS, image_url="", price_minor=None, privacy_url=""))
    assert "<img" not in message.html
    assert "€" not in message.text
    assert "Privacy" not in message.text + message.html


@pytest.mark.parametrize(
    ("start", "end", "english", "french"),
    [
        (date(2026, 12, 12), None, "12 December 2026", "12 décembre 2026"),
        (date(2026, 12, 12), date(2026, 12, 16), "12–16 December 2026", "12–16 décembre 2026"),
        (
            date(2026, 11, 28),
            date(2026, 12, 3),
            "28 November – 3 December 2026",
            "28 novembre – 3 décembre 2026",
        ),
        (
            date(2026, 12, 30),
            date(2027, 1, 2),
            "30 December 2026 – 2 January 2027",
            "30 décembre 2026 – 2 janvier 2027",
        ),
        (date(2026, 12, 12), date(2026, 12, 1), "12 December 2026", "12 décembre 2026"),
    ],
)
def test_windows_of_days_read_naturally(start: date, end: date | None, english: str, french: str) -> None:
    assert (i18n.days(start, end, "en"), i18n.days(start, end, "fr")) == (english, french)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(["fr-CA"], "fr"), (["de", "fr"], "fr"), (["en-GB"], "en"), (["xx"], "en"), ([], "en"), ([""], "en")],
)
def test_the_first_language_that_is_offered_is_chosen(wanted: list[str], found: str) -> None:
    assert i18n.best_locale(wanted) == found


def test_money_knows_currencies_without_cents() -> None:
    assert (i18n.money(1999, "JPY", "en"), i18n.money(1999, "KWD", "en")) == ("¥1,999", "KWD1.999")


def test_what_is_written_once_for_many_is_what_each_would_have_got() -> None:
    def theirs(n: int) -> Facts:
        own = {
            name: f"https://dispo.test/{name}/{n}?a=1&b=2"
            for name in ("main_url", "leave_url", "leave_one_url", "me_url")
        }
        return replace(FACTS, **own)  # type: ignore[arg-type]

    for kind, locale in EVERY:
        alone = [render_alone(kind, locale, theirs(n)) for n in (1, 2)]
        assert [render(kind, locale, theirs(n)) for n in (1, 2)] == alone
        assert alone[0] != alone[1]
        nowhere = replace(FACTS, main_url="", leave_url="", leave_one_url="", me_url="")
        assert render(kind, locale, nowhere) == render_alone(kind, locale, nowhere)
