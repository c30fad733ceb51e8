"""A shop with one mug, a clock, and a channel that remembers what it was handed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.tables import Connection, Merchant
from connector.catalog.tables import Listing, Variant
from connector.crypto import Keyring
from connector.outbox import messages as outbox
from connector.outbox.work import Topic, serve_turn
from connector.ports.channels import Accepted, OutgoingMessage
from connector.positions.tables import Position
from connector.positions.topics import SHOPPERS
from connector.shoppers import compensation, episodes, media, sending
from connector.shoppers.subscribe import Answer, confirm, find_place, subscribe
from tests.support import ManualClock

KEY = "pk-shop-one"
FERNET = "c3VwZXItc2VjcmV0LWtleS1mb3ItdGVzdHMtMTIzNDU="


TOPICS = {
    SHOPPERS: Topic(SHOPPERS, episodes.work_positions),
    compensation.CODES: Topic(compensation.CODES, compensation.work_codes),
    media.EMAIL: Topic(media.EMAIL, sending.work_messages),
    media.SMS: Topic(media.SMS, sending.work_messages),
    media.PUSH: Topic(media.PUSH, sending.work_messages),
}


@dataclass
class RecordingChannel:
    """Accepts everything, unless `faults` holds an error to raise for the next message."""

    sent: list[OutgoingMessage] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    before_send: Callable[[OutgoingMessage], None] = lambda message: None

    def check(self) -> str:
        return "ready"

    def send(self, message: OutgoingMessage) -> Accepted:
        self.before_send(message)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)
        return Accepted("1")


@dataclass
class World:
    """The runtime of these tests, and the verbs they are told in."""

    engine: sa.Engine
    clock: ManualClock
    base_url: str = "https://dispo.test"
    keyring: Keyring = field(default_factory=lambda: Keyring([FERNET]))
    mail: RecordingChannel = field(default_factory=RecordingChannel)
    merchant_id: int = 1
    connection_id: int = 1
    variant_id: int = 1
    codes: Any = None

    def now(self) -> datetime:
        return self.clock.now()

    def channel(self, merchant_id: int, connection_id: int) -> RecordingChannel:
        return self.mail

    def coupons(self, merchant_id: int, connection_id: int) -> Any:
        return self.codes

    def seed(self, *, claim_rate: str = "0.2", available: int = 0, confirmed: int | None = None) -> World:
        """One merchant "Kiln & Co", one store, one managed variant "Blue mug" (external id "501")."""
        with self.engine.begin() as db:
            self.merchant_id = _add(
                db, Merchant, name="Kiln & Co", created_at=self.now(), claim_rate=claim_rate, currency="EUR"
            )
            self.connection_id = _add(
                db,
                Connection,
                merchant_id=self.merchant_id,
                kind="store",
                adapter="woocommerce",
                name="Shop",
                config={},
                public_key=f"{KEY}" if self.merchant_id == 1 else f"{KEY}-{self.merchant_id}",
                created_at=self.now(),
            )
            self.variant_id = self._add_variant(db, "501", "Blue mug", available, confirmed)
        return self

    def add_variant(self, external_id: str, title: str, available: int = 0) -> int:
        with self.engine.begin() as db:
            return self._add_variant(db, external_id, title, available, None)

    def _add_variant(
        self, db: sa.Connection, external_id: str, title: str, available: int, confirmed: int | None
    ) -> int:
        variant_id = _add(
            db, Variant, merchant_id=self.merchant_id, sku=external_id, sku_key=external_id, title=title
        )
        _add(
            db,
            Listing,
            merchant_id=self.merchant_id,
            connection_id=self.connection_id,
            variant_id=variant_id,
            external_id=external_id,
            product_id=external_id,
            stock_id=external_id,
            title=title,
            url=f"https://shop.test/product/{external_id}/",
            image_url="https://shop.test/mug.png",
            price_minor=1999,
            is_managed=True,
            confirmed_available=available if confirmed is None else confirmed,
            seen_at=self.now(),
        )
        db.execute(
            sa.insert(Position.__table__).values(
                merchant_id=self.merchant_id,
                variant_id=variant_id,
                available=available,
                state="in_stock" if available else "out_of_stock",
                decided_at=self.now(),
                why={},
            )
        )
        return variant_id

    def set_stock(
        self,
        available: int,
        *,
        confirmed: int | None = None,
        state: str = "",
        variant_id: int = 0,
        **facts: Any,
    ) -> None:
        """The position becomes `available` (and the store shows `confirmed`, or the same), and deciding
        raises its topic."""
        variant_id = variant_id or self.variant_id
        with self.engine.begin() as db:
            db.execute(
                sa.update(Position.__table__)
                .where(Position.variant_id == variant_id)
                .values(
                    available=available,
                    state=state or ("in_stock" if available else "out_of_stock"),
                    decided_at=self.now(),
                    **facts,
                )
            )
            db.execute(
                sa.update(Listing.__table__)
                .where(Listing.variant_id == variant_id)
                .values(confirmed_available=available if confirmed is None else confirmed)
            )
            outbox.enqueue(db, self.merchant_id, [outbox.Intent(SHOPPERS, str(variant_id))])

    def sign_up(self, address: str, *, external_id: str = "501", **options: Any) -> Answer:
        with self.engine.connect() as db:
            place = find_place(db, KEY, external_id)
        given = {"locale": "en", "consent_text": "Kiln & Co may e-mail me once.", "consent_version": "v1"}
        return subscribe(self, place, address=address, **{**given, **options})

    def waiting(self, *addresses: str, **options: Any) -> list[int]:
        """People who signed up and confirmed, in this order; their subscriptions."""
        ids = []
        for address in addresses:
            assert self.sign_up(address, **options) == "check_mail"
            ids.append(self.row("select max(id) as id from subscription").id)
            assert confirm(self, self.merchant_id, ids[-1])
        self.run()
        self.mail.sent.clear()
        return ids

    def run(self, *, rounds: int = 50) -> None:
        """Work everything that is due, as the workers do."""
        for _ in range(rounds):
            with self.engine.connect() as db:
                turns = outbox.due_turns(db, list(TOPICS), 10)
            if not turns:
                return
            for turn in turns:
                serve_turn(self, turn, TOPICS)

    def make_due(self) -> None:
        """The database's clock is real: let what is delayed be due now, as if the time had passed."""
        with self.engine.begin() as db:
            db.execute(sa.text("update outbox_message set due_at = now() where status = 'pending'"))
            db.execute(sa.text("update outbox_turn set next_try_at = now()"))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.connect() as db:
            return list(db.execute(sa.text(statement), values))

    def row(self, statement: str, **values: Any) -> Any:
        (row,) = self.rows(statement, **values)
        return row

    def statuses(self) -> list[str]:
        """The status of every subscription, in the order of signing up."""
        return [row.status for row in self.rows("select status from subscription order by id")]

    def message_statuses(self, kind: str = "back_in_stock") -> list[str]:
        return [
            row.status for row in self.rows("select status from message where kind = :k order by id", k=kind)
        ]

    def told(self) -> list[str]:
        """Who was handed to the provider, in order."""
        return [message.to for message in self.mail.sent]

    def token(self, message: OutgoingMessage, path: str) -> str:
        """The token of the link below `path` in a message's text."""
        found = re.search(rf"{re.escape(self.base_url)}/{path}/([^?\s]+)", message.text)
        assert found is not None, message.text
        return found.group(1)


def _add(db: sa.Connection, table: Any, **values: Any) -> int:
    return int(
        db.execute(sa.insert(table.__table__).values(**values).returning(table.__table__.c.id)).scalar_one()
    )
