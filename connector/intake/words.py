"""Stock words in eight languages (en, fr, de, es, it, nl, pt, pl): data only, no decisions.

"in" means sellable without a number, "low" at least one left, "out" none. A word that is not here is a
row fault, never a guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

Meaning = Literal["in", "low", "out"]

_GREEN = "green|grün|vert|verde|groen|zielony"
_YELLOW = (
    "yellow|amber|orange|gelb|jaune|amarillo|ámbar|naranja|giallo|arancione|geel|oranje|amarelo|laranja|żółty"
)
_RED = "red|rot|rouge|rojo|rosso|rood|vermelho|czerwony"

_IN = f"""
{_GREEN}
in stock|instock|available|yes|y|true|o|s|j|t|ok|ready|ready to ship|on hand|high|plenty|in|stock available
en stock|disponible|disponibles|oui|dispo|stock disponible|disponible en stock
auf lager|lagernd|ab lager|verfügbar|lieferbar|sofort lieferbar|sofort verfügbar|vorrätig|ja|auf vorrat
en existencias|hay existencias|hay stock|con existencias|sí|si|sì|en almacén|con stock
disponibile|disponibili|in magazzino|in pronta consegna|pronta consegna|a magazzino
op voorraad|voorradig|beschikbaar|leverbaar|direct leverbaar|uit voorraad leverbaar
em stock|em estoque|disponível|disponivel|sim|com stock
dostępny|dostępna|dostępne|w magazynie|na stanie|tak|na magazynie|duża ilość|dużo
"""

_LOW = f"""
{_YELLOW}|pomarańczowy
low stock|low|limited|limited stock|limited availability|few left|last items|last units|almost gone|last one
stock faible|stock limité|faible|derniers articles|dernières pièces|bientôt épuisé|quelques pièces
wenig bestand|geringer bestand|knapp|wenige verfügbar|nur noch wenige|restposten|gering
pocas unidades|últimas unidades|stock bajo|existencias limitadas|bajo
ultimi pezzi|scorte limitate|quasi esaurito|disponibilità limitata|poche unità
beperkte voorraad|bijna uitverkocht|laatste stuks|weinig|beperkt
últimas unidades|stock reduzido|poucas unidades|estoque baixo|stock limitado
ostatnie sztuki|mało|niski stan|mała ilość|ostatnia sztuka
"""

_OUT = f"""
{_RED}
out of stock|outofstock|oos|sold out|unavailable|not available|no|n|false|none left|no stock|backorder|on backorder
backordered|back order|pre order
on order|pre-order|preorder|discontinued|out|awaiting stock|temporarily out of stock|not in stock
épuisé|épuisée|épuisés|en rupture|rupture|rupture de stock|hors stock|indisponible|non disponible|non|pas en stock
sur commande|en réappro|en réapprovisionnement|fin de série épuisée|arrêté
ausverkauft|nicht auf lager|nicht lagernd|nicht verfügbar|nicht lieferbar|vergriffen|nein|ausgelaufen|kein bestand
zurzeit nicht lieferbar|nachbestellt|auf bestellung|derzeit nicht verfügbar
agotado|agotada|sin existencias|sin stock|no disponible|fuera de stock|no hay stock|bajo pedido|descatalogado
esaurito|esaurita|esauriti|non disponibile|non in magazzino|terminato|in arrivo|su ordinazione|fuori stock
uitverkocht|niet op voorraad|niet voorradig|niet leverbaar|niet beschikbaar|nee|geen voorraad|in bestelling
esgotado|esgotada|sem stock|sem estoque|indisponível|indisponivel|não|nao|não disponível|fora de stock|por encomenda
niedostępny|niedostępna|niedostępne|brak|wyprzedany|wyprzedane|nie|brak w magazynie|brak na stanie|na zamówienie
"""

_UNKNOWN = """
-|--|---|–|—|?|n/a|n.a.|n.a|na|#n/a|#nv|#n/v|null|none|nan|nil|unknown|tbd|tba|k.a.|k. a.|unbekannt|inconnu|nc|n.c.
nd|n.d.|n/d|s/d|desconocido|sconosciuto|onbekend|desconhecido|nieznany|b/d|b.d.|call|on request|auf anfrage
sur demande|nous consulter|consultar|su richiesta|op aanvraag|sob consulta|na zapytanie
"""


def fold(text: str) -> str:
    """Text as words are compared: compatibility forms, single spaces, no case, no closing punctuation."""
    folded = " ".join(unicodedata.normalize("NFKC", text).replace("\u2212", "-").casefold().split())
    return folded.rstrip(" .!") or folded


def listed(block: str) -> frozenset[str]:
    """The entries of a text that separates them by "|" or by line ends."""
    return frozenset(part.strip() for part in block.replace("\n", "|").split("|") if part.strip())


def _table() -> dict[str, Meaning]:
    table: dict[str, Meaning] = {}
    meanings: tuple[tuple[Meaning, str], ...] = (("in", _IN), ("low", _LOW), ("out", _OUT))
    for meaning, block in meanings:
        for word in listed(block):
            table[fold(word)] = meaning
    return table


STOCK_WORDS: Mapping[str, Meaning] = _table()
"""Folded word → what it means."""

_SCHEMA = re.compile(r"https?://schema\.org/", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def stock_word(text: str) -> Meaning | None:
    """What `text` means as a stock word, None when it is none; "in_stock", "InStock" and schema.org's
    addresses, as product feeds write them, included."""
    if (found := STOCK_WORDS.get(fold(text))) is not None or not any(map(str.isalpha, text)):
        return found
    spelt = _HUMP.sub(" ", _SCHEMA.sub("", text.strip())).replace("_", " ").replace("-", " ")
    return STOCK_WORDS.get(fold(spelt))


COLOUR_WORDS: frozenset[str] = frozenset(fold(word) for word in listed(f"{_GREEN}|{_YELLOW}|{_RED}"))
"""Folded stock words that are colours too."""

UNKNOWN_WORDS: frozenset[str] = frozenset(fold(word) for word in listed(_UNKNOWN))
"""Folded words by which a supplier says that he does not say."""

STOCK_NOUNS: frozenset[str] = frozenset(
    fold(word)
    for word in listed("""
stock|qty|quantity|left|quantité|restants|pièces restantes|bestand|lager|menge|anzahl|cantidad|existencias
quantità|giacenza|voorraad|aantal|quantidade|estoque|stan|ilość
""")
)
"""Folded words that may stand beside a number without changing it ("Bestand: 12")."""

AT_ONCE: frozenset[str] = frozenset(
    fold(word)
    for word in listed("""
immediate|immediately|same day|today|sofort|heute|immédiat|immédiatement|inmediato|inmediata|immediato|direct
imediato|od ręki
""")
)
"""Folded words for a lead time of no days."""

FLAG_WORDS: frozenset[str] = frozenset(
    fold(word)
    for word in listed("""
0|1|y|n|yes|no|true|false|t|f|x|ja|nein|j|oui|non|o|sí|si|sì|s|nee|sim|não|nao|tak|nie|v|active|inactive|obsolete|eol
nrnd|discontinued|aktiv|inaktiv|actif|inactif|activo|inactivo|attivo|disattivo|actief|inactief|ativo|inativo
aktywny|nieaktywny|current|phase out|auslauf
""")
)
"""Folded words that answer "is it so?"."""

UNITS_OF_MEASURE: frozenset[str] = frozenset(
    fold(word)
    for word in listed("""
ea|each|pc|pcs|pce|piece|pieces|unit|units|un|u|st|stk|stck|stück|stueck|pck|pkg|pak|pack|pa|pce|pièce|pièces|pz|pzs
pezzi|nr|ud|uds|unid|unidad|unidade|cx|szt|sztuk|kpl|op|stuks|stuk|set|sets|pair|pairs|paar|paire|m|mt|mtr|m2|m3
kg|g|l|ml|cm|lb|oz|ft|box|bx|cs|case|ct|doz|dz|rol|rolle|roll|btl|fl|karton|krt|ve|kar|mb
lot|lots|pkt|bag|bags|sac|tube|roll|rollo|rouleau|boite|boîte|carton|ctn|doos|ds|caja|cj|pza|pieza|peça|pç|cf|conf
opak|zestaw|para|kit|bdl|ktn|ks|dose|dozen|tray|pallet|pal|bottle|botella|bouteille|flasche|fles
""")
)
"""Folded units that suppliers count in."""
