"""A worker is killed at each point of a send: nobody is told twice, nobody is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.outbox.upkeep import sweep
from connector.shoppers import episodes
from connector.shoppers.messages import resend
from tests.shoppers import sender
from tests.shoppers.sender import Provider
from tests.shoppers.world import World
from tests.support import ended


def work(context: Any, url: str, where: str, letterbox: Path) -> int:
    """One worker process that dies at `where`; its exit code."""
    process = context.Process(target=sender.main, args=(url, where, letterbox))
    process.start()
    return ended(process)


def lease_over(world: World) -> None:
    """Let the killed worker's lease run out and sweep, as the clock process does."""
    with world.engine.begin() as db:
        for table in ("outbox_message", "outbox_turn"):
            db.execute(sa.text(f"update {table} set lease_until = now() where lease_until is not null"))
    sweep(world.engine)
    world.make_due()


@pytest.mark.parametrize(
    ("where", "arrived_before", "status", "arrived_after"),
    [
        pytest.param("claimed", 0, "sent", 1, id="after the claim, before anything"),
        pytest.param("sending", 0, "unknown", 0, id="after sending was committed, before the provider"),
        pytest.param("accepted", 1, "unknown", 1, id="after the provider took it, before we noted it"),
        pytest.param("sent", 1, "sent", 1, id="after we noted it, before the outbox was settled"),
    ],
)
def test_a_killed_worker_never_doubles_a_message(
    world: World,
    database_url: str,
    processes: Any,
    tmp_path: Path,
    where: str,
    arrived_before: int,
    status: str,
    arrived_after: int,
) -> None:
    letterbox = tmp_path / "letters"
    letterbox.touch()
    world.waiting("ann@example.com")
    world.set_stock(3)
    episodes.look(world, world.merchant_id, world.variant_id)

    assert work(processes, database_url, where, letterbox) == -9
    assert len(letterbox.read_text().splitlines()) == arrived_before
    world.mail = Provider(letterbox)
    for _ in range(2):
        lease_over(world)
        world.run()
    assert world.message_statuses() == [status]
    assert world.statuses() == ["fulfilled"]
    assert len(letterbox.read_text().splitlines()) == arrived_after

    message_id = world.row("select id from message where kind = 'back_in_stock'").id
    assert resend(world, world.merchant_id, message_id) == (status == "unknown")
    world.run()
    letters = letterbox.read_text().splitlines()
    assert len(letters) == arrived_after + (status == "unknown")
    assert len(set(letters)) == 1
    assert world.message_statuses() == ["sent"]
