"""The settings of live sources in the reader's language. Adapters write them in English and know no
catalogue; what is not here is shown as they wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def source_words(_: Callable[..., str]) -> Mapping[str, str]:
    """From the English of a label or help text to the reader's words; `_` is his gettext."""
    return {
        "Address": _("Address"),
        "Store": _("Store"),
        "Location": _("Location"),
        "The number of the store's connection, as in its address here.": _(
            "The number of the store's connection, as in its address here."
        ),
        "The location whose stock is yours; Dispo never writes it.": _(
            "The location whose stock is yours; Dispo never writes it."
        ),
        "Database": _("Database"),
        "API key": _("API key"),
        "Login": _("Login"),
        "Number": _("Number"),
        "Item code": _("Item code"),
        "Warehouses": _("Warehouses"),
        "Company": _("Company"),
        "Language": _("Language"),
        "What is on order": _("What is on order"),
        "Columns": _("Columns"),
        "List of items": _("List of items"),
        "Method": _("Method"),
        "Body": _("Body"),
        "Sign in": _("Sign in"),
        "User": _("User"),
        "Password": _("Password"),
        "Name of the token": _("Name of the token"),
        "Token": _("Token"),
        "Token address": _("Token address"),
        "Client ID": _("Client ID"),
        "Client secret": _("Client secret"),
        "Scope": _("Scope"),
        "Client credentials go": _("Client credentials go"),
        "Pages": _("Pages"),
        "Page parameter": _("Page parameter"),
        "First page": _("First page"),
        "Size parameter": _("Size parameter"),
        "Size": _("Size"),
        "Cursor": _("Cursor"),
        "Next page": _("Next page"),
        "Total": _("Total"),
        "Rate": _("Rate"),
        "Where you sign in, as https://shop.odoo.com.": _("Where you sign in, as https://shop.odoo.com."),
        "Its name, as Odoo shows it at sign-in.": _("Its name, as Odoo shows it at sign-in."),
        "In your Odoo profile: Account security.": _("In your Odoo profile: Account security."),
        "For Odoo 18 and before: whose key it is.": _("For Odoo 18 and before: whose key it is."),
        "free_qty (empty): on hand less reserved; qty_available: all that is on hand.": _(
            "free_qty (empty): on hand less reserved; qty_available: all that is on hand."
        ),
        "default_code (empty): the internal reference; barcode: the barcode.": _(
            "default_code (empty): the internal reference; barcode: the barcode."
        ),
        "Empty for all together; else their short names, as in WH, EAST.": _(
            "Empty for all together; else their short names, as in WH, EAST."
        ),
        "If there are several: the name of one.": _("If there are several: the name of one."),
        "For product names, as fr_FR.": _("For product names, as fr_FR."),
        "no: restock dates are not taken from open receipts.": _(
            "no: restock dates are not taken from open receipts."
        ),
        "Where the list of items is, beginning with https://.": _(
            "Where the list of items is, beginning with https://."
        ),
        "As in sku=code, quantity=stock.free, restock_date=next_arrival.": _(
            "As in sku=code, quantity=stock.free, restock_date=next_arrival."
        ),
        "Where the list is, as in data.items; empty: the answer itself.": _(
            "Where the list is, as in data.items; empty: the answer itself."
        ),
        "GET (empty) or POST.": _("GET (empty) or POST."),
        "For POST: a JSON object.": _("For POST: a JSON object."),
        "Empty for none, else basic, bearer, header, query or oauth2.": _(
            "Empty for none, else basic, bearer, header, query or oauth2."
        ),
        "For basic.": _("For basic."),
        "For header or query, as in X-Api-Key.": _("For header or query, as in X-Api-Key."),
        "For bearer, header and query.": _("For bearer, header and query."),
        "For oauth2 (client credentials).": _("For oauth2 (client credentials)."),
        "For oauth2.": _("For oauth2."),
        "For oauth2, if the API wants one.": _("For oauth2, if the API wants one."),
        "For oauth2: basic (empty) or body.": _("For oauth2: basic (empty) or body."),
        "Empty: one page; else page, offset, cursor, link or next.": _(
            "Empty: one page; else page, offset, cursor, link or next."
        ),
        "If it is not called page, offset or cursor.": _("If it is not called page, offset or cursor."),
        "For page: 1 if empty.": _("For page: 1 if empty."),
        "As in per_page, if you want larger pages.": _("As in per_page, if you want larger pages."),
        "Items on a page.": _("Items on a page."),
        "For cursor: where the answer names the next one.": _(
            "For cursor: where the answer names the next one."
        ),
        "For next: where the answer holds its address.": _("For next: where the answer holds its address."),
        "Where the answer says how many items there are; it is checked.": _(
            "Where the answer says how many items there are; it is checked."
        ),
        "Live check": _("Live check"),
        "yes: it is also asked when a cart is checked; it should answer within half a second.": _(
            "yes: it is also asked when a cart is checked; it should answer within half a second."
        ),
        "Address of one item": _("Address of one item"),
        "For carts, as https://api.example/stock/{item}; it should answer within half a second.": _(
            "For carts, as https://api.example/stock/{item}; it should answer within half a second."
        ),
        "One item": _("One item"),
        "For carts: where the answer holds it; empty: the answer itself.": _(
            "For carts: where the answer holds it; empty: the answer itself."
        ),
        "Calls/seconds the API allows, as in 60/60.": _("Calls/seconds the API allows, as in 60/60."),
        "At CJ: My CJ, Authorization, API.": _("At CJ: My CJ, Authorization, API."),
        "Warehouses in": _("Warehouses in"),
        "Empty for all; else countries, as in US, DE.": _("Empty for all; else countries, as in US, DE."),
        "all (empty): also what is still with the manufacturers; cj: only what CJ has itself.": _(
            "all (empty): also what is still with the manufacturers; cj: only what CJ has itself."
        ),
        "Products": _("Products"),
        "Empty for all of My Products; else their ids, separated by commas.": _(
            "Empty for all of My Products; else their ids, separated by commas."
        ),
        "Calls a second": _("Calls a second"),
        "By your level at CJ: 1 (empty), 2, 4 or 6.": _("By your level at CJ: 1 (empty), 2, 4 or 6."),
        "Points a day": _("Points a day"),
        "50000 (empty); more if CJ gives you more for your sales.": _(
            "50000 (empty); more if CJ gives you more for your sales."
        ),
        "A private token of developers.printful.com.": _("A private token of developers.printful.com."),
        "Selling regions": _("Selling regions"),
        "Empty for worldwide; else Printful's names, as in europe, north_america.": _(
            "Empty for worldwide; else Printful's names, as in europe, north_america."
        ),
        "Store number": _("Store number"),
        "Only if the token is for a whole account.": _("Only if the token is for a whole account."),
        "Where the Retailer API is, as your API documentation names it.": _(
            "Where the Retailer API is, as your API documentation names it."
        ),
        "Refresh token": _("Refresh token"),
        "In your account, under API.": _("In your account, under API."),
        "Catalogues": _("Catalogues"),
        "Their numbers, as in 5310, 5311.": _("Their numbers, as in 5310, 5311."),
        "If Inventory Source gave you one.": _("If Inventory Source gave you one."),
        "Categories": _("Categories"),
        "Longest handling time": _("Longest handling time"),
        "In your BigBuy account, under API.": _("In your BigBuy account, under API."),
        "Empty for everything; else the numbers of first-level categories, as in 19668, 19669.": _(
            "Empty for everything; else the numbers of first-level categories, as in 19668, 19669."
        ),
        "In days: stock that takes longer to leave the warehouse does not count. Empty: all counts.": _(
            "In days: stock that takes longer to leave the warehouse does not count. Empty: all counts."
        ),
        "Where you sign in, as https://shop.frappe.cloud.": _(
            "Where you sign in, as https://shop.frappe.cloud."
        ),
        "On the user's page: Settings, API Access.": _("On the user's page: Settings, API Access."),
        "API secret": _("API secret"),
        "It is shown once, when keys are generated.": _("It is shown once, when keys are generated."),
        "available (empty): on hand less what is reserved; on_hand: all that is there.": _(
            "available (empty): on hand less what is reserved; on_hand: all that is there."
        ),
        "Empty for all together; else their names, as in Stores - C. A group stands for what is in it.": _(
            "Empty for all together; else their names, as in Stores - C. A group stands for what is in it."
        ),
        "no: restock dates are not taken from open purchase orders.": _(
            "no: restock dates are not taken from open purchase orders."
        ),
        "Tenant": _("Tenant"),
        "Directory (tenant) ID of the app registration in Microsoft Entra.": _(
            "Directory (tenant) ID of the app registration in Microsoft Entra."
        ),
        "Environment": _("Environment"),
        "Its name, as Production.": _("Its name, as Production."),
        "Application (client) ID of the app registration.": _(
            "Application (client) ID of the app registration."
        ),
        "The value of a secret of the app registration.": _("The value of a secret of the app registration."),
        "available (empty): inventory less open sales orders; on_hand: all inventory.": _(
            "available (empty): inventory less open sales orders; on_hand: all inventory."
        ),
        "number (empty): the item's number; gtin: its barcode number.": _(
            "number (empty): the item's number; gtin: its barcode number."
        ),
        "Locations": _("Locations"),
        "Empty for all together; else codes, as in EAST, WEST. Needs a published web service.": _(
            "Empty for all together; else codes, as in EAST, WEST. Needs a published web service."
        ),
        "Web service of entries": _("Web service of entries"),
        "For locations: the name page 38 is published by. Empty: ItemLedgerEntries.": _(
            "For locations: the name page 38 is published by. Empty: ItemLedgerEntries."
        ),
        "Web service of units": _("Web service of units"),
        "The name page 5404 is published by, if orders are in other units than the items.": _(
            "The name page 5404 is published by, if orders are in other units than the items."
        ),
        "Address of the API": _("Address of the API"),
        "Empty: https://api.businesscentral.dynamics.com.": _(
            "Empty: https://api.businesscentral.dynamics.com."
        ),
        "Address of the sign-in": _("Address of the sign-in"),
        "Empty: https://login.microsoftonline.com.": _("Empty: https://login.microsoftonline.com."),
        "Account": _("Account"),
        "As 1234567, or 1234567_SB1 for a sandbox.": _("As 1234567, or 1234567_SB1 for a sandbox."),
        "Of the integration record; it is shown once, when it is saved.": _(
            "Of the integration record; it is shown once, when it is saved."
        ),
        "Certificate ID": _("Certificate ID"),
        "From OAuth 2.0 Client Credentials Setup.": _("From OAuth 2.0 Client Credentials Setup."),
        "Private key": _("Private key"),
        "What the certificate was made of, from BEGIN to END.": _(
            "What the certificate was made of, from BEGIN to END."
        ),
        "available (empty): on hand less what is committed; on_hand: all that is there.": _(
            "available (empty): on hand less what is committed; on_hand: all that is there."
        ),
        "itemid (empty): the item's name or number; upccode: its UPC code.": _(
            "itemid (empty): the item's name or number; upccode: its UPC code."
        ),
        "Empty for all together; else their names, as in East, West.": _(
            "Empty for all together; else their names, as in East, West."
        ),
        "Empty: the account's own, ending in suitetalk.api.netsuite.com.": _(
            "Empty: the account's own, ending in suitetalk.api.netsuite.com."
        ),
        "Organization": _("Organization"),
        "Its number, at Settings, Organization Profile.": _("Its number, at Settings, Organization Profile."),
        "Of the Self Client in Zoho's API console.": _("Of the Self Client in Zoho's API console."),
        "Made once, as the help page says.": _("Made once, as the help page says."),
        "Data center": _("Data center"),
        "How your Zoho address ends: com (empty), eu, in, com.au, jp, ca, sa or com.cn.": _(
            "How your Zoho address ends: com (empty), eu, in, com.au, jp, ca, sa or com.cn."
        ),
        "physical (empty) or accounting: available for sale; on_hand: all that is there.": _(
            "physical (empty) or accounting: available for sale; on_hand: all that is there."
        ),
        "Empty: the data center's.": _("Empty: the data center's."),
        "Of the APIs, as https://my300000-api.s4hana.cloud.sap.": _(
            "Of the APIs, as https://my300000-api.s4hana.cloud.sap."
        ),
        "The communication user's name.": _("The communication user's name."),
        "The communication user's password.": _("The communication user's password."),
        "Plants": _("Plants"),
        "Empty for all together; else plants, as 1010, or storage locations of them, as 1010/101A.": _(
            "Empty for all together; else plants, as 1010, or storage locations of them, as 1010/101A."
        ),
        "product (empty): the material's number; gtin: its barcode number.": _(
            "product (empty): the material's number; gtin: its barcode number."
        ),
        "Client": _("Client"),
        "Three digits, on a server of your own.": _("Three digits, on a server of your own."),
    }
