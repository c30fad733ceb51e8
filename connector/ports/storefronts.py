"""The port of a platform whose storefront pages take a script from us, and nothing about any of them.

The script shows the availability badge and the "notify me" form. A platform that shows them in another way
(blocks of a theme, a plugin) has no such port, see `connector.registry.Manifest.scripts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Consent = Literal["essential", "functional", "analytics", "targeting"]
"""The kinds of scripts that a shopper agrees to in a store with a consent banner; essential ones always run."""

PlaceState = Literal["set", "disabled", "limit", "refused"]


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What the script is told. `server` is Dispo's public address (https) and `key` the public key of the
    store's connection; `seller` and `privacy_url` are named in the form's consent; `locale` "" takes the
    page's own language."""

    server: str
    key: str
    seller: str = ""
    privacy_url: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class ScriptPlace:
    """One storefront after `put`; `name` is "" where the platform does not say it.

    "set": the script is in its pages. "disabled": it is there, and the merchant switched it off there.
    "limit": the platform takes no more scripts. "refused": it was refused for good, `detail` in words.
    `is_new`: it was not there before this call. `needs_block`: its theme shows nothing by itself, the block
    must be put into its pages by hand.
    """

    storefront_id: str
    name: str
    state: PlaceState
    detail: str = ""
    is_new: bool = False
    needs_block: bool = False


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """What became of the script, by storefront. `sees_all` False: the store does not let us see which
    storefronts it has, so only its first one was looked at."""

    places: tuple[ScriptPlace, ...]
    sees_all: bool = True


class StorefrontScripts(Protocol):
    """The script in the storefronts of one connected shop. Construction does no network."""

    def put(
        self, settings: ScriptSettings, consent: Consent, *, changes_consent: bool = False
    ) -> ScriptReport:
        """Have the script in every storefront, up to date and once. Harmless to repeat.

        `consent` is for scripts that are made by this call; one that is there keeps the kind that the merchant
        gave it on the platform, unless `changes_consent`. One that the merchant switched off there stays off.
        A refusal for one storefront never fails the others. Raises Unauthorized without the right to set
        scripts, Misconfigured(field="base_url") where browsers would not load from our address, Retryable,
        OutcomeUnknown (repeat it).
        """

    def remove(self) -> int:
        """Take the script out of every storefront; how many there were. Harmless to repeat. Raises as `put`."""
