"""Oracle NetSuite as the source of stock and of what is on order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.netsuite.client import ADAPTER, Key, NetSuite
from adapters.suppliers.netsuite.stock import Choices, NetSuiteStock
from connector.registry import Environment, Field, Manifest

_ACCOUNT = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)?", re.A)
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One NetSuite account as a supplier; no network. Raises Misconfigured, naming the field."""
    settings = Settings(ADAPTER, "the settings of NetSuite", config, secrets)
    account = settings.needed("account", "It is the first part of the address you sign in at.")
    if not _ACCOUNT.fullmatch(account):
        raise settings.wrong("account", f"“{account}” is no account.", "Enter it as 1234567 or 1234567_SB1.")
    # NetSuite writes 1234567_SB1 where people read it and 1234567-sb1 in addresses.
    host = account.lower().replace("_", "-")
    key = _key(
        settings,
        settings.needed("client_id", "Copy it when the integration record is saved: it is shown once."),
        settings.needed("certificate_id", "Copy it from OAuth 2.0 Client Credentials Setup."),
    )
    base = f"https://{host}.suitetalk.api.netsuite.com"
    if settings.text("api_url"):
        base = settings.address("api_url", base)
    choices = Choices(
        is_available=settings.choice("quantity", ("available", "on_hand")) == "available",
        code="upccode" if settings.choice("code", ("itemid", "upccode")) == "upccode" else "itemid",
        locations=settings.words("locations"),
        reads_incoming=settings.is_yes("incoming"),
    )
    return LiveSource(NetSuiteStock(NetSuite(environment, account, base, key), choices), environment)


def _key(settings: Settings, client_id: str, certificate_id: str) -> Key:
    remedy = (
        "Paste the whole private key that the certificate was made of, from BEGIN to END, without a password."
    )
    pem = settings.long_secret("private_key", remedy)
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise settings.wrong("private_key", "This is no private key in PEM form.", remedy) from exc
    if isinstance(key, RSAPrivateKey):
        return Key(client_id, certificate_id, key, "PS256")
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return Key(client_id, certificate_id, key, _CURVES[key.curve.name])
    raise settings.wrong(
        "private_key", "NetSuite takes RSA keys and EC keys of P-256, P-384 and P-521.", remedy
    )


MANIFEST = Manifest(
    name=ADAPTER,
    title="NetSuite",
    fields=(
        Field("account", "Account", help="As 1234567, or 1234567_SB1 for a sandbox."),
        Field(
            "client_id", "Client ID", help="Of the integration record; it is shown once, when it is saved."
        ),
        Field("certificate_id", "Certificate ID", help="From OAuth 2.0 Client Credentials Setup."),
        Field(
            "private_key",
            "Private key",
            is_secret=True,
            is_long=True,
            help="What the certificate was made of, from BEGIN to END.",
        ),
        Field(
            "quantity",
            "Number",
            is_required=False,
            help="available (empty): on hand less what is committed; on_hand: all that is there.",
        ),
        Field(
            "code",
            "Item code",
            is_required=False,
            help="itemid (empty): the item's name or number; upccode: its UPC code.",
        ),
        Field(
            "locations",
            "Locations",
            is_required=False,
            help="Empty for all together; else their names, as in East, West.",
        ),
        Field(
            "incoming",
            "What is on order",
            is_required=False,
            help="no: restock dates are not taken from open purchase orders.",
        ),
        Field(
            "api_url",
            "Address of the API",
            is_required=False,
            is_rare=True,
            help="Empty: the account's own, ending in suitetalk.api.netsuite.com.",
        ),
    ),
    build=build,
    help_page="docs/adapters/netsuite.md",
)
