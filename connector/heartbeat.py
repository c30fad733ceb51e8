"""Leases that are short, so that the work of a killed process is soon given to another one, and renewed
while their holder is alive and at work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

LEASE_S = 60.0
"""How long a lease lasts without a heartbeat."""
EVERY_S = 15.0

log = logging.getLogger(__name__)


@contextmanager
def beating(renew: Callable[[], bool], longest_s: float, *, every_s: float = EVERY_S) -> Iterator[None]:
    """Call `renew` every `every_s` seconds in a thread until the block ends, it says False (the lease is
    somebody else's now), or `longest_s` seconds are over: a handler that hangs must not hold its lease for
    ever. A renewal under way is waited for at the end of the block."""
    stop = threading.Event()
    until = time.monotonic() + longest_s

    def beat() -> None:
        while not stop.wait(every_s) and time.monotonic() < until:
            try:
                if not renew():
                    return
            except SQLAlchemyError as error:
                # The lease has several beats to live: the database may be back for the next one.
                log.warning("A lease could not be renewed: %s.", type(error).__name__)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
