"""mypy proves here that live sources keep the ports' signatures; nothing runs."""

from __future__ import annotations

from adapters.kit.live import LiveApi, LiveSource
from adapters.suppliers.bigbuy.stock import BigBuyStock
from adapters.suppliers.business_central.stock import BusinessCentralStock
from adapters.suppliers.cj_dropshipping.stock import CJStock
from adapters.suppliers.erpnext.stock import ErpnextStock
from adapters.suppliers.inventory_source.stock import InventorySourceStock
from adapters.suppliers.json_api.listing import JsonListing
from adapters.suppliers.netsuite.stock import NetSuiteStock
from adapters.suppliers.odoo.stock import OdooStock
from adapters.suppliers.printful.stock import PrintfulStock
from adapters.suppliers.sap_s4hana.stock import SapStock
from adapters.suppliers.store_location.stock import StoreLocation
from adapters.suppliers.zoho_inventory.stock import ZohoStock
from connector.ports.incoming import SupplierIncomingReader
from connector.ports.suppliers import Supplier


def live(adapter: LiveSource) -> Supplier:
    return adapter


def live_orders(adapter: LiveSource) -> SupplierIncomingReader:
    return adapter


def odoo(api: OdooStock) -> LiveApi:
    return api


def json_api(api: JsonListing) -> LiveApi:
    return api


def bigbuy(api: BigBuyStock) -> LiveApi:
    return api


def cj_dropshipping(api: CJStock) -> LiveApi:
    return api


def printful(api: PrintfulStock) -> LiveApi:
    return api


def inventory_source(api: InventorySourceStock) -> LiveApi:
    return api


def erpnext(api: ErpnextStock) -> LiveApi:
    return api


def business_central(api: BusinessCentralStock) -> LiveApi:
    return api


def netsuite(api: NetSuiteStock) -> LiveApi:
    return api


def zoho_inventory(api: ZohoStock) -> LiveApi:
    return api


def sap_s4hana(api: SapStock) -> LiveApi:
    return api


def store_location(api: StoreLocation) -> LiveApi:
    return api
