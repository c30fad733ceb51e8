"""What this room needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from typing import Protocol

from connector.advertising.runtime import AdsRuntime
from connector.crypto import Keyring
from connector.ports.installs import App
from connector.ports.notes import ProductNotes
from connector.ports.storefronts import StorefrontScripts
from connector.ports.stores import Store
from connector.registry import Environment


class InstallsRuntime(AdsRuntime, Protocol):
    """As advertising's, and the key ring, what adapters may know, our address, our apps and our scripts."""

    @property
    def base_url(self) -> str: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def environment(self) -> Environment: ...

    def app(self, adapter: str) -> App:
        """Our app on a platform; raises Misconfigured where the operator has none."""

    def store(self, merchant_id: int, connection_id: int) -> Store:
        """The adapter of one store connection; raises a PortError when it cannot be built."""

    def scripts(self, merchant_id: int, connection_id: int) -> StorefrontScripts | None:
        """What puts our script into a store's pages; None where its platform takes none."""

    def notes(self, merchant_id: int, connection_id: int) -> ProductNotes | None:
        """What writes a store's own fields about availability; None where its platform has none."""
