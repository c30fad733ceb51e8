"""Which column is what: a guess from headers and values, all columns judged together. PURE.

Every column gets for every field a score in log-odds: what its header means (`lexicon`) plus what its values
look like (`profile`). The assignment with the best sum is taken (one column a field, one field a column, or
none); the confidence of a choice is what its score leaves over the nearest rival, so that two columns that
could both be the stock are asked about and not tossed for. Below `SURE` nothing is read until the merchant
has looked at it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from connector.intake.lexicon import ideas_of
from connector.intake.profile import number_of, profile_of
from connector.intake.scores import FIELDS, header_score
from connector.intake.together import Seen, weigh_together
from connector.intake.values import value_score

SURE = 0.7
MENTION = 0.3
"""Below this confidence a proposal is not even shown."""

KEYS = ("sku", "gtin", "supplier_sku")

_NUMBERED = re.compile(r"(?:column |#)?\d*")
_PRIOR = -2.2
_NEVER = -9.0
_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class Guess:
    """One proposal: field, column name, confidence 0–1 and the reason in words. `index` is the column's place."""

    field: str
    column: str
    confidence: float
    reason: str
    index: int = -1


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it was understood. `field` is "" where it is left alone; `is_asked` where it should be
    looked at first; `candidates` are (field, confidence), the best first."""

    index: int
    column: str
    field: str
    confidence: float
    reason: str
    is_asked: bool
    candidates: tuple[tuple[str, float], ...] = ()


def guess(
    columns: Sequence[str], rows: Sequence[Sequence[str]], items: frozenset[int] | None = None
) -> list[Guess]:
    """The best column for each field, at most one field per column, most certain first.

    `rows` are sample cells (20 are enough, more are better); `items` as in `TableShape.item_columns`.
    """
    found = [
        Guess(one.field, one.column, one.confidence, one.reason, one.index)
        for one in with_column_names(judge_columns(columns, rows, items))
        if one.field and one.confidence >= MENTION
    ]
    return sorted(found, key=lambda one: (-one.confidence, one.index))


def judge_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]], items: frozenset[int] | None = None
) -> list[Column]:
    """What each column is, in the order of the file, with how sure that is and why; `items` as in `guess`."""
    seen = [_look(index, column, rows) for index, column in enumerate(columns)]
    table = [[_score(name, one) for name in FIELDS] for one in seen]
    if all(_NUMBERED.fullmatch(column.strip()) for column in columns):
        # Without a header the values are all there is: numbers are proposed, and asked about.
        for scores in table:
            for place, name in enumerate(FIELDS):
                if name in ("quantity", "cost", "price") and scores[place] > -1.5:
                    scores[place] = min(0.8, scores[place] + 0.7)
    weigh_together(seen, table)
    if items is not None:
        # A product's code is that of all its variants, and its quantity their sum: no row's own.
        for index in set(range(len(table))) - items:
            for place, name in enumerate(FIELDS):
                if name in (*KEYS, "quantity"):
                    table[index][place] = min(table[index][place], _NEVER)
    chosen = _assign(table)
    answer = []
    for index, one in enumerate(seen):
        scores = table[index]
        order = sorted(range(len(FIELDS)), key=lambda place: -scores[place])
        candidates = tuple(
            (FIELDS[place], round(_sigmoid(scores[place]), 2))
            for place in order[:_CANDIDATES]
            if _sigmoid(scores[place]) >= 0.1
        )
        field = chosen.get(index)
        if field is None:
            # Left alone: asked about only where some field nearly took it, or lost it to a rival by a hair.
            best = scores[order[0]] if order else -9.0
            taken_by = {place: column for column, place in chosen.items()}
            rival = taken_by.get(order[0])
            lead = table[rival][order[0]] - best if rival is not None else 9.0
            is_asked = best > 0 and lead < 0.5
            sure = 1 - _sigmoid(best) if rival is None else max(1 - _sigmoid(best), _sigmoid(lead))
            answer.append(Column(index, one.header, "", round(sure, 2), "", is_asked, candidates))
            continue
        confidence = round(_confidence(table, chosen, index, field), 2)
        reason = _reason(FIELDS[field], one)
        answer.append(
            Column(index, one.header, FIELDS[field], confidence, reason, confidence < SURE, candidates)
        )
    return answer


def _look(index: int, column: str, rows: Sequence[Sequence[str]]) -> Seen:
    cells = [row[index] if index < len(row) else "" for row in rows]
    ideas, unknown = ideas_of(column)
    return Seen(
        header=column,
        ideas=ideas,
        unknown=unknown,
        profile=profile_of(cells),
        numbers=tuple(number_of(cell) for cell in cells),
        is_filled=tuple(bool(cell.strip()) for cell in cells),
    )


def _score(name: str, one: Seen) -> float:
    header = header_score(name, one.header)
    if one.unknown and header > 0:
        # Words nobody knows beside a known one may change what it means.
        header -= 0.5 * min(one.unknown, 2)
    return _PRIOR + header + value_score(name, one.profile, has_header=header != 0)


def _assign(table: Sequence[Sequence[float]]) -> dict[int, int]:
    """Column → field with the greatest sum of positive scores, each field and each column at most once.

    The augmenting-path form of the Hungarian method (Kuhn 1955, Jonker and Volgenant 1987): fields are
    the rows of the matrix, columns of the file and one "none" per field its columns.
    """
    fields, columns = len(FIELDS), len(table)
    width = columns + fields
    cost = [
        [
            -table[c][f] if c < columns and table[c][f] > 0 else (0.0 if c >= columns else 1e6)
            for c in range(width)
        ]
        for f in range(fields)
    ]
    u, v = [0.0] * (fields + 1), [0.0] * (width + 1)
    owner, way = [0] * (width + 1), [0] * (width + 1)
    for f in range(1, fields + 1):
        owner[0], at = f, 0
        least, used = [math.inf] * (width + 1), [False] * (width + 1)
        while True:
            used[at] = True
            row, step, nxt = owner[at], math.inf, 0
            for c in range(1, width + 1):
                if not used[c]:
                    slack = cost[row - 1][c - 1] - u[row] - v[c]
                    if slack < least[c]:
                        least[c], way[c] = slack, at
                    if least[c] < step:
                        step, nxt = least[c], c
            for c in range(width + 1):
                if used[c]:
                    u[owner[c]] += step
                    v[c] -= step
                else:
                    least[c] -= step
            at = nxt
            if owner[at] == 0:
                break
        while at:
            owner[at] = owner[way[at]]
            at = way[at]
    return {c - 1: owner[c] - 1 for c in range(1, columns + 1) if owner[c]}


def _confidence(table: Sequence[Sequence[float]], chosen: dict[int, int], column: int, field: int) -> float:
    """How sure the choice is: its own odds, and its lead over columns nobody else took and over fields that
    no other column has."""
    score = table[column][field]
    rivals = [table[c][field] for c in range(len(table)) if c != column and c not in chosen]
    taken = set(chosen.values())
    others = [table[column][f] for f in range(len(FIELDS)) if f != field and f not in taken]
    lead = min([score - rival for rival in rivals] + [score - other for other in others] + [math.inf])
    return min(_sigmoid(score), _sigmoid(lead * 0.8) if lead < math.inf else 1.0)


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def _reason(name: str, one: Seen) -> str:
    by_header = header_score(name, one.header) > 0
    profile = one.profile
    looks = ""
    if profile.count == 0:
        looks = "it has no values to check"
    elif name == "gtin" and profile.barcode > 0.8:
        looks = f"{profile.barcode:.0%} of its values are barcodes with the right check digit"
    elif name in ("sku", "supplier_sku") and profile.distinct > 0.9:
        looks = "its values are codes, each another"
    elif name == "quantity" and profile.stock_word > 0.5:
        looks = "its values are stock words"
    elif name in ("quantity", "moq", "pack_size") and profile.integer > 0.8:
        looks = "its values are whole numbers"
    elif name in ("price", "cost") and profile.number > 0.8:
        looks = "its values are amounts"
    elif name == "restock_on" and profile.date > 0.8:
        looks = "its values are dates"
    elif name == "lead_time" and profile.days > 0.8:
        looks = "its values are times"
    if by_header:
        return f"header “{one.header}”" + (f"; {looks}" if looks else "")
    return looks or "its values fit"


def with_column_names(columns: Sequence[Column]) -> list[Column]:
    """The same with "#3" for the third column wherever two columns share a name."""
    names = [one.column for one in columns]
    return [
        replace(one, column=f"#{one.index + 1}") if names.count(one.column) > 1 else one for one in columns
    ]
