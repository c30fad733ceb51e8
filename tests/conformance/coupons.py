"""What every maker of discount codes promises, checked against a simulated shop with fault dials.

Inherit `CouponsConformance` as `Test…` and give what raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from connector.ports.coupons import Coupon, Coupons
from connector.ports.errors import OutcomeUnknown, PortError, Rejected, Unauthorized, Unsupported
from simulator.dials import Dials, Fault
from simulator.shop import Shop
from tests.support import ManualClock

ENDS = date(2031, 6, 30)
TEN = Coupon("SORRY-7K2M", ENDS, percent=10)
FIVE_EURO = Coupon("VOUCHER-5", ENDS, amount_minor=505, currency="EUR")


class CouponsConformance:
    """The promises of `Coupons`, one test each. The shop is in Berlin and sells in euro."""

    def serve(self, shop: Shop, dials: Dials) -> Any:
        """The simulator of the platform, not started yet, with every grant."""
        raise NotImplementedError

    def connect(self, server: Any, secret: str = "") -> Coupons:
        """The adapter; with `secret` by a wrong key."""
        raise NotImplementedError

    def withdraw(self, server: Any) -> None:
        """The merchant takes the grant for discount codes back."""
        raise NotImplementedError

    def shown(self, server: Any) -> list[tuple[str, str, int, str, tuple[int, ...]]]:
        """(code in capitals, "10%" or "5.05", uses allowed, end as the shop keeps it, products) of every code."""
        raise NotImplementedError

    ends: str
    """The end of 30 June 2031 in Berlin, as the shop keeps it."""

    @pytest.fixture
    def dials(self) -> Dials:
        return Dials()

    @pytest.fixture
    def shop(self, clock: ManualClock) -> Shop:
        shop = Shop("Corner Shop", currency="EUR", timezone="Europe/Berlin", clock=clock)
        shop.add_product("Mug", [{"sku": "MUG", "price_minor": 950, "stock": 3}])
        return shop

    @pytest.fixture
    def server(self, shop: Shop, dials: Dials) -> Iterator[Any]:
        with self.serve(shop, dials) as server:
            yield server

    @pytest.fixture
    def coupons(self, server: Any) -> Coupons:
        return self.connect(server)

    def product(self, shop: Shop) -> str:
        """The id of the mug as `ListingRef.product_id` has it."""
        return str(next(iter(shop.products)))

    def test_a_percentage_is_kept_with_its_limit_and_its_end(self, server: Any, coupons: Coupons) -> None:
        coupons.create_coupon(TEN)
        assert self.shown(server) == [("SORRY-7K2M", "10%", 1, self.ends, ())]

    def test_an_amount_is_kept_to_the_cent(self, server: Any, coupons: Coupons) -> None:
        coupons.create_coupon(FIVE_EURO)
        assert self.shown(server) == [("VOUCHER-5", "5.05", 1, self.ends, ())]

    def test_a_code_for_one_product_is_good_for_that_alone(
        self, shop: Shop, server: Any, coupons: Coupons
    ) -> None:
        product = self.product(shop)
        coupons.create_coupon(Coupon("MUG-ONLY", ENDS, percent=15, only_external_ids=(product,)))
        assert self.shown(server) == [("MUG-ONLY", "15%", 1, self.ends, (next(iter(shop.products)),))]

    @pytest.mark.parametrize("coupon", [TEN, FIVE_EURO], ids=["percentage", "amount"])
    def test_the_same_code_again_is_the_same_coupon(
        self, server: Any, coupons: Coupons, coupon: Coupon
    ) -> None:
        assert coupons.create_coupon(coupon) == coupons.create_coupon(coupon)
        assert len(self.shown(server)) == 1

    @pytest.mark.parametrize(
        "other",
        [Coupon(TEN.code, ENDS, percent=11), Coupon(TEN.code, date(2031, 7, 1), percent=10)],
        ids=["another discount", "another end"],
    )
    def test_a_code_that_says_something_else_is_refused(
        self, server: Any, coupons: Coupons, other: Coupon
    ) -> None:
        coupons.create_coupon(TEN)
        with pytest.raises(Rejected, match="something else"):
            coupons.create_coupon(other)
        assert [code for code, *_ in self.shown(server)] == [TEN.code]

    @pytest.mark.parametrize("fault", ["timeout_after_success", "cut_after_success"])
    def test_a_lost_answer_leaves_one_code_when_it_is_asked_for_again(
        self, server: Any, dials: Dials, coupons: Coupons, fault: Fault
    ) -> None:
        self.lose_the_write(dials, fault)
        with pytest.raises(OutcomeUnknown):
            coupons.create_coupon(TEN)
        made = coupons.create_coupon(TEN)
        assert len(self.shown(server)) == 1
        assert made == coupons.create_coupon(TEN)

    def test_a_missing_product_is_refused(self, server: Any, coupons: Coupons, shop: Shop) -> None:
        with pytest.raises(Rejected):
            coupons.create_coupon(Coupon("GONE-1", ENDS, percent=5, only_external_ids=(self.missing(),)))
        assert self.shown(server) == []

    def test_another_currency_is_refused_before_anything_is_made(self, server: Any, coupons: Coupons) -> None:
        with pytest.raises(Unsupported, match="EUR, not GBP"):
            coupons.create_coupon(Coupon("POUNDS", ENDS, amount_minor=500, currency="GBP"))
        assert self.shown(server) == []

    def test_without_the_grant_it_is_unsupported_and_the_connection_stays(
        self, server: Any, coupons: Coupons
    ) -> None:
        self.withdraw(server)
        with pytest.raises(Unsupported, match="does not let Dispo"):
            coupons.create_coupon(TEN)
        assert self.shown(server) == []

    def test_a_wrong_key_is_unauthorized(self, server: Any) -> None:
        with pytest.raises(Unauthorized) as refused:
            self.connect(server, "wrong-secret").create_coupon(TEN)
        assert not isinstance(refused.value, Unsupported)

    def test_a_deleted_code_is_gone_and_deleting_it_again_is_harmless(
        self, server: Any, coupons: Coupons
    ) -> None:
        made = coupons.create_coupon(TEN)
        coupons.delete_coupon(made.external_id)
        coupons.delete_coupon(made.external_id)
        assert self.shown(server) == []

    def test_the_shop_down_is_an_error_of_the_port(self, dials: Dials, coupons: Coupons) -> None:
        dials.maintenance = True
        with pytest.raises(PortError):
            coupons.create_coupon(TEN)

    reads_before_the_write = 1

    def lose_the_write(self, dials: Dials, fault: Fault) -> None:
        """Let the reads pass and lose the answer of the first write."""
        dials.fail_next.extend(["none"] * self.reads_before_the_write + [fault])

    def missing(self) -> str:
        """A product that is not there."""
        return "999999"
