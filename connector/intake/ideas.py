"""Words in column headers by what they mean, in en, fr, de, es, it, nl, pt and pl: data only, read by `lexicon`."""

from __future__ import annotations

from collections.abc import Mapping

# "|" or line ends separate entries; several words are a phrase; "*" at the end allows any ending.
IDEAS: Mapping[str, str] = {
    "ITEM": """
artikelen|artykul|artykulu|prd|itm|item|items|article|articles|artikel|artikels|art|product|products|produkt
produktu|produit|producto|prodotto|produto|prod|part|parts|teil|teile|artigo|articolo|articulo|towar|towaru
material|mat|ware|goods|asin|isin
asortyment|articulos|articoli|artigos|towary|prodotti|productos|produtos|produkty|produkte|produits
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
fabbricant*
""",
    "OURS": """
our|merchant|my|ons|onze|unser|unsere|notre|nuestro|nosso|nostro|nasz
buyer item|buyer sku|buyer part|buyer article
""",
    "QTY": """
szt|st|stck|stueck|stk|vrd|qnty|qta|pz|uds|units in stock|count|level|lvl|amount|aant|qt|qty|qtys|quantity
quantities|quant|menge|mengen|anzahl|qte|quantite|quantites|cantidad|ctd|cant|quantita|q ta|aantal|quantidade
qtd|qtde|qnt|ilosc|ilosci|stuckzahl|stuck|units|unidades|unites|pieces|pcs|pezzi|stuks|sztuk|bottles|bottiglie
items left
pzas|piezas|pecas|peca|sztuki|nb|qtes|qtds|unids|stckz|stueckzahl
garrafas|botellas|bouteilles|flaschen|flessen|butelek|paar|pairs|paires|pares|paia|sets
how many
""",
    "STOCK": """
lagerstand|restmenge|restbestand|warenbestand|vorrat|vrrd|vrd|balance|stk qty|stand|existencias|giac|zasob
zasoby|stan mag|inventario|stany magazynowe|on shelf|bestnd|hand qty|lagerstatus|lieferstatus|stock|stocks
lager|bestand|bestande|bestaende|lagerbestand|inventory|inv|voorraad|giacenza|esistenza|scorte|scorta
existencia|estoque|stan|stanu|magazynowy|zapas|saldo|soh|qoh|labst|in stock|en stock|auf lager|op voorraad
em stock|na stanie|warehouse stock|lagernd|stany
exist|esistente|esistenti|restante*|restant|remaining|na magazynie|en almacen|a magazzino|in magazzino|in huis
warehouse qty|warehouse quantity|hand stock
am lager|an lager|ab lager
""",
    "AVAIL": """
dost|beschikb|availability|ots|open to sell|availabl|verfuegbar*|lieferfahig*|lieferstatus|avail*|verfugbar*
verfugb|verf|disponib*|dispo|dispon|disp|disponivel|beschikbaar*|dostepn*|lieferbar*|leverbaar*|ats|atp
sellable|salable|saleable|verkaufbar*|vendible*|have|vendable*
dyspozycyjn*|fulfillable|fulfilable|pickable|livrable*|entregable*|consegnabil*|vendibil*|for sale|a vendre
pronta consegna|sofort lieferbar|direct leverbaar|pronta entrega|entrega inmediata|entrega imediata
livraison immediate|ready to ship|od reki|disponive*
free to sell|available to sell|free for sale
""",
    "FREE": """
free|frei|freier|freie|verwendbar|vrij|vrije|libre|libero|libera|wolny|wolne|livre
libres|liberi|libere|livres|wolna|wolnych|unreserved|uncommitted|unrestricted|unallocated|nicht reserviert
non reserve
""",
    "HAND": """
theorique|theoretisch|on hand|onhand|physical|physique|physisch*|fisico|fisica|fysiek*|reel|reelle|actual|real
total|gesamt
fizyczn*|fisic*|vorhanden|presente
""",
    "RESERVED": """
zablokowan*|bloque*|bloccat*|reserviert*|reserv*|alloc*|committed|commit|geres*|impegn*|gereserv*|zarez*
rezerw*|booked|gebucht|prenotat*|comprometid*|blocked|gesperrt*|quality|qualitat*|damaged|defekt*|unavailable
engage*|sold|verkauft*|vendu|vendus|vendidos|venduti|qterese*
assigned|zugewiesen|compromet*|in auftragen|auftragsbestand|customer orders|sales orders|pend servir|pte servir
por servir|pendiente de servir|zajet*|separad*|open orders|kundenauftr*|klantorders|in orders|toegewezen|on hold
quarantin*|cuarentena|kwarantann*|uszkodzon*|unsellable|avariad*|defect*|unfulfillable
vendidas
""",
    "INCOMING": """
po qty|next po|zugang|a terme|arriving|in transito|en transito|em transito|en route|entrate|incoming|inbound
zulauf|on order|on po|ordered|backorder*|back order*|bo|bestellt*|attendu|attendue|attendus|en commande
pendiente*|pdte|in arrivo|ordinat*|in bestelling|w drodze|encomendad*|enc|a receber|por recibir|transit
forecast*|virtual|pipeline|purch order|purchase order|sales order|planned|unterwegs|zamowion*|en cours
projected|in aankomst|onderweg|entrant*|to receive
en camino|a caminho|em viagem|on the way|on way|im zulauf|eingehend|te ontvangen|a recibir|pend recibir|pte recibir
pte entrada|on p o|in bestellung|zamowiono|en achat|inkomend*|aankomend*|na zamowieniu|on purchase
later|future|spater|plus tard|mas tarde|futuro|pozniej
""",
    "MIN": """
minst|najmniejsz*|min|minimum|mini|mindest*|minima|minimo|minimal*|minimale|minimos
minimas|ondergrens|smallest|least
""",
    "MAX": """
max|maximum|maxi|maximal*|maximo|massim*
""",
    "MOQ": """
moq|mbm|mindestabnahme*|minimum logistyczne|qmc
compra minima|achat minimum|acquisto minimo|minimum purchase|min purchase|min abn|minabn|compra min
""",
    "ORDER": """
order|orders|bestell|bestellung|commande|commandes|cde|pedido|ordine|ordini|afname|abnahme*|encomenda
zamowien*|zam|bestel|bestelling|besteleenheid|mult|multiple|compra minima
""",
    "ALERT": """
meldebestand|reorder|threshold|alert*|low stock|safety|seuil|sicherheitsbestand|mindestbestand|minimumvoorraad
punto de pedido|scorta minima|stan minimalny|bestellpunkt
riordino|bestelniveau|besteldrempel|stock de securite|stock de seguridad|estoque de seguranca|zapas bezpieczenstwa
sicherheits*|avviso|alarm*|ponto de encomenda|sottoscorta|par level|stock cible|target|sollbestand|veiligheids*
""",
    "PACK": """
ctn|cond|conf|emb|verp|doosinhoud|karton|innerpack|outerpack|unite de vente|uvc|std pack|pudelko|scatola|pack
packs|packing|packsize|ve|vpe|verpackung*|verpackungs|packung*|packungs|conditionnement|colis|colisage|pcb
carton|cartons|kartons|caja|cajas|embalaje|embalagem|confezione|confezioni|cartone|doos|verpakking*|opakowan*
opak|case|cases|outer|outers|inner|box|boxes|pak|collo|colli|caixa|gebinde|multipack|kartonie|spcb|stuck pro
verpakt*|verpackt*|paquete*|pacote*|paquet*|bulto|bultos|umkarton|krt|pkg|pckg|tray|zbiorcz*|imballo|imballagg*
stuks per|pieces par|mstr|doosje|doosaantal|lot de
vendu par|vendus par|vendido por|venduto a|sold in|sold by|verkauft in|par lot de|multiplo|multiplos|multipli
veelvoud|wielokrotnosc|vielfaches
kisten|kiste|kratten|casse|cassa|caisse|caisses|skrzynki
""",
    "PER": """
per|par|pro|por|x|w
""",
    "PRICE": """
pu|prijzen|prezzi|precios|unit price|kp|price|prices|preis|preise|prix|precio|prezzo|prijs|preco|cena|ceny
tarif|tarifa|listino|pr|prc|prce
px|prezz|precos|tarifs|tarife|tarifas|tarief|valor|vlr|prs
""",
    "NET": """
nett|net net|excl btw|hors taxe|sans taxe|sin iva|zzgl|net|netto|netta|neto|neta|ht|excl|ex
nette|netti|netos|s iva|sem iva|senza iva|hors tva|bez vat|ohne mwst|exkl|ex vat|ex tax|sans tva
""",
    "GROSS": """
brutto|bruto|gross|ttc|ivato|incl|inkl
z vat|mit mwst|avec tva|toutes taxes|com iva|iva inclus*|ivata|ivati
""",
    "COST": """
ekp|prmp|fob|landed|wsp|ws|jobber|pret achat|kundenpreis|ihr|votre|tuo|uw|twoja|discounted price|kosten|cogs
kostenpreis|achatht|cost|costs|ek|hek|einkauf*|einkaufs|achat|achats|compra|acquisto|inkoop*|zakup*|zak
wholesale|dealer|trade|revend*|rivenditore|coste|costo|custo|koszt|kostprijs|pa|pvd|handler*|haendler*|hurt*
your|dropship|dropshipping|b2b|buy|buying|purchase|buyer|reseller|nettopreis|nettoprijs|einstand*|grossist*
mayorista|distribuidor|ingrosso|pa ht|purchaseprice
cout|couts|costi|costes|custos|riv|revient|gros|hurtow*|ink|inkp|beschaffung*|bezugspreis|nabycia|nab|aankoop*|purch
buy in|acquist*|buyin|partnerpreis|exw|ex works|cif|resell*|rivend*|wiederverkauf*|wederverkoop*|prix pro|dealer net
""",
    "RETAIL": """
vkp|pv|sugg|aktionspreis|cvp|consumentenprijs|katalogpreis|katalogowa|endkunden*|shop|verbraucher*|catalogo
c iva|con iva|iva incl*|detailhandel|konsumenc*|kat|incl vat|inc vat|inkl mwst|incl btw|ttc|retail|rrp|msrp
srp|uvp|pvp|pvpr|pvc|ppc|vk|verkauf*|verkaufs|vente|ventes|venta|vendita|verkoop*|venda|detal*|det|sprzedaz*
public|pubblico|advies*|consumer|conseille*|recom*|recommended|sugerowana|suggested|list|listen|listen*
webshop|unverb|empf|preisempf*|konsumenten*|konsument*|consommateur|sale|selling|sales|sell|regular|ladenpreis
catalogue price|aanbevolen|consigliato|al publico
vrk|vrkp|pub|pvr|publieks*|winkelprijs|boutique|minorista|dettaglio|varejo|retalho|tienda|sklepow*|indicatif
orientacyjn*|recomend*|recommand*|zalecan*|empfohl*|richtpreis|suggerit*|sugerid*|katalog*|client final|consumidor
rec price
vp
""",
    "OLD": """
compare|compare at|was|old|previous|map|streich*|barre prix
special price|promo price|prix promo|precio oferta|prezzo offerta|cena promocyjna|preco promocional|actieprijs
prix solde
""",
    "CURRENCY": """
wal|valutacode|currency code|code devise|wahrungscode|currency|wahrung|waehrung|whrg|wrg|devise|moneda|divisa
valuta|munt|moeda|waluta|ccy|cur|curr
devises|monnaie|walut*|valute
""",
    "DATE": """
liefertermin|lieferdatum|leverdatum|zulaufdatum|am|le|op|dia|dispo le|dates|date|datum|data|fecha|termin|day
tag|dt|jour|dzien
fec|fch|dat|dta
""",
    "RESTOCK": """
voraussichtlich*|vsl|prochaine|llegada prevista|przewidywana|przewidywany|exp|ets|anticipated|available again
terug|replenishment|arrivee|arrive|erw|restock*|eta|expected|arrival|arrivage|wareneingang|we|nachlief*
nachlieferung|wieder|wiederverfugbar*|reappro*|reapprovision*|reposicion|reposicao|riassort*|arrivo|chegada
entrada|llegada|verwacht*|prevista|previsto|prevu|prevue|planowana|back in stock|retour|due|next|nachste
nachster|nachstes|prochain*|proxima|proximo|prossim*|nastepn*|estimated|replenish*|zulaufdatum|due in
nachschub|anlieferung|erwartet*|est
back in|back on|weer|rientro|verw|verwachting|prox|llega*|lleg|przyjec*|przybyc*|oczekiw*|przewid*|voorzien*
geplant*|previsao|previst*|prevision|aankomst*|ankunft*|eintreff*|rentree|rifornim*|aanvul*|uzupeln*|reabast*
reassort*|again|ponownie|due back|lands|landing
naechst*|eingang|coming
""",
    "FROM": """
dostupny od|on|bis zum|from|ab|des|desde|dal|vanaf|od|a partir|until|bis
a partir de|a partir du|partir|depuis|since|sinds|od dnia
""",
    "DELIVERY": """
lev|livr|dostarczenia|przesylki|order processing|approvisionnement|appro|delivery|deliver|liefer|lieferung
lieferdatum|liefertermin|livraison|entrega|consegna|lever|levering|leverdatum|dostawa|dostawy|dostaw|shipping
ship|ships|expedition|versand|envio|spedizione|wysylki|wysylka|verzend*|envoi|handling|processing|realizacji
realizacja|dispatch|fulfilment|fulfillment|lieferfrist
evasione|wysyl*|despatch|bezorg*|zustell*
approvvigionament*|aprovisionamiento|bevoorrading
""",
    "LEAD": """
lead time|leadtime|lieferzeit|levertijd|delai|delais|wbz|wiederbeschaffungszeit|lieferfrist|lead|plazo|prazo
tempi di consegna|tempo di consegna|days to ship
doorlooptijd|durchlaufzeit|czas oczekiwania|tempo de entrega|temps de livraison|giorni di consegna|dias de entrega
prod time|production time|produktionszeit|temps de production|tempo di produzione|produktionsdauer
""",
    "TIME": """
week|day|godzin|tygodnie|werktage|dauer|duration|time|zeit|temps|tempo|tempi|tiempo|czas|tijd|days|tage|tagen
jours|giorni|dias|dni|dagen|weeks|wochen|semaines|hours
wks|gg|jrs|hrs|uur|horas|heures|stunden|werkdagen|werkdag|arbeitstage|arbeitstagen|weken|settimane|semanas|tygodni
woche|semaine|semana|settimana|tydzien
""",
    "UNIT": """
unit|uom|unite|unidad|unid|ud|unita|eenheid|unidade|einheit|jednostka|jm|j m|jedn|me|um|u m|udm|meins|bme
mengeneinheit|basismengeneinheit|unit of measure|unidad de medida|ud medida|unite de mesure|unita di misura
mesure|measure
einh|eenh|unid med|un med|jedn miary|eenheden|einheiten|base unit|meh
""",
    "NAME": """
kurzbez|omschr|tekst|bezeichn|artbez|desig|descripc|libelles|nazw|naz|denom|langname|produktbezeichnung
product naam|item text|name|names|title|titel|titre|titulo|titolo|tytul|nom|nombre|nome|naam|nazwa|nazwy
bezeichnung|bez|benennung|descr*|omschrijving|opis|libelle|lib|design|designation|designacao|desc|beschreibung
kurztext|text|label|etichetta|denominacion|denominazione|denomination|designacion|maktx|langtext|intitule
etiqueta|des
benaming|bez1|bez2|omsch|artname|descripcion|descricao|descrizione|denominacao
""",
    "LOCATION": """
loc|whs|lagerhaus|lagerstandort|entrepots|magaz|stock location|lager nr|lagernummer|fulfillment center
warehouse|whse|wh|location|locations|depot|entrepot|lagerort|lgort|lort|standort|almacen|codalm|alm|magazijn
locatie|armazem|magazzino|magazyn|deposito|sede|ubicacion|ubicazione|site|ships from|store|branch|filiale
niederlassung|dc|emplacement|magasin|localizacao|lokalizacja|vestiging
sucursal|filial|oddzial|loja|sloc|storage location|almac
""",
    "BIN": """
lagerplatz|bin|shelf|rack|plant|werk|werks|region|country|land|pays|pais|paese|kraj|origin|herkunft
regal|scaffale|estante|prateleira|polka|stellplatz|aisle|fach|coo|ursprung*|herkomst*|pochodzeni*
""",
    "DISCONTINUED": """
disco|deleted|descat|wyprzedaz|eliminado|phaseout|fin vie|out of range|supprime|nicht fortgefuhrt|restposten
loopt uit|esaurimento|discontinu*|eol|auslauf*|auslaufartikel|fin de serie|descatalogad*|fuori produzione
fuori catalogo|uitlopend*|descontinuad*|wycofan*|obsolet*|lifecycle|life cycle|anulado|anulada|uit assortiment
end of life|phase out|phased out|abgekundigt*|arrete|arretee|nicht mehr lieferbar|ausgelistet|delisted
fin de vida|fine serie|uit productie|inactive
en sommeil|sommeil|inactiv*|inattiv*|nieaktywn*|inaktiv*|fin de vie|fine vita|archiv*|archiw*|vervallen|vervalt
niet meer leverbaar|dormant|stillgelegt|gestopt|gestoppt|abverkauf|cessat*|dado de baja|koniec produkcji
koniec serii|retired
uit collectie|hors collection|hors catalogue|fuera de coleccion|fuera de catalogo|fora de linha|fora de catalogo
poza oferta|out of production|sortimentsende|auslistung*
fin serie|fora de gama|fuera de gama|hors gamme|fuori gamma|uit gamma|aus dem sortiment|fora de linea
wycofany z oferty
""",
    "STATUS": """
status|state|etat|estado|stato|zustand|ampel|flag|situation|statut
stat|sts
""",
    "TAX": """
vat|tva|iva|mwst|btw|tax|taxes|steuer|ust|taxe|podatek
mwst satz|steuersatz|aliquota|stawka vat|taux
""",
    "PARENT": """
parent|eltern|vater|group|gruppe|groupe|master|grupo|gruppo|mother|mere|padre|pai|family|famille|familia
""",
    "PAST": """
last|updated|update|maj|modified|geandert|geaendert|changed|created|added|zuletzt|letzt*|ultim*|ult|laatst*|dernier*
ostatni*|bijgewerkt|atualiza*|actualiza*|aggiorna*|zaktualizow*|aktualis*|aktualiz*|gewijzigd|modific*|modyfik*
mis a jour|angelegt|erstellt|aangemaakt|utworzon*|criado|creado|creato|cree
wijzig*|anderung*|aenderung*|geander*
""",
    "MEASURE": """
kg|kgs|gram|grams|gramm|grammes|grammi|lb|lbs|oz|cm|mm|cbm|m3|m2|ml|ltr|gw|nw|percent
""",
    "OTHER": """
ean type|warengruppe|warengr|produktgruppe|artikelgruppe|subcategory|clearance|thema|theme|zoll|iban|gtin type
breadcrumb|packaging weight|ust satz|stawka|kommentar|opmerking|uwagi|notas|osservazioni|index date|position|pos|row
line|zeile|lfd|gewicht|poids|peso|waga|size|gr|grosse|taille|talla|taglia|maat|tamanho|rozmiar|colour|color|farbe
couleur|colore|kleur|cor|kolor|brand|brands|marke|marque|marca|merk|marka|category|categories|kategorie|categorie
categoria|kategoria|image|images|img|bild|bilder|url|link|links|photo|foto|zdjecie|imagen|immagine|hs|customs
zolltarif*|ncm|taric|discount|rabatt|remise|sconto|korting|desconto|descuento|rabattgruppe|rebate|expiry|expiration
peremption|mhd|scadenza|best before|caducidad|author|publisher|note|notes|bemerkung|remarque|commentaire|comment
comments|width|height|length|breite|hohe|lange|depth|type|typ|published|vendors name|manufacturers name|volume
contenance|inhalt|options|option|pattern|condition|properties|attributes|collection|season|saison
material composition|rating|tags|gender|year|annata|ano|jahr|annee|ship cost|shipping cost|versandkosten|frais|porto
canon|ecotax|deposit|pfand|rohs|channel|store view|attribute*|manage|managed|track*|visib*|featured|meta|seo
keyword*|datenblatt|pdf|video|dim|dims|dimension*|abmess*|afmeting*|medidas|misure|wymiar*|garant*|warranty
gwarancj*|serial|batch|charge|lote|intrastat|pkwiu|wert|waarde|wartosc|valeur|valore|value|weight
""",
}
"""Idea → its words. Entries hold no accents and no case."""
