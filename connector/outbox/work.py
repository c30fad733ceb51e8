"""Serve one turn of the outbox: claim, run the topic's handler, end the claim as the error's type says.

| the handler ends with            | messages it did not settle | the turn                                |
|----------------------------------|----------------------------|-----------------------------------------|
| nothing                          | pending                    | may be served again at once             |
| Retryable, OutcomeUnknown        | pending                    | waits 2, 4, 8 … 900 s (with jitter)     |
| RateLimited                      | pending                    | waits as long as the platform asks      |
| Unauthorized, Misconfigured      | pending                    | waits an hour; `on_refused` is told     |
| LeaseLost                        | whoever has them now       | whoever has it now                      |
| Conflict, NotFound, Rejected, …  | pending                    | waits, and the error surfaces           |
| anything else                    | pending                    | waits, and the error surfaces: a bug    |

An error about one object (`Rejected`, `NotFound`, …) belongs into that message's outcome, see `outcome_of`:
raised for a whole batch it would let one bad item stop its neighbours, so it counts as a bug here.

This module knows no other room: handlers come from the composition root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
import sqlalchemy as sa

from connector.backoff import is_refusal, wait_s
from connector.heartbeat import beating
from connector.outbox.messages import (
    LEASE_S,
    Again,
    Claim,
    Failed,
    Finished,
    LeaseLost,
    Outcome,
    Turn,
    claim,
    finish,
    renew,
)
from connector.ports.errors import (
    Conflict,
    FileFault,
    NotFound,
    OutcomeUnknown,
    PortError,
    Rejected,
    Retryable,
    Unsupported,
)

__all__ = ["Handler", "OnRefused", "Served", "Topic", "outcome_of", "serve_turn"]

OnRefused = Callable[[int, int, PortError], None]


class Handler(Protocol):
    """Makes the subjects of a claim right.

    Promises: reads the present truth after the claim; settles messages with `messages.settle` in its own
    transactions; calls nobody while one is open; stops when `claim.is_out_of_time()`; gives one message's
    error to that message and raises only what concerns the connection as a whole.
    """

    def __call__(self, runtime: Any, claim: Claim, /) -> None: ...


class HasEngine(Protocol):
    """The part of the runtime this module uses."""

    @property
    def engine(self) -> sa.Engine: ...


@dataclass(frozen=True)
class Topic:
    """How a topic is served: up to `limit` messages at a time, leased for `lease_s` seconds."""

    name: str
    handler: Handler
    limit: int = 100
    lease_s: float = LEASE_S


@dataclass(frozen=True)
class Served:
    """One served turn: how many messages were claimed, how the claim ended, and the error the turn now
    waits for, if any. `has_more` says that the turn is worth asking for again at once."""

    claimed: int
    finished: Finished
    error: PortError | None = None

    @property
    def has_more(self) -> bool:
        return self.error is None and self.finished.wait_s == 0


def outcome_of(error: PortError, tries: int) -> Outcome:
    """The outcome of one message for an error that concerns only it.

    Retryable waits by the number of `tries` of this message; RateLimited as long as asked; Conflict is
    decided again at once; OutcomeUnknown is tried again, and the handler finds its open attempt first;
    NotFound, Rejected, Unsupported and FileFault fail. Unauthorized and Misconfigured are raised again:
    they concern the whole connection.
    """
    match error:
        case Retryable() | OutcomeUnknown():
            return Again(wait_s(error, max(0, tries - 1)), str(error))
        case Conflict():
            return Again(0.0, str(error))
        case NotFound() | Rejected() | Unsupported() | FileFault():
            return Failed(str(error))
        case _:
            raise error


def serve_turn(
    runtime: HasEngine,
    turn: Turn,
    topics: Mapping[str, Topic],
    on_refused: OnRefused | None = None,
) -> Served | None:
    """Serve `turn` once; None when there was nothing to claim.

    `on_refused(merchant_id, connection_id, error)` is called after the claim has ended, to pause the
    connection and tell the merchant. Raises KeyError for a topic without a handler, and whatever the
    handler raises that is not a passing fault or a refusal, after the claim has ended.
    """
    topic = topics[turn.topic]
    claimed = claim(runtime.engine, turn, topic.limit, topic.lease_s)
    if claimed is None:
        return None
    count = len(claimed.messages)
    try:
        with beating(lambda: renew(runtime.engine, claimed), claimed.lease_s):
            topic.handler(runtime, claimed)
    except LeaseLost:
        return Served(count, finish(runtime.engine, claimed))
    except sa.exc.OperationalError as exc:
        if not isinstance(exc.orig, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
            finish(runtime.engine, claimed, exc)
            raise
        # The database undid one of two transactions that waited for each other; it is simply done again.
        circle = Retryable("the database", turn.topic, "Two transactions waited for each other.")
        return Served(count, finish(runtime.engine, claimed, circle), circle)
    except (Retryable, OutcomeUnknown) as error:
        return Served(count, finish(runtime.engine, claimed, error), error)
    except PortError as error:
        ended = finish(runtime.engine, claimed, error)
        if not is_refusal(error):
            raise
        if on_refused is not None:
            on_refused(turn.merchant_id, turn.connection_id, error)
        return Served(count, ended, error)
    except BaseException as error:  # a bug, or the process is asked to stop: it surfaces, the turn is free
        finish(runtime.engine, claimed, error)
        raise
    return Served(count, finish(runtime.engine, claimed))
