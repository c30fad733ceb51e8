"""What this room needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from connector.ports.stores import Store

SCHEDULE = "store.prices"
"""Of one store whose prices are written; `SCHEDULE_ALL` looks at the floors of a merchant."""
SCHEDULE_ALL = "positions.prices"
LOOK_EVERY_S = 3600


class RepricingRuntime(Protocol):
    """The engine, the clock (aware, UTC) and the connected stores."""

    @property
    def engine(self) -> sa.Engine: ...

    def now(self) -> datetime: ...

    def store(self, merchant_id: int, connection_id: int) -> Store:
        """The adapter of one store connection; raises a PortError when it cannot be built."""
