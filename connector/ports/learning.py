"""What a connection learns from the far side by itself and must not forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class Learns(Protocol):
    """A supplier that learns settings from the far side which must be remembered, as a server's key."""

    def learnt(self) -> Mapping[str, str]:
        """Settings learnt by the last `check` or `fetch`, by the name of their field; the caller stores
        each of them with the connection where it has none yet. No network."""
