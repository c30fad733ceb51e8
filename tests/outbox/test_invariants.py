"""Any interleaving of enqueue, claim, settle, finish, lost leases and sweeps keeps the outbox's promises.

1. At most one pending and one claimed message per subject (and no statement fails on those indexes).
2. The last intent is never lost: as long as the outside has not heard the latest truth of a subject, a
   pending message exists for it, or a claimed one whose worker read that latest truth.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Failed, Outcome, Unknown, claim, finish, settle
from connector.outbox.upkeep import sweep
from connector.ports.errors import Retryable
from tests.outbox.support import TURN, expire, intend, skip_waits

SUBJECTS = ["a", "b", "c", "d"]
OUTCOMES: list[Outcome] = [Done(), Again(), Again(30.0), Failed("no"), Unknown("?")]


class Outbox(RuleBasedStateMachine):
    """`truth` is what should be outside, `heard` what the outside was last told, `workers` the claims
    with the truth each of them read. A worker that lost its lease stays and may still try to settle."""

    engine: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        with transaction(self.engine) as db:
            db.execute(sa.text("delete from outbox_message"))
            db.execute(sa.text("delete from outbox_turn"))
        self.truth: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.workers: list[tuple[Claim, dict[str, int]]] = []

    @rule(
        subjects=st.lists(st.sampled_from(SUBJECTS), min_size=1), lane=st.integers(1, 5), later=st.booleans()
    )
    def change(self, subjects: list[str], lane: int, later: bool) -> None:
        for subject in subjects:
            self.truth[subject] = self.truth.get(subject, 0) + 1
        intend(self.engine, *subjects, lane=lane, delay_s=30.0 if later else 0.0)

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        claimed = claim(self.engine, TURN, limit)
        if claimed is not None:
            self.workers.append((claimed, dict(self.truth)))

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        if not self.workers:
            return
        claimed, read = data.draw(st.sampled_from(self.workers))
        outcomes = {
            message.id: data.draw(st.sampled_from(OUTCOMES))
            for message in claimed.messages
            if data.draw(st.booleans())
        }
        with transaction(self.engine) as db:
            settled = settle(db, claimed, outcomes)
        for message in claimed.messages:
            if message.id in settled and not isinstance(outcomes[message.id], Again):
                self.heard[message.subject] = read[message.subject]

    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        if self.workers:
            worker = data.draw(st.sampled_from(self.workers))
            self.workers.remove(worker)
            finish(self.engine, worker[0], Retryable("shop", "x", "down") if fails else None)

    @rule()
    def leases_run_out(self) -> None:
        expire(self.engine)

    @rule()
    def sweep(self) -> None:
        sweep(self.engine)

    @rule()
    def waits_end(self) -> None:
        skip_waits(self.engine)

    @invariant()
    def promises_hold(self) -> None:
        pending, claimed = self._open()
        assert len(pending) == len({subject for subject, _ in pending})
        assert len(claimed) == len({subject for subject, _ in claimed})
        read_by = {claim.token: read for claim, read in self.workers}
        covered = {subject for subject, _ in pending}
        covered |= {s for s, token in claimed if read_by.get(token, {}).get(s) == self.truth[s]}
        unheard = {s for s, value in self.truth.items() if self.heard.get(s) != value}
        assert unheard - covered == set()

    def teardown(self) -> None:
        """Whatever happened: once the waits are over, one honest worker makes everything right."""
        expire(self.engine)
        sweep(self.engine)
        skip_waits(self.engine)
        claimed = claim(self.engine, TURN, 100)
        if claimed is not None:
            with transaction(self.engine) as db:
                settle(db, claimed, {message.id: Done() for message in claimed.messages})
            self.heard |= {message.subject: self.truth[message.subject] for message in claimed.messages}
            finish(self.engine, claimed)
        assert self.heard == self.truth
        assert self._open() == ([], [])

    def _open(self) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
        with self.engine.connect() as db:
            found = db.execute(
                sa.text("select status, subject, lease_token from outbox_message where settled_at is null")
            ).all()
        return (
            [(row.subject, row.lease_token) for row in found if row.status == "pending"],
            [(row.subject, row.lease_token) for row in found if row.status == "claimed"],
        )


def test_any_interleaving_keeps_the_promises(engine: sa.Engine) -> None:
    machine = type("BoundOutbox", (Outbox,), {"engine": engine})
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=25))
