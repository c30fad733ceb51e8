"""A store's own fields about availability: written where chosen, given back, never over the merchant's own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.stores.bigcommerce.notes import BigCommerceNotes
from connector.accounts.connections import add_connection, connection
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.delivery.note_rules import Note
from connector.delivery.notes import (
    Mode,
    NotesState,
    Tally,
    choose,
    converge_notes,
    give_back,
    notes_state,
    words_of,
)
from connector.ports.errors import OutcomeUnknown
from connector.ports.notes import NoteChange
from connector.settings import Settings
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.model import VARIANT_OFFSET
from simulator.shop import Product, Shop
from tests.builders import World
from tests.support import ManualClock

TOKEN, SECRET = "access-token-of-the-store", "client-secret-of-the-account"
DAY = date(2026, 12, 12)
PUT = "PUT v3/catalog/products"


@dataclass
class Scene:
    """A BigCommerce store with three vases under management; A-1 says "Ships in 24 hours" of itself."""

    rt: Runtime
    server: BigCommerceServer
    world: World
    store_id: int

    @property
    def merchant_id(self) -> int:
        return self.world.merchant_id

    def product(self, sku: str) -> Product:
        return self.server.shop.products[self.server.shop.by_sku(sku)[0].product_id]

    def says(self, sku: str) -> tuple[str, str, str | None]:
        """What the store's fields hold: the text, the availability, the release day."""
        kept = self.product(sku).platform
        return (
            kept.get("availability_description", ""),
            kept.get("availability", "available"),
            kept.get("preorder_release_date"),
        )

    def by_hand(self, sku: str, **fields: Any) -> None:
        """The merchant changes the fields in the control panel."""
        self.product(sku).platform.update(fields)

    def decided(self, sku: str, state: str, on: date | None = None, until: date | None = None) -> None:
        """Dispo decided what may be said of an item."""
        with self.rt.engine.begin() as db:
            db.execute(
                sa.text("""
                    update listing set wanted_state = :s, wanted_restock_on = :on, wanted_restock_until = :until
                     where connection_id = :c and sku = :sku
                """),
                {"s": state, "on": on, "until": until or on, "c": self.store_id, "sku": sku},
            )

    def set(self, what: str) -> None:
        with self.rt.engine.begin() as db:
            db.execute(sa.text(f"update connection set {what} where id = :c"), {"c": self.store_id})

    def choose(self, mode: Mode) -> None:
        with transaction(self.rt.engine) as db:
            assert choose(db, self.merchant_id, self.store_id, mode, actor="x", now=self.rt.now())

    def look(self) -> Tally:
        return converge_notes(self.rt, self.merchant_id, self.store_id)

    def state(self) -> NotesState | None:
        with self.rt.engine.connect() as db:
            return notes_state(db, connection(db, self.merchant_id, self.store_id))

    def schedules(self) -> int:
        with self.rt.engine.connect() as db:
            found = sa.text("select count(*) from schedule where kind = 'store.notes'")
            return int(db.execute(found).scalar_one())


@pytest.fixture
def scene(settings: Settings, engine: sa.Engine, clock: ManualClock) -> Iterator[Scene]:
    shop = Shop("Vase & Co", currency="EUR", clock=clock)
    for number in (1, 2, 3):
        shop.add_product(f"Vase {number}", [{"sku": f"A-{number}", "price_minor": 1000, "stock": 0}])
    with BigCommerceServer(shop, client_secret=SECRET, access_token=TOKEN) as server:
        rt = Runtime(replace(settings, allowed_private_hosts=frozenset({"127.0.0.1"})), clock=clock)
        rt.__dict__["engine"] = engine
        world = World(engine, now=clock())
        with transaction(engine) as db:
            store_id = add_connection(
                db, rt.keyring, world.merchant_id, kind="store", adapter="bigcommerce", name="Vase & Co",
                config={"store_hash": server.store_hash, "base_url": server.url},
                secrets={"access_token": TOKEN, "api_secret": SECRET}, now=clock(),
            )  # fmt: skip
        made = Scene(rt, server, world, store_id)
        made.set("writing_approved_at = now()")
        for sku in ("A-1", "A-2", "A-3"):
            item = shop.by_sku(sku)[0]
            world.listing(
                store_id, world.variant(sku), 0, sku=sku, product_id=str(item.product_id),
                external_id=str(item.id + VARIANT_OFFSET), stock_id=f"product:{item.product_id}",
            )  # fmt: skip
            made.decided(sku, "in_stock")
        made.by_hand("A-1", availability_description="Ships in 24 hours")
        yield made


def test_a_field_says_the_restock_date_while_the_product_is_out_and_then_what_it_said_before(
    scene: Scene,
) -> None:
    scene.choose("text")
    assert scene.look() == Tally()
    scene.decided("A-1", "restocking", DAY)
    assert scene.look() == Tally(written=1)
    assert scene.says("A-1") == ("Back on 12 December", "available", None)
    scene.decided("A-1", "restocking", date(2026, 12, 20))
    assert scene.look() == Tally(written=1)
    assert scene.says("A-1") == ("Back on 20 December", "available", None)
    scene.decided("A-1", "in_stock")
    assert scene.look() == Tally(given_back=1)
    assert scene.says("A-1") == ("Ships in 24 hours", "available", None)
    assert scene.state() == NotesState("text", ours=0, theirs=0, refused=0)


def test_nothing_is_written_before_the_merchant_chooses_or_where_it_says_so_already(scene: Scene) -> None:
    scene.decided("A-1", "out_of_stock")
    assert scene.look() == Tally()
    scene.choose("text")
    scene.by_hand("A-1", availability_description="Out of stock")
    assert (scene.look(), scene.server.calls[PUT]) == (Tally(), 0)


@pytest.mark.parametrize(
    "what", ["writing_approved_at = null", "is_writing_stopped = true", "status = 'paused'"]
)
def test_a_store_that_may_not_be_written_is_not(scene: Scene, what: str) -> None:
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    scene.set(what)
    assert (scene.look(), scene.server.calls[PUT]) == (Tally(), 0)


def test_what_stays_right_costs_no_call(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-1", "restocking", DAY)
    scene.look()
    scene.server.calls.clear()
    assert (scene.look(), sum(scene.server.calls.values())) == (Tally(), 0)


def test_words_changed_by_hand_are_the_merchants_from_then_on(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-1", "restocking", DAY)
    scene.look()
    scene.by_hand("A-1", availability_description="Ask us!")
    scene.decided("A-1", "restocking", date(2026, 12, 20))
    assert scene.look() == Tally(theirs=1)
    for state in ("in_stock", "out_of_stock", "in_stock"):
        scene.decided("A-1", state)
        scene.look()
        assert scene.says("A-1") == ("Ask us!", "available", None)
    assert scene.state() == NotesState("text", ours=0, theirs=1, refused=0)
    # Who chooses anew gives the field to us again.
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    assert scene.look() == Tally(written=1)
    scene.decided("A-1", "in_stock")
    scene.look()
    assert scene.says("A-1") == ("Ask us!", "available", None)


def test_words_changed_by_hand_are_not_put_back_over(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    scene.look()
    scene.by_hand("A-1", availability_description="Ask us!")
    scene.decided("A-1", "in_stock")
    assert scene.look() == Tally(theirs=1)
    assert scene.says("A-1")[0] == "Ask us!"


def test_what_is_sold_ahead_is_a_pre_order_with_its_day_where_that_is_chosen(scene: Scene) -> None:
    scene.choose("preorder")
    scene.decided("A-2", "backorder", DAY)
    assert scene.look() == Tally(written=2)
    assert scene.says("A-2") == (
        "Available to order, delivered later",
        "preorder",
        "2026-12-12T00:00:00+00:00",
    )
    # The text is changed by hand; the pre-order is ours still, and ends.
    scene.by_hand("A-2", availability_description="Ask us!")
    scene.decided("A-2", "in_stock")
    assert scene.look() == Tally(given_back=1, theirs=1)
    assert scene.says("A-2") == ("Ask us!", "available", None)


def test_without_that_choice_nothing_becomes_a_pre_order(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-2", "backorder", DAY)
    assert scene.look() == Tally(written=1)
    assert scene.says("A-2")[1:] == ("available", None)


def test_a_product_that_the_merchant_sells_to_nobody_stays_so(scene: Scene) -> None:
    scene.choose("preorder")
    scene.by_hand("A-2", availability="disabled")
    scene.decided("A-2", "preorder", DAY)
    assert scene.look() == Tally(written=1)
    assert scene.says("A-2") == ("Pre-order", "disabled", None)


def test_an_answer_that_was_lost_is_read_back(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    scene.server.dials.fail_next = ["none", "cut_after_success"]
    with pytest.raises(OutcomeUnknown):
        scene.look()
    assert scene.says("A-1")[0] == "Out of stock"
    assert scene.look() == Tally()
    scene.decided("A-1", "in_stock")
    assert scene.look() == Tally(given_back=1)
    assert scene.says("A-1")[0] == "Ships in 24 hours"


def test_a_call_that_never_arrived_is_made_again(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    scene.server.dials.fail_next = ["none", "cut_before"]
    with pytest.raises(OutcomeUnknown):
        scene.look()
    assert scene.says("A-1")[0] == "Ships in 24 hours"
    assert scene.look() == Tally(written=1)
    assert scene.says("A-1")[0] == "Out of stock"


def test_one_product_that_is_gone_fails_no_other(scene: Scene) -> None:
    scene.choose("text")
    for sku in ("A-1", "A-2", "A-3"):
        scene.decided(sku, "out_of_stock")
    gone = scene.product("A-2")
    del scene.server.shop.products[gone.id]
    assert scene.look() == Tally(written=2)


def test_who_freezes_everything_does_not_wait_for_the_end_of_a_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.delivery.notes.READ", 1)
    scene.choose("text")
    for sku in ("A-1", "A-2"):
        scene.decided(sku, "out_of_stock")
    really = BigCommerceNotes.set_notes

    def frozen_meanwhile(notes: BigCommerceNotes, changes: Sequence[NoteChange]) -> Any:
        scene.world.execute("update merchant set is_frozen = true where id = :m")
        return really(notes, changes)

    monkeypatch.setattr(BigCommerceNotes, "set_notes", frozen_meanwhile)
    assert scene.look() == Tally(written=1)


def test_what_an_answer_leaves_out_keeps_the_merchants_words_until_the_product_is_gone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    scene.look()
    scene.decided("A-1", "backorder", DAY)
    with monkeypatch.context() as patch:
        patch.setattr(BigCommerceNotes, "read_notes", lambda *_: {})
        assert scene.look() == Tally()
    scene.choose("off")
    assert scene.look() == Tally(given_back=1)
    assert scene.says("A-1")[0] == "Ships in 24 hours"


def test_switched_off_everything_is_given_back_and_the_looking_ends(scene: Scene) -> None:
    scene.choose("preorder")
    scene.decided("A-1", "backorder", DAY)
    scene.look()
    assert scene.schedules() == 1
    scene.choose("off")
    assert scene.look() == Tally(given_back=2)
    assert (scene.says("A-1"), scene.schedules()) == (("Ships in 24 hours", "available", None), 0)


def test_before_a_store_is_left_its_words_are_given_back(scene: Scene) -> None:
    scene.choose("text")
    scene.decided("A-1", "out_of_stock")
    scene.look()
    assert give_back(scene.rt, scene.merchant_id, scene.store_id) == Tally(given_back=1)
    assert scene.says("A-1")[0] == "Ships in 24 hours"


def test_a_platform_without_such_fields_is_not_asked(scene: Scene) -> None:
    other = scene.world.store(adapter="woocommerce", config={"url": "https://shop.test"})
    with transaction(scene.rt.engine) as db:
        assert not choose(db, scene.merchant_id, other, "text", actor="x", now=scene.rt.now())
        assert notes_state(db, connection(db, scene.merchant_id, other)) is None
    assert give_back(scene.rt, scene.merchant_id, other) == Tally()


@pytest.mark.parametrize(
    ("note", "locale", "expected"),
    [
        (Note("restocking", DAY, DAY), "en", "Back on 12 December"),
        (Note("restocking", DAY, date(2026, 12, 16)), "en", "Back between 12 December and 16 December"),
        (Note("restocking", DAY, DAY), "fr", "De retour le 12 décembre"),
        (Note("restocking"), "en", "Back soon"),
        (Note("discontinued"), "fr", "N’est plus vendu"),
    ],
)  # fmt: skip
def test_a_note_is_said_in_the_merchants_language(note: Note, locale: str, expected: str) -> None:
    assert words_of(note, locale) == expected
