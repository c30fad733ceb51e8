"""BigCommerce's own fields about availability: read, written in tens, refused one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from adapters.stores.bigcommerce import client_of
from adapters.stores.bigcommerce.notes import BigCommerceNotes, notes_of
from connector.ports.errors import OutcomeUnknown, RateLimited
from connector.ports.notes import NoteChange, NoteResult
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from tests.adapters.bigcommerce_support import ENVIRONMENT, SECRET, TOKEN, Ticker, corner_shop, serve
from tests.support import ManualClock

PUT = "PUT v3/catalog/products"


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return corner_shop(clock, mugs=12)


@pytest.fixture
def server(shop: Shop, clock: ManualClock) -> Iterator[BigCommerceServer]:
    with serve(shop, Ticker(clock)) as server:
        yield server


@pytest.fixture
def notes(server: BigCommerceServer) -> BigCommerceNotes:
    config = {"store_hash": server.store_hash, "base_url": server.url}
    return BigCommerceNotes(client_of(config, {"access_token": TOKEN, "api_secret": SECRET}, ENVIRONMENT))


def mugs(shop: Shop, count: int) -> list[str]:
    return [str(shop.by_sku(f"MUG-{n}")[0].product_id) for n in range(1, count + 1)]


def test_what_is_written_is_read_back_and_other_fields_are_left_alone(
    server: BigCommerceServer, notes: BigCommerceNotes, shop: Shop
) -> None:
    one, two = mugs(shop, 2)
    assert notes.read_notes([one, "999999"]) == {one: {"text": "", "preorder": "available"}}
    changes = [
        NoteChange(one, {"text": "Back soon", "preorder": "preorder 2026-12-12"}),
        NoteChange(two, {"text": "Out of stock"}),
    ]
    assert notes.set_notes(changes) == [NoteResult(one, "done"), NoteResult(two, "done")]
    assert notes.read_notes([one, two]) == {
        one: {"text": "Back soon", "preorder": "preorder 2026-12-12"},
        two: {"text": "Out of stock", "preorder": "available"},
    }
    assert notes.set_notes([NoteChange(one, {"preorder": "available"})]) == [NoteResult(one, "done")]
    assert notes.read_notes([one]) == {one: {"text": "Back soon", "preorder": "available"}}
    assert server.calls[PUT] == 2


def test_ten_products_go_in_one_call(server: BigCommerceServer, notes: BigCommerceNotes, shop: Shop) -> None:
    results = notes.set_notes([NoteChange(one, {"text": "x"}) for one in mugs(shop, 12)])
    assert [one.status for one in results] == ["done"] * 12
    assert server.calls[PUT] == 2


def test_one_bad_product_fails_no_other(notes: BigCommerceNotes, shop: Shop) -> None:
    one, two, three = mugs(shop, 3)
    changes = [
        NoteChange(one, {"text": "x"}),
        NoteChange("999999", {"text": "x"}),
        NoteChange(two, {"preorder": "sometimes"}),
        NoteChange(three, {"text": "y"}),
    ]
    assert [result.status for result in notes.set_notes(changes)] == ["done", "not_found", "rejected", "done"]


def test_what_is_not_done_any_more_is_left_for_later(
    server: BigCommerceServer, notes: BigCommerceNotes, shop: Shop
) -> None:
    changes = [NoteChange(one, {"text": "x"}) for one in mugs(shop, 12)]
    server.dials.fail_next = ["none", "throttle"]
    results = notes.set_notes(changes)
    assert [one.status for one in results] == ["done"] * 10 + ["retry"] * 2
    server.dials.fail_next = ["throttle"]
    with pytest.raises(RateLimited):
        notes.set_notes(changes)


def test_a_lost_answer_is_told(server: BigCommerceServer, notes: BigCommerceNotes, shop: Shop) -> None:
    server.dials.fail_next = ["cut_after_success"]
    with pytest.raises(OutcomeUnknown):
        notes.set_notes([NoteChange(mugs(shop, 1)[0], {"text": "x"})])


def test_values(notes: BigCommerceNotes) -> None:
    assert len(notes.text_note("long " * 100)) == 255
    assert notes.preorder_note("available", date(2026, 12, 12)) == "preorder 2026-12-12"
    assert notes.preorder_note("disabled", date(2026, 12, 12)) == "disabled"
    assert notes_of({"availability": "preorder", "preorder_release_date": None}) == {
        "text": "",
        "preorder": "preorder",
    }
