"""What this room needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from typing import Protocol

from connector.advertising.runtime import AdsRuntime
from connector.crypto import Keyring
from connector.ports.installs import App
from connector.registry import Environment


class InstallsRuntime(AdsRuntime, Protocol):
    """As advertising's, and the key ring, what adapters may know, and our apps."""

    @property
    def keyring(self) -> Keyring: ...

    @property
    def environment(self) -> Environment: ...

    def app(self, adapter: str) -> App:
        """Our app on a platform; raises Misconfigured where the operator has none."""
