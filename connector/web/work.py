"""Work that a button starts: done within the request where it is short, else behind it.

What is started here survives the end of this process: each piece is resumable by itself (a run that was
cut off is finished by the next one, a decision by the next decision).
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

import structlog

log = structlog.get_logger()

WAIT_S = 8.0


def briefly(work: Callable[[], object], wait_s: float = WAIT_S) -> bool:
    """Do `work`; True when it ended within `wait_s` seconds, False when it goes on behind the request.
    An error within that time is raised here; a later one is logged."""
    errors: list[BaseException] = []
    is_waiting = threading.Event()
    is_waiting.set()

    def do() -> None:
        try:
            work()
        except BaseException as error:  # handed to the request, or logged when nobody waits any more
            errors.append(error)
            if not is_waiting.is_set():
                text = "".join(traceback.format_exception(error))
                log.error("work behind a request failed", traceback=text)

    thread = threading.Thread(target=do, name="behind-a-request")
    thread.start()
    thread.join(wait_s)
    if thread.is_alive():
        is_waiting.clear()
        return False
    if errors:
        raise errors[0]
    return True
