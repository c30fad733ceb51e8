"""What advertising needs of the running installation; `bootstrap.Runtime` provides it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from connector.ports.ads import Ads

ACCOUNT = "account"
"""The subject of the message "look at this account" (topic `ads.position`, its connection)."""


class AdsRuntime(Protocol):
    """The engine, the clock (aware, UTC) and the connected advertising accounts."""

    @property
    def engine(self) -> sa.Engine: ...

    def now(self) -> datetime: ...

    def ads(self, merchant_id: int, connection_id: int) -> Ads:
        """The adapter of an advertising account; raises a PortError when it cannot be built."""
