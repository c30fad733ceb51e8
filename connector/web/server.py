"""How the web server runs: one place, so that what is measured is what is used."""

from __future__ import annotations

import logging

from granian.constants import Interfaces
from granian.server import Server

THREADS = 16
"""Requests at work at once in each process; the database pool is larger than that. More than processors,
because most of a request is waiting: webhooks that wait for the same commit share it (measured: 16 threads
took in half as many again as 8 on two processors, 32 no more)."""


def serve(
    address: str,
    port: int,
    *,
    workers: int = 1,
    target: str = "connector.web.wsgi:app",
    is_factory: bool = False,
) -> None:
    """Serve `target` until the process is told to stop."""
    logging.getLogger("_granian").addFilter(_is_news)
    Server(
        target,
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        backpressure=256,
        log_access=False,
        websockets=False,
        factory=is_factory,
    ).serve()


def _is_news(record: logging.LogRecord) -> bool:
    """Not the server's remark about the number of threads, which is meant as it is."""
    return "spawning up to" not in record.getMessage()
