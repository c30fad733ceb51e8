"""The variants an unmatched item may be, and what one rule would match many of them. PURE; nothing is linked here.

Comparing everything with everything would take 2.5 milliard comparisons for 50,000 items and variants: an index
of three-letter pieces finds the few that share most, and only those are compared.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from connector.catalog.keys import NO_RULES, KeyRules, sku_key

LEAST_SCORE = 0.6
_SIGNS = re.compile(r"[\W_]+")
_COMPARED = 30
_FAR_BEHIND = 0.25
_COMMON = 3_000
"""A piece that more variants share says nothing."""
_LONGEST_AFFIX = 12
_LEAST_CORE = 3


@dataclass(frozen=True, slots=True)
class Known:
    """A variant as it is compared."""

    variant_id: int
    sku: str
    title: str = ""
    gtin: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant an item may be: `score` 0–1, `why` sku, gtin or title."""

    variant_id: int
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule under which `matches` items, that match nothing now, would name exactly one variant each."""

    rules: KeyRules
    matches: int


class Nearest:
    """An index of variants; building it takes about a second for 100,000."""

    def __init__(self, variants: Iterable[Known]) -> None:
        self._variants = list(variants)
        self._squeezed = [squeeze(one.sku) for one in self._variants]
        self._pieces: dict[str, array[int]] = defaultdict(lambda: array("l"))
        self._by_gtin: dict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(self._variants):
            for piece in _pieces(self._squeezed[place]) | _words(one.title):
                self._pieces[piece].append(place)
            if one.gtin:
                for key in _gtin_blocks(one.gtin):
                    self._by_gtin[key].append(place)

    def find(self, sku: str, gtin: str = "", title: str = "", limit: int = 3) -> list[Candidate]:
        """The nearest variants, the best first; none below `LEAST_SCORE`."""
        code = squeeze(sku)
        shared: Counter[int] = Counter()
        for piece in _pieces(code) | _words(title or sku):
            places = self._pieces.get(piece, ())
            if len(places) <= _COMMON:
                shared.update(places)
        looked_at = {place for place, _ in shared.most_common(_COMPARED)}
        if gtin:
            looked_at |= {
                place for key in _gtin_blocks(gtin) for place in self._by_gtin.get(key, ())[:_COMPARED]
            }
        found = []
        for place in looked_at:
            score, why = self._score(place, code, gtin, title or (sku if " " in sku.strip() else ""))
            if score >= LEAST_SCORE:
                found.append(Candidate(self._variants[place].variant_id, round(score, 2), why))
        found.sort(key=lambda one: (-one.score, one.variant_id))
        # Beside one that is much nearer the others only distract.
        return [one for one in found if one.score >= found[0].score - _FAR_BEHIND][:limit]

    def _score(self, place: int, code: str, gtin: str, title: str) -> tuple[float, str]:
        one, theirs = self._variants[place], self._squeezed[place]
        best = (0.0, "sku")
        if code and theirs:
            score = fuzz.ratio(code, theirs) / 100
            short, long = sorted((code, theirs), key=len)
            if len(short) > _LEAST_CORE and (long.startswith(short) or long.endswith(short)):
                # A prefix or suffix more: nearer than as many other letters in the middle.
                score = max(score, 0.7 + 0.3 * len(short) / len(long))
            best = (min(score, 0.99), "sku")
        if gtin and one.gtin and Levenshtein.distance(gtin, one.gtin, score_cutoff=1) <= 1:
            best = max(best, (0.85, "gtin"))
        if title and one.title:
            best = max(
                best, (0.9 * fuzz.token_sort_ratio(title.casefold(), one.title.casefold()) / 100, "title")
            )
        return best


def squeeze(code: str) -> str:
    """A code without signs, blanks, case and zeros in front: "AB-007 x" is "ab007x", "0042" is "42"."""
    return _SIGNS.sub("", code.casefold()).lstrip("0")


def _pieces(code: str) -> set[str]:
    return {code[at : at + 3] for at in range(len(code) - 2)} or ({code} if code else set())


def _words(title: str) -> set[str]:
    return {f" {word}" for word in _SIGNS.sub(" ", title.casefold()).split() if len(word) > 2}


def _gtin_blocks(gtin: str) -> tuple[str, str]:
    # One wrong digit leaves one half as it is.
    half = len(gtin) // 2
    return f"<{gtin[:half]}", f">{gtin[half:]}"


def patterns(items: Sequence[str], variants: Collection[str], limit: int = 5) -> list[Pattern]:
    """Rules that would match many of these items (their codes as compared, none of which a variant has), the most
    first. At least three items and one in fifty must follow the pattern.

    patterns(["acme-1a2", "acme-3b4", "acme-5c6"], {"1a2", "3b4", "5c6"}) == [Pattern(KeyRules("acme-"), 3)].
    """
    known = set(variants)
    bare: Counter[str] = Counter(code.lstrip("0") for code in known)
    counts: Counter[KeyRules] = Counter()
    for code in items:
        if not code or code in known:
            continue
        for cut in range(1, min(_LONGEST_AFFIX, len(code) - _LEAST_CORE) + 1):
            # Zeros alone are no prefix: they have a rule of their own.
            if code[:cut].strip("0") and code[cut:].strip() in known:
                counts[KeyRules(prefix=code[:cut])] += 1
            if code[:-cut].strip() in known:
                counts[KeyRules(suffix=code[-cut:])] += 1
        if bare[code.lstrip("0")] == 1:
            counts[KeyRules(leading_zeros=True)] += 1
    least = max(3, len(items) // 50)
    found = [Pattern(rules, count) for rules, count in counts.items() if count >= least]
    # Of "acme" and "acme-" with the same matches the longer one is the pattern.
    return sorted(found, key=lambda p: (-p.matches, -len(p.rules.prefix + p.rules.suffix)))[:limit]


def matches_under(rules: KeyRules, items: Iterable[str], variants: Collection[str]) -> int:
    """How many of these items (their codes) would name exactly one variant under `rules`."""
    ours = Counter(code.lstrip("0") if rules.leading_zeros else code for code in variants)
    theirs = Counter(sku_key(code, rules) for code in items) if rules != NO_RULES else Counter(items)
    return sum(1 for code, count in theirs.items() if code and count == 1 and ours[code] == 1)
