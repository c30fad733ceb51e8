"""Turns the facts of a message into its subject, text and HTML, in one language, from one context."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

import css_inline

from connector.i18n import environment

Kind = Literal["confirm", "back_in_stock"]
KINDS: tuple[Kind, ...] = ("confirm", "back_in_stock")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message may say. `seller` sends it, `title` is the product with its variant,
    `price_minor` is in minor units of `currency` (None: not said), `main_url` is the one button,
    `leave_url` and `me_url` end it, `asked_on` is the day they signed up. URLs may be empty."""

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


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


def render(kind: Kind, locale: str, facts: Facts) -> Rendered:
    """The message in `locale`; the subject is one line whatever the product is called."""
    env = environment(locale)
    context = {"facts": facts}
    subject = env.get_template(f"email/{kind}.subject.txt").render(context)
    html = env.get_template(f"email/{kind}.html").render(context)
    return Rendered(
        subject=" ".join(subject.split()),
        text=env.get_template(f"email/{kind}.txt").render(context).strip() + "\n",
        html=_inliner().inline(html),
    )


@cache
def _inliner() -> css_inline.CSSInliner:
    # Without keep_style_tags the @media rules (dark mode, phones) are dropped. Nothing is ever loaded.
    return css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)
