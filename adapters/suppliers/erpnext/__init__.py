"""ERPNext: a merchant's own system as the source of stock and of what is on order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.erpnext.client import ADAPTER, Frappe
from adapters.suppliers.erpnext.stock import Choices, ErpnextStock
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One ERPNext site as a supplier; no network. Raises Misconfigured, naming the field."""
    settings = Settings(ADAPTER, "the settings of ERPNext", config, secrets)
    url = settings.address("url", "https://shop.frappe.cloud")
    key = settings.secret("api_key", "Generate one on the user's page in ERPNext.")
    secret = settings.secret("api_secret", "Generate keys anew on the user's page: it is shown once.")
    choices = Choices(
        is_available=settings.choice("quantity", ("available", "on_hand")) == "available",
        warehouses=settings.words("warehouses"),
        company=settings.text("company"),
        reads_incoming=settings.is_yes("incoming"),
    )
    return LiveSource(ErpnextStock(Frappe(environment, url, key, secret), choices), environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="ERPNext",
    fields=(
        Field("url", "Address", help="Where you sign in, as https://shop.frappe.cloud."),
        Field("api_key", "API key", is_secret=True, help="On the user's page: Settings, API Access."),
        Field("api_secret", "API secret", is_secret=True, help="It is shown once, when keys are generated."),
        Field(
            "quantity",
            "Number",
            is_required=False,
            help="available (empty): on hand less what is reserved; on_hand: all that is there.",
        ),
        Field(
            "warehouses",
            "Warehouses",
            is_required=False,
            help="Empty for all together; else their names, as in Stores - C. A group stands for what is in it.",
        ),
        Field("company", "Company", is_required=False, help="If there are several: the name of one."),
        Field(
            "incoming",
            "What is on order",
            is_required=False,
            help="no: restock dates are not taken from open purchase orders.",
        ),
    ),
    build=build,
    help_page="docs/adapters/erpnext.md",
)
