"""Words, dates and money in the reader's language: one catalogue file per language.

`connector/locales/<locale>/LC_MESSAGES/messages.po` is read and compiled in memory the first time a
language is used, so there is no build step and no compiled file to forget. The English text is the
message id; a language is offered as soon as its catalogue exists. After changing words, run
`python -m connector.i18n`: it collects them from `connector` and `templates` into every catalogue and
lists what is still to be translated.

    _ = gettext("fr")
    _("Back in stock: %(title)s", title=title)
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from babel import dates, negotiate_locale, numbers
from babel.messages import Catalog, extract, mofile, pofile
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from connector.sentence_ids import CONTEXT, collect

SOURCE_LOCALE = "en"
ROOT = Path(__file__).resolve().parents[1]
CATALOGUES = Path(__file__).with_name("locales")
TEMPLATES = ROOT / "templates"

_SOURCES = (
    ("connector", "**.py", "python"),
    ("templates", "**.html", "jinja2"),
    ("templates", "**.txt", "jinja2"),
)


def locales() -> tuple[str, ...]:
    """The languages offered, English first."""
    found = sorted(path.parent.parent.name for path in CATALOGUES.glob("*/LC_MESSAGES/messages.po"))
    return (SOURCE_LOCALE, *(name for name in found if name != SOURCE_LOCALE))


def best_locale(wanted: Iterable[str], default: str = SOURCE_LOCALE) -> str:
    """The first language of `wanted` (such as "fr-CA", "fr_FR" or "de") that is offered, else `default`."""
    known = locales()
    tags = [tag.strip().replace("-", "_") for tag in wanted if tag.strip()]
    return negotiate_locale(tags, known, sep="_") or (default if default in known else SOURCE_LOCALE)


@cache
def catalogue(locale: str) -> Translations:
    """The compiled catalogue of an offered language; an unknown one raises ValueError."""
    if locale not in locales():
        raise ValueError(f"There is no catalogue for {locale!r}; known: {', '.join(locales())}.")
    compiled = io.BytesIO()
    mofile.write_mo(compiled, read_catalogue(locale))
    compiled.seek(0)
    return Translations(compiled)


def read_catalogue(locale: str) -> Catalog:
    """The catalogue as it is written, with places and untranslated messages."""
    with (CATALOGUES / locale / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return pofile.read_po(file, locale=locale)


def entries(locale: str) -> dict[Any, str]:
    """Everything that is translated, by message id; one with a context is "context\\x04id"."""
    return dict(catalogue(locale)._catalog)


def gettext(locale: str) -> Callable[..., str]:
    """A function that says a message in `locale`: `_("%(n)s units", n=3)`."""
    words = catalogue(locale)

    def say(message: str, **values: object) -> str:
        text = words.ugettext(message)
        return text % values if values else text

    return say


def ngettext(locale: str) -> Callable[..., str]:
    """As `gettext`, with singular, plural and a number: `n_("%(num)s unit", "%(num)s units", 3)`."""
    words = catalogue(locale)

    def say(singular: str, plural: str, num: int, **values: object) -> str:
        return words.ungettext(singular, plural, num) % {"num": num, **values}

    return say


def money(minor: int, currency: str, locale: str) -> str:
    """`minor` units of `currency` as people write it: 1999, "EUR", "fr" → "19,99 €"."""
    amount = Decimal(minor).scaleb(-numbers.get_currency_precision(currency))
    return numbers.format_currency(amount, currency, locale=locale)


def number(value: int | Decimal | float, locale: str) -> str:
    """A number with the separators of the language."""
    return numbers.format_decimal(value, locale=locale)


def percent(value: float, locale: str) -> str:
    """A share (0–1) in whole percent: "96%", "96 %"."""
    return numbers.format_percent(value, locale=locale)


def day(value: date, locale: str) -> str:
    """A day in words: "12 December 2026", "12 décembre 2026"."""
    return dates.format_date(value, "d MMMM y" if locale == "en" else "long", locale=locale)


def days(start: date, end: date | None, locale: str) -> str:
    """A day or a window of days, without repeating what both ends share: "12–16 December 2026",
    "28 November – 3 December 2026". A missing or earlier `end` means the single day `start`."""
    if end is None or end <= start:
        return day(start, locale)
    if start.year != end.year:
        return f"{day(start, locale)} – {day(end, locale)}"
    if start.month != end.month:
        return f"{dates.format_date(start, 'd MMMM', locale=locale)} – {day(end, locale)}"
    return f"{start.day}–{day(end, locale)}"


@cache
def environment(locale: str) -> Environment:
    """A Jinja environment over `templates/` that speaks `locale`: `_` and `gettext`, `money`, `day`,
    `days`. HTML is escaped, text is not, and a missing variable is an error."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = catalogue(locale)
    env.install_gettext_callables(words.ugettext, words.ungettext, newstyle=True)  # type: ignore[attr-defined]
    env.globals.update(
        locale=locale,
        money=lambda minor, currency: money(minor, currency, locale),
        number=lambda value: number(value, locale),
        percent=lambda share: percent(share, locale),
        day=lambda value: day(value, locale),
        days=lambda start, end: days(start, end, locale),
    )
    return env


def messages_in_use(prefixes: Iterable[str] = ("",)) -> dict[Any, list[tuple[str, int]]]:
    """Every message id in the sources whose path starts with one of `prefixes`, with its places."""
    found: dict[Any, list[tuple[str, int]]] = {}
    for folder, pattern, method in _SOURCES:
        rows = extract.extract_from_dir(
            ROOT / folder,
            [(pattern, method)],
            {pattern: {"newstyle_gettext": "true", "trimmed": "true"}},
            keywords={"_": None, "gettext": None, "ngettext": (1, 2), "n_": (1, 2)},
        )
        for name, line, message, _comments, _context in rows:
            place = f"{folder}/{name}"
            if any(place.startswith(prefix) for prefix in prefixes):
                found.setdefault(message, []).append((place, line))
    return found


def untranslated(locale: str, prefixes: Iterable[str] = ("",)) -> list[Any]:
    """Message ids in use that `locale` has no certain translation for; always empty for English."""
    if locale == SOURCE_LOCALE:
        return []
    known = read_catalogue(locale)
    missing = []
    for message in messages_in_use(prefixes):
        entry = known.get(message[0] if isinstance(message, tuple) else message)
        texts = entry.string if entry else ""
        if not entry or entry.fuzzy or not all(texts if isinstance(texts, (tuple, list)) else (texts,)):
            missing.append(message)
    for message in sentences_in_use(prefixes):
        entry = known.get(message, context=CONTEXT)
        if not entry or entry.fuzzy or not entry.string:
            missing.append(message)
    return missing


def sentences_in_use(prefixes: Iterable[str] = ("",)) -> dict[str, list[str]]:
    """The ids of sentences that are put together in English (see `connector.sentences`), with their places."""
    found: dict[str, list[str]] = {}
    for message, place, _line in collect(ROOT):
        if any(place.startswith(prefix) for prefix in prefixes):
            found.setdefault(message, []).append(place)
    return found


def update() -> int:
    """Bring every catalogue up to date with the sources; the number of messages still untranslated."""
    template = Catalog(charset="utf-8")
    for message, places in sorted(messages_in_use().items(), key=lambda row: str(row[0])):
        template.add(message, locations=sorted({(place, 0) for place, _ in places}))
    for message, modules in sorted(sentences_in_use().items()):
        template.add(message, locations=sorted({(place, 0) for place in modules}), context=CONTEXT)
    missing = 0
    for locale in locales():
        path = CATALOGUES / locale / "LC_MESSAGES" / "messages.po"
        current = read_catalogue(locale)
        current.update(template, no_fuzzy_matching=True, update_header_comment=False)
        current.obsolete.clear()
        # The header says nothing that changes by itself, so that an update without new words is no change.
        current.project, current.version = "Dispo", ""
        current.creation_date = current.revision_date = datetime(2026, 11, 22, tzinfo=UTC)
        current.last_translator = current.msgid_bugs_address = ""
        current.language_team = locale
        # In one step, so that nobody reads half a catalogue.
        written = path.with_suffix(f".{os.getpid()}.new")
        with written.open("wb") as file:
            pofile.write_po(file, current, width=100, sort_output=True, include_lineno=False)
        written.replace(path)
        left = untranslated(locale)
        missing += len(left)
        for message in left:
            print(f"{locale}: {message!r}")
    return missing


if __name__ == "__main__":
    sys.exit(1 if update() else 0)
