"""The port of a platform that lets an app make good what cannot be delivered: pay back, or put something else
into the order.

A change is planned first (`plan_…`, which only reads), stored by the caller as a frozen request, and only then sent
(`send`), so that the very same bytes can be sent again under the same key. Every request bears a `reference`, by
which `find` tells afterwards whether it was done: money is never sent twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class CareCapabilities:
    """`honours_keys`: the platform does not do a request twice that comes again under its key. `edits_orders`: a
    line may be replaced by something else."""

    honours_keys: bool
    edits_orders: bool


@dataclass(frozen=True, slots=True)
class CustomerOf:
    """Who placed an order, read in the moment of writing and kept nowhere. `locale` is the language they shopped
    in ("fr"), "" where the store does not tell."""

    address: str
    locale: str = ""


@dataclass(frozen=True, slots=True)
class CareRequest:
    """One change of one line as it will be sent: JSON only. `amount_minor` in `currency` is what it pays back, tax
    included (0 for a substitute)."""

    kind: Literal["refund", "substitute"]
    order_id: str
    line_id: str
    reference: str
    amount_minor: int
    currency: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CareDone:
    """What the store did: its number for it, and what was paid back."""

    external_id: str
    amount_minor: int
    currency: str


class OrderCare(Protocol):
    """The orders of one shop. Construction does no network; methods raise a `PortError`, Unsupported without the
    grant, NotFound for an order that is gone."""

    @property
    def capabilities(self) -> CareCapabilities: ...

    def customer(self, order_id: str) -> CustomerOf:
        """Who to write to about this order. Unsupported where the store does not tell an app."""

    def plan_refund(self, order_id: str, line_id: str, units: int, reference: str) -> CareRequest:
        """The complete refund of `units` (≥ 1) of a line: what was paid for them, tax included, by the means it was
        paid with, and the shipping with the last open line of an order.

        Rejected when fewer units are left to refund; Unsupported when the means of payment cannot be paid back to
        by the store itself, so that the merchant must do it by hand.
        """

    def plan_substitute(
        self, order_id: str, line_id: str, units: int, external_id: str, reference: str
    ) -> CareRequest:
        """Put `units` of the item `external_id` into the order in place of the line. Rejected when the line does
        not have them any more; Unsupported where `edits_orders` is False."""

    def send(self, request: CareRequest, key: str) -> CareDone:
        """Do it, once. Raises OutcomeUnknown when it may have been done without an answer: `find` it then, and
        send it again under the same key only when it is not there. Rejected when nothing was done, for good."""

    def find(self, request: CareRequest) -> CareDone | None:
        """What became of a request that was sent, by its reference; None when the store has nothing of it."""
