"""The GraphQL documents, read once from `documents.graphql`, one text for each operation."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

API_VERSION = "2026-10"
_OPERATION = re.compile(r"^(query|mutation) (\w+).*?^}", re.MULTILINE | re.DOTALL)


@lru_cache(maxsize=1)
def documents() -> dict[str, str]:
    """Operation name → its text, without comments and needless spaces."""
    text = (Path(__file__).parent / "documents.graphql").read_text(encoding="utf-8")
    return {found[2]: re.sub(r"\s+", " ", found[0]) for found in _OPERATION.finditer(text)}


def quantities_document(locations: int) -> str:
    """Reads inventory items at `locations` places in one call: `$ids0` at `$location0`, and so on.

    One call for all places keeps the promise of the port: as many calls as batches, not as places.
    """
    variables = ", ".join(f"$ids{at}: [ID!]!, $location{at}: ID!" for at in range(locations))
    blocks = " ".join(
        f"at{at}: nodes(ids: $ids{at}) {{ ... on InventoryItem {{ id tracked "
        f"inventoryLevel(locationId: $location{at}, includeInactive: true) "
        f'{{ isActive quantities(names: ["available"]) {{ quantity }} }} }} }}'
        for at in range(locations)
    )
    return f"query Quantities({variables}) {{ {blocks} }}"


def products_document(sizes: int) -> str:
    """Reads products in `sizes` groups in one call: `$ids0` with `$variants0` of each one's variants, and so
    on. A connection costs what is asked for, so that products of one variant are not asked for twenty."""
    text = documents()["ProductsPage"]
    start, end = text.index("nodes(ids"), text.rindex("}")
    head, body = text[:start], text[start:end]
    one = "$ids: [ID!]!, $variants: Int!"
    many = ", ".join(f"$ids{at}: [ID!]!, $variants{at}: Int!" for at in range(sizes))
    blocks = " ".join(
        f"at{at}: " + body.replace("$ids", f"$ids{at}").replace("$variants", f"$variants{at}")
        for at in range(sizes)
    )
    return head.replace(one, many) + blocks + "}"


def bulk_catalogue(location_id: str) -> str:
    """The text of the bulk read with the written location in it; a bulk query takes no variables."""
    return documents()["BulkCatalogue"].replace("gid://shopify/Location/0", location_id)
