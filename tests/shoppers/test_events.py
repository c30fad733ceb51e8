"""What the merchant's own marketing system is told: about whom, when, and what its errors mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from connector.accounts.tables import Connection
from connector.outbox.messages import Again, Done, Failed, Unknown
from connector.outbox.work import Topic
from connector.ports.channels import Accepted, OutgoingEvent
from connector.ports.errors import (
    Gone,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.shoppers import addresses, media
from connector.shoppers.events import LATEST, _tell, event_of, work_events
from tests.shoppers import world as worlds
from tests.shoppers.world import World, _add


@dataclass
class Events:
    told: list[OutgoingEvent] = field(default_factory=list)
    faults: list[PortError] = field(default_factory=list)

    def send(self, event: OutgoingEvent) -> Accepted:
        if self.faults:
            raise self.faults.pop(0)
        self.told.append(event)
        return Accepted("")


@pytest.fixture
def agreed(world: World) -> World:
    """Ann agreed to marketing, waited for the mug and was told of it."""
    world.waiting("ann@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text("update subscription set wants_marketing = true"))
    world.set_stock(9)
    world.run()
    assert world.message_statuses() == ["sent"]
    return world


def event(world: World) -> Any:
    return event_of(world, world.merchant_id, message_id(world))


def message_id(world: World) -> int:
    return int(world.row("select id from message where kind = 'back_in_stock'").id)


def test_the_event_says_who_and_what(agreed: World) -> None:
    found = event(agreed)
    ours = agreed.row("select message_id, settled_at from message where kind = 'back_in_stock'")
    assert found == OutgoingEvent(
        unique_id=str(UUID(ours.message_id.partition("@")[0])),
        name="Back in Stock",
        at=ours.settled_at,
        email="ann@example.com",
        properties={
            "ProductName": "Blue mug",
            "ProductURL": "https://shop.test/product/501/",
            "ImageURL": "https://shop.test/mug.png",
            "ProductID": "501",
            "VariantID": "501",
            "SKU": "501",
            "Store": "Shop",
            "Brand": "Kiln & Co",
            "Language": "en",
            "UnitsWanted": 1,
            "Price": 19.99,
            "Currency": "EUR",
        },
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("update subscription set wants_marketing = false", "The shopper did not agree to marketing."),
        ("update subscription set status = 'ended'", "The shopper left."),
        ("update subscription set address = '', address_key = ''", "The shopper left."),
        (
            "update subscription set channel = 'push'; update message set channel = 'push'",
            "A browser is nobody whom another system could write to.",
        ),
        ("update message set status = 'failed'", "There is nothing to tell."),
        (
            "update message set kind = 'date_slipped' where kind = 'back_in_stock'",
            "There is nothing to tell.",
        ),
    ],
)
def test_nobody_is_told_of_somebody_who_did_not_agree_or_left(agreed: World, change: str, why: str) -> None:
    which = message_id(agreed)
    with agreed.engine.begin() as db:
        for statement in change.split("; "):
            db.execute(sa.text(statement))
    assert event_of(agreed, agreed.merchant_id, which) == why


def test_nobody_is_told_of_a_suppressed_address(agreed: World) -> None:
    with agreed.engine.begin() as db:
        addresses.suppress(
            db, agreed.keyring, agreed.merchant_id, "ann@example.com", "complaint", agreed.now()
        )
    assert event(agreed) == "This address must not be written to."


def test_another_merchant_s_message_is_not_told(agreed: World) -> None:
    assert event_of(agreed, agreed.merchant_id + 1, message_id(agreed)) == "There is nothing to tell."


def test_an_event_that_waited_for_a_day_is_not_told(agreed: World) -> None:
    agreed.clock.advance(seconds=LATEST.total_seconds() + 60)
    assert event(agreed) == "It is too late for this event."


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (None, Done()),
        (RateLimited("x", "event", "Wait.", retry_after_s=30), Again(30, "Wait.")),
        (Rejected("x", "event", "Refused."), Failed("Refused.")),
        (Gone("x", "event", "Gone.", why="unknown"), Failed("Gone.")),
        (OutcomeUnknown("x", "event", "Cut."), Unknown("Cut. It may have arrived and is not repeated.")),
    ],
)
def test_an_error_says_what_becomes_of_the_event(fault: PortError | None, outcome: object) -> None:
    channel = Events(faults=[fault] if fault else [])
    assert outcome == _tell(channel, OutgoingEvent("u", "n", None), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fault", [Retryable("x", "event", "Down."), OutcomeUnknown("x", "event", "Cut.", is_repeatable=True)]
)
def test_what_may_be_repeated_is(fault: PortError) -> None:
    assert isinstance(_tell(Events(faults=[fault]), OutgoingEvent("u", "n", None), 1), Again)  # type: ignore[arg-type]


def test_a_refused_key_concerns_the_connection() -> None:
    with pytest.raises(Unauthorized):
        _tell(Events(faults=[Unauthorized("x", "key", "Refused.")]), OutgoingEvent("u", "n", None), 1)  # type: ignore[arg-type]


def test_whoever_agreed_is_told_of_once_through_the_outbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(worlds.TOPICS, media.EVENT, Topic(media.EVENT, work_events))
    with world.engine.begin() as db:
        way = _add(
            db,
            Connection,
            merchant_id=world.merchant_id,
            kind="channel",
            adapter="klaviyo",
            name="Klaviyo",
            config={},
            public_key="pk-events",
            created_at=world.now(),
        )
    events, mail = Events(), world.mail
    world.channel = lambda merchant_id, connection_id: events if connection_id == way else mail  # type: ignore[method-assign,assignment,return-value]
    world.waiting("ann@example.com", "bob@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text("update subscription set wants_marketing = true where address like 'ann%'"))
    world.set_stock(40)
    world.run()
    assert sorted(world.told()) == ["ann@example.com", "bob@example.com"]
    assert [one.email for one in events.told] == ["ann@example.com"]
