"""Reading a live source in tests: what its rows and its lines on order say."""

from __future__ import annotations

from typing import Any

from adapters.kit.live import LiveSource
from connector.ports.incoming import SupplierIncoming
from connector.registry import Environment

HOME = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)


def stock(source: LiveSource) -> dict[tuple[str, str], Any]:
    """(code, location) → quantity, as a plain number."""
    found: dict[tuple[str, str], Any] = {}
    for row in source.api.rows():
        key = (row.sku or row.supplier_sku or row.gtin, row.location)
        assert key not in found
        found[key] = float(row.quantity) if hasattr(row.quantity, "as_tuple") else row.quantity
    return found


def on_order(source: LiveSource) -> list[SupplierIncoming]:
    """Every line on order, by its reference."""
    return sorted((one for page in source.incoming() for one in page), key=lambda one: one.reference)
