"""How a column header is cut into the ideas that its words name (`ideas`). PURE.

A header is not looked up as a whole: its words are (also inside compounds: "Mindestbestellmenge" is MIN +
ORDER + QTY), so that headers nobody listed are read too. What the ideas of a header make of its column is
decided in `guessing`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from functools import lru_cache
from itertools import takewhile

from connector.intake.ideas import IDEAS

CURRENCIES = frozenset(
    "eur usd gbp chf pln cad aud nzd jpy cny sek nok dkk czk huf ron brl mxn try bgn inr hkd sgd zar".split()
)


def header_words(header: str) -> str:
    """A header as it is compared: no accents, no case, words separated by single spaces."""
    header = re.sub(r"\b([Nn])[°º]", r"\1o ", header)
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", header)
    plain = unicodedata.normalize("NFKD", split.casefold().replace("ł", "l").replace("ß", "ss"))
    bare = "".join(char for char in plain if not unicodedata.combining(char)).replace("%", " percent ")
    bare = re.sub(r"(?<=[a-z.]) ?#", " no ", bare)
    return " ".join(re.sub(r"[^\w]+|_", " ", bare).split())


def _tables() -> tuple[dict[str, frozenset[str]], list[tuple[str, str]], dict[str, frozenset[str]], int]:
    words: dict[str, set[str]] = {}
    phrases: dict[str, set[str]] = {}
    stems: list[tuple[str, str]] = []
    for idea, block in IDEAS.items():
        for entry in block.replace("\n", "|").split("|"):
            known = entry.strip()
            if known.endswith("*"):
                stems.append((known[:-1], idea))
                words.setdefault(known[:-1], set()).add(idea)
            elif " " in known:
                phrases.setdefault(known, set()).add(idea)
            elif known:
                words.setdefault(known, set()).add(idea)
    stems.sort(key=lambda pair: -len(pair[0]))
    longest = max(phrase.count(" ") + 1 for phrase in phrases)
    return (
        {word: frozenset(ideas) for word, ideas in words.items()},
        stems,
        {phrase: frozenset(ideas) for phrase, ideas in phrases.items()},
        longest,
    )


_WORDS, _STEMS, _PHRASES, _LONGEST = _tables()
_SORTED = sorted(_WORDS)
_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=20_000)
def ideas_of(header: str) -> tuple[frozenset[str], int]:
    """(the ideas a header names, how many of its words name none).

    ideas_of("Mindestbestellmenge") == ({"MIN", "ORDER", "QTY"}, 0).
    """
    tokens = _joined(header_words(header).split())
    found: set[str] = set()
    unknown = at = 0
    while at < len(tokens):
        for width in range(min(_LONGEST, len(tokens) - at), 0, -1):
            phrase = " ".join(tokens[at : at + width])
            if width > 1:
                # Capitals tear words apart that belong together: "MwSt", "BarCode".
                ideas = _PHRASES.get(phrase) or (_WORDS.get(phrase.replace(" ", "")) if width == 2 else None)
            else:
                ideas = _ideas_of_word(phrase)
            if ideas:
                found |= ideas
                break
        else:
            width = 1
            unknown += tokens[at] not in CURRENCIES and len(tokens[at]) > 1 and not tokens[at].isdigit()
        at += width
    return frozenset(found), unknown


def _joined(tokens: list[str]) -> list[str]:
    """Single letters side by side are one abbreviation: "p v p" is "pvp"."""
    answer: list[str] = []
    run = ""
    for token in [*tokens, ""]:
        if len(token) == 1 and token.isalpha():
            run += token
            continue
        if run:
            answer += [run] if len(run) > 2 else list(run)
            run = ""
        if token:
            answer.append(token)
    return answer


def _ideas_of_word(token: str) -> frozenset[str]:
    bare = token.rstrip("0123456789") or token
    for word in (token, bare):
        if word in _WORDS:
            return _WORDS[word]
    parts = _cut(bare)
    if parts is not None:
        return frozenset().union(*(_WORDS[part] for part in parts))
    for stem, idea in _STEMS:
        if len(stem) >= 4 and bare.startswith(stem):
            return frozenset({idea})
    return _ideas_of_beginning(bare)


def _ideas_of_beginning(word: str) -> frozenset[str]:
    """What a word cut short stands for ("embal", "giac"): the ideas of every known word that begins so, where
    they agree."""
    if len(word) < 4:
        return _NONE
    at = bisect_left(_SORTED, word)
    meant = [_WORDS[known] for known in takewhile(lambda one: one.startswith(word), _SORTED[at:])]
    if meant:
        return frozenset.intersection(*meant)
    return _NONE


def _cut(word: str) -> list[str] | None:
    """A compound as known words (a linking "s", "n" or "en" between them), fewest and longest first."""
    best: list[list[str] | None] = [None] * (len(word) + 1)
    best[0] = []
    for end in range(2, len(word) + 1):
        for start in range(max(0, end - 20), end - 1):
            before, part = best[start], word[start:end]
            if before is None or part not in _WORDS or (len(part) == 2 and part not in _SHORT_PARTS):
                continue
            if best[end] is None or len(before) + 1 < len(best[end] or ()):
                best[end] = [*before, part]
        if best[end] is None and 3 < end < len(word):
            for link in ("s", "n", "en", "de", "du"):
                start = end - len(link)
                if word[start:end] == link and start > 2 and best[start] is not None:
                    best[end] = best[start]
                    break
    found = best[len(word)]
    return found if found and len(found) > 1 else None


_SHORT_PARTS = frozenset({"nr", "no", "id", "ek", "vk", "ve"})
