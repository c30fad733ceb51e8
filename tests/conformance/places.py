"""What every store adapter promises of places in lists (`connector.ports.places`), for each kind it names.

Part of `tests.conformance.stores.StoreConformance`, whose fixtures it uses.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest

from connector.ports.errors import OutcomeUnknown, Unauthorized, Unsupported
from connector.ports.places import PlaceChange, PlaceKind
from connector.ports.stores import Store, StoreListing
from simulator.dials import Dials
from simulator.shop import Product, Shop

TAG = "Sold out"
_KEPT = ("tags", "menu_order", "sort_order", "catalog_visibility")


def kept(product: Product) -> dict[str, Any]:
    """What the shop's own database holds of the product's places; what is empty or as delivered is left out."""
    found = {name: product.platform.get(name) for name in _KEPT}
    return {name: value for name, value in found.items() if value not in (None, [], 0, "visible")}


class PlacesConformance:
    """The promises of `Places`, one test each."""

    def kinds(self, store: Store) -> tuple[PlaceKind, ...]:
        return store.place_kinds

    def products(self, shop: Shop, listings: dict[str, StoreListing], *skus: str) -> dict[str, Product]:
        """The shop's products behind these SKUs, by the adapter's product id."""
        return {listings[sku].ref.product_id: shop.products[shop.by_sku(sku)[0].product_id] for sku in skus}

    def test_offers_at_least_one_way_to_the_end_of_the_lists(self, store: Store) -> None:
        kinds = self.kinds(store)
        assert len(kinds) == len(set(kinds)) >= 1
        assert set(kinds) <= set(get_args(PlaceKind))
        assert store.capabilities.place_batch_size >= 1

    def test_a_product_goes_to_the_end_and_back_to_where_it_was(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        products = self.products(shop, listings, "MUG-001", "TEE-S", "SALT-1")
        for kind in self.kinds(store):
            ids = list(products)
            before = dict(store.read_places(kind, TAG, ids))
            assert set(before) == set(ids)
            wanted = {one: store.place_when_out(kind, value) for one, value in before.items()}
            assert all(wanted[one] != before[one] for one in ids)

            moved = store.set_places(kind, TAG, [PlaceChange(one, wanted[one]) for one in ids])

            assert [(one.product_id, one.status) for one in moved] == [(one, "done") for one in ids]
            assert dict(store.read_places(kind, TAG, ids)) == wanted
            assert all(kept(product) for product in products.values())
            # What stands at the end already is left alone.
            assert all(store.place_when_out(kind, value) == value for value in wanted.values())

            store.set_places(kind, TAG, [PlaceChange(one, before[one]) for one in ids])

            assert dict(store.read_places(kind, TAG, ids)) == before
            assert [kept(product) for product in products.values()] == [{}] * len(ids)

    def test_places_of_many_are_read_in_few_calls_and_all_written(
        self, shop: Shop, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        products = self.products(shop, listings, *(f"MUG-{n:03}" for n in range(1, 61)))
        kind = self.kinds(store)[0]
        calls = self.calls(server)  # type: ignore[attr-defined]
        before = store.read_places(kind, TAG, list(products))
        assert self.calls(server) - calls == 1  # type: ignore[attr-defined]

        changes = [PlaceChange(one, store.place_when_out(kind, before[one])) for one in products]
        results = store.set_places(kind, TAG, changes)

        assert [(one.product_id, one.status) for one in results] == [(one, "done") for one in products]
        assert sum(bool(kept(one)) for one in shop.products.values()) == 60

    def test_a_product_that_is_gone_does_not_fail_its_neighbours(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        for start, kind in zip((20, 23, 26), self.kinds(store), strict=False):
            skus = [f"MUG-{n:03}" for n in range(start, start + 3)]
            ids = list(self.products(shop, listings, *skus))
            before = store.read_places(kind, TAG, ids)
            self.remove(shop, skus[1])  # type: ignore[attr-defined]
            assert set(store.read_places(kind, TAG, ids)) == {ids[0], ids[2]}

            results = store.set_places(
                kind, TAG, [PlaceChange(one, store.place_when_out(kind, before[one])) for one in ids]
            )

            assert [one.status for one in results] == ["done", "not_found", "done"]
            assert results[1].reason

    def test_an_unknown_product_is_missing_from_the_answer(
        self, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        known = listings["MUG-001"].ref.product_id
        unknown = known[:-1] + "999999" if known.startswith("gid") else "99999999"
        for kind in self.kinds(store):
            assert set(store.read_places(kind, TAG, [known, unknown])) == {known}
            assert dict(store.read_places(kind, TAG, [])) == {}

    def test_the_merchants_own_tags_stay(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        if "tag" not in self.kinds(store):
            pytest.skip("this platform has no product tags")
        ((product_id, product),) = self.products(shop, listings, "MUG-030").items()
        product.platform["tags"] = ["Gift", "New & nice"]
        tagged = store.place_when_out("tag", "")

        store.set_places("tag", TAG, [PlaceChange(product_id, tagged)])
        assert sorted(product.platform["tags"]) == ["Gift", "New & nice", TAG]

        store.set_places("tag", TAG, [PlaceChange(product_id, "")])
        assert sorted(product.platform["tags"]) == ["Gift", "New & nice"]

    def test_a_tag_is_the_same_in_any_case(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        if "tag" not in self.kinds(store):
            pytest.skip("this platform has no product tags")
        ((product_id, product),) = self.products(shop, listings, "MUG-031").items()
        product.platform["tags"] = ["SOLD OUT"]

        present = store.read_places("tag", TAG, [product_id])[product_id]

        assert store.place_when_out("tag", present) == present

    def test_a_kind_the_platform_has_no_means_for_is_unsupported(
        self, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        missing = [kind for kind in get_args(PlaceKind) if kind not in self.kinds(store)]
        if not missing:
            pytest.skip("this platform has every kind")
        product_id = listings["MUG-001"].ref.product_id
        for kind in missing:
            for act in (
                lambda kind=kind: store.place_when_out(kind, ""),
                lambda kind=kind: store.read_places(kind, TAG, [product_id]),
                lambda kind=kind: store.set_places(kind, TAG, [PlaceChange(product_id, "1")]),
            ):
                with pytest.raises(Unsupported):
                    act()

    def test_a_place_whose_answer_was_lost_is_of_unknown_outcome_and_may_be_repeated(
        self, store: Store, server: Any, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        first, second = listings["MUG-040"].ref.product_id, listings["MUG-041"].ref.product_id
        for kind in self.kinds(store):
            wanted = store.place_when_out(kind, store.read_places(kind, TAG, [first])[first])
            store.set_places(kind, TAG, [PlaceChange(first, wanted)])
            calls = self.calls(server)  # type: ignore[attr-defined]
            store.set_places(kind, TAG, [PlaceChange(first, wanted)])
            calls = self.calls(server) - calls  # type: ignore[attr-defined]
            dials.fail_next = [*["none"] * (calls - 1), "timeout_after_success"]  # type: ignore[list-item]

            with pytest.raises(OutcomeUnknown):
                store.set_places(kind, TAG, [PlaceChange(second, wanted)])

            assert store.read_places(kind, TAG, [second]) == {second: wanted}
            (again,) = store.set_places(kind, TAG, [PlaceChange(second, wanted)])
            assert again.status == "done"

    def test_a_wrong_key_reads_and_writes_no_place(
        self, shop: Shop, stranger: Store, listings: dict[str, StoreListing]
    ) -> None:
        ((product_id, product),) = self.products(shop, listings, "MUG-001").items()
        kind = self.kinds(stranger)[0]
        with pytest.raises(Unauthorized):
            stranger.read_places(kind, TAG, [product_id])
        with pytest.raises(Unauthorized):
            stranger.set_places(kind, TAG, [PlaceChange(product_id, stranger.place_when_out(kind, "0"))])
        assert kept(product) == {}
