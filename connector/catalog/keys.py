"""How item codes are compared. PURE: text in, key out. Two codes match when their keys are equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY_FIELDS = ("supplier_sku", "sku", "gtin")
"""Where a supplier item's own key comes from: the first of these that its source has a column for."""

_GTIN_JUNK = re.compile(r"[\s.\-'’]+")


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How a supplier's codes differ from the merchant's SKUs, as the merchant declared it.

    `prefix` and `suffix` are taken off the supplier's code (whatever their case); with `leading_zeros`
    zeros in front count on neither side.
    """

    prefix: str = ""
    suffix: str = ""
    leading_zeros: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> KeyRules:
        """The rules stored as `value`; None or {} are no rules."""
        value = value or {}
        return cls(value.get("prefix") or "", value.get("suffix") or "", bool(value.get("leading_zeros")))

    def to_json(self) -> dict[str, Any]:
        return {"prefix": self.prefix, "suffix": self.suffix, "leading_zeros": self.leading_zeros}


NO_RULES = KeyRules()


def sku_key(text: str, rules: KeyRules = NO_RULES) -> str:
    """A code as it is compared: trimmed, single spaces, no case, then the declared rules; "" when blank.

    sku_key("  AB  12 ") == "ab 12"; sku_key("ACME-007", KeyRules("acme-", "", True)) == "7".
    """
    if text.isascii():
        key = " ".join(text.split()).lower()
    else:
        key = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    if rules == NO_RULES:
        return key
    prefix, suffix = sku_key(rules.prefix), sku_key(rules.suffix)
    if prefix and key.startswith(prefix) and len(key) > len(prefix):
        key = key[len(prefix) :].strip()
    if suffix and key.endswith(suffix) and len(key) > len(suffix):
        key = key[: -len(suffix)].strip()
    if rules.leading_zeros:
        key = key.lstrip("0") or key[-1:]
    return key


def gtin_key(text: str) -> str:
    """A barcode as it is compared: its digits without leading zeros, so that a 12-digit UPC equals its 13
    and 14-digit spellings; "" when there is none. Raises ValueError for what is no barcode number."""
    digits = _GTIN_JUNK.sub("", text.removesuffix(".0"))
    if not digits.strip("0"):
        return ""
    if not (digits.isascii() and digits.isdigit() and 6 <= len(digits) <= 14):
        raise ValueError(f"“{text[:60]}” is not a barcode number.")
    return digits.lstrip("0")
