"""What intake needs from the installation, as Protocols, so that each run and test hands it in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from connector.ports.errors import PortError
from connector.ports.suppliers import Supplier
from connector.positions.decide import Cause, Decided, decide


class Runtime(Protocol):
    """The installation as intake sees it. `data_dir` is this machine's own."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def data_dir(self) -> Path: ...

    def clock(self) -> datetime:
        """The present, aware, in UTC."""

    def supplier(self, merchant_id: int, connection_id: int) -> Supplier:
        """The supplier behind a connection. Raises a PortError where it cannot be built."""


class Decide(Protocol):
    """Decides variants again and commits; `connector.positions.decide.decide`."""

    def __call__(
        self, engine: sa.Engine, merchant_id: int, variant_ids: Sequence[int], *, now: datetime, cause: Cause
    ) -> Decided: ...


class SourceBusy(Exception):
    """Another run of this source is at work; `run_id` when it is known."""

    def __init__(self, source_id: int, run_id: int | None) -> None:
        self.source_id = source_id
        self.run_id = run_id
        which = f"run {run_id}" if run_id else "another run"
        super().__init__(f"Source {source_id} is already being read by {which}: wait until it has ended.")


class NotPossible(Exception):
    """A run cannot be approved, rejected or undone; the sentence says why and what to do."""


__all__ = ["Cause", "Decide", "Decided", "NotPossible", "PortError", "Runtime", "SourceBusy", "decide"]
