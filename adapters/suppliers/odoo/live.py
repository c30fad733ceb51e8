"""Asks Odoo for a few products at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

from adapters.suppliers.odoo.stock import OdooStock


class OdooLive:
    """See `connector.ports.live_check.LiveCheck`. One call; the first of all also finds out the version."""

    def __init__(self, stock: OdooStock) -> None:
        self._stock = stock

    def stock_of(self, items: Sequence[str], deadline_s: float) -> dict[str, int | None]:
        """One search for all codes. Of a code that several products have nothing is said."""
        # A barcode comes here as fourteen digits, Odoo keeps it as it was printed.
        asked = {item: {item, item.lstrip("0")} for item in items}
        found: dict[str, list[Decimal]] = {}
        for code, units in self._stock.units_of(
            sorted({one for each in asked.values() for one in each if one})
        ):
            found.setdefault(code, []).append(units)
        answer: dict[str, int | None] = {}
        for item, codes in asked.items():
            numbers = [number for code in codes for number in found.get(code, ())]
            if len(numbers) == 1:
                answer[item] = int(numbers[0].to_integral_value(ROUND_FLOOR))
        return answer
