"""What words in column headers mean, in en, fr, de, es, it, nl, pt and pl: data, and how a header is cut into it.

A header is not looked up as a whole: its words are (also inside compounds: "Mindestbestellmenge" is MIN +
ORDER + QTY), so that headers nobody listed are read too. What the ideas of a header make of its column is
decided in `guessing`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

# "|" or line ends separate entries; several words are a phrase; "*" at the end allows any ending.
_TEXT: Mapping[str, str] = {
    "ITEM": """
artikelen|artykul|artykulu|prd|itm|item|items|article|articles|artikel|artikels|art|product|products|produkt
produktu|produit|producto|prodotto|produto|prod|part|parts|teil|teile|artigo|articolo|articulo|towar|towaru
material|mat|ware|goods|asin|isin
""",
    "SKU": """
artno|itemcode|articleno|skucode|artikelnr|sku|skus|matnr|partno|stockcode|itemno|plu|codart|artnr
""",
    "STYLE": """
style|modell|modele|modelo|modello|model|matchcode|handle|slug|suchbegriff
""",
    "NUM": """
bestell nr|best no|herst nr|nr kat|reff|cde art|part no|katnr|catno|no|nr|num|number|numbers|nummer|numero
numer|nro|code|codes|kod|kodu|cod|codigo|codice|ref|refs|reference|referenz|referencia|riferimento|referentie
indeks|index|symbol|bestellnummer|bestellnr|bestnr|bestelnummer|kennung|katalogowy|catalogue number
catalog number|catalog no|best nr|c d|codigos
""",
    "ID": """
id|ids|internal id|uuid|guid|key
""",
    "GTIN": """
ean13|eancode|eannr|gtin13|upccode|barkod|kod paskowy|ean|eans|upc|upca|gtin|isbn|barcode|barcodes|gencod
gencode|strichcode|streepjescode|code barre|code barres|code a barres|codigo de barras|codigo barras
cod barras|cod barra|codbarras|codice a barre|cod a barre|kod kreskowy|codebarre|codebarres|bar code|jan code
""",
    "SUPPLIER": """
fourn|vend|suppl|lief|prov|dystrybutor*|supplier*|vendor*|lieferant*|lieferanten|fournisseur*|proveedor*
fornitore|fornitori|forn|leverancier*|fornecedor*|dostawc*|distributor*
""",
    "MAKER": """
mfc|manuf|herst|fab|maker|fabr|prodc|manufacturer*|mfg|mfr|mfgpn|mpn|hersteller*|han|fabricant|fabricante
produttore|fabrikant*|producent*|oem
""",
    "OURS": """
our|merchant|my|ons|onze|unser|unsere|notre|nuestro|nosso|nostro|nasz
""",
    "QTY": """
szt|st|stck|stueck|stk|vrd|qnty|qta|pz|uds|units in stock|count|level|lvl|amount|aant|qt|qty|qtys|quantity
quantities|quant|menge|mengen|anzahl|qte|quantite|quantites|cantidad|ctd|cant|quantita|q ta|aantal|quantidade
qtd|qtde|qnt|ilosc|ilosci|stuckzahl|stuck|units|unidades|unites|pieces|pcs|pezzi|stuks|sztuk|bottles|bottiglie
items left
""",
    "STOCK": """
lagerstand|restmenge|restbestand|warenbestand|vorrat|vrrd|vrd|balance|stk qty|stand|existencias|giac|zasob
zasoby|stan mag|inventario|stany magazynowe|on shelf|bestnd|hand qty|lagerstatus|lieferstatus|stock|stocks
lager|bestand|bestande|bestaende|lagerbestand|inventory|inv|voorraad|giacenza|esistenza|scorte|scorta
existencia|estoque|stan|stanu|magazynowy|zapas|saldo|soh|qoh|labst|in stock|en stock|auf lager|op voorraad
em stock|na stanie|warehouse stock|lagernd|stany
""",
    "AVAIL": """
dost|beschikb|availability|ots|open to sell|availabl|verfuegbar*|lieferfahig*|lieferstatus|avail*|verfugbar*
verfugb|verf|disponib*|dispo|dispon|disp|disponivel|beschikbaar*|dostepn*|lieferbar*|leverbaar*|ats|atp
sellable|salable|saleable|verkaufbar*|vendible*|have|vendable*
""",
    "FREE": """
free|frei|freier|freie|verwendbar|vrij|vrije|libre|libero|libera|wolny|wolne|livre
""",
    "HAND": """
theorique|theoretisch|on hand|onhand|physical|physique|physisch*|fisico|fisica|fysiek*|reel|reelle|actual|real
total|gesamt
""",
    "RESERVED": """
zablokowan*|bloque*|bloccat*|reserviert*|reserv*|alloc*|committed|commit|geres*|impegn*|gereserv*|zarez*
rezerw*|booked|gebucht|prenotat*|comprometid*|blocked|gesperrt*|quality|qualitat*|damaged|defekt*|unavailable
engage*|sold|verkauft*|vendu|vendus|vendidos|venduti|qterese*
""",
    "INCOMING": """
po qty|next po|zugang|a terme|arriving|in transito|en transito|em transito|en route|entrate|incoming|inbound
zulauf|on order|on po|ordered|backorder*|back order*|bo|bestellt*|attendu|attendue|attendus|en commande
pendiente*|pdte|in arrivo|ordinat*|in bestelling|w drodze|encomendad*|enc|a receber|por recibir|transit
forecast*|virtual|pipeline|purch order|purchase order|sales order|planned|unterwegs|zamowion*|en cours
projected|in aankomst|onderweg|entrant*|to receive
""",
    "MIN": """
minst|najmniejsz*|min|minimum|mini|mindest*|minima|minimo|minimal*|minimale|minimos
""",
    "MAX": """
max|maximum|maxi|maximal*|maximo|massim*
""",
    "MOQ": """
moq|mbm|mindestabnahme*|minimum logistyczne|qmc
""",
    "ORDER": """
order|orders|bestell|bestellung|commande|commandes|cde|pedido|ordine|ordini|afname|abnahme*|encomenda
zamowien*|zam|bestel|bestelling|besteleenheid|mult|multiple|compra minima
""",
    "ALERT": """
meldebestand|reorder|threshold|alert*|low stock|safety|seuil|sicherheitsbestand|mindestbestand|minimumvoorraad
punto de pedido|scorta minima|stan minimalny|bestellpunkt
""",
    "PACK": """
ctn|cond|conf|emb|verp|doosinhoud|karton|innerpack|outerpack|unite de vente|uvc|std pack|pudelko|scatola|pack
packs|packing|packsize|ve|vpe|verpackung*|verpackungs|packung*|packungs|conditionnement|colis|colisage|pcb
carton|cartons|kartons|caja|cajas|embalaje|embalagem|confezione|confezioni|cartone|doos|verpakking*|opakowan*
opak|case|cases|outer|outers|inner|box|boxes|pak|collo|colli|caixa|gebinde|multipack|kartonie|spcb|stuck pro
""",
    "PER": """
per|par|pro|por|x|w
""",
    "PRICE": """
pu|prijzen|prezzi|precios|unit price|kp|price|prices|preis|preise|prix|precio|prezzo|prijs|preco|cena|ceny
tarif|tarifa|listino|pr|prc|prce
""",
    "NET": """
nett|net net|excl btw|hors taxe|sans taxe|sin iva|zzgl|net|netto|netta|neto|neta|ht|excl|ex
""",
    "GROSS": """
brutto|bruto|gross|ttc|ivato|incl|inkl
""",
    "COST": """
ekp|prmp|fob|landed|wsp|ws|jobber|pret achat|kundenpreis|ihr|votre|tuo|uw|twoja|discounted price|kosten|cogs
kostenpreis|achatht|cost|costs|ek|hek|einkauf*|einkaufs|achat|achats|compra|acquisto|inkoop*|zakup*|zak
wholesale|dealer|trade|revend*|rivenditore|coste|costo|custo|koszt|kostprijs|pa|pvd|handler*|haendler*|hurt*
your|dropship|dropshipping|b2b|buy|buying|purchase|buyer|reseller|nettopreis|nettoprijs|einstand*|grossist*
mayorista|distribuidor|ingrosso|pa ht|purchaseprice
""",
    "RETAIL": """
vkp|pv|sugg|aktionspreis|cvp|consumentenprijs|katalogpreis|katalogowa|endkunden*|shop|verbraucher*|catalogo
c iva|con iva|iva incl*|detailhandel|konsumenc*|kat|incl vat|inc vat|inkl mwst|incl btw|ttc|retail|rrp|msrp
srp|uvp|pvp|pvpr|pvc|ppc|vk|verkauf*|verkaufs|vente|ventes|venta|vendita|verkoop*|venda|detal*|det|sprzedaz*
public|pubblico|advies*|consumer|conseille*|recom*|recommended|sugerowana|suggested|list|listen|listen*
webshop|unverb|empf|preisempf*|konsumenten*|konsument*|consommateur|sale|selling|sales|sell|regular|ladenpreis
catalogue price|aanbevolen|consigliato|al publico
""",
    "OLD": """
compare|compare at|was|old|previous|map|streich*|barre prix
""",
    "CURRENCY": """
wal|valutacode|currency code|code devise|wahrungscode|currency|wahrung|waehrung|whrg|wrg|devise|moneda|divisa
valuta|munt|moeda|waluta|ccy|cur|curr
""",
    "DATE": """
liefertermin|lieferdatum|leverdatum|zulaufdatum|am|le|op|dia|dispo le|dates|date|datum|data|fecha|termin|day
tag|dt|jour|dzien
""",
    "RESTOCK": """
voraussichtlich*|vsl|prochaine|llegada prevista|przewidywana|przewidywany|exp|ets|anticipated|available again
terug|replenishment|arrivee|arrive|erw|restock*|eta|expected|arrival|arrivage|wareneingang|we|nachlief*
nachlieferung|wieder|wiederverfugbar*|reappro*|reapprovision*|reposicion|reposicao|riassort*|arrivo|chegada
entrada|llegada|verwacht*|prevista|previsto|prevu|prevue|planowana|back in stock|retour|due|next|nachste
nachster|nachstes|prochain*|proxima|proximo|prossim*|nastepn*|estimated|replenish*|zulaufdatum|due in
nachschub|anlieferung|erwartet*|est
""",
    "FROM": """
dostupny od|on|bis zum|from|ab|des|desde|dal|vanaf|od|a partir|until|bis
""",
    "DELIVERY": """
lev|livr|dostarczenia|przesylki|order processing|approvisionnement|appro|delivery|deliver|liefer|lieferung
lieferdatum|liefertermin|livraison|entrega|consegna|lever|levering|leverdatum|dostawa|dostawy|dostaw|shipping
ship|ships|expedition|versand|envio|spedizione|wysylki|wysylka|verzend*|envoi|handling|processing|realizacji
realizacja|dispatch|fulfilment|fulfillment|lieferfrist
""",
    "LEAD": """
lead time|leadtime|lieferzeit|levertijd|delai|delais|wbz|wiederbeschaffungszeit|lieferfrist|lead|plazo|prazo
tempi di consegna|tempo di consegna|days to ship
""",
    "TIME": """
week|day|godzin|tygodnie|werktage|dauer|duration|time|zeit|temps|tempo|tempi|tiempo|czas|tijd|days|tage|tagen
jours|giorni|dias|dni|dagen|weeks|wochen|semaines|hours
""",
    "UNIT": """
unit|uom|unite|unidad|unid|ud|unita|eenheid|unidade|einheit|jednostka|jm|j m|jedn|me|um|u m|udm|meins|bme
mengeneinheit|basismengeneinheit|unit of measure|unidad de medida|ud medida|unite de mesure|unita di misura
mesure|measure
""",
    "NAME": """
kurzbez|omschr|tekst|bezeichn|artbez|desig|descripc|libelles|nazw|naz|denom|langname|produktbezeichnung
product naam|item text|name|names|title|titel|titre|titulo|titolo|tytul|nom|nombre|nome|naam|nazwa|nazwy
bezeichnung|bez|benennung|descr*|omschrijving|opis|libelle|lib|design|designation|designacao|desc|beschreibung
kurztext|text|label|etichetta|denominacion|denominazione|denomination|designacion|maktx|langtext|intitule
etiqueta|des
""",
    "LOCATION": """
loc|whs|lagerhaus|lagerstandort|entrepots|magaz|stock location|lager nr|lagernummer|fulfillment center
warehouse|whse|wh|location|locations|depot|entrepot|lagerort|lgort|lort|standort|almacen|codalm|alm|magazijn
locatie|armazem|magazzino|magazyn|deposito|sede|ubicacion|ubicazione|site|ships from|store|branch|filiale
niederlassung|dc|emplacement|magasin|localizacao|lokalizacja|vestiging
""",
    "BIN": """
lagerplatz|bin|shelf|rack|plant|werk|werks|region|country|land|pays|pais|paese|kraj|origin|herkunft
""",
    "DISCONTINUED": """
disco|deleted|descat|wyprzedaz|eliminado|phaseout|fin vie|out of range|supprime|nicht fortgefuhrt|restposten
loopt uit|esaurimento|discontinu*|eol|auslauf*|auslaufartikel|fin de serie|descatalogad*|fuori produzione
fuori catalogo|uitlopend*|descontinuad*|wycofan*|obsolet*|lifecycle|life cycle|anulado|anulada|uit assortiment
end of life|phase out|phased out|abgekundigt*|arrete|arretee|nicht mehr lieferbar|ausgelistet|delisted
fin de vida|fine serie|uit productie|inactive
""",
    "STATUS": """
status|state|etat|estado|stato|zustand|ampel|flag|situation|statut
""",
    "TAX": """
vat|tva|iva|mwst|btw|tax|taxes|steuer|ust|taxe|podatek
""",
    "PARENT": """
parent|eltern|vater|group|gruppe|groupe|master|grupo|gruppo|mother|mere|padre|pai|family|famille|familia
""",
    "OTHER": """
ean type|warengruppe|warengr|produktgruppe|artikelgruppe|subcategory|clearance|thema|theme|zoll|iban|gtin type
breadcrumb|packaging weight|ust satz|stawka|kommentar|opmerking|uwagi|notas|osservazioni|index date|position
pos|row|line|zeile|lfd|weight|gewicht|poids|peso|waga|size|gr|grosse|taille|talla|taglia|maat|tamanho|rozmiar
colour|color|farbe|couleur|colore|kleur|cor|kolor|brand|brands|marke|marque|marca|merk|marka|category
categories|kategorie|categorie|categoria|kategoria|image|images|img|bild|bilder|url|link|links|photo|foto
zdjecie|imagen|immagine|hs|customs|zolltarif*|ncm|taric|discount|rabatt
remise|sconto|korting|desconto|descuento|rabattgruppe|rebate|last|updated|update|maj|modified|geandert|changed
created|added|expiry|expiration|peremption|mhd|scadenza|best before|caducidad|author|publisher|note|notes
bemerkung|remarque|commentaire|comment|comments|width|height|length|breite|hohe|lange|depth|type|typ|published
vendors name|manufacturers name|volume|contenance|inhalt|options|option|pattern|condition|properties
attributes|collection|season|saison|material composition|rating|tags|gender|year|annata|ano|jahr|annee
ship cost|shipping cost|versandkosten|frais|porto|canon|ecotax|deposit|pfand|rohs|channel
""",
}

CURRENCIES = frozenset(
    "eur usd gbp chf pln cad aud nzd jpy cny sek nok dkk czk huf ron brl mxn try bgn inr hkd sgd zar".split()
)


def header_words(header: str) -> str:
    """A header as it is compared: no accents, no case, words separated by single spaces."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", header)
    plain = unicodedata.normalize("NFKD", split.casefold().replace("ł", "l").replace("ß", "ss"))
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w]+|_", " ", bare).split())


def _tables() -> tuple[dict[str, frozenset[str]], list[tuple[str, str]], dict[str, frozenset[str]], int]:
    words: dict[str, set[str]] = {}
    phrases: dict[str, set[str]] = {}
    stems: list[tuple[str, str]] = []
    for idea, block in _TEXT.items():
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
            ideas = _PHRASES.get(phrase, _NONE) if width > 1 else _ideas_of_word(phrase)
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
