"""Says in the reader's language what was put together, and stored, in English.

Faults, reasons and notes are written in English where they arise, with what they are about in them, and stored so:
in runs, row faults, listings, connections, messages. As everywhere in `connector.i18n` the English text is the
message id, here one with gaps: "The row has {len} cells where the header has {width}." is found again in the
stored sentence, together with what stands in its gaps. So every row is said in the reader's language, however old it
is and whoever stored it, and one that no catalogue knows (any more) stays as it was stored.

Worked example: "The row names no item. It has 3 cells." is two sentences; each is looked up by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from connector import i18n
from connector.sentence_ids import CONTEXT, GAP

_LONGEST = 2_000
"""Longer texts are said as they are: nobody wrote a sentence like this."""
_ENDS = re.compile(r"(?<=[.?!:]) ")
_ADDRESSED = re.compile(r"(\w+: [^\n]{0,300}?: )(?=[A-Z“{\d])")
"""An error as text: the adapter, the object, then what happened."""
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_ASIDE = re.compile(r"(.*?)( ?)\(([^()]+)\)")
_SHARE = re.compile(r"(.*?) ?(\d+) %")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in the reader's language; `is_known` is False where some of it stayed English."""

    text: str
    is_known: bool


def said(text: str, locale: str) -> Said:
    """`text` in `locale`: whole, or sentence by sentence; what is not known stays as it is."""
    if not text or locale == i18n.SOURCE_LOCALE:
        return Said(text, True)
    return _said(text, locale)


@lru_cache(maxsize=4_096)
def _said(text: str, locale: str) -> Said:
    return _speaker(locale).say(text.strip())


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One id with gaps. `key` is the longest of its words between gaps, `quoted` the gaps that hold somebody's
    own words, which are never translated."""

    key: str
    regex: re.Pattern[str]
    gaps: tuple[str, ...]
    quoted: frozenset[str]
    translation: str

    @classmethod
    def of(cls, message: str, translation: str) -> _Pattern:
        parts = GAP.split(message)
        words, gaps = parts[::2], parts[1::2]
        regex = re.escape(words[0])
        for word in words[1:]:
            regex += f"(.*?){re.escape(word)}"
        quoted = frozenset(
            gap for at, gap in enumerate(gaps) if words[at].endswith("“") and words[at + 1].startswith("”")
        )
        return cls(max(words, key=len), re.compile(regex, re.DOTALL), tuple(gaps), quoted, translation)


class _Speaker:
    """The sentences of one language."""

    def __init__(self, locale: str, entries: dict[Any, str]) -> None:
        self._locale = locale
        start = f"{CONTEXT}\x04"
        known = {
            message.removeprefix(start): words
            for message, words in entries.items()
            if isinstance(message, str) and words and message.startswith(start)
        }
        self._plain = i18n.gettext(locale)
        self._exact = {message: words for message, words in known.items() if not GAP.search(message)}
        gapped = sorted((one for one in known if GAP.search(one)), key=lambda one: -len(GAP.sub("", one)))
        # The one with most words of its own comes first.
        self._patterns = [_Pattern.of(message, known[message]) for message in gapped]

    def say(self, text: str) -> Said:
        """See `said`."""
        if len(text) > _LONGEST:
            return Said(text, False)
        candidates = [pattern for pattern in self._patterns if pattern.key in text]
        found = self._sentences(text, candidates)
        if found.is_known or (start := _ADDRESSED.match(text)) is None:
            return found
        rest = self._sentences(text[start.end() :], candidates)
        return Said(start[1] + rest.text, True) if rest.is_known else found

    def _sentences(self, text: str, candidates: list[_Pattern]) -> Said:
        """The cut into sentences that leaves fewest letters unknown; of equal ones that with the longest pieces."""
        cuts = [0, *(end.end() for end in _ENDS.finditer(text)), len(text) + 1]
        # best[i]: (letters unknown, pieces, words) of the text from cut i.
        best: list[tuple[int, int, str]] = [(0, 0, "")] * len(cuts)
        for at in range(len(cuts) - 2, -1, -1):
            tries = []
            for to in range(at + 1, len(cuts)):
                piece = text[cuts[at] : cuts[to] - 1]
                words = self._one(piece, candidates)
                if words is not None or to == at + 1:
                    unknown, pieces, rest = best[to]
                    tries.append(
                        (
                            unknown + (len(piece) if words is None else 0),
                            pieces + 1,
                            f"{piece if words is None else words} {rest}".rstrip(),
                        )
                    )
            best[at] = min(tries)
        return Said(best[0][2], best[0][0] == 0)

    def _one(self, text: str, candidates: list[_Pattern]) -> str | None:
        """One sentence, or one part of it, in this language; None where it is not known."""
        if (exact := self._exact.get(text)) is not None:
            return exact
        if (plain := self._plain(text)) != text:
            return plain
        for pattern in candidates:
            if (match := pattern.regex.fullmatch(text)) is not None:
                return self._filled(pattern, match)
        return None

    def _filled(self, pattern: _Pattern, match: re.Match[str]) -> str:
        values = {
            gap: value if gap in pattern.quoted else self._value(value)
            for gap, value in zip(pattern.gaps, match.groups(), strict=True)
        }
        return GAP.sub(lambda gap: values[gap[1]], pattern.translation)

    def _value(self, text: str) -> str:
        """What stands in a gap: a number with this language's signs, a known part of a sentence or a list of them,
        else as it is."""
        if not text:
            return text
        if _THOUSANDS.fullmatch(text):
            return i18n.number(int(text.replace(",", "")), self._locale)
        candidates = [pattern for pattern in self._patterns if pattern.key in text]
        if (known := self._one(text, candidates)) is not None:
            return known
        if (aside := _ASIDE.fullmatch(text)) is not None:
            return f"{self._value(aside[1])}{aside[2]}({self._value(aside[3])})"
        for sign in ("; ", ", "):
            if sign in text:
                return sign.join(map(self._value, text.split(sign)))
        if (share := _SHARE.fullmatch(text)) is not None:
            return f"{self._value(share[1])} {share[2]}\u00a0%".lstrip()
        return text


@cache
def _speaker(locale: str) -> _Speaker:
    return _Speaker(locale, i18n.entries(locale))
