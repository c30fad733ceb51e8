"""What every store adapter promises of prices (`connector.ports.prices`).

Part of `tests.conformance.stores.StoreConformance`, whose fixtures it uses.
"""

from __future__ import annotations

from typing import Any

import pytest

from connector.ports.errors import OutcomeUnknown, Unauthorized
from connector.ports.prices import PriceSet, StorePrice
from connector.ports.stores import Store, StoreListing
from simulator.dials import Dials
from simulator.shop import Shop


class PricesConformance:
    """The promises of `Prices`, one test each."""

    def test_a_price_is_read_as_the_catalogue_says_it_and_written(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        assert store.capabilities.price_batch_size >= 1
        refs = [listings[sku].ref for sku in ("MUG-001", "TEE-S", "TEE-M")]
        before = store.read_prices(refs)
        assert before == {
            ref.external_id: StorePrice(listings[sku].price_minor or 0)
            for ref, sku in zip(refs, ("MUG-001", "TEE-S", "TEE-M"), strict=True)
        }

        done = store.set_prices(
            [PriceSet(ref, StorePrice(price)) for ref, price in zip(refs, (1295, 2000, 2105), strict=True)]
        )

        assert [(one.ref, one.status) for one in done] == [(ref, "done") for ref in refs]
        found = [shop.by_sku(sku)[0].price_minor for sku in ("MUG-001", "TEE-S", "TEE-M", "TEE-L", "MUG-002")]
        assert found == [1295, 2000, 2105, listings["TEE-L"].price_minor, listings["MUG-002"].price_minor]
        assert [store.read_prices(refs)[ref.external_id] for ref in refs] == [
            StorePrice(1295), StorePrice(2000), StorePrice(2105)
        ]  # fmt: skip

    def test_a_reduced_price_stands_beside_the_one_before_and_goes_without_it(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        for sku in ("MUG-003", "TEE-S"):
            ref = listings[sku].ref
            reduced = StorePrice(800, was_minor=1200)

            (done,) = store.set_prices([PriceSet(ref, reduced)])

            assert (done.status, store.read_prices([ref])) == ("done", {ref.external_id: reduced})
            assert shop.by_sku(sku)[0].price_minor == 800
            store.set_prices([PriceSet(ref, StorePrice(1300))])
            assert store.read_prices([ref]) == {ref.external_id: StorePrice(1300)}

    def test_many_prices_go_in_the_batches_the_platform_takes(
        self, shop: Shop, store: Store, server: Any, listings: dict[str, StoreListing]
    ) -> None:
        facts = store.capabilities
        refs = [listings[f"MUG-{n:03}"].ref for n in range(1, 121)]
        calls = self.calls(server)  # type: ignore[attr-defined]
        assert len(store.read_prices(refs)) == 120
        reads = -(-120 // facts.read_batch_size)
        assert self.calls(server) - calls == reads  # type: ignore[attr-defined]

        calls = self.calls(server)  # type: ignore[attr-defined]
        done = store.set_prices([PriceSet(ref, StorePrice(5000 + n)) for n, ref in enumerate(refs)])

        assert {one.status for one in done} == {"done"}
        assert [shop.by_sku(f"MUG-{n:03}")[0].price_minor for n in range(1, 121)] == list(range(5000, 5120))
        # A product without variants is a call of its own where a call is for one product.
        is_each = facts.price_by_product and facts.price_batch_size > 100
        most = 120 if is_each else -(-120 // facts.price_batch_size) + reads
        assert self.calls(server) - calls <= most  # type: ignore[attr-defined]

    def test_an_impossible_price_is_never_sent_and_fails_no_neighbour(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        refs = [listings[f"MUG-{n:03}"].ref for n in (10, 11, 12)]
        before = shop.by_sku("MUG-010")[0].price_minor, shop.by_sku("MUG-011")[0].price_minor

        done = store.set_prices(
            [
                PriceSet(refs[0], StorePrice(-1)),
                PriceSet(refs[1], StorePrice(900, was_minor=900)),
                PriceSet(refs[2], StorePrice(901)),
            ]
        )

        assert [one.status for one in done] == ["rejected", "rejected", "done"]
        assert done[0].reason and done[1].reason
        assert before == (shop.by_sku("MUG-010")[0].price_minor, shop.by_sku("MUG-011")[0].price_minor)
        assert shop.by_sku("MUG-012")[0].price_minor == 901

    def test_an_item_that_is_gone_is_not_found_and_fails_no_neighbour(
        self, shop: Shop, store: Store, listings: dict[str, StoreListing]
    ) -> None:
        refs = [listings[f"MUG-{n:03}"].ref for n in (20, 21, 22)]
        self.remove(shop, "MUG-021")  # type: ignore[attr-defined]
        assert set(store.read_prices(refs)) == {refs[0].external_id, refs[2].external_id}

        done = store.set_prices([PriceSet(ref, StorePrice(777)) for ref in refs])

        assert [one.status for one in done] == ["done", "not_found", "done"]
        assert done[1].reason
        assert [shop.by_sku(sku)[0].price_minor for sku in ("MUG-020", "MUG-022")] == [777, 777]

    def test_a_price_whose_answer_was_lost_is_of_unknown_outcome_and_may_be_repeated(
        self, store: Store, server: Any, dials: Dials, listings: dict[str, StoreListing]
    ) -> None:
        first, second = listings["MUG-040"].ref, listings["MUG-041"].ref
        store.set_prices([PriceSet(first, StorePrice(611))])
        calls = self.calls(server)  # type: ignore[attr-defined]
        store.set_prices([PriceSet(first, StorePrice(612))])
        calls = self.calls(server) - calls  # type: ignore[attr-defined]
        dials.fail_next = [*["none"] * (calls - 1), "timeout_after_success"]  # type: ignore[list-item]

        with pytest.raises(OutcomeUnknown):
            store.set_prices([PriceSet(second, StorePrice(613))])

        assert store.read_prices([second]) == {second.external_id: StorePrice(613)}
        (again,) = store.set_prices([PriceSet(second, StorePrice(613))])
        assert again.status == "done"

    def test_a_wrong_key_reads_and_writes_no_price(
        self, shop: Shop, stranger: Store, listings: dict[str, StoreListing]
    ) -> None:
        ref = listings["MUG-001"].ref
        with pytest.raises(Unauthorized):
            stranger.read_prices([ref])
        with pytest.raises(Unauthorized):
            stranger.set_prices([PriceSet(ref, StorePrice(1))])
        assert shop.by_sku("MUG-001")[0].price_minor == 951
