"""What the look of a column's values says for and against each field, in log-odds (see `scores`). PURE."""

from __future__ import annotations

from connector.intake.profile import Profile


def value_score(name: str, p: Profile, *, has_header: bool) -> float:
    """What the values say for field `name`, given whether the header named it at all.

    An empty column proves nothing against its header, and is nothing without one.
    """
    if p.count == 0:
        return -1.2 if has_header else -6.0
    return _VALUES[name](p, has_header)


def _code(p: Profile, has_header: bool) -> float:
    if p.link > 0.3 or p.long > 0.3 or p.money > 0.3 or p.date > 0.9 or (p.decimals > 0.5 and not has_header):
        return -7.0
    # "12.3456" under "Art. no." is a code that only looks like a number.
    score = -1.5 if p.decimals > 0.5 else 0.0
    if p.distinct < 0.5:
        score -= 6.0
    elif p.distinct < 0.9:
        score -= 1.5
    else:
        score += 0.7
    if p.spaced > 0.6:
        score -= 4.0 if not has_header else 3.2
    if p.barcode > 0.8:
        score -= 3.5
    if p.stock_word > 0.5 or (p.bound > 0.5 and p.coded < 0.3 and p.integer > 0.3):
        score -= 3.0
    if p.counted:
        score -= 2.4
    if has_header:
        return score
    return score + (3.2 if p.coded > 0.8 and p.distinct > 0.9 else 1.8 if p.leading_zero > 0.7 else -2.0)


def _sku(p: Profile, has_header: bool) -> float:
    return _code(p, has_header) + (0.6 if p.coded > 0.8 else 0.0)


def _supplier_sku(p: Profile, has_header: bool) -> float:
    return _code(p, has_header) - (0.0 if has_header else 3.0)


def _gtin(p: Profile, has_header: bool) -> float:
    if p.barcode > 0.9:
        many = 2.0 if has_header else 5.2
        return many - (1.5 if p.carton > 0.8 else 0.0) - (3.0 if p.few else 0.0)
    if p.barcode > 0.5:
        return 0.6 if has_header else 1.5
    # Spreadsheets turn barcodes into 4.00638E+12: the header is still right.
    return -1.0 if has_header and p.number > 0.8 and p.distinct > 0.5 else -6.0


def _quantity(p: Profile, has_header: bool) -> float:
    if p.quantity < 0.5 or p.currency > 0.5 or p.link > 0.2:
        return -7.0
    score = 4.0 * (p.quantity - 0.9) if p.quantity < 0.9 else 0.5
    if p.barcode > 0.8 or (p.counted and not has_header):
        return score - 6.0
    score -= 0.8 if p.counted else 0.0
    if p.money > 0.2 or (p.decimals > 0.3 and not has_header):
        score -= 3.0
    elif p.decimals > 0.3:
        # Kilograms, or thousands grouped by the other sign: reading decides.
        score -= 0.9
    if p.stock_word > 0.6 and p.integer < 0.5:
        # Red and green are a traffic light under a header that says so, else they are colours.
        score -= 6.0 if p.colour > 0.5 and not has_header else 0.0
        score += 1.6
        return score if has_header else score + 2.6
    if p.bound > 0.1:
        score += 0.8
    if p.leading_zero > 0.3:
        score -= 3.0
    if has_header:
        return score - (1.5 if p.distinct * p.count <= 1.5 and p.count > 4 else 0.0)
    plain = p.integer > 0.95 and not p.few and (p.median or 0) < 5000
    return score + (1.9 if plain and p.zero > 0.02 else 1.2 if plain else -4.0)


def _date_value(p: Profile, has_header: bool) -> float:
    if p.date > 0.8:
        return 1.0 if has_header else 2.4
    if has_header and p.number > 0.9 and p.median is not None and 36_526 <= p.median <= 69_000:
        return 0.3
    return -1.0 if p.date > 0.4 and has_header else -6.0


def _lead(p: Profile, has_header: bool) -> float:
    if p.days > 0.8:
        return 1.4 if has_header else 2.6
    if p.integer > 0.9 and (p.median or 0) <= 120 and p.barcode < 0.1:
        return 0.3 if has_header else -5.0
    return -6.0 if p.number > 0.5 or p.date > 0.5 or not has_header else -2.0


def _amount(p: Profile, has_header: bool) -> float:
    if p.number < 0.7 or p.barcode > 0.5 or p.date > 0.5 or p.bound > 0.5 or (p.counted and not has_header):
        return -6.0
    score = 0.8 if p.decimals > 0.5 else 0.0
    score += 0.8 if p.money > 0.5 else 0.0
    if has_header:
        # Whole numbers that are often 0 are counts: "on the purchase list" is no price.
        return score - (3.0 if p.integer > 0.95 and p.zero > 0.3 and p.money == 0 else 0.0)
    # Decimals that no header explains may as well be weights.
    return score + (1.3 if p.money > 0.8 else 0.9 if p.decimals > 0.8 else -5.0)


def _cost(p: Profile, has_header: bool) -> float:
    return _amount(p, has_header) - (0.0 if has_header else 0.4)


def _small(p: Profile, has_header: bool) -> float:
    if p.integer < 0.7 or p.barcode > 0.2 or p.carton > 0.1:
        return -6.0
    if not has_header:
        return -5.0
    return 0.4 + (0.5 if p.few else 0.0) - (1.5 if (p.median or 0) > 500 else 0.0)


def _location(p: Profile, has_header: bool) -> float:
    if p.decimals > 0.3 or p.barcode > 0.3 or p.date > 0.5 or p.stock_word > 0.6:
        return -6.0
    if not has_header:
        return -6.0
    if p.few:
        return 1.0
    # A "Lager" column full of numbers is the stock, not the place.
    return -4.0 if p.integer > 0.8 else -2.0 if p.distinct > 0.8 else 0.0


def _name(p: Profile, has_header: bool) -> float:
    if p.number > 0.5 or p.link > 0.3 or p.stock_word > 0.5 or p.date > 0.5 or p.currency > 0.5:
        return -6.0
    if p.few and p.count >= 10:
        return -3.5
    score = 1.2 if p.spaced > 0.6 else -0.8
    score += 0.4 if p.distinct > 0.7 else -0.8
    score -= 2.0 if p.long > 0.6 else 0.0
    score -= 2.5 if p.coded > 0.8 else 0.0
    score -= 2.0 if p.markup > 0.3 else 0.0
    return score if has_header else score + (1.0 if p.spaced > 0.6 and p.distinct > 0.7 else -4.0)


def _currency(p: Profile, has_header: bool) -> float:
    return (1.5 if has_header else 4.5) if p.currency > 0.9 else -6.0


def _unit(p: Profile, has_header: bool) -> float:
    if p.number > 0.5:
        return -6.0
    if p.unit > 0.8:
        return 1.4 if has_header else 3.4 if p.few or p.count < 8 else 1.0
    return -1.0 if has_header and p.few else -5.0


def _availability(p: Profile, has_header: bool) -> float:
    if p.integer > 0.6 and p.flag < 0.9:
        return -6.0
    return (1.5 if p.stock_word > 0.6 else -1.5) if has_header else -4.0


def _discontinued(p: Profile, has_header: bool) -> float:
    if not has_header:
        return -6.0
    return 0.8 if p.flag > 0.6 or p.few else -3.0


_VALUES = {
    "sku": _sku,
    "gtin": _gtin,
    "supplier_sku": _supplier_sku,
    "quantity": _quantity,
    "restock_on": _date_value,
    "lead_time": _lead,
    "cost": _cost,
    "price": _amount,
    "moq": _small,
    "pack_size": _small,
    "location": _location,
    "name": _name,
    "currency": _currency,
    "unit": _unit,
    "availability": _availability,
    "discontinued": _discontinued,
}
