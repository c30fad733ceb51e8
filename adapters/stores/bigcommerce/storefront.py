"""The storefront script: put into a store's pages by the Scripts API, one script a storefront.

The script is inline: a small loader (`script/loader.js`) with this store's settings in it, which loads Dispo's
own `notify-me.js` on product pages and nowhere else. Stencil themes run it. Catalyst (1.1 and later) runs it
too, but its pages have no such form, so nothing is shown there: put the block of docs/storefront-script.md
into the page instead. Blueprint themes run no scripts.

Consent: the loader and notify-me.js set no cookie, tell nobody who looks, and keep an address only when the
shopper typed it into the form and it could not be delivered. So the script asks for the category "essential";
the merchant may choose another one in Script Manager, and that choice is left alone afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit

from adapters.stores.bigcommerce.client import ADAPTER, BigCommerceClient
from connector.ports.errors import Misconfigured, NotFound

Consent = Literal["essential", "functional", "analytics", "targeting"]

NAME = "Dispo availability"
PATH = "/v3/content/scripts"
LONGEST = 65_536
_PLACE = '"DISPO SETTINGS"'


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What the loader is told. `server` is Dispo's public address (https) and `key` the public key of the
    store's connection; `seller` and `privacy_url` are named in the form's consent; `locale` "" takes the
    page's own language."""

    server: str
    key: str
    seller: str = ""
    privacy_url: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class StorefrontChannel:
    """A storefront of the store; `platform` is "bigcommerce" for Stencil, else what it is built with."""

    channel_id: int
    name: str
    platform: str


def script_html(settings: ScriptSettings) -> str:
    """The one `<script>` that is put into the pages. Raises Misconfigured for an address that browsers of a
    https page would not load from."""
    parts = urlsplit(settings.server)
    is_loopback = parts.hostname in ("127.0.0.1", "localhost")
    if not parts.hostname or (parts.scheme != "https" and not is_loopback):
        raise Misconfigured(
            ADAPTER,
            "the storefront script",
            "Dispo's own address is not a https address.",
            "Set Dispo's public address.",
            field="base_url",
        )
    given = {
        "server": settings.server.rstrip("/"),
        "key": settings.key,
        "seller": settings.seller,
        "privacy": settings.privacy_url,
        "locale": settings.locale,
    }
    # Stencil renders Handlebars in scripts, so no text may hold two braces; and none may end the script.
    text = json.dumps({name: value for name, value in given.items() if value})
    text = text.replace("<", "\\u003c").replace("{{", "{\\u007b").replace("}}", "}\\u007d")
    loader = files("adapters.stores.bigcommerce.script").joinpath("loader.js").read_text(encoding="utf-8")
    return f"<script>\n{loader.replace(_PLACE, text)}</script>"


def storefronts(client: BigCommerceClient) -> list[StorefrontChannel]:
    """The storefronts that are not gone; needs the scope Channel Settings: read-only."""
    query = {"type:in": "storefront", "available": "true"}
    return [
        StorefrontChannel(int(row["id"]), str(row.get("name") or row["id"]), str(row.get("platform") or ""))
        for rows in client.pages("/v3/channels", query)
        for row in rows
        if row.get("type") == "storefront" and row.get("status") not in ("deleted", "terminated")
    ]


def installed(client: BigCommerceClient) -> dict[int, dict[str, Any]]:
    """Our scripts by channel. A merchant may delete one in Script Manager: ask before putting it back."""
    found: dict[int, dict[str, Any]] = {}
    for rows in client.pages(PATH):
        for row in rows:
            if row.get("name") == NAME:
                found[int(row.get("channel_id") or 1)] = row
    return found


def put_scripts(
    client: BigCommerceClient,
    settings: ScriptSettings,
    channel_ids: Iterable[int] = (1,),
    consent: Consent = "essential",
) -> dict[int, str]:
    """Put the script into these storefronts, or bring it up to date there; uuids by channel. Harmless to
    repeat. New or changed scripts are in the pages after about 20 seconds.

    `consent` is for new scripts: what the merchant chose for one that is there stays. Raises Rejected when
    the app already has its ten scripts, Unauthorized without the scope Content: modify.
    """
    html = script_html(settings)
    known = installed(client)
    uuids: dict[int, str] = {}
    for channel_id in dict.fromkeys(channel_ids):
        there = known.get(channel_id)
        if there is None:
            body = {
                "name": NAME,
                "description": "Availability badge, restock date and back-in-stock form on product pages",
                "html": html,
                "kind": "script_tag",
                "load_method": "default",
                "location": "footer",
                # The checkout needs none of it, and another scope.
                "visibility": "storefront",
                "auto_uninstall": True,
                "enabled": True,
                "consent_category": consent,
                "channel_id": channel_id,
            }
            there = client.write("POST", PATH, body).data["data"]
        elif there.get("html") != html:
            client.write("PUT", f"{PATH}/{there['uuid']}", {"html": html, "kind": "script_tag"})
        uuids[channel_id] = str(there["uuid"])
    return uuids


def remove_scripts(client: BigCommerceClient) -> int:
    """Take our scripts out of every storefront; how many there were."""
    count = 0
    for row in installed(client).values():
        try:
            client.write("DELETE", f"{PATH}/{row['uuid']}", None)
        except NotFound:
            continue  # the merchant was faster
        count += 1
    return count
