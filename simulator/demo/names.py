"""Made-up product names for real article codes: the same code always gets the same name."""

from __future__ import annotations

import hashlib

_STYLES = (
    "Vintage", "Enamel", "Hanging", "Ceramic", "Wooden", "Floral", "Striped", "Polka Dot", "Antique", "Glass",
    "Wicker", "Linen", "Copper", "Painted", "Scented", "Woven", "Little", "Retro", "Porcelain", "Folding",
)  # fmt: skip
_THINGS = (
    "Lantern", "Cake Stand", "Tea Set", "Photo Frame", "Lunch Box", "Jam Jar", "Bunting", "Doormat", "Tray",
    "Hook", "Wall Clock", "Candle Holder", "Storage Tin", "Apron", "Mug", "Notebook", "Coat Rack", "Watering Can",
    "Bird House", "Sewing Kit", "Napkins", "Egg Cup", "Basket", "Vase", "Money Box", "Umbrella", "Tote Bag",
    "Door Stop", "Party Hats", "Night Light",
)  # fmt: skip
_MOTIFS = (
    "Rose", "Garden", "Paris", "Seaside", "Heart", "Woodland", "Circus", "Star", "Robin", "Strawberry", "Daisy",
    "London", "Owl", "Lavender", "Regatta", "Butterfly", "Snowflake", "Gingham", "Spaceboy", "Feather",
)  # fmt: skip
_COLOURS = ("Red", "Blue", "Cream", "Green", "Pink", "Black", "White", "Yellow")
_COLLECTIONS = {
    "Lantern": "Light", "Candle Holder": "Light", "Night Light": "Light", "Cake Stand": "Kitchen",
    "Tea Set": "Kitchen", "Lunch Box": "Kitchen", "Jam Jar": "Kitchen", "Apron": "Kitchen", "Mug": "Kitchen",
    "Egg Cup": "Kitchen", "Napkins": "Kitchen", "Bunting": "Party", "Party Hats": "Party", "Bird House": "Garden",
    "Watering Can": "Garden", "Doormat": "Garden",
}  # fmt: skip


def product_name(code: str) -> tuple[str, str]:
    """The name of the product with this article code, and the collection it belongs to.

    >>> product_name("85123") == product_name("85123")
    True
    """
    number = int.from_bytes(hashlib.sha256(code.encode()).digest()[:8], "big")
    number, style = divmod(number, len(_STYLES))
    number, thing = divmod(number, len(_THINGS))
    number, motif = divmod(number, len(_MOTIFS))
    name = _THINGS[thing]
    return f"{_STYLES[style]} {_MOTIFS[motif]} {name}", _COLLECTIONS.get(name, "Home")


def variant_name(sku: str) -> str:
    """The colour of an article whose code ends in a letter, "" for one that has no variants."""
    letter = sku[-1].upper()
    return _COLOURS[(ord(letter) - ord("A")) % len(_COLOURS)] + f" ({letter})" if letter.isalpha() else ""
