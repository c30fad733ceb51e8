"""The GraphQL documents, read once from `documents.graphql`, one text for each operation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

API_VERSION = "2026-10"
_LEVEL = re.compile(r'inventoryLevel\(locationId: (\$?[\w":/]+),.*?\} \}')
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


def level_name(at: int, locations: int) -> str:
    """What the level at the `at`-th of so many locations is called in an answer: where there is one location, by
    the field's own name."""
    return "inventoryLevel" if locations == 1 else f"level{at}"


def _at_each(text: str, locations: Sequence[str]) -> str:
    """`text` with its one level of an item at each of `locations`, which are written in as GraphQL values."""
    found = _LEVEL.search(text)
    assert found, "the document reads a level"
    blocks = " ".join(
        ("" if len(locations) == 1 else f"{level_name(at, len(locations))}: ")
        + found[0].replace(found[1], location)
        for at, location in enumerate(locations)
    )
    return text.replace(found[0], blocks)


def products_document(sizes: int, locations: int = 1) -> str:
    """Reads products in `sizes` groups in one call: `$ids0` with `$variants0` of each one's variants, and so
    on. A connection costs what is asked for, so that products of one variant are not asked for twenty. Their
    numbers are those at `$locationId`; of several `locations` at `$locationId0` and so on."""
    text = documents()["ProductsPage"]
    if locations > 1:
        variables = [f"$locationId{at}" for at in range(locations)]
        text = _at_each(text, variables).replace(
            "$locationId: ID!", ", ".join(f"{variable}: ID!" for variable in variables)
        )
    start, end = text.index("nodes(ids"), text.rindex("}")
    head, body = text[:start], text[start:end]
    one = "$ids: [ID!]!, $variants: Int!"
    many = ", ".join(f"$ids{at}: [ID!]!, $variants{at}: Int!" for at in range(sizes))
    blocks = " ".join(
        f"at{at}: " + body.replace("$ids", f"$ids{at}").replace("$variants", f"$variants{at}")
        for at in range(sizes)
    )
    return head.replace(one, many) + blocks + "}"


def bulk_catalogue(location_ids: Sequence[str]) -> str:
    """The text of the bulk read with the written locations in it; a bulk query takes no variables."""
    return _at_each(documents()["BulkCatalogue"], [f'"{location_id}"' for location_id in location_ids])
