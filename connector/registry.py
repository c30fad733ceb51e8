"""Which adapters exist: kind → name → "module:MANIFEST". Adapters are named here as text and imported
only when used, so that a heavy SDK costs nothing to those who do not use it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from connector.ports.channels import Medium
from connector.ports.errors import Misconfigured
from connector.ports.installs import AccessTokens
from connector.ports.shared import SharedValues
from connector.ports.stores import Store
from connector.settings import AppKeys as AppKeys

Kind = Literal["stores", "suppliers", "ads", "channels", "search"]
Part = Literal["scripts", "notes", "entitlements", "coupons", "care"]
"""What only some store platforms have, made of a connection's settings and secrets."""

ADAPTERS: Mapping[Kind, Mapping[str, str]] = {
    "ads": {"google_ads": "adapters.ads.google_ads:MANIFEST"},
    "channels": {
        "email": "adapters.channels.email:MANIFEST",
        "klaviyo": "adapters.channels.klaviyo:MANIFEST",
        "mail_api": "adapters.channels.mail_api:MANIFEST",
        "omnisend": "adapters.channels.omnisend:MANIFEST",
        "sms_webhook": "adapters.channels.sms_webhook:MANIFEST",
        "twilio": "adapters.channels.twilio:MANIFEST",
        "web_push": "adapters.channels.web_push:MANIFEST",
    },
    "search": {"google_search_console": "adapters.search.google_search_console:MANIFEST"},
    "stores": {
        "bigcommerce": "adapters.stores.bigcommerce:MANIFEST",
        "shopify": "adapters.stores.shopify:MANIFEST",
        "woocommerce": "adapters.stores.woocommerce:MANIFEST",
    },
    "suppliers": {
        "bigbuy": "adapters.suppliers.bigbuy:MANIFEST",
        "business_central": "adapters.suppliers.business_central:MANIFEST",
        "cj_dropshipping": "adapters.suppliers.cj_dropshipping:MANIFEST",
        "erpnext": "adapters.suppliers.erpnext:MANIFEST",
        "file_feed": "adapters.suppliers.file_feed:MANIFEST",
        "inventory_source": "adapters.suppliers.inventory_source:MANIFEST",
        "json_api": "adapters.suppliers.json_api:MANIFEST",
        "netsuite": "adapters.suppliers.netsuite:MANIFEST",
        "odoo": "adapters.suppliers.odoo:MANIFEST",
        "printful": "adapters.suppliers.printful:MANIFEST",
        "sap_s4hana": "adapters.suppliers.sap_s4hana:MANIFEST",
        "store_location": "adapters.suppliers.store_location:MANIFEST",
        "zoho_inventory": "adapters.suppliers.zoho_inventory:MANIFEST",
    },
}


@dataclass(frozen=True, slots=True)
class Environment:
    """What an adapter may know of the installation it runs in.

    `allowed_private_hosts`: host names or "host:port" an operator allows although they are private;
    everything else private or loopback is refused. `ca_file` is an extra bundle of certificates to
    trust, empty for the system's own. `max_feed_bytes` caps a download. `feed_directories` are the
    only directories a feed may be read from on this machine; none by default. `access_tokens` gives a
    connection whose token expires the one of this moment; None where the stored token is for good. `shared`
    are the values all workers share, such as what a platform still lets us ask; None: this process is alone.
    `stores` gives another connection of the same merchant, a store, by its number; None where nobody asks for one.
    """

    allowed_private_hosts: frozenset[str] = frozenset()
    ca_file: str = ""
    timeout_s: float = 30.0
    max_feed_bytes: int = 2_000_000_000
    user_agent: str = "Dispo/0.1"
    feed_directories: tuple[Path, ...] = ()
    access_tokens: AccessTokens | None = None
    shared: SharedValues | None = None
    stores: Callable[[int], Store] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of a connection, for forms and for `dispo … connect`.

    `is_secret` values are sealed at rest and never taken from a command line argument. `is_from_app`: a
    shop that installed the operator's own app needs none of its own, even where others must give it.
    `places` are the choices of the manifest's `places` that the field belongs to, empty for all; `examples`
    shows what to enter at one of them, `hints` what to say there instead of `help`. A long secret
    (`is_long`) has several lines; a rare field (`is_rare`) goes where only those look who need it.
    """

    name: str
    label: str
    is_secret: bool = False
    is_required: bool = True
    help: str = ""
    is_from_app: bool = False
    places: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    is_long: bool = False
    is_rare: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an adapter module offers.

    `build(config, secrets, environment)` returns the port's object without any network call and
    raises Misconfigured for a missing or impossible setting. `webhooks()` returns the verifier of a
    store platform. `app(keys, environment)` returns the `connector.ports.installs.App` of a platform
    whose merchants install us from its app store. `handover(environment)` returns the
    `connector.ports.installs.KeyHandover` of a platform whose shops hand out keys on a page of their own.
    `scripts(config, secrets, environment)` returns the `connector.ports.storefronts.StorefrontScripts` of a
    platform whose storefronts take our script; it raises as `build`. `notes(config, secrets, environment)`
    returns the `connector.ports.notes.ProductNotes` of a platform with fields of its own about availability.
    `coupons(config, secrets, environment)` returns the `connector.ports.coupons.Coupons` of a platform with
    discount codes; it raises as `build`. `care(config, secrets, environment)` returns the
    `connector.ports.orders_care.OrderCare` of a platform whose orders an app may refund; it raises as `build`.
    `entitlements(config, secrets, environment, keys)` returns the `connector.ports.entitlements.Entitlements` of
    a shop that installed the operator's app (its `keys`) on a platform that bills for apps; it raises as `build`.
    `live_check(config, secrets, environment)` returns the `connector.ports.live_check.LiveCheck` of a supplier that
    answers for single items at once, None where its settings ask for none; it raises as `build`.
    `grants` names what a merchant may grant beyond the necessary, each with the platform's words for it, and
    `grant_url(config, scopes)` is the platform's page that asks the merchant for them, "" where it has none.
    `places` are the ways a supplier of files may be reached, each with its title: the setting `place` holds
    the chosen one, and a form shows only that one's fields.
    `medium` of a channel says which port of `connector.ports.channels` `build` gives.
    `reports(config, secrets, environment)` returns the `connector.ports.channels.DeliveryReports` of a channel
    whose provider calls us, `report_mailbox` likewise the `ReportMailbox` of one whose bounces come by mail, None
    where its settings name none; they raise as `build`.
    `new_secrets()` makes the secrets that nobody else gives out, as a signing key of our own, so that nobody has to
    type them; a connection's secrets start with them.
    `extra` is the optional dependency to install when the import fails.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    build: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any]
    webhooks: Callable[[], Any] | None = None
    app: Callable[[AppKeys, Environment], Any] | None = None
    handover: Callable[[Environment], Any] | None = None
    scripts: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    notes: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    coupons: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    care: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    entitlements: Callable[[Mapping[str, Any], Mapping[str, str], Environment, AppKeys], Any] | None = None
    live_check: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grant_url: Callable[[Mapping[str, Any], Sequence[str]], str] | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    medium: Medium | None = None
    reports: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    report_mailbox: Callable[[Mapping[str, Any], Mapping[str, str], Environment], Any] | None = None
    new_secrets: Callable[[], Mapping[str, str]] | None = None
    extra: str = ""
    help_page: str = ""


_EXTRAS = {"google_ads": "google-ads"}


def manifest(kind: Kind, name: str) -> Manifest:
    """The manifest of one adapter; raises Misconfigured for an unknown name or a missing extra."""
    try:
        module_name, _, attribute = ADAPTERS[kind][name].partition(":")
    except KeyError:
        known = ", ".join(sorted(ADAPTERS[kind]))
        raise Misconfigured(
            name, kind, "There is no such adapter.", f"Use one of: {known}.", field="adapter"
        ) from None
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        extra = _EXTRAS.get(name)
        if extra is None or (exc.name or "").startswith("adapters"):
            raise
        raise Misconfigured(
            name,
            kind,
            f"The package {exc.name!r} is not installed.",
            f"Install the extra: pip install 'dispo[{extra}]'.",
            field="adapter",
        ) from exc
    found = getattr(module, attribute)
    if not isinstance(found, Manifest):  # pragma: no cover - caught by the registry test
        raise TypeError(f"{module_name}:{attribute} is not a Manifest")
    return found


def has_part(adapter: str, part: Part) -> bool:
    """Whether a store platform has this part; False for an adapter that this installation has not, of whose
    stores nothing can be asked."""
    try:
        return getattr(manifest("stores", adapter), part) is not None
    except Misconfigured:
        return False
