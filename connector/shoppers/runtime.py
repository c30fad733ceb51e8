"""What the shoppers' room needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from connector.crypto import Keyring
from connector.ports.coupons import Coupons


class ShopperRuntime(Protocol):
    """The engine, the keys, the clock (aware, UTC), our public address and the ways to reach people."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def base_url(self) -> str:
        """The address people reach us under, without a final slash."""

    def now(self) -> datetime: ...

    def channel(self, merchant_id: int, connection_id: int) -> Any:
        """The adapter of a channel connection, one of `connector.ports.channels` by its medium; 0 is the
        installation's own mail. Raises a PortError when it cannot be built."""

    def coupons(self, merchant_id: int, connection_id: int) -> Coupons | None:
        """What makes discount codes in a store; None where its platform has none. Raises a PortError."""
