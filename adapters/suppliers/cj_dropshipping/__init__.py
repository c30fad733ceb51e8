"""CJ Dropshipping: a supplier in China with warehouses elsewhere, read by its API within a day's points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.cj_dropshipping.client import ADAPTER, CJ, RATES
from adapters.suppliers.cj_dropshipping.stock import CJStock
from connector.registry import Environment, Field, Manifest

POINTS = 50_000


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One CJ account as a supplier; no network. Raises Misconfigured, naming the field."""
    given = Settings(ADAPTER, "the settings of CJ Dropshipping", config, secrets)
    key = given.secret("api_key", "Generate one at CJ under My CJ, Authorization, API.")
    countries = given.words("countries")
    for one in countries:
        if not (len(one) == 2 and one.isascii() and one.isalpha()):
            raise given.wrong(
                "countries", f"“{one}” is no country's code.", "Enter codes of two letters, as US."
            )
    products = given.words("products")
    for one in products:
        if not (one.isascii() and one.replace("-", "").isalnum()):
            raise given.wrong(
                "products", f"“{one}” is no product's id.", "Copy it from the product's address."
            )
    rate = RATES[given.choice("rate", tuple(RATES))]
    points = given.number("points", POINTS, least=1000, most=100_000_000)
    counted = given.choice("counted", ("all", "cj"))
    cj = CJ(environment, key, rate, points)
    return LiveSource(CJStock(cj, products, countries, "cj" if counted == "cj" else "all"), environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="CJ Dropshipping",
    fields=(
        Field("api_key", "API key", is_secret=True, help="At CJ: My CJ, Authorization, API."),
        Field(
            "countries",
            "Warehouses in",
            is_required=False,
            help="Empty for all; else countries, as in US, DE.",
        ),
        Field(
            "counted",
            "Number",
            is_required=False,
            help="all (empty): also what is still with the manufacturers; cj: only what CJ has itself.",
        ),
        Field(
            "products",
            "Products",
            is_required=False,
            help="Empty for all of My Products; else their ids, separated by commas.",
        ),
        Field(
            "rate",
            "Calls a second",
            is_required=False,
            help="By your level at CJ: 1 (empty), 2, 4 or 6.",
        ),
        Field(
            "points",
            "Points a day",
            is_required=False,
            help="50000 (empty); more if CJ gives you more for your sales.",
        ),
    ),
    build=build,
    help_page="docs/adapters/cj-dropshipping.md",
)
