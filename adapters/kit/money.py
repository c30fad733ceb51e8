"""Amounts of money as platforms write them ("19.90"), to and from minor units. Digits come from CLDR."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from babel.numbers import get_currency_precision


def to_text(amount_minor: int, currency: str) -> str:
    """Major units with the currency's digits.

    >>> to_text(1990, "EUR"), to_text(500, "JPY"), to_text(1, "KWD")
    ('19.90', '500', '0.001')
    """
    digits = get_currency_precision(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):.{digits}f}"


def to_minor(amount: object, currency: str) -> int:
    """Minor units of an amount in major units, half a unit away from zero. Raises ValueError for no number.

    >>> to_minor("19.90", "EUR"), to_minor(19.9, "EUR"), to_minor("-0.5", "JPY")
    (1990, 1990, -1)
    """
    try:
        # By way of text, so that a number that came as a binary fraction means what it showed.
        found = Decimal(str(amount)).scaleb(get_currency_precision(currency))
        return int(found.to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, OverflowError) as exc:
        raise ValueError(f"{str(amount)[:40]!r} is no amount of money") from exc
