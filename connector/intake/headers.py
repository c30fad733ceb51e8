"""Column headers as suppliers write them in en, fr, de, es, it, nl, pt and pl: data only.

Written as `mapping.header_words` compares them: no accents, no case, single spaces.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.intake.words import listed

_TEXT = {
    "sku": """
sku|variant sku|item|item no|item number|item code|item id|itemno|article|article no|article number
article code|code|product code|product id|product sku|product number|part|part no|part number|partno
stock code|style code|reference|ref|internal reference|default code|model|id|code article|code produit
reference article|reference produit|ref article|ref produit|numero article|no article|artikelnummer
artikel nr|artikelnr|artnr|art nr|artikel|bestellnummer|bestell nr|produktnummer|artikelcode|materialnummer
referencia|codigo|codigo articulo|cod articulo|codigo producto|referencia producto|articulo|codice
codice articolo|cod articolo|codice prodotto|articolo|riferimento|artikelnummer|artikelcode|productcode
bestelnummer|codigo artigo|codigo produto|referencia artigo|artigo|cod produto|indeks|kod|kod produktu
symbol|numer katalogowy|kod towaru|nr katalogowy|merchant sku|our sku|your sku
""",
    "supplier_sku": """
supplier sku|vendor sku|supplier code|supplier item|supplier part number|supplier reference|vendor code|mpn
vendor part number|manufacturer part number|manufacturer sku|supplier article|reference fournisseur
ref fournisseur|code fournisseur|lieferantenartikelnummer|lieferanten nr|lieferantenartikel|herstellernummer
hersteller nr|referencia proveedor|codigo proveedor|ref proveedor|codice fornitore|riferimento fornitore
leverancierscode|artikelnummer leverancier|referencia fornecedor|codigo fornecedor|kod dostawcy
kod producenta|indeks dostawcy
""",
    "gtin": """
gtin|ean|ean13|ean 13|ean code|upc|upc a|upc code|barcode|bar code|isbn|gencod|code barre|code barres
code ean|ean upc|barcode ean|strichcode|ean nummer|ean nr|codigo de barras|codigo barras|codigo ean
codice a barre|codice ean|streepjescode|kod kreskowy|kod ean|gtin ean
""",
    "quantity": """
quantity|qty|stock|stock level|stock quantity|stock qty|inventory|inventory quantity|available|availability
available stock|available quantity|available qty|on hand|qty available|qty on hand|quantity available
quantity on hand|quantity in stock|qty in stock|units|units available|free stock|in stock|stock on hand|soh
atp|stock status|qoh|variant inventory qty|quantite|qte|stock disponible|quantite disponible|disponible
disponibilite|quantite en stock|qte stock|en stock|qte dispo|stock dispo|bestand|lagerbestand|menge
verfugbar|verfugbarkeit|verfugbarer bestand|verfugbare menge|lager|stuck|anzahl|lagermenge|freier bestand
cantidad|existencias|disponibilidad|stock actual|cantidad disponible|unidades|quantita|giacenza
disponibilita|disponibile|qta|qta disponibile|esistenza|scorta|magazzino|voorraad|aantal|beschikbaar
beschikbaarheid|vrije voorraad|voorraadaantal|quantidade|estoque|existencia|disponivel|disponibilidade|qtd
qtde|stock existente|ilosc|stan|stan magazynowy|dostepnosc|dostepne|ilosc dostepna|zapas|dostepna ilosc
""",
    "restock_on": """
restock date|restock|eta|expected|expected date|next delivery|next delivery date|available from|available on
due date|arrival date|back in stock|back in stock date|availability date|next available|expected in stock
incoming date|date de reappro|date reappro|reapprovisionnement|date de reapprovisionnement
date disponibilite|date de disponibilite|prochaine livraison|date arrivage|disponible le|arrivage
liefertermin|nachster zulauf|zulauf|wieder verfugbar|verfugbar ab|lieferdatum|wareneingang|nachlieferung
wiederverfugbarkeit|lieferbar ab|fecha reposicion|fecha de reposicion|proxima entrada|fecha disponible
fecha de entrega|disponible desde|proxima entrega|data riassortimento|data disponibilita|prossimo arrivo
data di arrivo|disponibile dal|riassortimento|verwachte datum|verwachte leverdatum|levertermijn datum
leverbaar vanaf|verwacht|data de reposicao|data reposicao|proxima chegada|data de chegada|disponivel em
data dostawy|nastepna dostawa|dostepny od|planowana dostawa
""",
    "lead_time": """
lead time|leadtime|lead time days|delivery time|delivery days|days to ship|handling time|shipping time
leadtime days|delai|delai de livraison|delai livraison|delai jours|delai d expedition|lieferzeit
lieferzeit tage|lieferfrist|wiederbeschaffungszeit|plazo|plazo de entrega|plazo entrega|dias de entrega
tempo di consegna|tempi di consegna|giorni consegna|levertijd|levertijd dagen|prazo|prazo de entrega
prazo entrega|czas dostawy|czas realizacji|termin realizacji
""",
    "cost": """
cost|cost price|unit cost|wholesale|wholesale price|net price|buy price|purchase price|dealer price
your price|trade price|net cost|prix achat|prix d achat|prix net|prix d achat ht|pa ht|cout|prix revendeur
ek|ek preis|einkaufspreis|nettopreis|ek netto|handlerpreis|coste|costo|precio coste|precio de coste
precio compra|precio neto|costo unitario|prezzo netto|prezzo acquisto|prezzo di acquisto|inkoopprijs
nettoprijs|kostprijs|custo|preco custo|preco de custo|preco compra|cena zakupu|cena netto|cena hurtowa|koszt
""",
    "price": """
price|rrp|msrp|retail price|list price|sale price|selling price|srp|prix|prix public|prix de vente|prix ttc
pvc|ppc|preis|vk|vk preis|verkaufspreis|uvp|bruttopreis|listenpreis|precio|pvp|precio venta|precio de venta
prezzo|prezzo vendita|prezzo di vendita|prezzo al pubblico|prijs|verkoopprijs|adviesprijs|preco|preco venda
preco de venda|pvpr|cena|cena brutto|cena detaliczna|cena sprzedazy
""",
    "moq": """
moq|min order|minimum order|minimum order quantity|min order qty|min qty|minimum quantity
minimum de commande|quantite minimum|quantite minimale|qte mini|min commande|mindestbestellmenge
mindestmenge|mindestabnahme|pedido minimo|cantidad minima|ordine minimo|quantita minima|minimum afname
minimale bestelhoeveelheid|quantidade minima|encomenda minima|minimalne zamowienie|minimum logistyczne
""",
    "pack_size": """
pack|pack size|pack qty|case|case pack|case qty|case size|units per pack|units per case|inner pack
carton qty|conditionnement|colisage|pcb|quantite par colis|unite par colis|ve|verpackungseinheit
packungsgrosse|vpe|unidades por caja|unidad embalaje|embalaje|pezzi per confezione|confezione
verpakkingseenheid|stuks per doos|unidades por embalagem|embalagem|opakowanie|ilosc w opakowaniu
sztuk w kartonie
""",
    "location": """
location|warehouse|site|depot|store|location id|warehouse code|entrepot|emplacement|magasin|lagerort
standort|lagerplatz|almacen|ubicacion|deposito|sede|ubicazione|magazijn|locatie|armazem|localizacao
lokalizacja
""",
}

HEADERS: Mapping[str, frozenset[str]] = {name: listed(block) for name, block in _TEXT.items()}
"""Field → the headers that name it."""

NOT_QUANTITY = listed("""
min|minimum|moq|mini|minimale|mindest|reserved|allocated|committed|incoming|on order|ordered|reserve|reservee
reserviert|bestellt|commande|pedido|ordinato|besteld|case|pack|carton|colis|caja|date|datum|data|fecha|sold|price
per|id|threshold|alert|alerte|sales|max|warehouse|location
""")
"""Words in a header that make its number something other than what may be sold now."""
