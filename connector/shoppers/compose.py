"""Writes a message from what the store says now: title, picture and price are read here, not when it was queued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from connector.ports.channels import OutgoingMessage, OutgoingPush, OutgoingText
from connector.shoppers import links
from connector.shoppers.alternatives import alternatives
from connector.shoppers.meanwhile import is_discontinued, promised_on
from connector.shoppers.render import Facts, Kind, Similar, render, render_push, render_text
from connector.shoppers.reports import report_url
from connector.shoppers.runtime import ShopperRuntime

_SHOWN = sa.text("""
select title, image_url, price_minor from listing
 where merchant_id = :m and connection_id = :c and variant_id = :v
 order by confirmed_available desc nulls last, id limit 1
""")

Outgoing = OutgoingMessage | OutgoingText | OutgoingPush


@dataclass(frozen=True, slots=True)
class Person:
    """Who a message goes to. `address`: a mailbox, a number in E.164 or a push endpoint with its `push_keys`;
    `status` is that of their subscription."""

    merchant_id: int
    subscription_id: int
    connection_id: int
    channel: str
    address: str
    locale: str
    asked_at: datetime
    push_keys: dict[str, Any]
    status: str = "waiting"


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sends it. `currency` is that of the store the person signed up at."""

    name: str
    reply_to: str
    privacy_url: str
    currency: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The item as its store shows it now; empty where the store has it no more."""

    title: str = ""
    image_url: str = ""
    price_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that may leave: to whom and what it says. `id` is its row, `message_id` its name in the world;
    `way_key` the public key of the connection that it goes by, "" for the installation's own."""

    id: int
    message_id: str
    kind: Kind
    variant_id: int
    created_at: datetime
    person: Person
    seller: Seller
    facts: Facts
    context: dict[str, Any]
    way_key: str
    wants_marketing: bool
    note: str


def shown_of(db: sa.Connection, merchant_id: int, connection_id: int, variant_id: int) -> Shown:
    """What the store of `connection_id` shows of an item."""
    row = db.execute(_SHOWN, {"m": merchant_id, "c": connection_id, "v": variant_id}).one_or_none()
    return Shown(*row) if row else Shown()


def facts_of(
    rt: ShopperRuntime,
    db: sa.Connection,
    seller: Seller,
    person: Person,
    kind: str,
    message_id: int,
    variant_id: int,
    context: dict[str, Any],
    listing: Shown,
) -> Facts:
    """What the message may say now."""

    def signed(purpose: links.Purpose, subject_id: int) -> str:
        return links.link(rt.keyring, rt.base_url, purpose, person.merchant_id, subject_id, person.locale)

    leave_url = signed("leave", person.subscription_id)
    more: dict[str, Any] = {}
    main_url = signed("confirm", person.subscription_id) if kind == "confirm" else signed("click", message_id)
    if kind == "still_waiting":
        main_url = signed("still", person.subscription_id)
    elif kind == "date_slipped":
        more["old_on"] = date.fromisoformat(context["old_on"])
        more["new_on"] = promised_on(db, person.merchant_id, variant_id)
    elif kind == "alternatives":
        found = alternatives(db, person.merchant_id, person.connection_id, variant_id, rt.now())
        more["similar"] = tuple(Similar(one.title, one.url, one.image_url, one.price_minor) for one in found)
        more["is_discontinued"] = is_discontinued(db, person.merchant_id, variant_id)
        main_url = found[0].url if found else main_url
    return Facts(
        seller=seller.name,
        title=listing.title,
        main_url=main_url,
        leave_url=leave_url,
        leave_one_url=f"{leave_url}&only=1",
        me_url=signed("me", person.subscription_id),
        asked_on=person.asked_at.date(),
        image_url=listing.image_url,
        price_minor=listing.price_minor,
        currency=seller.currency,
        privacy_url=seller.privacy_url,
        **more,
    )


def promised(facts: Facts) -> dict[str, Any]:
    """What the message promises, for its row's context: JSON, and never an address."""
    said: dict[str, Any] = {}
    if facts.new_on is not None:
        said["new_on"] = facts.new_on.isoformat()
    if facts.code is not None:
        said["code"] = facts.code.text
    return said


def compose(rt: ShopperRuntime, letter: Letter) -> Outgoing:
    """The finished message for the medium of its reader."""
    person, facts = letter.person, letter.facts
    if person.channel == "sms":
        asks_back = report_url(rt.base_url, letter.way_key, letter.message_id) if letter.way_key else ""
        text = render_text(letter.kind, person.locale, facts)
        return OutgoingText(letter.message_id, person.address, text, report_url=asks_back)
    if person.channel == "push":
        title, body = render_push(letter.kind, person.locale, facts)
        return OutgoingPush(
            message_id=letter.message_id,
            endpoint=person.address,
            p256dh=str(person.push_keys.get("p256dh", "")),
            auth=str(person.push_keys.get("auth", "")),
            title=title,
            body=body,
            url=facts.main_url,
            icon=facts.image_url,
            urgency="high" if letter.kind == "back_in_stock" else "normal",
            language=person.locale,
        )
    rendered = render(letter.kind, person.locale, facts)
    return OutgoingMessage(
        message_id=letter.message_id,
        to=person.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        from_name=facts.seller,
        reply_to=letter.seller.reply_to,
        unsubscribe_url=facts.leave_url,
        language=person.locale,
    )


def subject_of(outgoing: Outgoing) -> str:
    """What the merchant's list of messages shows of it: never an address."""
    if isinstance(outgoing, OutgoingMessage):
        return outgoing.subject
    return outgoing.title if isinstance(outgoing, OutgoingPush) else outgoing.text.split(" http", 1)[0][:120]
