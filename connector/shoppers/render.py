"""Turns the facts of a message into its subject, text and HTML, in one language, from one context."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache
from typing import Any, Literal, get_args
from uuid import uuid4

import css_inline

from connector.i18n import environment

Kind = Literal["confirm", "back_in_stock", "date_slipped", "alternatives", "still_waiting"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ALERTS: frozenset[str] = frozenset(KINDS) - {"confirm"}
"""Sent by our own decision, so within quiet hours and daily limits; the rest somebody has just asked for."""


@dataclass(frozen=True, slots=True)
class Code:
    """A discount code good once until the end of `expires_on`, for waiting past `shown_on`: `percent`, or
    `amount_minor` (minor units of `currency`)."""

    text: str
    expires_on: date
    shown_on: date
    percent: int | None = None
    amount_minor: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Similar:
    """A product offered instead; `price_minor` in minor units of the message's currency, None: not said."""

    title: str
    url: str
    image_url: str = ""
    price_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message may say. `seller` sends it, `title` is the product with its variant,
    `price_minor` is in minor units of `currency` (None: not said), `main_url` is the one button,
    `leave_url` and `me_url` end it, `asked_on` is the day they signed up. URLs may be empty. `takes_answers`:
    an SMS can be answered with STOP. `shown_on`: the day that the page named when they signed up. `old_on` is the
    day told last, `new_on` the one promised now. `leave_one_url` ends this one alert."""

    seller: str
    title: str
    main_url: str
    leave_url: str
    me_url: str
    asked_on: date
    image_url: str = ""
    price_minor: int | None = None
    currency: str = "EUR"
    privacy_url: str = ""
    takes_answers: bool = True
    shown_on: date | None = None
    old_on: date | None = None
    new_on: date | None = None
    leave_one_url: str = ""
    code: Code | None = None
    similar: tuple[Similar, ...] = ()
    is_discontinued: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


# What differs in each message of a wave; the rest is written once for all of them. Random, so that nothing that
# somebody else wrote can hold it.
_PERSONAL = ("main_url", "leave_url", "leave_one_url", "me_url")
_PLACES = {name: f"https://{uuid4().hex}.invalid/" for name in _PERSONAL}


def render(kind: Kind, locale: str, facts: Facts) -> Rendered:
    """The message as mail in `locale`; the subject is one line whatever the product is called."""
    own = {name: url for name in _PERSONAL if (url := getattr(facts, name))}
    places: dict[str, Any] = {name: _PLACES[name] for name in own}
    written = _written(kind, locale, replace(facts, **places))
    text, page = written.text, written.html
    for name, url in own.items():
        text = text.replace(_PLACES[name], url)
        page = page.replace(_PLACES[name], html.escape(url))
    return Rendered(written.subject, text, page)


@lru_cache(maxsize=256)
def _written(kind: Kind, locale: str, facts: Facts) -> Rendered:
    env = environment(locale)
    context = {"facts": facts}
    subject = env.get_template(f"email/{kind}.subject.txt").render(context)
    page = env.get_template(f"email/{kind}.html").render(context)
    return Rendered(
        subject=" ".join(subject.split()),
        text=env.get_template(f"email/{kind}.txt").render(context).strip() + "\n",
        html=_inliner().inline(page),
    )


def render_text(kind: Kind, locale: str, facts: Facts) -> str:
    """The message as SMS: one paragraph with its link and the way out."""
    text = environment(locale).get_template(f"sms/{kind}.txt").render({"facts": facts})
    return " ".join(text.split())


def render_push(kind: Kind, locale: str, facts: Facts) -> tuple[str, str]:
    """Title and body of the message as notification."""
    text = environment(locale).get_template(f"push/{kind}.txt").render({"facts": facts})
    title, _, body = text.strip().partition("\n")
    return title.strip(), " ".join(body.split())


@cache
def _inliner() -> css_inline.CSSInliner:
    # Without keep_style_tags the @media rules (dark mode, phones) are dropped. Nothing is ever loaded.
    return css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)
