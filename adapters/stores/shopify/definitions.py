"""The definition of the metafield that holds a variant's badge.

It belongs to the app and comes with its configuration (shopify.app.toml): Shopify makes it in each shop at the
installation. Where it did not (a deploy that left out definitions of variants was seen, and an app of the
merchant's own has none), it is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.stores.shopify.client import AccessDenied, ShopifyClient
from adapters.stores.shopify.writes import BADGE_KEY

OWNER, TYPE = "PRODUCTVARIANT", "json"
NAME = "Availability"
DESCRIPTION = "What the product page may say: state, count and dates."


def ready(client: ShopifyClient) -> str:
    """Make the definition where it lacks; why the badge cannot be shown, "" when it can."""
    if (found := _found(client)) is not None:
        kind = found["type"]["name"]
        if kind == TYPE:
            return ""
        return (
            f"The shop defines the metafield $app.{BADGE_KEY} of variants as {kind}, not as {TYPE}. "
            "Delete that definition in the shop's settings for custom data; Dispo makes the right one."
        )
    definition = {
        "namespace": "$app",
        "key": BADGE_KEY,
        "ownerType": OWNER,
        "type": TYPE,
        "name": NAME,
        "description": DESCRIPTION,
    }
    try:
        # Sent once: when the answer is lost, the next look finds what was made.
        data = client.mutate("DefineBadge", {"definition": definition})
    except AccessDenied as exc:
        return f"Shopify does not let Dispo define the badge's metafield: {exc.cause} {exc.remedy}"
    payload: Mapping[str, Any] = data.get("metafieldDefinitionCreate") or {"userErrors": []}
    wrong = [error for error in payload["userErrors"] if error["code"] != "TAKEN"]
    if not wrong or _found(client) is not None:
        return ""
    return (
        f"Shopify does not let Dispo define the badge's metafield: {wrong[0]['message']} "
        "Delete definitions of variants that nobody uses in the shop's settings for custom data."
    )


def _found(client: ShopifyClient) -> dict[str, Any] | None:
    asked = {"ownerType": OWNER, "namespace": "$app", "key": BADGE_KEY}
    for one in client.query("BadgeDefinition", asked)["metafieldDefinitions"]["nodes"]:
        if one["key"] == BADGE_KEY:
            node: dict[str, Any] = one
            return node
    return None
