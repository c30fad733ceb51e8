"""The regular look at a merchant's orders, and what follows from it by the merchant's rules."""

from __future__ import annotations

from connector.db import transaction
from connector.shoppers.at_risk.looking import Looked, look
from connector.shoppers.at_risk.rules import rule_of
from connector.shoppers.runtime import ShopperRuntime

AT_RISK = "orders.at_risk"
"""The kind of schedule row, one a merchant."""


def work_risks(rt: ShopperRuntime, merchant_id: int) -> Looked:
    """Look once; harmless to repeat."""
    with transaction(rt.engine) as db:
        return look(db, merchant_id, rule_of(db, merchant_id), rt.now())
