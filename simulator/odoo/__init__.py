"""An Odoo on loopback: the few models a source of stock reads, by JSON-2 and by XML-RPC."""

from simulator.odoo.model import Database
from simulator.odoo.server import OdooServer

__all__ = ["Database", "OdooServer"]
