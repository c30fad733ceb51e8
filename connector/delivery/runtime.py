"""What delivery needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from connector.crypto import Keyring
from connector.delivery.live import LiveDesk
from connector.ports.stores import Store, StoreOrder, StoreWebhooks


class DeliveryRuntime(Protocol):
    """The engine, the key ring, the clock (aware, UTC) and the connected stores."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def live_orders(self) -> LiveDesk:
        """What asks suppliers after an order."""

    def now(self) -> datetime: ...

    def store(self, merchant_id: int, connection_id: int) -> Store:
        """The adapter of one store connection; raises a PortError when it cannot be built."""

    def tell_orders(self, merchant_id: int, connection_id: int, orders: Sequence[StoreOrder]) -> None:
        """These orders of a store are recorded: whoever else wants to know of them is told, in memory, because what
        they say of a customer must not be stored. Called outside of a transaction, possibly again for the same."""

    def store_webhooks(self, adapter: str) -> StoreWebhooks:
        """The webhook verifier of a platform."""
