"""A worker of the queue "ads" whose handler notes each message in a file and waits until it may go on.

Run as `python -m tests.workers.slow_worker DIRECTORY`: it ends when its queue is empty.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from connector import bootstrap
from connector.db import transaction
from connector.outbox.messages import Claim, Done, settle
from connector.outbox.work import Topic
from connector.positions.topics import ADS
from connector.settings import load_settings
from workers.run import work


def main(directory: Path) -> None:
    def handle(rt: Any, claim: Claim) -> None:
        (directory / "begun").touch()
        while not (directory / "go").exists():
            time.sleep(0.01)
        with transaction(rt.engine) as db, (directory / "done").open("a") as note:
            settle(db, claim, {message.id: Done() for message in claim.messages})
            note.writelines(f"{message.subject}\n" for message in claim.messages)

    bootstrap.TOPICS[ADS] = Topic(ADS, handle, 100, 240)  # type: ignore[index]
    work(bootstrap.Runtime(load_settings()), "ads", burst=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
