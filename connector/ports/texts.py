"""What an SMS costs and what its readers answer. Pure.

A text whose characters all are in the alphabet of GSM 03.38 goes as 7-bit septets, 160 in one part or 153 in each
of several; any other character makes the whole text UCS-2, 70 or 67 units of 16 bits. A character is never cut
in two between parts.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

# GSM 03.38, basic character set (3GPP TS 23.038 §6.2.1) without the escape at 0x1B.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Its extension (§6.2.1.1): the escape and one more septet.
_EXTENDED = frozenset("\f^{}\\[~]|€")

_STOP = frozenset(
    "stop stopall end cancel quit unsubscribe revoke optout arret arreter stopper desabonner desinscrire "
    "desinscription fin annuler".split()
)
_HELP = frozenset("help info aide".split())
_START = frozenset("start unstop reprendre".split())


@dataclass(frozen=True, slots=True)
class Segments:
    """How a text goes over the air: `count` parts of `per_part` units at most, `units` in all, in `encoding`.
    `left` units still fit into the last part. `others` are the characters that made it UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    count: int
    per_part: int
    left: int
    others: str = ""


def segments(text: str) -> Segments:
    """The parts of `text`; an empty one is one part of nothing.

    >>> segments("a" * 160).count, segments("a" * 161).count, segments("déjà vu ê").others
    (1, 2, 'ê')
    """
    others = "".join(dict.fromkeys(c for c in text if c not in _BASIC and c not in _EXTENDED))
    if others:
        sizes = [2 if ord(c) > 0xFFFF else 1 for c in text]
        alone, joined = 70, 67
    else:
        sizes = [2 if c in _EXTENDED else 1 for c in text]
        alone, joined = 160, 153
    encoding: Literal["GSM-7", "UCS-2"] = "UCS-2" if others else "GSM-7"
    units = sum(sizes)
    if units <= alone:
        return Segments(encoding, units, 1, alone, alone - units, others)
    count, used = 1, 0
    for size in sizes:
        if used + size > joined:
            count, used = count + 1, 0
        used += size
    return Segments(encoding, units, count, joined, joined - used, others)


def command(text: str) -> Literal["stop", "help", "start"] | None:
    """What the person asks for: the whole message is one of the words, in English or French, whatever its case,
    accents and punctuation. None for anything else: a sentence that has "stop" in it is for a human.

    >>> command(" Arrêt. "), command("STOP ALL"), command("please stop"), command("Aide")
    ('stop', 'stop', None, 'help')
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    word = "".join(c for c in plain if c.isalnum())
    if word in _STOP:
        return "stop"
    if word in _HELP:
        return "help"
    return "start" if word in _START else None
