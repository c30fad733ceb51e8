"""Every message as its reader would see it, with a product of the merchant; and a test of one, to oneself.

Nothing here is written to the tables of messages: a preview is nobody's, and a test goes to whoever asked for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa
from jinja2 import TemplateNotFound

from connector.accounts.audit import record
from connector.db import transaction
from connector.i18n import gettext
from connector.ports.channels import OutgoingMessage
from connector.ports.texts import Segments, segments
from connector.shoppers import links
from connector.shoppers.media import ways
from connector.shoppers.policy import ShopperPolicy, policy_of
from connector.shoppers.render import Code, Facts, Kind, Rendered, Similar, render, render_push, render_text
from connector.shoppers.runtime import ShopperRuntime

TESTS_PER_HOUR = 10
PAGE = "/shoppers/messages/preview"
_DARK = re.compile(r"@media\s*\(prefers-color-scheme:\s*dark\)")
_HREF = re.compile(r'href="[^"]*"')

_PRODUCTS = sa.text("""
    select l.title, l.image_url, l.price_minor, l.url, coalesce(c.config->>'currency', m.currency) as currency
      from listing l
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id and c.status <> 'ended'
      join merchant m on m.id = l.merchant_id
      left join lateral (
           select count(*) as people from subscription s
            where s.merchant_id = l.merchant_id and s.variant_id = l.variant_id and s.status = 'waiting'
      ) w on true
     where l.merchant_id = :m and l.title <> '' and not l.is_gone
       and (l.variant_id = any(array(
               select variant_id from subscription where merchant_id = :m and status = 'waiting'
                group by variant_id order by count(*) desc limit 1))
            or l.id = any(array(
               select id from listing where merchant_id = :m and title <> '' and not is_gone
                order by (image_url <> '') desc, id limit 4)))
     order by w.people desc, (l.image_url <> '') desc, l.id limit 4
""")


class TooManyTests(ValueError):
    """So many tests were sent in the last hour; more wait."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One message by every medium; `text_sms` and `push` are None where this kind is not sent that way."""

    mail: Rendered
    text_sms: str | None
    parts: Segments | None
    push: tuple[str, str] | None
    is_example: bool


def example(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, kind: str, locale: str, *, links_to: str = ""
) -> tuple[Facts, bool]:
    """The facts of a preview, and whether the product is made up: the merchant's most wanted one, else any of theirs,
    else an example. The links have the length of real ones and lead nowhere, or all to `links_to`."""
    merchant = db.execute(sa.text("select * from merchant where id = :m"), {"m": merchant_id}).one()
    products = list(db.execute(_PRODUCTS, {"m": merchant_id}))
    first = products[0] if products else None
    policy = policy_of(db, merchant_id)
    today = rt.now().date()

    def link(purpose: links.Purpose) -> str:
        # Number 0 is nobody's.
        return links_to or links.link(rt.keyring, rt.base_url, purpose, merchant_id, 0, locale)

    said: dict[str, Any] = {
        "seller": merchant.sender_name or merchant.name,
        "title": first.title if first else gettext(locale)("Blue mug, 350 ml"),
        "main_url": link("confirm" if kind == "confirm" else "click"),
        "leave_url": link("leave"),
        "leave_one_url": link("leave"),
        "me_url": link("me"),
        "asked_on": today - timedelta(days=21),
        "image_url": first.image_url if first else "",
        "price_minor": first.price_minor if first else 1990,
        "currency": first.currency if first else merchant.currency,
        "privacy_url": merchant.privacy_url,
    }
    if kind == "confirm":
        said["shown_on"] = today + timedelta(days=14)
    if kind == "date_slipped":
        said |= {"old_on": today + timedelta(days=3), "new_on": today + timedelta(days=12)}
    if kind == "alternatives":
        said["similar"] = tuple(
            Similar(one.title, links_to or "#", one.image_url, one.price_minor) for one in products[1:]
        ) or (Similar(gettext(locale)("Green mug, 350 ml"), links_to or "#", "", 1990),)
    known = {one.name for one in fields(Facts)}
    if kind == "back_in_stock" and "code" in known:
        said["code"] = _code(policy, said["currency"], rt)
    return Facts(**{name: value for name, value in said.items() if name in known}), first is None


def _code(policy: ShopperPolicy, currency: str, rt: ShopperRuntime) -> Code | None:
    if policy.code_percent is None and policy.code_minor is None:
        return None
    today = rt.now().date()
    return Code(
        text="SORRY-EXAMPLE",
        expires_on=today + timedelta(days=policy.code_days),
        shown_on=today - timedelta(days=5),
        percent=policy.code_percent,
        amount_minor=policy.code_minor,
        currency=currency,
    )


def preview(rt: ShopperRuntime, db: sa.Connection, merchant_id: int, kind: Kind, locale: str) -> Preview:
    """One message as it would leave now."""
    facts, is_example = example(rt, db, merchant_id, kind, locale)
    sms = _if_there(lambda: render_text(kind, locale, facts))
    return Preview(
        mail=render(kind, locale, facts),
        text_sms=sms,
        parts=segments(sms) if sms is not None else None,
        push=_if_there(lambda: render_push(kind, locale, facts)),
        is_example=is_example,
    )


def _if_there(make: Any) -> Any:
    """A kind that has no template for a medium is not sent by it."""
    try:
        return make()
    except TemplateNotFound:
        return None


def as_shown(html: str, *, is_dark: bool) -> str:
    """The mail as a reader with dark or light colours sees it, whatever the browser of this page has chosen; its
    links lead nowhere."""
    return _HREF.sub('href="#"', _DARK.sub("@media all" if is_dark else "@media not all", html))


def send_test(rt: ShopperRuntime, merchant_id: int, kind: Kind, locale: str, *, to: str, actor: str) -> None:
    """Send one message to `to`, the address of whoever is signed in, by the way messages leave now. It is marked as a
    test and counts for nothing.

    Raises TooManyTests, and what `Channel.send` raises.
    """
    now = rt.now()
    with transaction(rt.engine) as db:
        db.execute(
            sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("message.test", merchant_id)))
        )
        sent = db.scalar(
            sa.text("""
                select count(*) from audit_event
                 where merchant_id = :m and actor = :a and action = 'message.test' and at > :since
            """),
            {"m": merchant_id, "a": actor, "since": now - timedelta(hours=1)},
        )
        if (sent or 0) >= TESTS_PER_HOUR:
            raise TooManyTests(f"{TESTS_PER_HOUR} tests were sent within an hour. Try again later.")
        # Before it is sent: what may have left is counted.
        record(db, merchant_id, now, actor, "message.test", kind, {"language": locale})
        facts, _ = example(rt, db, merchant_id, kind, locale, links_to=f"{rt.base_url}{PAGE}")
        reply_to = db.scalar(sa.text("select reply_to from merchant where id = :m"), {"m": merchant_id})
        own = ways(db, merchant_id, "email")
    rendered = render(kind, locale, facts)
    host = urlsplit(rt.base_url).hostname or "localhost"
    rt.channel(merchant_id, own[0] if own else 0).send(
        OutgoingMessage(
            message_id=f"{uuid4().hex}@{host}",
            to=to,
            subject=f"[Test] {rendered.subject}",
            text=rendered.text,
            html=rendered.html,
            from_name=facts.seller,
            reply_to=reply_to or "",
            language=locale,
        )
    )
