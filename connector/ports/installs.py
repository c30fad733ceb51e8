"""The port of a platform whose merchants install us from its app store, and nothing about any of them.

The platform shows our pages inside its own, says by a signed token who looks at them, and gives access to
the shop in exchange for that token. The access it gives may expire and is renewed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who looks at our embedded page: `user_id` (the platform's own) of `shop` (its domain on the
    platform, lower case). `token` is the proof, good for a minute or so."""

    shop: str
    user_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """Access to one shop. Store all of it in one commit, before its first use.

    `expires_at` and `refresh_expires_at` are aware, UTC; None: it does not expire. `scopes` are the
    platform's own words.
    """

    shop: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime | None
    refresh_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class PrivacyRequest:
    """A legal request that a platform passes on.

    "export": give the merchant what is kept about these `addresses` (mailboxes and telephone numbers);
    "erase_person": forget them;
    "erase_shop": forget everything of the shop, which left. `reference` is the platform's number of the
    request or the person, "" where it gives none; never a name or an address.
    """

    kind: Literal["export", "erase_person", "erase_shop"]
    addresses: tuple[str, ...] = field(default=(), repr=False)
    reference: str = ""


class App(Protocol):
    """Our app on one platform. Construction does no network."""

    client_id: str

    def visitor(self, token: str) -> Visitor:
        """Who this token speaks for. Raises Unauthorized for a token that is not the platform's, is for
        another app, too early or too late, whatever its bytes are; never anything else. No network."""

    def grant(self, visitor: Visitor) -> Grant:
        """Access to the visitor's shop, for the token they came with. Earlier access to this shop ends.
        Raises Unauthorized when the platform refuses, Retryable, or Misconfigured for our own keys."""

    def renew(self, shop: str, refresh_token: str) -> Grant:
        """New access in place of what expires. The old `refresh_token` may be used again until the new one
        has been, so a crash before the new pair is stored does no harm. Raises as `grant`."""

    def relayed(self, query: str) -> str:
        """The shop for which the platform relays a shopper's request with this query string. Raises
        Unauthorized when it is not signed or too old, and nothing else. No network."""

    def config(self, grant: Grant) -> dict[str, Any]:
        """The settings of the connection that this access is for."""

    def page_ancestors(self, shop: str) -> tuple[str, ...]:
        """The origins that may show our pages to this shop's people; none for a name that is no shop's."""

    def block_pages(self, shop: str) -> Mapping[Block, str]:
        """Where this shop's people put our blocks into their product pages; none where that needs nobody."""


Block = Literal["badge", "form", "data"]
"""What we show on product pages: availability, the "notify me" form, and data for search engines."""


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who removes our app, or whom the shop removed from it. `is_owner`: the shop is theirs.
    `said_at` is when the platform said so, aware."""

    shop: str
    user_id: str
    is_owner: bool
    said_at: datetime


class CodeApp(App, Protocol):
    """An app whose access comes with the installation alone, for a code in the browser's address."""

    def installed(self, query: Mapping[str, str], redirect_uri: str) -> tuple[Visitor, Grant]:
        """Who installed us where, and the access to that shop: earlier access has ended, so it must be
        stored. `redirect_uri` is our address that the platform opened. Raises as `grant`, OutcomeUnknown
        when no answer came: then the installation is begun again."""

    def leaver(self, token: str) -> Leaver:
        """Who a token of a removal speaks for. Raises Unauthorized as `visitor`."""


class AccessTokens(Protocol):
    """The access tokens of one connection, renewed when they expire, whoever else renews them."""

    def current(self) -> str:
        """A token that is good for some minutes more. Raises Unauthorized when the platform refuses to
        renew it, Retryable when it cannot be asked."""

    def after(self, refused: str) -> str:
        """Another token than `refused`, which the platform turned away before its time. Raises as
        `current`."""


@dataclass(frozen=True, slots=True)
class ShopFound:
    """A shop that answered: its `address` as it is to be kept, and what it calls itself ("" if it does not)."""

    address: str
    name: str


@dataclass(frozen=True, slots=True)
class KeysHanded:
    """Keys that a shop handed over: `state` is the word that we sent along, `secrets` are those of the
    connection."""

    state: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)


Obstacle = Literal["", "no_https", "port", "private"]
"""Why a shop would not hand its keys to our address: no https, a port it does not call, a private host."""


class KeyHandover(Protocol):
    """How a shop hands us keys of its own: its owner agrees on a page of the shop, which then posts the keys
    to us without a signature. Only the state proves whose they are. Construction does no network."""

    def look(self, address: str) -> ShopFound:
        """Ask the shop at an address that somebody typed who it is. Raises Misconfigured(field="url") for
        what is no shop of this platform, Retryable when it does not answer."""

    def authorize_url(self, address: str, *, state: str, return_url: str, callback_url: str) -> str:
        """The page of the shop where its owner agrees. The browser comes back to `return_url`."""

    def read(self, body: bytes) -> KeysHanded:
        """What the shop posted to the callback. Raises Rejected for anything else. No network."""

    def config(self, address: str) -> dict[str, Any]:
        """The settings of the connection of the shop at this address."""

    def address(self, config: Mapping[str, Any]) -> str:
        """The address of the shop with these settings."""

    def obstacle(self, own_address: str) -> Obstacle:
        """Why shops of this platform cannot post to our own address; "" when they can."""
