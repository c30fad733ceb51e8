"""The port of a platform that makes discount codes: one code for one person, used once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Protocol

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{3,38}[A-Z0-9]")
"""What every platform takes and nobody mistypes: capitals, digits and hyphens, five to forty."""


@dataclass(frozen=True, slots=True)
class Coupon:
    """A code that takes `percent` (1 to 100) off, or `amount_minor` (≥ 1, minor units of `currency`, tax
    included), never both.

    It is good until the end of `expires_on` at the shop's place, for `usage_limit` orders in all.
    `only_external_ids` are the products it is good for (`ListingRef.product_id`), all their variants with them;
    empty: anything in the cart. An amount is taken off once an order, not once a piece. `title` is what the
    merchant sees in the shop's own list of discounts. It never names a person.

    Raises ValueError for a code that some platform would change, and for what no code can be.
    """

    code: str
    expires_on: date
    percent: int | None = None
    amount_minor: int | None = None
    currency: str = ""
    only_external_ids: tuple[str, ...] = ()
    usage_limit: int = 1
    title: str = ""

    def __post_init__(self) -> None:
        if not CODE.fullmatch(self.code):
            raise ValueError(f"{self.code!r} is no code: use 5 to 40 capitals, digits and hyphens.")
        if (self.percent is None) == (self.amount_minor is None):
            raise ValueError(f"{self.code}: give a percentage or an amount, one of them.")
        if self.percent is not None and not 1 <= self.percent <= 100:
            raise ValueError(f"{self.code}: {self.percent} % is not between 1 and 100.")
        if self.amount_minor is not None and (self.amount_minor < 1 or not self.currency):
            raise ValueError(f"{self.code}: an amount is above zero and has a currency.")
        if self.usage_limit < 1:
            raise ValueError(f"{self.code}: it must be good for one order at least.")


@dataclass(frozen=True, slots=True)
class CouponMade:
    """The code is in the shop. `external_id` is for `delete_coupon`."""

    external_id: str


class Coupons(Protocol):
    """The discount codes of one shop. Construction does no network."""

    def create_coupon(self, coupon: Coupon) -> CouponMade:
        """Have this code in the shop. Harmless to repeat: a code that is there with the same discount, limit and
        end is the answer, also after an answer that was lost, so OutcomeUnknown means: call again.

        Raises Rejected when the code is there and says something else, or a product is gone; Unsupported
        without the grant or where the shop's currency is another one; else the errors of any write.
        """

    def delete_coupon(self, external_id: str) -> None:
        """Take the code out of the shop; one that is gone is no error. Unsupported without the grant."""
