"""Asks a JSON API for single items, at the address the merchant named for one item."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from adapters.kit.api import Api
from adapters.suppliers.json_api.listing import ADAPTER
from adapters.suppliers.json_api.paths import Step, as_text, find
from connector.ports.errors import NotFound

PLACE = "{item}"
"""What stands for the item's code in the address."""


class JsonLive:
    """See `connector.ports.live_check.LiveCheck`. One call an item, one after the other until the deadline."""

    def __init__(
        self,
        api: Api,
        url: str,
        items: tuple[Step, ...],
        columns: Mapping[str, tuple[Step, ...]],
        params: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._url, self._items = api, url, items
        self._columns, self._params, self._clock = columns, dict(params), clock

    def stock_of(self, items: Sequence[str], deadline_s: float) -> dict[str, int | None]:
        """The quantity column of the item's own document, or of the one in its list that carries the code."""
        until = self._clock() + deadline_s
        answer: dict[str, int | None] = {}
        for item in items:
            if self._clock() >= until:
                break
            address = self._url.replace(PLACE, quote(item, safe=""))
            try:
                got = self._api.call("GET", address, subject=f"{ADAPTER} item", params=self._params)
            except NotFound:
                continue
            one = self._one(find(self._api.parse(got, address), self._items), item)
            if one is not None:
                answer[item] = _units(find(one, self._columns["quantity"]))
        return answer

    def _one(self, found: Any, item: str) -> Any:
        """The document itself, or the only one of a list; of several the one that carries the code."""
        if not isinstance(found, list):
            return found if isinstance(found, Mapping) else None
        codes = [path for name in ("supplier_sku", "sku", "gtin") if (path := self._columns.get(name))]
        fits = [one for one in found if any(as_text(find(one, path)) == item for path in codes)]
        return fits[0] if len(fits) == 1 else None


def _units(value: Any) -> int | None:
    try:
        number = Decimal(as_text(value))
    except InvalidOperation:
        return None
    return int(number.to_integral_value(ROUND_FLOOR)) if number.is_finite() else None
