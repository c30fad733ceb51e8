"""The storefront script: put into a store's pages by the Scripts API, one script a storefront.

The script is inline: a small loader (`script/loader.js`) with this store's settings in it, which loads Dispo's
own `notify-me.js` on product pages and nowhere else. Stencil themes run it. Catalyst (1.1 and later) runs it
too, but its pages have no such form, so nothing is shown there: put the block of docs/storefront-script.md
into the page instead. Blueprint themes run no scripts.

Consent: the loader and notify-me.js set no cookie, tell nobody who looks, and keep an address only when the
shopper typed it into the form and it could not be delivered. So the script asks for the category "essential"
by default; what the merchant chooses in Script Manager is left alone until they choose again in Dispo.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from adapters.stores.bigcommerce.client import ADAPTER, BigCommerceClient
from connector.ports.errors import Conflict, Misconfigured, NotFound, Rejected, Unauthorized
from connector.ports.storefronts import Consent, PlaceState, ScriptPlace, ScriptReport, ScriptSettings

NAME = "Dispo availability"
PATH = "/v3/content/scripts"
MOST = 10
"""So many scripts an app may have in a store, those of all its storefronts counted."""
STENCIL = "bigcommerce"
_PLACE = '"DISPO SETTINGS"'


@dataclass(frozen=True, slots=True)
class StorefrontChannel:
    """A storefront of the store; `platform` is "bigcommerce" for Stencil, else what it is built with."""

    channel_id: int
    name: str
    platform: str


class BigCommerceScripts:
    """Implements `connector.ports.storefronts.StorefrontScripts`."""

    def __init__(self, client: BigCommerceClient) -> None:
        self._client = client

    def put(
        self, settings: ScriptSettings, consent: Consent, *, changes_consent: bool = False
    ) -> ScriptReport:
        """Stencil storefronts first: where there are more storefronts than scripts, they are shown something.

        New or changed scripts are in the pages after about 20 seconds.
        """
        html = script_html(settings)
        known = _by_channel(scripts(self._client))
        channels, sees_all = self._channels()
        if sees_all:
            # A storefront that was closed keeps its script, and that counts among the ten.
            self._drop([one for number, rows in known.items() if number not in channels for one in rows])
        found = []
        for channel in sorted(channels.values(), key=lambda one: (one.platform != STENCIL, one.channel_id)):
            rows = known.get(channel.channel_id, [])
            try:
                self._drop(rows[1:])
                if rows:
                    state = self._update(rows[0], html, consent if changes_consent else None)
                else:
                    self._create(channel.channel_id, html, consent)
                    state = "set"
                found.append(_place(channel, state, is_new=not rows))
            except (Rejected, NotFound, Conflict) as error:
                is_full = not rows and len(scripts(self._client, ours=False)) >= MOST
                found.append(_place(channel, "limit" if is_full else "refused", detail=error.cause))
        return ScriptReport(tuple(found), sees_all)

    def remove(self) -> int:
        return self._drop(scripts(self._client))

    def _channels(self) -> tuple[dict[int, StorefrontChannel], bool]:
        """The storefronts by id, and whether they are all; without the scope the first one, which every store
        has, alone."""
        try:
            return {one.channel_id: one for one in storefronts(self._client)}, True
        except Unauthorized:
            return {1: StorefrontChannel(1, "", STENCIL)}, False

    def _create(self, channel_id: int, html: str, consent: Consent) -> None:
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
        self._client.write("POST", PATH, body)

    def _update(self, there: Mapping[str, Any], html: str, consent: Consent | None) -> PlaceState:
        changes: dict[str, Any] = {}
        if there.get("html") != html:
            changes = {"html": html, "kind": "script_tag"}
        if consent is not None and there.get("consent_category") != consent:
            changes["consent_category"] = consent
        if changes:
            self._client.write("PUT", f"{PATH}/{there['uuid']}", changes)
        return "disabled" if there.get("enabled") is False else "set"

    def _drop(self, rows: Sequence[Mapping[str, Any]]) -> int:
        count = 0
        for row in rows:
            try:
                self._client.write("DELETE", f"{PATH}/{row['uuid']}", None)
            except NotFound:
                continue  # the merchant was faster
            count += 1
        return count


def _place(
    channel: StorefrontChannel, state: PlaceState, *, detail: str = "", is_new: bool = False
) -> ScriptPlace:
    return ScriptPlace(
        str(channel.channel_id),
        channel.name,
        state,
        detail,
        is_new=is_new and state == "set",
        needs_block=channel.platform != STENCIL,
    )


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


def scripts(client: BigCommerceClient, *, ours: bool = True) -> list[dict[str, Any]]:
    """The script of ours in each storefront (twice, if something went wrong), or all of the app's."""
    return [row for rows in client.pages(PATH) for row in rows if not ours or row.get("name") == NAME]


def _by_channel(rows: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(int(row.get("channel_id") or 1), []).append(row)
    return found
