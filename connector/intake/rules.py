"""The guard's rules about a whole file: each looks at one sign and says in a sentence what is wrong. PURE.

A rule answers None where nothing is wrong. Where a limit was learnt the sentence says from how much.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.intake.evidence import Evidence, Hold, Limits
from connector.intake.signs import Moves


def vanished(evidence: Evidence, limits: Limits) -> Hold | None:
    """Fewer rows than this supplier sends."""
    before, rows = evidence.rows_before or 0, evidence.rows
    share = 1 - rows / before if before else 0.0
    if rows < limits.least_rows_share * before:
        sentence = f"The file has {rows:,} rows where the last one had {before:,} ({_percent(rows, before)})."
        return Hold("rows_vanished", sentence, share)
    if limits.rows is not None and rows < limits.rows[0]:
        low, high = limits.rows
        sentence = f"Expected {low:,}–{high:,} rows; the file has {rows:,} ({learnt(limits)})."
        if limits.on:
            sentence = (
                f"Expected {low:,}–{high:,} rows {limits.on}; the file has {rows:,} ({learnt(limits)})."
            )
        return Hold("rows_vanished", sentence, share)
    return None


def truncated(evidence: Evidence, limits: Limits) -> Hold | None:
    """The end of the file is missing: a cut last line, or the last items all gone and no others."""
    before, lost = evidence.rows_before or 0, evidence.lost
    if evidence.ends_short and lost:
        sentence = (
            f"The last line is cut off, and {_items(lost)} of {before:,} known items are not in the file."
        )
        return Hold("truncated", sentence, lost / max(before, 1))
    is_tail = evidence.tail >= limits.tail_items and evidence.tail >= 0.9 * lost
    if is_tail and evidence.rows < before and lost > limits.expected.get("lost", 0) / 3:
        sentence = (
            f"The {evidence.tail:,} items that stood at the end of the last file are missing and nearly no others: "
            "is the file cut off?"
        )
        return Hold("truncated", sentence, lost / max(before, 1))
    return None


def keys(evidence: Evidence, limits: Limits) -> Hold | None:
    """Known items are gone, or their codes changed."""
    before, lost = evidence.rows_before or 0, evidence.lost
    if lost > limits.lost_items and lost > limits.lost_share * before:
        if evidence.rows >= 0.9 * before:
            sentence = (
                f"{lost:,} of {before:,} known items are not in the file, although it has "
                f"{evidence.rows:,} rows: did the item codes change?"
            )
            return Hold("keys_changed", sentence, lost / before)
        sentence = f"{lost:,} of {before:,} known items are not in the file ({_percent(lost, before)})."
        return Hold("rows_vanished", sentence, lost / before)
    most = limits.expected.get("lost")
    if most is not None and lost > most:
        code = "keys_changed" if evidence.new >= 0.7 * lost else "rows_vanished"
        sentence = (
            f"{_items(lost)} of {before:,} known items are not in the file; at most {most:,.0f} are usual"
            f" ({learnt(limits)})."
        )
        return Hold(code, sentence, lost / max(before, 1))
    return None


def encoding(evidence: Evidence, limits: Limits) -> Hold | None:
    """Letters read in another encoding than the file's. Codes with such letters name other items."""
    count, before = evidence.garbled, evidence.garbled_before
    if count >= limits.garbled_rows + 2 * before:
        usual = f", where at most {before:,} had" if before else ""
        sentence = (
            f"{count:,} rows have letters of another encoding (“Ã©” for “é”){usual}: did the encoding change?"
        )
        return Hold("wrong_encoding", sentence, count / max(evidence.rows, 1))
    return None


def columns(evidence: Evidence) -> Hold | None:
    """A file without a header whose columns are no longer as many: their places mean nothing then."""
    now, before = len(evidence.columns), len(evidence.columns_before)
    if not evidence.has_header and before and now != before:
        sentence = (
            f"The file has no header and now {now} columns where it had {before}: "
            "which of them is the quantity?"
        )
        return Hold("column_shift", sentence, 1.0)
    return None


def unreadable(evidence: Evidence, limits: Limits) -> Hold | None:
    """Quantities that are none."""
    rows, bad = evidence.rows, evidence.unreadable
    if rows and bad > limits.unreadable_share * rows:
        sentence = (
            f"The quantity of {bad:,} of {rows:,} rows cannot be read "
            f"({_percent(bad, rows)}): is it still the same column?"
        )
        return Hold("column_shift", sentence, bad / rows)
    most = limits.expected.get("unreadable")
    if most is not None and bad > most:
        sentence = (
            f"The quantity of {bad:,} of {rows:,} rows cannot be read; at most {most:,.0f} are usual"
            f" ({learnt(limits)})."
        )
        return Hold("column_shift", sentence, bad / max(rows, 1))
    return None


def zeros(evidence: Evidence, count: int, limits: Limits) -> Hold | None:
    """Many items sell out at once."""
    stocked = evidence.stocked_before
    if count > limits.zero_items and count > limits.zero_share * stocked:
        sentence = f"{count:,} of {stocked:,} items in stock would go to zero ({_percent(count, stocked)})."
        return Hold("many_to_zero", sentence, count / stocked if stocked else 1.0)
    most = limits.expected.get("to_zero")
    if most is not None and count > most:
        sentence = f"{_items(count)} would go to zero; at most {most:,.0f} are usual ({learnt(limits)})."
        return Hold("many_to_zero", sentence, count / max(stocked, evidence.rows_before or 0, 1))
    return None


def equal(evidence: Evidence, limits: Limits) -> Hold | None:
    """Every row says the same."""
    if evidence.single_quantity is not None and evidence.rows >= limits.equal_rows:
        sentence = (
            f"All {evidence.rows:,} rows now have the quantity {evidence.single_quantity:,}; "
            "they differed before."
        )
        return Hold("all_equal", sentence)
    return None


def unit(evidence: Evidence, moves: Moves, limits: Limits) -> Hold | None:
    """Packs instead of pieces: many quantities moved by one and the same factor."""
    known = max(evidence.rows_before or 0, 1)
    is_most = moves.in_unit >= 0.6 * moves.comparable and moves.comparable >= 0.5 * moves.changed
    is_many = moves.in_unit > limits.unit_share * known
    if moves.in_unit <= limits.expected.get("unit", limits.unit_rows - 1):
        return None
    if not is_many and not (is_most and moves.in_unit > 0.05 * known):
        return None
    factor = f"{moves.unit:.3g} times" if moves.unit >= 1 else f"a {1 / moves.unit:.3g}th of"
    sentence = (
        f"{moves.in_unit:,} quantities are all about {factor} what they were: is it packs instead of pieces?"
    )
    return Hold("unit_change", sentence, moves.in_unit / known)


def decimals(evidence: Evidence, limits: Limits) -> Hold | None:
    """Decimals in a column that counts pieces: a price, or a sign for thousands read as one for decimals."""
    count, read = evidence.fractions, max(evidence.read, 1)
    many = count > limits.fraction_items and count > limits.fraction_share * read
    most = limits.expected.get("fractions")
    if many or (most is not None and count > most):
        usual = f"; at most {most:,.0f} are usual ({learnt(limits)})" if most is not None else ""
        sentence = f"{count:,} quantities have decimals{usual}: is it a price, or another sign for thousands?"
        return Hold("decimal_change", sentence, count / read)
    return None


def wild(evidence: Evidence, moves: Moves, limits: Limits) -> Hold | None:
    """Quantities jump up and down as if another column were read."""
    known = max(evidence.rows_before or 0, 1)
    most = limits.expected.get("wild")
    many = moves.wild > limits.wild_items and moves.wild > limits.wild_share * known
    if many or (most is not None and moves.wild > most):
        usual = f" at most {most:,.0f} are usual ({learnt(limits)})" if most is not None else ""
        sentence = (
            f"{moves.wild:,} of {known:,} quantities more than double or halve"
            f"{';' + usual if usual else ''}: is it still the same column?"
        )
        return Hold("wild_change", sentence, moves.wild / known)
    return None


def duplicates(evidence: Evidence, limits: Limits) -> Hold | None:
    """Items that stand on several lines."""
    count, rows = evidence.duplicates, max(evidence.rows, 1)
    many = count > limits.duplicate_items and count > limits.duplicate_share * rows
    most = limits.expected.get("duplicates")
    if many or (most is not None and count > most):
        usual = f"; at most {most:,.0f} do usually ({learnt(limits)})" if most is not None else ""
        sentence = (
            f"{_items(count)} stand on several lines with other quantities{usual}: are they two files in one?"
        )
        return Hold("duplicate_rows", sentence, count / rows)
    return None


def stale(evidence: Evidence, moves: Moves, limits: Limits) -> Hold | None:
    """An old file: by its own time, or because it says again what an earlier one said."""
    now, last = evidence.file_as_of, evidence.last_file_as_of
    if now is not None and last is not None and now < last:
        sentence = (
            f"The file is of {now:%Y-%m-%d %H:%M} UTC, older than the last accepted one "
            f"of {last:%Y-%m-%d %H:%M} UTC."
        )
        return Hold("stale_file", sentence)
    moved = moves.changed + evidence.lost
    if evidence.seen_on and moved >= limits.stale_items:
        sentence = (
            f"The file says word for word what the one of {evidence.seen_on} said, not the last one: "
            f"{_items(moved)} would go back to it."
        )
        return Hold("stale_file", sentence)
    return None


_CAUSES = (
    ("rows", "lost"),
    ("to_zero",),
    ("unreadable",),
    ("duplicates",),
    ("fractions",),
    ("wild", "unit", "changed"),
)
"""Signs that one cause moves together count once. New items alone do no harm."""


def together(used: Mapping[str, float], limits: Limits, most: float) -> list[Hold]:
    """Several signs that are each within their limit; [] or one hold. `used` are shares of the limits."""
    found = [max((min(used.get(name, 0.0), 1.0), name) for name in names) for names in _CAUSES]
    score = sum(share**2 for share, _ in found)
    strong = sorted(((share, name) for share, name in found if share >= 0.6), reverse=True)
    if score < most or len(strong) < 2:
        return []
    names = ", ".join(f"{NAMES[name]} {100 * share:.0f} %" for share, name in strong[:4])
    sentence = (
        f"No single limit is passed, but several are nearly used up at once: {names} ({learnt(limits)})."
    )
    return [Hold("unusual", sentence, score)]


NAMES: Mapping[str, str] = {
    "rows": "fewer rows",
    "lost": "missing items",
    "to_zero": "items to zero",
    "unreadable": "unreadable quantities",
    "duplicates": "items on several lines",
    "fractions": "quantities with decimals",
    "wild": "quantities that double or halve",
    "unit": "quantities that move by one factor",
    "changed": "changed quantities",
    "new": "new items",
}
"""The learnt signs in words."""


def learnt(limits: Limits) -> str:
    """ "learnt from 41 runs"."""
    return f"learnt from {limits.runs} runs"


def _items(count: int) -> str:
    return f"{count:,} item" if count == 1 else f"{count:,} items"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "all"
