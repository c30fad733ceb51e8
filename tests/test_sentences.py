"""Sentences that are stored in English are said in the reader's language, with what stands in them."""

import ast

import pytest

from connector import i18n
from connector.sentence_ids import CONTEXT, GAP, with_gaps
from connector.sentences import Said, said

NARROW = "\u202f"
NO_BREAK = "\u00a0"


@pytest.mark.parametrize(
    ("english", "french"),
    [
        pytest.param("The row names no item.", "La ligne ne nomme aucun article.", id="whole"),
        pytest.param(
            "The row has 3 cells where the header has 14.",
            "La ligne a 3 cellules là où l’en-tête en a 14.",
            id="numbers",
        ),
        pytest.param(
            "“in stock” is neither a number nor a known stock word.",
            f"«{NO_BREAK}in stock{NO_BREAK}» n’est ni un nombre ni un mot de stock connu.",
            id="the supplier's own words stay",
        ),
        pytest.param(
            "It is larger than 104,857,600 bytes. Ask the supplier for CSV.",
            f"Il dépasse 104{NARROW}857{NARROW}600 octets. Demandez du CSV au fournisseur.",
            id="two sentences",
        ),
        pytest.param(
            "Expected 1,940–2,010 rows on a Monday; the file has 480 (learnt from 41 runs).",
            f"Attendu un lundi{NO_BREAK}: 1{NARROW}940–2{NARROW}010 lignes{NO_BREAK}; le fichier en a 480"
            " (appris de 41 lectures).",
            id="parts of a sentence",
        ),
        pytest.param(
            "No single limit is passed, but several are nearly used up at once: fewer rows 80 %, items to zero 70 %"
            " (learnt from 12 runs).",
            "Aucune limite n’est dépassée à elle seule, mais plusieurs sont presque épuisées à la fois"
            f"{NO_BREAK}: moins de lignes 80{NO_BREAK}%, articles à zéro 70{NO_BREAK}% (appris de 12 lectures).",
            id="a list",
        ),
        pytest.param(
            "Not written: The shop holds a fraction of a piece. Dispo counts whole pieces.",
            f"Pas écrit{NO_BREAK}: La boutique tient une fraction de pièce. Dispo compte en pièces entières.",
            id="a sentence in a sentence",
        ),
        pytest.param(
            "woocommerce: product 17: The shop does not know the key.",
            "woocommerce: product 17: La boutique ne connaît pas la clé.",
            id="an error as text",
        ),
    ],
)
def test_a_stored_sentence_is_said_in_french(english: str, french: str) -> None:
    assert Said(french, True) == said(english, "fr")
    assert Said(english, True) == said(english, "en")


def test_what_nobody_translated_stays_as_it_was_stored() -> None:
    assert Said("A sentence of last year.", False) == said("A sentence of last year.", "fr")
    half = said("The row names no item. A sentence of last year.", "fr")
    assert Said("La ligne ne nomme aucun article. A sentence of last year.", False) == half


def test_no_text_is_no_sentence() -> None:
    assert Said("", True) == said("", "fr")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('f"The row has {len(row.cells)} cells."', "The row has {len} cells."),
        (
            'f"{error.cause} It has {self._most:,} lines of {self._most:,}."',
            "{cause} It has {most} lines of {most2}.",
        ),
        ("f\"From {named['store']} on {1}.\"", "From {store} on {value}."),
    ],
)
def test_a_gap_is_called_after_what_fills_it(source: str, sentence: str) -> None:
    node = ast.parse(source, mode="eval").body
    assert isinstance(node, ast.JoinedStr)
    assert sentence == with_gaps(node)


def test_every_sentence_about_a_supplier_s_file_has_its_french() -> None:
    assert [] == [
        one
        for one in i18n.untranslated(
            "fr", ("adapters/suppliers/file_feed/", "connector/intake/", "connector/positions/")
        )
        if one in i18n.sentences_in_use()
    ]


def test_a_translation_has_the_gaps_of_its_sentence() -> None:
    said_in_french = {
        str(one.id): str(one.string) for one in i18n.read_catalogue("fr") if one.context == CONTEXT
    }
    assert len(said_in_french) > 500
    wrong = [
        message
        for message, french in said_in_french.items()
        if french and sorted(GAP.findall(french)) != sorted(GAP.findall(message))
    ]
    assert [] == wrong
