"""A turn whose messages are one piece of work: a look at one connection, or which connections to look at."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Outcome, settle


def work_turn(
    engine: sa.Engine,
    claim: Claim,
    *,
    look: Callable[[int], object],
    spread: Callable[[], object],
    waiting: str,
) -> None:
    """Do a claim's work and settle all of it: `look(connection_id)` where the turn is one connection's, else
    `spread()`, which leaves a message for each connection that has something to do.

    A look that ran out of time comes again at once, with `waiting` as its note. What either raises goes on: then
    nothing is settled.
    """
    outcome: Outcome = Done()
    if claim.turn.connection_id:
        look(claim.turn.connection_id)
        if claim.is_out_of_time():
            outcome = Again(0.0, waiting)
    else:
        spread()
    with transaction(engine) as db:
        settle(db, claim, {message.id: outcome for message in claim.messages})
