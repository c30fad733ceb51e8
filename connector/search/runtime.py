"""What this room needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from connector.ports.search import Search

SCHEDULE = "search.look"
LOOK_EVERY_S = 3600


class SearchRuntime(Protocol):
    """The engine, the clock (aware, UTC) and the connected search engines."""

    @property
    def engine(self) -> sa.Engine: ...

    def now(self) -> datetime: ...

    def search(self, merchant_id: int, connection_id: int) -> Search:
        """The adapter of a search connection; raises a PortError when it cannot be built."""
