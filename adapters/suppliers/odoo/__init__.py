"""Odoo: a merchant's own system as the source of stock and of what is on order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters.kit.live import LiveSource
from adapters.suppliers.odoo.client import ADAPTER, Odoo
from adapters.suppliers.odoo.live import OdooLive
from adapters.suppliers.odoo.stock import Choices, OdooStock
from connector.ports.errors import Misconfigured
from connector.registry import Environment, Field, Manifest

_YES, _NO = {"", "yes", "true", "1"}, {"no", "false", "0"}


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One Odoo database as a supplier; no network. Raises Misconfigured, naming the field."""
    url, database, key = _text(config, "url"), _text(config, "database"), secrets.get("api_key", "").strip()
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.username or parts.password:
        raise _wrong("url", "This is not Odoo's web address.", "Enter it as https://shop.odoo.com.")
    if not database or not database.isprintable() or not database.isascii():
        raise _wrong(
            "database", "The database's name is missing.", "Enter the name that Odoo shows at sign-in."
        )
    if not key or not key.isprintable() or not key.isascii():
        raise _wrong("api_key", "The API key is missing.", "Make one in your Odoo profile.")
    quantity = _text(config, "quantity") or "free_qty"
    if quantity not in ("free_qty", "qty_available"):
        raise _wrong("quantity", f"There is no number “{quantity}”.", "Enter free_qty or qty_available.")
    code = _text(config, "code") or "default_code"
    if code not in ("default_code", "barcode"):
        raise _wrong("code", f"There is no code “{code}”.", "Enter default_code or barcode.")
    incoming = _text(config, "incoming").lower()
    if incoming not in _YES | _NO:
        raise _wrong("incoming", "Say yes or no.", "Leave it empty for yes.")
    choices = Choices(
        quantity="qty_available" if quantity == "qty_available" else "free_qty",
        code="barcode" if code == "barcode" else "default_code",
        warehouses=tuple(filter(None, (one.strip() for one in _text(config, "warehouses").split(",")))),
        company=_text(config, "company"),
        reads_incoming=incoming in _YES,
    )
    # Where people sign in is what they know; the API is at the root of it.
    base = f"{parts.scheme}://{parts.netloc}"
    odoo = Odoo(environment, base, database, _text(config, "username"), key, _text(config, "language"))
    return LiveSource(OdooStock(odoo, choices), environment)


def _text(config: Mapping[str, Any], name: str) -> str:
    value = config.get(name)
    return value.strip() if isinstance(value, str) else ""


def _wrong(field: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured(ADAPTER, "the settings of Odoo", cause, remedy, field=field)


def live_check(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> OdooLive | None:
    """What answers for single products, where the merchant wants it; raises as `build`."""
    wanted = _text(config, "live_check").casefold()
    if wanted not in _YES | _NO:
        raise _wrong("live_check", f"“{wanted}” is not possible.", "Enter yes, or nothing.")
    if not wanted or wanted in _NO:
        return None
    stock = build(config, secrets, environment).api
    return OdooLive(stock) if isinstance(stock, OdooStock) else None


MANIFEST = Manifest(
    name=ADAPTER,
    title="Odoo",
    fields=(
        Field("url", "Address", help="Where you sign in, as https://shop.odoo.com."),
        Field("database", "Database", help="Its name, as Odoo shows it at sign-in."),
        Field("api_key", "API key", is_secret=True, help="In your Odoo profile: Account security."),
        Field("username", "Login", is_required=False, help="For Odoo 18 and before: whose key it is."),
        Field(
            "quantity",
            "Number",
            is_required=False,
            help="free_qty (empty): on hand less reserved; qty_available: all that is on hand.",
        ),
        Field(
            "code",
            "Item code",
            is_required=False,
            help="default_code (empty): the internal reference; barcode: the barcode.",
        ),
        Field(
            "warehouses",
            "Warehouses",
            is_required=False,
            help="Empty for all together; else their short names, as in WH, EAST.",
        ),
        Field("company", "Company", is_required=False, help="If there are several: the name of one."),
        Field("language", "Language", is_required=False, help="For product names, as fr_FR."),
        Field(
            "incoming",
            "What is on order",
            is_required=False,
            help="no: restock dates are not taken from open receipts.",
        ),
        Field(
            "live_check",
            "Live check",
            is_required=False,
            help="yes: it is also asked when a cart is checked; it should answer within half a second.",
        ),
    ),
    build=build,
    live_check=live_check,
    help_page="docs/adapters/odoo.md",
)
