"""Reading a catalogue: pages become variants and listings, whatever is interrupted or done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connector.catalog.keys import sku_key
from connector.delivery import catalog, reconcile
from connector.delivery.catalog import CatalogRead, read_catalog
from connector.ports.errors import Retryable
from connector.ports.stores import ListingRef, Reading, StoreListing
from tests.builders import World
from tests.support import ManualClock


def item(
    number: int | str, *, sku: str | None = None, place: str | None = None, **fields: Any
) -> StoreListing:
    given: dict[str, Any] = {
        "ref": ListingRef(f"e{number}", f"e{number}", f"s{number}", place, ""),
        "sku": f"SKU-{number}" if sku is None else sku,
        "gtin": "",
        "product_title": f"Vase {number}",
        "variant_title": "",
        "url": f"https://shop.example/products/vase-{number}",
        "image_url": "",
        "price_minor": 1990,
        "available": 10,
        "is_tracked": True,
        "is_published": True,
    }
    return StoreListing(**{**given, **fields})


class Shelf:
    """A store that shows these pages, and the runtime around it."""

    def __init__(self, engine: sa.Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.now = clock.now
        self.pages: list[Sequence[StoreListing]] = []
        self.error: Exception | None = None
        self.known: set[str] = set()
        self.meanwhile: Callable[[], object] = lambda: None
        self.capabilities = SimpleNamespace(read_batch_size=100)

    def read_quantities(self, refs: Sequence[ListingRef]) -> list[Reading]:
        return [Reading(ref, 10) for ref in refs if ref.external_id in self.known]

    def store(self, merchant_id: int, connection_id: int) -> Any:
        return self

    def store_webhooks(self, adapter: str) -> Any:
        raise LookupError(adapter)

    def catalog(self, changed_since: datetime | None) -> Iterator[list[StoreListing]]:
        yield from (list(page) for page in self.pages)
        self.meanwhile()
        if self.error is not None:
            raise self.error


class Scene:
    def __init__(self, engine: sa.Engine, clock: ManualClock) -> None:
        self.rt = Shelf(engine, clock)
        self.clock = clock
        self.world = World(engine, now=clock.now())
        self.store_id = self.world.store()

    def read(self, *pages: Sequence[StoreListing], store: int | None = None, **options: Any) -> CatalogRead:
        """Read these pages a minute later."""
        self.clock.advance(minutes=1)
        self.rt.pages = list(pages)
        return read_catalog(self.rt, self.world.merchant_id, store or self.store_id, **options)

    def rows(self, columns: str, order: str = "id", table: str = "listing") -> list[tuple[Any, ...]]:
        with self.rt.engine.connect() as db:
            found = db.execute(
                sa.text(f"select {columns} from {table} where merchant_id = :m order by {order}"),
                {"m": self.world.merchant_id},
            )
            return [tuple(row) for row in found]


@pytest.fixture
def scene(engine: sa.Engine, clock: ManualClock) -> Scene:
    return Scene(engine, clock)


def test_a_new_item_becomes_a_variant_and_a_listing_as_the_store_shows_it(scene: Scene) -> None:
    shown = item(
        1,
        sku="a-1",
        gtin="4006381333931",
        variant_title="Blue",
        image_url="https://shop.example/1.jpg",
        collections=("Vases", "Gifts"),
        is_published=False,
    )
    found = scene.read([shown])
    assert (found.listings, found.new_listings, found.new_variants, found.gone) == (1, 1, 1, 0)
    assert scene.rows("sku, sku_key, gtin, title, collection", table="variant") == [
        ("a-1", sku_key("a-1"), "4006381333931", "Vase 1 – Blue", "Vases")
    ]
    now = scene.clock.now()
    assert scene.rows(
        "external_id, product_id, stock_id, location_id, sku, title, page_key, image_url, price_minor, "
        "is_published, problem, believed_available, confirmed_available, confirmed_at, seen_at, is_managed"
    ) == [
        (
            "e1",
            "e1",
            "s1",
            None,
            "a-1",
            "Vase 1 – Blue",
            "shop.example/products/vase-1",
            "https://shop.example/1.jpg",
            1990,
            False,
            "",
            10,
            10,
            now,
            now,
            False,
        )
    ]


def test_a_page_costs_the_same_number_of_statements_whatever_its_size(scene: Scene) -> None:
    counts = []
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    sa.event.listen(scene.rt.engine, "before_cursor_execute", count)
    try:
        for size in (2, 200):
            store = scene.world.store()
            statements = 0
            scene.read([item(f"{store}-{n}") for n in range(size)], store=store)
            first = statements
            statements = 0
            scene.read([item(f"{store}-{n}", price_minor=5) for n in range(size)], store=store)
            counts.append((first, statements))
    finally:
        sa.event.remove(scene.rt.engine, "before_cursor_execute", count)
    assert counts[0] == counts[1]


def test_the_same_catalogue_again_changes_nothing_but_when_it_was_seen(scene: Scene) -> None:
    page = [item(n) for n in range(3)]
    scene.read(page)
    before = scene.rows("id, variant_id, external_id, believed_available, confirmed_at, wanted_available")
    found = scene.read(page)
    assert (found.new_listings, found.new_variants, found.doubted, found.gone) == (0, 0, 0, 0)
    assert (
        scene.rows("id, variant_id, external_id, believed_available, confirmed_at, wanted_available")
        == before
    )
    assert set(scene.rows("seen_at")) == {(scene.clock.now(),)}
    assert scene.world.pending() == []


def test_what_changed_in_the_store_is_taken_over(scene: Scene) -> None:
    scene.read([item(1), item(2)])
    scene.read([item(1, product_title="Jug", url="https://shop.example/jug", price_minor=None), item(2)])
    assert scene.rows("title, page_key, price_minor") == [
        ("Jug", "shop.example/jug", None),
        ("Vase 2", "shop.example/products/vase-2", 1990),
    ]


def test_an_item_shown_twice_in_a_page_is_one_listing(scene: Scene) -> None:
    found = scene.read([item(1, available=3), item(1, available=4)])
    assert (found.listings, scene.rows("external_id, believed_available")) == (1, [("e1", 4)])


def test_a_full_reading_marks_what_is_gone_and_a_partial_one_does_not(scene: Scene) -> None:
    scene.read([item(1), item(2)])
    assert scene.read([item(1)], changed_since=scene.clock.now()).gone == 0
    assert scene.read([item(1)]).gone == 1
    assert scene.rows("external_id, is_gone") == [("e1", False), ("e2", True)]
    assert scene.read([item(1), item(2)]).new_listings == 0
    assert scene.rows("is_gone") == [(False,), (False,)]


@pytest.mark.parametrize(("still_known", "is_gone"), [(30, False), (16, False), (15, True), (0, True)])
def test_much_that_a_full_reading_lacks_is_gone_only_if_the_store_does_not_know_it(
    scene: Scene, still_known: int, is_gone: bool
) -> None:
    scene.read([item(n) for n in range(30)])
    scene.rt.known = {f"e{n}" for n in range(still_known)}
    if is_gone:
        assert 30 == scene.read([]).gone
    else:
        with pytest.raises(Retryable, match=r"lacks 30 of 30 items, .* it still knows"):
            scene.read([])
    assert [(is_gone,)] == scene.rows("distinct is_gone", "1")


def test_a_reading_that_was_to_begin_anew_is_not_held_for_done_by_one_under_way(scene: Scene) -> None:
    def reconciled() -> list[tuple[Any, ...]]:
        scene.clock.advance(minutes=1)
        scene.rt.pages = [[item(1)]]
        reconcile.reconcile(scene.rt, scene.world.merchant_id, scene.store_id)
        return scene.rows("cursors ->> 'catalog'", table="connection")

    moved = reconciled()
    assert [(scene.clock.now().isoformat(),)] == moved
    # As a choice of locations does, while the store is being read.
    scene.rt.meanwhile = lambda: scene.world.execute(
        "update connection set cursors = cursors - 'catalog' where merchant_id = :m"
    )
    assert [(None,)] == reconciled()


def test_what_is_shown_at_another_location_now_is_not_asked_for(scene: Scene) -> None:
    scene.read([item(n, place="cellar") for n in range(30)])
    scene.rt.known = {f"e{n}" for n in range(30)}
    found = scene.read([item(n, place="shop") for n in range(30)])
    assert (30, 30) == (found.gone, found.new_listings)


def test_a_reading_that_began_earlier_does_not_make_listings_gone(scene: Scene) -> None:
    scene.read([item(1)])
    later = scene.clock.now()
    scene.world.execute("update listing set seen_at = :at where merchant_id = :m", at=later.replace(hour=23))
    scene.read([item(1)])
    assert scene.rows("seen_at") == [(later.replace(hour=23),)]


# --- Which variant ----------------------------------------------------------------------------------


def test_the_same_sku_in_another_store_is_the_same_variant(scene: Scene) -> None:
    scene.read([item(1, sku="Vase-1")])
    other = scene.world.store()
    found = scene.read([item(77, sku=" vase-1 ")], store=other)
    assert (found.new_listings, found.new_variants) == (1, 0)
    assert len({variant for (variant,) in scene.rows("variant_id")}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(["A"], ["A", "A"], id="twice in the second store"),
        pytest.param(["A", "A"], ["A"], id="twice in the first store"),
        pytest.param([""], [""], id="no SKU"),
    ],
)
def test_a_sku_used_twice_is_never_guessed(scene: Scene, first: list[str], second: list[str]) -> None:
    scene.read([item(n, sku=sku) for n, sku in enumerate(first)])
    other = scene.world.store()
    scene.read([item(n, sku=sku) for n, sku in enumerate(second)], store=other)
    assert len({variant for (variant,) in scene.rows("variant_id")}) == len(first) + len(second)


def test_one_item_at_two_places_is_one_variant(scene: Scene) -> None:
    found = scene.read(
        [item(1, sku="", place="paris"), item(1, sku="", place="lyon"), item(2, place="paris")]
    )
    assert (found.new_listings, found.new_variants) == (3, 2)
    found = scene.read([item(1, sku="", place="nice")], changed_since=scene.clock.now())
    assert (found.new_listings, found.new_variants) == (1, 0)
    assert len({variant for (variant,) in scene.rows("variant_id")}) == 2


def test_another_merchants_sku_is_another_variant(
    scene: Scene, engine: sa.Engine, clock: ManualClock
) -> None:
    stranger = Scene(engine, clock)
    stranger.read([item(1, sku="Vase-1")])
    found = scene.read([item(1, sku="Vase-1")])
    assert found.new_variants == 1
    assert stranger.rows("variant_id") != scene.rows("variant_id")


# --- Numbers ----------------------------------------------------------------------------------------


def test_a_number_of_a_listing_nobody_writes_is_simply_taken(scene: Scene) -> None:
    scene.read([item(1), item(2)])
    assert scene.read([item(1, available=3), item(2)]).doubted == 0
    assert scene.rows("believed_available, confirmed_available") == [(3, 3), (10, 10)]
    assert scene.world.pending() == []


def test_another_number_of_a_managed_listing_is_read_again_before_it_is_believed(scene: Scene) -> None:
    scene.read([item(1), item(2), item(3)])
    scene.world.execute("update listing set is_managed = true, wanted_available = 10 where merchant_id = :m")
    scene.world.execute(
        "update listing set written_at = :at where external_id = 'e3'", at=scene.clock.now().replace(hour=23)
    )
    scene.world.forget_intents()
    # The third was written after this reading began: what the reading says of it is old.
    found = scene.read([item(1, available=3), item(2), item(3, available=1)])
    assert found.doubted == 1
    assert scene.rows("believed_available, confirmed_at is null") == [(10, True), (10, False), (10, False)]
    assert scene.world.pending() == [("store.quantity", str(scene.rows("id")[0][0]), 2)]


def test_what_the_store_does_not_track_is_a_problem_with_words(scene: Scene) -> None:
    scene.read([item(1, available=None), item(2, problem="Stock is kept at the parent.")])
    assert scene.rows("problem, believed_available") == [
        ("The store does not track it.", None),
        ("Stock is kept at the parent.", 10),
    ]


# --- Interrupted and doubled ------------------------------------------------------------------------


def supplied(scene: Scene, *skus: str) -> None:
    """A supplier that has four of each of these, matched by SKU."""
    source = scene.world.source()
    for sku in skus:
        scene.world.execute(
            """
            insert into observation (merchant_id, source_id, item_key, sku, quantity, run_id)
            values (:m, :s, :k, :k, 4, 1)
            """,
            s=source,
            k=sku,
        )


def test_a_page_stored_before_a_kill_is_matched_by_the_next_reading(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    supplied(scene, "SKU-1")

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "_match_and_decide", die)
        with pytest.raises(Killed):
            scene.read([item(1)])
    assert scene.rows("is_managed, wanted_available") == [(False, None)]

    assert scene.read([item(1)]).new_listings == 0
    assert scene.rows("is_managed, wanted_available") == [(True, 4)]


def test_what_was_read_before_a_fault_is_matched_and_decided(scene: Scene) -> None:
    supplied(scene, "SKU-1")
    scene.rt.error = Retryable("shopify", "catalogue", "503")
    with pytest.raises(Retryable):
        scene.read([item(1)])
    assert scene.rows("is_managed, wanted_available, is_gone") == [(True, 4, False)]


def test_a_listing_that_became_writable_is_delivered(scene: Scene) -> None:
    supplied(scene, "SKU-1")
    scene.read([item(1, available=None)])
    assert scene.world.pending() == [topic for topic in scene.world.pending() if topic[0] != "store.quantity"]
    scene.world.forget_intents()
    scene.read([item(1, available=9)])
    assert ("store.quantity", str(scene.rows("id")[0][0]), 2) in scene.world.pending()


def test_two_readings_at_once_store_every_item_once(scene: Scene) -> None:
    other = scene.world.store()
    scene.rt.pages = [[item(n) for n in range(start, start + 20)] for start in range(0, 100, 20)]
    errors: list[BaseException] = []

    def read(store: int) -> None:
        try:
            read_catalog(scene.rt, scene.world.merchant_id, store)
        except BaseException as error:  # whatever it is fails the test below
            errors.append(error)

    threads = [threading.Thread(target=read, args=(store,)) for store in (scene.store_id, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(scene.rows("id")) == 200
    assert len({variant for (variant,) in scene.rows("variant_id")}) == 100
    assert len(scene.rows("id", table="variant")) == 100


def test_an_empty_page_among_others_is_no_news(scene: Scene) -> None:
    scene.read([item(1)])
    assert scene.read([], [item(1)]).listings == 1
