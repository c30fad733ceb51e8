"""Every document the adapter sends is valid on Shopify's own schema, within the cost of one query."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_ast_schema, parse, validate

from adapters.stores.shopify import adapter, catalogue, incoming, orders
from adapters.stores.shopify.documents import (
    bulk_catalogue,
    documents,
    products_document,
    quantities_document,
)
from simulator.shopify.cost import SINGLE_QUERY_LIMIT, CostModel
from simulator.shopify.server import admin_schema

SHARED = Path(__file__).resolve().parents[2].parent / "shared/reference/shopify"
TEXTS = {
    **documents(),
    "Quantities1": quantities_document(1),
    "Quantities3": quantities_document(3),
    "Products1": products_document(1),
    "Products2": products_document(2),
    "BulkCatalogueAt": bulk_catalogue("gid://shopify/Location/77"),
}


@pytest.fixture(scope="module")
def whole_schema() -> GraphQLSchema:
    path = SHARED / "admin_schema.nodesc.graphql.xz"
    if not path.exists():
        pytest.skip("Shopify's whole schema is not beside the checkout")
    return build_ast_schema(parse(lzma.decompress(path.read_bytes()).decode()), assume_valid=True)


def test_the_file_of_documents_is_read_whole() -> None:
    text = Path(adapter.__file__).with_name("documents.graphql").read_text(encoding="utf-8")
    assert len(documents()) == len(re.findall(r"^(?:query|mutation) ", text, re.MULTILINE)) > 15
    assert documents()["Locations"].startswith("query Locations($first: Int!, $after: String) {")


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_document_is_valid_on_the_cut_schema(name: str) -> None:
    assert validate(admin_schema(), parse(TEXTS[name])) == []


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_document_is_valid_on_the_whole_schema(name: str, whole_schema: GraphQLSchema) -> None:
    assert validate(whole_schema, parse(TEXTS[name])) == []


def test_the_cut_schema_says_what_the_whole_one_says(whole_schema: GraphQLSchema) -> None:
    """Fields, arguments and inputs of the cut are the same there: a drift would be a lie."""
    cut = admin_schema()
    differing = []
    for name, kind in cut.type_map.items():
        if name.startswith("__"):
            continue
        for field_name, field in getattr(kind, "fields", {}).items():
            other = whole_schema.type_map[name].fields.get(field_name)  # type: ignore[attr-defined]
            if other is None or str(other.type) != str(field.type):
                differing.append(f"{name}.{field_name}")
            elif {k: str(v.type) for k, v in getattr(field, "args", {}).items()} != {
                k: str(v.type) for k, v in getattr(other, "args", {}).items()
            }:
                differing.append(f"{name}.{field_name}()")
        values = getattr(kind, "values", None)
        if values is not None and set(values) != set(whole_schema.type_map[name].values):  # type: ignore[attr-defined]
            differing.append(name)
    assert differing == []


@pytest.mark.parametrize(
    ("name", "variables", "points"),
    [
        (
            "Products2",
            {
                "ids0": ["x"] * 4,
                "variants0": 1,
                "ids1": ["x"],
                "variants1": 4,
                "collections": catalogue.COLLECTIONS_PAGE,
            },
            4 * 13 + 25,
        ),
        (
            "Products1",
            {"ids0": ["x"], "variants0": catalogue.VARIANTS_PAGE, "collections": catalogue.COLLECTIONS_PAGE},
            997,
        ),
        ("ProductsChanged", {"first": catalogue.CHANGES_PAGE}, 500),
        ("VariantsChanged", {"first": catalogue.CHANGES_PAGE}, 750),
        ("ProductCollections", {"ids": ["x"], "first": catalogue.COLLECTIONS_LONG_PAGE}, 251),
        ("OrdersPage", {"first": orders.PAGE, "lines": orders.LINES}, 920),
        ("OrderLines", {"first": orders.MORE_LINES}, 501),
        ("Quantities1", {"ids0": ["x"] * adapter.READ_LIMIT}, 750),
        ("Locations", {"first": 250}, 500),
        (
            "TransfersOpen",
            {"first": incoming.TRANSFERS_PAGE, "shipments": incoming.SHIPMENTS_OF_TRANSFER},
            900,
        ),
        ("TransferShipments", {"first": incoming.LONG_PAGE}, 251),
        ("ShipmentsOpen", {"first": incoming.SHIPMENTS_PAGE, "lines": incoming.LINES}, 976),
        ("ShipmentLines", {"first": incoming.LONG_PAGE}, 501),
        ("Webhooks", {"first": 250}, 250),
        ("ShopContext", {}, 5),
    ],
)
def test_a_query_fits_in_the_cost_of_one(name: str, variables: dict[str, object], points: int) -> None:
    document = parse(TEXTS[name])
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    cost = CostModel(admin_schema(), 0.0).requested(operation, {}, variables)
    assert cost == points
    assert cost <= SINGLE_QUERY_LIMIT


def test_writes_of_quantities_carry_their_key_on_the_field() -> None:
    assert "inventorySetQuantities(input: $input) @idempotent(key: $key)" in documents()["SetQuantities"]
