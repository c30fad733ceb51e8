"""How many parts an SMS takes, and what an answer asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.ports.texts import Segments, command, segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("GSM-7", 0, 1, 160, 160)),
        ("a" * 160, Segments("GSM-7", 160, 1, 160, 0)),
        ("a" * 161, Segments("GSM-7", 161, 2, 153, 145)),
        ("€" * 80, Segments("GSM-7", 160, 1, 160, 0)),
        # 76 euros fill 152 of 153 septets: the next is not cut in two.
        ("€" * 81, Segments("GSM-7", 162, 2, 153, 143)),
        ("a" * 306, Segments("GSM-7", 306, 2, 153, 0)),
        ("Déjà là, à 5 €: Ñandù Øre ΔΣ [x]", Segments("GSM-7", 35, 1, 160, 125)),
        ("Tasse prête", Segments("UCS-2", 11, 1, 70, 59, "ê")),
        ("ê" * 70, Segments("UCS-2", 70, 1, 70, 0, "ê")),
        ("ê" * 71, Segments("UCS-2", 71, 2, 67, 63, "ê")),
        ("🏺" * 35, Segments("UCS-2", 70, 1, 70, 0, "🏺")),
        # 33 of two units fill 66 of 67: the next is not cut in two.
        ("🏺" * 36, Segments("UCS-2", 72, 2, 67, 61, "🏺")),
        ("Œuvre ’ «ok»", Segments("UCS-2", 12, 1, 70, 58, "Œ’«»")),
    ],
)
def test_the_parts_of_a_text(text: str, expected: Segments) -> None:
    assert segments(text) == expected


def test_the_alphabet_is_that_of_the_standard() -> None:
    """3GPP TS 23.038 has 127 characters without the escape and 10 behind it."""
    alone = [chr(number) for number in range(0x3000) if not segments(chr(number)).others]
    assert (len(alone), sum(segments(one).units == 2 for one in alone)) == (137, 10)


@given(st.text(alphabet="aé€ê🏺", max_size=400))
def test_parts_never_hold_more_than_they_can(text: str) -> None:
    found = segments(text)
    assert found.units <= found.count * found.per_part
    assert 0 <= found.left <= found.per_part
    # A character of two units may leave one unit of each part unused, never more.
    assert found.count * found.per_part - found.units - found.left <= found.count - 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("STOP", "stop"),
        ("stop.", "stop"),
        ("Stop all", "stop"),
        ("ARRÊT", "stop"),
        ("désabonner", "stop"),
        ("Se désabonner", None),
        ("UNSUBSCRIBE", "stop"),
        ("help", "help"),
        ("Aide?", "help"),
        ("start", "start"),
        ("don't stop", None),
        # An answer to anything, no wish to get texts again.
        ("oui", None),
        ("", None),
        ("👍", None),
    ],
)
def test_what_an_answer_asks_for(answer: str, expected: str | None) -> None:
    assert command(answer) == expected
