"""A worker process that dies where it is told: the other half of `test_kills`.

`where` is "claimed", "sending", "accepted" or "sent". The provider is a file: every accepted message
appends one line.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from connector.db import make_engine
from connector.outbox import messages as outbox
from connector.ports.channels import Accepted, OutgoingMessage
from connector.shoppers import media, sending
from tests.shoppers.world import RecordingChannel, World
from tests.support import ManualClock


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Provider(RecordingChannel):
    """Appends to the letterbox; may kill the process before or after."""

    def __init__(self, letterbox: Path, where: str = "never") -> None:
        super().__init__()
        self.letterbox, self.where = letterbox, where

    def send(self, message: OutgoingMessage) -> Accepted:
        if self.where == "sending":
            die()
        with self.letterbox.open("a") as file:
            file.write(f"{message.message_id} {message.to}\n")
            file.flush()
            os.fsync(file.fileno())
        if self.where == "accepted":
            die()
        return Accepted("1")


def main(url: str, where: str, letterbox: Path) -> None:
    engine = make_engine(url)
    provider = Provider(letterbox, where)
    world = World(engine, ManualClock(), mail=provider)
    with engine.connect() as db:
        turns = outbox.due_turns(db, [media.EMAIL], 10)
    for turn in turns:
        claim = outbox.claim(engine, turn, 100, lease_s=1.0)
        if claim is None:
            continue
        if where == "claimed":
            die()
        if where == "sent":
            sending.settle = lambda *given: die()  # type: ignore[assignment,attr-defined]
        sending.work_messages(world, claim)
        outbox.finish(engine, claim)
